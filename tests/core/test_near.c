/*
 * test_near.c - the name that was meant.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/near.h"

static void near_distance_counts_single_slips(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned distance;
	} row[] = {
		{ "", "", 0 },
		{ "", "abc", 3 },
		{ "abc", "", 3 },
		{ "range", "range", 0 },
		{ "range", "RANGE", 0 },
		{ "range", "rang", 1 },
		{ "range", "ranges", 1 },
		{ "range", "runge", 1 },
		{ "range", "arnge", 1 },
		{ "range", "ragne", 1 },
		{ "kitten", "sitting", 3 },
		{ "server", "service", 3 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		assert_int_equal(near_distance(row[i].a, row[i].b),
				 row[i].distance);
		assert_int_equal(near_distance(row[i].b, row[i].a),
				 row[i].distance);
	}
}

static void near_distance_reads_no_more_than_its_bound(void **state)
{
	char a[3 * NEAR_NAME_MAX], b[3 * NEAR_NAME_MAX];

	(void)state;
	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	assert_int_equal(near_distance(a, b), NEAR_NAME_MAX);
}

static void near_takes_the_best_of_what_is_near(void **state)
{
	struct near near = { .wanted = "interval" };

	(void)state;
	near_try(&near, NULL);
	near_try(&near, "timeout");
	assert_null(near.best);
	near_try(&near, "internal");
	assert_string_equal(near.best, "internal");
	near_try(&near, "intervals"); /* no nearer: the first stays */
	assert_string_equal(near.best, "internal");
	near_try(&near, "Interval");
	assert_string_equal(near.best, "Interval");
	assert_int_equal(near.distance, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(near_distance_counts_single_slips),
		cmocka_unit_test(near_distance_reads_no_more_than_its_bound),
		cmocka_unit_test(near_takes_the_best_of_what_is_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
