/*
 * test_route_gateway.c - ten thousand clients behind one shared address.
 *
 * Each asks 135 for four interfaces on a connection each, no more than 2 s
 * apart, and connects to the four ports that it was told. How those of many
 * clients fall between one another is drawn by lot, in model time. A client
 * whose connections reach two servers is split: there must be none. One that
 * did not get a server of its own turn is counted only.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "route_world.h"

#define CLIENTS	 10000
#define STEPS	 8 /* four questions, four connections */
#define HELD_MAX 4 /* connections that a client may have open */

struct user {
	uint64_t at_ms; /* its next step */
	unsigned step;
	uint64_t servers; /* all that it reached */
	uint16_t told[4];
	struct route held[HELD_MAX];
};

static struct user user[CLIENTS];
static struct addr gateway;
static uint64_t random_state;

/* xorshift64: the same in each run of the test. */
static uint64_t draw(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

/* All servers have all four. */
static const struct layout full = { {
	{ 0, 5001, 5101, 5201, 5301 },
	{ 0, 5101, 5001, 5301, 5201 },
	{ 0, 5001, 7101, 7201, 7301 },
} };

static int set_up(void **state)
{
	(void)state;
	world_conf();
	conf->affinity.entries = 100000;
	share("198.51.100.0/24");
	router_start(CONF_METHOD_ROUND_ROBIN, 100000);
	gateway = address("198.51.100.7");
	announce_all(&full);
	map_ports();
	memset(user, 0, sizeof(user));
	random_state = 88172645463325252;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	router_end();
	return 0;
}

static uint64_t reach(struct user *who, enum route_kind kind, uint16_t port)
{
	struct route *route = &who->held[who->step % HELD_MAX];
	uint64_t server;

	end(route);
	*route = connected(&gateway, kind, port, 0);
	server = server_bit(route->res.server);
	if (kind == ROUTE_DYNAMIC)
		assert_int_equal(
			route->port,
			full.port[route->res.server->slot][who->step - 3]);
	who->servers |= server;
	return server;
}

/* The server's answer is rewritten: the client is told its virtual port. */
static void take_step(struct user *who)
{
	struct syntax what = interface(who->step + 1);
	unsigned slot;

	if (who->step < 4) {
		slot = (unsigned)__builtin_ctzll(reach(who, ROUTE_MAPPER, 135));
		run_ask(router.runs, &gateway, &what, now_ms);
		who->told[who->step] = told(slot, who->step + 1,
					    full.port[slot][who->step + 1]);
	} else {
		reach(who, ROUTE_DYNAMIC, who->told[who->step - 4]);
	}
	who->step++;
}

/* ---- who is next: a heap, the earliest first ---- */

static unsigned heap[CLIENTS], nheap;

static bool is_before(unsigned a, unsigned b)
{
	if (user[a].at_ms != user[b].at_ms)
		return user[a].at_ms < user[b].at_ms;
	return a < b;
}

static void sink(unsigned i)
{
	unsigned kid, keep = heap[i];

	while ((kid = 2 * i + 1) < nheap) {
		kid += kid + 1 < nheap && is_before(heap[kid + 1], heap[kid]);
		if (!is_before(heap[kid], keep))
			break;
		heap[i] = heap[kid];
		i = kid;
	}
	heap[i] = keep;
}

/* Their first steps fall within <spread_ms>, later ones <gap_ms> or less
 * after one another. */
static void play(uint64_t spread_ms, uint64_t gap_ms)
{
	uint64_t start = now_ms;
	unsigned i;

	for (nheap = 0; nheap < CLIENTS; nheap++) {
		user[nheap].at_ms = start + draw(spread_ms + 1);
		heap[nheap] = nheap;
	}
	for (i = CLIENTS / 2; i-- > 0;)
		sink(i);
	while (nheap) {
		struct user *next = &user[heap[0]];

		now_ms = next->at_ms;
		take_step(next);
		next->at_ms += draw(gap_ms + 1);
		if (next->step == STEPS)
			heap[0] = heap[--nheap];
		sink(0);
	}
}

/* ---- what came of it ---- */

static unsigned count_split(void)
{
	unsigned i, n = 0;

	for (i = 0; i < CLIENTS; i++)
		n += __builtin_popcountll(user[i].servers) != 1;
	return n;
}

static void say(const char *how, unsigned wanted_runs)
{
	unsigned count[WORLD_SERVERS] = { 0 }, i;
	struct run_sight sight;

	for (i = 0; i < CLIENTS; i++)
		count[__builtin_ctzll(user[i].servers)]++;
	assert_int_equal(run_look(router.runs, &gateway, &sight), 0);
	print_message("%s: %u clients, %u split, %u not spread (%u runs, %u "
		      "of them several clients'); a server has %u, %u, %u\n",
		      how, CLIENTS, count_split(),
		      CLIENTS - (unsigned)sight.runs, (unsigned)sight.runs,
		      (unsigned)sight.interleaved, count[0], count[1],
		      count[2]);
	if (wanted_runs)
		assert_int_equal(sight.runs, wanted_runs);
}

static void let_all_go(void)
{
	unsigned i, j;

	for (i = 0; i < CLIENTS; i++)
		for (j = 0; j < HELD_MAX; j++)
			end(&user[i].held[j]);
	assert_int_equal(connections(), 0);
	assert_int_equal(affinity_count(affinity), 0);
}

static void clients_one_after_the_other_are_spread_and_none_is_split(void **s)
{
	unsigned i, j;

	(void)s;
	for (i = 0; i < CLIENTS; i++) {
		now_ms += RUN_GAP_MS + 1 + draw(1000);
		for (j = 0; j < STEPS; j++) {
			take_step(&user[i]);
			now_ms += j < 3 ? draw(RUN_GAP_MS + 1) : 0;
		}
	}
	assert_int_equal(count_split(), 0);
	say("sequential", CLIENTS);
	let_all_go();
}

struct crowd {
	const char *how;
	uint64_t spread_ms, gap_ms;
};

static const struct crowd crowds[] = {
	{ "all at once", 0, 0 },
	{ "in a minute", 60000, RUN_GAP_MS },
	{ "in an hour", 3600000, RUN_GAP_MS },
	{ "in a day", 86400000, RUN_GAP_MS },
	{ "in a day, quick ones", 86400000, 50 },
};

static void interleaved_clients_are_never_split(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(crowds) / sizeof(crowds[0]); i++) {
		play(crowds[i].spread_ms, crowds[i].gap_ms);
		assert_int_equal(count_split(), 0);
		say(crowds[i].how, 0);
		let_all_go();
		tear_down(state);
		set_up(state);
	}
}

/* ---- the table from two threads ---- */

#define EACH 2000

struct half {
	pthread_t thread;
	struct addr from;
	unsigned split;
};

static uint64_t visit(const struct addr *from, enum route_kind kind,
		      uint16_t port)
{
	static const struct route_first unread;
	struct route_move move;
	struct route route;
	uint64_t server;

	if (route_begin(&router, from, kind, port, unread, now_ms, &route,
			&move))
		return 0;
	server = route_confirm(&router, &route) ? 0
						: server_bit(route.res.server);
	route_end(&router, &route, now_ms);
	return server;
}

static void *run_half(void *ctx)
{
	struct half *half = ctx;
	unsigned i, what, slot;
	uint64_t first, here;

	for (i = 0; i < EACH; i++) {
		first = visit(&half->from, ROUTE_MAPPER, 135);
		here = first;
		slot = first ? (unsigned)__builtin_ctzll(first) : 0;
		for (what = EMSMDB; what < INTERFACES; what++) {
			here |= visit(&half->from, ROUTE_MAPPER, 135);
			here |= visit(&half->from, ROUTE_DYNAMIC,
				      told(slot, what, full.port[slot][what]));
		}
		half->split += !first || here != first;
	}
	return NULL;
}

/* The clock stands still: each address has one run, whoever begins it. */
static void two_threads_of_one_address_split_nobody(void **state)
{
	struct half half[2] = { { .from = gateway }, { .from = gateway } };
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&half[i].thread, NULL, run_half,
						&half[i]),
				 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(half[i].thread, NULL), 0);
		assert_int_equal(half[i].split, 0);
	}
	assert_int_equal(connections(), 0);
	assert_int_equal(affinity_count(affinity), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(clients_one_after_the_other_are_spread_and_none_is_split),
		TEST(interleaved_clients_are_never_split),
		TEST(two_threads_of_one_address_split_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
