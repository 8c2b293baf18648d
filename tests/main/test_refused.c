/*
 * test_refused.c - the line about what the kernel refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "main/refused.h"

/* A log that keeps its last line. */
struct kept {
	struct log log;
	unsigned nlines;
	char line[LOG_LINE_MAX + 1];
};

static void keep(struct log *log, enum log_level level, struct bytes line)
{
	struct kept *kept = (struct kept *)(void *)log;

	assert_int_equal(level, LOG_LEVEL_NOTICE);
	memcpy(kept->line, line.at, line.len);
	kept->line[line.len] = '\0';
	kept->nlines++;
}

static struct kept new_log(void)
{
	return (struct kept){ .log = { .level = LOG_LEVEL_NOTICE,
				       .put = keep } };
}

static void nothing_refused_is_no_line(void **state)
{
	struct refused refused = { 0 };
	struct kept kept = new_log();

	(void)state;
	refused_tell(&refused, &kept.log, 0, 0);
	refused_tell(&refused, &kept.log, 0, 1000000);
	assert_int_equal(kept.nlines, 0);
}

static void first_refusal_is_told_at_once(void **state)
{
	struct refused refused = { 0 };
	struct kept kept = new_log();

	(void)state;
	refused_tell(&refused, &kept.log, 3, 5); /* the clock may be young */
	assert_int_equal(kept.nlines, 1);
	assert_string_equal(kept.line, "event=refused-by-kernel count=3");
}

static void next_line_waits_a_minute_and_counts_what_was_held_back(void **state)
{
	struct refused refused = { 0 };
	struct kept kept = new_log();

	(void)state;
	refused_tell(&refused, &kept.log, 3, 1000);
	refused_tell(&refused, &kept.log, 10, 2000);
	refused_tell(&refused, &kept.log, 64512, 60999);
	assert_int_equal(kept.nlines, 1);
	refused_tell(&refused, &kept.log, 64512, 61000);
	assert_int_equal(kept.nlines, 2);
	assert_string_equal(kept.line, "event=refused-by-kernel count=64509");
	refused_tell(&refused, &kept.log, 64513, 120999);
	assert_int_equal(kept.nlines, 2);
	refused_tell(&refused, &kept.log, 64513, 121000);
	assert_int_equal(kept.nlines, 3);
	assert_string_equal(kept.line, "event=refused-by-kernel count=1");
}

static void count_that_stands_still_is_no_line(void **state)
{
	struct refused refused = { 0 };
	struct kept kept = new_log();

	(void)state;
	refused_tell(&refused, &kept.log, 3, 1000);
	refused_tell(&refused, &kept.log, 3, 100000);
	refused_tell(&refused, &kept.log, 0, 200000); /* it cannot be read */
	assert_int_equal(kept.nlines, 1);
	refused_tell(&refused, &kept.log, 4, 200001);
	assert_string_equal(kept.line, "event=refused-by-kernel count=1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_refused_is_no_line),
		cmocka_unit_test(first_refusal_is_told_at_once),
		cmocka_unit_test(
			next_line_waits_a_minute_and_counts_what_was_held_back),
		cmocka_unit_test(count_that_stands_still_is_no_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
