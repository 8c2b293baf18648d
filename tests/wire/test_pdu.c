/*
 * PDUs: framing, and the bodies of calls, by vectors and by hostile input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../helper/vector.h"
#include "wire/iface.h"
#include "wire/pdu.h"

static struct pdu read_vector(const char *name, struct vector *room)
{
	struct pdu pdu;

	assert_int_equal(pdu_read(vector_read(name, room), &pdu), 0);
	return pdu;
}

static struct pdu read_octets(struct bytes in)
{
	struct pdu pdu;

	assert_int_equal(pdu_length(in), (int)in.len);
	assert_int_equal(pdu_read(in, &pdu), 0);
	return pdu;
}

static void every_vector_is_framed_as_it_says(void **state)
{
	static const struct {
		uint8_t type, flags, call_id;
		uint16_t auth_len;
	} want[] = {
		{ PDU_BIND, 3, 1, 0 },	   { PDU_BIND_ACK, 3, 1, 0 },
		{ PDU_REQUEST, 3, 1, 0 },  { PDU_RESPONSE, 3, 1, 0 },
		{ PDU_RESPONSE, 3, 1, 0 }, { PDU_REQUEST, 3, 1, 0 },
		{ PDU_RESPONSE, 3, 1, 0 }, { PDU_REQUEST, 3, 1, 0 },
		{ PDU_BIND, 3, 1, 32 },	   { PDU_BIND_ACK, 3, 1, 166 },
		{ PDU_AUTH3, 3, 1, 306 },  { PDU_BIND, 3, 2, 0 },
		{ PDU_BIND_ACK, 3, 2, 0 }, { PDU_BIND, 0x13, 1, 0 },
		{ PDU_BIND_NAK, 3, 1, 0 }, { PDU_FAULT, 3, 1, 0 },
		{ PDU_FAULT, 0x23, 1, 0 }, { PDU_ALTER, 3, 3, 0 },
		{ PDU_RESPONSE, 3, 1, 0 }, { PDU_RESPONSE, 3, 2, 0 },
		{ PDU_REQUEST, 3, 2, 0 },  { PDU_REQUEST, 3, 2, 0 },
		{ PDU_RESPONSE, 3, 2, 0 },
	};
	struct vector room;
	unsigned i;

	(void)state;
	for (i = 0; vector_name(i); i++) {
		struct pdu pdu = read_vector(vector_name(i), &room);

		assert_int_equal(pdu.type, want[i].type);
		assert_int_equal(pdu.flags, want[i].flags);
		assert_int_equal(pdu.call_id, want[i].call_id);
		assert_int_equal(pdu.auth.len, want[i].auth_len);
		assert_int_equal(pdu.whole.len, room.len);
		assert_true(pdu.little);
	}
	assert_int_equal(i, sizeof(want) / sizeof(want[0]));
}

/* A stream may stop anywhere: after one octet, in the length, in the body. */
static void a_bind_in_several_segments_is_awaited(void **state)
{
	struct vector room;
	unsigned i;
	size_t len;

	(void)state;
	for (i = 0; vector_name(i); i++) {
		struct bytes in = vector_read(vector_name(i), &room);

		for (len = 0; len <= in.len; len++)
			assert_int_equal(pdu_length(bytes_of(in.at, len)),
					 len < PDU_LENGTH_KNOWN ? 0 : in.len);
	}
}

static void octets_after_a_bind_are_left_alone(void **state)
{
	uint8_t stream[2 * VECTOR_MAX];
	struct vector bind, req;
	struct pdu pdu;

	(void)state;
	vector_read("01_epm_bind.bin", &bind);
	vector_read("03_epm_map_req_emsmdb_tcp.bin", &req);
	memcpy(stream, bind.octet, bind.len);
	memcpy(stream + bind.len, req.octet, req.len);
	assert_int_equal(pdu_read(bytes_of(stream, bind.len + req.len), &pdu),
			 0);
	assert_int_equal(pdu.type, PDU_BIND);
	assert_int_equal(pdu.whole.len, bind.len);
	pdu = read_octets(bytes_of(stream + bind.len, req.len));
	assert_int_equal(pdu.type, PDU_REQUEST);
}

static int length_of(const char *hex)
{
	struct vector room;

	return pdu_length(vector_hex(hex, &room));
}

static void pdu_length_reads_the_byte_order_before_the_length(void **state)
{
	(void)state;
	assert_int_equal(length_of("05000b03 10000000 4800"), 0x48);
	assert_int_equal(length_of("05000b03 00000000 0048"), 0x48);
	assert_int_equal(length_of("05000b03 10000000 0048"), 0x4800);
	assert_int_equal(length_of("05000b03 00000000 4800"), 0x4800);
}

static void pdu_length_takes_minor_version_1_and_ebcdic(void **state)
{
	(void)state;
	assert_int_equal(length_of("05010b03 10000000 4800"), 0x48);
	assert_int_equal(length_of("05000b03 11000000 4800"), 0x48);
	assert_int_equal(length_of("05000b03 01000000 0048"), 0x48);
	assert_int_equal(length_of("05000b03 10000102 4800"), 0x48);
}

static void pdu_length_takes_a_bind_of_64_kib(void **state)
{
	(void)state;
	assert_int_equal(length_of("05000b03 10000000 ffff"), 65535);
	assert_int_equal(length_of("05000b03 00000000 ffff"), 65535);
}

static void pdu_length_takes_lengths_that_are_no_multiple_of_4(void **state)
{
	(void)state;
	assert_int_equal(length_of("05000c07 10000000 ea00"), 234);
	assert_int_equal(length_of("05001003 10000000 4e01"), 334);
}

static void pdu_length_refuses_less_than_a_header(void **state)
{
	(void)state;
	assert_int_equal(length_of("05000b03 10000000 0000"), ERR_MALFORMED);
	assert_int_equal(length_of("05000b03 10000000 0f00"), ERR_MALFORMED);
	assert_int_equal(length_of("05001103 10000000 1000"), 16);
}

static void pdu_length_refuses_an_auth_value_beyond_the_fragment(void **state)
{
	(void)state;
	/* 16 octets of header, 8 of trailer and a value of 1 are 25 */
	assert_int_equal(length_of("05001003 10000000 1900 0100"), 25);
	assert_int_equal(length_of("05001003 10000000 1800 0100"),
			 ERR_MALFORMED);
	assert_int_equal(length_of("05001003 10000000 ffff ffff"),
			 ERR_MALFORMED);
	assert_int_equal(length_of("05001003 00000000 0019 0001"), 25);
}

static void pdu_length_refuses_other_protocols_at_once(void **state)
{
	(void)state;
	assert_int_equal(length_of("47"), ERR_MALFORMED);     /* GET */
	assert_int_equal(length_of("160301"), ERR_MALFORMED); /* TLS */
	assert_int_equal(length_of("0502"), ERR_MALFORMED);   /* SOCKS 5 */
	assert_int_equal(length_of("05000b03 20"), ERR_MALFORMED);
	assert_int_equal(length_of("05000b03 12"), ERR_MALFORMED);
	assert_int_equal(length_of("04000b03 10000000 4800"), ERR_MALFORMED);
}

static void pdu_read_refuses_types_of_datagrams(void **state)
{
	char hex[] = "05000003 10000000 10000000 01000000";
	struct vector room;
	struct bytes in = vector_hex(hex, &room);
	struct pdu pdu;
	unsigned type;

	(void)state;
	for (type = 0; type < 256; type++) {
		bool is_ours = type == 0 || type == 2 || type == 3 ||
			       (type >= 11 && type <= 20);
		int want = type > 20 ? ERR_MALFORMED : ERR_UNSUPPORTED;

		room.octet[2] = (uint8_t)type;
		assert_int_equal(pdu_read(in, &pdu), is_ours ? 0 : want);
	}
}

static void pdu_read_finds_trailer_and_auth_value_from_the_end(void **state)
{
	struct vector room;
	struct pdu pdu =
		read_vector("11_emsmdb_auth3_ntlm_authenticate.bin", &room);

	(void)state;
	assert_int_equal(pdu.auth_type, 10);
	assert_int_equal(pdu.auth_level, PDU_AUTH_PRIVACY);
	assert_int_equal(pdu.auth_context, 0x1357f);
	assert_ptr_equal(pdu.auth.at, room.octet + 28);
	assert_memory_equal(pdu.auth.at, "NTLMSSP\0\3\0\0\0", 12);
	assert_ptr_equal(pdu.auth.at + pdu.auth.len, room.octet + room.len);
	assert_int_equal(pdu.body.len, 4);
	pdu = read_vector("10_emsmdb_bind_ack_ntlm_challenge.bin", &room);
	assert_memory_equal(pdu.auth.at, "NTLMSSP\0\2\0\0\0", 12);
}

/* Stub, padding, trailer, value: the padding is neither stub nor value. */
static void auth_padding_is_not_part_of_the_stub(void **state)
{
	struct vector room;
	struct bytes in = vector_hex(
		"05000003 10000000 2c00 0400 01000000" /* 44, value of 4 */
		"03000000 0100 0200 aabbcc 0000000000" /* stub, 5 of padding */
		"0a 05 05 00 4d010000 01020304",
		&room);
	struct pdu_request req;
	struct pdu pdu = read_octets(in);

	(void)state;
	assert_int_equal(pdu.auth_level, PDU_AUTH_INTEGRITY);
	assert_int_equal(pdu.auth_context, 0x14d);
	assert_memory_equal(pdu.auth.at, "\1\2\3\4", 4);
	assert_int_equal(pdu_request_read(&pdu, &req), 0);
	assert_int_equal(req.stub.len, 3);
	assert_memory_equal(req.stub.at, "\xaa\xbb\xcc", 3);
	room.octet[34] = 16; /* all that is between header and trailer */
	assert_int_equal(pdu_read(in, &pdu), 0);
	assert_int_equal(pdu.body.len, 0);
	assert_int_equal(pdu_request_read(&pdu, &req), ERR_SHORT);
	room.octet[34] = 17;
	assert_int_equal(pdu_read(in, &pdu), ERR_MALFORMED);
}

static void requests_say_context_operation_and_stub(void **state)
{
	struct vector room;
	struct pdu pdu = read_vector("03_epm_map_req_emsmdb_tcp.bin", &room);
	struct pdu_request req;

	(void)state;
	assert_int_equal(pdu_request_read(&pdu, &req), 0);
	assert_int_equal(req.alloc_hint, 132);
	assert_int_equal(req.context, 0);
	assert_int_equal(req.opnum, 3);
	assert_false(req.has_object);
	assert_ptr_equal(req.stub.at, room.octet + 24);
	assert_int_equal(req.stub.len, 132);
}

static void an_object_uuid_stands_before_the_stub(void **state)
{
	struct vector room;
	struct pdu pdu = read_octets(vector_hex(
		"05000083 10000000 2a000000 07000000 02000000 0100 0900"
		"00dbf1a4 47ca 6710 b31f00dd010662da aabb",
		&room));
	struct pdu_request req;

	(void)state;
	assert_int_equal(pdu_request_read(&pdu, &req), 0);
	assert_true(req.has_object);
	assert_true(uuid_equal(&req.object, &iface_emsmdb.syntax.uuid));
	assert_int_equal(req.stub.len, 2);
	assert_memory_equal(req.stub.at, "\xaa\xbb", 2);
}

static void responses_and_faults_say_what_they_say(void **state)
{
	struct vector room;
	struct pdu pdu =
		read_vector("05_epm_map_resp_not_registered.bin", &room);
	struct pdu_response resp;
	struct pdu_fault fault;

	(void)state;
	assert_int_equal(pdu_response_read(&pdu, &resp), 0);
	assert_int_equal(resp.alloc_hint, 40);
	assert_int_equal(resp.stub.len, 40);
	pdu = read_vector("34_fault_context_mismatch.bin", &room);
	assert_int_equal(pdu_fault_read(&pdu, &fault), 0);
	assert_int_equal(fault.status, PDU_FAULT_CONTEXT_MISMATCH);
	assert_string_equal(pdu_fault_name(fault.status),
			    "nca_s_fault_context_mismatch");
	pdu = read_vector("35_fault_unknown_if.bin", &room);
	assert_int_equal(pdu_fault_read(&pdu, &fault), 0);
	assert_int_equal(fault.status, PDU_FAULT_UNKNOWN_IF);
	assert_string_equal(pdu_fault_name(fault.status), "nca_s_unk_if");
	assert_null(pdu_fault_name(0));
}

static void big_endian_calls_read_the_same(void **state)
{
	struct pdu_response resp;
	struct pdu_request req;
	struct pdu_fault fault;
	struct vector room;
	struct pdu pdu;

	(void)state;
	pdu = read_octets(vector_hex(
		"05000083 00000000 002a0000 01020304 00000002 0001 0009"
		"a4f1db00 ca47 1067 b31f00dd010662da aabb",
		&room));
	assert_false(pdu.little);
	assert_int_equal(pdu.call_id, 0x01020304);
	assert_int_equal(pdu_request_read(&pdu, &req), 0);
	assert_int_equal(req.context, 1);
	assert_int_equal(req.opnum, 9);
	assert_true(uuid_equal(&req.object, &iface_emsmdb.syntax.uuid));
	pdu = read_octets(vector_hex("05000203 00000000 001a0000 00000001"
				     "00000002 0005 0000 aabb",
				     &room));
	assert_int_equal(pdu_response_read(&pdu, &resp), 0);
	assert_int_equal(resp.context, 5);
	assert_int_equal(resp.stub.len, 2);
	pdu = read_octets(vector_hex("05000303 00000000 00200000 00000001"
				     "00000000 0005 0000 1c00001a 00000000",
				     &room));
	assert_int_equal(pdu_fault_read(&pdu, &fault), 0);
	assert_int_equal(fault.context, 5);
	assert_int_equal(fault.status, PDU_FAULT_CONTEXT_MISMATCH);
}

/* What a vector says, written again, is the vector. */
static void calls_are_written_as_the_vectors_stand(void **state)
{
	static const char *const name[] = {
		"03_epm_map_req_emsmdb_tcp.bin",
		"05_epm_map_resp_not_registered.bin",
		"34_fault_context_mismatch.bin",
		"35_fault_unknown_if.bin",
	};
	uint8_t octet[VECTOR_MAX];
	struct pdu_response resp;
	struct pdu_request req;
	struct pdu_fault fault;
	struct vector room;
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct pdu pdu = read_vector(name[i], &room);
		struct builder out = builder_over(octet, sizeof(octet), true);

		if (pdu.type == PDU_REQUEST) {
			assert_int_equal(pdu_request_read(&pdu, &req), 0);
			pdu_request_write(&out, pdu.flags, pdu.call_id,
					  req.context, req.opnum, req.stub);
		} else if (pdu.type == PDU_RESPONSE) {
			assert_int_equal(pdu_response_read(&pdu, &resp), 0);
			pdu_response_write(&out, pdu.flags, pdu.call_id,
					   resp.context, resp.stub);
		} else {
			assert_int_equal(pdu_fault_read(&pdu, &fault), 0);
			pdu_fault_write(&out, pdu.flags, pdu.call_id,
					fault.context, fault.status);
		}
		assert_int_equal(out.err, 0);
		assert_true(bytes_equal(bytes_of(octet, out.len), pdu.whole));
	}
}

static void writers_append_and_keep_the_error(void **state)
{
	static const uint8_t stub[PDU_MAX];
	static uint8_t octet[3 * PDU_MAX];
	struct builder out = builder_over(octet, 30, true);

	(void)state;
	pdu_response_write(&out, 3, 1, 0, bytes_of(stub, 7));
	assert_int_equal(out.err, ERR_SPACE);
	out = builder_over(octet, sizeof(octet), true);
	pdu_response_write(&out, 3, 1, 0, bytes_of(stub, 7));
	pdu_fault_write(&out, 3, 2, 0, PDU_FAULT_NDR);
	assert_int_equal(out.err, 0);
	assert_int_equal(out.len, 31 + 32);
	assert_int_equal(pdu_length(bytes_of(octet, out.len)), 31);
	assert_int_equal(pdu_length(bytes_of(octet + 31, 32)), 32);
	out = builder_over(octet, sizeof(octet), true);
	pdu_request_write(&out, 3, 1, 0, 0, bytes_of(stub, PDU_MAX - 24));
	assert_int_equal(out.err, 0);
	pdu_request_write(&out, 3, 1, 0, 0, bytes_of(stub, PDU_MAX - 23));
	assert_int_equal(out.err, ERR_LIMIT);
}

static void refuse_short(struct bytes in, void *ctx)
{
	struct pdu pdu;

	(void)ctx;
	assert_int_equal(pdu_read(in, &pdu), ERR_SHORT);
}

static void every_truncated_fragment_is_refused(void **state)
{
	struct vector room;
	unsigned i;

	(void)state;
	for (i = 0; vector_name(i); i++)
		vector_truncations(vector_read(vector_name(i), &room),
				   refuse_short, NULL);
}

static bool lies_within(struct bytes inner, struct bytes outer)
{
	return !inner.len || (inner.at >= outer.at &&
			      inner.at + inner.len <= outer.at + outer.len);
}

/* Whatever the octets: an error, or slices that lie in the input. */
static void read_anything(struct bytes in, void *ctx)
{
	struct pdu_response resp = { 0 };
	struct pdu_request req = { 0 };
	struct pdu_fault fault;
	struct pdu pdu;
	int err;

	(void)ctx;
	if (pdu_read(in, &pdu) < 0)
		return;
	assert_true(lies_within(pdu.body, pdu.whole));
	assert_true(lies_within(pdu.auth, pdu.whole));
	assert_true(pdu.whole.len <= in.len);
	err = pdu_request_read(&pdu, &req);
	assert_true(err == 0 || err == ERR_SHORT);
	assert_true(lies_within(req.stub, pdu.body));
	err = pdu_response_read(&pdu, &resp);
	assert_true(err == 0 || err == ERR_SHORT);
	assert_true(lies_within(resp.stub, pdu.body));
	err = pdu_fault_read(&pdu, &fault);
	assert_true(err == 0 || err == ERR_SHORT);
}

static void turned_bits_never_lead_out_of_the_input(void **state)
{
	struct vector room;
	unsigned i;

	(void)state;
	for (i = 0; vector_name(i); i++)
		vector_flips(vector_read(vector_name(i), &room), read_anything,
			     NULL);
}

/* The header says that the fragment ends where the input does. */
static void read_cut(struct bytes in, void *ctx)
{
	uint8_t *copy;

	if (in.len < PDU_HEADER_LEN)
		return;
	copy = malloc(in.len);
	assert_non_null(copy);
	memcpy(copy, in.at, in.len);
	copy[8] = (uint8_t)in.len;
	copy[9] = (uint8_t)(in.len >> 8);
	read_anything(bytes_of(copy, in.len), ctx);
	free(copy);
}

static void fragments_that_claim_to_end_early_are_read_within(void **state)
{
	struct vector room;
	unsigned i;

	(void)state;
	for (i = 0; vector_name(i); i++)
		vector_truncations(vector_read(vector_name(i), &room), read_cut,
				   NULL);
}

/* A body of 2 octets, 2 of padding, and an auth value of 4. */
static void every_type_is_read_in_either_byte_order(void **state)
{
	static const uint8_t type[] = {
		PDU_REQUEST,  PDU_RESPONSE, PDU_FAULT,	PDU_BIND,
		PDU_BIND_ACK, PDU_BIND_NAK, PDU_ALTER,	PDU_ALTER_ACK,
		PDU_AUTH3,    PDU_SHUTDOWN, PDU_CANCEL, PDU_ORPHANED,
		PDU_RTS,
	};
	static const char *const hex[2] = {
		"05000003 00000000 00200004 01020304 aabb 0000 "
		"0a 05 02 00 00014d01 11223344",
		"05000003 10000000 20000400 04030201 aabb 0000 "
		"0a 05 02 00 014d0100 11223344",
	};
	struct vector room;
	struct pdu pdu;
	unsigned i;
	int little;

	(void)state;
	for (little = 0; little < 2; little++) {
		struct bytes in = vector_hex(hex[little], &room);

		for (i = 0; i < sizeof(type); i++) {
			room.octet[2] = type[i];
			assert_int_equal(pdu_length(in), 32);
			assert_int_equal(pdu_read(in, &pdu), 0);
			assert_int_equal(pdu.type, type[i]);
			assert_int_equal(pdu.little, little);
			assert_int_equal(pdu.call_id, 0x01020304);
			assert_int_equal(pdu.body.len, 2);
			assert_int_equal(pdu.auth_type, 10);
			assert_int_equal(pdu.auth_level, PDU_AUTH_INTEGRITY);
			assert_int_equal(pdu.auth_context, 0x14d01);
			assert_memory_equal(pdu.auth.at, "\x11\x22\x33\x44", 4);
		}
	}
}

static void a_header_alone_is_a_whole_fragment(void **state)
{
	static const uint8_t type[] = { PDU_SHUTDOWN, PDU_CANCEL,
					PDU_ORPHANED };
	struct vector room;
	unsigned i;
	int little;

	(void)state;
	for (little = 0; little < 2; little++)
		for (i = 0; i < sizeof(type); i++) {
			struct bytes in = vector_hex(
				little ? "05001103 10000000 10000000 07000000"
				       : "05001103 00000000 00100000 00000007",
				&room);
			struct pdu pdu;

			room.octet[2] = type[i];
			pdu = read_octets(in);
			assert_int_equal(pdu.type, type[i]);
			assert_int_equal(pdu.call_id, 7);
			assert_int_equal(pdu.body.len, 0);
			assert_int_equal(pdu.auth.len, 0);
		}
}

/* Four octets that nobody reads, whatever they are, or none at all. */
static void auth3_is_a_header_any_padding_and_a_value(void **state)
{
	static const char *const hex[] = {
		"05001003 10000000 20000400 01000000 eeeeeeee "
		"0a 06 00 00 00000000 11223344",
		"05001003 10000000 20000400 01000000 eeeeeeee "
		"0a 06 04 00 00000000 11223344",
		"05001003 10000000 1c000400 01000000 "
		"0a 06 00 00 00000000 11223344",
		"05001003 00000000 00200004 00000001 20202020 "
		"0a 06 00 00 00000000 11223344",
	};
	static const size_t body_len[] = { 4, 0, 0, 4 };
	struct vector room;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(hex) / sizeof(hex[0]); i++) {
		struct bytes in = vector_hex(hex[i], &room);
		struct pdu pdu;

		assert_int_equal(pdu_read(in, &pdu), 0);
		assert_int_equal(pdu.type, PDU_AUTH3);
		assert_int_equal(pdu.body.len, body_len[i]);
		assert_int_equal(pdu.auth_level, PDU_AUTH_PRIVACY);
		assert_int_equal(pdu.auth.len, 4);
		assert_memory_equal(pdu.auth.at, "\x11\x22\x33\x44", 4);
	}
}

/* A connection may carry unsigned and signed calls: what may be rewritten is
 * each PDU's own affair. */
static void each_pdu_says_its_own_auth_level(void **state)
{
	struct vector room;
	struct pdu pdu = read_vector("03_epm_map_req_emsmdb_tcp.bin", &room);
	struct bytes in;
	unsigned level;

	(void)state;
	assert_int_equal(pdu.auth.len, 0);
	assert_int_equal(pdu.auth_level, 0);
	in = vector_hex("05000003 10000000 2c00 0400 01000000"
			"03000000 0100 0200 aabbcc 0000000000"
			"0a 00 05 00 4d010000 01020304",
			&room);
	for (level = PDU_AUTH_NONE; level <= PDU_AUTH_PRIVACY; level++) {
		room.octet[33] = (uint8_t)level;
		pdu = read_octets(in);
		assert_int_equal(pdu.auth_level, level);
		assert_int_equal(pdu.auth_type, 10);
		assert_int_equal(pdu.auth.len, 4);
	}
}

static void the_first_and_the_last_fragment_are_marked(void **state)
{
	static const uint8_t stub[3] = { 1, 2, 3 };
	static const uint8_t flags[] = { PDU_FIRST, 0, PDU_LAST,
					 PDU_FIRST | PDU_LAST };
	uint8_t octet[64];
	struct pdu_request req;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(flags); i++) {
		struct builder out = builder_over(octet, sizeof(octet), i & 1);
		struct pdu pdu;

		pdu_request_write(&out, flags[i], 9, 1, 3, bytes_of(stub, 3));
		pdu = read_octets(bytes_of(octet, out.len));
		assert_int_equal(pdu.flags, flags[i]);
		assert_int_equal(pdu.call_id, 9);
		assert_int_equal(pdu_request_read(&pdu, &req), 0);
		assert_int_equal(req.stub.len, 3);
	}
}

static void faults_have_names_of_their_own(void **state)
{
	static const uint32_t code[] = {
		0x00000005, 0x000006f7, 0x00000721, 0x1c010001, 0x1c010002,
		0x1c010003, 0x1c010006, 0x1c010009, 0x1c01000b, 0x1c010013,
		0x1c010014, 0x1c010015, 0x1c010017, 0x1c00001f, 0x1c000020,
		0x1c000021, 0x1c000022, 0x1c000023, 0x1c000024, 0x1c000025,
	};
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
		assert_non_null(pdu_fault_name(code[i]));
		for (j = 0; j < i; j++)
			assert_string_not_equal(pdu_fault_name(code[i]),
						pdu_fault_name(code[j]));
	}
	for (i = 0x1c000001; i <= 0x1c00001d; i++)
		assert_int_equal(pdu_fault_name((uint32_t)i) != NULL,
				 i != 0x1c000011);
	assert_string_equal(pdu_fault_name(0x1c00001a),
			    "nca_s_fault_context_mismatch");
	assert_string_equal(pdu_fault_name(0x721), "RPC_S_SEC_PKG_ERROR");
	assert_null(pdu_fault_name(0x1c00001e));
	assert_null(pdu_fault_name(0x1c000026));
	assert_null(pdu_fault_name(0xffffffff));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_is_framed_as_it_says),
		cmocka_unit_test(a_bind_in_several_segments_is_awaited),
		cmocka_unit_test(octets_after_a_bind_are_left_alone),
		cmocka_unit_test(
			pdu_length_reads_the_byte_order_before_the_length),
		cmocka_unit_test(pdu_length_takes_minor_version_1_and_ebcdic),
		cmocka_unit_test(pdu_length_takes_a_bind_of_64_kib),
		cmocka_unit_test(
			pdu_length_takes_lengths_that_are_no_multiple_of_4),
		cmocka_unit_test(pdu_length_refuses_less_than_a_header),
		cmocka_unit_test(
			pdu_length_refuses_an_auth_value_beyond_the_fragment),
		cmocka_unit_test(pdu_length_refuses_other_protocols_at_once),
		cmocka_unit_test(pdu_read_refuses_types_of_datagrams),
		cmocka_unit_test(
			pdu_read_finds_trailer_and_auth_value_from_the_end),
		cmocka_unit_test(auth_padding_is_not_part_of_the_stub),
		cmocka_unit_test(requests_say_context_operation_and_stub),
		cmocka_unit_test(an_object_uuid_stands_before_the_stub),
		cmocka_unit_test(responses_and_faults_say_what_they_say),
		cmocka_unit_test(big_endian_calls_read_the_same),
		cmocka_unit_test(calls_are_written_as_the_vectors_stand),
		cmocka_unit_test(writers_append_and_keep_the_error),
		cmocka_unit_test(every_truncated_fragment_is_refused),
		cmocka_unit_test(turned_bits_never_lead_out_of_the_input),
		cmocka_unit_test(
			fragments_that_claim_to_end_early_are_read_within),
		cmocka_unit_test(every_type_is_read_in_either_byte_order),
		cmocka_unit_test(a_header_alone_is_a_whole_fragment),
		cmocka_unit_test(auth3_is_a_header_any_padding_and_a_value),
		cmocka_unit_test(each_pdu_says_its_own_auth_level),
		cmocka_unit_test(the_first_and_the_last_fragment_are_marked),
		cmocka_unit_test(faults_have_names_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
