/*
 * relay.h - a two-way pipe between two connected sockets.
 *
 * Layer: net.
 * Units: octets; milliseconds.
 *
 * What one side sends is read into the thread's scratch buffer and written
 * to the other side at once. Only what the other side would not take is
 * kept, in memory that lives as long as it is needed; meanwhile nothing
 * more is read from the sender. A flow that fills the scratch buffer again
 * and again is spliced through a pipe of the pool; without a free pipe it
 * goes on being copied. An idle relay owns neither memory nor pipe.
 *
 * The end of one side's stream is passed on when all its octets are (half
 * close); a reset on one side becomes a reset on the other.
 */
#ifndef NET_RELAY_H
#define NET_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/tick.h"
#include "core/reason.h"
#include "net/loop.h"

struct relay_kept;
struct relay_pipe;

/* One thread's: scratch memory, pipes, idle deadlines. */
struct relay_pool {
	struct loop *loop; /* borrowed */
	uint8_t *scratch;
	struct relay_pipe *pipe; /* pipes not in use */
	unsigned npipes;	 /* made, in use or not */
	unsigned most_pipes;
	struct tick_queue idle;
	struct loop_timer idle_timer;
};

/* A relay without octets ends when the idle timeout has passed, at most this
 * much later, never earlier. */
#define RELAY_IDLE_LATE_MS 1000

/* <most_pipes>: 0 = never splice. <idle_ms>: TICK_NEVER = no idle timeout.
 * ERR_MEMORY. */
MUST_CHECK int relay_pool_init(struct relay_pool *pool, struct loop *loop,
			       unsigned most_pipes, uint64_t idle_ms);
/* No relay may be left. */
void relay_pool_release(struct relay_pool *pool);
/* It holds for the relays that there are, too. */
void relay_pool_set_idle(struct relay_pool *pool, uint64_t idle_ms);

enum relay_end { RELAY_CLIENT, RELAY_SERVER };

/* One socket, and what came from it. */
struct relay_side {
	struct loop_io io;	 /* fd: owned by the relay from its start */
	uint64_t octets;	 /* read from this side */
	struct relay_kept *kept; /* read from here, not yet taken there */
	struct relay_pipe *pipe; /* while this direction is spliced */
	bool may_read;		 /* there may be more to read */
	bool is_ending;		 /* read on until the end or an error */
	bool has_ended;		 /* end of stream was read */
	bool is_blocked;	 /* the last write to here was short */
	bool is_finished;	 /* our end of stream was sent to here */
	uint8_t full_reads;	 /* in a row: time to splice? */
};

struct relay {
	struct relay_side side[2]; /* by enum relay_end */
	struct relay_pool *pool;
	struct tick_entry idle;
	enum relay_end first_end; /* who ended first */
	/* One side's stream has ended, the relay goes on for the other's.
	 * Called at most once; must not end the relay. */
	void (*ending)(struct relay *relay);
	/* Both sockets are closed, nothing is held any more. Called once,
	 * from the loop, never from relay_start(). */
	void (*ended)(struct relay *relay, enum reason reason);
};

/*
 * Relay from now on. <relay> is zero but for <ended> and the server's io,
 * whose fd is connected and watched by edge; <events> came with the connect.
 * REASON_NONE; REASON_NO_MEMORY if the kernel refused to watch the client:
 * nothing was taken, both descriptors are still the caller's.
 */
MUST_CHECK enum reason relay_start(struct relay_pool *pool, struct relay *relay,
				   int client_fd, unsigned events);
/* TCP keep-alive probes on both sides after <keepalive_ms> of silence; 0 =
 * none. Costs calls to the kernel: for connections that stay. */
void relay_keepalive(struct relay *relay, uint64_t keepalive_ms);
/* End it: reset both sides, then <ended> with <reason>. */
void relay_reset(struct relay *relay, enum reason reason);

/* Close so that the peer sees a reset. */
void relay_close_reset(int fd);

#endif
