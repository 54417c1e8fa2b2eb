#include "loop.h"
#include "scope.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

struct garbage {
	struct garbage *next;
	void *memory;
};

static uint64_t now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int loop_init(struct loop *loop)
{
	loop->fd = epoll_create1(EPOLL_CLOEXEC);
	return loop->fd;
}

void loop_watch(struct loop *loop, struct source *source, uint32_t events)
{
	if (source->fd < 0 || (source->watched && source->events == events))
		return;
	struct epoll_event event = {.events = events, .data.ptr = source};
	if (epoll_ctl(loop->fd, source->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, source->fd, &event) == 0) {
		source->watched = true;
		source->events = events;
	}
}

void loop_unwatch(struct loop *loop, struct source *source)
{
	if (!source->watched)
		return;
	epoll_ctl(loop->fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->watched = false;
	for (int i = 0; i < loop->batch_size; i++)
		if (loop->batch[i].data.ptr == source)
			loop->batch[i].data.ptr = NULL;
}

void loop_unwatch_close(struct loop *loop, struct source *source)
{
	loop_unwatch(loop, source);
	close_fd(&source->fd);
}

void loop_later(struct loop *loop, struct timer *timer, unsigned milliseconds)
{
	timer->at = now() + milliseconds * (uint64_t)1000000;
	if (timer->armed)
		return;
	timer->armed = true;
	timer->next = loop->timers;
	loop->timers = timer;
}

void loop_cancel(struct loop *loop, struct timer *timer)
{
	for (struct timer **link = &loop->timers; *link; link = &(*link)->next)
		if (*link == timer) {
			*link = timer->next;
			break;
		}
	timer->armed = false;
}

void loop_free(struct loop *loop, void *memory)
{
	struct garbage *g = malloc(sizeof *g);
	if (!g)
		abort();
	*g = (struct garbage){loop->garbage, memory};
	loop->garbage = g;
}

static int next_timeout(const struct loop *loop)
{
	if (!loop->timers)
		return -1;
	uint64_t first = UINT64_MAX, at = now();
	for (const struct timer *t = loop->timers; t; t = t->next)
		if (t->at < first)
			first = t->at;
	return first <= at ? 0 : (int)((first - at + 999999) / 1000000);
}

static void fire_timers(struct loop *loop)
{
	/* A callback may change the list: begin again after each. */
	for (bool again = loop->timers != NULL; again;) {
		again = false;
		uint64_t at = now();
		for (struct timer *t = loop->timers; t; t = t->next)
			if (t->at <= at) {
				loop_cancel(loop, t);
				t->fire(t);
				again = true;
				break;
			}
	}
}

static void sweep(struct loop *loop)
{
	while (loop->garbage) {
		struct garbage *g = loop->garbage;
		loop->garbage = g->next;
		free(g->memory);
		free(g);
	}
}

void loop_run(struct loop *loop)
{
	while (!loop->stop) {
		int n = epoll_wait(loop->fd, loop->batch, (int)(sizeof loop->batch / sizeof *loop->batch), next_timeout(loop));
		loop->batch_size = n > 0 ? n : 0;
		for (int i = 0; i < loop->batch_size; i++) {
			struct source *source = loop->batch[i].data.ptr;
			if (source)
				source->ready(source, loop->batch[i].events);
		}
		loop->batch_size = 0;
		fire_timers(loop);
		sweep(loop);
	}
}
