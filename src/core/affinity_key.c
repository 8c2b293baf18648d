/*
 * affinity_key.c - from a client's address to the key of its binding.
 *
 * Layer: core (pure).
 */
#include <stdlib.h>
#include <string.h>

#include "affinity_priv.h"

static struct addr cut(const struct affinity_rule *rule,
		       const struct addr *addr)
{
	return addr_mask(addr,
			 addr->family == AF_INET ? rule->bits4 : rule->bits6);
}

static int by_from(const void *a, const void *b)
{
	const struct conf_alias *left = a, *right = b;

	return memcmp(&left->from, &right->from, sizeof(left->from));
}

/* An alias is cut as its client is: the machine's temporary addresses, or
 * its whole network, are the same machine as well. */
void affinity_rule_init(struct affinity_rule *rule,
			const struct conf_affinity *conf)
{
	bool is_network = conf->key == CONF_KEY_NETWORK;
	unsigned i;

	rule->key = conf->key;
	rule->bits4 = is_network ? conf->network4 : 32;
	rule->bits6 = is_network ? conf->network6 : conf->ipv6_prefix;
	rule->naliases = conf->naliases;
	for (i = 0; i < conf->naliases; i++) {
		rule->alias[i].from = cut(rule, &conf->alias[i].from);
		rule->alias[i].to = cut(rule, &conf->alias[i].to);
	}
	qsort(rule->alias, rule->naliases, sizeof(rule->alias[0]), by_from);
}

struct addr affinity_key(const struct affinity_rule *rule,
			 const struct addr *client)
{
	struct conf_alias wanted = { 0 };
	const struct conf_alias *alias;

	if (rule->key == CONF_KEY_NONE)
		return *client;
	wanted.from = cut(rule, client);
	alias = bsearch(&wanted, rule->alias, rule->naliases,
			sizeof(rule->alias[0]), by_from);
	return alias ? alias->to : wanted.from;
}

/* No alias: it became part of the key already, and one may stand for
 * another's target. */
struct addr affinity_key_again(const struct affinity_rule *rule,
			       const struct addr *key)
{
	return cut(rule, key);
}
