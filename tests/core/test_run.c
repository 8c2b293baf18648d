/*
 * test_run.c - conversations of the clients behind one address.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../helper/alloc.h"
#include "core/run.h"

#define MOST 4
#define ALL  UINT64_C(0xf)

static const uint8_t seed[HASH_KEY_LEN] = { 1, 2, 3 };

static struct runs *runs;
static uint64_t now_ms;
static uint64_t last_candidates;
static _Atomic unsigned chosen; /* how often one was */

/* One after the other, of four. */
static int choose(void *ctx, uint64_t candidates)
{
	int i, slot;

	(void)ctx;
	last_candidates = candidates;
	for (i = 0; i < 4; i++) {
		slot = (int)(chosen + (unsigned)i) % 4;
		if (candidates >> slot & 1) {
			chosen += (unsigned)i + 1;
			return slot;
		}
	}
	return -1;
}

static const struct run_chooser chooser = { choose, NULL };

static struct addr gateway(uint8_t n)
{
	return (struct addr){ AF_INET, { 198, 51, 100, n } };
}

static int open_among(uint8_t n, uint64_t candidates)
{
	struct addr client = gateway(n);

	return run_open(runs, &client, candidates, &chooser, now_ms);
}

static int open_one(uint8_t n)
{
	return open_among(n, ALL);
}

static bool ask(uint8_t n, uint32_t number, uint16_t major)
{
	struct syntax interface = { .uuid = { .time_low = number },
				    .major = major };
	struct addr client = gateway(n);

	return run_ask(runs, &client, &interface, now_ms);
}

static int look(uint8_t n, struct run_sight *sight)
{
	struct addr client = gateway(n);

	return run_look(runs, &client, sight);
}

static void assert_counts(uint8_t n, unsigned nruns, unsigned ninterleaved)
{
	struct run_sight sight;

	assert_int_equal(look(n, &sight), 0);
	assert_int_equal(sight.runs, nruns);
	assert_int_equal(sight.interleaved, ninterleaved);
}

static int set_up(void **state)
{
	(void)state;
	chosen = 0;
	now_ms = 1000000;
	runs = runs_new(MOST, seed);
	return !runs;
}

static int tear_down(void **state)
{
	(void)state;
	runs_free(runs);
	return 0;
}

static void run_of_connections_gets_one_server(void **state)
{
	int i;

	(void)state;
	assert_int_equal(open_one(1), 0);
	for (i = 0; i < 10; i++) {
		now_ms += RUN_GAP_MS;
		assert_int_equal(open_one(1), 0);
	}
	assert_int_equal(chosen, 1);
	assert_counts(1, 1, 0);
}

static void run_is_over_after_a_gap(void **state)
{
	(void)state;
	assert_int_equal(open_one(1), 0);
	now_ms += RUN_GAP_MS + 1;
	assert_int_equal(open_one(1), 1);
	assert_int_equal(open_one(1), 1);
	assert_counts(1, 2, 0);
}

static void run_is_one_address_s_alone(void **state)
{
	(void)state;
	assert_int_equal(open_one(1), 0);
	assert_int_equal(open_one(2), 1);
	assert_int_equal(open_one(1), 0);
	assert_int_equal(open_one(2), 1);
	assert_counts(1, 1, 0);
	assert_counts(2, 1, 0);
}

static void run_moves_whole_when_its_server_may_not_serve(void **state)
{
	(void)state;
	assert_int_equal(open_one(1), 0);
	assert_int_equal(open_among(1, ALL & ~UINT64_C(1)), 1);
	assert_true(last_candidates == (ALL & ~UINT64_C(1)));
	/* and does not go back when it may again */
	assert_int_equal(open_one(1), 1);
	assert_counts(1, 1, 0);
}

static void run_without_a_server_to_choose_is_left_as_it_was(void **state)
{
	struct run_sight sight;

	(void)state;
	assert_int_equal(open_among(1, 0), ERR_NOT_FOUND);
	assert_int_equal(look(1, &sight), ERR_NOT_FOUND);
	assert_int_equal(open_one(1), 0);
	now_ms += RUN_GAP_MS;
	assert_int_equal(open_among(1, 0), ERR_NOT_FOUND);
	assert_int_equal(look(1, &sight), 0);
	assert_int_equal(sight.slot, 0);
	assert_int_equal(sight.runs, 1);
	assert_true(sight.opened_ms == now_ms - RUN_GAP_MS);
	now_ms += 1;
	assert_int_equal(open_one(1), 1);
	assert_counts(1, 2, 0);
}

static void run_look_tells_server_and_time(void **state)
{
	struct run_sight sight;

	(void)state;
	assert_int_equal(look(1, &sight), ERR_NOT_FOUND);
	assert_int_equal(open_among(1, 8), 3);
	now_ms += 500;
	assert_int_equal(open_one(1), 3);
	assert_int_equal(look(1, &sight), 0);
	assert_int_equal(sight.slot, 3);
	assert_true(sight.opened_ms == now_ms);
}

/* Each worker reads the clock for itself. */
static void run_does_not_mind_a_clock_that_is_behind(void **state)
{
	struct run_sight sight;

	(void)state;
	assert_int_equal(open_one(1), 0);
	now_ms -= 3 * RUN_GAP_MS;
	assert_int_equal(open_one(1), 0);
	assert_int_equal(look(1, &sight), 0);
	assert_true(sight.opened_ms == 1000000);
	assert_int_equal(sight.runs, 1);
}

static void run_ask_tells_an_interface_asked_twice(void **state)
{
	(void)state;
	assert_int_equal(open_one(1), 0);
	assert_int_equal(open_one(2), 1);
	assert_false(ask(1, 10, 1));
	assert_false(ask(1, 11, 1));
	assert_false(ask(1, 10, 2));
	assert_false(ask(2, 10, 1));
	assert_true(ask(1, 10, 1));
	assert_counts(1, 1, 1);
	assert_counts(2, 1, 0);
}

static void run_counts_as_interleaved_once(void **state)
{
	(void)state;
	assert_int_equal(open_one(1), 0);
	assert_false(ask(1, 10, 1));
	assert_true(ask(1, 10, 1));
	assert_false(ask(1, 10, 1));
	assert_false(ask(1, 11, 1));
	assert_false(ask(1, 11, 1));
	assert_counts(1, 1, 1);
	now_ms += RUN_GAP_MS + 1;
	assert_int_equal(open_one(1), 1);
	assert_false(ask(1, 10, 1));
	assert_counts(1, 2, 1);
	ask(1, 10, 1);
	assert_counts(1, 2, 2);
}

/* Runs interleave all the time behind a busy gateway. */
static void run_ask_tells_of_an_address_once_a_minute(void **state)
{
	unsigned i, told[3] = { 0 };

	(void)state;
	for (i = 0; i < 30; i++) {
		assert_true(open_one(1) >= 0 && open_one(2) >= 0);
		assert_false(ask(1, 10, 1));
		assert_false(ask(2, 10, 1));
		told[1] += ask(1, 10, 1);
		told[2] += ask(2, 10, 1);
		now_ms += 4000;
	}
	assert_counts(1, 30, 30);
	assert_int_equal(told[1], 2); /* at once, and after 60 s */
	assert_int_equal(told[2], 2);
}

/* The answer where runs interleave: the latest server, never a new one. */
static void run_that_is_interleaved_keeps_its_server(void **state)
{
	(void)state;
	assert_int_equal(open_one(1), 0);
	assert_false(ask(1, 10, 1));
	assert_int_equal(open_one(1), 0);
	assert_true(ask(1, 10, 1));
	now_ms += RUN_GAP_MS;
	assert_int_equal(open_one(1), 0);
	assert_int_equal(chosen, 1);
}

static void run_ask_remembers_so_many_interfaces(void **state)
{
	uint32_t i;

	(void)state;
	assert_int_equal(open_one(1), 0);
	for (i = 0; i < RUN_ASKED_MAX + 3; i++)
		assert_false(ask(1, i, 1));
	assert_true(ask(1, RUN_ASKED_MAX - 1, 1));
	assert_false(ask(1, RUN_ASKED_MAX, 1));
}

static void run_ask_of_an_unknown_address_is_no_repeat(void **state)
{
	(void)state;
	assert_false(ask(1, 10, 1));
	assert_false(ask(1, 10, 1));
}

static void run_address_quiet_longest_makes_room(void **state)
{
	struct run_sight sight;
	uint8_t n;

	(void)state;
	for (n = 1; n <= MOST; n++) {
		assert_true(open_one(n) >= 0);
		now_ms += 10;
	}
	assert_true(open_one(1) >= 0); /* now 2 is the oldest */
	now_ms += RUN_GAP_MS + 1;
	assert_true(open_one(9) >= 0);
	assert_int_equal(look(2, &sight), ERR_NOT_FOUND);
	for (n = 1; n <= MOST; n++)
		assert_int_equal(look(n, &sight), n == 2 ? ERR_NOT_FOUND : 0);
	assert_counts(9, 1, 0);
}

static void run_under_way_is_never_forgotten(void **state)
{
	struct run_sight sight;
	uint8_t n;

	(void)state;
	for (n = 1; n <= MOST; n++)
		assert_true(open_one(n) >= 0);
	now_ms += RUN_GAP_MS;
	assert_int_equal(open_one(9), ERR_MEMORY);
	assert_int_equal(look(9, &sight), ERR_NOT_FOUND);
	for (n = 1; n <= MOST; n++)
		assert_int_equal(look(n, &sight), 0);
	now_ms++;
	assert_true(open_one(9) >= 0);
	/* who has a place already always gets in */
	assert_true(open_one(4) >= 0);
	assert_int_equal(look(1, &sight), ERR_NOT_FOUND);
}

/* A place that is used again begins empty. */
static void run_of_a_new_address_knows_nothing_of_the_old(void **state)
{
	uint8_t n;

	(void)state;
	for (n = 1; n <= MOST; n++) {
		assert_true(open_one(n) >= 0);
		assert_false(ask(n, 10, 1));
		assert_true(ask(n, 10, 1));
	}
	now_ms += RUN_GAP_MS + 1;
	for (n = 11; n <= 10 + MOST; n++) {
		assert_true(open_one(n) >= 0);
		assert_false(ask(n, 10, 1));
		assert_counts(n, 1, 0);
		assert_true(ask(n, 10, 1));
	}
}

static void make_and_free(void *ctx)
{
	struct runs *made = runs_new(MOST, seed);

	(void)ctx;
	assert_true(alloc_has_failed() ? !made : made != NULL);
	runs_free(made);
}

static void run_table_survives_each_refused_allocation(void **state)
{
	(void)state;
	assert_int_equal(alloc_each_fails(NULL, make_and_free), 4);
	assert_null(runs_new(0, seed));
	runs_free(NULL);
}

#define WORKERS 4
#define ROUNDS	2000

static pthread_barrier_t together;
static _Atomic int got[WORKERS];
static atomic_uint bad;

/* All open in the same moment, each time after a gap. */
static void *open_together(void *ctx)
{
	unsigned worker = (unsigned)(uintptr_t)ctx, i;
	struct addr client = gateway(1);

	for (i = 1; i <= ROUNDS; i++) {
		pthread_barrier_wait(&together);
		got[worker] = run_open(runs, &client, ALL, &chooser,
				       (uint64_t)i * (RUN_GAP_MS + 1));
		bad += ask(1, worker, 1);
		pthread_barrier_wait(&together);
		bad += got[worker] != got[0] || got[worker] < 0;
	}
	return NULL;
}

static void run_threads_that_open_at_once_agree(void **state)
{
	pthread_t worker[WORKERS];
	uintptr_t i;

	(void)state;
	bad = 0;
	assert_int_equal(pthread_barrier_init(&together, NULL, WORKERS), 0);
	for (i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&worker[i], NULL, open_together,
						(void *)i),
				 0);
	for (i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(worker[i], NULL), 0);
	pthread_barrier_destroy(&together);
	assert_int_equal(bad, 0);
	assert_int_equal(chosen, ROUNDS);
	assert_counts(1, ROUNDS, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(run_of_connections_gets_one_server),
		TEST(run_is_over_after_a_gap),
		TEST(run_is_one_address_s_alone),
		TEST(run_moves_whole_when_its_server_may_not_serve),
		TEST(run_without_a_server_to_choose_is_left_as_it_was),
		TEST(run_look_tells_server_and_time),
		TEST(run_does_not_mind_a_clock_that_is_behind),
		TEST(run_ask_tells_an_interface_asked_twice),
		TEST(run_counts_as_interleaved_once),
		TEST(run_ask_tells_of_an_address_once_a_minute),
		TEST(run_that_is_interleaved_keeps_its_server),
		TEST(run_ask_remembers_so_many_interfaces),
		TEST(run_ask_of_an_unknown_address_is_no_repeat),
		TEST(run_address_quiet_longest_makes_room),
		TEST(run_under_way_is_never_forgotten),
		TEST(run_of_a_new_address_knows_nothing_of_the_old),
		TEST(run_table_survives_each_refused_allocation),
		TEST(run_threads_that_open_at_once_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
