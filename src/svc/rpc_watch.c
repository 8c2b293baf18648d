/*
 * rpc_watch.c - read the PDUs of a relayed RPC connection as they pass.
 *
 * Layer: svc.
 */
#include <stdlib.h>
#include <string.h>

#include "rpc_log.h"
#include "rpc_mapper.h"
#include "rpc_priv.h"
#include "rpc_user.h"
#include "wire/iface.h"

/* Where a look is: the PDU at <at>, with what came behind it. */
struct sight {
	struct rpc_conn *conn;
	enum relay_end from;
	uint8_t *at;
	size_t len;
	struct relay_look *out;
};

static bool is_limited(const struct rpc_conn *conn)
{
	return !conn->svc->conf->rpc.any_interface;
}

/* No RPC: nothing can be found again in this stream. */
static size_t pass_blindly(const struct sight *sight)
{
	struct rpc_conn *conn = sight->conn;

	if (sight->from == RELAY_CLIENT && is_limited(conn))
		sight->out->end = REASON_NOT_RPC;
	sight->out->is_last = true;
	return sight->len;
}

const struct rpc_watch *rpc_watch_of(const struct rpc_conn *conn)
{
	bool is_relayed =
		conn->state == RPC_YOUNG || conn->state == RPC_SETTLED;

	return is_relayed ? &conn->watch : NULL;
}

/* Which contexts the client may not use, a bit each. */
static uint64_t find_refused(const struct rpc_conn *conn,
			     const struct pdu_bind *bind)
{
	const struct conf_rpc *rpc = &conn->svc->conf->rpc;
	bool is_mapper = conn->route.kind == ROUTE_MAPPER;
	uint64_t refused = 0;
	unsigned i;

	for (i = 0; i < bind->ncontexts; i++) {
		const struct syntax *asked = &bind->context[i].abstract;
		bool is_epm = is_mapper && iface_of(asked) == &iface_epm;

		if (!is_epm && !conf_takes(rpc, asked))
			refused |= UINT64_C(1) << i;
	}
	return refused;
}

static void note_interfaces(struct rpc_conn *conn, const struct pdu_bind *bind)
{
	struct rpc_watch *watch = &conn->watch;

	if (bind->ncontexts && !watch->has_interface) {
		watch->interface = bind->context[0].abstract;
		watch->has_interface = true;
	}
	if (conn->route.kind == ROUTE_MAPPER)
		rpc_log_dcom(conn, bind);
}

/* The server itself is to refuse what the configuration does not allow. */
static void limit(const struct sight *sight, const struct pdu_bind *bind)
{
	uint64_t refused = find_refused(sight->conn, bind);
	unsigned first = refused ? (unsigned)__builtin_ctzll(refused) : 0;

	if (!refused)
		return;
	rpc_log_interface_refused(sight->conn, &bind->context[first].abstract);
	pdu_bind_spoil(sight->at, bind, refused);
}

/* Does another server, and not this one, know the group? */
static bool is_elsewhere(struct rpc_conn *conn, uint32_t id)
{
	struct router *router = &conn->svc->shared->router;
	uint64_t issuers;

	return group_issuers(router->groups, &conn->route.name, id, 0,
			     loop_now_ms(conn->svc->loop), &issuers) &&
	       !(issuers & server_bit(conn->server));
}

/* In the byte order of the bind. */
static void answer_nak(const struct sight *sight, const struct pdu *pdu)
{
	struct svc_rpc *svc = sight->conn->svc;
	struct builder nak =
		builder_over(svc->room->answer, RPC_ROOM, pdu->little);

	pdu_bind_nak_write(&nak, pdu->call_id, PDU_NAK_NONE);
	sight->out->answer = bytes_of(nak.at, nak.len);
	sight->out->end = REASON_GROUP_GONE;
}

static void take_bind(const struct sight *sight, const struct pdu *pdu)
{
	struct rpc_conn *conn = sight->conn;
	struct pdu_bind bind;

	if (pdu_bind_read(pdu, &bind)) {
		if (is_limited(conn))
			sight->out->end = REASON_NOT_RPC;
		return;
	}
	note_interfaces(conn, &bind);
	if (conn->watch.mapper)
		rpc_mapper_offered(conn->watch.mapper, &bind);
	if (pdu->type == PDU_BIND && bind.assoc_group &&
	    is_elsewhere(conn, bind.assoc_group)) {
		answer_nak(sight, pdu);
		return;
	}
	limit(sight, &bind);
}

static void learn_group(struct rpc_conn *conn, uint32_t id)
{
	struct router *router = &conn->svc->shared->router;

	if (conn->watch.group || !id)
		return;
	conn->watch.group = group_learn(router->groups, &conn->route.name, id,
					conn->server->slot, conn->route.port);
}

static void take_bind_ack(const struct sight *sight, const struct pdu *pdu)
{
	struct rpc_conn *conn = sight->conn;
	struct pdu_bind_ack ack;

	if (pdu_bind_ack_read(pdu, &ack))
		return;
	if (pdu->type == PDU_BIND_ACK)
		learn_group(conn, ack.assoc_group);
	if (conn->watch.mapper)
		rpc_mapper_accepted(conn->watch.mapper, &ack);
}

static void take_fault(const struct sight *sight, const struct pdu *pdu)
{
	struct rpc_conn *conn = sight->conn;
	const struct rpc_watch *watch = &conn->watch;
	struct tally_row *row =
		tally_of(&conn->svc->shared->tally,
			 watch->has_interface ? &watch->interface : NULL);
	struct pdu_fault fault;

	atomic_fetch_add_explicit(&row->faults, 1, memory_order_relaxed);
	if (watch->mapper)
		rpc_mapper_closed(watch->mapper, pdu->call_id);
	if (!pdu_fault_read(pdu, &fault))
		rpc_log_fault(conn, fault.status);
}

/* Types that are wanted whole, by the side that they come from. */
static bool is_wanted(const struct rpc_conn *conn, enum relay_end from,
		      uint8_t type)
{
	bool is_mapper = conn->watch.mapper != NULL;

	if (from == RELAY_CLIENT)
		return type == PDU_BIND || type == PDU_ALTER ||
		       (type == PDU_AUTH3 && rpc_user_is_wanted(conn)) ||
		       (is_mapper &&
			(type == PDU_REQUEST || type == PDU_CANCEL ||
			 type == PDU_ORPHANED));
	return type == PDU_BIND_ACK || type == PDU_ALTER_ACK ||
	       type == PDU_FAULT || (type == PDU_RESPONSE && is_mapper);
}

/* A whole fragment that was wanted. How many octets may pass; 0: hold back. */
static size_t take(const struct sight *sight, const struct pdu *pdu)
{
	struct rpc_conn *conn = sight->conn;

	switch (pdu->type) {
	case PDU_BIND:
	case PDU_ALTER:
		rpc_user_note(conn, pdu);
		take_bind(sight, pdu);
		break;
	case PDU_AUTH3:
		rpc_user_note(conn, pdu);
		break;
	case PDU_REQUEST:
		return rpc_mapper_request(conn, pdu, sight->out);
	case PDU_CANCEL:
		rpc_mapper_cancelled(conn->watch.mapper, pdu->call_id);
		break;
	case PDU_ORPHANED:
		rpc_mapper_closed(conn->watch.mapper, pdu->call_id);
		break;
	case PDU_BIND_ACK:
	case PDU_ALTER_ACK:
		take_bind_ack(sight, pdu);
		break;
	case PDU_FAULT:
		take_fault(sight, pdu);
		break;
	case PDU_RESPONSE:
		return rpc_mapper_response(conn, pdu, sight->at, sight->len,
					   sight->out);
	}
	return pdu->whole.len;
}

/* One PDU, or the part of it that is there. How many octets may pass; 0: hold
 * back what there is. */
static size_t step(const struct sight *sight)
{
	uint32_t *left = &sight->conn->watch.left[sight->from];
	struct bytes in = bytes_of(sight->at, sight->len);
	struct pdu pdu;
	size_t n;
	int whole;

	if (*left) {
		n = *left < sight->len ? *left : sight->len;
		*left -= (uint32_t)n;
		return n;
	}
	whole = pdu_length(in);
	if (whole <= 0)
		return whole ? pass_blindly(sight) : 0;
	n = (size_t)whole;
	if (!is_wanted(sight->conn, sight->from, sight->at[2])) {
		if (n > sight->len) {
			*left = (uint32_t)(n - sight->len);
			n = sight->len;
		}
		return n;
	}
	if (n > sight->len)
		return 0;
	if (pdu_read(in, &pdu))
		return pass_blindly(sight);
	return take(sight, &pdu);
}

static void look(struct relay *relay, enum relay_end from, uint8_t *at,
		 size_t len, struct relay_look *out)
{
	struct rpc_conn *conn = list_entry(relay, struct rpc_conn, relay);
	size_t passed = 0, n;

	while (passed < out->len) {
		struct sight sight = { conn, from, at + passed,
				       out->len - passed, out };

		/* An answer may become shorter: then what follows it moves
		 * up, and out->len with it. */
		n = step(&sight);
		if (!n)
			break;
		passed += n;
		if (out->end || out->is_last)
			break;
	}
	out->pass = out->is_last ? out->len : passed;
	(void)len;
}

void rpc_watch_begin(struct rpc_conn *conn)
{
	const struct conf_rpc *rpc = &conn->svc->conf->rpc;
	struct relay_side *side = conn->relay.side;
	bool reads_mapper =
		conn->route.kind == ROUTE_MAPPER && rpc->epm != CONF_EPM_PASS;

	conn->watch = (struct rpc_watch){ 0 };
	if (reads_mapper)
		conn->watch.mapper = rpc_mapper_new(conn);
	conn->relay.look = look;
	side[RELAY_CLIENT].is_looked_at = true;
	side[RELAY_SERVER].is_looked_at = true;
	side[RELAY_CLIENT].is_bulk_blind = rpc->any_interface;
	side[RELAY_SERVER].is_bulk_blind = !reads_mapper;
}

void rpc_watch_end(struct rpc_conn *conn)
{
	struct rpc_watch *watch = &conn->watch;
	struct svc_rpc *svc = conn->svc;

	group_release(svc->shared->router.groups, watch->group,
		      loop_now_ms(svc->loop));
	if (watch->mapper)
		rpc_mapper_free(conn);
	free(watch->user);
	*watch = (struct rpc_watch){ 0 };
}
