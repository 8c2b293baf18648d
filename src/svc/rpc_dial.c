/*
 * rpc_dial.c - from a route to a server that was reached, or to none.
 *
 * Layer: svc.
 */
#include <string.h>

#include "base/list.h"
#include "net/dial.h"
#include "rpc_log.h"
#include "rpc_priv.h"

static void server_ready(struct loop_io *io, unsigned events)
{
	struct rpc_conn *conn =
		list_entry(io, struct rpc_conn, relay.side[RELAY_SERVER].io);

	dial_event(&conn->dial, events);
}

static void dial_done(struct dial *dial, enum reason reason);

static enum reason start_dial(struct rpc_conn *conn)
{
	struct svc_rpc *svc = conn->svc;
	struct route *route = &conn->route;
	struct loop_io *io = &conn->relay.side[RELAY_SERVER].io;
	struct endpoint to = { .addr = route->res.server->address,
			       .port = route->port };

	conn->server = route->res.server;
	io->ready = server_ready;
	conn->dial.done = dial_done;
	return dial_start(&svc->dialer, &conn->dial, io, &to,
			  affinity_source(svc->shared->router.affinity,
					  &route->res, to.addr.family));
}

static void wait_to_look_again(struct rpc_conn *conn, enum reason cause)
{
	struct svc_rpc *svc = conn->svc;

	conn->cause = cause;
	conn->has_waited = true;
	if (list_is_empty(&svc->waiting.head))
		loop_timer_set(svc->loop, &svc->look_again, RPC_LOOK_AGAIN_MS);
	tick_entry_init(&conn->relay.idle);
	tick_queue_renew(&svc->waiting, &conn->relay.idle,
			 loop_now_ms(svc->loop));
	rpc_set_state(conn, RPC_WAITING);
}

/* Blame who is to blame; REASON_NONE: dial the next server. */
static enum reason note_failure(struct rpc_conn *conn, enum reason cause)
{
	struct svc_rpc *svc = conn->svc;
	struct server *failed = conn->route.res.server;
	unsigned slot = failed->slot;
	char name[CONF_NAME_MAX];
	enum reason reason;

	/* Once the route lets go of it, its slot may be reused. */
	memcpy(name, failed->name, sizeof(name));
	reason = route_failed(&svc->shared->router, &conn->route, cause,
			      loop_now_ms(svc->loop));
	rpc_log_failure(conn, name, cause, reason);
	if (cause == REASON_CONNECT_REFUSED &&
	    conn->route.kind == ROUTE_DYNAMIC)
		svc->shared->ask_again(svc->shared->ctx, slot);
	return reason;
}

void rpc_dial(struct rpc_conn *conn, enum reason reason)
{
	while (reason || (reason = start_dial(conn))) {
		enum reason cause = reason;

		reason = note_failure(conn, cause);
		if (!reason)
			continue;
		if (conn->route.is_busy && !conn->has_waited)
			wait_to_look_again(conn, cause);
		else
			rpc_refuse_routed(conn, reason);
		return;
	}
}

static void look_again(struct rpc_conn *conn)
{
	struct svc_rpc *svc = conn->svc;
	struct server *failed = conn->route.res.server;
	char name[CONF_NAME_MAX];
	enum reason reason;

	memcpy(name, failed->name, sizeof(name));
	reason = route_look_again(&svc->shared->router, &conn->route,
				  conn->cause, loop_now_ms(svc->loop));
	rpc_log_failure(conn, name, conn->cause, reason);
	if (reason) {
		rpc_refuse_routed(conn, reason);
		return;
	}
	rpc_set_state(conn, RPC_CONNECTING);
	rpc_dial(conn, REASON_NONE);
}

void rpc_look_again_fired(struct loop_timer *timer)
{
	struct svc_rpc *svc = list_entry(timer, struct svc_rpc, look_again);
	uint64_t now = loop_now_ms(svc->loop), next;
	struct tick_entry *entry;

	while ((entry = tick_queue_take(&svc->waiting, now)))
		look_again(list_entry(entry, struct rpc_conn, relay.idle));
	next = tick_queue_next(&svc->waiting);
	if (next != TICK_NEVER)
		loop_timer_set(svc->loop, timer, next - now);
}

static void dial_done(struct dial *dial, enum reason reason)
{
	struct rpc_conn *conn = list_entry(dial, struct rpc_conn, dial);

	if (reason)
		rpc_dial(conn, reason);
	else
		rpc_begin_relay(conn);
}
