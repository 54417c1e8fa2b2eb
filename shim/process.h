/*
 * A process of the container: its init or an exec.
 *
 *   idle → starting (the OCI runtime runs) → running → ended
 *
 * `starting` ends when the program was really executed. A runtime may have left with success before that:
 * the process is watched until the kernel's PF_FORKNOEXEC flag is gone or it has died with it. Its output is
 * not read before, so that what a failed start prints becomes the error's text and not the container's output.
 *
 * An exec that has a plan is made without the runtime (join.h). What cannot be executed so the runtime gets: it has the
 * words for it.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include "client.h"
#include "shim.h"
#include "streams.h"

#include <time.h>

enum process_state { IDLE, STARTING, RUNNING, ENDED };

struct process {
	struct process *next;
	struct shim *shim;
	char *id; /* NULL: the container's init */
	enum process_state state;
	struct streams io;
	pid_t pid, runtime_pid;
	int runtime_status, status;
	bool runtime_done, reaped, never_execed, freed;
	struct timespec started_at, ended_at;
	struct source report; /* read end of the runtime's log; its end of file: the program was executed, or never will be */
	struct text report_text;
	struct timer confirm, linger;
	unsigned confirm_delay;
	char *process_path; /* exec: the OCI process; removed when the runtime has read it */
	char *plan_path;    /* exec: the same as a plan of join.h, or NULL; removed with it */
	bool joined;        /* it is made without the runtime */
	char *pid_path;
	/* Called once with the outcome of the start: NULL, or a JSON object saying why not. */
	void (*started)(struct process *process, const struct text *error);
	void *started_for;   /* whoever waits: control or client */
	unsigned long started_seq;
};

struct process *process_new(struct shim *shim, const char *id);
/* Ends a start that cannot be: `message` says why. */
void process_refuse(struct process *process, const char *message);
/* Starts it with the runtime; the outcome comes by `started`. */
void process_start(struct process *process);
struct process *process_find(struct shim *shim, const char *id);
/* A child of the shim has ended. */
void process_child_ended(struct shim *shim, pid_t pid, int status, bool never_execed);
/* Whether its task has not called execve since it was forked. */
bool process_never_execed(pid_t pid);
/* Its outputs have ended by themselves. */
void process_outputs_ended(struct process *process);
/* Whether a start is under way. */
bool process_any_starting(const struct shim *shim);
/* Frees an exec that has ended and has no client and no open stream. */
void process_maybe_free(struct process *process);
/* Exit code as a shell has it: 128 + n for signal n. */
int process_exit_code(int status);

#endif
