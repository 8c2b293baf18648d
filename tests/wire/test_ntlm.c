/*
 * Names in NTLMSSP, by vectors and by hostile input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../helper/vector.h"
#include "wire/ntlm.h"
#include "wire/pdu.h"

/* Message type 3, empty responses of LM and NT; then the names' fields. */
#define HEAD	    "4e544c4d53535000 03000000 00000000 40000000 00000000 40000000 "
#define SESSION_KEY "00000000 40000000 "
#define UNICODE	    "01020000 "
#define OEM	    "02020000 "
/* "AB", "cde", "W": in Unicode at 64, 68 and 74; in OEM at 64, 66 and 69 */
#define UNICODE_MESSAGE                                                        \
	HEAD "04000400 40000000 06000600 44000000 02000200 "                   \
	     "4a000000 " SESSION_KEY UNICODE "41004200 630064006500 5700"
#define OEM_MESSAGE                                                            \
	HEAD "02000200 40000000 03000300 42000000 01000100 "                   \
	     "45000000 " SESSION_KEY OEM "4142 636465 57"

static int read_hex(const char *hex, struct vector *room,
		    struct ntlm_names *out)
{
	return ntlm_names_read(vector_hex(hex, room), out);
}

static struct bytes auth_of(const char *name, struct vector *room)
{
	struct pdu pdu;

	assert_int_equal(pdu_read(vector_read(name, room), &pdu), 0);
	return pdu.auth;
}

static void assert_name(struct bytes name, bool is_unicode, const char *want)
{
	char text[NTLM_TEXT_MAX];

	assert_int_equal(ntlm_text(name, is_unicode, text, sizeof(text)),
			 strlen(want));
	assert_string_equal(text, want);
}

static void an_auth3_says_domain_and_user(void **state)
{
	struct ntlm_names names;
	struct vector room;
	struct bytes auth =
		auth_of("11_emsmdb_auth3_ntlm_authenticate.bin", &room);

	(void)state;
	assert_int_equal(ntlm_names_read(auth, &names), 0);
	assert_true(names.is_unicode);
	assert_ptr_equal(names.domain.at, auth.at + 64);
	assert_name(names.domain, true, "CONTOSO");
	assert_ptr_equal(names.user.at, auth.at + 78);
	assert_name(names.user, true, "alice");
	assert_int_equal(names.workstation.len, 0);
}

static void names_are_unicode_or_octets_as_the_flags_say(void **state)
{
	static const char *const hex[] = { OEM_MESSAGE, UNICODE_MESSAGE };
	struct ntlm_names names;
	struct vector room;
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(read_hex(hex[i], &room, &names), 0);
		assert_int_equal(names.is_unicode, i);
		assert_name(names.domain, i, "AB");
		assert_name(names.user, i, "cde");
		assert_name(names.workstation, i, "W");
	}
}

/* The offsets count from the message, wherever it stands; SPNEGO may have a
 * checksum behind it. */
static void a_message_within_spnego_is_found(void **state)
{
	struct ntlm_names names;
	struct vector room;

	(void)state;
	assert_int_equal(read_hex("a17b 3079 a277 0475 4e544c4d 4e544c4d535350"
				  "00 02000000 " UNICODE_MESSAGE
				  "a312 0410 01000000 00112233445566778899aabb",
				  &room, &names),
			 0);
	assert_name(names.domain, true, "AB");
	assert_name(names.user, true, "cde");
	assert_name(names.workstation, true, "W");
}

static void other_legs_and_mechanisms_say_no_names(void **state)
{
	struct ntlm_names names;
	struct vector room;

	(void)state;
	assert_int_equal(
		ntlm_names_read(
			auth_of("09_emsmdb_bind_ntlm_negotiate.bin", &room),
			&names),
		ERR_NOT_FOUND);
	assert_int_equal(
		ntlm_names_read(
			auth_of("10_emsmdb_bind_ack_ntlm_challenge.bin", &room),
			&names),
		ERR_NOT_FOUND);
	assert_int_equal(ntlm_names_read(bytes_of(NULL, 0), &names),
			 ERR_NOT_FOUND);
	/* type 3 in the other byte order, and in the upper case that it is not
	 */
	assert_int_equal(read_hex("4e544c4d53535000 00000003", &room, &names),
			 ERR_NOT_FOUND);
	assert_int_equal(read_hex("4e744c6d53735000 03000000", &room, &names),
			 ERR_NOT_FOUND);
}

static void a_name_outside_of_the_message_is_refused(void **state)
{
	static const struct {
		const char *field; /* of the user, in a message of 76 octets */
		int want;
	} row[] = {
		{ "06000600 44000000", 0 },
		{ "08000600 44000000", 0 }, /* the maximum is no matter */
		{ "08000000 44000000", 0 },
		{ "09000900 44000000", ERR_MALFORMED },
		{ "ffffffff 44000000", ERR_MALFORMED },
		{ "01000100 4b000000", 0 },
		{ "01000100 4c000000", ERR_MALFORMED },
		{ "01000100 ffffffff", ERR_MALFORMED },
		{ "02000200 ffffffff", ERR_MALFORMED },
		{ "01000100 00000080", ERR_MALFORMED },
		/* in the header */
		{ "01000100 3f000000", ERR_MALFORMED },
		{ "01000100 00000000", ERR_MALFORMED },
		/* an empty one may stand anywhere */
		{ "00000000 ffffffff", 0 },
		{ "00000000 00000000", 0 },
	};
	struct ntlm_names names = { 0 };
	struct vector room, field;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct bytes in = vector_hex(UNICODE_MESSAGE, &room);

		assert_int_equal(in.len, 76);
		vector_hex(row[i].field, &field);
		memcpy(room.octet + 36, field.octet, 8);
		assert_int_equal(ntlm_names_read(in, &names), row[i].want);
	}
	assert_int_equal(names.user.len, 0); /* the last one's */
	assert_int_equal(names.workstation.len, 2);
}

static bool lies_within(struct bytes inner, struct bytes outer)
{
	return !inner.len || (inner.at >= outer.at &&
			      inner.at + inner.len <= outer.at + outer.len);
}

/* The first name beyond the cut end refuses it. */
static void refuse_cut(struct bytes in, void *ctx)
{
	int want = in.len < 12	 ? ERR_NOT_FOUND
		   : in.len < 64 ? ERR_SHORT
				 : ERR_MALFORMED;
	struct ntlm_names names = { .is_unicode = true };

	(void)ctx;
	assert_int_equal(ntlm_names_read(in, &names), want);
	assert_null(names.user.at);
}

static void every_truncated_message_is_refused(void **state)
{
	struct vector room;

	(void)state;
	vector_truncations(vector_hex(UNICODE_MESSAGE, &room), refuse_cut,
			   NULL);
	vector_truncations(vector_hex(OEM_MESSAGE, &room), refuse_cut, NULL);
}

static void write_anything(struct bytes name, bool is_unicode)
{
	char text[40];
	size_t cap, len;

	for (cap = 0; cap <= sizeof(text); cap++) {
		memset(text, 'x', sizeof(text));
		len = ntlm_text(name, is_unicode, text, cap);
		assert_true(cap ? len < cap && strlen(text) == len : !len);
		assert_true(cap == sizeof(text) || text[cap] == 'x');
	}
}

static void read_anything(struct bytes in, void *ctx)
{
	struct ntlm_names names;

	(void)ctx;
	if (ntlm_names_read(in, &names) < 0)
		return;
	assert_true(lies_within(names.domain, in));
	assert_true(lies_within(names.user, in));
	assert_true(lies_within(names.workstation, in));
	write_anything(names.domain, names.is_unicode);
	write_anything(names.user, names.is_unicode);
	write_anything(names.workstation, names.is_unicode);
}

static void turned_bits_never_lead_out_of_the_message(void **state)
{
	struct vector room;

	(void)state;
	vector_flips(vector_hex(UNICODE_MESSAGE, &room), read_anything, NULL);
	vector_flips(vector_hex(OEM_MESSAGE, &room), read_anything, NULL);
	vector_flips(auth_of("11_emsmdb_auth3_ntlm_authenticate.bin", &room),
		     read_anything, NULL);
}

static void assert_text(const char *hex, bool is_unicode, const char *want)
{
	struct vector room;

	assert_name(vector_hex(hex, &room), is_unicode, want);
}

static void unicode_names_become_utf8(void **state)
{
	(void)state;
	assert_text("", true, "");
	assert_text("41007e00", true, "A~");
	assert_text("e900 df00 ff07 0008", true, "éß߿ࠀ");
	assert_text("ac20 ffd7 00e0 fdff", true, "€\xed\x9f\xbf\ue000\ufffd");
	/* the first and the last character beyond 16 bits, and one between */
	assert_text("00d800dc", true, "\U00010000");
	assert_text("3dd800de", true, "\U0001f600");
	assert_text("ffdbffdf", true, "\U0010ffff");
}

static void what_is_no_utf16_becomes_a_question_mark(void **state)
{
	(void)state;
	assert_text("00d8", true, "?");
	assert_text("00d8 4100", true, "?A");
	assert_text("00dc 4100", true, "?A");
	assert_text("ffdb ffdb ffdf", true, "?\U0010ffff");
	assert_text("00dc 00d8", true, "??");
	assert_text("00dc 00dc", true, "??");
	assert_text("00d8 ff", true, "??");
	assert_text("4100 42", true, "A?");
}

/* A name that reaches a terminal or a log must not write lines or escapes
 * of its own, nor turn the text around. */
static void what_is_not_printable_becomes_a_question_mark(void **state)
{
	(void)state;
	assert_text("0000 0a00 1b00 1f00 2000 7e00 7f00", true, "???? ~?");
	assert_text("8000 9b00 9f00 a000", true, "???\u00a0");
	assert_text("2720 2820 2920 2e20 2f20", true, "\u2027???\u202f");
	assert_text("0d20 0e20 0f20 1020", true, "\u200d??\u2010");
	assert_text("6520 6620 6920 6a20 fffe", true, "\u2065??\u206a?");
	assert_text("00 0a 1b 41 7e 7f", false, "???A~?");
	assert_text("80 ff e9", false, "???"); /* the code page is unknown */
}

static void a_name_is_cut_behind_a_whole_character(void **state)
{
	static const uint8_t name[] = { 'a',  0,    0xe9, 0,	0xac, 0x20,
					0x3d, 0xd8, 0x00, 0xde, 'z',  0 };
	/* by the room: a 1, é 2, € 3, U+1F600 4, z 1 octets, and NUL */
	static const size_t want[] = { 0, 0, 1, 1, 3,  3,  3,
				       6, 6, 6, 6, 10, 11, 11 };
	char text[16];
	size_t cap;

	(void)state;
	for (cap = 0; cap < sizeof(want) / sizeof(want[0]); cap++) {
		memset(text, 'x', sizeof(text));
		assert_int_equal(ntlm_text(bytes_of(name, sizeof(name)), true,
					   text, cap),
				 want[cap]);
		if (cap)
			assert_memory_equal(text, "aé€\U0001f600z", want[cap]);
		assert_int_equal(text[cap ? want[cap] : 0], cap ? '\0' : 'x');
		assert_int_equal(text[cap], 'x');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_auth3_says_domain_and_user),
		cmocka_unit_test(names_are_unicode_or_octets_as_the_flags_say),
		cmocka_unit_test(a_message_within_spnego_is_found),
		cmocka_unit_test(other_legs_and_mechanisms_say_no_names),
		cmocka_unit_test(a_name_outside_of_the_message_is_refused),
		cmocka_unit_test(every_truncated_message_is_refused),
		cmocka_unit_test(turned_bits_never_lead_out_of_the_message),
		cmocka_unit_test(unicode_names_become_utf8),
		cmocka_unit_test(what_is_no_utf16_becomes_a_question_mark),
		cmocka_unit_test(what_is_not_printable_becomes_a_question_mark),
		cmocka_unit_test(a_name_is_cut_behind_a_whole_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
