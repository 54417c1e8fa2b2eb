/* What the shim has to do with the container's cgroup itself. */
#ifndef CGROUP_H
#define CGROUP_H

#include "options.h"

/* Removes the cgroup's directories. False when something is left in one. */
bool cgroup_remove(const struct options *options);

#endif
