/*
 * rpc_watch.h - read the PDUs of a relayed RPC connection as they pass.
 *
 * Layer: svc (private).
 * Source: C706 12.6; [MS-RPCE] 2.2.2.
 *
 * Both directions are framed by the lengths of the PDUs' headers. What is
 * wanted whole (binds and their answers, on 135 also answers of the endpoint
 * mapper) is held back until it is; everything else passes as it comes.
 * A bind to interfaces that clients may not use is changed so that the server
 * itself refuses it; one that names an association group which another
 * server issued is answered with a bind_nak. What is no RPC is let through
 * unread, or ends the connection where interfaces are limited.
 */
#ifndef SRC_SVC_RPC_WATCH_H
#define SRC_SVC_RPC_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/group.h"
#include "net/relay.h"
#include "wire/pdu.h"
#include "wire/uuid.h"

struct rpc_conn;
struct rpc_mapper;

/* What was learned of one connection. */
struct rpc_watch {
	struct group *group;	   /* held; NULL: not known */
	struct rpc_mapper *mapper; /* of a connection to 135; owned */
	char *user;		   /* owned; NULL: not shown, or not asked */
	struct syntax interface;   /* the first that the client asked for */
	uint32_t left[2];	   /* of a fragment that passes unread */
	bool has_interface;
};

/* NULL: it is not relayed, nothing is learned. */
const struct rpc_watch *rpc_watch_of(const struct rpc_conn *conn);
/* Before relay_start(): look from now on. */
void rpc_watch_begin(struct rpc_conn *conn);
/* The connection is over. */
void rpc_watch_end(struct rpc_conn *conn);

#endif
