/*
 * rpc_first.c - wait for what a client says first.
 *
 * Layer: svc.
 *
 * Connections of shared addresses, or without affinity, may name an
 * association group in their bind, which only its issuer can serve, or sign and
 * seal, so that they will be told no virtual ports; and where the balancer
 * answers for the endpoint mapper, the bind says whether it can.
 * The octets stay in the socket until the connection is relayed or answered.
 */
#include <errno.h>
#include <sys/socket.h>

#include "rpc_log.h"
#include "rpc_priv.h"
#include "wire/iface.h"

static struct loop_io *client_io(struct rpc_conn *conn)
{
	return &conn->relay.side[RELAY_CLIENT].io;
}

static void stop_asking(struct rpc_conn *conn)
{
	tick_entry_cancel(&conn->relay.idle);
	loop_unwatch(conn->svc->loop, client_io(conn));
}

static bool answers(const struct rpc_conn *conn)
{
	return conn->svc->conf->rpc.epm == CONF_EPM_ANSWER &&
	       conn->route.kind == ROUTE_MAPPER;
}

static void refuse(struct rpc_conn *conn, enum reason reason)
{
	stop_asking(conn);
	rpc_refuse(conn, NULL, reason);
}

/* A server would say that it does not know the group. */
static void refuse_group(struct rpc_conn *conn, const struct pdu *pdu)
{
	struct svc_rpc *svc = conn->svc;
	struct builder nak =
		builder_over(svc->room->answer, RPC_ROOM, pdu->little);

	pdu_bind_nak_write(&nak, pdu->call_id, PDU_NAK_NONE);
	/* What stays unread, of the bind or behind it, would make the end a
	 * reset, which may overtake the answer. */
	(void)!recv(conn->client_fd, svc->room->stub, RPC_ROOM, MSG_DONTWAIT);
	(void)!send(conn->client_fd, nak.at, nak.len,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
	rpc_refuse_told(conn, REASON_GROUP_GONE);
}

/* What is authenticated only the server can answer. */
static void first_came(struct rpc_conn *conn, const struct pdu *pdu)
{
	bool is_bind = pdu->type == PDU_BIND;
	struct route_first first = {
		.is_protected =
			pdu->auth.len && pdu->auth_level > PDU_AUTH_CONNECT,
	};
	struct pdu_bind bind;
	enum reason reason;

	stop_asking(conn);
	if (is_bind && !pdu_bind_read(pdu, &bind))
		first.group = bind.assoc_group;
	reason = rpc_choose(conn, first);
	if (reason == REASON_GROUP_GONE)
		refuse_group(conn, pdu);
	else if (reason)
		rpc_refuse(conn, NULL, reason);
	else if (answers(conn) && is_bind && !pdu->auth.len)
		rpc_answer(conn);
	else
		rpc_serve(conn);
}

/* Something that is no RPC: the server will say so, unless it must not even
 * see it. */
static void no_rpc_came(struct rpc_conn *conn)
{
	enum reason reason = REASON_NOT_RPC;

	stop_asking(conn);
	if (conn->svc->conf->rpc.any_interface)
		reason = rpc_choose(conn, (struct route_first){ 0 });
	if (reason)
		rpc_refuse(conn, NULL, reason);
	else
		rpc_serve(conn);
}

static void first_ready(struct loop_io *io, unsigned events)
{
	struct rpc_conn *conn =
		list_entry(io, struct rpc_conn, relay.side[RELAY_CLIENT].io);
	uint8_t *room = conn->svc->relays.scratch;
	ssize_t n = recv(io->fd, room, PDU_MAX, MSG_PEEK | MSG_DONTWAIT);
	struct pdu pdu;
	int whole;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		refuse(conn, n ? REASON_CLIENT_RESET : REASON_CLIENT_CLOSED);
		return;
	}
	whole = pdu_length(bytes_of(room, (size_t)n));
	if (whole < 0)
		no_rpc_came(conn);
	else if (whole && whole <= n) {
		if (pdu_read(bytes_of(room, (size_t)n), &pdu))
			no_rpc_came(conn);
		else
			first_came(conn, &pdu);
	} else if (events & LOOP_END) {
		refuse(conn, REASON_CLIENT_CLOSED);
	}
}

void rpc_ask(struct rpc_conn *conn)
{
	struct svc_rpc *svc = conn->svc;
	struct loop_io *io = client_io(conn);

	*io = (struct loop_io){ .fd = conn->client_fd, .ready = first_ready };
	if (loop_watch_edge(svc->loop, io)) {
		rpc_refuse(conn, NULL, REASON_NO_MEMORY);
		return;
	}
	tick_entry_init(&conn->relay.idle);
	tick_queue_renew(&svc->asked, &conn->relay.idle,
			 loop_now_ms(svc->loop));
	if (svc->asked.head.next == &conn->relay.idle.node)
		loop_timer_set(svc->loop, &svc->first_late, RPC_FIRST_MS);
	rpc_set_state(conn, RPC_ASKED);
}

void rpc_first_late(struct loop_timer *timer)
{
	struct svc_rpc *svc = list_entry(timer, struct svc_rpc, first_late);
	uint64_t now = loop_now_ms(svc->loop), next;
	struct tick_entry *entry;

	while ((entry = tick_queue_take(&svc->asked, now)))
		refuse(list_entry(entry, struct rpc_conn, relay.idle),
		       REASON_NO_BIND);
	next = tick_queue_next(&svc->asked);
	if (next != TICK_NEVER)
		loop_timer_set(svc->loop, timer, next > now ? next - now : 0);
}
