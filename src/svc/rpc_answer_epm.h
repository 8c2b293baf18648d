/*
 * rpc_answer_epm.h - what the endpoint mapper that we are says.
 *
 * Layer: svc (private).
 * Source: C706 appendices I and O; [MS-RPCE] 2.2.1.2, 3.3.1.5.3.
 */
#ifndef SRC_SVC_RPC_ANSWER_EPM_H
#define SRC_SVC_RPC_ANSWER_EPM_H

#include "base/bytes.h"
#include "core/reason.h"
#include "wire/pdu.h"

struct rpc_conn;

/* Write the answer to one whole PDU, which is borrowed, to <out>; nothing if
 * it has none. REASON_NONE, or why the connection is to end after that. */
enum reason rpc_answer_pdu(struct rpc_conn *conn, const struct pdu *pdu,
			   struct builder *out);

#endif
