/*
 * test_dial.c - connects that succeed, fail and take too long.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../helper/tcp.h"
#include "fake_loop.h"
#include "net/dial.h"
#include "stage.h"

#define TIMEOUT_MS 5000

/* One attempt, and what became of it. */
struct attempt {
	struct loop_io io;
	struct dial dial;
	unsigned done;
	enum reason reason;
	uint64_t done_ms;
	struct attempt *next; /* begun when this one is done */
};

struct play {
	struct stage stage;
	struct dialer dialer;
	int stuck, filler;
};

static void begin(struct play *play)
{
	stage_begin(&play->stage);
	stage_build(&play->stage);
	dialer_init(&play->dialer, play->stage.loop, TIMEOUT_MS);
	play->filler = -1;
}

/* With a server that gives no answer. */
static void begin_stuck(struct play *play)
{
	begin(play);
	play->stuck =
		stage_serve_stuck(&play->stage, 0, MAILBOX, &play->filler);
}

static void finish(struct play *play)
{
	if (play->filler >= 0)
		close(play->filler);
	dialer_release(&play->dialer);
	stage_end(&play->stage);
}

static void ready(struct loop_io *io, unsigned events)
{
	struct attempt *attempt = list_entry(io, struct attempt, io);

	if (!attempt->done)
		dial_event(&attempt->dial, events);
}

static enum reason start(struct play *play, struct attempt *attempt,
			 const char *source);

static void done(struct dial *dial, enum reason reason)
{
	struct attempt *attempt = list_entry(dial, struct attempt, dial);
	struct play *play = list_entry(dial->dialer, struct play, dialer);

	attempt->done++;
	attempt->reason = reason;
	attempt->done_ms = loop_now_ms(dial->dialer->loop);
	if (attempt->next)
		assert_int_equal(start(play, attempt->next, NULL), REASON_NONE);
}

static enum reason start_to(struct play *play, struct attempt *attempt,
			    const char *to, const char *source)
{
	struct endpoint ep = { .port = MAILBOX };
	struct addr from;

	attempt->io.ready = ready;
	attempt->dial.done = done;
	assert_int_equal(addr_parse(to, &ep.addr), 0);
	assert_int_equal(source ? addr_parse(source, &from) : 0, 0);
	return dial_start(&play->dialer, &attempt->dial, &attempt->io, &ep,
			  source ? &from : NULL);
}

static enum reason start(struct play *play, struct attempt *attempt,
			 const char *source)
{
	return start_to(play, attempt, stage_address(0), source);
}

static void hang_up(struct play *play, struct attempt *attempt)
{
	loop_unwatch(play->stage.loop, &attempt->io);
	close(attempt->io.fd);
}

static void dial_connects_and_tells_what_came_with_it(void **state)
{
	struct attempt attempt = { 0 };
	struct play play;
	int at_server;

	(void)state;
	begin(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	assert_int_equal(start(&play, &attempt, NULL), REASON_NONE);
	assert_int_equal(attempt.done, 0); /* never from dial_start() */
	at_server = stage_accept(play.stage.listening[0][0]);
	tcp_write(at_server, "banner", 6);
	fake_loop_settle(play.stage.loop);
	assert_int_equal(attempt.done, 1);
	assert_int_equal(attempt.reason, REASON_NONE);
	assert_true(attempt.dial.events & LOOP_WRITE);
	assert_true(attempt.dial.events & LOOP_READ);
	/* Its time is no longer measured. */
	fake_loop_advance(play.stage.loop, 10 * TIMEOUT_MS);
	assert_int_equal(attempt.done, 1);
	hang_up(&play, &attempt);
	close(at_server);
	finish(&play);
}

static void dial_succeeds_with_a_server_that_hung_up_already(void **state)
{
	struct attempt attempt = { 0 };
	struct play play;

	(void)state;
	begin(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	assert_int_equal(start(&play, &attempt, NULL), REASON_NONE);
	close(stage_accept(play.stage.listening[0][0]));
	fake_loop_settle(play.stage.loop);
	assert_int_equal(attempt.reason, REASON_NONE);
	assert_true(attempt.dial.events & LOOP_END);
	hang_up(&play, &attempt);
	finish(&play);
}

static void dial_to_a_closed_port_is_refused_at_once(void **state)
{
	struct attempt attempt = { 0 };
	struct play play;

	(void)state;
	begin(&play);
	assert_int_equal(start(&play, &attempt, NULL), REASON_NONE);
	fake_loop_settle(play.stage.loop); /* no time passes */
	assert_int_equal(attempt.done, 1);
	assert_int_equal(attempt.reason, REASON_CONNECT_REFUSED);
	assert_int_equal(attempt.io.fd, -1);
	fake_loop_advance(play.stage.loop, 2 * TIMEOUT_MS);
	assert_int_equal(attempt.done, 1);
	finish(&play);
}

static bool is_done(void *ctx)
{
	struct attempt *attempt = ctx;

	return attempt->done > 0;
}

static void dial_that_is_refused_later_leaves_nothing_open(void **state)
{
	struct attempt attempt = { 0 };
	struct play play;

	(void)state;
	begin_stuck(&play);
	assert_int_equal(start(&play, &attempt, NULL), REASON_NONE);
	close(play.stuck);
	play.stage.listening[0][0] = -1;
	assert_true(stage_wait(&play.stage, is_done, &attempt));
	assert_int_equal(attempt.reason, REASON_CONNECT_REFUSED);
	assert_int_equal(attempt.io.fd, -1);
	fake_loop_advance(play.stage.loop, TIMEOUT_MS);
	assert_int_equal(attempt.done, 1);
	finish(&play);
}

static void dial_gives_up_when_its_time_is_over(void **state)
{
	struct attempt first = { 0 }, second = { 0 };
	struct play play;
	uint64_t began;

	(void)state;
	begin_stuck(&play);
	began = loop_now_ms(play.stage.loop);
	assert_int_equal(start(&play, &first, NULL), REASON_NONE);
	fake_loop_advance(play.stage.loop, 2000);
	assert_int_equal(start(&play, &second, NULL), REASON_NONE);
	fake_loop_advance(play.stage.loop, 10 * TIMEOUT_MS);
	assert_int_equal(first.reason, REASON_CONNECT_TIMEOUT);
	assert_int_equal(first.done_ms - began, TIMEOUT_MS);
	assert_int_equal(second.reason, REASON_CONNECT_TIMEOUT);
	assert_int_equal(second.done_ms - began, TIMEOUT_MS + 2000);
	assert_int_equal(first.done + second.done, 2);
	finish(&play);
}

static void dial_may_begin_the_next_one_from_done(void **state)
{
	struct attempt second = { 0 }, first = { .next = &second };
	struct play play;
	uint64_t began;

	(void)state;
	begin_stuck(&play);
	began = loop_now_ms(play.stage.loop);
	assert_int_equal(start(&play, &first, NULL), REASON_NONE);
	fake_loop_advance(play.stage.loop, 3 * TIMEOUT_MS);
	assert_int_equal(second.done, 1);
	assert_int_equal(second.done_ms - began, 2 * TIMEOUT_MS);
	finish(&play);
}

static void dial_that_is_cancelled_is_heard_of_no_more(void **state)
{
	struct attempt attempt = { 0 };
	struct play play;

	(void)state;
	begin_stuck(&play);
	assert_int_equal(start(&play, &attempt, NULL), REASON_NONE);
	dial_cancel(&attempt.dial);
	assert_int_equal(attempt.io.fd, -1);
	fake_loop_advance(play.stage.loop, 2 * TIMEOUT_MS);
	assert_int_equal(attempt.done, 0);
	finish(&play);
}

static void dial_keeps_a_time_that_was_made_shorter(void **state)
{
	struct attempt first = { 0 }, second = { 0 }, third = { 0 };
	struct play play;
	uint64_t began;

	(void)state;
	begin_stuck(&play);
	began = loop_now_ms(play.stage.loop);
	assert_int_equal(start(&play, &first, NULL), REASON_NONE);
	play.dialer.deadlines.span_ms = 1000;
	assert_int_equal(start(&play, &second, NULL), REASON_NONE);
	/* Nor does one that is over hold up the rest. */
	dial_cancel(&first.dial);
	fake_loop_advance(play.stage.loop, 500);
	assert_int_equal(start(&play, &third, NULL), REASON_NONE);
	fake_loop_advance(play.stage.loop, 2 * TIMEOUT_MS);
	assert_int_equal(second.done_ms - began, 1000);
	assert_int_equal(third.done_ms - began, 1500);
	finish(&play);
}

static void dial_ignores_events_that_decide_nothing(void **state)
{
	struct attempt attempt = { 0 };
	struct play play;

	(void)state;
	begin_stuck(&play);
	assert_int_equal(start(&play, &attempt, NULL), REASON_NONE);
	dial_event(&attempt.dial, LOOP_AGAIN);
	dial_event(&attempt.dial, LOOP_READ);
	assert_int_equal(attempt.done, 0);
	dial_cancel(&attempt.dial);
	finish(&play);
}

static void dial_comes_from_the_source(void **state)
{
	static const char *const source[] = { "127.68.2.1", "127.68.2.9" };
	struct endpoint peer;
	struct play play;
	unsigned i;
	int at_server;
	char text[ADDR_TEXT_MAX];

	(void)state;
	begin(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	for (i = 0; i < 2; i++) {
		struct attempt attempt = { 0 };

		assert_int_equal(start(&play, &attempt, source[i]),
				 REASON_NONE);
		fake_loop_settle(play.stage.loop);
		at_server = stage_accept(play.stage.listening[0][0]);
		peer = stage_peer(at_server);
		assert_string_equal(addr_format(&peer.addr, text), source[i]);
		hang_up(&play, &attempt);
		close(at_server);
	}
	finish(&play);
}

static void dial_reaches_a_server_by_ipv6(void **state)
{
	struct attempt attempt = { 0 };
	struct play play;
	int listening, at_server;

	(void)state;
	begin(&play);
	listening = tcp_listen("::1", MAILBOX, NULL);
	assert_int_equal(start_to(&play, &attempt, "::1", "::1"), REASON_NONE);
	fake_loop_settle(play.stage.loop);
	assert_int_equal(attempt.reason, REASON_NONE);
	assert_int_equal(attempt.done, 1);
	at_server = stage_accept(listening);
	hang_up(&play, &attempt);
	close(at_server);
	close(listening);
	finish(&play);
}

static void dial_from_an_address_that_is_not_here_fails_at_once(void **state)
{
	struct attempt attempt = { 0 };
	struct play play;

	(void)state;
	begin(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	assert_int_equal(start(&play, &attempt, "192.0.2.1"),
			 REASON_SOURCE_NOT_LOCAL);
	finish(&play);
}

static void dial_without_a_route_says_unreachable(void **state)
{
	struct attempt attempt = { 0 };
	struct play play;

	(void)state;
	begin(&play);
	assert_int_equal(start_to(&play, &attempt, "192.0.2.1", NULL),
			 REASON_CONNECT_UNREACHABLE);
	finish(&play);
}

static void dial_without_descriptors_says_so(void **state)
{
	struct attempt attempt = { 0 };
	struct play play;
	unsigned long before;
	enum reason reason;

	(void)state;
	begin(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	before = stage_limit_descriptors(stage_next_descriptor());
	reason = start(&play, &attempt, NULL);
	stage_limit_descriptors(before);
	assert_int_equal(reason, REASON_NO_DESCRIPTORS);
	finish(&play);
}

static int option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void dial_asks_for_no_delay(void **state)
{
	struct attempt attempt = { 0 };
	struct play play;

	(void)state;
	begin(&play);
	stage_serve(&play.stage, 0, MAILBOX);
	assert_int_equal(start(&play, &attempt, NULL), REASON_NONE);
	fake_loop_settle(play.stage.loop);
	assert_int_equal(option(attempt.io.fd, IPPROTO_TCP, TCP_NODELAY), 1);
	hang_up(&play, &attempt);
	finish(&play);
}

static void dial_reason_has_a_word_for_every_error(void **state)
{
	static const struct {
		int error;
		enum reason reason;
	} row[] = {
		{ 0, REASON_NONE },
		{ ECONNREFUSED, REASON_CONNECT_REFUSED },
		{ ECONNRESET, REASON_CONNECT_REFUSED },
		{ ETIMEDOUT, REASON_CONNECT_TIMEOUT },
		{ EADDRNOTAVAIL, REASON_SOURCE_EXHAUSTED },
		{ EADDRINUSE, REASON_SOURCE_EXHAUSTED },
		{ EMFILE, REASON_NO_DESCRIPTORS },
		{ ENFILE, REASON_NO_DESCRIPTORS },
		{ ENOMEM, REASON_NO_MEMORY },
		{ ENOBUFS, REASON_NO_MEMORY },
		{ ENOSPC, REASON_NO_MEMORY },
		{ EHOSTUNREACH, REASON_CONNECT_UNREACHABLE },
		{ ENETUNREACH, REASON_CONNECT_UNREACHABLE },
		{ EPERM, REASON_CONNECT_UNREACHABLE },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_int_equal(dial_reason(row[i].error), row[i].reason);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dial_connects_and_tells_what_came_with_it),
		cmocka_unit_test(
			dial_succeeds_with_a_server_that_hung_up_already),
		cmocka_unit_test(dial_to_a_closed_port_is_refused_at_once),
		cmocka_unit_test(
			dial_that_is_refused_later_leaves_nothing_open),
		cmocka_unit_test(dial_gives_up_when_its_time_is_over),
		cmocka_unit_test(dial_may_begin_the_next_one_from_done),
		cmocka_unit_test(dial_that_is_cancelled_is_heard_of_no_more),
		cmocka_unit_test(dial_keeps_a_time_that_was_made_shorter),
		cmocka_unit_test(dial_ignores_events_that_decide_nothing),
		cmocka_unit_test(dial_comes_from_the_source),
		cmocka_unit_test(dial_reaches_a_server_by_ipv6),
		cmocka_unit_test(
			dial_from_an_address_that_is_not_here_fails_at_once),
		cmocka_unit_test(dial_without_a_route_says_unreachable),
		cmocka_unit_test(dial_without_descriptors_says_so),
		cmocka_unit_test(dial_asks_for_no_delay),
		cmocka_unit_test(dial_reason_has_a_word_for_every_error),
	};

	return cmocka_run_group_tests(tests, stage_group_begin,
				      stage_group_end);
}
