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
void affinity_rule_init(struct affinity_rule *rule, const struct conf *whole)
{
	const struct conf_affinity *conf = &whole->affinity;
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
	rule->nshared = conf_has_virtual_ports(&whole->rpc) ? conf->nshared : 0;
	memcpy(rule->shared, conf->shared,
	       rule->nshared * sizeof(rule->shared[0]));
}

bool affinity_rule_shares(const struct affinity_rule *rule,
			  const struct addr *client)
{
	unsigned i;

	for (i = 0; i < rule->nshared; i++)
		if (prefix_has(&rule->shared[i], client))
			return true;
	return false;
}

struct addr affinity_key(const struct affinity_rule *rule,
			 const struct addr *client)
{
	struct conf_alias wanted = { 0 };
	const struct conf_alias *alias;

	if (rule->key == CONF_KEY_NONE || affinity_rule_shares(rule, client))
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

unsigned affinity_rule_addresses(const struct affinity_rule *rule,
				 const struct addr *key, struct addr *room)
{
	unsigned i, n = 1;

	room[0] = *key;
	if (rule->key == CONF_KEY_NONE || affinity_rule_shares(rule, key))
		return n;
	for (i = 0; i < rule->naliases; i++)
		if (addr_equal(&rule->alias[i].to, key))
			room[n++] = rule->alias[i].from;
	return n;
}
