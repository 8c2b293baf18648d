/*
 * rpc_log.h - the lines that the RPC service writes.
 *
 * Layer: svc (private).
 */
#ifndef SRC_SVC_RPC_LOG_H
#define SRC_SVC_RPC_LOG_H

#include "core/announced.h"
#include "rpc_priv.h"

void rpc_log_init(struct svc_rpc *svc);
/* It is relayed, or answered in its server's name. */
void rpc_log_open(const struct rpc_conn *conn);
void rpc_log_close(const struct rpc_conn *conn, enum reason reason,
		   uint64_t now_ms);
/* <client> NULL: nobody knows who it was; <server>: that did not take it, or
 * NULL. */
void rpc_log_refuse(struct svc_rpc *svc, const struct endpoint *client,
		    uint16_t port, const char *server, enum reason reason);
/* Clients wait, because a listener cannot accept for <ms>. */
void rpc_log_rest(struct svc_rpc *svc, uint64_t ms, enum reason reason);
/* A dial to the server named <failed> failed for <cause>; <outcome> as route_failed() said. */
void rpc_log_failure(const struct rpc_conn *conn, const char *failed,
		     enum reason cause, enum reason outcome);
/* The client was moved before anything was dialled: its server no longer
 * serves it. */
void rpc_log_moved(const struct rpc_conn *conn, const struct route_move *move);
/* The server that was reached was set aside. */
void rpc_log_aside_over(const struct rpc_conn *conn);
/* A server's fault passes. */
void rpc_log_fault(const struct rpc_conn *conn, uint32_t status);
/* The client may not use it; the server is made to refuse it. */
void rpc_log_interface_refused(const struct rpc_conn *conn,
			       const struct syntax *interface);
/* Once: a bind on 135 offers to activate by DCOM, which leads its client past
 * the balancer. Nothing for any other bind. */
void rpc_log_dcom(const struct rpc_conn *conn, const struct pdu_bind *bind);
/* Once each: an endpoint mapper's answers are signed, or sealed. */
void rpc_log_signed(const struct rpc_conn *conn);
void rpc_log_sealed(const struct rpc_conn *conn);
/* An endpoint mapper's answer could not be read. */
void rpc_log_answer_unread(const struct rpc_conn *conn, int err);
/* The client was not told of the port. */
void rpc_log_lease_refused(const struct rpc_conn *conn, uint16_t port, int err);
/* The server's port has none on the VIP. */
void rpc_log_no_virtual_port(const struct rpc_conn *conn,
			     const struct announcement *seen);
/* Several clients behind one address look up at a time, and have one server. */
void rpc_log_interleaved(const struct rpc_conn *conn,
			 const struct run_sight *sight);
/* Still open while the balancer stops. */
void rpc_log_left(const struct rpc_conn *conn, uint64_t now_ms);

#endif
