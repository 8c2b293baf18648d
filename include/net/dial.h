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
	uint64_t keepalive_ms;
	struct tick_queue deadlines;
	struct loop_timer timer;
	bool timer_is_set;
};

/*
 * One attempt. <done> is called once, from the loop, never from dial():
 * REASON_NONE with the connected, non-blocking descriptor in io.fd, watched
 * by edge (the taker changes io.ready and owns it); else why not, and
 * nothing is left open.
 */
struct dial {
	struct loop_io io;
	struct tick_entry deadline;
	struct dialer *dialer;
	void (*done)(struct dial *dial, enum reason reason);
};

void dialer_init(struct dialer *dialer, struct loop *loop, uint64_t timeout_ms,
		 uint64_t keepalive_ms);
/* No dial may be under way. */
void dialer_release(struct dialer *dialer);

/*
 * <source>: bind to it, or NULL. REASON_NONE: under way, <done> will come;
 * any other reason: it failed at once, <done> will not come.
 */
enum reason dial_start(struct dialer *dialer, struct dial *dial,
		       const struct endpoint *to, const struct addr *source);
/* Give up; <done> is not called. */
void dial_cancel(struct dial *dial);

/* TCP keep-alive probes after <keepalive_ms> of silence; 0 = leave off. */
void dial_keepalive(int fd, uint64_t keepalive_ms);

#endif
