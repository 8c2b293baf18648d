/*
 * portset.c - a set of TCP ports.
 *
 * Layer: core (pure).
 */
#include <string.h>

#include "core/portset.h"

static uint64_t bit_of(unsigned port)
{
	return UINT64_C(1) << (port % 64);
}

void portset_clear(struct portset *set)
{
	memset(set, 0, sizeof(*set));
}

void portset_add(struct portset *set, uint16_t port)
{
	set->word[port / 64] |= bit_of(port);
}

void portset_remove(struct portset *set, uint16_t port)
{
	set->word[port / 64] &= ~bit_of(port);
}

void portset_add_range(struct portset *set, uint16_t first, uint16_t last)
{
	unsigned port; /* wider than a port: <last> may be the highest */

	for (port = first; port <= last; port++)
		portset_add(set, (uint16_t)port);
}

bool portset_has(const struct portset *set, uint16_t port)
{
	return set->word[port / 64] & bit_of(port);
}

unsigned portset_count(const struct portset *set)
{
	unsigned i, n = 0;

	for (i = 0; i < PORTSET_WORDS; i++)
		n += (unsigned)__builtin_popcountll(set->word[i]);
	return n;
}

int portset_next(const struct portset *set, unsigned from)
{
	unsigned i = from / 64;
	uint64_t word;

	if (i >= PORTSET_WORDS)
		return -1;
	word = set->word[i] & ~(bit_of(from) - 1);
	while (!word && ++i < PORTSET_WORDS)
		word = set->word[i];
	return word ? (int)(64 * i) + __builtin_ctzll(word) : -1;
}

void portset_subtract(struct portset *out, const struct portset *a,
		      const struct portset *b)
{
	unsigned i;

	for (i = 0; i < PORTSET_WORDS; i++)
		out->word[i] = a->word[i] & ~b->word[i];
}
