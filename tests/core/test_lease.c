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
#include <unistd.h>

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
	struct addr client[200000];
	uint16_t port[200000];
} removed;

static void note_removed(void *ctx, const struct addr *client, uint16_t port)
{
	assert_ptr_equal(ctx, &removed);
	assert_true(removed.n < 200000);
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

static void lease_keeps_the_families_apart(void **state)
{
	static const char *const same_octets[] = { "10.0.0.1",
						   "a00:1::", "::10.0.0.1",
						   "::" };
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(grant_to(address(same_octets[i]), 50000,
					  target((uint8_t)i, 6001)),
				 1);
	assert_int_equal(leases_count(leases), 4);
	for (i = 0; i < 4; i++)
		assert_int_equal(found(address(same_octets[i]), 50000).slot, i);
	assert_int_equal(found(address("::ffff:10.0.0.1"), 50000).slot, 0);
	now_ms += TIMEOUT;
	assert_int_equal(leases_expire(leases, now_ms, 100), 4);
	assert_int_equal(removed.n, 4);
	for (i = 0; i < 4; i++) { /* told in the order of their age */
		struct addr addr = address(same_octets[i]);

		assert_true(addr_equal(&removed.client[i], &addr));
	}
}

static void lease_granted_again_leads_to_the_new_target(void **state)
{
	struct lease_target to = target(2, 6002), out;

	(void)state;
	assert_int_equal(grant(1), 1);
	assert_int_equal(grant(1), 0);
	to.interface.major = 7;
	assert_int_equal(grant_to(client(1), 50000, to), 0);
	out = found(client(1), 50000);
	assert_int_equal(out.slot, 2);
	assert_int_equal(out.port, 6002);
	assert_true(syntax_equal(&out.interface, &to.interface));
	assert_int_equal(leases_count(leases), 1);
	assert_int_equal(removed.n, 0);
}

static void lease_held_and_granted_again_is_still_held(void **state)
{
	(void)state;
	grant(1);
	assert_int_equal(hold(1), LEASE_VALID);
	assert_int_equal(grant_to(client(1), 50000, target(2, 6002)), 0);
	now_ms += 10 * TIMEOUT;
	assert_int_equal(found(client(1), 50000).slot, 2);
	release(1);
	assert_int_equal(find(1), LEASE_VALID);
	now_ms += TIMEOUT;
	assert_int_equal(find(1), LEASE_EXPIRED);
}

/* ---- time ---- */

static void lease_expires_and_is_then_forgotten(void **state)
{
	(void)state;
	grant(1);
	now_ms += TIMEOUT - 1;
	assert_int_equal(find(1), LEASE_VALID);
	now_ms += 1;
	assert_int_equal(find(1), LEASE_EXPIRED);
	assert_int_equal(hold(1), LEASE_EXPIRED);
	now_ms += TIMEOUT - 1;
	assert_int_equal(find(1), LEASE_EXPIRED);
	now_ms += 1;
	assert_int_equal(find(1), LEASE_NONE);
	assert_int_equal(hold(1), LEASE_NONE);
}

static void lease_between_two_seconds_never_ends_early(void **state)
{
	(void)state;
	now_ms += 1;
	grant(1);
	now_ms += TIMEOUT + 998; /* it counts from the next second on */
	assert_int_equal(find(1), LEASE_VALID);
	now_ms += 1;
	assert_int_equal(find(1), LEASE_EXPIRED);
}

static void lease_expired_is_told_once_and_remembered(void **state)
{
	(void)state;
	grant(1);
	now_ms += TIMEOUT - 1;
	assert_int_equal(leases_expire(leases, now_ms, 100), 0);
	assert_int_equal(removed.n, 0);
	now_ms += 1;
	assert_int_equal(leases_expire(leases, now_ms, 100), 1);
	assert_true(was_removed(1));
	assert_int_equal(leases_count(leases), 0);
	assert_int_equal(find(1), LEASE_EXPIRED);
	now_ms += TIMEOUT - 1;
	assert_int_equal(leases_expire(leases, now_ms, 100), 0);
	assert_int_equal(find(1), LEASE_EXPIRED);
	now_ms += 1;
	assert_int_equal(leases_expire(leases, now_ms, 100), 1);
	assert_int_equal(find(1), LEASE_NONE);
	assert_int_equal(removed.n, 1);
}

static void lease_expired_is_granted_as_new(void **state)
{
	(void)state;
	grant(1);
	grant(2);
	now_ms += TIMEOUT;
	assert_int_equal(grant(1), 1); /* before anybody found out */
	assert_int_equal(leases_expire(leases, now_ms, 100), 1);
	assert_false(was_removed(1));
	assert_true(was_removed(2));
	assert_int_equal(grant(2), 1); /* and after */
	assert_int_equal(find(1), LEASE_VALID);
	assert_int_equal(find(2), LEASE_VALID);
	assert_int_equal(leases_count(leases), 2);
	now_ms += TIMEOUT - 1;
	assert_int_equal(leases_expire(leases, now_ms, 100), 0);
}

static void lease_is_renewed_by_use_alone(void **state)
{
	(void)state;
	grant(1);
	grant(2);
	grant(3);
	now_ms += TIMEOUT - 1000;
	assert_int_equal(find(1), LEASE_VALID); /* a look is no use */
	assert_int_equal(hold(2), LEASE_VALID);
	release(2);
	assert_int_equal(grant(3), 0);
	now_ms += TIMEOUT - 1000;
	assert_int_equal(find(1), LEASE_EXPIRED);
	assert_int_equal(find(2), LEASE_VALID);
	assert_int_equal(find(3), LEASE_VALID);
	assert_int_equal(leases_expire(leases, now_ms, 100), 1);
	assert_true(was_removed(1));
}

static void lease_lasts_as_long_as_a_connection(void **state)
{
	(void)state;
	grant(1);
	assert_int_equal(hold(1), LEASE_VALID);
	assert_int_equal(hold(1), LEASE_VALID);
	release(1); /* one of two */
	now_ms += 100 * TIMEOUT;
	assert_int_equal(leases_expire(leases, now_ms, 100), 0);
	assert_int_equal(find(1), LEASE_VALID);
	assert_int_equal(grant(1), 0);
	release(1);
	now_ms += TIMEOUT - 1;
	assert_int_equal(find(1), LEASE_VALID);
	now_ms += 1;
	assert_int_equal(find(1), LEASE_EXPIRED);
	assert_int_equal(leases_expire(leases, now_ms, 100), 1);
}

static void lease_release_without_its_hold_does_nothing(void **state)
{
	(void)state;
	release(1);
	grant(1);
	now_ms += TIMEOUT / 2;
	release(1); /* not even renewed */
	now_ms += TIMEOUT / 2;
	assert_int_equal(find(1), LEASE_EXPIRED);
	release(1);
	assert_int_equal(find(1), LEASE_EXPIRED);
	assert_int_equal(removed.n, 0);
}

static void lease_earlier_clock_of_another_thread_ends_nothing(void **state)
{
	(void)state;
	now_ms += 5;
	grant(1);
	now_ms -= 1005;
	assert_int_equal(find(1), LEASE_VALID);
	grant(2); /* a second earlier, but later in the list: counted as now */
	assert_int_equal(leases_expire(leases, now_ms, 100), 0);
	now_ms += TIMEOUT + 1000;
	assert_int_equal(find(2), LEASE_VALID);
	now_ms += 1000;
	assert_int_equal(leases_expire(leases, now_ms, 100), 2);
}

static void lease_timeout_changes_for_all_at_once(void **state)
{
	(void)state;
	grant(1);
	now_ms += 5000;
	grant(2);
	leases_set_timeout(leases, 5000);
	assert_int_equal(find(1), LEASE_EXPIRED);
	assert_int_equal(find(2), LEASE_VALID);
	leases_set_timeout(leases, 10000); /* nobody has found out */
	assert_int_equal(find(1), LEASE_VALID);
	leases_set_timeout(leases, 5000);
	assert_int_equal(leases_expire(leases, now_ms, 100), 1);
	leases_set_timeout(leases, 10000); /* now it stays so */
	assert_int_equal(find(1), LEASE_EXPIRED);
	now_ms += 14999;
	assert_int_equal(find(1), LEASE_EXPIRED);
	now_ms += 1;
	assert_int_equal(find(1), LEASE_NONE);
}

static void lease_expire_takes_no_more_than_asked(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 100; i++)
		grant(i);
	now_ms += TIMEOUT;
	assert_int_equal(leases_expire(leases, now_ms, 70), 70);
	assert_int_equal(removed.n, 70);
	assert_int_equal(leases_count(leases), 30);
	now_ms += TIMEOUT; /* 30 to end, 100 to drop */
	assert_int_equal(leases_expire(leases, now_ms, 90), 90);
	assert_int_equal(removed.n, 100);
	assert_int_equal(leases_expire(leases, now_ms, 100), 40);
	assert_int_equal(leases_expire(leases, now_ms, 100), 0);
	for (i = 0; i < 100; i++)
		assert_true(was_removed(i));
}

static void lease_expire_tells_of_all_of_many(void **state)
{
	unsigned i;

	(void)state;
	start(10000); /* eight shards */
	for (i = 0; i < 9000; i++)
		grant(i);
	now_ms += TIMEOUT;
	assert_int_equal(leases_expire(leases, now_ms, 100000), 9000);
	assert_int_equal(removed.n, 9000);
	assert_int_equal(leases_count(leases), 0);
}

/* ---- the bound ---- */

static void lease_of_the_longest_unused_makes_room(void **state)
{
	(void)state;
	start(4);
	grant(1);
	grant(2);
	grant(3);
	grant(4);
	hold(1);
	release(1); /* now 2 is the oldest */
	grant(2);   /* now 3 is */
	assert_int_equal(grant(5), 1);
	assert_true(was_removed(3));
	assert_int_equal(grant(6), 1);
	assert_true(was_removed(4));
	assert_int_equal(removed.n, 2);
	assert_int_equal(find(3), LEASE_NONE);
	assert_int_equal(find(1), LEASE_VALID);
	assert_int_equal(find(2), LEASE_VALID);
	assert_int_equal(leases_count(leases), 4);
}

static void lease_that_is_only_remembered_makes_room_first(void **state)
{
	(void)state;
	start(4);
	grant(1);
	grant(2);
	hold(2);
	now_ms += 1000;
	grant(3);
	now_ms += TIMEOUT - 1000;
	assert_int_equal(leases_expire(leases, now_ms, 100), 1);
	release(2);
	grant(4);
	assert_int_equal(removed.n, 1);
	grant(5);
	assert_int_equal(removed.n, 1); /* 1 was told of already */
	assert_int_equal(find(1), LEASE_NONE);
	grant(6);
	assert_true(was_removed(3));
	assert_int_equal(removed.n, 2);
}

static void lease_with_connections_is_never_evicted(void **state)
{
	struct lease_target to = target(1, 6001);
	struct addr more = client(9);
	unsigned i;

	(void)state;
	start(4);
	for (i = 0; i < 4; i++) {
		grant(i);
		assert_int_equal(hold(i), LEASE_VALID);
	}
	assert_int_equal(lease_grant(leases, &more, 50000, &to, now_ms),
			 ERR_MEMORY);
	assert_int_equal(grant(3), 0); /* it has its room */
	assert_int_equal(removed.n, 0);
	release(2);
	assert_int_equal(grant(9), 1);
	assert_true(was_removed(2));
	for (i = 0; i < 4; i++)
		assert_int_equal(find(i), i == 2 ? LEASE_NONE : LEASE_VALID);
	assert_int_equal(leases_count(leases), 4);
}

static void lease_table_of_many_shards_holds_all_its_entries(void **state)
{
	unsigned i;

	(void)state;
	start(100001);
	for (i = 0; i < 119000; i++)
		grant(i);
	assert_int_equal(leases_count(leases), 100001);
	assert_int_equal(removed.n, 119000 - 100001);
}

/* More of them than a shard may keep, in a table with 64 shards. */
static void lease_of_too_many_different_targets_is_refused(void **state)
{
	struct lease_target to;
	unsigned i, last;
	int err = 1;

	(void)state;
	now_ms = 0; /* what has no time yet would not look old */
	start(64 * 6000);
	for (i = 0; err == 1 && i < 64 * 6000; i++) {
		to = target((uint8_t)(i % 64), (uint16_t)(1 + i / 64));
		err = grant_to(client(i), 50000, to);
	}
	assert_int_equal(err, ERR_MEMORY);
	assert_in_range(i, 64 * 3500, 64 * 4200);
	assert_int_equal(leases_count(leases), i - 1);
	assert_int_equal(find(i - 1), LEASE_NONE);
	assert_int_equal(removed.n, 0);
	last = i - 1;
	for (i = 0; i < last; i++) { /* what is known is not refused */
		to = target((uint8_t)(i % 64), (uint16_t)(1 + i / 64));
		assert_int_equal(grant_to(client(i), 50000, to), 0);
	}
	to = target(1, 60000);
	assert_int_equal(grant_to(client(last), 50000, to), ERR_MEMORY);
	lease_forget(leases, 1 << 5);
	assert_int_equal(grant_to(client(last), 50000, to), 1);
}

static void lease_target_is_given_up_with_its_last_lease(void **state)
{
	unsigned i;

	(void)state;
	start(64 * 6000);
	grant(1);
	for (i = 0; i < 20000; i++) {
		assert_int_equal(grant_to(client(1), 50000,
					  target((uint8_t)(i % 64),
						 (uint16_t)(7000 + i))),
				 0);
		assert_int_equal(found(client(1), 50000).port, 7000 + i);
	}
}

/* ---- a port that refuses ---- */

static void lease_end_port_ends_its_leases_and_no_other(void **state)
{
	struct lease_target other = target(1, 6001);

	(void)state;
	other.interface.minor = 0;
	grant_to(client(1), 50000, target(1, 6001));
	grant_to(client(2), 50000, target(1, 6002));
	grant_to(client(3), 50000, target(2, 6001));
	grant_to(client(4), 50000, other);
	grant_to(client(5), 50000, target(1, 6001));
	/* What shares a bucket with it. */
	grant_to(client(6), 50000, target(2, 6001 - 37));
	grant_to(client(7), 50000, target(1, 6001 + 256));
	lease_end_port(leases, 1, 6001);
	assert_int_equal(find(1), LEASE_NONE);
	assert_int_equal(find(2), LEASE_VALID);
	assert_int_equal(find(3), LEASE_VALID);
	assert_int_equal(find(4), LEASE_NONE);
	assert_int_equal(find(5), LEASE_NONE);
	assert_int_equal(find(6), LEASE_VALID);
	assert_int_equal(find(7), LEASE_VALID);
	assert_int_equal(removed.n, 3);
	assert_true(was_removed(1) && was_removed(4) && was_removed(5));
	assert_int_equal(leases_count(leases), 4);
	lease_end_port(leases, 1, 6001);
	assert_int_equal(removed.n, 3);
	assert_int_equal(grant(1), 1); /* announced again */
	assert_int_equal(find(1), LEASE_VALID);
}

static void lease_held_of_a_port_that_ended_ends_with_its_release(void **s)
{
	(void)s;
	grant(1);
	hold(1);
	hold(1);
	grant(2);
	lease_end_port(leases, 1, 6001);
	assert_true(was_removed(2));
	assert_int_equal(find(1), LEASE_VALID);
	assert_int_equal(hold(1), LEASE_VALID);
	release(1);
	release(1);
	assert_int_equal(find(1), LEASE_VALID);
	assert_false(was_removed(1));
	release(1);
	assert_int_equal(find(1), LEASE_NONE);
	assert_true(was_removed(1));
	assert_int_equal(leases_count(leases), 0);
}

static void lease_held_of_a_port_that_came_back_stays(void **state)
{
	(void)state;
	grant(1);
	hold(1);
	lease_end_port(leases, 1, 6001);
	assert_int_equal(grant(1), 0);
	release(1);
	assert_int_equal(find(1), LEASE_VALID);
	assert_int_equal(removed.n, 0);
	lease_end_port(leases, 1, 6001);
	assert_true(was_removed(1));
}

static void lease_end_port_ends_all_of_many_among_held_ones(void **state)
{
	unsigned i;

	(void)state;
	start(1000);
	for (i = 0; i < 1000; i++) {
		grant(i);
		if (i % 3 == 0)
			hold(i);
	}
	for (i = 0; i < 1000; i += 6) {
		release(i); /* among the idle ones again */
	}
	lease_end_port(leases, 1, 6001);
	for (i = 0; i < 1000; i++) {
		bool is_held = i % 3 == 0 && i % 6 != 0;

		assert_int_equal(was_removed(i), !is_held);
		assert_int_equal(find(i), is_held ? LEASE_VALID : LEASE_NONE);
		if (is_held)
			release(i);
	}
	assert_int_equal(removed.n, 1000);
	assert_int_equal(leases_count(leases), 0);
}

/* ---- a server that is gone ---- */

static void lease_forget_ends_the_leases_of_servers_that_are_gone(void **s)
{
	unsigned i;

	(void)s;
	for (i = 0; i < 64; i++)
		grant_to(client(i), 50000,
			 target((uint8_t)i, (uint16_t)(6000 + i % 2)));
	lease_forget(leases, UINT64_C(1) << 63 | 1 << 5 | 1 << 6);
	for (i = 0; i < 64; i++) {
		bool is_gone = i == 5 || i == 6 || i == 63;

		assert_int_equal(find(i), is_gone ? LEASE_NONE : LEASE_VALID);
		assert_int_equal(was_removed(i), is_gone);
	}
	assert_int_equal(leases_count(leases), 61);
}

static void lease_held_of_a_gone_server_leads_nowhere(void **state)
{
	(void)state;
	grant(1);
	hold(1);
	grant(2);
	hold(2);
	lease_end_port(leases, 1, 6001); /* one after the other */
	lease_forget(leases, 1 << 1);
	lease_forget(leases, 1 << 1);
	assert_int_equal(find(1), LEASE_NONE);
	assert_int_equal(hold(1), LEASE_NONE);
	assert_int_equal(removed.n, 0);
	assert_int_equal(grant(2), 1); /* the slot's next server */
	assert_int_equal(find(2), LEASE_VALID);
	release(1);
	release(2);
	assert_true(was_removed(1));
	assert_int_equal(find(1), LEASE_NONE);
	assert_int_equal(find(2), LEASE_VALID);
	assert_int_equal(removed.n, 1);
}

static void lease_expired_of_a_gone_server_is_still_remembered(void **state)
{
	(void)state;
	grant(1);
	now_ms += TIMEOUT;
	assert_int_equal(leases_expire(leases, now_ms, 100), 1);
	lease_forget(leases, UINT64_MAX);
	lease_end_port(leases, 1, 6001);
	assert_int_equal(find(1), LEASE_EXPIRED);
	assert_int_equal(removed.n, 1);
}

/* ---- who is told ---- */

static void grant_anew(void *ctx, const struct addr *client, uint16_t port)
{
	struct lease_target out, to = target(2, 6002);

	(void)ctx;
	assert_int_equal(lease_find(leases, client, port, now_ms, &out),
			 LEASE_NONE);
	assert_int_equal(lease_grant(leases, client, port, &to, now_ms), 1);
	removed.n++;
}

static void lease_removed_may_call_the_table(void **state)
{
	unsigned i;

	(void)state;
	leases_free(leases);
	leases = leases_new(200, TIMEOUT, seed, grant_anew, NULL);
	assert_non_null(leases);
	for (i = 0; i < 200; i++)
		grant(i);
	lease_end_port(leases, 1, 6001);
	assert_int_equal(removed.n, 200);
	for (i = 0; i < 200; i++)
		assert_int_equal(found(client(i), 50000).slot, 2);
}

static void lease_table_without_anybody_to_tell_works_as_well(void **state)
{
	(void)state;
	leases_free(leases);
	leases = leases_new(1, TIMEOUT, seed, NULL, NULL);
	assert_non_null(leases);
	grant(1);
	grant(2);
	assert_int_equal(find(1), LEASE_NONE);
	now_ms += TIMEOUT;
	assert_int_equal(leases_expire(leases, now_ms, 9), 1);
	grant(2);
	lease_end_port(leases, 1, 6001);
	assert_int_equal(leases_count(leases), 0);
}

/* ---- the state file ---- */

#define KEPT_MAX 3000

static struct kept {
	struct addr client;
	uint16_t port;
	struct lease_target target;
	uint64_t age_ms;
} kept[KEPT_MAX];
static unsigned nkept;

static void keep(void *ctx, const struct addr *client, uint16_t port,
		 const struct lease_target *target, uint64_t age_ms)
{
	assert_ptr_equal(ctx, &nkept);
	assert_true(nkept < KEPT_MAX);
	kept[nkept++] = (struct kept){ *client, port, *target, age_ms };
}

static void keep_all(void)
{
	nkept = 0;
	leases_each(leases, now_ms, keep, &nkept);
}

static const struct kept *kept_of(uint32_t n)
{
	const struct kept *one = NULL;
	struct addr addr = client(n);
	unsigned i;

	for (i = 0; i < nkept; i++)
		if (addr_equal(&kept[i].client, &addr)) {
			assert_null(one);
			one = &kept[i];
		}
	return one;
}

static int restore(const struct kept *one)
{
	return lease_restore(leases, &one->client, one->port, &one->target,
			     one->age_ms, now_ms);
}

static void lease_each_says_what_there_is(void **state)
{
	struct lease_target to = target(1, 6001);
	unsigned i;

	(void)state;
	grant(1); /* will be over */
	now_ms += TIMEOUT / 2;
	grant(2);
	grant(3);
	hold(3);
	grant_to(client(4), 50000, target(4, 6004));
	hold(4);
	grant_to(client(5), 50000, target(5, 6005));
	hold(5);
	grant(6);
	now_ms += TIMEOUT / 2;
	lease_end_port(leases, 4, 6004); /* end with their release */
	lease_forget(leases, 1 << 5);
	for (i = 0; i < 2; i++) { /* before anybody found out, and after */
		keep_all();
		assert_int_equal(nkept, 3);
		assert_int_equal(kept_of(2)->age_ms, TIMEOUT / 2);
		assert_int_equal(kept_of(3)->age_ms, 0);
		assert_int_equal(kept_of(6)->port, 50000);
		assert_int_equal(kept_of(6)->target.slot, 1);
		assert_int_equal(kept_of(6)->target.port, 6001);
		assert_true(syntax_equal(&kept_of(6)->target.interface,
					 &to.interface));
		assert_int_equal(leases_expire(leases, now_ms, 9), i == 0);
	}
}

static void lease_comes_back_with_its_age(void **state)
{
	unsigned i;

	(void)state;
	start(5000);
	for (i = 0; i < 2500; i++) {
		if (i % 100 == 0)
			now_ms += 1000;
		grant_to(client(i), 50000,
			 target((uint8_t)(i % 64), (uint16_t)(6001 + i % 5)));
	}
	keep_all();
	assert_int_equal(nkept, 2500);
	start(5000);
	now_ms = 7000; /* the machine started anew: its clock as well */
	for (i = 0; i < 2500; i++)
		assert_int_equal(restore(&kept[i]), 0);
	assert_int_equal(leases_count(leases), 2500);
	for (i = 0; i < 2500; i++) {
		assert_int_equal(found(client(i), 50000).slot, i % 64);
		assert_int_equal(found(client(i), 50000).port, 6001 + i % 5);
	}
	now_ms += TIMEOUT - 24000;
	for (i = 0; i < 25; i++, now_ms += 1000) {
		assert_int_equal(find(100 * i), LEASE_EXPIRED);
		assert_int_equal(find(100 * i + 99), LEASE_EXPIRED);
		assert_int_equal(find(100 * i + 100),
				 i == 24 ? LEASE_NONE : LEASE_VALID);
		assert_int_equal(leases_expire(leases, now_ms, 9999), 100);
	}
	assert_int_equal(removed.n, 2500);
}

/* Put back in a jumble, they still end by their age. */
static void lease_put_back_in_any_order_ends_by_its_age(void **state)
{
	struct kept one = { .port = 50000, .target = target(1, 6001) };
	unsigned i;

	(void)state;
	for (i = 0; i < 50; i++) { /* client n is n seconds old */
		one.client = client(i * 37 % 50);
		one.age_ms = 1000 * (uint64_t)(i * 37 % 50);
		assert_int_equal(restore(&one), 0);
	}
	grant(50);
	for (i = 0; i < 49; i++)
		grant(100 + i); /* now it is full */
	assert_int_equal(removed.n, 0);
	for (i = 49; i > 0; i--) {
		grant(200 + i);
		assert_int_equal(removed.n, 50 - i);
		assert_true(was_removed(i));
	}
	grant(300);
	assert_true(was_removed(0));
	grant(301);
	assert_true(was_removed(50));
}

static void lease_restore_changes_nothing_that_there_is(void **state)
{
	struct kept one = { .client = client(1),
			    .port = 50000,
			    .target = target(9, 9) };

	(void)state;
	start(2);
	grant(1);
	assert_int_equal(restore(&one), ERR_EXISTS);
	assert_int_equal(found(client(1), 50000).slot, 1);
	now_ms += TIMEOUT;
	assert_int_equal(restore(&one), ERR_EXISTS);
	one.client = client(2);
	one.age_ms = TIMEOUT;
	assert_int_equal(restore(&one), ERR_TIMEOUT);
	assert_int_equal(find(2), LEASE_NONE);
	one.age_ms = TIMEOUT - 1;
	assert_int_equal(restore(&one), 0);
	assert_int_equal(find(2), LEASE_VALID);
	one.client = client(3);
	assert_int_equal(restore(&one), ERR_MEMORY);
	assert_int_equal(removed.n, 0);
}

static void lease_restore_with_too_many_targets_is_refused(void **state)
{
	struct kept one = { .port = 50000 };
	unsigned i;
	int err = 0;

	(void)state;
	now_ms = 0; /* what has no time yet would not look old */
	start(64 * 6000);
	for (i = 0; !err && i < 64 * 6000; i++) {
		one.client = client(i);
		one.target = target((uint8_t)(i % 64), (uint16_t)(1 + i / 64));
		err = restore(&one);
	}
	assert_int_equal(err, ERR_MEMORY);
	assert_int_equal(find(i - 1), LEASE_NONE);
	assert_int_equal(leases_count(leases), i - 1);
}

/* ---- memory ---- */

static void make_and_free(void *ctx)
{
	struct leases *made = leases_new(4096, TIMEOUT, seed, NULL, NULL);

	(void)ctx;
	assert_true(alloc_has_failed() ? !made : made != NULL);
	leases_free(made);
}

static void lease_table_survives_each_refused_allocation(void **state)
{
	(void)state;
	assert_int_equal(alloc_each_fails(NULL, make_and_free), 2 + 4 * 5);
}

static void lease_table_of_no_size_is_refused(void **state)
{
	(void)state;
	assert_null(leases_new(0, TIMEOUT, seed, NULL, NULL));
	assert_null(leases_new(SIZE_MAX, TIMEOUT, seed, NULL, NULL));
	leases_free(NULL);
}

/* Octets of this process that are in memory. */
static double resident(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long size, pages = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &size, &pages), 2);
	fclose(file);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* The figure is for who reads it: a sanitizer's own memory is in it. */
static void lease_table_holds_a_million(void **state)
{
	double before;
	uint32_t i;

	(void)state;
	start(1000000);
	before = resident();
	for (i = 0; i < 1000000; i++)
		assert_int_equal(grant_to(client(i / 4),
					  (uint16_t)(50000 + i % 4),
					  target((uint8_t)(i % 16),
						 (uint16_t)(6001 + i % 3))),
				 1);
	print_message("%u leases, %.1f octets each\n", leases_count(leases),
		      (resident() - before) / 1000000);
	assert_int_equal(leases_count(leases) + removed.n, 1000000);
	assert_true(removed.n < 20000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(lease_leads_where_it_was_granted),
		TEST(lease_is_of_one_client_and_one_port),
		TEST(lease_keeps_the_families_apart),
		TEST(lease_granted_again_leads_to_the_new_target),
		TEST(lease_held_and_granted_again_is_still_held),
		TEST(lease_expires_and_is_then_forgotten),
		TEST(lease_between_two_seconds_never_ends_early),
		TEST(lease_expired_is_told_once_and_remembered),
		TEST(lease_expired_is_granted_as_new),
		TEST(lease_is_renewed_by_use_alone),
		TEST(lease_lasts_as_long_as_a_connection),
		TEST(lease_release_without_its_hold_does_nothing),
		TEST(lease_earlier_clock_of_another_thread_ends_nothing),
		TEST(lease_timeout_changes_for_all_at_once),
		TEST(lease_expire_takes_no_more_than_asked),
		TEST(lease_expire_tells_of_all_of_many),
		TEST(lease_of_the_longest_unused_makes_room),
		TEST(lease_that_is_only_remembered_makes_room_first),
		TEST(lease_with_connections_is_never_evicted),
		TEST(lease_table_of_many_shards_holds_all_its_entries),
		TEST(lease_of_too_many_different_targets_is_refused),
		TEST(lease_target_is_given_up_with_its_last_lease),
		TEST(lease_end_port_ends_its_leases_and_no_other),
		TEST(lease_held_of_a_port_that_ended_ends_with_its_release),
		TEST(lease_held_of_a_port_that_came_back_stays),
		TEST(lease_end_port_ends_all_of_many_among_held_ones),
		TEST(lease_forget_ends_the_leases_of_servers_that_are_gone),
		TEST(lease_held_of_a_gone_server_leads_nowhere),
		TEST(lease_expired_of_a_gone_server_is_still_remembered),
		TEST(lease_removed_may_call_the_table),
		TEST(lease_table_without_anybody_to_tell_works_as_well),
		TEST(lease_each_says_what_there_is),
		TEST(lease_comes_back_with_its_age),
		TEST(lease_put_back_in_any_order_ends_by_its_age),
		TEST(lease_restore_changes_nothing_that_there_is),
		TEST(lease_restore_with_too_many_targets_is_refused),
		TEST(lease_table_survives_each_refused_allocation),
		TEST(lease_table_of_no_size_is_refused),
		TEST(lease_table_holds_a_million),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
