/*
 * UUIDs and syntaxes: text, and octets in either byte order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../helper/vector.h"
#include "wire/uuid.h"

#define EMSMDB "a4f1db00-ca47-1067-b31f-00dd010662da"

static void uuid_text_survives_a_round_trip(void **state)
{
	char room[UUID_TEXT_MAX];
	struct uuid uuid;

	(void)state;
	assert_int_equal(uuid_parse(EMSMDB, &uuid), 0);
	assert_int_equal(uuid.time_low, 0xa4f1db00);
	assert_int_equal(uuid.time_mid, 0xca47);
	assert_int_equal(uuid.time_hi, 0x1067);
	assert_int_equal(uuid.rest[0], 0xb3);
	assert_int_equal(uuid.rest[7], 0xda);
	assert_string_equal(uuid_format(&uuid, room), EMSMDB);
}

static void uuid_parse_takes_either_case(void **state)
{
	struct uuid lower, upper;

	(void)state;
	assert_int_equal(uuid_parse(EMSMDB, &lower), 0);
	assert_int_equal(
		uuid_parse("A4F1DB00-CA47-1067-B31F-00DD010662DA", &upper), 0);
	assert_true(uuid_equal(&lower, &upper));
}

static void uuid_parse_refuses_what_is_no_uuid(void **state)
{
	static const char *const bad[] = {
		"",
		"a4f1db00",
		"a4f1db00-ca47-1067-b31f-00dd010662d",
		"a4f1db00-ca47-1067-b31f-00dd010662daa",
		"a4f1db00-ca47-1067-b31f-00dd010662dg",
		"a4f1db00-ca47-1067-b31f000dd010662da",
		"a4f1db0--ca47-1067-b31f-00dd010662da",
		"{4f1db00-ca47-1067-b31f-00dd010662d}",
		" 4f1db00-ca47-1067-b31f-00dd010662da",
		"+4f1db00-ca47-1067-b31f-00dd010662da",
	};
	struct uuid uuid = { .time_low = 7 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(uuid_parse(bad[i], &uuid), ERR_MALFORMED);
	assert_int_equal(uuid.time_low, 7);
}

static void uuids_differ_in_every_octet(void **state)
{
	struct uuid a = { 0 }, b;
	uint8_t *octet = (uint8_t *)&b;
	size_t i;

	(void)state;
	assert_true(uuid_is_nil(&a));
	for (i = 0; i < sizeof(b); i++) {
		b = a;
		octet[i] = 1;
		assert_false(uuid_equal(&a, &b));
		assert_false(uuid_is_nil(&b));
	}
}

static void syntaxes_differ_in_uuid_and_both_versions(void **state)
{
	struct syntax other = syntax_ndr;

	(void)state;
	assert_true(syntax_equal(&other, &syntax_ndr));
	other.major++;
	assert_false(syntax_equal(&other, &syntax_ndr));
	other = syntax_ndr;
	other.minor++;
	assert_false(syntax_equal(&other, &syntax_ndr));
	other = syntax_ndr;
	other.uuid.rest[7]++;
	assert_false(syntax_equal(&other, &syntax_ndr));
	assert_false(syntax_equal(&syntax_ndr, &syntax_ndr64));
}

static void syntax_is_in_the_byte_order_of_its_pdu(void **state)
{
	/* EMSMDB 0.81: the version is one number, major in its low half */
	static const char *const hex[2] = {
		"a4f1db00 ca47 1067 b31f00dd010662da 00510000",
		"00dbf1a4 47ca 6710 b31f00dd010662da 00005100",
	};
	struct vector room;
	struct uuid uuid;
	int little;

	(void)state;
	assert_int_equal(uuid_parse(EMSMDB, &uuid), 0);
	for (little = 0; little < 2; little++) {
		struct bytes wire = vector_hex(hex[little], &room);
		struct cursor cur = cursor_over(wire, little);
		uint8_t out[SYNTAX_LEN];
		struct builder b = builder_over(out, sizeof(out), little);
		struct syntax syntax = syntax_read(&cur);

		assert_int_equal(cur.err, 0);
		assert_int_equal(cursor_left(&cur), 0);
		assert_true(uuid_equal(&syntax.uuid, &uuid));
		assert_int_equal(syntax.major, 0);
		assert_int_equal(syntax.minor, 81);
		syntax_write(&b, &syntax);
		assert_int_equal(b.err, 0);
		assert_true(bytes_equal(bytes_of(out, b.len), wire));
	}
}

static void refuse_short(struct bytes in, void *ctx)
{
	struct cursor cur = cursor_over(in, true);

	(void)ctx;
	syntax_read(&cur);
	assert_int_equal(cur.err, ERR_SHORT);
}

static void syntax_read_refuses_every_truncation(void **state)
{
	static const uint8_t zero[SYNTAX_LEN];

	(void)state;
	vector_truncations(bytes_of(zero, sizeof(zero)), refuse_short, NULL);
}

static void the_two_transfer_syntaxes_are_what_they_are(void **state)
{
	char room[UUID_TEXT_MAX];

	(void)state;
	assert_string_equal(uuid_format(&syntax_ndr.uuid, room),
			    "8a885d04-1ceb-11c9-9fe8-08002b104860");
	assert_int_equal(syntax_ndr.major, 2);
	assert_int_equal(syntax_ndr.minor, 0);
	assert_string_equal(uuid_format(&syntax_ndr64.uuid, room),
			    "71710533-beba-4937-8319-b5dbef9ccc36");
	assert_int_equal(syntax_ndr64.major, 1);
	assert_int_equal(syntax_ndr64.minor, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uuid_text_survives_a_round_trip),
		cmocka_unit_test(uuid_parse_takes_either_case),
		cmocka_unit_test(uuid_parse_refuses_what_is_no_uuid),
		cmocka_unit_test(uuids_differ_in_every_octet),
		cmocka_unit_test(syntaxes_differ_in_uuid_and_both_versions),
		cmocka_unit_test(syntax_is_in_the_byte_order_of_its_pdu),
		cmocka_unit_test(syntax_read_refuses_every_truncation),
		cmocka_unit_test(the_two_transfer_syntaxes_are_what_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
