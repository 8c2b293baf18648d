/*
 * rpc_log.c - the lines that the RPC service writes.
 *
 * Layer: svc.
 */
#include <inttypes.h>
#include <stdio.h>

#include "rpc_log.h"
#include "wire/iface.h"
#include "wire/pdu.h"

/* Refusals of one kind and worker: a flood of them tells nothing new. */
#define REFUSALS      100
#define REFUSALS_SPAN 1000 /* ms */
#define RESTS_SPAN    1000
/* Other lines of one kind and worker. */
#define NOTICES	     20
#define NOTICES_SPAN 1000

void rpc_log_init(struct svc_rpc *svc)
{
	unsigned i;

	for (i = 0; i < REASON_COUNT; i++)
		svc->refusals[i] = (struct log_limit){
			.burst = REFUSALS,
			.span_ms = REFUSALS_SPAN,
		};
	svc->rests = (struct log_limit){ .burst = 1, .span_ms = RESTS_SPAN };
	for (i = 0; i < RPC_NOTICES; i++)
		svc->notices[i] = (struct log_limit){
			.burst = NOTICES,
			.span_ms = NOTICES_SPAN,
		};
}

void rpc_log_rest(struct svc_rpc *svc, uint64_t ms, enum reason reason)
{
	uint64_t held_back;

	if (log_limit_pass(&svc->rests, loop_now_ms(svc->loop), &held_back))
		LOG(svc->log, LOG_LEVEL_WARNING, "accept-rests",
		    log_number("ms", ms),
		    log_text("reason", reason_name(reason)));
}

/* NULL: it has not said. */
static const char *interface_of(const struct rpc_conn *conn,
				char room[IFACE_TEXT_MAX])
{
	const struct rpc_watch *watch = rpc_watch_of(conn);

	return watch && watch->has_interface
		       ? iface_text(&watch->interface, room)
		       : NULL;
}

void rpc_log_open(const struct rpc_conn *conn)
{
	struct endpoint to = { .addr = conn->server->address,
			       .port = conn->route.port };
	bool is_answered = conn->state == RPC_ANSWERED;
	char room[ENDPOINT_TEXT_MAX];

	LOG(conn->svc->log, LOG_LEVEL_INFO, "open",
	    log_endpoint("client", &conn->client),
	    log_number("port", conn->route.dialled),
	    log_text("server", conn->server->name),
	    log_text("to", is_answered ? NULL : endpoint_format(&to, room)),
	    log_text("why", is_answered ? "answered" : conn->route.why));
}

void rpc_log_close(const struct rpc_conn *conn, enum reason reason,
		   uint64_t now_ms)
{
	const struct relay_side *side = conn->relay.side;
	const struct rpc_watch *watch = rpc_watch_of(conn);
	char room[IFACE_TEXT_MAX];

	LOG(conn->svc->log, LOG_LEVEL_INFO, "close",
	    log_endpoint("client", &conn->client),
	    log_number("port", conn->route.dialled),
	    log_text("server", conn->server->name),
	    log_text("interface", interface_of(conn, room)),
	    log_text("user", watch ? watch->user : NULL),
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

/* What is said once in the life of a balancer. */
enum once { ONCE_DCOM = 1, ONCE_SIGNED = 2, ONCE_SEALED = 4, ONCE_PROXY = 8 };

static bool is_first(struct svc_rpc_shared *shared, enum once what)
{
	return !(atomic_fetch_or(&shared->said, (uint32_t)what) & what);
}

/* Where servers' RPC proxies connect back to the array's name. */
static bool is_proxy_port(uint16_t port)
{
	return port == 6001 || port == 6002 || port == 6004;
}

static bool is_a_server(const struct svc_rpc *svc, const struct addr *addr)
{
	unsigned i;

	for (i = 0; i < svc->conf->nservers; i++)
		if (addr_equal(&svc->conf->server[i].address, addr))
			return true;
	return false;
}

/* Once: a server came back to us with its clients' RPC over HTTP. */
static void tell_of_proxy_ports(struct svc_rpc *svc,
				const struct endpoint *client, uint16_t port)
{
	if (is_proxy_port(port) && is_a_server(svc, &client->addr) &&
	    is_first(svc->shared, ONCE_PROXY))
		LOG(svc->log, LOG_LEVEL_WARNING, "proxy-ports-missing",
		    log_endpoint("client", client), log_number("port", port),
		    log_text("mend", "the RPC proxy of a server connects to "
				     "the array's name: write [rpc] "
				     "proxy-ports = 6001, 6002, 6004"));
}

void rpc_log_refuse(struct svc_rpc *svc, const struct endpoint *client,
		    uint16_t port, const char *server, enum reason reason)
{
	static const struct endpoint nobody;
	uint64_t held_back;

	if (client)
		tell_of_proxy_ports(svc, client, port);
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

void rpc_log_moved(const struct rpc_conn *conn, const struct route_move *move)
{
	log_move(conn, move->from, move->why);
}

/* True: write a line of that kind. */
static bool may_notice(const struct rpc_conn *conn, enum rpc_notice kind)
{
	struct svc_rpc *svc = conn->svc;
	uint64_t held_back;

	return log_limit_pass(&svc->notices[kind], loop_now_ms(svc->loop),
			      &held_back);
}

void rpc_log_fault(const struct rpc_conn *conn, uint32_t status)
{
	const char *name = pdu_fault_name(status);
	char number[16], room[IFACE_TEXT_MAX];

	if (!may_notice(conn, RPC_NOTICE_FAULT))
		return;
	snprintf(number, sizeof(number), "0x%08" PRIx32, status);
	LOG(conn->svc->log, LOG_LEVEL_INFO, "fault",
	    log_endpoint("client", &conn->client),
	    log_number("port", conn->route.dialled),
	    log_text("server", conn->server->name),
	    log_text("interface", interface_of(conn, room)),
	    log_text("status", name ? name : number));
}

void rpc_log_interface_refused(const struct rpc_conn *conn,
			       const struct syntax *interface)
{
	char room[IFACE_TEXT_MAX];

	if (may_notice(conn, RPC_NOTICE_INTERFACE))
		LOG(conn->svc->log, LOG_LEVEL_NOTICE, "interface-refused",
		    log_endpoint("client", &conn->client),
		    log_number("port", conn->route.dialled),
		    log_text("server", conn->server->name),
		    log_text("interface", iface_text(interface, room)),
		    log_text("mend", "clients that need it: name it in [rpc] "
				     "interfaces"));
}

/* NULL: the bind offers none. */
static const struct syntax *find_dcom(const struct pdu_bind *bind)
{
	unsigned i;

	for (i = 0; i < bind->ncontexts; i++)
		if (iface_is_dcom(&bind->context[i].abstract))
			return &bind->context[i].abstract;
	return NULL;
}

void rpc_log_dcom(const struct rpc_conn *conn, const struct pdu_bind *bind)
{
	const struct syntax *dcom = find_dcom(bind);
	char room[IFACE_TEXT_MAX];

	if (dcom && is_first(conn->svc->shared, ONCE_DCOM))
		LOG(conn->svc->log, LOG_LEVEL_WARNING, "dcom-activation",
		    log_endpoint("client", &conn->client),
		    log_text("server", conn->server->name),
		    log_text("interface", iface_text(dcom, room)),
		    log_text("mend", "DCOM hands out servers' own addresses, "
				     "and its clients go past the balancer: "
				     "let them name a server"));
}

void rpc_log_signed(const struct rpc_conn *conn)
{
	if (is_first(conn->svc->shared, ONCE_SIGNED))
		LOG(conn->svc->log, LOG_LEVEL_NOTICE, "mapper-answers-signed",
		    log_endpoint("client", &conn->client),
		    log_text("server", conn->server->name),
		    log_text("effect", "such clients are told the servers' own "
				       "ports"));
}

void rpc_log_sealed(const struct rpc_conn *conn)
{
	if (is_first(conn->svc->shared, ONCE_SEALED))
		LOG(conn->svc->log, LOG_LEVEL_NOTICE, "mapper-answers-sealed",
		    log_endpoint("client", &conn->client),
		    log_text("server", conn->server->name),
		    log_text("effect", "such clients may use every port that "
				       "their server announces"));
}

void rpc_log_answer_unread(const struct rpc_conn *conn, int err)
{
	if (may_notice(conn, RPC_NOTICE_UNREAD))
		LOG(conn->svc->log, LOG_LEVEL_WARNING, "mapper-answer-unread",
		    log_endpoint("client", &conn->client),
		    log_text("server", conn->server->name),
		    log_text("reason", err_text(err)));
}

void rpc_log_lease_refused(const struct rpc_conn *conn, uint16_t port, int err)
{
	if (may_notice(conn, RPC_NOTICE_LEASE))
		LOG(conn->svc->log, LOG_LEVEL_WARNING, "lease-refused",
		    log_endpoint("client", &conn->client),
		    log_number("port", port),
		    log_text("server", conn->server->name),
		    log_text("reason", err_text(err)));
}

void rpc_log_no_virtual_port(const struct rpc_conn *conn,
			     const struct announcement *seen)
{
	char room[IFACE_TEXT_MAX];

	if (may_notice(conn, RPC_NOTICE_VIRTUAL_PORT))
		LOG(conn->svc->log, LOG_LEVEL_WARNING,
		    "virtual-ports-exhausted",
		    log_endpoint("client", &conn->client),
		    log_text("server", conn->server->name),
		    log_number("port", seen->port),
		    log_text("interface", iface_text(&seen->interface, room)),
		    log_text("mend", "widen [rpc] virtual-ports"));
}

void rpc_log_interleaved(const struct rpc_conn *conn,
			 const struct run_sight *sight)
{
	if (may_notice(conn, RPC_NOTICE_RUN))
		LOG(conn->svc->log, LOG_LEVEL_NOTICE, "clients-share-a-run",
		    log_addr("client", &conn->client.addr),
		    log_text("server", conn->server->name),
		    log_number("runs", sight->runs),
		    log_number("interleaved", sight->interleaved));
}

void rpc_log_aside_over(const struct rpc_conn *conn)
{
	LOG(conn->svc->log, LOG_LEVEL_NOTICE, "set-aside-over",
	    log_text("server", conn->server->name),
	    log_number("port", conn->route.port));
}
