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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(group_s_issuer_is_known_while_it_is_held),
		TEST(group_is_of_one_client_and_one_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
