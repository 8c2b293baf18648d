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
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/relay.h"
#include "relay_pipe.h"

#define SCRATCH_LEN  (64 * 1024)
#define FULL_READS   2		 /* in a row before a flow is spliced */
#define TURNS	     8		 /* of one relay before others have theirs */
#define WORTH_SPLICE (16 * 1024) /* octets in a turn; below it copy again */

#define PROBES	      6 /* of a dead peer, and how far apart */
#define PROBE_APART_S 10

/* What the other side would not take yet. */
struct relay_kept {
	size_t at, len;
	uint8_t octet[];
};

static struct relay_side *other(struct relay *relay, enum relay_end end)
{
	return &relay->side[end == RELAY_CLIENT ? RELAY_SERVER : RELAY_CLIENT];
}

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
	/* No probe is sent while octets wait for their acknowledgement, or
	 * for room: they have as long as the probes would take. */
	int unheard_ms =
		keepalive_ms ? (idle_s + PROBES * PROBE_APART_S) * 1000 : 0;
	unsigned i;

	for (i = 0; i < 2; i++) {
		int fd = relay->side[i].io.fd;

		set_option(fd, SOL_SOCKET, SO_KEEPALIVE, keepalive_ms != 0);
		set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, unheard_ms);
		if (!keepalive_ms)
			continue;
		set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_s);
		set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_APART_S);
		set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
	}
}

static void drop_kept(struct relay_pool *pool, struct relay_side *side)
{
	free(side->kept);
	side->kept = NULL;
	if (side->pipe)
		relay_pipe_give(pool, side->pipe);
	side->pipe = NULL;
}

static void end(struct relay *relay, enum reason reason, bool is_clean)
{
	unsigned i;

	tick_entry_cancel(&relay->idle);
	for (i = 0; i < 2; i++) {
		struct relay_side *side = &relay->side[i];

		drop_kept(relay->pool, side);
		loop_forget(relay->pool->loop, &side->io);
		if (is_clean)
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

/* Why a call on the socket of <end> failed. */
static enum reason failure(enum relay_end end, int error)
{
	switch (error) {
	case ENOMEM:
	case ENOBUFS:
		return REASON_NO_MEMORY;
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return end == RELAY_CLIENT ? REASON_CLIENT_GONE
					   : REASON_SERVER_GONE;
	}
	return end == RELAY_CLIENT ? REASON_CLIENT_RESET : REASON_SERVER_RESET;
}

static bool would_block(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* Which side a struct relay_side is. */
static enum relay_end which(const struct relay *relay,
			    const struct relay_side *side)
{
	return side == &relay->side[RELAY_CLIENT] ? RELAY_CLIENT : RELAY_SERVER;
}

/*
 * recv() and send() are points at which a thread may be cancelled, and the C
 * library pays for that with every call. No thread of ours is ever
 * cancelled: these two, which are most of what a relay does, go straight to
 * the kernel.
 */
static ssize_t receive_now(int fd, void *at, size_t len)
{
	return syscall(SYS_recvfrom, fd, at, len, MSG_DONTWAIT, NULL, NULL);
}

static ssize_t send_now(int fd, const void *at, size_t len)
{
	return syscall(SYS_sendto, fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT,
		       NULL, 0);
}

/* Write to <to>; how much it took. A short write blocks the side. */
static size_t send_some(struct relay *relay, struct relay_side *to,
			const uint8_t *at, size_t len, enum reason *why)
{
	ssize_t n = send_now(to->io.fd, at, len);

	if (n < 0) {
		if (!would_block(errno))
			*why = failure(which(relay, to), errno);
		n = 0;
	}
	to->is_blocked = (size_t)n < len;
	return (size_t)n;
}

static enum reason keep(struct relay_side *from, const uint8_t *at, size_t len)
{
	struct relay_kept *kept = malloc(sizeof(*kept) + len);

	if (!kept)
		return REASON_NO_MEMORY;
	kept->at = 0;
	kept->len = len;
	memcpy(kept->octet, at, len);
	from->kept = kept;
	return REASON_NONE;
}

static enum reason flush_kept(struct relay *relay, struct relay_side *from,
			      struct relay_side *to)
{
	struct relay_kept *kept = from->kept;
	enum reason why = REASON_NONE;

	kept->at += send_some(relay, to, kept->octet + kept->at,
			      kept->len - kept->at, &why);
	if (kept->at == kept->len) {
		free(kept);
		from->kept = NULL;
	}
	return why;
}

static enum reason flush_pipe(struct relay *relay, struct relay_side *from,
			      struct relay_side *to)
{
	struct relay_pipe *pipe = from->pipe;
	ssize_t n = splice(pipe->out, NULL, to->io.fd, NULL, pipe->held,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n < 0) {
		if (!would_block(errno))
			return failure(which(relay, to), errno);
		n = 0;
	}
	pipe->held -= (size_t)n;
	to->is_blocked = n == 0;
	return REASON_NONE;
}

static void note_end(struct relay *relay, struct relay_side *from)
{
	if (!other(relay, which(relay, from))->has_ended) {
		relay->first_end = which(relay, from);
		relay->ending(relay);
	}
	from->has_ended = true;
	from->may_read = false;
}

/* A read of <n> octets out of <room>: what it says about the next. */
static enum reason note_read(struct relay *relay, struct relay_side *from,
			     ssize_t n, size_t room)
{
	if (n > 0) {
		from->octets += (uint64_t)n;
		from->may_read = (size_t)n == room || from->is_ending;
		return REASON_NONE;
	}
	if (n == 0) {
		note_end(relay, from);
		return REASON_NONE;
	}
	if (!would_block(errno))
		return failure(which(relay, from), errno);
	from->may_read = false;
	return REASON_NONE;
}

static enum reason copy(struct relay *relay, struct relay_side *from,
			struct relay_side *to)
{
	uint8_t *scratch = relay->pool->scratch;
	ssize_t n = receive_now(from->io.fd, scratch, SCRATCH_LEN);
	enum reason why = note_read(relay, from, n, SCRATCH_LEN);
	size_t taken;

	if (why || n <= 0)
		return why;
	if (n < SCRATCH_LEN)
		from->full_reads = 0;
	else if (from->full_reads < FULL_READS)
		from->full_reads++;
	taken = send_some(relay, to, scratch, (size_t)n, &why);
	if (why || taken == (size_t)n)
		return why;
	return keep(from, scratch + taken, (size_t)n - taken);
}

static enum reason splice_in(struct relay *relay, struct relay_side *from,
			     struct relay_side *to)
{
	struct relay_pipe *pipe = from->pipe;
	ssize_t n = splice(from->io.fd, NULL, pipe->in, NULL, RELAY_PIPE_CAP,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	/* A pipe may be full before its capacity in octets is: only "would
	 * block" of an empty pipe says that the socket is drained. */
	enum reason why = note_read(relay, from, n, (size_t)n);

	if (why || n <= 0)
		return why;
	if (n < WORTH_SPLICE)
		from->full_reads = 0;
	pipe->held = (size_t)n;
	return flush_pipe(relay, from, to);
}

static bool holds(const struct relay_side *from)
{
	return from->kept || (from->pipe && from->pipe->held);
}

/* One read and one write, or only what is left of the write before. */
static enum reason step(struct relay *relay, struct relay_side *from,
			struct relay_side *to)
{
	if (from->kept)
		return flush_kept(relay, from, to);
	if (from->pipe && from->pipe->held)
		return flush_pipe(relay, from, to);
	if (!from->pipe && from->full_reads >= FULL_READS)
		from->pipe = relay_pipe_take(relay->pool);
	if (from->pipe && from->full_reads < FULL_READS) {
		relay_pipe_give(relay->pool, from->pipe);
		from->pipe = NULL;
	}
	return from->pipe ? splice_in(relay, from, to) : copy(relay, from, to);
}

/* Everything that came from <from> has been passed on. */
static void pass_end(struct relay_side *from, struct relay_side *to)
{
	if (from->pipe || to->is_finished || from->kept)
		return;
	/* If both directions are over the close that follows says so. */
	if (!from->is_finished)
		(void)!shutdown(to->io.fd, SHUT_WR);
	to->is_finished = true;
}

/*
 * Move what can be moved from <from> to the other side.
 * REASON_NONE, or why the relay must be reset.
 */
static enum reason pump(struct relay *relay, struct relay_side *from)
{
	struct relay_side *to = other(relay, which(relay, from));
	enum reason why = REASON_NONE;
	unsigned turns = 0;

	while (!why && !to->is_blocked && (holds(from) || from->may_read)) {
		if (turns++ == TURNS) {
			loop_again(relay->pool->loop, &from->io);
			return REASON_NONE;
		}
		why = step(relay, from, to);
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
	return error ? failure(at, error) : REASON_NONE;
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
	struct relay_side *peer = other(relay, at);
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
	pool->scratch = malloc(SCRATCH_LEN);
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
