/*
 * relay.h - a two-way pipe between two connected sockets.
 *
 * Layer: net.
 * Units: octets; milliseconds.
 *
 * What one side sends is read into the thread's scratch buffer and written
 * to the other side at once. Only what the other side would not take is
 * kept, in a buffer that lives as long as it is needed; meanwhile nothing
 * more is read from the sender. A flow that fills the scratch buffer again
 * and again is spliced through a pipe of the pool; without a free pipe it
 * goes on being copied. An idle relay owns neither buffer nor pipe.
 *
 * The end of one side's stream is passed on when all its octets are (half
 * close); a reset on one side becomes a reset on the other.
 */
#ifndef NET_RELAY_H
#define NET_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/tick.h"
#include "core/reason.h"
#include "net/loop.h"

struct relay;
struct relay_kept;
struct relay_pipe;

/* One thread's: scratch memory, spare buffers and pipes, idle deadlines. */
struct relay_pool {
	struct loop *loop; /* borrowed */
	uint8_t *scratch;
	struct relay_kept *spare; /* buffers not in use */
	unsigned nspare;
	struct relay_pipe *pipe; /* pipes not in use */
	unsigned npipes;	 /* made, in use or not */
	unsigned most_pipes;
	struct tick_queue idle;
	struct loop_timer idle_timer;
};

/* <most_pipes>: 0 = never splice. <idle_ms>: CONF_NEVER = none.
 * ERR_MEMORY. */
MUST_CHECK int relay_pool_init(struct relay_pool *pool, struct loop *loop,
			       unsigned most_pipes, uint64_t idle_ms);
/* No relay may be left. */
void relay_pool_release(struct relay_pool *pool);
/* Of relays that start, and of those that run, from now on. */
void relay_pool_set_idle(struct relay_pool *pool, uint64_t idle_ms);

enum relay_end { RELAY_CLIENT, RELAY_SERVER }; /* index of relay.side */

/* One socket and what came from it. */
struct relay_side {
	struct loop_io io; /* fd: owned by the relay from its start */
	struct relay *relay;
	uint64_t octets;	 /* read from this side */
	struct relay_kept *kept; /* read from here, not yet taken there */
	struct relay_pipe *pipe; /* while this direction is spliced */
	bool may_read;		 /* there may be more to read */
	bool has_ended;		 /* end of stream was read */
	bool is_blocked;	 /* the last write to here was short */
	bool is_finished;	 /* our end of stream was sent to here */
	uint8_t full_reads;	 /* in a row: time to splice? */
};

struct relay {
	struct relay_side side[2];
	struct relay_pool *pool;
	struct tick_entry idle;
	uint64_t active_ms;
	/* Both sockets are closed, nothing is held any more. */
	void (*ended)(struct relay *relay, enum reason reason);
};

/*
 * Take over both sockets; <server> is watched by edge already, the client is
 * watched here. Data may flow and <ended> may come before this returns only
 * if the kernel refused the client's descriptor.
 */
void relay_start(struct relay_pool *pool, struct relay *relay, int client_fd,
		 uint64_t now_ms);
/* End it: reset both sides, then <ended> with <reason>. */
void relay_reset(struct relay *relay, enum reason reason);

/* Close so that the peer sees a reset. */
void relay_close_reset(int fd);

#endif
