/*
 * dial.h - connect to a server, within a time.
 *
 * Layer: net.
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "base/addr.h"
#include "base/tick.h"
#include "core/reason.h"
#include "net/loop.h"

/* All dials of one loop that wait equally long. */
struct dialer {
	struct loop *loop; /* borrowed */
	struct tick_queue deadlines;
	struct loop_timer timer;
	uint64_t timer_ms; /* when it fires; TICK_NEVER: it is not set */
};

/*
 * One attempt on an io that its owner has: the owner's io->ready hands every
 * event to dial_event() until the dial is done. <done> is called once, from
 * dial_event() or the dialer's timer, never from dial_start(): REASON_NONE
 * with io->fd connected, non-blocking and watched by edge, the events that
 * came with it in <events>; else why not, and nothing is left open.
 */
struct dial {
	struct loop_io *io; /* borrowed */
	struct dialer *dialer;
	struct tick_entry deadline;
	unsigned events;
	void (*done)(struct dial *dial, enum reason reason);
};

void dialer_init(struct dialer *dialer, struct loop *loop, uint64_t timeout_ms);
/* No dial may be under way. */
void dialer_release(struct dialer *dialer);

/*
 * <source>: bind to it, or NULL. REASON_NONE: under way, <done> will come;
 * any other reason: it failed at once, <done> will not come.
 */
enum reason dial_start(struct dialer *dialer, struct dial *dial,
		       struct loop_io *io, const struct endpoint *to,
		       const struct addr *source);
void dial_event(struct dial *dial, unsigned events);
/* Give up; <done> is not called. */
void dial_cancel(struct dial *dial);

/* Why a connection failed, from errno. */
enum reason dial_reason(int error);

#endif
