/*
 * test_probe.c - the prober and the endpoint mappers that it asks.
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

#include "../../src/svc/probe_talk.h"
#include "../helper/alloc.h"
#include "../helper/tcp.h"
#include "fake_loop.h"
#include "mapper.h"
#include "stage.h"
#include "svc/probe.h"

#define INTERVAL_MS 5000 /* the defaults */
#define TIMEOUT_MS  2000

struct play {
	struct stage stage;
	struct prober *prober;
	struct mapper mapper[STAGE_SERVERS + 1];
	unsigned changed, first_rounds;
};

/* What a healthy server lists: all that is asked for by default. */
static const struct listed healthy[] = {
	{ &iface_emsmdb, 40001, TOWER_TCP },
	{ &iface_async_emsmdb, 40001, TOWER_TCP },
	{ &iface_nspi, 40002, TOWER_TCP },
	{ &iface_rfr, 40002, TOWER_TCP },
};
#define NHEALTHY 4

static void changed(void *ctx)
{
	((struct play *)ctx)->changed++;
}

static void first_round(void *ctx)
{
	((struct play *)ctx)->first_rounds++;
}

static void prepare(struct play *play, unsigned nservers)
{
	unsigned i;

	memset(play, 0, sizeof(*play));
	stage_begin(&play->stage);
	play->stage.conf->nservers = nservers;
	play->stage.conf->rpc.ports = CONF_PORTS_DYNAMIC;
	for (i = 0; i <= STAGE_SERVERS; i++)
		play->mapper[i].listening = play->mapper[i].fd = -1;
}

static struct prober_config config_of(struct play *play)
{
	return (struct prober_config){
		.loop = play->stage.loop,
		.log = &play->stage.journal.log,
		.array = &play->stage.array,
		.announced = play->stage.router.announced,
		.conf = play->stage.conf,
		.changed = changed,
		.first_round = first_round,
		.ctx = play,
	};
}

static void begin(struct play *play)
{
	struct prober_config config;

	stage_build(&play->stage);
	config = config_of(play);
	play->prober = prober_new(&config);
	assert_non_null(play->prober);
}

static void listen_at(struct play *play, unsigned server)
{
	play->mapper[server].listening = stage_serve(&play->stage, server, 135);
}

/* One server whose endpoint mapper listens; all other things as usual. */
static struct mapper *begin_one(struct play *play)
{
	prepare(play, 1);
	listen_at(play, 0);
	begin(play);
	return &play->mapper[0];
}

static void settle(struct play *play)
{
	fake_loop_settle(play->stage.loop);
}

static void advance(struct play *play, uint64_t ms)
{
	fake_loop_advance(play->stage.loop, ms);
}

static void finish(struct play *play)
{
	unsigned i;

	prober_free(play->prober);
	for (i = 0; i <= STAGE_SERVERS; i++) {
		if (play->mapper[i].fd >= 0)
			mapper_hang_up(&play->mapper[i]);
	}
	stage_end(&play->stage);
}

/* The conversation begins: bound, and asked for the listing. */
static void open_talk(struct play *play, struct mapper *mapper)
{
	settle(play);
	assert_true(mapper_accept(mapper));
	settle(play);
	mapper_accept_bind(mapper);
	settle(play);
}

/* A whole round in which the server has <list> and nothing else. */
static void play_round(struct play *play, struct mapper *mapper,
		       const struct listed *list, uint32_t n)
{
	open_talk(play, mapper);
	mapper_take_lookup(mapper);
	mapper_list(mapper, list, n, 0, 0);
	settle(play);
	while (!mapper_is_left(mapper)) {
		mapper_take_map(mapper);
		mapper_map_nothing(mapper);
		settle(play);
	}
}

static unsigned logged(const struct play *play, const char *event,
		       const char *fields)
{
	return journal_count(&play->stage.journal, event, fields);
}

static uint64_t servers_at(const struct play *play, uint16_t port)
{
	return announced_servers(play->stage.router.announced, port);
}

static unsigned nports(const struct play *play)
{
	struct portset ports;

	announced_ports(play->stage.router.announced, &ports);
	return portset_count(&ports);
}

static bool is_set_aside(struct play *play, unsigned server)
{
	return !(
		array_open(&play->stage.array, loop_now_ms(play->stage.loop)) >>
			server &
		1);
}

static void expect_failure(struct play *play, struct mapper *mapper,
			   const char *reason)
{
	char fields[128];

	assert_true(mapper_is_left(mapper));
	snprintf(fields, sizeof(fields),
		 "server=cas1 address=127.68.0.11 port=135 reason=%s", reason);
	assert_int_equal(logged(play, "endpoint-mapper-failed", fields), 1);
	assert_true(is_set_aside(play, 0));
}

static void probe_fills_the_table_from_a_listing(void **state)
{
	struct play play;
	struct mapper *mapper;
	struct epm_lookup_request lookup;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	lookup = mapper_take_lookup(mapper);
	assert_int_equal(lookup.inquiry, EPM_INQUIRE_ALL);
	assert_true(epm_handle_is_nil(&lookup.handle));
	mapper_list(mapper, healthy, NHEALTHY, 0, 0);
	settle(&play);
	assert_true(mapper_is_left(mapper)); /* nothing is left to ask */
	assert_int_equal(servers_at(&play, 40001), 1);
	assert_int_equal(servers_at(&play, 40002), 1);
	assert_int_equal(nports(&play), 2);
	assert_int_equal(play.changed, 1);
	assert_int_equal(play.first_rounds, 1);
	assert_int_equal(
		logged(&play, "endpoint-mapper", "server=cas1 endpoints=4"), 1);
	finish(&play);
}

static void probe_follows_the_handle_through_several_calls(void **state)
{
	struct play play;
	struct mapper *mapper;
	struct epm_lookup_request lookup;
	uint8_t i;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	for (i = 0; i < 3; i++) {
		lookup = mapper_take_lookup(mapper);
		assert_int_equal(lookup.handle.octet[4], i);
		mapper_list(mapper, &healthy[i], 1, (uint8_t)(i + 1), 0);
		settle(&play);
		assert_int_equal(nports(&play), 0); /* not before the end */
	}
	mapper_take_lookup(mapper);
	mapper_list(mapper, &healthy[3], 1, 0, 0);
	settle(&play);
	assert_true(mapper_is_left(mapper));
	assert_int_equal(nports(&play), 2);
	finish(&play);
}

static void probe_takes_a_status_for_the_end_whatever_the_handle(void **state)
{
	struct play play;
	struct mapper *mapper;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	mapper_take_lookup(mapper);
	mapper_list(mapper, healthy, NHEALTHY, 7, 0);
	settle(&play);
	mapper_take_lookup(mapper);
	mapper_list(mapper, NULL, 0, 7, EPM_NOT_REGISTERED);
	settle(&play);
	assert_true(mapper_is_left(mapper));
	assert_int_equal(nports(&play), 2);
	assert_int_equal(logged(&play, "endpoint-mapper-failed", ""), 0);
	finish(&play);
}

static void probe_takes_an_empty_answer_for_the_end(void **state)
{
	struct play play;
	struct mapper *mapper;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	mapper_take_lookup(mapper);
	mapper_list(mapper, healthy, NHEALTHY, 7, 0);
	settle(&play);
	mapper_take_lookup(mapper);
	mapper_list(mapper, NULL, 0, 7, 0);
	settle(&play);
	assert_true(mapper_is_left(mapper));
	assert_int_equal(nports(&play), 2);
	finish(&play);
}

static void probe_asks_by_name_for_what_the_listing_does_not_show(void **state)
{
	struct play play;
	struct mapper *mapper;
	struct syntax asked;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	mapper_take_lookup(mapper);
	mapper_list(mapper, healthy, 2, 0, 0); /* no nspi, no rfr */
	settle(&play);
	asked = mapper_take_map(mapper);
	assert_true(syntax_equal(&asked, &iface_nspi.syntax));
	mapper_map(mapper, &asked, 40005);
	settle(&play);
	asked = mapper_take_map(mapper);
	assert_true(syntax_equal(&asked, &iface_rfr.syntax));
	mapper_map_nothing(mapper);
	settle(&play);
	assert_true(mapper_is_left(mapper));
	assert_int_equal(servers_at(&play, 40005), 1);
	assert_int_equal(
		logged(&play, "endpoint-mapper", "server=cas1 endpoints=3"), 1);
	finish(&play);
}

static void probe_asks_by_name_where_listing_is_denied(void **state)
{
	struct play play;
	struct mapper *mapper;
	struct syntax asked;
	unsigned i;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	mapper_take_lookup(mapper);
	mapper_fault(mapper);
	settle(&play);
	for (i = 0; i < NHEALTHY; i++) {
		asked = mapper_take_map(mapper);
		mapper_map(mapper, &asked, (uint16_t)(40010 + i));
		settle(&play);
	}
	assert_true(mapper_is_left(mapper));
	assert_int_equal(nports(&play), 4);
	assert_false(is_set_aside(&play, 0));
	finish(&play);
}

static void probe_of_every_interface_needs_the_listing(void **state)
{
	struct play play;
	struct mapper *mapper = &play.mapper[0];

	(void)state;
	prepare(&play, 1);
	play.stage.conf->rpc.any_interface = true;
	play.stage.conf->rpc.ninterfaces = 0;
	listen_at(&play, 0);
	begin(&play);
	open_talk(&play, mapper);
	mapper_take_lookup(mapper);
	mapper_fault(mapper);
	settle(&play);
	expect_failure(&play, mapper, "fault");
	finish(&play);
}

static void probe_fails_on_a_fault_of_a_question_by_name(void **state)
{
	struct play play;
	struct mapper *mapper;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	mapper_take_lookup(mapper);
	mapper_list(mapper, healthy, 1, 0, 0);
	settle(&play);
	mapper_take_map(mapper);
	mapper_fault(mapper);
	settle(&play);
	expect_failure(&play, mapper, "fault");
	assert_int_equal(nports(&play), 0);
	finish(&play);
}

static void probe_keeps_to_the_interfaces_that_are_wanted(void **state)
{
	static const struct iface newer = {
		.name = "newer",
		.syntax = { { 0xa4f1db00,
			      0xca47,
			      0x1067,
			      { 0xb3, 0x1f, 0x00, 0xdd, 0x01, 0x06, 0x62,
				0xda } },
			    99,
			    0 },
	};
	static const struct listed list[] = {
		{ &iface_nspi, 40002, TOWER_TCP },
		{ &iface_emsmdb, 40003, TOWER_TCP }, /* not wanted */
		{ &iface_nspi, 6004, TOWER_HTTP },   /* not by TCP */
		{ &iface_nspi, 0, TOWER_TCP },	     /* nowhere */
		{ &newer, 40004, TOWER_TCP },	     /* another version */
	};
	struct play play;
	struct mapper *mapper = &play.mapper[0];

	(void)state;
	prepare(&play, 1);
	play.stage.conf->rpc.any_interface = false;
	play.stage.conf->rpc.ninterfaces = 2;
	play.stage.conf->rpc.interface[0] = iface_nspi.syntax;
	play.stage.conf->rpc.interface[1] = newer.syntax;
	play.stage.conf->rpc.interface[1].major = 98;
	listen_at(&play, 0);
	begin(&play);
	play_round(&play, mapper, list, 5);
	assert_int_equal(nports(&play), 1);
	assert_int_equal(servers_at(&play, 40002), 1);
	finish(&play);
}

static void probe_of_any_interface_takes_all_over_tcp(void **state)
{
	static const struct listed list[] = {
		{ &iface_nspi, 40002, TOWER_TCP },
		{ &iface_mgmt, 40003, TOWER_TCP },
		{ &iface_nspi, 6004, TOWER_HTTP },
	};
	struct play play;
	struct mapper *mapper = &play.mapper[0];

	(void)state;
	prepare(&play, 1);
	play.stage.conf->rpc.any_interface = true;
	play.stage.conf->rpc.ninterfaces = 0;
	listen_at(&play, 0);
	begin(&play);
	play_round(&play, mapper, list, 3);
	assert_int_equal(nports(&play), 2);
	finish(&play);
}

static void probe_puts_fragments_together(void **state)
{
	struct play play;
	struct mapper *mapper;

	(void)state;
	mapper = begin_one(&play);
	mapper->fragment = 7;
	play_round(&play, mapper, healthy, NHEALTHY);
	assert_int_equal(nports(&play), 2);
	finish(&play);
}

static void probe_reads_big_endian_answers(void **state)
{
	struct play play;
	struct mapper *mapper;

	(void)state;
	mapper = begin_one(&play);
	mapper->is_big = true;
	play_round(&play, mapper, healthy, 3);
	assert_int_equal(nports(&play), 2);
	finish(&play);
}

/* Says everything in pieces, and lets the loop look at each. */
static void say_slowly(struct play *play, struct mapper *mapper,
		       struct bytes octets, size_t piece)
{
	size_t at;

	for (at = 0; at < octets.len; at += piece) {
		size_t left = octets.len - at;

		mapper_say(mapper, bytes_of(octets.at + at,
					    left < piece ? left : piece));
		settle(play);
	}
}

static void probe_waits_for_the_rest_of_a_half_fragment(void **state)
{
	static const size_t pieces[] = { 1, 9, 10, 11, 16, 25 };
	static uint8_t stub_room[MAPPER_ROOM], room[MAPPER_ROOM];
	struct play play;
	struct mapper *mapper = begin_one(&play);
	struct bytes stub =
		mapper_listing(stub_room, healthy, NHEALTHY, 0, 0, true);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct builder out = builder_over(room, sizeof(room), true);

		open_talk(&play, mapper);
		mapper_take_lookup(mapper);
		pdu_response_write(&out, PDU_FIRST, mapper->call_id, 0,
				   bytes_of(stub.at, 100));
		pdu_response_write(&out, PDU_LAST, mapper->call_id, 0,
				   bytes_of(stub.at + 100, stub.len - 100));
		assert_int_equal(out.err, 0);
		say_slowly(&play, mapper, bytes_of(out.at, out.len), pieces[i]);
		assert_true(mapper_is_left(mapper));
		assert_int_equal(nports(&play), 2);
		advance(&play, INTERVAL_MS);
	}
	assert_int_equal(logged(&play, "endpoint-mapper-failed", ""), 0);
	finish(&play);
}

static void probe_gives_up_when_an_answer_takes_too_long(void **state)
{
	struct play play;
	struct mapper *mapper;

	(void)state;
	mapper = begin_one(&play);
	settle(&play);
	assert_true(mapper_accept(mapper));
	settle(&play);
	mapper_take_bind(mapper);
	advance(&play, TIMEOUT_MS - 1);
	assert_false(mapper_is_left(mapper));
	advance(&play, 1);
	expect_failure(&play, mapper, "answer-timeout");
	finish(&play);
}

static void probe_gives_each_answer_its_time(void **state)
{
	struct play play;
	struct mapper *mapper;
	uint8_t i;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	for (i = 1; i < 4; i++) {
		advance(&play, TIMEOUT_MS - 1);
		mapper_take_lookup(mapper);
		mapper_list(mapper, &healthy[0], 1, i, 0);
		settle(&play);
	}
	mapper_take_lookup(mapper);
	/* But the fragments of one answer have it together. */
	mapper->fragment = 50;
	say_slowly(&play, mapper, bytes_of("\5\0\2\1\20\0\0\0", 8), 8);
	advance(&play, TIMEOUT_MS);
	expect_failure(&play, mapper, "answer-timeout");
	finish(&play);
}

static void probe_gives_a_whole_round_five_timeouts(void **state)
{
	struct play play;
	struct mapper *mapper;
	uint8_t i;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	for (i = 1; i <= 5; i++) {
		assert_false(mapper_is_left(mapper));
		advance(&play, TIMEOUT_MS - 1);
		mapper_take_lookup(mapper);
		mapper_list(mapper, &healthy[0], 1, i, 0);
		settle(&play);
	}
	expect_failure(&play, mapper, "round-timeout");
	finish(&play);
}

static void probe_gives_up_when_the_connect_takes_too_long(void **state)
{
	struct play play;
	int filler;

	(void)state;
	prepare(&play, 1);
	stage_serve_stuck(&play.stage, 0, 135, &filler);
	begin(&play);
	settle(&play);
	advance(&play, TIMEOUT_MS);
	assert_int_equal(logged(&play, "endpoint-mapper-failed",
				"server=cas1 reason=connect-timeout"),
			 1);
	assert_true(is_set_aside(&play, 0));
	close(filler);
	finish(&play);
}

static void probe_fails_when_the_bind_is_refused(void **state)
{
	struct pdu_bind_ack ack = {
		.nresults = 1,
		.result[0] = { .result = PDU_PROVIDER_REJECT,
			       .reason = PDU_REASON_ABSTRACT },
	};
	uint8_t room[256];
	struct builder out = builder_over(room, sizeof(room), true);
	struct play play;
	struct mapper *mapper;

	(void)state;
	mapper = begin_one(&play);
	settle(&play);
	assert_true(mapper_accept(mapper));
	settle(&play);
	mapper_take_bind(mapper);
	pdu_bind_ack_write(&out, PDU_BIND_ACK, PDU_FIRST | PDU_LAST,
			   mapper->call_id, &ack);
	mapper_say(mapper, bytes_of(out.at, out.len));
	settle(&play);
	expect_failure(&play, mapper, "bind-refused");

	advance(&play, INTERVAL_MS);
	assert_true(mapper_accept(mapper));
	settle(&play);
	mapper_take_bind(mapper);
	out = builder_over(room, sizeof(room), true);
	pdu_bind_nak_write(&out, mapper->call_id, 4);
	mapper_say(mapper, bytes_of(out.at, out.len));
	settle(&play);
	expect_failure(&play, mapper, "bind-refused"); /* said once */
	finish(&play);
}

static void probe_fails_on_garbage(void **state)
{
	struct play play;
	struct mapper *mapper;

	(void)state;
	mapper = begin_one(&play);
	settle(&play);
	assert_true(mapper_accept(mapper));
	settle(&play);
	mapper_take_bind(mapper);
	mapper_say(mapper, bytes_of("HTTP/1.1 400 Bad Request\r\n", 26));
	settle(&play);
	expect_failure(&play, mapper, "malformed-answer");
	finish(&play);
}

static void probe_fails_on_a_pdu_that_is_no_answer(void **state)
{
	uint8_t room[64];
	struct builder out = builder_over(room, sizeof(room), true);
	struct play play;
	struct mapper *mapper;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	mapper_take_lookup(mapper);
	pdu_request_write(&out, PDU_FIRST | PDU_LAST, 2, 0, 3,
			  bytes_of(NULL, 0));
	mapper_say(mapper, bytes_of(out.at, out.len));
	settle(&play);
	expect_failure(&play, mapper, "unexpected-pdu");
	finish(&play);
}

static void probe_fails_on_the_answer_to_another_call(void **state)
{
	struct play play;
	struct mapper *mapper;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	mapper_take_lookup(mapper);
	mapper->call_id--;
	mapper_list(mapper, healthy, NHEALTHY, 0, 0);
	settle(&play);
	expect_failure(&play, mapper, "unexpected-pdu");
	assert_int_equal(nports(&play), 0);
	finish(&play);
}

static void probe_fails_when_the_server_hangs_up_or_resets(void **state)
{
	struct play play;
	struct mapper *mapper;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	mapper_hang_up(mapper);
	settle(&play);
	assert_int_equal(logged(&play, "endpoint-mapper-failed",
				"reason=connection-lost"),
			 1);
	finish(&play);

	mapper = begin_one(&play);
	open_talk(&play, mapper);
	mapper_take_lookup(mapper);
	tcp_reset(mapper->fd);
	mapper->fd = -1;
	settle(&play);
	assert_int_equal(logged(&play, "endpoint-mapper-failed",
				"reason=connection-lost"),
			 1);
	finish(&play);

	/* Before it was asked anything. */
	mapper = begin_one(&play);
	while (!mapper_accept(mapper))
		settle(&play);
	mapper_hang_up(mapper);
	settle(&play);
	assert_int_equal(logged(&play, "endpoint-mapper-failed",
				"reason=connection-lost"),
			 1);
	finish(&play);
}

static void probe_ends_a_listing_that_never_does(void **state)
{
	struct play play;
	struct mapper *mapper;
	unsigned i;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	for (i = 0; i < 1000 && !mapper_is_left(mapper); i++) {
		mapper_take_lookup(mapper);
		mapper_list(mapper, healthy, NHEALTHY, 9, 0);
		settle(&play);
	}
	assert_int_equal(i, TALK_ROUNDS);
	assert_int_equal(logged(&play, "endpoint-mapper-failed",
				"reason=endless-listing"),
			 1);
	assert_int_equal(nports(&play), 0);
	finish(&play);
}

static void probe_takes_no_more_than_its_most(void **state)
{
	static struct listed many[100];
	struct play play;
	struct mapper *mapper;
	unsigned i, call;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	for (call = 0; call < 11; call++) {
		for (i = 0; i < 100; i++)
			many[i] = (struct listed){
				&iface_nspi, (uint16_t)(2000 + 100 * call + i),
				TOWER_TCP
			};
		mapper_take_lookup(mapper);
		mapper_list(mapper, many, 100, call < 10, 0);
		settle(&play);
	}
	while (!mapper_is_left(mapper)) {
		mapper_take_map(mapper);
		mapper_map_nothing(mapper);
		settle(&play);
	}
	assert_int_equal(nports(&play), ANNOUNCED_MAX);
	finish(&play);
}

static void probe_refuses_an_answer_that_is_too_long(void **state)
{
	static uint8_t zeros[5000], room[MAPPER_ROOM];
	struct play play;
	struct mapper *mapper;
	unsigned i;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	mapper_take_lookup(mapper);
	for (i = 0; i < 1000 && !mapper_is_left(mapper); i++) {
		struct builder out = builder_over(room, sizeof(room), true);

		pdu_response_write(&out, i ? 0 : PDU_FIRST, mapper->call_id, 0,
				   bytes_of(zeros, sizeof(zeros)));
		mapper_say(mapper, bytes_of(out.at, out.len));
		settle(&play);
	}
	assert_int_equal(i, TALK_STUB_MAX / sizeof(zeros) + 1);
	assert_int_equal(logged(&play, "endpoint-mapper-failed",
				"reason=answer-too-long"),
			 1);
	finish(&play);
}

/* A good listing, cut or spoilt anywhere: the round ends, well or not, and
 * the next one is as if nothing had been. */
static void probe_survives_every_spoilt_listing(void **state)
{
	static uint8_t stub_room[MAPPER_ROOM], copy[MAPPER_ROOM];
	struct play play;
	struct mapper *mapper = begin_one(&play);
	struct bytes stub = mapper_listing(stub_room, healthy, 2, 0, 0, true);
	size_t i, len;

	(void)state;
	srand(3);
	for (i = 0; i < 2 * stub.len; i++) {
		memcpy(copy, stub.at, stub.len);
		len = i < stub.len ? i : stub.len;
		if (i >= stub.len)
			copy[i - stub.len] ^= (uint8_t)(1 + rand() % 255);
		open_talk(&play, mapper);
		mapper_take_lookup(mapper);
		mapper_respond(mapper, bytes_of(copy, len));
		settle(&play);
		mapper_hang_up(mapper);
		advance(&play, INTERVAL_MS);
	}
	play_round(&play, mapper, healthy, NHEALTHY);
	assert_int_equal(nports(&play), 2);
	finish(&play);
}

static void probe_tells_a_change_only_when_there_is_one(void **state)
{
	static const struct listed moved[] = {
		{ &iface_emsmdb, 40009, TOWER_TCP },
	};
	struct listed turned[NHEALTHY + 1];
	struct play play;
	struct mapper *mapper;
	unsigned i;

	(void)state;
	mapper = begin_one(&play);
	play_round(&play, mapper, healthy, NHEALTHY);
	assert_int_equal(play.changed, 1);
	advance(&play, INTERVAL_MS);
	play_round(&play, mapper, healthy, NHEALTHY);
	assert_int_equal(play.changed, 1);
	/* The same in another order, and one of them twice. */
	for (i = 0; i < NHEALTHY; i++)
		turned[i] = healthy[NHEALTHY - 1 - i];
	turned[NHEALTHY] = healthy[0];
	advance(&play, INTERVAL_MS);
	play_round(&play, mapper, turned, NHEALTHY + 1);
	assert_int_equal(play.changed, 1);
	advance(&play, INTERVAL_MS);
	play_round(&play, mapper, moved, 1);
	assert_int_equal(play.changed, 2);
	assert_int_equal(servers_at(&play, 40001), 0);
	assert_int_equal(play.first_rounds, 1);
	finish(&play);
}

static void probe_that_finds_nothing_says_what_to_do(void **state)
{
	struct play play;
	struct mapper *mapper;

	(void)state;
	mapper = begin_one(&play);
	play_round(&play, mapper, NULL, 0);
	assert_int_equal(logged(&play, "nothing-announced", "server=cas1"), 1);
	assert_int_equal(play.changed, 0);
	advance(&play, INTERVAL_MS);
	play_round(&play, mapper, NULL, 0);
	assert_int_equal(logged(&play, "nothing-announced", ""), 1);
	finish(&play);
}

static void probe_that_fails_keeps_the_table(void **state)
{
	struct play play;
	struct mapper *mapper;

	(void)state;
	mapper = begin_one(&play);
	play_round(&play, mapper, healthy, NHEALTHY);
	advance(&play, INTERVAL_MS);
	open_talk(&play, mapper);
	mapper_hang_up(mapper);
	settle(&play);
	assert_int_equal(logged(&play, "endpoint-mapper-failed", ""), 1);
	assert_int_equal(nports(&play), 2);
	assert_int_equal(play.changed, 1);
	/* It is back, and that is worth a line. */
	advance(&play, INTERVAL_MS);
	play_round(&play, mapper, healthy, NHEALTHY);
	assert_int_equal(logged(&play, "endpoint-mapper", "endpoints=4"), 2);
	assert_int_equal(play.changed, 1);
	finish(&play);
}

static void probe_waits_for_its_interval_between_rounds(void **state)
{
	struct play play;
	struct mapper *mapper;
	unsigned i;

	(void)state;
	mapper = begin_one(&play);
	for (i = 0; i < 3; i++) {
		play_round(&play, mapper, healthy, NHEALTHY);
		advance(&play, INTERVAL_MS - 1);
		assert_false(mapper_accept(mapper));
		advance(&play, 1);
	}
	finish(&play);
}

static void probe_ends_the_first_round_when_the_last_server_is_heard_of(
	void **state)
{
	struct play play;

	(void)state;
	prepare(&play, 3);
	listen_at(&play, 0);
	listen_at(&play, 1); /* the third is dead */
	begin(&play);
	settle(&play);
	assert_int_equal(logged(&play, "endpoint-mapper-failed",
				"server=cas3 reason=connect-refused"),
			 1);
	play_round(&play, &play.mapper[0], healthy, NHEALTHY);
	assert_int_equal(play.first_rounds, 0);
	/* The second says nothing. */
	advance(&play, TIMEOUT_MS);
	assert_int_equal(play.first_rounds, 1);
	advance(&play, 10 * INTERVAL_MS);
	assert_int_equal(play.first_rounds, 1);
	finish(&play);
}

static void probe_ends_the_first_round_without_a_slow_server(void **state)
{
	struct play play;
	struct mapper *slow;
	uint64_t now_ms = 0;
	uint8_t i = 0;

	(void)state;
	prepare(&play, 2);
	listen_at(&play, 0);
	listen_at(&play, 1);
	begin(&play);
	play_round(&play, &play.mapper[0], healthy, NHEALTHY);
	slow = &play.mapper[1];
	open_talk(&play, slow);
	while (now_ms + 1000 < INTERVAL_MS + TIMEOUT_MS) {
		advance(&play, 1000);
		now_ms += 1000;
		mapper_take_lookup(slow);
		mapper_list(slow, &healthy[0], 1, ++i, 0);
		settle(&play);
	}
	assert_int_equal(play.first_rounds, 0);
	advance(&play, 1000);
	assert_int_equal(play.first_rounds, 1);
	/* Its round still goes on, and its end is no second first one. */
	assert_false(mapper_is_left(slow));
	mapper_take_lookup(slow);
	mapper_list(slow, healthy, NHEALTHY, 0, 0);
	settle(&play);
	assert_true(mapper_is_left(slow));
	assert_int_equal(servers_at(&play, 40002), 3);
	assert_int_equal(play.first_rounds, 1);
	finish(&play);
}

static void probe_asked_for_asks_at_once(void **state)
{
	struct play play;
	struct mapper *mapper;

	(void)state;
	mapper = begin_one(&play);
	play_round(&play, mapper, healthy, NHEALTHY);
	advance(&play, 1000);
	prober_ask(play.prober, 0);
	prober_ask(play.prober, 63); /* nobody is there */
	play_round(&play, mapper, healthy, NHEALTHY);
	/* And the interval begins anew. */
	advance(&play, INTERVAL_MS - 1);
	assert_false(mapper_accept(mapper));
	advance(&play, 1);
	assert_true(mapper_accept(mapper));
	finish(&play);
}

static void probe_asked_for_again_and_again_asks_once_a_second(void **state)
{
	struct play play;
	struct mapper *mapper;
	unsigned i, ms, rounds = 0;

	(void)state;
	mapper = begin_one(&play);
	play_round(&play, mapper, healthy, NHEALTHY);
	for (ms = 0; ms < 3500; ms += 10) {
		for (i = 0; i < 3; i++)
			prober_ask(play.prober, 0);
		advance(&play, 10);
		if (!mapper_accept(mapper))
			continue;
		rounds++;
		mapper_accept_bind(mapper);
		settle(&play);
		mapper_take_lookup(mapper);
		prober_ask(play.prober, 0);
		mapper_list(mapper, healthy, NHEALTHY, 0, 0);
		settle(&play);
		assert_true(mapper_is_left(mapper));
	}
	assert_int_equal(rounds, 3);
	finish(&play);
}

static void probe_asked_for_during_a_round_asks_once_more(void **state)
{
	struct play play;
	struct mapper *mapper;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	prober_ask(play.prober, 0);
	prober_ask(play.prober, 0);
	mapper_take_lookup(mapper);
	mapper_list(mapper, healthy, NHEALTHY, 0, 0);
	settle(&play);
	assert_true(mapper_is_left(mapper));
	/* A second apart, whoever asks. */
	prober_ask(play.prober, 0);
	advance(&play, 999);
	assert_false(mapper_accept(mapper));
	advance(&play, 1);
	play_round(&play, mapper, healthy, NHEALTHY);
	advance(&play, INTERVAL_MS - 1);
	assert_false(mapper_accept(mapper));
	finish(&play);
}

static void probe_keeps_a_failing_server_aside_between_its_rounds(void **state)
{
	struct play play;
	unsigned i;

	(void)state;
	prepare(&play, 1); /* nobody listens */
	begin(&play);
	settle(&play);
	for (i = 0; i < 100; i++) {
		assert_true(is_set_aside(&play, 0));
		advance(&play, 500);
	}
	assert_int_equal(logged(&play, "set-aside", "server=cas1"), 1);
	listen_at(&play, 0);
	advance(&play, INTERVAL_MS);
	play_round(&play, &play.mapper[0], healthy, NHEALTHY);
	assert_false(is_set_aside(&play, 0));
	assert_int_equal(logged(&play, "set-aside-over", "server=cas1"), 1);
	finish(&play);
}

static void probe_sets_a_silent_server_aside_and_takes_it_back(void **state)
{
	struct play play;
	unsigned i;

	(void)state;
	prepare(&play, 1);
	begin(&play);
	settle(&play);
	assert_true(is_set_aside(&play, 0));
	assert_int_equal(play.stage.array.server[0].blamed_port, 135);
	/* It fails again and again, and is set aside all the time. */
	for (i = 0; i < 3; i++) {
		advance(&play, INTERVAL_MS);
		assert_true(is_set_aside(&play, 0));
	}
	assert_int_equal(logged(&play, "set-aside",
				"server=cas1 port=135 ms=15000 "
				"reason=connect-refused"),
			 1);
	assert_int_equal(logged(&play, "set-aside", ""), 1);
	assert_int_equal(logged(&play, "set-aside-over", ""), 0);
	listen_at(&play, 0);
	advance(&play, INTERVAL_MS);
	play_round(&play, &play.mapper[0], healthy, NHEALTHY);
	assert_int_equal(logged(&play, "set-aside-over", "server=cas1"), 1);
	advance(&play, INTERVAL_MS);
	play_round(&play, &play.mapper[0], healthy, NHEALTHY);
	assert_int_equal(logged(&play, "set-aside-over", ""), 1);
	assert_false(is_set_aside(&play, 0));
	assert_int_equal(play.stage.array.server[0].failures, 0);
	finish(&play);
}

static void probe_does_not_blame_a_server_for_our_own_want(void **state)
{
	struct play play;
	unsigned long before;
	struct mapper *mapper;

	(void)state;
	begin_one(&play);
	before = stage_limit_descriptors(stage_next_descriptor());
	settle(&play);
	stage_limit_descriptors(before);
	assert_int_equal(logged(&play, "endpoint-mapper-failed",
				"server=cas1 reason=no-descriptors"),
			 1);
	assert_false(is_set_aside(&play, 0));
	finish(&play);

	mapper = begin_one(&play);
	alloc_fail_at(1);
	settle(&play);
	assert_true(alloc_has_failed());
	alloc_fail_at(0);
	assert_int_equal(
		logged(&play, "endpoint-mapper-failed", "reason=no-memory"), 1);
	assert_false(is_set_aside(&play, 0));
	advance(&play, INTERVAL_MS);
	play_round(&play, mapper, healthy, NHEALTHY);
	finish(&play);

	/* Its answer finds no room: what was known stays. */
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	mapper_take_lookup(mapper);
	mapper_list(mapper, healthy, NHEALTHY, 0, 0);
	alloc_fail_at(1);
	settle(&play);
	assert_true(alloc_has_failed());
	alloc_fail_at(0);
	assert_true(mapper_is_left(mapper));
	assert_int_equal(
		logged(&play, "endpoint-mapper-failed", "reason=no-memory"), 1);
	assert_false(is_set_aside(&play, 0));
	finish(&play);
}

static struct conf *conf_like(const struct conf *old)
{
	struct conf *conf = conf_new();

	assert_non_null(conf);
	conf->rpc.ports = old->rpc.ports;
	conf->nservers = old->nservers;
	memcpy(conf->server, old->server, sizeof(conf->server));
	return conf;
}

static void probe_follows_servers_that_come_and_go(void **state)
{
	struct play play;
	struct conf *conf;

	(void)state;
	prepare(&play, 2);
	listen_at(&play, 0);
	listen_at(&play, 1);
	begin(&play);
	play_round(&play, &play.mapper[0], healthy, 1);
	play_round(&play, &play.mapper[1], healthy, NHEALTHY);
	assert_int_equal(servers_at(&play, 40001), 3);
	assert_int_equal(play.changed, 2);

	/* cas1 leaves, cas3 comes. */
	conf = conf_like(play.stage.conf);
	snprintf(conf->server[0].name, CONF_NAME_MAX, "cas3");
	assert_int_equal(addr_parse(stage_address(2), &conf->server[0].address),
			 0);
	assert_int_equal(array_apply(&play.stage.array, conf), 0);
	listen_at(&play, 2);
	prober_reconfigure(play.prober, conf);
	/* While it leaves it still serves who lives there. */
	assert_int_equal(servers_at(&play, 40001), 3);
	assert_int_equal(array_sweep(&play.stage.array), 1);
	prober_follow(play.prober);
	assert_int_equal(servers_at(&play, 40001), 2);
	assert_int_equal(play.changed, 4);
	settle(&play);
	assert_false(mapper_accept(&play.mapper[0]));
	play_round(&play, &play.mapper[2], healthy, NHEALTHY);
	assert_int_equal(servers_at(&play, 40001), 6);
	advance(&play, 1000);
	play_round(&play, &play.mapper[1], healthy, NHEALTHY);
	advance(&play, 3 * INTERVAL_MS);
	assert_false(mapper_accept(&play.mapper[0]));
	conf_drop(conf);
	finish(&play);
}

static void probe_begins_a_round_anew_when_it_is_reconfigured(void **state)
{
	struct play play;
	struct mapper *mapper;
	struct conf *conf;

	(void)state;
	mapper = begin_one(&play);
	open_talk(&play, mapper);
	mapper_take_lookup(mapper);
	conf = conf_like(play.stage.conf);
	conf->check.timeout_ms = 500;
	conf->check.interval_ms = 1000;
	conf->rpc.ninterfaces = 1; /* emsmdb alone */
	prober_reconfigure(play.prober, conf);
	conf_drop(conf); /* the prober holds it */
	assert_true(mapper_is_left(mapper));
	assert_int_equal(play.first_rounds, 0);
	play_round(&play, mapper, healthy, NHEALTHY);
	assert_int_equal(nports(&play), 1);
	assert_int_equal(play.first_rounds, 1);
	advance(&play, 1000);
	open_talk(&play, mapper);
	mapper_take_lookup(mapper);
	advance(&play, 499);
	assert_false(mapper_is_left(mapper));
	advance(&play, 1);
	assert_true(mapper_is_left(mapper));
	finish(&play);
}

static void probe_that_ends_in_mid_talk_leaves_nothing(void **state)
{
	struct play play;
	int filler;

	(void)state;
	begin_one(&play);
	open_talk(&play, &play.mapper[0]);
	finish(&play);

	prepare(&play, 1);
	stage_serve_stuck(&play.stage, 0, 135, &filler);
	begin(&play);
	settle(&play);
	close(filler);
	finish(&play);
	prober_free(NULL);
}

static void try_to_make_a_prober(void *ctx)
{
	struct prober_config config = config_of(ctx);

	prober_free(prober_new(&config));
	assert_int_equal(config.conf->holders, 1);
}

static void probe_copes_with_each_allocation_refused(void **state)
{
	struct play play;

	(void)state;
	prepare(&play, 1);
	stage_build(&play.stage);
	assert_int_equal(alloc_each_fails(&play, try_to_make_a_prober), 1);
	stage_end(&play.stage);
}

/* A talk beside another io of the same loop. */
struct pair {
	struct talk talk;
	struct loop_io other;
	unsigned ended;
	size_t seen; /* octets of the answer, when the other had its turn */
};

static void talk_ended(struct talk *talk, const char *why)
{
	struct pair *pair = list_entry(talk, struct pair, talk);

	assert_non_null(why);
	pair->ended++;
}

static void other_ready(struct loop_io *io, unsigned events)
{
	struct pair *pair = list_entry(io, struct pair, other);

	if (events & LOOP_READ && !pair->seen)
		pair->seen = pair->talk.stub_len;
}

static void probe_lets_others_have_their_turn_in_a_flood(void **state)
{
	static uint8_t room[MAPPER_ROOM];
	struct endpoint to = { .port = 135 };
	struct pair pair = { .talk.io.fd = -1 };
	struct mapper mapper = { 0 };
	struct dialer dialer;
	struct stage stage;
	int end[2];
	unsigned i;

	(void)state;
	stage_begin(&stage);
	stage_build(&stage);
	mapper.listening = stage_serve(&stage, 0, 135);
	assert_int_equal(addr_parse(stage_address(0), &to.addr), 0);
	dialer_init(&dialer, stage.loop, TIMEOUT_MS);
	pair.talk.dialer = &dialer;
	pair.talk.loop = stage.loop;
	pair.talk.rpc = &stage.conf->rpc;
	pair.talk.timeout_ms = TIMEOUT_MS;
	pair.talk.done = talk_ended;
	talk_start(&pair.talk, &to, NULL);
	fake_loop_settle(stage.loop);
	assert_true(mapper_accept(&mapper));
	mapper_accept_bind(&mapper);
	fake_loop_settle(stage.loop);
	mapper_take_lookup(&mapper);

	/* Fragments of one octet, none of them the last. */
	tcp_pair(end);
	pair.other = (struct loop_io){ .fd = end[1], .ready = other_ready };
	assert_int_equal(loop_watch_edge(stage.loop, &pair.other), 0);
	fake_loop_settle(stage.loop);
	for (i = 0; i < 2000; i++) {
		struct builder out = builder_over(room, sizeof(room), true);

		pdu_response_write(&out, 0, mapper.call_id, 0,
				   bytes_of("x", 1));
		mapper_say(&mapper, bytes_of(out.at, out.len));
	}
	tcp_write(end[0], "me too", 6);
	fake_loop_settle(stage.loop);
	assert_in_range(pair.seen, 1, 200);
	assert_int_equal(pair.talk.stub_len, 2000); /* but all were read */
	fake_loop_advance(stage.loop, TIMEOUT_MS);
	assert_int_equal(pair.ended, 1);
	mapper_hang_up(&mapper);
	loop_unwatch(stage.loop, &pair.other);
	close(end[0]);
	close(end[1]);
	dialer_release(&dialer);
	stage_end(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_fills_the_table_from_a_listing),
		cmocka_unit_test(
			probe_follows_the_handle_through_several_calls),
		cmocka_unit_test(
			probe_takes_a_status_for_the_end_whatever_the_handle),
		cmocka_unit_test(probe_takes_an_empty_answer_for_the_end),
		cmocka_unit_test(
			probe_asks_by_name_for_what_the_listing_does_not_show),
		cmocka_unit_test(probe_asks_by_name_where_listing_is_denied),
		cmocka_unit_test(probe_of_every_interface_needs_the_listing),
		cmocka_unit_test(probe_fails_on_a_fault_of_a_question_by_name),
		cmocka_unit_test(probe_keeps_to_the_interfaces_that_are_wanted),
		cmocka_unit_test(probe_of_any_interface_takes_all_over_tcp),
		cmocka_unit_test(probe_puts_fragments_together),
		cmocka_unit_test(probe_reads_big_endian_answers),
		cmocka_unit_test(probe_waits_for_the_rest_of_a_half_fragment),
		cmocka_unit_test(probe_gives_up_when_an_answer_takes_too_long),
		cmocka_unit_test(probe_gives_each_answer_its_time),
		cmocka_unit_test(probe_gives_a_whole_round_five_timeouts),
		cmocka_unit_test(
			probe_gives_up_when_the_connect_takes_too_long),
		cmocka_unit_test(probe_fails_when_the_bind_is_refused),
		cmocka_unit_test(probe_fails_on_garbage),
		cmocka_unit_test(probe_fails_on_a_pdu_that_is_no_answer),
		cmocka_unit_test(
			probe_fails_when_the_server_hangs_up_or_resets),
		cmocka_unit_test(probe_ends_a_listing_that_never_does),
		cmocka_unit_test(probe_takes_no_more_than_its_most),
		cmocka_unit_test(probe_refuses_an_answer_that_is_too_long),
		cmocka_unit_test(probe_survives_every_spoilt_listing),
		cmocka_unit_test(probe_tells_a_change_only_when_there_is_one),
		cmocka_unit_test(probe_that_finds_nothing_says_what_to_do),
		cmocka_unit_test(probe_that_fails_keeps_the_table),
		cmocka_unit_test(probe_waits_for_its_interval_between_rounds),
		cmocka_unit_test(
			probe_ends_the_first_round_when_the_last_server_is_heard_of),
		cmocka_unit_test(
			probe_ends_the_first_round_without_a_slow_server),
		cmocka_unit_test(probe_fails_on_the_answer_to_another_call),
		cmocka_unit_test(probe_asked_for_asks_at_once),
		cmocka_unit_test(
			probe_asked_for_again_and_again_asks_once_a_second),
		cmocka_unit_test(probe_asked_for_during_a_round_asks_once_more),
		cmocka_unit_test(
			probe_sets_a_silent_server_aside_and_takes_it_back),
		cmocka_unit_test(
			probe_keeps_a_failing_server_aside_between_its_rounds),
		cmocka_unit_test(
			probe_does_not_blame_a_server_for_our_own_want),
		cmocka_unit_test(probe_follows_servers_that_come_and_go),
		cmocka_unit_test(
			probe_begins_a_round_anew_when_it_is_reconfigured),
		cmocka_unit_test(probe_that_ends_in_mid_talk_leaves_nothing),
		cmocka_unit_test(probe_copes_with_each_allocation_refused),
		cmocka_unit_test(probe_lets_others_have_their_turn_in_a_flood),
	};

	return cmocka_run_group_tests(tests, stage_group_begin,
				      stage_group_end);
}
