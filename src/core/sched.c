/*
 * sched.c - the table of scheduling methods and what they share.
 *
 * Layer: core (pure).
 */
#include <stddef.h>

#include "sched_priv.h"

static const struct sched_method *const methods[] = {
	[CONF_METHOD_ROUND_ROBIN] = &sched_round_robin,
	[CONF_METHOD_LEAST_CLIENTS] = &sched_least_clients,
};

const struct sched_method *sched_method_of(enum conf_method method)
{
	size_t row = (size_t)method;

	return row < sizeof(methods) / sizeof(methods[0]) ? methods[row] : NULL;
}

void sched_init(struct sched *sched, struct array *array,
		const struct sched_method *method)
{
	sched->array = array;
	sched->method = method;
	sched->turn = 0;
}

struct server *sched_pick(struct sched *sched, uint64_t candidates,
			  uint64_t key)
{
	const struct sched_method *method = sched->method;

	if (!candidates)
		return NULL;
	if (!(candidates & (candidates - 1))) /* one: nobody's turn is used */
		return sched_nth(sched, candidates, 0);
	return method->pick(sched, candidates, key);
}

uint32_t sched_turn(struct sched *sched)
{
	return sched->turn++;
}

struct server *sched_nth(struct sched *sched, uint64_t candidates, uint32_t nth)
{
	nth %= (uint32_t)__builtin_popcountll(candidates);
	while (nth--)
		candidates &= candidates - 1; /* without its lowest bit */
	return &sched->array->server[__builtin_ctzll(candidates)];
}
