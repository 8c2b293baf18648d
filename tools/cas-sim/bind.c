/*
 * bind.c - answer a bind or an alter-context.
 *
 * Layer: tools.
 * Source: C706 12.6.4; [MS-RPCE] 2.2.2.14 and 3.3.1.5.3 (features),
 * 3.3.1.5.7 (who may join an association group).
 */
#include <stdio.h>
#include <string.h>

#include "conn.h"

#define FRAG_LEAST 1432 /* that everybody must be able to receive */
#define NAK_LIMIT  2	/* local_limit_exceeded */
#define NAK_AUTH   8	/* authentication type not recognized */
#define IFACES_MAX 3

/* Octets of a "transfer syntax" that asks for features; bits follow them. */
static const struct uuid feature_prefix = { 0x6cb71c2c, 0x9812, 0x4540, { 0 } };
#define FEATURE_KEEP_ORPHAN 2

static const struct iface *const served[SERVICE_COUNT][IFACES_MAX] = {
	[SERVICE_EPM] = { &iface_epm, &iface_mgmt },
	[SERVICE_MAILBOX] = { &iface_emsmdb, &iface_async_emsmdb, &iface_mgmt },
	[SERVICE_ADDRESS_BOOK] = { &iface_nspi, &iface_rfr, &iface_mgmt },
};

/* The interface that <abstract> asks for: the same UUID and major version,
 * and a minor one that we have. */
static const struct iface *iface_served(const struct process *process,
					const struct syntax *abstract)
{
	bool is_gone = process->server->has_no_emsmdb &&
		       process->service == SERVICE_MAILBOX;
	int i;

	for (i = 0; i < IFACES_MAX; i++) {
		const struct iface *iface = served[process->service][i];

		if (!iface || (is_gone && iface != &iface_mgmt))
			continue;
		if (uuid_equal(&iface->syntax.uuid, &abstract->uuid) &&
		    iface->syntax.major == abstract->major &&
		    iface->syntax.minor >= abstract->minor)
			return iface;
	}
	return NULL;
}

static bool asks_features(const struct syntax *transfer)
{
	return transfer->uuid.time_low == feature_prefix.time_low &&
	       transfer->uuid.time_mid == feature_prefix.time_mid &&
	       transfer->uuid.time_hi == feature_prefix.time_hi;
}

static struct pdu_answer reject(enum pdu_reject reason)
{
	return (struct pdu_answer){ .result = PDU_PROVIDER_REJECT,
				    .reason = (uint16_t)reason };
}

static bool offers_ndr(const struct pdu_context *context)
{
	int i;

	for (i = 0; i < context->ntransfer; i++)
		if (syntax_equal(&context->transfer[i], &syntax_ndr))
			return true;
	return false;
}

static struct pdu_answer answer(struct conn *conn,
				const struct pdu_context *context)
{
	const struct iface *iface =
		iface_served(conn->process, &context->abstract);

	if (!iface)
		return reject(PDU_REASON_ABSTRACT);
	if (context->ntransfer && asks_features(&context->transfer[0]))
		return (struct pdu_answer){
			.result = PDU_NEGOTIATE_ACK,
			.reason = context->transfer[0].uuid.rest[0] &
				  FEATURE_KEEP_ORPHAN,
		};
	if (!offers_ndr(context))
		return reject(PDU_REASON_TRANSFER);
	if (conn->ncontexts == CONN_CONTEXTS_MAX)
		return reject(PDU_REASON_LIMIT);
	conn->context[conn->ncontexts].id = context->id;
	conn->context[conn->ncontexts].iface = iface;
	conn->ncontexts++;
	return (struct pdu_answer){ .result = PDU_ACCEPT,
				    .transfer = syntax_ndr };
}

/* Open a group or join one. 0, or the reason of a bind_nak plus 1. */
static int enter_group(struct conn *conn, uint32_t id)
{
	struct process *process = conn->process;
	struct counts *counts = &process->server->counts;
	struct assoc_group *group = assoc_find(&process->assoc, id);

	if (!id) {
		conn->group = assoc_open(&process->assoc, &conn->peer);
		return conn->group ? 0 : NAK_LIMIT + 1;
	}
	if (!group) {
		counts->joins_unknown++;
		return 1;
	}
	if (process->server->array->options->checks_source &&
	    !addr_equal(&group->opener, &conn->peer)) {
		counts->joins_foreign++;
		return 1;
	}
	assoc_join(group);
	conn->group = group;
	counts->joins++;
	return 0;
}

static void refuse(struct conn *conn, const struct pdu *pdu, int reason)
{
	uint8_t room[64];
	struct builder out = builder_over(room, sizeof(room), true);

	conn_server(conn)->counts.bind_naks++;
	pdu_bind_nak_write(&out, pdu->call_id, (uint16_t)reason);
	channel_send(&conn->channel, bytes_of(out.at, out.len));
	conn_close(conn);
}

static uint16_t agree_on_frag(const struct pdu_bind *bind)
{
	unsigned len = bind->max_recv < bind->max_xmit ? bind->max_recv
						       : bind->max_xmit;

	if (len > PDU_FRAG_MAX)
		len = PDU_FRAG_MAX;
	if (len < FRAG_LEAST)
		len = FRAG_LEAST;
	return (uint16_t)(len & ~7u);
}

static void accept_bind(struct conn *conn, const struct pdu *pdu,
			const struct pdu_bind *bind)
{
	bool is_alter = pdu->type == PDU_ALTER;
	uint8_t room[64 + 24 * PDU_CONTEXTS_MAX];
	struct builder out = builder_over(room, sizeof(room), true);
	struct pdu_bind_ack ack = { .assoc_group = conn->group->id };
	char port[8];
	int i;

	if (!is_alter)
		conn->channel.frag_len = agree_on_frag(bind);
	ack.max_xmit = conn->channel.frag_len;
	ack.max_recv = conn->channel.frag_len;
	snprintf(port, sizeof(port), "%u", conn->process->port);
	if (!is_alter)
		ack.address = bytes_of(port, strlen(port));
	ack.nresults = bind->ncontexts;
	for (i = 0; i < bind->ncontexts; i++)
		ack.result[i] = answer(conn, &bind->context[i]);
	pdu_bind_ack_write(&out, is_alter ? PDU_ALTER_ACK : PDU_BIND_ACK,
			   PDU_FIRST | PDU_LAST, pdu->call_id, &ack);
	channel_send(&conn->channel, bytes_of(out.at, out.len));
}

void conn_bind(struct conn *conn, const struct pdu *pdu)
{
	struct counts *counts = &conn_server(conn)->counts;
	bool is_alter = pdu->type == PDU_ALTER;
	struct pdu_bind bind;
	int nak;

	/* the first is a bind, and the only one */
	if (pdu_bind_read(pdu, &bind) || is_alter != (conn->group != NULL)) {
		conn_close(conn);
		return;
	}
	if (pdu->auth.len) {
		refuse(conn, pdu, NAK_AUTH);
		return;
	}
	nak = is_alter ? 0 : enter_group(conn, bind.assoc_group);
	if (nak) {
		refuse(conn, pdu, nak - 1);
		return;
	}
	if (is_alter)
		counts->alters++;
	else
		counts->binds++;
	accept_bind(conn, pdu, &bind);
}
