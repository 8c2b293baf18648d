/*
 * affinity.c - one client, one server: bindings are made, moved, let go.
 *
 * Layer: core (pure: locks order threads, no more; no I/O, no clock).
 * Units: milliseconds of the monotonic clock.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "affinity_priv.h"
#include "affinity_table.h"
#include "core/affinity.h"

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

static bool is_private(const struct affinity_rule *rule,
		       const struct addr *client)
{
	return rule->key == CONF_KEY_NONE || affinity_rule_shares(rule, client);
}

static void find_shard(struct affinity *affinity, struct place *place)
{
	place->hash = hash_sip(affinity->seed,
			       bytes_of(&place->key, sizeof(place->key)));
	place->shard = (unsigned)(place->hash % affinity->nshards);
	if (place->is_private) /* one client's may be many */
		place->shard = affinity->turn++ % affinity->nshards;
}

static struct place find_place(struct affinity *affinity,
			       const struct addr *client)
{
	struct place place;

	pthread_rwlock_rdlock(&affinity->lock);
	place.key = affinity_key(&affinity->rule, client);
	place.is_private = is_private(&affinity->rule, client);
	pthread_rwlock_unlock(&affinity->lock);
	find_shard(affinity, &place);
	return place;
}

static struct binding *find(struct shard *shard, const struct place *place)
{
	return place->is_private ? NULL
				 : shard_find(shard, &place->key, place->hash);
}

static struct binding *find_in_time(struct affinity *affinity,
				    const struct place *place, uint64_t now_ms)
{
	struct binding *binding = find(&affinity->shard[place->shard], place);

	if (binding &&
	    binding_has_timed_out(binding, affinity->timeout_ms, now_ms))
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

static uint8_t source_of(const struct affinity *affinity, uint64_t hash,
			 uint8_t family)
{
	return affinity_source_choose(&affinity->sources, affinity->seed, hash,
				      family);
}

/* <binding> is zeros; <server> counts it already. */
static void be_born(struct affinity *affinity, const struct place *place,
		    struct server *server, struct binding *binding)
{
	list_init(&binding->idle);
	binding->server = server;
	binding->hash = place->hash;
	binding->key = place->key;
	binding->source4 = source_of(affinity, place->hash, AF_INET);
	binding->source6 = source_of(affinity, place->hash, AF_INET6);
	binding->shard = (uint8_t)place->shard;
	binding->is_private = place->is_private;
	if (!binding->is_private)
		shard_chain(&affinity->shard[place->shard], binding);
}

static int make(struct affinity *affinity, const struct place *place,
		const struct affinity_chooser *chooser, struct binding **out)
{
	struct server *server = choose(chooser, place->hash, NULL);
	struct binding *binding;

	if (!server)
		return ERR_NOT_FOUND;
	binding = shard_take(&affinity->shard[place->shard]);
	if (!binding) {
		server_unbind(server);
		return ERR_MEMORY;
	}
	be_born(affinity, place, server, binding);
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
	shard_leave_idle(shard, binding);
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

	if (binding &&
	    binding_has_timed_out(binding, affinity->timeout_ms, now_ms)) {
		shard_drop(shard, binding);
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
		shard_drop(shard, binding);
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

static const struct addr *source_at(const struct affinity *affinity,
				    const struct binding *binding,
				    uint8_t family)
{
	uint8_t place = family == AF_INET ? binding->source4 : binding->source6;

	return place == AFFINITY_NO_SOURCE ? NULL
					   : &affinity->sources.at[place];
}

struct addr affinity_name(struct affinity *affinity, const struct addr *client)
{
	struct addr name;

	pthread_rwlock_rdlock(&affinity->lock);
	name = affinity_key(&affinity->rule, client);
	pthread_rwlock_unlock(&affinity->lock);
	return name;
}

unsigned affinity_addresses(struct affinity *affinity, const struct addr *name,
			    struct addr room[static AFFINITY_ADDRESSES_MAX])
{
	unsigned n;

	pthread_rwlock_rdlock(&affinity->lock);
	n = affinity_rule_addresses(&affinity->rule, name, room);
	pthread_rwlock_unlock(&affinity->lock);
	return n;
}

bool affinity_is_private(struct affinity *affinity, const struct addr *client)
{
	bool is;

	pthread_rwlock_rdlock(&affinity->lock);
	is = is_private(&affinity->rule, client);
	pthread_rwlock_unlock(&affinity->lock);
	return is;
}

bool affinity_is_shared(struct affinity *affinity, const struct addr *client)
{
	bool is;

	pthread_rwlock_rdlock(&affinity->lock);
	is = affinity_rule_shares(&affinity->rule, client);
	pthread_rwlock_unlock(&affinity->lock);
	return is;
}

const struct addr *affinity_source(const struct affinity *affinity,
				   const struct reservation *res,
				   uint8_t family)
{
	return source_at(affinity, res->binding, family);
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

unsigned affinity_expire(struct affinity *affinity, uint64_t now_ms,
			 unsigned most)
{
	uint32_t first = affinity->expire_turn++;
	unsigned i, n = 0;

	for (i = 0; i < affinity->nshards && n < most; i++)
		n += shard_expire(
			&affinity->shard[(first + i) % affinity->nshards],
			affinity->timeout_ms, now_ms, most - n);
	return n;
}

void affinity_forget_leaving(struct affinity *affinity, unsigned most)
{
	/* The first may have been left in its middle. */
	unsigned left = affinity->nshards + 1;

	while (most && left) {
		if (!shard_forget_leaving(
			    &affinity->shard[affinity->forget_turn], &most))
			continue;
		affinity->forget_turn =
			(affinity->forget_turn + 1) % affinity->nshards;
		left--;
	}
}

static struct affinity_entry entry_of(const struct affinity *affinity,
				      const struct binding *binding,
				      uint64_t now_ms)
{
	uint8_t family = binding->server->address.family;

	return (struct affinity_entry){
		.key = binding->key,
		.server = binding->server,
		.source = source_at(affinity, binding, family),
		.idle_ms = binding_idle_ms(binding, now_ms),
	};
}

void affinity_each(struct affinity *affinity, uint64_t now_ms,
		   void (*each)(void *ctx, const struct affinity_entry *entry),
		   void *ctx)
{
	struct binding batch[SHARD_BATCH];
	struct affinity_entry entry;
	unsigned shard = 0, n, i;
	size_t bucket = 0;

	while (shard < affinity->nshards) {
		if (!shard_copy(&affinity->shard[shard], &bucket, batch, &n)) {
			shard++;
			bucket = 0;
		}
		for (i = 0; i < n; i++) {
			if (binding_has_timed_out(&batch[i],
						  affinity->timeout_ms, now_ms))
				continue;
			entry = entry_of(affinity, &batch[i], now_ms);
			each(ctx, &entry);
		}
	}
}

static int restore(struct affinity *affinity, const struct place *place,
		   struct server *server, struct binding **out)
{
	struct shard *shard = &affinity->shard[place->shard];
	struct binding *binding;

	if (find(shard, place))
		return ERR_EXISTS;
	if (!server_bind(server))
		return ERR_NOT_FOUND;
	binding = shard_take_free(shard);
	if (!binding) {
		server_unbind(server);
		return ERR_MEMORY;
	}
	be_born(affinity, place, server, binding);
	*out = binding;
	return 0;
}

/* The same as before, if it is still there: what the client has open on its
 * server lets nobody join from elsewhere. */
static void keep_source(const struct affinity *affinity,
			const struct addr *source, struct binding *binding)
{
	uint8_t place = affinity_source_find(&affinity->sources, source);

	if (place == AFFINITY_NO_SOURCE)
		return;
	if (source->family == AF_INET)
		binding->source4 = place;
	else
		binding->source6 = place;
}

int affinity_restore(struct affinity *affinity, const struct addr *key,
		     struct server *server, const struct addr *source,
		     uint64_t idle_ms, uint64_t now_ms)
{
	struct place place = { .key = affinity_key_again(&affinity->rule,
							 key) };
	struct binding *binding;
	int err;

	if (affinity->rule.key == CONF_KEY_NONE)
		return ERR_UNSUPPORTED;
	if (idle_ms >= affinity->timeout_ms)
		return ERR_TIMEOUT;
	find_shard(affinity, &place);
	err = restore(affinity, &place, server, &binding);
	if (err)
		return err;
	binding->is_confirmed = true;
	binding->idle_since = now_ms - idle_ms;
	if (source)
		keep_source(affinity, source, binding);
	shard_enter_idle(&affinity->shard[place.shard], binding);
	return 0;
}

unsigned affinity_count(struct affinity *affinity)
{
	unsigned i, n = 0;

	for (i = 0; i < affinity->nshards; i++)
		n += shard_count(&affinity->shard[i]);
	return n;
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
	affinity_rule_init(&affinity->rule, conf);
	affinity->timeout_ms = conf->affinity.timeout_ms;
	if (pthread_rwlock_init(&affinity->lock, NULL) ||
	    shards_new(conf->affinity.entries, &affinity->shard,
		       &affinity->nshards)) {
		affinity_free(affinity);
		return NULL;
	}
	return affinity;
}

void affinity_free(struct affinity *affinity)
{
	if (!affinity)
		return;
	shards_free(affinity->shard, affinity->nshards);
	pthread_rwlock_destroy(&affinity->lock);
	free(affinity);
}

void affinity_reconfigure(struct affinity *affinity, const struct conf *conf)
{
	pthread_rwlock_wrlock(&affinity->lock);
	affinity_rule_init(&affinity->rule, conf);
	pthread_rwlock_unlock(&affinity->lock);
	affinity->timeout_ms = conf->affinity.timeout_ms;
}
