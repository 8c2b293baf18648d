/*
 * rpc_mapper.h - a relayed conversation with an endpoint mapper: answers are
 * read, recorded as leases, and given the virtual ports.
 *
 * Layer: svc (private).
 * Source: C706 appendices I and O; [MS-RPCE] 2.2.1.2.
 *
 * An answer that names a port which is not open yet is held back until it is,
 * or until it is known that it will not be, for a second at most; the end of the
 * server's stream behind it waits as long. What is signed is read and passes as it is; of what
 * is sealed the client gets leases for all that its server announces.
 */
#ifndef SRC_SVC_RPC_MAPPER_H
#define SRC_SVC_RPC_MAPPER_H

#include <stddef.h>
#include <stdint.h>

#include "core/announced.h"
#include "net/relay.h"
#include "wire/pdu.h"

struct rpc_conn;
struct rpc_mapper;
struct svc_rpc;

/* NULL: no memory; the conversation passes unread then. */
struct rpc_mapper *rpc_mapper_new(struct rpc_conn *conn);
void rpc_mapper_free(struct rpc_conn *conn);

/* A bind or alter_context offers these, and the answer to it. */
void rpc_mapper_offered(struct rpc_mapper *mapper, const struct pdu_bind *bind);
void rpc_mapper_accepted(struct rpc_mapper *mapper,
			 const struct pdu_bind_ack *ack);
/*
 * The request fragment <pdu> comes. Returns how many octets may pass; 0: it is
 * to be held back until one of the questions before it has been answered,
 * for there are as many as can be told apart.
 */
size_t rpc_mapper_request(struct rpc_conn *conn, const struct pdu *pdu,
			  struct relay_look *out);
/* The client gave the call up, and may be answered all the same. */
void rpc_mapper_cancelled(struct rpc_mapper *mapper, uint32_t call_id);
/* The call has no answer that could be read: it was orphaned, or there was a
 * fault. */
void rpc_mapper_closed(struct rpc_mapper *mapper, uint32_t call_id);
/*
 * The response fragment <pdu> stands at <at>, with <len> octets of the stream from
 * there on. Returns how many of them have been dealt with and may pass; 0: the
 * answer is to be held back. An answer that becomes shorter takes octets out
 * of the stream, and off out->len.
 */
size_t rpc_mapper_response(struct rpc_conn *conn, const struct pdu *pdu,
			   uint8_t *at, size_t len, struct relay_look *out);

/* The client asks for the interface: of a shared address's run that is noted.
 * Not for a conversation whose server the run did not choose. */
void rpc_mapper_asked(struct rpc_conn *conn, const struct syntax *interface);
/* For the address floor of a tower: the address that the client dialled; the
 * wildcard where that is an IPv6 one, for which there is no floor. */
struct addr rpc_mapper_floor(struct rpc_conn *conn);
/* From now on the client may come to <port> for what its server was seen to
 * announce. False: it may not, which was logged. */
bool rpc_mapper_lease(struct rpc_conn *conn, uint16_t port,
		      const struct announcement *seen);

/* Ports were opened: answers that waited for them are looked at again. */
void rpc_mapper_ports_opened(struct svc_rpc *svc);
/* Those that have waited long enough, too. */
void rpc_mapper_wait_fired(struct loop_timer *timer);

#endif
