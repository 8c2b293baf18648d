/*
 * test_route_admit.c - who may use a port of the range at all, what a refused
 * connect does to leases, and what is left when slots are given to others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "route_world.h"

static struct addr me;

static int set_up(void **state)
{
	(void)state;
	world_conf();
	router_start(CONF_METHOD_ROUND_ROBIN, 100);
	me = client(1);
	announce_all(&disjoint);
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

/* Let in and let go; why not. */
static enum reason attempt(const struct addr *who, enum route_kind kind,
			   uint16_t port)
{
	struct route route;
	enum reason reason = begin_of(who, kind, port, 0, &route);

	if (!reason)
		end(&route);
	return reason;
}

static enum reason dial(uint16_t port)
{
	return attempt(&me, ROUTE_DYNAMIC, port);
}

static void wants_leases(void)
{
	atomic_store(&router.wants_lease, true);
}

/* ---- admit ---- */

static void leased_lets_in_who_was_told_and_nobody_else(void **state)
{
	struct addr other = client(2);

	(void)state;
	wants_leases();
	grant(&me, 5001, 0, EMSMDB, 5001);
	assert_int_equal(dial(5001), REASON_NONE);
	assert_int_equal(dial(5101), REASON_NO_LEASE);
	assert_int_equal(attempt(&other, ROUTE_DYNAMIC, 5001), REASON_NO_LEASE);
}

/* A scan of the range finds nothing, and makes no binding. */
static void leased_refuses_every_port_of_a_scan(void **state)
{
	unsigned port;

	(void)state;
	wants_leases();
	for (port = 1024; port < 65536; port++)
		assert_int_not_equal(dial((uint16_t)port), REASON_NONE);
	assert_int_equal(affinity_count(affinity), 0);
	assert_int_equal(leases_count(router.leases), 0);
	assert_int_equal(attempt(&me, ROUTE_MAPPER, 135), REASON_NONE);
}

static void leased_tells_an_expired_lease_from_none(void **state)
{
	(void)state;
	wants_leases();
	grant(&me, 5001, 0, EMSMDB, 5001);
	now_ms += LEASE_MS - 1;
	assert_int_equal(dial(5001), REASON_NONE); /* which renews it */
	now_ms += LEASE_MS - 1;
	assert_int_equal(dial(5001), REASON_NONE);
	now_ms += LEASE_MS + 1000;
	assert_int_equal(dial(5001), REASON_LEASE_EXPIRED);
	assert_int_equal(dial(5101), REASON_NO_LEASE);
	now_ms += LEASE_MS;
	assert_int_equal(dial(5001), REASON_NO_LEASE); /* long ago */
}

static void leased_connection_keeps_its_lease_as_long_as_it_lives(void **state)
{
	struct route route;

	(void)state;
	wants_leases();
	grant(&me, 5001, 0, EMSMDB, 5001);
	route = connected(&me, ROUTE_DYNAMIC, 5001, 0);
	now_ms += 10 * (uint64_t)LEASE_MS;
	leases_expire(router.leases, now_ms, 100);
	assert_int_equal(dial(5001), REASON_NONE);
	end(&route);
	now_ms += LEASE_MS - 1; /* from its end on */
	assert_int_equal(dial(5001), REASON_NONE);
}

static void leased_refusal_keeps_no_hold_on_the_lease(void **state)
{
	(void)state;
	wants_leases();
	grant(&me, 5001, 0, EMSMDB, 5001);
	make(7, ASIDE);
	assert_int_equal(dial(5001), REASON_PORT_SERVER_DOWN);
	now_ms += LEASE_MS + 1000;
	assert_int_equal(dial(5001), REASON_LEASE_EXPIRED);
}

static void leased_is_lenient_until_its_time_and_no_longer(void **state)
{
	(void)state;
	wants_leases();
	atomic_store(&router.lenient_until_ms, now_ms + LEASE_MS);
	assert_int_equal(dial(5001), REASON_NONE);
	assert_int_equal(dial(7777), REASON_NOT_ADMITTED);
	now_ms += LEASE_MS - 1;
	assert_int_equal(dial(5001), REASON_NONE);
	now_ms++;
	assert_int_equal(dial(5001), REASON_NO_LEASE);
}

static void announced_takes_anybody_on_virtual_ports_alone(void **state)
{
	unsigned port, n = 0;

	(void)state;
	map_within(30000, 30063); /* all are given anew, none by its number */
	for (port = 1024; port < 65536; port++)
		n += dial((uint16_t)port) == REASON_NONE;
	assert_int_equal(n, 11);
	assert_int_equal(dial(5001), REASON_NOT_ADMITTED);
	assert_int_equal(dial(told(0, EMSMDB, 5001)), REASON_NONE);
}

static void announced_takes_anybody_on_announced_ports_alone(void **state)
{
	unsigned port, n = 0;

	(void)state;
	track();
	bind_to(&me, 1);
	for (port = 1024; port < 65536; port++)
		n += dial((uint16_t)port) == REASON_NONE;
	assert_int_equal(n, 11);
	assert_int_equal(dial(7777), REASON_NOT_ADMITTED);
}

static void any_forwards_what_means_nothing_as_it_is(void **state)
{
	struct route route;

	(void)state;
	atomic_store(&router.admits_any, true);
	bind_to(&me, 2);
	assert_int_equal(begin_of(&me, ROUTE_DYNAMIC, 7777, 0, &route),
			 REASON_NONE);
	assert_int_equal(route.res.server->slot, 2);
	assert_int_equal(route.port, 7777);
	end(&route);
	assert_int_equal(begin_of(&me, ROUTE_DYNAMIC, 5001, 0, &route),
			 REASON_NONE); /* which means something */
	assert_int_equal(route.port, 7001);
	end(&route);
}

/* ---- static ports ---- */

static void static_port_goes_to_the_client_s_server_in_every_state(void **state)
{
	static const uint16_t ports[] = { 59531, 59532, 135, 5001 };
	struct addr other = client(2);
	struct route route;
	unsigned i;

	(void)state;
	wants_leases(); /* of ports of the range only */
	bind_to(&me, 1);
	for (i = 0; i < 4; i++) {
		assert_int_equal(
			begin_of(&me, ROUTE_FIXED, ports[i], 0, &route),
			REASON_NONE);
		assert_int_equal(route.res.server->slot, 1);
		assert_int_equal(route.port, ports[i]);
		end(&route);
	}
	make(2, DRAINED);
	assert_int_equal(attempt(&me, ROUTE_FIXED, 59531), REASON_NONE);
	assert_int_equal(array.server[1].bindings, 1);
	for (i = 0; i < 3; i++) { /* new ones go elsewhere */
		other = client(10 + i);
		assert_int_equal(
			begin_of(&other, ROUTE_FIXED, 59531, 0, &route),
			REASON_NONE);
		assert_int_not_equal(route.res.server->slot, 1);
		end(&route);
	}
}

/* virtual-ports gives static ports room: each server's is told apart. */
static void static_ports_with_virtual_ones_name_their_servers(void **state)
{
	static const uint16_t boxes[] = { 0, 59531, 59531, 59532, 59531 };
	struct route route;
	unsigned slot;
	uint16_t port;

	(void)state;
	for (slot = 0; slot < WORLD_SERVERS; slot++)
		announce_row(slot, boxes);
	assert_int_equal(map_within(40000, 40031), 0);
	for (slot = 0; slot < WORLD_SERVERS; slot++) {
		struct addr other = client(10 + slot);

		port = told(slot, NSPI, 59532);
		assert_in_range(port, 40000, 40031);
		assert_int_equal(
			begin_of(&other, ROUTE_DYNAMIC, port, 0, &route),
			REASON_NONE);
		assert_int_equal(route.res.server->slot, slot);
		assert_int_equal(route.port, 59532);
		end(&route);
	}
	assert_int_equal(dial(59531), REASON_NOT_ADMITTED);
}

/* ---- a port that refused ---- */

static void refuse(uint16_t dialled)
{
	struct route route;

	assert_int_equal(begin_of(&me, ROUTE_DYNAMIC, dialled, 0, &route),
			 REASON_NONE);
	assert_int_equal(
		route_failed(&router, &route, REASON_CONNECT_REFUSED, now_ms),
		REASON_CONNECT_REFUSED);
	end(&route);
}

static void refused_port_ends_everybody_s_leases_of_it_and_no_other(void **s)
{
	struct addr other = client(2);

	(void)s;
	wants_leases();
	grant(&me, 5001, 0, EMSMDB, 5001);
	grant(&other, 5001, 0, EMSMDB, 5001);
	grant(&me, 5101, 0, ASYNC, 5101);
	grant(&me, 6001, 1, EMSMDB, 6001);
	refuse(5001);
	assert_int_equal(dial(5001), REASON_NO_LEASE);
	assert_int_equal(attempt(&other, ROUTE_DYNAMIC, 5001), REASON_NO_LEASE);
	assert_int_equal(dial(5101), REASON_NONE);
	assert_int_equal(dial(6001), REASON_NONE); /* cas2's: 5001 on cas1 */
	assert_true(array_open(&array, now_ms) == 7);
	assert_int_equal(array.server[0].failures, 0);
}

static void refused_port_leaves_a_live_lease(void **state)
{
	struct route live;

	(void)state;
	wants_leases();
	grant(&me, 5001, 0, EMSMDB, 5001);
	live = connected(&me, ROUTE_DYNAMIC, 5001, 0);
	refuse(5001);
	assert_int_equal(dial(5001), REASON_NONE);
	end(&live);
	assert_int_equal(dial(5001), REASON_NO_LEASE);
}

/* cas1's port refused, whose client dialled cas2's number for it. */
static void refused_port_is_that_of_the_server_that_was_dialled(void **state)
{
	struct addr other = client(2);

	(void)state;
	wants_leases();
	bind_to(&me, 0);
	bind_to(&other, 1);
	grant(&me, 6001, 1, EMSMDB, 6001);
	grant(&other, 6001, 1, EMSMDB, 6001);
	grant(&me, 5001, 0, EMSMDB, 5001);
	refuse(6001);
	assert_int_equal(attempt(&other, ROUTE_DYNAMIC, 6001), REASON_NONE);
	assert_int_equal(dial(5001), REASON_NO_LEASE);
}

/* ---- slots that are given to others ---- */

/* What the control thread does when a server's last client has gone. */
static void replace_second(const char *name)
{
	struct announcement none;
	uint64_t freed;

	conf->nservers = 1;
	if (array_apply(&array, conf))
		abort();
	affinity_forget_leaving(affinity, 1000);
	affinity_forget_leaving(affinity, 1000);
	freed = array_sweep(&array);
	assert_true(freed == 6);
	lease_forget(router.leases, freed);
	groups_forget(router.groups, freed);
	assert_int_equal(announced_set(router.announced, 1, &none, 0), 1);
	assert_int_equal(announced_set(router.announced, 2, &none, 0), 1);
	map_ports();
	conf->nservers = 2;
	memcpy(conf->server[1].name, name, strlen(name) + 1);
	conf->server[1].address = address("10.77.0.99");
	if (array_apply(&array, conf))
		abort();
	announce_row(1, disjoint.port[1]);
	map_ports();
	assert_string_equal(array.server[1].name, name);
}

static void leases_of_a_slot_s_former_server_let_nobody_in(void **state)
{
	(void)state;
	wants_leases();
	grant(&me, 6001, 1, EMSMDB, 6001);
	replace_second("other");
	assert_int_not_equal(dial(6001), REASON_NONE);
	assert_int_equal(leases_count(router.leases), 0);
}

static void virtual_ports_of_a_slot_s_former_server_mean_nobody(void **state)
{
	uint16_t before = told(1, EMSMDB, 6001), after;

	(void)state;
	replace_second("other");
	after = told(1, EMSMDB, 6001);
	assert_int_not_equal(after, 0);
	assert_int_not_equal(after, before); /* it lingers, for its name */
	assert_int_equal(dial(before), REASON_NOT_ADMITTED);
	assert_int_equal(dial(after), REASON_NONE);
}

/* A group's issuer is not whoever has its slot now. */
static void groups_of_a_slot_s_former_server_are_gone(void **state)
{
	struct route route;
	struct group *group;

	(void)state;
	conf->affinity.key = CONF_KEY_NONE;
	affinity_reconfigure(affinity, conf);
	group = group_learn(router.groups, &me, 77, 1, 135);
	assert_non_null(group);
	replace_second("other");
	assert_int_equal(begin_of(&me, ROUTE_MAPPER, 135, 77, &route),
			 REASON_GROUP_GONE);
	group_release(router.groups, group, now_ms);
	assert_int_equal(begin_of(&me, ROUTE_MAPPER, 135, 77, &route),
			 REASON_GROUP_GONE); /* it is remembered a while */
	now_ms += GROUP_LINGER_MS + 1;
	assert_int_equal(begin_of(&me, ROUTE_MAPPER, 135, 77, &route),
			 REASON_NONE);
	end(&route);
}

/* ---- answered in the server's name ---- */

/* Nothing of the client lives on a server that was not dialled: a long
 * conversation must not keep it there when the server fails. */
static void answered_client_is_bound_and_may_be_moved(void **state)
{
	struct route answered, route;

	(void)state;
	assert_int_equal(begin_of(&me, ROUTE_MAPPER, 135, 0, &answered),
			 REASON_NONE);
	assert_int_equal(route_answered(&router, &answered), REASON_NONE);
	route = connected(&me, ROUTE_MAPPER, 135, 0);
	assert_ptr_equal(route.res.server, answered.res.server);
	end(&route);
	make(server_bit(answered.res.server), ASIDE);
	route = connected(&me, ROUTE_MAPPER, 135, 0);
	assert_ptr_not_equal(route.res.server, answered.res.server);
	end(&route);
	end(&answered);
}

static void answered_client_stays_bound_when_it_has_gone(void **state)
{
	struct route route;
	const struct server *server;
	unsigned i;

	(void)state;
	assert_int_equal(begin_of(&me, ROUTE_MAPPER, 135, 0, &route),
			 REASON_NONE);
	server = route.res.server;
	assert_int_equal(route_answered(&router, &route), REASON_NONE);
	end(&route);
	for (i = 0; i < WORLD_SERVERS; i++) {
		route = connected(&me, ROUTE_MAPPER, 135, 0);
		assert_ptr_equal(route.res.server, server);
		end(&route);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(leased_lets_in_who_was_told_and_nobody_else),
		TEST(leased_refuses_every_port_of_a_scan),
		TEST(leased_tells_an_expired_lease_from_none),
		TEST(leased_connection_keeps_its_lease_as_long_as_it_lives),
		TEST(leased_refusal_keeps_no_hold_on_the_lease),
		TEST(leased_is_lenient_until_its_time_and_no_longer),
		TEST(announced_takes_anybody_on_virtual_ports_alone),
		TEST(announced_takes_anybody_on_announced_ports_alone),
		TEST(any_forwards_what_means_nothing_as_it_is),
		TEST(static_port_goes_to_the_client_s_server_in_every_state),
		TEST(static_ports_with_virtual_ones_name_their_servers),
		TEST(refused_port_ends_everybody_s_leases_of_it_and_no_other),
		TEST(refused_port_leaves_a_live_lease),
		TEST(refused_port_is_that_of_the_server_that_was_dialled),
		TEST(leases_of_a_slot_s_former_server_let_nobody_in),
		TEST(virtual_ports_of_a_slot_s_former_server_mean_nobody),
		TEST(groups_of_a_slot_s_former_server_are_gone),
		TEST(answered_client_is_bound_and_may_be_moved),
		TEST(answered_client_stays_bound_when_it_has_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
