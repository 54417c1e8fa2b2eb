/* The standard streams of a process: pipes, or a terminal's master side. */
#ifndef STREAMS_H
#define STREAMS_H

#include "loop.h"
#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process;
struct client;

struct output {
	struct source source;
	struct process *process;
	int stream; /* 1 stdout (and a terminal's only output), 2 stderr */
};

struct streams {
	bool tty, open_stdin, close_stdin_once, detached;
	bool paused;             /* a client is too far behind */
	bool close_when_written; /* the input's end follows `pending` */
	struct timer hangup;
	int child[3]; /* the process's ends, until the runtime has them */
	struct source input;
	struct text pending; /* input the process has not taken */
	struct output outputs[2];
	struct source console; /* listening: the runtime connects and sends the terminal's master */
	char *console_path;
	unsigned short rows, cols;
	struct client *clients;
};

void streams_init(struct process *process);
/* Makes the pipes, or the console socket. Returns -1 with errno set. */
int streams_open(struct process *process);
/* The runtime has its ends. */
void streams_close_child_ends(struct streams *io);
/* The process runs: output flows from now on. */
void streams_flow(struct process *process);
/* Whether input of clients can be taken now. */
bool streams_takes_input(const struct process *process);
/* Writes input; what the process does not take now is kept. */
void streams_write(struct process *process, const void *bytes, size_t n);
/* Closes the process's stdin at once, or, `end`, after what is pending. */
void streams_close_input(struct process *process);
void streams_end_input(struct process *process);
/* A client has caught up or has gone: reads on if none is behind now. */
void streams_resume(struct process *process);
/* Sends `n` bytes of output (at most IO_SIZE) to one client, framed as it wants them. */
void streams_send(struct client *client, int stream, const uint8_t *bytes, size_t n);
/* Reads all that there is, the clients' bound notwithstanding. Returns whether all outputs have ended. */
bool streams_drain(struct process *process);
/* Closes everything. */
void streams_close(struct process *process);
/* Takes the output of a start that failed. */
void streams_take_output(struct process *process, struct text *into);
/* Returns -1 with errno set; ENOTTY when there is no terminal. Before the terminal is there the size is kept for it. */
int streams_resize(struct process *process, unsigned short rows, unsigned short cols);

#endif
