/*
 * affinity_source.c - the address from which a binding reaches its server.
 *
 * Layer: core (pure).
 * Source: Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit
 * Rates", 1998 (rendezvous hashing): the highest of one hash each wins, so
 * that an address that comes or goes changes only its own bindings.
 */
#include <string.h>

#include "affinity_priv.h"

static uint64_t score(const struct addr *source,
		      const uint8_t seed[static HASH_KEY_LEN], uint64_t hash)
{
	uint8_t in[sizeof(hash) + sizeof(*source)];

	memcpy(in, &hash, sizeof(hash));
	memcpy(in + sizeof(hash), source, sizeof(*source));
	return hash_sip(seed, bytes_of(in, sizeof(in)));
}

uint8_t affinity_source_choose(const struct affinity_sources *sources,
			       const uint8_t seed[static HASH_KEY_LEN],
			       uint64_t hash, uint8_t family)
{
	uint8_t i, best = AFFINITY_NO_SOURCE;
	uint64_t most = 0, here;

	for (i = 0; i < sources->n; i++) {
		if (sources->at[i].family != family)
			continue;
		here = score(&sources->at[i], seed, hash);
		if (best == AFFINITY_NO_SOURCE || here > most) {
			best = i;
			most = here;
		}
	}
	return best;
}

uint8_t affinity_source_find(const struct affinity_sources *sources,
			     const struct addr *source)
{
	uint8_t i;

	for (i = 0; i < sources->n; i++)
		if (addr_equal(&sources->at[i], source))
			return i;
	return AFFINITY_NO_SOURCE;
}
