/* The exit record. */
#ifndef RECORD_H
#define RECORD_H

#include "process.h"

/* Writes how the container ended to `shim->exit_record` and durably to its file. Returns -1 with errno set when the disk refused. */
int record_exit(struct shim *shim, bool oom_killed);

#endif
