/*
 * test_answer.c - the balancer is the endpoint mapper (epm = answer).
 *
 * No server listens on 135 here, unless a test says so.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../helper/alloc.h"
#include "../helper/tcp.h"
#include "fake_loop.h"
#include "rpc_stage.h"
#include "wire/epm.h"
#include "wire/iface.h"

#define REAL	50000
#define BOOK	50001
#define VPORT	20000
#define IDLE_MS 300000

#define NO_CONTEXT 0x1c00001cu /* nca_s_invalid_pres_context_id */

static const uint8_t vip[4] = { 127, 68, 0, 10 };
static const struct syntax ndr_features = {
	{ 0x6cb71c2c, 0x9812, 0x4540, { 3 } }, 1, 0
};

struct talk {
	struct rpc_stage play;
	int client;
};

/* Every server has the four interfaces, on the same ports. */
static void announce(struct rpc_stage *play)
{
	struct announcement list[] = {
		{ iface_emsmdb.syntax, REAL },
		{ iface_async_emsmdb.syntax, REAL },
		{ iface_nspi.syntax, BOOK },
		{ iface_rfr.syntax, BOOK },
		{ iface_mgmt.syntax, BOOK }, /* not for clients */
	};
	unsigned i;

	/* Ten virtual ports are enough for two servers. */
	for (i = 0; i < 2; i++)
		rpc_stage_announce(play, i, list, 5);
	rpc_stage_follow(play, VPORT);
}

static void open_stage(struct talk *talk)
{
	rpc_stage_open(&talk->play);
	announce(&talk->play);
}

static void begin_stage(struct talk *talk)
{
	rpc_stage_begin(&talk->play, CONF_EPM_ANSWER);
	talk->play.stage.conf->rpc.any_interface = false;
}

static void settle(struct talk *talk)
{
	fake_loop_settle(talk->play.stage.loop);
}

/* The first client is connected, and will be cas1's. */
static void begin(struct talk *talk)
{
	begin_stage(talk);
	open_stage(talk);
	talk->client = rpc_stage_client(1, EPM_PORT);
	settle(talk);
}

static void finish(struct talk *talk)
{
	close(talk->client);
	settle(talk);
	rpc_stage_end(&talk->play);
}

static unsigned logged(const struct talk *talk, const char *event,
		       const char *fields)
{
	return rpc_stage_logged(&talk->play, event, fields);
}

/* Say it, and read the only PDU that comes back. */
static struct pdu exchange(struct talk *talk, struct bytes octets, uint8_t type)
{
	rpc_stage_say(&talk->play, talk->client, octets);
	return rpc_only(rpc_stage_hear(talk->client), type);
}

static struct pdu_bind_ack bind_by(struct talk *talk, struct bytes bind)
{
	struct pdu_bind_ack ack;
	struct pdu pdu = exchange(talk, bind, PDU_BIND_ACK);

	assert_int_equal(pdu_bind_ack_read(&pdu, &ack), 0);
	assert_int_equal(pdu.call_id, rpc_only(bind, PDU_BIND).call_id);
	return ack;
}

static void begin_bound(struct talk *talk)
{
	begin(talk);
	bind_by(talk, rpc_vector("01_epm_bind.bin"));
}

static struct bytes ask_map(const struct iface *iface, uint32_t max_towers,
			    enum tower_protocol protocol, bool is_little)
{
	struct builder out = rpc_room(is_little), tower = rpc_room(true);
	struct epm_map_request map = { .max_towers = max_towers };

	tower_write(&tower, protocol, &iface->syntax, 0, NULL);
	map.tower = rpc_built(&tower);
	epm_map_request_write(&out, &map);
	return rpc_request(EPM_MAP, rpc_built(&out), 5, is_little);
}

static struct bytes stub_of(const struct pdu *pdu)
{
	struct pdu_response response;

	assert_int_equal(pdu_response_read(pdu, &response), 0);
	return response.stub;
}

static struct epm_map_reply map_by(struct talk *talk, struct bytes request)
{
	struct pdu pdu = exchange(talk, request, PDU_RESPONSE);
	struct ndr form = { .little = pdu.little };
	struct epm_map_reply reply;

	assert_int_equal(pdu.little, rpc_only(request, PDU_REQUEST).little);
	assert_int_equal(pdu.call_id, rpc_only(request, PDU_REQUEST).call_id);
	assert_int_equal(epm_map_reply_read(stub_of(&pdu), form, &reply), 0);
	assert_true(epm_handle_is_nil(&reply.handle));
	return reply;
}

static void expect_fault(struct talk *talk, struct bytes request,
			 uint32_t status)
{
	struct pdu pdu = exchange(talk, request, PDU_FAULT);
	struct pdu_fault fault;

	assert_int_equal(pdu_fault_read(&pdu, &fault), 0);
	assert_int_equal(fault.status, status);
	assert_int_equal(pdu.call_id, rpc_only(request, PDU_REQUEST).call_id);
}

static void expect_tower(struct bytes at, const struct iface *iface,
			 uint16_t port)
{
	struct tower tower;

	assert_int_equal(tower_read(at, &tower), 0);
	assert_true(syntax_equal(&tower.interface, &iface->syntax));
	assert_int_equal(tower.protocol, TOWER_TCP);
	assert_int_equal(tower.port, port);
	assert_memory_equal(tower.addr.octet, vip, sizeof(vip));
}

static uint16_t vport_of(struct talk *talk, unsigned server,
			 const struct iface *iface, uint16_t port)
{
	uint16_t vport =
		rpc_stage_vport(&talk->play, server, &iface->syntax, port);

	assert_true(vport >= VPORT && vport < VPORT + 10);
	return vport;
}

static void expect_not_registered(struct talk *talk, struct bytes request)
{
	struct epm_map_reply reply = map_by(talk, request);

	assert_int_equal(reply.ntowers, 0);
	assert_int_equal(reply.status, EPM_NOT_REGISTERED);
}

/* binds */

static void a_question_is_answered_without_any_server(void **state)
{
	struct pdu_bind_ack ack;
	struct epm_map_reply reply;
	struct talk talk;
	uint16_t vport;

	(void)state;
	begin(&talk);
	ack = bind_by(&talk, rpc_vector("01_epm_bind.bin"));
	assert_int_not_equal(ack.assoc_group, 0);
	assert_true(bytes_equal(ack.address, bytes_of("135", 3)));
	assert_int_equal(ack.nresults, 1);
	assert_int_equal(ack.result[0].result, PDU_ACCEPT);
	assert_true(syntax_equal(&ack.result[0].transfer, &syntax_ndr));
	assert_in_range(ack.max_xmit, 1432, PDU_FRAG_MAX);
	assert_int_equal(ack.max_xmit, ack.max_recv);

	vport = vport_of(&talk, 0, &iface_emsmdb, REAL);
	reply = map_by(&talk, rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));
	assert_int_equal(reply.status, 0);
	assert_int_equal(reply.ntowers, 1);
	expect_tower(reply.tower[0], &iface_emsmdb, vport);
	rpc_stage_expect_lease(&talk.play, 1, vport, &iface_emsmdb.syntax, 0,
			       REAL);
	/* The client is cas1's from now on. */
	assert_int_equal(affinity_count(talk.play.stage.router.affinity), 1);
	close(talk.client);
	settle(&talk);
	/* In its name: nothing was dialled. */
	assert_int_equal(
		logged(&talk, "open", "port=135 server=cas1 why=answered"), 1);
	assert_int_equal(logged(&talk, "open", "to=127.68.0.11:135"), 0);
	assert_int_equal(logged(&talk, "close",
				"port=135 server=cas1 bytes-in=228 "
				"reason=client-closed"),
			 1);
	assert_int_equal(talk.play.stage.journal.n, 2);
	rpc_stage_end(&talk.play);
}

static void ndr64_and_bind_time_features_are_declined(void **state)
{
	struct pdu_bind_ack ack;
	struct talk talk;

	(void)state;
	begin(&talk);
	ack = bind_by(&talk, rpc_vector("30_epm_bind_windows_style_3ctx.bin"));
	assert_int_equal(ack.nresults, 3);
	assert_int_equal(ack.result[0].result, PDU_ACCEPT);
	assert_true(syntax_equal(&ack.result[0].transfer, &syntax_ndr));
	assert_int_equal(ack.result[1].result, PDU_PROVIDER_REJECT);
	assert_int_equal(ack.result[1].reason, PDU_REASON_TRANSFER);
	assert_int_equal(ack.result[2].result, PDU_NEGOTIATE_ACK);
	assert_int_equal(ack.result[2].reason, 0); /* none of the features */
	assert_int_equal(
		map_by(&talk, ask_map(&iface_emsmdb, 4, TOWER_TCP, true))
			.ntowers,
		1);
	finish(&talk);
}

static void ndr_is_found_among_the_syntaxes_of_a_context(void **state)
{
	struct pdu_bind bind = rpc_offer(&iface_epm.syntax, 0);
	struct pdu_bind_ack ack;
	struct talk talk;

	(void)state;
	begin(&talk);
	bind.context[0].ntransfer = 2;
	bind.context[0].transfer[0] = syntax_ndr64;
	bind.context[0].transfer[1] = syntax_ndr;
	ack = bind_by(&talk, rpc_bind(&bind, 1, true));
	assert_int_equal(ack.result[0].result, PDU_ACCEPT);
	assert_true(syntax_equal(&ack.result[0].transfer, &syntax_ndr));
	finish(&talk);
}

static void other_interfaces_are_rejected_as_unknown(void **state)
{
	struct pdu_bind bind = rpc_offer(&iface_emsmdb.syntax, 0);
	struct pdu_bind_ack ack;
	struct talk talk;

	(void)state;
	begin(&talk);
	bind.context[1] = bind.context[0];
	bind.context[1].id = 1;
	bind.context[1].abstract = iface_epm.syntax;
	bind.context[1].abstract.major = 4; /* no such version */
	bind.context[2] = bind.context[0];
	bind.context[2].id = 2;
	bind.context[2].abstract = iface_mgmt.syntax;
	bind.context[2].transfer[0] = ndr_features;
	bind.ncontexts = 3;
	ack = bind_by(&talk, rpc_bind(&bind, 1, true));
	assert_int_equal(ack.nresults, 3);
	assert_int_equal(ack.result[0].result, PDU_PROVIDER_REJECT);
	assert_int_equal(ack.result[0].reason, PDU_REASON_ABSTRACT);
	assert_int_equal(ack.result[1].result, PDU_PROVIDER_REJECT);
	assert_int_equal(ack.result[1].reason, PDU_REASON_ABSTRACT);
	/* What was not accepted cannot be asked. */
	expect_fault(&talk, ask_map(&iface_emsmdb, 4, TOWER_TCP, true),
		     NO_CONTEXT);
	finish(&talk);
}

static void dcom_activation_is_rejected_and_said_once(void **state)
{
	const struct iface *dcom = iface_find("system-activator");
	struct pdu_bind bind = rpc_offer(&iface_epm.syntax, 0);
	struct pdu_bind_ack ack;
	struct talk talk;
	unsigned i;

	(void)state;
	assert_non_null(dcom);
	begin(&talk);
	bind.context[1] = bind.context[0];
	bind.context[1].id = 1;
	bind.context[1].abstract = dcom->syntax;
	bind.ncontexts = 2;
	for (i = 0; i < 2; i++) {
		ack = bind_by(&talk, rpc_bind(&bind, 1, true));
		assert_int_equal(ack.result[0].result, PDU_ACCEPT);
		assert_int_equal(ack.result[1].result, PDU_PROVIDER_REJECT);
		assert_int_equal(ack.result[1].reason, PDU_REASON_ABSTRACT);
	}
	assert_int_equal(logged(&talk, "dcom-activation",
				"server=cas1 interface=system-activator"),
			 1);
	finish(&talk);
}

static void an_alter_context_is_answered_as_a_bind_is(void **state)
{
	struct pdu_bind bind = rpc_offer(&iface_nspi.syntax, 0);
	struct pdu_bind_ack first, ack;
	struct talk talk;
	struct pdu pdu;

	(void)state;
	begin(&talk);
	bind.context[0].id = 7;
	first = bind_by(&talk, rpc_bind(&bind, 1, true));
	bind = rpc_offer(&iface_epm.syntax, first.assoc_group);
	pdu = exchange(&talk, rpc_alter(&bind, 2, true), PDU_ALTER_ACK);
	assert_int_equal(pdu.call_id, 2);
	assert_int_equal(pdu_bind_ack_read(&pdu, &ack), 0);
	assert_int_equal(ack.assoc_group, first.assoc_group);
	assert_int_equal(ack.address.len, 0);
	assert_int_equal(ack.result[0].result, PDU_ACCEPT);
	assert_int_equal(
		map_by(&talk, ask_map(&iface_emsmdb, 4, TOWER_TCP, true))
			.ntowers,
		1);
	/* And a further one is told that there is no more here. */
	bind = rpc_offer(&iface_mgmt.syntax, 0);
	pdu = exchange(&talk, rpc_alter(&bind, 3, true), PDU_ALTER_ACK);
	assert_int_equal(pdu_bind_ack_read(&pdu, &ack), 0);
	assert_int_equal(ack.result[0].result, PDU_PROVIDER_REJECT);
	finish(&talk);
}

static void an_authenticated_bind_is_for_the_server(void **state)
{
	struct pdu_bind bind = rpc_offer(&iface_epm.syntax, 0);
	struct bytes offered;
	struct talk talk;
	int server;

	(void)state;
	begin_stage(&talk);
	open_stage(&talk);
	stage_serve(&talk.play.stage, 0, EPM_PORT);
	talk.client = rpc_stage_client(1, EPM_PORT);
	offered = rpc_signed(rpc_bind(&bind, 1, true), 10, PDU_AUTH_PRIVACY,
			     bytes_of("NTLMSSP\0\1\0\0\0", 12));
	rpc_stage_say(&talk.play, talk.client, offered);
	server = rpc_stage_accept(talk.play.stage.listening[0][0]);
	rpc_expect(server, offered);
	offered = rpc_ack(&bind, PDU_BIND_ACK, 5, 1, true);
	rpc_stage_pass(&talk.play, server, talk.client, offered);
	assert_int_equal(
		logged(&talk, "open", "server=cas1 to=127.68.0.11:135 why=new"),
		1);
	close(server);
	finish(&talk);
}

static void either_byte_order_is_answered_in_kind(void **state)
{
	struct pdu_bind bind = rpc_offer(&iface_epm.syntax, 0);
	struct epm_map_reply reply;
	struct talk talk;

	(void)state;
	begin(&talk);
	bind_by(&talk, rpc_bind(&bind, 1, false));
	reply = map_by(&talk, ask_map(&iface_nspi, 4, TOWER_TCP, false));
	assert_int_equal(reply.ntowers, 1);
	expect_tower(reply.tower[0], &iface_nspi,
		     vport_of(&talk, 0, &iface_nspi, BOOK));
	finish(&talk);
}

/* ept_map */

static void what_is_not_there_is_not_registered(void **state)
{
	static const struct iface *unknown;
	struct epm_map_reply reply;
	struct talk talk;

	(void)state;
	unknown = iface_find("samr");
	begin_bound(&talk);
	expect_not_registered(&talk, ask_map(unknown, 4, TOWER_TCP, true));
	/* Nor over HTTP, where we serve nobody. */
	expect_not_registered(&talk,
			      ask_map(&iface_emsmdb, 4, TOWER_HTTP, true));
	/* It is announced, but not for clients. */
	expect_not_registered(&talk, ask_map(&iface_mgmt, 4, TOWER_TCP, true));
	assert_int_equal(leases_count(talk.play.stage.router.leases), 0);
	/* No tower at all is legal to ask for. */
	reply = map_by(&talk, ask_map(&iface_emsmdb, 0, TOWER_TCP, true));
	assert_int_equal(reply.ntowers, 0);
	finish(&talk);
}

static void a_port_that_is_not_open_yet_is_not_told(void **state)
{
	struct portset none = { 0 };
	struct talk talk;

	(void)state;
	begin_bound(&talk);
	svc_rpc_set_open(&talk.play.shared, &none, 0);
	expect_not_registered(&talk,
			      ask_map(&iface_emsmdb, 4, TOWER_TCP, true));
	rpc_stage_follow(&talk.play, VPORT);
	assert_int_equal(
		map_by(&talk, ask_map(&iface_emsmdb, 4, TOWER_TCP, true))
			.ntowers,
		1);
	finish(&talk);
}

/* The answer is the client's server's, whichever it is. */
static void each_client_is_told_of_its_own_server(void **state)
{
	struct epm_map_reply reply;
	struct talk talk;

	(void)state;
	begin_bound(&talk);
	close(talk.client);
	settle(&talk);
	talk.client = rpc_stage_client(2, EPM_PORT);
	bind_by(&talk, rpc_vector("01_epm_bind.bin"));
	reply = map_by(&talk, ask_map(&iface_emsmdb, 4, TOWER_TCP, true));
	expect_tower(reply.tower[0], &iface_emsmdb,
		     vport_of(&talk, 1, &iface_emsmdb, REAL));
	assert_int_equal(logged(&talk, "open", "server=cas2"), 1);
	/* The first one comes back to its own. */
	close(talk.client);
	talk.client = rpc_stage_client(1, EPM_PORT);
	bind_by(&talk, rpc_vector("01_epm_bind.bin"));
	reply = map_by(&talk, ask_map(&iface_emsmdb, 4, TOWER_TCP, true));
	expect_tower(reply.tower[0], &iface_emsmdb,
		     vport_of(&talk, 0, &iface_emsmdb, REAL));
	finish(&talk);
}

static void a_client_is_let_in_before_it_is_told(void **state)
{
	struct talk talk;

	(void)state;
	begin_stage(&talk);
	talk.play.stage.conf->rpc.admit = CONF_ADMIT_LEASED;
	open_stage(&talk);
	talk.client = rpc_stage_client(1, EPM_PORT);
	bind_by(&talk, rpc_vector("01_epm_bind.bin"));
	talk.play.unheard = talk.client;
	map_by(&talk, ask_map(&iface_emsmdb, 4, TOWER_TCP, true));
	assert_int_equal(talk.play.nadmitted, 1);
	assert_int_equal(talk.play.admitted[0],
			 vport_of(&talk, 0, &iface_emsmdb, REAL));
	talk.play.admit_err = ERR_MEMORY;
	expect_not_registered(&talk,
			      ask_map(&iface_emsmdb, 4, TOWER_TCP, true));
	assert_int_equal(logged(&talk, "lease-refused", "server=cas1"), 1);
	finish(&talk);
}

/* ept_lookup */

static struct epm_entry entry[EPM_ENTRIES_MAX];

static struct epm_lookup_reply lookup_by(
	struct talk *talk, const struct epm_lookup_request *lookup,
	bool is_little)
{
	struct builder out = rpc_room(is_little);
	struct ndr form = { .little = is_little };
	struct epm_lookup_reply reply;
	struct pdu pdu;

	epm_lookup_request_write(&out, lookup);
	pdu = exchange(talk,
		       rpc_request(EPM_LOOKUP, rpc_built(&out), 6, is_little),
		       PDU_RESPONSE);
	assert_int_equal(epm_lookup_reply_read(stub_of(&pdu), form, entry,
					       EPM_ENTRIES_MAX, &reply),
			 0);
	return reply;
}

static void a_list_shows_what_clients_may_use(void **state)
{
	struct epm_lookup_request lookup = { .max_entries = 500 };
	struct epm_lookup_reply reply;
	struct talk talk;
	struct tower tower;
	unsigned i;

	(void)state;
	begin_bound(&talk);
	reply = lookup_by(&talk, &lookup, true);
	assert_int_equal(reply.status, 0);
	assert_int_equal(reply.nentries, 4);
	assert_true(epm_handle_is_nil(&reply.handle));
	for (i = 0; i < 4; i++) {
		assert_int_equal(tower_read(entry[i].tower, &tower), 0);
		assert_ptr_not_equal(iface_of(&tower.interface), &iface_mgmt);
		assert_in_range(tower.port, VPORT, VPORT + 9);
		assert_memory_equal(tower.addr.octet, vip, sizeof(vip));
	}
	assert_int_equal(leases_count(talk.play.stage.router.leases), 4);
	finish(&talk);
}

/* Twenty entries, more than a small fragment holds. Static ports: there are
 * not as many virtual ones here. */
static void announce_many(struct talk *talk)
{
	struct announcement many[20];
	unsigned i;

	for (i = 0; i < 20; i++) {
		many[i].interface = iface_emsmdb.syntax;
		many[i].interface.uuid.time_low += i;
		many[i].port = (uint16_t)(REAL + i);
	}
	rpc_stage_announce(&talk->play, 0, many, 20);
	rpc_stage_follow(&talk->play, VPORT);
}

static void no_fragment_is_longer_than_the_client_takes(void **state)
{
	struct pdu_bind bind = rpc_offer(&iface_epm.syntax, 0);
	struct epm_lookup_request lookup = { .max_entries = 500 };
	struct builder out = rpc_room(true);
	struct pdu_bind_ack ack;
	struct bytes heard;
	struct talk talk;
	unsigned n = 0;
	size_t at;
	int len;

	(void)state;
	begin_stage(&talk);
	talk.play.stage.conf->rpc.ports = CONF_PORTS_STATIC;
	talk.play.stage.conf->rpc.any_interface = true;
	rpc_stage_open(&talk.play);
	announce_many(&talk);
	talk.client = rpc_stage_client(1, EPM_PORT);
	bind.max_recv = 1000; /* less than anybody may take */
	ack = bind_by(&talk, rpc_bind(&bind, 1, true));
	assert_int_equal(ack.max_xmit, 1432);
	epm_lookup_request_write(&out, &lookup);
	rpc_stage_say(&talk.play, talk.client,
		      rpc_request(EPM_LOOKUP, rpc_built(&out), 6, true));
	heard = rpc_stage_hear(talk.client);
	for (at = 0; at < heard.len; at += (size_t)len, n++) {
		len = pdu_length(bytes_of(heard.at + at, heard.len - at));
		assert_in_range(len, 24, 1432);
	}
	assert_int_equal(at, heard.len);
	assert_in_range(n, 2, 3);
	finish(&talk);
}

/* One entry a piece, over two connections of one client. */
static void a_list_goes_on_by_its_handle(void **state)
{
	struct epm_lookup_request lookup = { .max_entries = 1 };
	struct epm_lookup_reply reply;
	struct talk talk;
	struct tower tower;
	uint64_t seen = 0;
	unsigned i, little;

	(void)state;
	for (little = 0; little < 2; little++) {
		begin_bound(&talk);
		memset(&lookup.handle, 0, sizeof(lookup.handle));
		seen = 0;
		for (i = 0; i < 4; i++) {
			reply = lookup_by(&talk, &lookup, little);
			assert_int_equal(reply.status, 0);
			assert_int_equal(reply.nentries, 1);
			assert_int_equal(tower_read(entry[0].tower, &tower), 0);
			seen |= UINT64_C(1) << (tower.port - VPORT);
			lookup.handle = reply.handle;
			if (i != 1)
				continue;
			close(talk.client);
			talk.client = rpc_stage_client(1, EPM_PORT);
			bind_by(&talk, rpc_vector("01_epm_bind.bin"));
		}
		assert_int_equal(__builtin_popcountll(seen), 4);
		/* What is left is not for clients: the list is over. */
		if (!epm_handle_is_nil(&reply.handle)) {
			reply = lookup_by(&talk, &lookup, little);
			assert_int_equal(reply.nentries, 0);
			assert_int_equal(reply.status, EPM_NOT_REGISTERED);
			assert_true(epm_handle_is_nil(&reply.handle));
		}
		finish(&talk);
	}
}

static void a_list_of_one_interface_has_no_other(void **state)
{
	struct epm_lookup_request lookup = { .inquiry = EPM_INQUIRE_IF,
					     .has_interface = true,
					     .interface = iface_rfr.syntax,
					     .max_entries = 500 };
	struct epm_lookup_reply reply;
	struct talk talk;

	(void)state;
	begin_bound(&talk);
	reply = lookup_by(&talk, &lookup, true);
	assert_int_equal(reply.nentries, 1);
	expect_tower(entry[0].tower, &iface_rfr,
		     vport_of(&talk, 0, &iface_rfr, BOOK));
	finish(&talk);
}

static void a_handle_of_somebody_elses_is_invalid(void **state)
{
	struct epm_lookup_request lookup = { .max_entries = 500 };
	struct epm_lookup_reply reply;
	struct talk talk;

	(void)state;
	begin_bound(&talk);
	memset(lookup.handle.octet, 0x5a, EPM_HANDLE_LEN);
	reply = lookup_by(&talk, &lookup, true);
	assert_int_equal(reply.nentries, 0);
	assert_int_equal(reply.status, EPM_INVALID_HANDLE);
	assert_true(epm_handle_is_nil(&reply.handle));
	finish(&talk);
}

/* other operations */

static void whoever_would_change_the_table_is_denied(void **state)
{
	static const uint16_t denied[] = { EPM_INSERT, EPM_DELETE,
					   EPM_MGMT_DELETE };
	struct bytes stub = bytes_of("whatever it is", 14);
	struct talk talk;
	unsigned i;

	(void)state;
	begin_bound(&talk);
	for (i = 0; i < 3; i++)
		expect_fault(&talk, rpc_request(denied[i], stub, 9, true),
			     PDU_FAULT_ACCESS_DENIED);
	expect_fault(&talk, rpc_request(99, stub, 9, true), PDU_FAULT_OP_RANGE);
	/* A question that cannot be read. */
	expect_fault(&talk, rpc_request(EPM_MAP, stub, 9, true), PDU_FAULT_NDR);
	expect_fault(&talk, rpc_request(EPM_LOOKUP, stub, 9, true),
		     PDU_FAULT_NDR);
	/* The conversation goes on. */
	assert_int_equal(
		map_by(&talk, ask_map(&iface_emsmdb, 4, TOWER_TCP, true))
			.ntowers,
		1);
	finish(&talk);
}

static void a_handle_is_freed(void **state)
{
	struct bytes handle = bytes_of("0123456789abcdefghij", EPM_HANDLE_LEN);
	uint8_t none[EPM_HANDLE_LEN + 4] = { 0 };
	struct talk talk;
	struct pdu pdu;

	(void)state;
	begin_bound(&talk);
	pdu = exchange(&talk, rpc_request(EPM_HANDLE_FREE, handle, 9, true),
		       PDU_RESPONSE);
	assert_true(bytes_equal(stub_of(&pdu), bytes_of(none, sizeof(none))));
	finish(&talk);
}

/* the stream */

static struct bytes all_at_once(void)
{
	return rpc_join(rpc_vector("01_epm_bind.bin"),
			rpc_join(ask_map(&iface_emsmdb, 4, TOWER_TCP, true),
				 ask_map(&iface_nspi, 4, TOWER_TCP, true)));
}

static void expect_all_three(struct talk *talk, struct bytes heard)
{
	static const uint8_t type[] = { PDU_BIND_ACK, PDU_RESPONSE,
					PDU_RESPONSE };
	struct epm_map_reply reply;
	struct ndr form = { .little = true };
	struct pdu pdu = { 0 };
	size_t at = 0;
	unsigned i;

	for (i = 0; i < 3; i++) {
		assert_int_equal(
			pdu_read(bytes_of(heard.at + at, heard.len - at), &pdu),
			0);
		assert_int_equal(pdu.type, type[i]);
		at += pdu.whole.len;
	}
	assert_int_equal(at, heard.len);
	assert_int_equal(epm_map_reply_read(stub_of(&pdu), form, &reply), 0);
	expect_tower(reply.tower[0], &iface_nspi,
		     vport_of(talk, 0, &iface_nspi, BOOK));
}

static void questions_in_one_segment_are_all_answered(void **state)
{
	struct talk talk;
	struct bytes all;
	size_t cut;

	(void)state;
	begin_stage(&talk);
	open_stage(&talk);
	all = all_at_once();
	for (cut = 1; cut < all.len; cut += 7) {
		all = all_at_once();
		talk.client = rpc_stage_client(1, EPM_PORT);
		rpc_stage_say(&talk.play, talk.client, bytes_of(all.at, cut));
		rpc_stage_say(&talk.play, talk.client,
			      bytes_of(all.at + cut, all.len - cut));
		expect_all_three(&talk, rpc_stage_hear(talk.client));
		close(talk.client);
		settle(&talk);
	}
	rpc_stage_end(&talk.play);
}

/* Have the answers to all three come? */
static bool has_answers(void *ctx)
{
	const struct talk *talk = ctx;
	uint8_t room[1024];

	return recv(talk->client, room, sizeof(room),
		    MSG_PEEK | MSG_DONTWAIT) >= 60 + 2 * 152;
}

/* The kernel sends few segments that nobody acknowledged: it takes its time. */
static void questions_octet_by_octet_are_answered(void **state)
{
	struct talk talk;
	struct bytes all;
	size_t i;

	(void)state;
	begin(&talk);
	all = all_at_once();
	for (i = 0; i < all.len; i++)
		rpc_stage_say(&talk.play, talk.client, bytes_of(all.at + i, 1));
	assert_true(stage_wait(&talk.play.stage, has_answers, &talk));
	expect_all_three(&talk, rpc_stage_hear(talk.client));
	finish(&talk);
}

static void a_client_that_ends_its_stream_gets_its_answers_first(void **state)
{
	struct bytes all;
	struct talk talk;

	(void)state;
	begin(&talk);
	all = all_at_once();
	tcp_write(talk.client, all.at, all.len);
	shutdown(talk.client, SHUT_WR);
	settle(&talk);
	expect_all_three(&talk, rpc_stage_hear(talk.client));
	assert_int_equal(svc_rpc_open(talk.play.svc), 0);
	assert_int_equal(logged(&talk, "close", "reason=client-closed"), 1);
	finish(&talk);
}

static void many_questions_in_one_segment_are_all_answered(void **state)
{
	struct bytes many, heard;
	struct talk talk;
	unsigned i, n = 0;
	size_t at;
	int len;

	(void)state;
	begin_bound(&talk);
	many = ask_map(&iface_emsmdb, 4, TOWER_TCP, true);
	for (i = 0; i < 6; i++)
		many = rpc_join(many, many);
	rpc_stage_say(&talk.play, talk.client, many);
	heard = rpc_stage_hear(talk.client);
	for (at = 0; at < heard.len; at += (size_t)len, n++) {
		len = pdu_length(bytes_of(heard.at + at, heard.len - at));
		assert_true(len > 0);
	}
	assert_int_equal(n, 64);
	finish(&talk);
}

/* The end is told once, and there are more turns after it. */
static void an_end_behind_many_questions_is_not_forgotten(void **state)
{
	struct bytes many;
	struct talk talk;
	unsigned i;

	(void)state;
	begin_bound(&talk);
	many = ask_map(&iface_emsmdb, 4, TOWER_TCP, true);
	for (i = 0; i < 6; i++)
		many = rpc_join(many, many);
	/* The last one will never be whole. */
	tcp_write(talk.client, many.at, many.len - 1);
	shutdown(talk.client, SHUT_WR);
	settle(&talk);
	assert_int_equal(svc_rpc_open(talk.play.svc), 0);
	assert_int_equal(logged(&talk, "close", "reason=client-closed"), 1);
	finish(&talk);
}

static void what_is_no_rpc_ends_the_conversation(void **state)
{
	struct talk talk;

	(void)state;
	begin_bound(&talk);
	rpc_stage_say(&talk.play, talk.client, bytes_of("GET / HTTP/1.0", 14));
	rpc_expect_reset(talk.client);
	assert_int_equal(logged(&talk, "close", "reason=not-rpc"), 1);
	rpc_stage_end(&talk.play);
}

static void a_question_with_any_bit_turned_does_no_harm(void **state)
{
	struct talk talk;
	size_t bit;

	(void)state;
	begin_stage(&talk);
	open_stage(&talk);
	for (bit = 0; bit < 156 * 8; bit += 3) {
		uint8_t *copy =
			rpc_copy(rpc_vector("03_epm_map_req_emsmdb_tcp.bin"));

		talk.client = rpc_stage_client(1, EPM_PORT);
		bind_by(&talk, rpc_vector("01_epm_bind.bin"));
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		rpc_stage_say(&talk.play, talk.client, bytes_of(copy, 156));
		close(talk.client);
		settle(&talk);
		assert_int_equal(svc_rpc_open(talk.play.svc), 0);
	}
	rpc_stage_end(&talk.play);
}

/* ends */

static void a_conversation_without_a_question_ends_after_five_minutes(
	void **state)
{
	struct talk talk;

	(void)state;
	begin_bound(&talk);
	fake_loop_advance(talk.play.stage.loop, IDLE_MS - 1);
	map_by(&talk, ask_map(&iface_emsmdb, 4, TOWER_TCP, true));
	fake_loop_advance(talk.play.stage.loop, IDLE_MS - 1);
	assert_int_equal(svc_rpc_open(talk.play.svc), 1);
	fake_loop_advance(talk.play.stage.loop, 1);
	rpc_expect_reset(talk.client);
	assert_int_equal(logged(&talk, "close", "reason=idle-timeout"), 1);
	rpc_stage_end(&talk.play);
}

static void a_server_that_is_disabled_ends_what_is_said_in_its_name(
	void **state)
{
	struct talk talk;
	int other;

	(void)state;
	begin_bound(&talk);
	other = talk.client;
	talk.client = rpc_stage_client(2, EPM_PORT);
	bind_by(&talk, rpc_vector("01_epm_bind.bin"));
	svc_rpc_reset(talk.play.svc, UINT64_C(1), REASON_SERVER_DISABLED);
	settle(&talk);
	rpc_expect_reset(other);
	assert_int_equal(
		logged(&talk, "close", "server=cas1 reason=server-disabled"),
		1);
	/* The other client's server is another. */
	map_by(&talk, ask_map(&iface_emsmdb, 4, TOWER_TCP, true));
	finish(&talk);
}

/* association groups: each connection stands for itself here */

static void begin_private(struct talk *talk)
{
	begin_stage(talk);
	talk->play.stage.conf->affinity.key = CONF_KEY_NONE;
	open_stage(talk);
	talk->client = -1;
}

static int connect_in(struct talk *talk, uint32_t group, uint32_t *out)
{
	struct pdu_bind bind = rpc_offer(&iface_epm.syntax, group);
	struct pdu_bind_ack ack;
	int fd = rpc_stage_client(1, EPM_PORT);

	talk->client = fd;
	ack = bind_by(talk, rpc_bind(&bind, 1, true));
	*out = ack.assoc_group;
	return fd;
}

/* What we answer ourselves is seen as well. */
static void clients_that_share_a_run_are_said(void **state)
{
	struct talk talk;
	uint32_t group;
	int fd[2], i;

	(void)state;
	begin_stage(&talk);
	talk.play.stage.conf->affinity.nshared = 1;
	assert_int_equal(
		prefix_parse("127.68.1.0/24",
			     &talk.play.stage.conf->affinity.shared[0]),
		0);
	open_stage(&talk);
	for (i = 0; i < 2; i++) {
		fd[i] = connect_in(&talk, 0, &group);
		map_by(&talk, ask_map(&iface_nspi, 4, TOWER_TCP, true));
		map_by(&talk, ask_map(&iface_emsmdb, 4, TOWER_TCP, true));
		assert_int_equal(logged(&talk, "clients-share-a-run",
					"client=127.68.1.1 server=cas1 runs=1 "
					"interleaved=1"),
				 i);
	}
	close(fd[0]);
	close(fd[1]);
	settle(&talk);
	rpc_stage_end(&talk.play);
}

static void who_joins_a_group_is_answered_in_the_same_servers_name(void **state)
{
	struct talk talk;
	uint32_t group[4];
	int fd[4], i;

	(void)state;
	begin_private(&talk);
	fd[0] = connect_in(&talk, 0, &group[0]);
	fd[1] = connect_in(&talk, 0, &group[1]);
	assert_int_not_equal(group[0], group[1]);
	assert_int_equal(logged(&talk, "open", "server=cas1"), 1);
	assert_int_equal(logged(&talk, "open", "server=cas2"), 1);
	fd[2] = connect_in(&talk, group[0], &group[2]);
	fd[3] = connect_in(&talk, group[1], &group[3]);
	assert_int_equal(group[2], group[0]);
	assert_int_equal(group[3], group[1]);
	assert_int_equal(logged(&talk, "open", "server=cas1"), 2);
	assert_int_equal(logged(&talk, "open", "server=cas2"), 2);
	for (i = 0; i < 4; i++)
		close(fd[i]);
	settle(&talk);
	/* Nobody holds them any more. */
	fake_loop_advance(talk.play.stage.loop, GROUP_LINGER_MS + 1000);
	(void)!groups_expire(talk.play.stage.router.groups,
			     loop_now_ms(talk.play.stage.loop), 100);
	assert_int_equal(groups_count(talk.play.stage.router.groups), 0);
	rpc_stage_end(&talk.play);
}

/* failures */

static void without_a_server_the_client_hears_so_at_once(void **state)
{
	struct talk talk;
	unsigned i;

	(void)state;
	begin_stage(&talk);
	for (i = 0; i < STAGE_SERVERS; i++)
		talk.play.stage.conf->server[i].state = CONF_STATE_DISABLED;
	open_stage(&talk);
	talk.client = rpc_stage_client(1, EPM_PORT);
	rpc_stage_say(&talk.play, talk.client, rpc_vector("01_epm_bind.bin"));
	rpc_expect_reset(talk.client);
	assert_int_equal(logged(&talk, "refuse", "reason=no-server"), 1);
	rpc_stage_end(&talk.play);
}

static void a_conversation_without_memory(void *ctx)
{
	struct talk *talk = ctx;
	struct bytes all = all_at_once();

	talk->client = rpc_stage_client(1, EPM_PORT);
	tcp_write(talk->client, all.at, all.len);
	settle(talk);
	close(talk->client);
	settle(talk);
}

static void refused_memory_leaves_nothing_behind(void **state)
{
	struct talk talk;

	(void)state;
	begin_stage(&talk);
	open_stage(&talk);
	(void)!alloc_each_fails(&talk, a_conversation_without_memory);
	assert_int_equal(svc_rpc_open(talk.play.svc), 0);
	rpc_stage_end(&talk.play);
}

#define test(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_question_is_answered_without_any_server),
		test(ndr64_and_bind_time_features_are_declined),
		test(ndr_is_found_among_the_syntaxes_of_a_context),
		test(other_interfaces_are_rejected_as_unknown),
		test(dcom_activation_is_rejected_and_said_once),
		test(an_alter_context_is_answered_as_a_bind_is),
		test(an_authenticated_bind_is_for_the_server),
		test(either_byte_order_is_answered_in_kind),
		test(what_is_not_there_is_not_registered),
		test(a_port_that_is_not_open_yet_is_not_told),
		test(each_client_is_told_of_its_own_server),
		test(a_client_is_let_in_before_it_is_told),
		test(a_list_shows_what_clients_may_use),
		test(no_fragment_is_longer_than_the_client_takes),
		test(a_list_goes_on_by_its_handle),
		test(a_list_of_one_interface_has_no_other),
		test(a_handle_of_somebody_elses_is_invalid),
		test(whoever_would_change_the_table_is_denied),
		test(a_handle_is_freed),
		test(questions_in_one_segment_are_all_answered),
		test(questions_octet_by_octet_are_answered),
		test(a_client_that_ends_its_stream_gets_its_answers_first),
		test(many_questions_in_one_segment_are_all_answered),
		test(an_end_behind_many_questions_is_not_forgotten),
		test(what_is_no_rpc_ends_the_conversation),
		test(a_question_with_any_bit_turned_does_no_harm),
		test(a_conversation_without_a_question_ends_after_five_minutes),
		test(a_server_that_is_disabled_ends_what_is_said_in_its_name),
		test(clients_that_share_a_run_are_said),
		test(who_joins_a_group_is_answered_in_the_same_servers_name),
		test(without_a_server_the_client_hears_so_at_once),
		test(refused_memory_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, stage_group_begin,
				      stage_group_end);
}
