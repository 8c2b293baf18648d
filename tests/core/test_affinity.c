/*
 * test_affinity.c - one client, one server.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "../helper/alloc.h"
#include "world.h"

static int set_up(void **state)
{
	(void)state;
	world_conf();
	world_start(CONF_METHOD_ROUND_ROBIN);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_end();
	return 0;
}

/* As set_up() made it, but with what the test changed in <conf>. */
static void restart(void)
{
	affinity_free(affinity);
	world_start(CONF_METHOD_ROUND_ROBIN);
}

static int try_reserve(struct addr addr, struct reservation *res)
{
	struct affinity_chooser chooser = anyone(0);

	return affinity_reserve(affinity, &addr, &chooser, now_ms, res);
}

static struct reservation reserve(struct addr addr)
{
	struct reservation res = { 0 };

	assert_int_equal(try_reserve(addr, &res), 0);
	return res;
}

static struct reservation open_one(struct addr addr)
{
	struct reservation res = reserve(addr);

	assert_true(affinity_confirm(affinity, &res));
	return res;
}

static void end(struct reservation *res)
{
	affinity_release(affinity, res, now_ms);
}

static int move(struct reservation *res, uint64_t tried)
{
	struct affinity_chooser chooser = anyone(tried);

	return affinity_move(affinity, res, &chooser, now_ms);
}

/* The dial failed: as route_failed() does it. */
static int fail_dial(struct reservation *res)
{
	server_failed(res->server, 135, now_ms);
	return move(res, server_bit(res->server));
}

/* The client was here and has gone: an idle binding. Returns its server. */
static struct server *visit(struct addr addr)
{
	struct reservation res = open_one(addr);
	struct server *server = res.server;

	end(&res);
	return server;
}

static bool is_bound(struct addr addr)
{
	return affinity_is_bound(affinity, &addr, now_ms);
}

static void assert_counts(unsigned bindings, unsigned connections)
{
	unsigned i, b = 0, c = 0;

	for (i = 0; i < ARRAY_SLOTS; i++) {
		b += array.server[i].bindings;
		c += array.server[i].connections;
	}
	assert_int_equal(b, bindings);
	assert_int_equal(c, connections);
	assert_int_equal(affinity_count(affinity), bindings);
}

/* ---- one client, one server ---- */

static void affinity_parallel_reservations_agree_before_any_connect(void **s)
{
	struct reservation res[50];
	unsigned i;

	(void)s;
	for (i = 0; i < 50; i++) {
		res[i] = reserve(client(1));
		assert_ptr_equal(res[i].server, res[0].server);
		assert_int_equal(res[i].is_new, i == 0);
	}
	assert_counts(1, 50);
	for (i = 0; i < 50; i++) {
		assert_true(affinity_confirm(affinity, &res[i]));
		end(&res[i]);
	}
	assert_counts(1, 0);
}

static void affinity_client_returns_to_its_server(void **state)
{
	struct server *server = visit(client(1));
	struct reservation res;
	unsigned i;

	(void)state;
	for (i = 2; i < 20; i++)
		visit(client(i));
	res = reserve(client(1));
	assert_ptr_equal(res.server, server);
	assert_false(res.is_new);
	end(&res);
	assert_counts(19, 0);
}

static void affinity_unconfirmed_binding_ends_with_its_reservation(void **s)
{
	struct reservation a = reserve(client(1)), b = reserve(client(1));

	(void)s;
	end(&a);
	assert_true(is_bound(client(1)));
	end(&b);
	assert_false(is_bound(client(1)));
	assert_counts(0, 0);
}

static void affinity_release_twice_is_release_once(void **state)
{
	struct reservation res = open_one(client(1));

	(void)state;
	end(&res);
	end(&res);
	assert_counts(1, 0);
	assert_true(is_bound(client(1)));
}

static void affinity_confirm_twice_counts_once(void **state)
{
	struct reservation a = open_one(client(1)), b = reserve(client(1));

	(void)state;
	assert_true(affinity_confirm(affinity, &a));
	end(&a);
	assert_int_equal(fail_dial(&b), 0); /* no live connection is left */
	end(&b);
}

static void affinity_without_server_keeps_nothing(void **state)
{
	struct reservation res;
	unsigned i;

	(void)state;
	for (i = 0; i < WORLD_SERVERS; i++)
		array.server[i].state = CONF_STATE_DRAIN;
	assert_int_equal(try_reserve(client(1), &res), ERR_NOT_FOUND);
	assert_counts(0, 0);
	assert_false(is_bound(client(1)));
}

/* ---- time ---- */

static void affinity_timeout_slides_from_the_last_close(void **state)
{
	struct reservation res = open_one(client(1));

	(void)state;
	now_ms += 10 * (uint64_t)WORLD_TIMEOUT; /* connected: never */
	assert_true(is_bound(client(1)));
	assert_int_equal(affinity_expire(affinity, now_ms, 100), 0);
	end(&res);
	now_ms += WORLD_TIMEOUT - 1;
	visit(client(1)); /* starts the time anew */
	now_ms += WORLD_TIMEOUT - 1;
	assert_true(is_bound(client(1)));
	assert_int_equal(affinity_expire(affinity, now_ms, 100), 0);
	now_ms++;
	assert_false(is_bound(client(1)));
	assert_int_equal(affinity_expire(affinity, now_ms, 100), 1);
	assert_counts(0, 0);
}

static void affinity_timed_out_binding_is_made_anew(void **state)
{
	struct server *server = visit(client(1));
	struct reservation res;

	(void)state;
	now_ms += WORLD_TIMEOUT;
	res = reserve(client(1));
	assert_true(res.is_new);
	assert_ptr_not_equal(res.server, server); /* it was the next's turn */
	assert_counts(1, 1);
	end(&res);
}

static void affinity_expire_takes_no_more_than_asked(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 100; i++)
		visit(client(i));
	now_ms += WORLD_TIMEOUT;
	assert_int_equal(affinity_expire(affinity, now_ms, 30), 30);
	assert_counts(70, 0);
	assert_int_equal(affinity_expire(affinity, now_ms, 100), 70);
	assert_counts(0, 0);
}

static void affinity_earlier_clock_of_another_thread_ends_nothing(void **state)
{
	(void)state;
	visit(client(1));
	now_ms -= 5;
	assert_true(is_bound(client(1)));
	assert_int_equal(affinity_expire(affinity, now_ms, 100), 0);
}

/* ---- the bound ---- */

static void affinity_full_table_drops_the_least_recently_used(void **state)
{
	(void)state;
	conf->affinity.entries = 4;
	restart();
	visit(client(1));
	visit(client(2));
	visit(client(3));
	visit(client(4));
	visit(client(1)); /* now 2 is the oldest */
	visit(client(5));
	assert_counts(4, 0);
	assert_false(is_bound(client(2)));
	assert_true(is_bound(client(1)));
	assert_true(is_bound(client(3)));
	assert_true(is_bound(client(4)));
	assert_true(is_bound(client(5)));
}

static void affinity_binding_with_connections_is_never_dropped(void **state)
{
	struct reservation res[4], more;
	unsigned i;

	(void)state;
	conf->affinity.entries = 4;
	restart();
	for (i = 0; i < 3; i++)
		res[i] = open_one(client(i));
	res[3] = reserve(client(3)); /* a mere reservation holds as well */
	assert_int_equal(try_reserve(client(9), &more), ERR_MEMORY);
	assert_counts(4, 4);
	end(&res[1]);
	more = open_one(client(9));
	assert_false(is_bound(client(1)));
	for (i = 0; i < 4; i++)
		end(&res[i]);
	end(&more);
	assert_counts(3, 0);
}

static void affinity_of_many_shards_holds_all_its_entries(void **state)
{
	unsigned i;

	(void)state;
	conf->affinity.entries = 100001;
	restart();
	for (i = 0; i < 130000; i++)
		visit(client(i));
	assert_counts(100001, 0);
}

/* ---- the key ---- */

static bool are_one(const char *a, const char *b)
{
	struct reservation one = reserve(address(a)), two = reserve(address(b));
	bool is_one = one.binding == two.binding;

	end(&one);
	end(&two);
	return is_one;
}

static void affinity_key_address_tells_neighbours_apart(void **state)
{
	(void)state;
	assert_false(are_one("10.1.2.3", "10.1.2.4"));
	assert_false(are_one("2001:db8::5", "2001:db8::6"));
	assert_true(are_one("10.1.2.3", "::ffff:10.1.2.3"));
}

static void affinity_key_network_joins_neighbours(void **state)
{
	(void)state;
	conf->affinity.key = CONF_KEY_NETWORK;
	restart();
	assert_true(are_one("10.1.2.3", "10.1.2.250"));
	assert_false(are_one("10.1.2.3", "10.1.3.3"));
	assert_true(are_one("2001:db8::5", "2001:db8::ffff:6"));
	assert_false(are_one("2001:db8::5", "2001:db8:0:1::5"));
}

static void affinity_ipv6_prefix_joins_temporary_addresses(void **state)
{
	(void)state;
	conf->affinity.ipv6_prefix = 64;
	restart();
	assert_true(are_one("2001:db8::5", "2001:db8::ffff:6"));
	assert_false(are_one("10.1.2.3", "10.1.2.4"));
}

static void alias_is(const char *from, const char *to)
{
	struct conf_alias *alias =
		&conf->affinity.alias[conf->affinity.naliases++];

	alias->from = address(from);
	alias->to = address(to);
}

static void affinity_alias_joins_both_families(void **state)
{
	(void)state;
	alias_is("10.1.2.3", "2001:db8::5");
	alias_is("2001:db8::6", "10.1.2.4");
	restart();
	assert_true(are_one("10.1.2.3", "2001:db8::5"));
	assert_true(are_one("2001:db8::6", "10.1.2.4"));
	assert_false(are_one("10.1.2.3", "10.1.2.4"));
}

static void expect_addresses(const char *name, unsigned n,
			     const char *const *wanted)
{
	struct addr room[AFFINITY_ADDRESSES_MAX], client = address(name), at;
	unsigned i;

	assert_int_equal(affinity_addresses(affinity, &client, room), n);
	for (i = 0; i < n; i++) {
		at = address(wanted[i]);
		assert_true(addr_equal(&room[i], &at));
	}
}

static void affinity_addresses_are_the_name_and_its_aliases(void **state)
{
	static const char *const both[] = { "2001:db8::5", "10.1.2.3" };
	static const char *const own[] = { "10.1.2.9" };

	(void)state;
	alias_is("10.1.2.3", "2001:db8::5");
	alias_is("10.1.2.4", "2001:db8::6");
	restart();
	expect_addresses("2001:db8::5", 2, both);
	expect_addresses("10.1.2.9", 1, own);
	conf->affinity.key = CONF_KEY_NONE;
	affinity_reconfigure(affinity, conf);
	expect_addresses("2001:db8::5", 1, both);
}

static void affinity_alias_holds_for_temporary_addresses_too(void **state)
{
	(void)state;
	alias_is("10.1.2.3", "2001:db8::5");
	alias_is("2001:db8:9::6", "10.1.2.4");
	conf->affinity.ipv6_prefix = 64;
	restart();
	assert_true(are_one("10.1.2.3", "2001:db8::aaaa"));
	assert_true(are_one("2001:db8:9::bbbb", "10.1.2.4"));
}

static void affinity_alias_is_found_among_many(void **state)
{
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];
	unsigned i;

	(void)state;
	for (i = 0; i < CONF_ALIASES_MAX; i++) {
		snprintf(from, sizeof(from), "10.9.0.%u", 255 - i);
		snprintf(to, sizeof(to), "2001:db8::%x", i + 1);
		alias_is(from, to);
	}
	restart();
	for (i = 0; i < CONF_ALIASES_MAX; i++) {
		snprintf(from, sizeof(from), "10.9.0.%u", 255 - i);
		snprintf(to, sizeof(to), "2001:db8::%x", i + 1);
		assert_true(are_one(from, to));
	}
}

static void affinity_key_none_binds_each_connection_for_itself(void **state)
{
	struct reservation a, b;

	(void)state;
	conf->affinity.key = CONF_KEY_NONE;
	restart();
	a = open_one(client(1));
	b = open_one(client(1));
	assert_true(a.is_new && b.is_new);
	assert_ptr_not_equal(a.binding, b.binding);
	assert_ptr_not_equal(a.server, b.server);
	assert_false(is_bound(client(1)));
	assert_counts(2, 2);
	end(&a);
	end(&b);
	assert_counts(0, 0);
}

static void affinity_key_none_lets_one_client_fill_the_table(void **state)
{
	struct reservation res[2048], more;
	unsigned i;

	(void)state;
	conf->affinity.key = CONF_KEY_NONE;
	conf->affinity.entries = 2048; /* two shards */
	restart();
	for (i = 0; i < 2048; i++)
		res[i] = open_one(client(1));
	assert_int_equal(try_reserve(client(1), &more), ERR_MEMORY);
	for (i = 0; i < 2048; i++)
		end(&res[i]);
	assert_counts(0, 0);
}

static void affinity_key_none_moves_a_connection_that_failed(void **state)
{
	struct reservation a;
	struct server *failed;

	(void)state;
	conf->affinity.key = CONF_KEY_NONE;
	restart();
	a = reserve(client(1));
	failed = a.server;
	assert_int_equal(fail_dial(&a), 0);
	assert_ptr_not_equal(a.server, failed);
	assert_true(affinity_confirm(affinity, &a));
	end(&a);
	assert_counts(0, 0);
}

static void affinity_reconfigure_keeps_what_is_open(void **state)
{
	struct reservation old = open_one(address("10.1.2.3")), res;
	struct server *server = old.server;

	(void)state;
	conf->affinity.key = CONF_KEY_NETWORK;
	conf->affinity.timeout_ms = 1000;
	affinity_reconfigure(affinity, conf);
	assert_ptr_equal(old.server, server);
	assert_true(are_one("10.1.2.3", "10.1.2.4"));
	res = reserve(address("10.1.2.9"));
	assert_true(affinity_confirm(affinity, &res));
	end(&res);
	end(&old); /* its key is nobody's any more: it ages out */
	assert_counts(2, 0);
	now_ms += 1000;
	assert_int_equal(affinity_expire(affinity, now_ms, 9), 2);
}

static void affinity_reconfigure_to_none_and_back(void **state)
{
	struct reservation private;

	(void)state;
	visit(client(1));
	conf->affinity.key = CONF_KEY_NONE;
	affinity_reconfigure(affinity, conf);
	private = open_one(client(1));
	assert_true(private.is_new);
	conf->affinity.key = CONF_KEY_ADDRESS;
	affinity_reconfigure(affinity, conf);
	assert_true(is_bound(client(1)));
	end(&private);
	assert_counts(1, 0);
}

/* ---- the source ---- */

static void sources_are(unsigned n)
{
	unsigned i;

	conf->balancer.nsources = n;
	for (i = 0; i < n; i++) {
		conf->balancer.source[i] = address("10.77.0.100");
		conf->balancer.source[i].octet[3] = (uint8_t)(100 + i);
	}
}

static void affinity_source_is_left_to_the_system_without_one(void **state)
{
	struct reservation res = reserve(client(1));

	(void)state;
	assert_null(affinity_source(affinity, &res, AF_INET));
	assert_null(affinity_source(affinity, &res, AF_INET6));
	end(&res);
}

static void affinity_source_is_of_the_server_s_family(void **state)
{
	struct reservation res;

	(void)state;
	sources_are(2);
	conf->balancer.source[0] = address("2001:db8::9");
	restart();
	res = reserve(client(1));
	assert_int_equal(affinity_source(affinity, &res, AF_INET)->family,
			 AF_INET);
	assert_int_equal(affinity_source(affinity, &res, AF_INET6)->family,
			 AF_INET6);
	end(&res);
}

static void affinity_source_is_the_binding_s_own(void **state)
{
	struct reservation a, b;
	unsigned i;

	(void)state;
	sources_are(CONF_SOURCES_MAX);
	restart();
	for (i = 0; i < 100; i++) {
		a = reserve(client(i));
		b = reserve(client(i));
		assert_ptr_equal(affinity_source(affinity, &a, AF_INET),
				 affinity_source(affinity, &b, AF_INET));
		end(&a);
		end(&b);
	}
}

/* The octets 100 + i of the sources that 4,000 clients get. */
static void sources_of_clients(uint8_t got[static 4000])
{
	struct reservation res;
	unsigned i;

	for (i = 0; i < 4000; i++) {
		res = reserve(client(i));
		got[i] = affinity_source(affinity, &res, AF_INET)->octet[3];
		end(&res);
	}
}

static void affinity_sources_are_used_evenly(void **state)
{
	unsigned i, n[4] = { 0 };
	uint8_t got[4000];

	(void)state;
	sources_are(4);
	restart();
	sources_of_clients(got);
	for (i = 0; i < 4000; i++)
		n[got[i] - 100]++;
	for (i = 0; i < 4; i++)
		assert_in_range(n[i], 850, 1150);
}

static void affinity_source_that_goes_changes_only_its_clients(void **state)
{
	uint8_t before[4000], after[4000];
	unsigned i;

	(void)state;
	sources_are(4);
	restart();
	sources_of_clients(before);
	sources_are(3);
	restart();
	sources_of_clients(after);
	for (i = 0; i < 4000; i++)
		if (before[i] != 103)
			assert_int_equal(before[i], after[i]);
}

static void affinity_key_none_keeps_a_client_s_source(void **state)
{
	struct reservation a, b;

	(void)state;
	sources_are(CONF_SOURCES_MAX);
	conf->affinity.key = CONF_KEY_NONE;
	restart();
	a = reserve(client(1));
	b = reserve(client(1));
	assert_ptr_equal(affinity_source(affinity, &a, AF_INET),
			 affinity_source(affinity, &b, AF_INET));
	end(&a);
	end(&b);
}

/* ---- failure ---- */

static void affinity_failed_connect_moves_the_binding(void **state)
{
	struct reservation a = reserve(client(1)), b;
	struct server *failed = a.server;

	(void)state;
	assert_int_equal(fail_dial(&a), 0);
	assert_ptr_not_equal(a.server, failed);
	assert_true(a.is_moved);
	assert_int_equal(failed->bindings, 0);
	assert_int_equal(failed->connections, 0);
	assert_true(affinity_confirm(affinity, &a));
	b = reserve(client(1));
	assert_ptr_equal(b.server, a.server);
	end(&a);
	end(&b);
	assert_counts(1, 0);
}

/* Two parallel connects: every order in which they fail and begin. */
static void affinity_parallel_failures_move_once_in_either_order(void **state)
{
	struct reservation res[2];
	unsigned first;

	(void)state;
	for (first = 0; first < 2; first++) {
		restart();
		res[0] = reserve(client(1));
		res[1] = reserve(client(1));
		assert_int_equal(fail_dial(&res[first]), 0);
		assert_int_equal(fail_dial(&res[1 - first]), 0);
		assert_ptr_equal(res[0].server, res[1].server);
		assert_int_equal(res[0].moves, 1);
		assert_int_equal(res[1].moves, 1);
		end(&res[0]);
		end(&res[1]);
		assert_counts(0, 0);
	}
}

static void affinity_late_failure_follows_a_confirmed_move(void **state)
{
	struct reservation a = reserve(client(1)), b = reserve(client(1));

	(void)state;
	assert_int_equal(fail_dial(&a), 0);
	assert_true(affinity_confirm(affinity, &a));
	assert_int_equal(fail_dial(&b), 0);
	assert_ptr_equal(b.server, a.server);
	assert_int_equal(b.moves, 1);
	end(&a);
	assert_true(affinity_confirm(affinity, &b));
	end(&b);
}

static void affinity_late_success_on_the_old_server_is_refused(void **state)
{
	struct reservation a = reserve(client(1)), b = reserve(client(1));

	(void)state;
	assert_int_equal(fail_dial(&a), 0);
	assert_false(affinity_confirm(affinity, &b));
	assert_false(b.is_live);
	assert_true(affinity_confirm(affinity, &a));
	end(&b);
	assert_int_equal(a.server->bindings, 1);
	end(&a);
	assert_counts(1, 0);
}

static void affinity_live_connection_keeps_the_client_in_place(void **state)
{
	struct reservation live = open_one(client(1)), a = reserve(client(1));
	struct reservation b;

	(void)state;
	assert_int_equal(fail_dial(&a), ERR_BUSY);
	assert_ptr_equal(a.server, live.server);
	end(&a);
	b = reserve(client(1)); /* though the server is set aside */
	assert_ptr_equal(b.server, live.server);
	assert_false(b.is_moved);
	end(&b);
	end(&live);
	b = reserve(client(1)); /* nothing holds it there any more */
	assert_true(b.is_moved);
	end(&b);
}

static void affinity_server_s_state_moves_even_a_live_client(void **state)
{
	struct reservation live = open_one(client(1)), a = reserve(client(1));
	struct server *old = live.server;
	struct reservation b;

	(void)state;
	old->state = CONF_STATE_DISABLED;
	b = reserve(client(1));
	assert_true(b.is_moved);
	assert_ptr_not_equal(b.server, old);
	assert_int_equal(move(&a, server_bit(old)), 0);
	assert_ptr_equal(a.server, b.server);
	assert_int_equal(a.moves, 1);
	assert_true(affinity_confirm(affinity, &a));
	end(&live); /* was live elsewhere: not one of the new server's */
	assert_int_equal(fail_dial(&b), ERR_BUSY);
	end(&b);
	end(&a);
	assert_counts(1, 0);
}

static void affinity_failed_connect_while_disabled_moves_a_live_one(void **s)
{
	struct reservation live = open_one(client(1)), a = reserve(client(1));

	(void)s;
	live.server->state = CONF_STATE_DISABLED;
	assert_int_equal(fail_dial(&a), 0);
	assert_ptr_not_equal(a.server, live.server);
	end(&a);
	end(&live);
	assert_counts(1, 0);
}

static void affinity_drained_server_keeps_its_clients(void **state)
{
	struct server *server = visit(client(1));
	struct reservation res;

	(void)state;
	server->state = CONF_STATE_DRAIN;
	res = reserve(client(1));
	assert_ptr_equal(res.server, server);
	end(&res);
}

static void affinity_move_with_none_left_says_so(void **state)
{
	struct reservation res = reserve(client(1));
	uint64_t tried = 0;
	unsigned i;

	(void)state;
	for (i = 0; i < WORLD_SERVERS; i++) {
		server_failed(res.server, 135, now_ms);
		assert_false(tried & server_bit(res.server));
		tried |= server_bit(res.server);
		assert_int_equal(move(&res, tried), i < 2 ? 0 : ERR_NOT_FOUND);
	}
	assert_counts(1, 1);
	end(&res);
	assert_counts(0, 0);
}

/* B is slow to fail; meanwhile its client went the round and came back. */
static void affinity_connection_never_tries_a_server_twice(void **state)
{
	struct reservation a = open_one(client(1)), b;
	struct server *first = a.server;
	uint64_t tried = server_bit(first);

	(void)state;
	b = reserve(client(1));
	end(&a);
	a = reserve(client(1));
	assert_int_equal(fail_dial(&a), 0);   /* to the second */
	assert_int_equal(move(&b, tried), 0); /* b as well */
	tried |= server_bit(b.server);
	now_ms += 1000; /* the first is open again */
	array.server[2].state = CONF_STATE_DRAIN;
	assert_int_equal(fail_dial(&a), 0); /* back to the first */
	assert_ptr_equal(a.server, first);
	assert_int_equal(move(&b, tried), ERR_NOT_FOUND);
	end(&a);
	end(&b);
}

/* ---- leaving servers ---- */

static void only_the_first(unsigned n)
{
	conf->nservers = n;
	assert_int_equal(array_apply(&array, conf), 0);
}

static void affinity_forgets_the_idle_bindings_of_a_leaving_server(void **s)
{
	struct server *third = &array.server[2];
	unsigned i;

	(void)s;
	for (i = 0; i < 30; i++)
		visit(client(i));
	only_the_first(2);
	assert_int_equal(third->bindings, 10);
	assert_true(array_sweep(&array) == 0);
	affinity_forget_leaving(affinity, UINT_MAX);
	assert_int_equal(third->bindings, 0);
	assert_counts(20, 0);
	assert_true(array_sweep(&array) == 4);
}

/* 3,000 in shards of 1,024, a hundred at a time, while clients come and go. */
static void affinity_forgets_a_few_at_a_time_and_remembers_where(void **s)
{
	struct server *third = &array.server[2];
	unsigned i, before, calls = 0;

	(void)s;
	conf->affinity.entries = 4096;
	restart();
	for (i = 0; i < 3000; i++)
		visit(client(i));
	only_the_first(2);
	while (third->bindings && calls < 40) {
		before = third->bindings;
		affinity_forget_leaving(affinity, 100);
		assert_true(before - third->bindings <= 100);
		/* It may be the one that is looked at next. */
		for (i = calls; i < 3000; i += 100)
			visit(client(i));
		calls++;
	}
	assert_in_range(calls, 11, 39);
	assert_int_equal(third->bindings, 0);
	assert_true(array_sweep(&array) == 4);
}

/* The one that would be looked at next is idle no more. */
static void affinity_goes_on_behind_a_binding_that_was_taken_up(void **state)
{
	struct reservation res;
	unsigned i;

	(void)state;
	for (i = 0; i < 30; i++)
		visit(client(i));
	only_the_first(2);
	affinity_forget_leaving(affinity, 1);
	res = reserve(client(1));
	affinity_forget_leaving(affinity, 1000);
	assert_int_equal(array.server[2].bindings, 0);
	assert_counts(20, 1);
	end(&res);
}

static void affinity_leaving_server_goes_with_its_last_connection(void **state)
{
	struct reservation res[3];
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++)
		res[i] = open_one(client(i));
	only_the_first(2);
	affinity_forget_leaving(affinity, UINT_MAX);
	assert_true(array_sweep(&array) == 0);
	end(&res[2]);
	assert_int_equal(array.server[2].bindings, 0);
	assert_true(array_sweep(&array) == 4);
	end(&res[0]);
	end(&res[1]);
	assert_counts(2, 0);
}

static void affinity_leaving_server_keeps_a_client_that_lives_there(void **s)
{
	struct reservation old, next;

	(void)s;
	sched.turn = 2;
	old = open_one(client(1));
	assert_int_equal(old.server->slot, 2);
	only_the_first(2);
	next = open_one(client(1));
	assert_false(next.is_moved);
	assert_int_equal(next.server->slot, 2);
	end(&old);
	assert_true(array_sweep(&array) == 0);
	end(&next);
	assert_true(array_sweep(&array) == 4);
	next = open_one(client(1));
	assert_true(next.server->slot != 2);
	end(&next);
}

static void affinity_moved_client_still_holds_the_slot_it_left(void **state)
{
	struct reservation old, new;

	(void)state;
	sched.turn = 2;
	old = open_one(client(1));
	assert_int_equal(old.server->slot, 2);
	only_the_first(2);
	array.server[2].state = CONF_STATE_DISABLED;
	new = reserve(client(1));
	assert_true(new.is_moved);
	assert_int_equal(old.server->bindings, 0);
	assert_true(array_sweep(&array) == 0); /* a connection is open */
	end(&old);
	assert_true(array_sweep(&array) == 4);
	end(&new);
}

/* The highest slot, whatever its life is. */
static struct server *choose_leaving(void *ctx, uint64_t except, uint64_t key,
				     const struct server *from)
{
	uint64_t left = 7 & ~except;

	(void)ctx;
	(void)key;
	(void)from;
	return left ? &array.server[63 - __builtin_clzll(left)] : NULL;
}

/* The reload came between the choice and the count. */
static void affinity_choice_of_a_server_that_left_is_made_again(void **state)
{
	struct affinity_chooser chooser = { choose_leaving, NULL, 0 };
	struct reservation res;
	struct addr addr;
	unsigned i;

	(void)state;
	only_the_first(1);
	for (i = 0; i < 9; i++) {
		addr = client(i);
		assert_int_equal(affinity_reserve(affinity, &addr, &chooser,
						  now_ms, &res),
				 0);
		assert_int_equal(res.server->slot, 0);
		end(&res);
	}
	only_the_first(0);
	addr = client(1);
	assert_int_equal(
		affinity_reserve(affinity, &addr, &chooser, now_ms, &res),
		ERR_NOT_FOUND);
	assert_counts(0, 0);
}

/* ---- distribution, isolation ---- */

static void affinity_no_client_moves_when_another_s_server_fails(void **state)
{
	struct server *was[300];
	struct reservation res;
	unsigned i, moved = 0;

	(void)state;
	for (i = 0; i < 300; i++)
		was[i] = visit(client(i));
	server_failed(&array.server[1], 135, now_ms);
	for (i = 0; i < 300; i++) {
		res = open_one(client(i));
		assert_int_equal(res.server != was[i],
				 was[i] == &array.server[1]);
		moved += res.is_moved;
		end(&res);
	}
	assert_int_equal(moved, 100);
	assert_int_equal(array.server[0].bindings, 150);
	assert_int_equal(array.server[2].bindings, 150);
}

static void new_clients_avoid(enum conf_method method, void (*put_away)(void))
{
	unsigned i;

	affinity_free(affinity);
	world_start(method);
	put_away();
	for (i = 0; i < 300; i++)
		visit(client(i));
	assert_int_equal(array.server[0].bindings, 150);
	assert_int_equal(array.server[1].bindings, 0);
	assert_int_equal(array.server[2].bindings, 150);
}

static void drain(void)
{
	array.server[1].state = CONF_STATE_DRAIN;
}

static void disable(void)
{
	array.server[1].state = CONF_STATE_DISABLED;
}

static void set_aside(void)
{
	server_failed(&array.server[1], 0, now_ms);
}

static void affinity_new_clients_are_shared_among_who_is_open(void **state)
{
	static void (*const ways[])(void) = { drain, disable, set_aside };
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		new_clients_avoid(CONF_METHOD_ROUND_ROBIN, ways[i]);
		new_clients_avoid(CONF_METHOD_LEAST_CLIENTS, ways[i]);
	}
}

static void affinity_new_clients_are_shared_among_all(void **state)
{
	unsigned i, j;
	enum conf_method method[] = { CONF_METHOD_ROUND_ROBIN,
				      CONF_METHOD_LEAST_CLIENTS };

	(void)state;
	for (i = 0; i < 2; i++) {
		affinity_free(affinity);
		world_start(method[i]);
		for (j = 0; j < 300; j++)
			visit(client(j));
		for (j = 0; j < WORLD_SERVERS; j++)
			assert_int_equal(array.server[j].bindings, 100);
	}
}

/* ---- memory ---- */

static void make_and_free(void *ctx)
{
	struct affinity *made = affinity_new(conf, world_seed);

	(void)ctx;
	assert_true(alloc_has_failed() ? !made : made != NULL);
	affinity_free(made);
}

static void affinity_new_survives_each_refused_allocation(void **state)
{
	(void)state;
	conf->affinity.entries = 4096; /* four shards */
	assert_int_equal(alloc_each_fails(NULL, make_and_free), 2 + 4 * 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(affinity_parallel_reservations_agree_before_any_connect),
		TEST(affinity_client_returns_to_its_server),
		TEST(affinity_unconfirmed_binding_ends_with_its_reservation),
		TEST(affinity_release_twice_is_release_once),
		TEST(affinity_confirm_twice_counts_once),
		TEST(affinity_without_server_keeps_nothing),
		TEST(affinity_timeout_slides_from_the_last_close),
		TEST(affinity_timed_out_binding_is_made_anew),
		TEST(affinity_expire_takes_no_more_than_asked),
		TEST(affinity_earlier_clock_of_another_thread_ends_nothing),
		TEST(affinity_full_table_drops_the_least_recently_used),
		TEST(affinity_binding_with_connections_is_never_dropped),
		TEST(affinity_of_many_shards_holds_all_its_entries),
		TEST(affinity_key_address_tells_neighbours_apart),
		TEST(affinity_key_network_joins_neighbours),
		TEST(affinity_ipv6_prefix_joins_temporary_addresses),
		TEST(affinity_alias_joins_both_families),
		TEST(affinity_addresses_are_the_name_and_its_aliases),
		TEST(affinity_alias_holds_for_temporary_addresses_too),
		TEST(affinity_alias_is_found_among_many),
		TEST(affinity_key_none_binds_each_connection_for_itself),
		TEST(affinity_key_none_lets_one_client_fill_the_table),
		TEST(affinity_key_none_moves_a_connection_that_failed),
		TEST(affinity_reconfigure_keeps_what_is_open),
		TEST(affinity_reconfigure_to_none_and_back),
		TEST(affinity_source_is_left_to_the_system_without_one),
		TEST(affinity_source_is_of_the_server_s_family),
		TEST(affinity_source_is_the_binding_s_own),
		TEST(affinity_sources_are_used_evenly),
		TEST(affinity_source_that_goes_changes_only_its_clients),
		TEST(affinity_key_none_keeps_a_client_s_source),
		TEST(affinity_failed_connect_moves_the_binding),
		TEST(affinity_parallel_failures_move_once_in_either_order),
		TEST(affinity_late_failure_follows_a_confirmed_move),
		TEST(affinity_late_success_on_the_old_server_is_refused),
		TEST(affinity_live_connection_keeps_the_client_in_place),
		TEST(affinity_server_s_state_moves_even_a_live_client),
		TEST(affinity_failed_connect_while_disabled_moves_a_live_one),
		TEST(affinity_drained_server_keeps_its_clients),
		TEST(affinity_move_with_none_left_says_so),
		TEST(affinity_connection_never_tries_a_server_twice),
		TEST(affinity_forgets_the_idle_bindings_of_a_leaving_server),
		TEST(affinity_forgets_a_few_at_a_time_and_remembers_where),
		TEST(affinity_goes_on_behind_a_binding_that_was_taken_up),
		TEST(affinity_leaving_server_goes_with_its_last_connection),
		TEST(affinity_leaving_server_keeps_a_client_that_lives_there),
		TEST(affinity_moved_client_still_holds_the_slot_it_left),
		TEST(affinity_choice_of_a_server_that_left_is_made_again),
		TEST(affinity_no_client_moves_when_another_s_server_fails),
		TEST(affinity_new_clients_are_shared_among_who_is_open),
		TEST(affinity_new_clients_are_shared_among_all),
		TEST(affinity_new_survives_each_refused_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
