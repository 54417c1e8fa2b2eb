/*
 * The monitor of one container, as a whole.
 *
 * A shim has one init process and any number of execs (process.h), each with its streams (streams.h) and the
 * clients attached to them (client.h). Daemons talk to it over control connections (control.h): first the
 * one it was born with, after a restart one made through the listening socket (server.h).
 */
#ifndef SHIM_H
#define SHIM_H

#include "logfile.h"
#include "loop.h"
#include "oom.h"
#include "options.h"
#include "text.h"

#include <sys/types.h>

struct process;
struct control;
struct client;
struct probe;

/* The end of an exec that no daemon has acknowledged. */
struct exec_exit {
	struct exec_exit *next;
	int code;
	char id[];
};

/* A child that ended before its runtime had told its pid. */
struct stray {
	pid_t pid;
	int status;
	bool never_execed;
};

enum { IO_SIZE = 64 * 1024, FRAME_HEADER = 8, STRAYS = 32 };

struct shim {
	struct options options;
	struct loop loop;
	struct source signals, listener;
	struct logfile log;
	struct oom oom;
	struct process *init;
	struct process *execs;
	struct probe *probes;
	struct control *controls;
	struct exec_exit *exec_exits;
	struct stray strays[STRAYS];
	unsigned next_stray, serial;
	int clients;
	ino_t socket_inode;
	pid_t delete_pid; /* the runtime's delete, while it runs */
	bool ending;      /* the container has ended; `exit_record` holds how, unless it never started */
	bool gone;        /* and nothing of it is left */
	struct text exit_record;
	uint8_t *io; /* FRAME_HEADER + IO_SIZE bytes, for whoever has the floor */
};

/* The container has ended, or could not start: remove what the runtime left, then tell `gone`. */
void shim_end(struct shim *shim);
/* The runtime's delete has ended. */
void shim_deleted(struct shim *shim);
/* Ends the loop when there is nothing left to do. Call it when a client or a control connection has gone. */
void shim_maybe_leave(struct shim *shim);

#endif
