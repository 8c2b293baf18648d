/*
 * sched_address.c - the server of an address.
 *
 * Layer: core (pure).
 * Source: Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit
 * Rates", 1998 (rendezvous hashing): the highest of one hash each wins, so
 * that a server that comes or goes changes only its own addresses.
 */
#include <stddef.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "sched_priv.h"

/* Fixed, or nodes would not agree. Which addresses are shared is written in
 * the configuration: nobody else can choose what is hashed. */
static const uint8_t hash_key[HASH_KEY_LEN] = "shared address1";

static uint64_t score(const struct server *server, const struct addr *address)
{
	uint8_t room[sizeof(uint64_t) + sizeof(address->octet)];
	struct builder in = builder_over(room, sizeof(room), true);

	builder_u64(&in, server->name_hash);
	builder_put(&in, bytes_of(address->octet, sizeof(address->octet)));
	return hash_sip(hash_key, bytes_of(room, in.len));
}

struct server *sched_pick_for(struct sched *sched, uint64_t candidates,
			      const struct addr *address)
{
	struct server *server, *best = NULL;
	uint64_t here, most = 0;

	for (; candidates; candidates &= candidates - 1) {
		server = sched_nth(sched, candidates, 0);
		here = score(server, address);
		if (!best || here > most) {
			best = server;
			most = here;
		}
	}
	return best;
}
