/*
 * affinity_table.h - the table of bindings: shards, look-up, eviction.
 *
 * Layer: core (private, pure).
 * Units: milliseconds of the monotonic clock.
 *
 * A binding is in its shard's hash table unless it is private (key = none),
 * and in the shard's list of idle ones while nothing is reserved on it. The
 * list is in the order in which they became idle: its head is the least
 * recently used, and the first to time out.
 */
#ifndef SRC_CORE_AFFINITY_TABLE_H
#define SRC_CORE_AFFINITY_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/list.h"
#include "core/array.h"

/*
 * Invariants: <server>->bindings counts this one. held >= live; held 0: it
 * is in the list of idle ones. <live>: confirmed since the last move, so
 * that they are on <server>. What the reservations use without the lock
 * (<shard>, <source4>, <source6>) never changes.
 */
struct binding {
	struct binding *chain; /* the next of its bucket */
	struct list idle;
	struct server *server;
	uint64_t hash;
	uint64_t idle_since;
	uint32_t moves;
	uint32_t held; /* reservations */
	uint32_t live;
	struct addr key;
	uint8_t source4, source6; /* places in affinity->sources */
	uint8_t shard;
	bool is_private;
	bool is_confirmed; /* a connect succeeded once */
};

_Static_assert(sizeof(struct binding) <= 96, "a binding is small");

struct shard {
	_Alignas(64) pthread_mutex_t lock; /* of all below */
	struct pool *pool;
	struct binding **bucket;
	size_t mask; /* buckets - 1 */
	struct list idle;
	/* The next idle one that affinity_forget_leaving() looks at; <idle>
	 * itself: from the start. */
	struct list *look;
};

/* <entries> bindings in shards of equal parts, <nshards> of them.
 * ERR_MEMORY, -errno: nothing is left. */
MUST_CHECK int shards_new(size_t entries, struct shard **out,
			  unsigned *nshards);
/* Nothing is held any more; <shard> NULL is allowed with 0 of them. */
void shards_free(struct shard *shard, unsigned nshards);

/* With the shard's lock held: */

/* NULL if there is none. */
struct binding *shard_find(struct shard *shard, const struct addr *key,
			   uint64_t hash);
/* Memory for one more; NULL: the shard is full. */
struct binding *shard_take_free(struct shard *shard);
/* Memory for one more, if need be that of the least recently used; NULL:
 * all are held. */
struct binding *shard_take(struct shard *shard);
/* From now on shard_find() finds it. */
void shard_chain(struct shard *shard, struct binding *binding);
/* It is reserved again; nothing if it was not idle. */
void shard_leave_idle(struct shard *shard, struct binding *binding);
/* Nobody holds it: it is idle since <idle_since>. Takes as long as there are
 * others that are idle for longer. */
void shard_enter_idle(struct shard *shard, struct binding *binding);
/* The least recently used of the idle ones; NULL if all are held. */
struct binding *shard_oldest_idle(struct shard *shard);
/* The end of a binding that nobody holds. */
void shard_drop(struct shard *shard, struct binding *binding);
/*
 * For how long nobody has held it, 0 if somebody does. Threads read the
 * clock at different moments: <now_ms> may be earlier (0 as well). And a
 * binding of an earlier process may be idle since before the clock began, so
 * that only the difference has a meaning, modulo 2^64.
 */
uint64_t binding_idle_ms(const struct binding *binding, uint64_t now_ms) PURE;
bool binding_has_timed_out(const struct binding *binding, uint64_t timeout_ms,
			   uint64_t now_ms) PURE;

/* These take the lock themselves: */

/* Drop at most <most> that timed out; returns how many. */
unsigned shard_expire(struct shard *shard, uint64_t timeout_ms, uint64_t now_ms,
		      unsigned most);
/*
 * Copy what is confirmed, not private and of a server that stays, <*n> of at
 * most SHARD_BATCH, on from <*bucket> (0 to begin with). False: they were
 * the last.
 */
#define SHARD_BATCH 128
bool shard_copy(struct shard *shard, size_t *bucket,
		struct binding out[static SHARD_BATCH], unsigned *n);
/* Bindings now, private ones too. */
unsigned shard_count(struct shard *shard);
/* Look at <most> of the idle ones, on from the last, and
 * drop those whose server is leaving. True: they were its last; <most> says
 * how many may still be looked at. */
bool shard_forget_leaving(struct shard *shard, unsigned *most);

#endif
