/*
 * lease.h - who was told of which port, and where it leads.
 *
 * Layer: core (pure; time comes in). Thread-safe: sharded, one short lock a
 * shard, taken when an answer of an endpoint mapper is read and when a
 * connection opens or closes. Under a shard's lock nothing else is locked
 * and nobody is called back, so there is no order to keep.
 * Units: milliseconds of the monotonic clock. A lease remembers whole
 * seconds, rounded so that it never ends early and at most a second late.
 *
 * A lease is (client's key, port dialled on the balancer) -> (server's slot,
 * the server's own port, interface): this client was told of this port. It
 * lasts <timeout> after it was granted, renewed or last used; then it is
 * remembered for one more <timeout> as expired. While a connection holds it,
 * it does not time out and is not evicted. What ends otherwise (evicted, its
 * port or server ended) is not remembered.
 *
 * <entries> bounds the leases and the expired ones that are remembered
 * together. Every shard has an equal part; a small table has fewer shards,
 * so that a part is never below 1,024 (or is the whole table). When a part
 * is full, one that is only remembered makes room, the oldest first; if
 * there is none, the lease that has been without connections longest.
 *
 * A lease takes 48 octets, and 4 to 8 of the hash table. What leases have in
 * common (slot, port, interface) is kept once a shard, 4,096 different ones
 * at most.
 */
#ifndef CORE_LEASE_H
#define CORE_LEASE_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/hash.h"
#include "wire/uuid.h"

struct leases;

/* Where a lease leads. */
struct lease_target {
	uint8_t slot;  /* of the server, below ARRAY_SLOTS */
	uint16_t port; /* the server's own; not 0 */
	struct syntax interface;
};

enum lease_state { LEASE_NONE, LEASE_EXPIRED, LEASE_VALID };

/*
 * <timeout_ms>: at most 10 years (what tick_parse() takes).
 * <removed> (NULL: nobody) is called once for each lease that ends, by the
 * thread that found out, outside of any lock: it may call the table. It
 * takes back the copy that the kernel has. Another thread may have granted
 * the same lease anew meanwhile: take back first, then look with
 * lease_find(), and give it again if it is VALID.
 * NULL: no memory, or <entries> is 0 or beyond 2^32 a shard.
 */
struct leases *leases_new(size_t entries, uint64_t timeout_ms,
			  const uint8_t seed[static HASH_KEY_LEN],
			  void (*removed)(void *ctx, const struct addr *client,
					  uint16_t port),
			  void *ctx);
/* Nobody is told of those that end by this. NULL is allowed. */
void leases_free(struct leases *leases);
/* For all leases at once. One that has been found expired stays so. */
void leases_set_timeout(struct leases *leases, uint64_t timeout_ms);

/*
 * Grant a lease, or renew it with this target. <port> is not 0.
 * 1: there was no valid one; 0: it is renewed. ERR_MEMORY: the part is full
 * of leases with connections, or of different targets; a lease that there
 * was stays as it was.
 */
MUST_CHECK int lease_grant(struct leases *leases, const struct addr *client,
			   uint16_t port, const struct lease_target *target,
			   uint64_t now_ms);
/* <out> is written for LEASE_VALID alone. Renews nothing. */
MUST_CHECK enum lease_state lease_find(struct leases *leases,
				       const struct addr *client, uint16_t port,
				       uint64_t now_ms,
				       struct lease_target *out);
/* As lease_find(); a VALID one is held from now on, by a connection which
 * owes it one lease_release(). */
MUST_CHECK enum lease_state lease_hold(struct leases *leases,
				       const struct addr *client, uint16_t port,
				       uint64_t now_ms,
				       struct lease_target *out);
/* The connection is over; the lease is renewed. Nothing if it is not held. */
void lease_release(struct leases *leases, const struct addr *client,
		   uint16_t port, uint64_t now_ms);

/* A server's dynamic port refused: its leases end. One that is held is valid
 * until its last release, unless it is granted anew before. */
void lease_end_port(struct leases *leases, uint8_t slot, uint16_t port);
/* The servers in these slots are gone: their leases end. One that is held
 * leads nowhere any more, so it is no lease at once; <removed> is called for
 * it after its last release, unless it is granted anew before. To be called
 * before the slots are given to others. */
void lease_forget(struct leases *leases, uint64_t slots);

/* End leases that timed out, drop those that were remembered long enough; at
 * most <most> of both a call. Returns how many. What lease_find() says does
 * not depend on it. */
unsigned leases_expire(struct leases *leases, uint64_t now_ms, unsigned most);
/* Leases now, without those that are only remembered. */
unsigned leases_count(struct leases *leases);

/*
 * For the state file: calls <one>, outside of any lock, for each lease that
 * is valid and will not end with its release. <age_ms>: since it was last
 * renewed, 0 while it is held. What comes or goes meanwhile may be left out.
 */
void leases_each(struct leases *leases, uint64_t now_ms,
		 void (*one)(void *ctx, const struct addr *client,
			     uint16_t port, const struct lease_target *target,
			     uint64_t age_ms),
		 void *ctx);
/* Put back what leases_each() gave, in any order. ERR_EXISTS: there is one,
 * or was; ERR_TIMEOUT: it is over; ERR_MEMORY: the part is full (nothing is
 * evicted for it), or full of different targets. */
MUST_CHECK int lease_restore(struct leases *leases, const struct addr *client,
			     uint16_t port, const struct lease_target *target,
			     uint64_t age_ms, uint64_t now_ms);

#endif
