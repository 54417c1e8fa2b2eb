#include "record.h"
#include "scope.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static int write_durably(const char *path, const struct text *content)
{
	auto_text temporary = {0};
	text_printf(&temporary, "%s.tmp", path);
	auto_close int fd = open(temporary.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (write(fd, content->data, content->length) != (ssize_t)content->length || fdatasync(fd) < 0) {
		int problem = errno;
		unlink(temporary.data);
		errno = problem;
		return -1;
	}
	return rename(temporary.data, path);
}

int record_exit(struct shim *shim, bool oom_killed)
{
	const struct process *init = shim->init;
	char started[40], ended[40];
	time_rfc3339(started, &init->started_at);
	time_rfc3339(ended, &init->ended_at);
	struct text *r = &shim->exit_record;
	text_printf(r, "{\"id\":");
	text_json_string(r, shim->options.id);
	text_printf(r, ",\"pid\":%d,\"exitCode\":%d", init->pid, process_exit_code(init->status));
	if (WIFSIGNALED(init->status))
		text_printf(r, ",\"signal\":%d", WTERMSIG(init->status));
	text_printf(r, ",\"oomKilled\":%s,\"startedAt\":\"%s\",\"exitedAt\":\"%s\"", oom_killed ? "true" : "false", started, ended);
	if (oom_killed) {
		auto_text facts = {0};
		if (oom_facts(shim, &facts))
			text_printf(r, ",\"oom\":%s", facts.data);
	}
	text_printf(r, "}");
	return write_durably(shim->options.exit_path, r);
}
