#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ATTRS = 64 * 1024 };

bool options_parse(struct options *o, int argc, char **argv)
{
	static const struct option table[] = {
		{"id", required_argument, 0, 'i'},
		{"bundle", required_argument, 0, 'b'},
		{"runtime", required_argument, 0, 'r'},
		{"runtime-root", required_argument, 0, 'R'},
		{"runtime-arg", required_argument, 0, 'a'},
		{"runtime-fd", no_argument, 0, 'f'},
		{"fast-delete", no_argument, 0, 'd'},
		{"socket", required_argument, 0, 's'},
		{"exit", required_argument, 0, 'e'},
		{"log", required_argument, 0, 'l'},
		{"log-max-size", required_argument, 0, 'm'},
		{"log-max-files", required_argument, 0, 'n'},
		{"log-attrs", required_argument, 0, 'A'},
		{"log-exact", no_argument, 0, 'x'},
		{"log-hold", required_argument, 0, 'h'},
		{"tty", no_argument, 0, 't'},
		{"stdin", no_argument, 0, 'I'},
		{"stdin-once", no_argument, 0, 'O'},
		{"cgroup", required_argument, 0, 'c'},
		{"stdio-uid", required_argument, 0, 'u'},
		{"stdio-gid", required_argument, 0, 'g'},
		{"oom-score-adj", required_argument, 0, 'o'},
		{0, 0, 0, 0},
	};
	*o = (struct options){.log_max_files = 1};
	for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
		switch (c) {
		case 'i': o->id = optarg; break;
		case 'b': o->bundle = optarg; break;
		case 'r': o->runtime = optarg; break;
		case 'R': o->runtime_root = optarg; break;
		case 'a':
			if (o->runtime_arg_count < MAX_RUNTIME_ARGS)
				o->runtime_args[o->runtime_arg_count++] = optarg;
			break;
		case 'f': o->runtime_fd = true; break;
		case 'd': o->fast_delete = true; break;
		case 's': o->socket = optarg; break;
		case 'e': o->exit_path = optarg; break;
		case 'l': o->log_path = optarg; break;
		case 'm': o->log_max_size = atoll(optarg); break;
		case 'n': o->log_max_files = atoi(optarg); break;
		case 'A': o->log_attrs = optarg; break;
		case 'x': o->log_exact = true; break;
		case 'h': o->log_hold = optarg; break;
		case 't': o->tty = true; break;
		case 'I': o->open_stdin = true; break;
		case 'O': o->stdin_once = true; break;
		case 'c':
			if (o->cgroup_count < MAX_CGROUPS)
				o->cgroups[o->cgroup_count++] = optarg;
			break;
		case 'u': o->stdio_uid = atoi(optarg); break;
		case 'g': o->stdio_gid = atoi(optarg); break;
		case 'o': o->oom_score_adj = optarg; break;
		default: return false;
		}
	}
	if (!o->id || !o->bundle || !o->runtime || !o->runtime_root || !o->socket || !o->exit_path) {
		fprintf(stderr, "wharf-shim: --id, --bundle, --runtime, --runtime-root, --socket and --exit are needed\n");
		return false;
	}
	if (o->log_attrs && strlen(o->log_attrs) > MAX_ATTRS) {
		fprintf(stderr, "wharf-shim: --log-attrs is too long\n");
		return false;
	}
	return true;
}
