/*
 * leasing.h - the kernel's copy of the leases.
 *
 * Layer: main (private).
 * Workers give leases and take them back while the control thread opens and
 * closes the listener. A client may come from any of its addresses: it is
 * named here as the table of leases knows it, see affinity_name().
 */
#ifndef SRC_MAIN_LEASING_H
#define SRC_MAIN_LEASING_H

#include <pthread.h>

#include "core/affinity.h"
#include "core/lease.h"
#include "net/listen.h"

struct leasing {
	pthread_rwlock_t lock; /* of <listener>; the tables lock for themselves
				* under it */
	struct listener *listener; /* NULL: the kernel keeps none */
	struct leases *leases;	   /* borrowed, as is <affinity> */
	struct affinity *affinity;
};

/* -errno. */
MUST_CHECK int leasing_init(struct leasing *leasing);
/*
 * From now on the kernel follows <leases>, those that there are at once. A
 * listener that cannot keep leases is passed over.
 */
void leasing_begin(struct leasing *leasing, struct listener *listener,
		   struct leases *leases, struct affinity *affinity,
		   uint64_t now_ms);
/* Before the listener is closed. */
void leasing_end(struct leasing *leasing);

/* Any thread: the kernel is to let the client in; 0 where it keeps no leases,
 * and the worker decides. As listener_lease(). */
MUST_CHECK int leasing_give(struct leasing *leasing, const struct addr *name,
			    uint16_t port);
/* Any thread: a lease of the table has ended. */
void leasing_take_back(struct leasing *leasing, const struct addr *name,
		       uint16_t port, uint64_t now_ms);

#endif
