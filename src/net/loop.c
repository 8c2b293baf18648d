/*
 * loop.c - one thread's event loop, over libev.
 *
 * Layer: net. The only file that names libev.
 *
 * libev keeps time, signals and wake-ups and watches one descriptor: the
 * epoll set that holds all of ours. A turn takes a batch from that set; an
 * io that goes away in mid-batch is struck from the rest of it.
 */
#include <errno.h>
#include <ev.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "net/loop.h"

#define BATCH 256

struct loop {
	struct ev_loop *ev;
	ev_io ready;   /* the epoll set has events */
	ev_async wake; /* somebody posted a job */
	ev_idle again; /* active while <queue> is not empty */
	ev_check turn; /* first in every turn: reads the clock */
	uint64_t now_ms;
	int epoll;
	unsigned at, n; /* the batch: events from <at> are still to come */
	struct epoll_event batch[BATCH];
	struct list queue; /* ios that asked for LOOP_AGAIN */
	pthread_mutex_t lock;
	struct loop_job *first, **last; /* under <lock> */
};

_Static_assert(sizeof(ev_timer) <= sizeof(((struct loop_timer *)0)->room),
	       "a timer fits its room");
_Static_assert(sizeof(ev_signal) <= sizeof(((struct loop_signal *)0)->room),
	       "a signal fits its room");

/* libev's own idea of "now" is the wall clock. */
static void read_clock(struct loop *loop)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	loop->now_ms =
		(uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void begin_turn(struct ev_loop *ev, ev_check *watcher, int revents)
{
	(void)ev;
	(void)revents;
	read_clock(watcher->data);
}

static unsigned events_of(uint32_t epoll)
{
	unsigned events = 0;

	if (epoll & EPOLLIN)
		events |= LOOP_READ;
	if (epoll & EPOLLOUT)
		events |= LOOP_WRITE;
	if (epoll & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		events |= LOOP_END;
	if (epoll & EPOLLERR)
		events |= LOOP_FAIL;
	return events;
}

static void run_batch(struct ev_loop *ev, ev_io *watcher, int revents)
{
	struct loop *loop = watcher->data;
	int n = epoll_wait(loop->epoll, loop->batch, BATCH, 0);

	(void)ev;
	(void)revents;
	loop->n = n > 0 ? (unsigned)n : 0;
	for (loop->at = 0; loop->at < loop->n;) {
		struct epoll_event *event = &loop->batch[loop->at++];
		struct loop_io *io = event->data.ptr;

		if (io)
			io->ready(io, events_of(event->events));
	}
	loop->n = 0;
}

/* Each io that waits gets one more turn; new ones wait for the next. */
static void run_again(struct ev_loop *ev, ev_idle *watcher, int revents)
{
	struct loop *loop = watcher->data;
	struct list mine;

	(void)revents;
	list_init(&mine);
	while (!list_is_empty(&loop->queue))
		list_move(&mine, loop->queue.next);
	while (!list_is_empty(&mine)) {
		struct loop_io *io =
			list_entry(mine.next, struct loop_io, again);

		list_remove(&io->again);
		io->ready(io, LOOP_AGAIN);
	}
	if (list_is_empty(&loop->queue))
		ev_idle_stop(ev, watcher);
}

static void run_jobs(struct ev_loop *ev, ev_async *watcher, int revents)
{
	struct loop *loop = watcher->data;
	struct loop_job *job, *next;

	(void)ev;
	(void)revents;
	pthread_mutex_lock(&loop->lock);
	job = loop->first;
	loop->first = NULL;
	loop->last = &loop->first;
	pthread_mutex_unlock(&loop->lock);
	for (; job; job = next) {
		next = job->next;
		job->run(job);
	}
}

static void watch_own(struct loop *loop)
{
	ev_io_init(&loop->ready, run_batch, loop->epoll, EV_READ);
	ev_idle_init(&loop->again, run_again);
	ev_async_init(&loop->wake, run_jobs);
	ev_check_init(&loop->turn, begin_turn);
	ev_set_priority(&loop->turn, EV_MAXPRI);
	loop->ready.data = loop;
	loop->again.data = loop;
	loop->wake.data = loop;
	loop->turn.data = loop;
	ev_io_start(loop->ev, &loop->ready);
	ev_async_start(loop->ev, &loop->wake);
	ev_check_start(loop->ev, &loop->turn);
	read_clock(loop);
}

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (loop->epoll < 0 || !loop->ev)
		goto out;
	pthread_mutex_init(&loop->lock, NULL);
	loop->last = &loop->first;
	list_init(&loop->queue);
	watch_own(loop);
	return loop;
out:
	if (loop->epoll >= 0)
		close(loop->epoll);
	if (loop->ev)
		ev_loop_destroy(loop->ev);
	free(loop);
	return NULL;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	ev_loop_destroy(loop->ev);
	close(loop->epoll);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

void loop_run(struct loop *loop)
{
	ev_run(loop->ev, 0);
}

void loop_stop(struct loop *loop)
{
	ev_break(loop->ev, EVBREAK_ALL);
}

uint64_t loop_now_ms(const struct loop *loop)
{
	return loop->now_ms;
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
	list_move(&loop->queue, &io->again);
	ev_idle_start(loop->ev, &loop->again);
}

static void timer_fired(struct ev_loop *ev, ev_timer *watcher, int revents)
{
	struct loop_timer *timer = watcher->data;

	(void)ev;
	(void)revents;
	timer->fire(timer);
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t ms)
{
	ev_timer *watcher = (ev_timer *)(void *)timer->room;

	if (timer->loop)
		ev_timer_stop(loop->ev, watcher);
	timer->loop = loop;
	ev_timer_init(watcher, timer_fired, (double)ms / 1000, 0);
	watcher->data = timer;
	ev_timer_start(loop->ev, watcher);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
	if (timer->loop)
		ev_timer_stop(loop->ev, (ev_timer *)(void *)timer->room);
	timer->loop = NULL;
}

void loop_post(struct loop *loop, struct loop_job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&loop->lock);
	*loop->last = job;
	loop->last = &job->next;
	pthread_mutex_unlock(&loop->lock);
	ev_async_send(loop->ev, &loop->wake);
}

static void signal_came(struct ev_loop *ev, ev_signal *watcher, int revents)
{
	struct loop_signal *signal = watcher->data;

	(void)ev;
	(void)revents;
	signal->caught(signal);
}

void loop_signal_watch(struct loop *loop, struct loop_signal *signal,
		       int number)
{
	ev_signal *watcher = (ev_signal *)(void *)signal->room;

	ev_signal_init(watcher, signal_came, number);
	watcher->data = signal;
	ev_signal_start(loop->ev, watcher);
}
