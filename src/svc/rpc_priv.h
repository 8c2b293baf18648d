/*
 * rpc_priv.h - what the files of the RPC service share.
 *
 * Layer: svc (private).
 */
#ifndef SRC_SVC_RPC_PRIV_H
#define SRC_SVC_RPC_PRIV_H

#include "base/list.h"
#include "core/route.h"
#include "net/dial.h"
#include "net/relay.h"
#include "svc/rpc.h"
#include "wire/epm.h"

enum rpc_state { RPC_ACCEPTED, RPC_CONNECTING, RPC_RELAYING, RPC_ENDED };

struct rpc_listener {
	struct loop_io io;
	struct svc_rpc *svc;
	uint16_t port;		/* 0 = the connection knows */
	struct loop_timer rest; /* armed: the io is not watched */
	struct list node;
};

/*
 * One client connection. The socket to the server is the relay's server side
 * from the dial on; the client's is ours until the relay starts.
 */
struct rpc_conn {
	struct list node; /* in the list of its state */
	struct svc_rpc *svc;
	struct relay relay;
	struct dial dial;
	struct route route;
	struct server *server; /* dialled; the route holds it */
	struct endpoint client;
	int client_fd;
	enum rpc_state state;
	uint64_t opened_ms;
};

_Static_assert(sizeof(struct rpc_conn) <= 512,
	       "an idle connection costs at most half a KiB");

struct svc_rpc {
	struct loop *loop;
	struct log *log;
	struct svc_rpc_shared *shared;
	struct conf *conf; /* held */
	struct pool *conns;
	struct dialer dialer;
	struct relay_pool relays;
	struct list listeners;
	struct list state[RPC_ENDED];
	unsigned count[RPC_ENDED + 1];
	int spare_fd; /* given up to refuse when there is none left */
	bool is_stopping;
	struct log_limit refusals[REASON_COUNT];
	struct log_limit rests;
};

#endif
