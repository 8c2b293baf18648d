/*
 * test_affinity_shared.c - which clients stand for themselves, and what the
 * others are called.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

static void configure(enum conf_epm epm, enum conf_ports ports,
		      bool has_virtual)
{
	conf->rpc.epm = epm;
	conf->rpc.ports = ports;
	conf->rpc.has_virtual = has_virtual;
	affinity_reconfigure(affinity, conf);
}

static void share(const char *prefix)
{
	if (prefix_parse(prefix,
			 &conf->affinity.shared[conf->affinity.nshared++]))
		abort();
}

static int set_up(void **state)
{
	(void)state;
	world_conf();
	share("198.51.100.7");
	share("203.0.113.0/28");
	share("2001:db8:5::/48");
	world_start(CONF_METHOD_ROUND_ROBIN);
	configure(CONF_EPM_REWRITE, CONF_PORTS_DYNAMIC, false);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static bool is_shared(const char *text)
{
	struct addr addr = address(text);

	return affinity_is_shared(affinity, &addr);
}

static bool is_private(const char *text)
{
	struct addr addr = address(text);

	return affinity_is_private(affinity, &addr);
}

static void assert_name(const char *text, const char *name)
{
	struct addr addr = address(text), wanted = address(name);
	struct addr is = affinity_name(affinity, &addr);

	assert_true(addr_equal(&is, &wanted));
}

/* ---- who ---- */

struct row {
	const char *client;
	bool is_shared;
};

static const struct row rows[] = {
	{ "198.51.100.7", true },
	{ "198.51.100.6", false },
	{ "198.51.100.8", false },
	{ "203.0.112.255", false },
	{ "203.0.113.0", true },
	{ "203.0.113.15", true },
	{ "203.0.113.16", false },
	{ "2001:db8:5::1", true },
	{ "2001:db8:5:ffff::1", true },
	{ "2001:db8:6::1", false },
	{ "::1", false },
};

static void shared_addresses_are_those_of_the_list(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].client);
		assert_int_equal(is_shared(rows[i].client), rows[i].is_shared);
		assert_int_equal(is_private(rows[i].client), rows[i].is_shared);
	}
}

/* ---- only where virtual ports tell the servers apart ---- */

struct mode {
	enum conf_epm epm;
	enum conf_ports ports;
	bool has_virtual;
	bool is_shared;
};

static const struct mode modes[] = {
	{ CONF_EPM_REWRITE, CONF_PORTS_DYNAMIC, false, true },
	{ CONF_EPM_REWRITE, CONF_PORTS_DYNAMIC, true, true },
	{ CONF_EPM_REWRITE, CONF_PORTS_STATIC, false, false },
	{ CONF_EPM_REWRITE, CONF_PORTS_STATIC, true, true },
	{ CONF_EPM_REWRITE, CONF_PORTS_OFF, false, false },
	{ CONF_EPM_ANSWER, CONF_PORTS_DYNAMIC, false, true },
	{ CONF_EPM_ANSWER, CONF_PORTS_STATIC, false, false },
	{ CONF_EPM_ANSWER, CONF_PORTS_STATIC, true, true },
	{ CONF_EPM_TRACK, CONF_PORTS_DYNAMIC, false, false },
	{ CONF_EPM_TRACK, CONF_PORTS_DYNAMIC, true, false },
	{ CONF_EPM_TRACK, CONF_PORTS_STATIC, true, false },
	{ CONF_EPM_PASS, CONF_PORTS_DYNAMIC, false, false },
	{ CONF_EPM_PASS, CONF_PORTS_STATIC, true, false },
};

static void shared_address_is_the_key_without_virtual_ports(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		const struct mode *mode = &modes[i];

		print_message("line %zu\n", i);
		configure(mode->epm, mode->ports, mode->has_virtual);
		assert_int_equal(is_shared("198.51.100.7"), mode->is_shared);
		assert_int_equal(is_private("198.51.100.7"), mode->is_shared);
		assert_false(is_private("198.51.100.8"));
	}
}

static void key_none_makes_all_private_but_not_shared(void **state)
{
	(void)state;
	conf->affinity.key = CONF_KEY_NONE;
	configure(CONF_EPM_TRACK, CONF_PORTS_DYNAMIC, false);
	assert_true(is_private("198.51.100.8"));
	assert_false(is_shared("198.51.100.8"));
	assert_false(is_shared("198.51.100.7"));
	configure(CONF_EPM_REWRITE, CONF_PORTS_DYNAMIC, false);
	assert_true(is_shared("198.51.100.7"));
}

static void reload_makes_an_address_shared_and_takes_it_back(void **state)
{
	(void)state;
	assert_false(is_shared("192.0.2.1"));
	share("192.0.2.1");
	affinity_reconfigure(affinity, conf);
	assert_true(is_shared("192.0.2.1"));
	conf->affinity.nshared = 0;
	affinity_reconfigure(affinity, conf);
	assert_false(is_shared("192.0.2.1"));
	assert_false(is_shared("198.51.100.7"));
}

/* ---- what they are called ---- */

static void name_is_the_key_but_for_who_has_none(void **state)
{
	(void)state;
	conf->affinity.key = CONF_KEY_NETWORK;
	conf->affinity.naliases = 1;
	conf->affinity.alias[0].from = address("10.9.0.5");
	conf->affinity.alias[0].to = address("2001:db8::5");
	affinity_reconfigure(affinity, conf);
	assert_name("10.1.2.3", "10.1.2.0");
	assert_name("10.9.0.7", "2001:db8::"); /* an alias, cut as it is */
	assert_name("198.51.100.7", "198.51.100.7");
	assert_name("198.51.100.8", "198.51.100.0");
	assert_name("2001:db8:5::1", "2001:db8:5::1");
	conf->affinity.key = CONF_KEY_NONE;
	affinity_reconfigure(affinity, conf);
	assert_name("10.1.2.3", "10.1.2.3");
	assert_name("10.9.0.5", "10.9.0.5");
}

/* Not joined with its network, nor with its alias: it is many machines. */
static void alias_of_a_shared_address_is_passed_over(void **state)
{
	(void)state;
	conf->affinity.naliases = 1;
	conf->affinity.alias[0].from = address("198.51.100.7");
	conf->affinity.alias[0].to = address("10.0.0.1");
	affinity_reconfigure(affinity, conf);
	assert_name("198.51.100.7", "198.51.100.7");
	configure(CONF_EPM_TRACK, CONF_PORTS_DYNAMIC, false);
	assert_name("198.51.100.7", "10.0.0.1");
}

/* ---- their bindings ---- */

static struct reservation open_one(const char *text)
{
	struct affinity_chooser chooser = anyone(0);
	struct addr addr = address(text);
	struct reservation res;

	assert_int_equal(
		affinity_reserve(affinity, &addr, &chooser, now_ms, &res), 0);
	assert_true(affinity_confirm(affinity, &res));
	return res;
}

static void count_one(void *ctx, const struct affinity_entry *entry)
{
	(void)entry;
	++*(unsigned *)ctx;
}

static void shared_address_has_a_binding_for_each_connection(void **state)
{
	struct addr addr = address("198.51.100.7");
	struct reservation res[6];
	unsigned i, kept = 0;

	(void)state;
	for (i = 0; i < 6; i++) {
		res[i] = open_one("198.51.100.7");
		assert_true(res[i].is_new);
		assert_int_equal(res[i].server->slot, i % WORLD_SERVERS);
	}
	assert_int_equal(affinity_count(affinity), 6);
	assert_false(affinity_is_bound(affinity, &addr, now_ms));
	affinity_each(affinity, now_ms, count_one, &kept);
	assert_int_equal(kept, 0);
	for (i = 0; i < 6; i++)
		affinity_release(affinity, &res[i], now_ms);
	assert_int_equal(affinity_count(affinity), 0);
}

static void shared_address_was_bound_before_the_reload_that_shared_it(void **s)
{
	struct reservation before = open_one("192.0.2.1"), after;

	(void)s;
	share("192.0.2.1");
	affinity_reconfigure(affinity, conf);
	after = open_one("192.0.2.1");
	assert_true(after.is_new);
	assert_ptr_not_equal(after.binding, before.binding);
	affinity_release(affinity, &after, now_ms);
	affinity_release(affinity, &before, now_ms);
	assert_int_equal(affinity_count(affinity), 1); /* which ages out */
	now_ms += WORLD_TIMEOUT;
	assert_int_equal(affinity_expire(affinity, now_ms, 10), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(shared_addresses_are_those_of_the_list),
		TEST(shared_address_is_the_key_without_virtual_ports),
		TEST(key_none_makes_all_private_but_not_shared),
		TEST(reload_makes_an_address_shared_and_takes_it_back),
		TEST(name_is_the_key_but_for_who_has_none),
		TEST(alias_of_a_shared_address_is_passed_over),
		TEST(shared_address_has_a_binding_for_each_connection),
		TEST(shared_address_was_bound_before_the_reload_that_shared_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
