#include "control.h"
#include "probe.h"
#include "process.h"
#include "scope.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { MAX_LINE = 4096, MAX_WORDS = 6 };

static void leave(struct control *c)
{
	struct shim *shim = c->shim;
	loop_unwatch_close(&shim->loop, &c->source);
	for (struct control **link = &shim->controls; *link; link = &(*link)->next)
		if (*link == c) {
			*link = c->next;
			break;
		}
	if (shim->init->started_for == c)
		shim->init->started_for = NULL;
	probe_forget(shim, c);
	text_free(&c->in);
	text_free(&c->out);
	loop_free(&shim->loop, c);
	shim_maybe_leave(shim);
}

static void flush(struct control *c)
{
	while (c->out.length > 0) {
		ssize_t n = send(c->source.fd, c->out.data, c->out.length, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			text_free(&c->out); /* EPOLLHUP follows */
			break;
		}
		if (n < 0)
			break;
		text_drop(&c->out, (size_t)n);
	}
	loop_watch(&c->shim->loop, &c->source, c->out.length ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void control_send(struct control *c, const struct text *line)
{
	text_add(&c->out, line->data, line->length);
	flush(c);
}

void control_broadcast(struct shim *shim, const struct text *line)
{
	for (struct control *c = shim->controls; c; c = c->next)
		if (c->greeted)
			control_send(c, line);
}

bool control_is_alive(const struct shim *shim)
{
	for (const struct control *c = shim->controls; c; c = c->next) {
		char byte;
		if (recv(c->source.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0)
			return true;
	}
	return false;
}

bool control_is_flushed(const struct shim *shim)
{
	for (const struct control *c = shim->controls; c; c = c->next)
		if (c->out.length)
			return false;
	return true;
}

static void add_json(struct text *line, const char *name, const char *value)
{
	text_printf(line, ",\"%s\":", name);
	text_json_string(line, value);
}

static void send_state(struct control *c)
{
	static const char *const names[] = {[IDLE] = "idle", [STARTING] = "starting", [RUNNING] = "running", [ENDED] = "exited"};
	struct shim *shim = c->shim;
	struct process *init = shim->init;
	auto_text line = {0};
	text_printf(&line, "{\"type\":\"state\",\"shim\":%d,\"state\":\"%s\"", getpid(), names[init->state]);
	add_json(&line, "id", shim->options.id);
	add_json(&line, "bundle", shim->options.bundle);
	add_json(&line, "exitPath", shim->options.exit_path);
	add_json(&line, "runtime", shim->options.runtime);
	add_json(&line, "runtimeRoot", shim->options.runtime_root);
	text_printf(&line, ",\"runtimeArgs\":[");
	for (int i = 0; i < shim->options.runtime_arg_count; i++) {
		if (i)
			text_add(&line, ",", 1);
		text_json_string(&line, shim->options.runtime_args[i]);
	}
	text_printf(&line, "]");
	if (init->state == RUNNING) {
		char at[40];
		time_rfc3339(at, &init->started_at);
		text_printf(&line, ",\"pid\":%d,\"startedAt\":\"%s\"", init->pid, at);
	}
	text_printf(&line, ",\"execs\":[");
	const char *comma = "";
	for (const struct process *p = shim->execs; p; p = p->next)
		if (p->state == RUNNING) {
			text_printf(&line, "%s{\"id\":\"%s\",\"pid\":%d}", comma, p->id, p->pid);
			comma = ",";
		}
	text_printf(&line, "],\"execExits\":[");
	comma = "";
	for (const struct exec_exit *e = shim->exec_exits; e; e = e->next) {
		text_printf(&line, "%s{\"id\":\"%s\",\"code\":%d}", comma, e->id, e->code);
		comma = ",";
	}
	text_printf(&line, "]");
	auto_text oom = {0};
	if (init->state == RUNNING && oom_facts(shim, &oom))
		text_printf(&line, ",\"oom\":%s", oom.data);
	if (shim->exit_record.length)
		text_printf(&line, ",\"exit\":%s", shim->exit_record.data);
	text_printf(&line, ",\"gone\":%s}\n", shim->gone ? "true" : "false");
	c->greeted = true;
	control_send(c, &line);
}

void control_greet(struct shim *shim)
{
	for (struct control *c = shim->controls; c; c = c->next)
		if (!c->greeted)
			send_state(c);
}

static void reply(struct control *c, const char *seq, const char *error_kind, const char *message)
{
	auto_text line = {0};
	text_printf(&line, "{\"type\":\"reply\",\"seq\":%lu", strtoul(seq, NULL, 10));
	if (error_kind) {
		text_printf(&line, ",\"error\":{\"kind\":\"%s\",\"message\":", error_kind);
		text_json_string(&line, message);
		text_printf(&line, "}");
	}
	text_printf(&line, "}\n");
	control_send(c, &line);
}

static void init_started(struct process *init, const struct text *error)
{
	struct control *c = init->started_for;
	init->started_for = NULL;
	if (!c)
		return;
	auto_text line = {0};
	text_printf(&line, "{\"type\":\"reply\",\"seq\":%lu", init->started_seq);
	if (error) {
		text_printf(&line, ",\"start\":%s}\n", error->data);
	} else {
		char at[40];
		time_rfc3339(at, &init->started_at);
		text_printf(&line, ",\"pid\":%d,\"startedAt\":\"%s\"}\n", init->pid, at);
	}
	control_send(c, &line);
}

static void start(struct control *c, const char *seq)
{
	struct shim *shim = c->shim;
	struct process *init = shim->init;
	if (init->state != IDLE)
		return reply(c, seq, "conflict", "the container was started already");
	unlink(shim->options.exit_path);
	init->started = init_started;
	init->started_for = c;
	init->started_seq = strtoul(seq, NULL, 10);
	if (shim->options.log_path && logfile_open(&shim->log) < 0) {
		auto_text message = {0};
		text_printf(&message, "failed to initialize logging driver: open %s: %s", shim->options.log_path, strerror(errno));
		return process_refuse(init, message.data);
	}
	process_start(init);
}

static void resize(struct control *c, char **words)
{
	struct process *p = process_find(c->shim, words[2]);
	if (!p || p->state == ENDED)
		reply(c, words[0], "not-found", "the process is not running");
	else if (streams_resize(p, (unsigned short)atoi(words[3]), (unsigned short)atoi(words[4])) < 0)
		reply(c, words[0], "conflict", "the process has no terminal");
	else
		reply(c, words[0], NULL, NULL);
}

static void send_signal(struct control *c, char **words)
{
	struct process *p = process_find(c->shim, words[2]);
	/* Not reaped yet: the pid is still this process's. */
	if (!p || p->state != RUNNING || p->reaped || kill(p->pid, atoi(words[3])) < 0)
		reply(c, words[0], "not-found", "the process is not running");
	else
		reply(c, words[0], NULL, NULL);
}

static bool log_has_grown(const struct control *c)
{
	const struct logfile *log = &c->shim->log;
	return log->fd >= 0 && (log->inode != c->await_inode || log->file_size > c->await_size);
}

static void answer_await(struct control *c)
{
	char seq[32];
	snprintf(seq, sizeof seq, "%lu", c->await_seq);
	c->await_seq = 0;
	reply(c, seq, NULL, NULL);
}

/* Answers when the log has more than `size` bytes in the file `inode`, or is another file. One question at a time. */
static void await_log(struct control *c, char **words)
{
	if (c->await_seq)
		answer_await(c);
	c->await_seq = strtoul(words[0], NULL, 10);
	c->await_inode = (ino_t)strtoull(words[2], NULL, 10);
	c->await_size = atoll(words[3]);
	if (log_has_grown(c))
		answer_await(c);
}

static void warn(struct shim *shim, const char *what)
{
	auto_text line = {0};
	text_printf(&line, "{\"type\":\"warning\",\"message\":");
	text_json_string(&line, what);
	text_printf(&line, "}\n");
	control_broadcast(shim, &line);
}

void control_log_written(struct shim *shim)
{
	struct logfile *log = &shim->log;
	for (struct control *c = shim->controls; c; c = c->next)
		if (c->await_seq && log_has_grown(c))
			answer_await(c);
	if (log->changed) {
		log->changed = false;
		auto_text line = {0};
		text_printf(&line, "{\"type\":\"log-rotated\"}\n");
		control_broadcast(shim, &line);
	}
	if (log->stalled != log->told_stalled && (log->told_stalled = log->stalled))
		warn(shim, "the log server is too far behind: the container waits until it has taken more");
	if (log->failing != log->told_failing && (log->told_failing = log->failing)) {
		auto_text what = {0};
		text_printf(&what, "the log cannot be written: %s; lines are lost until it can", strerror(log->error));
		warn(shim, what.data);
	}
}

static void log_delivered(struct control *c, char **words)
{
	struct shim *shim = c->shim;
	if (logfile_delivered(&shim->log, (ino_t)strtoull(words[2], NULL, 10)))
		streams_resume(shim->init);
	control_log_written(shim);
	reply(c, words[0], NULL, NULL);
}

static void log_compressed(struct control *c, char **words)
{
	if (logfile_compressed(&c->shim->log, (ino_t)strtoull(words[2], NULL, 10)))
		reply(c, words[0], NULL, NULL);
	else
		reply(c, words[0], "not-found", "the file was rotated away");
}

static void acknowledge(struct shim *shim, const char *id)
{
	for (struct exec_exit **link = &shim->exec_exits; *link; link = &(*link)->next)
		if (strcmp((*link)->id, id) == 0) {
			struct exec_exit *e = *link;
			*link = e->next;
			free(e);
			return;
		}
}

static void obey(struct control *c, char *line)
{
	char *words[MAX_WORDS] = {0};
	int n = 0;
	for (char *rest = line; n < MAX_WORDS && rest;)
		words[n++] = strsep(&rest, "\t");
	if (n == 2 && strcmp(words[1], "start") == 0)
		start(c, words[0]);
	else if (n == 5 && strcmp(words[1], "resize") == 0)
		resize(c, words);
	else if (n == 4 && strcmp(words[1], "signal") == 0)
		send_signal(c, words);
	else if (n == 4 && strcmp(words[1], "probe") == 0)
		probe_start(c, strtoul(words[0], NULL, 10), words[2], (unsigned)strtoul(words[3], NULL, 10));
	else if (n == 3 && strcmp(words[1], "ack") == 0)
		acknowledge(c->shim, words[2]);
	else if (n == 4 && strcmp(words[1], "log-await") == 0)
		await_log(c, words);
	else if (n == 3 && strcmp(words[1], "log-delivered") == 0)
		log_delivered(c, words);
	else if (n == 3 && strcmp(words[1], "log-compressed") == 0)
		log_compressed(c, words);
	else
		reply(c, words[0], "invalid", "unknown command");
}

static void on_control(struct source *source, uint32_t events)
{
	struct control *c = container_of(source, struct control, source);
	if (events & EPOLLOUT) {
		flush(c);
		shim_maybe_leave(c->shim);
	}
	char bytes[MAX_LINE];
	ssize_t n = recv(source->fd, bytes, sizeof bytes, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		return leave(c);
	text_add(&c->in, bytes, (size_t)n);
	for (char *feed; c->in.length && (feed = memchr(c->in.data, '\n', c->in.length));) {
		*feed = '\0';
		auto_free char *line = strdup(c->in.data);
		text_drop(&c->in, (size_t)(feed + 1 - c->in.data));
		obey(c, line);
		if (source->fd < 0)
			return;
	}
	if (c->in.length > MAX_LINE)
		leave(c);
}

struct control *control_open(struct shim *shim, int fd)
{
	struct control *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->shim = shim;
	c->source = (struct source){.fd = fd, .ready = on_control};
	c->next = shim->controls;
	shim->controls = c;
	loop_watch(&shim->loop, &c->source, EPOLLIN);
	if (shim->init->state != STARTING)
		send_state(c);
	return c;
}
