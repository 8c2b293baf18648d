/*
 * Stubs of the endpoint mapper in NDR64, by vectors, by what impacket writes
 * and by hostile input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../helper/vector.h"
#include "wire/epm.h"
#include "wire/iface.h"
#include "wire/pdu.h"

#define SKIPPED 77 /* the script's exit status without impacket */

#define NIL_HANDLE "00000000 00000000 00000000 00000000 00000000 "
/* Counts and lengths of 64 bits, little endian. */
#define W1 "01000000 00000000 "
#define W2 "02000000 00000000 "
#define W3 "03000000 00000000 "
#define W4 "04000000 00000000 "
#define W0 "00000000 00000000 "
/* Towers of no floors: enough for what moves towers about. Each needs to
 * begin at a multiple of 8. */
#define TOWER_A "0500000000000000 05000000 aaaaaaaaaa "
#define TOWER_B "0600000000000000 06000000 bbbbbbbbbbbb "

static const struct ndr le = { .little = true };
static const struct ndr le64 = { .little = true, .is_64 = true };
static const struct ndr be64 = { .is_64 = true };

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

static void an_ndr64_map_request_says_what_is_looked_for(void **state)
{
	static const char *const name[] = {
		"64_epm_map_req_ndr64_impacket.bin",
		"63x_samba_deviant_ndr64_req.bin",
	};
	struct epm_map_request req;
	struct vector room;
	struct tower tower;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(epm_map_request_read(stub_of(name[i], &room),
						      le64, &req),
				 0);
		assert_true(req.has_object);
		assert_true(uuid_is_nil(&req.object));
		assert_int_equal(req.tower.len, TOWER_TCP_LEN);
		tower = read_tower(req.tower);
		assert_int_equal(tower.protocol, TOWER_TCP);
		assert_true(
			syntax_equal(&tower.interface, &iface_emsmdb.syntax));
		assert_true(epm_handle_is_nil(&req.handle));
		assert_int_equal(req.max_towers, 4);
	}
}

/* scapy's encoder, and Samba's with its padding before the tower. */
static void an_ndr64_map_reply_says_where_it_is(void **state)
{
	static const struct {
		const char *name;
		size_t tower_at; /* in the PDU */
	} row[] = {
		{ "65_epm_map_resp_ndr64_scapy.bin", 0x5c },
		{ "62x_samba_deviant_ndr64_resp.bin", 0x60 },
	};
	struct epm_map_reply reply;
	char text[ADDR_TEXT_MAX];
	struct vector room;
	struct tower tower;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(epm_map_reply_read(stub_of(row[i].name, &room),
						    le64, &reply),
				 0);
		assert_int_equal(reply.status, 0);
		assert_true(epm_handle_is_nil(&reply.handle));
		assert_int_equal(reply.ntowers, 1);
		assert_ptr_equal(reply.tower[0].at,
				 room.octet + row[i].tower_at);
		assert_int_equal(reply.tower[0].len, TOWER_TCP_LEN);
		tower = read_tower(reply.tower[0]);
		assert_int_equal(tower.port, 50000);
		assert_string_equal(addr_format(&tower.addr, text), "10.0.0.1");
	}
}

/* The bind_ack alone says in which form a context's calls are. */
static struct ndr form_of(uint16_t context)
{
	struct vector room[2];
	struct pdu_bind_ack ack;
	struct pdu_bind bind;
	struct pdu pdu;
	unsigned i;

	assert_int_equal(
		pdu_read(vector_read("30_epm_bind_windows_style_3ctx.bin",
				     &room[0]),
			 &pdu),
		0);
	assert_int_equal(pdu_bind_read(&pdu, &bind), 0);
	assert_int_equal(
		pdu_read(vector_read("31_epm_bind_ack_3results.bin", &room[1]),
			 &pdu),
		0);
	assert_int_equal(pdu_bind_ack_read(&pdu, &ack), 0);
	for (i = 0; bind.context[i].id != context; i++)
		assert_true(i + 1 < bind.ncontexts);
	assert_true(i < ack.nresults);
	assert_int_equal(ack.result[i].result, PDU_ACCEPT);
	return (struct ndr){
		.little = pdu.little,
		.is_64 = syntax_equal(&ack.result[i].transfer, &syntax_ndr64),
	};
}

static void ndr64_that_a_server_accepted_is_not_taken_for_ndr(void **state)
{
	struct epm_map_request req;
	struct epm_map_reply reply;
	struct pdu_response resp;
	struct vector room;
	struct ndr form;
	struct pdu pdu;

	(void)state;
	assert_int_equal(
		pdu_read(vector_read("65_epm_map_resp_ndr64_scapy.bin", &room),
			 &pdu),
		0);
	assert_int_equal(pdu_response_read(&pdu, &resp), 0);
	form = form_of(resp.context);
	assert_true(form.is_64);
	assert_int_equal(epm_map_reply_read(resp.stub, form, &reply), 0);
	assert_int_equal(read_tower(reply.tower[0]).port, 50000);
	/* and in the other form each is refused, not misread */
	assert_int_equal(epm_map_reply_read(resp.stub, le, &reply),
			 ERR_MALFORMED);
	assert_true(epm_map_request_read(
			    stub_of("64_epm_map_req_ndr64_impacket.bin", &room),
			    le, &req) < 0);
	assert_true(epm_map_reply_read(
			    stub_of("04_epm_map_resp_emsmdb_50000_10.0.0.1.bin",
				    &room),
			    le64, &reply) < 0);
	assert_true(epm_map_request_read(
			    stub_of("03_epm_map_req_emsmdb_tcp.bin", &room),
			    le64, &req) < 0);
}

static void ndr64_pointers_may_be_null_and_move_what_follows(void **state)
{
	struct epm_map_request req;
	struct vector room;

	(void)state;
	assert_int_equal(
		epm_map_request_read(vector_hex(W0 W2 TOWER_A
						"dddddd " NIL_HANDLE "00000000",
						&room),
				     le64, &req),
		0);
	assert_false(req.has_object);
	assert_int_equal(req.tower.len, 5);
	assert_ptr_equal(req.tower.at, room.octet + 28);
	assert_int_equal(req.max_towers, 0);
	assert_int_equal(epm_map_request_read(
				 vector_hex(W0 W0 NIL_HANDLE "f4010000", &room),
				 le64, &req),
			 0);
	assert_int_equal(req.tower.len, 0);
	assert_int_equal(req.max_towers, 500);
	assert_int_equal(epm_map_request_read(
				 vector_hex(W0 W0 NIL_HANDLE "f5010000", &room),
				 le64, &req),
			 ERR_LIMIT);
}

static int read_reply(const char *hex, struct vector *room,
		      struct epm_map_reply *out)
{
	return epm_map_reply_read(vector_hex(hex, room), le64, out);
}

/* Each tower begins at a multiple of 8, whatever stands in the gap. */
static void several_ndr64_towers_are_aligned_by_8(void **state)
{
	struct epm_map_reply reply;
	struct vector room;

	(void)state;
	assert_int_equal(read_reply(NIL_HANDLE "03000000 " W4 W0 W3 W3 W0
					       "07000000 00000000 " TOWER_B
					       "eeee eeeeeeee " TOWER_A
					       "ffffff 78563412",
				    &room, &reply),
			 0);
	assert_int_equal(reply.ntowers, 3);
	assert_int_equal(reply.tower[0].len, 6);
	assert_memory_equal(reply.tower[0].at, "\xbb\xbb\xbb\xbb\xbb\xbb", 6);
	assert_int_equal(reply.tower[1].len, 0);
	assert_int_equal(reply.tower[2].len, 5);
	assert_memory_equal(reply.tower[2].at, "\xaa\xaa\xaa\xaa\xaa", 5);
	assert_int_equal(reply.status, 0x12345678);
}

static void a_repeated_ndr64_referent_is_the_earlier_tower_again(void **state)
{
	struct epm_map_reply reply;
	struct vector room;

	(void)state;
	/* the third differs from the first in its high half only */
	assert_int_equal(
		read_reply(NIL_HANDLE
			   "04000000 " W4 W0 W4
			   "07000000 00000000 07000000 00000000 "
			   "07000000 01000000 07000000 00000000 " TOWER_B
			   "000000000000 " TOWER_A "000000 00000000",
			   &room, &reply),
		0);
	assert_int_equal(reply.ntowers, 4);
	assert_ptr_equal(reply.tower[0].at, room.octet + 92);
	assert_ptr_equal(reply.tower[1].at, reply.tower[0].at);
	assert_int_equal(reply.tower[1].len, 6);
	assert_ptr_equal(reply.tower[2].at, room.octet + 116);
	assert_ptr_equal(reply.tower[3].at, reply.tower[0].at);
}

static void counts_of_an_ndr64_reply_must_agree(void **state)
{
	static const struct {
		const char *hex;
		int want;
	} row[] = {
		/* num_towers, max_count, offset, actual_count */
		{ NIL_HANDLE "00000000 " W0 W0 W0 "d6a0c916", 0 },
		{ NIL_HANDLE "00000000 " W4 W0 W0 "d6a0c916", 0 },
		{ NIL_HANDLE "01000000 " W1 W0 W0 "d6a0c916", ERR_MALFORMED },
		{ NIL_HANDLE "00000000 " W1 W0 W1 "d6a0c916", ERR_MALFORMED },
		{ NIL_HANDLE "01000000 " W1 W1 W1 W0 "d6a0c916",
		  ERR_MALFORMED },
		{ NIL_HANDLE "01000000 " W0 W0 W1 W0 "d6a0c916",
		  ERR_MALFORMED },
		/* the high halves count too */
		{ NIL_HANDLE "00000000 " W0 "00000000 01000000 " W0 "d6a0c916",
		  ERR_MALFORMED },
		{ NIL_HANDLE "00000000 " W4 W0 "00000000 01000000 d6a0c916",
		  ERR_MALFORMED },
		{ NIL_HANDLE "21000000 21000000 00000000 " W0
			     "21000000 00000000",
		  ERR_LIMIT },
		{ NIL_HANDLE "01000000 " W1 W0 W1 W3
			     "05000000 00000000 06000000 aaaaaaaaaaaa 0000 "
			     "00000000",
		  ERR_MALFORMED },
		{ NIL_HANDLE "01000000 " W1 W0 W1 W3
			     "05000000 01000000 05000000 aaaaaaaaaa 000000 "
			     "00000000",
		  ERR_MALFORMED },
		{ NIL_HANDLE "01000000 " W1 W0 W1 W3
			     "ffffffff 00000000 ffffffff aaaaaaaaaa",
		  ERR_SHORT },
	};
	struct epm_map_reply reply;
	struct vector room;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_int_equal(read_reply(row[i].hex, &room, &reply),
				 row[i].want);
}

/* Samba's encoder pads with zeros; with other octets there, what we take for
 * the tower is none. */
static void what_stands_before_a_deviant_tower_is_never_a_tower(void **state)
{
	struct epm_map_reply reply;
	struct vector room;
	struct tower tower;
	struct bytes stub = stub_of("62x_samba_deviant_ndr64_resp.bin", &room);

	(void)state;
	memcpy(room.octet + 0x5c, "\xff\xff\xff\xff", 4);
	if (epm_map_reply_read(stub, le64, &reply) == 0)
		assert_true(tower_read(reply.tower[0], &tower) < 0);
	/* a short tower's octets are its own, even zeros */
	assert_int_equal(read_reply(NIL_HANDLE
				    "01000000 " W1 W0 W1 W3
				    "03000000 00000000 03000000 000000 00 "
				    "78563412",
				    &room, &reply),
			 0);
	assert_int_equal(reply.tower[0].len, 3);
	assert_int_equal(reply.status, 0x12345678);
}

static void big_endian_ndr64_stubs_read_the_same(void **state)
{
	static struct epm_entry entry[1];
	struct epm_lookup_reply lookup;
	struct epm_map_request req;
	struct epm_map_reply reply;
	struct vector room;

	(void)state;
	assert_int_equal(
		epm_map_request_read(
			vector_hex("0000000000000001 a4f1db00 ca47 1067 "
				   "b31f00dd010662da 0000000000000002 "
				   "0000000000000005 00000005 aaaaaaaaaa "
				   "000000" NIL_HANDLE "00000004",
				   &room),
			be64, &req),
		0);
	assert_true(uuid_equal(&req.object, &iface_emsmdb.syntax.uuid));
	assert_int_equal(req.tower.len, 5);
	assert_int_equal(req.max_towers, 4);
	assert_int_equal(
		epm_map_reply_read(
			vector_hex(NIL_HANDLE
				   "00000001 0000000000000004 "
				   "0000000000000000 0000000000000001 "
				   "0000000000000003 0000000000000005 "
				   "00000005 aaaaaaaaaa 000000 16c9a0cd",
				   &room),
			be64, &reply),
		0);
	assert_int_equal(reply.tower[0].len, 5);
	assert_int_equal(reply.status, EPM_CANT_PERFORM);
	assert_int_equal(
		epm_lookup_reply_read(
			vector_hex(NIL_HANDLE
				   "00000001 0000000000000004 "
				   "0000000000000000 0000000000000001 "
				   "a4f1db00 ca47 1067 b31f00dd010662da "
				   "0000000000000000 0000000000000000 "
				   "0000000000000003 616200 ff 16c9a0d6",
				   &room),
			be64, entry, 1, &lookup),
		0);
	assert_true(uuid_equal(&entry[0].object, &iface_emsmdb.syntax.uuid));
	assert_int_equal(entry[0].annotation.len, 2);
	assert_int_equal(lookup.status, EPM_NOT_REGISTERED);
}

/* Two entries: one with an annotation of 5 octets and NUL, one without, whose
 * tower is the first one's again. Each begins at a multiple of 8. */
#define LOOKUP_REPLY                                                           \
	NIL_HANDLE "02000000 f4010000 00000000 " W0 W2                         \
		   "00dbf1a4 47ca 6710 b31f00dd010662da " W3 W0                \
		   "06000000 00000000 68656c6c6f00 eeee "                      \
		   "00000000 0000 0000 0000000000000000 " W3 W0 W1             \
		   "00 eeeeeeeeeeeeee " TOWER_A "ffffff 00000000"

static void an_ndr64_lookup_reply_lists_objects_and_towers(void **state)
{
	static struct epm_entry entry[2];
	struct epm_lookup_reply reply;
	struct vector room;

	(void)state;
	assert_int_equal(epm_lookup_reply_read(vector_hex(LOOKUP_REPLY, &room),
					       le64, entry, 2, &reply),
			 0);
	assert_int_equal(reply.nentries, 2);
	assert_int_equal(reply.status, 0);
	assert_true(uuid_equal(&entry[0].object, &iface_emsmdb.syntax.uuid));
	assert_int_equal(entry[0].annotation.len, 5);
	assert_memory_equal(entry[0].annotation.at, "hello", 5);
	assert_int_equal(entry[0].tower.len, 5);
	assert_memory_equal(entry[0].tower.at, "\xaa\xaa\xaa\xaa\xaa", 5);
	assert_true(uuid_is_nil(&entry[1].object));
	assert_int_equal(entry[1].annotation.len, 0);
	assert_ptr_equal(entry[1].tower.at, entry[0].tower.at);
}

/* Samba writes an annotation's counts with 32 bits even here. */
static void an_annotation_with_ndr_counts_is_refused_in_ndr64(void **state)
{
	static struct epm_entry entry[1];
	struct epm_lookup_reply reply;
	struct vector room;

	(void)state;
	assert_int_equal(
		epm_lookup_reply_read(
			vector_hex(
				NIL_HANDLE
				"01000000 " W1 W0 W1
				"00000000 0000 0000 0000000000000000 " W3
				"00000000 06000000 68656c6c6f00 0000 " TOWER_A
				"ffffff 00000000",
				&room),
			le64, entry, 1, &reply),
		ERR_MALFORMED);
}

static void refuse_short_request(struct bytes in, void *ctx)
{
	struct epm_map_request req;

	(void)ctx;
	assert_int_equal(epm_map_request_read(in, le64, &req), ERR_SHORT);
}

static void refuse_short_reply(struct bytes in, void *ctx)
{
	struct epm_map_reply reply;

	(void)ctx;
	assert_int_equal(epm_map_reply_read(in, le64, &reply), ERR_SHORT);
}

static void refuse_short_lookup(struct bytes in, void *ctx)
{
	static struct epm_entry entry[2];
	struct epm_lookup_reply reply;

	(void)ctx;
	assert_int_equal(epm_lookup_reply_read(in, le64, entry, 2, &reply),
			 ERR_SHORT);
}

static void every_truncated_ndr64_stub_is_refused(void **state)
{
	struct vector room;

	(void)state;
	vector_truncations(stub_of("63x_samba_deviant_ndr64_req.bin", &room),
			   refuse_short_request, NULL);
	vector_truncations(stub_of("64_epm_map_req_ndr64_impacket.bin", &room),
			   refuse_short_request, NULL);
	vector_truncations(stub_of("62x_samba_deviant_ndr64_resp.bin", &room),
			   refuse_short_reply, NULL);
	vector_truncations(stub_of("65_epm_map_resp_ndr64_scapy.bin", &room),
			   refuse_short_reply, NULL);
	vector_truncations(vector_hex(LOOKUP_REPLY, &room), refuse_short_lookup,
			   NULL);
}

static bool lies_within(struct bytes inner, struct bytes outer)
{
	return !inner.len || (inner.at >= outer.at &&
			      inner.at + inner.len <= outer.at + outer.len);
}

/* What was read in NDR64 and written in NDR says the same. */
static void check_rewritten_request(const struct epm_map_request *req)
{
	uint8_t octet[2 * VECTOR_MAX];
	struct builder out = builder_over(octet, sizeof(octet), true);
	struct epm_map_request again;

	epm_map_request_write(&out, req);
	assert_int_equal(out.err, 0);
	assert_int_equal(
		epm_map_request_read(bytes_of(octet, out.len), le, &again), 0);
	assert_int_equal(again.has_object, req->has_object);
	assert_true(uuid_equal(&again.object, &req->object));
	assert_true(bytes_equal(again.tower, req->tower));
	assert_memory_equal(&again.handle, &req->handle, EPM_HANDLE_LEN);
	assert_int_equal(again.max_towers, req->max_towers);
}

static void check_rewritten_reply(const struct epm_map_reply *reply)
{
	uint8_t octet[8 * VECTOR_MAX];
	struct builder out = builder_over(octet, sizeof(octet), true);
	struct epm_map_reply again;
	uint32_t i;

	epm_map_reply_write(&out, reply, EPM_TOWERS_MAX);
	assert_int_equal(out.err, 0);
	assert_int_equal(
		epm_map_reply_read(bytes_of(octet, out.len), le, &again), 0);
	assert_int_equal(again.ntowers, reply->ntowers);
	assert_int_equal(again.status, reply->status);
	assert_memory_equal(&again.handle, &reply->handle, EPM_HANDLE_LEN);
	for (i = 0; i < reply->ntowers; i++)
		assert_true(bytes_equal(again.tower[i], reply->tower[i]));
}

static void read_anything(struct bytes in, void *ctx)
{
	static struct epm_entry entry[2];
	struct epm_lookup_reply lookup;
	struct epm_map_request req;
	struct epm_map_reply reply;
	uint32_t i;

	(void)ctx;
	if (epm_map_request_read(in, le64, &req) == 0) {
		assert_true(lies_within(req.tower, in));
		check_rewritten_request(&req);
	}
	if (epm_map_reply_read(in, le64, &reply) == 0) {
		for (i = 0; i < reply.ntowers; i++)
			assert_true(lies_within(reply.tower[i], in));
		check_rewritten_reply(&reply);
	}
	if (epm_lookup_reply_read(in, le64, entry, 2, &lookup) < 0)
		return;
	for (i = 0; i < lookup.nentries; i++) {
		assert_true(lies_within(entry[i].tower, in));
		assert_true(lies_within(entry[i].annotation, in));
	}
}

static void turned_bits_never_lead_out_of_the_ndr64_stub(void **state)
{
	struct vector room;

	(void)state;
	vector_flips(stub_of("62x_samba_deviant_ndr64_resp.bin", &room),
		     read_anything, NULL);
	vector_flips(stub_of("63x_samba_deviant_ndr64_req.bin", &room),
		     read_anything, NULL);
	vector_flips(stub_of("64_epm_map_req_ndr64_impacket.bin", &room),
		     read_anything, NULL);
	vector_flips(stub_of("65_epm_map_resp_ndr64_scapy.bin", &room),
		     read_anything, NULL);
	vector_flips(vector_hex(LOOKUP_REPLY, &room), read_anything, NULL);
}

/* A line of the script, by words. */
struct line {
	char text[8192];
	char *word[32];
	unsigned nwords;
};

static bool next_line(FILE *script, struct line *line)
{
	char *rest = line->text;

	if (!fgets(line->text, sizeof(line->text), script))
		return false;
	assert_non_null(strchr(line->text, '\n'));
	line->nwords = 0;
	while ((line->word[line->nwords] = strtok_r(rest, " \n", &rest))) {
		line->nwords++;
		assert_true(line->nwords < 32);
	}
	assert_true(line->nwords > 3);
	return true;
}

static uint32_t number(const struct line *line, unsigned i)
{
	return (uint32_t)strtoul(line->word[i], NULL, 10);
}

/* "-" is hexadecimal of nothing. */
static void assert_octets(const struct line *line, unsigned i, struct bytes got)
{
	static struct vector want;

	assert_true(bytes_equal(got, vector_hex(line->word[i], &want)));
}

static void assert_object(const struct line *line, unsigned i, bool has,
			  const struct uuid *object)
{
	uint8_t octet[UUID_LEN];
	struct builder out = builder_over(octet, sizeof(octet), true);

	if (has)
		uuid_write(&out, object);
	assert_octets(line, i, bytes_of(octet, out.len));
}

static void check_map_request(const struct line *line, struct bytes stub)
{
	struct epm_map_request req;

	assert_int_equal(epm_map_request_read(stub, le64, &req), 0);
	assert_object(line, 1, req.has_object, &req.object);
	assert_int_equal(req.max_towers, number(line, 2));
	assert_octets(line, 3, req.tower);
}

static void check_map_reply(const struct line *line, struct bytes stub)
{
	struct epm_map_reply reply;
	uint32_t i;

	assert_int_equal(epm_map_reply_read(stub, le64, &reply), 0);
	assert_int_equal(reply.status, number(line, 1));
	assert_int_equal(reply.ntowers, number(line, 2));
	for (i = 0; i < reply.ntowers; i++)
		assert_octets(line, 3 + i, reply.tower[i]);
}

static void check_lookup_request(const struct line *line, struct bytes stub)
{
	struct epm_lookup_request req;
	uint8_t octet[SYNTAX_LEN];
	struct builder out = builder_over(octet, sizeof(octet), true);

	assert_int_equal(epm_lookup_request_read(stub, le64, &req), 0);
	assert_int_equal(req.inquiry, number(line, 1));
	assert_object(line, 2, req.has_object, &req.object);
	if (req.has_interface)
		syntax_write(&out, &req.interface);
	assert_octets(line, 3, bytes_of(octet, out.len));
	assert_int_equal(req.version_option, 1);
	assert_int_equal(req.max_entries, number(line, 4));
}

static void check_lookup_reply(const struct line *line, struct bytes stub)
{
	static struct epm_entry entry[EPM_ENTRIES_MAX];
	struct epm_lookup_reply reply;
	uint32_t i;

	assert_int_equal(epm_lookup_reply_read(stub, le64, entry,
					       EPM_ENTRIES_MAX, &reply),
			 0);
	assert_int_equal(reply.status, number(line, 1));
	assert_int_equal(reply.nentries, number(line, 2));
	for (i = 0; i < reply.nentries; i++) {
		assert_octets(line, 3 + 2 * i, entry[i].annotation);
		assert_octets(line, 4 + 2 * i, entry[i].tower);
	}
}

static void check_line(const struct line *line)
{
	static struct vector room;
	struct bytes stub = vector_hex(line->word[line->nwords - 1], &room);

	if (strcmp(line->word[0], "map-request") == 0)
		check_map_request(line, stub);
	else if (strcmp(line->word[0], "map-reply") == 0)
		check_map_reply(line, stub);
	else if (strcmp(line->word[0], "lookup-request") == 0)
		check_lookup_request(line, stub);
	else if (strcmp(line->word[0], "lookup-reply") == 0)
		check_lookup_reply(line, stub);
	else
		fail_msg("%s: no such stub", line->word[0]);
}

static void ndr64_stubs_that_impacket_wrote_are_read(void **state)
{
	FILE *script = popen("/usr/bin/python3 tests/wire/make_ndr64.py", "r");
	static struct line line;
	unsigned n = 0;
	int status;

	(void)state;
	assert_non_null(script);
	while (next_line(script, &line)) {
		check_line(&line);
		n++;
	}
	status = pclose(script);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(n >= 400);
	print_message("read %u stubs as impacket wrote them\n", n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ndr64_map_request_says_what_is_looked_for),
		cmocka_unit_test(an_ndr64_map_reply_says_where_it_is),
		cmocka_unit_test(
			ndr64_that_a_server_accepted_is_not_taken_for_ndr),
		cmocka_unit_test(
			ndr64_pointers_may_be_null_and_move_what_follows),
		cmocka_unit_test(several_ndr64_towers_are_aligned_by_8),
		cmocka_unit_test(
			a_repeated_ndr64_referent_is_the_earlier_tower_again),
		cmocka_unit_test(counts_of_an_ndr64_reply_must_agree),
		cmocka_unit_test(
			what_stands_before_a_deviant_tower_is_never_a_tower),
		cmocka_unit_test(big_endian_ndr64_stubs_read_the_same),
		cmocka_unit_test(
			an_ndr64_lookup_reply_lists_objects_and_towers),
		cmocka_unit_test(
			an_annotation_with_ndr_counts_is_refused_in_ndr64),
		cmocka_unit_test(every_truncated_ndr64_stub_is_refused),
		cmocka_unit_test(turned_bits_never_lead_out_of_the_ndr64_stub),
		cmocka_unit_test(ndr64_stubs_that_impacket_wrote_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
