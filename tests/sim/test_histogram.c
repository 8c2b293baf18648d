/*
 * The histogram's promise: a percentile is at most 1/32 above the truth.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/histogram.h"

static void an_empty_histogram_says_nought(void **state)
{
	static struct histogram histogram;

	(void)state;
	assert_int_equal(histogram_at(&histogram, 500), 0);
	assert_int_equal(histogram_at(&histogram, 1000), 0);
	assert_int_equal(histogram.most, 0);
}

/* One value alone is every percentile, whatever its size; values beyond the
 * last bucket are not lost. */
static void one_value_is_every_percentile(void **state)
{
	uint64_t value = 1;
	int i;

	(void)state;
	for (i = 0; i < 60; i++, value = value * 2 + 1) {
		struct histogram histogram = { 0 };

		histogram_add(&histogram, value);
		assert_int_equal(histogram_at(&histogram, 1000),
				 value < ((uint64_t)1 << 40)
					 ? value
					 : ((uint64_t)1 << 40) - 1);
		assert_int_equal(histogram.most, value);
	}
}

static void percentiles_are_close_to_the_truth(void **state)
{
	static struct histogram histogram;
	static const unsigned asked[] = { 1, 10, 500, 900, 990, 999, 1000 };
	const uint64_t n = 100000;
	uint64_t i;
	unsigned j;

	(void)state;
	for (i = 1; i <= n; i++)
		histogram_add(&histogram, i);
	for (j = 0; j < sizeof(asked) / sizeof(asked[0]); j++) {
		uint64_t truth = n * asked[j] / 1000;
		uint64_t said = histogram_at(&histogram, asked[j]);

		assert_true(said >= truth);
		assert_true(said <= truth + truth / 32 + 1);
	}
	assert_int_equal(histogram_at(&histogram, 1000), n);
}

static void a_rare_value_shows_only_where_it_is(void **state)
{
	static struct histogram histogram;
	int i;

	(void)state;
	for (i = 0; i < 99; i++)
		histogram_add(&histogram, 10);
	histogram_add(&histogram, 5000);
	assert_int_equal(histogram_at(&histogram, 500), 10);
	assert_int_equal(histogram_at(&histogram, 990), 10);
	assert_int_equal(histogram_at(&histogram, 991), 5000);
	assert_int_equal(histogram.count, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_histogram_says_nought),
		cmocka_unit_test(one_value_is_every_percentile),
		cmocka_unit_test(percentiles_are_close_to_the_truth),
		cmocka_unit_test(a_rare_value_shows_only_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
