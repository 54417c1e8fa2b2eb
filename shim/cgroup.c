#include "cgroup.h"

#include <errno.h>
#include <unistd.h>

bool cgroup_remove(const struct options *o)
{
	bool all = true;
	for (int i = 0; i < o->cgroup_count; i++)
		if (rmdir(o->cgroups[i]) < 0 && errno != ENOENT)
			all = false;
	return all;
}
