/*
 * test_lease.c - a client is told of a port, and it leads there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../helper/alloc.h"
#include "core/lease.h"

#define TIMEOUT 60000

static const uint8_t seed[HASH_KEY_LEN] = { 8, 7, 6, 5, 4, 3, 2, 1 };
static struct leases *leases;
static uint64_t now_ms;

/* Who was told that a lease ended: clients by their number, in order. */
static struct {
	unsigned n;
	struct addr client[20000];
	uint16_t port[20000];
} removed;

static void note_removed(void *ctx, const struct addr *client, uint16_t port)
{
	assert_ptr_equal(ctx, &removed);
	assert_true(removed.n < 20000);
	removed.client[removed.n] = *client;
	removed.port[removed.n++] = port;
}

static void start(size_t entries)
{
	leases_free(leases);
	leases = leases_new(entries, TIMEOUT, seed, note_removed, &removed);
	assert_non_null(leases);
}

static int set_up(void **state)
{
	(void)state;
	now_ms = 1000000;
	removed.n = 0;
	start(100);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	leases_free(leases);
	leases = NULL;
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

static struct addr address(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static struct lease_target target(uint8_t slot, uint16_t port)
{
	struct lease_target target = { .slot = slot, .port = port };

	target.interface.uuid.time_low = 0xa4f1db00;
	target.interface.uuid.rest[7] = 0xda;
	target.interface.minor = 81;
	return target;
}

static int grant_to(struct addr addr, uint16_t port, struct lease_target to)
{
	return lease_grant(leases, &addr, port, &to, now_ms);
}

/* Client <n>'s lease on port 50000 leads to port 6001 of the server in slot
 * 1. Returns whether it is new. */
static int grant(uint32_t n)
{
	int err = grant_to(client(n), 50000, target(1, 6001));

	assert_true(err >= 0);
	return err;
}

static enum lease_state find(uint32_t n)
{
	struct lease_target out;
	struct addr addr = client(n);

	return lease_find(leases, &addr, 50000, now_ms, &out);
}

static struct lease_target found(struct addr addr, uint16_t port)
{
	struct lease_target out = { 0 };

	assert_int_equal(lease_find(leases, &addr, port, now_ms, &out),
			 LEASE_VALID);
	return out;
}

static enum lease_state hold(uint32_t n)
{
	struct lease_target out = { 0 };
	struct addr addr = client(n);
	enum lease_state state = lease_hold(leases, &addr, 50000, now_ms, &out);

	assert_int_equal(out.port != 0, state == LEASE_VALID);
	return state;
}

static void release(uint32_t n)
{
	struct addr addr = client(n);

	lease_release(leases, &addr, 50000, now_ms);
}

static bool was_removed(uint32_t n)
{
	struct addr addr = client(n);
	unsigned i, times = 0;

	for (i = 0; i < removed.n; i++)
		times += addr_equal(&removed.client[i], &addr) &&
			 removed.port[i] == 50000;
	assert_true(times < 2);
	return times;
}

/* ---- what a lease says ---- */

static void lease_leads_where_it_was_granted(void **state)
{
	struct lease_target to = target(63, 65535), out;

	(void)state;
	assert_int_equal(grant_to(client(1), 1, to), 1);
	out = found(client(1), 1);
	assert_int_equal(out.slot, 63);
	assert_int_equal(out.port, 65535);
	assert_true(syntax_equal(&out.interface, &to.interface));
	assert_int_equal(leases_count(leases), 1);
}

static void lease_is_of_one_client_and_one_port(void **state)
{
	struct lease_target out = { 0 };
	struct addr other = client(2);
	struct addr same = client(1);

	(void)state;
	grant(1);
	assert_int_equal(lease_find(leases, &other, 50000, now_ms, &out),
			 LEASE_NONE);
	assert_int_equal(lease_find(leases, &same, 50001, now_ms, &out),
			 LEASE_NONE);
	assert_int_equal(out.port, 0); /* untouched */
	assert_int_equal(lease_hold(leases, &other, 50000, now_ms, &out),
			 LEASE_NONE);
	assert_int_equal(out.port, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(lease_leads_where_it_was_granted),
		TEST(lease_is_of_one_client_and_one_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
