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
#include "rpc_watch.h"
#include "svc/rpc.h"
#include "wire/epm.h"

/* Most connections are look-ups that end at once. Those that stay are
 * settled, and pay for what only they need: keep-alive probes. */
enum rpc_state {
	RPC_ACCEPTED,
	RPC_ASKED,    /* what it says first will choose its server */
	RPC_ANSWERED, /* by us, in its server's name */
	RPC_CONNECTING,
	RPC_WAITING, /* to look again whether the client may move */
	RPC_YOUNG,
	RPC_SETTLED,
	RPC_ENDED,
};

#define RPC_SETTLE_MS	  5000
#define RPC_LOOK_AGAIN_MS 30
#define RPC_FIRST_MS	  5000	 /* for a first PDU that is waited for */
#define RPC_ANSWERED_MS	  300000 /* without a question */

/* A worker's room to read and write PDUs in; used for the time of a call. */
#define RPC_ROOM (128 * 1024)
struct rpc_room {
	uint8_t stub[RPC_ROOM];	  /* of an answer that came */
	uint8_t anew[RPC_ROOM];	  /* a stub in its place */
	uint8_t answer[RPC_ROOM]; /* PDUs of ours */
	uint8_t tower[TOWER_TCP_LEN];
	struct epm_entry entry[EPM_ENTRIES_MAX];
	struct announcement announced[ANNOUNCED_MAX + 1];
};

struct rpc_listener {
	struct loop_io io;
	struct svc_rpc *svc;
	uint16_t port;		/* 0 = the connection knows */
	struct loop_timer rest; /* armed: the io is not watched */
	struct list node;
};

/* What a client that we answer has agreed on with us. */
#define RPC_ANSWERED_CONTEXTS 8
struct rpc_answered {
	struct group *group; /* held; NULL: it need not be known */
	uint32_t group_id;   /* 0: there was no bind yet */
	uint16_t fragment;   /* octets of a PDU that it takes */
	uint8_t ncontexts;
	uint16_t context[RPC_ANSWERED_CONTEXTS]; /* ids that were accepted */
	uint8_t *kept; /* read, and not answered yet; or NULL */
	size_t len;    /* of it */
};

/*
 * One client connection. The socket to the server is the relay's server side
 * from the dial on; the client's is ours until the relay starts.
 */
struct rpc_conn {
	struct list node; /* in the list of its state */
	struct svc_rpc *svc;
	struct relay relay;
	union {
		struct dial dial;	      /* until the server is reached */
		struct rpc_watch watch;	      /* from then on */
		struct rpc_answered answered; /* RPC_ANSWERED */
	};
	struct route route;
	struct server *server; /* dialled; the route holds it */
	struct endpoint client;
	int client_fd;
	enum rpc_state state;
	enum reason cause; /* of the failure, while it waits */
	bool has_waited;
	bool has_floor;	  /* <floor> was asked of the kernel */
	uint8_t floor[4]; /* see rpc_mapper_floor(); 0.0.0.0: there is none */
	uint64_t opened_ms;
};

_Static_assert(sizeof(struct rpc_conn) <= 512,
	       "an idle connection costs at most half a KiB");

/* Kinds of lines of which a flood tells nothing new. */
enum rpc_notice {
	RPC_NOTICE_FAULT,
	RPC_NOTICE_INTERFACE,
	RPC_NOTICE_LEASE,
	RPC_NOTICE_VIRTUAL_PORT,
	RPC_NOTICE_UNREAD,
	RPC_NOTICE_RUN,
	RPC_NOTICES
};

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
	/* Those that are asked or answered, by relay.idle, too. */
	struct tick_queue asked, answered;
	struct loop_timer first_late, answered_late;
	struct rpc_room *room;
	struct list waiting_mappers; /* for ports, or for answers */
	struct loop_timer mapper_wait;
	struct loop_timer settle; /* armed while connections are young */
	int spare_fd; /* given up to refuse when there is none left */
	bool is_stopping;
	struct log_limit refusals[REASON_COUNT];
	struct log_limit rests;
	struct log_limit notices[RPC_NOTICES];
};

/* rpc.c: a connection that was accepted; <fd> is taken. */
void rpc_take(struct svc_rpc *svc, int fd, const struct endpoint *client,
	      uint16_t port);
/* rpc.c: the only place where a connection changes its state. */
void rpc_set_state(struct rpc_conn *conn, enum rpc_state state);
/* rpc.c: nobody was chosen for it, nothing is held. */
void rpc_refuse(struct rpc_conn *conn, const char *server, enum reason reason);
/* rpc.c: the same for a client that was told why. */
void rpc_refuse_told(struct rpc_conn *conn, enum reason reason);
/* rpc.c: choose a server, by what it said first where that was read. As
 * route_begin(). */
enum reason rpc_choose(struct rpc_conn *conn, struct route_first first);
/* rpc.c: dial the server that was chosen. */
void rpc_serve(struct rpc_conn *conn);
/* rpc.c: the end of one that is not relayed: closed, or reset for a reason
 * that is no peer's end. Its route ends with it. */
void rpc_end(struct rpc_conn *conn, enum reason reason);
/* rpc_first.c: wait for the first PDU, by which a server is chosen or which is
 * answered here. */
void rpc_ask(struct rpc_conn *conn);
void rpc_first_late(struct loop_timer *timer);
/* rpc_answer.c: be the endpoint mapper, in the name of the server that was
 * chosen; the first PDU still is to be read from the socket. */
void rpc_answer(struct rpc_conn *conn);
/* Reset those that are answered in the name of servers of <slots>. */
void rpc_answer_reset(struct svc_rpc *svc, uint64_t slots, enum reason reason);
void rpc_answered_late(struct loop_timer *timer);
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
