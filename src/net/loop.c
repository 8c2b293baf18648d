/*
 * loop.c - one thread's event loop, over libev.
 *
 * Layer: net. The only file that names libev.
 *
 * Descriptors stand in an epoll set of our own; libev keeps timers and
 * signals. A worker waits in its set and enters libev only when a timer is
 * due: one call to the kernel a turn, and no event passes through a second
 * set. The loop that catches signals waits in libev, which watches the set
 * as one descriptor.
 *
 * A turn takes a batch; an io that goes away in mid-batch is struck from
 * the rest of it.
 */
#include <errno.h>
#include <ev.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/tick.h"
#include "net/loop.h"

#define BATCH 256

struct loop {
	struct ev_loop *ev;
	ev_io set;	  /* the epoll set, where libev waits for it */
	ev_prepare again; /* there, no waiting while ios are queued */
	ev_idle busy;
	bool catches_signals;
	bool is_stopped;
	uint64_t now_ms;
	int epoll;
	unsigned at, n; /* the batch: events from <at> are still to come */
	struct epoll_event batch[BATCH];
	struct list queue;   /* ios that asked for LOOP_AGAIN */
	struct list timers;  /* that are armed; few */
	struct loop_io wake; /* an eventfd: somebody posted a job */
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

/* Each io that waits gets one more turn; new ones wait for the next. */
static void run_again(struct loop *loop)
{
	struct list mine;

	list_init(&mine);
	while (!list_is_empty(&loop->queue))
		list_move(&mine, loop->queue.next);
	while (!list_is_empty(&mine)) {
		struct loop_io *io =
			list_entry(mine.next, struct loop_io, again);

		list_remove(&io->again);
		io->ready(io, LOOP_AGAIN);
	}
}

/* Wait for events for <wait_ms> (-1: for ever), handle a batch of them. */
static void run_turn(struct loop *loop, int wait_ms)
{
	int n = epoll_wait(loop->epoll, loop->batch, BATCH, wait_ms);

	read_clock(loop);
	loop->n = n > 0 ? (unsigned)n : 0;
	for (loop->at = 0; loop->at < loop->n;) {
		struct epoll_event *event = &loop->batch[loop->at++];
		struct loop_io *io = event->data.ptr;

		if (io)
			io->ready(io, events_of(event->events));
	}
	loop->n = 0;
	run_again(loop);
}

static uint64_t next_timer(const struct loop *loop)
{
	uint64_t next = TICK_NEVER;
	struct list *node;

	list_each (node, &loop->timers) {
		struct loop_timer *timer =
			list_entry(node, struct loop_timer, node);

		if (timer->due_ms < next)
			next = timer->due_ms;
	}
	return next;
}

static int time_to_wait(const struct loop *loop, uint64_t next)
{
	if (!list_is_empty(&loop->queue) || next <= loop->now_ms)
		return 0;
	if (next == TICK_NEVER)
		return -1;
	return next - loop->now_ms > 60000 ? 60000 : (int)(next - loop->now_ms);
}

static void run_worker(struct loop *loop)
{
	while (!loop->is_stopped) {
		uint64_t next = next_timer(loop);

		run_turn(loop, time_to_wait(loop, next));
		if (next <= loop->now_ms)
			ev_run(loop->ev, EVRUN_NOWAIT);
	}
}

static void set_ready(struct ev_loop *ev, ev_io *watcher, int revents)
{
	(void)ev;
	(void)revents;
	run_turn(watcher->data, 0);
}

static void prepare_wait(struct ev_loop *ev, ev_prepare *watcher, int revents)
{
	struct loop *loop = watcher->data;

	(void)revents;
	if (list_is_empty(&loop->queue))
		ev_idle_stop(ev, &loop->busy);
	else
		ev_idle_start(ev, &loop->busy);
}

/* Nothing came, but something is queued. */
static void run_busy(struct ev_loop *ev, ev_idle *watcher, int revents)
{
	(void)ev;
	(void)revents;
	run_turn(watcher->data, 0);
}

/* libev waits, for signals too. */
static void run_signals(struct loop *loop)
{
	ev_io_init(&loop->set, set_ready, loop->epoll, EV_READ);
	ev_prepare_init(&loop->again, prepare_wait);
	ev_idle_init(&loop->busy, run_busy);
	loop->set.data = loop->again.data = loop->busy.data = loop;
	ev_io_start(loop->ev, &loop->set);
	ev_prepare_start(loop->ev, &loop->again);
	ev_run(loop->ev, 0);
	ev_idle_stop(loop->ev, &loop->busy);
	ev_prepare_stop(loop->ev, &loop->again);
	ev_io_stop(loop->ev, &loop->set);
}

void loop_run(struct loop *loop)
{
	loop->is_stopped = false;
	read_clock(loop);
	if (loop->catches_signals)
		run_signals(loop);
	else
		run_worker(loop);
}

void loop_stop(struct loop *loop)
{
	loop->is_stopped = true;
	ev_break(loop->ev, EVBREAK_ALL);
}

static void run_jobs(struct loop_io *io, unsigned events)
{
	struct loop *loop = list_entry(io, struct loop, wake);
	struct loop_job *job, *next;
	eventfd_t count;

	(void)events;
	(void)!eventfd_read(io->fd, &count);
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

void loop_post(struct loop *loop, struct loop_job *job)
{
	bool is_first;

	job->next = NULL;
	pthread_mutex_lock(&loop->lock);
	is_first = !loop->first;
	*loop->last = job;
	loop->last = &job->next;
	pthread_mutex_unlock(&loop->lock);
	if (is_first)
		(void)!eventfd_write(loop->wake.fd, 1);
}

static int open_parts(struct loop *loop)
{
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->wake.ready = run_jobs;
	loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (loop->epoll < 0 || loop->wake.fd < 0 || !loop->ev)
		return ERR_MEMORY;
	return loop_watch_level(loop, &loop->wake);
}

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	pthread_mutex_init(&loop->lock, NULL);
	loop->last = &loop->first;
	list_init(&loop->queue);
	list_init(&loop->timers);
	read_clock(loop);
	if (open_parts(loop)) {
		loop_free(loop);
		return NULL;
	}
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->ev)
		ev_loop_destroy(loop->ev);
	if (loop->wake.fd >= 0)
		close(loop->wake.fd);
	if (loop->epoll >= 0)
		close(loop->epoll);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
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
}

static void timer_fired(struct ev_loop *ev, ev_timer *watcher, int revents)
{
	struct loop_timer *timer = watcher->data;

	(void)ev;
	(void)revents;
	read_clock(timer->loop);
	list_remove(&timer->node);
	timer->fire(timer);
}

static ev_timer *watcher_of(struct loop_timer *timer)
{
	return (ev_timer *)(void *)timer->room;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t ms)
{
	ev_timer *watcher = watcher_of(timer);

	loop_timer_stop(loop, timer);
	timer->loop = loop;
	/* Not before libev's own time, which is finer: it must be due when it
	 * is asked. */
	timer->due_ms = loop->now_ms + ms + 1;
	list_init(&timer->node);
	list_add(&loop->timers, &timer->node);
	/* libev counts from its last look at the clock, which may be long
	 * ago where it is only entered for timers. */
	ev_now_update(loop->ev);
	ev_timer_init(watcher, timer_fired, (double)ms / 1000, 0);
	watcher->data = timer;
	ev_timer_start(loop->ev, watcher);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
	if (!timer->loop)
		return;
	ev_timer_stop(loop->ev, watcher_of(timer));
	list_remove(&timer->node);
	timer->loop = NULL;
}

static void signal_came(struct ev_loop *ev, ev_signal *watcher, int revents)
{
	struct loop_signal *signal = watcher->data;
	struct loop *loop = ev_userdata(ev);

	(void)revents;
	read_clock(loop);
	signal->caught(signal);
}

void loop_signal_watch(struct loop *loop, struct loop_signal *signal,
		       int number)
{
	ev_signal *watcher = (ev_signal *)(void *)signal->room;

	loop->catches_signals = true;
	ev_set_userdata(loop->ev, loop);
	ev_signal_init(watcher, signal_came, number);
	watcher->data = signal;
	ev_signal_start(loop->ev, watcher);
}
