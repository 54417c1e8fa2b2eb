/* The shim's command line. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

/* Descriptors the daemon hands over. */
enum { LISTEN_FD = 3, CONTROL_FD = 4, RUNTIME_FD = 5 };

enum { MAX_CGROUPS = 24, MAX_RUNTIME_ARGS = 16 };

struct options {
	const char *id, *bundle, *runtime, *runtime_root, *socket, *exit_path;
	const char *runtime_args[MAX_RUNTIME_ARGS];
	int runtime_arg_count;
	bool runtime_fd;   /* RUNTIME_FD holds the runtime's program */
	bool fast_delete;  /* the runtime is crun: what it leaves may be removed without it */
	const char *log_path, *log_attrs;
	long long log_max_size;
	int log_max_files;
	bool log_exact;
	const char *log_hold; /* block, drop, or NULL: see enum log_hold */
	bool tty, open_stdin, stdin_once;
	const char *cgroups[MAX_CGROUPS];
	int cgroup_count;
	const char *oom_score_adj;
	int stdio_uid, stdio_gid; /* root of the container's user namespace: its pipes are its own */
};

/* Returns false after saying on stderr what is wrong. */
bool options_parse(struct options *options, int argc, char **argv);

#endif
