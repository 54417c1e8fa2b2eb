#include "server.h"
#include "control.h"
#include "process.h"
#include "scope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { MAX_REQUEST = 8192, MAX_WORDS = 8 };

/* A connection whose request has not come whole yet. */
struct caller {
	struct shim *shim;
	struct source source;
	size_t length;
	char request[MAX_REQUEST];
};

/* The word is a part of file names and JSON. */
static bool is_name(const char *word)
{
	size_t n = strlen(word);
	return n > 0 && n <= 128 && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

static void refuse(int fd, const char *kind, const char *message)
{
	auto_text line = {0};
	text_printf(&line, "{\"error\":{\"kind\":\"%s\",\"message\":", kind);
	text_json_string(&line, message);
	text_printf(&line, "}}\n");
	(void)!send(fd, line.data, line.length, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void attach(struct shim *shim, int fd, const char *flags)
{
	if (shim->init->state == ENDED)
		return refuse(fd, "not-found", "the container has ended");
	struct client *c = client_new(shim->init, fd, flags);
	const struct logfile *log = &shim->log;
	if (!strchr(flags, 'l') || log->fd < 0) {
		client_send(c, "{}\n", 3);
	} else {
		/* All that is in the log is before this position, and all after it is sent: what the log has not got yet, an unfinished line, now. */
		auto_text line = {0};
		text_printf(&line, "{\"log\":{\"inode\":\"%llu\",\"size\":%lld}}\n", (unsigned long long)log->inode, log->file_size);
		client_send(c, line.data, line.length);
		for (int stream = 1; stream <= 2; stream++)
			if (c->wants[stream] && log->lines[stream].length)
				streams_send(c, stream, log->lines[stream].bytes, log->lines[stream].length);
	}
	client_update(c);
}

static void exec_started(struct process *p, const struct text *error)
{
	struct client *c = p->started_for;
	p->started_for = NULL;
	if (!c)
		return;
	auto_text line = {0};
	if (error)
		text_printf(&line, "{\"start\":%s}\n", error->data);
	else
		text_printf(&line, "{\"pid\":%d}\n", p->pid);
	client_send(c, line.data, line.length);
	if (p->io.detached)
		client_finish(c);
}

static void exec(struct shim *shim, int fd, char **words)
{
	const char *id = words[1], *flags = words[2], *path = words[3];
	if (!is_name(id) || strcmp(id, "-") == 0)
		return refuse(fd, "invalid", "not an exec id");
	if (shim->init->state != RUNNING)
		return refuse(fd, "not-found", "the container is not running");
	if (process_find(shim, id))
		return refuse(fd, "conflict", "the exec was started already");
	struct process *p = process_new(shim, id);
	p->process_path = strdup(path);
	p->plan_path = words[6] ? strdup(words[6]) : NULL;
	p->io.tty = strchr(flags, 't') != NULL;
	p->io.detached = strchr(flags, 'd') != NULL;
	p->io.open_stdin = strchr(flags, 'i') != NULL;
	p->io.close_stdin_once = true;
	p->io.rows = (unsigned short)atoi(words[4]);
	p->io.cols = (unsigned short)atoi(words[5]);
	p->started = exec_started;
	p->started_for = client_new(p, fd, p->io.detached ? "" : flags);
	client_update(p->started_for);
	process_start(p);
}

static void dispatch(struct shim *shim, int fd, char *request)
{
	char *words[MAX_WORDS] = {0};
	int n = 0;
	for (char *rest = request; n < MAX_WORDS && rest;)
		words[n++] = strsep(&rest, "\t");
	if (n == 1 && strcmp(words[0], "control") == 0)
		control_open(shim, fd);
	else if (n == 2 && strcmp(words[0], "attach") == 0)
		attach(shim, fd, words[1]);
	else if ((n == 6 || n == 7) && strcmp(words[0], "exec") == 0)
		exec(shim, fd, words);
	else
		refuse(fd, "invalid", "unknown request");
}

static void hang_up(struct caller *caller)
{
	loop_unwatch_close(&caller->shim->loop, &caller->source);
	loop_free(&caller->shim->loop, caller);
}

static void on_caller(struct source *source, uint32_t events)
{
	(void)events;
	struct caller *caller = container_of(source, struct caller, source);
	/* Look first: what follows the request's line is the stream's. */
	char *room = caller->request + caller->length;
	ssize_t n = recv(source->fd, room, sizeof caller->request - caller->length, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		return hang_up(caller);
	char *feed = memchr(room, '\n', (size_t)n);
	size_t taken = feed ? (size_t)(feed + 1 - room) : (size_t)n;
	(void)!recv(source->fd, room, taken, MSG_DONTWAIT);
	caller->length += taken;
	if (!feed && caller->length == sizeof caller->request)
		return hang_up(caller);
	if (!feed)
		return;
	*feed = '\0';
	struct shim *shim = caller->shim;
	loop_unwatch(&shim->loop, source);
	int fd = take_fd(&source->fd);
	loop_free(&shim->loop, caller);
	dispatch(shim, fd, caller->request);
}

static void on_listener(struct source *source, uint32_t events)
{
	(void)events;
	struct shim *shim = container_of(source, struct shim, listener);
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	struct caller *caller = malloc(sizeof *caller);
	if (!caller) {
		close(fd);
		return;
	}
	caller->shim = shim;
	caller->length = 0;
	caller->source = (struct source){.fd = fd, .ready = on_caller};
	loop_watch(&shim->loop, &caller->source, EPOLLIN);
	/* The request is mostly there already. */
	on_caller(&caller->source, EPOLLIN);
}

void server_open(struct shim *shim)
{
	struct stat st;
	if (stat(shim->options.socket, &st) == 0)
		shim->socket_inode = st.st_ino;
	shim->listener = (struct source){.fd = LISTEN_FD, .ready = on_listener};
	loop_watch(&shim->loop, &shim->listener, EPOLLIN);
}

void server_close(struct shim *shim)
{
	if (shim->listener.fd < 0)
		return;
	/* By now it may be the container's next shim that serves there. */
	struct stat st;
	if (stat(shim->options.socket, &st) == 0 && st.st_ino == shim->socket_inode)
		unlink(shim->options.socket);
	loop_unwatch_close(&shim->loop, &shim->listener);
}
