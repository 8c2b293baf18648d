/*
 * lease_table.h - the table of leases: shards, look-up, order of age.
 *
 * Layer: core (private, pure).
 * Units: seconds of the monotonic clock, modulo 2^32.
 *
 * There may be a million leases, so they are small: they refer to each other
 * by their places in the shard's array (32 bits), 0 = none; an IPv4 address
 * is kept IPv4-mapped, which no IPv6 client's is (addr.h).
 *
 * A place of the array is one of
 *   held	a lease that connections use; in no list of age
 *   idle	valid until it times out; in the list AGE_IDLE
 *   over	expired and remembered; in the list AGE_OVER, without a target
 *   spare	no lease: not in the hash table, without a target
 * and each list of age is in the order in which its leases were renewed.
 */
#ifndef SRC_CORE_LEASE_TABLE_H
#define SRC_CORE_LEASE_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/lease.h"

#define LEASE_TARGETS_MAX    4096 /* different ones, of a shard */
#define LEASE_TARGET_BUCKETS 256

/* The places in a shard's array at which the lists of age begin and end. */
enum lease_age { AGE_IDLE, AGE_OVER, AGES };

struct lease {
	uint8_t octet[16];
	uint32_t chain;		/* the next of its bucket, or the next spare */
	uint32_t older, newer;	/* in its list of age; itself: in none */
	uint32_t before, after; /* in the ring of its target */
	uint32_t since_s;	/* when it was last renewed */
	uint32_t held;		/* by so many connections */
	uint16_t port;
	uint16_t target; /* its place; 0: over or spare */
};

_Static_assert(sizeof(struct lease) == 48, "a lease is small");

/*
 * What leases have in common. Lives as long as a lease leads there. Its
 * leases are a ring: the idle ones first, those that are held behind them.
 */
struct target {
	struct lease_target what;
	uint32_t first; /* lease of the ring; 0: this target is spare */
	uint16_t chain; /* the next of its bucket, or the next spare */
	/* No lease is granted on it any more: those that are left are held,
	 * and end with their release. It is in no bucket. */
	bool is_ended;
	bool is_gone; /* the server is, too: they are not valid */
};

_Static_assert(sizeof(struct target) == 32, "a target is small");

struct lease_shard {
	_Alignas(64) pthread_mutex_t lock; /* of all below */
	const uint8_t *seed;		   /* borrowed */
	struct pool *room;		   /* that <at> stands in */
	struct lease *at;
	uint32_t *bucket;
	uint32_t mask;	   /* buckets - 1 */
	uint32_t end;	   /* of the places in <at> */
	uint32_t fresh;	   /* the first place that was never used */
	uint32_t spare;	   /* the first that is used no more */
	uint32_t n;	   /* leases that are held or idle */
	bool is_unordered; /* the idle ones, by lease_restore() */
	struct pool *target_room;
	struct target *target;
	uint16_t target_end, target_fresh, target_spare; /* as of leases */
	uint16_t target_bucket[LEASE_TARGET_BUCKETS];
};

/* <entries> leases in shards of equal parts, <nshards> of them, a power of
 * two. <seed> is borrowed. ERR_MEMORY, -errno: nothing is left. */
MUST_CHECK int lease_shards_new(size_t entries, const uint8_t *seed,
				struct lease_shard **out, unsigned *nshards);
/* <shard> NULL is allowed with 0 of them. */
void lease_shards_free(struct lease_shard *shard, unsigned nshards);

/* Which shard (modulo their number) and which bucket a lease belongs to. */
uint64_t lease_hash(const uint8_t *seed, const struct addr *client,
		    uint16_t port);
struct addr lease_client(const struct lease *lease);

/* With the shard's lock held: */

/* NULL if there is none. */
struct lease *lease_shard_find(struct lease_shard *shard,
			       const struct addr *client, uint16_t port);
/* A new one that is over, in no list yet; NULL: the part is full. */
struct lease *lease_shard_take(struct lease_shard *shard,
			       const struct addr *client, uint16_t port);
/* Of whatever kind it is: it is no more. */
void lease_shard_give(struct lease_shard *shard, struct lease *lease);

/* Idle from <since_s> on, the newest. It has a target and is not held. */
void lease_shard_renew(struct lease_shard *shard, struct lease *lease,
		       uint32_t since_s);
/* The same of one that may be older than others. */
void lease_shard_restore(struct lease_shard *shard, struct lease *lease,
			 uint32_t since_s);
/* One more connection holds it. It has a target. */
void lease_shard_hold(struct lease_shard *shard, struct lease *lease);
/* One less; after the last it is to be renewed or given back. */
void lease_shard_unhold(struct lease_shard *shard, struct lease *lease);
/* An idle one is over. */
void lease_shard_retire(struct lease_shard *shard, struct lease *lease);
/* The first of a list of age; NULL if it is empty. */
struct lease *lease_shard_oldest(struct lease_shard *shard, enum lease_age age);

/* lease_target.c: the targets, with the shard's lock held. */

/* ERR_MEMORY, nothing changed: there are too many different ones. */
MUST_CHECK int lease_target_set(struct lease_shard *shard, struct lease *lease,
				const struct lease_target *what);
/* It leads nowhere: it is over, or about to be spare. */
void lease_target_unset(struct lease_shard *shard, struct lease *lease);
/* To the front of the ring, or to its back: when it becomes idle or held. */
void lease_target_move(struct lease_shard *shard, struct lease *lease,
		       bool to_front);
/* The next one on which leases are granted; NULL: there is none. */
struct target *lease_target_of_port(struct lease_shard *shard, uint8_t slot,
				    uint16_t port);
/* NULL: all of its leases are held, or it is spare. */
struct lease *lease_target_idle(struct lease_shard *shard,
				const struct target *target);
/* From now on it is ended; nothing if it was. */
void lease_target_end(struct lease_shard *shard, struct target *target);

#endif
