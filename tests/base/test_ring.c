/*
 * The ring between one writing and one reading thread.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../helper/alloc.h"
#include "base/ring.h"

static uint8_t room[RING_RECORD_MAX];

static void records_come_out_as_they_went_in(void **state)
{
	struct ring *ring = ring_new(0);

	(void)state;
	assert_non_null(ring);
	assert_int_equal(ring_take(ring, room), 0);
	assert_true(ring_put(ring, bytes_of("first", 5)));
	assert_true(ring_put(ring, bytes_of("2nd", 3)));
	assert_int_equal(ring_take(ring, room), 5);
	assert_memory_equal(room, "first", 5);
	assert_int_equal(ring_take(ring, room), 3);
	assert_memory_equal(room, "2nd", 3);
	assert_int_equal(ring_take(ring, room), 0);
	assert_true(ring_take_dropped(ring) == 0);
	ring_free(ring);
	ring_free(NULL);
}

static void a_record_has_1_to_4096_octets(void **state)
{
	static const uint8_t big[RING_RECORD_MAX + 1];
	struct ring *ring = ring_new(0);

	(void)state;
	assert_false(ring_put(ring, bytes_of(big, 0)));
	assert_false(ring_put(ring, bytes_of(big, RING_RECORD_MAX + 1)));
	assert_true(ring_take_dropped(ring) == 2);
	assert_true(ring_take_dropped(ring) == 0);
	assert_true(ring_put(ring, bytes_of(big, RING_RECORD_MAX)));
	assert_int_equal(ring_take(ring, room), RING_RECORD_MAX);
	ring_free(ring);
}

static void a_full_ring_drops_and_counts(void **state)
{
	static const uint8_t big[RING_RECORD_MAX];
	struct ring *ring = ring_new(1);
	unsigned n = 0, left;

	(void)state;
	while (ring_put(ring, bytes_of(big, sizeof(big))))
		assert_true(++n < 1000);
	assert_true(n >= 2); /* at least two records fit */
	assert_false(ring_put(ring, bytes_of(big, sizeof(big))));
	assert_true(ring_take_dropped(ring) == 2);
	assert_int_equal(ring_take(ring, room), sizeof(big));
	assert_true(ring_put(ring, bytes_of(big, sizeof(big))));
	for (left = 0; ring_take(ring, room); left++)
		;
	assert_int_equal(left, n);
	ring_free(ring);
}

/* Lengths that share no factor with the ring's: every way of wrapping. */
static void records_wrap_round_the_end(void **state)
{
	struct ring *ring = ring_new(0);
	uint8_t record[997];
	unsigned i, j;

	(void)state;
	for (i = 0; i < 5000; i++) {
		size_t len = i % sizeof(record) + 1;

		memset(record, (int)(i & 0xff), len);
		assert_true(ring_put(ring, bytes_of(record, len)));
		assert_int_equal(ring_take(ring, room), len);
		for (j = 0; j < len; j++)
			assert_int_equal(room[j], i & 0xff);
	}
	ring_free(ring);
}

static void a_ring_that_memory_cannot_hold_is_refused(void **state)
{
	(void)state;
	assert_null(ring_new(SIZE_MAX));
	assert_null(ring_new(SIZE_MAX / 2 + 2));
	alloc_fail_at(1);
	assert_null(ring_new(0));
	assert_true(alloc_has_failed());
	alloc_fail_at(0);
}

#define RECORDS 200000u

static void *write_numbers(void *arg)
{
	struct ring *ring = arg;
	uint32_t number[8];
	uint32_t i, j;

	for (i = 0; i < RECORDS; i++) {
		size_t n = i % 8 + 1;

		for (j = 0; j < n; j++)
			number[j] = i;
		ring_put(ring, bytes_of(number, n * sizeof(number[0])));
	}
	return NULL;
}

/* Every record arrives whole and in order, or was counted as dropped. */
static void two_threads_lose_nothing_uncounted(void **state)
{
	struct ring *ring = ring_new(0);
	uint64_t taken = 0, dropped = 0;
	uint32_t number[8], last = 0;
	pthread_t writer;
	bool is_done = false;
	size_t len, j;

	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, write_numbers, ring), 0);
	while (taken + dropped < RECORDS) {
		dropped += ring_take_dropped(ring);
		len = ring_take(ring, room);
		if (!len && !is_done) {
			sched_yield();
			is_done = pthread_tryjoin_np(writer, NULL) == 0;
			continue;
		}
		dropped += ring_take_dropped(ring);
		if (!len)
			break; /* the writer has ended: nothing comes */
		memcpy(number, room, len);
		assert_true(taken == 0 || number[0] > last);
		last = number[0];
		assert_int_equal(len, (last % 8 + 1) * sizeof(number[0]));
		for (j = 1; j < len / sizeof(number[0]); j++)
			assert_int_equal(number[j], last);
		taken++;
	}
	assert_true(taken + dropped == RECORDS);
	assert_true(taken > 0);
	if (!is_done)
		assert_int_equal(pthread_join(writer, NULL), 0);
	ring_free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_out_as_they_went_in),
		cmocka_unit_test(a_record_has_1_to_4096_octets),
		cmocka_unit_test(a_full_ring_drops_and_counts),
		cmocka_unit_test(records_wrap_round_the_end),
		cmocka_unit_test(a_ring_that_memory_cannot_hold_is_refused),
		cmocka_unit_test(two_threads_lose_nothing_uncounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
