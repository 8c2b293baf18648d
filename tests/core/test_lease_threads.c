/*
 * test_lease_threads.c - workers grant, use and end the same leases at the
 * same time: who has a connection keeps his lease, and the kernel's copy is
 * there for each. Meant to be run under a thread sanitizer as well.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/lease.h"

#define WORKERS 4
#define TURNS	20000
#define CLIENTS 3000
#define TIMEOUT 60000
#define PORT	50000

static struct leases *leases;
static atomic_uint bad; /* what must never happen happened this often */
static _Atomic uint64_t now_ms;
static atomic_uint working;
/* The kernel's: who may connect. */
static atomic_bool is_let_in[CLIENTS];

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

/* As the header says: take back, look, give again. */
static void take_back(void *ctx, const struct addr *addr, uint16_t port)
{
	unsigned n = addr->octet[2] * 256u + addr->octet[3];
	struct lease_target out;

	(void)ctx;
	is_let_in[n] = false;
	if (lease_find(leases, addr, port, now_ms, &out) == LEASE_VALID)
		is_let_in[n] = true;
}

static void grant(unsigned n, uint16_t port)
{
	struct lease_target to = { .slot = (uint8_t)(port % 3), .port = port };
	struct addr addr = client(n);
	int err = lease_grant(leases, &addr, PORT, &to, now_ms);

	bad += err < 0;
	if (err > 0)
		is_let_in[n] = true;
}

/* Until its release a lease is valid, whatever the others do. */
static void *grant_and_use(void *ctx)
{
	uint64_t luck = (uintptr_t)ctx + 1;
	struct lease_target out;
	struct addr addr;
	unsigned i, n;

	for (i = 0; i < TURNS; i++) {
		n = rnd(&luck, CLIENTS);
		addr = client(n);
		grant(n, (uint16_t)(6000 + rnd(&luck, 6)));
		if (lease_hold(leases, &addr, PORT, now_ms, &out) !=
		    LEASE_VALID)
			continue;
		if (rnd(&luck, 50) == 0)
			lease_end_port(leases, out.slot, out.port);
		bad += lease_find(leases, &addr, PORT, now_ms, &out) !=
		       LEASE_VALID;
		bad += out.slot != out.port % 3;
		lease_release(leases, &addr, PORT, now_ms);
	}
	working--;
	return NULL;
}

static void count_one(void *ctx, const struct addr *addr, uint16_t port,
		      const struct lease_target *to, uint64_t age_ms)
{
	unsigned *n = ctx;

	(void)addr;
	(void)age_ms;
	bad += port != PORT || to->slot != to->port % 3;
	++*n;
}

static void leases_time_out(void)
{
	unsigned n = 0;

	while (working) {
		now_ms += TIMEOUT / 50;
		leases_expire(leases, now_ms, 100);
		leases_each(leases, now_ms, count_one, &n);
		sched_yield();
	}
	assert_true(n > 0);
}

static void assert_copies(void)
{
	struct lease_target out;
	unsigned n, valid = 0;
	struct addr addr;

	for (n = 0; n < CLIENTS; n++) {
		addr = client(n);
		if (lease_find(leases, &addr, PORT, now_ms, &out) !=
		    LEASE_VALID)
			continue;
		valid++;
		assert_true(is_let_in[n]);
	}
	assert_true(valid > 0);
}

static void lease_in_use_is_valid_and_let_in(void **state)
{
	static const uint8_t seed[HASH_KEY_LEN] = { 1, 2, 3 };
	pthread_t worker[WORKERS];
	uintptr_t i;

	(void)state;
	leases = leases_new(2048, TIMEOUT, seed, take_back, NULL);
	assert_non_null(leases);
	working = WORKERS;
	for (i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&worker[i], NULL, grant_and_use,
						(void *)i),
				 0);
	leases_time_out();
	for (i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(worker[i], NULL), 0);
	assert_int_equal(bad, 0);
	grant(1, 6001);
	assert_copies();
	lease_forget(leases, UINT64_MAX);
	assert_int_equal(leases_count(leases), 0);
	leases_free(leases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lease_in_use_is_valid_and_let_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
