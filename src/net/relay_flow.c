/*
 * relay_flow.c - one step of a relay: read, write, splice, keep the rest.
 *
 * Layer: net.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "relay_flow.h"
#include "relay_pipe.h"

#define FULL_READS   2		 /* in a row before a flow is spliced */
#define WORTH_SPLICE (16 * 1024) /* octets in a turn; below it copy again */

/* What was read and has not been written: octets that the other side would not
 * take yet, then octets that are held back. at <= pass <= len. */
struct relay_kept {
	size_t at;   /* of the first to be written */
	size_t pass; /* of the first that is held back */
	size_t len;
	uint8_t octet[];
};

static size_t held_back(const struct relay_side *side)
{
	return side->kept ? side->kept->len - side->kept->pass : 0;
}

static void free_kept(struct relay_pool *pool, struct relay_side *side)
{
	pool->held_back -= held_back(side);
	free(side->kept);
	side->kept = NULL;
}

void relay_drop_kept(struct relay_pool *pool, struct relay_side *side)
{
	free_kept(pool, side);
	if (side->pipe)
		relay_pipe_give(pool, side->pipe);
	side->pipe = NULL;
}

enum reason relay_failure(enum relay_end end, int error)
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
			*why = relay_failure(relay_which(relay, to), errno);
		n = 0;
	}
	to->is_blocked = (size_t)n < len;
	return (size_t)n;
}

/* Of <len> octets the first <pass> are to be written, the rest is held back. */
static enum reason keep(struct relay_pool *pool, struct relay_side *from,
			const uint8_t *at, size_t pass, size_t len)
{
	size_t held = len - pass;
	struct relay_kept *kept;

	if (held > RELAY_HELD_MAX ||
	    pool->held_back + held > RELAY_HELD_ALL_MAX)
		return REASON_NO_MEMORY;
	kept = malloc(sizeof(*kept) + len);
	if (!kept)
		return REASON_NO_MEMORY;
	kept->at = 0;
	kept->pass = pass;
	kept->len = len;
	memcpy(kept->octet, at, len);
	from->kept = kept;
	pool->held_back += held;
	return REASON_NONE;
}

static enum reason flush_kept(struct relay *relay, struct relay_side *from,
			      struct relay_side *to)
{
	struct relay_kept *kept = from->kept;
	enum reason why = REASON_NONE;

	kept->at += send_some(relay, to, kept->octet + kept->at,
			      kept->pass - kept->at, &why);
	if (kept->at == kept->len)
		free_kept(relay->pool, from);
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
			return relay_failure(relay_which(relay, to), errno);
		n = 0;
	}
	pipe->held -= (size_t)n;
	to->is_blocked = n == 0;
	return REASON_NONE;
}

static void note_end(struct relay *relay, struct relay_side *from)
{
	if (!relay_other(relay, relay_which(relay, from))->has_ended) {
		relay->first_end = relay_which(relay, from);
		relay->ending(relay);
	}
	from->has_ended = true;
	from->may_read = false;
	relay->pool->held_back -= held_back(from);
	if (from->kept)
		from->kept->pass = from->kept->len;
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
		return relay_failure(relay_which(relay, from), errno);
	from->may_read = false;
	return REASON_NONE;
}

/* Write the first <pass> octets of the scratch buffer, keep what is left. */
static enum reason pass_on(struct relay *relay, struct relay_side *from,
			   struct relay_side *to, size_t pass, size_t len)
{
	const uint8_t *scratch = relay->pool->scratch;
	enum reason why = REASON_NONE;
	size_t taken = 0;

	if (pass)
		taken = send_some(relay, to, scratch, pass, &why);
	if (why || taken == len)
		return why;
	return keep(relay->pool, from, scratch + taken, pass - taken,
		    len - taken);
}

/* Have <len> octets of the scratch buffer looked at, and do what was said. */
static enum reason look(struct relay *relay, struct relay_side *from,
			struct relay_side *to, size_t len)
{
	struct relay_look said = { .len = len, .pass = len };

	relay->look(relay, relay_which(relay, from), relay->pool->scratch, len,
		    &said);
	if (said.end) {
		from->is_told = said.answer.len != 0;
		if (from->is_told)
			(void)!send_now(from->io.fd, said.answer.at,
					said.answer.len);
		return said.end;
	}
	if (said.is_last)
		from->is_looked_at = false;
	from->is_waiting = said.is_waiting && said.pass < said.len;
	return pass_on(relay, from, to, said.pass, said.len);
}

/* Move what is held back to the front of the scratch buffer; how much. */
static size_t take_held(struct relay_pool *pool, struct relay_side *from)
{
	size_t held = held_back(from);

	if (held)
		memcpy(pool->scratch, from->kept->octet + from->kept->pass,
		       held);
	free_kept(pool, from);
	return held;
}

static void note_bulk(struct relay_side *from, size_t n)
{
	if (n < RELAY_SCRATCH_LEN)
		from->full_reads = 0;
	else if (from->full_reads < FULL_READS)
		from->full_reads++;
}

/* A new read goes behind what is held back. */
static enum reason copy(struct relay *relay, struct relay_side *from,
			struct relay_side *to)
{
	uint8_t *scratch = relay->pool->scratch;
	size_t held = held_back(from);
	ssize_t n = receive_now(from->io.fd, scratch + held, RELAY_SCRATCH_LEN);
	enum reason why = note_read(relay, from, n, RELAY_SCRATCH_LEN);

	if (why || n <= 0)
		return why;
	note_bulk(from, (size_t)n);
	if (!from->is_looked_at && !held)
		return pass_on(relay, from, to, (size_t)n, (size_t)n);
	take_held(relay->pool, from);
	return look(relay, from, to, held + (size_t)n);
}

static enum reason look_once_more(struct relay *relay, struct relay_side *from,
				  struct relay_side *to)
{
	from->must_look = false;
	return look(relay, from, to, take_held(relay->pool, from));
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

static bool has_to_write(const struct relay_side *from)
{
	return from->kept && from->kept->at < from->kept->pass;
}

bool relay_holds(const struct relay_side *from)
{
	return has_to_write(from) || (from->pipe && from->pipe->held) ||
	       (from->must_look && from->kept);
}

/* In bulk, and nobody needs to see it. */
static bool is_to_splice(struct relay_side *from)
{
	if (from->full_reads < FULL_READS || held_back(from))
		return false;
	if (from->is_looked_at && from->is_bulk_blind)
		from->is_looked_at = false;
	return !from->is_looked_at;
}

enum reason relay_step(struct relay *relay, struct relay_side *from,
		       struct relay_side *to)
{
	if (has_to_write(from))
		return flush_kept(relay, from, to);
	if (from->pipe && from->pipe->held)
		return flush_pipe(relay, from, to);
	if (from->must_look && from->kept)
		return look_once_more(relay, from, to);
	if (!from->pipe && is_to_splice(from))
		from->pipe = relay_pipe_take(relay->pool);
	if (from->pipe && from->full_reads < FULL_READS) {
		relay_pipe_give(relay->pool, from->pipe);
		from->pipe = NULL;
	}
	return from->pipe ? splice_in(relay, from, to) : copy(relay, from, to);
}
