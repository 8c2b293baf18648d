/*
 * rpc_log.c - the lines that the RPC service writes.
 *
 * Layer: svc.
 */
#include "rpc_log.h"

/* Refusals of one kind and worker: a flood of them tells nothing new. */
#define REFUSALS      100
#define REFUSALS_SPAN 1000 /* ms */
#define RESTS_SPAN    1000

void rpc_log_init(struct svc_rpc *svc)
{
	unsigned i;

	for (i = 0; i < REASON_COUNT; i++)
		svc->refusals[i] = (struct log_limit){
			.burst = REFUSALS,
			.span_ms = REFUSALS_SPAN,
		};
	svc->rests = (struct log_limit){ .burst = 1, .span_ms = RESTS_SPAN };
}

void rpc_log_rest(struct svc_rpc *svc, uint64_t ms, enum reason reason)
{
	uint64_t held_back;

	if (log_limit_pass(&svc->rests, loop_now_ms(svc->loop), &held_back))
		LOG(svc->log, LOG_LEVEL_WARNING, "accept-rests",
		    log_number("ms", ms),
		    log_text("reason", reason_name(reason)));
}

void rpc_log_open(const struct rpc_conn *conn)
{
	struct endpoint to = { .addr = conn->server->address,
			       .port = conn->route.port };

	LOG(conn->svc->log, LOG_LEVEL_INFO, "open",
	    log_endpoint("client", &conn->client),
	    log_number("port", conn->route.dialled),
	    log_text("server", conn->server->name), log_endpoint("to", &to),
	    log_text("why", conn->route.why));
}

void rpc_log_close(const struct rpc_conn *conn, enum reason reason,
		   uint64_t now_ms)
{
	const struct relay_side *side = conn->relay.side;

	LOG(conn->svc->log, LOG_LEVEL_INFO, "close",
	    log_endpoint("client", &conn->client),
	    log_number("port", conn->route.dialled),
	    log_text("server", conn->server->name),
	    log_number("bytes-in", side[RELAY_CLIENT].octets),
	    log_number("bytes-out", side[RELAY_SERVER].octets),
	    log_number("ms", now_ms - conn->opened_ms),
	    log_text("reason", reason_name(reason)));
}

void rpc_log_left(const struct rpc_conn *conn, uint64_t now_ms)
{
	LOG(conn->svc->log, LOG_LEVEL_NOTICE, "left",
	    log_endpoint("client", &conn->client),
	    log_number("port", conn->route.dialled),
	    log_text("server", conn->server->name),
	    log_number("ms", now_ms - conn->opened_ms));
}

void rpc_log_refuse(struct svc_rpc *svc, const struct endpoint *client,
		    uint16_t port, const char *server, enum reason reason)
{
	static const struct endpoint nobody;
	uint64_t held_back;

	if (!log_limit_pass(&svc->refusals[reason], loop_now_ms(svc->loop),
			    &held_back))
		return;
	if (held_back)
		LOG(svc->log, LOG_LEVEL_NOTICE, "refuse-held-back",
		    log_text("reason", reason_name(reason)),
		    log_number("lines", held_back));
	LOG(svc->log, LOG_LEVEL_NOTICE, "refuse",
	    log_endpoint("client", client ? client : &nobody),
	    log_number("port", port), log_text("server", server),
	    log_text("reason", reason_name(reason)));
}

static void log_move(const struct rpc_conn *conn, const char *from,
		     enum reason reason)
{
	const struct route *route = &conn->route;

	LOG(conn->svc->log, LOG_LEVEL_NOTICE, "move",
	    log_endpoint("client", &conn->client),
	    log_number("port", route->dialled), log_text("from", from),
	    log_text("to", route->res.server->name),
	    log_text("reason", reason_name(reason)));
}

void rpc_log_failure(const struct rpc_conn *conn, const char *failed,
		     enum reason cause, enum reason outcome)
{
	const struct route *route = &conn->route;
	struct log *log = conn->svc->log;

	if (route->set_aside_ms)
		LOG(log, LOG_LEVEL_WARNING, "set-aside",
		    log_text("server", failed),
		    log_number("port", route->failed_port),
		    log_number("ms", route->set_aside_ms),
		    log_text("reason", reason_name(cause)));
	if (!outcome)
		log_move(conn, failed, cause);
}

void rpc_log_moved(const struct rpc_conn *conn)
{
	log_move(conn, conn->route.left, conn->route.moved_for);
}

void rpc_log_aside_over(const struct rpc_conn *conn)
{
	LOG(conn->svc->log, LOG_LEVEL_NOTICE, "set-aside-over",
	    log_text("server", conn->server->name),
	    log_number("port", conn->route.port));
}
