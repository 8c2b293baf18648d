/*
 * rpc_user.h - the user's name, where NTLM shows it and the log may.
 *
 * Layer: svc (private).
 * Source: [MS-NLMP] 2.2.1.3.
 */
#ifndef SRC_SVC_RPC_USER_H
#define SRC_SVC_RPC_USER_H

#include <stdbool.h>

#include "wire/pdu.h"

struct rpc_conn;

/* It may be logged and is not known yet. */
bool rpc_user_is_wanted(const struct rpc_conn *conn);
/* Note who authenticates in <pdu>, if anybody does. */
void rpc_user_note(struct rpc_conn *conn, const struct pdu *pdu);

#endif
