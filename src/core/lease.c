/*
 * lease.c - who was told of which port: granted, used, over.
 *
 * Layer: core (pure: locks order threads, no more; no I/O, no clock).
 * Units: milliseconds of the monotonic clock.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/lease.h"
#include "lease_table.h"

#define ENDS_MAX 64 /* leases that end while a shard is locked */
#define TELL_MAX 64 /* leases copied while a shard is locked */

struct leases {
	uint8_t seed[HASH_KEY_LEN];
	_Atomic uint64_t timeout_ms;
	_Atomic uint32_t expire_turn; /* which shard is looked at first */
	void (*removed)(void *ctx, const struct addr *client, uint16_t port);
	void *ctx;
	unsigned nshards;
	struct lease_shard *shard;
};

/* Leases that ended under a lock, to be told when it is open. */
struct ends {
	unsigned n;
	struct {
		struct addr client;
		uint16_t port;
	} at[ENDS_MAX];
};

static struct lease_shard *lock_shard(struct leases *leases,
				      const struct addr *client, uint16_t port)
{
	uint64_t hash = lease_hash(leases->seed, client, port);
	struct lease_shard *shard = &leases->shard[hash % leases->nshards];

	pthread_mutex_lock(&shard->lock);
	return shard;
}

/* <ends> has room. */
static void note(struct ends *ends, const struct lease *lease)
{
	ends->at[ends->n].client = lease_client(lease);
	ends->at[ends->n++].port = lease->port;
}

static void unlock_and_tell(struct leases *leases, struct lease_shard *shard,
			    struct ends *ends)
{
	unsigned i;

	pthread_mutex_unlock(&shard->lock);
	for (i = 0; leases->removed && i < ends->n; i++)
		leases->removed(leases->ctx, &ends->at[i].client,
				ends->at[i].port);
	ends->n = 0;
}

static void end(struct lease_shard *shard, struct lease *lease,
		struct ends *ends)
{
	note(ends, lease);
	lease_shard_give(shard, lease);
}

/* ---- time ---- */

/* The next whole second: no lease ends early. */
static uint32_t second_of(uint64_t now_ms)
{
	return (uint32_t)((now_ms + 999) / 1000);
}

static uint64_t age_of(const struct lease *lease, uint64_t now_ms)
{
	uint32_t age_s = (uint32_t)(now_ms / 1000) - lease->since_s;

	if (lease->held || age_s > INT32_MAX) /* its second is to come */
		return 0;
	return age_s * UINT64_C(1000) + now_ms % 1000;
}

static bool has_timed_out(const struct leases *leases,
			  const struct lease *lease, uint64_t now_ms)
{
	return !lease->held && age_of(lease, now_ms) >= leases->timeout_ms;
}

static bool is_forgotten(const struct leases *leases, const struct lease *lease,
			 uint64_t now_ms)
{
	return !lease->held && age_of(lease, now_ms) / 2 >= leases->timeout_ms;
}

/* <lease> may be NULL. */
static enum lease_state state_of(const struct leases *leases,
				 const struct lease_shard *shard,
				 const struct lease *lease, uint64_t now_ms)
{
	if (!lease || is_forgotten(leases, lease, now_ms))
		return LEASE_NONE;
	if (!lease->target || has_timed_out(leases, lease, now_ms))
		return LEASE_EXPIRED;
	return shard->target[lease->target].is_gone ? LEASE_NONE : LEASE_VALID;
}

/* ---- one lease ---- */

/* The longest without connections makes room. */
static struct lease *take(struct lease_shard *shard, const struct addr *client,
			  uint16_t port, struct ends *ends)
{
	struct lease *lease = lease_shard_take(shard, client, port), *oldest;

	if (lease)
		return lease;
	oldest = lease_shard_oldest(shard, AGE_OVER);
	if (oldest) {
		lease_shard_give(shard, oldest);
	} else {
		oldest = lease_shard_oldest(shard, AGE_IDLE);
		if (!oldest)
			return NULL;
		end(shard, oldest, ends);
	}
	return lease_shard_take(shard, client, port);
}

/* Its target is <target>, renewed. <lease> NULL: there was no room. */
static int lead_to(struct lease_shard *shard, struct lease *lease,
		   const struct lease_target *target, uint64_t now_ms)
{
	int err = lease ? lease_target_set(shard, lease, target) : ERR_MEMORY;

	if (!err && !lease->held)
		lease_shard_renew(shard, lease, second_of(now_ms));
	return err;
}

int lease_grant(struct leases *leases, const struct addr *client, uint16_t port,
		const struct lease_target *target, uint64_t now_ms)
{
	struct lease_shard *shard = lock_shard(leases, client, port);
	struct lease *known = lease_shard_find(shard, client, port), *lease;
	bool is_new = state_of(leases, shard, known, now_ms) != LEASE_VALID;
	struct ends ends = { 0 };
	int err;

	lease = known ? known : take(shard, client, port, &ends);
	err = lead_to(shard, lease, target, now_ms);
	if (err && lease && !known)
		lease_shard_give(shard, lease);
	unlock_and_tell(leases, shard, &ends);
	return err ? err : is_new;
}

static enum lease_state look(struct leases *leases, const struct addr *client,
			     uint16_t port, uint64_t now_ms, bool do_hold,
			     struct lease_target *out)
{
	struct lease_shard *shard = lock_shard(leases, client, port);
	struct lease *lease = lease_shard_find(shard, client, port);
	enum lease_state state = state_of(leases, shard, lease, now_ms);

	if (state == LEASE_VALID) {
		*out = shard->target[lease->target].what;
		if (do_hold)
			lease_shard_hold(shard, lease);
	}
	pthread_mutex_unlock(&shard->lock);
	return state;
}

enum lease_state lease_find(struct leases *leases, const struct addr *client,
			    uint16_t port, uint64_t now_ms,
			    struct lease_target *out)
{
	return look(leases, client, port, now_ms, false, out);
}

enum lease_state lease_hold(struct leases *leases, const struct addr *client,
			    uint16_t port, uint64_t now_ms,
			    struct lease_target *out)
{
	return look(leases, client, port, now_ms, true, out);
}

/* No connection holds it any more. */
static void let_go(struct lease_shard *shard, struct lease *lease,
		   uint64_t now_ms, struct ends *ends)
{
	if (shard->target[lease->target].is_ended)
		end(shard, lease, ends);
	else
		lease_shard_renew(shard, lease, second_of(now_ms));
}

void lease_release(struct leases *leases, const struct addr *client,
		   uint16_t port, uint64_t now_ms)
{
	struct lease_shard *shard = lock_shard(leases, client, port);
	struct lease *lease = lease_shard_find(shard, client, port);
	struct ends ends = { 0 };

	if (lease && lease->held) {
		lease_shard_unhold(shard, lease);
		if (!lease->held)
			let_go(shard, lease, now_ms, &ends);
	}
	unlock_and_tell(leases, shard, &ends);
}

int lease_restore(struct leases *leases, const struct addr *client,
		  uint16_t port, const struct lease_target *target,
		  uint64_t age_ms, uint64_t now_ms)
{
	struct lease_shard *shard;
	struct lease *lease = NULL;
	int err = ERR_EXISTS;

	if (age_ms >= leases->timeout_ms)
		return ERR_TIMEOUT;
	shard = lock_shard(leases, client, port);
	if (!lease_shard_find(shard, client, port)) {
		lease = lease_shard_take(shard, client, port);
		err = lease ? lease_target_set(shard, lease, target)
			    : ERR_MEMORY;
	}
	if (!err)
		lease_shard_restore(shard, lease,
				    second_of(now_ms) -
					    (uint32_t)(age_ms / 1000));
	else if (lease)
		lease_shard_give(shard, lease);
	pthread_mutex_unlock(&shard->lock);
	return err;
}

/* ---- ports and servers that end ---- */

/* End what nobody holds; what is held ends with its release. False: there
 * is no more room in <ends>. */
static bool drain(struct lease_shard *shard, struct target *target,
		  struct ends *ends)
{
	struct lease *lease;

	while ((lease = lease_target_idle(shard, target))) {
		if (ends->n == ENDS_MAX)
			return false;
		end(shard, lease, ends);
	}
	if (target->first)
		lease_target_end(shard, target);
	return true;
}

static bool drain_port(struct lease_shard *shard, uint8_t slot, uint16_t port,
		       struct ends *ends)
{
	struct target *target;

	while ((target = lease_target_of_port(shard, slot, port)))
		if (!drain(shard, target, ends))
			return false;
	return true;
}

static bool drain_slots(struct lease_shard *shard, uint64_t slots,
			struct ends *ends)
{
	struct target *target;
	uint16_t i;

	for (i = 1; i < shard->target_fresh; i++) {
		target = &shard->target[i];
		if (!target->first || !(slots >> target->what.slot & 1))
			continue;
		if (!drain(shard, target, ends))
			return false;
		target->is_gone = true;
	}
	return true;
}

void lease_end_port(struct leases *leases, uint8_t slot, uint16_t port)
{
	struct ends ends = { 0 };
	struct lease_shard *shard;
	bool is_over;

	for (shard = leases->shard; shard < leases->shard + leases->nshards;
	     shard++)
		do {
			pthread_mutex_lock(&shard->lock);
			is_over = drain_port(shard, slot, port, &ends);
			unlock_and_tell(leases, shard, &ends);
		} while (!is_over);
}

void lease_forget(struct leases *leases, uint64_t slots)
{
	struct ends ends = { 0 };
	struct lease_shard *shard;
	bool is_over;

	for (shard = leases->shard; shard < leases->shard + leases->nshards;
	     shard++)
		do {
			pthread_mutex_lock(&shard->lock);
			is_over = drain_slots(shard, slots, &ends);
			unlock_and_tell(leases, shard, &ends);
		} while (!is_over);
}

/* ---- all of them ---- */

/* Those that timed out; as many as <ends> takes. */
static unsigned retire(const struct leases *leases, struct lease_shard *shard,
		       uint64_t now_ms, unsigned most, struct ends *ends)
{
	struct lease *oldest;
	unsigned n = 0;

	while (n < most && ends->n < ENDS_MAX &&
	       (oldest = lease_shard_oldest(shard, AGE_IDLE)) &&
	       has_timed_out(leases, oldest, now_ms)) {
		note(ends, oldest);
		lease_shard_retire(shard, oldest);
		n++;
	}
	return n;
}

static unsigned drop_forgotten(const struct leases *leases,
			       struct lease_shard *shard, uint64_t now_ms,
			       unsigned most)
{
	struct lease *oldest;
	unsigned n = 0;

	while (n < most && (oldest = lease_shard_oldest(shard, AGE_OVER)) &&
	       is_forgotten(leases, oldest, now_ms)) {
		lease_shard_give(shard, oldest);
		n++;
	}
	return n;
}

static unsigned expire(struct leases *leases, struct lease_shard *shard,
		       uint64_t now_ms, unsigned most)
{
	struct ends ends = { 0 };
	unsigned n = 0, retired;

	do {
		pthread_mutex_lock(&shard->lock);
		retired = retire(leases, shard, now_ms, most - n, &ends);
		n += retired;
		if (retired < ENDS_MAX)
			n += drop_forgotten(leases, shard, now_ms, most - n);
		unlock_and_tell(leases, shard, &ends);
	} while (retired == ENDS_MAX);
	return n;
}

unsigned leases_expire(struct leases *leases, uint64_t now_ms, unsigned most)
{
	uint32_t first = leases->expire_turn++;
	unsigned i, n = 0;

	for (i = 0; i < leases->nshards && n < most; i++)
		n += expire(leases,
			    &leases->shard[(first + i) % leases->nshards],
			    now_ms, most - n);
	return n;
}

unsigned leases_count(struct leases *leases)
{
	unsigned i, n = 0;

	for (i = 0; i < leases->nshards; i++) {
		pthread_mutex_lock(&leases->shard[i].lock);
		n += leases->shard[i].n;
		pthread_mutex_unlock(&leases->shard[i].lock);
	}
	return n;
}

/* A lease, copied under the lock. */
struct copy {
	struct addr client;
	uint16_t port;
	struct lease_target target;
	uint64_t age_ms;
};

/* The next ones from <place> on, which moves behind them; 0: no more. */
static unsigned copy_some(const struct leases *leases,
			  struct lease_shard *shard, uint32_t *place,
			  uint64_t now_ms, struct copy copy[static TELL_MAX])
{
	const struct target *target;
	const struct lease *lease;
	unsigned n = 0;

	pthread_mutex_lock(&shard->lock);
	while (n < TELL_MAX && *place < shard->fresh) {
		lease = &shard->at[(*place)++];
		target = &shard->target[lease->target];
		if (!lease->target || target->is_ended ||
		    has_timed_out(leases, lease, now_ms))
			continue;
		copy[n++] = (struct copy){ .client = lease_client(lease),
					   .port = lease->port,
					   .target = target->what,
					   .age_ms = age_of(lease, now_ms) };
	}
	pthread_mutex_unlock(&shard->lock);
	return n;
}

void leases_each(struct leases *leases, uint64_t now_ms,
		 void (*one)(void *ctx, const struct addr *client,
			     uint16_t port, const struct lease_target *target,
			     uint64_t age_ms),
		 void *ctx)
{
	struct copy copy[TELL_MAX];
	struct lease_shard *shard;
	uint32_t place;
	unsigned i, n;

	for (shard = leases->shard; shard < leases->shard + leases->nshards;
	     shard++) {
		place = AGES;
		while ((n = copy_some(leases, shard, &place, now_ms, copy)))
			for (i = 0; i < n; i++)
				one(ctx, &copy[i].client, copy[i].port,
				    &copy[i].target, copy[i].age_ms);
	}
}

struct leases *leases_new(size_t entries, uint64_t timeout_ms,
			  const uint8_t seed[static HASH_KEY_LEN],
			  void (*removed)(void *ctx, const struct addr *client,
					  uint16_t port),
			  void *ctx)
{
	struct leases *leases = calloc(1, sizeof(*leases));

	if (!leases)
		return NULL;
	memcpy(leases->seed, seed, HASH_KEY_LEN);
	leases->timeout_ms = timeout_ms;
	leases->removed = removed;
	leases->ctx = ctx;
	if (lease_shards_new(entries, leases->seed, &leases->shard,
			     &leases->nshards)) {
		free(leases);
		return NULL;
	}
	return leases;
}

void leases_free(struct leases *leases)
{
	if (!leases)
		return;
	lease_shards_free(leases->shard, leases->nshards);
	free(leases);
}

void leases_set_timeout(struct leases *leases, uint64_t timeout_ms)
{
	leases->timeout_ms = timeout_ms;
}
