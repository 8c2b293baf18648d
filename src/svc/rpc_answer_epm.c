/*
 * rpc_answer_epm.c - what the endpoint mapper that we are says.
 *
 * Layer: svc.
 *
 * The endpoints are those of the client's server, from the balancer's own
 * table, on the ports that lead there. A list is given in one piece or goes
 * on by a handle that holds the place in the table: the table may change in
 * between, then an entry may be missed or come twice, as with any mapper.
 */
#include <string.h>

#include "rpc_answer_epm.h"
#include "rpc_log.h"
#include "rpc_mapper.h"
#include "rpc_priv.h"
#include "wire/iface.h"

#define FRAGMENT_MIN	1432 /* C706 12.6: MustRecvFragSize */
#define RESPONSE_HEADER 24
#define HANDLE_MARK	0x6d617062u /* "mapb": a handle of ours */

/* The bits that a client offers to negotiate at bind time are in the rest of
 * such a transfer syntax: 6cb71c2c-9812-4540-…, version 1.0. */
static bool is_feature_syntax(const struct syntax *syntax)
{
	return syntax->uuid.time_low == 0x6cb71c2c &&
	       syntax->uuid.time_mid == 0x9812 &&
	       syntax->uuid.time_hi == 0x4540;
}

static struct pdu_answer answer_context(const struct pdu_context *context)
{
	struct pdu_answer answer = { .result = PDU_PROVIDER_REJECT,
				     .reason = PDU_REASON_ABSTRACT };
	unsigned i;

	if (iface_of(&context->abstract) != &iface_epm)
		return answer;
	answer.reason = PDU_REASON_TRANSFER;
	for (i = 0; i < context->ntransfer; i++) {
		if (syntax_equal(&context->transfer[i], &syntax_ndr))
			return (struct pdu_answer){ .transfer = syntax_ndr };
		if (is_feature_syntax(&context->transfer[i]))
			return (struct pdu_answer){ .result =
							    PDU_NEGOTIATE_ACK };
	}
	return answer;
}

/* Was the group given to this client in its server's name? */
static bool is_known(struct rpc_conn *conn, uint32_t group)
{
	struct svc_rpc *svc = conn->svc;
	uint64_t issuers;

	return group_issuers(svc->shared->router.groups, &conn->route.name,
			     group, EPM_PORT, loop_now_ms(svc->loop),
			     &issuers) &&
	       (issuers & server_bit(conn->server));
}

/* 0 asks for a new group; ours are numbers that no server of the array gives
 * out by chance often. False: the client names one that it was not given. */
static bool join_group(struct rpc_conn *conn, uint32_t asked)
{
	struct svc_rpc_shared *shared = conn->svc->shared;
	struct rpc_answered *answered = &conn->answered;

	if (answered->group_id)
		return true;
	if (asked && !is_known(conn, asked))
		return false;
	answered->group_id =
		asked ? asked
		      : 0x10000u + atomic_fetch_add(&shared->next_group, 1);
	answered->group = group_learn(shared->router.groups, &conn->route.name,
				      answered->group_id, conn->server->slot,
				      conn->route.port);
	return true;
}

static bool is_accepted(const struct rpc_answered *answered, uint16_t context)
{
	unsigned i;

	for (i = 0; i < answered->ncontexts; i++)
		if (answered->context[i] == context)
			return true;
	return false;
}

/* The answer to one context; more than we remember are too many. */
static struct pdu_answer accept_context(struct rpc_answered *answered,
					const struct pdu_context *context)
{
	struct pdu_answer answer = answer_context(context);

	if (answer.result != PDU_ACCEPT || is_accepted(answered, context->id))
		return answer;
	if (answered->ncontexts == RPC_ANSWERED_CONTEXTS)
		return (struct pdu_answer){ .result = PDU_PROVIDER_REJECT,
					    .reason = PDU_REASON_LIMIT };
	answered->context[answered->ncontexts++] = context->id;
	return answer;
}

static uint16_t clamp(uint16_t size)
{
	if (size < FRAGMENT_MIN)
		return FRAGMENT_MIN;
	return size < PDU_FRAG_MAX ? size : PDU_FRAG_MAX;
}

static enum reason answer_bind(struct rpc_conn *conn, const struct pdu *pdu,
			       struct builder *out)
{
	struct pdu_bind_ack ack = { .address = bytes_of("135", 3) };
	bool is_bind = pdu->type == PDU_BIND;
	struct pdu_bind bind;
	unsigned i;

	if (pdu_bind_read(pdu, &bind))
		return REASON_NOT_RPC;
	if (!join_group(conn, bind.assoc_group)) {
		pdu_bind_nak_write(out, pdu->call_id, PDU_NAK_NONE);
		return REASON_GROUP_GONE;
	}
	rpc_log_dcom(conn, &bind);
	if (!is_bind)
		ack.address.len = 0;
	ack.assoc_group = conn->answered.group_id;
	ack.max_xmit = conn->answered.fragment = clamp(bind.max_recv);
	ack.max_recv = clamp(bind.max_xmit);
	ack.nresults = bind.ncontexts;
	for (i = 0; i < bind.ncontexts; i++)
		ack.result[i] =
			accept_context(&conn->answered, &bind.context[i]);
	pdu_bind_ack_write(out, is_bind ? PDU_BIND_ACK : PDU_ALTER_ACK,
			   PDU_FIRST | PDU_LAST, pdu->call_id, &ack);
	return REASON_NONE;
}

/* The port on the VIP that leads to what the server announces; 0: none. */
static uint16_t port_for(struct rpc_conn *conn, const struct announcement *one)
{
	struct router *router = &conn->svc->shared->router;
	uint16_t port = one->port;

	if (router->has_virtual_ports)
		port = portmap_find(router->portmap, conn->server->slot,
				    &one->interface, port);
	return port && svc_rpc_is_open(conn->svc->shared, port) ? port : 0;
}

static void put_tower(struct rpc_conn *conn, struct builder *tower,
		      const struct announcement *one, uint16_t port)
{
	struct addr vip = rpc_mapper_floor(conn);

	tower_write(tower, TOWER_TCP, &one->interface, port, &vip);
}

/* May the client know of it, and come there? */
static uint16_t offer(struct rpc_conn *conn, const struct announcement *one)
{
	uint16_t port;

	if (!conf_takes(&conn->svc->conf->rpc, &one->interface))
		return 0;
	if (one->port == EPM_PORT) /* open to all */
		return EPM_PORT;
	port = port_for(conn, one);
	return port && rpc_mapper_lease(conn, port, one) ? port : 0;
}

/* What the server announces, and the mapper that we are. */
static unsigned list_announced(struct rpc_conn *conn)
{
	struct svc_rpc *svc = conn->svc;
	struct announcement *list = svc->room->announced;
	unsigned n = announced_copy(svc->shared->router.announced,
				    conn->server->slot, list, ANNOUNCED_MAX);

	list[n] = (struct announcement){ .interface = iface_epm.syntax,
					 .port = EPM_PORT };
	return n + 1;
}

static bool is_asked(const struct announcement *one, const struct tower *asked)
{
	return one->interface.major == asked->interface.major &&
	       uuid_equal(&one->interface.uuid, &asked->interface.uuid);
}

static enum reason answer_map(struct rpc_conn *conn, struct bytes stub,
			      struct ndr form, struct builder *out)
{
	struct svc_rpc *svc = conn->svc;
	struct epm_map_reply reply = { .status = EPM_NOT_REGISTERED };
	struct builder tower =
		builder_over(svc->room->tower, sizeof(svc->room->tower), true);
	unsigned i, n = list_announced(conn);
	struct epm_map_request map;
	struct tower asked;
	uint16_t port = 0;

	if (epm_map_request_read(stub, form, &map))
		return REASON_NOT_RPC;
	if (!map.tower.len || tower_read(map.tower, &asked) ||
	    asked.protocol != TOWER_TCP)
		n = 0;
	else
		rpc_mapper_asked(conn, &asked.interface);
	for (i = 0; i < n && !port; i++) {
		if (!is_asked(&svc->room->announced[i], &asked))
			continue;
		port = offer(conn, &svc->room->announced[i]);
		if (port)
			put_tower(conn, &tower, &svc->room->announced[i], port);
	}
	if (port && map.max_towers) {
		reply.status = 0;
		reply.ntowers = 1;
		reply.tower[0] = bytes_of(tower.at, tower.len);
	}
	epm_map_reply_write(out, &reply, map.max_towers);
	return REASON_NONE;
}

/* A handle of ours: the mark, and the place to go on from. */
static struct epm_handle make_handle(uint32_t place)
{
	struct epm_handle handle = { { 0 } };
	struct builder out =
		builder_over(handle.octet, sizeof(handle.octet), true);

	builder_u32(&out, 0);
	builder_u32(&out, HANDLE_MARK);
	builder_u32(&out, place);
	return handle;
}

/* The place; -1: no handle of ours. */
static int64_t read_handle(const struct epm_handle *handle)
{
	struct cursor cur = cursor_over(
		bytes_of(handle->octet, sizeof(handle->octet)), true);
	uint32_t mark;

	if (epm_handle_is_nil(handle))
		return 0;
	cursor_u32(&cur);
	mark = cursor_u32(&cur);
	return mark == HANDLE_MARK ? (int64_t)cursor_u32(&cur) : -1;
}

static bool is_wanted(const struct announcement *one,
		      const struct epm_lookup_request *lookup)
{
	bool by_interface = lookup->inquiry == EPM_INQUIRE_IF ||
			    lookup->inquiry == EPM_INQUIRE_BOTH;

	return !by_interface || !lookup->has_interface ||
	       uuid_equal(&one->interface.uuid, &lookup->interface.uuid);
}

/* At most 100 entries a piece: they fit a fragment's sixteen bits. */
#define LOOKUP_PIECE 100

static enum reason answer_lookup(struct rpc_conn *conn, struct bytes stub,
				 struct ndr form, struct builder *out)
{
	struct svc_rpc *svc = conn->svc;
	struct epm_lookup_reply reply = { 0 };
	struct epm_lookup_request lookup;
	struct builder towers = builder_over(svc->room->stub, RPC_ROOM, true);
	uint32_t most, n = list_announced(conn);
	int64_t i;

	if (epm_lookup_request_read(stub, form, &lookup))
		return REASON_NOT_RPC;
	i = read_handle(&lookup.handle);
	if (i < 0) {
		reply.status = EPM_INVALID_HANDLE;
		i = n;
	}
	most = lookup.max_entries < LOOKUP_PIECE ? lookup.max_entries
						 : LOOKUP_PIECE;
	for (; i < n && reply.nentries < most; i++) {
		const struct announcement *one = &svc->room->announced[i];
		size_t start = towers.len;
		uint16_t port = is_wanted(one, &lookup) ? offer(conn, one) : 0;

		if (!port)
			continue;
		put_tower(conn, &towers, one, port);
		svc->room->entry[reply.nentries++] = (struct epm_entry){
			.tower =
				bytes_of(towers.at + start, towers.len - start),
		};
	}
	if (i < n)
		reply.handle = make_handle((uint32_t)i);
	if (!reply.nentries && !reply.status)
		reply.status = EPM_NOT_REGISTERED;
	epm_lookup_reply_write(out, &reply, svc->room->entry,
			       lookup.max_entries);
	return REASON_NONE;
}

/* ept_lookup_handle_free: the nil handle and success. */
static enum reason answer_free(struct rpc_conn *conn, struct bytes stub,
			       struct ndr form, struct builder *out)
{
	(void)conn;
	(void)stub;
	(void)form;
	builder_zero(out, EPM_HANDLE_LEN);
	builder_u32(out, 0);
	return REASON_NONE;
}

static const struct {
	enum reason (*answer)(struct rpc_conn *conn, struct bytes stub,
			      struct ndr form, struct builder *out);
	uint32_t fault; /* where there is no answer */
} operation[] = {
	[EPM_INSERT] = { NULL, PDU_FAULT_ACCESS_DENIED },
	[EPM_DELETE] = { NULL, PDU_FAULT_ACCESS_DENIED },
	[EPM_LOOKUP] = { answer_lookup, 0 },
	[EPM_MAP] = { answer_map, 0 },
	[EPM_HANDLE_FREE] = { answer_free, 0 },
	[EPM_INQ_OBJECT] = { NULL, PDU_FAULT_ACCESS_DENIED },
	[EPM_MGMT_DELETE] = { NULL, PDU_FAULT_ACCESS_DENIED },
};

/* As many fragments as it takes, none longer than the client said that it
 * takes. */
static void write_fragments(struct builder *out, uint16_t fragment,
			    uint32_t call_id, uint16_t context,
			    struct bytes stub)
{
	size_t most = (fragment - RESPONSE_HEADER) & ~(size_t)7, done = 0, n;
	uint8_t flags = PDU_FIRST;

	do {
		n = stub.len - done;
		if (n > most)
			n = most;
		else
			flags |= PDU_LAST;
		pdu_response_write(out, flags, call_id, context,
				   bytes_of(stub.at + done, n));
		flags = 0;
		done += n;
	} while (done < stub.len);
}

/* Why a request cannot be answered at all: a fault's status; 0: it can. */
static uint32_t fault_for(const struct rpc_conn *conn,
			  const struct pdu_request *request)
{
	if (!is_accepted(&conn->answered, request->context))
		return PDU_FAULT_CONTEXT_ID;
	if (request->opnum >= sizeof(operation) / sizeof(operation[0]))
		return PDU_FAULT_OP_RANGE;
	return operation[request->opnum].fault;
}

static enum reason answer_request(struct rpc_conn *conn, const struct pdu *pdu,
				  struct builder *out)
{
	struct ndr form = { .little = pdu->little };
	struct builder stub =
		builder_over(conn->svc->room->anew, RPC_ROOM, out->little);
	struct pdu_request request;
	uint32_t fault;

	/* No question of a mapper's needs more than one fragment. */
	if (pdu_request_read(pdu, &request) || !(pdu->flags & PDU_FIRST) ||
	    !(pdu->flags & PDU_LAST))
		return REASON_NOT_RPC;
	fault = fault_for(conn, &request);
	if (!fault &&
	    (operation[request.opnum].answer(conn, request.stub, form, &stub) ||
	     stub.err))
		fault = PDU_FAULT_NDR;
	if (fault)
		pdu_fault_write(out, PDU_FIRST | PDU_LAST, pdu->call_id,
				request.context, fault);
	else
		write_fragments(out, conn->answered.fragment, pdu->call_id,
				request.context, bytes_of(stub.at, stub.len));
	return REASON_NONE;
}

enum reason rpc_answer_pdu(struct rpc_conn *conn, const struct pdu *pdu,
			   struct builder *out)
{
	switch (pdu->type) {
	case PDU_BIND:
	case PDU_ALTER:
		return answer_bind(conn, pdu, out);
	case PDU_REQUEST:
		return answer_request(conn, pdu, out);
	case PDU_CANCEL:
	case PDU_ORPHANED:
		return REASON_NONE;
	}
	return REASON_NOT_RPC;
}
