/*
 * conn.c - a client connection's life, and its calls.
 *
 * Layer: tools.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "sim/stub.h"
#include "wire/epm.h"

struct conn *conn_at(struct list *node)
{
	return list_entry(node, struct conn, node);
}

struct server *conn_server(const struct conn *conn)
{
	return conn->process->server;
}

static void conn_free(struct conn *conn)
{
	while (!list_is_empty(&conn->parked))
		emsmdb_unpark(
			list_entry(conn->parked.next, struct handle, parked));
	if (conn->group)
		assoc_leave(conn->group);
	list_remove(&conn->node);
	conn_server(conn)->counts.open--;
	free(conn);
}

void conn_close(struct conn *conn)
{
	channel_close(&conn->channel);
	conn_free(conn);
}

void conn_kill(struct conn *conn)
{
	channel_reset(&conn->channel);
	conn_free(conn);
}

void conn_stall(struct conn *conn, bool is_stalled)
{
	channel_stall(&conn->channel, is_stalled);
}

static struct conn *conn_of(struct channel *channel)
{
	return list_entry(channel, struct conn, channel);
}

static void on_pdu(struct channel *channel, const struct pdu *pdu)
{
	struct conn *conn = conn_of(channel);

	switch (pdu->type) {
	case PDU_BIND:
	case PDU_ALTER:
		conn_bind(conn, pdu);
		break;
	case PDU_CANCEL: /* a call ends when it ends */
	case PDU_ORPHANED:
		break;
	default: /* we offer no authentication; the rest is a server's */
		conn_close(conn);
	}
}

static void on_call(struct channel *channel, const struct channel_call *call)
{
	struct conn *conn = conn_of(channel);

	if (call->type == PDU_REQUEST)
		conn_call(conn, call);
	else
		conn_close(conn);
}

static void on_closed(struct channel *channel, int err)
{
	(void)err;
	conn_free(conn_of(channel));
}

static const struct channel_handler handler = {
	.pdu = on_pdu,
	.call = on_call,
	.closed = on_closed,
};

static int peer_of(int fd, struct addr *out)
{
	struct sockaddr_storage room;
	socklen_t len = sizeof(room);
	struct endpoint peer;
	int err;

	if (getpeername(fd, (struct sockaddr *)&room, &len))
		return ERR_NOT_FOUND;
	err = endpoint_from_sockaddr(&room, &peer);
	if (!err)
		*out = peer.addr;
	return err;
}

static void count_open(struct process *process)
{
	struct counts *counts = &process->server->counts;

	counts->connections[process->service]++;
	if (++counts->open > counts->most_open)
		counts->most_open = counts->open;
}

void conn_open(struct process *process, int fd)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn || peer_of(fd, &conn->peer)) {
		free(conn);
		close(fd);
		return;
	}
	conn->process = process;
	list_init(&conn->parked);
	if (channel_accept(&conn->channel, process->server->array->loop,
			   &handler, fd)) {
		free(conn);
		return;
	}
	conn->channel.is_stalled = process->server->is_hung;
	list_add(&process->conns, &conn->node);
	count_open(process);
}

/* boolean32 is_server_listening(error_status_t *): C706 appendix Q. */
static uint32_t mgmt_is_listening(struct conn *conn,
				  const struct channel_call *call,
				  struct builder *out)
{
	(void)conn;
	(void)call;
	builder_u32(out, 0);
	builder_u32(out, 1);
	return 0;
}

static const struct operation operations[] = {
	{ &iface_epm, EPM_MAP, epm_map },
	{ &iface_epm, EPM_LOOKUP, epm_lookup },
	{ &iface_epm, EPM_HANDLE_FREE, epm_handle_free },
	{ &iface_epm, EPM_INSERT, epm_refuse },
	{ &iface_epm, EPM_DELETE, epm_refuse },
	{ &iface_epm, EPM_MGMT_DELETE, epm_refuse },
	{ &iface_emsmdb, EMSMDB_RPC_EXT2, emsmdb_rpc },
	{ &iface_emsmdb, EMSMDB_CONNECT_EX, emsmdb_connect },
	{ &iface_emsmdb, EMSMDB_ASYNC_CONNECT_EX, emsmdb_async_connect },
	{ &iface_emsmdb, EMSMDB_DISCONNECT, emsmdb_disconnect },
	{ &iface_emsmdb, EMSMDB_DUMMY, emsmdb_dummy },
	{ &iface_async_emsmdb, ASYNC_WAIT_EX, emsmdb_async_wait },
	{ &iface_nspi, NSPI_BIND, nspi_bind },
	{ &iface_nspi, NSPI_UNBIND, nspi_unbind },
	{ &iface_nspi, NSPI_UPDATE_STAT, nspi_update_stat },
	{ &iface_rfr, RFR_NEW_DSA, rfr_new_dsa },
	{ &iface_rfr, RFR_FQDN_FROM_DN, rfr_fqdn },
	{ &iface_mgmt, MGMT_IS_LISTENING, mgmt_is_listening },
};

static const struct iface *iface_in(const struct conn *conn, uint16_t context)
{
	unsigned i;

	for (i = 0; i < conn->ncontexts; i++)
		if (conn->context[i].id == context)
			return conn->context[i].iface;
	return NULL;
}

static uint32_t run(struct conn *conn, const struct channel_call *call,
		    struct builder *out)
{
	const struct iface *iface = iface_in(conn, call->context);
	unsigned i;

	if (!iface)
		return PDU_FAULT_UNKNOWN_IF;
	for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (operations[i].iface == iface &&
		    operations[i].opnum == call->opnum)
			return operations[i].run(conn, call, out);
	return PDU_FAULT_OP_RANGE;
}

void conn_call(struct conn *conn, const struct channel_call *call)
{
	static uint8_t room[STUB_PAYLOAD_MAX + 65536];
	struct builder out = builder_over(room, sizeof(room), true);
	struct counts *counts = &conn_server(conn)->counts;
	uint32_t fault;

	counts->calls++;
	fault = run(conn, call, &out);
	if (fault == CALL_PARKED)
		return;
	if (!fault && out.err)
		fault = PDU_FAULT_NDR;
	if (fault) {
		count_fault(counts, fault);
		channel_fault(&conn->channel, call->call_id, call->context,
			      fault);
		return;
	}
	channel_response(&conn->channel, call->call_id, call->context,
			 bytes_of(out.at, out.len));
}
