/*
 * relay_flow.h - one step of a relay: read, write, splice, keep the rest.
 *
 * Layer: net (private to the relay).
 */
#ifndef SRC_NET_RELAY_FLOW_H
#define SRC_NET_RELAY_FLOW_H

#include <stdbool.h>

#include "net/relay.h"

#define RELAY_SCRATCH_LEN (64 * 1024)

static inline struct relay_side *relay_other(struct relay *relay,
					     enum relay_end end)
{
	return &relay->side[end == RELAY_CLIENT ? RELAY_SERVER : RELAY_CLIENT];
}

/* Which side a struct relay_side is. */
static inline enum relay_end relay_which(const struct relay *relay,
					 const struct relay_side *side)
{
	return side == &relay->side[RELAY_CLIENT] ? RELAY_CLIENT : RELAY_SERVER;
}

/* One read from <from> and one write to <to>, or only what is left of the
 * write before. REASON_NONE, or why the relay must be reset. */
enum reason relay_step(struct relay *relay, struct relay_side *from,
		       struct relay_side *to);
/* Is there something that was read from <from> and not yet written? */
bool relay_holds(const struct relay_side *from);
/* Forget it. */
void relay_drop_kept(struct relay_pool *pool, struct relay_side *side);
/* Why a call on the socket of <end> failed with <error>. */
enum reason relay_failure(enum relay_end end, int error);

#endif
