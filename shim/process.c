#include "process.h"
#include "control.h"
#include "join.h"
#include "probe.h"
#include "record.h"
#include "runtime.h"
#include "scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* How long streams that someone else holds open are listened to after the process has ended. */
enum { LINGER_MS = 250 };

/* linux/sched.h: the task was forked and has not called execve. Field 9 of /proc/PID/stat. */
enum { PF_FORKNOEXEC = 0x40 };

enum { MAX_REPORT = 64 * 1024 };

int process_exit_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

struct process *process_find(struct shim *shim, const char *id)
{
	if (strcmp(id, "-") == 0)
		return shim->init;
	for (struct process *p = shim->execs; p; p = p->next)
		if (strcmp(p->id, id) == 0)
			return p;
	return NULL;
}

bool process_any_starting(const struct shim *shim)
{
	if (shim->init->state == STARTING)
		return true;
	for (const struct process *p = shim->execs; p; p = p->next)
		if (p->state == STARTING)
			return true;
	return false;
}

bool process_never_execed(pid_t pid)
{
	char path[32], stat[512];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, stat, sizeof stat - 1);
	if (n <= 0)
		return false;
	stat[n] = '\0';
	/* The name, field 2, may hold anything: go on after its last parenthesis. */
	const char *rest = strrchr(stat, ')');
	unsigned flags = 0;
	if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) != 1)
		return false;
	return flags & PF_FORKNOEXEC;
}

static void read_report(struct process *p)
{
	char bytes[4096];
	for (ssize_t n; p->report.fd >= 0;) {
		n = read(p->report.fd, bytes, sizeof bytes);
		if (n > 0) {
			if (p->report_text.length < MAX_REPORT)
				text_add(&p->report_text, bytes, (size_t)n);
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else {
			if (n == 0)
				loop_unwatch_close(&p->shim->loop, &p->report);
			return;
		}
	}
}

static void forget_start(struct process *p)
{
	loop_cancel(&p->shim->loop, &p->confirm);
	loop_unwatch_close(&p->shim->loop, &p->report);
	text_free(&p->report_text);
	if (p->process_path)
		unlink(p->process_path);
	if (p->plan_path)
		unlink(p->plan_path);
	if (p->pid_path)
		unlink(p->pid_path);
}

static void fail(struct process *p, const char *message)
{
	read_report(p);
	auto_text error = {0};
	text_printf(&error, "{\"status\":%d", p->runtime_done ? process_exit_code(p->runtime_status) : 0);
	if (message) {
		text_printf(&error, ",\"message\":");
		text_json_string(&error, message);
	}
	text_printf(&error, ",\"log\":");
	text_json(&error, p->report_text.data, p->report_text.length);
	auto_text output = {0};
	streams_take_output(p, &output);
	text_printf(&error, ",\"output\":");
	text_json(&error, output.data, output.length);
	text_printf(&error, "}");

	p->state = ENDED;
	forget_start(p);
	p->started(p, &error);
	control_greet(p->shim);
	for (struct client *c = p->io.clients, *next; c; c = next) {
		next = c->next;
		client_finish(c);
	}
	streams_close(p);
	if (p->id)
		process_maybe_free(p);
	else
		shim_end(p->shim);
}

static void tell_exec_exit(struct process *p)
{
	struct shim *shim = p->shim;
	int code = process_exit_code(p->status);
	struct exec_exit *e = malloc(sizeof *e + strlen(p->id) + 1);
	if (!e)
		abort();
	strcpy(e->id, p->id);
	e->code = code;
	e->next = shim->exec_exits;
	shim->exec_exits = e;
	auto_text line = {0};
	text_printf(&line, "{\"type\":\"exec-exit\",\"id\":\"%s\",\"code\":%d}\n", p->id, code);
	control_broadcast(shim, &line);
}

/* The clients have seen all there is to see. */
static void let_clients_go(struct process *p)
{
	loop_cancel(&p->shim->loop, &p->linger);
	for (struct client *c = p->io.clients, *next; c; c = next) {
		next = c->next;
		client_finish(c);
	}
	if (p->id)
		process_maybe_free(p);
}

static void finish_init(struct process *p)
{
	struct shim *shim = p->shim;
	logfile_end(&shim->log);
	/* The OOM facts first: the cgroup goes soon. The record before anyone is told. */
	if (record_exit(shim, oom_end(shim)) < 0) {
		auto_text line = {0};
		text_printf(&line, "{\"type\":\"warning\",\"message\":\"exit record: %s\"}\n", strerror(errno));
		control_broadcast(shim, &line);
	}
	auto_text line = {0};
	text_printf(&line, "{\"type\":\"exit\",\"record\":%s}\n", shim->exit_record.data);
	control_broadcast(shim, &line);
	let_clients_go(p);
	streams_close(p);
	shim_end(shim);
}

static void finish(struct process *p)
{
	p->state = ENDED;
	bool all = streams_drain(p);
	streams_close_input(p);
	if (p->id) {
		tell_exec_exit(p);
		/* A child it left behind may go on writing: listen for a moment, then only so that it does not get SIGPIPE. */
		if (all)
			let_clients_go(p);
		else
			loop_later(&p->shim->loop, &p->linger, LINGER_MS);
	} else if (p->io.tty && !all) {
		/* What was written to a terminal arrives a moment later; it has all come when reading says EIO. */
		loop_later(&p->shim->loop, &p->linger, LINGER_MS);
	} else {
		finish_init(p);
	}
}

static void on_linger(struct timer *timer)
{
	struct process *p = container_of(timer, struct process, linger);
	streams_drain(p);
	if (p->id)
		let_clients_go(p);
	else
		finish_init(p);
}

/* An output has ended by itself. */
void process_outputs_ended(struct process *p)
{
	if (p->state == ENDED && p->linger.armed) {
		loop_cancel(&p->shim->loop, &p->linger);
		on_linger(&p->linger);
	} else if (p->id) {
		process_maybe_free(p);
	}
}

static void confirmed(struct process *p)
{
	p->state = RUNNING;
	clock_gettime(CLOCK_REALTIME, &p->started_at);
	if (p->reaped)
		p->started_at = p->ended_at; /* it was quicker than its runtime */
	forget_start(p);
	p->started(p, NULL);
	control_greet(p->shim);
	if (!p->id && !p->reaped)
		oom_watch(p->shim);
	streams_flow(p);
	if (p->reaped)
		finish(p);
}

static int open_report(struct process *p);
static void start_by_runtime(struct process *p, int report);

/* Whether a process made by join.h was executed: it has closed its report, and said nothing. */
static void decide_joined(struct process *p)
{
	if (p->report.fd >= 0)
		return;
	if (p->report_text.length == 0) {
		streams_close_child_ends(&p->io);
		return confirmed(p);
	}
	if (!p->reaped)
		return;
	text_free(&p->report_text);
	p->joined = p->reaped = false;
	p->pid = 0;
	auto_close int report = open_report(p);
	if (report < 0)
		return fail(p, strerror(errno));
	start_by_runtime(p, report);
}

/* Decides whether the start has succeeded, as far as that can be known now. */
static void decide(struct process *p)
{
	if (p->state == STARTING && p->joined)
		return decide_joined(p);
	if (p->state != STARTING || !p->runtime_done)
		return;
	if (p->runtime_status != 0)
		return fail(p, NULL);
	if (p->pid <= 0)
		return fail(p, "the OCI runtime has not told the process id");
	if (p->reaped)
		return p->never_execed ? fail(p, NULL) : confirmed(p);
	if (!process_never_execed(p->pid))
		return confirmed(p);
	/* Between the runtime's end and execve; its end of file or the child's end wakes us sooner. */
	p->confirm_delay = p->confirm_delay < 32 ? p->confirm_delay * 2 + 1 : 32;
	loop_later(&p->shim->loop, &p->confirm, p->confirm_delay);
}

static void on_confirm(struct timer *timer)
{
	decide(container_of(timer, struct process, confirm));
}

static void on_report(struct source *source, uint32_t events)
{
	(void)events;
	struct process *p = container_of(source, struct process, report);
	read_report(p);
	if (p->report.fd < 0)
		decide(p);
}

struct process *process_new(struct shim *shim, const char *id)
{
	struct process *p = calloc(1, sizeof *p);
	if (!p)
		abort();
	p->shim = shim;
	p->id = id ? strdup(id) : NULL;
	p->report.fd = -1;
	p->report.ready = on_report;
	p->confirm.fire = on_confirm;
	p->linger.fire = on_linger;
	streams_init(p);
	if (id) {
		p->next = shim->execs;
		shim->execs = p;
	}
	return p;
}

void process_refuse(struct process *p, const char *message)
{
	p->state = STARTING;
	fail(p, message);
}

/* Returns the write end; what comes out of it is the report. -1 with errno set. */
static int open_report(struct process *p)
{
	int report[2];
	if (pipe2(report, O_CLOEXEC) < 0)
		return -1;
	p->report.fd = report[0];
	fcntl(p->report.fd, F_SETFL, O_NONBLOCK);
	loop_watch(&p->shim->loop, &p->report, EPOLLIN);
	return report[1];
}

static void start_by_runtime(struct process *p, int report)
{
	struct shim *shim = p->shim;
	struct oom_score own = oom_score_of(getpid()), score = p->id ? oom_score_of(shim->init->pid) : own;
	/* The container is not to be spared because the daemon is; crun takes a 0 in the spec for nothing said. */
	if (!p->id)
		oom_prepare(shim);
	if (!p->id && own.length > 0 && own.text[0] == '-')
		score = (struct oom_score){.text = "0", .length = 1};
	oom_score_set(&score);
	p->runtime_pid = runtime_start(p, report);
	int problem = errno;
	oom_score_set(&own);
	streams_close_child_ends(&p->io);
	if (p->runtime_pid < 0) {
		auto_text message = {0};
		text_printf(&message, "%s: %s", shim->options.runtime, strerror(problem));
		fail(p, message.data);
	}
}

void process_start(struct process *p)
{
	struct shim *shim = p->shim;
	p->state = STARTING;
	auto_text pid_path = {0};
	text_printf(&pid_path, "%s/%s%u.pid", shim->options.bundle, p->id ? "exec-" : "init-", shim->serial++);
	p->pid_path = strdup(pid_path.data);

	auto_close int report = streams_open(p) < 0 ? -1 : open_report(p);
	if (report < 0)
		return fail(p, strerror(errno));
	pid_t pid = p->plan_path ? join_spawn(shim, p->plan_path, p->io.child, report) : -1;
	if (pid < 0)
		return start_by_runtime(p, report);
	p->pid = pid;
	p->joined = true;
}

static void read_pid(struct process *p)
{
	char text[32];
	auto_close int fd = open(p->pid_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return;
	text[n] = '\0';
	p->pid = atoi(text);
	struct shim *shim = p->shim;
	for (int i = 0; i < STRAYS; i++)
		if (shim->strays[i].pid == p->pid && p->pid > 0) {
			p->reaped = true;
			p->status = shim->strays[i].status;
			p->never_execed = shim->strays[i].never_execed;
			shim->strays[i].pid = 0;
		}
}

static bool child_ended(struct process *p, pid_t pid, int status, bool never_execed)
{
	if (p->runtime_pid == pid) {
		p->runtime_pid = 0;
		p->runtime_done = true;
		p->runtime_status = status;
		if (status == 0)
			read_pid(p);
		if (p->reaped)
			clock_gettime(CLOCK_REALTIME, &p->ended_at);
		decide(p);
		return true;
	}
	if (p->pid != pid || p->reaped)
		return false;
	p->reaped = true;
	p->status = status;
	p->never_execed = never_execed;
	clock_gettime(CLOCK_REALTIME, &p->ended_at);
	if (p->state == RUNNING)
		finish(p);
	else
		decide(p);
	return true;
}

void process_child_ended(struct shim *shim, pid_t pid, int status, bool never_execed)
{
	if (pid == shim->delete_pid)
		return shim_deleted(shim);
	if (probe_child_ended(shim, pid, status))
		return;
	if (child_ended(shim->init, pid, status, never_execed))
		return;
	for (struct process *p = shim->execs, *next; p; p = next) {
		next = p->next;
		if (child_ended(p, pid, status, never_execed))
			return;
	}
	if (process_any_starting(shim))
		shim->strays[shim->next_stray++ % STRAYS] = (struct stray){pid, status, never_execed};
}

void process_maybe_free(struct process *p)
{
	if (p->freed || p->state != ENDED || p->io.clients || p->linger.armed || p->runtime_pid > 0)
		return;
	/* Someone may still write: keep the read end until he has gone, unless the container has. */
	if ((p->io.outputs[0].source.fd >= 0 || p->io.outputs[1].source.fd >= 0) && !p->shim->ending)
		return;
	p->freed = true;
	streams_close(p);
	for (struct process **link = &p->shim->execs; *link; link = &(*link)->next)
		if (*link == p) {
			*link = p->next;
			break;
		}
	free(p->id);
	free(p->process_path);
	free(p->plan_path);
	free(p->pid_path);
	loop_free(&p->shim->loop, p);
}
