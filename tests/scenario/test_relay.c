/*
 * test_relay.c - the relay between two real sockets, on the fake clock.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
#include "net/relay.h"

#define HOUR_MS	  (3600ull * 1000)
#define SCRATCH	  (64 * 1024)
#define BULK_LEN  (8 * 1024 * 1024)
#define BULK_READ (256 * 1024)

/* A client, the relay's two sockets, a server. */
struct play {
	struct loop *loop;
	struct relay_pool pool;
	struct relay relay;
	int client, server; /* the peers' ends */
	bool is_ending;
	bool has_ended;
	enum reason why;
};

static void ended(struct relay *relay, enum reason why)
{
	struct play *play = list_entry(relay, struct play, relay);

	assert_false(play->has_ended);
	play->has_ended = true;
	play->why = why;
}

static void ending(struct relay *relay)
{
	struct play *play = list_entry(relay, struct play, relay);

	assert_false(play->is_ending);
	assert_false(play->has_ended);
	play->is_ending = true;
}

static void begin(struct play *play, unsigned pipes, uint64_t idle_ms)
{
	int client[2], server[2];

	memset(play, 0, sizeof(*play));
	play->loop = loop_new();
	assert_int_equal(
		relay_pool_init(&play->pool, play->loop, pipes, idle_ms), 0);
	tcp_pair(client);
	tcp_pair(server);
	play->client = client[0];
	play->server = server[1];
	play->relay.ended = ended;
	play->relay.ending = ending;
	play->relay.side[RELAY_SERVER].io.fd = server[0];
	assert_int_equal(
		loop_watch_edge(play->loop, &play->relay.side[RELAY_SERVER].io),
		0);
	assert_int_equal(
		relay_start(&play->pool, &play->relay, client[1], LOOP_WRITE),
		REASON_NONE);
	fake_loop_settle(play->loop);
}

static void finish(struct play *play)
{
	if (!play->has_ended)
		relay_reset(&play->relay, REASON_STOPPED);
	if (play->client >= 0)
		close(play->client);
	if (play->server >= 0)
		close(play->server);
	relay_pool_release(&play->pool);
	loop_free(play->loop);
}

static void expect_text(int fd, const char *text)
{
	char room[64];

	assert_int_equal(tcp_read(fd, room, sizeof(room)), strlen(text));
	assert_memory_equal(room, text, strlen(text));
}

static void relay_passes_octets_both_ways(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 0, TICK_NEVER);
	tcp_write(play.client, "question", 8);
	fake_loop_settle(play.loop);
	expect_text(play.server, "question");
	tcp_write(play.server, "answer", 6);
	fake_loop_settle(play.loop);
	expect_text(play.client, "answer");
	assert_int_equal(play.relay.side[RELAY_CLIENT].octets, 8);
	assert_int_equal(play.relay.side[RELAY_SERVER].octets, 6);
	finish(&play);
}

static void relay_passes_a_half_close_and_goes_on_the_other_way(void **state)
{
	struct play play;
	char room[8];

	(void)state;
	begin(&play, 0, TICK_NEVER);
	tcp_write(play.client, "last", 4);
	shutdown(play.client, SHUT_WR);
	fake_loop_settle(play.loop);
	expect_text(play.server, "last");
	assert_int_equal(tcp_read(play.server, room, 8), 0);
	assert_true(play.is_ending);
	assert_false(play.has_ended);
	tcp_write(play.server, "answer", 6);
	fake_loop_settle(play.loop);
	expect_text(play.client, "answer");
	shutdown(play.server, SHUT_WR);
	fake_loop_settle(play.loop);
	assert_int_equal(tcp_read(play.client, room, 8), 0);
	assert_true(play.has_ended);
	assert_int_equal(play.why, REASON_CLIENT_CLOSED);
	finish(&play);
}

static void relay_says_when_the_server_closed_first(void **state)
{
	struct play play;
	char room[8];

	(void)state;
	begin(&play, 0, TICK_NEVER);
	close(play.server);
	play.server = -1;
	fake_loop_settle(play.loop);
	assert_int_equal(tcp_read(play.client, room, 8), 0);
	close(play.client);
	play.client = -1;
	fake_loop_settle(play.loop);
	assert_true(play.has_ended);
	assert_int_equal(play.why, REASON_SERVER_CLOSED);
	finish(&play);
}

static void relay_passes_a_reset_on(void **state)
{
	struct play play;
	char room[8];

	(void)state;
	begin(&play, 0, TICK_NEVER);
	tcp_reset(play.client);
	play.client = -1;
	fake_loop_settle(play.loop);
	assert_true(play.has_ended);
	assert_int_equal(play.why, REASON_CLIENT_RESET);
	assert_int_equal(tcp_read(play.server, room, 8), -ECONNRESET);
	finish(&play);

	begin(&play, 0, TICK_NEVER);
	tcp_reset(play.server);
	play.server = -1;
	fake_loop_settle(play.loop);
	assert_true(play.has_ended);
	assert_int_equal(play.why, REASON_SERVER_RESET);
	assert_int_equal(tcp_read(play.client, room, 8), -ECONNRESET);
	finish(&play);
}

static void relay_passes_the_octets_before_a_reset(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 0, TICK_NEVER);
	tcp_write(play.server, "words", 5);
	tcp_reset(play.server);
	play.server = -1;
	fake_loop_settle(play.loop);
	assert_int_equal(play.relay.side[RELAY_SERVER].octets, 5);
	assert_int_equal(play.why, REASON_SERVER_RESET);
	finish(&play);
}

/* The half-closed client dies: nothing will be written to it that could
 * fail, and the server waits. */
static void relay_sees_a_reset_after_a_half_close(void **state)
{
	struct play play;
	char room[8];

	(void)state;
	begin(&play, 0, TICK_NEVER);
	shutdown(play.client, SHUT_WR);
	fake_loop_settle(play.loop);
	tcp_reset(play.client);
	play.client = -1;
	fake_loop_settle(play.loop);
	assert_true(play.has_ended);
	assert_int_equal(play.why, REASON_CLIENT_RESET);
	assert_int_equal(tcp_read(play.server, room, 8), 0);
	finish(&play);
}

/* Write until the relay takes no more; how much that was. */
static size_t fill(struct play *play, int fd)
{
	static const uint8_t block[4096];
	size_t sum = 0;
	ssize_t n;

	do {
		while ((n = send(fd, block, sizeof(block), MSG_NOSIGNAL)) > 0)
			sum += (size_t)n;
		fake_loop_settle(play->loop);
		n = send(fd, block, 1, MSG_NOSIGNAL);
		if (n > 0)
			sum += (size_t)n;
	} while (n > 0);
	return sum;
}

static size_t empty(struct play *play, int fd)
{
	static uint8_t room[BULK_READ];
	size_t sum = 0;
	long n;

	do {
		fake_loop_settle(play->loop);
		n = tcp_read(fd, room, sizeof(room));
		sum += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	return sum;
}

static void relay_stops_reading_when_the_other_side_does_not(void **state)
{
	struct play play;
	size_t filled;

	(void)state;
	begin(&play, 0, TICK_NEVER);
	filled = fill(&play, play.client);
	/* At most one scratch buffer's worth is ours, whatever was sent. */
	assert_non_null(play.relay.side[RELAY_CLIENT].kept);
	assert_true(play.relay.side[RELAY_CLIENT].is_blocked == false);
	assert_true(play.relay.side[RELAY_SERVER].is_blocked);
	/* The other way is not held up. */
	tcp_write(play.server, "answer", 6);
	fake_loop_settle(play.loop);
	expect_text(play.client, "answer");
	/* It goes on where it stopped, and nothing is lost. */
	assert_int_equal(empty(&play, play.server), filled);
	assert_null(play.relay.side[RELAY_CLIENT].kept);
	assert_false(play.has_ended);
	finish(&play);
}

static void relay_ends_at_once_when_the_sender_of_a_stuck_flow_dies(
	void **state)
{
	struct play play;

	(void)state;
	begin(&play, 0, TICK_NEVER);
	fill(&play, play.client);
	tcp_reset(play.client);
	play.client = -1;
	fake_loop_settle(play.loop);
	assert_true(play.has_ended);
	assert_int_equal(play.why, REASON_CLIENT_RESET);
	finish(&play);
}

static void relay_without_memory_resets_and_says_so(void **state)
{
	struct play play;
	static const uint8_t block[SCRATCH];
	ssize_t n;

	(void)state;
	begin(&play, 0, TICK_NEVER);
	/* The first short write has to keep the rest. */
	alloc_fail_at(1);
	do {
		n = send(play.client, block, sizeof(block), MSG_NOSIGNAL);
		fake_loop_settle(play.loop);
	} while (n > 0 && !play.has_ended);
	alloc_fail_at(0);
	assert_true(play.has_ended);
	assert_int_equal(play.why, REASON_NO_MEMORY);
	finish(&play);
}

static uint8_t octet_at(size_t where)
{
	return (uint8_t)(where * 31 + (where >> 8) * 7 + (where >> 16));
}

/* Write what can be written of a stream whose octets tell their place. */
static size_t push(int fd, size_t from, size_t until, size_t most)
{
	static uint8_t room[BULK_READ];
	size_t n = until - from < most ? until - from : most, i;
	ssize_t sent;

	for (i = 0; i < n; i++)
		room[i] = octet_at(from + i);
	sent = send(fd, room, n, MSG_NOSIGNAL);
	return sent > 0 ? (size_t)sent : 0;
}

static size_t pull(int fd, size_t from, size_t most)
{
	static uint8_t room[BULK_READ];
	long n = tcp_read(fd, room, most), i;

	for (i = 0; i < n; i++)
		assert_int_equal(room[i], octet_at(from + (size_t)i));
	return n > 0 ? (size_t)n : 0;
}

/* <len> octets from one peer to the other in random pieces. */
static void stream(struct play *play, int from, int to, size_t len, size_t most)
{
	size_t sent = 0, got = 0;

	while (got < len) {
		sent += push(from, sent, len, 1 + (size_t)rand() % most);
		if (rand() % 3)
			fake_loop_settle(play->loop);
		got += pull(to, got, 1 + (size_t)rand() % most);
		fake_loop_settle(play->loop);
		assert_false(play->has_ended);
	}
	assert_int_equal(got, len);
}

static void relay_keeps_every_octet_in_its_place(void **state)
{
	struct play play;

	(void)state;
	srand(1);
	begin(&play, 0, TICK_NEVER);
	stream(&play, play.client, play.server, 300000, 100);
	stream(&play, play.server, play.client, BULK_LEN, BULK_READ);
	assert_null(play.pool.pipe);
	finish(&play);
}

static void relay_splices_a_bulk_flow_and_gives_the_pipe_back(void **state)
{
	struct play play;

	(void)state;
	srand(2);
	begin(&play, 2, TICK_NEVER);
	stream(&play, play.server, play.client, BULK_LEN, BULK_READ);
	stream(&play, play.client, play.server, BULK_LEN, BULK_READ);
	assert_true(play.pool.npipes > 0); /* it was spliced indeed */
	assert_non_null(play.pool.pipe);
	assert_null(play.relay.side[RELAY_CLIENT].pipe);
	assert_null(play.relay.side[RELAY_SERVER].pipe);
	assert_int_equal(play.relay.side[RELAY_SERVER].octets, BULK_LEN);
	/* And it can be small again. */
	tcp_write(play.client, "question", 8);
	fake_loop_settle(play.loop);
	expect_text(play.server, "question");
	finish(&play);
}

static void relay_that_ends_with_octets_in_a_pipe_leaks_none(void **state)
{
	struct play play;
	unsigned i;

	(void)state;
	begin(&play, 1, TICK_NEVER);
	fill(&play, play.client);
	/* The first time it may stick before it is spliced. */
	for (i = 0; i < 1000 && !play.relay.side[RELAY_CLIENT].pipe; i++) {
		empty(&play, play.server);
		fill(&play, play.client);
	}
	assert_non_null(play.relay.side[RELAY_CLIENT].pipe);
	assert_true(play.pool.npipes == 1);
	tcp_reset(play.server);
	play.server = -1;
	fake_loop_settle(play.loop);
	assert_int_equal(play.why, REASON_SERVER_RESET);
	assert_int_equal(play.pool.npipes, 0); /* closed, not reused */
	finish(&play);
}

static void relay_ends_a_stream_after_its_last_octet(void **state)
{
	static uint8_t room[BULK_READ];
	struct play play;
	size_t filled, got;

	(void)state;
	begin(&play, 1, TICK_NEVER);
	filled = fill(&play, play.client);
	shutdown(play.client, SHUT_WR);
	fake_loop_settle(play.loop);
	got = empty(&play, play.server);
	assert_int_equal(got, filled);
	assert_int_equal(tcp_read(play.server, room, 1), 0);
	assert_false(play.has_ended);
	finish(&play);
}

static void relay_resets_both_sides_when_idle_too_long(void **state)
{
	struct play play;
	char room[8];

	(void)state;
	begin(&play, 0, 30000);
	fake_loop_advance(play.loop, 29000);
	tcp_write(play.client, "x", 1);
	fake_loop_settle(play.loop);
	expect_text(play.server, "x");
	fake_loop_advance(play.loop, 29000);
	assert_false(play.has_ended);
	fake_loop_advance(play.loop, 2000);
	assert_true(play.has_ended);
	assert_int_equal(play.why, REASON_IDLE_TIMEOUT);
	assert_int_equal(tcp_read(play.client, room, 8), -ECONNRESET);
	assert_int_equal(tcp_read(play.server, room, 8), -ECONNRESET);
	finish(&play);
}

/* What was active a moment after it took its place in the queue has no less
 * time for that, and not much more. */
static void relay_is_never_idle_too_early_nor_much_too_late(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 0, 30000);
	fake_loop_advance(play.loop, RELAY_IDLE_LATE_MS - 1);
	tcp_write(play.client, "x", 1);
	fake_loop_settle(play.loop);
	expect_text(play.server, "x");
	fake_loop_advance(play.loop, 30000);
	assert_false(play.has_ended);
	fake_loop_advance(play.loop, RELAY_IDLE_LATE_MS);
	assert_true(play.has_ended);
	finish(&play);
}

static void relay_without_idle_timeout_lasts_a_day_in_silence(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 0, TICK_NEVER);
	fake_loop_advance(play.loop, 24 * HOUR_MS);
	assert_false(play.has_ended);
	tcp_write(play.server, "morning", 7);
	fake_loop_settle(play.loop);
	expect_text(play.client, "morning");
	finish(&play);
}

static void relay_takes_a_new_idle_timeout(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 0, TICK_NEVER);
	relay_pool_set_idle(&play.pool, 1000);
	fake_loop_advance(play.loop, 900);
	assert_false(play.has_ended);
	relay_pool_set_idle(&play.pool, TICK_NEVER);
	fake_loop_advance(play.loop, HOUR_MS);
	assert_false(play.has_ended);
	relay_pool_set_idle(&play.pool, 5000);
	fake_loop_advance(play.loop, 1);
	assert_true(play.has_ended);
	finish(&play);
}

static void relay_that_is_idle_owns_neither_memory_nor_pipe(void **state)
{
	struct play play;
	unsigned i;

	(void)state;
	begin(&play, 1, TICK_NEVER);
	stream(&play, play.server, play.client, BULK_LEN, BULK_READ);
	for (i = 0; i < 2; i++) {
		assert_null(play.relay.side[i].kept);
		assert_null(play.relay.side[i].pipe);
	}
	finish(&play);
}

static void swallow(struct loop_io *io, unsigned events)
{
	(void)io;
	(void)events;
}

static void relay_reads_what_came_with_the_connect(void **state)
{
	int client[2], server[2];
	struct play play = { 0 };

	(void)state;
	play.loop = loop_new();
	assert_int_equal(relay_pool_init(&play.pool, play.loop, 0, TICK_NEVER),
			 0);
	tcp_pair(client);
	tcp_pair(server);
	play.client = client[0];
	play.server = server[1];
	tcp_write(play.server, "banner", 6);
	play.relay.ended = ended;
	play.relay.ending = ending;
	play.relay.side[RELAY_SERVER].io.fd = server[0];
	/* The edge was told before: only <events> knows of it. */
	play.relay.side[RELAY_SERVER].io.ready = swallow;
	assert_int_equal(
		loop_watch_edge(play.loop, &play.relay.side[RELAY_SERVER].io),
		0);
	fake_loop_settle(play.loop);
	assert_int_equal(relay_start(&play.pool, &play.relay, client[1],
				     LOOP_WRITE | LOOP_READ),
			 REASON_NONE);
	fake_loop_settle(play.loop);
	expect_text(play.client, "banner");
	finish(&play);
}

static int option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void relay_keepalive_holds_for_both_sides_and_can_be_taken_back(
	void **state)
{
	struct play play;
	unsigned i;

	(void)state;
	begin(&play, 0, TICK_NEVER);
	relay_keepalive(&play.relay, 600500);
	for (i = 0; i < 2; i++) {
		int fd = play.relay.side[i].io.fd;

		assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
		assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 601);
	}
	relay_keepalive(&play.relay, 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(option(play.relay.side[i].io.fd, SOL_SOCKET,
					SO_KEEPALIVE),
				 0);
	finish(&play);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relay_passes_octets_both_ways),
		cmocka_unit_test(
			relay_passes_a_half_close_and_goes_on_the_other_way),
		cmocka_unit_test(relay_says_when_the_server_closed_first),
		cmocka_unit_test(relay_passes_a_reset_on),
		cmocka_unit_test(relay_passes_the_octets_before_a_reset),
		cmocka_unit_test(relay_sees_a_reset_after_a_half_close),
		cmocka_unit_test(
			relay_stops_reading_when_the_other_side_does_not),
		cmocka_unit_test(
			relay_ends_at_once_when_the_sender_of_a_stuck_flow_dies),
		cmocka_unit_test(relay_without_memory_resets_and_says_so),
		cmocka_unit_test(relay_keeps_every_octet_in_its_place),
		cmocka_unit_test(
			relay_splices_a_bulk_flow_and_gives_the_pipe_back),
		cmocka_unit_test(
			relay_that_ends_with_octets_in_a_pipe_leaks_none),
		cmocka_unit_test(relay_ends_a_stream_after_its_last_octet),
		cmocka_unit_test(relay_resets_both_sides_when_idle_too_long),
		cmocka_unit_test(
			relay_is_never_idle_too_early_nor_much_too_late),
		cmocka_unit_test(
			relay_without_idle_timeout_lasts_a_day_in_silence),
		cmocka_unit_test(relay_takes_a_new_idle_timeout),
		cmocka_unit_test(
			relay_that_is_idle_owns_neither_memory_nor_pipe),
		cmocka_unit_test(relay_reads_what_came_with_the_connect),
		cmocka_unit_test(
			relay_keepalive_holds_for_both_sides_and_can_be_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
