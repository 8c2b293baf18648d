/*
 * Events as lines, and their limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"

/* A log that keeps its last line. */
struct kept {
	struct log log;
	unsigned nlines;
	enum log_level level;
	char line[LOG_LINE_MAX + 1];
};

static void keep(struct log *log, enum log_level level, struct bytes line)
{
	struct kept *kept = (struct kept *)(void *)log;

	assert_true(line.len <= LOG_LINE_MAX);
	memcpy(kept->line, line.at, line.len);
	kept->line[line.len] = '\0';
	kept->level = level;
	kept->nlines++;
}

static struct kept log_of(enum log_level level)
{
	return (struct kept){ .log = { .level = level, .put = keep } };
}

static void a_line_is_the_event_and_its_fields(void **state)
{
	struct kept kept = log_of(LOG_LEVEL_INFO);
	struct endpoint ep;
	struct addr addr;

	(void)state;
	assert_int_equal(addr_parse("10.0.0.1", &addr), 0);
	assert_int_equal(endpoint_parse("[2001:db8::1]:135", &ep), 0);
	LOG(&kept.log, LOG_LEVEL_INFO, "open", log_endpoint("client", &ep),
	    log_text("server", "cas1"), log_addr("source", &addr),
	    log_number("port", UINT64_MAX));
	assert_string_equal(kept.line,
			    "event=open client=[2001:db8::1]:135 server=cas1 "
			    "source=10.0.0.1 port=18446744073709551615");
	assert_int_equal(kept.level, LOG_LEVEL_INFO);
}

static void a_text_that_is_null_is_left_out(void **state)
{
	struct kept kept = log_of(LOG_LEVEL_INFO);

	(void)state;
	LOG(&kept.log, LOG_LEVEL_INFO, "x", log_text("a", NULL),
	    log_text("b", "c"));
	assert_string_equal(kept.line, "event=x b=c");
}

static void lines_above_the_level_are_not_made(void **state)
{
	struct kept kept = log_of(LOG_LEVEL_NOTICE);

	(void)state;
	LOG(&kept.log, LOG_LEVEL_INFO, "x", log_number("n", 1));
	assert_int_equal(kept.nlines, 0);
	LOG(&kept.log, LOG_LEVEL_NOTICE, "x", log_number("n", 1));
	LOG(&kept.log, LOG_LEVEL_ERROR, "x", log_number("n", 1));
	assert_int_equal(kept.nlines, 2);
}

/* What a client sends may be in a value: it must not forge fields or lines. */
static void odd_values_are_quoted_and_cannot_forge_a_line(void **state)
{
	static const struct {
		const char *value, *want;
	} row[] = {
		{ "plain-1.2:3/4", "event=x k=plain-1.2:3/4" },
		{ "", "event=x k=\"\"" },
		{ "two words", "event=x k=\"two words\"" },
		{ "a=b", "event=x k=\"a=b\"" },
		{ "a\"b\\c", "event=x k=\"a\\\"b\\\\c\"" },
		{ "a\nevent=y", "event=x k=\"a\\x0aevent=y\"" },
		{ "\x1b[31m\x7f", "event=x k=\"\\x1b[31m\\x7f\"" },
		{ "\xc3\xa4", "event=x k=\"\\xc3\\xa4\"" },
	};
	struct kept kept = log_of(LOG_LEVEL_INFO);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		LOG(&kept.log, LOG_LEVEL_INFO, "x",
		    log_text("k", row[i].value));
		assert_string_equal(kept.line, row[i].want);
	}
}

static void a_line_that_is_too_long_ends_in_dots(void **state)
{
	struct kept kept = log_of(LOG_LEVEL_INFO);
	char longest[LOG_LINE_MAX];
	size_t len;

	(void)state;
	for (len = LOG_LINE_MAX - 40; len < LOG_LINE_MAX; len++) {
		size_t whole = strlen("event=x k= n=1") + len, got;

		memset(longest, 'v', len);
		longest[len] = '\0';
		LOG(&kept.log, LOG_LEVEL_INFO, "x", log_text("k", longest),
		    log_number("n", 1));
		got = strlen(kept.line);
		assert_memory_equal(kept.line, "event=x k=", 10);
		if (whole > LOG_LINE_MAX - 4) {
			assert_string_equal(kept.line + got - 3, "...");
			continue;
		}
		assert_int_equal(got, whole);
		assert_string_equal(kept.line + got - 4, " n=1");
	}
	assert_string_equal(kept.line + strlen(kept.line) - 3, "...");
}

static void levels_have_names_both_ways(void **state)
{
	static const char *const name[] = { "error", "warning", "notice",
					    "info", "debug" };
	enum log_level level;
	unsigned i;

	(void)state;
	for (i = 0; i < 5; i++) {
		assert_string_equal(log_level_name((enum log_level)i), name[i]);
		assert_int_equal(log_level_parse(name[i], &level), 0);
		assert_int_equal(level, i);
	}
	level = LOG_LEVEL_DEBUG;
	assert_int_equal(log_level_parse("loud", &level), ERR_NOT_FOUND);
	assert_int_equal(log_level_parse("", &level), ERR_NOT_FOUND);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
}

static void a_limit_lets_a_burst_pass_and_counts_the_rest(void **state)
{
	struct log_limit limit = { .burst = 2, .span_ms = 1000 };
	uint64_t held = 99;

	(void)state;
	assert_true(log_limit_pass(&limit, 5000, &held));
	assert_true(held == 0);
	assert_true(log_limit_pass(&limit, 5001, &held));
	assert_false(log_limit_pass(&limit, 5002, &held));
	assert_false(log_limit_pass(&limit, 5999, &held));
	assert_true(log_limit_pass(&limit, 6000, &held));
	assert_true(held == 2);
	assert_true(log_limit_pass(&limit, 6001, &held));
	assert_true(held == 0);
	assert_false(log_limit_pass(&limit, 6999, &held));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_the_event_and_its_fields),
		cmocka_unit_test(a_text_that_is_null_is_left_out),
		cmocka_unit_test(lines_above_the_level_are_not_made),
		cmocka_unit_test(odd_values_are_quoted_and_cannot_forge_a_line),
		cmocka_unit_test(a_line_that_is_too_long_ends_in_dots),
		cmocka_unit_test(levels_have_names_both_ways),
		cmocka_unit_test(a_limit_lets_a_burst_pass_and_counts_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
