/*
 * rpc_answer.c - be the endpoint mapper for a client (epm = answer).
 *
 * Layer: svc.
 * Source: C706 appendix O; [MS-RPCE] 3.1.1.5.
 *
 * What was read is answered at once; only a PDU whose end has not come, or
 * whose turn has not, is kept: an idle connection owns no buffer. It does not
 * stay in the socket, where it would hold up what comes behind it: the kernel
 * counts it for as much as the segment that it came in. What is said comes from
 * rpc_answer_epm.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "rpc_answer_epm.h"
#include "rpc_log.h"
#include "rpc_priv.h"

#define TURN 16 /* PDUs before others have their turn */

/* What was read and not answered yet, in the worker's scratch buffer. */
struct unanswered {
	uint8_t *at;
	size_t len;
};

static void drop_kept(struct rpc_conn *conn)
{
	conn->svc->relays.held_back -= conn->answered.len;
	free(conn->answered.kept);
	conn->answered.kept = NULL;
	conn->answered.len = 0;
}

static struct unanswered take_kept(struct rpc_conn *conn)
{
	struct unanswered in = { conn->svc->relays.scratch,
				 conn->answered.len };

	if (in.len)
		memcpy(in.at, conn->answered.kept, in.len);
	drop_kept(conn);
	return in;
}

static enum reason keep(struct rpc_conn *conn, const struct unanswered *in)
{
	struct relay_pool *relays = &conn->svc->relays;

	if (!in->len)
		return REASON_NONE;
	if (in->len > RELAY_HELD_ALL_MAX - relays->held_back)
		return REASON_NO_MEMORY;
	conn->answered.kept = malloc(in->len);
	if (!conn->answered.kept)
		return REASON_NO_MEMORY;
	memcpy(conn->answered.kept, in->at, in->len);
	conn->answered.len = in->len;
	relays->held_back += in->len;
	return REASON_NONE;
}

static void end(struct rpc_conn *conn, enum reason reason)
{
	struct svc_rpc *svc = conn->svc;

	drop_kept(conn);
	tick_entry_cancel(&conn->relay.idle);
	loop_forget(svc->loop, &conn->relay.side[RELAY_CLIENT].io);
	group_release(svc->shared->router.groups, conn->answered.group,
		      loop_now_ms(svc->loop));
	rpc_end(conn, reason);
}

/* A client that does not take a few octets is not waiting for them. */
static bool say(struct rpc_conn *conn, const struct builder *answer)
{
	ssize_t n = send(conn->client_fd, answer->at, answer->len,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	conn->relay.side[RELAY_SERVER].octets += n > 0 ? (uint64_t)n : 0;
	return !answer->err && n == (ssize_t)answer->len;
}

/* Read more behind what there is. <*is_dry>: there is none now. */
static enum reason read_more(struct rpc_conn *conn, struct unanswered *in,
			     bool *is_dry)
{
	uint8_t *scratch = conn->svc->relays.scratch;
	ssize_t n;

	memmove(scratch, in->at, in->len);
	in->at = scratch;
	n = recv(conn->client_fd, scratch + in->len, PDU_MAX, MSG_DONTWAIT);
	*is_dry = n < 0 && (errno == EAGAIN || errno == EINTR);
	if (*is_dry)
		return REASON_NONE;
	if (n <= 0)
		return n ? REASON_CLIENT_RESET : REASON_CLIENT_CLOSED;
	in->len += (size_t)n;
	conn->relay.side[RELAY_CLIENT].octets += (uint64_t)n;
	return REASON_NONE;
}

static enum reason answer_one(struct rpc_conn *conn, struct bytes whole)
{
	struct builder out =
		builder_over(conn->svc->room->answer, RPC_ROOM, true);
	enum reason reason;
	struct pdu pdu;

	if (pdu_read(whole, &pdu))
		return REASON_NOT_RPC;
	out.little = pdu.little;
	reason = rpc_answer_pdu(conn, &pdu, &out);
	if (out.len && !say(conn, &out))
		return REASON_CLIENT_RESET;
	return reason;
}

/* Answer the next PDU, or read more where none is whole. */
static enum reason step(struct rpc_conn *conn, struct unanswered *in,
			bool *is_dry)
{
	int whole = pdu_length(bytes_of(in->at, in->len));
	enum reason reason;

	if (whole < 0)
		return REASON_NOT_RPC;
	if (!whole || (size_t)whole > in->len)
		return read_more(conn, in, is_dry);
	reason = answer_one(conn, bytes_of(in->at, (size_t)whole));
	in->at += whole;
	in->len -= (size_t)whole;
	return reason;
}

static void answer_ready(struct loop_io *io, unsigned events)
{
	struct rpc_conn *conn =
		list_entry(io, struct rpc_conn, relay.side[RELAY_CLIENT].io);
	struct svc_rpc *svc = conn->svc;
	struct unanswered in = take_kept(conn);
	enum reason reason = REASON_NONE;
	bool is_dry = false;
	unsigned turns = 0;

	(void)events; /* an end is what is read last */
	tick_queue_renew(&svc->answered, &conn->relay.idle,
			 loop_now_ms(svc->loop));
	while (!reason && !is_dry && turns++ < TURN)
		reason = step(conn, &in, &is_dry);
	if (!reason)
		reason = keep(conn, &in);
	if (reason)
		end(conn, reason);
	else if (!is_dry)
		loop_again(svc->loop, io);
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
