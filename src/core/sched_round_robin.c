/*
 * sched_round_robin.c - each candidate in its turn.
 *
 * Layer: core (pure).
 */
#include "sched_priv.h"

static struct server *pick(struct sched *sched, uint64_t candidates,
			   uint64_t key)
{
	(void)key;
	return sched_nth(sched, candidates, sched_turn(sched));
}

const struct sched_method sched_round_robin = {
	.name = "round-robin",
	.pick = pick,
};
