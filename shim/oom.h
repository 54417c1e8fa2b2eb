/* Watches for the kernel killing processes of the container for lack of memory, and tells the daemons. */
#ifndef OOM_H
#define OOM_H

#include "loop.h"
#include "text.h"

#include <stdbool.h>
#include <sys/types.h>

struct shim;

struct oom {
	struct source source;  /* an eventfd (v1) or memory.events (v2) */
	struct timer settle;   /* the kernel tells before it kills */
	unsigned tries;
	bool unified;
	const char *directory; /* of the memory controller; NULL when there is none */
	long long told;        /* kills the daemons were told of */
	/* As they were then, -1 for none. Where systemd made the cgroup it removes it too, as soon as it is empty. */
	long long limit, peak;
	char *ancestor; /* nearest group above that was there before the container (v2), whose counts include all below */
	long long ancestor_kills;
};

/* Call it before the container is made. */
void oom_prepare(struct shim *shim);

/* Call it when the container runs. Kills that happened already are told at once. */
void oom_watch(struct shim *shim);
/* Ends watching; what was not told yet is. Returns whether there was any kill. */
bool oom_end(struct shim *shim);
/* Adds `{"kills":…,"limit":…,"peak":…}`: bytes, and no limit or peak where the kernel has none. False, with nothing added, without kills. */
bool oom_facts(const struct shim *shim, struct text *line);


/*
 * The score adjustment of a process, which children inherit. An exec has its container's, as with runc (crun leaves it as
 * it is); the shim's own may be that of a daemon that is to be spared.
 */
struct oom_score {
	char text[16];
	ssize_t length; /* not positive: not known */
};
struct oom_score oom_score_of(pid_t pid);
/* Sets the caller's. Lowering it takes CAP_SYS_RESOURCE; without it stays as it is. */
void oom_score_set(const struct oom_score *score);

#endif
