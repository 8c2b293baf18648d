/*
 * route_world.h - world.h with what routes ask: what is announced, virtual
 * ports, leases, groups and the runs of shared addresses. For tests.
 */
#ifndef TESTS_CORE_ROUTE_WORLD_H
#define TESTS_CORE_ROUTE_WORLD_H

#include <stdio.h>

#include "core/route.h"
#include "world.h"

#define LEASE_MS 86400000
#define NOBODY	 (-1) /* no server */

enum { EMSMDB = 1, ASYNC, NSPI, RFR, INTERFACES };

static struct router router;
static struct route_move left;

static inline struct syntax interface(uint32_t number)
{
	return (struct syntax){ .uuid = { .time_low = number }, .major = 1 };
}

/* Where each server has each interface; 0: nowhere. */
struct layout {
	uint16_t port[WORLD_SERVERS][INTERFACES];
};

static const struct layout disjoint = { {
	{ 0, 5001, 5101, 5201, 5301 },
	{ 0, 6001, 6101, 6201, 6301 },
	{ 0, 7001, 7101, 7201, 0 },
} };

/* The same numbers everywhere, for other interfaces. */
static const struct layout swapped = { {
	{ 0, 5001, 5101, 5201, 5301 },
	{ 0, 5101, 5001, 5301, 5201 },
	{ 0, 5201, 5301, 5001, 0 },
} };

static const struct layout same = { {
	{ 0, 5001, 5101, 5201, 5301 },
	{ 0, 5001, 5101, 5201, 5301 },
	{ 0, 5001, 5101, 5201, 0 },
} };

static inline void announce_row(unsigned slot, const uint16_t *port)
{
	struct announcement list[INTERFACES];
	unsigned i, n = 0;

	for (i = 1; i < INTERFACES; i++)
		if (port[i])
			list[n++] =
				(struct announcement){ interface(i), port[i] };
	if (announced_set(router.announced, slot, list, n) < 0)
		abort();
}

static inline void announce_all(const struct layout *layout)
{
	unsigned slot;

	for (slot = 0; slot < WORLD_SERVERS; slot++)
		announce_row(slot, layout->port[slot]);
}

/* Returns how many have none. */
static inline unsigned map_within(uint16_t first, uint16_t last)
{
	static const struct portset none;
	struct portmap_rules rules = { first, last, &none, WORLD_TIMEOUT };

	return portmap_update(router.portmap, &array, router.announced, &rules,
			      now_ms);
}

static inline void map_ports(void)
{
	if (map_within(1024, 65535))
		abort();
}

static inline void share(const char *prefix)
{
	if (prefix_parse(prefix,
			 &conf->affinity.shared[conf->affinity.nshared++]))
		abort();
}

/* rewrite, dynamic ports, admit = announced; after world_conf(). */
static inline void router_start(enum conf_method method, size_t entries)
{
	conf->rpc.epm = CONF_EPM_REWRITE;
	conf->rpc.ports = CONF_PORTS_DYNAMIC;
	world_start(method);
	router = (struct router){
		.array = &array,
		.sched = &sched,
		.affinity = affinity,
		.announced = announced_new(),
		.leases = leases_new(entries, LEASE_MS, world_seed, NULL, NULL),
		.portmap = portmap_new(),
		.groups = groups_new(entries, world_seed),
		.runs = runs_new(10, world_seed),
		.has_virtual_ports = true,
	};
	if (!router.announced || !router.leases || !router.portmap ||
	    !router.groups || !router.runs)
		abort();
}

/* Ports keep their numbers. */
static inline void track(void)
{
	conf->rpc.epm = CONF_EPM_TRACK;
	affinity_reconfigure(affinity, conf);
	router.has_virtual_ports = false;
}

static inline void router_end(void)
{
	announced_free(router.announced);
	leases_free(router.leases);
	portmap_free(router.portmap);
	groups_free(router.groups);
	runs_free(router.runs);
	world_end();
}

/* The port that a client of the server is told for the interface. */
static inline uint16_t told(unsigned slot, unsigned number, uint16_t port)
{
	struct syntax what = interface(number);

	return router.has_virtual_ports
		       ? portmap_find(router.portmap, slot, &what, port)
		       : port;
}

static inline void grant(const struct addr *who, uint16_t dialled,
			 unsigned slot, unsigned number, uint16_t port)
{
	struct lease_target target = { (uint8_t)slot, port, interface(number) };
	struct addr name = affinity_name(affinity, who);

	if (lease_grant(router.leases, &name, dialled, &target, now_ms) < 0)
		abort();
}

static inline enum reason begin_of(const struct addr *who, enum route_kind kind,
				   uint16_t port, uint32_t group,
				   struct route *out)
{
	struct route_first first = { .group = group };

	return route_begin(&router, who, kind, port, first, now_ms, out, &left);
}

static inline void end(struct route *route)
{
	route_end(&router, route, now_ms);
}

/* One that connects. */
static inline struct route connected(const struct addr *who,
				     enum route_kind kind, uint16_t port,
				     uint32_t group)
{
	struct route route;

	if (begin_of(who, kind, port, group, &route) ||
	    route_confirm(&router, &route))
		abort();
	return route;
}

/* The client has a connection to the server in <slot>. */
static inline struct route live_on(const struct addr *who, unsigned slot)
{
	sched.turn = slot;
	return connected(who, ROUTE_MAPPER, 135, 0);
}

/* The client is bound to the server in <slot> and has no connection. */
static inline void bind_to(const struct addr *who, unsigned slot)
{
	struct route route = live_on(who, slot);

	if (route.res.server->slot != slot)
		abort();
	end(&route);
}

enum how { UP, ASIDE, DRAINED, DISABLED, LEAVING, HOWS };

static const char *const how_name[] = { "up", "set aside", "drained",
					"disabled", "leaving" };

/* All servers of <slots> at once. */
static inline void make(uint64_t slots, enum how how)
{
	unsigned i;

	for (i = 0; i < WORLD_SERVERS; i++) {
		if (!(slots >> i & 1))
			continue;
		if (how == ASIDE)
			server_failed(&array.server[i], 0, now_ms);
		else if (how == DRAINED)
			array.server[i].state = CONF_STATE_DRAIN;
		else if (how == DISABLED)
			array.server[i].state = CONF_STATE_DISABLED;
		else if (how == LEAVING)
			array.server[i].life = SERVER_LEAVING;
	}
	if (how == LEAVING && router.has_virtual_ports)
		map_ports();
}

static inline unsigned connections(void)
{
	unsigned i, n = 0;

	for (i = 0; i < WORLD_SERVERS; i++)
		n += array.server[i].connections;
	return n;
}

#endif
