/*
 * test_first.c - connections that stand for themselves: their first PDU
 * chooses the server.
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

#define GROUP	 0xabcd
#define CALL_ID	 0x01020304
#define FIRST_MS 5000

struct talk {
	struct rpc_stage play;
	uint16_t port; /* that clients dial */
};

static void serve_all(struct talk *talk, uint16_t port)
{
	unsigned i;

	talk->port = port;
	for (i = 0; i < STAGE_SERVERS; i++)
		stage_serve(&talk->play.stage, i, port);
}

/* Without affinity each connection has a server of its own; static ports. */
static void begin(struct talk *talk, bool limited)
{
	struct conf *conf;

	rpc_stage_begin(&talk->play, CONF_EPM_TRACK);
	conf = talk->play.stage.conf;
	conf->rpc.ports = CONF_PORTS_STATIC;
	conf->rpc.any_interface = !limited;
	conf->affinity.key = CONF_KEY_NONE;
	rpc_stage_open(&talk->play);
	rpc_stage_listen(&talk->play, MAILBOX);
	serve_all(talk, MAILBOX);
}

/* Every client comes from an address that many share. */
static void begin_shared(struct talk *talk)
{
	struct conf *conf;

	rpc_stage_begin(&talk->play, CONF_EPM_REWRITE);
	conf = talk->play.stage.conf;
	conf->affinity.nshared = 1;
	assert_int_equal(
		prefix_parse("127.68.1.0/24", &conf->affinity.shared[0]), 0);
	rpc_stage_open(&talk->play);
	serve_all(talk, EPM_PORT);
}

static void settle(struct talk *talk)
{
	fake_loop_settle(talk->play.stage.loop);
}

static unsigned logged(const struct talk *talk, const char *event,
		       const char *fields)
{
	return rpc_stage_logged(&talk->play, event, fields);
}

static int client(struct talk *talk)
{
	int fd = rpc_stage_client(1, talk->port);

	settle(talk);
	return fd;
}

/* Who was dialled: its end, and which it is; -1: nobody. */
static int dialled(struct talk *talk, unsigned *server)
{
	unsigned i;
	int fd;

	for (i = 0; i < STAGE_SERVERS; i++) {
		fd = stage_accept(talk->play.stage.listening[i][0]);
		if (fd < 0)
			continue;
		*server = i;
		return fd;
	}
	return -1;
}

static void expect_nobody_dialled(struct talk *talk)
{
	unsigned unused;

	assert_int_equal(dialled(talk, &unused), -1);
}

static struct bytes bind_of(uint32_t group, bool is_little)
{
	struct pdu_bind bind = rpc_offer(&iface_emsmdb.syntax, group);

	return rpc_bind(&bind, CALL_ID, is_little);
}

static struct bytes ack_of(uint32_t group)
{
	struct pdu_bind bind = rpc_offer(&iface_emsmdb.syntax, 0);

	return rpc_ack(&bind, PDU_BIND_ACK, group, CALL_ID, true);
}

/* A connection whose server gave it <group>. */
struct pair {
	int client, at_server;
	unsigned server;
};

static struct pair join(struct talk *talk, uint32_t asked, uint32_t given)
{
	struct pair pair = { .client = client(talk) };

	rpc_stage_say(&talk->play, pair.client, bind_of(asked, true));
	pair.at_server = dialled(talk, &pair.server);
	assert_true(pair.at_server >= 0);
	rpc_expect(pair.at_server, bind_of(asked, true));
	rpc_stage_pass(&talk->play, pair.at_server, pair.client, ack_of(given));
	return pair;
}

static void part(struct talk *talk, struct pair *pair)
{
	close(pair->client);
	close(pair->at_server);
	settle(talk);
}

static void nobody_is_dialled_before_the_bind_is_whole(void **state)
{
	struct bytes bind;
	struct talk talk;
	unsigned server = 0;
	int fd, at_server;
	size_t i;

	(void)state;
	begin(&talk, true);
	fd = client(&talk);
	expect_nobody_dialled(&talk);
	assert_int_equal(svc_rpc_open(talk.play.svc), 1);
	bind = bind_of(0, true);
	rpc_stage_say(&talk.play, fd, bytes_of(bind.at, 1));
	for (i = 1; i < bind.len - 1; i += 10) {
		size_t n = bind.len - 1 - i < 10 ? bind.len - 1 - i : 10;

		rpc_stage_say(&talk.play, fd, bytes_of(bind.at + i, n));
		expect_nobody_dialled(&talk);
	}
	rpc_stage_say(&talk.play, fd, bytes_of(bind.at + bind.len - 1, 1));
	at_server = dialled(&talk, &server);
	assert_true(at_server >= 0);
	/* The server gets every octet. */
	rpc_expect(at_server, bind);
	close(fd);
	close(at_server);
	settle(&talk);
	rpc_stage_end(&talk.play);
}

static void what_comes_behind_the_bind_is_kept(void **state)
{
	struct bytes both;
	struct talk talk;
	unsigned server = 0;
	int fd, at_server;

	(void)state;
	begin(&talk, true);
	fd = client(&talk);
	both = rpc_join(bind_of(0, true),
			rpc_request(11, bytes_of("a stub's", 8), 2, true));
	rpc_stage_say(&talk.play, fd, both);
	at_server = dialled(&talk, &server);
	rpc_expect(at_server, both);
	close(fd);
	close(at_server);
	settle(&talk);
	rpc_stage_end(&talk.play);
}

/* Have as many octets come as the bind has? */
struct awaited {
	int fd;
	size_t len;
};

static bool has_come(void *ctx)
{
	static uint8_t room[PDU_MAX];
	const struct awaited *awaited = ctx;

	return recv(awaited->fd, room, sizeof(room), MSG_PEEK | MSG_DONTWAIT) ==
	       (ssize_t)awaited->len;
}

static bool is_dialled(void *ctx)
{
	struct talk *talk = ctx;
	unsigned i, n = 0;

	for (i = 0; i < STAGE_SERVERS; i++)
		n += talk->play.stage.array.server[i].connections;
	return n > 0;
}

static void a_bind_of_60_kib_is_waited_for(void **state)
{
	struct builder ticket = rpc_room(true);
	struct awaited awaited;
	struct bytes bind;
	struct talk talk;
	unsigned server = 0;
	int fd, at_server;

	(void)state;
	begin(&talk, true);
	fd = client(&talk);
	builder_zero(&ticket, 60 * 1024);
	bind = rpc_signed(bind_of(0, true), 16, PDU_AUTH_PRIVACY,
			  rpc_built(&ticket));
	rpc_stage_say(&talk.play, fd, bytes_of(bind.at, 30000));
	expect_nobody_dialled(&talk);
	rpc_stage_say(&talk.play, fd,
		      bytes_of(bind.at + 30000, bind.len - 30000));
	assert_true(stage_wait(&talk.play.stage, is_dialled, &talk));
	at_server = dialled(&talk, &server);
	awaited = (struct awaited){ at_server, bind.len };
	assert_true(stage_wait(&talk.play.stage, has_come, &awaited));
	rpc_expect(at_server, bind);
	close(fd);
	close(at_server);
	settle(&talk);
	rpc_stage_end(&talk.play);
}

static void a_client_that_says_nothing_is_reset_after_five_seconds(void **state)
{
	struct bytes bind;
	struct talk talk;
	int silent, slow;

	(void)state;
	begin(&talk, true);
	silent = client(&talk);
	fake_loop_advance(talk.play.stage.loop, 1000);
	slow = client(&talk);
	bind = bind_of(0, true);
	rpc_stage_say(&talk.play, slow, bytes_of(bind.at, 20));
	fake_loop_advance(talk.play.stage.loop, FIRST_MS - 1000 - 1);
	rpc_expect_silence(silent);
	fake_loop_advance(talk.play.stage.loop, 1);
	rpc_expect_reset(silent);
	assert_int_equal(logged(&talk, "refuse", "port=59531 reason=no-bind"),
			 1);
	/* A little more buys no more time; each has its own. */
	rpc_stage_say(&talk.play, slow, bytes_of(bind.at + 20, 20));
	fake_loop_advance(talk.play.stage.loop, 1000 - 1);
	rpc_expect_silence(slow);
	fake_loop_advance(talk.play.stage.loop, 1);
	rpc_expect_reset(slow);
	assert_int_equal(svc_rpc_open(talk.play.svc), 0);
	expect_nobody_dialled(&talk);
	rpc_stage_end(&talk.play);
}

static void a_bind_in_the_last_moment_is_in_time(void **state)
{
	struct talk talk;
	struct pair pair;

	(void)state;
	begin(&talk, true);
	pair.client = client(&talk);
	fake_loop_advance(talk.play.stage.loop, FIRST_MS - 1);
	rpc_stage_say(&talk.play, pair.client, bind_of(0, true));
	pair.at_server = dialled(&talk, &pair.server);
	assert_true(pair.at_server >= 0);
	fake_loop_advance(talk.play.stage.loop, FIRST_MS);
	assert_int_equal(svc_rpc_open(talk.play.svc), 1);
	part(&talk, &pair);
	rpc_stage_end(&talk.play);
}

static void a_client_that_goes_before_it_spoke_is_forgotten(void **state)
{
	struct bytes bind;
	struct talk talk;
	int fd;

	(void)state;
	begin(&talk, true);
	close(client(&talk));
	settle(&talk);
	assert_int_equal(svc_rpc_open(talk.play.svc), 0);
	tcp_reset(client(&talk));
	settle(&talk);
	assert_int_equal(svc_rpc_open(talk.play.svc), 0);
	/* Behind half a bind. */
	bind = bind_of(0, true);
	fd = client(&talk);
	rpc_stage_say(&talk.play, fd, bytes_of(bind.at, 40));
	shutdown(fd, SHUT_WR);
	settle(&talk);
	assert_int_equal(svc_rpc_open(talk.play.svc), 0);
	close(fd);
	expect_nobody_dialled(&talk);
	assert_int_equal(logged(&talk, "refuse", "reason=client-closed"), 2);
	assert_int_equal(logged(&talk, "refuse", "reason=client-reset"), 1);
	fake_loop_advance(talk.play.stage.loop, FIRST_MS);
	rpc_stage_end(&talk.play);
}

/* The bind and the end of the stream come at once: it is served. */
static void a_bind_before_the_end_of_the_stream_is_served(void **state)
{
	struct talk talk;
	unsigned server = 0;
	int fd, at_server;

	(void)state;
	begin(&talk, true);
	fd = rpc_stage_client(1, MAILBOX);
	tcp_write(fd, bind_of(0, true).at, bind_of(0, true).len);
	shutdown(fd, SHUT_WR);
	settle(&talk);
	at_server = dialled(&talk, &server);
	assert_true(at_server >= 0);
	rpc_expect(at_server, bind_of(0, true));
	rpc_stage_pass(&talk.play, at_server, fd, ack_of(7));
	close(fd);
	close(at_server);
	settle(&talk);
	rpc_stage_end(&talk.play);
}

static void a_group_leads_to_its_issuer(void **state)
{
	struct pair first[STAGE_SERVERS], joined;
	struct talk talk;
	unsigned i;

	(void)state;
	begin(&talk, true);
	for (i = 0; i < STAGE_SERVERS; i++)
		first[i] = join(&talk, 0, GROUP + i);
	/* Each has a server of its own. */
	assert_int_not_equal(first[0].server, first[1].server);
	assert_int_not_equal(first[1].server, first[2].server);
	assert_int_not_equal(first[2].server, first[0].server);
	for (i = STAGE_SERVERS; i-- > 0;) {
		joined = join(&talk, GROUP + i, GROUP + i);
		assert_int_equal(joined.server, first[i].server);
		part(&talk, &joined);
	}
	assert_int_equal(logged(&talk, "open", "why=group"), STAGE_SERVERS);
	/* It is remembered for a while after its last connection. */
	for (i = 0; i < STAGE_SERVERS; i++)
		part(&talk, &first[i]);
	fake_loop_advance(talk.play.stage.loop, GROUP_LINGER_MS - 1000);
	for (i = 0; i < STAGE_SERVERS; i++) {
		joined = join(&talk, GROUP + i, GROUP + i);
		assert_int_equal(joined.server, first[i].server);
		part(&talk, &joined);
	}
	rpc_stage_end(&talk.play);
}

static void a_group_in_big_endian_leads_to_its_issuer_too(void **state)
{
	struct pair first[2];
	struct talk talk;
	unsigned server = 0;
	int fd, at_server;

	(void)state;
	begin(&talk, true);
	first[0] = join(&talk, 0, GROUP);
	first[1] = join(&talk, 0, GROUP + 1);
	fd = client(&talk);
	rpc_stage_say(&talk.play, fd, bind_of(GROUP, false));
	at_server = dialled(&talk, &server);
	assert_int_equal(server, first[0].server);
	close(fd);
	close(at_server);
	part(&talk, &first[0]);
	part(&talk, &first[1]);
	rpc_stage_end(&talk.play);
}

static void an_unknown_group_goes_to_any_server_which_says_so(void **state)
{
	struct talk talk;
	unsigned server = 0;
	int fd, at_server;

	(void)state;
	begin(&talk, true);
	fd = client(&talk);
	rpc_stage_say(&talk.play, fd, bind_of(GROUP, true));
	at_server = dialled(&talk, &server);
	rpc_expect(at_server, bind_of(GROUP, true));
	rpc_stage_pass(&talk.play, at_server, fd,
		       rpc_vector("33_bind_nak_reason0.bin"));
	close(fd);
	close(at_server);
	settle(&talk);
	rpc_stage_end(&talk.play);
}

static void expect_nak(struct talk *talk, bool is_little)
{
	struct pdu_bind_nak nak;
	struct pdu pdu;
	int fd = client(talk);

	/* What the client was too hasty to send is read as well, or the end
	 * would be a reset, which may overtake the answer. */
	rpc_stage_say(&talk->play, fd,
		      rpc_join(bind_of(GROUP, is_little),
			       rpc_request(11, bytes_of("a stub's", 8), 2,
					   is_little)));
	pdu = rpc_only(rpc_stage_hear(fd), PDU_BIND_NAK);
	assert_int_equal(pdu.little, is_little);
	assert_int_equal(pdu.call_id, CALL_ID);
	assert_int_equal(pdu_bind_nak_read(&pdu, &nak), 0);
	assert_int_equal(nak.reason, 0);
	rpc_expect_end(fd);
	expect_nobody_dialled(talk);
}

static void a_group_whose_issuer_is_gone_gets_a_nak(void **state)
{
	struct pair first;
	struct talk talk;

	(void)state;
	begin(&talk, true);
	first = join(&talk, 0, GROUP);
	svc_rpc_reset(talk.play.svc, UINT64_C(1) << first.server,
		      REASON_SERVER_REMOVED);
	groups_forget(talk.play.stage.router.groups, UINT64_C(1)
							     << first.server);
	rpc_expect_reset(first.client);
	close(first.at_server);
	expect_nak(&talk, true);
	expect_nak(&talk, false);
	assert_int_equal(
		logged(&talk, "refuse", "port=59531 reason=group-gone"), 2);
	rpc_stage_end(&talk.play);
}

/* It is there, but may not be chosen: to another it must not go. */
static void a_group_whose_issuer_is_down_gets_a_nak(void **state)
{
	struct pair first;
	struct talk talk;

	(void)state;
	begin(&talk, true);
	first = join(&talk, 0, GROUP);
	(void)server_failed(&talk.play.stage.array.server[first.server],
			    MAILBOX, loop_now_ms(talk.play.stage.loop));
	expect_nak(&talk, true);
	part(&talk, &first);
	rpc_stage_end(&talk.play);
}

static void what_is_no_rpc_is_refused_where_interfaces_are_limited(void **state)
{
	struct talk talk;
	unsigned server = 0;
	int fd, at_server;

	(void)state;
	begin(&talk, true);
	fd = client(&talk);
	rpc_stage_say(&talk.play, fd, bytes_of("GET / HTTP/1.0\r\n\r\n", 18));
	rpc_expect_reset(fd);
	expect_nobody_dialled(&talk);
	assert_int_equal(logged(&talk, "refuse", "reason=not-rpc"), 1);
	rpc_stage_end(&talk.play);

	begin(&talk, false);
	fd = client(&talk);
	rpc_stage_say(&talk.play, fd, bytes_of("GET / HTTP/1.0\r\n\r\n", 18));
	at_server = dialled(&talk, &server);
	assert_true(at_server >= 0);
	rpc_expect(at_server, bytes_of("GET / HTTP/1.0\r\n\r\n", 18));
	close(fd);
	close(at_server);
	settle(&talk);
	rpc_stage_end(&talk.play);
}

/* Most clients are no such thing: they are connected at accept. */
static void a_client_with_affinity_is_connected_before_it_speaks(void **state)
{
	struct talk talk;
	unsigned server = 0;
	int fd, at_server;

	(void)state;
	rpc_stage_begin(&talk.play, CONF_EPM_TRACK);
	talk.play.stage.conf->rpc.ports = CONF_PORTS_STATIC;
	rpc_stage_open(&talk.play);
	rpc_stage_listen(&talk.play, MAILBOX);
	serve_all(&talk, MAILBOX);
	fd = client(&talk);
	at_server = dialled(&talk, &server);
	assert_true(at_server >= 0);
	/* A server may speak first. */
	rpc_stage_pass(&talk.play, at_server, fd, bytes_of("banner", 6));
	close(fd);
	close(at_server);
	settle(&talk);
	rpc_stage_end(&talk.play);
}

/* shared addresses */

static struct pair join_mapper(struct talk *talk, uint32_t asked,
			       uint32_t given)
{
	struct pdu_bind bind = rpc_offer(&iface_epm.syntax, asked);
	struct pair pair = { .client = client(talk) };

	expect_nobody_dialled(talk);
	rpc_stage_say(&talk->play, pair.client, rpc_bind(&bind, 1, true));
	pair.at_server = dialled(talk, &pair.server);
	assert_true(pair.at_server >= 0);
	rpc_expect(pair.at_server, rpc_bind(&bind, 1, true));
	rpc_stage_pass(&talk->play, pair.at_server, pair.client,
		       rpc_ack(&bind, PDU_BIND_ACK, given, 1, true));
	return pair;
}

static void behind_a_shared_address_a_group_leads_to_its_issuer(void **state)
{
	struct pair first, second, joined;
	struct talk talk;

	(void)state;
	begin_shared(&talk);
	first = join_mapper(&talk, 0, GROUP);
	/* Another client's run: it began long after. */
	fake_loop_advance(talk.play.stage.loop, RUN_GAP_MS + 1000);
	second = join_mapper(&talk, 0, GROUP + 1);
	assert_int_not_equal(first.server, second.server);
	joined = join_mapper(&talk, GROUP, GROUP);
	assert_int_equal(joined.server, first.server);
	part(&talk, &joined);
	joined = join_mapper(&talk, GROUP + 1, GROUP + 1);
	assert_int_equal(joined.server, second.server);
	part(&talk, &joined);
	part(&talk, &first);
	part(&talk, &second);
	rpc_stage_end(&talk.play);
}

/* The four interfaces of one Outlook, a connection each. */
static void the_connections_of_one_run_share_a_server(void **state)
{
	struct pair one[4];
	struct talk talk;
	unsigned i;

	(void)state;
	begin_shared(&talk);
	for (i = 0; i < 4; i++) {
		one[i] = join_mapper(&talk, 0, GROUP + i);
		assert_int_equal(one[i].server, one[0].server);
		fake_loop_advance(talk.play.stage.loop, RUN_GAP_MS - 100);
	}
	for (i = 0; i < 4; i++)
		part(&talk, &one[i]);
	rpc_stage_end(&talk.play);
}

static void ask_for(struct talk *talk, const struct pair *pair,
		    const struct iface *iface)
{
	struct epm_map_request map = { .max_towers = 4 };
	struct builder tower = rpc_room(true), stub = rpc_room(true);

	tower_write(&tower, TOWER_TCP, &iface->syntax, 0, NULL);
	map.tower = rpc_built(&tower);
	epm_map_request_write(&stub, &map);
	rpc_stage_pass(&talk->play, pair->client, pair->at_server,
		       rpc_request(EPM_MAP, rpc_built(&stub), 2, true));
}

static unsigned runs_shared(struct talk *talk, unsigned runs,
			    unsigned interleaved)
{
	char fields[80];

	snprintf(fields, sizeof(fields),
		 "client=127.68.1.1 runs=%u interleaved=%u", runs, interleaved);
	return logged(talk, "clients-share-a-run", fields);
}

static void clients_that_share_a_run_are_said_once_a_minute(void **state)
{
	struct pair one, other;
	struct talk talk;
	unsigned i;

	(void)state;
	begin_shared(&talk);
	for (i = 0; i < 3; i++) {
		one = join_mapper(&talk, 0, GROUP + i);
		other = join_mapper(&talk, 0, GROUP + 10 + i);
		ask_for(&talk, &one, &iface_emsmdb);
		ask_for(&talk, &one, &iface_nspi);
		assert_int_equal(runs_shared(&talk, i + 1, i + 1), 0);
		ask_for(&talk, &other, &iface_emsmdb);
		ask_for(&talk, &other, &iface_nspi);
		assert_int_equal(runs_shared(&talk, i + 1, i + 1), i != 1);
		part(&talk, &one);
		part(&talk, &other);
		fake_loop_advance(talk.play.stage.loop, 40000);
	}
	assert_int_equal(logged(&talk, "clients-share-a-run", ""), 2);
	rpc_stage_end(&talk.play);
}

/* Its server was not the run's to choose. */
static void a_client_led_by_its_group_is_of_no_run(void **state)
{
	struct pair one, other;
	struct talk talk;

	(void)state;
	begin_shared(&talk);
	one = join_mapper(&talk, 0, GROUP);
	ask_for(&talk, &one, &iface_emsmdb);
	other = join_mapper(&talk, GROUP, GROUP);
	ask_for(&talk, &other, &iface_emsmdb);
	assert_int_equal(logged(&talk, "clients-share-a-run", ""), 0);
	part(&talk, &one);
	part(&talk, &other);
	rpc_stage_end(&talk.play);
}

static struct bytes bind_protected(uint8_t level)
{
	struct pdu_bind bind = rpc_offer(&iface_epm.syntax, 0);

	return rpc_signed(rpc_bind(&bind, 1, true), 10, level,
			  bytes_of("token", 5));
}

/* Where a conversation of that level goes; 0: of none. */
static unsigned server_for_level(struct talk *talk, uint8_t level)
{
	struct pair pair = { .client = client(talk) };

	expect_nobody_dialled(talk);
	rpc_stage_say(&talk->play, pair.client, bind_protected(level));
	pair.at_server = dialled(talk, &pair.server);
	assert_true(pair.at_server >= 0);
	rpc_expect(pair.at_server, bind_protected(level));
	part(talk, &pair);
	return pair.server;
}

static void who_signs_or_seals_behind_a_shared_address_has_its_server(void **s)
{
	struct talk talk;
	unsigned home, level, i, others = 0;

	(void)s;
	begin_shared(&talk);
	home = server_for_level(&talk, PDU_AUTH_PRIVACY);
	for (i = 0; i < 6; i++) {
		/* Each of the others is a run of its own. */
		fake_loop_advance(talk.play.stage.loop, RUN_GAP_MS + 1000);
		level = PDU_AUTH_CALL + i % 4;
		assert_int_equal(server_for_level(&talk, (uint8_t)level), home);
		others |= 1U << server_for_level(&talk, PDU_AUTH_CONNECT);
	}
	assert_int_equal(others, (1U << STAGE_SERVERS) - 1);
	rpc_stage_end(&talk.play);
}

/* Static ports are told as they are, whoever asks. */
static void a_static_port_of_a_shared_address_has_its_server(void **state)
{
	struct talk talk;
	struct pair pair;
	struct conf *conf;
	unsigned home, i;

	(void)state;
	rpc_stage_begin(&talk.play, CONF_EPM_REWRITE);
	conf = talk.play.stage.conf;
	conf->rpc.ports = CONF_PORTS_STATIC;
	conf->rpc.has_virtual = true;
	conf->affinity.nshared = 1;
	assert_int_equal(
		prefix_parse("127.68.1.0/24", &conf->affinity.shared[0]), 0);
	rpc_stage_open(&talk.play);
	rpc_stage_listen(&talk.play, MAILBOX);
	serve_all(&talk, MAILBOX);
	pair = join(&talk, 0, GROUP);
	home = pair.server;
	part(&talk, &pair);
	for (i = 0; i < 6; i++) {
		fake_loop_advance(talk.play.stage.loop, RUN_GAP_MS + 1000);
		pair = join(&talk, 0, GROUP + 1);
		assert_int_equal(pair.server, home);
		part(&talk, &pair);
	}
	rpc_stage_end(&talk.play);
}

/* refused */

static void connect_in_vain(struct talk *talk, const char *from)
{
	int fd = tcp_connect(STAGE_VIP, 6001, from);

	assert_true(fd >= 0);
	settle(talk);
	rpc_expect_reset(fd);
}

static void a_servers_rpc_proxy_that_is_refused_is_said_once(void **state)
{
	struct talk talk;

	(void)state;
	begin_shared(&talk);
	rpc_stage_listen(&talk.play, 6001);
	connect_in_vain(&talk, "127.68.1.1");
	assert_int_equal(logged(&talk, "proxy-ports-missing", ""), 0);
	connect_in_vain(&talk, stage_address(1));
	connect_in_vain(&talk, stage_address(0));
	assert_int_equal(logged(&talk, "proxy-ports-missing", "port=6001"), 1);
	assert_int_equal(
		logged(&talk, "refuse", "port=6001 reason=not-admitted"), 3);
	rpc_stage_end(&talk.play);
}

/* stopping */

static void expect_stopping(struct talk *talk, uint32_t group)
{
	int fd = client(talk);

	rpc_stage_say(&talk->play, fd, bind_of(group, true));
	rpc_expect_reset(fd);
	expect_nobody_dialled(talk);
}

static void while_it_stops_a_group_leads_to_its_issuer(void **state)
{
	struct pair first, joined;
	struct talk talk;

	(void)state;
	begin(&talk, true);
	first = join(&talk, 0, GROUP);
	svc_rpc_stop(talk.play.svc);
	joined = join(&talk, GROUP, GROUP);
	assert_int_equal(joined.server, first.server);
	expect_stopping(&talk, 0);
	expect_stopping(&talk, GROUP + 1);
	assert_int_equal(logged(&talk, "refuse", "port=59531 reason=stopping"),
			 2);
	part(&talk, &joined);
	part(&talk, &first);
	rpc_stage_end(&talk.play);
}

static void while_it_stops_what_is_no_rpc_is_not_let_in(void **state)
{
	struct talk talk;
	int fd;

	(void)state;
	begin(&talk, false);
	svc_rpc_stop(talk.play.svc);
	fd = client(&talk);
	rpc_stage_say(&talk.play, fd, bytes_of("GET / HTTP/1.0\r\n\r\n", 18));
	rpc_expect_reset(fd);
	expect_nobody_dialled(&talk);
	rpc_stage_end(&talk.play);
}

/* Behind a shared address, by the port that it was told. */
static void while_it_stops_a_lease_lets_a_client_in(void **state)
{
	struct announcement one = { iface_emsmdb.syntax, MAILBOX };
	struct lease_target target = { 0, MAILBOX, iface_emsmdb.syntax };
	struct talk talk;
	struct addr name;
	int fd, at_server;

	(void)state;
	begin_shared(&talk);
	rpc_stage_announce(&talk.play, 0, &one, 1);
	rpc_stage_follow(&talk.play, MAILBOX);
	rpc_stage_listen(&talk.play, MAILBOX);
	serve_all(&talk, MAILBOX);
	svc_rpc_stop(talk.play.svc);
	fd = client(&talk);
	rpc_expect_reset(fd);
	assert_int_equal(addr_parse("127.68.1.1", &name), 0);
	assert_int_equal(lease_grant(talk.play.stage.router.leases, &name,
				     MAILBOX, &target,
				     loop_now_ms(talk.play.stage.loop)),
			 1);
	fd = client(&talk);
	at_server = rpc_stage_accept(talk.play.stage.listening[0][1]);
	close(fd);
	close(at_server);
	settle(&talk);
	rpc_stage_end(&talk.play);
}

/* unlucky */

static void a_conversation_without_memory(void *ctx)
{
	struct talk *talk = ctx;
	struct bytes bind = bind_of(GROUP, true);
	unsigned server = 0;
	int fd = client(talk), at_server;

	if (send(fd, bind.at, bind.len, MSG_NOSIGNAL) > 0)
		settle(talk);
	at_server = dialled(talk, &server);
	close(fd);
	if (at_server >= 0)
		close(at_server);
	settle(talk);
}

static void refused_memory_leaves_nothing_behind(void **state)
{
	struct talk talk;

	(void)state;
	begin(&talk, true);
	(void)!alloc_each_fails(&talk, a_conversation_without_memory);
	assert_int_equal(svc_rpc_open(talk.play.svc), 0);
	rpc_stage_end(&talk.play);
}

static void a_first_pdu_with_any_bit_turned_does_no_harm(void **state)
{
	struct talk talk;
	unsigned server = 0;
	size_t bit;
	int fd, at_server;

	(void)state;
	begin(&talk, true);
	for (bit = 0; bit < 72 * 8; bit += 3) {
		uint8_t *copy = rpc_copy(bind_of(0, true));

		fd = client(&talk);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		rpc_stage_say(&talk.play, fd, bytes_of(copy, 72));
		at_server = dialled(&talk, &server);
		close(fd);
		if (at_server >= 0)
			close(at_server);
		settle(&talk);
		assert_int_equal(svc_rpc_open(talk.play.svc), 0);
	}
	rpc_stage_end(&talk.play);
}

#define test(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(nobody_is_dialled_before_the_bind_is_whole),
		test(what_comes_behind_the_bind_is_kept),
		test(a_bind_of_60_kib_is_waited_for),
		test(a_client_that_says_nothing_is_reset_after_five_seconds),
		test(a_bind_in_the_last_moment_is_in_time),
		test(a_client_that_goes_before_it_spoke_is_forgotten),
		test(a_bind_before_the_end_of_the_stream_is_served),
		test(a_group_leads_to_its_issuer),
		test(a_group_in_big_endian_leads_to_its_issuer_too),
		test(an_unknown_group_goes_to_any_server_which_says_so),
		test(a_group_whose_issuer_is_gone_gets_a_nak),
		test(a_group_whose_issuer_is_down_gets_a_nak),
		test(what_is_no_rpc_is_refused_where_interfaces_are_limited),
		test(a_client_with_affinity_is_connected_before_it_speaks),
		test(behind_a_shared_address_a_group_leads_to_its_issuer),
		test(the_connections_of_one_run_share_a_server),
		test(clients_that_share_a_run_are_said_once_a_minute),
		test(a_client_led_by_its_group_is_of_no_run),
		test(who_signs_or_seals_behind_a_shared_address_has_its_server),
		test(a_static_port_of_a_shared_address_has_its_server),
		test(a_servers_rpc_proxy_that_is_refused_is_said_once),
		test(while_it_stops_a_group_leads_to_its_issuer),
		test(while_it_stops_what_is_no_rpc_is_not_let_in),
		test(while_it_stops_a_lease_lets_a_client_in),
		test(refused_memory_leaves_nothing_behind),
		test(a_first_pdu_with_any_bit_turned_does_no_harm),
	};

	return cmocka_run_group_tests(tests, stage_group_begin,
				      stage_group_end);
}
