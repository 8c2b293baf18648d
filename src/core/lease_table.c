/*
 * lease_table.c - the table of leases: shards, look-up, order of age.
 *
 * Layer: core (pure: a mutex orders threads, no more; no I/O, no clock).
 * Units: seconds of the monotonic clock, modulo 2^32.
 */
#include <stdlib.h>
#include <string.h>

#include "core/pool.h"
#include "lease_table.h"
#include "shards.h"

/* ---- the key ---- */

static void map_address(const struct addr *client, uint8_t octet[static 16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (client->family == AF_INET) {
		memcpy(octet, mapped, 12);
		memcpy(octet + 12, client->octet, 4);
	} else {
		memcpy(octet, client->octet, 16);
	}
}

struct addr lease_client(const struct lease *lease)
{
	struct addr addr = { .family = AF_INET }, mapped;

	memcpy(addr.octet, lease->octet + 12, 4);
	map_address(&addr, mapped.octet);
	if (memcmp(mapped.octet, lease->octet, 16) != 0) {
		addr.family = AF_INET6;
		memcpy(addr.octet, lease->octet, 16);
	}
	return addr;
}

static uint64_t hash_key(const uint8_t *seed, const uint8_t octet[static 16],
			 uint16_t port)
{
	uint8_t in[18];

	memcpy(in, octet, 16);
	memcpy(in + 16, &port, sizeof(port));
	return hash_sip(seed, bytes_of(in, sizeof(in)));
}

uint64_t lease_hash(const uint8_t *seed, const struct addr *client,
		    uint16_t port)
{
	uint8_t octet[16];

	map_address(client, octet);
	return hash_key(seed, octet, port);
}

/* ---- look-up ---- */

/* The bits that chose the shard are equal in all of a shard. */
static uint32_t *bucket_of(struct lease_shard *shard,
			   const uint8_t octet[static 16], uint16_t port)
{
	uint64_t hash = hash_key(shard->seed, octet, port);

	return &shard->bucket[(uint32_t)(hash >> 32) & shard->mask];
}

struct lease *lease_shard_find(struct lease_shard *shard,
			       const struct addr *client, uint16_t port)
{
	struct lease *lease;
	uint8_t octet[16];
	uint32_t i;

	map_address(client, octet);
	for (i = *bucket_of(shard, octet, port); i; i = lease->chain) {
		lease = &shard->at[i];
		if (lease->port == port &&
		    memcmp(lease->octet, octet, sizeof(octet)) == 0)
			return lease;
	}
	return NULL;
}

static uint32_t place_of(const struct lease_shard *shard,
			 const struct lease *lease)
{
	return (uint32_t)(lease - shard->at);
}

/* The place of one that is spare, or was never used; 0: there is none. */
static uint32_t take_place(struct lease_shard *shard)
{
	uint32_t place = shard->spare;

	if (place)
		shard->spare = shard->at[place].chain;
	else if (shard->fresh < shard->end)
		place = shard->fresh++;
	return place;
}

struct lease *lease_shard_take(struct lease_shard *shard,
			       const struct addr *client, uint16_t port)
{
	uint32_t place = take_place(shard), *bucket;
	struct lease *lease = &shard->at[place];

	if (!place)
		return NULL;
	*lease = (struct lease){ .port = port, .older = place, .newer = place };
	map_address(client, lease->octet);
	bucket = bucket_of(shard, lease->octet, port);
	lease->chain = *bucket;
	*bucket = place;
	return lease;
}

static void unchain(struct lease_shard *shard, const struct lease *lease)
{
	uint32_t *at = bucket_of(shard, lease->octet, lease->port);

	while (*at != place_of(shard, lease))
		at = &shard->at[*at].chain;
	*at = lease->chain;
}

/* ---- the lists of age ---- */

static void age_leave(struct lease_shard *shard, struct lease *lease)
{
	shard->at[lease->older].newer = lease->newer;
	shard->at[lease->newer].older = lease->older;
	lease->older = lease->newer = place_of(shard, lease);
}

/* As the newest. */
static void age_join(struct lease_shard *shard, struct lease *lease,
		     enum lease_age age)
{
	struct lease *head = &shard->at[age];

	age_leave(shard, lease);
	lease->newer = age;
	lease->older = head->older;
	shard->at[head->older].newer = place_of(shard, lease);
	head->older = place_of(shard, lease);
}

static bool is_newer(const struct lease *a, const struct lease *b)
{
	return (int32_t)(a->since_s - b->since_s) > 0;
}

/* Two chains by <newer>, each in order and ended by AGE_IDLE (0), to one. */
static uint32_t merge(struct lease *at, uint32_t a, uint32_t b)
{
	uint32_t first = AGE_IDLE, *to = &first;

	while (a && b) {
		if (is_newer(&at[a], &at[b])) {
			*to = b;
			b = at[b].newer;
		} else {
			*to = a;
			a = at[a].newer;
		}
		to = &at[*to].newer;
	}
	*to = a ? a : b;
	return first;
}

/* What was put back came in any order. Runs of 1, 2, 4 … are merged. */
static void put_in_order(struct lease_shard *shard)
{
	struct lease *at = shard->at;
	uint32_t run[32] = { 0 }, one, next, all = 0;
	unsigned r;

	for (one = at[AGE_IDLE].newer; one != AGE_IDLE; one = next) {
		next = at[one].newer;
		at[one].newer = AGE_IDLE;
		for (r = 0; run[r]; run[r++] = 0)
			one = merge(at, run[r], one);
		run[r] = one;
	}
	for (r = 0; r < 32; r++)
		all = merge(at, run[r], all);
	at[AGE_IDLE].newer = all;
	for (one = AGE_IDLE; at[one].newer != AGE_IDLE; one = at[one].newer)
		at[at[one].newer].older = one;
	at[AGE_IDLE].older = one;
	shard->is_unordered = false;
}

struct lease *lease_shard_oldest(struct lease_shard *shard, enum lease_age age)
{
	if (age == AGE_IDLE && shard->is_unordered)
		put_in_order(shard);
	return shard->at[age].newer == age ? NULL
					   : &shard->at[shard->at[age].newer];
}

/* ---- from one kind to another ---- */

/* Threads read the clock at different moments; the list stays in order. */
void lease_shard_renew(struct lease_shard *shard, struct lease *lease,
		       uint32_t since_s)
{
	const struct lease *newest;

	lease->since_s = since_s;
	age_leave(shard, lease);
	/* Of an empty list its head, at second 0. */
	newest = &shard->at[shard->at[AGE_IDLE].older];
	if (is_newer(newest, lease))
		lease->since_s = newest->since_s;
	age_join(shard, lease, AGE_IDLE);
}

void lease_shard_restore(struct lease_shard *shard, struct lease *lease,
			 uint32_t since_s)
{
	lease->since_s = since_s;
	age_join(shard, lease, AGE_IDLE);
	shard->is_unordered = true;
}

void lease_shard_hold(struct lease_shard *shard, struct lease *lease)
{
	if (lease->held++)
		return;
	age_leave(shard, lease);
	lease_target_move(shard, lease, false);
}

void lease_shard_unhold(struct lease_shard *shard, struct lease *lease)
{
	if (!--lease->held)
		lease_target_move(shard, lease, true);
}

void lease_shard_retire(struct lease_shard *shard, struct lease *lease)
{
	lease_target_unset(shard, lease);
	age_join(shard, lease, AGE_OVER);
}

void lease_shard_give(struct lease_shard *shard, struct lease *lease)
{
	lease_target_unset(shard, lease);
	age_leave(shard, lease);
	unchain(shard, lease);
	lease->chain = shard->spare;
	shard->spare = place_of(shard, lease);
}

/* ---- all of them ---- */

/* Memory as its places are used; each array is one object of a pool. */
static int make_rooms(struct lease_shard *shard, size_t part)
{
	/* A lease that changes its target needs both for a moment. */
	size_t targets =
		part < LEASE_TARGETS_MAX ? part + 1 : LEASE_TARGETS_MAX;

	shard->end = (uint32_t)(AGES + part);
	shard->room = pool_new(shard->end * sizeof(struct lease), 1);
	shard->target_end = (uint16_t)(1 + targets); /* place 0 is none */
	shard->target_room =
		pool_new(shard->target_end * sizeof(struct target), 1);
	if (!shard->room || !shard->target_room)
		return ERR_MEMORY;
	shard->at = pool_take(shard->room);
	shard->at[AGE_OVER].older = shard->at[AGE_OVER].newer = AGE_OVER;
	shard->fresh = AGES;
	shard->target = pool_take(shard->target_room);
	shard->target_fresh = 1;
	return 0;
}

static int shard_init(struct lease_shard *shard, size_t part)
{
	size_t buckets = 1;
	int err;

	if (!part || part > UINT32_MAX / 2)
		return ERR_MEMORY;
	while (buckets < part)
		buckets *= 2;
	shard->mask = (uint32_t)(buckets - 1);
	shard->bucket = calloc(buckets, sizeof(shard->bucket[0]));
	err = shard->bucket ? make_rooms(shard, part) : ERR_MEMORY;
	if (!err)
		err = -pthread_mutex_init(&shard->lock, NULL);
	if (err) {
		pool_free(shard->room);
		pool_free(shard->target_room);
		free(shard->bucket);
	}
	return err;
}

int lease_shards_new(size_t entries, const uint8_t *seed,
		     struct lease_shard **out, unsigned *nshards)
{
	unsigned i, n = shards_for(entries);
	size_t len = n * sizeof(struct lease_shard);
	struct lease_shard *shard;
	int err;

	shard = aligned_alloc(_Alignof(struct lease_shard), len);
	if (!shard)
		return ERR_MEMORY;
	memset(shard, 0, len);
	for (i = 0; i < n; i++) {
		shard[i].seed = seed;
		err = shard_init(&shard[i], entries / n + (i < entries % n));
		if (err) {
			lease_shards_free(shard, i);
			return err;
		}
	}
	*out = shard;
	*nshards = n;
	return 0;
}

void lease_shards_free(struct lease_shard *shard, unsigned nshards)
{
	unsigned i;

	for (i = 0; i < nshards; i++) {
		pool_free(shard[i].room);
		pool_free(shard[i].target_room);
		free(shard[i].bucket);
		pthread_mutex_destroy(&shard[i].lock);
	}
	free(shard);
}
