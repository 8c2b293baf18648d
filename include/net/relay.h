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
 *
 * A direction may be looked at: what was read is shown to its owner, who may
 * change it in place and hold back its end until more has come. Such a
 * direction is copied, never spliced.
 */
#ifndef NET_RELAY_H
#define NET_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/tick.h"
#include "core/reason.h"
#include "net/loop.h"

struct relay_kept;
struct relay_pipe;

/* One thread's: scratch memory, pipes, idle deadlines. */
struct relay_pool {
	struct loop *loop; /* borrowed */
	uint8_t *scratch;
	size_t held_back;	 /* octets, of all relays */
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

#define RELAY_HELD_MAX	   (256 * 1024)	      /* of one direction */
#define RELAY_HELD_ALL_MAX (32 * 1024 * 1024) /* of a pool's relays */

/* What is to be done with octets that were looked at. */
struct relay_look {
	/* How many there are now: fewer, if some were taken out. */
	size_t len;
	/* How many of them go on now; the rest is held back and shown again,
	 * in front of what comes next. All of them, unless changed. */
	size_t pass;
	/* Written to where they came from; borrowed until the look returns.
	 * Only with <end>. */
	struct bytes answer;
	enum reason end; /* not REASON_NONE: the relay ends, nothing passes */
	bool is_last;	 /* this direction is not looked at any more */
	/* What is held back waits for something else than octets: nothing
	 * more is read from there until relay_look_again(), which is owed. */
	bool is_waiting;
};

/* One socket, and what came from it. */
struct relay_side {
	struct loop_io io;	 /* fd: owned by the relay from its start */
	uint64_t octets;	 /* read from this side */
	struct relay_kept *kept; /* read from here, not yet taken there */
	struct relay_pipe *pipe; /* while this direction is spliced */
	bool may_read : 1;	 /* there may be more to read */
	bool is_ending : 1;	 /* read on until the end or an error */
	bool has_ended : 1;	 /* end of stream was read */
	bool is_blocked : 1;	 /* the last write to here was short */
	bool is_finished : 1;	 /* our end of stream was sent to here */
	bool is_looked_at : 1;	 /* relay->look sees what comes from here */
	bool is_bulk_blind : 1;	 /* … until it comes in bulk */
	bool must_look : 1;	 /* once more at what is held back */
	bool is_waiting : 1;	 /* … before anything more is read */
	bool is_told : 1;	 /* an answer was sent: end without a reset */
	uint8_t full_reads;	 /* in a row: time to splice? */
};

struct relay {
	struct relay_side side[2]; /* by enum relay_end */
	struct relay_pool *pool;
	struct tick_entry idle;
	enum relay_end first_end; /* who ended first */
	/*
	 * Sees what came from <from> where side[from].is_looked_at; <at> may
	 * be changed. Must not end the relay. At the end of the stream what
	 * was held back goes on unseen.
	 */
	void (*look)(struct relay *relay, enum relay_end from, uint8_t *at,
		     size_t len, struct relay_look *out);
	/* One side's stream has ended, the relay goes on for the other's.
	 * Called at most once; must not end the relay. */
	void (*ending)(struct relay *relay);
	/* Both sockets are closed, nothing is held any more. Called once,
	 * from the loop, never from relay_start(). */
	void (*ended)(struct relay *relay, enum reason reason);
};

/*
 * Relay from now on. <relay> is zero but for its callbacks, what is looked at
 * and the server's io,
 * whose fd is connected and watched by edge; <events> came with the connect.
 * REASON_NONE; REASON_NO_MEMORY if the kernel refused to watch the client:
 * nothing was taken, both descriptors are still the caller's.
 */
MUST_CHECK enum reason relay_start(struct relay_pool *pool, struct relay *relay,
				   int client_fd, unsigned events);
/* What is held back may go on now: have it looked at again, soon. Nothing
 * happens where nothing is. */
void relay_look_again(struct relay *relay, enum relay_end from);
/* TCP keep-alive probes on both sides after <keepalive_ms> of silence; 0 =
 * none. Costs calls to the kernel: for connections that stay. */
void relay_keepalive(struct relay *relay, uint64_t keepalive_ms);
/* End it: reset both sides, then <ended> with <reason>. */
void relay_reset(struct relay *relay, enum reason reason);

/* Close so that the peer sees a reset. */
void relay_close_reset(int fd);

#endif
