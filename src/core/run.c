/*
 * run.c - which server the next conversation of a shared address gets.
 *
 * Layer: core (pure: a mutex orders threads, no more; no I/O, no clock).
 * Units: milliseconds of the monotonic clock.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/list.h"
#include "core/pool.h"
#include "core/run.h"

/* An address and its latest run. */
struct gateway {
	struct list age;       /* in runs.ages */
	struct gateway *chain; /* in its bucket */
	struct addr client;
	uint64_t hash;
	struct run_sight sight;
	uint64_t quiet_until_ms; /* it was told that a run is interleaved */
	bool is_interleaved;
	uint8_t nasked;
	uint64_t asked[RUN_ASKED_MAX]; /* hashes of interfaces */
};

struct runs {
	uint8_t seed[HASH_KEY_LEN];
	pthread_mutex_t lock;
	struct pool *pool;
	struct list ages; /* the one that has been quiet longest first */
	size_t mask;
	struct gateway **bucket;
};

struct runs *runs_new(size_t most, const uint8_t seed[static HASH_KEY_LEN])
{
	struct runs *runs = calloc(1, sizeof(*runs));
	size_t buckets = 1;

	if (!runs)
		return NULL;
	while (buckets < most)
		buckets *= 2;
	memcpy(runs->seed, seed, HASH_KEY_LEN);
	list_init(&runs->ages);
	runs->mask = buckets - 1;
	runs->bucket = calloc(buckets, sizeof(struct gateway *));
	runs->pool = pool_new(sizeof(struct gateway), most);
	if (runs->bucket && runs->pool &&
	    !pthread_mutex_init(&runs->lock, NULL))
		return runs;
	pool_free(runs->pool);
	free(runs->bucket);
	free(runs);
	return NULL;
}

void runs_free(struct runs *runs)
{
	if (!runs)
		return;
	pthread_mutex_destroy(&runs->lock);
	pool_free(runs->pool);
	free(runs->bucket);
	free(runs);
}

static uint64_t hash_of(const struct runs *runs, const struct addr *client)
{
	return hash_sip(runs->seed, bytes_of(client, sizeof(*client)));
}

static struct gateway *find(struct runs *runs, const struct addr *client)
{
	uint64_t hash = hash_of(runs, client);
	struct gateway *gateway = runs->bucket[hash & runs->mask];

	while (gateway && !addr_equal(&gateway->client, client))
		gateway = gateway->chain;
	return gateway;
}

static void forget(struct runs *runs, struct gateway *gateway)
{
	struct gateway **at = &runs->bucket[gateway->hash & runs->mask];

	while (*at != gateway)
		at = &(*at)->chain;
	*at = gateway->chain;
	list_remove(&gateway->age);
	pool_give(runs->pool, gateway);
}

/* Workers read the clock each for itself: one may be a little behind. */
static bool is_quiet(const struct gateway *gateway, uint64_t now_ms)
{
	return now_ms > gateway->sight.opened_ms &&
	       now_ms - gateway->sight.opened_ms > RUN_GAP_MS;
}

/* NULL: every place is taken by an address with a run under way. */
static struct gateway *take_place(struct runs *runs, uint64_t now_ms)
{
	struct gateway *gateway = pool_take(runs->pool);
	struct gateway *oldest;

	if (gateway)
		return gateway;
	oldest = list_entry(runs->ages.next, struct gateway, age);
	if (!is_quiet(oldest, now_ms))
		return NULL;
	forget(runs, oldest);
	return pool_take(runs->pool);
}

static struct gateway *enter(struct runs *runs, const struct addr *client,
			     uint64_t now_ms)
{
	struct gateway *gateway = take_place(runs, now_ms);
	struct gateway **bucket;

	if (!gateway)
		return NULL;
	gateway->client = *client;
	gateway->hash = hash_of(runs, client);
	bucket = &runs->bucket[gateway->hash & runs->mask];
	gateway->chain = *bucket;
	*bucket = gateway;
	list_init(&gateway->age);
	return gateway;
}

static void begin_run(struct gateway *gateway)
{
	gateway->sight.runs++;
	gateway->is_interleaved = false;
	gateway->nasked = 0;
}

/* Give the client's run a server; it may have to begin first. */
static int choose(struct runs *runs, const struct addr *client,
		  uint64_t candidates, const struct run_chooser *chooser,
		  uint64_t now_ms, struct gateway **gateway)
{
	int slot = chooser->choose(chooser->ctx, candidates);
	bool is_over = *gateway && is_quiet(*gateway, now_ms);
	bool is_known = *gateway;

	if (slot < 0)
		return ERR_NOT_FOUND;
	if (!is_known)
		*gateway = enter(runs, client, now_ms);
	if (!*gateway)
		return ERR_MEMORY;
	if (!is_known || is_over)
		begin_run(*gateway);
	(*gateway)->sight.slot = (unsigned)slot;
	return 0;
}

static bool has_server(const struct gateway *gateway, uint64_t candidates,
		       uint64_t now_ms)
{
	return gateway && !is_quiet(gateway, now_ms) &&
	       candidates & UINT64_C(1) << gateway->sight.slot;
}

static int open_one(struct runs *runs, const struct addr *client,
		    uint64_t candidates, const struct run_chooser *chooser,
		    uint64_t now_ms)
{
	struct gateway *gateway = find(runs, client);
	int err = 0;

	if (!has_server(gateway, candidates, now_ms))
		err = choose(runs, client, candidates, chooser, now_ms,
			     &gateway);
	if (err)
		return err;
	if (gateway->sight.opened_ms < now_ms)
		gateway->sight.opened_ms = now_ms;
	list_move(&runs->ages, &gateway->age);
	return (int)gateway->sight.slot;
}

int run_open(struct runs *runs, const struct addr *client, uint64_t candidates,
	     const struct run_chooser *chooser, uint64_t now_ms)
{
	int slot;

	pthread_mutex_lock(&runs->lock);
	slot = open_one(runs, client, candidates, chooser, now_ms);
	pthread_mutex_unlock(&runs->lock);
	return slot;
}

static uint64_t hash_of_interface(const struct runs *runs,
				  const struct syntax *interface)
{
	uint8_t room[UUID_LEN + sizeof(interface->major)];
	struct builder in = builder_over(room, sizeof(room), true);

	uuid_write(&in, &interface->uuid);
	builder_u16(&in, interface->major);
	return hash_sip(runs->seed, bytes_of(room, in.len));
}

static bool is_asked(const struct gateway *gateway, uint64_t interface)
{
	unsigned i;

	for (i = 0; i < gateway->nasked; i++)
		if (gateway->asked[i] == interface)
			return true;
	return false;
}

/* True: it is interleaved from now on. */
static bool ask(struct gateway *gateway, uint64_t interface)
{
	bool is_repeat = is_asked(gateway, interface);
	bool is_first = is_repeat && !gateway->is_interleaved;

	gateway->is_interleaved |= is_repeat;
	gateway->sight.interleaved += is_first;
	if (!is_repeat && gateway->nasked < RUN_ASKED_MAX)
		gateway->asked[gateway->nasked++] = interface;
	return is_first;
}

static bool is_to_tell(struct gateway *gateway, uint64_t now_ms)
{
	if (now_ms < gateway->quiet_until_ms)
		return false;
	gateway->quiet_until_ms = now_ms + RUN_TELL_MS;
	return true;
}

bool run_ask(struct runs *runs, const struct addr *client,
	     const struct syntax *interface, uint64_t now_ms)
{
	uint64_t hash = hash_of_interface(runs, interface);
	struct gateway *gateway;
	bool tells;

	pthread_mutex_lock(&runs->lock);
	gateway = find(runs, client);
	tells = gateway && ask(gateway, hash) && is_to_tell(gateway, now_ms);
	pthread_mutex_unlock(&runs->lock);
	return tells;
}

int run_look(struct runs *runs, const struct addr *client,
	     struct run_sight *out)
{
	const struct gateway *gateway;

	pthread_mutex_lock(&runs->lock);
	gateway = find(runs, client);
	if (gateway)
		*out = gateway->sight;
	pthread_mutex_unlock(&runs->lock);
	return gateway ? 0 : ERR_NOT_FOUND;
}
