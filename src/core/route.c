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
	uint64_t owners;	   /* a new binding: one of these; 0 = any */
	const struct server *from; /* whom the binding leaves */
	enum reason why_left;	   /* noted while the slot was its own */
	char left[CONF_NAME_MAX];
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

/* Under a shard's lock: no look at the announced ports but at their masks,
 * which were read before. */
static struct server *choose(void *ctx, uint64_t except, uint64_t key,
			     const struct server *from)
{
	struct wish *wish = ctx;
	uint64_t candidates = array_open(wish->router->array, wish->now_ms);

	wish->from = from;
	if (from) {
		wish->why_left = why_left(from);
		memcpy(wish->left, from->name, sizeof(wish->left));
	}
	if (!from && wish->owners)
		candidates &= wish->owners;
	return sched_pick(wish->router->sched, candidates & ~except, key);
}

static enum reason why_not(int err, const struct wish *wish)
{
	if (err == ERR_MEMORY)
		return REASON_TABLE_FULL;
	if (!wish->from && wish->owners)
		return REASON_PORT_SERVER_DOWN;
	return REASON_NO_SERVER;
}

/* Of the servers that announce the port the client means the one that it was
 * bound to, where that is among them. */
static uint64_t owners_for(uint64_t owners, const struct server *meant)
{
	uint64_t bit = server_bit(meant);

	return owners & bit ? bit : owners;
}

/* The dialled port, or what stands for it on the server. False: nothing. */
static bool find_port(struct router *router, struct route *route)
{
	const struct server *server = route->res.server;

	route->port = route->dialled;
	if (route->owners && !(route->owners & server_bit(server)))
		route->port = announced_same(router->announced, route->dialled,
					     route->owners, server->slot);
	return route->port != 0;
}

enum reason route_begin(struct router *router, const struct addr *client,
			enum route_kind kind, uint16_t port, uint64_t now_ms,
			struct route *out)
{
	uint64_t owners = kind == ROUTE_DYNAMIC
				  ? announced_servers(router->announced, port)
				  : 0;
	struct wish wish = { .router = router,
			     .now_ms = now_ms,
			     .owners = owners };
	struct affinity_chooser chooser = { choose, &wish, 0 };
	struct route route = { .kind = kind, .dialled = port, .why = "bound" };
	int err;

	if (kind == ROUTE_DYNAMIC && !owners && !router->admits_any)
		return REASON_NOT_ADMITTED;
	err = affinity_reserve(router->affinity, client, &chooser, now_ms,
			       &route.res);
	if (err)
		return why_not(err, &wish);
	if (route.res.is_new)
		route.why = "new";
	if (route.res.is_moved) {
		route.why = "moved";
		route.moved_for = wish.why_left;
		memcpy(route.left, wish.left, sizeof(route.left));
	}
	route.owners =
		owners_for(owners, wish.from ? wish.from : route.res.server);
	if (!find_port(router, &route)) {
		affinity_release(router->affinity, &route.res, now_ms);
		return REASON_STALE_PORT;
	}
	*out = route;
	return REASON_NONE;
}

enum reason route_confirm(struct router *router, struct route *route)
{
	route->is_aside_over = server_answered(route->res.server, route->port);
	if (!affinity_confirm(router->affinity, &route->res))
		return REASON_BINDING_MOVED;
	return REASON_NONE;
}

/* A port of the range that no server announced: whoever dials it may have
 * made it up (admit = any). */
static bool is_unannounced(const struct route *route)
{
	return route->kind == ROUTE_DYNAMIC && !route->owners;
}

static bool speaks_against_server(const struct route *route, enum reason cause)
{
	if (is_unannounced(route))
		return false;
	if (cause == REASON_CONNECT_REFUSED)
		return route->kind == ROUTE_FIXED;
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
	struct wish wish = { .router = router,
			     .now_ms = now_ms,
			     .owners = route->owners };
	struct affinity_chooser chooser = { choose, &wish, route->tried };
	int err =
		affinity_move(router->affinity, &route->res, &chooser, now_ms);

	route->is_busy = err == ERR_BUSY;
	if (err)
		return cause;
	route->why = "moved";
	return find_port(router, route) ? REASON_NONE : REASON_STALE_PORT;
}

enum reason route_failed(struct router *router, struct route *route,
			 enum reason cause, uint64_t now_ms)
{
	struct server *server = route->res.server;

	route->failed_port = route->port;
	route->set_aside_ms = 0;
	route->is_busy = false;
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
	affinity_release(router->affinity, &route->res, now_ms);
}
