/*
 * test_group.c - who issued an association group is known while it lives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../helper/alloc.h"
#include "core/group.h"

#define UNKNOWN UINT64_MAX

static const uint8_t seed[HASH_KEY_LEN] = { 8, 7, 6, 5, 4, 3, 2, 1 };
static struct groups *groups;
static uint64_t now_ms;

static void start(size_t entries)
{
	groups_free(groups);
	groups = groups_new(entries, seed);
	assert_non_null(groups);
}

static int set_up(void **state)
{
	(void)state;
	now_ms = 1000000;
	start(100);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	groups_free(groups);
	groups = NULL;
	return 0;
}

/* The <n>th of many clients. */
static struct addr client(uint32_t n)
{
	struct addr addr = { .family = AF_INET, .octet = { 10 } };

	addr.octet[1] = (uint8_t)(n >> 16);
	addr.octet[2] = (uint8_t)(n >> 8);
	addr.octet[3] = (uint8_t)n;
	return addr;
}

static struct group *try_learn(uint32_t n, uint32_t id, uint8_t slot,
			       uint16_t port)
{
	struct addr addr = client(n);

	return group_learn(groups, &addr, id, slot, port);
}

static struct group *learn(uint32_t n, uint32_t id, uint8_t slot, uint16_t port)
{
	struct group *group = try_learn(n, id, slot, port);

	assert_non_null(group);
	return group;
}

static void release(struct group *group)
{
	group_release(groups, group, now_ms);
}

/* A mask, or UNKNOWN. */
static uint64_t issuers(uint32_t n, uint32_t id, uint16_t port)
{
	struct addr addr = client(n);
	uint64_t out = UNKNOWN;
	bool is_known = group_issuers(groups, &addr, id, port, now_ms, &out);

	assert_int_equal(is_known, out != UNKNOWN);
	return out;
}

/* ---- who issued what ---- */

static void group_s_issuer_is_known_while_it_is_held(void **state)
{
	struct group *group = learn(1, 0x1234, 5, 6001);

	(void)state;
	now_ms += 100 * (uint64_t)GROUP_LINGER_MS;
	assert_int_equal(groups_expire(groups, now_ms, 100), 0);
	assert_int_equal(issuers(1, 0x1234, 0), 1 << 5);
	assert_int_equal(groups_count(groups), 1);
	release(group);
}

static void group_is_of_one_client_and_one_id(void **state)
{
	struct group *group = learn(1, 0x1234, 5, 6001);

	(void)state;
	assert_int_equal(issuers(2, 0x1234, 0), UNKNOWN);
	assert_int_equal(issuers(1, 0x1235, 0), UNKNOWN);
	release(group);
}

static void group_of_both_families_is_known(void **state)
{
	struct addr four = client(1), six = { .family = AF_INET6 };
	struct group *a, *b;
	uint64_t out;

	(void)state;
	memcpy(six.octet, four.octet, sizeof(four.octet)); /* a00:1:: */
	a = group_learn(groups, &four, 7, 1, 135);
	b = group_learn(groups, &six, 7, 2, 135);
	assert_true(group_issuers(groups, &four, 7, 0, now_ms, &out));
	assert_int_equal(out, 1 << 1);
	assert_true(group_issuers(groups, &six, 7, 0, now_ms, &out));
	assert_int_equal(out, 1 << 2);
	release(a);
	release(b);
}

static void group_id_of_two_servers_has_two_issuers(void **state)
{
	struct group *a = learn(1, 7, 0, 6001), *b = learn(1, 7, 63, 6001);

	(void)state;
	assert_ptr_not_equal(a, b);
	assert_true(issuers(1, 7, 0) == (1 | UINT64_C(1) << 63));
	assert_true(issuers(1, 7, 6001) == (1 | UINT64_C(1) << 63));
	assert_int_equal(groups_count(groups), 2);
	release(a);
	release(b);
}

static void group_issuers_of_the_port_come_before_others(void **state)
{
	struct group *a = learn(1, 7, 3, 135), *b = learn(1, 7, 4, 6001),
		     *c = learn(1, 7, 5, 6001), *d = learn(1, 8, 6, 135);

	(void)state;
	assert_int_equal(issuers(1, 7, 135), 1 << 3);
	assert_int_equal(issuers(1, 7, 6001), 1 << 4 | 1 << 5);
	assert_int_equal(issuers(1, 7, 6002), 1 << 3 | 1 << 4 | 1 << 5);
	assert_int_equal(issuers(1, 7, 0), 1 << 3 | 1 << 4 | 1 << 5);
	release(a);
	release(b);
	release(c);
	release(d);
}

static void group_of_one_server_on_two_ports_is_two(void **state)
{
	struct group *a = learn(1, 7, 3, 135), *b = learn(1, 7, 3, 6001);

	(void)state;
	assert_ptr_not_equal(a, b);
	assert_int_equal(groups_count(groups), 2);
	assert_int_equal(issuers(1, 7, 0), 1 << 3);
	release(a);
	now_ms += GROUP_LINGER_MS; /* that of 135 is over */
	assert_int_equal(issuers(1, 7, 135), 1 << 3);
	assert_int_equal(groups_expire(groups, now_ms, 9), 1);
	release(b);
}

static void group_learned_again_is_the_same(void **state)
{
	struct group *group = learn(1, 7, 3, 135);

	(void)state;
	assert_ptr_equal(learn(1, 7, 3, 135), group);
	assert_int_equal(groups_count(groups), 1);
	release(group);
	now_ms += GROUP_LINGER_MS; /* the other still holds it */
	assert_int_equal(issuers(1, 7, 0), 1 << 3);
	assert_int_equal(groups_expire(groups, now_ms, 9), 0);
	release(group);
	now_ms += GROUP_LINGER_MS;
	assert_int_equal(issuers(1, 7, 0), UNKNOWN);
}

/* ---- time ---- */

static void group_lingers_after_its_last_connection(void **state)
{
	(void)state;
	release(learn(1, 7, 3, 135));
	now_ms += GROUP_LINGER_MS - 1;
	assert_int_equal(issuers(1, 7, 0), 1 << 3);
	assert_int_equal(groups_expire(groups, now_ms, 9), 0);
	now_ms += 1;
	assert_int_equal(issuers(1, 7, 0), UNKNOWN);
	assert_int_equal(groups_count(groups), 1);
	assert_int_equal(groups_expire(groups, now_ms, 9), 1);
	assert_int_equal(groups_count(groups), 0);
}

static void group_learned_while_it_lingers_is_held_again(void **state)
{
	struct group *group = learn(1, 7, 3, 135);

	(void)state;
	release(group);
	now_ms += GROUP_LINGER_MS - 1;
	assert_ptr_equal(learn(1, 7, 3, 135), group);
	now_ms += GROUP_LINGER_MS;
	assert_int_equal(groups_expire(groups, now_ms, 9), 0);
	assert_int_equal(issuers(1, 7, 0), 1 << 3);
	release(group);
	now_ms += GROUP_LINGER_MS - 1;
	assert_int_equal(issuers(1, 7, 0), 1 << 3);
}

static void group_earlier_clock_of_another_thread_ends_nothing(void **state)
{
	(void)state;
	release(learn(1, 7, 3, 135));
	now_ms -= 5;
	assert_int_equal(issuers(1, 7, 0), 1 << 3);
	assert_int_equal(groups_expire(groups, now_ms, 9), 0);
}

static void group_expire_takes_no_more_than_asked(void **state)
{
	unsigned i;

	(void)state;
	start(10000); /* eight shards */
	for (i = 0; i < 1000; i++)
		release(learn(i, i, 3, 135));
	now_ms += GROUP_LINGER_MS;
	assert_int_equal(groups_expire(groups, now_ms, 300), 300);
	assert_int_equal(groups_count(groups), 700);
	assert_int_equal(groups_expire(groups, now_ms, 1000), 700);
	assert_int_equal(groups_count(groups), 0);
}

static void group_release_of_none_is_allowed(void **state)
{
	(void)state;
	group_release(groups, NULL, now_ms);
	assert_int_equal(groups_count(groups), 0);
}

/* ---- the bound ---- */

static void group_without_connections_longest_makes_room(void **state)
{
	struct group *held;

	(void)state;
	start(4);
	held = learn(1, 7, 3, 135);
	release(learn(2, 7, 3, 135));
	release(learn(3, 7, 3, 135));
	release(learn(4, 7, 3, 135));
	release(learn(2, 7, 3, 135)); /* now that of 3 is the oldest */
	release(learn(5, 7, 3, 135));
	assert_int_equal(issuers(3, 7, 0), UNKNOWN);
	release(learn(6, 7, 3, 135));
	assert_int_equal(issuers(4, 7, 0), UNKNOWN);
	assert_int_equal(issuers(1, 7, 0), 1 << 3);
	assert_int_equal(issuers(2, 7, 0), 1 << 3);
	assert_int_equal(issuers(5, 7, 0), 1 << 3);
	assert_int_equal(issuers(6, 7, 0), 1 << 3);
	assert_int_equal(groups_count(groups), 4);
	release(held);
}

static void group_is_not_learned_when_all_are_held(void **state)
{
	struct group *held[4];
	unsigned i;

	(void)state;
	start(4);
	for (i = 0; i < 4; i++)
		held[i] = learn(i, 7, 3, 135);
	assert_null(try_learn(9, 7, 3, 135));
	assert_int_equal(issuers(9, 7, 0), UNKNOWN);
	assert_ptr_equal(learn(2, 7, 3, 135), held[2]); /* it is there */
	for (i = 0; i < 4; i++)
		assert_int_equal(issuers(i, 7, 0), 1 << 3);
	release(held[1]);
	held[1] = learn(9, 7, 3, 135);
	assert_int_equal(issuers(1, 7, 0), UNKNOWN);
	release(held[2]);
	for (i = 0; i < 4; i++)
		release(held[i]);
}

static void group_table_of_many_shards_holds_all_its_entries(void **state)
{
	unsigned i;

	(void)state;
	start(100001);
	for (i = 0; i < 130000; i++)
		release(learn(i / 2, i, 3, 135));
	assert_int_equal(groups_count(groups), 100001);
}

/* ---- a server that is gone ---- */

static void group_of_a_gone_server_is_known_but_nobody_s(void **state)
{
	struct group *group = learn(1, 7, 3, 135);

	(void)state;
	release(learn(2, 7, 3, 135));
	groups_forget(groups, 1 << 3);
	assert_int_equal(issuers(1, 7, 0), 0);
	assert_int_equal(issuers(1, 7, 135), 0);
	assert_int_equal(issuers(1, 7, 6001), 0);
	assert_int_equal(issuers(2, 7, 0), 0);
	now_ms += GROUP_LINGER_MS;
	assert_int_equal(issuers(1, 7, 0), 0);
	assert_int_equal(issuers(2, 7, 0), UNKNOWN);
	release(group);
	now_ms += GROUP_LINGER_MS - 1;
	assert_int_equal(issuers(1, 7, 0), 0);
	now_ms += 1;
	assert_int_equal(issuers(1, 7, 0), UNKNOWN);
	assert_int_equal(groups_expire(groups, now_ms, 9), 2);
}

static void group_of_a_gone_server_is_not_that_of_the_slot_s_next(void **s)
{
	struct group *old = learn(1, 7, 3, 135), *new;

	(void)s;
	groups_forget(groups, 1 << 3);
	groups_forget(groups, 1 << 3); /* and again, and others */
	groups_forget(groups, ~(UINT64_C(1) << 3));
	new = learn(1, 7, 3, 135);
	assert_ptr_not_equal(new, old);
	assert_int_equal(issuers(1, 7, 0), 1 << 3);
	release(new);
	now_ms += GROUP_LINGER_MS;
	assert_int_equal(issuers(1, 7, 0), 0);
	release(old);
}

static void group_of_a_gone_server_still_is_that_of_its_port(void **state)
{
	struct group *a = learn(1, 7, 3, 135), *b = learn(1, 7, 4, 6001);

	(void)state;
	groups_forget(groups, 1 << 3);
	assert_int_equal(issuers(1, 7, 135), 0);
	assert_int_equal(issuers(1, 7, 6001), 1 << 4);
	assert_int_equal(issuers(1, 7, 0), 1 << 4);
	release(a);
	release(b);
}

static void group_forget_takes_the_slots_that_it_is_given(void **state)
{
	struct group *group[64];
	uint64_t gone = UINT64_C(1) << 63 | 1 << 5 | 1;
	uint8_t i;

	(void)state;
	start(10000);
	for (i = 0; i < 64; i++)
		group[i] = learn(i, 7, i, 135);
	groups_forget(groups, gone);
	for (i = 0; i < 64; i++)
		assert_true(issuers(i, 7, 0) == (UINT64_C(1) << i & ~gone));
	for (i = 0; i < 64; i++)
		release(group[i]);
}

/* ---- memory ---- */

static void make_and_free(void *ctx)
{
	struct groups *made = groups_new(4096, seed);

	(void)ctx;
	assert_true(alloc_has_failed() ? !made : made != NULL);
	groups_free(made);
}

static void group_table_survives_each_refused_allocation(void **state)
{
	(void)state;
	assert_int_equal(alloc_each_fails(NULL, make_and_free), 2 + 4 * 3);
}

static void group_table_of_no_size_is_refused(void **state)
{
	(void)state;
	assert_null(groups_new(0, seed));
	groups_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(group_s_issuer_is_known_while_it_is_held),
		TEST(group_is_of_one_client_and_one_id),
		TEST(group_of_both_families_is_known),
		TEST(group_id_of_two_servers_has_two_issuers),
		TEST(group_issuers_of_the_port_come_before_others),
		TEST(group_of_one_server_on_two_ports_is_two),
		TEST(group_learned_again_is_the_same),
		TEST(group_lingers_after_its_last_connection),
		TEST(group_learned_while_it_lingers_is_held_again),
		TEST(group_earlier_clock_of_another_thread_ends_nothing),
		TEST(group_expire_takes_no_more_than_asked),
		TEST(group_release_of_none_is_allowed),
		TEST(group_without_connections_longest_makes_room),
		TEST(group_is_not_learned_when_all_are_held),
		TEST(group_table_of_many_shards_holds_all_its_entries),
		TEST(group_of_a_gone_server_is_known_but_nobody_s),
		TEST(group_of_a_gone_server_is_not_that_of_the_slot_s_next),
		TEST(group_of_a_gone_server_still_is_that_of_its_port),
		TEST(group_forget_takes_the_slots_that_it_is_given),
		TEST(group_table_survives_each_refused_allocation),
		TEST(group_table_of_no_size_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
