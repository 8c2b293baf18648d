/*
 * sched_least_clients.c - the candidate with the fewest bindings.
 *
 * Layer: core (pure).
 * Equals take turns; else the first slot would get every first client.
 */
#include "sched_priv.h"

static struct server *pick(struct sched *sched, uint64_t candidates,
			   uint64_t key)
{
	uint32_t bindings, least = UINT32_MAX;
	uint64_t left, equals = candidates;
	unsigned slot;

	(void)key;
	for (left = candidates; left; left &= left - 1) {
		slot = (unsigned)__builtin_ctzll(left);
		bindings = sched->array->server[slot].bindings;
		if (bindings < least)
			equals = 0;
		if (bindings <= least)
			equals |= UINT64_C(1) << slot;
		least = bindings < least ? bindings : least;
	}
	return sched_nth(sched, equals, sched_turn(sched));
}

const struct sched_method sched_least_clients = {
	.name = "least-clients",
	.pick = pick,
};
