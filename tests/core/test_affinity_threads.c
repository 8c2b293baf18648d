/*
 * test_affinity_threads.c - workers open connections of the same clients at
 * the same time, and never split one. Meant to be run under a thread
 * sanitizer as well.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

#define WORKERS 4
#define ROUNDS	1000
#define CLIENTS 16
#define TURNS	20000

static atomic_uint bad; /* what must never happen happened this often */
static atomic_bool is_over;
static pthread_barrier_t together;
static struct reservation round_res[WORKERS];
static _Atomic bool is_down[ARRAY_SLOTS];
/* Live connections of a client on a server, as the workers know them. */
static _Atomic int on_server[CLIENTS][ARRAY_SLOTS];

static int set_up(void **state)
{
	(void)state;
	world_conf();
	conf->affinity.entries = 8 * 1024; /* eight shards */
	world_start(CONF_METHOD_ROUND_ROBIN);
	bad = 0;
	is_over = false;
	memset(on_server, 0, sizeof(on_server));
	memset(is_down, 0, sizeof(is_down));
	return pthread_barrier_init(&together, NULL, WORKERS);
}

static int tear_down(void **state)
{
	(void)state;
	pthread_barrier_destroy(&together);
	world_end();
	return 0;
}

static void run_workers(void *(*work)(void *), void (*meanwhile)(void))
{
	pthread_t worker[WORKERS];
	uintptr_t i;

	for (i = 0; i < WORKERS; i++)
		assert_int_equal(
			pthread_create(&worker[i], NULL, work, (void *)i), 0);
	meanwhile();
	is_over = true;
	for (i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(worker[i], NULL), 0);
	assert_int_equal(bad, 0);
}

static void nothing(void)
{
}

static void assert_counts(unsigned bindings)
{
	unsigned i, b = 0, c = 0;

	for (i = 0; i < ARRAY_SLOTS; i++) {
		b += array.server[i].bindings;
		c += array.server[i].connections;
	}
	assert_int_equal(c, 0);
	assert_int_equal(b, bindings);
	assert_int_equal(affinity_count(affinity), bindings);
}

static unsigned rnd(uint64_t *luck, unsigned below)
{
	*luck = *luck * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*luck >> 33) % below;
}

static bool reserve(unsigned c, struct reservation *res)
{
	struct affinity_chooser chooser = anyone(0);
	struct addr addr = client(c);

	return !affinity_reserve(affinity, &addr, &chooser, now_ms, res);
}

static bool move(struct reservation *res, uint64_t tried)
{
	struct affinity_chooser chooser = anyone(tried);

	return !affinity_move(affinity, res, &chooser, now_ms);
}

/* The same client everywhere at once. */
static void *first_connections(void *ctx)
{
	struct reservation *res = &round_res[(uintptr_t)ctx];
	unsigned i;

	for (i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&together);
		bad += !reserve(i, res);
		pthread_barrier_wait(&together);
		bad += res->server != round_res[0].server;
		bad += !affinity_confirm(affinity, res);
		pthread_barrier_wait(&together);
		affinity_release(affinity, res, now_ms);
	}
	return NULL;
}

static void affinity_parallel_first_connections_get_one_server(void **state)
{
	(void)state;
	run_workers(first_connections, nothing);
	assert_counts(ROUNDS);
}

/* … and all of them fail at once: one move, and all follow it. */
static void *failing_connections(void *ctx)
{
	struct reservation *res = &round_res[(uintptr_t)ctx];
	struct server *first;
	unsigned i;

	for (i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&together);
		bad += !reserve(i, res);
		first = res->server;
		pthread_barrier_wait(&together);
		bad += !move(res, server_bit(first));
		pthread_barrier_wait(&together);
		bad += res->server == first || res->moves != 1;
		bad += res->server != round_res[0].server;
		bad += !affinity_confirm(affinity, res);
		pthread_barrier_wait(&together);
		affinity_release(affinity, res, now_ms);
	}
	return NULL;
}

static void affinity_parallel_failures_move_once(void **state)
{
	(void)state;
	run_workers(failing_connections, nothing);
	assert_counts(ROUNDS);
}

/* Dial until a server answers. False: none did. */
static bool dial(struct reservation *res)
{
	uint64_t tried = 0;

	while (is_down[res->server->slot]) {
		server_failed(res->server, 0, now_ms);
		bad += (tried & server_bit(res->server)) != 0;
		tried |= server_bit(res->server);
		if (!move(res, tried))
			return false;
	}
	server_answered(res->server, 135);
	return affinity_confirm(affinity, res);
}

static void look_for_a_split(unsigned c, unsigned slot)
{
	unsigned i;

	for (i = 0; i < WORLD_SERVERS; i++)
		bad += i != slot && on_server[c][i] > 0;
}

static void *open_and_close(void *ctx)
{
	uint64_t luck = (uintptr_t)ctx + 1;
	struct reservation res;
	unsigned i, c, slot;

	for (i = 0; i < TURNS; i++) {
		c = rnd(&luck, CLIENTS);
		if (!reserve(c, &res))
			continue;
		if (dial(&res)) {
			slot = res.server->slot;
			on_server[c][slot]++;
			look_for_a_split(c, slot);
			on_server[c][slot]--;
		}
		affinity_release(affinity, &res, now_ms);
	}
	return NULL;
}

/* Servers fail and come back; so do their set-asides. */
static void servers_fail(void)
{
	uint64_t luck = 99;
	unsigned i, slot;

	for (i = 0; i < 2000; i++) {
		slot = rnd(&luck, WORLD_SERVERS);
		is_down[slot] = rnd(&luck, 3) == 0;
		if (!is_down[slot])
			server_answered(&array.server[slot], 135);
		affinity_expire(affinity, now_ms, 100);
		sched_yield();
	}
}

static void affinity_client_is_never_split_while_servers_fail(void **state)
{
	(void)state;
	run_workers(open_and_close, servers_fail);
	assert_counts(affinity_count(affinity));
}

/* What a reservation holds keeps its name until it is released. */
static void *watch_the_name(void *ctx)
{
	uint64_t luck = (uintptr_t)ctx + 1;
	char name[CONF_NAME_MAX];
	struct reservation res;

	while (!is_over) {
		if (!reserve(rnd(&luck, CLIENTS), &res))
			continue;
		memcpy(name, res.server->name, sizeof(name));
		affinity_confirm(affinity, &res);
		bad += res.server->life == SERVER_FREE;
		bad += memcmp(name, res.server->name, sizeof(name)) != 0;
		affinity_release(affinity, &res, now_ms);
	}
	return NULL;
}

/* Reload after reload: the third server is another one each time. */
static void servers_come_and_go(void)
{
	struct conf_server *third = &conf->server[2];
	unsigned i, freed = 0;

	for (i = 0; i < 20000; i++) {
		third->name[0] = (char)('a' + i % 26);
		third->address.octet[3] = (uint8_t)(100 + i % 2);
		if (array_apply(&array, conf))
			bad++;
		affinity_forget_leaving(affinity, 7);
		freed += array_sweep(&array) != 0;
		affinity_reconfigure(affinity, conf);
	}
	bad += freed < 100;
}

static void affinity_reservation_keeps_its_server_through_reloads(void **s)
{
	(void)s;
	run_workers(watch_the_name, servers_come_and_go);
	assert_counts(affinity_count(affinity));
}

static void look_at_one(void *ctx, const struct affinity_entry *entry)
{
	unsigned *times = ctx;

	bad += entry->server < array.server ||
	       entry->server >= array.server + WORLD_SERVERS;
	bad += entry->key.octet[3] >= CLIENTS;
	bad += entry->idle_ms != 0;
	times[entry->key.octet[3] % CLIENTS]++;
}

/* The bindings end with each connection's failures and are made anew. */
static void look_at_all(void)
{
	unsigned i, c, times[CLIENTS], seen = 0;

	for (i = 0; i < 2000; i++) {
		memset(times, 0, sizeof(times));
		affinity_each(affinity, now_ms, look_at_one, times);
		for (c = 0; c < CLIENTS; c++) {
			bad += times[c] > 1;
			seen += times[c];
		}
		is_down[i % WORLD_SERVERS] = i % 5 == 0;
	}
	bad += seen < CLIENTS;
}

static void affinity_tells_its_bindings_while_they_change(void **state)
{
	(void)state;
	run_workers(open_and_close, look_at_all);
	assert_counts(affinity_count(affinity));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(affinity_parallel_first_connections_get_one_server),
		TEST(affinity_parallel_failures_move_once),
		TEST(affinity_client_is_never_split_while_servers_fail),
		TEST(affinity_reservation_keeps_its_server_through_reloads),
		TEST(affinity_tells_its_bindings_while_they_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
