#include "client.h"
#include "control.h"
#include "process.h"
#include "descriptor.h"
#include "scope.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { LINGER_MS = 10000 };

static void drop(struct client *c)
{
	struct process *p = c->process;
	struct shim *shim = p->shim;
	/* Closing with unread input would give the peer ECONNRESET after its last byte. */
	for (int i = 0; i < 16 && recv(c->source.fd, shim->io, IO_SIZE, MSG_DONTWAIT) > 0; i++)
		;
	loop_cancel(&shim->loop, &c->linger);
	loop_unwatch_close(&shim->loop, &c->source);
	close_fd(&c->successor);
	text_free(&c->queue);
	for (struct client **link = &p->io.clients; *link; link = &(*link)->next)
		if (*link == c) {
			*link = c->next;
			break;
		}
	if (p->started_for == c)
		p->started_for = NULL;
	loop_free(&shim->loop, c);
	shim->clients--;
	streams_resume(p);
	if (p->id)
		process_maybe_free(p);
	shim_maybe_leave(shim);
}

static bool reads_input(const struct client *c)
{
	return c->wants[0] && !c->in_ended && !c->finishing;
}

void client_update(struct client *c)
{
	uint32_t events = 0;
	if (c->undecided || c->lingering || (reads_input(c) && streams_takes_input(c->process)))
		events |= EPOLLIN;
	if (client_behind(c) > 0 && !c->switching)
		events |= EPOLLOUT;
	/* Level-triggered EPOLLHUP of a dead client would come for ever while its last input waits. */
	if (c->dead && !events)
		loop_unwatch(&c->process->shim->loop, &c->source);
	else
		loop_watch(&c->process->shim->loop, &c->source, events);
}

static void on_linger(struct timer *timer)
{
	drop(container_of(timer, struct client, linger));
}

/* Everything was sent. Returns false when the client has gone with it. */
static bool leave(struct client *c)
{
	if (c->lingering)
		return true;
	if (!c->direct || c->dead || c->in_ended) {
		drop(c);
		return false;
	}
	shutdown(c->source.fd, SHUT_WR);
	c->lingering = true;
	c->linger.fire = on_linger;
	loop_later(&c->process->shim->loop, &c->linger, LINGER_MS);
	return true;
}

static void die(struct client *c)
{
	c->dead = true;
	text_free(&c->queue);
	c->sent = 0;
}

/* Sends what is queued. Returns false when the client has gone with it. */
static bool flush(struct client *c)
{
	while (client_behind(c) > 0 && !c->switching) {
		ssize_t n = send(c->source.fd, c->queue.data + c->sent, client_behind(c), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			if (c->successor < 0)
				die(c);
			break;
		}
		c->sent += (size_t)n;
	}
	if (client_behind(c) == 0) {
		text_free(&c->queue);
		c->sent = 0;
		if (c->successor >= 0 && !c->switching) {
			shutdown(c->source.fd, SHUT_WR);
			c->switching = true;
		}
		if (c->finishing && !c->undecided && !c->switching && !leave(c))
			return false;
	}
	if (client_behind(c) < CLIENT_BOUND / 2)
		streams_resume(c->process);
	return true;
}

void client_send(struct client *c, const void *bytes, size_t n)
{
	if (c->dead || c->finishing)
		return;
	if (client_behind(c) == 0 && !c->switching) {
		ssize_t sent = send(c->source.fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN && errno != EINTR && c->successor < 0)
			return die(c); /* EPOLLHUP follows and drops it */
		if (sent > 0) {
			bytes = (const char *)bytes + sent;
			n -= (size_t)sent;
		}
	} else if (c->sent > CLIENT_BOUND) {
		text_drop(&c->queue, c->sent);
		c->sent = 0;
	}
	if (n > 0) {
		text_add(&c->queue, bytes, n);
		client_update(c);
	}
}

void client_finish(struct client *c)
{
	if (c->source.fd < 0)
		return;
	c->finishing = true;
	if (flush(c))
		client_update(c);
}

/* The client has said all. */
static void end_of_input(struct client *c, bool gone)
{
	struct process *p = c->process;
	c->in_ended = true;
	/* A daemon that was killed closes its connections, too: no reason to end the container's input. */
	if (gone && !control_is_alive(p->shim))
		return;
	if (p->io.close_stdin_once && !p->io.tty)
		streams_end_input(p);
	else if (!c->dead)
		client_finish(c); /* as Docker: the end of input detaches */
}

/* Reads the byte that says whether a descriptor comes. Returns false when it has not come yet. */
static bool decide(struct client *c)
{
	char byte;
	int fd = receive_fd(c->source.fd, &byte, 1, MSG_DONTWAIT);
	if (fd == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	c->undecided = false;
	if (fd >= 0)
		c->successor = fd;
	return true;
}

static void make_room(int fd)
{
	/* For a few frames, so that a reader who is busy for a moment does not stop the container. */
	int size = CLIENT_BOUND;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

/* The daemon's connection has served. */
static void succeed(struct client *c)
{
	loop_unwatch_close(&c->process->shim->loop, &c->source);
	c->source.fd = take_fd(&c->successor);
	c->switching = c->in_ended = c->dead = false;
	c->direct = true;
	make_room(c->source.fd);
}

/* Reads what the daemon still had of the client's input. Returns true when that is over. */
static bool predecessor_is_done(struct client *c)
{
	struct process *p = c->process;
	uint8_t *bytes = p->shim->io;
	bool peek = c->wants[0] && !c->finishing && !streams_takes_input(p);
	ssize_t n = recv(c->source.fd, bytes, IO_SIZE, MSG_DONTWAIT | (peek ? MSG_PEEK : 0));
	if (n > 0 && !peek && reads_input(c))
		streams_write(p, bytes, (size_t)n);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

void client_pump(struct client *c)
{
	struct process *p = c->process;
	if (c->source.fd < 0)
		return; /* dropped while its list was walked */
	if (c->undecided && (!decide(c) || !flush(c))) {
		if (c->source.fd >= 0)
			client_update(c);
		return;
	}
	if (c->successor >= 0) {
		bool done = predecessor_is_done(c);
		if (c->source.fd < 0)
			return;
		if (done)
			succeed(c);
		if (!done || !flush(c)) {
			if (c->source.fd >= 0)
				client_update(c);
			return;
		}
	}
	if (c->lingering) {
		ssize_t n = recv(c->source.fd, p->shim->io, IO_SIZE, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || c->dead)
			return drop(c);
	}
	if (reads_input(c) && streams_takes_input(p)) {
		uint8_t *bytes = p->shim->io;
		ssize_t n = recv(c->source.fd, bytes, IO_SIZE, MSG_DONTWAIT);
		if (n > 0) {
			streams_write(p, bytes, (size_t)n);
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			char none;
			bool gone = c->dead || n < 0 || send(c->source.fd, &none, 0, MSG_DONTWAIT | MSG_NOSIGNAL) < 0;
			end_of_input(c, gone);
		}
	}
	if (c->source.fd < 0)
		return;
	if (c->dead && !reads_input(c))
		drop(c);
	else
		client_update(c);
}

static void on_client(struct source *source, uint32_t events)
{
	struct client *c = container_of(source, struct client, source);
	if (events & (EPOLLHUP | EPOLLERR) && !c->undecided && c->successor < 0)
		die(c);
	if (!c->dead && events & EPOLLOUT && !flush(c))
		return;
	client_pump(c);
}

struct client *client_new(struct process *p, int fd, const char *flags)
{
	struct client *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->process = p;
	c->source = (struct source){.fd = fd, .ready = on_client};
	c->successor = -1;
	c->undecided = strchr(flags, 'h') != NULL;
	c->wants[0] = strchr(flags, 'i') != NULL;
	c->wants[1] = strchr(flags, 'o') != NULL;
	c->wants[2] = strchr(flags, 'e') != NULL;
	make_room(fd);
	c->next = p->io.clients;
	p->io.clients = c;
	p->shim->clients++;
	return c;
}
