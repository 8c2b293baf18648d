/*
 * test_group_threads.c - workers learn and release the same groups at the
 * same time; what one of them holds is known to all. Meant to be run under a
 * thread sanitizer as well.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/group.h"

#define WORKERS 4
#define TURNS	20000
#define CLIENTS 600
#define IDS	4

static struct groups *groups;
static atomic_uint bad; /* what must never happen happened this often */
static _Atomic uint64_t now_ms;
static atomic_uint working;

static unsigned rnd(uint64_t *luck, unsigned below)
{
	*luck = *luck * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*luck >> 33) % below;
}

static struct addr client(unsigned n)
{
	struct addr addr = { .family = AF_INET, .octet = { 10 } };

	addr.octet[2] = (uint8_t)(n >> 8);
	addr.octet[3] = (uint8_t)n;
	return addr;
}

/* The server in slot 0 is never gone, those in the others may be. */
static void *learn_and_release(void *ctx)
{
	uint64_t luck = (uintptr_t)ctx + 1, issuers;
	struct group *group;
	struct addr addr;
	uint8_t slot;
	uint32_t id;
	unsigned i;

	for (i = 0; i < TURNS; i++) {
		addr = client(rnd(&luck, CLIENTS));
		id = 1 + rnd(&luck, IDS);
		slot = (uint8_t)rnd(&luck, 3);
		group = group_learn(groups, &addr, id, slot, 6001);
		if (!group) {
			bad++; /* the table has room for all that are held */
			continue;
		}
		issuers = 0;
		bad += !group_issuers(groups, &addr, id, 6001, now_ms,
				      &issuers);
		bad += slot == 0 && !(issuers & 1);
		group_release(groups, group, now_ms);
	}
	working--;
	return NULL;
}

static void groups_come_and_go(void)
{
	while (working) {
		now_ms += GROUP_LINGER_MS / 3;
		groups_expire(groups, now_ms, 50);
		groups_forget(groups, 1 << 1 | 1 << 2);
		sched_yield();
	}
}

static void group_that_is_held_is_known_to_all(void **state)
{
	static const uint8_t seed[HASH_KEY_LEN] = { 1, 2, 3 };
	pthread_t worker[WORKERS];
	uintptr_t i;

	(void)state;
	groups = groups_new(2048, seed); /* two shards, and evictions */
	assert_non_null(groups);
	working = WORKERS;
	for (i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&worker[i], NULL,
						learn_and_release, (void *)i),
				 0);
	groups_come_and_go();
	for (i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(worker[i], NULL), 0);
	assert_int_equal(bad, 0);
	now_ms += GROUP_LINGER_MS;
	groups_expire(groups, now_ms, UINT32_MAX);
	assert_int_equal(groups_count(groups), 0);
	groups_free(groups);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(group_that_is_held_is_known_to_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
