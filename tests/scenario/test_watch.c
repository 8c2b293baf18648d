/*
 * test_watch.c - RPC as it passes: interfaces, association groups, users,
 * faults.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../helper/alloc.h"
#include "../helper/tcp.h"
#include "fake_loop.h"
#include "net/relay.h"
#include "rpc_stage.h"
#include "wire/iface.h"

#define GROUP	0xabcd /* of vector 32 */
#define CALL_ID 0x01020304

/* A client that is connected to the mailbox port of cas1. */
struct talk {
	struct rpc_stage play;
	int client, server;
};

static const struct iface *samr(void)
{
	const struct iface *iface = iface_find("samr");

	assert_non_null(iface);
	return iface;
}

static void connect_to(struct talk *talk, uint16_t port)
{
	if (talk->play.stage.listening[0][0] < 0)
		stage_serve(&talk->play.stage, 0, port);
	talk->client = rpc_stage_client(1, port);
	fake_loop_settle(talk->play.stage.loop);
	talk->server = rpc_stage_accept(talk->play.stage.listening[0][0]);
}

/* Static ports; <limited>: the default list of interfaces. */
static void open_stage(struct talk *talk, bool limited, enum conf_users users)
{
	rpc_stage_begin(&talk->play, CONF_EPM_TRACK);
	talk->play.stage.conf->rpc.ports = CONF_PORTS_STATIC;
	talk->play.stage.conf->rpc.any_interface = !limited;
	talk->play.stage.conf->balancer.log_users = users;
	rpc_stage_open(&talk->play);
	rpc_stage_listen(&talk->play, MAILBOX);
}

static void begin(struct talk *talk, bool limited)
{
	open_stage(talk, limited, CONF_USERS_NO);
	connect_to(talk, MAILBOX);
}

static void settle(struct talk *talk)
{
	fake_loop_settle(talk->play.stage.loop);
}

static void hang_up(struct talk *talk)
{
	close(talk->client);
	close(talk->server);
	settle(talk);
	assert_int_equal(svc_rpc_open(talk->play.svc), 0);
}

static void finish(struct talk *talk)
{
	hang_up(talk);
	rpc_stage_end(&talk->play);
}

static void ask(struct talk *talk, struct bytes octets)
{
	rpc_stage_pass(&talk->play, talk->client, talk->server, octets);
}

static void say(struct talk *talk, struct bytes octets)
{
	rpc_stage_pass(&talk->play, talk->server, talk->client, octets);
}

static unsigned logged(const struct talk *talk, const char *event,
		       const char *fields)
{
	return rpc_stage_logged(&talk->play, event, fields);
}

static struct bytes emsmdb_bind(uint32_t group, bool is_little)
{
	struct pdu_bind bind = rpc_offer(&iface_emsmdb.syntax, group);

	return rpc_bind(&bind, CALL_ID, is_little);
}

static struct bytes emsmdb_ack(uint32_t group, bool is_little)
{
	struct pdu_bind bind = rpc_offer(&iface_emsmdb.syntax, 0);

	return rpc_ack(&bind, PDU_BIND_ACK, group, CALL_ID, is_little);
}

static struct bytes request_of(size_t len)
{
	struct builder stub = rpc_room(true);

	builder_zero(&stub, len);
	return rpc_request(11, rpc_built(&stub), 2, true);
}

static void say_octets(struct talk *talk, int from, struct bytes octets)
{
	size_t i;

	for (i = 0; i < octets.len; i++)
		rpc_stage_say(&talk->play, from, bytes_of(octets.at + i, 1));
}

/* the stream */

static void a_bind_passes_in_one_piece_or_in_many(void **state)
{
	struct bytes bind, ack;
	struct talk talk;

	(void)state;
	begin(&talk, true);
	bind = rpc_vector("32_emsmdb_bind_join_assoc_group.bin");
	ack = emsmdb_ack(GROUP, true);
	ask(&talk, bind);
	say(&talk, ack);
	hang_up(&talk);

	connect_to(&talk, MAILBOX);
	say_octets(&talk, talk.client, bytes_of(bind.at, bind.len - 1));
	rpc_expect_silence(talk.server);
	say_octets(&talk, talk.client, bytes_of(bind.at + bind.len - 1, 1));
	rpc_expect(talk.server, bind);
	say_octets(&talk, talk.server, ack);
	rpc_expect(talk.client, ack);
	finish(&talk);
}

static void what_comes_behind_a_bind_goes_along(void **state)
{
	struct bytes both;
	struct talk talk;
	size_t cut;

	(void)state;
	open_stage(&talk, true, CONF_USERS_NO);
	for (cut = 1; cut < 72 + 32; cut++) {
		both = rpc_join(emsmdb_bind(0, true), request_of(8));
		assert_int_equal(both.len, 72 + 32);
		connect_to(&talk, MAILBOX);
		rpc_stage_say(&talk.play, talk.client, bytes_of(both.at, cut));
		rpc_stage_say(&talk.play, talk.client,
			      bytes_of(both.at + cut, both.len - cut));
		rpc_expect(talk.server, both);
		hang_up(&talk);
	}
	rpc_stage_end(&talk.play);
}

static void a_bind_of_60_kib_passes(void **state)
{
	struct builder ticket = rpc_room(true);
	struct bytes bind;
	struct talk talk;
	size_t half;

	(void)state;
	begin(&talk, true);
	builder_zero(&ticket, 60 * 1024);
	bind = rpc_signed(emsmdb_bind(0, true), 16, PDU_AUTH_PRIVACY,
			  rpc_built(&ticket));
	ask(&talk, bind);
	hang_up(&talk);

	/* In two parts, the first of which is held back. */
	connect_to(&talk, MAILBOX);
	half = bind.len / 2;
	rpc_stage_say(&talk.play, talk.client, bytes_of(bind.at, half));
	rpc_expect_silence(talk.server);
	rpc_stage_say(&talk.play, talk.client,
		      bytes_of(bind.at + half, bind.len - half));
	rpc_expect(talk.server, bind);
	finish(&talk);
}

static void a_request_passes_as_it_comes(void **state)
{
	struct bytes request, response;
	struct builder stub = rpc_room(true);
	struct talk talk;
	size_t i;

	(void)state;
	begin(&talk, true);
	ask(&talk, emsmdb_bind(0, true));
	say(&talk, emsmdb_ack(1, true));
	builder_zero(&stub, 100);
	response = rpc_response(rpc_built(&stub), 0, 2, true);
	request = request_of(100);
	/* The length has to be known, no more. */
	rpc_stage_say(&talk.play, talk.client,
		      bytes_of(request.at, PDU_LENGTH_KNOWN));
	rpc_expect(talk.server, bytes_of(request.at, PDU_LENGTH_KNOWN));
	for (i = PDU_LENGTH_KNOWN; i < request.len; i++)
		ask(&talk, bytes_of(request.at + i, 1));
	say(&talk, bytes_of(response.at, 50));
	say(&talk, bytes_of(response.at + 50, response.len - 50));
	finish(&talk);
}

/* A request that carries a bind in its stub is a request. */
static void a_bind_inside_of_a_request_is_none(void **state)
{
	struct pdu_bind bind;
	struct talk talk;

	(void)state;
	begin(&talk, true);
	bind = rpc_offer(&samr()->syntax, 0);
	ask(&talk, emsmdb_bind(0, true));
	say(&talk, emsmdb_ack(1, true));
	ask(&talk, rpc_request(1, rpc_bind(&bind, 1, true), 2, true));
	assert_int_equal(logged(&talk, "interface-refused", ""), 0);
	finish(&talk);
}

static void an_end_of_stream_behind_half_a_pdu_is_passed_on(void **state)
{
	struct bytes bind = emsmdb_bind(0, true);
	struct talk talk;

	(void)state;
	begin(&talk, true);
	rpc_stage_say(&talk.play, talk.client, bytes_of(bind.at, 40));
	rpc_expect_silence(talk.server);
	close(talk.client);
	settle(&talk);
	rpc_expect(talk.server, bytes_of(bind.at, 40));
	rpc_expect_end(talk.server);
	settle(&talk);
	assert_int_equal(svc_rpc_open(talk.play.svc), 0);
	rpc_stage_end(&talk.play);
}

/* interfaces */

/* <offered> as the server is to see it. */
static struct bytes spoilt(struct bytes offered, const struct pdu_bind *bind,
			   unsigned context)
{
	uint8_t *copy = rpc_copy(offered);
	struct pdu_bind read;
	struct pdu pdu;
	struct builder out;

	assert_int_equal(pdu_read(offered, &pdu), 0);
	assert_int_equal(pdu_bind_read(&pdu, &read), 0);
	assert_int_equal(read.ncontexts, bind->ncontexts);
	out = builder_over(copy + read.context[context].abstract_offset,
			   UUID_LEN, pdu.little);
	uuid_write(&out, &pdu_spoilt_uuid);
	return bytes_of(copy, offered.len);
}

static struct pdu_bind offer_two(const struct syntax *first,
				 const struct syntax *second)
{
	struct pdu_bind bind = rpc_offer(first, 0);

	bind.context[1] = bind.context[0];
	bind.context[1].id = 1;
	bind.context[1].abstract = *second;
	bind.ncontexts = 2;
	return bind;
}

static void a_forbidden_interface_is_refused_by_the_server_itself(void **state)
{
	struct pdu_bind bind;
	struct bytes offered;
	struct talk talk;
	unsigned little;

	(void)state;
	for (little = 0; little < 2; little++) {
		begin(&talk, true);
		bind = rpc_offer(&samr()->syntax, 0);
		offered = rpc_bind(&bind, 1, little);
		rpc_stage_say(&talk.play, talk.client, offered);
		rpc_expect(talk.server, spoilt(offered, &bind, 0));
		assert_int_equal(logged(&talk, "interface-refused",
					"port=59531 server=cas1 "
					"interface=samr"),
				 1);
		/* Its own words come back. */
		bind.ncontexts = 0;
		say(&talk, rpc_ack(&bind, PDU_BIND_ACK, 5, 1, little));
		finish(&talk);
	}
}

static void of_several_interfaces_only_the_forbidden_are_refused(void **state)
{
	struct pdu_bind bind;
	struct bytes offered;
	struct talk talk;

	(void)state;
	begin(&talk, true);
	bind = offer_two(&iface_emsmdb.syntax, &samr()->syntax);
	offered = rpc_bind(&bind, 1, true);
	say_octets(&talk, talk.client, offered);
	rpc_expect(talk.server, spoilt(offered, &bind, 1));
	say(&talk, rpc_ack(&bind, PDU_BIND_ACK, 5, 1, true));
	/* The one that is allowed works. */
	ask(&talk, request_of(10));
	hang_up(&talk);
	assert_int_equal(logged(&talk, "close", "interface=emsmdb"), 1);

	connect_to(&talk, MAILBOX);
	bind = offer_two(&samr()->syntax, &iface_mgmt.syntax);
	offered = rpc_bind(&bind, 1, true);
	rpc_stage_say(&talk.play, talk.client, offered);
	offered = spoilt(offered, &bind, 0);
	rpc_expect(talk.server, spoilt(offered, &bind, 1));
	finish(&talk);
}

static void an_alter_context_is_limited_as_a_bind_is(void **state)
{
	struct pdu_bind bind;
	struct bytes offered;
	struct talk talk;

	(void)state;
	begin(&talk, true);
	ask(&talk, emsmdb_bind(0, true));
	say(&talk, emsmdb_ack(5, true));
	ask(&talk, rpc_vector("36_alter_context_nspi.bin"));
	bind = rpc_offer(&iface_nspi.syntax, 5);
	say(&talk, rpc_ack(&bind, PDU_ALTER_ACK, 5, 2, true));
	ask(&talk, request_of(1000));
	bind = rpc_offer(&samr()->syntax, 5);
	offered = rpc_alter(&bind, 3, true);
	rpc_stage_say(&talk.play, talk.client, offered);
	rpc_expect(talk.server, spoilt(offered, &bind, 0));
	assert_int_equal(logged(&talk, "interface-refused", "interface=samr"),
			 1);
	finish(&talk);
}

static void the_endpoint_mapper_is_for_port_135_alone(void **state)
{
	struct pdu_bind bind = rpc_offer(&iface_epm.syntax, 0);
	struct bytes offered;
	struct talk talk;

	(void)state;
	begin(&talk, true);
	offered = rpc_bind(&bind, 1, true);
	rpc_stage_say(&talk.play, talk.client, offered);
	rpc_expect(talk.server, spoilt(offered, &bind, 0));
	hang_up(&talk);
	assert_int_equal(logged(&talk, "interface-refused", "interface=epm"),
			 1);
	stage_serve(&talk.play.stage, 0, 135);
	talk.client = rpc_stage_client(1, 135);
	settle(&talk);
	talk.server = rpc_stage_accept(talk.play.stage.listening[0][1]);
	ask(&talk, rpc_vector("30_epm_bind_windows_style_3ctx.bin"));
	finish(&talk);
}

static void every_interface_passes_where_none_is_named(void **state)
{
	struct pdu_bind bind;
	struct talk talk;

	(void)state;
	begin(&talk, false);
	bind = offer_two(&samr()->syntax, &iface_mgmt.syntax);
	ask(&talk, rpc_bind(&bind, 1, true));
	finish(&talk);
}

static void dcom_activation_is_said_once(void **state)
{
	const struct iface *dcom = iface_find("system-activator");
	struct pdu_bind bind;
	struct talk talk;
	unsigned i;

	(void)state;
	assert_non_null(dcom);
	open_stage(&talk, false, CONF_USERS_NO);
	for (i = 0; i < 2; i++) {
		connect_to(&talk, 135);
		bind = rpc_offer(&dcom->syntax, 0);
		ask(&talk, rpc_bind(&bind, 1, true));
		hang_up(&talk);
	}
	assert_int_equal(logged(&talk, "dcom-activation",
				"server=cas1 interface=system-activator"),
			 1);
	rpc_stage_end(&talk.play);
}

/* no RPC */

static void what_is_no_rpc_is_reset_where_interfaces_are_limited(void **state)
{
	static const char *const said[] = {
		"GET / HTTP/1.0\r\n\r\n",
		"\x05\x07\x0b\x03\x10\0\0\0\x48\0\0\0\1\0\0\0", /* version */
		"\x05\x00\x0b\x03\x10\0\0\0\x0f\0\0\0\1\0\0\0", /* length */
	};
	struct talk talk;
	unsigned i;

	(void)state;
	open_stage(&talk, true, CONF_USERS_NO);
	for (i = 0; i < 3; i++) {
		connect_to(&talk, MAILBOX);
		rpc_stage_say(&talk.play, talk.client, bytes_of(said[i], 16));
		rpc_expect_reset(talk.client);
		rpc_expect_reset(talk.server);
		assert_int_equal(logged(&talk, "close", "reason=not-rpc"),
				 i + 1);
	}
	/* Nor is a bind that cannot be read. */
	connect_to(&talk, MAILBOX);
	{
		uint8_t *bind = rpc_copy(emsmdb_bind(0, true));

		bind[24] = 200; /* contexts */
		rpc_stage_say(&talk.play, talk.client, bytes_of(bind, 72));
	}
	rpc_expect_reset(talk.client);
	rpc_expect_reset(talk.server);
	rpc_stage_end(&talk.play);
}

static void what_is_no_rpc_passes_where_every_interface_does(void **state)
{
	struct bytes words = bytes_of("GET / HTTP/1.0\r\n\r\n", 18), bind;
	struct talk talk;

	(void)state;
	begin(&talk, false);
	ask(&talk, words);
	/* Nothing can be found again in that stream. */
	bind = emsmdb_bind(GROUP, true);
	ask(&talk, bytes_of(bind.at, 30));
	hang_up(&talk);

	/* A server may say what it likes, first and in any case. */
	connect_to(&talk, MAILBOX);
	say(&talk, words);
	ask(&talk, emsmdb_bind(0, true));
	say(&talk, words);
	finish(&talk);
}

static void a_server_that_speaks_no_rpc_is_heard_where_limited(void **state)
{
	struct bytes words = bytes_of("ncacn_http/1.0", 14);
	struct talk talk;

	(void)state;
	begin(&talk, true);
	say(&talk, words);
	/* The client is held to the list all the same. */
	rpc_stage_say(&talk.play, talk.client, words);
	rpc_expect_reset(talk.client);
	rpc_expect_reset(talk.server);
	rpc_stage_end(&talk.play);
}

/* association groups */

static struct addr first_client(void)
{
	struct addr addr;

	assert_int_equal(addr_parse("127.68.1.1", &addr), 0);
	return addr;
}

/* A mask of those that gave the first client the group. */
static uint64_t issuers_of(struct talk *talk, uint32_t id)
{
	struct addr client = first_client();
	uint64_t issuers;

	return group_issuers(talk->play.stage.router.groups, &client, id,
			     MAILBOX, loop_now_ms(talk->play.stage.loop),
			     &issuers)
		       ? issuers
		       : 0;
}

/* Another connection of the client, to <slot>, was given the group. */
static struct group *other_issuer(struct talk *talk, uint32_t id, uint8_t slot)
{
	struct addr client = first_client();
	struct group *group = group_learn(talk->play.stage.router.groups,
					  &client, id, slot, MAILBOX);

	assert_non_null(group);
	return group;
}

static void forget(struct talk *talk, struct group *group)
{
	group_release(talk->play.stage.router.groups, group,
		      loop_now_ms(talk->play.stage.loop));
}

static void a_group_is_learned_from_the_ack_and_kept_a_minute(void **state)
{
	struct talk talk;

	(void)state;
	begin(&talk, true);
	ask(&talk, emsmdb_bind(0, true));
	assert_int_equal(issuers_of(&talk, GROUP), 0);
	say(&talk, emsmdb_ack(GROUP, true));
	assert_int_equal(issuers_of(&talk, GROUP), 1);
	/* As long as the connection lasts. */
	fake_loop_advance(talk.play.stage.loop, 24ull * 3600 * 1000);
	assert_int_equal(issuers_of(&talk, GROUP), 1);
	hang_up(&talk);
	fake_loop_advance(talk.play.stage.loop, GROUP_LINGER_MS - 1000);
	assert_int_equal(issuers_of(&talk, GROUP), 1);
	fake_loop_advance(talk.play.stage.loop, 2000);
	assert_int_equal(issuers_of(&talk, GROUP), 0);
	rpc_stage_end(&talk.play);
}

static void a_group_is_learned_in_either_byte_order(void **state)
{
	struct talk talk;

	(void)state;
	begin(&talk, true);
	ask(&talk, emsmdb_bind(0, true));
	say_octets(&talk, talk.server, emsmdb_ack(GROUP, false));
	rpc_expect(talk.client, emsmdb_ack(GROUP, false));
	assert_int_equal(issuers_of(&talk, GROUP), 1);
	finish(&talk);
}

static void a_bind_that_names_another_servers_group_gets_a_nak(void **state)
{
	struct group *group;
	struct pdu_bind_nak nak;
	struct talk talk;
	struct pdu pdu;
	unsigned little;

	(void)state;
	for (little = 0; little < 2; little++) {
		begin(&talk, true);
		group = other_issuer(&talk, GROUP, 1);
		rpc_stage_say(
			&talk.play, talk.client,
			rpc_join(emsmdb_bind(GROUP, little), request_of(10)));
		pdu = rpc_only(rpc_stage_hear(talk.client), PDU_BIND_NAK);
		assert_int_equal(pdu.little, little);
		assert_int_equal(pdu.call_id, CALL_ID);
		assert_int_equal(pdu_bind_nak_read(&pdu, &nak), 0);
		assert_int_equal(nak.reason, 0);
		/* The client reads it, and then the end; no reset. */
		rpc_expect_end(talk.client);
		/* The server has seen nothing of it. */
		rpc_expect_reset(talk.server);
		assert_int_equal(logged(&talk, "close",
					"server=cas1 interface=emsmdb "
					"reason=group-gone"),
				 1);
		assert_int_equal(svc_rpc_open(talk.play.svc), 0);
		forget(&talk, group);
		rpc_stage_end(&talk.play);
	}
}

/* Ids are each server's own: two may give the same. */
static void a_group_that_its_server_issued_too_passes(void **state)
{
	struct group *own, *other;
	struct talk talk;

	(void)state;
	begin(&talk, true);
	other = other_issuer(&talk, GROUP, 2);
	own = other_issuer(&talk, GROUP, 0);
	ask(&talk, emsmdb_bind(GROUP, true));
	forget(&talk, own);
	forget(&talk, other);
	finish(&talk);
}

static void an_unknown_group_is_for_the_server_to_judge(void **state)
{
	struct talk talk;

	(void)state;
	begin(&talk, true);
	ask(&talk, emsmdb_bind(GROUP, true));
	say(&talk, rpc_vector("33_bind_nak_reason0.bin"));
	assert_int_equal(issuers_of(&talk, GROUP), 0);
	finish(&talk);
}

static void a_group_whose_issuer_is_gone_gets_a_nak(void **state)
{
	struct group *group;
	struct talk talk;

	(void)state;
	begin(&talk, true);
	group = other_issuer(&talk, GROUP, 1);
	groups_forget(talk.play.stage.router.groups, UINT64_C(1) << 1);
	rpc_stage_say(&talk.play, talk.client, emsmdb_bind(GROUP, true));
	rpc_only(rpc_stage_hear(talk.client), PDU_BIND_NAK);
	rpc_expect_end(talk.client);
	close(talk.server);
	forget(&talk, group);
	rpc_stage_end(&talk.play);
}

/* The answer to an alter_context repeats the group that there is, if any. */
static void an_alter_context_learns_no_group(void **state)
{
	struct pdu_bind bind = rpc_offer(&iface_nspi.syntax, 0);
	struct talk talk;

	(void)state;
	begin(&talk, true);
	ask(&talk, emsmdb_bind(0, true));
	say(&talk, emsmdb_ack(0, true)); /* it gave none */
	ask(&talk, rpc_alter(&bind, 2, true));
	say(&talk, rpc_ack(&bind, PDU_ALTER_ACK, GROUP, 2, true));
	assert_int_equal(issuers_of(&talk, GROUP), 0);
	finish(&talk);
}

/* users */

/* What the client proves who it is with, in vector 11. */
static struct bytes ntlm_names(void)
{
	struct pdu pdu = rpc_only(
		rpc_vector("11_emsmdb_auth3_ntlm_authenticate.bin"), PDU_AUTH3);

	return pdu.auth;
}

static void authenticate(struct talk *talk)
{
	ask(talk, rpc_vector("09_emsmdb_bind_ntlm_negotiate.bin"));
	say(talk, rpc_vector("10_emsmdb_bind_ack_ntlm_challenge.bin"));
	/* Nobody answers it: the request comes at once. */
	say_octets(talk, talk->client,
		   rpc_vector("11_emsmdb_auth3_ntlm_authenticate.bin"));
	rpc_expect(talk->server,
		   rpc_vector("11_emsmdb_auth3_ntlm_authenticate.bin"));
	ask(talk, request_of(10));
}

static void the_user_is_logged_where_the_log_may_have_it(void **state)
{
	struct talk talk;

	(void)state;
	open_stage(&talk, true, CONF_USERS_YES);
	connect_to(&talk, MAILBOX);
	authenticate(&talk);
	hang_up(&talk);
	assert_int_equal(logged(&talk, "close",
				"interface=emsmdb "
				"user=\"CONTOSO\\\\alice\""),
			 1);
	rpc_stage_end(&talk.play);
}

static void the_user_is_read_from_an_alter_context(void **state)
{
	struct pdu_bind bind = rpc_offer(&iface_nspi.syntax, GROUP);
	struct talk talk;

	(void)state;
	open_stage(&talk, true, CONF_USERS_YES);
	connect_to(&talk, MAILBOX);
	ask(&talk, rpc_vector("09_emsmdb_bind_ntlm_negotiate.bin"));
	say(&talk, rpc_vector("10_emsmdb_bind_ack_ntlm_challenge.bin"));
	ask(&talk, rpc_signed(rpc_alter(&bind, 2, true), 10, PDU_AUTH_PRIVACY,
			      ntlm_names()));
	/* Who comes later on the same connection changes nothing. */
	ask(&talk, rpc_vector("11_emsmdb_auth3_ntlm_authenticate.bin"));
	hang_up(&talk);
	assert_int_equal(logged(&talk, "close", "user=\"CONTOSO\\\\alice\""),
			 1);
	rpc_stage_end(&talk.play);
}

static void a_hashed_user_is_the_same_word_each_time_and_no_name(void **state)
{
	struct talk talk;
	char word[32] = "user=";
	const char *at;
	unsigned i;

	(void)state;
	open_stage(&talk, true, CONF_USERS_HASH);
	for (i = 0; i < 2; i++) {
		connect_to(&talk, MAILBOX);
		authenticate(&talk);
		hang_up(&talk);
	}
	for (i = 0; i < talk.play.stage.journal.n; i++) {
		const char *line = talk.play.stage.journal.line[i];

		assert_null(strstr(line, "alice"));
		assert_null(strstr(line, "CONTOSO"));
		at = strstr(line, "user=");
		if (at)
			snprintf(word, sizeof(word), "%.21s", at);
	}
	assert_int_equal(strspn(word + 5, "0123456789abcdef"), 16);
	assert_int_equal(logged(&talk, "close", word), 2);
	rpc_stage_end(&talk.play);
}

static void no_user_is_logged_unless_it_is_asked_for(void **state)
{
	struct talk talk;
	unsigned i;

	(void)state;
	begin(&talk, true);
	authenticate(&talk);
	hang_up(&talk);
	for (i = 0; i < talk.play.stage.journal.n; i++)
		assert_null(strstr(talk.play.stage.journal.line[i], "user="));
	assert_int_equal(logged(&talk, "close", "interface=emsmdb"), 1);
	rpc_stage_end(&talk.play);
}

/* sight */

static void a_fault_is_logged_by_its_name(void **state)
{
	struct talk talk;

	(void)state;
	begin(&talk, true);
	ask(&talk, emsmdb_bind(0, true));
	say(&talk, emsmdb_ack(1, true));
	say(&talk, rpc_vector("34_fault_context_mismatch.bin"));
	assert_int_equal(logged(&talk, "fault",
				"port=59531 server=cas1 interface=emsmdb "
				"status=nca_s_fault_context_mismatch"),
			 1);
	say(&talk, rpc_vector("35_fault_unknown_if.bin"));
	assert_int_equal(logged(&talk, "fault", "status=nca_s_unk_if"), 1);
	say(&talk, rpc_fault(0x80070123, 3));
	assert_int_equal(logged(&talk, "fault", "status=0x80070123"), 1);
	finish(&talk);
}

static void a_flood_of_faults_floods_no_log(void **state)
{
	struct talk talk;
	unsigned i;

	(void)state;
	begin(&talk, true);
	ask(&talk, emsmdb_bind(0, true));
	say(&talk, emsmdb_ack(1, true));
	for (i = 0; i < 100; i++)
		say(&talk, rpc_fault(PDU_FAULT_NDR, i));
	assert_in_range(logged(&talk, "fault", "status=RPC_X_BAD_STUB_DATA"), 1,
			50);
	finish(&talk);
}

static void the_closing_line_names_the_first_interface(void **state)
{
	static const struct syntax unknown = {
		{ 0x12345678, 1, 2, { 3, 4, 5, 6, 7, 8, 9, 10 } }, 7, 3
	};
	struct pdu_bind bind;
	struct talk talk;

	(void)state;
	begin(&talk, false);
	bind = offer_two(&unknown, &iface_emsmdb.syntax);
	ask(&talk, rpc_bind(&bind, 1, true));
	hang_up(&talk);
	assert_int_equal(
		logged(&talk, "close",
		       "interface=\"12345678-0001-0002-0304-05060708090a "
		       "v7.3\" reason=client-closed"),
		1);
	/* One that did not say has none. */
	connect_to(&talk, MAILBOX);
	hang_up(&talk);
	assert_int_equal(logged(&talk, "close", ""), 2);
	assert_null(strstr(
		talk.play.stage.journal.line[talk.play.stage.journal.n - 1],
		"interface="));
	rpc_stage_end(&talk.play);
}

/* hostile and unlucky */

static void a_bind_with_any_bit_turned_does_no_harm(void **state)
{
	struct talk talk;
	size_t bit;

	(void)state;
	open_stage(&talk, true, CONF_USERS_YES);
	for (bit = 0; bit < 112 * 8; bit += 5) {
		uint8_t *copy = rpc_copy(
			rpc_vector("09_emsmdb_bind_ntlm_negotiate.bin"));
		size_t heard;
		char end;

		connect_to(&talk, MAILBOX);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		rpc_stage_say(&talk.play, talk.client, bytes_of(copy, 112));
		if (tcp_read(talk.client, &end, 1) == -EAGAIN) {
			/* It passed, or it is believed to go on. */
			heard = rpc_stage_hear(talk.server).len;
			assert_true(heard == 112 || heard == 0);
		}
		close(talk.client);
		close(talk.server);
		settle(&talk);
		assert_int_equal(svc_rpc_open(talk.play.svc), 0);
	}
	rpc_stage_end(&talk.play);
}

/* What is said up to a moment at which somebody goes. */
static struct bytes script(unsigned line)
{
	struct pdu_bind bind = rpc_offer(&iface_emsmdb.syntax, 0);

	switch (line) {
	case 0:
		return rpc_vector("09_emsmdb_bind_ntlm_negotiate.bin");
	case 1:
		return rpc_vector("10_emsmdb_bind_ack_ntlm_challenge.bin");
	case 2:
		return rpc_vector("11_emsmdb_auth3_ntlm_authenticate.bin");
	case 3:
		return rpc_fault(PDU_FAULT_NDR, 2);
	}
	return rpc_alter(&bind, 3, true);
}

static void play_until(struct talk *talk, unsigned lines, size_t more)
{
	unsigned i;

	for (i = 0; i < lines; i++)
		rpc_stage_say(&talk->play, i % 2 ? talk->server : talk->client,
			      script(i));
	if (more)
		rpc_stage_say(&talk->play,
			      lines % 2 ? talk->server : talk->client,
			      bytes_of(script(lines).at, more));
}

static void whoever_resets_at_whatever_moment_leaves_nothing(void **state)
{
	static const size_t cut[] = { 0, 1, 9, 10, 16, 31 };
	struct talk talk;
	unsigned lines, i, who;

	(void)state;
	open_stage(&talk, true, CONF_USERS_YES);
	for (lines = 0; lines < 5; lines++)
		for (i = 0; i < 6; i++)
			for (who = 0; who < 3; who++) {
				connect_to(&talk, MAILBOX);
				play_until(&talk, lines, cut[i]);
				if (who == 0 || who == 2)
					tcp_reset(talk.client);
				if (who == 1 || who == 2)
					tcp_reset(talk.server);
				settle(&talk);
				assert_int_equal(svc_rpc_open(talk.play.svc),
						 0);
				if (who == 0)
					close(talk.server);
				if (who == 1)
					close(talk.client);
			}
	fake_loop_advance(talk.play.stage.loop, GROUP_LINGER_MS + 1000);
	(void)!groups_expire(talk.play.stage.router.groups,
			     loop_now_ms(talk.play.stage.loop), 100);
	assert_int_equal(groups_count(talk.play.stage.router.groups), 0);
	rpc_stage_end(&talk.play);
}

static void a_conversation_without_memory(void *ctx)
{
	struct talk *talk = ctx;

	talk->client = rpc_stage_client(1, MAILBOX);
	settle(talk);
	talk->server = stage_accept(talk->play.stage.listening[0][0]);
	if (talk->server >= 0) {
		play_until(talk, 1, 0);
		/* Held back, so that memory is needed. */
		play_until(talk, 0, 20);
		close(talk->server);
	}
	close(talk->client);
	settle(talk);
}

static void refused_memory_ends_a_connection_and_leaves_nothing(void **state)
{
	struct talk talk;

	(void)state;
	open_stage(&talk, true, CONF_USERS_YES);
	connect_to(&talk, MAILBOX);
	hang_up(&talk);
	assert_true(alloc_each_fails(&talk, a_conversation_without_memory) > 0);
	assert_int_equal(svc_rpc_open(talk.play.svc), 0);
	rpc_stage_end(&talk.play);
}

#define test(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_bind_passes_in_one_piece_or_in_many),
		test(what_comes_behind_a_bind_goes_along),
		test(a_bind_of_60_kib_passes),
		test(a_request_passes_as_it_comes),
		test(a_bind_inside_of_a_request_is_none),
		test(an_end_of_stream_behind_half_a_pdu_is_passed_on),
		test(a_forbidden_interface_is_refused_by_the_server_itself),
		test(of_several_interfaces_only_the_forbidden_are_refused),
		test(an_alter_context_is_limited_as_a_bind_is),
		test(the_endpoint_mapper_is_for_port_135_alone),
		test(every_interface_passes_where_none_is_named),
		test(dcom_activation_is_said_once),
		test(what_is_no_rpc_is_reset_where_interfaces_are_limited),
		test(what_is_no_rpc_passes_where_every_interface_does),
		test(a_server_that_speaks_no_rpc_is_heard_where_limited),
		test(a_group_is_learned_from_the_ack_and_kept_a_minute),
		test(a_group_is_learned_in_either_byte_order),
		test(a_bind_that_names_another_servers_group_gets_a_nak),
		test(a_group_that_its_server_issued_too_passes),
		test(an_unknown_group_is_for_the_server_to_judge),
		test(a_group_whose_issuer_is_gone_gets_a_nak),
		test(an_alter_context_learns_no_group),
		test(the_user_is_logged_where_the_log_may_have_it),
		test(the_user_is_read_from_an_alter_context),
		test(a_hashed_user_is_the_same_word_each_time_and_no_name),
		test(no_user_is_logged_unless_it_is_asked_for),
		test(a_fault_is_logged_by_its_name),
		test(a_flood_of_faults_floods_no_log),
		test(the_closing_line_names_the_first_interface),
		test(a_bind_with_any_bit_turned_does_no_harm),
		test(whoever_resets_at_whatever_moment_leaves_nothing),
		test(refused_memory_ends_a_connection_and_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, stage_group_begin,
				      stage_group_end);
}
