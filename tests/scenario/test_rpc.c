/*
 * test_rpc.c - the RPC service with clients and servers, on the fake clock.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
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
#include "net/relay.h"
#include "stage.h"
#include "svc/rpc.h"
#include "wire/iface.h"

#define CONNECT_MS 5000 /* the default connect-timeout */
#define MANY	   120

/* The service on its stage. */
struct play {
	struct stage stage;
	struct svc_rpc_shared shared;
	struct svc_rpc *svc;
	int vip[2];
	unsigned asked[ARRAY_SLOTS];
};

static void ask_again(void *ctx, unsigned slot)
{
	struct play *play = ctx;

	play->asked[slot]++;
}

/* stage_begin() and what the test changed come first. */
static void begin(struct play *play)
{
	struct svc_rpc_config config = {
		.loop = play->stage.loop,
		.log = &play->stage.journal.log,
		.shared = &play->shared,
		.conf = play->stage.conf,
	};

	stage_build(&play->stage);
	play->shared = (struct svc_rpc_shared){
		.router = play->stage.router,
		.max_connections = MANY,
		.ask_again = ask_again,
		.ctx = play,
	};
	memset(play->asked, 0, sizeof(play->asked));
	play->vip[0] = play->vip[1] = -1;
	assert_int_equal(svc_rpc_new(&config, &play->svc), 0);
}

/* Take connections to <port> of the virtual address. */
static int open_port(struct play *play, uint16_t port)
{
	int *slot = &play->vip[play->vip[0] >= 0];

	*slot = tcp_listen(STAGE_VIP, port, NULL);
	assert_true(*slot >= 0);
	fcntl(*slot, F_SETFL, O_NONBLOCK);
	assert_int_equal(svc_rpc_attach(play->svc, *slot, port), 0);
	return *slot;
}

/* Static ports, all defaults. */
static void begin_static(struct play *play)
{
	stage_begin(&play->stage);
	begin(play);
	open_port(play, MAILBOX);
	open_port(play, ADDRESS_BOOK);
}

/* 135 and one port of the range that the first <nannounce> servers have. */
static void begin_dynamic(struct play *play, unsigned nannounce)
{
	struct announcement mailbox = { iface_emsmdb.syntax, MAILBOX };
	unsigned slot;

	stage_begin(&play->stage);
	play->stage.conf->rpc.ports = CONF_PORTS_DYNAMIC;
	begin(play);
	for (slot = 0; slot < nannounce; slot++)
		assert_int_equal(announced_set(play->stage.router.announced,
					       slot, &mailbox, 1),
				 1);
	open_port(play, 135);
	open_port(play, MAILBOX);
}

static void settle(struct play *play)
{
	fake_loop_settle(play->stage.loop);
}

static void finish(struct play *play)
{
	unsigned i;

	svc_rpc_reset(play->svc, UINT64_MAX, REASON_STOPPED);
	assert_int_equal(svc_rpc_open(play->svc), 0);
	assert_int_equal(play->shared.connections, 0);
	svc_rpc_free(play->svc);
	for (i = 0; i < 2; i++) {
		if (play->vip[i] >= 0)
			close(play->vip[i]);
	}
	stage_end(&play->stage);
}

/* The <n>th client connects to <port>. */
static int client(unsigned n, uint16_t port)
{
	char from[ADDR_TEXT_MAX];
	int fd;

	snprintf(from, sizeof(from), "127.68.1.%u", n);
	fd = tcp_connect(STAGE_VIP, port, from);
	assert_true(fd >= 0);
	return fd;
}

static void expect_text(int fd, const char *text)
{
	char room[64];

	assert_int_equal(tcp_read(fd, room, sizeof(room)), strlen(text));
	assert_memory_equal(room, text, strlen(text));
}

static void expect_reset(int fd)
{
	char room[8];

	assert_int_equal(tcp_read(fd, room, sizeof(room)), -ECONNRESET);
	close(fd);
}

/* A new client asks, and hears at once that there is nothing. */
static void expect_refusal(struct play *play)
{
	int fd = client(99, MAILBOX);

	settle(play);
	expect_reset(fd);
}

static void expect_open(int fd)
{
	char room[8];

	assert_int_equal(tcp_read(fd, room, sizeof(room)), -EAGAIN);
}

static unsigned logged(const struct play *play, const char *event,
		       const char *fields)
{
	return journal_count(&play->stage.journal, event, fields);
}

static struct server *server(struct play *play, unsigned i)
{
	return &play->stage.array.server[i];
}

static bool is_set_aside(struct play *play, unsigned i)
{
	return !(
		array_open(&play->stage.array, loop_now_ms(play->stage.loop)) >>
			i &
		1);
}

/* The server's end of the only connection that waits there. */
static int only_one(int listening)
{
	int fd = stage_accept(listening);

	assert_true(fd >= 0);
	assert_int_equal(stage_accept(listening), -1);
	return fd;
}

static void rpc_takes_a_client_to_a_server_and_tells_all_in_two_lines(
	void **state)
{
	struct play play;
	struct endpoint from;
	char fields[256], name[ENDPOINT_TEXT_MAX];
	int listening, fd, at_server;

	(void)state;
	begin_static(&play);
	listening = stage_serve(&play.stage, 0, MAILBOX);
	fd = client(1, MAILBOX);
	from = stage_local(fd);
	settle(&play);
	at_server = only_one(listening);
	tcp_write(fd, "question", 8);
	settle(&play);
	expect_text(at_server, "question");
	tcp_write(at_server, "answer", 6);
	fake_loop_advance(play.stage.loop, 250);
	expect_text(fd, "answer");
	assert_int_equal(svc_rpc_open(play.svc), 1);
	close(fd);
	settle(&play);
	close(at_server);
	settle(&play);
	assert_int_equal(svc_rpc_open(play.svc), 0);

	snprintf(fields, sizeof(fields),
		 "client=%s port=59531 server=cas1 to=127.68.0.11:59531 "
		 "why=new",
		 endpoint_format(&from, name));
	assert_int_equal(logged(&play, "open", fields), 1);
	snprintf(fields, sizeof(fields),
		 "client=%s port=59531 server=cas1 bytes-in=8 bytes-out=6 "
		 "ms=250 reason=client-closed",
		 name);
	assert_int_equal(logged(&play, "close", fields), 1);
	assert_int_equal(play.stage.journal.n, 2);
	finish(&play);
}

static void rpc_asks_the_socket_for_its_port_where_the_listener_has_many(
	void **state)
{
	struct play play;
	int fd, at_server;

	(void)state;
	stage_begin(&play.stage);
	begin(&play);
	play.vip[0] = tcp_listen(STAGE_VIP, ADDRESS_BOOK, NULL);
	fcntl(play.vip[0], F_SETFL, O_NONBLOCK);
	assert_int_equal(svc_rpc_attach(play.svc, play.vip[0], 0), 0);
	stage_serve(&play.stage, 0, ADDRESS_BOOK);
	fd = client(1, ADDRESS_BOOK);
	settle(&play);
	at_server = only_one(play.stage.listening[0][0]);
	assert_int_equal(logged(&play, "open", "port=59532 server=cas1"), 1);
	close(fd);
	close(at_server);
	finish(&play);
}

static void rpc_gives_parallel_first_connections_one_server(void **state)
{
	struct play play;
	int filler[2], fd[5], i;

	(void)state;
	begin_static(&play);
	stage_serve_stuck(&play.stage, 0, MAILBOX, &filler[0]);
	stage_serve_stuck(&play.stage, 0, ADDRESS_BOOK, &filler[1]);
	stage_serve(&play.stage, 1, MAILBOX);
	stage_serve(&play.stage, 1, ADDRESS_BOOK);
	for (i = 0; i < 4; i++)
		fd[i] = client(1, i % 2 ? ADDRESS_BOOK : MAILBOX);
	settle(&play);
	/* None is connected, all wait for the same server. */
	assert_int_equal(svc_rpc_open(play.svc), 4);
	assert_int_equal(server(&play, 0)->connections, 4);
	assert_int_equal(server(&play, 0)->bindings, 1);
	/* Another client's is the next one's. */
	fd[4] = client(2, MAILBOX);
	settle(&play);
	assert_int_equal(server(&play, 1)->connections, 1);

	/* And all four go on together. */
	fake_loop_advance(play.stage.loop, CONNECT_MS);
	assert_int_equal(server(&play, 0)->connections, 0);
	assert_int_equal(logged(&play, "open", "why=moved"), 4);
	assert_int_equal(
		logged(&play, "move", "from=cas1 reason=connect-timeout"), 4);
	assert_int_equal(logged(&play, "set-aside", "server=cas1"), 1);
	assert_int_equal(server(&play, 1)->connections +
				 server(&play, 2)->connections,
			 5);
	for (i = 0; i < 5; i++)
		close(fd[i]);
	close(filler[0]);
	close(filler[1]);
	finish(&play);
}

static void rpc_moves_a_client_once_when_135_is_refused(void **state)
{
	struct play play;
	int fd, other;

	(void)state;
	begin_dynamic(&play, 0);
	stage_serve(&play.stage, 2, 135);
	fd = client(1, 135);
	settle(&play);
	expect_open(fd);
	assert_int_equal(logged(&play, "set-aside",
				"server=cas1 port=135 ms=1000 "
				"reason=connect-refused"),
			 1);
	assert_int_equal(logged(&play, "move",
				"port=135 from=cas1 to=cas3 "
				"reason=connect-refused"),
			 1);
	assert_int_equal(logged(&play, "open", "server=cas3 why=moved"), 1);
	/* The next connection knows already. */
	other = client(1, 135);
	settle(&play);
	expect_open(other);
	assert_int_equal(logged(&play, "open", "server=cas3 why=bound"), 1);
	assert_int_equal(logged(&play, "move", ""), 1);
	/* Nothing of the range was refused. */
	assert_int_equal(play.asked[0], 0);
	close(fd);
	close(other);
	finish(&play);
}

static void rpc_takes_a_pending_connection_along_with_the_move(void **state)
{
	struct play play;
	int filler, pending, refused;

	(void)state;
	begin_static(&play);
	stage_serve_stuck(&play.stage, 0, MAILBOX, &filler);
	stage_serve(&play.stage, 2, ADDRESS_BOOK);
	stage_serve(&play.stage, 2, MAILBOX);
	pending = client(1, MAILBOX);
	refused = client(1, ADDRESS_BOOK);
	settle(&play);
	assert_int_equal(logged(&play, "move",
				"from=cas1 to=cas3 "
				"reason=connect-refused"),
			 1);
	fake_loop_advance(play.stage.loop, CONNECT_MS);
	/* It follows, it does not move the client on to cas2. */
	assert_int_equal(logged(&play, "move",
				"from=cas1 to=cas3 reason=connect-timeout"),
			 1);
	assert_int_equal(logged(&play, "open", "server=cas3"), 2);
	assert_int_equal(server(&play, 2)->bindings, 1);
	assert_int_equal(server(&play, 1)->bindings, 0);
	expect_open(pending);
	expect_open(refused);
	close(pending);
	close(refused);
	close(filler);
	finish(&play);
}

static void rpc_resets_a_client_at_once_when_all_servers_refuse(void **state)
{
	struct play play;

	(void)state;
	begin_static(&play);
	expect_refusal(&play);
	assert_int_equal(logged(&play, "set-aside", ""), 3);
	assert_int_equal(logged(&play, "move", ""), 2);
	assert_int_equal(
		logged(&play, "refuse", "port=59531 reason=connect-refused"),
		1);
	expect_refusal(&play);
	assert_int_equal(logged(&play, "refuse", "reason=no-server"), 1);
	assert_int_equal(affinity_count(play.shared.router.affinity), 0);
	finish(&play);
}

static void rpc_goes_to_the_next_server_when_a_connect_takes_too_long(
	void **state)
{
	struct play play;
	int filler, fd, at_server;

	(void)state;
	begin_static(&play);
	stage_serve_stuck(&play.stage, 0, MAILBOX, &filler);
	stage_serve(&play.stage, 2, MAILBOX);
	fd = client(1, MAILBOX);
	fake_loop_advance(play.stage.loop, CONNECT_MS - 1);
	assert_int_equal(logged(&play, "move", ""), 0);
	tcp_write(fd, "early", 5); /* is not lost */
	fake_loop_advance(play.stage.loop, 1);
	assert_int_equal(logged(&play, "move",
				"from=cas1 to=cas3 "
				"reason=connect-timeout"),
			 1);
	at_server = only_one(play.stage.listening[2][0]);
	expect_text(at_server, "early");
	close(at_server);
	close(fd);
	close(filler);
	finish(&play);
}

static void rpc_refused_on_a_dynamic_port_asks_again_and_blames_nobody(
	void **state)
{
	struct play play;
	int fd;

	(void)state;
	begin_dynamic(&play, 3);
	fd = client(1, MAILBOX);
	settle(&play);
	expect_reset(fd);
	assert_int_equal(play.asked[0], 1);
	assert_int_equal(play.asked[1] + play.asked[2], 0);
	assert_false(is_set_aside(&play, 0));
	assert_int_equal(logged(&play, "set-aside", ""), 0);
	assert_int_equal(logged(&play, "move", ""), 0);
	assert_int_equal(
		logged(&play, "refuse", "port=59531 reason=connect-refused"),
		1);
	finish(&play);
}

static void rpc_dials_the_bound_servers_own_port_for_the_interface(void **state)
{
	struct announcement own = { iface_emsmdb.syntax, 40001 };
	struct announcement nspi = { iface_nspi.syntax, MAILBOX };
	struct play play;
	int mapper, fd;

	(void)state;
	begin_dynamic(&play, 3);
	stage_serve(&play.stage, 0, 135);
	stage_serve(&play.stage, 0, 40001);
	mapper = client(1, 135);
	settle(&play);
	assert_int_equal(announced_set(play.stage.router.announced, 0, &own, 1),
			 1);
	fd = client(1, MAILBOX);
	settle(&play);
	assert_int_equal(logged(&play, "open",
				"port=59531 server=cas1 to=127.68.0.11:40001 "
				"why=bound"),
			 1);
	close(fd);

	/* What the port stood for is not there: the client asks anew. */
	assert_int_equal(
		announced_set(play.stage.router.announced, 0, &nspi, 0), 1);
	fd = client(1, MAILBOX);
	settle(&play);
	expect_reset(fd);
	assert_int_equal(
		logged(&play, "refuse", "port=59531 reason=stale-port"), 1);
	close(mapper);
	finish(&play);
}

/* The socket may have taken it before the port was withdrawn. */
static void rpc_refuses_a_port_that_nobody_announces(void **state)
{
	struct play play;
	int fd;

	(void)state;
	begin_dynamic(&play, 0);
	stage_serve(&play.stage, 0, MAILBOX);
	fd = client(1, MAILBOX);
	settle(&play);
	expect_reset(fd);
	assert_int_equal(
		logged(&play, "refuse", "port=59531 reason=not-admitted"), 1);
	atomic_store(&play.shared.router.admits_any, true);
	fd = client(1, MAILBOX);
	settle(&play);
	expect_open(fd);
	close(fd);
	finish(&play);
}

static void rpc_refuses_a_port_whose_only_server_is_down(void **state)
{
	struct play play;
	int fd;

	(void)state;
	begin_dynamic(&play, 1);
	atomic_store(&server(&play, 0)->state, CONF_STATE_DRAIN);
	fd = client(1, MAILBOX);
	settle(&play);
	expect_reset(fd);
	assert_int_equal(logged(&play, "refuse", "reason=port-server-down"), 1);
	finish(&play);
}

static void rpc_does_not_move_a_client_whose_connections_live(void **state)
{
	struct play play;
	int living, fd, at_server;

	(void)state;
	begin_static(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	stage_serve(&play.stage, 1, ADDRESS_BOOK);
	living = client(1, MAILBOX);
	settle(&play);
	at_server = only_one(play.stage.listening[0][0]);
	fd = client(1, ADDRESS_BOOK);
	settle(&play);
	/* It is looked at once more: is the connection there dying? */
	fake_loop_advance(play.stage.loop, 31);
	expect_reset(fd);
	assert_int_equal(logged(&play, "move", ""), 0);
	assert_int_equal(
		logged(&play, "refuse", "port=59532 reason=connect-refused"),
		1);
	tcp_write(living, "still", 5);
	settle(&play);
	expect_text(at_server, "still");
	/* And the next goes where the client lives, set aside or not. */
	fd = client(1, MAILBOX);
	settle(&play);
	assert_int_equal(logged(&play, "open", "server=cas1 why=bound"), 1);
	close(fd);
	close(living);
	close(at_server);
	finish(&play);
}

struct count {
	struct play *play;
	const char *event, *fields;
};

static bool is_logged(void *ctx)
{
	struct count *count = ctx;

	return logged(count->play, count->event, count->fields) > 0;
}

static bool wait_for(struct play *play, const char *event, const char *fields)
{
	struct count count = { play, event, fields };

	return stage_wait(&play->stage, is_logged, &count);
}

static void rpc_drops_a_connect_that_succeeds_after_the_client_moved(
	void **state)
{
	struct play play;
	int filler, late, moved;

	(void)state;
	begin_static(&play);
	stage_serve_stuck(&play.stage, 0, MAILBOX, &filler);
	stage_serve(&play.stage, 2, ADDRESS_BOOK);
	late = client(1, MAILBOX);
	settle(&play);
	moved = client(1, ADDRESS_BOOK);
	settle(&play);
	assert_int_equal(logged(&play, "open", "server=cas3 why=moved"), 1);
	stage_unstick(play.stage.listening[0][0], &filler);
	/* The kernel asks again after a second. */
	assert_true(wait_for(&play, "refuse", "reason=binding-moved"));
	expect_reset(late);
	expect_open(moved);
	assert_int_equal(server(&play, 0)->connections, 0);
	close(moved);
	finish(&play);
}

static void rpc_connects_late_but_in_time(void **state)
{
	struct play play;
	int filler, fd, at_server;

	(void)state;
	begin_static(&play);
	stage_serve_stuck(&play.stage, 0, MAILBOX, &filler);
	fd = client(1, MAILBOX);
	settle(&play);
	tcp_write(fd, "early", 5);
	stage_unstick(play.stage.listening[0][0], &filler);
	assert_true(wait_for(&play, "open", "server=cas1 why=new"));
	settle(&play);
	at_server = only_one(play.stage.listening[0][0]);
	expect_text(at_server, "early");
	close(fd);
	close(at_server);
	finish(&play);
}

static void rpc_follows_when_a_pending_connect_is_refused_later(void **state)
{
	struct play play;
	int filler, fd;

	(void)state;
	begin_static(&play);
	stage_serve_stuck(&play.stage, 0, MAILBOX, &filler);
	stage_serve(&play.stage, 2, MAILBOX);
	fd = client(1, MAILBOX);
	settle(&play);
	assert_int_equal(svc_rpc_open(play.svc), 1);
	close(play.stage.listening[0][0]);
	play.stage.listening[0][0] = -1;
	assert_true(wait_for(&play, "open", "server=cas3 why=moved"));
	assert_int_equal(logged(&play, "move",
				"from=cas1 to=cas3 reason=connect-refused"),
			 1);
	close(fd);
	close(filler);
	finish(&play);
}

static void rpc_that_stops_serves_bound_clients_and_no_others(void **state)
{
	struct play play;
	int bound, again, new;

	(void)state;
	begin_static(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	stage_serve(&play.stage, 1, MAILBOX);
	bound = client(1, MAILBOX);
	settle(&play);
	svc_rpc_stop(play.svc);
	again = client(1, MAILBOX);
	new = client(2, MAILBOX);
	settle(&play);
	expect_open(again);
	expect_reset(new);
	assert_int_equal(logged(&play, "refuse", "port=59531 reason=stopping"),
			 1);
	assert_int_equal(svc_rpc_open(play.svc), 2);

	svc_rpc_log_open(play.svc, 1);
	assert_int_equal(logged(&play, "left", "port=59531 server=cas1 ms=0"),
			 1);
	svc_rpc_log_open(play.svc, 100);
	assert_int_equal(logged(&play, "left", ""), 3);
	close(bound);
	close(again);
	finish(&play);
}

static void rpc_refuses_more_than_max_connections(void **state)
{
	struct play play;
	int fd, over, listening;

	(void)state;
	stage_begin(&play.stage);
	begin(&play);
	/* Another worker has the rest. */
	play.shared.connections = MANY - 1;
	listening = tcp_listen(STAGE_VIP, MAILBOX, NULL);
	fcntl(listening, F_SETFL, O_NONBLOCK);
	assert_int_equal(svc_rpc_attach(play.svc, listening, 0), 0);
	stage_serve(&play.stage, 0, MAILBOX);
	fd = client(1, MAILBOX);
	over = client(2, MAILBOX);
	settle(&play);
	expect_open(fd);
	expect_reset(over);
	assert_int_equal(play.shared.connections, MANY);
	assert_int_equal(
		logged(&play, "refuse", "port=59531 reason=max-connections"),
		1);
	/* There is room again. */
	close(fd);
	fd = stage_accept(play.stage.listening[0][0]);
	close(fd);
	settle(&play);
	over = client(2, MAILBOX);
	settle(&play);
	expect_open(over);
	close(over);
	play.shared.connections -= MANY - 1;
	svc_rpc_detach(play.svc, listening);
	close(listening);
	finish(&play);
}

static void rpc_without_descriptors_refuses_each_client_once(void **state)
{
	struct play play;
	int fd[20], i;
	unsigned long before;

	(void)state;
	begin_static(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	for (i = 0; i < 20; i++)
		fd[i] = client(1, MAILBOX);
	before = stage_limit_descriptors(stage_next_descriptor());
	settle(&play);
	stage_limit_descriptors(before);
	for (i = 0; i < 20; i++)
		expect_reset(fd[i]);
	assert_int_equal(logged(&play, "refuse", "reason=no-descriptors"), 20);
	/* The reserve is there for the next time. */
	fd[0] = client(1, MAILBOX);
	before = stage_limit_descriptors(stage_next_descriptor());
	settle(&play);
	stage_limit_descriptors(before);
	expect_reset(fd[0]);
	/* And when there are some again, all is well. */
	fd[0] = client(1, MAILBOX);
	settle(&play);
	expect_open(fd[0]);
	close(fd[0]);
	finish(&play);
}

/* Threads share descriptors: another may take the one that was given up. */
static void rpc_whose_reserve_was_taken_waits_without_a_busy_loop(void **state)
{
	struct play play;
	unsigned long before;
	int fd;

	(void)state;
	begin_static(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	fd = client(1, MAILBOX);
	before = stage_limit_descriptors(3); /* below the reserve's number */
	settle(&play);			     /* comes to an end */
	expect_open(fd);
	fake_loop_advance(play.stage.loop, 950);
	stage_limit_descriptors(before);
	assert_int_equal(logged(&play, "accept-rests", "reason=no-descriptors"),
			 1);
	fake_loop_advance(play.stage.loop, 100);
	assert_int_equal(logged(&play, "open", "server=cas1"), 1);
	expect_open(fd);
	close(fd);
	finish(&play);
}

/* The listener that rested is withdrawn before it looked again. */
static void rpc_has_its_reserve_back_without_the_listener_that_lost_it(
	void **state)
{
	struct play play;
	unsigned long before;
	int fd;

	(void)state;
	begin_static(&play);
	stage_serve(&play.stage, 0, ADDRESS_BOOK);
	fd = client(1, MAILBOX);
	before = stage_limit_descriptors(3);
	settle(&play);
	stage_limit_descriptors(before);
	svc_rpc_detach(play.svc, play.vip[0]);
	fake_loop_advance(play.stage.loop, 1000);
	close(fd);
	fd = client(1, ADDRESS_BOOK);
	settle(&play);
	expect_open(fd);
	assert_int_equal(logged(&play, "open", "port=59532"), 1);
	assert_int_equal(play.shared.spares_given, 0);
	close(fd);
	finish(&play);
}

static void rpc_without_a_descriptor_for_the_server_blames_nobody(void **state)
{
	struct play play;
	unsigned long before;
	int fd;

	(void)state;
	begin_static(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	fd = client(1, MAILBOX);
	before = stage_limit_descriptors(stage_next_descriptor() + 1);
	settle(&play);
	stage_limit_descriptors(before);
	expect_reset(fd);
	assert_int_equal(logged(&play, "refuse", "reason=no-descriptors"), 1);
	assert_int_equal(logged(&play, "set-aside", ""), 0);
	assert_int_equal(logged(&play, "move", ""), 0);
	finish(&play);
}

static void rpc_resets_both_sides_of_an_idle_connection(void **state)
{
	struct play play;
	int fd, at_server;

	(void)state;
	stage_begin(&play.stage);
	play.stage.conf->rpc.idle_timeout_ms = 60000;
	begin(&play);
	open_port(&play, MAILBOX);
	stage_serve(&play.stage, 0, MAILBOX);
	fd = client(1, MAILBOX);
	settle(&play);
	at_server = only_one(play.stage.listening[0][0]);
	fake_loop_advance(play.stage.loop, 59999);
	expect_open(fd);
	fake_loop_advance(play.stage.loop, 1 + RELAY_IDLE_LATE_MS);
	expect_reset(fd);
	expect_reset(at_server);
	assert_int_equal(logged(&play, "close", "ms=61000 reason=idle-timeout"),
			 1);
	finish(&play);
}

static void rpc_takes_a_new_idle_timeout_for_open_connections(void **state)
{
	struct conf *conf = conf_new();
	struct play play;
	int fd;

	(void)state;
	begin_static(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	fd = client(1, MAILBOX);
	fake_loop_advance(play.stage.loop, 10000);
	expect_open(fd);
	conf->rpc.ports = CONF_PORTS_STATIC;
	conf->rpc.idle_timeout_ms = 15000;
	svc_rpc_reconfigure(play.svc, conf);
	fake_loop_advance(play.stage.loop, 4999);
	expect_open(fd);
	fake_loop_advance(play.stage.loop, 1 + RELAY_IDLE_LATE_MS);
	expect_reset(fd);
	assert_int_equal(logged(&play, "close", "ms=16000 reason=idle-timeout"),
			 1);
	conf_drop(conf);
	finish(&play);
}

static void rpc_takes_a_shorter_connect_timeout_at_once(void **state)
{
	struct conf *conf = conf_new();
	struct play play;
	int filler, first, second;

	(void)state;
	begin_static(&play);
	stage_serve_stuck(&play.stage, 0, MAILBOX, &filler);
	stage_serve(&play.stage, 1, MAILBOX);
	stage_serve(&play.stage, 2, MAILBOX);
	first = client(1, MAILBOX);
	settle(&play);
	conf->rpc.ports = CONF_PORTS_STATIC;
	conf->balancer.connect_timeout_ms = 1000;
	svc_rpc_reconfigure(play.svc, conf);
	second = client(1, MAILBOX);
	settle(&play);
	fake_loop_advance(play.stage.loop, 999);
	assert_int_equal(logged(&play, "open", ""), 0);
	/* The first, which was under way, has no more than that either. */
	fake_loop_advance(play.stage.loop, 1);
	assert_int_equal(logged(&play, "open", "why=moved"), 2);
	close(first);
	close(second);
	close(filler);
	conf_drop(conf);
	finish(&play);
}

static void rpc_says_less_when_the_log_level_says_so(void **state)
{
	struct conf *conf = conf_new();
	struct play play;
	int fd;

	(void)state;
	begin_static(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	conf->rpc.ports = CONF_PORTS_STATIC;
	conf->balancer.log_level = LOG_LEVEL_NOTICE;
	svc_rpc_reconfigure(play.svc, conf);
	fd = client(1, MAILBOX);
	settle(&play);
	expect_open(fd);
	assert_int_equal(play.stage.journal.n, 0);
	conf_drop(conf);
	close(fd);
	finish(&play);
}

static void rpc_resets_the_connections_of_the_servers_named_only(void **state)
{
	struct play play;
	int filler, fd[4], i;

	(void)state;
	begin_static(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	stage_serve_stuck(&play.stage, 0, ADDRESS_BOOK, &filler);
	stage_serve(&play.stage, 1, MAILBOX);
	for (i = 0; i < 2; i++) { /* in turn: cas1, cas2 */
		fd[i] = client((unsigned)i + 1, MAILBOX);
		settle(&play);
	}
	fd[2] = client(1, MAILBOX);
	fd[3] = client(1, ADDRESS_BOOK); /* still connecting */
	settle(&play);
	svc_rpc_reset(play.svc, UINT64_C(4), REASON_SERVER_DISABLED);
	assert_int_equal(svc_rpc_open(play.svc), 4);
	svc_rpc_reset(play.svc, UINT64_C(1), REASON_SERVER_DISABLED);
	assert_int_equal(svc_rpc_open(play.svc), 1);
	expect_reset(fd[0]);
	expect_open(fd[1]);
	expect_reset(fd[2]);
	expect_reset(fd[3]);
	assert_int_equal(
		logged(&play, "close", "server=cas1 reason=server-disabled"),
		2);
	assert_int_equal(
		logged(&play, "refuse", "port=59532 reason=server-disabled"),
		1);
	close(fd[1]);
	close(filler);
	finish(&play);
}

/* A connection that is open on both sides. */
struct link {
	struct play play;
	int client, server;
};

static void begin_link(struct link *link)
{
	begin_static(&link->play);
	stage_serve(&link->play.stage, 0, MAILBOX);
	link->client = client(1, MAILBOX);
	settle(&link->play);
	link->server = only_one(link->play.stage.listening[0][0]);
}

static void rpc_says_who_closed_and_who_reset(void **state)
{
	struct link link;

	(void)state;
	begin_link(&link);
	close(link.server);
	settle(&link.play);
	close(link.client);
	settle(&link.play);
	assert_int_equal(logged(&link.play, "close", "reason=server-closed"),
			 1);
	finish(&link.play);

	begin_link(&link);
	tcp_reset(link.server);
	settle(&link.play);
	expect_reset(link.client);
	assert_int_equal(logged(&link.play, "close", "reason=server-reset"), 1);
	finish(&link.play);

	begin_link(&link);
	tcp_reset(link.client);
	settle(&link.play);
	expect_reset(link.server);
	assert_int_equal(logged(&link.play, "close", "reason=client-reset"), 1);
	finish(&link.play);
}

/* The server's process died: the refusal is heard of before the resets. */
static void rpc_moves_a_client_whose_connections_turn_out_to_be_dead(
	void **state)
{
	struct play play;
	int living, fd, at_server;

	(void)state;
	begin_static(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	stage_serve(&play.stage, 2, ADDRESS_BOOK);
	living = client(1, MAILBOX);
	settle(&play);
	at_server = only_one(play.stage.listening[0][0]);
	fd = client(1, ADDRESS_BOOK);
	settle(&play);
	expect_open(fd); /* it waits */
	assert_int_equal(svc_rpc_open(play.svc), 2);
	tcp_reset(at_server);
	settle(&play);
	expect_reset(living);
	fake_loop_advance(play.stage.loop, 30);
	expect_open(fd);
	assert_int_equal(logged(&play, "move",
				"from=cas1 to=cas3 reason=connect-refused"),
			 1);
	assert_int_equal(logged(&play, "open", "server=cas3 why=moved"), 1);
	assert_int_equal(logged(&play, "set-aside", ""), 1);
	close(fd);
	finish(&play);
}

/* Bound to cas1, whatever happens to it, and not connected. */
static void begin_bound(struct play *play)
{
	int fd, at_server;

	begin_static(play);
	stage_serve(&play->stage, 0, MAILBOX);
	stage_serve(&play->stage, 1, MAILBOX);
	stage_serve(&play->stage, 2, MAILBOX);
	fd = client(1, MAILBOX);
	settle(play);
	at_server = only_one(play->stage.listening[0][0]);
	tcp_reset(at_server);
	settle(play);
	expect_reset(fd);
}

static void expect_moved_at_accept(struct play *play, const char *reason)
{
	char fields[128];
	int fd = client(1, MAILBOX);

	settle(play);
	expect_open(fd);
	snprintf(fields, sizeof(fields),
		 "port=59531 from=cas1 to=cas3 reason=%s", reason);
	assert_int_equal(logged(play, "move", fields), 1);
	assert_int_equal(logged(play, "move", ""), 1);
	assert_int_equal(logged(play, "open", "server=cas3 why=moved"), 1);
	close(fd);
	finish(play);
}

static void rpc_says_whom_a_client_left_before_it_was_dialled_for(void **state)
{
	struct play play;

	(void)state;
	begin_bound(&play);
	server_failed(server(&play, 0), 135, loop_now_ms(play.stage.loop));
	expect_moved_at_accept(&play, "server-set-aside");

	begin_bound(&play);
	atomic_store(&server(&play, 0)->state, CONF_STATE_DISABLED);
	expect_moved_at_accept(&play, "server-disabled");

	begin_bound(&play);
	atomic_store(&server(&play, 0)->life, SERVER_LEAVING);
	expect_moved_at_accept(&play, "server-removed");
}

static void rpc_says_when_a_connect_ends_a_set_aside(void **state)
{
	struct link link;
	int fd;

	(void)state;
	begin_link(&link);
	server_failed(server(&link.play, 0), MAILBOX,
		      loop_now_ms(link.play.stage.loop));
	fd = client(1, MAILBOX);
	settle(&link.play);
	expect_open(fd);
	assert_int_equal(
		logged(&link.play, "set-aside-over", "server=cas1 port=59531"),
		1);
	assert_false(is_set_aside(&link.play, 0));
	close(fd);
	fd = client(1, MAILBOX);
	settle(&link.play);
	assert_int_equal(logged(&link.play, "set-aside-over", ""), 1);
	close(fd);
	close(link.client);
	close(link.server);
	finish(&link.play);
}

/* What is about to end does not hold the client there. */
static void rpc_moves_a_client_at_once_whose_server_hangs_up(void **state)
{
	struct link link;
	int fd;

	(void)state;
	begin_link(&link);
	stage_serve(&link.play.stage, 2, ADDRESS_BOOK);
	shutdown(link.server, SHUT_WR);
	settle(&link.play);
	fd = client(1, ADDRESS_BOOK);
	settle(&link.play);
	assert_int_equal(
		logged(&link.play, "open", "port=59532 server=cas3 why=moved"),
		1);
	close(fd);
	close(link.client);
	close(link.server);
	finish(&link.play);
}

static void rpc_resets_a_connection_that_waits_to_look_again(void **state)
{
	struct play play;
	int living, fd;

	(void)state;
	begin_static(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	living = client(1, MAILBOX);
	settle(&play);
	fd = client(1, ADDRESS_BOOK);
	settle(&play);
	svc_rpc_reset(play.svc, UINT64_C(2), REASON_SERVER_DISABLED);
	assert_int_equal(svc_rpc_open(play.svc), 2);
	svc_rpc_reset(play.svc, UINT64_C(1), REASON_SERVER_DISABLED);
	assert_int_equal(svc_rpc_open(play.svc), 0);
	expect_reset(living);
	expect_reset(fd);
	fake_loop_advance(play.stage.loop, 1000);
	assert_int_equal(
		logged(&play, "refuse", "port=59532 reason=server-disabled"),
		1);
	finish(&play);
}

static int option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

/* The balancer's sockets of the only connection: to the client and to the
 * server, found by who they are connected to. */
static int socket_to(int peer)
{
	struct endpoint there = stage_local(peer), here = stage_peer(peer);
	int fd;

	for (fd = 3; fd < 100; fd++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		struct endpoint ep;

		if (fd == peer ||
		    getpeername(fd, (struct sockaddr *)&sa, &len) ||
		    endpoint_from_sockaddr(&sa, &ep))
			continue;
		if (addr_equal(&ep.addr, &there.addr) &&
		    ep.port == there.port && stage_local(fd).port == here.port)
			return fd;
	}
	fail();
	return -1;
}

static void rpc_probes_both_ends_of_connections_that_stay(void **state)
{
	struct conf *conf = conf_new();
	struct link link;
	int end[2], i;

	(void)state;
	begin_link(&link);
	end[0] = socket_to(link.client);
	end[1] = socket_to(link.server);
	fake_loop_advance(link.play.stage.loop, 4999);
	for (i = 0; i < 2; i++)
		assert_int_equal(option(end[i], SOL_SOCKET, SO_KEEPALIVE), 0);
	fake_loop_advance(link.play.stage.loop, 1);
	for (i = 0; i < 2; i++) {
		assert_int_equal(option(end[i], SOL_SOCKET, SO_KEEPALIVE), 1);
		assert_int_equal(option(end[i], IPPROTO_TCP, TCP_KEEPIDLE),
				 600);
	}
	conf->rpc.ports = CONF_PORTS_STATIC;
	conf->rpc.keepalive_ms = 60500;
	svc_rpc_reconfigure(link.play.svc, conf);
	for (i = 0; i < 2; i++)
		assert_int_equal(option(end[i], IPPROTO_TCP, TCP_KEEPIDLE), 61);
	conf_drop(conf);
	conf = conf_new();
	conf->rpc.keepalive_ms = 0;
	svc_rpc_reconfigure(link.play.svc, conf);
	for (i = 0; i < 2; i++)
		assert_int_equal(option(end[i], SOL_SOCKET, SO_KEEPALIVE), 0);
	conf_drop(conf);
	close(link.client);
	close(link.server);
	finish(&link.play);
}

static void rpc_passes_on_what_a_server_says_first(void **state)
{
	struct play play;
	int filler, fd, at_server;

	(void)state;
	begin_static(&play);
	stage_serve_stuck(&play.stage, 0, MAILBOX, &filler);
	fd = client(1, MAILBOX);
	settle(&play);
	/* Connected, greeted and finished before the balancer looks. */
	stage_unstick(play.stage.listening[0][0], &filler);
	do {
		at_server = stage_accept(play.stage.listening[0][0]);
	} while (at_server < 0 && errno == EAGAIN);
	assert_true(at_server >= 0);
	tcp_write(at_server, "banner", 6);
	shutdown(at_server, SHUT_WR);
	settle(&play);
	expect_text(fd, "banner");
	tcp_write(fd, "thanks", 6);
	settle(&play);
	expect_text(at_server, "thanks");
	close(fd);
	settle(&play);
	assert_int_equal(logged(&play, "close",
				"bytes-in=6 bytes-out=6 "
				"reason=server-closed"),
			 1);
	close(at_server);
	finish(&play);
}

static void rpc_ends_a_connection_whose_client_left_before_the_connect(
	void **state)
{
	struct play play;
	int filler, fd, at_server;

	(void)state;
	begin_static(&play);
	stage_serve_stuck(&play.stage, 0, MAILBOX, &filler);
	stage_serve(&play.stage, 2, MAILBOX);
	fd = client(1, MAILBOX);
	settle(&play);
	tcp_reset(fd);
	fake_loop_advance(play.stage.loop, CONNECT_MS);
	assert_int_equal(logged(&play, "open", "server=cas3"), 1);
	assert_int_equal(logged(&play, "close", "reason=client-reset"), 1);
	at_server = only_one(play.stage.listening[2][0]);
	expect_reset(at_server);
	assert_int_equal(svc_rpc_open(play.svc), 0);
	close(filler);
	finish(&play);
}

static void rpc_reaches_servers_from_the_bindings_own_address(void **state)
{
	struct endpoint first, next;
	struct play play;
	unsigned i, nsources = 0;
	bool is_used[256] = { false };

	(void)state;
	stage_begin(&play.stage);
	play.stage.conf->balancer.nsources = 4;
	for (i = 0; i < 4; i++) {
		char text[ADDR_TEXT_MAX];

		snprintf(text, sizeof(text), "127.68.2.%u", i + 1);
		assert_int_equal(
			addr_parse(text, &play.stage.conf->balancer.source[i]),
			0);
	}
	begin(&play);
	open_port(&play, MAILBOX);
	open_port(&play, ADDRESS_BOOK);
	stage_serve(&play.stage, 0, MAILBOX);
	stage_serve(&play.stage, 0, ADDRESS_BOOK);
	atomic_store(&server(&play, 1)->state, CONF_STATE_DRAIN);
	atomic_store(&server(&play, 2)->state, CONF_STATE_DRAIN);
	for (i = 1; i <= 20; i++) {
		int fd[2] = { client(i, MAILBOX), client(i, ADDRESS_BOOK) };
		int at[2];

		settle(&play);
		at[0] = only_one(play.stage.listening[0][0]);
		at[1] = only_one(play.stage.listening[0][1]);
		first = stage_peer(at[0]);
		next = stage_peer(at[1]);
		assert_true(addr_equal(&first.addr, &next.addr));
		assert_int_equal(first.addr.octet[2], 2);
		nsources += !is_used[first.addr.octet[3]];
		is_used[first.addr.octet[3]] = true;
		close(fd[0]);
		close(fd[1]);
		close(at[0]);
		close(at[1]);
		settle(&play);
	}
	assert_int_equal(nsources, 4);
	finish(&play);
}

static void set_local_ports(const char *range)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "we");

	assert_non_null(file);
	assert_true(fputs(range, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void rpc_without_source_ports_moves_and_blames_nobody(void **state)
{
	struct play play;
	int fd[3], i;

	(void)state;
	stage_begin(&play.stage);
	play.stage.conf->balancer.nsources = 1;
	assert_int_equal(
		addr_parse("127.68.2.1", &play.stage.conf->balancer.source[0]),
		0);
	begin(&play);
	open_port(&play, MAILBOX);
	stage_serve(&play.stage, 0, MAILBOX);
	for (i = 0; i < 3; i++)
		fd[i] = client(1, MAILBOX);
	set_local_ports("50000 50001");
	settle(&play);
	set_local_ports("32768 60999");
	assert_int_equal(logged(&play, "open", "server=cas1"), 2);
	expect_open(fd[0]);
	expect_open(fd[1]);
	expect_reset(fd[2]);
	assert_int_equal(logged(&play, "refuse", "reason=source-exhausted"), 1);
	assert_int_equal(logged(&play, "set-aside", ""), 0);
	assert_int_equal(logged(&play, "move", ""), 0);
	close(fd[0]);
	close(fd[1]);
	finish(&play);
}

static void rpc_moves_from_a_server_that_cannot_be_reached(void **state)
{
	struct play play;
	int fd;

	(void)state;
	stage_begin(&play.stage);
	assert_int_equal(
		addr_parse("192.0.2.1", &play.stage.conf->server[0].address),
		0);
	begin(&play);
	open_port(&play, MAILBOX);
	stage_serve(&play.stage, 2, MAILBOX);
	fd = client(1, MAILBOX);
	settle(&play);
	assert_int_equal(logged(&play, "set-aside",
				"server=cas1 reason=connect-unreachable"),
			 1);
	assert_int_equal(logged(&play, "open", "server=cas3 why=moved"), 1);
	close(fd);
	finish(&play);
}

static void rpc_clears_a_server_that_answers_again(void **state)
{
	struct play play;
	int fd;

	(void)state;
	begin_static(&play);
	atomic_store(&server(&play, 1)->state, CONF_STATE_DRAIN);
	atomic_store(&server(&play, 2)->state, CONF_STATE_DRAIN);
	fd = client(1, MAILBOX);
	settle(&play);
	expect_reset(fd);
	assert_int_equal(server(&play, 0)->failures, 1);
	assert_true(is_set_aside(&play, 0));
	stage_serve(&play.stage, 0, MAILBOX);
	fake_loop_advance(play.stage.loop, 1000);
	fd = client(1, MAILBOX);
	settle(&play);
	expect_open(fd);
	assert_int_equal(server(&play, 0)->failures, 0);
	close(fd);
	finish(&play);
}

static void rpc_refuses_when_the_table_of_bindings_is_full(void **state)
{
	struct play play;
	int fd[2];

	(void)state;
	stage_begin(&play.stage);
	play.stage.conf->affinity.entries = 1;
	begin(&play);
	open_port(&play, MAILBOX);
	stage_serve(&play.stage, 0, MAILBOX);
	fd[0] = client(1, MAILBOX);
	fd[1] = client(2, MAILBOX);
	settle(&play);
	expect_open(fd[0]);
	expect_reset(fd[1]);
	assert_int_equal(logged(&play, "refuse", "reason=table-full"), 1);
	close(fd[0]);
	finish(&play);
}

static void rpc_holds_back_a_flood_of_refusals_and_tells_how_many(void **state)
{
	struct play play;
	int i;

	(void)state;
	begin_static(&play);
	for (i = 0; i < STAGE_SERVERS; i++)
		atomic_store(&server(&play, (unsigned)i)->state,
			     CONF_STATE_DRAIN);
	for (i = 0; i < 130; i++)
		expect_refusal(&play);
	assert_int_equal(logged(&play, "refuse", "reason=no-server"), 100);
	fake_loop_advance(play.stage.loop, 1000);
	expect_refusal(&play);
	assert_int_equal(
		logged(&play, "refuse-held-back", "reason=no-server lines=30"),
		1);
	assert_int_equal(logged(&play, "refuse", "reason=no-server"), 101);
	finish(&play);
}

static void rpc_that_is_detached_leaves_the_socket_alone(void **state)
{
	struct play play;
	int fd, waiting;

	(void)state;
	begin_static(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	svc_rpc_detach(play.svc, play.vip[0]);
	fd = client(1, MAILBOX);
	settle(&play);
	assert_int_equal(play.stage.journal.n, 0);
	waiting = stage_accept(play.vip[0]);
	assert_true(waiting >= 0);
	close(waiting);
	close(fd);
	finish(&play);
}

static void rpc_accepts_many_that_came_at_once(void **state)
{
	struct play play;
	int fd[100], i;

	(void)state;
	begin_static(&play);
	for (i = 0; i < STAGE_SERVERS; i++)
		stage_serve(&play.stage, (unsigned)i, MAILBOX);
	for (i = 0; i < 100; i++)
		fd[i] = client((unsigned)i % 50 + 1, MAILBOX);
	settle(&play);
	assert_int_equal(svc_rpc_open(play.svc), 100);
	assert_int_equal(logged(&play, "open", "why=new"), 50);
	assert_int_equal(logged(&play, "open", "why=bound"), 50);
	for (i = 0; i < 100; i++)
		close(fd[i]);
	finish(&play);
}

static void try_to_make_a_service(void *ctx)
{
	struct stage *stage = ctx;
	struct svc_rpc_shared shared = {
		.router = stage->router,
		.max_connections = MANY,
	};
	struct svc_rpc_config config = {
		.loop = stage->loop,
		.log = &stage->journal.log,
		.shared = &shared,
		.conf = stage->conf,
	};
	int listening = tcp_listen(STAGE_VIP, MAILBOX, NULL);
	unsigned before = stage_next_descriptor();
	struct svc_rpc *svc;

	if (svc_rpc_new(&config, &svc) == 0) {
		int err = svc_rpc_attach(svc, listening, MAILBOX);

		assert_true(err == 0 || err == ERR_MEMORY);
		svc_rpc_free(svc);
	}
	assert_int_equal(stage_next_descriptor(), before);
	assert_int_equal(stage->conf->holders, 1);
	close(listening);
}

static void rpc_copes_with_each_allocation_refused(void **state)
{
	struct stage stage;

	(void)state;
	stage_begin(&stage);
	stage_build(&stage);
	/* The service, its pool (twice), room, scratch memory, a listener. */
	assert_int_equal(alloc_each_fails(&stage, try_to_make_a_service), 6);
	stage_end(&stage);
}

/* Sockets of this process that probe their peers. */
static unsigned probing(void)
{
	unsigned n = 0;
	int fd, on;

	for (fd = 0; fd < 1024; fd++) {
		socklen_t len = sizeof(on);

		if (!getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &len))
			n += on != 0;
	}
	return n;
}

static void rpc_probes_only_connections_that_stay(void **state)
{
	struct play play;
	int first, second;

	(void)state;
	begin_static(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	stage_serve(&play.stage, 1, MAILBOX);
	first = client(1, MAILBOX);
	settle(&play);
	fake_loop_advance(play.stage.loop, 3000);
	second = client(2, MAILBOX);
	settle(&play);
	assert_int_equal(probing(), 0);
	fake_loop_advance(play.stage.loop, 2001);
	assert_int_equal(probing(), 2);
	fake_loop_advance(play.stage.loop, 3000);
	assert_int_equal(probing(), 4);
	close(first);
	close(second);
	finish(&play);
}

/* Nothing of the service's own (timers, settling, bindings) ends what its
 * peers hold on to. */
static void rpc_holds_a_silent_connection_for_a_day(void **state)
{
	struct play play;
	int fd, at_server;

	(void)state;
	begin_static(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	fd = client(1, MAILBOX);
	settle(&play);
	at_server = only_one(play.stage.listening[0][0]);
	fake_loop_advance(play.stage.loop, 24ull * 3600 * 1000);
	affinity_expire(play.stage.router.affinity,
			loop_now_ms(play.stage.loop), 1000);
	assert_int_equal(logged(&play, "close", ""), 0);
	tcp_write(at_server, "morning", 7);
	settle(&play);
	expect_text(fd, "morning");
	close(fd);
	/* And its next connection is on the same server. */
	fd = client(1, MAILBOX);
	settle(&play);
	assert_int_equal(logged(&play, "open", "server=cas1 why=bound"), 1);
	close(fd);
	close(at_server);
	finish(&play);
}

/* The server dies; that the client's other connection is dead as well is
 * known a moment after its next one was refused. */
static void rpc_moves_a_client_whose_last_connection_is_just_dying(void **state)
{
	struct play play;
	int dying, next;

	(void)state;
	begin_static(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	stage_serve(&play.stage, 1, ADDRESS_BOOK);
	dying = client(1, MAILBOX);
	settle(&play);
	assert_int_equal(logged(&play, "open", "server=cas1"), 1);
	next = client(1, ADDRESS_BOOK);
	settle(&play);
	assert_int_equal(logged(&play, "refuse", ""), 0);
	close(dying);
	settle(&play);
	fake_loop_advance(play.stage.loop, 31);
	assert_int_equal(logged(&play, "move", "from=cas1"), 1);
	assert_int_equal(logged(&play, "open", "server=cas2"), 1);
	close(next);
	finish(&play);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(
		rpc_takes_a_client_to_a_server_and_tells_all_in_two_lines),
	cmocka_unit_test(
		rpc_asks_the_socket_for_its_port_where_the_listener_has_many),
	cmocka_unit_test(rpc_gives_parallel_first_connections_one_server),
	cmocka_unit_test(rpc_moves_a_client_once_when_135_is_refused),
	cmocka_unit_test(rpc_takes_a_pending_connection_along_with_the_move),
	cmocka_unit_test(rpc_resets_a_client_at_once_when_all_servers_refuse),
	cmocka_unit_test(
		rpc_goes_to_the_next_server_when_a_connect_takes_too_long),
	cmocka_unit_test(
		rpc_refused_on_a_dynamic_port_asks_again_and_blames_nobody),
	cmocka_unit_test(
		rpc_dials_the_bound_servers_own_port_for_the_interface),
	cmocka_unit_test(rpc_refuses_a_port_that_nobody_announces),
	cmocka_unit_test(rpc_refuses_a_port_whose_only_server_is_down),
	cmocka_unit_test(rpc_does_not_move_a_client_whose_connections_live),
	cmocka_unit_test(
		rpc_moves_a_client_whose_last_connection_is_just_dying),
	cmocka_unit_test(rpc_probes_only_connections_that_stay),
	cmocka_unit_test(rpc_holds_a_silent_connection_for_a_day),
	cmocka_unit_test(
		rpc_drops_a_connect_that_succeeds_after_the_client_moved),
	cmocka_unit_test(rpc_connects_late_but_in_time),
	cmocka_unit_test(rpc_follows_when_a_pending_connect_is_refused_later),
	cmocka_unit_test(rpc_that_stops_serves_bound_clients_and_no_others),
	cmocka_unit_test(rpc_refuses_more_than_max_connections),
	cmocka_unit_test(rpc_without_descriptors_refuses_each_client_once),
	cmocka_unit_test(rpc_whose_reserve_was_taken_waits_without_a_busy_loop),
	cmocka_unit_test(rpc_without_a_descriptor_for_the_server_blames_nobody),
	cmocka_unit_test(rpc_resets_both_sides_of_an_idle_connection),
	cmocka_unit_test(rpc_takes_a_new_idle_timeout_for_open_connections),
	cmocka_unit_test(rpc_takes_a_shorter_connect_timeout_at_once),
	cmocka_unit_test(rpc_says_less_when_the_log_level_says_so),
	cmocka_unit_test(rpc_resets_the_connections_of_the_servers_named_only),
	cmocka_unit_test(rpc_says_who_closed_and_who_reset),
	cmocka_unit_test(rpc_says_whom_a_client_left_before_it_was_dialled_for),
	cmocka_unit_test(rpc_says_when_a_connect_ends_a_set_aside),
	cmocka_unit_test(rpc_passes_on_what_a_server_says_first),
	cmocka_unit_test(
		rpc_moves_a_client_whose_connections_turn_out_to_be_dead),
	cmocka_unit_test(rpc_moves_a_client_at_once_whose_server_hangs_up),
	cmocka_unit_test(rpc_resets_a_connection_that_waits_to_look_again),
	cmocka_unit_test(rpc_probes_both_ends_of_connections_that_stay),
	cmocka_unit_test(
		rpc_has_its_reserve_back_without_the_listener_that_lost_it),
	cmocka_unit_test(
		rpc_ends_a_connection_whose_client_left_before_the_connect),
	cmocka_unit_test(rpc_reaches_servers_from_the_bindings_own_address),
	cmocka_unit_test(rpc_without_source_ports_moves_and_blames_nobody),
	cmocka_unit_test(rpc_moves_from_a_server_that_cannot_be_reached),
	cmocka_unit_test(rpc_clears_a_server_that_answers_again),
	cmocka_unit_test(rpc_refuses_when_the_table_of_bindings_is_full),
	cmocka_unit_test(rpc_holds_back_a_flood_of_refusals_and_tells_how_many),
	cmocka_unit_test(rpc_that_is_detached_leaves_the_socket_alone),
	cmocka_unit_test(rpc_accepts_many_that_came_at_once),
	cmocka_unit_test(rpc_copes_with_each_allocation_refused),
};

int main(void)
{
	return cmocka_run_group_tests(tests, stage_group_begin,
				      stage_group_end);
}
