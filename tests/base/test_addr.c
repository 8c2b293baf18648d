/*
 * Addresses, prefixes and endpoints: text, sockets, comparison.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"

static struct addr addr_of(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static void addresses_survive_a_round_trip(void **state)
{
	static const char *const text[] = {
		"0.0.0.0",
		"10.0.0.1",
		"255.255.255.255",
		"::",
		"::1",
		"2001:db8::ffff:1",
		"1111:2222:3333:4444:5555:6666:7777:8888",
	};
	char room[ADDR_TEXT_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		struct addr addr = addr_of(text[i]);

		assert_string_equal(addr_format(&addr, room), text[i]);
	}
}

static void addr_parse_refuses_what_is_no_address(void **state)
{
	static const char *const bad[] = {
		"",	      " 10.0.0.1",   "10.0.0.1 ",
		"10.0.0",     "10.0.0.256",  "10.0.0.1.2",
		"010.0.0.1",  "10.0.0.1:80", "2001:db8::g",
		"[::1]",      "fe80::1%lo",  "localhost",
		"10.0.0.1/8", ":::",
	};
	struct addr addr = { .family = 77 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(addr_parse(bad[i], &addr), ERR_MALFORMED);
	assert_int_equal(addr.family, 77);
}

static void a_mapped_address_is_the_ipv4_address(void **state)
{
	struct addr plain = addr_of("10.0.0.1");
	struct addr mapped = addr_of("::ffff:10.0.0.1");
	struct sockaddr_storage ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;
	struct endpoint ep;

	(void)state;
	assert_int_equal(mapped.family, AF_INET);
	assert_true(addr_equal(&plain, &mapped));
	memset(&ss, 0, sizeof(ss));
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(135);
	memcpy(&in6->sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1", 16);
	assert_int_equal(endpoint_from_sockaddr(&ss, &ep), 0);
	assert_true(addr_equal(&ep.addr, &plain));
	assert_int_equal(ep.port, 135);
}

/* 1.2.3.4 and an IPv6 address with the same first octets are two keys. */
static void families_are_different_keys(void **state)
{
	struct addr v4 = addr_of("1.2.3.4");
	struct addr v6 = addr_of("102:304::");

	(void)state;
	assert_memory_equal(v4.octet, v6.octet, 16);
	assert_false(addr_equal(&v4, &v6));
	assert_int_equal(addr_len(&v4), 4);
	assert_int_equal(addr_len(&v6), 16);
}

static void only_zeros_of_a_family_are_a_wildcard(void **state)
{
	struct addr none = { 0 }, any4 = addr_of("0.0.0.0");
	struct addr any6 = addr_of("::"), one = addr_of("::1");
	char room[ADDR_TEXT_MAX];

	(void)state;
	assert_true(addr_is_wildcard(&any4));
	assert_true(addr_is_wildcard(&any6));
	assert_false(addr_is_wildcard(&one));
	assert_false(addr_is_wildcard(&none));
	assert_int_equal(addr_len(&none), 0);
	assert_string_equal(addr_format(&none, room), "none");
}

static void masks_clear_all_but_the_first_bits(void **state)
{
	static const struct {
		const char *in;
		unsigned bits;
		const char *want;
	} row[] = {
		{ "255.255.255.255", 0, "0.0.0.0" },
		{ "255.255.255.255", 1, "128.0.0.0" },
		{ "255.255.255.255", 9, "255.128.0.0" },
		{ "255.255.255.255", 24, "255.255.255.0" },
		{ "255.255.255.255", 31, "255.255.255.254" },
		{ "255.255.255.255", 32, "255.255.255.255" },
		{ "255.255.255.255", 64, "255.255.255.255" },
		{ "2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::" },
		{ "2001:db8:1:2:3:4:5:6", 128, "2001:db8:1:2:3:4:5:6" },
		{ "ffff::ffff", 127, "ffff::fffe" },
	};
	char room[ADDR_TEXT_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct addr addr = addr_of(row[i].in);

		addr = addr_mask(&addr, row[i].bits);
		assert_string_equal(addr_format(&addr, room), row[i].want);
	}
}

static void prefixes_hold_what_begins_like_them(void **state)
{
	static const struct {
		const char *prefix, *addr;
		bool want;
	} row[] = {
		{ "10.0.0.0/8", "10.255.0.1", true },
		{ "10.0.0.0/8", "11.0.0.1", false },
		{ "10.1.2.3/8", "10.9.9.9", true }, /* host bits cleared */
		{ "0.0.0.0/0", "1.2.3.4", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "1.2.3.4", false },
		{ "::/0", "::1", true },
		{ "192.0.2.7", "192.0.2.7", true },
		{ "192.0.2.7", "192.0.2.6", false },
		{ "2001:db8::/32", "2001:db8:ffff::1", true },
		{ "2001:db8::/32", "2001:db9::1", false },
		{ "198.51.100.128/25", "198.51.100.127", false },
	};
	struct prefix prefix;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct addr addr = addr_of(row[i].addr);

		assert_int_equal(prefix_parse(row[i].prefix, &prefix), 0);
		assert_int_equal(prefix_has(&prefix, &addr), row[i].want);
	}
}

static void prefix_parse_refuses_what_is_no_prefix(void **state)
{
	static const char *const bad[] = {
		"",
		"/8",
		"10.0.0.0/",
		"10.0.0.0/33",
		"::/129",
		"10.0.0.0/-1",
		"10.0.0.0/+8",
		"10.0.0.0/8 ",
		"10.0.0.0/8/8",
		"10.0.0.0/0x8",
		"10.0.0.0/99999999999",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/8",
	};
	struct prefix prefix = { .bits = 77 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(prefix_parse(bad[i], &prefix), ERR_MALFORMED);
	assert_int_equal(prefix.bits, 77);
}

static void endpoints_survive_a_round_trip(void **state)
{
	static const char *const text[] = {
		"10.0.0.1:135",
		"0.0.0.0:0",
		"[::1]:65535",
		"[1111:2222:3333:4444:5555:6666:7777:8888]:65535",
	};
	char room[ENDPOINT_TEXT_MAX];
	struct sockaddr_storage ss;
	struct endpoint ep, again;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		assert_int_equal(endpoint_parse(text[i], &ep), 0);
		assert_string_equal(endpoint_format(&ep, room), text[i]);
		assert_int_equal(endpoint_to_sockaddr(&ep, &ss),
				 ep.addr.family == AF_INET
					 ? sizeof(struct sockaddr_in)
					 : sizeof(struct sockaddr_in6));
		assert_int_equal(endpoint_from_sockaddr(&ss, &again), 0);
		assert_true(addr_equal(&ep.addr, &again.addr));
		assert_int_equal(ep.port, again.port);
	}
}

static void endpoint_parse_refuses_what_is_no_endpoint(void **state)
{
	static const char *const bad[] = {
		"",
		"10.0.0.1",
		":135",
		"10.0.0.1:",
		"::1:135",
		"[::1]",
		"[::1]135",
		"[]:135",
		"[:135",
		"10.0.0.1:65536",
		"10.0.0.1:-1",
		"10.0.0.1:1 ",
		"10.0.0.1:+1",
		"host:135",
		"[::1:135",
	};
	struct endpoint ep = { .port = 77 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(endpoint_parse(bad[i], &ep), ERR_MALFORMED);
	assert_int_equal(ep.port, 77);
}

static void other_socket_families_are_refused(void **state)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNIX };
	struct endpoint ep;

	(void)state;
	assert_int_equal(endpoint_from_sockaddr(&ss, &ep), ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_survive_a_round_trip),
		cmocka_unit_test(addr_parse_refuses_what_is_no_address),
		cmocka_unit_test(a_mapped_address_is_the_ipv4_address),
		cmocka_unit_test(families_are_different_keys),
		cmocka_unit_test(only_zeros_of_a_family_are_a_wildcard),
		cmocka_unit_test(masks_clear_all_but_the_first_bits),
		cmocka_unit_test(prefixes_hold_what_begins_like_them),
		cmocka_unit_test(prefix_parse_refuses_what_is_no_prefix),
		cmocka_unit_test(endpoints_survive_a_round_trip),
		cmocka_unit_test(endpoint_parse_refuses_what_is_no_endpoint),
		cmocka_unit_test(other_socket_families_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
