/*
 * Slices, the sticky-error reader and the sticky-error writer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

static const uint8_t octets[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };

static void cursor_reads_either_byte_order(void **state)
{
	struct cursor le = cursor_over(bytes_of(octets, 7), true);
	struct cursor be = cursor_over(bytes_of(octets, 7), false);

	(void)state;
	assert_int_equal(cursor_u8(&le), 1);
	assert_int_equal(cursor_u16(&le), 0x0302);
	assert_int_equal(cursor_u32(&le), 0x07060504);
	assert_int_equal(cursor_u8(&be), 1);
	assert_int_equal(cursor_u16(&be), 0x0203);
	assert_int_equal(cursor_u32(&be), 0x04050607);
	assert_int_equal(cursor_left(&be), 0);
	assert_int_equal(be.err, 0);
	le = cursor_over(bytes_of(octets, 8), true);
	be = cursor_over(bytes_of(octets, 8), false);
	assert_true(cursor_u64(&le) == 0x0807060504030201);
	assert_true(cursor_u64(&be) == 0x0102030405060708);
}

static void cursor_gives_zero_after_the_first_failure(void **state)
{
	struct cursor cur = cursor_over(bytes_of(octets, 5), true);

	(void)state;
	assert_int_equal(cursor_u32(&cur), 0x04030201);
	assert_int_equal(cursor_u16(&cur), 0); /* one octet is left */
	assert_int_equal(cur.err, ERR_SHORT);
	assert_int_equal(cursor_u8(&cur), 0); /* though it would fit */
	assert_int_equal(cursor_take(&cur, 1).len, 0);
	assert_int_equal(cursor_left(&cur), 1);
	cursor_fail(&cur, ERR_LIMIT);
	assert_int_equal(cur.err, ERR_SHORT); /* the first one stays */
}

static void cursor_refuses_lengths_beyond_the_end(void **state)
{
	struct cursor cur = cursor_over(bytes_of(octets, 5), true);

	(void)state;
	assert_int_equal(cursor_take(&cur, 5).len, 5);
	assert_int_equal(cur.err, 0);
	assert_int_equal(cursor_take(&cur, 0).len, 0);
	assert_int_equal(cur.err, 0);
	assert_int_equal(cursor_take(&cur, SIZE_MAX).len, 0);
	assert_int_equal(cur.err, ERR_SHORT);
}

static void cursor_aligns_from_its_start(void **state)
{
	struct cursor cur = cursor_over(bytes_of(octets + 1, 9), true);

	(void)state;
	cursor_align(&cur, 4);
	assert_int_equal(cursor_offset(&cur), 0);
	cursor_u8(&cur);
	cursor_align(&cur, 4);
	assert_int_equal(cursor_offset(&cur), 4);
	cursor_u16(&cur);
	cursor_align(&cur, 2);
	assert_int_equal(cursor_offset(&cur), 6);
	cursor_align(&cur, 8);
	assert_int_equal(cursor_offset(&cur), 8);
	cursor_u8(&cur);
	cursor_align(&cur, 4);
	assert_int_equal(cur.err, ERR_SHORT);
}

static void nothing_can_be_read_from_nothing(void **state)
{
	struct cursor cur = cursor_over(bytes_of(NULL, 0), true);

	(void)state;
	assert_int_equal(cursor_left(&cur), 0);
	assert_int_equal(cursor_offset(&cur), 0);
	assert_int_equal(cursor_take(&cur, 0).len, 0);
	assert_int_equal(cur.err, 0);
	assert_int_equal(cursor_u8(&cur), 0);
	assert_int_equal(cur.err, ERR_SHORT);
}

static void slices_are_equal_by_their_octets(void **state)
{
	uint8_t copy[10];

	(void)state;
	memcpy(copy, octets, 10);
	assert_true(bytes_equal(bytes_of(octets, 10), bytes_of(copy, 10)));
	assert_false(bytes_equal(bytes_of(octets, 10), bytes_of(copy, 9)));
	copy[9]++;
	assert_false(bytes_equal(bytes_of(octets, 10), bytes_of(copy, 10)));
	assert_true(bytes_equal(bytes_of(NULL, 0), bytes_of(copy, 0)));
}

static void builder_writes_what_cursor_reads(void **state)
{
	uint8_t room[32];
	int little;

	(void)state;
	for (little = 0; little < 2; little++) {
		struct builder out = builder_over(room, sizeof(room), little);
		struct cursor cur;

		builder_u8(&out, 0x12);
		builder_u16(&out, 0x3456);
		builder_u32(&out, 0x789abcde);
		builder_u64(&out, 0x0123456789abcdef);
		builder_put(&out, bytes_of(octets, 3));
		assert_int_equal(out.err, 0);
		assert_int_equal(out.len, 18);
		assert_int_equal(room[1], little ? 0x56 : 0x34);
		cur = cursor_over(bytes_of(room, out.len), little);
		assert_int_equal(cursor_u8(&cur), 0x12);
		assert_int_equal(cursor_u16(&cur), 0x3456);
		assert_int_equal(cursor_u32(&cur), 0x789abcde);
		assert_true(cursor_u64(&cur) == 0x0123456789abcdef);
		assert_memory_equal(cursor_take(&cur, 3).at, octets, 3);
	}
}

static void builder_pads_with_zeros(void **state)
{
	uint8_t room[8];
	struct builder out = builder_over(room, sizeof(room), true);

	(void)state;
	memset(room, 0xff, sizeof(room));
	builder_align(&out, 4);
	assert_int_equal(out.len, 0);
	builder_u8(&out, 7);
	builder_align(&out, 4);
	assert_memory_equal(room, "\7\0\0\0\xff", 5);
	assert_int_equal(out.len, 4);
	builder_zero(&out, 4);
	assert_int_equal(out.len, 8);
	assert_int_equal(out.err, 0);
}

static void builder_writes_nothing_after_the_first_failure(void **state)
{
	uint8_t room[8] = { 0 };
	struct builder out = builder_over(room, 6, true);

	(void)state;
	builder_u32(&out, 0x04030201);
	builder_u32(&out, 0xffffffff);
	assert_int_equal(out.err, ERR_SPACE);
	builder_u16(&out, 0xffff); /* though it would fit */
	builder_set_u16(&out, 0, 0xffff);
	builder_fail(&out, ERR_LIMIT);
	assert_int_equal(out.err, ERR_SPACE);
	assert_int_equal(out.len, 4);
	assert_memory_equal(room, "\1\2\3\4\0\0\0\0", 8);
}

static void builder_sets_only_what_was_written(void **state)
{
	uint8_t room[8] = { 0 };
	struct builder out = builder_over(room, sizeof(room), false);

	(void)state;
	builder_zero(&out, 6);
	builder_set_u16(&out, 0, 0x0102);
	builder_set_u32(&out, 2, 0x03040506);
	assert_int_equal(out.err, 0);
	assert_memory_equal(room, "\1\2\3\4\5\6", 6);
	builder_set_u32(&out, 3, 1);
	assert_int_equal(out.err, ERR_SPACE);
	out.err = 0;
	builder_set_u16(&out, SIZE_MAX, 1);
	assert_int_equal(out.err, ERR_SPACE);
	assert_int_equal(out.len, 6);
}

static void nothing_fits_into_no_room(void **state)
{
	struct builder out = builder_over(NULL, 0, true);

	(void)state;
	builder_put(&out, bytes_of(NULL, 0));
	builder_zero(&out, 0);
	builder_align(&out, 8);
	assert_int_equal(out.err, 0);
	builder_u8(&out, 1);
	assert_int_equal(out.err, ERR_SPACE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cursor_reads_either_byte_order),
		cmocka_unit_test(cursor_gives_zero_after_the_first_failure),
		cmocka_unit_test(cursor_refuses_lengths_beyond_the_end),
		cmocka_unit_test(cursor_aligns_from_its_start),
		cmocka_unit_test(nothing_can_be_read_from_nothing),
		cmocka_unit_test(slices_are_equal_by_their_octets),
		cmocka_unit_test(builder_writes_what_cursor_reads),
		cmocka_unit_test(builder_pads_with_zeros),
		cmocka_unit_test(
			builder_writes_nothing_after_the_first_failure),
		cmocka_unit_test(builder_sets_only_what_was_written),
		cmocka_unit_test(nothing_fits_into_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
