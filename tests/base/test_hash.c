/*
 * SipHash-2-4 against the vectors of its authors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

/* The reference implementation's vectors for the inputs 00, 00 01, … of 0 to
 * 16 octets under the key 00 01 … 0f. */
static const uint64_t want[] = {
	0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a,
	0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
	0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462,
	0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
	0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee,
	0xa129ca6149be45e5, 0x3f2acc7f57c29bdb,
};

static void hash_sip_gives_the_authors_values(void **state)
{
	uint8_t octet[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(octet); i++)
		octet[i] = (uint8_t)i;
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_true(hash_sip(octet, bytes_of(octet, i)) == want[i]);
}

static void nothing_has_a_hash_too(void **state)
{
	uint8_t key[HASH_KEY_LEN];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	assert_true(hash_sip(key, bytes_of(NULL, 0)) == want[0]);
}

static void another_key_gives_another_hash(void **state)
{
	uint8_t a[HASH_KEY_LEN] = { 0 }, b[HASH_KEY_LEN] = { 0 };
	struct bytes in = bytes_of("client", 6);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(b); i++) {
		b[i] ^= 1;
		assert_true(hash_sip(a, in) != hash_sip(b, in));
		b[i] ^= 1;
	}
	assert_true(hash_sip(a, in) == hash_sip(b, in));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_sip_gives_the_authors_values),
		cmocka_unit_test(nothing_has_a_hash_too),
		cmocka_unit_test(another_key_gives_another_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
