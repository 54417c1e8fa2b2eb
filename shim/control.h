/*
 * Control connections. The daemon sends lines of TAB-separated words, `SEQ start`, `SEQ resize ID|- ROWS COLS`,
 * `SEQ signal ID|- NUMBER`, `SEQ ack EXEC`, `SEQ probe PLAN TIMEOUT_MS`, `SEQ log-await INODE SIZE`,
 * `SEQ log-delivered INODE`, `SEQ log-compressed INODE`; the shim sends lines of JSON: `state` first, then replies and events.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "shim.h"

struct control {
	struct control *next;
	struct shim *shim;
	struct source source;
	struct text in, out;
	unsigned long await_seq; /* 0: nobody waits for the log to grow */
	ino_t await_inode;
	long long await_size;
	bool greeted; /* it was sent the state: not before a start under way is decided */
};

/* Takes over the connection `fd`. */
struct control *control_open(struct shim *shim, int fd);
/* Sends one line to every daemon. */
void control_broadcast(struct shim *shim, const struct text *line);
void control_send(struct control *control, const struct text *line);
/* Sends the state to those who still wait for it. */
void control_greet(struct shim *shim);
/* Output was written to the log, or it is no longer stalled: tells who wants to know. */
void control_log_written(struct shim *shim);
/* Whether a daemon is there that has not closed its end. */
bool control_is_alive(const struct shim *shim);
/* Whether everything was sent. */
bool control_is_flushed(const struct shim *shim);

#endif
