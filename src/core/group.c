/*
 * group.c - association groups: which server gave which id to which client.
 *
 * Layer: core (pure: locks order threads, no more; no I/O, no clock).
 * Units: milliseconds of the monotonic clock.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "core/array.h"
#include "core/group.h"
#include "core/pool.h"
#include "shards.h"

#define FULL_CHAIN 8	/* groups of a bucket, about, when all are there */
#define NOBODY	   0xff /* the slot of a server that is gone */

/* Invariant: held 0: it is in the list of idle ones. What is read without
 * the lock (<hash>) never changes. */
struct group {
	struct group *chain; /* the next of its bucket */
	struct list idle;
	uint64_t idle_since;
	uint32_t hash; /* of client and id: all its issuers are in a bucket */
	uint32_t id;
	uint32_t held; /* by so many connections */
	uint16_t port;
	uint8_t slot; /* or NOBODY */
	struct addr client;
};

_Static_assert(sizeof(struct group) == 64, "a group is small");
_Static_assert(ARRAY_SLOTS <= 64, "slots fit a mask");

struct shard {
	_Alignas(64) pthread_mutex_t lock; /* of all below */
	struct pool *pool;
	struct group **bucket;
	size_t mask;	  /* buckets - 1 */
	struct list idle; /* in the order in which they became so */
};

struct groups {
	uint8_t seed[HASH_KEY_LEN];
	_Atomic uint32_t expire_turn; /* which shard is looked at first */
	unsigned nshards;	      /* a power of two */
	struct shard *shard;
};

/* ---- one shard ---- */

static uint32_t hash_of(const struct groups *groups, const struct addr *client,
			uint32_t id)
{
	uint8_t in[sizeof(*client) + sizeof(id)];

	memcpy(in, client, sizeof(*client));
	memcpy(in + sizeof(*client), &id, sizeof(id));
	return (uint32_t)hash_sip(groups->seed, bytes_of(in, sizeof(in)));
}

static struct shard *lock_shard(struct groups *groups, uint32_t hash)
{
	struct shard *shard = &groups->shard[hash % groups->nshards];

	pthread_mutex_lock(&shard->lock);
	return shard;
}

/* The bits that chose the shard are equal in all of a shard. */
static struct group **bucket_of(struct shard *shard, uint32_t hash)
{
	return &shard->bucket[hash / SHARDS_MAX & shard->mask];
}

static bool is_of(const struct group *group, const struct addr *client,
		  uint32_t id)
{
	return group->id == id && addr_equal(&group->client, client);
}

static struct group *find(struct shard *shard, const struct group *wanted)
{
	struct group *group = *bucket_of(shard, wanted->hash);

	while (group &&
	       !(is_of(group, &wanted->client, wanted->id) &&
		 group->slot == wanted->slot && group->port == wanted->port))
		group = group->chain;
	return group;
}

static void drop(struct shard *shard, struct group *group)
{
	struct group **at = bucket_of(shard, group->hash);

	while (*at != group)
		at = &(*at)->chain;
	*at = group->chain;
	list_remove(&group->idle);
	pool_give(shard->pool, group);
}

static struct group *oldest_idle(struct shard *shard)
{
	if (list_is_empty(&shard->idle))
		return NULL;
	return list_entry(shard->idle.next, struct group, idle);
}

/* Memory for one more, if need be that of the one idle longest. */
static struct group *take(struct shard *shard)
{
	struct group *group = pool_take(shard->pool), *oldest;

	if (group)
		return group;
	oldest = oldest_idle(shard);
	if (!oldest)
		return NULL;
	drop(shard, oldest);
	return pool_take(shard->pool);
}

static struct group *make(struct shard *shard, const struct group *wanted)
{
	struct group **bucket = bucket_of(shard, wanted->hash);
	struct group *group = take(shard);

	if (!group)
		return NULL;
	*group = *wanted;
	list_init(&group->idle);
	group->chain = *bucket; /* take() may have changed it */
	*bucket = group;
	return group;
}

/* Threads read the clock at different moments: <now_ms> may be earlier. */
static bool has_timed_out(const struct group *group, uint64_t now_ms)
{
	return !group->held && now_ms >= group->idle_since &&
	       now_ms - group->idle_since >= GROUP_LINGER_MS;
}

/* ---- what connections do ---- */

struct group *group_learn(struct groups *groups, const struct addr *client,
			  uint32_t id, uint8_t slot, uint16_t port)
{
	struct group wanted = { .hash = hash_of(groups, client, id),
				.id = id,
				.port = port,
				.slot = slot,
				.client = *client };
	struct shard *shard = lock_shard(groups, wanted.hash);
	struct group *group = find(shard, &wanted);

	if (!group)
		group = make(shard, &wanted);
	if (group) {
		list_remove(&group->idle);
		group->held++;
	}
	pthread_mutex_unlock(&shard->lock);
	return group;
}

void group_release(struct groups *groups, struct group *group, uint64_t now_ms)
{
	struct shard *shard;

	if (!group)
		return;
	shard = lock_shard(groups, group->hash);
	if (!--group->held) {
		group->idle_since = now_ms;
		list_add(&shard->idle, &group->idle);
	}
	pthread_mutex_unlock(&shard->lock);
}

/* Who issued what, of all ports and of the one asked for. */
struct issuers {
	bool is_known, is_known_on_port;
	uint64_t all, on_port;
};

static void add_issuer(struct issuers *issuers, const struct group *group,
		       uint16_t port)
{
	uint64_t bit = group->slot == NOBODY ? 0 : UINT64_C(1) << group->slot;

	issuers->is_known = true;
	issuers->all |= bit;
	if (group->port == port) {
		issuers->is_known_on_port = true;
		issuers->on_port |= bit;
	}
}

bool group_issuers(struct groups *groups, const struct addr *client,
		   uint32_t id, uint16_t port, uint64_t now_ms, uint64_t *out)
{
	uint32_t hash = hash_of(groups, client, id);
	struct shard *shard = lock_shard(groups, hash);
	struct issuers issuers = { 0 };
	const struct group *group;

	for (group = *bucket_of(shard, hash); group; group = group->chain)
		if (is_of(group, client, id) && !has_timed_out(group, now_ms))
			add_issuer(&issuers, group, port);
	pthread_mutex_unlock(&shard->lock);
	if (issuers.is_known)
		*out = issuers.is_known_on_port ? issuers.on_port : issuers.all;
	return issuers.is_known;
}

/* ---- all of them ---- */

static void forget(struct shard *shard, uint64_t slots)
{
	struct group *group;
	size_t i;

	pthread_mutex_lock(&shard->lock);
	for (i = 0; i <= shard->mask; i++)
		for (group = shard->bucket[i]; group; group = group->chain)
			if (group->slot != NOBODY && slots >> group->slot & 1)
				group->slot = NOBODY;
	pthread_mutex_unlock(&shard->lock);
}

void groups_forget(struct groups *groups, uint64_t slots)
{
	unsigned i;

	for (i = 0; i < groups->nshards; i++)
		forget(&groups->shard[i], slots);
}

static unsigned expire(struct shard *shard, uint64_t now_ms, unsigned most)
{
	struct group *oldest;
	unsigned n = 0;

	pthread_mutex_lock(&shard->lock);
	while (n < most && (oldest = oldest_idle(shard)) &&
	       has_timed_out(oldest, now_ms)) {
		drop(shard, oldest);
		n++;
	}
	pthread_mutex_unlock(&shard->lock);
	return n;
}

unsigned groups_expire(struct groups *groups, uint64_t now_ms, unsigned most)
{
	uint32_t first = groups->expire_turn++;
	unsigned i, n = 0;

	for (i = 0; i < groups->nshards && n < most; i++)
		n += expire(&groups->shard[(first + i) % groups->nshards],
			    now_ms, most - n);
	return n;
}

unsigned groups_count(struct groups *groups)
{
	struct shard *shard;
	unsigned n = 0;

	for (shard = groups->shard; shard < groups->shard + groups->nshards;
	     shard++) {
		pthread_mutex_lock(&shard->lock);
		n += (unsigned)pool_used(shard->pool);
		pthread_mutex_unlock(&shard->lock);
	}
	return n;
}

/* ---- their memory ---- */

static int shard_init(struct shard *shard, size_t part)
{
	size_t buckets = 1;
	int err;

	while (buckets < part / FULL_CHAIN)
		buckets *= 2;
	list_init(&shard->idle);
	shard->mask = buckets - 1;
	shard->pool = pool_new(sizeof(struct group), part);
	shard->bucket = calloc(buckets, sizeof(struct group *));
	err = shard->pool && shard->bucket ? 0 : ERR_MEMORY;
	if (!err)
		err = -pthread_mutex_init(&shard->lock, NULL);
	if (err) {
		pool_free(shard->pool);
		free(shard->bucket);
	}
	return err;
}

static void shards_free(struct shard *shard, unsigned nshards)
{
	unsigned i;

	for (i = 0; i < nshards; i++) {
		pool_free(shard[i].pool);
		free(shard[i].bucket);
		pthread_mutex_destroy(&shard[i].lock);
	}
	free(shard);
}

/* ERR_MEMORY, -errno: nothing is left. */
static int shards_new(size_t entries, struct shard **out, unsigned *nshards)
{
	unsigned i, n = shards_for(entries);
	size_t len = n * sizeof(struct shard);
	struct shard *shard = aligned_alloc(_Alignof(struct shard), len);
	int err;

	if (!shard)
		return ERR_MEMORY;
	memset(shard, 0, len);
	for (i = 0; i < n; i++) {
		err = shard_init(&shard[i], entries / n + (i < entries % n));
		if (err) {
			shards_free(shard, i);
			return err;
		}
	}
	*out = shard;
	*nshards = n;
	return 0;
}

struct groups *groups_new(size_t entries,
			  const uint8_t seed[static HASH_KEY_LEN])
{
	struct groups *groups = calloc(1, sizeof(*groups));

	if (!groups)
		return NULL;
	memcpy(groups->seed, seed, HASH_KEY_LEN);
	if (shards_new(entries, &groups->shard, &groups->nshards)) {
		free(groups);
		return NULL;
	}
	return groups;
}

void groups_free(struct groups *groups)
{
	if (!groups)
		return;
	shards_free(groups->shard, groups->nshards);
	free(groups);
}
