#include "join.h"
#include "oom.h"
#include "process.h"
#include "scope.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* musl has none of the kernel's headers: of linux/capability.h, linux/seccomp.h and linux/filter.h, what is used. */
enum { CAPABILITY_VERSION_3 = 0x20080522, SET_MODE_FILTER = 1, FILTER_FLAG_SPEC_ALLOW = 4, FILTER_SIZE = 8 };
struct capability_header { uint32_t version; int pid; };
struct capability_data { uint32_t effective, permitted, inheritable; };
struct filter_program { unsigned short length; void *filter; };

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum { REPORT_FD = 3, INIT_FD = 4, FREE_FD = 5, MAX_PLAN = 4 * 1024 * 1024, LAST_CAPABILITY = 63 };

static _Noreturn void refuse(const char *what)
{
	char line[512];
	int n = snprintf(line, sizeof line, "%s: %s", what, strerror(errno));
	(void)!write(REPORT_FD, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
	_exit(127);
}

static void must(long result, const char *what)
{
	if (result < 0)
		refuse(what);
}

/* Reads a whole file; it ends in a NUL more than `length` says. */
static char *slurp(const char *path, size_t *length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd, path);
	struct stat st;
	must(fstat(fd, &st), path);
	errno = EFBIG;
	if (st.st_size > MAX_PLAN)
		refuse(path);
	char *bytes = malloc((size_t)st.st_size + 1);
	errno = EIO;
	if (!bytes || read(fd, bytes, (size_t)st.st_size) != (ssize_t)st.st_size)
		refuse(path);
	close(fd);
	bytes[st.st_size] = '\0';
	*length = (size_t)st.st_size;
	return bytes;
}

struct plan {
	char **arguments, **environment;
	const char *directory;
	uid_t uid;
	gid_t gid, *groups;
	size_t group_count, filter_length;
	uint64_t bounding, effective, permitted, inheritable, ambient;
	bool no_new_privileges;
	void *filter;
};

static void add_capabilities(struct plan *p, const char *text)
{
	uint64_t set = strtoull(text + 1, NULL, 16);
	switch (*text) {
	case 'b': p->bounding = set; break;
	case 'e': p->effective = set; break;
	case 'p': p->permitted = set; break;
	case 'i': p->inheritable = set; break;
	case 'm': p->ambient = set; break;
	}
}

static void limit(const char *text)
{
	int resource;
	unsigned long long soft, hard;
	errno = EINVAL;
	if (sscanf(text, "%d %llu %llu", &resource, &soft, &hard) != 3)
		refuse("limit");
	must(setrlimit(resource, &(struct rlimit){soft, hard}), "setrlimit");
}

/* Reads the plan; limits are set at once, while that is still allowed. */
static void read_plan(struct plan *p, const char *path)
{
	size_t length;
	char *bytes = slurp(path, &length), *end = bytes + length;
	size_t strings = 1;
	for (char *s = bytes; s < end; s++)
		strings += *s == '\0';
	p->arguments = calloc(strings + 1, sizeof *p->arguments);
	p->environment = calloc(strings + 1, sizeof *p->environment);
	p->groups = calloc(strings, sizeof *p->groups);
	errno = ENOMEM;
	if (!p->arguments || !p->environment || !p->groups)
		refuse(path);
	char **argument = p->arguments, **variable = p->environment;
	for (char *s = bytes; s < end; s += strlen(s) + 1) {
		char *text = s + 1;
		switch (*s) {
		case 'a': *argument++ = text; break;
		case 'e': *variable++ = text; break;
		case 'd': p->directory = text; break;
		case 'u': p->uid = (uid_t)strtoul(text, NULL, 10); break;
		case 'g': p->gid = (gid_t)strtoul(text, NULL, 10); break;
		case 'G': p->groups[p->group_count++] = (gid_t)strtoul(text, NULL, 10); break;
		case 'C': add_capabilities(p, text); break;
		case 'l': limit(text); break;
		case 'n': p->no_new_privileges = true; break;
		case 's': p->filter = slurp(text, &p->filter_length); break;
		default: errno = EINVAL; refuse("plan");
		}
	}
	errno = EINVAL;
	if (!p->arguments[0] || !p->directory)
		refuse("plan");
}

static void join_cgroups(const struct options *o)
{
	for (int i = 0; i < o->cgroup_count; i++) {
		char path[PATH_MAX];
		snprintf(path, sizeof path, "%s/cgroup.procs", o->cgroups[i]);
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue; /* a controller this container has no group of */
		must(fd, path);
		must(write(fd, "0", 1), path);
		close(fd);
	}
}

/* Where the container's init is, there the process must be: the runtime knows what to do if it cannot. */
static void check_cgroups(pid_t init)
{
	char texts[2][4096] = {0}, path[32];
	snprintf(path, sizeof path, "/proc/%d/cgroup", init);
	for (int i = 0; i < 2; i++) {
		int fd = open(i ? path : "/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
		must(fd, path);
		must(read(fd, texts[i], sizeof texts[i] - 1), path);
		close(fd);
	}
	errno = EXDEV;
	if (strcmp(texts[0], texts[1]) != 0)
		refuse("cgroup");
}

static bool is_program(const char *path)
{
	struct stat st;
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 || stat(path, &st) < 0)
		return false;
	errno = EPERM;
	return S_ISREG(st.st_mode);
}

/* As crun finds it: relative to the working directory, or in PATH. */
static const char *find_program(const struct plan *p)
{
	static char path[PATH_MAX];
	const char *name = p->arguments[0], *search = "";
	if (name[0] == '/')
		return is_program(name) ? name : NULL;
	if (name[0] == '.' || strchr(name, '/')) {
		snprintf(path, sizeof path, "%s/%s", p->directory, name);
		return is_program(path) ? path : NULL;
	}
	for (char **variable = p->environment; *variable; variable++)
		if (strncmp(*variable, "PATH=", 5) == 0)
			search = *variable + 5;
	for (const char *colon; *search; search = *colon ? colon + 1 : colon) {
		colon = strchrnul(search, ':');
		snprintf(path, sizeof path, "%.*s/%s", (int)(colon - search), search, name);
		if (colon > search && is_program(path))
			return path;
	}
	errno = ENOENT;
	return NULL;
}

static void confine_calls(const struct plan *p)
{
	if (!p->filter)
		return;
	struct filter_program program = {(unsigned short)(p->filter_length / FILTER_SIZE), p->filter};
	if (syscall(SYS_seccomp, SET_MODE_FILTER, FILTER_FLAG_SPEC_ALLOW, &program) < 0)
		must(errno == EINVAL ? syscall(SYS_seccomp, SET_MODE_FILTER, 0, &program) : -1, "seccomp");
}

static void become_user(const struct plan *p)
{
	must(setgroups(p->group_count, p->groups), "setgroups");
	/* The pipes are his, as with crun: /dev/stdout can be opened. A /dev/null is the host's, and not. */
	struct stat st;
	for (int fd = 0; fd <= 2; fd++)
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
			(void)!fchown(fd, p->uid, p->gid);
	for (int c = 0; c <= LAST_CAPABILITY; c++)
		if (!(p->bounding >> c & 1) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0 && errno != EINVAL)
			refuse("PR_CAPBSET_DROP");
	must(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "PR_SET_KEEPCAPS");
	must(setresgid(p->gid, p->gid, p->gid), "setresgid");
	must(setresuid(p->uid, p->uid, p->uid), "setresuid");
	struct capability_header header = {.version = CAPABILITY_VERSION_3};
	struct capability_data data[2];
	for (int i = 0; i < 2; i++)
		data[i] = (struct capability_data){
			.effective = (uint32_t)(p->effective >> 32 * i),
			.permitted = (uint32_t)(p->permitted >> 32 * i),
			.inheritable = (uint32_t)(p->inheritable >> 32 * i),
		};
	must(syscall(SYS_capset, &header, data), "capset");
	must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "PR_CAP_AMBIENT");
	for (int c = 0; c <= LAST_CAPABILITY; c++)
		if (p->ambient >> c & 1)
			(void)!prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0);
	if (p->no_new_privileges)
		must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
}

static void reset_signals(void)
{
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child, which is in the container's pid namespace already, and in no other of its namespaces. */
static _Noreturn void enter(const struct shim *shim, const char *path, const int stdio[3], int report, int init)
{
	for (int fd = 0; fd < 3; fd++)
		dup2(stdio[fd], fd);
	/* In this order: the one may stand where the other goes. Both are above what they replace (shim/options.h). */
	dup3(report, REPORT_FD, O_CLOEXEC);
	dup3(init, INIT_FD, O_CLOEXEC);
	must(syscall(SYS_close_range, FREE_FD, ~0u, 0), "close_range");
	reset_signals();
	must(setsid(), "setsid");
	/* Nobody in the container may look into what is still a copy of the shim. */
	must(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "PR_SET_DUMPABLE");
	join_cgroups(&shim->options);
	check_cgroups(shim->init->pid);
	struct oom_score score = oom_score_of(shim->init->pid);
	oom_score_set(&score);
	struct plan plan = {0};
	read_plan(&plan, path);
	must(setns(INIT_FD, CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS), "setns");
	close(INIT_FD);
	bool inside = chdir(plan.directory) == 0;
	const char *program = find_program(&plan);
	if (!plan.no_new_privileges)
		confine_calls(&plan);
	become_user(&plan);
	if (!program)
		program = find_program(&plan);
	if (!program)
		refuse(plan.arguments[0]);
	if (!inside)
		must(chdir(plan.directory), plan.directory);
	if (plan.no_new_privileges)
		confine_calls(&plan);
	umask(0022);
	execve(program, plan.arguments, plan.environment);
	refuse(program);
}

pid_t join_spawn(const struct shim *shim, const char *plan, const int stdio[3], int report)
{
	if (shim->init->state != RUNNING || shim->init->reaped) {
		errno = ESRCH;
		return -1;
	}
	/* Its parent has not reaped it: the pid is still its. */
	auto_close int init = (int)syscall(SYS_pidfd_open, shim->init->pid, 0);
	auto_close int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (init < 0 || own < 0)
		return -1;
	/* Only children are born into a pid namespace: the shim takes its own back at once. */
	if (setns(init, CLONE_NEWPID) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0)
		enter(shim, plan, stdio, report, init);
	int problem = errno;
	if (setns(own, CLONE_NEWPID) < 0)
		abort();
	errno = problem;
	return pid;
}
