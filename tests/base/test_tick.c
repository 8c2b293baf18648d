/*
 * Durations as text, and queues of deadlines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/tick.h"

static void durations_are_read_in_every_unit(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
	} row[] = {
		{ "0", 0 },
		{ "00", 0 },
		{ "0s", 0 },
		{ "250ms", 250 },
		{ "5s", 5000 },
		{ "10m", 600000 },
		{ "2h", 7200000 },
		{ "007s", 7000 },
		{ "87600h", 315360000000 },
		{ "315360000000ms", 315360000000 },
	};
	uint64_t ms;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		assert_int_equal(tick_parse(row[i].text, &ms), 0);
		assert_true(ms == row[i].want);
	}
}

static void tick_parse_refuses_what_is_no_duration(void **state)
{
	static const struct {
		const char *text;
		int want;
	} row[] = {
		{ "", ERR_MALFORMED },
		{ "5", ERR_MALFORMED },
		{ "s", ERR_MALFORMED },
		{ "-5s", ERR_MALFORMED },
		{ "+5s", ERR_MALFORMED },
		{ " 5s", ERR_MALFORMED },
		{ "5s ", ERR_MALFORMED },
		{ "5 s", ERR_MALFORMED },
		{ "5sec", ERR_MALFORMED },
		{ "5S", ERR_MALFORMED },
		{ "1.5s", ERR_MALFORMED },
		{ "0x5s", ERR_MALFORMED },
		{ "5d", ERR_MALFORMED },
		{ "87601h", ERR_LIMIT },
		{ "99999999999999h", ERR_LIMIT },
		{ "315360000001ms", ERR_LIMIT },
		{ "18446744073709551616ms", ERR_MALFORMED },
	};
	uint64_t ms = 77;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_int_equal(tick_parse(row[i].text, &ms), row[i].want);
	assert_true(ms == 77);
}

static void tick_format_is_the_shortest_exact_form(void **state)
{
	static const struct {
		uint64_t ms;
		const char *want;
	} row[] = {
		{ 0, "0ms" },	     { 1, "1ms" },
		{ 999, "999ms" },    { 1000, "1s" },
		{ 1500, "1500ms" },  { 60000, "1m" },
		{ 90000, "90s" },    { 3600000, "1h" },
		{ 5400000, "90m" },  { 7200000, "2h" },
		{ 86400000, "24h" }, { UINT64_MAX, "18446744073709551615ms" },
	};
	char room[24];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_string_equal(tick_format(row[i].ms, room), row[i].want);
}

static void entries_fall_due_in_the_order_of_their_deadlines(void **state)
{
	struct tick_entry a, b, c;
	struct tick_queue queue;

	(void)state;
	tick_queue_init(&queue, 100);
	tick_entry_init(&a);
	tick_entry_init(&b);
	tick_entry_init(&c);
	assert_true(tick_queue_next(&queue) == TICK_NEVER);
	tick_queue_renew(&queue, &a, 0);
	tick_queue_renew(&queue, &b, 20);
	tick_queue_renew(&queue, &c, 30);
	assert_true(tick_queue_next(&queue) == 100);
	assert_null(tick_queue_take(&queue, 99));
	assert_ptr_equal(tick_queue_take(&queue, 100), &a);
	assert_null(tick_queue_take(&queue, 100));
	assert_ptr_equal(tick_queue_take(&queue, 500), &b);
	assert_ptr_equal(tick_queue_take(&queue, 500), &c);
	assert_null(tick_queue_take(&queue, 500));
	assert_true(tick_queue_next(&queue) == TICK_NEVER);
}

static void entries_of_one_deadline_keep_their_order(void **state)
{
	struct tick_entry entry[3];
	struct tick_queue queue;
	size_t i;

	(void)state;
	tick_queue_init(&queue, 100);
	for (i = 0; i < 3; i++) {
		tick_entry_init(&entry[i]);
		tick_queue_renew(&queue, &entry[i], 7);
	}
	for (i = 0; i < 3; i++)
		assert_ptr_equal(tick_queue_take(&queue, 107), &entry[i]);
}

static void a_renewed_entry_falls_due_later(void **state)
{
	struct tick_entry a, b;
	struct tick_queue queue;

	(void)state;
	tick_queue_init(&queue, 100);
	tick_entry_init(&a);
	tick_entry_init(&b);
	tick_queue_renew(&queue, &a, 0);
	tick_queue_renew(&queue, &b, 10);
	tick_queue_renew(&queue, &a, 50);
	assert_ptr_equal(tick_queue_take(&queue, 149), &b);
	assert_null(tick_queue_take(&queue, 149));
	assert_ptr_equal(tick_queue_take(&queue, 150), &a);
	tick_queue_renew(&queue, &a, 150);
	assert_true(tick_queue_next(&queue) == 250);
}

/* A renewal never looks for a place: whatever the moment, it is the end. So
 * 50,000 of them are 50,000 steps. */
static void a_renewed_entry_is_the_last_whatever_its_moment(void **state)
{
	enum { N = 50000 };
	struct tick_entry *entry = calloc(N, sizeof(*entry));
	struct tick_queue queue;
	unsigned i;

	(void)state;
	assert_non_null(entry);
	tick_queue_init(&queue, 100);
	for (i = 0; i < N; i++) {
		tick_entry_init(&entry[i]);
		tick_queue_renew(&queue, &entry[i], N - i);
		assert_ptr_equal(queue.head.prev, &entry[i].node);
	}
	/* and what came with an earlier moment counts from the one before */
	assert_true(tick_queue_next(&queue) == N + 100);
	assert_null(tick_queue_take(&queue, N + 99));
	for (i = 0; i < N; i++)
		assert_ptr_equal(tick_queue_take(&queue, N + 100), &entry[i]);
	free(entry);
}

static void another_span_is_that_of_all_entries_at_once(void **state)
{
	struct tick_entry a, b;
	struct tick_queue queue;

	(void)state;
	tick_queue_init(&queue, TICK_NEVER);
	tick_entry_init(&a);
	tick_entry_init(&b);
	tick_queue_renew(&queue, &a, 10);
	tick_queue_renew(&queue, &b, 20);
	assert_true(tick_queue_next(&queue) == TICK_NEVER);
	assert_null(tick_queue_take(&queue, 1000000));
	queue.span_ms = 100;
	assert_true(tick_queue_next(&queue) == 110);
	assert_ptr_equal(tick_queue_take(&queue, 110), &a);
	assert_null(tick_queue_take(&queue, 119));
	queue.span_ms = 50;
	assert_ptr_equal(tick_queue_take(&queue, 119), &b);
}

static void a_cancelled_entry_never_falls_due(void **state)
{
	struct tick_queue queue;
	struct tick_entry a, b;

	(void)state;
	tick_queue_init(&queue, 100);
	tick_entry_init(&a);
	tick_entry_init(&b);
	tick_queue_renew(&queue, &a, 0);
	tick_queue_renew(&queue, &b, 0);
	tick_entry_cancel(&a);
	tick_entry_cancel(&a);
	assert_ptr_equal(tick_queue_take(&queue, 1000), &b);
	assert_null(tick_queue_take(&queue, 1000));
}

/* How an owner empties a queue: by a time after which nothing comes. */
static void an_empty_queue_has_nothing_at_the_end_of_time(void **state)
{
	struct tick_queue queue;
	struct tick_entry a;

	(void)state;
	tick_queue_init(&queue, 100);
	tick_entry_init(&a);
	tick_queue_renew(&queue, &a, 0);
	assert_ptr_equal(tick_queue_take(&queue, TICK_NEVER), &a);
	assert_null(tick_queue_take(&queue, TICK_NEVER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_are_read_in_every_unit),
		cmocka_unit_test(tick_parse_refuses_what_is_no_duration),
		cmocka_unit_test(tick_format_is_the_shortest_exact_form),
		cmocka_unit_test(
			entries_fall_due_in_the_order_of_their_deadlines),
		cmocka_unit_test(entries_of_one_deadline_keep_their_order),
		cmocka_unit_test(a_renewed_entry_falls_due_later),
		cmocka_unit_test(
			a_renewed_entry_is_the_last_whatever_its_moment),
		cmocka_unit_test(another_span_is_that_of_all_entries_at_once),
		cmocka_unit_test(a_cancelled_entry_never_falls_due),
		cmocka_unit_test(an_empty_queue_has_nothing_at_the_end_of_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
