#include "cgroup.h"
#include "scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number after `key` in a file of `key number` lines; 0 when there is none. */
static long long read_count(const char *directory, const char *file, const char *key)
{
	char path[4096], text[1024];
	if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, file) >= sizeof path)
		return 0;
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	size_t length = strlen(key);
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) == 0 && line[length] == ' ')
			return atoll(line + length);
	}
	return 0;
}

bool cgroup_oom_killed(const struct options *o)
{
	for (int i = 0; i < o->cgroup_count; i++)
		if (read_count(o->cgroups[i], "memory.events", "oom_kill") > 0 ||
		    read_count(o->cgroups[i], "memory.oom_control", "oom_kill") > 0)
			return true;
	return false;
}

bool cgroup_remove(const struct options *o)
{
	bool all = true;
	for (int i = 0; i < o->cgroup_count; i++)
		if (rmdir(o->cgroups[i]) < 0 && errno != ENOENT)
			all = false;
	return all;
}
