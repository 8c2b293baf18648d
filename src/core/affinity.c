/*
 * affinity.c - the table of bindings.
 *
 * Layer: core (pure).
 * Units: milliseconds of the monotonic clock.
 *
 * A binding is in its shard's hash table unless it is private (key = none),
 * and in the shard's list of idle ones while nothing is reserved on it. The
 * list is in the order in which they became idle: its head is the least
 * recently used, and the first to time out.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "affinity_priv.h"
#include "base/list.h"
#include "core/affinity.h"
#include "core/pool.h"

#define SHARDS_MAX 64
#define PART_MIN   1024 /* bindings of a shard, or the table is one shard */
#define LOOKS	   1000 /* at idle bindings, while a shard is locked */

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

struct affinity {
	uint8_t seed[HASH_KEY_LEN];
	struct affinity_sources sources;
	pthread_rwlock_t lock; /* of <rule>; never held with a shard's */
	struct affinity_rule rule;
	_Atomic uint64_t timeout_ms;
	_Atomic uint32_t turn;	      /* which shard a private one goes to */
	_Atomic uint32_t expire_turn; /* which shard is looked at first */
	unsigned forget_turn;	      /* which shard is looked at */
	unsigned nshards;
	struct shard *shard;
};

/* Whose binding, and where it is or would be. */
struct place {
	struct addr key;
	uint64_t hash;
	unsigned shard;
	bool is_private;
};

static struct place find_place(struct affinity *affinity,
			       const struct addr *client)
{
	struct place place;

	pthread_rwlock_rdlock(&affinity->lock);
	place.key = affinity_key(&affinity->rule, client);
	place.is_private = affinity->rule.key == CONF_KEY_NONE;
	pthread_rwlock_unlock(&affinity->lock);
	place.hash = hash_sip(affinity->seed,
			      bytes_of(&place.key, sizeof(place.key)));
	place.shard = (unsigned)(place.hash % affinity->nshards);
	if (place.is_private) /* one client's may be many */
		place.shard = affinity->turn++ % affinity->nshards;
	return place;
}

/* The bits that chose the shard are equal in all of a shard. */
static struct binding **bucket_of(struct shard *shard, uint64_t hash)
{
	return &shard->bucket[(hash >> 32) & shard->mask];
}

static struct binding *find(struct shard *shard, const struct place *place)
{
	struct binding *binding;

	if (place->is_private)
		return NULL;
	binding = *bucket_of(shard, place->hash);
	while (binding && !addr_equal(&binding->key, &place->key))
		binding = binding->chain;
	return binding;
}

static void unchain(struct shard *shard, struct binding *binding)
{
	struct binding **at = bucket_of(shard, binding->hash);

	while (*at != binding)
		at = &(*at)->chain;
	*at = binding->chain;
}

static void leave_idle(struct shard *shard, struct binding *binding)
{
	if (shard->look == &binding->idle)
		shard->look = binding->idle.next;
	list_remove(&binding->idle);
}

/* The end of a binding that nobody holds. */
static void drop(struct shard *shard, struct binding *binding)
{
	if (!binding->is_private)
		unchain(shard, binding);
	leave_idle(shard, binding);
	server_unbind(binding->server);
	pool_give(shard->pool, binding);
}

/* The least recently used of the idle ones; NULL if all are held. */
static struct binding *oldest_idle(struct shard *shard)
{
	if (list_is_empty(&shard->idle))
		return NULL;
	return list_entry(shard->idle.next, struct binding, idle);
}

/* Threads read the clock at different moments: <now_ms> may be earlier. */
static bool has_timed_out(struct affinity *affinity,
			  const struct binding *binding, uint64_t now_ms)
{
	return !binding->held && now_ms >= binding->idle_since &&
	       now_ms - binding->idle_since >= affinity->timeout_ms;
}

static struct binding *find_in_time(struct affinity *affinity,
				    const struct place *place, uint64_t now_ms)
{
	struct binding *binding = find(&affinity->shard[place->shard], place);

	if (binding && has_timed_out(affinity, binding, now_ms))
		return NULL;
	return binding;
}

/*
 * A server that <binding> (NULL: a new one) may go to, counted in already.
 * The chosen one may be leaving just now; then another is.
 */
static struct server *choose(const struct affinity_chooser *chooser,
			     uint64_t hash, const struct server *from)
{
	uint64_t except = chooser->except | (from ? server_bit(from) : 0);
	struct server *server;
	unsigned tries;

	for (tries = 0; tries < ARRAY_SLOTS; tries++) {
		server = chooser->choose(chooser->ctx, except, hash, from);
		if (!server || server_bind(server))
			return server;
		except |= server_bit(server);
	}
	return NULL;
}

/* Live connections stay where they are; from now on they are elsewhere. */
static int move(struct binding *binding, const struct affinity_chooser *chooser)
{
	struct server *server = choose(chooser, binding->hash, binding->server);

	if (!server)
		return ERR_NOT_FOUND;
	server_unbind(binding->server);
	binding->server = server;
	binding->moves++;
	binding->live = 0;
	return 0;
}

/* Memory for one more, if need be that of the least recently used. */
static struct binding *take(struct shard *shard)
{
	struct binding *binding = pool_take(shard->pool);
	struct binding *oldest;

	if (binding)
		return binding;
	oldest = oldest_idle(shard);
	if (!oldest)
		return NULL;
	drop(shard, oldest);
	return pool_take(shard->pool);
}

static void chain(struct shard *shard, struct binding *binding)
{
	struct binding **bucket = bucket_of(shard, binding->hash);

	binding->chain = *bucket;
	*bucket = binding;
}

static uint8_t source_of(const struct affinity *affinity, uint64_t hash,
			 uint8_t family)
{
	return affinity_source_choose(&affinity->sources, affinity->seed, hash,
				      family);
}

static int make(struct affinity *affinity, const struct place *place,
		const struct affinity_chooser *chooser, struct binding **out)
{
	struct shard *shard = &affinity->shard[place->shard];
	struct server *server = choose(chooser, place->hash, NULL);
	struct binding *binding;

	if (!server)
		return ERR_NOT_FOUND;
	binding = take(shard);
	if (!binding) {
		server_unbind(server);
		return ERR_MEMORY;
	}
	list_init(&binding->idle);
	binding->server = server;
	binding->hash = place->hash;
	binding->key = place->key;
	binding->source4 = source_of(affinity, place->hash, AF_INET);
	binding->source6 = source_of(affinity, place->hash, AF_INET6);
	binding->shard = (uint8_t)place->shard;
	binding->is_private = place->is_private;
	if (!binding->is_private)
		chain(shard, binding);
	*out = binding;
	return 0;
}

/* The reservation goes where the binding is. */
static void follow(struct reservation *res)
{
	res->server = res->binding->server;
	res->moves = res->binding->moves;
	res->server->connections++;
}

static void hold(struct shard *shard, struct binding *binding,
		 struct reservation *res)
{
	leave_idle(shard, binding);
	binding->held++;
	res->binding = binding;
	follow(res);
}

static int reserve(struct affinity *affinity, const struct place *place,
		   const struct affinity_chooser *chooser, uint64_t now_ms,
		   struct reservation *res)
{
	struct shard *shard = &affinity->shard[place->shard];
	struct binding *binding = find(shard, place);
	int err = 0;

	if (binding && has_timed_out(affinity, binding, now_ms)) {
		drop(shard, binding);
		binding = NULL;
	}
	if (!binding) {
		err = make(affinity, place, chooser, &binding);
		res->is_new = true;
	} else if (!server_serves(binding->server, binding->live, now_ms)) {
		err = move(binding, chooser);
		res->is_moved = true;
	}
	if (!err)
		hold(shard, binding, res);
	return err;
}

int affinity_reserve(struct affinity *affinity, const struct addr *client,
		     const struct affinity_chooser *chooser, uint64_t now_ms,
		     struct reservation *out)
{
	struct place place = find_place(affinity, client);
	pthread_mutex_t *lock = &affinity->shard[place.shard].lock;
	struct reservation res = { 0 };
	int err;

	pthread_mutex_lock(lock);
	err = reserve(affinity, &place, chooser, now_ms, &res);
	pthread_mutex_unlock(lock);
	if (!err)
		*out = res;
	return err;
}

bool affinity_confirm(struct affinity *affinity, struct reservation *res)
{
	struct binding *binding = res->binding;
	pthread_mutex_t *lock = &affinity->shard[binding->shard].lock;

	pthread_mutex_lock(lock);
	if (!res->is_live && res->moves == binding->moves) {
		binding->live++;
		binding->is_confirmed = true;
		res->is_live = true;
	}
	pthread_mutex_unlock(lock);
	return res->is_live;
}

static int follow_or_move(struct reservation *res,
			  const struct affinity_chooser *chooser,
			  uint64_t now_ms)
{
	struct binding *binding = res->binding;
	bool is_current = res->moves == binding->moves;
	bool serves = server_serves(binding->server, binding->live, now_ms);
	struct server *left = res->server;
	int err = 0;

	if (is_current && binding->live && serves)
		return ERR_BUSY;
	if (is_current || !serves)
		err = move(binding, chooser);
	else if (chooser->except & server_bit(binding->server))
		err = ERR_NOT_FOUND;
	if (err)
		return err;
	follow(res);
	left->connections--;
	res->is_moved = true;
	return 0;
}

int affinity_move(struct affinity *affinity, struct reservation *res,
		  const struct affinity_chooser *chooser, uint64_t now_ms)
{
	pthread_mutex_t *lock = &affinity->shard[res->binding->shard].lock;
	int err;

	pthread_mutex_lock(lock);
	err = follow_or_move(res, chooser, now_ms);
	pthread_mutex_unlock(lock);
	return err;
}

void affinity_ending(struct affinity *affinity, struct reservation *res)
{
	struct binding *binding = res->binding;
	pthread_mutex_t *lock = &affinity->shard[binding->shard].lock;

	pthread_mutex_lock(lock);
	if (res->is_live && res->moves == binding->moves)
		binding->live--;
	res->is_live = false;
	pthread_mutex_unlock(lock);
}

/* Nobody holds it any more: it waits for its client to come back, or ends. */
static void let_go(struct shard *shard, struct binding *binding,
		   uint64_t now_ms)
{
	if (binding->is_private || !binding->is_confirmed ||
	    binding->server->life != SERVER_IN_USE) {
		drop(shard, binding);
		return;
	}
	binding->idle_since = now_ms;
	list_add(&shard->idle, &binding->idle);
}

void affinity_release(struct affinity *affinity, struct reservation *res,
		      uint64_t now_ms)
{
	struct binding *binding = res->binding;
	struct shard *shard;

	if (!binding)
		return;
	shard = &affinity->shard[binding->shard];
	pthread_mutex_lock(&shard->lock);
	if (res->is_live && res->moves == binding->moves)
		binding->live--;
	res->server->connections--;
	if (!--binding->held)
		let_go(shard, binding, now_ms);
	pthread_mutex_unlock(&shard->lock);
	*res = (struct reservation){ 0 };
}

const struct addr *affinity_source(const struct affinity *affinity,
				   const struct reservation *res,
				   uint8_t family)
{
	uint8_t place = family == AF_INET ? res->binding->source4
					  : res->binding->source6;

	return place == AFFINITY_NO_SOURCE ? NULL
					   : &affinity->sources.at[place];
}

bool affinity_is_bound(struct affinity *affinity, const struct addr *client,
		       uint64_t now_ms)
{
	struct place place = find_place(affinity, client);
	pthread_mutex_t *lock = &affinity->shard[place.shard].lock;
	bool is_bound;

	pthread_mutex_lock(lock);
	is_bound = find_in_time(affinity, &place, now_ms) != NULL;
	pthread_mutex_unlock(lock);
	return is_bound;
}

static unsigned expire_shard(struct affinity *affinity, struct shard *shard,
			     uint64_t now_ms, unsigned most)
{
	struct binding *oldest;
	unsigned n = 0;

	pthread_mutex_lock(&shard->lock);
	while (n < most && (oldest = oldest_idle(shard)) &&
	       has_timed_out(affinity, oldest, now_ms)) {
		drop(shard, oldest);
		n++;
	}
	pthread_mutex_unlock(&shard->lock);
	return n;
}

unsigned affinity_expire(struct affinity *affinity, uint64_t now_ms,
			 unsigned most)
{
	uint32_t first = affinity->expire_turn++;
	unsigned i, n = 0;

	for (i = 0; i < affinity->nshards && n < most; i++)
		n += expire_shard(
			affinity,
			&affinity->shard[(first + i) % affinity->nshards],
			now_ms, most - n);
	return n;
}

/* Look at <most> of the shard's idle ones, on from the last. True: they were
 * its last; <most> says how many may still be looked at. */
static bool forget_some(struct shard *shard, unsigned *most)
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
			drop(shard, binding);
	}
	is_over = shard->look == &shard->idle;
	pthread_mutex_unlock(&shard->lock);
	*most += n;
	return is_over;
}

void affinity_forget_leaving(struct affinity *affinity, unsigned most)
{
	/* The first may have been left in its middle. */
	unsigned left = affinity->nshards + 1;

	while (most && left) {
		if (!forget_some(&affinity->shard[affinity->forget_turn],
				 &most))
			continue;
		affinity->forget_turn =
			(affinity->forget_turn + 1) % affinity->nshards;
		left--;
	}
}

unsigned affinity_count(struct affinity *affinity)
{
	struct shard *shard;
	unsigned i, n = 0;

	for (i = 0; i < affinity->nshards; i++) {
		shard = &affinity->shard[i];
		pthread_mutex_lock(&shard->lock);
		n += (unsigned)pool_used(shard->pool);
		pthread_mutex_unlock(&shard->lock);
	}
	return n;
}

/* A power of two, so that no part is below PART_MIN. */
static unsigned shards_for(unsigned entries)
{
	unsigned n = SHARDS_MAX;

	while (n > 1 && entries / n < PART_MIN)
		n /= 2;
	return n;
}

static int shard_init(struct shard *shard, size_t part)
{
	size_t buckets = 1;

	while (buckets < part)
		buckets *= 2;
	list_init(&shard->idle);
	shard->look = &shard->idle;
	shard->mask = buckets - 1;
	shard->pool = pool_new(sizeof(struct binding), part);
	shard->bucket = calloc(buckets, sizeof(struct binding *));
	if (!shard->pool || !shard->bucket)
		return ERR_MEMORY;
	return -pthread_mutex_init(&shard->lock, NULL);
}

static void shard_release(struct shard *shard)
{
	struct binding *binding;

	while (shard->pool && shard->bucket && (binding = oldest_idle(shard)))
		drop(shard, binding);
	pool_free(shard->pool);
	free(shard->bucket);
	pthread_mutex_destroy(&shard->lock);
}

static int make_shards(struct affinity *affinity, unsigned entries)
{
	unsigned i, n = shards_for(entries);
	size_t len = n * sizeof(struct shard);
	int err;

	affinity->shard = aligned_alloc(_Alignof(struct shard), len);
	if (!affinity->shard)
		return ERR_MEMORY;
	memset(affinity->shard, 0, len);
	affinity->nshards = n;
	for (i = 0; i < n; i++) {
		err = shard_init(&affinity->shard[i],
				 entries / n + (i < entries % n));
		if (err)
			return err;
	}
	return 0;
}

struct affinity *affinity_new(const struct conf *conf,
			      const uint8_t seed[static HASH_KEY_LEN])
{
	struct affinity *affinity = calloc(1, sizeof(*affinity));
	const struct conf_balancer *balancer = &conf->balancer;

	if (!affinity)
		return NULL;
	memcpy(affinity->seed, seed, HASH_KEY_LEN);
	affinity->sources.n = balancer->nsources;
	memcpy(affinity->sources.at, balancer->source,
	       balancer->nsources * sizeof(balancer->source[0]));
	affinity_rule_init(&affinity->rule, &conf->affinity);
	affinity->timeout_ms = conf->affinity.timeout_ms;
	if (pthread_rwlock_init(&affinity->lock, NULL) ||
	    make_shards(affinity, conf->affinity.entries)) {
		affinity_free(affinity);
		return NULL;
	}
	return affinity;
}

void affinity_free(struct affinity *affinity)
{
	unsigned i;

	if (!affinity)
		return;
	for (i = 0; i < affinity->nshards; i++)
		shard_release(&affinity->shard[i]);
	free(affinity->shard);
	pthread_rwlock_destroy(&affinity->lock);
	free(affinity);
}

void affinity_reconfigure(struct affinity *affinity, const struct conf *conf)
{
	pthread_rwlock_wrlock(&affinity->lock);
	affinity_rule_init(&affinity->rule, &conf->affinity);
	pthread_rwlock_unlock(&affinity->lock);
	affinity->timeout_ms = conf->affinity.timeout_ms;
}
