/*
 * Towers, by vectors and by hostile input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../helper/vector.h"
#include "wire/iface.h"
#include "wire/tower.h"

#define FLOOR_EMSMDB                                                           \
	"1300 0d 00dbf1a4 47ca 6710 b31f00dd010662da 0000 0200 5100 "
#define FLOOR_NDR "1300 0d 045d888a eb1c c911 9fe808002b104860 0200 0200 0000 "
#define SYNTAXES  FLOOR_EMSMDB FLOOR_NDR
#define TCP_TOWER                                                              \
	"0500 " SYNTAXES "0100 0b 0200 0000 0100 07 0200 c350 "                \
	"0100 09 0400 0a000001"

static int read_hex(const char *hex, struct tower *out)
{
	struct vector room;

	return tower_read(vector_hex(hex, &room), out);
}

static void a_tcp_tower_says_interface_port_and_address(void **state)
{
	char room[ADDR_TEXT_MAX];
	struct tower tower;

	(void)state;
	assert_int_equal(read_hex(TCP_TOWER, &tower), 0);
	assert_int_equal(tower.protocol, TOWER_TCP);
	assert_true(syntax_equal(&tower.interface, &iface_emsmdb.syntax));
	assert_true(syntax_equal(&tower.transfer, &syntax_ndr));
	assert_true(tower.has_port);
	assert_int_equal(tower.port, 50000);
	assert_string_equal(addr_format(&tower.addr, room), "10.0.0.1");
}

static void the_port_is_big_endian_in_a_little_endian_tower(void **state)
{
	struct vector room;
	struct bytes in = vector_hex(TCP_TOWER, &room);
	struct tower tower;

	(void)state;
	room.octet[64] = 0x00;
	room.octet[65] = 0x87;
	assert_int_equal(tower_read(in, &tower), 0);
	assert_int_equal(tower.port, 135);
}

static void port_and_address_can_be_patched_in_place(void **state)
{
	struct vector room;
	struct bytes in = vector_hex(TCP_TOWER, &room);
	char text[ADDR_TEXT_MAX];
	struct tower tower;

	(void)state;
	assert_int_equal(in.len, TOWER_TCP_LEN);
	assert_int_equal(tower_read(in, &tower), 0);
	assert_int_equal(tower.port_offset, 64);
	assert_int_equal(tower.addr_offset, 71);
	memcpy(room.octet + tower.port_offset, "\xea\x60", 2);
	memcpy(room.octet + tower.addr_offset, "\x0a\x4d\x00\x0a", 4);
	assert_int_equal(tower_read(in, &tower), 0);
	assert_int_equal(tower.port, 60000);
	assert_string_equal(addr_format(&tower.addr, text), "10.77.0.10");
	assert_true(syntax_equal(&tower.interface, &iface_emsmdb.syntax));
}

static void each_protocol_is_told_apart(void **state)
{
	static const struct {
		const char *hex;
		enum tower_protocol want;
		bool has_port;
	} row[] = {
		{ "0500 " SYNTAXES "0100 0b 0200 0000 0100 07 0200 1771 "
		  "0100 09 0400 00000000",
		  TOWER_TCP, true },
		{ "0500 " SYNTAXES "0100 0b 0200 0000 0100 1f 0200 1771 "
		  "0100 09 0400 00000000",
		  TOWER_HTTP, true },
		{ "0500 " SYNTAXES "0100 0a 0200 0000 0100 08 0200 1771 "
		  "0100 09 0400 00000000",
		  TOWER_UDP, true },
		{ "0500 " SYNTAXES "0100 0b 0200 0000 0100 0f 0800 "
		  "5c706970655c7800 0100 11 0200 5300",
		  TOWER_PIPE, false },
		/* ncalrpc, TCP under connectionless RPC, only two floors */
		{ "0400 " SYNTAXES "0100 0c 0200 0000 0100 10 0200 5300",
		  TOWER_OTHER, false },
		{ "0500 " SYNTAXES "0100 0a 0200 0000 0100 07 0200 1771 "
		  "0100 09 0400 00000000",
		  TOWER_OTHER, false },
		{ "0200 " SYNTAXES, TOWER_OTHER, false },
	};
	struct tower tower;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		assert_int_equal(read_hex(row[i].hex, &tower), 0);
		assert_int_equal(tower.protocol, row[i].want);
		assert_int_equal(tower.has_port, row[i].has_port);
		assert_int_equal(tower.port, row[i].has_port ? 6001 : 0);
		assert_int_equal(tower.port_offset, row[i].has_port ? 64 : 0);
	}
}

static void a_tower_may_lack_its_address_floor(void **state)
{
	struct tower tower;

	(void)state;
	assert_int_equal(read_hex("0400 " SYNTAXES
				  "0100 0b 0200 0000 0100 07 0200 1771",
				  &tower),
			 0);
	assert_int_equal(tower.port, 6001);
	assert_int_equal(tower.addr.family, 0);
	assert_int_equal(tower.addr_offset, 0);
}

static void an_address_counts_only_as_the_fifth_floor(void **state)
{
	struct tower tower;

	(void)state;
	assert_int_equal(read_hex("0600 " SYNTAXES
				  "0100 0b 0200 0000 0100 07 0200 1771 "
				  "0100 11 0200 5300 0100 09 0400 0a000001",
				  &tower),
			 0);
	assert_int_equal(tower.port, 6001);
	assert_int_equal(tower.addr.family, 0);
	assert_int_equal(tower.addr_offset, 0);
}

static void octets_behind_the_last_floor_are_padding(void **state)
{
	struct tower tower;

	(void)state;
	assert_int_equal(read_hex(TCP_TOWER " 00000000 00", &tower), 0);
	assert_int_equal(tower.port, 50000);
}

static void tower_read_refuses_what_is_no_tower(void **state)
{
	static const struct {
		const char *hex;
		int want;
	} row[] = {
		{ "", ERR_SHORT },
		{ "05", ERR_SHORT },
		{ "0000", ERR_UNSUPPORTED },
		{ "0100 " FLOOR_EMSMDB, ERR_UNSUPPORTED },
		{ "1100 " SYNTAXES, ERR_LIMIT },
		{ "ffff " SYNTAXES, ERR_LIMIT },
		{ "1000 " SYNTAXES, ERR_SHORT },
		/* a floor without a left-hand side */
		{ "0200 0000 0000 0000 0000", ERR_MALFORMED },
		{ "0300 " SYNTAXES "0000 0000", ERR_MALFORMED },
		/* floors 1 and 2 are no syntaxes */
		{ "0200 0100 0b 0200 0000 " FLOOR_NDR, ERR_UNSUPPORTED },
		{ "0200 " FLOOR_EMSMDB "0100 0b 0200 0000", ERR_UNSUPPORTED },
		{ "0200 1200 0d 00dbf1a4 47ca 6710 b31f00dd010662da 00 0200 "
		  "5100 " FLOOR_NDR,
		  ERR_UNSUPPORTED },
		/* a minor version, a port, an address of the wrong length */
		{ "0200 1300 0d 00dbf1a4 47ca 6710 b31f00dd010662da 0000 "
		  "0100 51 " FLOOR_NDR,
		  ERR_MALFORMED },
		{ "0400 " SYNTAXES "0100 0b 0200 0000 0100 07 0100 17",
		  ERR_MALFORMED },
		{ "0400 " SYNTAXES "0100 0b 0200 0000 0100 07 0300 177100",
		  ERR_MALFORMED },
		{ "0500 " SYNTAXES "0100 0b 0200 0000 0100 07 0200 1771 "
		  "0100 09 0300 0a0000",
		  ERR_MALFORMED },
		{ "0500 " SYNTAXES "0100 0b 0200 0000 0100 07 0200 1771 "
		  "0100 09 ffff 0a000001",
		  ERR_SHORT },
	};
	struct tower tower = { .port = 7 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_int_equal(read_hex(row[i].hex, &tower), row[i].want);
	assert_int_equal(tower.port, 7);
}

static void refuse_short(struct bytes in, void *ctx)
{
	struct tower tower;

	(void)ctx;
	assert_int_equal(tower_read(in, &tower), ERR_SHORT);
}

static void every_truncated_tower_is_refused(void **state)
{
	struct vector room;

	(void)state;
	vector_truncations(vector_hex(TCP_TOWER, &room), refuse_short, NULL);
}

static void read_anything(struct bytes in, void *ctx)
{
	struct tower tower;

	(void)ctx;
	if (tower_read(in, &tower) < 0)
		return;
	assert_true(tower.port_offset + 2u <= in.len);
	assert_true(tower.addr_offset + 4u <= in.len);
	assert_int_equal(tower.has_port, tower.port_offset != 0);
	assert_int_equal(tower.addr.family != 0, tower.addr_offset != 0);
}

static void turned_bits_never_lead_out_of_the_tower(void **state)
{
	struct vector room;

	(void)state;
	vector_flips(vector_hex(TCP_TOWER, &room), read_anything, NULL);
}

static void a_tower_is_written_little_endian_whatever_the_pdu(void **state)
{
	struct vector room;
	struct bytes want = vector_hex(TCP_TOWER, &room);
	uint8_t octet[128];
	struct addr addr;
	int little;

	(void)state;
	assert_int_equal(addr_parse("10.0.0.1", &addr), 0);
	for (little = 0; little < 2; little++) {
		struct builder out = builder_over(octet, sizeof(octet), little);

		tower_write(&out, TOWER_TCP, &iface_emsmdb.syntax, 50000,
			    &addr);
		assert_int_equal(out.err, 0);
		assert_int_equal(out.little, little);
		assert_true(bytes_equal(bytes_of(octet, out.len), want));
	}
}

static void tower_write_without_an_ipv4_address_says_0_0_0_0(void **state)
{
	uint8_t octet[128];
	struct builder out = builder_over(octet, sizeof(octet), true);
	struct tower tower;
	struct addr v6;

	(void)state;
	assert_int_equal(addr_parse("2001:db8::1", &v6), 0);
	tower_write(&out, TOWER_HTTP, &iface_rfr.syntax, 6002, &v6);
	assert_int_equal(out.err, 0);
	assert_int_equal(tower_read(bytes_of(octet, out.len), &tower), 0);
	assert_int_equal(tower.protocol, TOWER_HTTP);
	assert_int_equal(tower.port, 6002);
	assert_true(addr_is_wildcard(&tower.addr));
	out = builder_over(octet, sizeof(octet), true);
	tower_write(&out, TOWER_TCP, &iface_nspi.syntax, 1, NULL);
	assert_int_equal(tower_read(bytes_of(octet, out.len), &tower), 0);
	assert_true(addr_is_wildcard(&tower.addr));
	assert_true(syntax_equal(&tower.interface, &iface_nspi.syntax));
}

static void tower_write_refuses_what_it_cannot_write(void **state)
{
	uint8_t octet[128];
	struct builder out = builder_over(octet, sizeof(octet), true);

	(void)state;
	tower_write(&out, TOWER_PIPE, &iface_rfr.syntax, 1, NULL);
	assert_int_equal(out.err, ERR_UNSUPPORTED);
	out = builder_over(octet, TOWER_TCP_LEN - 1, true);
	tower_write(&out, TOWER_TCP, &iface_rfr.syntax, 1, NULL);
	assert_int_equal(out.err, ERR_SPACE);
}

static void tower_patch_changes_port_and_address_and_nothing_else(void **state)
{
	static const char *const hex[] = {
		TCP_TOWER " 00000000 00",
		"0500 " SYNTAXES "0200 0b05 0300 000000 0200 1f07 0200 1771 "
		"0300 090909 0400 00000000 0100 09 0400 0a000001",
		"0500 " SYNTAXES "0100 0a 0200 0000 0100 08 0200 1771 "
		"0100 09 0400 00000000",
	};
	struct vector before, after;
	struct addr addr;
	size_t i;

	(void)state;
	assert_int_equal(addr_parse("10.77.0.10", &addr), 0);
	for (i = 0; i < sizeof(hex) / sizeof(hex[0]); i++) {
		struct bytes in = vector_hex(hex[i], &after);
		struct tower was, is;

		vector_hex(hex[i], &before);
		assert_int_equal(tower_read(in, &was), 0);
		tower_patch(after.octet, &was, 0xea61, &addr);
		assert_int_equal(tower_read(in, &is), 0);
		assert_int_equal(is.port, 0xea61);
		assert_true(addr_equal(&is.addr, &addr));
		memcpy(before.octet + was.port_offset, "\xea\x61", 2);
		memcpy(before.octet + was.addr_offset, "\x0a\x4d\x00\x0a", 4);
		assert_memory_equal(after.octet, before.octet, in.len);
	}
}

static void tower_patch_leaves_the_address_where_it_is_given_none(void **state)
{
	const struct addr nobody = { 0 };
	struct tower was, is;
	struct vector room;
	struct bytes in = vector_hex(TCP_TOWER, &room);
	struct addr v6;

	(void)state;
	assert_int_equal(addr_parse("2001:db8::1", &v6), 0);
	assert_int_equal(tower_read(in, &was), 0);
	tower_patch(room.octet, &was, 1, NULL);
	tower_patch(room.octet, &was, 2, &nobody);
	tower_patch(room.octet, &was, 3, &v6);
	assert_int_equal(tower_read(in, &is), 0);
	assert_int_equal(is.port, 3);
	assert_true(addr_equal(&is.addr, &was.addr));
}

/* A pipe has no port and a floor of TCP need have no address. */
static void tower_patch_writes_only_floors_that_are_there(void **state)
{
	static const struct {
		const char *hex;
		const char *want;
	} row[] = {
		{ "0500 " SYNTAXES "0100 0b 0200 0000 0100 0f 0300 5c7000 "
		  "0100 11 0200 5300",
		  NULL },
		{ "0200 " SYNTAXES, NULL },
		{ "0400 " SYNTAXES "0100 0b 0200 0000 0100 07 0200 1771",
		  "0400 " SYNTAXES "0100 0b 0200 0000 0100 07 0200 ea61" },
	};
	struct vector room, want;
	struct tower tower;
	struct addr addr;
	size_t i;

	(void)state;
	assert_int_equal(addr_parse("10.77.0.10", &addr), 0);
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct bytes in = vector_hex(row[i].hex, &room);

		vector_hex(row[i].want ? row[i].want : row[i].hex, &want);
		assert_int_equal(tower_read(in, &tower), 0);
		tower_patch(room.octet, &tower, 0xea61, &addr);
		assert_memory_equal(room.octet, want.octet, in.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tcp_tower_says_interface_port_and_address),
		cmocka_unit_test(
			the_port_is_big_endian_in_a_little_endian_tower),
		cmocka_unit_test(port_and_address_can_be_patched_in_place),
		cmocka_unit_test(each_protocol_is_told_apart),
		cmocka_unit_test(a_tower_may_lack_its_address_floor),
		cmocka_unit_test(an_address_counts_only_as_the_fifth_floor),
		cmocka_unit_test(octets_behind_the_last_floor_are_padding),
		cmocka_unit_test(tower_read_refuses_what_is_no_tower),
		cmocka_unit_test(every_truncated_tower_is_refused),
		cmocka_unit_test(turned_bits_never_lead_out_of_the_tower),
		cmocka_unit_test(
			a_tower_is_written_little_endian_whatever_the_pdu),
		cmocka_unit_test(
			tower_write_without_an_ipv4_address_says_0_0_0_0),
		cmocka_unit_test(tower_write_refuses_what_it_cannot_write),
		cmocka_unit_test(
			tower_patch_changes_port_and_address_and_nothing_else),
		cmocka_unit_test(
			tower_patch_leaves_the_address_where_it_is_given_none),
		cmocka_unit_test(tower_patch_writes_only_floors_that_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
