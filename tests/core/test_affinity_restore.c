/*
 * test_affinity_restore.c - bindings that outlive the process: told by one
 * table, made anew in the next.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "world.h"

#define MANY	 20000
#define TOLD_MAX (MANY + 1)

static struct affinity_entry told[TOLD_MAX];
static struct addr told_source[TOLD_MAX];
static unsigned ntold;
static uint8_t times_told[MANY];

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

static void restart_with(const uint8_t seed[static HASH_KEY_LEN], uint64_t ms)
{
	affinity_free(affinity);
	now_ms = ms;
	array_init(&array);
	assert_int_equal(array_apply(&array, conf), 0);
	affinity = affinity_new(conf, seed);
	assert_non_null(affinity);
}

/* Another process: tables anew, another seed, another clock. */
static void restart_at(uint64_t ms)
{
	static const uint8_t other_seed[HASH_KEY_LEN] = { 99 };

	restart_with(other_seed, ms);
}

static struct reservation reserve(struct addr addr)
{
	struct affinity_chooser chooser = anyone(0);
	struct reservation res;

	assert_int_equal(
		affinity_reserve(affinity, &addr, &chooser, now_ms, &res), 0);
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

static struct server *visit(struct addr addr)
{
	struct reservation res = open_one(addr);
	struct server *server = res.server;

	end(&res);
	return server;
}

static void note(void *ctx, const struct affinity_entry *entry)
{
	(void)ctx;
	assert_true(ntold < TOLD_MAX);
	if (entry->source)
		told_source[ntold] = *entry->source;
	told[ntold++] = *entry;
}

static void tell(void)
{
	ntold = 0;
	affinity_each(affinity, now_ms, note, NULL);
}

/* The only one. */
static const struct affinity_entry *told_one(void)
{
	tell();
	assert_int_equal(ntold, 1);
	return &told[0];
}

static int restore(struct addr key, unsigned slot, uint64_t idle_ms)
{
	return affinity_restore(affinity, &key, &array.server[slot], NULL,
				idle_ms, now_ms);
}

static bool is_bound(struct addr addr)
{
	return affinity_is_bound(affinity, &addr, now_ms);
}

static void assert_counts(unsigned bindings)
{
	unsigned i, b = 0, c = 0;

	for (i = 0; i < ARRAY_SLOTS; i++) {
		b += array.server[i].bindings;
		c += array.server[i].connections;
	}
	assert_int_equal(b, bindings);
	assert_int_equal(c, 0);
	assert_int_equal(affinity_count(affinity), bindings);
}

/* ---- telling ---- */

static void each_tells_key_server_and_how_long_it_is_idle(void **state)
{
	struct server *server = visit(client(7));
	struct addr key = client(7);

	(void)state;
	now_ms += 1234;
	assert_true(addr_equal(&told_one()->key, &key));
	assert_ptr_equal(told[0].server, server);
	assert_int_equal(told[0].idle_ms, 1234);
	assert_null(told[0].source);
}

static void each_tells_a_connected_client_as_not_idle(void **state)
{
	struct reservation res = open_one(client(7));

	(void)state;
	now_ms += 10 * (uint64_t)WORLD_TIMEOUT;
	assert_int_equal(told_one()->idle_ms, 0);
	end(&res);
}

static void each_tells_another_threads_future_as_not_idle(void **state)
{
	(void)state;
	visit(client(7));
	now_ms--;
	assert_int_equal(told_one()->idle_ms, 0);
}

static void each_leaves_out_what_no_connect_confirmed(void **state)
{
	struct reservation res = reserve(client(7));

	(void)state;
	tell();
	assert_int_equal(ntold, 0);
	end(&res);
}

static void each_leaves_out_what_timed_out(void **state)
{
	(void)state;
	visit(client(7));
	now_ms += WORLD_TIMEOUT - 1;
	assert_int_equal(told_one()->idle_ms, WORLD_TIMEOUT - 1);
	now_ms++;
	tell();
	assert_int_equal(ntold, 0);
}

static void each_leaves_out_private_ones(void **state)
{
	struct reservation res;

	(void)state;
	conf->affinity.key = CONF_KEY_NONE;
	affinity_reconfigure(affinity, conf);
	res = open_one(client(7));
	tell();
	assert_int_equal(ntold, 0);
	end(&res);
}

static void each_leaves_out_servers_that_leave(void **state)
{
	struct reservation res = open_one(client(7));

	(void)state;
	res.server->life = SERVER_LEAVING;
	tell();
	assert_int_equal(ntold, 0);
	end(&res);
}

static void each_tells_the_source_of_the_servers_family(void **state)
{
	struct addr v4 = address("10.77.0.9"), v6 = address("fd00::9");

	(void)state;
	conf->balancer.nsources = 2;
	conf->balancer.source[0] = v6;
	conf->balancer.source[1] = v4;
	restart_at(now_ms);
	visit(client(7));
	assert_true(addr_equal(told_one()->source, &v4));
	told[0].server->address = v6;
	assert_true(addr_equal(told_one()->source, &v6));
}

/* Several shards, and more in each than are copied at a time. */
static void each_tells_every_binding_once(void **state)
{
	unsigned i;

	(void)state;
	conf->affinity.entries = 4 * MANY;
	restart_at(now_ms);
	for (i = 0; i < MANY; i++)
		visit(client(i));
	tell();
	assert_int_equal(ntold, MANY);
	memset(times_told, 0, sizeof(times_told));
	for (i = 0; i < MANY; i++)
		times_told[told[i].key.octet[1] << 16 |
			   told[i].key.octet[2] << 8 | told[i].key.octet[3]]++;
	for (i = 0; i < MANY; i++)
		assert_int_equal(times_told[i], 1);
}

/* … wherever in the table a copy ends: small tables, much of it luck. */
static void each_tells_every_binding_of_a_table_that_fills(void **state)
{
	uint8_t seed[HASH_KEY_LEN] = { 0 };
	unsigned i;

	(void)state;
	conf->affinity.entries = 128;
	for (seed[0] = 0; seed[0] < 100; seed[0]++) {
		restart_with(seed, now_ms);
		for (i = 1; i <= conf->affinity.entries; i++) {
			visit(client(i));
			tell();
			assert_int_equal(ntold, i);
		}
	}
}

/* ---- restoring ---- */

static void restored_client_returns_to_its_server(void **state)
{
	struct reservation res;
	unsigned i;

	(void)state;
	for (i = 0; i < 12; i++)
		assert_int_equal(restore(client(i), i % 2 + 1, 0), 0);
	assert_counts(12);
	for (i = 0; i < 12; i++) {
		res = reserve(client(i));
		assert_int_equal(res.server->slot, i % 2 + 1);
		assert_false(res.is_new);
		end(&res);
	}
	assert_counts(12); /* confirmed: they stay without a connect */
}

static void restored_binding_times_out_when_it_would_have(void **state)
{
	(void)state;
	assert_int_equal(restore(client(1), 0, WORLD_TIMEOUT - 5), 0);
	now_ms += 4;
	assert_true(is_bound(client(1)));
	assert_int_equal(told_one()->idle_ms, WORLD_TIMEOUT - 1);
	now_ms++;
	assert_false(is_bound(client(1)));
	assert_int_equal(affinity_expire(affinity, now_ms, 10), 1);
	assert_counts(0);
}

/* The machine was started anew: its clock is younger than the binding. */
static void restored_binding_may_be_older_than_the_clock(void **state)
{
	(void)state;
	restart_at(1000);
	assert_int_equal(restore(client(1), 0, 0), 0);
	assert_int_equal(restore(client(2), 0, 60000), 0);
	assert_int_equal(restore(client(3), 0, WORLD_TIMEOUT - 1), 0);
	assert_true(is_bound(client(2)));
	now_ms++;
	assert_false(is_bound(client(3)));
	assert_int_equal(affinity_expire(affinity, now_ms, 10), 1);
	now_ms = WORLD_TIMEOUT - 60000 + 999;
	assert_true(is_bound(client(2)));
	now_ms++;
	assert_false(is_bound(client(2)));
	assert_true(is_bound(client(1)));
	assert_int_equal(affinity_expire(affinity, now_ms, 10), 1);
	assert_counts(1);
}

static void restore_refuses_what_has_timed_out(void **state)
{
	(void)state;
	assert_int_equal(restore(client(1), 0, WORLD_TIMEOUT), ERR_TIMEOUT);
	assert_int_equal(restore(client(1), 0, UINT64_MAX), ERR_TIMEOUT);
	assert_counts(0);
}

static void restore_refuses_a_second_binding_of_a_client(void **state)
{
	struct reservation res;

	(void)state;
	assert_int_equal(restore(client(1), 2, 5), 0);
	assert_int_equal(restore(client(1), 1, 6), ERR_EXISTS);
	assert_counts(1);
	res = reserve(client(1));
	assert_int_equal(res.server->slot, 2);
	end(&res);
}

static void restore_refuses_a_server_that_is_not_in_use(void **state)
{
	(void)state;
	array.server[1].life = SERVER_LEAVING;
	assert_int_equal(restore(client(1), 1, 0), ERR_NOT_FOUND);
	assert_int_equal(restore(client(1), 5, 0), ERR_NOT_FOUND);
	assert_counts(0);
}

static void restore_to_a_full_table_keeps_the_most_recent(void **state)
{
	unsigned i;

	(void)state;
	conf->affinity.entries = 64;
	restart_at(now_ms);
	for (i = 0; i < 64; i++)
		assert_int_equal(restore(client(i), 0, i), 0);
	assert_int_equal(restore(client(64), 0, 64), ERR_MEMORY);
	assert_counts(64);
	assert_true(is_bound(client(0)));
	assert_false(is_bound(client(64)));
}

static void restore_without_affinity_keeps_nothing(void **state)
{
	(void)state;
	conf->affinity.key = CONF_KEY_NONE;
	restart_at(now_ms);
	assert_int_equal(restore(client(1), 0, 0), ERR_UNSUPPORTED);
	assert_counts(0);
}

/* Whatever the order in which they come. */
static void restored_bindings_leave_by_age(void **state)
{
	static const unsigned order[] = { 3, 1, 4, 0, 5, 2 };
	unsigned i;

	(void)state;
	for (i = 0; i < 6; i++)
		assert_int_equal(restore(client(order[i]), 0,
					 WORLD_TIMEOUT - 100 + 10 * order[i]),
				 0);
	for (i = 5; i < 6; i--) {
		now_ms = 1000000 + 100 - 10 * i;
		assert_false(is_bound(client(i)));
		assert_int_equal(affinity_expire(affinity, now_ms, 10), 1);
		assert_int_equal(affinity_count(affinity), i);
	}
}

/* The next client takes the place of the one that is idle for longest. */
static void restored_bindings_are_evicted_by_age(void **state)
{
	unsigned i;

	(void)state;
	conf->affinity.entries = 64;
	restart_at(now_ms);
	for (i = 0; i < 64; i++)
		assert_int_equal(restore(client(i), 0, i * 37 % 64), 0);
	for (i = 0; i < 64; i++) {
		visit(client(100 + i)); /* the one that was idle for 63 - i */
		assert_false(is_bound(client((63 - i) * 45 % 64)));
		assert_int_equal(affinity_count(affinity), 64);
	}
}

static void restored_key_is_cut_to_todays_prefix(void **state)
{
	struct reservation res;

	(void)state;
	assert_int_equal(restore(client(5), 2, 1), 0);
	conf->affinity.key = CONF_KEY_NETWORK;
	restart_at(now_ms);
	assert_int_equal(restore(client(5), 2, 1), 0);
	assert_int_equal(restore(client(6), 1, 2), ERR_EXISTS);
	res = reserve(client(77));
	assert_int_equal(res.server->slot, 2);
	end(&res);
}

/* 10.0.0.1 is 10.0.0.2's key; that 10.0.0.2 itself is somebody else does
 * not make it 10.0.0.3's. */
static void restored_key_is_no_alias_again(void **state)
{
	struct reservation res;

	(void)state;
	conf->affinity.naliases = 2;
	conf->affinity.alias[0] = (struct conf_alias){ client(1), client(2) };
	conf->affinity.alias[1] = (struct conf_alias){ client(2), client(3) };
	restart_at(now_ms);
	visit(client(1));
	tell();
	restart_at(now_ms);
	assert_int_equal(restore(told[0].key, 2, 0), 0);
	res = reserve(client(1));
	assert_int_equal(res.server->slot, 2);
	end(&res);
}

/* ---- sources ---- */

static struct addr source_now(struct addr addr, uint8_t family)
{
	struct reservation res = reserve(addr);
	const struct addr *source = affinity_source(affinity, &res, family);
	struct addr found = { 0 };

	if (source)
		found = *source;
	end(&res);
	return found;
}

static void give_sources(unsigned n)
{
	unsigned i;

	conf->balancer.nsources = n;
	for (i = 0; i < n; i++) {
		conf->balancer.source[i] = address("10.77.0.100");
		conf->balancer.source[i].octet[3] = (uint8_t)(100 + i);
	}
}

static void restored_binding_keeps_its_source(void **state)
{
	struct addr source;
	unsigned i;

	(void)state;
	give_sources(8);
	restart_at(now_ms);
	for (i = 0; i < 64; i++) {
		struct addr key = client(i);

		source = conf->balancer.source[i % 8];
		assert_int_equal(affinity_restore(affinity, &key,
						  &array.server[0], &source, 0,
						  now_ms),
				 0);
		key = source_now(client(i), AF_INET);
		assert_true(addr_equal(&key, &source));
	}
}

static void restored_source_of_one_family_leaves_the_other(void **state)
{
	struct addr v6 = address("fd00::1"), key = client(1), found;

	(void)state;
	give_sources(4);
	conf->balancer.source[conf->balancer.nsources++] = address("fd00::2");
	conf->balancer.source[conf->balancer.nsources++] = v6;
	restart_at(now_ms);
	visit(key);
	found = source_now(key, AF_INET);
	affinity_free(affinity);
	world_start(CONF_METHOD_ROUND_ROBIN);
	visit(key);
	found = source_now(key, AF_INET);
	affinity_free(affinity);
	world_start(CONF_METHOD_ROUND_ROBIN);
	assert_int_equal(affinity_restore(affinity, &key, &array.server[0], &v6,
					  0, now_ms),
			 0);
	key = source_now(client(1), AF_INET);
	assert_true(addr_equal(&key, &found));
	key = source_now(client(1), AF_INET6);
	assert_true(addr_equal(&key, &v6));
}

/* A source that went: the usual choice, which a fresh binding shows. */
static void restored_binding_with_a_lost_source_gets_the_usual(void **state)
{
	struct addr lost = address("10.77.0.99"), key, found[64];
	unsigned i;

	(void)state;
	give_sources(8);
	restart_at(now_ms);
	for (i = 0; i < 64; i++) {
		visit(client(i));
		found[i] = source_now(client(i), AF_INET);
	}
	restart_at(now_ms);
	for (i = 0; i < 64; i++) {
		key = client(i);
		assert_int_equal(affinity_restore(affinity, &key,
						  &array.server[0], &lost, 0,
						  now_ms),
				 0);
		key = source_now(client(i), AF_INET);
		assert_true(addr_equal(&key, &found[i]));
	}
}

/* ---- both ---- */

static int by_idle(const void *a, const void *b)
{
	const struct affinity_entry *left = a, *right = b;

	if (left->idle_ms == right->idle_ms)
		return 0;
	return left->idle_ms < right->idle_ms ? -1 : 1;
}

static void every_binding_survives_a_restart(void **state)
{
	static uint8_t slot[MANY];
	struct reservation res;
	unsigned i;

	(void)state;
	conf->affinity.entries = 4 * MANY;
	restart_at(now_ms);
	for (i = 0; i < MANY; i++) {
		slot[i] = visit(client(i))->slot;
		now_ms += i % 3;
	}
	tell();
	assert_int_equal(ntold, MANY);
	qsort(told, ntold, sizeof(told[0]), by_idle);
	restart_at(50);
	for (i = 0; i < ntold; i++)
		assert_int_equal(restore(told[i].key, told[i].server->slot,
					 told[i].idle_ms),
				 0);
	for (i = 0; i < MANY; i++) {
		res = reserve(client(i));
		assert_false(res.is_new);
		assert_int_equal(res.server->slot, slot[i]);
		end(&res);
	}
	assert_counts(MANY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_tells_key_server_and_how_long_it_is_idle),
		TEST(each_tells_a_connected_client_as_not_idle),
		TEST(each_tells_another_threads_future_as_not_idle),
		TEST(each_leaves_out_what_no_connect_confirmed),
		TEST(each_leaves_out_what_timed_out),
		TEST(each_leaves_out_private_ones),
		TEST(each_leaves_out_servers_that_leave),
		TEST(each_tells_the_source_of_the_servers_family),
		TEST(each_tells_every_binding_once),
		TEST(each_tells_every_binding_of_a_table_that_fills),
		TEST(restored_client_returns_to_its_server),
		TEST(restored_binding_times_out_when_it_would_have),
		TEST(restored_binding_may_be_older_than_the_clock),
		TEST(restore_refuses_what_has_timed_out),
		TEST(restore_refuses_a_second_binding_of_a_client),
		TEST(restore_refuses_a_server_that_is_not_in_use),
		TEST(restore_to_a_full_table_keeps_the_most_recent),
		TEST(restore_without_affinity_keeps_nothing),
		TEST(restored_bindings_leave_by_age),
		TEST(restored_bindings_are_evicted_by_age),
		TEST(restored_key_is_cut_to_todays_prefix),
		TEST(restored_key_is_no_alias_again),
		TEST(restored_binding_keeps_its_source),
		TEST(restored_source_of_one_family_leaves_the_other),
		TEST(restored_binding_with_a_lost_source_gets_the_usual),
		TEST(every_binding_survives_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
