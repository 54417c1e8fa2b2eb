/*
 * A process in the container, made without the OCI runtime: what crun's exec does (its container.c,
 * exec_process_entrypoint), in the same order and with the same confinement, for a hundredth of its cost.
 *
 * What to run stands in a plan, a file that the daemon writes: strings that end in NUL, each with one letter before it.
 *
 *   a ARGUMENT   e NAME=VALUE   d DIRECTORY   u UID   g GID   G SUPPLEMENTARY-GID
 *   b e p i m    hexadecimal capability sets after a C: Cb bounding, Ce effective, Cp permitted, Ci inheritable, Cm ambient
 *   l RESOURCE SOFT HARD        n no_new_privs        s FILE (the seccomp program crun made at the start)
 *
 * Only plain containers have plans (src/runtime/exec-plan.ts): pid namespace of their own, no user namespace, no LSM label.
 * Whatever fails before execve is told, and the daemon asks the runtime instead.
 */
#ifndef JOIN_H
#define JOIN_H

#include "shim.h"

/*
 * Starts the process with `stdio`; it leads a session and process group of its own. `report` gets "what: why" when it
 * cannot be executed, and its end of file either way. Returns its pid, or -1 with errno set.
 */
pid_t join_spawn(const struct shim *shim, const char *plan, const int stdio[3], int report);

#endif
