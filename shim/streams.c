#include "process.h"
#include "control.h"
#include "descriptor.h"
#include "scope.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
	PIPE_SIZE = 256 * 1024,        /* a burst goes through without waking us for each page */
	DRAIN_BOUND = 4 * 1024 * 1024, /* of a stream that someone outside the container goes on filling */
	HANGUP_MS = 50,
	MAX_FAILURE_OUTPUT = 16 * 1024,
};

static struct process *process_of(struct streams *io)
{
	return container_of(io, struct process, io);
}

static void watch_outputs(struct process *p)
{
	for (int i = 0; i < 2; i++)
		loop_watch(&p->shim->loop, &p->io.outputs[i].source, EPOLLIN);
}

static void unwatch_outputs(struct process *p)
{
	for (int i = 0; i < 2; i++)
		loop_unwatch(&p->shim->loop, &p->io.outputs[i].source);
}

/* Docker's stream header: type, three zero bytes, length in network order. */
static void put_header(uint8_t *frame, int stream, size_t n)
{
	memcpy(frame, (uint8_t[FRAME_HEADER]){(uint8_t)stream, 0, 0, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}, FRAME_HEADER);
}

void streams_send(struct client *c, int stream, const uint8_t *bytes, size_t n)
{
	uint8_t *frame = c->process->shim->io;
	put_header(frame, stream, n);
	memcpy(frame + FRAME_HEADER, bytes, n);
	if (c->process->io.tty)
		client_send(c, frame + FRAME_HEADER, n);
	else
		client_send(c, frame, FRAME_HEADER + n);
}

static void deliver(struct process *p, int stream, size_t n)
{
	struct shim *shim = p->shim;
	uint8_t *frame = shim->io, *payload = frame + FRAME_HEADER;
	put_header(frame, stream, n);
	for (struct client *c = p->io.clients; c; c = c->next) {
		if (!c->wants[stream])
			continue;
		if (p->io.tty)
			client_send(c, payload, n);
		else
			client_send(c, frame, FRAME_HEADER + n);
		if (client_behind(c) >= CLIENT_BOUND)
			p->io.paused = true;
	}
	if (p->id)
		return;
	logfile_write(&shim->log, stream, payload, n);
	if (shim->log.stalled)
		p->io.paused = true;
	control_log_written(shim);
}

/* Reads once. Returns what read() did; an output that has ended is closed. */
static ssize_t read_output(struct process *p, struct output *o)
{
	ssize_t n;
	do
		n = read(o->source.fd, p->shim->io + FRAME_HEADER, IO_SIZE);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		deliver(p, o->stream, (size_t)n);
	} else if (n < 0 && errno == EIO && p->io.tty && p->state == RUNNING) {
		/* Nobody has the terminal open just now; a getty may open it again. */
		loop_unwatch(&p->shim->loop, &o->source);
		loop_later(&p->shim->loop, &p->io.hangup, HANGUP_MS);
	} else if (n == 0 || errno != EAGAIN) {
		loop_unwatch_close(&p->shim->loop, &o->source);
		n = 0;
	}
	return n;
}

static bool outputs_ended(const struct process *p)
{
	return p->io.outputs[0].source.fd < 0 && p->io.outputs[1].source.fd < 0;
}

static void on_output(struct source *source, uint32_t events)
{
	(void)events;
	struct output *o = container_of(source, struct output, source);
	struct process *p = o->process;
	if (read_output(p, o) == 0 && outputs_ended(p))
		process_outputs_ended(p);
	else if (p->io.paused && p->state == RUNNING)
		unwatch_outputs(p);
}

static void on_hangup_over(struct timer *timer)
{
	struct process *p = process_of(container_of(timer, struct streams, hangup));
	if (!p->io.paused)
		watch_outputs(p);
}

static void update_clients(struct process *p)
{
	for (struct client *c = p->io.clients, *next; c; c = next) {
		next = c->next;
		client_pump(c);
	}
}

/* With nothing to write, the end of a pipe's reader is still to be seen; a terminal's hang-up is not. */
static void watch_idle_input(struct process *p)
{
	if (p->io.tty)
		loop_unwatch(&p->shim->loop, &p->io.input);
	else
		loop_watch(&p->shim->loop, &p->io.input, 0);
}

static void on_input(struct source *source, uint32_t events)
{
	struct streams *io = container_of(source, struct streams, input);
	struct process *p = process_of(io);
	if (events & (EPOLLERR | EPOLLHUP)) {
		/* The process has closed its end. A terminal may be opened again. */
		if (!io->tty)
			return streams_close_input(p);
		text_free(&io->pending);
		return loop_unwatch(&p->shim->loop, &io->input);
	}
	ssize_t n = write(io->input.fd, io->pending.data, io->pending.length);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		return streams_close_input(p);
	text_drop(&io->pending, (size_t)n);
	if (io->pending.length)
		return;
	watch_idle_input(p);
	if (io->close_when_written)
		streams_close_input(p);
	else
		update_clients(p);
}

void streams_init(struct process *p)
{
	struct streams *io = &p->io;
	io->child[0] = io->child[1] = io->child[2] = -1;
	io->input = (struct source){.fd = -1, .ready = on_input};
	for (int i = 0; i < 2; i++)
		io->outputs[i] = (struct output){.source = {.fd = -1, .ready = on_output}, .stream = i + 1, .process = p};
	io->console.fd = -1;
	io->hangup.fire = on_hangup_over;
}

static int make_pipe(int *ours, int *theirs, bool we_read)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	*ours = ends[we_read ? 0 : 1];
	*theirs = ends[we_read ? 1 : 0];
	fcntl(*ours, F_SETPIPE_SZ, PIPE_SIZE);
	return fcntl(*ours, F_SETFL, O_NONBLOCK);
}

static void set_terminal_size(struct streams *io)
{
	struct winsize size = {.ws_row = io->rows, .ws_col = io->cols};
	if (io->rows || io->cols)
		ioctl(io->outputs[0].source.fd, TIOCSWINSZ, &size);
}

/* Takes the terminal's master from the runtime when it has come. */
static void accept_console(struct process *p)
{
	struct streams *io = &p->io;
	auto_close int connection = accept4(io->console.fd, NULL, NULL, SOCK_CLOEXEC);
	if (connection < 0)
		return;
	char name[128];
	int master = receive_fd(connection, name, sizeof name, 0);
	if (master < 0)
		return;
	fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	io->outputs[0].source.fd = master;
	/* A second descriptor: epoll knows a descriptor only once. */
	io->input.fd = fcntl(master, F_DUPFD_CLOEXEC, 0);
	set_terminal_size(io);
	loop_unwatch_close(&p->shim->loop, &io->console);
	unlink(io->console_path);
}

static void on_console(struct source *source, uint32_t events)
{
	(void)events;
	accept_console(process_of(container_of(source, struct streams, console)));
}

static int open_console(struct process *p)
{
	struct streams *io = &p->io;
	/* Relative to the bundle, the working directory of ours and the runtime's: a path of any length would not fit. */
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n = snprintf(address.sun_path, sizeof address.sun_path, "console-%u.sock", p->shim->serial++);
	unlink(address.sun_path);
	io->console = (struct source){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), .ready = on_console};
	if (io->console.fd < 0 || bind(io->console.fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n + 1)) < 0 || listen(io->console.fd, 1) < 0)
		return -1;
	io->console_path = strdup(address.sun_path);
	loop_watch(&p->shim->loop, &io->console, EPOLLIN);
	return 0;
}

int streams_open(struct process *p)
{
	struct streams *io = &p->io;
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return -1;
	bool pipes = !io->tty && !io->detached;
	for (int i = 0; i < 3; i++)
		if (!pipes || (i == 0 && !io->open_stdin)) {
			io->child[i] = fcntl(null, F_DUPFD_CLOEXEC, 0);
			if (io->child[i] < 0)
				return -1;
		}
	if (io->tty)
		return open_console(p);
	if (!pipes)
		return 0;
	if (io->open_stdin && make_pipe(&io->input.fd, &io->child[0], false) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		if (make_pipe(&io->outputs[i].source.fd, &io->child[i + 1], true) < 0)
			return -1;
	/* Root in a user namespace could else not open /dev/stdout, nor give it to the container's user. */
	const struct options *o = &p->shim->options;
	for (int i = io->open_stdin ? 0 : 1; (o->stdio_uid || o->stdio_gid) && i < 3; i++)
		if (fchown(io->child[i], (uid_t)o->stdio_uid, (gid_t)o->stdio_gid) < 0)
			return -1;
	return 0;
}

void streams_close_child_ends(struct streams *io)
{
	for (int i = 0; i < 3; i++)
		close_fd(&io->child[i]);
}

void streams_flow(struct process *p)
{
	if (p->io.console.fd >= 0)
		accept_console(p);
	watch_outputs(p);
	watch_idle_input(p);
	update_clients(p);
}

bool streams_takes_input(const struct process *p)
{
	/* Input to a closed stdin is taken and dropped, so that its writer does not wait for ever. */
	return (p->state == RUNNING && p->io.pending.length == 0) || p->state == ENDED;
}

void streams_write(struct process *p, const void *bytes, size_t n)
{
	struct streams *io = &p->io;
	if (io->input.fd < 0 || !io->open_stdin)
		return;
	ssize_t written = write(io->input.fd, bytes, n);
	if (written < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return streams_close_input(p);
		written = 0;
	}
	if ((size_t)written < n) {
		text_add(&io->pending, (const char *)bytes + written, n - (size_t)written);
		loop_watch(&p->shim->loop, &io->input, EPOLLOUT);
	}
}

void streams_close_input(struct process *p)
{
	struct streams *io = &p->io;
	if (io->input.fd < 0)
		return;
	text_free(&io->pending);
	loop_unwatch_close(&p->shim->loop, &io->input);
	update_clients(p);
}

void streams_end_input(struct process *p)
{
	if (p->io.pending.length)
		p->io.close_when_written = true;
	else
		streams_close_input(p);
}

void streams_resume(struct process *p)
{
	if (!p->io.paused)
		return;
	for (const struct client *c = p->io.clients; c; c = c->next)
		if (client_behind(c) >= CLIENT_BOUND / 2)
			return;
	if (!p->id && p->shim->log.stalled)
		return;
	p->io.paused = false;
	if (p->state == RUNNING || p->linger.armed)
		watch_outputs(p);
}

bool streams_drain(struct process *p)
{
	for (int i = 0; i < 2; i++) {
		struct output *o = &p->io.outputs[i];
		size_t bound = DRAIN_BOUND;
		while (o->source.fd >= 0 && bound > 0) {
			ssize_t n = read_output(p, o);
			if (n <= 0)
				break;
			bound = (size_t)n < bound ? bound - (size_t)n : 0;
		}
	}
	p->io.paused = false;
	watch_outputs(p);
	return outputs_ended(p);
}

void streams_close(struct process *p)
{
	struct streams *io = &p->io;
	struct loop *loop = &p->shim->loop;
	streams_close_child_ends(io);
	text_free(&io->pending);
	loop_cancel(loop, &io->hangup);
	loop_unwatch_close(loop, &io->input);
	for (int i = 0; i < 2; i++)
		loop_unwatch_close(loop, &io->outputs[i].source);
	loop_unwatch_close(loop, &io->console);
	if (io->console_path)
		unlink(io->console_path);
	free(io->console_path);
	io->console_path = NULL;
}

void streams_take_output(struct process *p, struct text *into)
{
	if (p->io.console.fd >= 0)
		accept_console(p);
	char bytes[1024];
	/* stderr first: that is where a runtime's init complains. */
	for (int i = 1; i >= 0; i--)
		for (ssize_t n; p->io.outputs[i].source.fd >= 0 && into->length < MAX_FAILURE_OUTPUT && (n = read(p->io.outputs[i].source.fd, bytes, sizeof bytes)) > 0;)
			text_add(into, bytes, (size_t)n);
}

int streams_resize(struct process *p, unsigned short rows, unsigned short cols)
{
	struct streams *io = &p->io;
	if (!io->tty) {
		errno = ENOTTY;
		return -1;
	}
	io->rows = rows;
	io->cols = cols;
	if (io->outputs[0].source.fd >= 0)
		set_terminal_size(io);
	return 0;
}
