/*
 * relay_pipe.h - pipes for splicing, from a thread's pool.
 *
 * Layer: net (private to the relay).
 */
#ifndef SRC_NET_RELAY_PIPE_H
#define SRC_NET_RELAY_PIPE_H

#include "net/relay.h"

#define RELAY_PIPE_CAP (256 * 1024)

struct relay_pipe {
	struct relay_pipe *next; /* in the pool */
	int in, out;		 /* write to <in>, read from <out> */
	size_t held;		 /* octets in it */
};

/* NULL: all are in use, or the kernel gives no more. */
struct relay_pipe *relay_pipe_take(struct relay_pool *pool);
/* Back to the pool; one that still holds octets is closed. */
void relay_pipe_give(struct relay_pool *pool, struct relay_pipe *pipe);
void relay_pipe_free_all(struct relay_pool *pool);

#endif
