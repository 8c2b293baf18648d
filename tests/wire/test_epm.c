/*
 * Stubs of ept_map, by vectors and by hostile input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../helper/vector.h"
#include "wire/epm.h"
#include "wire/iface.h"
#include "wire/pdu.h"

/* A tower of no floors: enough for what moves towers about. */
#define NIL_HANDLE "00000000 00000000 00000000 00000000 00000000 "
#define TOWER_A	   "02000000 02000000 aaaa 0000 "
#define TOWER_B	   "03000000 03000000 bbbbbb 00 "

static const struct ndr le = { .little = true }, be = { .little = false };

static struct bytes stub_of(const char *name, struct vector *room)
{
	struct pdu pdu;

	assert_int_equal(pdu_read(vector_read(name, room), &pdu), 0);
	assert_true(pdu.body.len >= 8);
	return bytes_of(pdu.body.at + 8, pdu.body.len - 8);
}

static struct tower read_tower(struct bytes in)
{
	struct tower tower;

	assert_int_equal(tower_read(in, &tower), 0);
	return tower;
}

static void a_map_request_says_what_is_looked_for(void **state)
{
	struct epm_map_request req;
	struct vector room;
	struct tower tower;

	(void)state;
	assert_int_equal(
		epm_map_request_read(
			stub_of("03_epm_map_req_emsmdb_tcp.bin", &room), le,
			&req),
		0);
	assert_true(req.has_object);
	assert_true(uuid_is_nil(&req.object));
	assert_true(epm_handle_is_nil(&req.handle));
	assert_int_equal(req.max_towers, 1);
	tower = read_tower(req.tower);
	assert_int_equal(tower.protocol, TOWER_TCP);
	assert_true(syntax_equal(&tower.interface, &iface_emsmdb.syntax));
	assert_int_equal(
		epm_map_request_read(
			stub_of("06_epm_map_req_emsmdb_http.bin", &room), le,
			&req),
		0);
	assert_int_equal(read_tower(req.tower).protocol, TOWER_HTTP);
}

/* Samba sends no object at all, which moves the tower by 16 octets. */
static void a_map_request_may_have_null_pointers(void **state)
{
	struct epm_map_request req;
	struct vector room;

	(void)state;
	assert_int_equal(
		epm_map_request_read(
			vector_hex("00000000 00000200 " TOWER_B NIL_HANDLE
				   "04000000",
				   &room),
			le, &req),
		0);
	assert_false(req.has_object);
	assert_int_equal(req.tower.len, 3);
	assert_memory_equal(req.tower.at, "\xbb\xbb\xbb", 3);
	assert_int_equal(req.max_towers, 4);
	assert_int_equal(
		epm_map_request_read(vector_hex("00000000 00000000 " NIL_HANDLE
						"00000000",
						&room),
				     le, &req),
		0);
	assert_int_equal(req.tower.len, 0);
}

static void max_towers_may_be_0_to_500(void **state)
{
	struct epm_map_request req;
	struct vector room;
	struct bytes stub =
		vector_hex("00000000 00000000 " NIL_HANDLE "00000000", &room);

	(void)state;
	assert_int_equal(epm_map_request_read(stub, le, &req), 0);
	assert_int_equal(req.max_towers, 0);
	memcpy(room.octet + 28, "\xf4\x01", 2);
	assert_int_equal(epm_map_request_read(stub, le, &req), 0);
	assert_int_equal(req.max_towers, 500);
	room.octet[28]++;
	assert_int_equal(epm_map_request_read(stub, le, &req), ERR_LIMIT);
}

static void max_count_and_tower_length_must_agree(void **state)
{
	static const char *const bad[] = {
		"00000000 01000000 04000000 03000000 bbbbbb00 " NIL_HANDLE
		"04000000",
		"00000000 01000000 03000000 04000000 bbbbbb00 " NIL_HANDLE
		"04000000",
	};
	struct epm_map_request req;
	struct vector room;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++)
		assert_int_equal(epm_map_request_read(vector_hex(bad[i], &room),
						      le, &req),
				 ERR_MALFORMED);
}

static void a_map_reply_says_where_it_is(void **state)
{
	static const char *const name[] = {
		"04_epm_map_resp_emsmdb_50000_10.0.0.1.bin",
		"61_epm_map_resp_emsmdb_50000_samba.bin",
	};
	struct epm_map_reply reply;
	char text[ADDR_TEXT_MAX];
	struct vector room;
	struct tower tower;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(
			epm_map_reply_read(stub_of(name[i], &room), le, &reply),
			0);
		assert_int_equal(reply.status, 0);
		assert_true(epm_handle_is_nil(&reply.handle));
		assert_int_equal(reply.ntowers, 1);
		tower = read_tower(reply.tower[0]);
		assert_int_equal(tower.port, 50000);
		assert_string_equal(addr_format(&tower.addr, text), "10.0.0.1");
		/* where the octets to patch stand in the PDU */
		assert_ptr_equal(reply.tower[0].at + tower.port_offset,
				 room.octet + 0x88);
		assert_ptr_equal(reply.tower[0].at + tower.addr_offset,
				 room.octet + 0x8f);
	}
	assert_int_equal(
		epm_map_reply_read(
			stub_of("07_epm_map_resp_emsmdb_http_6001.bin", &room),
			le, &reply),
		0);
	tower = read_tower(reply.tower[0]);
	assert_int_equal(tower.protocol, TOWER_HTTP);
	assert_int_equal(tower.port, 6001);
}

static void not_registered_is_a_response_and_no_fault(void **state)
{
	struct epm_map_reply reply;
	struct pdu_response resp;
	struct vector room;
	struct pdu pdu;

	(void)state;
	vector_read("05_epm_map_resp_not_registered.bin", &room);
	assert_int_equal(pdu_read(bytes_of(room.octet, room.len), &pdu), 0);
	assert_int_equal(pdu.type, PDU_RESPONSE);
	assert_int_equal(pdu_response_read(&pdu, &resp), 0);
	assert_int_equal(epm_map_reply_read(resp.stub, le, &reply), 0);
	assert_int_equal(reply.ntowers, 0);
	assert_int_equal(reply.status, EPM_NOT_REGISTERED);
}

static int read_reply(const char *hex, struct vector *room,
		      struct epm_map_reply *out)
{
	return epm_map_reply_read(vector_hex(hex, room), le, out);
}

static void several_towers_stand_at_no_fixed_offset(void **state)
{
	struct epm_map_reply reply;
	struct vector room;

	(void)state;
	assert_int_equal(
		read_reply(NIL_HANDLE
			   "03000000 04000000 00000000 03000000 "
			   "03000000 00000000 07000000 " TOWER_B TOWER_A
			   "00000000",
			   &room, &reply),
		0);
	assert_int_equal(reply.ntowers, 3);
	assert_int_equal(reply.tower[0].len, 3);
	assert_int_equal(reply.tower[1].len, 0);
	assert_int_equal(reply.tower[2].len, 2);
	assert_memory_equal(reply.tower[2].at, "\xaa\xaa", 2);
}

static void a_repeated_referent_is_the_earlier_tower_again(void **state)
{
	struct epm_map_reply reply;
	struct vector room;

	(void)state;
	assert_int_equal(
		read_reply(
			NIL_HANDLE
			"04000000 04000000 00000000 04000000 "
			"03000000 05000000 03000000 05000000 " TOWER_A TOWER_B
			"00000000",
			&room, &reply),
		0);
	assert_int_equal(reply.ntowers, 4);
	assert_ptr_equal(reply.tower[2].at, reply.tower[0].at);
	assert_ptr_equal(reply.tower[3].at, reply.tower[1].at);
	assert_int_equal(reply.tower[2].len, 2);
	assert_int_equal(reply.tower[3].len, 3);
}

static void counts_of_a_reply_must_agree(void **state)
{
	static const struct {
		const char *hex;
		int want;
	} row[] = {
		/* num_towers, max_count, offset, actual_count */
		{ NIL_HANDLE "00000000 00000000 00000000 00000000 d6a0c916",
		  0 },
		{ NIL_HANDLE "00000000 04000000 00000000 00000000 d6a0c916",
		  0 },
		{ NIL_HANDLE "01000000 01000000 00000000 00000000 d6a0c916",
		  ERR_MALFORMED },
		{ NIL_HANDLE "00000000 01000000 00000000 01000000 00000000 "
			     "00000000",
		  ERR_MALFORMED },
		{ NIL_HANDLE "01000000 01000000 01000000 01000000 00000000 "
			     "00000000",
		  ERR_MALFORMED },
		/* more than the caller had room for */
		{ NIL_HANDLE "01000000 00000000 00000000 01000000 00000000 "
			     "00000000",
		  ERR_MALFORMED },
		{ NIL_HANDLE "21000000 21000000 00000000 21000000", ERR_LIMIT },
		{ NIL_HANDLE "ffffffff ffffffff 00000000 ffffffff", ERR_LIMIT },
		{ NIL_HANDLE "01000000 01000000 00000000 01000000 03000000 "
			     "ffffffff ffffffff 00",
		  ERR_SHORT },
		{ NIL_HANDLE "01000000 01000000 00000000 01000000 03000000 "
			     "02000000 03000000 aaaa 0000 00000000",
		  ERR_MALFORMED },
	};
	struct epm_map_reply reply;
	struct vector room;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_int_equal(read_reply(row[i].hex, &room, &reply),
				 row[i].want);
}

static void big_endian_stubs_hold_little_endian_towers(void **state)
{
	struct vector first, room;
	struct epm_map_reply reply;
	struct epm_map_request req;
	uint8_t octet[256];
	struct builder out = builder_over(octet, sizeof(octet), false);
	struct bytes tower;

	(void)state;
	assert_int_equal(
		epm_map_reply_read(stub_of("61_epm_map_resp_emsmdb_50000_"
					   "samba.bin",
					   &first),
				   le, &reply),
		0);
	tower = reply.tower[0];
	builder_put(&out, vector_hex(NIL_HANDLE "00000001 00000004 00000000 "
						"00000001 00000003 "
						"0000004b 0000004b",
				     &room));
	builder_put(&out, tower);
	builder_put(&out, vector_hex("00 16c9a0cd", &room));
	assert_int_equal(out.err, 0);
	assert_int_equal(
		epm_map_reply_read(bytes_of(octet, out.len), be, &reply), 0);
	assert_int_equal(reply.status, EPM_CANT_PERFORM);
	assert_true(bytes_equal(reply.tower[0], tower));
	assert_int_equal(read_tower(reply.tower[0]).port, 50000);
	assert_int_equal(
		epm_map_request_read(
			vector_hex("00000001 a4f1db00 ca47 1067 "
				   "b31f00dd010662da 00000000 " NIL_HANDLE
				   "00000004",
				   &room),
			be, &req),
		0);
	assert_true(uuid_equal(&req.object, &iface_emsmdb.syntax.uuid));
	assert_int_equal(req.max_towers, 4);
}

/* But for the padding, which impacket fills with other octets. */
static void map_stubs_are_written_as_the_vectors_stand(void **state)
{
	struct epm_map_request req;
	struct epm_map_reply reply;
	uint8_t octet[VECTOR_MAX];
	struct builder out = builder_over(octet, sizeof(octet), true);
	struct vector room;
	struct bytes stub = stub_of("03_epm_map_req_emsmdb_tcp.bin", &room);

	(void)state;
	assert_int_equal(epm_map_request_read(stub, le, &req), 0);
	epm_map_request_write(&out, &req);
	assert_int_equal(out.err, 0);
	room.octet[24 + 32 + TOWER_TCP_LEN] = 0;
	assert_true(bytes_equal(bytes_of(octet, out.len), stub));
	stub = stub_of("04_epm_map_resp_emsmdb_50000_10.0.0.1.bin", &room);
	assert_int_equal(epm_map_reply_read(stub, le, &reply), 0);
	out = builder_over(octet, sizeof(octet), true);
	epm_map_reply_write(&out, &reply, 1);
	assert_int_equal(out.err, 0);
	room.octet[24 + 48 + TOWER_TCP_LEN] = 0;
	assert_true(bytes_equal(bytes_of(octet, out.len), stub));
	stub = stub_of("05_epm_map_resp_not_registered.bin", &room);
	assert_int_equal(epm_map_reply_read(stub, le, &reply), 0);
	out = builder_over(octet, sizeof(octet), true);
	epm_map_reply_write(&out, &reply, 1);
	assert_true(bytes_equal(bytes_of(octet, out.len), stub));
}

static void a_reply_never_holds_more_towers_than_were_asked_for(void **state)
{
	static struct epm_map_reply reply;
	uint8_t octet[1024];
	struct builder out = builder_over(octet, sizeof(octet), true);

	(void)state;
	epm_map_reply_write(&out, &reply, 0);
	assert_int_equal(out.err, 0);
	reply.ntowers = 2;
	epm_map_reply_write(&out, &reply, 1);
	assert_int_equal(out.err, ERR_LIMIT);
	out = builder_over(octet, sizeof(octet), true);
	reply.ntowers = EPM_TOWERS_MAX + 1;
	epm_map_reply_write(&out, &reply, 500);
	assert_int_equal(out.err, ERR_LIMIT);
}

/* Written behind something else, as in a PDU whose header is 24 octets, or
 * behind an odd number: alignment counts from the stub's start. */
static void stubs_align_from_their_own_start(void **state)
{
	static const uint8_t some[3] = { 1, 2, 3 };
	struct epm_map_reply reply = { .ntowers = 3 }, got;
	uint8_t octet[256];
	size_t before;

	(void)state;
	reply.tower[0] = bytes_of(some, 1);
	reply.tower[1] = bytes_of(some, 2);
	reply.tower[2] = bytes_of(some, 3);
	reply.handle.octet[19] = 7;
	for (before = 0; before < 4; before++) {
		struct builder out = builder_over(octet, sizeof(octet), true);
		size_t i;

		builder_zero(&out, before);
		epm_map_reply_write(&out, &reply, 4);
		assert_int_equal(out.err, 0);
		assert_int_equal(epm_map_reply_read(bytes_of(octet + before,
							     out.len - before),
						    le, &got),
				 0);
		assert_false(epm_handle_is_nil(&got.handle));
		for (i = 0; i < 3; i++)
			assert_true(bytes_equal(got.tower[i], reply.tower[i]));
	}
}

static void refuse_short_request(struct bytes in, void *ctx)
{
	struct epm_map_request req;

	(void)ctx;
	assert_int_equal(epm_map_request_read(in, le, &req), ERR_SHORT);
}

static void refuse_short_reply(struct bytes in, void *ctx)
{
	struct epm_map_reply reply;

	(void)ctx;
	assert_int_equal(epm_map_reply_read(in, le, &reply), ERR_SHORT);
}

static void every_truncated_stub_is_refused(void **state)
{
	struct vector room;

	(void)state;
	vector_truncations(stub_of("03_epm_map_req_emsmdb_tcp.bin", &room),
			   refuse_short_request, NULL);
	vector_truncations(
		stub_of("04_epm_map_resp_emsmdb_50000_10.0.0.1.bin", &room),
		refuse_short_reply, NULL);
	vector_truncations(stub_of("05_epm_map_resp_not_registered.bin", &room),
			   refuse_short_reply, NULL);
}

static void read_anything(struct bytes in, void *ctx)
{
	struct epm_map_request req;
	struct epm_map_reply reply;
	uint32_t i;
	unsigned f;

	(void)ctx;
	for (f = 0; f < 4; f++) {
		struct ndr form = { .little = f & 1, .is_64 = f & 2 };

		if (epm_map_request_read(in, form, &req) == 0)
			assert_true(req.tower.len < in.len);
		if (epm_map_reply_read(in, form, &reply) < 0)
			continue;
		assert_true(reply.ntowers <= EPM_TOWERS_MAX);
		for (i = 0; i < reply.ntowers; i++)
			assert_true(!reply.tower[i].len ||
				    (reply.tower[i].at >= in.at &&
				     reply.tower[i].at + reply.tower[i].len <=
					     in.at + in.len));
	}
}

static void turned_bits_never_lead_out_of_the_stub(void **state)
{
	struct vector room;
	unsigned i;

	(void)state;
	for (i = 2; i < 8; i++)
		vector_flips(stub_of(vector_name(i), &room), read_anything,
			     NULL);
}

/* Put <stub> in a fragment and append what is read from that. */
static void send_fragment(struct builder *whole, uint8_t flags,
			  struct bytes stub)
{
	uint8_t octet[VECTOR_MAX];
	struct builder out = builder_over(octet, sizeof(octet), true);
	struct pdu_response resp;
	struct pdu pdu;

	pdu_response_write(&out, flags, 1, 0, stub);
	assert_int_equal(pdu_read(bytes_of(octet, out.len), &pdu), 0);
	assert_int_equal(pdu.flags, flags);
	assert_int_equal(pdu_response_read(&pdu, &resp), 0);
	builder_put(whole, resp.stub);
}

/* The stub of a call is all of its fragments', and a tower may begin in one
 * and end in another. */
static void a_reply_in_several_fragments_is_one_stub(void **state)
{
	struct vector room;
	struct bytes stub =
		stub_of("61_epm_map_resp_emsmdb_50000_samba.bin", &room);
	uint8_t octet[VECTOR_MAX];
	struct epm_map_reply reply;
	size_t at;

	(void)state;
	for (at = 0; at <= stub.len; at++) {
		struct builder out = builder_over(octet, sizeof(octet), true);

		send_fragment(&out, PDU_FIRST, bytes_of(stub.at, at));
		send_fragment(&out, PDU_LAST,
			      bytes_of(stub.at + at, stub.len - at));
		assert_int_equal(out.err, 0);
		assert_int_equal(epm_map_reply_read(bytes_of(octet, out.len),
						    le, &reply),
				 0);
		assert_int_equal(read_tower(reply.tower[0]).port, 50000);
	}
}

/* Only the port and the address of the tower differ: no length, no padding,
 * no referent. */
static void a_reply_is_patched_where_its_towers_stand(void **state)
{
	struct vector room, was;
	struct epm_map_reply reply;
	struct tower tower;
	struct addr addr;
	struct bytes stub =
		stub_of("04_epm_map_resp_emsmdb_50000_10.0.0.1.bin", &room);

	(void)state;
	vector_read("04_epm_map_resp_emsmdb_50000_10.0.0.1.bin", &was);
	assert_int_equal(addr_parse("10.77.0.10", &addr), 0);
	assert_int_equal(epm_map_reply_read(stub, le, &reply), 0);
	tower = read_tower(reply.tower[0]);
	tower_patch(room.octet + (reply.tower[0].at - room.octet), &tower,
		    0xe86b, &addr);
	memcpy(was.octet + 0x88, "\xe8\x6b", 2);
	memcpy(was.octet + 0x8f, "\x0a\x4d\x00\x0a", 4);
	assert_int_equal(room.len, was.len);
	assert_memory_equal(room.octet, was.octet, was.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_map_request_says_what_is_looked_for),
		cmocka_unit_test(a_map_request_may_have_null_pointers),
		cmocka_unit_test(max_towers_may_be_0_to_500),
		cmocka_unit_test(max_count_and_tower_length_must_agree),
		cmocka_unit_test(a_map_reply_says_where_it_is),
		cmocka_unit_test(not_registered_is_a_response_and_no_fault),
		cmocka_unit_test(several_towers_stand_at_no_fixed_offset),
		cmocka_unit_test(
			a_repeated_referent_is_the_earlier_tower_again),
		cmocka_unit_test(counts_of_a_reply_must_agree),
		cmocka_unit_test(big_endian_stubs_hold_little_endian_towers),
		cmocka_unit_test(map_stubs_are_written_as_the_vectors_stand),
		cmocka_unit_test(
			a_reply_never_holds_more_towers_than_were_asked_for),
		cmocka_unit_test(stubs_align_from_their_own_start),
		cmocka_unit_test(every_truncated_stub_is_refused),
		cmocka_unit_test(turned_bits_never_lead_out_of_the_stub),
		cmocka_unit_test(a_reply_in_several_fragments_is_one_stub),
		cmocka_unit_test(a_reply_is_patched_where_its_towers_stand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
