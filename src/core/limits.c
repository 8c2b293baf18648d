/*
 * limits.c - how many descriptors a configuration takes.
 *
 * Layer: core (pure).
 */
#include "core/limits.h"

#define FIXED_PORTS 3 /* 135, mailbox, address book */
#define PER_WORKER  8 /* loop, wake-up, spare, log ring, two families */

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

uint64_t limits_listeners(const struct conf *conf)
{
	uint64_t ports = known_ports(conf);

	if (conf->rpc.intercept != CONF_INTERCEPT_SOCKETS)
		return 2 * (uint64_t)conf->balancer.threads;
	if (ports <= LIMITS_GROUPED)
		ports *= conf->balancer.threads;
	return ports * conf->balancer.nvips;
}

uint64_t limits_own(const struct conf *conf)
{
	return LIMITS_OWN + PER_WORKER * (uint64_t)conf->balancer.threads +
	       2 * LIMITS_PIPES + conf->nservers + limits_listeners(conf);
}

unsigned limits_connections(const struct conf *conf, uint64_t descriptors)
{
	uint64_t own = limits_own(conf);
	uint64_t room = descriptors > own + 2 ? (descriptors - own) / 2 : 1;
	unsigned wanted = conf->balancer.max_connections;

	if (room > UINT32_MAX)
		room = UINT32_MAX;
	return wanted && wanted < room ? wanted : (unsigned)room;
}
