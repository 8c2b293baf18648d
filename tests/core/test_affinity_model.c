/*
 * test_affinity_model.c - 100,000 random operations on the table of bindings
 * and on a model of it that is too simple to be wrong: plain arrays, every
 * count made by counting.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "world.h"

#define OPERATIONS   100000
#define CLIENTS	     24
#define ENTRIES	     12
#define RESERVATIONS 30
#define TIMEOUT	     50

struct model_client {
	struct server *server;
	uint64_t idle_since;
	unsigned idle_order;
	uint32_t moves;
	bool is_bound, is_confirmed;
};

struct model_reservation {
	bool is_used, is_live;
	unsigned client;
	struct server *server;
	uint32_t moves;
	struct reservation real;
};

static struct model_client clients[CLIENTS];
static struct model_reservation reservations[RESERVATIONS];
static unsigned idle_order;
static uint64_t luck;
static unsigned done[16], met[4]; /* how often what happened */

enum met { MET_EVICTION, MET_FULL, MET_STALE_CONFIRM, MET_BUSY };

static unsigned rnd(unsigned below)
{
	luck = luck * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(luck >> 33) % below;
}

/* ---- the model ---- */

static unsigned held(unsigned c)
{
	unsigned i, n = 0;

	for (i = 0; i < RESERVATIONS; i++)
		n += reservations[i].is_used && reservations[i].client == c;
	return n;
}

static unsigned live(unsigned c)
{
	const struct model_reservation *r;
	unsigned n = 0;

	for (r = reservations; r < reservations + RESERVATIONS; r++)
		n += r->is_used && r->client == c && r->is_live &&
		     r->moves == clients[c].moves;
	return n;
}

static unsigned bound(const struct server *server)
{
	unsigned c, n = 0;

	for (c = 0; c < CLIENTS; c++)
		n += clients[c].is_bound &&
		     (!server || clients[c].server == server);
	return n;
}

static unsigned connected(const struct server *server)
{
	unsigned i, n = 0;

	for (i = 0; i < RESERVATIONS; i++)
		n += reservations[i].is_used &&
		     reservations[i].server == server;
	return n;
}

static bool has_timed_out(unsigned c)
{
	return clients[c].is_bound && !held(c) &&
	       now_ms - clients[c].idle_since >= TIMEOUT;
}

static bool serves(unsigned c)
{
	return server_serves(clients[c].server, live(c), now_ms);
}

/* The choice depends on the candidates alone, so that both make the same. */
static struct server *first_open(uint64_t except)
{
	uint64_t open = array_open(&array, now_ms) & ~except;

	return open ? &array.server[__builtin_ctzll(open)] : NULL;
}

static bool evict_oldest(void)
{
	unsigned c, oldest = CLIENTS;

	for (c = 0; c < CLIENTS; c++)
		if (clients[c].is_bound && !held(c) &&
		    (oldest == CLIENTS ||
		     clients[c].idle_order < clients[oldest].idle_order))
			oldest = c;
	if (oldest == CLIENTS)
		return false;
	clients[oldest].is_bound = false;
	met[MET_EVICTION]++;
	return true;
}

static int model_move(unsigned c, uint64_t except)
{
	struct server *server =
		first_open(except | server_bit(clients[c].server));

	if (!server)
		return ERR_NOT_FOUND;
	clients[c].server = server;
	clients[c].moves++;
	return 0;
}

static int model_reserve(unsigned c)
{
	struct server *server = first_open(0);

	if (has_timed_out(c))
		clients[c].is_bound = false;
	if (clients[c].is_bound)
		return serves(c) ? 0 : model_move(c, 0);
	if (!server)
		return ERR_NOT_FOUND;
	if (bound(NULL) == ENTRIES && !evict_oldest()) {
		met[MET_FULL]++;
		return ERR_MEMORY;
	}
	clients[c] =
		(struct model_client){ .is_bound = true, .server = server };
	return 0;
}

static int model_fail(struct model_reservation *r, uint64_t except)
{
	struct model_client *c = &clients[r->client];
	bool is_current = r->moves == c->moves;

	if (is_current && live(r->client) && serves(r->client)) {
		met[MET_BUSY]++;
		return ERR_BUSY;
	}
	if (is_current || !serves(r->client))
		return model_move(r->client, except);
	return except & server_bit(c->server) ? ERR_NOT_FOUND : 0;
}

static void model_release(struct model_reservation *r)
{
	struct model_client *c = &clients[r->client];

	r->is_used = false;
	if (held(r->client))
		return;
	c->is_bound = c->is_confirmed && c->server->life == SERVER_IN_USE;
	c->idle_since = now_ms;
	c->idle_order = idle_order++;
}

/* ---- the operations, on both ---- */

static struct server *choose(void *ctx, uint64_t except, uint64_t key,
			     const struct server *from)
{
	(void)ctx;
	(void)key;
	(void)from;
	return first_open(except);
}

/* Where the binding is, both say. */
static void follow(struct model_reservation *r)
{
	r->server = clients[r->client].server;
	r->moves = clients[r->client].moves;
	assert_ptr_equal(r->real.server, r->server);
	assert_int_equal(r->real.moves, r->moves);
}

static void op_reserve(struct model_reservation *r)
{
	struct affinity_chooser chooser = { choose, NULL, 0 };
	unsigned c = rnd(CLIENTS);
	struct addr addr = client(c);
	int err;

	if (r->is_used)
		return;
	err = affinity_reserve(affinity, &addr, &chooser, now_ms, &r->real);
	assert_int_equal(err, model_reserve(c));
	if (err)
		return;
	r->is_used = true;
	r->is_live = false;
	r->client = c;
	follow(r);
}

static void op_confirm(struct model_reservation *r)
{
	struct model_client *c = &clients[r->client];

	if (!r->is_used || r->is_live)
		return;
	r->is_live = r->moves == c->moves;
	c->is_confirmed |= r->is_live;
	met[MET_STALE_CONFIRM] += !r->is_live;
	assert_int_equal(affinity_confirm(affinity, &r->real), r->is_live);
}

static void op_fail(struct model_reservation *r)
{
	struct affinity_chooser chooser = { choose, NULL, rnd(8) };
	int err;

	if (!r->is_used || r->is_live)
		return;
	if (rnd(2))
		server_failed(r->server, 0, now_ms);
	err = affinity_move(affinity, &r->real, &chooser, now_ms);
	assert_int_equal(err, model_fail(r, chooser.except));
	if (!err)
		follow(r);
}

static void op_release(struct model_reservation *r)
{
	if (!r->is_used)
		return;
	affinity_release(affinity, &r->real, now_ms);
	model_release(r);
}

static void op_expire(struct model_reservation *r)
{
	unsigned c, n = 0;

	(void)r;
	for (c = 0; c < CLIENTS; c++)
		if (has_timed_out(c)) {
			clients[c].is_bound = false;
			n++;
		}
	assert_int_equal(affinity_expire(affinity, now_ms, CLIENTS), n);
}

static void op_look(struct model_reservation *r)
{
	unsigned c = rnd(CLIENTS);
	struct addr addr = client(c);
	bool is_bound = clients[c].is_bound && !has_timed_out(c);

	(void)r;
	assert_int_equal(affinity_is_bound(affinity, &addr, now_ms), is_bound);
}

static void op_wait(struct model_reservation *r)
{
	(void)r;
	now_ms += rnd(20);
}

static void op_recover(struct model_reservation *r)
{
	(void)r;
	server_answered(&array.server[rnd(5)], 135);
}

static void op_state(struct model_reservation *r)
{
	static const enum conf_state states[] = {
		CONF_STATE_ENABLED, CONF_STATE_ENABLED, CONF_STATE_ENABLED,
		CONF_STATE_DRAIN, CONF_STATE_DISABLED
	};

	(void)r;
	array.server[rnd(5)].state = (uint8_t)states[rnd(5)];
}

/* Another configuration: one of the servers, or two, or three. */
static void op_reload(struct model_reservation *r)
{
	unsigned slot, c;

	(void)r;
	conf->nservers = 1 + rnd(WORLD_SERVERS);
	conf->server[0].address.octet[3] = (uint8_t)(1 + rnd(2));
	assert_int_equal(array_apply(&array, conf), 0);
	affinity_forget_leaving(affinity, rnd(CLIENTS)); /* begin, then end */
	affinity_forget_leaving(affinity, UINT_MAX);
	for (slot = 0; slot < ARRAY_SLOTS; slot++) {
		if (array.server[slot].life != SERVER_LEAVING)
			continue;
		for (c = 0; c < CLIENTS; c++)
			clients[c].is_bound &=
				held(c) ||
				clients[c].server != &array.server[slot];
	}
}

static void op_sweep(struct model_reservation *r)
{
	uint64_t freed = 0;
	unsigned i;

	(void)r;
	for (i = 0; i < ARRAY_SLOTS; i++)
		if (array.server[i].life == SERVER_LEAVING &&
		    !bound(&array.server[i]) && !connected(&array.server[i]))
			freed |= UINT64_C(1) << i;
	assert_true(array_sweep(&array) == freed);
}

static void compare(void)
{
	unsigned i;

	for (i = 0; i < ARRAY_SLOTS; i++) {
		assert_int_equal(array.server[i].bindings,
				 bound(&array.server[i]));
		assert_int_equal(array.server[i].connections,
				 connected(&array.server[i]));
	}
	assert_int_equal(affinity_count(affinity), bound(NULL));
}

static const struct {
	unsigned often; /* of 100 */
	void (*run)(struct model_reservation *r);
} operations[] = {
	{ 26, op_reserve }, { 20, op_confirm }, { 10, op_fail },
	{ 18, op_release }, { 4, op_expire },	{ 8, op_look },
	{ 6, op_wait },	    { 3, op_recover },	{ 2, op_state },
	{ 1, op_reload },   { 2, op_sweep },
};

static void step(void)
{
	unsigned at = rnd(100), i = 0;

	while (at >= operations[i].often)
		at -= operations[i++].often;
	done[i]++;
	operations[i].run(&reservations[rnd(RESERVATIONS)]);
}

static void affinity_counts_as_the_model_after_every_operation(void **state)
{
	unsigned i;

	(void)state;
	luck = 20100817;
	world_conf();
	conf->affinity.entries = ENTRIES;
	conf->affinity.timeout_ms = TIMEOUT;
	world_start(CONF_METHOD_ROUND_ROBIN);
	for (i = 0; i < OPERATIONS; i++) {
		step();
		compare();
	}
	for (i = 0; i < RESERVATIONS; i++)
		op_release(&reservations[i]);
	compare();
	for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		assert_true(done[i] > 0);
	for (i = 0; i < sizeof(met) / sizeof(met[0]); i++) {
		print_message("special case %u: %u times\n", i, met[i]);
		assert_true(met[i] > 10);
	}
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			affinity_counts_as_the_model_after_every_operation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
