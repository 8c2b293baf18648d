/*
 * One RPC connection: fragments joined, the peer's end, garbage, and the
 * owner that closes in a callback. Over socket pairs and the real loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim/channel.h"

#define BIG	   200000
#define GIVE_UP_MS 10000

/* A channel and what it heard; the peer is a bare descriptor or another. */
struct end {
	struct channel channel;
	unsigned ncalls, npdus, nclosed;
	int err;
	size_t stub_len;
	bool is_stub_right;
	bool closes; /* in its first callback */
	bool echoes;
	unsigned stop_at; /* calls, then the loop ends */
};

struct place {
	struct loop *loop;
	struct loop_timer timer;
	struct end a, b;
	int fd[2];
};

static uint8_t big[BIG];

static void give_up(struct loop_timer *timer)
{
	struct place *place = list_entry(timer, struct place, timer);

	loop_stop(place->loop);
}

static struct end *end_of(struct channel *channel)
{
	return list_entry(channel, struct end, channel);
}

static void on_call(struct channel *channel, const struct channel_call *call)
{
	struct end *end = end_of(channel);

	end->ncalls++;
	end->stub_len = call->stub.len;
	end->is_stub_right = call->stub.len <= BIG &&
			     !memcmp(call->stub.at, big, call->stub.len);
	if (end->echoes)
		channel_response(channel, call->call_id, call->context,
				 call->stub);
	if (end->ncalls == end->stop_at)
		loop_stop(channel->loop);
	if (end->closes)
		channel_close(channel);
}

static void on_pdu(struct channel *channel, const struct pdu *pdu)
{
	(void)pdu;
	end_of(channel)->npdus++;
}

static void on_closed(struct channel *channel, int err)
{
	struct end *end = end_of(channel);

	end->nclosed++;
	end->err = err;
	loop_stop(channel->loop);
}

static const struct channel_handler handler = {
	.pdu = on_pdu,
	.call = on_call,
	.closed = on_closed,
};

static int open_place(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	size_t i;

	for (i = 0; i < BIG; i++)
		big[i] = (uint8_t)(i * 7 + i / 251);
	assert_non_null(place);
	place->loop = loop_new();
	assert_non_null(place->loop);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, place->fd),
		0);
	assert_int_equal(channel_accept(&place->a.channel, place->loop,
					&handler, place->fd[0]),
			 0);
	place->timer.fire = give_up;
	loop_timer_set(place->loop, &place->timer, GIVE_UP_MS);
	*state = place;
	return 0;
}

static int close_place(void **state)
{
	struct place *place = *state;

	loop_timer_stop(place->loop, &place->timer);
	channel_close(&place->a.channel);
	if (place->b.channel.is_open)
		channel_close(&place->b.channel);
	else if (place->fd[1] >= 0)
		close(place->fd[1]);
	loop_free(place->loop);
	free(place);
	return 0;
}

static void take_both(struct place *place)
{
	assert_int_equal(channel_accept(&place->b.channel, place->loop,
					&handler, place->fd[1]),
			 0);
	place->fd[1] = -1;
}

/* More than the sockets hold: it goes out in pieces, and comes back. */
static void a_long_call_goes_in_fragments_and_comes_whole(void **state)
{
	struct place *place = *state;

	take_both(place);
	place->a.stop_at = 1;
	place->b.echoes = true;
	channel_request(&place->a.channel, 1, 0, 5, bytes_of(big, BIG));
	loop_run(place->loop);
	assert_int_equal(place->b.ncalls, 1);
	assert_int_equal(place->b.stub_len, BIG);
	assert_true(place->b.is_stub_right);
	assert_int_equal(place->a.ncalls, 1);
	assert_int_equal(place->a.stub_len, BIG);
	assert_true(place->a.is_stub_right);
}

static void fragments_are_as_long_as_agreed(void **state)
{
	struct place *place = *state;
	uint8_t octets[8192];
	ssize_t got;
	int len, n = 0;
	size_t at;

	place->a.channel.frag_len = 1432;
	channel_request(&place->a.channel, 1, 0, 5, bytes_of(big, 4000));
	got = recv(place->fd[1], octets, sizeof(octets), 0);
	assert_true(got > 4000);
	for (at = 0; at < (size_t)got; at += (size_t)len, n++) {
		len = pdu_length(bytes_of(octets + at, (size_t)got - at));
		assert_in_range(len, PDU_HEADER_LEN, 1432);
	}
	assert_int_equal(n, 3);
}

/* Octet by octet, as a slow peer sends them. */
static void a_call_in_single_octets_comes_whole(void **state)
{
	struct place *place = *state;
	uint8_t octets[256];
	struct builder out = builder_over(octets, sizeof(octets), true);
	size_t i;

	pdu_request_write(&out, PDU_FIRST | PDU_LAST, 3, 0, 5,
			  bytes_of(big, 40));
	assert_int_equal(out.err, 0);
	for (i = 0; i < out.len; i++) {
		assert_int_equal(place->a.ncalls, 0);
		assert_int_equal(send(place->fd[1], octets + i, 1, 0), 1);
		place->a.channel.io.ready(&place->a.channel.io, LOOP_READ);
	}
	assert_int_equal(place->a.ncalls, 1);
	assert_true(place->a.is_stub_right);
	assert_int_equal(place->a.stub_len, 40);
}

static void garbage_closes_the_channel(void **state)
{
	struct place *place = *state;

	assert_int_equal(send(place->fd[1], "GET / HTTP/1.1\r\n\r\n", 18, 0),
			 18);
	loop_run(place->loop);
	assert_int_equal(place->a.nclosed, 1);
	assert_int_equal(place->a.err, ERR_MALFORMED);
	assert_false(place->a.channel.is_open);
}

static void the_peers_end_is_told_once(void **state)
{
	struct place *place = *state;

	close(place->fd[1]);
	place->fd[1] = -1;
	loop_run(place->loop);
	assert_int_equal(place->a.nclosed, 1);
	assert_int_equal(place->a.err, 0);
}

/* Two calls arrive at once; the first one's handler closes. */
static void nothing_comes_after_the_owner_closed(void **state)
{
	struct place *place = *state;
	uint8_t octets[256];
	struct builder out = builder_over(octets, sizeof(octets), true);

	pdu_request_write(&out, PDU_FIRST | PDU_LAST, 1, 0, 5,
			  bytes_of(big, 16));
	pdu_request_write(&out, PDU_FIRST | PDU_LAST, 2, 0, 5,
			  bytes_of(big, 16));
	place->a.closes = true;
	place->a.stop_at = 1;
	assert_int_equal(send(place->fd[1], octets, out.len, 0), out.len);
	loop_run(place->loop);
	assert_int_equal(place->a.ncalls, 1);
	assert_int_equal(place->a.nclosed, 0);
	assert_false(place->a.channel.is_open);
}

/* A stalled one reads only when it goes on. */
static void a_stalled_channel_reads_nothing(void **state)
{
	struct place *place = *state;
	uint8_t octets[256];
	struct builder out = builder_over(octets, sizeof(octets), true);

	pdu_request_write(&out, PDU_FIRST | PDU_LAST, 1, 0, 5,
			  bytes_of(big, 16));
	channel_stall(&place->a.channel, true);
	assert_int_equal(send(place->fd[1], octets, out.len, 0), out.len);
	place->a.channel.io.ready(&place->a.channel.io, LOOP_READ);
	assert_int_equal(place->a.ncalls, 0);
	place->a.stop_at = 1;
	channel_stall(&place->a.channel, false);
	loop_run(place->loop);
	assert_int_equal(place->a.ncalls, 1);
}

/* A peer that sends on and on but never reads stops being read. */
static void a_peer_that_does_not_read_is_not_read(void **state)
{
	struct place *place = *state;
	uint8_t octets[8192];
	struct builder out = builder_over(octets, sizeof(octets), true);
	unsigned rounds, before = 0;

	pdu_request_write(&out, PDU_FIRST | PDU_LAST, 1, 0, 5,
			  bytes_of(big, 5000));
	place->a.echoes = true;
	for (rounds = 0; rounds < 5000; rounds++) {
		before = place->a.ncalls;
		if (send(place->fd[1], octets, out.len, 0) < 0)
			break;
		place->a.channel.io.ready(&place->a.channel.io, LOOP_READ);
	}
	assert_int_equal(place->a.ncalls, before);
	assert_true(place->a.channel.is_held);
	assert_in_range(place->a.channel.out.len, CHANNEL_KEPT_MAX,
			CHANNEL_KEPT_MAX + 256 * 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_long_call_goes_in_fragments_and_comes_whole,
			open_place, close_place),
		cmocka_unit_test_setup_teardown(fragments_are_as_long_as_agreed,
						open_place, close_place),
		cmocka_unit_test_setup_teardown(
			a_call_in_single_octets_comes_whole, open_place,
			close_place),
		cmocka_unit_test_setup_teardown(garbage_closes_the_channel,
						open_place, close_place),
		cmocka_unit_test_setup_teardown(the_peers_end_is_told_once,
						open_place, close_place),
		cmocka_unit_test_setup_teardown(
			nothing_comes_after_the_owner_closed, open_place,
			close_place),
		cmocka_unit_test_setup_teardown(a_stalled_channel_reads_nothing,
						open_place, close_place),
		cmocka_unit_test_setup_teardown(
			a_peer_that_does_not_read_is_not_read, open_place,
			close_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
