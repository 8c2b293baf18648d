/*
 * test_route_shared.c - clients whose connections stand for themselves: those
 * behind a shared address, and all with key = none. The port decides, or the
 * association group, or the run of connections to 135.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "route_world.h"

#define NONE	REASON_NONE
#define DOWN	REASON_PORT_SERVER_DOWN
#define GONE	REASON_GROUP_GONE
#define REFUSED REASON_CONNECT_REFUSED
#define TIMEOUT REASON_CONNECT_TIMEOUT

static struct addr gateway, me;

static int set_up(void **state)
{
	(void)state;
	world_conf();
	share("198.51.100.7");
	router_start(CONF_METHOD_ROUND_ROBIN, 100);
	gateway = address("198.51.100.7");
	me = client(1);
	announce_all(&swapped);
	map_ports();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(connections(), 0);
	router_end();
	return 0;
}

static void key_none(void)
{
	conf->affinity.key = CONF_KEY_NONE;
	affinity_reconfigure(affinity, conf);
}

static unsigned slot_of(struct route *route)
{
	unsigned slot = route->res.server->slot;

	end(route);
	return slot;
}

/* Where a connection to 135 goes that is over at once. */
static unsigned asks(const struct addr *who, uint32_t group)
{
	struct route route = connected(who, ROUTE_MAPPER, 135, group);

	return slot_of(&route);
}

static uint16_t told_of(unsigned slot, unsigned what)
{
	return told(slot, what, swapped.port[slot][what]);
}

/* ---- the port decides ---- */

struct line {
	unsigned told_of, what;
	enum how how;
	unsigned who;
	enum reason reason;
};

static const struct line lines[] = {
	{ 0, EMSMDB, UP, 0, NONE },
	{ 1, RFR, UP, 0, NONE },
	{ 2, NSPI, UP, 0, NONE },
	{ 2, ASYNC, ASIDE, 3, NONE },
	/* who was told of it is there already */
	{ 1, NSPI, DRAINED, 2, NONE },
	{ 1, NSPI, DRAINED, 7, NONE },
	/* never another server: the client has the rest there */
	{ 0, EMSMDB, ASIDE, 1, DOWN },
	{ 0, EMSMDB, DISABLED, 1, DOWN },
	{ 0, EMSMDB, LEAVING, 1, DOWN },
	{ 2, NSPI, ASIDE, 7, DOWN },
};

static void check_line(const struct line *line)
{
	uint16_t dialled = told_of(line->told_of, line->what);
	struct route route, others[WORLD_SERVERS];
	enum reason reason;
	unsigned i;

	for (i = 0; i < WORLD_SERVERS; i++) /* of the same address */
		others[i] = connected(&gateway, ROUTE_DYNAMIC,
				      told_of(i, EMSMDB), 0);
	make(line->who, line->how);
	reason = begin_of(&gateway, ROUTE_DYNAMIC, dialled, 0, &route);
	assert_string_equal(reason_name(reason), reason_name(line->reason));
	if (!reason) {
		assert_int_equal(route.port,
				 swapped.port[line->told_of][line->what]);
		assert_int_equal(slot_of(&route), line->told_of);
	}
	for (i = 0; i < WORLD_SERVERS; i++)
		end(&others[i]);
}

static void shared_address_walks_the_ports_table(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		print_message("line %zu: %s\n", i, how_name[lines[i].how]);
		check_line(&lines[i]);
		tear_down(state);
		set_up(state);
	}
}

static void shared_address_has_no_binding(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < WORLD_SERVERS; i++) {
		struct route route = connected(&gateway, ROUTE_DYNAMIC,
					       told_of(i, ASYNC), 0);

		assert_int_equal(slot_of(&route), i);
	}
	assert_int_equal(affinity_count(affinity), 0);
	assert_false(affinity_is_bound(affinity, &gateway, now_ms));
}

/* The rest of the client is there: it is to ask 135 again, for all. */
static void shared_address_is_not_led_from_a_told_port_to_another_server(
	void **state)
{
	static const enum reason causes[] = { TIMEOUT, REFUSED,
					      REASON_CONNECT_UNREACHABLE };
	struct route route;
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++) {
		assert_int_equal(begin_of(&gateway, ROUTE_DYNAMIC,
					  told_of(1, NSPI), 0, &route),
				 NONE);
		assert_int_equal(
			route_failed(&router, &route, causes[i], now_ms),
			causes[i]);
		assert_int_equal(slot_of(&route), 1);
		assert_int_equal(array.server[1].failures > 0,
				 causes[i] != REFUSED || i > 0);
		now_ms += ARRAY_ASIDE_MAX_MS;
	}
}

static void shared_address_with_a_lease_of_a_real_port_goes_there(void **state)
{
	struct route route;

	(void)state;
	grant(&gateway, 5001, 1, ASYNC, 5001); /* which is cas1's virtual one */
	assert_int_equal(begin_of(&gateway, ROUTE_DYNAMIC, 5001, 0, &route),
			 NONE);
	assert_int_equal(route.port, 5001);
	assert_int_equal(slot_of(&route), 1);
}

/* ---- runs of connections to 135 ---- */

static void run_keeps_its_server_for_two_seconds_after_each(void **state)
{
	unsigned first = asks(&gateway, 0), i;

	(void)state;
	for (i = 0; i < 20; i++) {
		now_ms += RUN_GAP_MS;
		assert_int_equal(asks(&gateway, 0), first);
	}
	now_ms += RUN_GAP_MS + 1;
	assert_int_not_equal(asks(&gateway, 0), first);
}

static void runs_take_turns_over_all_servers(void **state)
{
	unsigned count[WORLD_SERVERS] = { 0 }, i;

	(void)state;
	for (i = 0; i < 30; i++) {
		count[asks(&gateway, 0)]++;
		now_ms += RUN_GAP_MS + 1;
	}
	for (i = 0; i < WORLD_SERVERS; i++)
		assert_int_equal(count[i], 10);
}

static void run_of_one_address_is_not_another_s(void **state)
{
	struct addr second = address("198.51.100.8");
	unsigned first = asks(&gateway, 0);

	(void)state;
	share("198.51.100.8");
	affinity_reconfigure(affinity, conf);
	assert_int_not_equal(asks(&second, 0), first);
	assert_int_equal(asks(&gateway, 0), first);
}

static void run_goes_on_elsewhere_when_its_server_fails(void **state)
{
	unsigned first = asks(&gateway, 0), then;

	(void)state;
	make(UINT64_C(1) << first, ASIDE);
	then = asks(&gateway, 0);
	assert_int_not_equal(then, first);
	now_ms += RUN_GAP_MS;
	assert_true(array_open(&array, now_ms) == 7); /* it is back */
	assert_int_equal(asks(&gateway, 0), then);
}

/* Three connections of a run are being opened; each of them fails. */
static void run_agrees_on_one_server_after_parallel_failures(void **state)
{
	struct route route[3];
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_int_equal(
			begin_of(&gateway, ROUTE_MAPPER, 135, 0, &route[i]),
			NONE);
	for (i = 0; i < 3; i++) {
		assert_int_equal(
			route_failed(&router, &route[i], TIMEOUT, now_ms),
			NONE);
		assert_int_equal(route[i].port, 135);
		assert_ptr_equal(route[i].res.server, route[0].res.server);
	}
	assert_int_equal(asks(&gateway, 0), route[0].res.server->slot);
	for (i = 0; i < 3; i++) {
		assert_int_equal(route_confirm(&router, &route[i]), NONE);
		end(&route[i]);
	}
}

static void run_tries_each_server_once_then_gives_the_cause(void **state)
{
	struct route route;
	uint64_t seen = 0;
	unsigned i;

	(void)state;
	assert_int_equal(begin_of(&gateway, ROUTE_MAPPER, 135, 0, &route),
			 NONE);
	for (i = 0; i < WORLD_SERVERS; i++) {
		assert_false(seen & server_bit(route.res.server));
		seen |= server_bit(route.res.server);
		assert_int_equal(route_failed(&router, &route, REFUSED, now_ms),
				 i < 2 ? NONE : REFUSED);
		now_ms += 1500; /* the first ones are open again */
	}
	end(&route);
}

static void run_without_any_server_is_no_server(void **state)
{
	struct route route;

	(void)state;
	make(7, ASIDE);
	assert_int_equal(begin_of(&gateway, ROUTE_MAPPER, 135, 0, &route),
			 REASON_NO_SERVER);
}

/* What could not be remembered would be split. */
static void run_that_has_no_place_is_refused(void **state)
{
	struct addr second = address("198.51.100.8");
	unsigned first;
	struct route route;

	(void)state;
	share("198.51.100.8");
	affinity_reconfigure(affinity, conf);
	runs_free(router.runs);
	router.runs = runs_new(1, world_seed);
	assert_non_null(router.runs);
	first = asks(&gateway, 0);
	assert_int_equal(begin_of(&second, ROUTE_MAPPER, 135, 0, &route),
			 REASON_TABLE_FULL);
	assert_int_equal(asks(&gateway, 0), first);
	now_ms += RUN_GAP_MS + 1;
	asks(&second, 0);
}

static void run_that_begins_avoids_a_drained_server(void **state)
{
	unsigned i;

	(void)state;
	make(1, DRAINED);
	for (i = 0; i < 10; i++) {
		assert_int_not_equal(asks(&gateway, 0), 0);
		now_ms += RUN_GAP_MS + 1;
	}
}

/* ---- the address decides ---- */

static struct group *learn(const struct addr *who, uint32_t id, unsigned slot,
			   uint16_t port)
{
	struct addr name = affinity_name(affinity, who);
	struct group *group =
		group_learn(router.groups, &name, id, (uint8_t)slot, port);

	assert_non_null(group);
	return group;
}

/* Each server gave the address a group: 70, 71, 72. */
static void learn_all(const struct addr *who, uint16_t port)
{
	unsigned i;

	for (i = 0; i < WORLD_SERVERS; i++)
		group_release(router.groups, learn(who, 70 + i, i, port),
			      now_ms);
}

/* Signed or sealed: it is told the server's own ports. */
static enum reason begin_signed(const struct addr *who, struct route *route)
{
	struct route_first first = { .is_protected = true };

	return route_begin(&router, who, ROUTE_MAPPER, 135, first, now_ms,
			   route, &left);
}

static unsigned asks_signed(const struct addr *who)
{
	struct route route;

	assert_int_equal(begin_signed(who, &route), NONE);
	assert_int_equal(route.port, 135);
	assert_int_equal(route_confirm(&router, &route), NONE);
	return slot_of(&route);
}

static unsigned dials(const struct addr *who, uint16_t port)
{
	struct route route = connected(who, ROUTE_FIXED, port, 0);

	assert_int_equal(route.port, port);
	return slot_of(&route);
}

static void address_has_one_server_where_nothing_else_tells_its_clients_apart(
	void **state)
{
	unsigned home = dials(&gateway, 59531), i;

	(void)state;
	for (i = 0; i < 20; i++) {
		sched.turn = i;
		assert_int_equal(dials(&gateway, 59531), home);
		assert_int_equal(dials(&gateway, 59532), home);
		assert_int_equal(asks_signed(&gateway), home);
		now_ms += RUN_GAP_MS + 1;
	}
	assert_int_equal(affinity_count(affinity), 0);
}

static void addresses_are_spread_over_all_servers(void **state)
{
	unsigned count[WORLD_SERVERS] = { 0 }, i;
	char text[ADDR_TEXT_MAX];
	struct addr who;

	(void)state;
	share("203.0.113.0/24");
	affinity_reconfigure(affinity, conf);
	for (i = 0; i < 256; i++) {
		snprintf(text, sizeof(text), "203.0.113.%u", i);
		who = address(text);
		count[dials(&who, 59531)]++;
	}
	for (i = 0; i < WORLD_SERVERS; i++)
		assert_in_range(count[i], 50, 120);
}

/* Another balancer, or this one after a restart; the numbers were computed by
 * another program. */
static void address_has_the_same_server_on_every_node(void **state)
{
	static const unsigned homes[] = { 0, 2, 1, 2, 2, 0 };
	char text[ADDR_TEXT_MAX];
	struct addr who;
	unsigned i;

	(void)state;
	share("203.0.113.0/24");
	share("2001:db8::/64");
	affinity_reconfigure(affinity, conf);
	for (i = 0; i < 6; i++) {
		snprintf(text, sizeof(text),
			 i < 3 ? "203.0.113.%u" : "2001:db8::%u", i);
		who = address(text);
		assert_int_equal(dials(&who, 59531), homes[i]);
	}
}

static void run_is_not_changed_by_who_signs(void **state)
{
	unsigned home = asks_signed(&gateway), run, i;

	(void)state;
	sched.turn = home + 1;
	run = asks(&gateway, 0);
	assert_int_not_equal(run, home);
	for (i = 0; i < 3; i++) {
		now_ms += RUN_GAP_MS;
		assert_int_equal(asks_signed(&gateway), home);
		assert_int_equal(asks(&gateway, 0), run);
	}
	now_ms += RUN_GAP_MS;
	asks_signed(&gateway);
	now_ms += 1;
	assert_int_not_equal(asks(&gateway, 0), run); /* it was over */
}

static void address_has_another_server_only_while_its_own_is_away(void **state)
{
	unsigned home = dials(&gateway, 59531), then;

	(void)state;
	make(UINT64_C(1) << home, ASIDE);
	then = dials(&gateway, 59531);
	assert_int_not_equal(then, home);
	assert_int_equal(asks_signed(&gateway), then);
	make(7 & ~(UINT64_C(1) << home) & ~(UINT64_C(1) << then), DRAINED);
	assert_int_equal(dials(&gateway, 59532), then);
	now_ms += ARRAY_ASIDE_MS;
	assert_int_equal(dials(&gateway, 59531), home);
}

static void address_of_a_failed_connect_goes_where_the_next_ones_will(void **s)
{
	struct route first, second;
	unsigned then;

	(void)s;
	first = connected(&gateway, ROUTE_FIXED, 59531, 0);
	end(&first);
	assert_int_equal(begin_of(&gateway, ROUTE_FIXED, 59531, 0, &first),
			 NONE);
	assert_int_equal(begin_signed(&gateway, &second), NONE);
	assert_int_equal(route_failed(&router, &first, REFUSED, now_ms), NONE);
	assert_int_equal(route_failed(&router, &second, TIMEOUT, now_ms), NONE);
	assert_ptr_equal(first.res.server, second.res.server);
	then = slot_of(&first);
	assert_int_equal(slot_of(&second), then);
	assert_int_equal(dials(&gateway, 59531), then);
}

static void group_that_is_known_comes_before_the_address(void **state)
{
	struct route_first first = { .is_protected = true };
	unsigned home = asks_signed(&gateway), i;
	struct route route;

	(void)state;
	learn_all(&gateway, 135);
	for (i = 0; i < WORLD_SERVERS; i++) {
		first.group = 70 + i;
		assert_int_equal(route_begin(&router, &gateway, ROUTE_MAPPER,
					     135, first, now_ms, &route, &left),
				 NONE);
		assert_int_equal(slot_of(&route), i);
	}
	first.group = 99; /* nobody's */
	assert_int_equal(route_begin(&router, &gateway, ROUTE_MAPPER, 135,
				     first, now_ms, &route, &left),
			 NONE);
	assert_int_equal(slot_of(&route), home);
}

static void without_any_server_the_address_has_none(void **state)
{
	struct route route;

	(void)state;
	make(7, ASIDE);
	assert_int_equal(begin_of(&gateway, ROUTE_FIXED, 59531, 0, &route),
			 REASON_NO_SERVER);
}

/* With key = none nothing is one client's. */
static void key_none_takes_turns_whoever_signs(void **state)
{
	unsigned count[WORLD_SERVERS] = { 0 }, i;

	(void)state;
	key_none();
	for (i = 0; i < 30; i++)
		count[i % 2 ? asks_signed(&me) : dials(&me, 59531)]++;
	for (i = 0; i < WORLD_SERVERS; i++)
		assert_int_equal(count[i], 10);
}

/* ---- association groups ---- */

static void assert_groups_decide(const struct addr *who, enum route_kind kind,
				 uint16_t port)
{
	struct route route;
	unsigned i;

	learn_all(who, port);
	for (i = 0; i < 9; i++) {
		route = connected(who, kind, port, 70 + i % 3);
		assert_string_equal(route.why, "group");
		assert_int_equal(route.port, port);
		assert_int_equal(slot_of(&route), i % 3);
	}
}

static void group_goes_to_its_issuer_on_135(void **state)
{
	unsigned run = asks(&gateway, 0);

	(void)state;
	assert_groups_decide(&gateway, ROUTE_MAPPER, 135);
	assert_int_equal(asks(&gateway, 0), run); /* which goes on */
}

static void group_goes_to_its_issuer_on_a_static_port(void **state)
{
	(void)state;
	assert_groups_decide(&gateway, ROUTE_FIXED, 59531);
}

static void key_none_group_goes_to_its_issuer_on_135(void **state)
{
	(void)state;
	key_none();
	assert_groups_decide(&me, ROUTE_MAPPER, 135);
}

static void key_none_group_goes_to_its_issuer_on_a_static_port(void **state)
{
	(void)state;
	key_none();
	track();
	assert_groups_decide(&me, ROUTE_FIXED, 59531);
}

/* No virtual port tells the servers apart here. */
static void key_none_group_goes_to_its_issuer_on_a_number_that_all_have(
	void **state)
{
	(void)state;
	key_none();
	track();
	assert_groups_decide(&me, ROUTE_DYNAMIC, 5001);
}

static void key_none_group_goes_to_its_issuer_on_a_number_nobody_has(void **s)
{
	(void)s;
	key_none();
	track();
	atomic_store(&router.admits_any, true);
	assert_groups_decide(&me, ROUTE_DYNAMIC, 7777);
}

/* cas3 issued it, and only cas1 and cas2 have this number. */
static void key_none_group_of_who_has_not_the_number_is_gone(void **state)
{
	struct route route;

	(void)state;
	key_none();
	announce_all(&same);
	track();
	learn_all(&me, 5001);
	assert_int_equal(begin_of(&me, ROUTE_DYNAMIC, 5301, 72, &route), GONE);
}

static void key_none_connections_take_turns(void **state)
{
	unsigned count[WORLD_SERVERS] = { 0 }, i;

	(void)state;
	key_none();
	for (i = 0; i < 30; i++)
		count[asks(&me, 0)]++; /* at one time: there are no runs */
	for (i = 0; i < WORLD_SERVERS; i++)
		assert_int_equal(count[i], 10);
}

static void group_that_nobody_knows_is_as_none(void **state)
{
	struct addr other = address("198.51.100.8");
	unsigned run = asks(&gateway, 0);

	(void)state;
	learn_all(&other, 135); /* another client's */
	assert_int_equal(asks(&gateway, 70), run);
	assert_int_equal(asks(&gateway, 71), run);
	assert_int_equal(asks(&gateway, 72), run);
}

/* Ids are each server's own. */
static void group_of_two_issuers_goes_to_who_gave_it_on_that_port(void **state)
{
	struct route route;

	(void)state;
	group_release(router.groups, learn(&gateway, 70, 1, 59531), now_ms);
	group_release(router.groups, learn(&gateway, 70, 2, 135), now_ms);
	assert_int_equal(asks(&gateway, 70), 2);
	route = connected(&gateway, ROUTE_FIXED, 59531, 70);
	assert_int_equal(slot_of(&route), 1);
}

struct issuer {
	enum how how;
	enum reason reason;
};

/* Only the issuer can let the client join. */
static const struct issuer issuers[] = {
	{ UP, NONE },	    { ASIDE, GONE },   { DRAINED, NONE },
	{ DISABLED, GONE }, { LEAVING, GONE },
};

static void check_issuer(const struct issuer *row, const struct addr *who)
{
	struct route route;

	learn_all(who, 135);
	make(2, row->how);
	assert_int_equal(begin_of(who, ROUTE_MAPPER, 135, 71, &route),
			 row->reason);
	if (!row->reason)
		assert_int_equal(slot_of(&route), 1);
}

static void group_walks_the_states_of_its_issuer(void **state)
{
	size_t i;

	for (i = 0; i < 2 * sizeof(issuers) / sizeof(issuers[0]); i++) {
		print_message("line %zu: %s\n", i / 2,
			      how_name[issuers[i / 2].how]);
		if (i % 2)
			key_none();
		check_issuer(&issuers[i / 2], i % 2 ? &me : &gateway);
		tear_down(state);
		set_up(state);
	}
}

static void group_is_not_taken_to_another_server_by_a_failed_connect(void **s)
{
	struct route route;

	(void)s;
	learn_all(&gateway, 135);
	assert_int_equal(begin_of(&gateway, ROUTE_MAPPER, 135, 71, &route),
			 NONE);
	assert_int_not_equal(route_failed(&router, &route, TIMEOUT, now_ms),
			     NONE);
	assert_int_equal(slot_of(&route), 1);
	assert_int_equal(array.server[1].failures, 1);
}

/* ---- without the setting nothing changes ---- */

static void assert_is_bound(const struct addr *who)
{
	unsigned first = asks(who, 0), i;
	struct route route;

	learn_all(who, 135);
	for (i = 0; i < 6; i++) {
		now_ms += RUN_GAP_MS + 1;
		assert_int_equal(asks(who, 70 + i % 3), first);
	}
	route = connected(who, ROUTE_DYNAMIC,
			  told((first + 1) % 3, EMSMDB,
			       swapped.port[(first + 1) % 3][EMSMDB]),
			  0);
	assert_true(router.has_virtual_ports ? slot_of(&route) == first
					     : slot_of(&route) < 3);
	assert_true(affinity_is_bound(affinity, who, now_ms));
}

static void address_that_is_not_shared_is_bound(void **state)
{
	struct addr neighbour = address("198.51.100.8");

	(void)state;
	assert_is_bound(&neighbour);
}

static void shared_address_is_bound_where_ports_keep_their_numbers(void **state)
{
	(void)state;
	track();
	assert_is_bound(&gateway);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(shared_address_walks_the_ports_table),
		TEST(shared_address_has_no_binding),
		TEST(shared_address_is_not_led_from_a_told_port_to_another_server),
		TEST(shared_address_with_a_lease_of_a_real_port_goes_there),
		TEST(run_keeps_its_server_for_two_seconds_after_each),
		TEST(runs_take_turns_over_all_servers),
		TEST(run_of_one_address_is_not_another_s),
		TEST(run_goes_on_elsewhere_when_its_server_fails),
		TEST(run_agrees_on_one_server_after_parallel_failures),
		TEST(run_tries_each_server_once_then_gives_the_cause),
		TEST(run_without_any_server_is_no_server),
		TEST(run_that_has_no_place_is_refused),
		TEST(run_that_begins_avoids_a_drained_server),
		TEST(address_has_one_server_where_nothing_else_tells_its_clients_apart),
		TEST(addresses_are_spread_over_all_servers),
		TEST(address_has_the_same_server_on_every_node),
		TEST(run_is_not_changed_by_who_signs),
		TEST(address_has_another_server_only_while_its_own_is_away),
		TEST(address_of_a_failed_connect_goes_where_the_next_ones_will),
		TEST(group_that_is_known_comes_before_the_address),
		TEST(without_any_server_the_address_has_none),
		TEST(key_none_takes_turns_whoever_signs),
		TEST(group_goes_to_its_issuer_on_135),
		TEST(group_goes_to_its_issuer_on_a_static_port),
		TEST(key_none_group_goes_to_its_issuer_on_135),
		TEST(key_none_group_goes_to_its_issuer_on_a_static_port),
		TEST(key_none_group_goes_to_its_issuer_on_a_number_that_all_have),
		TEST(key_none_group_goes_to_its_issuer_on_a_number_nobody_has),
		TEST(key_none_group_of_who_has_not_the_number_is_gone),
		TEST(key_none_connections_take_turns),
		TEST(group_that_nobody_knows_is_as_none),
		TEST(group_of_two_issuers_goes_to_who_gave_it_on_that_port),
		TEST(group_walks_the_states_of_its_issuer),
		TEST(group_is_not_taken_to_another_server_by_a_failed_connect),
		TEST(address_that_is_not_shared_is_bound),
		TEST(shared_address_is_bound_where_ports_keep_their_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
