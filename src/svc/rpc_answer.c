/*
 * rpc_answer.c - be the endpoint mapper for a client (epm = answer).
 *
 * Layer: svc.
 * Source: C706 appendix O; [MS-RPCE] 3.1.1.5.
 *
 * Whole PDUs are read from the socket, where they stay until they are whole:
 * an idle connection owns no buffer. What is said comes from rpc_answer_epm.c.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc_answer_epm.h"
#include "rpc_log.h"
#include "rpc_priv.h"

#define TURN 16 /* PDUs before others have their turn */

static void end(struct rpc_conn *conn, enum reason reason)
{
	struct svc_rpc *svc = conn->svc;

	tick_entry_cancel(&conn->relay.idle);
	loop_forget(svc->loop, &conn->relay.side[RELAY_CLIENT].io);
	group_release(svc->shared->router.groups, conn->answered.group,
		      loop_now_ms(svc->loop));
	rpc_end(conn, reason);
}

/* Take the <len> octets that were looked at out of the socket. */
static bool consume(struct rpc_conn *conn, size_t len)
{
	struct relay_side *side = &conn->relay.side[RELAY_CLIENT];
	ssize_t n =
		recv(side->io.fd, conn->svc->relays.scratch, len, MSG_DONTWAIT);

	side->octets += n > 0 ? (uint64_t)n : 0;
	return n == (ssize_t)len;
}

/* A client that does not take a few octets is not waiting for them. */
static bool say(struct rpc_conn *conn, const struct builder *answer)
{
	ssize_t n = send(conn->client_fd, answer->at, answer->len,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	conn->relay.side[RELAY_SERVER].octets += n > 0 ? (uint64_t)n : 0;
	return !answer->err && n == (ssize_t)answer->len;
}

/* One PDU. REASON_NONE: there may be more; <*is_dry>: none is whole now. */
static enum reason answer_one(struct rpc_conn *conn, bool *is_dry)
{
	struct svc_rpc *svc = conn->svc;
	uint8_t *room = svc->relays.scratch;
	struct builder out = builder_over(svc->room->answer, RPC_ROOM, true);
	ssize_t n =
		recv(conn->client_fd, room, PDU_MAX, MSG_PEEK | MSG_DONTWAIT);
	enum reason reason;
	struct pdu pdu;
	int whole;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		*is_dry = true;
		return REASON_NONE;
	}
	if (n <= 0)
		return n ? REASON_CLIENT_RESET : REASON_CLIENT_CLOSED;
	whole = pdu_length(bytes_of(room, (size_t)n));
	if (whole < 0)
		return REASON_NOT_RPC;
	*is_dry = !whole || whole > n;
	if (*is_dry)
		return REASON_NONE;
	if (pdu_read(bytes_of(room, (size_t)n), &pdu))
		return REASON_NOT_RPC;
	out.little = pdu.little;
	reason = rpc_answer_pdu(conn, &pdu, &out);
	if (out.len && !say(conn, &out))
		return REASON_CLIENT_RESET;
	/* What stays unread would make an end a reset. */
	if (!consume(conn, (size_t)whole) && !reason)
		reason = REASON_CLIENT_RESET;
	return reason;
}

static void answer_ready(struct loop_io *io, unsigned events)
{
	struct rpc_conn *conn =
		list_entry(io, struct rpc_conn, relay.side[RELAY_CLIENT].io);
	struct relay_side *side = &conn->relay.side[RELAY_CLIENT];
	struct svc_rpc *svc = conn->svc;
	enum reason reason = REASON_NONE;
	bool is_dry = false;
	unsigned turns = 0;

	/* The kernel says it once: this may not be the last turn. */
	side->is_ending |= (events & LOOP_END) != 0;
	tick_queue_renew(&svc->answered, &conn->relay.idle,
			 loop_now_ms(svc->loop));
	while (!reason && !is_dry) {
		if (turns++ == TURN) {
			loop_again(svc->loop, io);
			return;
		}
		reason = answer_one(conn, &is_dry);
	}
	if (!reason && side->is_ending)
		reason = REASON_CLIENT_CLOSED;
	if (reason)
		end(conn, reason);
}

void rpc_answer(struct rpc_conn *conn)
{
	struct svc_rpc *svc = conn->svc;
	struct loop_io *io = &conn->relay.side[RELAY_CLIENT].io;
	enum reason reason;

	conn->server = conn->route.res.server;
	conn->answered = (struct rpc_answered){ 0 };
	conn->opened_ms = loop_now_ms(svc->loop);
	*io = (struct loop_io){ .fd = conn->client_fd, .ready = answer_ready };
	reason = route_answered(&svc->shared->router, &conn->route);
	if (!reason && loop_watch_edge(svc->loop, io))
		reason = REASON_NO_MEMORY;
	if (reason) {
		rpc_refuse_routed(conn, reason);
		return;
	}
	tick_entry_init(&conn->relay.idle);
	tick_queue_renew(&svc->answered, &conn->relay.idle, conn->opened_ms);
	if (svc->answered.head.next == &conn->relay.idle.node)
		loop_timer_set(svc->loop, &svc->answered_late, RPC_ANSWERED_MS);
	rpc_set_state(conn, RPC_ANSWERED);
	rpc_log_open(conn);
	/* The kernel tells that octets are there already. */
}

void rpc_answer_reset(struct svc_rpc *svc, uint64_t slots, enum reason reason)
{
	struct list *node, *spare;

	list_each_safe (node, spare, &svc->state[RPC_ANSWERED]) {
		struct rpc_conn *conn = list_entry(node, struct rpc_conn, node);

		if (server_bit(conn->server) & slots)
			end(conn, reason);
	}
}

void rpc_answered_late(struct loop_timer *timer)
{
	struct svc_rpc *svc = list_entry(timer, struct svc_rpc, answered_late);
	uint64_t now = loop_now_ms(svc->loop), next;
	struct tick_entry *entry;

	while ((entry = tick_queue_take(&svc->answered, now)))
		end(list_entry(entry, struct rpc_conn, relay.idle),
		    REASON_IDLE_TIMEOUT);
	next = tick_queue_next(&svc->answered);
	if (next != TICK_NEVER)
		loop_timer_set(svc->loop, timer, next > now ? next - now : 0);
}
