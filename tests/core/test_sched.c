/*
 * test_sched.c - methods choose among the candidates, and only among them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/sched.h"

static struct array array;
static struct sched sched;
static unsigned got[ARRAY_SLOTS];

static void start(enum conf_method method)
{
	array_init(&array);
	sched_init(&sched, &array, sched_method_of(method));
	memset(got, 0, sizeof(got));
}

/* New clients choose <n> times; each becomes a binding. */
static void choose(unsigned n, uint64_t candidates)
{
	struct server *server;

	while (n--) {
		server = sched_pick(&sched, candidates, n);
		assert_non_null(server);
		assert_true(candidates & server_bit(server));
		server->bindings++;
		got[server->slot]++;
	}
}

static void sched_names_are_the_configuration_words(void **state)
{
	(void)state;
	assert_string_equal(sched_method_of(CONF_METHOD_ROUND_ROBIN)->name,
			    "round-robin");
	assert_string_equal(sched_method_of(CONF_METHOD_LEAST_CLIENTS)->name,
			    "least-clients");
}

static void sched_method_not_offered_is_null(void **state)
{
	(void)state;
	assert_null(sched_method_of(CONF_METHOD_ADAPTIVE));
	assert_null(sched_method_of(CONF_METHOD_WEIGHTED_ROUND_ROBIN));
}

static void sched_without_candidates_picks_nobody(void **state)
{
	(void)state;
	start(CONF_METHOD_ROUND_ROBIN);
	assert_null(sched_pick(&sched, 0, 1));
	start(CONF_METHOD_LEAST_CLIENTS);
	assert_null(sched_pick(&sched, 0, 1));
}

static void sched_single_candidate_is_picked_and_takes_no_turn(void **state)
{
	(void)state;
	start(CONF_METHOD_ROUND_ROBIN);
	choose(3, UINT64_C(1) << 63);
	assert_int_equal(got[63], 3);
	assert_int_equal(sched.turn, 0);
}

static void round_robin_gives_each_server_the_same(void **state)
{
	(void)state;
	start(CONF_METHOD_ROUND_ROBIN);
	choose(300, 0x15); /* slots 0, 2 and 4 */
	assert_int_equal(got[0], 100);
	assert_int_equal(got[2], 100);
	assert_int_equal(got[4], 100);
}

static void round_robin_without_one_server_shares_among_the_rest(void **state)
{
	(void)state;
	start(CONF_METHOD_ROUND_ROBIN);
	choose(30, 7);
	choose(30, 5); /* slot 1 is set aside */
	choose(30, 7);
	assert_int_equal(got[0], 35);
	assert_int_equal(got[1], 20);
	assert_int_equal(got[2], 35);
}

static void round_robin_ignores_how_loaded_a_server_is(void **state)
{
	(void)state;
	start(CONF_METHOD_ROUND_ROBIN);
	array.server[1].bindings = 1000;
	choose(30, 7);
	assert_int_equal(got[1], 10);
}

static void least_clients_fills_up_the_emptiest(void **state)
{
	(void)state;
	start(CONF_METHOD_LEAST_CLIENTS);
	array.server[0].bindings = 50;
	array.server[1].bindings = 20;
	choose(50, 7);
	assert_int_equal(got[0], 0);
	assert_int_equal(got[1], 15);
	assert_int_equal(got[2], 35);
	choose(45, 7);
	assert_int_equal(array.server[0].bindings, 55);
	assert_int_equal(array.server[1].bindings, 55);
	assert_int_equal(array.server[2].bindings, 55);
}

static void least_clients_equals_take_turns(void **state)
{
	unsigned i;

	(void)state;
	start(CONF_METHOD_LEAST_CLIENTS);
	for (i = 0; i < 300; i++) { /* clients that go at once */
		choose(1, 7);
		array.server[0].bindings = 0;
		array.server[1].bindings = 0;
		array.server[2].bindings = 0;
	}
	assert_int_equal(got[0], 100);
	assert_int_equal(got[1], 100);
	assert_int_equal(got[2], 100);
}

static void least_clients_never_picks_outside_the_candidates(void **state)
{
	(void)state;
	start(CONF_METHOD_LEAST_CLIENTS);
	array.server[0].bindings = 900;
	array.server[2].bindings = 901;
	choose(100, 5); /* slot 1 is empty, but drained */
	assert_int_equal(got[1], 0);
	assert_int_equal(array.server[0].bindings + array.server[2].bindings,
			 1901);
	assert_true(array.server[0].bindings >= 950);
	assert_true(array.server[2].bindings >= 950);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sched_names_are_the_configuration_words),
		cmocka_unit_test(sched_method_not_offered_is_null),
		cmocka_unit_test(sched_without_candidates_picks_nobody),
		cmocka_unit_test(
			sched_single_candidate_is_picked_and_takes_no_turn),
		cmocka_unit_test(round_robin_gives_each_server_the_same),
		cmocka_unit_test(
			round_robin_without_one_server_shares_among_the_rest),
		cmocka_unit_test(round_robin_ignores_how_loaded_a_server_is),
		cmocka_unit_test(least_clients_fills_up_the_emptiest),
		cmocka_unit_test(least_clients_equals_take_turns),
		cmocka_unit_test(
			least_clients_never_picks_outside_the_candidates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
