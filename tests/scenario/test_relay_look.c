/*
 * test_relay_look.c - a relay whose octets are looked at as they pass.
 */
#include <errno.h>
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

#define BLOCK	 (64 * 1024)
#define BULK_LEN (8 * 1024 * 1024)

struct play;
typedef void look_body(struct play *play, uint8_t *at, struct relay_look *out);

/* A client, the relay's two sockets, a server; the client is looked at. */
struct play {
	struct loop *loop;
	struct relay_pool pool;
	struct relay relay;
	int client, server; /* the peers' ends */
	look_body *look;
	unsigned looks;
	size_t shown;	/* in the last look */
	bool gate_open; /* for look_gate() */
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
	(void)relay;
}

static void look(struct relay *relay, enum relay_end from, uint8_t *at,
		 size_t len, struct relay_look *out)
{
	struct play *play = list_entry(relay, struct play, relay);

	assert_int_equal(from, RELAY_CLIENT);
	assert_true(len > 0);
	/* All of it passes unless it is told otherwise. */
	assert_int_equal(out->len, len);
	assert_int_equal(out->pass, len);
	play->looks++;
	play->shown = len;
	play->look(play, at, out);
}

static void begin(struct play *play, unsigned pipes, look_body *body)
{
	int client[2], server[2];

	memset(play, 0, sizeof(*play));
	play->loop = loop_new();
	assert_int_equal(
		relay_pool_init(&play->pool, play->loop, pipes, TICK_NEVER), 0);
	tcp_pair(client);
	tcp_pair(server);
	play->client = client[0];
	play->server = server[1];
	play->look = body;
	play->relay.ended = ended;
	play->relay.ending = ending;
	play->relay.look = look;
	play->relay.side[RELAY_CLIENT].is_looked_at = true;
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
	assert_int_equal(play->pool.held_back, 0);
	close(play->client);
	close(play->server);
	relay_pool_release(&play->pool);
	loop_free(play->loop);
}

static void say(struct play *play, const char *text)
{
	tcp_write(play->client, text, strlen(text));
	fake_loop_settle(play->loop);
}

static void expect_text(int fd, const char *text)
{
	char room[64];

	assert_int_equal(tcp_read(fd, room, sizeof(room)), strlen(text));
	assert_memory_equal(room, text, strlen(text));
}

static void expect_silence(int fd)
{
	char octet;

	assert_int_equal(tcp_read(fd, &octet, 1), -EAGAIN);
}

/* Whole lines pass. */
static void look_lines(struct play *play, uint8_t *at, struct relay_look *out)
{
	const uint8_t *end = memrchr(at, '\n', out->len);

	(void)play;
	out->pass = end ? (size_t)(end - at) + 1 : 0;
}

static void what_is_held_back_is_shown_again_with_what_comes_next(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 0, look_lines);
	say(&play, "on");
	expect_silence(play.server);
	assert_int_equal(play.shown, 2);
	assert_int_equal(play.pool.held_back, 2);
	say(&play, "e\ntwo");
	expect_text(play.server, "one\n");
	assert_int_equal(play.shown, 7);
	assert_int_equal(play.pool.held_back, 3);
	say(&play, "\n");
	expect_text(play.server, "two\n");
	assert_int_equal(play.shown, 4);
	assert_int_equal(play.pool.held_back, 0);
	/* An idle relay owns no memory. */
	assert_null(play.relay.side[RELAY_CLIENT].kept);
	assert_int_equal(play.relay.side[RELAY_CLIENT].octets, 8);
	finish(&play);
}

static void only_the_side_that_is_looked_at_is_held_back(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 0, look_lines);
	say(&play, "half a line");
	tcp_write(play.server, "another", 7);
	fake_loop_settle(play.loop);
	expect_text(play.client, "another");
	expect_silence(play.server);
	assert_int_equal(play.looks, 1);
	finish(&play);
}

static void look_capitals(struct play *play, uint8_t *at,
			  struct relay_look *out)
{
	size_t i;

	(void)play;
	for (i = 0; i < out->len; i++)
		at[i] ^= 0x20;
}

static void what_is_changed_in_place_passes_so(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 0, look_capitals);
	say(&play, "Word");
	expect_text(play.server, "wORD");
	finish(&play);
}

/* Take every x out, then pass whole lines. */
static void look_without_x(struct play *play, uint8_t *at,
			   struct relay_look *out)
{
	size_t i, n = 0;

	for (i = 0; i < out->len; i++)
		if (at[i] != 'x')
			at[n++] = at[i];
	out->len = n;
	look_lines(play, at, out);
}

static void what_is_taken_out_is_gone(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 0, look_without_x);
	say(&play, "oxnxe\nxtwxo");
	expect_text(play.server, "one\n");
	assert_int_equal(play.pool.held_back, 3);
	say(&play, "x\nx");
	expect_text(play.server, "two\n");
	assert_int_equal(play.pool.held_back, 0);
	assert_null(play.relay.side[RELAY_CLIENT].kept);
	/* What was read is what the client said. */
	assert_int_equal(play.relay.side[RELAY_CLIENT].octets, 14);
	/* All of it may be. */
	say(&play, "xxx");
	expect_silence(play.server);
	assert_null(play.relay.side[RELAY_CLIENT].kept);
	finish(&play);
}

static void look_no(struct play *play, uint8_t *at, struct relay_look *out)
{
	(void)play;
	if (at[0] == 'n')
		out->answer = bytes_of("no", 2);
	out->end = REASON_GROUP_GONE;
}

static void an_answer_is_sent_back_before_the_end(void **state)
{
	struct play play;
	char octet;

	(void)state;
	begin(&play, 0, look_no);
	say(&play, "never");
	assert_true(play.has_ended);
	assert_int_equal(play.why, REASON_GROUP_GONE);
	expect_text(play.client, "no");
	assert_int_equal(tcp_read(play.client, &octet, 1), 0);
	assert_int_equal(tcp_read(play.server, &octet, 1), -ECONNRESET);
	finish(&play);

	/* Without an answer both see a reset. */
	begin(&play, 0, look_no);
	say(&play, "ever");
	assert_true(play.has_ended);
	assert_int_equal(tcp_read(play.client, &octet, 1), -ECONNRESET);
	assert_int_equal(tcp_read(play.server, &octet, 1), -ECONNRESET);
	finish(&play);
}

/* Nothing passes while the gate is closed. */
static void look_gate(struct play *play, uint8_t *at, struct relay_look *out)
{
	(void)at;
	if (!play->gate_open)
		out->pass = 0;
}

static void what_is_held_back_is_looked_at_again_when_told(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 0, look_gate);
	say(&play, "in");
	say(&play, "side");
	expect_silence(play.server);
	/* It may be held back again. */
	relay_look_again(&play.relay, RELAY_CLIENT);
	fake_loop_settle(play.loop);
	assert_int_equal(play.looks, 3);
	assert_int_equal(play.shown, 6);
	expect_silence(play.server);
	play.gate_open = true;
	relay_look_again(&play.relay, RELAY_CLIENT);
	relay_look_again(&play.relay, RELAY_CLIENT);
	/* Not before the loop's next turn. */
	assert_int_equal(play.looks, 3);
	fake_loop_settle(play.loop);
	expect_text(play.server, "inside");
	assert_int_equal(play.looks, 4);
	assert_null(play.relay.side[RELAY_CLIENT].kept);

	/* Where nothing is held back nothing happens. */
	relay_look_again(&play.relay, RELAY_CLIENT);
	relay_look_again(&play.relay, RELAY_SERVER);
	fake_loop_settle(play.loop);
	assert_int_equal(play.looks, 4);
	finish(&play);
}

/* … and until it is opened nothing more is read. */
static void look_barrier(struct play *play, uint8_t *at, struct relay_look *out)
{
	look_gate(play, at, out);
	out->is_waiting = !play->gate_open;
}

static void while_something_else_is_waited_for_nothing_more_is_read(void **s)
{
	struct play play;
	char octet;

	(void)s;
	begin(&play, 0, look_barrier);
	say(&play, "in");
	say(&play, "side");
	shutdown(play.client, SHUT_WR);
	fake_loop_settle(play.loop);
	relay_look_again(&play.relay, RELAY_CLIENT);
	fake_loop_settle(play.loop);
	assert_int_equal(play.looks, 2);
	assert_int_equal(play.shown, 2);
	assert_int_equal(play.pool.held_back, 2);
	expect_silence(play.server);
	/* The other way goes on. */
	tcp_write(play.server, "answer", 6);
	fake_loop_settle(play.loop);
	expect_text(play.client, "answer");
	play.gate_open = true;
	relay_look_again(&play.relay, RELAY_CLIENT);
	fake_loop_settle(play.loop);
	/* What came meanwhile, the end too, is seen in its order. */
	assert_int_equal(play.looks, 4);
	assert_int_equal(play.shown, 4);
	expect_text(play.server, "inside");
	assert_int_equal(tcp_read(play.server, &octet, 1), 0);
	finish(&play);
}

static void a_reset_is_seen_while_nothing_is_read(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 0, look_barrier);
	say(&play, "in");
	say(&play, "side");
	tcp_reset(play.client);
	fake_loop_settle(play.loop);
	assert_true(play.has_ended);
	assert_int_equal(play.why, REASON_CLIENT_RESET);
	play.client = socket(AF_INET, SOCK_STREAM, 0);
	finish(&play);
}

/* Who waits without holding anything back would wait for ever. */
static void look_idle(struct play *play, uint8_t *at, struct relay_look *out)
{
	(void)play;
	(void)at;
	out->is_waiting = true;
}

static void where_nothing_is_held_back_nothing_is_waited_for(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 0, look_idle);
	say(&play, "in");
	say(&play, "side");
	expect_text(play.server, "inside");
	finish(&play);
}

static void a_relay_that_ends_is_not_looked_at_again(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 0, look_gate);
	say(&play, "inside");
	relay_look_again(&play.relay, RELAY_CLIENT);
	relay_reset(&play.relay, REASON_STOPPED);
	fake_loop_settle(play.loop);
	assert_int_equal(play.looks, 1);
	finish(&play);
}

static void at_the_end_of_the_stream_what_was_held_back_goes_on(void **state)
{
	struct play play;
	char octet;

	(void)state;
	begin(&play, 0, look_gate);
	say(&play, "inside");
	shutdown(play.client, SHUT_WR);
	fake_loop_settle(play.loop);
	expect_text(play.server, "inside");
	assert_int_equal(tcp_read(play.server, &octet, 1), 0);
	assert_int_equal(play.looks, 1);
	assert_int_equal(play.pool.held_back, 0);
	/* The other way goes on. */
	assert_false(play.has_ended);
	tcp_write(play.server, "answer", 6);
	fake_loop_settle(play.loop);
	expect_text(play.client, "answer");
	finish(&play);
}

/* The octets and the end come together. */
static void a_stream_that_ends_at_once_is_looked_at_first(void **state)
{
	struct play play;
	char octet;

	(void)state;
	begin(&play, 0, look_lines);
	tcp_write(play.client, "one\ntw", 6);
	shutdown(play.client, SHUT_WR);
	fake_loop_settle(play.loop);
	assert_int_equal(play.looks, 1);
	expect_text(play.server, "one\ntw");
	assert_int_equal(tcp_read(play.server, &octet, 1), 0);
	finish(&play);
}

static void a_reset_drops_what_was_held_back(void **state)
{
	struct play play;
	char octet;
	unsigned who;

	(void)state;
	for (who = 0; who < 2; who++) {
		begin(&play, 0, look_gate);
		say(&play, "inside");
		tcp_reset(who ? play.client : play.server);
		*(who ? &play.client : &play.server) = -1;
		fake_loop_settle(play.loop);
		assert_true(play.has_ended);
		assert_int_equal(play.why, who ? REASON_CLIENT_RESET
					       : REASON_SERVER_RESET);
		assert_int_equal(
			tcp_read(who ? play.server : play.client, &octet, 1),
			-ECONNRESET);
		finish(&play);
	}
}

/* limits */

/* Write <len> octets as the relay takes them. */
static void pour(struct play *play, size_t len)
{
	static const uint8_t block[BLOCK];
	size_t sent = 0;

	while (sent < len && !play->has_ended) {
		size_t n = len - sent < BLOCK ? len - sent : BLOCK;
		ssize_t now = send(play->client, block, n, MSG_NOSIGNAL);

		sent += now > 0 ? (size_t)now : 0;
		fake_loop_settle(play->loop);
	}
}

static void no_direction_holds_back_more_than_its_part(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 0, look_gate);
	pour(&play, RELAY_HELD_MAX);
	fake_loop_settle(play.loop);
	assert_false(play.has_ended);
	assert_int_equal(play.pool.held_back, RELAY_HELD_MAX);
	pour(&play, 1);
	assert_true(play.has_ended);
	assert_int_equal(play.why, REASON_NO_MEMORY);
	finish(&play);
}

static void all_together_hold_back_no_more_than_the_pools_part(void **state)
{
	const size_t others = RELAY_HELD_ALL_MAX - 6;
	struct play play;

	(void)state;
	begin(&play, 0, look_gate);
	play.pool.held_back = others;
	say(&play, "inside");
	assert_false(play.has_ended);
	say(&play, "!");
	assert_true(play.has_ended);
	assert_int_equal(play.why, REASON_NO_MEMORY);
	/* Its own part is free again. */
	assert_int_equal(play.pool.held_back, others);
	play.pool.held_back = 0;
	finish(&play);
}

static void refused_memory_ends_the_relay(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 0, look_gate);
	alloc_fail_at(1);
	say(&play, "inside");
	alloc_fail_at(0);
	assert_true(play.has_ended);
	assert_int_equal(play.why, REASON_NO_MEMORY);
	finish(&play);
}

/* blocked peers */

static size_t drain(struct play *play, size_t *lines)
{
	static uint8_t room[BLOCK];
	size_t sum = 0;
	long n, i;

	do {
		fake_loop_settle(play->loop);
		n = tcp_read(play->server, room, sizeof(room));
		sum += n > 0 ? (size_t)n : 0;
		for (i = 0; i < n; i++)
			*lines += room[i] == '\n';
	} while (n > 0);
	return sum;
}

/* Some octets wait for the server, others behind them for their line. */
static void octets_to_be_written_and_held_back_keep_apart(void **state)
{
	static uint8_t block[BLOCK];
	size_t said = 0, read = 0, lines = 0, whole;
	struct play play;
	ssize_t n;

	(void)state;
	begin(&play, 0, look_lines);
	memset(block, 'a', BLOCK);
	block[BLOCK - 100] = '\n'; /* a line over two blocks */
	while (!play.relay.side[RELAY_SERVER].is_blocked) {
		n = send(play.client, block, BLOCK, MSG_NOSIGNAL);
		assert_true(n > 0);
		assert_int_equal(n, BLOCK);
		said += (size_t)n;
		fake_loop_settle(play.loop);
	}
	assert_non_null(play.relay.side[RELAY_CLIENT].kept);
	assert_int_equal(play.pool.held_back, 99);
	/* To look again changes nothing before they are written. */
	relay_look_again(&play.relay, RELAY_CLIENT);
	fake_loop_settle(play.loop);
	assert_int_equal(play.pool.held_back, 99);

	read = drain(&play, &lines);
	whole = said / BLOCK;
	assert_int_equal(lines, whole);
	assert_int_equal(read, said - 99);
	assert_int_equal(play.pool.held_back, 99);
	say(&play, "\n");
	assert_int_equal(drain(&play, &lines), 100);
	assert_false(play.has_ended);
	finish(&play);
}

/* The end of the stream comes while octets wait on both sides of the line. */
static void a_stream_ends_behind_its_last_octet(void **state)
{
	static uint8_t block[BLOCK];
	size_t said = 0, lines = 0;
	struct play play;
	char octet;

	(void)state;
	begin(&play, 0, look_lines);
	memset(block, 'a', BLOCK);
	block[BLOCK - 100] = '\n';
	while (!play.relay.side[RELAY_SERVER].is_blocked) {
		tcp_write(play.client, block, BLOCK);
		said += BLOCK;
		fake_loop_settle(play.loop);
	}
	shutdown(play.client, SHUT_WR);
	fake_loop_settle(play.loop);
	assert_int_equal(drain(&play, &lines), said);
	assert_int_equal(tcp_read(play.server, &octet, 1), 0);
	assert_false(play.has_ended);
	finish(&play);
}

/* streams */

static uint8_t octet_at(size_t where)
{
	return (uint8_t)(where * 31 + (where >> 8) * 7 + (where >> 16));
}

/* Some pass, some are held back. */
static void look_some(struct play *play, uint8_t *at, struct relay_look *out)
{
	(void)play;
	(void)at;
	if (rand() % 3)
		out->pass = (size_t)rand() % (out->len + 1);
	if (out->len - out->pass > BLOCK)
		out->pass = out->len;
}

static void look_pass(struct play *play, uint8_t *at, struct relay_look *out)
{
	(void)play;
	(void)at;
	(void)out;
}

static void send_some(struct play *play, size_t *sent, size_t len, size_t most)
{
	static uint8_t room[BLOCK];
	size_t n = 1 + (size_t)rand() % most, i;
	ssize_t now;

	if (n > len - *sent)
		n = len - *sent;
	for (i = 0; i < n; i++)
		room[i] = octet_at(*sent + i);
	now = send(play->client, room, n, MSG_NOSIGNAL);
	*sent += now > 0 ? (size_t)now : 0;
	if (*sent == len)
		shutdown(play->client, SHUT_WR);
	fake_loop_settle(play->loop);
}

static void stream(struct play *play, size_t len, size_t most)
{
	static uint8_t room[BLOCK];
	size_t sent = 0, got = 0;
	long n = 0, i;

	while (got < len) {
		if (sent < len)
			send_some(play, &sent, len, most);
		if (rand() % 4 == 0)
			relay_look_again(&play->relay, RELAY_CLIENT);
		n = tcp_read(play->server, room, 1 + (size_t)rand() % most);
		for (i = 0; i < n; i++)
			assert_int_equal(room[i], octet_at(got + (size_t)i));
		got += n > 0 ? (size_t)n : 0;
		fake_loop_settle(play->loop);
		assert_false(play->has_ended);
	}
	assert_int_equal(tcp_read(play->server, room, 1), 0);
}

static void every_octet_keeps_its_place(void **state)
{
	struct play play;

	(void)state;
	srand(3);
	begin(&play, 2, look_some);
	stream(&play, 300000, 100);
	finish(&play);
	begin(&play, 2, look_some);
	stream(&play, BULK_LEN, BLOCK);
	/* What is looked at is never spliced. */
	assert_int_equal(play.pool.npipes, 0);
	finish(&play);
}

/* As fast as it can be read, so that reads are full; all but <held> octets
 * come out. */
static void pour_in_bulk(struct play *play, size_t held)
{
	static uint8_t block[4 * BLOCK];
	size_t sent = 0, got = 0, n, i;
	ssize_t now;

	while (got < BULK_LEN - held) {
		do {
			n = BULK_LEN - sent < sizeof(block) ? BULK_LEN - sent
							    : sizeof(block);
			for (i = 0; i < n; i++)
				block[i] = octet_at(sent + i);
			now = n ? send(play->client, block, n, MSG_NOSIGNAL)
				: 0;
			sent += now > 0 ? (size_t)now : 0;
		} while (now > 0);
		fake_loop_settle(play->loop);
		now = tcp_read(play->server, block, sizeof(block));
		for (i = 0; now > 0 && i < (size_t)now; i++)
			assert_int_equal(block[i], octet_at(got + i));
		got += now > 0 ? (size_t)now : 0;
	}
}

static void bulk_goes_on_unseen_where_it_may(void **state)
{
	struct play play;
	unsigned looks;

	(void)state;
	begin(&play, 2, look_pass);
	play.relay.side[RELAY_CLIENT].is_bulk_blind = true;
	say(&play, "a word is no bulk");
	expect_text(play.server, "a word is no bulk");
	assert_true(play.relay.side[RELAY_CLIENT].is_looked_at);
	pour_in_bulk(&play, 0);
	assert_false(play.relay.side[RELAY_CLIENT].is_looked_at);
	assert_true(play.pool.npipes > 0); /* it was spliced indeed */
	/* For good: nothing can be found again in that stream. */
	looks = play.looks;
	assert_true(looks < BULK_LEN / BLOCK / 2);
	say(&play, "a word again");
	expect_text(play.server, "a word again");
	assert_int_equal(play.looks, looks);
	finish(&play);
}

static void look_all_but_one(struct play *play, uint8_t *at,
			     struct relay_look *out)
{
	(void)play;
	(void)at;
	out->pass = out->len - 1;
}

/* What is held back must not be overtaken. */
static void bulk_behind_a_held_octet_stays_seen(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 2, look_all_but_one);
	play.relay.side[RELAY_CLIENT].is_bulk_blind = true;
	pour_in_bulk(&play, 1);
	assert_true(play.relay.side[RELAY_CLIENT].is_looked_at);
	assert_int_equal(play.pool.held_back, 1);
	finish(&play);
}

static void bulk_that_must_be_seen_is_copied(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 2, look_pass);
	pour_in_bulk(&play, 0);
	assert_true(play.relay.side[RELAY_CLIENT].is_looked_at);
	assert_int_equal(play.pool.npipes, 0);
	assert_true(play.looks >= BULK_LEN / BLOCK);
	finish(&play);
}

static void look_once(struct play *play, uint8_t *at, struct relay_look *out)
{
	(void)play;
	(void)at;
	out->is_last = true;
}

static void after_the_last_look_nothing_is_seen(void **state)
{
	struct play play;

	(void)state;
	begin(&play, 1, look_once);
	say(&play, "seen");
	say(&play, "not");
	expect_text(play.server, "seennot");
	assert_int_equal(play.looks, 1);
	/* From then on it is spliced as any other. */
	pour_in_bulk(&play, 0);
	assert_int_equal(play.pool.npipes, 1);
	finish(&play);
}

#define test(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_is_held_back_is_shown_again_with_what_comes_next),
		test(only_the_side_that_is_looked_at_is_held_back),
		test(what_is_changed_in_place_passes_so),
		test(what_is_taken_out_is_gone),
		test(an_answer_is_sent_back_before_the_end),
		test(what_is_held_back_is_looked_at_again_when_told),
		test(while_something_else_is_waited_for_nothing_more_is_read),
		test(a_reset_is_seen_while_nothing_is_read),
		test(where_nothing_is_held_back_nothing_is_waited_for),
		test(a_relay_that_ends_is_not_looked_at_again),
		test(at_the_end_of_the_stream_what_was_held_back_goes_on),
		test(a_stream_that_ends_at_once_is_looked_at_first),
		test(a_reset_drops_what_was_held_back),
		test(no_direction_holds_back_more_than_its_part),
		test(all_together_hold_back_no_more_than_the_pools_part),
		test(refused_memory_ends_the_relay),
		test(octets_to_be_written_and_held_back_keep_apart),
		test(a_stream_ends_behind_its_last_octet),
		test(every_octet_keeps_its_place),
		test(bulk_goes_on_unseen_where_it_may),
		test(bulk_behind_a_held_octet_stays_seen),
		test(bulk_that_must_be_seen_is_copied),
		test(after_the_last_look_nothing_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
