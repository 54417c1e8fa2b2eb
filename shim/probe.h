/*
 * Health probes: a process of the container whose output is kept up to a bound, and which is killed, with its process
 * group, when it takes too long. A probe that outlives its daemon ends all the same, untold.
 */
#ifndef PROBE_H
#define PROBE_H

#include "control.h"

/* Runs the plan (join.h) and answers `seq` with how it ended: `{"probe":{"code":…,"timedOut":…,"output":…}}`, or `error` in place of `code`. */
void probe_start(struct control *control, unsigned long seq, const char *plan, unsigned timeout_ms);
/* Whether the child that ended was a probe. */
bool probe_child_ended(struct shim *shim, pid_t pid, int status);
/* A daemon has gone. */
void probe_forget(struct shim *shim, const struct control *control);

#endif
