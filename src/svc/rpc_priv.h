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

/* Most connections are look-ups that end at once. Those that stay are
 * settled, and pay for what only they need: keep-alive probes. */
enum rpc_state {
	RPC_ACCEPTED,
	RPC_CONNECTING,
	RPC_WAITING, /* to look again whether the client may move */
	RPC_YOUNG,
	RPC_SETTLED,
	RPC_ENDED,
};

#define RPC_SETTLE_MS	  5000
#define RPC_LOOK_AGAIN_MS 30

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
	enum reason cause; /* of the failure, while it waits */
	bool has_waited;
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
	struct tick_queue waiting; /* by relay.idle, which is free then */
	struct loop_timer look_again;
	struct loop_timer settle; /* armed while connections are young */
	int spare_fd; /* given up to refuse when there is none left */
	bool is_stopping;
	struct log_limit refusals[REASON_COUNT];
	struct log_limit rests;
};

/* rpc.c: a connection that was accepted; <fd> is taken. */
void rpc_take(struct svc_rpc *svc, int fd, const struct endpoint *client,
	      uint16_t port);
/* rpc.c: the only place where a connection changes its state. */
void rpc_set_state(struct rpc_conn *conn, enum rpc_state state);
/* rpc.c: the end of a connection whose route is held; nothing is dialled. */
void rpc_refuse_routed(struct rpc_conn *conn, enum reason reason);
/* rpc.c: the server was reached. */
void rpc_begin_relay(struct rpc_conn *conn);
/* rpc_dial.c: dial where the route leads (<reason>: that failed already),
 * and the next server where a failure is known at once. */
void rpc_dial(struct rpc_conn *conn, enum reason reason);
/* rpc_dial.c: those that wait have waited. */
void rpc_look_again_fired(struct loop_timer *timer);
/* rpc_accept.c: stop accepting anywhere. */
void rpc_drop_listeners(struct svc_rpc *svc);

#endif
