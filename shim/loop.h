/* The one event loop: descriptors by epoll (level-triggered), and timers. */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct source {
	int fd;
	uint32_t events;
	bool watched;
	void (*ready)(struct source *self, uint32_t events);
};

struct timer {
	struct timer *next;
	uint64_t at;
	bool armed;
	void (*fire)(struct timer *self);
};

struct garbage;

struct loop {
	int fd;
	struct epoll_event batch[32];
	int batch_size;
	struct timer *timers;
	struct garbage *garbage;
	bool stop;
};

int loop_init(struct loop *loop);
/* Watches `source` for `events`; 0 still brings EPOLLHUP and EPOLLERR. */
void loop_watch(struct loop *loop, struct source *source, uint32_t events);
/* No event of `source` is delivered after this, not even one of the batch being worked on. */
void loop_unwatch(struct loop *loop, struct source *source);
void loop_unwatch_close(struct loop *loop, struct source *source);
void loop_later(struct loop *loop, struct timer *timer, unsigned milliseconds);
void loop_cancel(struct loop *loop, struct timer *timer);
/* Frees `memory` when no callback is running any more. */
void loop_free(struct loop *loop, void *memory);
void loop_run(struct loop *loop);

#endif
