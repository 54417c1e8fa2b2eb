#include "probe.h"
#include "join.h"
#include "process.h"
#include "scope.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/types.h>

/* Docker keeps 4096 bytes; one more tells that there were more. */
enum { MAX_OUTPUT = 4096 + 1 };

struct probe {
	struct probe *next;
	struct shim *shim;
	struct control *control; /* NULL: nobody waits */
	unsigned long seq;
	pid_t pid;
	int report;
	bool timed_out;
	struct source output;
	struct text text;
	struct timer timeout;
};

/* Reads what there is; what is beyond the bound is thrown away. */
static void read_output(struct probe *p)
{
	char bytes[4096];
	for (int turns = 0; turns < 64 && p->output.fd >= 0; turns++) {
		ssize_t n = read(p->output.fd, bytes, sizeof bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			loop_unwatch_close(&p->shim->loop, &p->output);
		if (n <= 0)
			return;
		size_t room = MAX_OUTPUT - p->text.length;
		text_add(&p->text, bytes, (size_t)n < room ? (size_t)n : room);
	}
}

static void on_output(struct source *source, uint32_t events)
{
	(void)events;
	read_output(container_of(source, struct probe, output));
}

static void on_timeout(struct timer *timer)
{
	struct probe *p = container_of(timer, struct probe, timeout);
	p->timed_out = true;
	kill(-p->pid, SIGKILL);
	kill(p->pid, SIGKILL);
}

static void answer(struct control *c, unsigned long seq, const char *error, const struct probe *p, int status)
{
	if (!c)
		return;
	auto_text line = {0};
	text_printf(&line, "{\"type\":\"reply\",\"seq\":%lu,\"probe\":{", seq);
	if (error) {
		text_printf(&line, "\"error\":");
		text_json_string(&line, error);
	} else {
		text_printf(&line, "\"code\":%d,\"timedOut\":%s,\"output\":", process_exit_code(status), p->timed_out ? "true" : "false");
		text_json(&line, p->text.data, p->text.length);
	}
	text_printf(&line, "}}\n");
	control_send(c, &line);
}

static void finish(struct probe *p, int status)
{
	struct shim *shim = p->shim;
	read_output(p);
	char error[512];
	ssize_t n = read(p->report, error, sizeof error - 1);
	error[n > 0 ? n : 0] = '\0';
	answer(p->control, p->seq, n > 0 ? error : NULL, p, status);
	loop_cancel(&shim->loop, &p->timeout);
	loop_unwatch_close(&shim->loop, &p->output);
	close(p->report);
	text_free(&p->text);
	for (struct probe **link = &shim->probes; *link; link = &(*link)->next)
		if (*link == p) {
			*link = p->next;
			break;
		}
	loop_free(&shim->loop, p);
}

bool probe_child_ended(struct shim *shim, pid_t pid, int status)
{
	for (struct probe *p = shim->probes; p; p = p->next)
		if (p->pid == pid) {
			finish(p, status);
			return true;
		}
	return false;
}

void probe_forget(struct shim *shim, const struct control *control)
{
	for (struct probe *p = shim->probes; p; p = p->next)
		if (p->control == control)
			p->control = NULL;
}

void probe_start(struct control *c, unsigned long seq, const char *plan, unsigned timeout_ms)
{
	struct shim *shim = c->shim;
	int output[2] = {-1, -1}, report[2] = {-1, -1};
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid = -1;
	if (null >= 0 && pipe2(output, O_CLOEXEC) == 0 && pipe2(report, O_CLOEXEC) == 0)
		pid = join_spawn(shim, plan, (int[3]){null, output[1], output[1]}, report[1]);
	int problem = errno;
	close_fd(&output[1]);
	close_fd(&report[1]);
	struct probe *p = pid < 0 ? NULL : calloc(1, sizeof *p);
	if (!p) {
		close_fd(&output[0]);
		close_fd(&report[0]);
		return answer(c, seq, strerror(problem), NULL, 0);
	}
	*p = (struct probe){.next = shim->probes, .shim = shim, .control = c, .seq = seq, .pid = pid, .report = report[0]};
	shim->probes = p;
	p->output = (struct source){.fd = output[0], .ready = on_output};
	fcntl(output[0], F_SETFL, O_NONBLOCK);
	fcntl(report[0], F_SETFL, O_NONBLOCK);
	loop_watch(&shim->loop, &p->output, EPOLLIN);
	p->timeout.fire = on_timeout;
	loop_later(&shim->loop, &p->timeout, timeout_ms);
}
