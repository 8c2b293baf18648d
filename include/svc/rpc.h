/*
 * rpc.h - one worker's RPC connections: accept, choose a server, dial,
 * relay.
 *
 * Layer: svc.
 *
 *	accepted --route--> connecting --dial--> young --5 s--> settled
 *	    |  |     ^        |  ^ |               |               |
 *	    |  v     |        |  +-+ next server   |               |
 *	    | asked -+-> answered                  |               |
 *	    |  |           |  |                    |               |
 *	    +--+-> ended <-+--+--------------------+---------------+
 *
 * Asked is a connection whose first PDU chooses its server, or says whether
 * the balancer itself can answer in the endpoint mapper's name.
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
#include "core/portset.h"
#include "core/reason.h"
#include "core/route.h"
#include "core/tally.h"
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
	/* Ports that clients are taken on, or would be if they had a lease;
	 * in the layout of portset.h. Written by svc_rpc_set_open(). */
	_Atomic uint64_t open_port[PORTSET_WORDS];
	/* What announced_changes() was when they were decided on; written
	 * after them. */
	_Atomic uint64_t followed;
	struct tally tally;
	_Atomic uint32_t next_group; /* association groups of our own */
	_Atomic uint32_t said;	     /* what is logged once: bits, svc's own */
	uint8_t user_seed[HASH_KEY_LEN]; /* for log-users = hash */
	/* These are called from any worker's thread.
	 * A server refused a port that it had announced: ask it again. */
	void (*ask_again)(void *ctx, unsigned slot);
	/* router.announced was added to: the ports are to follow. */
	void (*ports_changed)(void *ctx);
	/* From now on the kernel lets the client of that name (see
	 * affinity_name()) come to <port>. Negative: it does not, and why.
	 * Called where leases are wanted. */
	int (*admit_client)(void *ctx, const struct addr *name, uint16_t port);
	void *ctx;
};

/* The control thread: these are open now, by what was announced when
 * announced_changes() was <followed>. svc_rpc_ports_opened() of every worker is
 * to follow. */
void svc_rpc_set_open(struct svc_rpc_shared *shared,
		      const struct portset *ports, uint64_t followed);
bool svc_rpc_is_open(const struct svc_rpc_shared *shared, uint16_t port);

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

/* Answers of endpoint mappers that wait for ports may go on. */
void svc_rpc_ports_opened(struct svc_rpc *svc);
/* Work by a new configuration from now on; open connections stay. */
void svc_rpc_reconfigure(struct svc_rpc *svc, struct conf *conf);
/* From now on refuse clients that are not here already: route_is_known(). */
void svc_rpc_stop(struct svc_rpc *svc);
/* Reset every connection to a server of <slots>, with <reason>. */
void svc_rpc_reset(struct svc_rpc *svc, uint64_t slots, enum reason reason);
/* One line for each connection that is still open, at most <most>. */
void svc_rpc_log_open(struct svc_rpc *svc, unsigned most);
unsigned svc_rpc_open(const struct svc_rpc *svc);

#endif
