/*
 * affinity_table.c - the table of bindings: shards, look-up, eviction.
 *
 * Layer: core (pure: a mutex orders threads, no more; no I/O, no clock).
 */
#include <stdlib.h>
#include <string.h>

#include "affinity_table.h"
#include "base/err.h"
#include "core/pool.h"
#include "shards.h"

#define LOOKS	  1000 /* at idle bindings, while a shard is locked */
#define BUCKETS	  4096 /* looked into while a shard is locked */
#define CHAIN_MAX 32   /* a keyed hash makes none as long */

/* The bits that chose the shard are equal in all of a shard. */
static struct binding **bucket_of(struct shard *shard, uint64_t hash)
{
	return &shard->bucket[(hash >> 32) & shard->mask];
}

struct binding *shard_find(struct shard *shard, const struct addr *key,
			   uint64_t hash)
{
	struct binding *binding = *bucket_of(shard, hash);

	while (binding && !addr_equal(&binding->key, key))
		binding = binding->chain;
	return binding;
}

void shard_chain(struct shard *shard, struct binding *binding)
{
	struct binding **bucket = bucket_of(shard, binding->hash);

	binding->chain = *bucket;
	*bucket = binding;
}

static void unchain(struct shard *shard, struct binding *binding)
{
	struct binding **at = bucket_of(shard, binding->hash);

	while (*at != binding)
		at = &(*at)->chain;
	*at = binding->chain;
}

void shard_leave_idle(struct shard *shard, struct binding *binding)
{
	if (shard->look == &binding->idle)
		shard->look = binding->idle.next;
	list_remove(&binding->idle);
}

void shard_drop(struct shard *shard, struct binding *binding)
{
	if (!binding->is_private)
		unchain(shard, binding);
	shard_leave_idle(shard, binding);
	server_unbind(binding->server);
	pool_give(shard->pool, binding);
}

void shard_enter_idle(struct shard *shard, struct binding *binding)
{
	struct list *next = shard->idle.next;

	while (next != &shard->idle &&
	       binding_idle_ms(list_entry(next, struct binding, idle),
			       binding->idle_since))
		next = next->next;
	list_add(next, &binding->idle); /* before it */
}

struct binding *shard_oldest_idle(struct shard *shard)
{
	if (list_is_empty(&shard->idle))
		return NULL;
	return list_entry(shard->idle.next, struct binding, idle);
}

struct binding *shard_take_free(struct shard *shard)
{
	return pool_take(shard->pool);
}

struct binding *shard_take(struct shard *shard)
{
	struct binding *binding = shard_take_free(shard);
	struct binding *oldest;

	if (binding)
		return binding;
	oldest = shard_oldest_idle(shard);
	if (!oldest)
		return NULL;
	shard_drop(shard, oldest);
	return pool_take(shard->pool);
}

uint64_t binding_idle_ms(const struct binding *binding, uint64_t now_ms)
{
	uint64_t idle_ms = now_ms - binding->idle_since;

	return binding->held || idle_ms > INT64_MAX ? 0 : idle_ms;
}

bool binding_has_timed_out(const struct binding *binding, uint64_t timeout_ms,
			   uint64_t now_ms)
{
	return !binding->held && binding_idle_ms(binding, now_ms) >= timeout_ms;
}

unsigned shard_expire(struct shard *shard, uint64_t timeout_ms, uint64_t now_ms,
		      unsigned most)
{
	struct binding *oldest;
	unsigned n = 0;

	pthread_mutex_lock(&shard->lock);
	while (n < most && (oldest = shard_oldest_idle(shard)) &&
	       binding_has_timed_out(oldest, timeout_ms, now_ms)) {
		shard_drop(shard, oldest);
		n++;
	}
	pthread_mutex_unlock(&shard->lock);
	return n;
}

static unsigned copy_chain(const struct binding *binding, struct binding *out)
{
	unsigned n = 0;

	for (; binding && n < CHAIN_MAX; binding = binding->chain)
		if (binding->is_confirmed &&
		    binding->server->life == SERVER_IN_USE)
			out[n++] = *binding;
	return n;
}

bool shard_copy(struct shard *shard, size_t *bucket,
		struct binding out[static SHARD_BATCH], unsigned *n)
{
	size_t left = shard->mask + 1 - *bucket;

	if (left > BUCKETS)
		left = BUCKETS;
	*n = 0;
	pthread_mutex_lock(&shard->lock);
	for (; left && *n <= SHARD_BATCH - CHAIN_MAX; left--)
		*n += copy_chain(shard->bucket[(*bucket)++], out + *n);
	pthread_mutex_unlock(&shard->lock);
	return *bucket <= shard->mask;
}

unsigned shard_count(struct shard *shard)
{
	unsigned n;

	pthread_mutex_lock(&shard->lock);
	n = (unsigned)pool_used(shard->pool);
	pthread_mutex_unlock(&shard->lock);
	return n;
}

bool shard_forget_leaving(struct shard *shard, unsigned *most)
{
	struct binding *binding;
	unsigned n = *most < LOOKS ? *most : LOOKS;
	bool is_over;

	*most -= n;
	pthread_mutex_lock(&shard->lock);
	if (shard->look == &shard->idle)
		shard->look = shard->idle.next;
	for (; n && shard->look != &shard->idle; n--) {
		binding = list_entry(shard->look, struct binding, idle);
		shard->look = shard->look->next;
		if (binding->server->life != SERVER_IN_USE)
			shard_drop(shard, binding);
	}
	is_over = shard->look == &shard->idle;
	pthread_mutex_unlock(&shard->lock);
	*most += n;
	return is_over;
}

static int shard_init(struct shard *shard, size_t part)
{
	size_t buckets = 1;
	int err;

	while (buckets < part)
		buckets *= 2;
	list_init(&shard->idle);
	shard->look = &shard->idle;
	shard->mask = buckets - 1;
	shard->pool = pool_new(sizeof(struct binding), part);
	shard->bucket = calloc(buckets, sizeof(struct binding *));
	err = shard->pool && shard->bucket ? 0 : ERR_MEMORY;
	if (!err)
		err = -pthread_mutex_init(&shard->lock, NULL);
	if (err) {
		pool_free(shard->pool);
		free(shard->bucket);
	}
	return err;
}

static void shard_release(struct shard *shard)
{
	struct binding *binding;

	while ((binding = shard_oldest_idle(shard)))
		shard_drop(shard, binding);
	pool_free(shard->pool);
	free(shard->bucket);
	pthread_mutex_destroy(&shard->lock);
}

int shards_new(size_t entries, struct shard **out, unsigned *nshards)
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

void shards_free(struct shard *shard, unsigned nshards)
{
	unsigned i;

	for (i = 0; i < nshards; i++)
		shard_release(&shard[i]);
	free(shard);
}
