/* The OCI runtime: runc's command line. */
#ifndef RUNTIME_H
#define RUNTIME_H

#include "process.h"

/* Runs `run` for the init, `exec` for an exec, detached. `report_fd` is the write end of its log. Returns the pid, or -1 with errno set. */
pid_t runtime_start(struct process *process, int report_fd);
/* Runs `delete --force`. Returns the pid, or -1. */
pid_t runtime_delete(struct shim *shim);

#endif
