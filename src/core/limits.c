/*
 * limits.c - how many descriptors, source ports and leases a configuration
 * takes.
 *
 * Layer: core (pure).
 */
#include "core/limits.h"

#define FIXED_PORTS 3 /* 135, mailbox, address book */
#define PER_WORKER  8 /* loop, wake-up, spare, log ring, two families */
#define PER_CLIENT  4 /* leases: one for each interface that it uses */

static unsigned known_ports(const struct conf *conf)
{
	struct portset range, left;

	if (conf->rpc.ports == CONF_PORTS_OFF)
		return 0;
	if (conf->rpc.ports == CONF_PORTS_STATIC)
		return FIXED_PORTS;
	if (conf->rpc.admit != CONF_ADMIT_ANY)
		return 1; /* the servers will say which others */
	portset_clear(&range);
	portset_add_range(&range, conf->rpc.range_first, conf->rpc.range_last);
	portset_subtract(&left, &range, &conf->rpc.exclude);
	return 1 + portset_count(&left);
}

uint64_t limits_listeners(const struct conf *conf, enum conf_intercept way)
{
	uint64_t ports = known_ports(conf);

	if (way != CONF_INTERCEPT_SOCKETS)
		return 2 * (uint64_t)conf->balancer.threads;
	if (ports <= LIMITS_GROUPED)
		ports *= conf->balancer.threads;
	return ports * conf->balancer.nvips;
}

uint64_t limits_own(const struct conf *conf, enum conf_intercept way)
{
	return LIMITS_OWN + PER_WORKER * (uint64_t)conf->balancer.threads +
	       2 * LIMITS_PIPES + conf->nservers + limits_listeners(conf, way);
}

unsigned limits_sources(const struct conf *conf, uint8_t family)
{
	const struct conf_balancer *balancer = &conf->balancer;
	unsigned i, n = 0;

	if (!balancer->nsources)
		return 1;
	for (i = 0; i < balancer->nsources; i++)
		n += balancer->source[i].family == family;
	return n;
}

static bool has_family(const struct conf *conf, uint8_t family)
{
	unsigned i;

	for (i = 0; i < conf->nservers; i++)
		if (conf->server[i].address.family == family)
			return true;
	return false;
}

uint64_t limits_source_room(const struct conf *conf, uint8_t family,
			    unsigned ephemeral_ports)
{
	if (conf->balancer.source_is_client || !has_family(conf, family))
		return UINT64_MAX;
	return (uint64_t)limits_sources(conf, family) * ephemeral_ports;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

unsigned limits_connections(const struct conf *conf, enum conf_intercept way,
			    const struct limits_host *host)
{
	uint64_t own = limits_own(conf, way), have = host->descriptors;
	uint64_t most = have > own + 2 ? (have - own) / 2 : 1;
	unsigned ports = host->ephemeral_ports;

	if (conf->balancer.max_connections) {
		most = lesser(most, conf->balancer.max_connections);
	} else {
		most = lesser(most, limits_source_room(conf, AF_INET, ports));
		most = lesser(most, limits_source_room(conf, AF_INET6, ports));
	}
	return most ? (unsigned)lesser(most, UINT32_MAX) : 1;
}

size_t limits_leases(const struct conf *conf)
{
	uint64_t most = PER_CLIENT * (uint64_t)conf->affinity.entries;

	return conf->rpc.admit == CONF_ADMIT_LEASED
		       ? lesser(most, LIMITS_LEASED)
		       : most;
}
