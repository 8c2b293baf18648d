/*
 * loop.h - one thread's event loop.
 *
 * Layer: net. src/net/loop.c is the only file that names libev;
 * tests/helper/fake_loop.c offers the same symbols over a fake clock.
 * Units: milliseconds of the monotonic clock.
 *
 * A loop belongs to the thread that runs it; only loop_post() may be called
 * from another. Descriptors stand in an epoll set of the loop's own: libev's
 * tables span the highest descriptor of the process in every loop, which
 * thousands of idle connections would pay for.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"

struct loop;

enum loop_event {
	LOOP_READ = 1,	 /* octets, or the peer's end */
	LOOP_WRITE = 2,	 /* room */
	LOOP_END = 4,	 /* the peer finished, both ways or one, or failed */
	LOOP_FAIL = 8,	 /* with LOOP_END: the socket holds an error */
	LOOP_AGAIN = 16, /* asked for by loop_again() */
};

/* Stands inside its owner; zero it first. <ready> may unwatch and free any
 * io, its own too. */
struct loop_io {
	void (*ready)(struct loop_io *io, unsigned events);
	int fd;
	struct list again; /* the loop's own: waits for LOOP_AGAIN */
};

/* NULL: no memory or no descriptors. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);
/* Until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* The time at the start of this turn: cheap. */
uint64_t loop_now_ms(const struct loop *loop);

/*
 * Edge: an event is told once when it arises, reading and writing are
 * watched for good and never changed. For connections.
 * Level: readiness to read is told until it is gone. For listeners.
 * -errno: the kernel refused (no memory, its own limits).
 */
MUST_CHECK int loop_watch_edge(struct loop *loop, struct loop_io *io);
MUST_CHECK int loop_watch_level(struct loop *loop, struct loop_io *io);
/* Before the descriptor is closed. No event of this turn comes after. */
void loop_unwatch(struct loop *loop, struct loop_io *io);
/* As loop_unwatch(), for a descriptor that is closed at once: the kernel
 * forgets it without being asked. Only if nobody else holds it open. */
void loop_forget(struct loop *loop, struct loop_io *io);
/* Call <ready> with LOOP_AGAIN after others had their turn. */
void loop_again(struct loop *loop, struct loop_io *io);

/* A one-shot timer; zero it first. */
struct loop_timer {
	void (*fire)(struct loop_timer *timer);
	struct loop *loop; /* the loop's own, as all that follows */
	struct list node;
	uint64_t due_ms;
	_Alignas(8) unsigned char room[64];
};

/* (Re)arm for <ms> from now. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t ms);
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);

/* Work handed to a loop's thread. Owned by the loop until it runs. */
struct loop_job {
	void (*run)(struct loop_job *job);
	struct loop_job *next; /* the loop's own */
};

/* From any thread; jobs of one thread run in order. */
void loop_post(struct loop *loop, struct loop_job *job);

/* Signals, for the control thread's loop. Zero it first. */
struct loop_signal {
	void (*caught)(struct loop_signal *signal);
	_Alignas(8) unsigned char room[64];
};

void loop_signal_watch(struct loop *loop, struct loop_signal *signal,
		       int number);

#endif
