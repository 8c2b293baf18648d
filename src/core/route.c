/*
 * route.c - which server and which of its ports a new connection gets.
 *
 * Layer: core (pure).
 */
#include <string.h>

#include "core/route.h"

/* What the chooser is asked for, and what it saw. */
struct wish {
	struct router *router;
	uint64_t now_ms;
	uint64_t owners; /* a new binding: one of these; 0 = any */
	bool is_group;	 /* … for they issued the client's group */
	bool is_run;	 /* … for it is the run's; a move, too */
	bool is_led;	 /* … for the client is there already */
	const struct addr
		*address; /* its server, whatever the method; or NULL */
	const struct server *from; /* whom the binding leaves */
	struct route_move move;	   /* noted while the slot was its own */
};

/* Why it no longer serves the client; it is not left else. */
static enum reason why_left(const struct server *from)
{
	if (from->life != SERVER_IN_USE)
		return REASON_SERVER_REMOVED;
	if (from->state == CONF_STATE_DISABLED)
		return REASON_SERVER_DISABLED;
	return REASON_SERVER_SET_ASIDE;
}

/* Who serves those that are there already: a drained server, too. */
static uint64_t serving(struct array *array, uint64_t slots, uint64_t now_ms)
{
	uint64_t rest, bit, serves = 0;

	for (rest = slots; rest; rest &= rest - 1) {
		bit = rest & -rest;
		if (server_serves(&array->server[__builtin_ctzll(rest)], false,
				  now_ms))
			serves |= bit;
	}
	return serves;
}

static uint64_t candidates_of(const struct wish *wish,
			      const struct server *from)
{
	struct array *array = wish->router->array;
	uint64_t open;

	if (wish->is_led)
		return serving(array, wish->owners, wish->now_ms);
	open = array_open(array, wish->now_ms);
	return wish->owners && (!from || wish->is_run) ? open & wish->owners
						       : open;
}

/* Under a shard's lock: no look at the announced ports but at their masks,
 * which were read before. */
static struct server *choose(void *ctx, uint64_t except, uint64_t key,
			     const struct server *from)
{
	struct wish *wish = ctx;
	uint64_t candidates = candidates_of(wish, from);

	wish->from = from;
	if (from) {
		wish->move.why = why_left(from);
		memcpy(wish->move.from, from->name, sizeof(wish->move.from));
	}
	candidates &= ~except;
	if (wish->address)
		return sched_pick_for(wish->router->sched, candidates,
				      wish->address);
	return sched_pick(wish->router->sched, candidates, key);
}

static enum reason why_not(int err, const struct wish *wish)
{
	if (err == ERR_MEMORY)
		return REASON_TABLE_FULL;
	if (!wish->from && wish->owners && !wish->is_run)
		return wish->is_group ? REASON_GROUP_GONE
				      : REASON_PORT_SERVER_DOWN;
	return REASON_NO_SERVER;
}

static struct route_port one_server(const struct vport *at)
{
	return (struct route_port){ .owners = UINT64_C(1) << at->slot,
				    .is_one = true,
				    .at = *at };
}

/* A lease comes first: it may be of a real port, which another server's
 * virtual one has as its number. */
static struct route_port meaning_of(struct router *router,
				    const struct addr *name, uint16_t port,
				    uint64_t now_ms)
{
	struct lease_target leased;
	struct vport at;

	if (lease_find(router->leases, name, port, now_ms, &leased) ==
	    LEASE_VALID) {
		at = (struct vport){ .slot = leased.slot,
				     .port = leased.port,
				     .interface = leased.interface };
		return one_server(&at);
	}
	if (router->has_virtual_ports) {
		if (portmap_at(router->portmap, port, &at))
			return one_server(&at);
		return (struct route_port){ 0 };
	}
	return (struct route_port){
		.owners = announced_servers(router->announced, port),
	};
}

/* Of the servers that announce the port the client means the one that it was
 * bound to, where that is among them. */
static uint64_t owners_for(uint64_t owners, const struct server *meant)
{
	uint64_t bit = server_bit(meant);

	return owners & bit ? bit : owners;
}

/* The port of <server> that gives what <meant> gives: its own, unless it has
 * announced another for the interface since. The number may be some other
 * interface's by now: a server that restarted has its ports in any order.
 * 0: none. */
static uint16_t port_of(struct router *router, const struct route_port *meant,
			const struct server *server)
{
	const struct announcement then = { meant->at.interface,
					   meant->at.port };
	bool is_own = meant->owners & server_bit(server);
	uint16_t now;

	if (is_own && announced_has(router->announced, server->slot, &then))
		return then.port;
	now = announced_port_of(router->announced, &then.interface,
				server->slot);
	return now || !is_own ? now : then.port;
}

/* The dialled port, or what stands for it on the server. False: nothing. */
static bool find_port(struct router *router, struct route *route)
{
	const struct server *server = route->res.server;
	const struct route_port *meant = &route->meant;

	route->port = route->dialled;
	if (meant->is_one)
		route->port = port_of(router, meant, server);
	else if (meant->owners && !(meant->owners & server_bit(server)))
		route->port = announced_same(router->announced, route->dialled,
					     meant->owners, server->slot);
	return route->port != 0;
}

/* May this client use the port? */
static enum reason admit(struct router *router, struct route *route,
			 uint64_t now_ms)
{
	struct lease_target unused;
	enum lease_state state;

	if (!route->meant.owners && !router->admits_any)
		return REASON_NOT_ADMITTED;
	state = lease_hold(router->leases, &route->name, route->dialled, now_ms,
			   &unused);
	route->has_lease = state == LEASE_VALID;
	if (route->has_lease || !router->wants_lease ||
	    now_ms < router->lenient_until_ms)
		return REASON_NONE;
	return state == LEASE_EXPIRED ? REASON_LEASE_EXPIRED : REASON_NO_LEASE;
}

/* The server of the run that this connection to 135 goes on with. */
static int choose_run(void *ctx, uint64_t candidates)
{
	struct wish *wish = ctx;
	struct server *server = sched_pick(wish->router->sched, candidates, 0);

	return server ? server->slot : -1;
}

/* The server of the address's run, or that of a new one. One that cannot be
 * remembered would split the client. */
static enum reason join_run(struct wish *wish, const struct addr *client,
			    uint64_t except)
{
	struct router *router = wish->router;
	struct run_chooser chooser = { choose_run, wish };
	uint64_t candidates = array_open(router->array, wish->now_ms);
	int slot = run_open(router->runs, client, candidates & ~except,
			    &chooser, wish->now_ms);

	if (slot < 0)
		return why_not(slot, wish);
	wish->is_run = true;
	wish->owners = UINT64_C(1) << slot;
	return REASON_NONE;
}

/* To who issued the group, of those who have the port. */
static void lead_to_issuer(struct wish *wish, struct route *route,
			   uint32_t group)
{
	uint64_t issuers;

	if (!group_issuers(wish->router->groups, &route->name, group,
			   route->dialled, wish->now_ms, &issuers))
		return;
	wish->owners = wish->owners ? wish->owners & issuers : issuers;
	wish->is_group = true;
	route->is_led = true;
}

/* Whom a private client is to be led to before its binding is made. A port
 * that is one server's decides alone. */
static enum reason lead(struct wish *wish, const struct addr *client,
			struct route *route, struct route_first first)
{
	bool is_shared = affinity_is_shared(wish->router->affinity, client);

	if (is_shared && route->meant.owners)
		route->is_led = true;
	else if (first.group && !route->meant.is_one)
		lead_to_issuer(wish, route, first.group);
	if (!is_shared || route->is_led)
		return REASON_NONE;
	route->is_of_run = route->kind == ROUTE_MAPPER && !first.is_protected;
	route->is_of_address = !route->is_of_run;
	return route->is_of_run ? join_run(wish, client, 0) : REASON_NONE;
}

static void release_lease(struct router *router, struct route *route,
			  uint64_t now_ms)
{
	if (route->has_lease)
		lease_release(router->leases, &route->name, route->dialled,
			      now_ms);
	route->has_lease = false;
}

static void note_choice(struct route *route, const struct wish *wish)
{
	if (route->res.is_new)
		route->why = "new";
	if (route->res.is_moved)
		route->why = "moved";
	if (wish->is_group)
		route->why = "group";
	route->meant.owners =
		owners_for(route->meant.owners,
			   wish->from ? wish->from : route->res.server);
}

static enum reason reserve(struct router *router, const struct addr *client,
			   struct wish *wish, struct route *route)
{
	struct affinity_chooser chooser = { choose, wish, 0 };
	int err;

	wish->is_led = route->is_led;
	wish->address = route->is_of_address ? &route->name : NULL;
	if (wish->is_group && !wish->owners)
		return REASON_GROUP_GONE;
	err = affinity_reserve(router->affinity, client, &chooser, wish->now_ms,
			       &route->res);
	if (err)
		return why_not(err, wish);
	note_choice(route, wish);
	if (find_port(router, route))
		return REASON_NONE;
	affinity_release(router->affinity, &route->res, wish->now_ms);
	return REASON_STALE_PORT;
}

bool route_is_known(struct router *router, const struct addr *client,
		    uint16_t port, uint32_t group, uint64_t now_ms)
{
	struct lease_target unused;
	uint64_t issuers;
	struct addr name;

	if (!affinity_is_private(router->affinity, client))
		return affinity_is_bound(router->affinity, client, now_ms);
	name = affinity_name(router->affinity, client);
	if (lease_find(router->leases, &name, port, now_ms, &unused) ==
	    LEASE_VALID)
		return true;
	return group && group_issuers(router->groups, &name, group, port,
				      now_ms, &issuers);
}

enum reason route_begin(struct router *router, const struct addr *client,
			enum route_kind kind, uint16_t port,
			struct route_first first, uint64_t now_ms,
			struct route *out, struct route_move *move)
{
	struct wish wish = { .router = router, .now_ms = now_ms };
	struct route route = { .kind = kind, .dialled = port, .why = "bound" };
	enum reason reason = REASON_NONE;

	route.name = affinity_name(router->affinity, client);
	if (kind == ROUTE_DYNAMIC) {
		route.meant = meaning_of(router, &route.name, port, now_ms);
		wish.owners = route.meant.owners;
		reason = admit(router, &route, now_ms);
	}
	if (!reason && affinity_is_private(router->affinity, client))
		reason = lead(&wish, client, &route, first);
	if (!reason)
		reason = reserve(router, client, &wish, &route);
	*move = wish.move;
	if (reason)
		release_lease(router, &route, now_ms);
	else
		*out = route;
	return reason;
}

enum reason route_confirm(struct router *router, struct route *route)
{
	route->is_aside_over = server_answered(route->res.server, route->port);
	if (!affinity_confirm(router->affinity, &route->res))
		return REASON_BINDING_MOVED;
	return REASON_NONE;
}

enum reason route_answered(struct router *router, struct route *route)
{
	if (!affinity_confirm(router->affinity, &route->res))
		return REASON_BINDING_MOVED;
	affinity_ending(router->affinity, &route->res);
	return REASON_NONE;
}

/* A port of the range that no server announced: whoever dials it may have
 * made it up (admit = any). */
static bool is_unannounced(const struct route *route)
{
	return route->kind == ROUTE_DYNAMIC && !route->meant.owners;
}

static bool speaks_against_server(const struct route *route, enum reason cause)
{
	if (is_unannounced(route))
		return false;
	if (cause == REASON_CONNECT_REFUSED)
		return route->kind != ROUTE_DYNAMIC;
	return cause == REASON_CONNECT_TIMEOUT ||
	       cause == REASON_CONNECT_UNREACHABLE;
}

/* The port whose answer will clear the server; 0: any. A dynamic port may
 * never be there again, and the prober asks 135 only: any clears it. */
static uint16_t blamed_port(const struct route *route, enum reason cause)
{
	if (cause == REASON_CONNECT_UNREACHABLE || route->kind == ROUTE_DYNAMIC)
		return 0;
	return route->port;
}

/* To the next server, if the client may leave. */
static enum reason move_on(struct router *router, struct route *route,
			   enum reason cause, uint64_t now_ms)
{
	struct wish wish = { .router = router, .now_ms = now_ms };
	struct affinity_chooser chooser = { choose, &wish, route->tried };
	int err;

	wish.address = route->is_of_address ? &route->name : NULL;
	if (route->is_led)
		return cause;
	/* Its client has the address for a name. */
	if (route->is_of_run && join_run(&wish, &route->name, route->tried))
		return cause;
	err = affinity_move(router->affinity, &route->res, &chooser, now_ms);
	route->is_busy = err == ERR_BUSY;
	if (err)
		return cause;
	route->why = "moved";
	return find_port(router, route) ? REASON_NONE : REASON_STALE_PORT;
}

/* Of the port that refused, and of the one that the client was told of and
 * that stood for it. */
static void end_leases(struct router *router, const struct route *route)
{
	const struct server *server = route->res.server;
	const struct route_port *meant = &route->meant;

	lease_end_port(router->leases, server->slot, route->port);
	if (meant->is_one && meant->at.slot == server->slot &&
	    meant->at.port != route->port)
		lease_end_port(router->leases, server->slot, meant->at.port);
}

enum reason route_failed(struct router *router, struct route *route,
			 enum reason cause, uint64_t now_ms)
{
	struct server *server = route->res.server;

	route->failed_port = route->port;
	route->set_aside_ms = 0;
	route->is_busy = false;
	if (cause == REASON_CONNECT_REFUSED && route->kind == ROUTE_DYNAMIC)
		end_leases(router, route);
	if (!speaks_against_server(route, cause))
		return cause;
	route->set_aside_ms =
		server_failed(server, blamed_port(route, cause), now_ms);
	route->tried |= server_bit(server);
	return move_on(router, route, cause, now_ms);
}

enum reason route_look_again(struct router *router, struct route *route,
			     enum reason cause, uint64_t now_ms)
{
	route->set_aside_ms = 0;
	return move_on(router, route, cause, now_ms);
}

void route_ending(struct router *router, struct route *route)
{
	affinity_ending(router->affinity, &route->res);
}

void route_end(struct router *router, struct route *route, uint64_t now_ms)
{
	release_lease(router, route, now_ms);
	affinity_release(router->affinity, &route->res, now_ms);
}
