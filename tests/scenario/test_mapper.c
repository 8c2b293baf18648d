/*
 * test_mapper.c - relayed conversations with an endpoint mapper: what clients
 * read, and what they are let in for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../helper/alloc.h"
#include "../helper/tcp.h"
#include "fake_loop.h"
#include "mapper.h"
#include "net/relay.h"
#include "rpc_stage.h"

#define REAL	   50000 /* of the vectors' EMSMDB */
#define BOOK	   50001 /* of NSPI and RFR */
#define LATE	   50007 /* what was not known before */
#define VPORT	   20000 /* the first of … */
#define VPORTS	   10
#define CALLS	   8   /* that are told apart */
#define PORT_AT	   136 /* in vectors 04 and 61 */
#define ADDR_AT	   143
#define PORT64_AT  156 /* in vector 65 */
#define ADDR64_AT  163
#define STATUS_MAX 4

static const uint8_t vip[4] = { 127, 68, 0, 10 };

/* A client that has a conversation with the endpoint mapper of cas1. */
struct talk {
	struct rpc_stage play;
	int client, server;
	bool is_little;
};

static void announce(struct rpc_stage *play)
{
	struct announcement list[] = {
		{ iface_emsmdb.syntax, REAL },
		{ iface_nspi.syntax, BOOK },
		{ iface_rfr.syntax, BOOK },
	};

	rpc_stage_announce(play, 0, list, 3);
	rpc_stage_follow(play, VPORT);
}

static void connect_first(struct talk *talk)
{
	stage_serve(&talk->play.stage, 0, EPM_PORT);
	talk->client = rpc_stage_client(1, EPM_PORT);
	fake_loop_settle(talk->play.stage.loop);
	talk->server = rpc_stage_accept(talk->play.stage.listening[0][0]);
}

/* The default list of interfaces; nothing was said yet. */
static void begin_unbound(struct talk *talk, enum conf_epm epm)
{
	talk->is_little = true;
	rpc_stage_begin(&talk->play, epm);
	talk->play.stage.conf->rpc.any_interface = false;
	rpc_stage_open(&talk->play);
	announce(&talk->play);
	connect_first(talk);
}

static void bind_by(struct talk *talk, struct bytes bind, struct bytes ack)
{
	rpc_stage_pass(&talk->play, talk->client, talk->server, bind);
	rpc_stage_pass(&talk->play, talk->server, talk->client, ack);
}

static void bind_ndr(struct talk *talk)
{
	bind_by(talk, rpc_vector("01_epm_bind.bin"),
		rpc_vector("02_epm_bind_ack.bin"));
}

static void bind_ndr64(struct talk *talk)
{
	bind_by(talk, rpc_vector("30_epm_bind_windows_style_3ctx.bin"),
		rpc_vector("31_epm_bind_ack_3results.bin"));
}

/* Bound by NDR; the vectors' question was asked. */
static void begin_asked(struct talk *talk, enum conf_epm epm)
{
	begin_unbound(talk, epm);
	bind_ndr(talk);
	rpc_stage_pass(&talk->play, talk->client, talk->server,
		       rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
}

static void finish(struct talk *talk)
{
	close(talk->client);
	close(talk->server);
	rpc_stage_end(&talk->play);
}

static uint16_t vport_of(struct talk *talk, const struct iface *iface,
			 uint16_t port)
{
	uint16_t vport = rpc_stage_vport(&talk->play, 0, &iface->syntax, port);

	assert_true(vport >= VPORT && vport < VPORT + 10);
	return vport;
}

/* <answer> as the client is to read it: <vport> in its tower at <port_at>, the
 * balancer's address in the floor at <addr_at>. */
static struct bytes patched(struct bytes answer, uint16_t vport, size_t port_at,
			    size_t addr_at)
{
	uint8_t *copy = rpc_copy(answer);

	copy[port_at] = (uint8_t)(vport >> 8);
	copy[port_at + 1] = (uint8_t)vport;
	memcpy(copy + addr_at, vip, sizeof(vip));
	return bytes_of(copy, answer.len);
}

static struct bytes vector_04(void)
{
	return rpc_vector("04_epm_map_resp_emsmdb_50000_10.0.0.1.bin");
}

static void expect_lease(struct talk *talk, uint16_t vport,
			 const struct iface *iface, uint16_t port)
{
	rpc_stage_expect_lease(&talk->play, 1, vport, &iface->syntax, 0, port);
}

/* towers and stubs */

static struct bytes tower_of(const struct syntax *interface, uint16_t port)
{
	struct builder out = rpc_room(true);

	tower_write(&out, TOWER_TCP, interface, port, NULL);
	return rpc_built(&out);
}

static struct bytes map_stub(const struct bytes *tower, uint32_t n,
			     uint32_t max_towers, bool is_little)
{
	struct epm_map_reply reply = { .ntowers = n };
	struct builder out = rpc_room(is_little);
	uint32_t i;

	for (i = 0; i < n; i++)
		reply.tower[i] = tower[i];
	epm_map_reply_write(&out, &reply, max_towers);
	return rpc_built(&out);
}

static struct bytes map_one(const struct iface *iface, uint16_t port,
			    bool is_little)
{
	struct bytes tower = tower_of(&iface->syntax, port);

	return map_stub(&tower, 1, 4, is_little);
}

static struct bytes ask_map(const struct iface *iface, uint32_t max_towers,
			    bool has_object, uint32_t call_id, bool is_little)
{
	struct epm_map_request map = { .has_object = has_object,
				       .tower = tower_of(&iface->syntax, 0),
				       .max_towers = max_towers };
	struct builder out = rpc_room(is_little);

	epm_map_request_write(&out, &map);
	return rpc_request(EPM_MAP, rpc_built(&out), call_id, is_little);
}

static struct bytes ask_lookup(uint8_t mark, uint32_t call_id, bool is_little)
{
	struct epm_lookup_request lookup = { .max_entries = 100 };
	struct builder out = rpc_room(is_little);

	lookup.handle.octet[4] = mark;
	epm_lookup_request_write(&out, &lookup);
	return rpc_request(EPM_LOOKUP, rpc_built(&out), call_id, is_little);
}

/* The stub of the only answer in <octets>, out of its fragments. */
static struct bytes stub_of(struct bytes octets, uint32_t call_id)
{
	struct builder out = rpc_room(true);
	size_t at = 0;
	struct pdu pdu = { 0 };
	struct pdu_response response;

	while (at < octets.len) {
		assert_false(pdu.flags & PDU_LAST);
		assert_int_equal(
			pdu_read(bytes_of(octets.at + at, octets.len - at),
				 &pdu),
			0);
		assert_int_equal(pdu.type, PDU_RESPONSE);
		assert_int_equal(pdu.call_id, call_id);
		assert_int_equal(!at, !!(pdu.flags & PDU_FIRST));
		assert_int_equal(pdu_response_read(&pdu, &response), 0);
		builder_put(&out, response.stub);
		at += pdu.whole.len;
	}
	assert_true(pdu.flags & PDU_LAST);
	return rpc_built(&out);
}

static struct epm_map_reply hear_map(struct talk *talk, uint32_t call_id,
				     bool is_64)
{
	struct bytes heard = rpc_stage_hear(talk->client);
	struct ndr form = { .is_64 = is_64 };
	struct epm_map_reply reply;
	struct pdu pdu;

	assert_int_equal(pdu_read(heard, &pdu), 0);
	form.little = pdu.little;
	assert_int_equal(
		epm_map_reply_read(stub_of(heard, call_id), form, &reply), 0);
	return reply;
}

static void expect_not_registered(struct talk *talk, uint32_t call_id,
				  bool is_64)
{
	struct epm_map_reply reply = hear_map(talk, call_id, is_64);

	assert_int_equal(reply.ntowers, 0);
	assert_int_equal(reply.status, EPM_NOT_REGISTERED);
	assert_true(epm_handle_is_nil(&reply.handle));
}

static struct tower read_tower(struct bytes at)
{
	struct tower tower;

	assert_int_equal(tower_read(at, &tower), 0);
	return tower;
}

/* ept_map */

static void rewrite_changes_port_and_address_and_no_other_octet(void **state)
{
	struct talk talk;
	uint16_t vport;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	vport = vport_of(&talk, &iface_emsmdb, REAL);
	rpc_stage_say(&talk.play, talk.server, vector_04());
	rpc_expect(talk.client, patched(vector_04(), vport, PORT_AT, ADDR_AT));
	expect_lease(&talk, vport, &iface_emsmdb, REAL);
	expect_lease(&talk, REAL, &iface_emsmdb, 0);
	/* Without a lease being wanted the kernel is told nothing. */
	assert_int_equal(talk.play.nadmitted, 0);
	assert_int_equal(talk.play.changes, 0);
	finish(&talk);
}

static void rewrite_takes_what_samba_marshals_just_as_well(void **state)
{
	struct bytes samba =
		rpc_vector("61_epm_map_resp_emsmdb_50000_samba.bin");
	struct talk talk;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	rpc_stage_say(&talk.play, talk.server, samba);
	rpc_expect(talk.client,
		   patched(samba, vport_of(&talk, &iface_emsmdb, REAL), PORT_AT,
			   ADDR_AT));
	finish(&talk);
}

static void track_changes_nothing_and_remembers_the_port(void **state)
{
	struct talk talk;

	(void)state;
	begin_asked(&talk, CONF_EPM_TRACK);
	rpc_stage_pass(&talk.play, talk.server, talk.client, vector_04());
	expect_lease(&talk, REAL, &iface_emsmdb, REAL);
	finish(&talk);
}

static void pass_neither_reads_nor_remembers(void **state)
{
	struct talk talk;

	(void)state;
	begin_asked(&talk, CONF_EPM_PASS);
	rpc_stage_pass(&talk.play, talk.server, talk.client, vector_04());
	assert_int_equal(leases_count(talk.play.stage.router.leases), 0);
	/* Nor does it wait for a port, or leave any out. */
	rpc_stage_pass(
		&talk.play, talk.server, talk.client,
		rpc_response(map_one(&iface_mgmt, LATE, true), 0, 1, true));
	assert_int_equal(talk.play.changes, 0);
	finish(&talk);
}

static void static_ports_get_no_leases_and_are_never_rewritten(void **state)
{
	struct talk talk;

	(void)state;
	talk.is_little = true;
	rpc_stage_begin(&talk.play, CONF_EPM_REWRITE);
	talk.play.stage.conf->rpc.ports = CONF_PORTS_STATIC;
	rpc_stage_open(&talk.play);
	connect_first(&talk);
	bind_ndr(&talk);
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
	rpc_stage_pass(&talk.play, talk.server, talk.client, vector_04());
	assert_int_equal(leases_count(talk.play.stage.router.leases), 0);
	finish(&talk);
}

static void of_a_port_for_http_only_the_address_is_changed(void **state)
{
	struct bytes answer =
		rpc_vector("07_epm_map_resp_emsmdb_http_6001.bin");
	struct talk talk;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       rpc_vector("06_epm_map_req_emsmdb_http.bin"));
	rpc_stage_say(&talk.play, talk.server, answer);
	rpc_expect(talk.client, patched(answer, 6001, PORT_AT, ADDR_AT));
	assert_int_equal(leases_count(talk.play.stage.router.leases), 0);
	finish(&talk);
}

static void not_registered_stays_the_answer_that_it_is(void **state)
{
	struct talk talk;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	rpc_stage_pass(&talk.play, talk.server, talk.client,
		       rpc_vector("05_epm_map_resp_not_registered.bin"));
	assert_int_equal(leases_count(talk.play.stage.router.leases), 0);
	finish(&talk);
}

static void ndr64_is_read_where_the_server_accepted_it(void **state)
{
	struct bytes answer = rpc_vector("65_epm_map_resp_ndr64_scapy.bin");
	struct talk talk;
	uint16_t vport;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr64(&talk);
	vport = vport_of(&talk, &iface_emsmdb, REAL);
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       rpc_vector("64_epm_map_req_ndr64_impacket.bin"));
	rpc_stage_say(&talk.play, talk.server, answer);
	rpc_expect(talk.client, patched(answer, vport, PORT64_AT, ADDR64_AT));
	expect_lease(&talk, vport, &iface_emsmdb, REAL);
	finish(&talk);
}

/* Either side may use either byte order, whatever the other does. */
static void either_byte_order_is_read(void **state)
{
	struct talk talk;
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		bool asks_little = i & 1, says_little = i & 2;
		struct pdu_bind bind = rpc_offer(&iface_epm.syntax, 0);
		struct bytes answer;
		struct epm_map_reply reply;
		uint16_t vport;
		uint8_t *tower;

		begin_unbound(&talk, CONF_EPM_REWRITE);
		vport = vport_of(&talk, &iface_emsmdb, REAL);
		bind_by(&talk, rpc_bind(&bind, 1, asks_little),
			rpc_ack(&bind, PDU_BIND_ACK, 9, 1, says_little));
		rpc_stage_pass(&talk.play, talk.client, talk.server,
			       ask_map(&iface_emsmdb, 4, true, 2, asks_little));
		answer = rpc_response(map_one(&iface_emsmdb, REAL, says_little),
				      0, 2, says_little);
		rpc_stage_say(&talk.play, talk.server, answer);
		tower = memmem(answer.at, answer.len, "\x07\x02\x00\xc3\x50",
			       5);
		assert_non_null(tower);
		rpc_expect(talk.client,
			   patched(answer, vport,
				   (size_t)(tower - answer.at) + 3,
				   (size_t)(tower - answer.at) + 10));
		expect_lease(&talk, vport, &iface_emsmdb, REAL);

		/* One made anew as well. */
		rpc_stage_pass(&talk.play, talk.client, talk.server,
			       ask_map(&iface_mgmt, 4, true, 3, asks_little));
		rpc_stage_say(
			&talk.play, talk.server,
			rpc_response(map_one(&iface_mgmt, REAL, says_little), 0,
				     3, says_little));
		reply = hear_map(&talk, 3, false);
		assert_int_equal(reply.status, EPM_NOT_REGISTERED);
		finish(&talk);
	}
}

static void an_answer_is_read_wherever_the_stream_is_cut(void **state)
{
	struct bytes answer = vector_04(), expected;
	struct talk talk;
	size_t cut;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	for (cut = 1; cut < answer.len; cut++) {
		answer = vector_04();
		expected = patched(answer, vport_of(&talk, &iface_emsmdb, REAL),
				   PORT_AT, ADDR_AT);
		rpc_stage_say(&talk.play, talk.server,
			      bytes_of(answer.at, cut));
		/* Not one octet of it before it is whole. */
		rpc_expect_silence(talk.client);
		rpc_stage_say(&talk.play, talk.server,
			      bytes_of(answer.at + cut, answer.len - cut));
		rpc_expect(talk.client, expected);
		rpc_stage_pass(&talk.play, talk.client, talk.server,
			       rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
	}
	finish(&talk);
}

static void say_octets(struct talk *talk, int from, struct bytes octets)
{
	size_t i;

	for (i = 0; i < octets.len; i++)
		rpc_stage_say(&talk->play, from, bytes_of(octets.at + i, 1));
}

static void a_conversation_octet_by_octet_is_read(void **state)
{
	struct talk talk;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	say_octets(&talk, talk.client, rpc_vector("01_epm_bind.bin"));
	rpc_expect(talk.server, rpc_vector("01_epm_bind.bin"));
	say_octets(&talk, talk.server, rpc_vector("02_epm_bind_ack.bin"));
	rpc_expect(talk.client, rpc_vector("02_epm_bind_ack.bin"));
	say_octets(&talk, talk.client,
		   rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
	rpc_expect(talk.server, rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
	say_octets(&talk, talk.server, vector_04());
	rpc_expect(talk.client,
		   patched(vector_04(), vport_of(&talk, &iface_emsmdb, REAL),
			   PORT_AT, ADDR_AT));
	finish(&talk);
}

static void a_conversation_in_one_segment_each_way_is_read(void **state)
{
	struct talk talk;
	struct bytes in, out;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	in = rpc_join(rpc_vector("01_epm_bind.bin"),
		      rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
	rpc_stage_say(&talk.play, talk.client, in);
	rpc_expect(talk.server, in);
	/* The context is accepted only now. */
	out = rpc_join(rpc_vector("02_epm_bind_ack.bin"), vector_04());
	rpc_stage_say(&talk.play, talk.server, out);
	rpc_expect(talk.client,
		   patched(out, vport_of(&talk, &iface_emsmdb, REAL),
			   60 + PORT_AT, 60 + ADDR_AT));
	finish(&talk);
}

static void an_answer_in_fragments_is_changed_where_its_octets_are(void **state)
{
	struct bytes stub = map_one(&iface_emsmdb, REAL, true), answer, heard;
	struct bytes whole;
	struct talk talk;
	uint16_t vport;
	size_t most;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	vport = vport_of(&talk, &iface_emsmdb, REAL);
	for (most = 1; most <= stub.len; most++) {
		stub = map_one(&iface_emsmdb, REAL, true);
		/* Its port and address are where vector 04 has them. */
		whole = patched(rpc_response(stub, 0, 1, true), vport, PORT_AT,
				ADDR_AT);
		whole = bytes_of(whole.at + 24, whole.len - 24);
		answer = rpc_response(stub, most, 1, true);
		rpc_stage_say(&talk.play, talk.server, answer);
		heard = rpc_stage_hear(talk.client);
		assert_true(
			bytes_equal(heard, rpc_response(whole, most, 1, true)));
		rpc_stage_pass(&talk.play, talk.client, talk.server,
			       rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
	}
	finish(&talk);
}

static void no_fragment_passes_before_the_last_has_come(void **state)
{
	struct bytes answer;
	struct talk talk;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	answer = rpc_response(map_one(&iface_emsmdb, REAL, true), 60, 1, true);
	say_octets(&talk, talk.server, bytes_of(answer.at, answer.len - 1));
	rpc_expect_silence(talk.client);
	say_octets(&talk, talk.server, bytes_of(answer.at + answer.len - 1, 1));
	assert_int_equal(rpc_stage_hear(talk.client).len, answer.len);
	finish(&talk);
}

static void every_tower_of_an_answer_is_rewritten(void **state)
{
	struct bytes tower[3];
	struct epm_map_reply reply;
	struct talk talk;
	uint16_t vport[2];

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	vport[0] = vport_of(&talk, &iface_nspi, BOOK);
	vport[1] = vport_of(&talk, &iface_rfr, BOOK);
	/* One port of the server, but an interface each. */
	assert_int_not_equal(vport[0], vport[1]);
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       ask_map(&iface_nspi, 4, true, 5, true));
	tower[0] = tower_of(&iface_nspi.syntax, BOOK);
	tower[1] = bytes_of(NULL, 0); /* a null pointer */
	tower[2] = tower_of(&iface_rfr.syntax, BOOK);
	rpc_stage_say(&talk.play, talk.server,
		      rpc_response(map_stub(tower, 3, 4, true), 0, 5, true));
	reply = hear_map(&talk, 5, false);
	assert_int_equal(reply.ntowers, 3);
	assert_int_equal(read_tower(reply.tower[0]).port, vport[0]);
	assert_int_equal(reply.tower[1].len, 0);
	assert_int_equal(read_tower(reply.tower[2]).port, vport[1]);
	expect_lease(&talk, vport[0], &iface_nspi, BOOK);
	expect_lease(&talk, vport[1], &iface_rfr, BOOK);
	finish(&talk);
}

/* Referents of the towers in an answer of <n> start at 36 of the stub. */
static struct bytes aliased(struct bytes stub, uint32_t n)
{
	/* n equal towers became one, which n pointers point to */
	size_t tower_len = 8 + 76, head = 36 + 4 * (size_t)n;
	uint8_t *at = rpc_copy(stub);
	uint32_t i;

	for (i = 1; i < n; i++)
		memcpy(at + 36 + 4 * (size_t)i, at + 36, 4);
	memcpy(at + head + tower_len, stub.at + stub.len - STATUS_MAX,
	       STATUS_MAX);
	return bytes_of(at, head + tower_len + STATUS_MAX);
}

static void a_tower_that_two_pointers_name_is_rewritten_once(void **state)
{
	struct bytes tower[2], stub, heard;
	struct epm_map_reply reply;
	struct ndr form = { .little = true };
	struct talk talk;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	tower[0] = tower[1] = tower_of(&iface_emsmdb.syntax, REAL);
	stub = aliased(map_stub(tower, 2, 4, true), 2);
	rpc_stage_say(&talk.play, talk.server, rpc_response(stub, 0, 1, true));
	heard = rpc_stage_hear(talk.client);
	assert_int_equal(epm_map_reply_read(stub_of(heard, 1), form, &reply),
			 0);
	assert_int_equal(reply.ntowers, 2);
	assert_ptr_equal(reply.tower[0].at, reply.tower[1].at);
	assert_int_equal(read_tower(reply.tower[0]).port,
			 vport_of(&talk, &iface_emsmdb, REAL));
	assert_int_equal(leases_count(talk.play.stage.router.leases), 1);
	assert_int_equal(talk.play.changes, 0);
	finish(&talk);
}

static void an_alias_goes_the_way_of_its_tower(void **state)
{
	struct bytes tower[2], stub;
	struct talk talk;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	/* There is no virtual port for it, and will be none. */
	tower[0] = tower[1] = tower_of(&iface_emsmdb.syntax, LATE);
	stub = aliased(map_stub(tower, 2, 4, true), 2);
	rpc_stage_say(&talk.play, talk.server, rpc_response(stub, 0, 1, true));
	rpc_expect_silence(talk.client);
	fake_loop_advance(talk.play.stage.loop, 1000);
	expect_not_registered(&talk, 1, false);
	finish(&talk);
}

static void of_several_towers_the_client_reads_what_it_can_use(void **state)
{
	struct bytes tower[2];
	struct epm_map_reply reply;
	struct talk talk;
	uint32_t i, usable = 0;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	tower[0] = tower_of(&iface_emsmdb.syntax, LATE); /* no virtual port */
	tower[1] = tower_of(&iface_emsmdb.syntax, REAL);
	rpc_stage_say(&talk.play, talk.server,
		      rpc_response(map_stub(tower, 2, 4, true), 0, 1, true));
	fake_loop_advance(talk.play.stage.loop, 1000);
	reply = hear_map(&talk, 1, false);
	for (i = 0; i < reply.ntowers; i++) {
		struct tower read = read_tower(reply.tower[i]);

		assert_int_not_equal(read.port, LATE);
		usable += read.port == vport_of(&talk, &iface_emsmdb, REAL);
	}
	assert_int_equal(usable, 1);
	finish(&talk);
}

static void a_question_without_object_or_for_no_tower_passes(void **state)
{
	struct talk talk;
	uint32_t max;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       ask_map(&iface_emsmdb, 1, false, 2, true));
	rpc_stage_say(
		&talk.play, talk.server,
		rpc_response(map_one(&iface_emsmdb, REAL, true), 0, 2, true));
	assert_int_equal(read_tower(hear_map(&talk, 2, false).tower[0]).port,
			 vport_of(&talk, &iface_emsmdb, REAL));
	/* 0 to 500 are legal. */
	for (max = 0; max <= 500; max += 500) {
		rpc_stage_pass(&talk.play, talk.client, talk.server,
			       ask_map(&iface_emsmdb, max, true, 3, true));
		rpc_stage_pass(
			&talk.play, talk.server, talk.client,
			rpc_response(map_stub(NULL, 0, max, true), 0, 3, true));
	}
	finish(&talk);
}

/* A handle that goes on is the server's own: it is neither changed nor held
 * against it, and the next call goes the same way. */
static void a_handle_that_goes_on_stays_the_servers(void **state)
{
	struct bytes stub, ask;
	struct epm_map_reply reply;
	uint8_t *copy;
	struct talk talk;
	unsigned i;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	for (i = 1; i <= 3; i++) {
		ask = ask_map(&iface_emsmdb, 1, true, i, true);
		copy = rpc_copy(ask);
		memset(copy + ask.len - 24 + 4, (int)(i - 1), 16);
		rpc_stage_pass(&talk.play, talk.client, talk.server,
			       bytes_of(copy, ask.len));
		stub = map_one(&iface_emsmdb, REAL, true);
		copy = rpc_copy(stub);
		memset(copy + 4, (int)i, 16);
		rpc_stage_say(
			&talk.play, talk.server,
			rpc_response(bytes_of(copy, stub.len), 0, i, true));
		reply = hear_map(&talk, i, false);
		assert_memory_equal(reply.handle.octet, copy, EPM_HANDLE_LEN);
		assert_int_equal(read_tower(reply.tower[0]).port,
				 vport_of(&talk, &iface_emsmdb, REAL));
	}
	finish(&talk);
}

static void questions_behind_one_another_get_their_own_answers(void **state)
{
	struct bytes asked, said;
	struct talk talk;
	struct pdu pdu;
	struct pdu_response response;
	struct epm_map_reply reply;
	struct ndr form = { .little = true };
	size_t len;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	asked = rpc_join(ask_map(&iface_emsmdb, 4, true, 7, true),
			 ask_map(&iface_nspi, 4, true, 8, true));
	rpc_stage_pass(&talk.play, talk.client, talk.server, asked);
	/* The other way round; the second in two fragments. */
	said = rpc_join(
		rpc_response(map_one(&iface_nspi, BOOK, true), 0, 8, true),
		rpc_response(map_one(&iface_emsmdb, REAL, true), 64, 7, true));
	rpc_stage_say(&talk.play, talk.server, said);
	said = rpc_stage_hear(talk.client);
	assert_int_equal(pdu_read(said, &pdu), 0);
	assert_int_equal(pdu.call_id, 8);
	assert_int_equal(pdu_response_read(&pdu, &response), 0);
	assert_int_equal(epm_map_reply_read(response.stub, form, &reply), 0);
	assert_int_equal(read_tower(reply.tower[0]).port,
			 vport_of(&talk, &iface_nspi, BOOK));
	len = pdu.whole.len;
	assert_int_equal(
		epm_map_reply_read(
			stub_of(bytes_of(said.at + len, said.len - len), 7),
			form, &reply),
		0);
	assert_int_equal(read_tower(reply.tower[0]).port,
			 vport_of(&talk, &iface_emsmdb, REAL));
	finish(&talk);
}

/* As many questions as are told apart, one behind the other, from <first> on;
 * the next one is held back. */
static void ask_too_much(struct talk *talk, uint32_t first)
{
	uint32_t i;

	for (i = first; i < first + CALLS; i++)
		rpc_stage_pass(&talk->play, talk->client, talk->server,
			       ask_map(&iface_emsmdb, 4, true, i, true));
	rpc_stage_say(&talk->play, talk->client,
		      ask_map(&iface_nspi, 4, true, i, true));
	rpc_expect_silence(talk->server);
}

static void answer_emsmdb(struct talk *talk, uint32_t call_id)
{
	struct epm_map_reply reply;

	rpc_stage_say(&talk->play, talk->server,
		      rpc_response(map_one(&iface_emsmdb, REAL, true), 0,
				   call_id, true));
	reply = hear_map(talk, call_id, false);
	assert_int_equal(read_tower(reply.tower[0]).port,
			 vport_of(talk, &iface_emsmdb, REAL));
}

static void a_question_too_many_is_asked_when_one_was_answered(void **state)
{
	struct talk talk;
	uint32_t i;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	ask_too_much(&talk, 1);
	/* What comes behind it waits with it. */
	rpc_stage_say(&talk.play, talk.client,
		      ask_map(&iface_rfr, 4, true, 100, true));
	rpc_expect_silence(talk.server);
	answer_emsmdb(&talk, 3);
	rpc_expect(talk.server, ask_map(&iface_nspi, 4, true, 1 + CALLS, true));
	answer_emsmdb(&talk, 1);
	rpc_expect(talk.server, ask_map(&iface_rfr, 4, true, 100, true));
	/* No answer was lost meanwhile. */
	for (i = 2; i <= CALLS; i++)
		if (i != 3)
			answer_emsmdb(&talk, i);
	rpc_stage_say(&talk.play, talk.server,
		      rpc_response(map_one(&iface_nspi, BOOK, true), 0,
				   1 + CALLS, true));
	assert_int_equal(
		read_tower(hear_map(&talk, 1 + CALLS, false).tower[0]).port,
		vport_of(&talk, &iface_nspi, BOOK));
	finish(&talk);
}

/* However much the client says: it waits in the kernel. */
static void a_client_that_asks_on_and_on_is_slowed_down(void **state)
{
	uint32_t i, n = 20 * RELAY_HELD_MAX / 156, answered = 0, asked = 0;
	struct bytes question, said;
	size_t done = 0;
	struct talk talk;
	struct pdu pdu;
	ssize_t wrote;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	for (i = 0; i < n;) {
		question = ask_map(&iface_emsmdb, 4, true, i, true);
		wrote = send(talk.client, question.at + done,
			     question.len - done, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (wrote < 0)
			break; /* the kernel is full, too */
		done += (size_t)wrote;
		if (done < question.len)
			continue;
		done = 0;
		i++;
		fake_loop_settle(talk.play.stage.loop);
	}
	assert_true(i * 156 > RELAY_HELD_MAX);
	n = i;
	while (answered < n) {
		said = rpc_stage_hear(talk.server);
		assert_true(said.len > 0);
		for (; said.len; said.len -= pdu.whole.len) {
			assert_int_equal(pdu_read(said, &pdu), 0);
			assert_int_equal(pdu.call_id, asked++);
			said.at += pdu.whole.len;
		}
		assert_true(asked - answered <= CALLS);
		while (answered < asked)
			answer_emsmdb(&talk, answered++);
	}
	finish(&talk);
}

/* A PDU of the client's without a body. */
static struct bytes bare(uint8_t type, uint32_t call_id)
{
	uint8_t *copy =
		rpc_copy(ask_map(&iface_emsmdb, 4, true, call_id, true));

	copy[2] = type;
	copy[8] = PDU_HEADER_LEN;
	copy[9] = 0;
	return bytes_of(copy, PDU_HEADER_LEN);
}

static void a_call_that_ends_otherwise_makes_room_too(void **state)
{
	struct talk talk;
	uint8_t *copy;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	/* by a fault */
	ask_too_much(&talk, 1);
	rpc_stage_pass(&talk.play, talk.server, talk.client,
		       rpc_fault(PDU_FAULT_ACCESS_DENIED, 2));
	rpc_expect(talk.server, ask_map(&iface_nspi, 4, true, 1 + CALLS, true));
	/* by an answer that cannot be read */
	rpc_stage_say(&talk.play, talk.client,
		      ask_map(&iface_emsmdb, 4, true, 2, true));
	rpc_expect_silence(talk.server);
	copy = rpc_copy(
		rpc_response(map_one(&iface_emsmdb, REAL, true), 64, 3, true));
	copy[88 + 12] ^= 0xff; /* the second fragment is another call's */
	rpc_stage_say(&talk.play, talk.server, bytes_of(copy, 2 * 88));
	rpc_expect(talk.server, ask_map(&iface_emsmdb, 4, true, 2, true));
	finish(&talk);
	/* when the client gave it up before */
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       ask_map(&iface_emsmdb, 4, true, 50, true));
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       bare(PDU_ORPHANED, 50));
	ask_too_much(&talk, 1);
	answer_emsmdb(&talk, 1);
	rpc_expect(talk.server, ask_map(&iface_nspi, 4, true, 1 + CALLS, true));
	finish(&talk);
}

static struct bytes maybe(uint32_t call_id)
{
	struct bytes question = ask_map(&iface_emsmdb, 4, true, call_id, true);
	uint8_t *copy = rpc_copy(question);

	copy[3] |= PDU_MAYBE;
	return bytes_of(copy, question.len);
}

/* One that was cancelled may be answered all the same. */
static void a_call_without_an_answer_owed_gives_way(void **state)
{
	struct talk talk;
	unsigned by;
	uint32_t i;

	(void)state;
	for (by = 0; by < 2; by++) {
		begin_unbound(&talk, CONF_EPM_REWRITE);
		bind_ndr(&talk);
		for (i = 1; i < CALLS; i++)
			rpc_stage_pass(
				&talk.play, talk.client, talk.server,
				ask_map(&iface_emsmdb, 4, true, i, true));
		rpc_stage_pass(&talk.play, talk.client, talk.server,
			       maybe(CALLS));
		if (by) {
			answer_emsmdb(&talk, CALLS);
			rpc_stage_pass(
				&talk.play, talk.client, talk.server,
				ask_map(&iface_emsmdb, 4, true, CALLS, true));
			rpc_stage_pass(&talk.play, talk.client, talk.server,
				       bare(PDU_CANCEL, CALLS));
		}
		rpc_stage_pass(
			&talk.play, talk.client, talk.server,
			ask_map(&iface_emsmdb, 4, true, CALLS + 1, true));
		for (i = 1; i < CALLS; i++)
			answer_emsmdb(&talk, i);
		answer_emsmdb(&talk, CALLS + 1);
		finish(&talk);
	}
}

static void a_question_too_many_waits_five_seconds_at_most(void **state)
{
	struct talk talk;
	uint32_t i;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	ask_too_much(&talk, 1);
	fake_loop_advance(talk.play.stage.loop, 4999);
	rpc_expect_silence(talk.server);
	fake_loop_advance(talk.play.stage.loop, 101);
	rpc_expect(talk.server, ask_map(&iface_nspi, 4, true, 1 + CALLS, true));
	/* The first one of all is known no more. */
	rpc_stage_pass(
		&talk.play, talk.server, talk.client,
		rpc_response(map_one(&iface_emsmdb, REAL, true), 0, 1, true));
	for (i = 2; i <= CALLS; i++)
		answer_emsmdb(&talk, i);
	finish(&talk);
}

static void whoever_leaves_while_a_question_waits_leaves_nothing(void **state)
{
	struct talk talk;
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		begin_unbound(&talk, CONF_EPM_REWRITE);
		bind_ndr(&talk);
		ask_too_much(&talk, 1);
		tcp_reset(i ? talk.client : talk.server);
		fake_loop_settle(talk.play.stage.loop);
		assert_int_equal(svc_rpc_open(talk.play.svc), 0);
		close(i ? talk.server : talk.client);
		fake_loop_advance(talk.play.stage.loop, 10000);
		rpc_stage_end(&talk.play);
	}
}

static void an_answer_to_another_interface_is_not_read(void **state)
{
	struct pdu_bind bind = rpc_offer(&iface_mgmt.syntax, 0);
	struct talk talk;

	(void)state;
	rpc_stage_begin(&talk.play, CONF_EPM_REWRITE);
	rpc_stage_open(&talk.play);
	announce(&talk.play);
	connect_first(&talk);
	bind_by(&talk, rpc_bind(&bind, 1, true),
		rpc_ack(&bind, PDU_BIND_ACK, 9, 1, true));
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
	rpc_stage_pass(&talk.play, talk.server, talk.client, vector_04());
	assert_int_equal(leases_count(talk.play.stage.router.leases), 0);
	finish(&talk);
}

static void a_context_that_was_added_later_is_read(void **state)
{
	struct pdu_bind bind = rpc_offer(&iface_emsmdb.syntax, 0);
	struct talk talk;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind.context[0].id = 5;
	bind_by(&talk, rpc_bind(&bind, 1, true),
		rpc_ack(&bind, PDU_BIND_ACK, 9, 1, true));
	bind = rpc_offer(&iface_epm.syntax, 9);
	bind_by(&talk, rpc_alter(&bind, 2, true),
		rpc_ack(&bind, PDU_ALTER_ACK, 9, 2, true));
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
	rpc_stage_say(&talk.play, talk.server, vector_04());
	rpc_expect(talk.client,
		   patched(vector_04(), vport_of(&talk, &iface_emsmdb, REAL),
			   PORT_AT, ADDR_AT));
	finish(&talk);
}

static void a_fault_or_another_operation_passes(void **state)
{
	struct bytes handle = bytes_of("0123456789abcdefghij", EPM_HANDLE_LEN);
	struct talk talk;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	rpc_stage_pass(&talk.play, talk.server, talk.client,
		       rpc_fault(PDU_FAULT_ACCESS_DENIED, 1));
	assert_int_equal(rpc_stage_logged(&talk.play, "fault",
					  "server=cas1 interface=epm port=135 "
					  "status=ERROR_ACCESS_DENIED"),
			 1);
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       rpc_request(EPM_HANDLE_FREE, handle, 2, true));
	rpc_stage_pass(&talk.play, talk.server, talk.client,
		       rpc_response(handle, 0, 2, true));
	finish(&talk);
}

/* what an answer may tell */

static void rewrite_says_not_registered_of_what_clients_may_not_use(
	void **state)
{
	struct bytes answer, next;
	struct talk talk;
	struct pdu pdu;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       ask_map(&iface_mgmt, 4, true, 6, true));
	/* What comes behind it moves up. */
	next = rpc_fault(PDU_FAULT_NDR, 99);
	answer = rpc_response(map_one(&iface_mgmt, REAL, true), 0, 6, true);
	rpc_stage_say(&talk.play, talk.server, rpc_join(answer, next));
	answer = rpc_stage_hear(talk.client);
	assert_int_equal(pdu_read(answer, &pdu), 0);
	assert_int_equal(pdu.type, PDU_RESPONSE);
	assert_true(bytes_equal(
		bytes_of(answer.at + pdu.whole.len, answer.len - pdu.whole.len),
		next));
	/* Octet by octet what a mapper says that has it not. */
	assert_true(bytes_equal(
		bytes_of(pdu.body.at + 8 + 20, pdu.body.len - 8 - 20),
		bytes_of("\0\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0"
			 "\xd6\xa0\xc9\x16",
			 20)));
	assert_int_equal(leases_count(talk.play.stage.router.leases), 0);
	finish(&talk);
}

static void track_says_so_too_and_in_ndr64(void **state)
{
	struct bytes answer;
	uint8_t *copy;
	struct talk talk;

	(void)state;
	begin_unbound(&talk, CONF_EPM_TRACK);
	bind_ndr64(&talk);
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       rpc_vector("64_epm_map_req_ndr64_impacket.bin"));
	answer = rpc_vector("65_epm_map_resp_ndr64_scapy.bin");
	copy = rpc_copy(answer);
	copy[PORT64_AT - 59] ^= 0xff; /* EMSMDB's UUID */
	rpc_stage_say(&talk.play, talk.server, bytes_of(copy, answer.len));
	expect_not_registered(&talk, 2, true);
	assert_int_equal(leases_count(talk.play.stage.router.leases), 0);
	finish(&talk);
}

static void an_answer_waits_for_its_port_to_be_opened(void **state)
{
	struct talk talk;
	unsigned epm;

	(void)state;
	for (epm = CONF_EPM_REWRITE; epm <= CONF_EPM_TRACK; epm++) {
		struct announcement found[4];
		struct bytes answer;
		uint16_t vport = LATE;

		begin_asked(&talk, epm);
		answer = rpc_response(map_one(&iface_emsmdb, LATE, true), 0, 1,
				      true);
		rpc_stage_say(&talk.play, talk.server, answer);
		rpc_expect_silence(talk.client);
		/* Whoever opens ports has heard of it. */
		assert_true(talk.play.changes >= 1);
		assert_int_equal(
			announced_copy(talk.play.stage.router.announced, 0,
				       found, 4),
			4);
		fake_loop_advance(talk.play.stage.loop, 999);
		rpc_expect_silence(talk.client);
		rpc_stage_follow(&talk.play, VPORT);
		if (epm == CONF_EPM_REWRITE)
			vport = vport_of(&talk, &iface_emsmdb, LATE);
		assert_int_equal(
			read_tower(hear_map(&talk, 1, false).tower[0]).port,
			vport);
		expect_lease(&talk, vport, &iface_emsmdb, LATE);
		/* It is over: nothing comes twice. */
		fake_loop_advance(talk.play.stage.loop, 5000);
		rpc_expect_silence(talk.client);
		finish(&talk);
	}
}

static void an_answer_waits_no_longer_than_a_second(void **state)
{
	struct talk talk;
	struct bytes answer;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	answer = rpc_response(map_one(&iface_emsmdb, LATE, true), 0, 1, true);
	rpc_stage_say(&talk.play, talk.server, answer);
	fake_loop_advance(talk.play.stage.loop, 999);
	rpc_expect_silence(talk.client);
	fake_loop_advance(talk.play.stage.loop, 1);
	expect_not_registered(&talk, 1, false);
	assert_int_equal(rpc_stage_logged(&talk.play, "virtual-ports-exhausted",
					  "server=cas1 port=50007 "
					  "interface=emsmdb"),
			 1);
	finish(&talk);

	begin_asked(&talk, CONF_EPM_TRACK);
	rpc_stage_say(&talk.play, talk.server, answer);
	fake_loop_advance(talk.play.stage.loop, 999);
	rpc_expect_silence(talk.client);
	fake_loop_advance(talk.play.stage.loop, 1);
	rpc_expect(talk.client, answer);
	finish(&talk);
}

/* The server says no more: what it said last waits as any answer. */
static void an_answer_waits_though_its_server_closed_behind_it(void **state)
{
	struct bytes answer;
	struct talk talk;
	char octet;
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		begin_asked(&talk, CONF_EPM_REWRITE);
		answer = rpc_response(map_one(&iface_emsmdb, LATE, true), 0, 1,
				      true);
		tcp_write(talk.server, answer.at, answer.len);
		if (i) /* together, or one after the other */
			fake_loop_settle(talk.play.stage.loop);
		shutdown(talk.server, SHUT_WR);
		fake_loop_settle(talk.play.stage.loop);
		rpc_expect_silence(talk.client);
		rpc_stage_follow(&talk.play, VPORT);
		assert_int_equal(
			read_tower(hear_map(&talk, 1, false).tower[0]).port,
			vport_of(&talk, &iface_emsmdb, LATE));
		assert_int_equal(tcp_read(talk.client, &octet, 1), 0);
		finish(&talk);
	}
}

/* … and no longer. */
static void an_answer_of_a_server_that_closed_waits_a_second(void **state)
{
	struct bytes answer;
	struct talk talk;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	answer = rpc_response(map_one(&iface_emsmdb, LATE, true), 0, 1, true);
	rpc_stage_say(&talk.play, talk.server, answer);
	close(talk.server);
	fake_loop_advance(talk.play.stage.loop, 999);
	rpc_expect_silence(talk.client);
	fake_loop_advance(talk.play.stage.loop, 1);
	expect_not_registered(&talk, 1, false);
	rpc_expect_end(talk.client);
	rpc_stage_end(&talk.play);
}

/* Half an answer is not waited for. */
static void half_an_answer_goes_on_with_the_end_of_its_stream(void **state)
{
	struct bytes half;
	struct talk talk;
	char octet;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	half = bytes_of(vector_04().at, vector_04().len - 1);
	rpc_stage_say(&talk.play, talk.server, half);
	rpc_expect_silence(talk.client);
	shutdown(talk.server, SHUT_WR);
	fake_loop_settle(talk.play.stage.loop);
	rpc_expect(talk.client, half);
	assert_int_equal(tcp_read(talk.client, &octet, 1), 0);
	finish(&talk);
}

/* Nobody waits for what will not be. */
static void an_answer_does_not_wait_where_all_was_followed(void **state)
{
	struct announcement list[2 * VPORTS];
	struct bytes answer;
	struct talk talk;
	unsigned i;

	(void)state;
	/* The ports were used up before its turn came. */
	begin_asked(&talk, CONF_EPM_REWRITE);
	for (i = 0; i < 2 * VPORTS; i++)
		list[i] = (struct announcement){ iface_emsmdb.syntax,
						 (uint16_t)(LATE + i) };
	rpc_stage_announce(&talk.play, 0, list, 2 * VPORTS);
	rpc_stage_follow(&talk.play, VPORT);
	i = LATE + 2 * VPORTS - 1;
	assert_int_equal(rpc_stage_vport(&talk.play, 0, &iface_emsmdb.syntax,
					 (uint16_t)i),
			 0);
	answer = rpc_response(map_one(&iface_emsmdb, (uint16_t)i, true), 0, 1,
			      true);
	rpc_stage_say(&talk.play, talk.server, answer);
	expect_not_registered(&talk, 1, false);
	assert_int_equal(rpc_stage_logged(&talk.play, "virtual-ports-exhausted",
					  "server=cas1"),
			 1);
	/* But for what was announced since, it waits as ever. */
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
	rpc_stage_announce(&talk.play, 0, list, 2 * VPORTS - 1);
	rpc_stage_say(&talk.play, talk.server, answer);
	rpc_expect_silence(talk.client);
	rpc_stage_follow(&talk.play, VPORT);
	expect_not_registered(&talk, 1, false);
	finish(&talk);
}

/* Outside [rpc] range, say: it is announced and will never be open. */
static void a_tracked_answer_does_not_wait_for_a_port_that_stays_shut(void **s)
{
	struct portset none = { 0 };
	struct bytes answer;
	struct talk talk;

	(void)s;
	begin_asked(&talk, CONF_EPM_TRACK);
	answer = rpc_response(map_one(&iface_emsmdb, LATE, true), 0, 1, true);
	rpc_stage_say(&talk.play, talk.server, answer);
	rpc_expect_silence(talk.client);
	svc_rpc_set_open(&talk.play.shared, &none,
			 announced_changes(talk.play.stage.router.announced));
	svc_rpc_ports_opened(talk.play.svc);
	fake_loop_settle(talk.play.stage.loop);
	rpc_expect(talk.client, answer);
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
	rpc_stage_pass(&talk.play, talk.server, talk.client, answer);
	finish(&talk);
}

/* The next one does not wait as long as the first one already has. */
static void each_answer_has_a_second_of_its_own(void **state)
{
	struct talk talk;
	struct bytes answer;
	unsigned i;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	for (i = 0; i < 2; i++) {
		answer = rpc_response(map_one(&iface_emsmdb, LATE, true), 0, 1,
				      true);
		rpc_stage_say(&talk.play, talk.server, answer);
		fake_loop_advance(talk.play.stage.loop, 990);
		rpc_expect_silence(talk.client);
		fake_loop_advance(talk.play.stage.loop, 10);
		expect_not_registered(&talk, 1, false);
		rpc_stage_pass(&talk.play, talk.client, talk.server,
			       rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
	}
	finish(&talk);
}

static void two_clients_wait_at_once_each_for_its_own(void **state)
{
	struct talk talk;
	struct bytes answer;
	int client, server;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	client = rpc_stage_client(1, EPM_PORT);
	fake_loop_settle(talk.play.stage.loop);
	server = rpc_stage_accept(talk.play.stage.listening[0][0]);
	rpc_stage_pass(&talk.play, client, server,
		       rpc_vector("01_epm_bind.bin"));
	rpc_stage_pass(&talk.play, server, client,
		       rpc_vector("02_epm_bind_ack.bin"));
	rpc_stage_pass(&talk.play, client, server,
		       rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));

	answer = rpc_response(map_one(&iface_emsmdb, LATE, true), 0, 1, true);
	rpc_stage_say(&talk.play, talk.server, answer);
	fake_loop_advance(talk.play.stage.loop, 500);
	rpc_stage_say(&talk.play, server, answer);
	fake_loop_advance(talk.play.stage.loop, 500);
	expect_not_registered(&talk, 1, false);
	rpc_expect_silence(client);
	/* At most a tenth late. */
	fake_loop_advance(talk.play.stage.loop, 600);
	assert_true(rpc_stage_hear(client).len > 0);
	close(client);
	close(server);
	finish(&talk);
}

static void whoever_leaves_while_an_answer_waits_leaves_nothing(void **state)
{
	struct talk talk;
	struct bytes answer;
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		begin_asked(&talk, CONF_EPM_REWRITE);
		answer = rpc_response(map_one(&iface_emsmdb, LATE, true), 0, 1,
				      true);
		rpc_stage_say(&talk.play, talk.server, answer);
		tcp_reset(i ? talk.client : talk.server);
		fake_loop_settle(talk.play.stage.loop);
		assert_int_equal(svc_rpc_open(talk.play.svc), 0);
		close(i ? talk.server : talk.client);
		rpc_stage_follow(&talk.play, VPORT);
		fake_loop_advance(talk.play.stage.loop, 2000);
		assert_int_equal(talk.play.shared.connections, 0);
		rpc_stage_end(&talk.play);
	}
}

static void a_client_is_let_in_before_it_is_told(void **state)
{
	struct talk talk;

	(void)state;
	talk.is_little = true;
	rpc_stage_begin(&talk.play, CONF_EPM_REWRITE);
	talk.play.stage.conf->rpc.admit = CONF_ADMIT_LEASED;
	rpc_stage_open(&talk.play);
	announce(&talk.play);
	connect_first(&talk);
	bind_ndr(&talk);
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
	talk.play.unheard = talk.client;
	rpc_stage_say(&talk.play, talk.server, vector_04());
	assert_int_equal(talk.play.nadmitted, 1);
	assert_int_equal(talk.play.admitted[0],
			 vport_of(&talk, &iface_emsmdb, REAL));
	assert_int_equal(rpc_stage_hear(talk.client).len, vector_04().len);

	/* Where the kernel refuses, it is not told. */
	talk.play.admit_err = ERR_MEMORY;
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
	rpc_stage_say(&talk.play, talk.server, vector_04());
	expect_not_registered(&talk, 1, false);
	assert_int_equal(
		rpc_stage_logged(&talk.play, "lease-refused", "server=cas1"),
		1);
	finish(&talk);
}

/* authenticated conversations */

static struct bytes signed_04(uint8_t level)
{
	return rpc_signed(vector_04(), 10, level,
			  bytes_of("sixteen  octets.", 16));
}

static void a_signed_answer_passes_with_a_lease_of_the_real_port(void **state)
{
	struct talk talk;
	unsigned level;

	(void)state;
	for (level = PDU_AUTH_CALL; level <= PDU_AUTH_INTEGRITY; level++) {
		begin_asked(&talk, CONF_EPM_REWRITE);
		rpc_stage_say(&talk.play, talk.server,
			      signed_04((uint8_t)level));
		/* The real port will never be open: it does not wait. */
		rpc_expect(talk.client, signed_04((uint8_t)level));
		expect_lease(&talk, REAL, &iface_emsmdb, REAL);
		assert_int_equal(rpc_stage_logged(&talk.play,
						  "mapper-answers-signed",
						  "server=cas1"),
				 1);
		finish(&talk);
	}
}

static void an_answer_of_level_connect_is_rewritten(void **state)
{
	struct bytes answer = signed_04(PDU_AUTH_CONNECT);
	struct talk talk;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	rpc_stage_say(&talk.play, talk.server, answer);
	rpc_expect(talk.client,
		   patched(answer, vport_of(&talk, &iface_emsmdb, REAL),
			   PORT_AT, ADDR_AT));
	finish(&talk);
}

static void a_sealed_answer_lets_the_client_in_for_all_announced(void **state)
{
	struct bytes answer = signed_04(PDU_AUTH_PRIVACY);
	struct talk talk;
	unsigned i;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	/* Nothing of it can be read. */
	memset((uint8_t *)(uintptr_t)answer.at + 24, 0xee, 128);
	for (i = 0; i < 2; i++) {
		rpc_stage_pass(&talk.play, talk.server, talk.client, answer);
		rpc_stage_pass(&talk.play, talk.client, talk.server,
			       rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
	}
	expect_lease(&talk, REAL, &iface_emsmdb, REAL);
	assert_int_equal(leases_count(talk.play.stage.router.leases), 2);
	assert_int_equal(rpc_stage_logged(&talk.play, "mapper-answers-sealed",
					  "server=cas1"),
			 1);
	finish(&talk);
}

/* ept_lookup */

static const struct listed mixed[] = {
	{ &iface_epm, EPM_PORT, TOWER_TCP },
	{ &iface_mgmt, 50009, TOWER_TCP },
	{ &iface_emsmdb, REAL, TOWER_TCP },
	{ &iface_emsmdb, 6001, TOWER_HTTP },
	{ &iface_mgmt, 50010, TOWER_TCP },
	{ &iface_nspi, BOOK, TOWER_TCP },
};
#define NMIXED 6
static const struct listed only_mgmt[] = { { &iface_mgmt, 50009, TOWER_TCP } };

static struct bytes listing(const struct listed *list, uint32_t n, uint8_t mark,
			    bool is_little)
{
	struct builder out = rpc_room(true);

	return mapper_listing(out.at, list, n, mark, 0, is_little);
}

static void bind_in_order(struct talk *talk)
{
	struct pdu_bind bind = rpc_offer(&iface_epm.syntax, 0);

	bind_by(talk, rpc_bind(&bind, 1, talk->is_little),
		rpc_ack(&bind, PDU_BIND_ACK, 9, 1, talk->is_little));
}

static void ask_for_list(struct talk *talk, uint32_t call_id)
{
	rpc_stage_pass(&talk->play, talk->client, talk->server,
		       ask_lookup(0, call_id, talk->is_little));
}

static struct epm_entry heard_entry[EPM_ENTRIES_MAX];

static struct epm_lookup_reply hear_list(struct talk *talk, uint32_t call_id)
{
	struct bytes heard = rpc_stage_hear(talk->client);
	struct ndr form = { .little = true };
	struct epm_lookup_reply reply;
	struct pdu pdu;

	assert_int_equal(pdu_read(heard, &pdu), 0);
	form.little = pdu.little;
	assert_int_equal(epm_lookup_reply_read(stub_of(heard, call_id), form,
					       heard_entry, EPM_ENTRIES_MAX,
					       &reply),
			 0);
	return reply;
}

static void expect_entry(unsigned i, const struct iface *iface, uint16_t port)
{
	struct tower tower = read_tower(heard_entry[i].tower);

	assert_true(syntax_equal(&tower.interface, &iface->syntax));
	assert_int_equal(tower.port, port);
	assert_memory_equal(tower.addr.octet, vip, 4);
	assert_true(bytes_equal(heard_entry[i].annotation,
				bytes_of("a service", 9)));
}

/* In any fragments, in either byte order. */
static void a_list_is_rewritten_without_what_clients_may_not_use(void **state)
{
	static const size_t most[] = { 0, 40, 333 };
	struct epm_lookup_reply reply;
	struct talk talk;
	unsigned i;

	(void)state;
	for (i = 0; i < 6; i++) {
		begin_unbound(&talk, CONF_EPM_REWRITE);
		talk.is_little = i % 2;
		bind_in_order(&talk);
		ask_for_list(&talk, 3);
		rpc_stage_say(&talk.play, talk.server,
			      rpc_response(listing(mixed, NMIXED, 0x42,
						   talk.is_little),
					   most[i / 2], 3, talk.is_little));
		reply = hear_list(&talk, 3);
		assert_int_equal(reply.nentries, 3);
		assert_int_equal(reply.status, 0);
		/* The client sends it back as it understood it. */
		assert_int_equal(reply.handle.octet[4], 0x42);
		expect_entry(0, &iface_emsmdb,
			     vport_of(&talk, &iface_emsmdb, REAL));
		expect_entry(1, &iface_emsmdb, 6001);
		expect_entry(2, &iface_nspi,
			     vport_of(&talk, &iface_nspi, BOOK));
		assert_int_equal(leases_count(talk.play.stage.router.leases),
				 2);
		finish(&talk);
	}
}

/* The octets of a handle mean what the byte order says that they stand in. */
static void a_list_made_anew_keeps_the_byte_order_of_its_handle(void **state)
{
	struct bytes heard;
	struct talk talk;
	struct pdu pdu;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	talk.is_little = false;
	bind_in_order(&talk);
	ask_for_list(&talk, 3);
	rpc_stage_say(
		&talk.play, talk.server,
		rpc_response(listing(mixed, NMIXED, 0x42, false), 0, 3, false));
	heard = rpc_stage_hear(talk.client);
	assert_int_equal(pdu_read(heard, &pdu), 0);
	assert_false(pdu.little);
	finish(&talk);
}

static void a_list_without_anything_forbidden_keeps_every_other_octet(
	void **state)
{
	static const struct listed list[] = {
		{ &iface_emsmdb, REAL, TOWER_TCP },
		{ &iface_nspi, BOOK, TOWER_TCP },
	};
	struct bytes stub = listing(list, 2, 0, true), heard;
	struct talk talk;
	unsigned i, differ = 0;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	ask_for_list(&talk, 3);
	rpc_stage_say(&talk.play, talk.server, rpc_response(stub, 0, 3, true));
	heard = stub_of(rpc_stage_hear(talk.client), 3);
	assert_int_equal(heard.len, stub.len);
	for (i = 0; i < stub.len; i++)
		differ += heard.at[i] != stub.at[i];
	/* Two ports and two addresses, of which 0.0.0.0 has a zero that
	 * stays. */
	assert_true(differ >= 2 + 6 && differ <= 4 + 6);
	finish(&talk);

	begin_unbound(&talk, CONF_EPM_TRACK);
	bind_ndr(&talk);
	ask_for_list(&talk, 3);
	stub = listing(list, 2, 0, true);
	rpc_stage_pass(&talk.play, talk.server, talk.client,
		       rpc_response(stub, 50, 3, true));
	expect_lease(&talk, REAL, &iface_emsmdb, REAL);
	expect_lease(&talk, BOOK, &iface_nspi, BOOK);
	finish(&talk);
}

static void a_list_of_nothing_else_is_not_registered(void **state)
{
	struct epm_lookup_reply reply;
	struct talk talk;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	ask_for_list(&talk, 3);
	rpc_stage_say(&talk.play, talk.server,
		      rpc_response(listing(only_mgmt, 1, 0, true), 0, 3, true));
	reply = hear_list(&talk, 3);
	assert_int_equal(reply.nentries, 0);
	assert_int_equal(reply.status, EPM_NOT_REGISTERED);
	assert_true(epm_handle_is_nil(&reply.handle));
	finish(&talk);
}

/* A page from which everything was taken out must not end the list. */
static void an_empty_page_of_a_list_that_goes_on_is_filled_in(void **state)
{
	struct epm_lookup_reply reply;
	struct tower tower;
	struct talk talk;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	ask_for_list(&talk, 3);
	rpc_stage_say(
		&talk.play, talk.server,
		rpc_response(listing(only_mgmt, 1, 0x42, true), 0, 3, true));
	reply = hear_list(&talk, 3);
	assert_int_equal(reply.nentries, 1);
	assert_int_equal(reply.status, 0);
	assert_int_equal(reply.handle.octet[4], 0x42);
	/* What it reads there it may use. */
	tower = read_tower(heard_entry[0].tower);
	assert_true(syntax_equal(&tower.interface, &iface_emsmdb.syntax));
	assert_int_equal(tower.port, vport_of(&talk, &iface_emsmdb, REAL));
	expect_lease(&talk, tower.port, &iface_emsmdb, REAL);

	/* And the list does go on. */
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       ask_lookup(0x42, 4, true));
	rpc_stage_say(&talk.play, talk.server,
		      rpc_response(listing(mixed + 5, 1, 0, true), 0, 4, true));
	reply = hear_list(&talk, 4);
	assert_int_equal(reply.nentries, 1);
	expect_entry(0, &iface_nspi, vport_of(&talk, &iface_nspi, BOOK));
	finish(&talk);
}

static void a_signed_list_passes_whole(void **state)
{
	struct bytes answer;
	struct talk talk;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	ask_for_list(&talk, 3);
	answer = rpc_signed(
		rpc_response(listing(mixed, NMIXED, 0, true), 0, 3, true), 9,
		PDU_AUTH_INTEGRITY, bytes_of("signature", 9));
	rpc_stage_say(&talk.play, talk.server, answer);
	rpc_expect(talk.client, answer);
	expect_lease(&talk, REAL, &iface_emsmdb, REAL);
	expect_lease(&talk, 50009, &iface_mgmt, 0);
	finish(&talk);
}

/* An unsigned one that must keep its length names nobody in their place. */
static void a_list_of_level_connect_shows_only_what_is_allowed(void **state)
{
	struct bytes answer;
	struct epm_lookup_reply reply;
	struct tower tower;
	struct talk talk;
	unsigned i, mgmt = 0;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	ask_for_list(&talk, 3);
	answer = rpc_signed(
		rpc_response(listing(mixed, NMIXED, 0, true), 0, 3, true), 9,
		PDU_AUTH_CONNECT, bytes_of("verifier", 8));
	rpc_stage_say(&talk.play, talk.server, answer);
	reply = hear_list(&talk, 3);
	assert_int_equal(reply.nentries, NMIXED);
	for (i = 0; i < NMIXED; i++) {
		tower = read_tower(heard_entry[i].tower);
		mgmt += iface_of(&tower.interface) == &iface_mgmt;
		assert_true(tower.port != 50009 && tower.port != 50010);
	}
	assert_int_equal(mgmt, 0);
	expect_entry(2, &iface_emsmdb, vport_of(&talk, &iface_emsmdb, REAL));
	finish(&talk);
}

/* <list> in NDR64: [MS-RPCE] 2.2.5 has pointers and counts of 64 bits. */
static struct bytes listing64(const struct listed *list, uint32_t n)
{
	struct builder out = rpc_room(true);
	uint32_t i;

	builder_zero(&out, EPM_HANDLE_LEN);
	builder_u32(&out, n);
	builder_align(&out, 8);
	builder_u64(&out, 100);
	builder_u64(&out, 0);
	builder_u64(&out, n);
	for (i = 0; i < n; i++) {
		builder_align(&out, 8);
		builder_zero(&out, UUID_LEN);
		builder_u64(&out, 3 + i);
		builder_u64(&out, 0);
		builder_u64(&out, 1);
		builder_u8(&out, 0);
	}
	for (i = 0; i < n; i++) {
		struct bytes tower =
			tower_of(&list[i].iface->syntax, list[i].port);

		builder_align(&out, 8);
		builder_u64(&out, tower.len);
		builder_u32(&out, (uint32_t)tower.len);
		builder_put(&out, tower);
	}
	builder_align(&out, 4);
	builder_u32(&out, 0);
	return rpc_built(&out);
}

static void a_list_in_ndr64_shows_only_what_is_allowed(void **state)
{
	static const struct listed list[] = {
		{ &iface_mgmt, 50009, TOWER_TCP },
		{ &iface_emsmdb, REAL, TOWER_TCP },
	};
	struct ndr form = { .little = true, .is_64 = true };
	struct bytes stub = listing64(list, 2), request, heard;
	struct epm_lookup_reply reply;
	struct builder ask = rpc_room(true);
	struct tower tower;
	struct talk talk;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr64(&talk);
	builder_zero(&ask, 76); /* all, no object, no interface */
	request = rpc_request(EPM_LOOKUP, rpc_built(&ask), 2, true);
	((uint8_t *)(uintptr_t)request.at)[20] = 1; /* the context */
	rpc_stage_pass(&talk.play, talk.client, talk.server, request);
	rpc_stage_say(&talk.play, talk.server, rpc_response(stub, 0, 2, true));
	heard = stub_of(rpc_stage_hear(talk.client), 2);
	assert_int_equal(heard.len, stub.len);
	assert_int_equal(epm_lookup_reply_read(heard, form, heard_entry,
					       EPM_ENTRIES_MAX, &reply),
			 0);
	assert_int_equal(reply.nentries, 2);
	tower = read_tower(heard_entry[0].tower);
	assert_true(uuid_is_nil(&tower.interface.uuid));
	assert_int_equal(tower.port, 0);
	tower = read_tower(heard_entry[1].tower);
	assert_int_equal(tower.port, vport_of(&talk, &iface_emsmdb, REAL));
	finish(&talk);
}

/* hostile and unlucky */

static void what_cannot_be_read_passes_and_is_said(void **state)
{
	struct bytes answer = vector_04(), stub;
	struct talk talk;
	uint8_t *copy = rpc_copy(answer);

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	copy[52] = 9; /* more towers than it has */
	rpc_stage_pass(&talk.play, talk.server, talk.client,
		       bytes_of(copy, answer.len));
	assert_int_equal(rpc_stage_logged(&talk.play, "mapper-answer-unread",
					  "server=cas1"),
			 1);
	/* The conversation goes on, and the next one is read. */
	rpc_stage_pass(&talk.play, talk.client, talk.server,
		       rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
	stub = map_one(&iface_emsmdb, REAL, true);
	rpc_stage_say(&talk.play, talk.server, rpc_response(stub, 0, 1, true));
	assert_int_equal(read_tower(hear_map(&talk, 1, false).tower[0]).port,
			 vport_of(&talk, &iface_emsmdb, REAL));
	finish(&talk);
}

/* Whatever bit is turned: as many octets come out, or the answer that there is
 * nothing; and none is kept for ever. */
static void an_answer_with_any_bit_turned_does_no_harm(void **state)
{
	struct talk talk;
	size_t bit, len = vector_04().len;

	(void)state;
	for (bit = 24 * 8; bit < len * 8; bit += 3) {
		uint8_t *copy = rpc_copy(vector_04());
		size_t heard;

		begin_asked(&talk, CONF_EPM_REWRITE);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		rpc_stage_say(&talk.play, talk.server, bytes_of(copy, len));
		fake_loop_advance(talk.play.stage.loop, 1000);
		heard = rpc_stage_hear(talk.client).len;
		assert_true(heard == len || heard == 64);
		finish(&talk);
	}
}

static void an_answer_that_never_ends_is_let_go(void **state)
{
	static const uint8_t stub[4000];
	struct bytes piece;
	struct talk talk;
	size_t said = 0, heard = 0;
	uint8_t *copy;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	while (said < RELAY_HELD_MAX) {
		piece = rpc_response(bytes_of(stub, sizeof(stub)), 0, 1, true);
		copy = rpc_copy(piece);
		copy[3] = said ? 0 : PDU_FIRST;
		rpc_stage_say(&talk.play, talk.server,
			      bytes_of(copy, piece.len));
		said += piece.len;
		heard += rpc_stage_hear(talk.client).len;
	}
	assert_int_equal(heard, said);
	assert_int_equal(
		rpc_stage_logged(&talk.play, "mapper-answer-unread", ""), 1);
	finish(&talk);
}

/* A list as long as answers get is read all the same. */
static void the_longest_list_is_read(void **state)
{
	static struct listed list[EPM_ENTRIES_MAX];
	struct epm_lookup_reply reply;
	struct talk talk;
	unsigned i;

	(void)state;
	begin_unbound(&talk, CONF_EPM_REWRITE);
	bind_ndr(&talk);
	for (i = 0; i < EPM_ENTRIES_MAX; i++)
		list[i] = i % 2 ? mixed[2] : mixed[1];
	ask_for_list(&talk, 3);
	rpc_stage_say(&talk.play, talk.server,
		      rpc_response(listing(list, EPM_ENTRIES_MAX, 0x42, true),
				   4256, 3, true));
	reply = hear_list(&talk, 3);
	assert_int_equal(reply.nentries, EPM_ENTRIES_MAX / 2);
	for (i = 0; i < reply.nentries; i++)
		expect_entry(i, &iface_emsmdb,
			     vport_of(&talk, &iface_emsmdb, REAL));
	finish(&talk);
}

static void without_memory_a_conversation_passes_or_ends(void *ctx)
{
	struct talk *talk = ctx;
	int client = rpc_stage_client(1, EPM_PORT), server;

	fake_loop_settle(talk->play.stage.loop);
	server = stage_accept(talk->play.stage.listening[0][0]);
	if (server >= 0) {
		tcp_write(client, rpc_vector("01_epm_bind.bin").at, 72);
		fake_loop_settle(talk->play.stage.loop);
		close(server);
	}
	close(client);
	fake_loop_settle(talk->play.stage.loop);
}

static void refused_memory_leaves_nothing_behind(void **state)
{
	struct talk talk;

	(void)state;
	begin_asked(&talk, CONF_EPM_REWRITE);
	assert_true(alloc_each_fails(
			    &talk,
			    without_memory_a_conversation_passes_or_ends) > 0);
	assert_int_equal(svc_rpc_open(talk.play.svc), 1);
	finish(&talk);
}

#define test(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(rewrite_changes_port_and_address_and_no_other_octet),
		test(rewrite_takes_what_samba_marshals_just_as_well),
		test(track_changes_nothing_and_remembers_the_port),
		test(pass_neither_reads_nor_remembers),
		test(static_ports_get_no_leases_and_are_never_rewritten),
		test(of_a_port_for_http_only_the_address_is_changed),
		test(not_registered_stays_the_answer_that_it_is),
		test(ndr64_is_read_where_the_server_accepted_it),
		test(either_byte_order_is_read),
		test(an_answer_is_read_wherever_the_stream_is_cut),
		test(a_conversation_octet_by_octet_is_read),
		test(a_conversation_in_one_segment_each_way_is_read),
		test(an_answer_in_fragments_is_changed_where_its_octets_are),
		test(no_fragment_passes_before_the_last_has_come),
		test(every_tower_of_an_answer_is_rewritten),
		test(a_tower_that_two_pointers_name_is_rewritten_once),
		test(an_alias_goes_the_way_of_its_tower),
		test(of_several_towers_the_client_reads_what_it_can_use),
		test(a_question_without_object_or_for_no_tower_passes),
		test(a_handle_that_goes_on_stays_the_servers),
		test(questions_behind_one_another_get_their_own_answers),
		test(a_question_too_many_is_asked_when_one_was_answered),
		test(a_client_that_asks_on_and_on_is_slowed_down),
		test(a_call_that_ends_otherwise_makes_room_too),
		test(a_call_without_an_answer_owed_gives_way),
		test(a_question_too_many_waits_five_seconds_at_most),
		test(whoever_leaves_while_a_question_waits_leaves_nothing),
		test(an_answer_to_another_interface_is_not_read),
		test(a_context_that_was_added_later_is_read),
		test(a_fault_or_another_operation_passes),
		test(rewrite_says_not_registered_of_what_clients_may_not_use),
		test(track_says_so_too_and_in_ndr64),
		test(an_answer_waits_for_its_port_to_be_opened),
		test(an_answer_waits_no_longer_than_a_second),
		test(an_answer_waits_though_its_server_closed_behind_it),
		test(an_answer_of_a_server_that_closed_waits_a_second),
		test(half_an_answer_goes_on_with_the_end_of_its_stream),
		test(an_answer_does_not_wait_where_all_was_followed),
		test(a_tracked_answer_does_not_wait_for_a_port_that_stays_shut),
		test(each_answer_has_a_second_of_its_own),
		test(two_clients_wait_at_once_each_for_its_own),
		test(whoever_leaves_while_an_answer_waits_leaves_nothing),
		test(a_client_is_let_in_before_it_is_told),
		test(a_signed_answer_passes_with_a_lease_of_the_real_port),
		test(an_answer_of_level_connect_is_rewritten),
		test(a_sealed_answer_lets_the_client_in_for_all_announced),
		test(a_list_is_rewritten_without_what_clients_may_not_use),
		test(a_list_made_anew_keeps_the_byte_order_of_its_handle),
		test(a_list_without_anything_forbidden_keeps_every_other_octet),
		test(a_list_of_nothing_else_is_not_registered),
		test(an_empty_page_of_a_list_that_goes_on_is_filled_in),
		test(a_signed_list_passes_whole),
		test(a_list_of_level_connect_shows_only_what_is_allowed),
		test(a_list_in_ndr64_shows_only_what_is_allowed),
		test(what_cannot_be_read_passes_and_is_said),
		test(an_answer_with_any_bit_turned_does_no_harm),
		test(an_answer_that_never_ends_is_let_go),
		test(the_longest_list_is_read),
		test(refused_memory_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, stage_group_begin,
				      stage_group_end);
}
