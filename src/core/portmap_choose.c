/*
 * portmap_choose.c - which number a virtual port gets.
 *
 * Layer: core (pure).
 *
 * The sequence begins anywhere and goes round the range in steps that have no
 * factor in common with its length, so that it meets every number once. The
 * numbers in use lie side by side (a server counts its ports up); steps of
 * one would give out their neighbours, which are the next to be used.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "core/conf.h"
#include "portmap_choose.h"

#define INPUT_MAX (CONF_NAME_MAX + UUID_LEN + 2 * sizeof(uint16_t))

/* Fixed, or nodes would not agree. Nobody but the servers could steer what
 * is hashed, and they name their ports anyway. */
static const uint8_t hash_key[HASH_KEY_LEN] = "virtual port v1";

/* In an order of its own, not memory's: nodes need not be of one kind. */
static uint64_t hash_of(const struct portmap_key *key)
{
	uint8_t room[INPUT_MAX];
	struct builder in = builder_over(room, sizeof(room), true);

	uuid_write(&in, &key->interface.uuid);
	builder_u16(&in, key->interface.major);
	builder_u16(&in, key->port);
	builder_put(&in, bytes_of(key->server, strlen(key->server)));
	return hash_sip(hash_key, bytes_of(room, in.len));
}

static uint32_t common_factor(uint32_t a, uint32_t b)
{
	uint32_t rest;

	while (b) {
		rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

static bool is_empty(const struct portset *set)
{
	return portset_next(set, 0) < 0;
}

uint16_t portmap_choose(const struct portmap_stock *stock,
			const struct portmap_key *key)
{
	const struct portset *from =
		is_empty(&stock->calm) ? &stock->free : &stock->calm;
	uint32_t size = (uint32_t)stock->last - stock->first + 1, at, step;
	uint64_t hash = hash_of(key);

	if (is_empty(from))
		return 0;
	at = (uint32_t)hash % size;
	step = 1 + (uint32_t)(hash >> 32) % size;
	while (common_factor(step, size) != 1)
		step++;
	while (!portset_has(from, (uint16_t)(stock->first + at)))
		at = (at + step) % size;
	return (uint16_t)(stock->first + at);
}
