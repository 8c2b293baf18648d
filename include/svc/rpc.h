/*
 * rpc.h - one worker's RPC connections: accept, choose a server, dial,
 * relay.
 *
 * Layer: svc.
 *
 *	accepted --route--> connecting --dial--> young --5 s--> settled
 *	    |                 |  ^ |               |               |
 *	    +---> ended <-----+  +-+ next server   +----> ended <--+
 *
 * Each state is a list; one function changes the state. A connection lives
 * on one thread; what threads share (array, bindings, announced ports)
 * locks for itself.
 */
#ifndef SVC_RPC_H
#define SVC_RPC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "core/conf.h"
#include "core/reason.h"
#include "core/route.h"
#include "net/loop.h"

struct svc_rpc;

/* What the workers of one balancer share. */
struct svc_rpc_shared {
	struct router router;
	_Atomic unsigned connections; /* of all workers */
	unsigned max_connections;
	/* Workers that gave up their spare descriptor to tell a client that
	 * there is none. */
	_Atomic unsigned spares_given;
	/* A server refused a port that it had announced: ask it again. Called
	 * from any worker's thread. */
	void (*ask_again)(void *ctx, unsigned slot);
	void *ctx;
};

struct svc_rpc_config {
	struct loop *loop;
	struct log *log;
	struct svc_rpc_shared *shared;
	struct conf *conf;   /* held for as long as it is used */
	unsigned most_pipes; /* of this worker */
};

/* ERR_MEMORY, -errno. */
MUST_CHECK int svc_rpc_new(const struct svc_rpc_config *config,
			   struct svc_rpc **out);
/* All connections are gone. */
void svc_rpc_free(struct svc_rpc *svc);

/* Accept from a listening socket; <port> 0: each connection says its own. */
MUST_CHECK int svc_rpc_attach(struct svc_rpc *svc, int fd, uint16_t port);
void svc_rpc_detach(struct svc_rpc *svc, int fd);

/* Work by a new configuration from now on; open connections stay. */
void svc_rpc_reconfigure(struct svc_rpc *svc, struct conf *conf);
/* From now on refuse clients without a binding. */
void svc_rpc_stop(struct svc_rpc *svc);
/* Reset every connection to a server of <slots>, with <reason>. */
void svc_rpc_reset(struct svc_rpc *svc, uint64_t slots, enum reason reason);
/* One line for each connection that is still open, at most <most>. */
void svc_rpc_log_open(struct svc_rpc *svc, unsigned most);
unsigned svc_rpc_open(const struct svc_rpc *svc);

#endif
