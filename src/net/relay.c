/*
 * relay.c - a two-way pipe between two connected sockets.
 *
 * Layer: net.
 *
 * Both sockets are watched by edge, for good: no call to the kernel changes
 * what is watched. A read that fills less than it was given room for has
 * drained the socket, the next octet is told by a new edge; after the peer's
 * end was told there is no further edge, so reading goes on to the end.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/relay.h"
#include "relay_flow.h"
#include "relay_pipe.h"

#define TURNS 8 /* of one relay before others have theirs */

#define PROBES	      6 /* of a dead peer, and how far apart */
#define PROBE_APART_S 10

void relay_close_reset(int fd)
{
	struct linger now = { .l_onoff = 1 };

	(void)!setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void set_option(int fd, int level, int name, int value)
{
	/* Each is an improvement, none a condition. */
	(void)!setsockopt(fd, level, name, &value, sizeof(value));
}

void relay_keepalive(struct relay *relay, uint64_t keepalive_ms)
{
	int idle_s = (int)((keepalive_ms + 999) / 1000);
	unsigned i;

	for (i = 0; i < 2; i++) {
		int fd = relay->side[i].io.fd;

		set_option(fd, SOL_SOCKET, SO_KEEPALIVE, keepalive_ms != 0);
		if (!keepalive_ms)
			continue;
		set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_s);
		set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_APART_S);
		set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
	}
}

static void end(struct relay *relay, enum reason reason, bool is_clean)
{
	unsigned i;

	tick_entry_cancel(&relay->idle);
	for (i = 0; i < 2; i++) {
		struct relay_side *side = &relay->side[i];

		relay_drop_kept(relay->pool, side);
		loop_forget(relay->pool->loop, &side->io);
		if (is_clean || side->is_told)
			close(side->io.fd);
		else
			relay_close_reset(side->io.fd);
	}
	relay->ended(relay, reason);
}

void relay_reset(struct relay *relay, enum reason reason)
{
	end(relay, reason, false);
}

void relay_look_again(struct relay *relay, enum relay_end from)
{
	struct relay_side *side = &relay->side[from];

	if (!side->kept)
		return;
	side->must_look = true;
	loop_again(relay->pool->loop, &side->io);
}

/* Everything that came from <from> has been passed on. */
static void pass_end(struct relay_side *from, struct relay_side *to)
{
	if (from->pipe || to->is_finished || from->kept)
		return;
	if (!to->has_ended)
		(void)!shutdown(to->io.fd, SHUT_WR);
	to->is_finished = true;
}

/*
 * Move what can be moved from <from> to the other side.
 * REASON_NONE, or why the relay must be reset.
 */
static enum reason pump(struct relay *relay, struct relay_side *from)
{
	struct relay_side *to = relay_other(relay, relay_which(relay, from));
	enum reason why = REASON_NONE;
	unsigned turns = 0;

	while (!why && !to->is_blocked &&
	       (relay_holds(from) || (from->may_read && !from->is_waiting))) {
		if (turns++ == TURNS) {
			loop_again(relay->pool->loop, &from->io);
			return REASON_NONE;
		}
		why = relay_step(relay, from, to);
	}
	if (from->pipe && !from->pipe->held) {
		relay_pipe_give(relay->pool, from->pipe);
		from->pipe = NULL;
	}
	if (!why && from->has_ended)
		pass_end(from, to);
	return why;
}

static enum reason closed_by(const struct relay *relay)
{
	return relay->first_end == RELAY_CLIENT ? REASON_CLIENT_CLOSED
						: REASON_SERVER_CLOSED;
}

/* The socket holds an error that no read found, because the other side takes
 * nothing more or the stream had ended: the reset is passed on now. */
static enum reason hidden_failure(struct relay_side *side, enum relay_end at)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(side->io.fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	return error ? relay_failure(at, error) : REASON_NONE;
}

/* A busy relay takes its place in the queue anew once a second, not with
 * every octet; the queue's span is that much longer. */
static void note_activity(struct relay *relay)
{
	struct relay_pool *pool = relay->pool;
	uint64_t now = loop_now_ms(pool->loop);

	if (now - relay->idle.since_ms >= RELAY_IDLE_LATE_MS)
		tick_queue_renew(&pool->idle, &relay->idle, now);
}

static void ready(struct relay *relay, enum relay_end at, unsigned events)
{
	struct relay_side *side = &relay->side[at];
	struct relay_side *peer = relay_other(relay, at);
	enum reason why = REASON_NONE;

	note_activity(relay);
	if (events & (LOOP_READ | LOOP_END) && !side->has_ended)
		side->may_read = true;
	if (events & LOOP_END)
		side->is_ending = true;
	if (events & LOOP_WRITE && side->is_blocked) {
		side->is_blocked = false;
		why = pump(relay, peer);
	}
	if (!why)
		why = pump(relay, side);
	if (!why && events & LOOP_FAIL)
		why = hidden_failure(side, at);
	if (why)
		end(relay, why, false);
	else if (relay->side[0].is_finished && relay->side[1].is_finished)
		end(relay, closed_by(relay), true);
}

static void client_ready(struct loop_io *io, unsigned events)
{
	ready(list_entry(io, struct relay, side[RELAY_CLIENT].io), RELAY_CLIENT,
	      events);
}

static void server_ready(struct loop_io *io, unsigned events)
{
	ready(list_entry(io, struct relay, side[RELAY_SERVER].io), RELAY_SERVER,
	      events);
}

static void arm_idle(struct relay_pool *pool)
{
	uint64_t next = tick_queue_next(&pool->idle);
	uint64_t now = loop_now_ms(pool->loop);

	if (next != TICK_NEVER)
		loop_timer_set(pool->loop, &pool->idle_timer,
			       next > now ? next - now : 0);
}

static void idle_fired(struct loop_timer *timer)
{
	struct relay_pool *pool =
		list_entry(timer, struct relay_pool, idle_timer);
	uint64_t now = loop_now_ms(pool->loop);
	struct tick_entry *entry;

	while ((entry = tick_queue_take(&pool->idle, now)))
		end(list_entry(entry, struct relay, idle), REASON_IDLE_TIMEOUT,
		    false);
	arm_idle(pool);
}

static void watch_idle(struct relay *relay)
{
	struct relay_pool *pool = relay->pool;

	tick_entry_init(&relay->idle);
	tick_queue_renew(&pool->idle, &relay->idle, loop_now_ms(pool->loop));
	if (pool->idle.head.next == &relay->idle.node)
		arm_idle(pool);
}

enum reason relay_start(struct relay_pool *pool, struct relay *relay,
			int client_fd, unsigned events)
{
	struct relay_side *client = &relay->side[RELAY_CLIENT];
	struct relay_side *server = &relay->side[RELAY_SERVER];

	client->io = (struct loop_io){ .fd = client_fd, .ready = client_ready };
	if (loop_watch_edge(pool->loop, &client->io))
		return REASON_NO_MEMORY;
	relay->pool = pool;
	server->io.ready = server_ready;
	watch_idle(relay);
	/* Octets that came with the connect are not told again. */
	if (events & (LOOP_READ | LOOP_END)) {
		server->may_read = true;
		server->is_ending = events & LOOP_END;
		loop_again(pool->loop, &server->io);
	}
	return REASON_NONE;
}

/* From a relay's place in the queue on, which may be as old. */
static uint64_t idle_span(uint64_t idle_ms)
{
	return idle_ms == TICK_NEVER ? TICK_NEVER
				     : idle_ms + RELAY_IDLE_LATE_MS;
}

int relay_pool_init(struct relay_pool *pool, struct loop *loop,
		    unsigned most_pipes, uint64_t idle_ms)
{
	*pool = (struct relay_pool){ .loop = loop, .most_pipes = most_pipes };
	pool->scratch = malloc(RELAY_HELD_MAX + RELAY_SCRATCH_LEN);
	if (!pool->scratch)
		return ERR_MEMORY;
	tick_queue_init(&pool->idle, idle_span(idle_ms));
	pool->idle_timer.fire = idle_fired;
	return 0;
}

void relay_pool_release(struct relay_pool *pool)
{
	loop_timer_stop(pool->loop, &pool->idle_timer);
	relay_pipe_free_all(pool);
	free(pool->scratch);
	pool->scratch = NULL;
}

void relay_pool_set_idle(struct relay_pool *pool, uint64_t idle_ms)
{
	pool->idle.span_ms = idle_span(idle_ms);
	arm_idle(pool);
}
