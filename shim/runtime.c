#include "runtime.h"
#include "scope.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>

extern char **environ;

enum { MAX_ARGS = 32 + MAX_RUNTIME_ARGS, REPORT_FD = 3 };

struct command {
	const char *args[MAX_ARGS];
	int count;
};

static void add(struct command *c, const char *arg)
{
	c->args[c->count++] = arg;
}

static void begin(struct command *c, const struct options *o)
{
	const char *slash = strrchr(o->runtime, '/');
	add(c, slash ? slash + 1 : o->runtime);
	add(c, "--root");
	add(c, o->runtime_root);
	for (int i = 0; i < o->runtime_arg_count; i++)
		add(c, o->runtime_args[i]);
}

/* Runs the command with `stdio` as its first descriptors and `report` (or -1) as REPORT_FD. */
static pid_t run(const struct shim *shim, struct command *c, const int stdio[3], int report)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	/* What the shim ignores or blocks would else be ignored and blocked in the container. */
	sigset_t all, none;
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	for (int i = 0; i < 3; i++)
		posix_spawn_file_actions_adddup2(&actions, stdio[i], i);
	if (report >= 0)
		posix_spawn_file_actions_adddup2(&actions, report, REPORT_FD);
	add(c, NULL);

	pid_t pid = -1;
	int problem = ENOENT;
	if (shim->options.runtime_fd) {
		/* The daemon's sealed copy: crun and runc else copy themselves first and execute that (CVE-2019-5736). */
		char path[32];
		snprintf(path, sizeof path, "/proc/self/fd/%d", RUNTIME_FD);
		problem = posix_spawn(&pid, path, &actions, &attributes, (char *const *)c->args, environ);
	}
	if (problem != 0)
		problem = posix_spawn(&pid, shim->options.runtime, &actions, &attributes, (char *const *)c->args, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	errno = problem;
	return problem == 0 ? pid : -1;
}

pid_t runtime_start(struct process *p, int report_fd)
{
	struct shim *shim = p->shim;
	struct command c = {0};
	char log[32];
	snprintf(log, sizeof log, "/proc/self/fd/%d", REPORT_FD);
	begin(&c, &shim->options);
	add(&c, "--log");
	add(&c, log);
	add(&c, "--log-format");
	add(&c, "json");
	add(&c, p->id ? "exec" : "run");
	add(&c, "--detach");
	add(&c, "--pid-file");
	add(&c, p->pid_path);
	if (p->io.tty) {
		add(&c, "--console-socket");
		add(&c, p->io.console_path);
	}
	add(&c, p->id ? "--process" : "--bundle");
	add(&c, p->id ? p->process_path : shim->options.bundle);
	add(&c, shim->options.id);
	return run(shim, &c, p->io.child, report_fd);
}

pid_t runtime_delete(struct shim *shim)
{
	struct command c = {0};
	begin(&c, &shim->options);
	add(&c, "delete");
	add(&c, "--force");
	add(&c, shim->options.id);
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	return run(shim, &c, (int[3]){null, null, null}, -1);
}
