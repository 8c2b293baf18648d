/*
 * affinity_priv.h - what the files of the table of bindings share.
 *
 * Layer: core.
 */
#ifndef CORE_AFFINITY_PRIV_H
#define CORE_AFFINITY_PRIV_H

#include "base/addr.h"
#include "base/hash.h"
#include "core/conf.h"

/*
 * How a client's address becomes the key of its binding. Invariant: the
 * aliases are cut to the prefixes and sorted by <from>.
 */
struct affinity_rule {
	enum conf_key key;
	unsigned bits4, bits6; /* of an address that count */
	unsigned naliases;
	struct conf_alias alias[CONF_ALIASES_MAX];
	/* Addresses of many clients, where virtual ports divide them. */
	unsigned nshared;
	struct prefix shared[CONF_SHARED_MAX];
};

void affinity_rule_init(struct affinity_rule *rule, const struct conf *whole);
bool affinity_rule_shares(const struct affinity_rule *rule,
			  const struct addr *client);
/* CONF_KEY_NONE and shared addresses: the address itself, by which only the
 * source is chosen. */
struct addr affinity_key(const struct affinity_rule *rule,
			 const struct addr *client);
/* A key that another rule made, cut to what this one would leave of it. */
struct addr affinity_key_again(const struct affinity_rule *rule,
			       const struct addr *key);

/* As affinity_addresses(). */
unsigned affinity_rule_addresses(const struct affinity_rule *rule,
				 const struct addr *key, struct addr *room);

#define AFFINITY_NO_SOURCE 0xff /* the system chooses */

struct affinity_sources {
	unsigned n;
	struct addr at[CONF_SOURCES_MAX];
};

/*
 * The place in <sources> of the address of <family> that the binding with
 * this <hash> uses; AFFINITY_NO_SOURCE if there is none.
 */
uint8_t affinity_source_choose(const struct affinity_sources *sources,
			       const uint8_t seed[static HASH_KEY_LEN],
			       uint64_t hash, uint8_t family);
/* The place of <source>; AFFINITY_NO_SOURCE if it is none of them. */
uint8_t affinity_source_find(const struct affinity_sources *sources,
			     const struct addr *source) PURE;

#endif
