/*
 * fake_loop.c - the event loop over a clock that the test moves.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/tick.h"
#include "fake_loop.h"

#define BATCH	  16
#define TURNS_MAX 1000000 /* a test that never settles is wrong */

struct loop {
	int epoll;
	uint64_t now_ms;
	unsigned at, n;
	struct epoll_event batch[BATCH];
	struct list again;
	struct list timers;
	struct loop_job *first, **last;
	bool is_stopped;
};

/* What stands in a timer's room. */
struct fake_timer {
	struct list node;
	uint64_t due_ms;
	struct loop_timer *timer;
};

_Static_assert(sizeof(struct fake_timer) <=
		       sizeof(((struct loop_timer *)0)->room),
	       "a timer fits its room");

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->now_ms = 1000000;
	list_init(&loop->again);
	list_init(&loop->timers);
	loop->last = &loop->first;
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	close(loop->epoll);
	free(loop);
}

uint64_t loop_now_ms(const struct loop *loop)
{
	return loop->now_ms;
}

static unsigned events_of(uint32_t epoll)
{
	return (epoll & EPOLLIN ? LOOP_READ : 0) |
	       (epoll & EPOLLOUT ? LOOP_WRITE : 0) |
	       (epoll & (EPOLLRDHUP | EPOLLHUP | EPOLLERR) ? LOOP_END : 0) |
	       (epoll & EPOLLERR ? LOOP_FAIL : 0);
}

static bool run_ready(struct loop *loop)
{
	int n = epoll_wait(loop->epoll, loop->batch, BATCH, 0);

	loop->n = n > 0 ? (unsigned)n : 0;
	for (loop->at = 0; loop->at < loop->n;) {
		struct epoll_event *event = &loop->batch[loop->at++];
		struct loop_io *io = event->data.ptr;

		if (io)
			io->ready(io, events_of(event->events));
	}
	loop->n = 0;
	return n > 0;
}

static bool run_again(struct loop *loop)
{
	struct loop_io *io;

	if (list_is_empty(&loop->again))
		return false;
	io = list_entry(loop->again.next, struct loop_io, again);
	list_remove(&io->again);
	io->ready(io, LOOP_AGAIN);
	return true;
}

static bool run_jobs(struct loop *loop)
{
	struct loop_job *job = loop->first;

	if (!job)
		return false;
	loop->first = job->next;
	if (!loop->first)
		loop->last = &loop->first;
	job->run(job);
	return true;
}

static struct fake_timer *first_timer(struct loop *loop)
{
	struct fake_timer *first = NULL;
	struct list *node;

	list_each (node, &loop->timers) {
		struct fake_timer *one =
			list_entry(node, struct fake_timer, node);

		if (!first || one->due_ms < first->due_ms)
			first = one;
	}
	return first;
}

static bool run_timer(struct loop *loop)
{
	struct fake_timer *first = first_timer(loop);

	if (!first || first->due_ms > loop->now_ms)
		return false;
	list_remove(&first->node);
	first->timer->loop = NULL;
	first->timer->fire(first->timer);
	return true;
}

void fake_loop_settle(struct loop *loop)
{
	unsigned turns = 0;

	while (run_ready(loop) || run_again(loop) || run_jobs(loop) ||
	       run_timer(loop))
		assert(++turns < TURNS_MAX);
}

void fake_loop_advance(struct loop *loop, uint64_t ms)
{
	uint64_t until = loop->now_ms + ms;

	fake_loop_settle(loop);
	for (;;) {
		struct fake_timer *next = first_timer(loop);

		if (!next || next->due_ms > until)
			break;
		loop->now_ms = next->due_ms;
		fake_loop_settle(loop);
	}
	loop->now_ms = until;
	fake_loop_settle(loop);
}

void loop_run(struct loop *loop)
{
	loop->is_stopped = false;
	while (!loop->is_stopped)
		fake_loop_settle(loop);
}

void loop_stop(struct loop *loop)
{
	loop->is_stopped = true;
}

static int watch(struct loop *loop, struct loop_io *io, uint32_t interest)
{
	struct epoll_event event = { .events = interest, .data.ptr = io };

	list_init(&io->again);
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, io->fd, &event))
		return -errno;
	return 0;
}

int loop_watch_edge(struct loop *loop, struct loop_io *io)
{
	return watch(loop, io, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

int loop_watch_level(struct loop *loop, struct loop_io *io)
{
	return watch(loop, io, EPOLLIN);
}

void loop_forget(struct loop *loop, struct loop_io *io)
{
	unsigned i;

	for (i = loop->at; i < loop->n; i++) {
		if (loop->batch[i].data.ptr == io)
			loop->batch[i].data.ptr = NULL;
	}
	list_remove(&io->again);
}

void loop_unwatch(struct loop *loop, struct loop_io *io)
{
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, io->fd, NULL);
	loop_forget(loop, io);
}

void loop_again(struct loop *loop, struct loop_io *io)
{
	list_move(&loop->again, &io->again);
}

static struct fake_timer *fake_of(struct loop_timer *timer)
{
	return (struct fake_timer *)(void *)timer->room;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t ms)
{
	struct fake_timer *fake = fake_of(timer);

	loop_timer_stop(loop, timer);
	list_init(&fake->node);
	fake->due_ms = loop->now_ms + ms;
	fake->timer = timer;
	timer->loop = loop;
	list_add(&loop->timers, &fake->node);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
	(void)loop;
	if (timer->loop)
		list_remove(&fake_of(timer)->node);
	timer->loop = NULL;
}

void loop_post(struct loop *loop, struct loop_job *job)
{
	job->next = NULL;
	*loop->last = job;
	loop->last = &job->next;
}

void loop_signal_watch(struct loop *loop, struct loop_signal *signal,
		       int number)
{
	(void)loop;
	(void)signal;
	(void)number;
}
