/* What the shim has to do with the container's cgroup itself. */
#ifndef CGROUP_H
#define CGROUP_H

#include "options.h"

/* Whether the kernel has killed a process of the cgroup for lack of memory (v2 memory.events, v1 memory.oom_control). */
bool cgroup_oom_killed(const struct options *options);
/* Removes the cgroup's directories. False when something is left in one. */
bool cgroup_remove(const struct options *options);

#endif
