#include "cgroup.h"
#include "control.h"
#include "namespaces.h"
#include "process.h"
#include "runtime.h"
#include "scope.h"
#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

void shim_maybe_leave(struct shim *shim)
{
	/* A shim that was never started and whose daemon has gone serves nobody. */
	if (shim->init->state == IDLE && !shim->controls) {
		server_close(shim);
		shim->loop.stop = true;
	}
	if (shim->gone && shim->clients == 0 && control_is_flushed(shim))
		shim->loop.stop = true;
}

void shim_deleted(struct shim *shim)
{
	shim->delete_pid = 0;
	shim->gone = true;
	/* The place is free for the container's next shim before the daemon hears of it. */
	server_close(shim);
	auto_text line = {0};
	text_printf(&line, "{\"type\":\"gone\"}\n");
	control_broadcast(shim, &line);
	shim_maybe_leave(shim);
}

/* Removes crun's state directory; false, with everything left as it is, when there is more in it than plain files. */
static bool remove_crun_state(const struct options *o)
{
	char path[4096];
	if ((size_t)snprintf(path, sizeof path, "%s/%s", o->runtime_root, o->id) >= sizeof path)
		return false;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	if (!directory)
		return errno == ENOENT;
	bool plain = true;
	for (struct dirent *entry; plain && (entry = readdir(directory));)
		plain = entry->d_name[0] == '.' || entry->d_type == DT_REG || entry->d_type == DT_FIFO;
	rewinddir(directory);
	for (struct dirent *entry; plain && (entry = readdir(directory));)
		if (entry->d_name[0] != '.')
			unlinkat(fd, entry->d_name, 0);
	closedir(directory);
	return plain && rmdir(path) == 0;
}

void shim_end(struct shim *shim)
{
	shim->ending = true;
	for (struct process *p = shim->execs, *next; p; p = next) {
		next = p->next;
		process_maybe_free(p);
	}
	/*
	 * What `crun delete` does, without the 2 ms of starting it. It is left to crun when processes are still in the
	 * cgroup (no pid namespace of its own), or cgroups of the container's own making.
	 */
	if (shim->options.fast_delete && shim->init->reaped && cgroup_remove(&shim->options) && remove_crun_state(&shim->options))
		return shim_deleted(shim);
	/* Nothing is left of a runtime that never ran. */
	shim->delete_pid = shim->init->runtime_done ? runtime_delete(shim) : -1;
	if (shim->delete_pid < 0)
		shim_deleted(shim);
}

static void reap(struct shim *shim)
{
	for (;;) {
		siginfo_t info = {0};
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		/* A zombie still shows whether it ever executed a program. */
		bool never_execed = process_any_starting(shim) && process_never_execed(info.si_pid);
		int status;
		if (waitpid(info.si_pid, &status, 0) == info.si_pid)
			process_child_ended(shim, info.si_pid, status, never_execed);
	}
}

static void on_signal(struct source *source, uint32_t events)
{
	(void)events;
	struct signalfd_siginfo info[8];
	(void)!read(source->fd, info, sizeof info);
	reap(container_of(source, struct shim, signals));
}

static int watch_children(struct shim *shim)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	shim->signals = (struct source){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = on_signal};
	loop_watch(&shim->loop, &shim->signals, EPOLLIN);
	/* The container's init becomes ours when the runtime has left. */
	return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static void be_spared(const char *adjustment)
{
	auto_close int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, adjustment, strlen(adjustment));
}

int main(int argc, char **argv)
{
	static uint8_t io[FRAME_HEADER + IO_SIZE];
	static struct shim shim;
	struct options *o = &shim.options;
	if (argc == 3 && strcmp(argv[1], "--namespaces") == 0)
		return namespaces_make(strcmp(argv[2], "join") == 0);
	if (!options_parse(o, argc, argv))
		return 2;
	for (int fd = LISTEN_FD; fd <= RUNTIME_FD; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (chdir(o->bundle) < 0 || loop_init(&shim.loop) < 0 || watch_children(&shim) < 0) {
		fprintf(stderr, "wharf-shim: %s: %s\n", o->bundle, strerror(errno));
		return 1;
	}
	umask(0022);
	prctl(PR_SET_NAME, "wharf-shim"); /* it is executed by the number of a descriptor */
	if (o->oom_score_adj)
		be_spared(o->oom_score_adj);
	shim.io = io;
	shim.log = (struct logfile){
		.fd = -1,
		.path = o->log_path,
		.max_size = o->log_max_size,
		.max_files = o->log_max_files,
		.attrs = o->log_attrs,
		.exact = o->log_exact,
		.hold = !o->log_hold ? LOG_FREE : strcmp(o->log_hold, "block") == 0 ? LOG_BLOCK : LOG_DROP,
	};
	shim.init = process_new(&shim, NULL);
	shim.init->io.tty = o->tty;
	shim.init->io.open_stdin = o->open_stdin;
	shim.init->io.close_stdin_once = o->stdin_once;
	server_open(&shim);
	control_open(&shim, CONTROL_FD);
	loop_run(&shim.loop);
	return 0;
}
