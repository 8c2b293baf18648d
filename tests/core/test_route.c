/*
 * test_route.c - which server and port a connection gets, and what a failed
 * connect says. The tables below are the rules of route.h, line by line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/announced.h"
#include "core/route.h"
#include "world.h"

static struct announced *announced;
static struct router router;

/* Interface A: cas1 5001, cas2 5002, cas3 5003. Interface B: cas1 6001,
 * cas2 5001 (the number that cas1 has for A), cas3 none. Static port 59531
 * is announced by all. */
#define A   1
#define B   2
#define BOX 3

static struct announcement on(uint32_t number, uint16_t port)
{
	return (struct announcement){
		{ .uuid = { .time_low = number }, .major = 1 }, port
	};
}

static void announce(void)
{
	struct announcement one[] = { on(A, 5001), on(B, 6001),
				      on(BOX, 59531) };
	struct announcement two[] = { on(A, 5002), on(B, 5001),
				      on(BOX, 59531) };
	struct announcement three[] = { on(A, 5003), on(BOX, 59531) };

	assert_int_equal(announced_set(announced, 0, one, 3), 1);
	assert_int_equal(announced_set(announced, 1, two, 3), 1);
	assert_int_equal(announced_set(announced, 2, three, 2), 1);
}

static int set_up(void **state)
{
	(void)state;
	world_conf();
	world_start(CONF_METHOD_ROUND_ROBIN);
	announced = announced_new();
	if (!announced)
		return 1;
	router = (struct router){
		.array = &array,
		.sched = &sched,
		.affinity = affinity,
		.announced = announced,
		.leases =
			leases_new(100, WORLD_TIMEOUT, world_seed, NULL, NULL),
		.portmap = portmap_new(),
		.groups = groups_new(100, world_seed),
		.runs = runs_new(10, world_seed),
		.admits_any = true,
	};
	if (!router.leases || !router.portmap || !router.groups || !router.runs)
		return 1;
	announce();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	announced_free(announced);
	leases_free(router.leases);
	portmap_free(router.portmap);
	groups_free(router.groups);
	runs_free(router.runs);
	world_end();
	return 0;
}

static struct route_move left;

static const struct route_first unread;

static enum reason begin(enum route_kind kind, uint16_t port,
			 struct route *route)
{
	struct addr addr = client(1);

	return route_begin(&router, &addr, kind, port, unread, now_ms, route,
			   &left);
}

static void end(struct route *route)
{
	route_end(&router, route, now_ms);
}

static struct route open_one(enum route_kind kind, uint16_t port)
{
	struct route route;

	assert_int_equal(begin(kind, port, &route), REASON_NONE);
	assert_int_equal(route_confirm(&router, &route), REASON_NONE);
	return route;
}

/* The client is bound to the server in <slot> and has no connection. */
static void bind_to(unsigned slot)
{
	struct route route;

	sched.turn = slot;
	route = open_one(ROUTE_FIXED, 135);
	assert_int_equal(route.res.server->slot, slot);
	end(&route);
}

static void assert_nothing_is_held(void)
{
	unsigned i;

	for (i = 0; i < WORLD_SERVERS; i++)
		assert_int_equal(array.server[i].connections, 0);
}

#define NEW (-1) /* the client has no binding */

/* ---- which server, which port ---- */

struct choice {
	int bound; /* to this slot, or NEW */
	enum route_kind kind;
	unsigned port;
	unsigned down; /* servers set aside */
	enum reason reason;
	int slot; /* -1 = any that is up */
	unsigned to;
	const char *why;
};

static const struct choice choices[] = {
	/* fixed ports: the client's server, or the method's; the same port */
	{ NEW, ROUTE_FIXED, 135, 0, REASON_NONE, -1, 135, "new" },
	{ NEW, ROUTE_FIXED, 59531, 1, REASON_NONE, -1, 59531, "new" },
	{ 1, ROUTE_FIXED, 135, 0, REASON_NONE, 1, 135, "bound" },
	{ 2, ROUTE_FIXED, 5001, 0, REASON_NONE, 2, 5001, "bound" },
	{ 1, ROUTE_FIXED, 135, 2, REASON_NONE, -1, 135, "moved" },
	{ NEW, ROUTE_FIXED, 135, 7, REASON_NO_SERVER, 0, 0, NULL },
	{ 1, ROUTE_FIXED, 135, 7, REASON_NO_SERVER, 0, 0, NULL },
	/* a port that nobody announces: the same */
	{ NEW, ROUTE_DYNAMIC, 7777, 0, REASON_NONE, -1, 7777, "new" },
	{ 2, ROUTE_DYNAMIC, 7777, 0, REASON_NONE, 2, 7777, "bound" },
	{ 2, ROUTE_DYNAMIC, 7777, 4, REASON_NONE, -1, 7777, "moved" },
	{ NEW, ROUTE_DYNAMIC, 7777, 7, REASON_NO_SERVER, 0, 0, NULL },
	/* an announced port, bound: its server's, or that for the interface */
	{ 0, ROUTE_DYNAMIC, 5001, 0, REASON_NONE, 0, 5001, "bound" },
	{ 1, ROUTE_DYNAMIC, 5001, 0, REASON_NONE, 1, 5001, "bound" },
	{ 1, ROUTE_DYNAMIC, 5003, 0, REASON_NONE, 1, 5002, "bound" },
	{ 1, ROUTE_DYNAMIC, 6001, 0, REASON_NONE, 1, 5001, "bound" },
	{ 2, ROUTE_DYNAMIC, 6001, 0, REASON_STALE_PORT, 0, 0, NULL },
	{ 2, ROUTE_DYNAMIC, 59531, 0, REASON_NONE, 2, 59531, "bound" },
	/* the port's server may be down: the bound one is asked */
	{ 1, ROUTE_DYNAMIC, 5003, 4, REASON_NONE, 1, 5002, "bound" },
	/* an announced port, no binding: one of its servers, if it is up */
	{ NEW, ROUTE_DYNAMIC, 5003, 0, REASON_NONE, 2, 5003, "new" },
	{ NEW, ROUTE_DYNAMIC, 6001, 0, REASON_NONE, 0, 6001, "new" },
	{ NEW, ROUTE_DYNAMIC, 5001, 1, REASON_NONE, 1, 5001, "new" },
	{ NEW, ROUTE_DYNAMIC, 5003, 4, REASON_PORT_SERVER_DOWN, 0, 0, NULL },
	{ NEW, ROUTE_DYNAMIC, 5001, 3, REASON_PORT_SERVER_DOWN, 0, 0, NULL },
	/* moved: the port meant the interface of the server that it left */
	{ 0, ROUTE_DYNAMIC, 5001, 1 | 4, REASON_NONE, 1, 5002, "moved" },
	{ 0, ROUTE_DYNAMIC, 6001, 1 | 4, REASON_NONE, 1, 5001, "moved" },
	{ 1, ROUTE_DYNAMIC, 5001, 2 | 1, REASON_STALE_PORT, 0, 0, NULL },
	{ 1, ROUTE_DYNAMIC, 5003, 2 | 4, REASON_NONE, 0, 5001, "moved" },
	{ 0, ROUTE_DYNAMIC, 5001, 7, REASON_NO_SERVER, 0, 0, NULL },
};

static void set_aside(uint64_t down)
{
	unsigned i;

	for (i = 0; i < WORLD_SERVERS; i++)
		if (down >> i & 1)
			server_failed(&array.server[i], 0, now_ms);
}

static void check_choice(const struct choice *row)
{
	struct route route;
	unsigned slot;

	if (row->bound != NEW)
		bind_to((unsigned)row->bound);
	set_aside(row->down);
	assert_int_equal(begin(row->kind, (uint16_t)row->port, &route),
			 row->reason);
	if (row->reason) {
		assert_nothing_is_held();
		return;
	}
	slot = route.res.server->slot;
	assert_false(row->down >> slot & 1);
	if (row->slot >= 0)
		assert_int_equal(slot, row->slot);
	assert_int_equal(route.port, row->to);
	assert_int_equal(route.dialled, row->port);
	assert_string_equal(route.why, row->why);
	end(&route);
	assert_nothing_is_held();
}

static void route_begin_walks_its_table(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		print_message("line %zu\n", i);
		check_choice(&choices[i]);
		tear_down(state);
		assert_int_equal(set_up(state), 0);
	}
}

/* ---- what a failed connect says ---- */

struct failure {
	enum route_kind kind;
	uint16_t port;
	bool has_live; /* another connection of the client lives there */
	enum reason cause;
	enum reason outcome;
	int blamed;  /* the port that must answer; 0 = any */
	uint16_t to; /* the port of the next server, cas2 */
};

#define NOBODY	    (-1)
#define REFUSED	    REASON_CONNECT_REFUSED
#define TIMEOUT	    REASON_CONNECT_TIMEOUT
#define UNREACHABLE REASON_CONNECT_UNREACHABLE
#define NONE	    REASON_NONE
#define FIXED	    ROUTE_FIXED
#define DYNAMIC	    ROUTE_DYNAMIC

/* The client is on cas1. */
static const struct failure failures[] = {
	/* against the server: the client goes on to the next */
	{ FIXED, 135, false, REFUSED, NONE, 135, 135 },
	{ FIXED, 59531, false, REFUSED, NONE, 59531, 59531 },
	{ FIXED, 135, false, TIMEOUT, NONE, 135, 135 },
	{ FIXED, 135, false, UNREACHABLE, NONE, 0, 135 },
	{ DYNAMIC, 5001, false, TIMEOUT, NONE, 0, 5002 },
	{ DYNAMIC, 6001, false, UNREACHABLE, NONE, 0, 5001 },
	/* against the port only */
	{ DYNAMIC, 5001, false, REFUSED, REFUSED, NOBODY, 0 },
	/* against nobody: no server announced that port */
	{ DYNAMIC, 7777, false, REFUSED, REFUSED, NOBODY, 0 },
	{ DYNAMIC, 7777, false, TIMEOUT, TIMEOUT, NOBODY, 0 },
	{ DYNAMIC, 7777, false, UNREACHABLE, UNREACHABLE, NOBODY, 0 },
	/* against us: nobody is to blame, nobody moves */
	{ FIXED, 135, false, REASON_SOURCE_EXHAUSTED, REASON_SOURCE_EXHAUSTED,
	  NOBODY, 0 },
	{ DYNAMIC, 5001, false, REASON_SOURCE_EXHAUSTED,
	  REASON_SOURCE_EXHAUSTED, NOBODY, 0 },
	{ FIXED, 135, false, REASON_NO_DESCRIPTORS, REASON_NO_DESCRIPTORS,
	  NOBODY, 0 },
	{ FIXED, 135, false, REASON_NO_MEMORY, REASON_NO_MEMORY, NOBODY, 0 },
	/* a client with live connections there is not moved */
	{ FIXED, 135, true, REFUSED, REFUSED, 135, 0 },
	{ FIXED, 135, true, TIMEOUT, TIMEOUT, 135, 0 },
	{ DYNAMIC, 5001, true, TIMEOUT, TIMEOUT, 0, 0 },
	{ DYNAMIC, 5001, true, UNREACHABLE, UNREACHABLE, 0, 0 },
	{ DYNAMIC, 7777, true, TIMEOUT, TIMEOUT, NOBODY, 0 },
	{ DYNAMIC, 5001, true, REFUSED, REFUSED, NOBODY, 0 },
};

static void check_failure(const struct failure *row)
{
	struct server *first = &array.server[0];
	bool is_blamed = row->blamed != NOBODY;
	struct route live = { 0 }, route;
	enum reason outcome;

	sched.turn = 0;
	if (row->has_live)
		live = open_one(ROUTE_FIXED, 135);
	assert_int_equal(begin(row->kind, row->port, &route), REASON_NONE);
	sched.turn = 0; /* of cas2 and cas3: cas2 */
	assert_ptr_equal(route.res.server, first);
	outcome = route_failed(&router, &route, row->cause, now_ms);
	assert_int_equal(outcome, row->outcome);
	assert_int_equal(first->failures, is_blamed);
	assert_int_equal(route.set_aside_ms, is_blamed ? 1000 : 0);
	assert_int_equal(route.failed_port, row->port);
	if (is_blamed)
		assert_int_equal(first->blamed_port, row->blamed);
	assert_int_equal(route.res.server->slot, outcome == NONE);
	if (outcome == NONE) {
		assert_int_equal(route.port, row->to);
		assert_string_equal(route.why, "moved");
		assert_int_equal(first->bindings, 0);
	}
	end(&route);
	end(&live);
	assert_nothing_is_held();
}

static void route_failed_walks_its_table(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		print_message("line %zu\n", i);
		check_failure(&failures[i]);
		tear_down(state);
		assert_int_equal(set_up(state), 0);
	}
}

static void route_tries_each_server_once_then_gives_the_cause(void **state)
{
	struct route route;
	uint64_t seen = 0;
	unsigned i;

	(void)state;
	assert_int_equal(begin(FIXED, 135, &route), NONE);
	for (i = 0; i < WORLD_SERVERS; i++) {
		assert_false(seen & server_bit(route.res.server));
		seen |= server_bit(route.res.server);
		assert_int_equal(route_failed(&router, &route, REFUSED, now_ms),
				 i < 2 ? NONE : REFUSED);
		now_ms += 5000; /* the first ones are open again */
	}
	assert_true(seen == 7);
	end(&route);
	assert_nothing_is_held();
}

static void route_chain_of_failures_means_the_first_server_s_port(void **s)
{
	struct route route;

	(void)s;
	sched.turn = 0;
	assert_int_equal(begin(DYNAMIC, 5001, &route), NONE);
	assert_int_equal(route.res.server->slot, 0);
	sched.turn = 0;
	assert_int_equal(route_failed(&router, &route, TIMEOUT, now_ms), NONE);
	assert_int_equal(route.res.server->slot, 1);
	assert_int_equal(route.port, 5002); /* not 5001, which is B there */
	assert_int_equal(route_failed(&router, &route, TIMEOUT, now_ms), NONE);
	assert_int_equal(route.res.server->slot, 2);
	assert_int_equal(route.port, 5003);
	assert_int_equal(route.set_aside_ms, 1000);
	assert_int_equal(route_failed(&router, &route, REFUSED, now_ms),
			 REFUSED); /* the port only, this time */
	assert_int_equal(route.set_aside_ms, 0);
	end(&route);
}

static void route_next_server_without_the_interface_is_stale_port(void **s)
{
	struct route route;

	(void)s;
	array.server[1].state = CONF_STATE_DRAIN;
	assert_int_equal(begin(DYNAMIC, 6001, &route), NONE);
	assert_int_equal(route_failed(&router, &route, TIMEOUT, now_ms),
			 REASON_STALE_PORT);
	assert_int_equal(route.res.server->slot, 2);
	end(&route);
	assert_nothing_is_held();
}

/* A port may be withdrawn while a connection to it is being accepted. */
static void route_without_admit_any_refuses_what_nobody_announces(void **state)
{
	struct route route;

	(void)state;
	atomic_store(&router.admits_any, false);
	bind_to(0);
	assert_int_equal(begin(DYNAMIC, 7777, &route), REASON_NOT_ADMITTED);
	assert_nothing_is_held();
	assert_int_equal(begin(DYNAMIC, 5001, &route), NONE);
	end(&route);
	assert_int_equal(begin(FIXED, 7777, &route), NONE); /* a service's */
	end(&route);
}

/* Whoever dials ports that nobody announced must not take the servers from
 * the others. */
static void route_silent_made_up_ports_leave_the_servers_alone(void **state)
{
	struct addr honest = client(99);
	struct route route[WORLD_SERVERS], other;
	unsigned i;

	(void)state;
	for (i = 0; i < WORLD_SERVERS; i++) {
		struct addr addr = client(i);

		assert_int_equal(route_begin(&router, &addr, DYNAMIC,
					     (uint16_t)(7001 + i), unread,
					     now_ms, &route[i], &left),
				 NONE);
	}
	for (i = 0; i < WORLD_SERVERS; i++) {
		assert_int_equal(
			route_failed(&router, &route[i], TIMEOUT, now_ms),
			TIMEOUT);
		end(&route[i]);
	}
	assert_true(array_open(&array, now_ms) == 7);
	assert_int_equal(route_begin(&router, &honest, FIXED, 135, unread,
				     now_ms, &other, &left),
			 NONE);
	end(&other);
	assert_nothing_is_held();
}

/* The prober asks 135 alone. */
static void route_silent_dynamic_port_is_cleared_by_an_answer_on_135(void **s)
{
	struct route route;

	(void)s;
	sched.turn = 0;
	assert_int_equal(begin(DYNAMIC, 5001, &route), NONE);
	assert_int_equal(route_failed(&router, &route, TIMEOUT, now_ms), NONE);
	assert_true(array_open(&array, now_ms) == 6);
	server_answered(&array.server[0], 135);
	assert_true(array_open(&array, now_ms) == 7);
	end(&route);
}

static void route_parallel_failures_blame_once_and_agree(void **state)
{
	struct route route[50];
	unsigned i;

	(void)state;
	for (i = 0; i < 50; i++)
		assert_int_equal(begin(FIXED, 135, &route[i]), NONE);
	for (i = 0; i < 50; i++) {
		assert_int_equal(
			route_failed(&router, &route[i], REFUSED, now_ms),
			NONE);
		assert_int_equal(route[i].set_aside_ms, i ? 0 : 1000);
		assert_ptr_equal(route[i].res.server, route[0].res.server);
		assert_int_equal(route[i].res.moves, 1);
	}
	for (i = 0; i < 50; i++) {
		assert_int_equal(route_confirm(&router, &route[i]), NONE);
		end(&route[i]);
	}
	assert_nothing_is_held();
}

static void route_that_reached_the_server_left_behind_is_told(void **state)
{
	struct route slow, quick;

	(void)state;
	assert_int_equal(begin(FIXED, 135, &slow), NONE);
	assert_int_equal(begin(FIXED, 135, &quick), NONE);
	assert_int_equal(route_failed(&router, &quick, REFUSED, now_ms), NONE);
	assert_int_equal(route_confirm(&router, &quick), NONE);
	assert_int_equal(route_confirm(&router, &slow), REASON_BINDING_MOVED);
	assert_int_equal(slow.res.server->failures, 0); /* it did answer */
	end(&slow);
	end(&quick);
	assert_nothing_is_held();
}

static void route_confirm_ends_the_row_of_failures(void **state)
{
	struct route route;

	(void)state;
	set_aside(1);
	now_ms += 1000;
	bind_to(0);
	assert_int_equal(array.server[0].failures, 0);
	assert_int_equal(begin(FIXED, 135, &route), NONE);
	end(&route);
}

static void route_of_a_full_table_is_table_full(void **state)
{
	struct addr second = client(2);
	struct route route, other;

	(void)state;
	affinity_free(affinity);
	conf->affinity.entries = 1;
	world_start(CONF_METHOD_ROUND_ROBIN);
	router.affinity = affinity;
	route = open_one(FIXED, 135);
	assert_int_equal(route_begin(&router, &second, FIXED, 135, unread,
				     now_ms, &other, &left),
			 REASON_TABLE_FULL);
	end(&route);
	assert_nothing_is_held();
}

static void route_refused_dynamic_port_keeps_the_client(void **state)
{
	struct route route;

	(void)state;
	bind_to(1);
	assert_int_equal(begin(DYNAMIC, 5002, &route), NONE);
	assert_int_equal(route_failed(&router, &route, REFUSED, now_ms),
			 REFUSED);
	end(&route);
	assert_int_equal(array.server[1].bindings, 1);
	assert_true(array_open(&array, now_ms) == 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(route_begin_walks_its_table),
		TEST(route_failed_walks_its_table),
		TEST(route_tries_each_server_once_then_gives_the_cause),
		TEST(route_chain_of_failures_means_the_first_server_s_port),
		TEST(route_next_server_without_the_interface_is_stale_port),
		TEST(route_without_admit_any_refuses_what_nobody_announces),
		TEST(route_silent_made_up_ports_leave_the_servers_alone),
		TEST(route_silent_dynamic_port_is_cleared_by_an_answer_on_135),
		TEST(route_parallel_failures_blame_once_and_agree),
		TEST(route_that_reached_the_server_left_behind_is_told),
		TEST(route_confirm_ends_the_row_of_failures),
		TEST(route_of_a_full_table_is_table_full),
		TEST(route_refused_dynamic_port_keeps_the_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
