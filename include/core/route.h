/*
 * route.h - which server and which of its ports a new connection gets.
 *
 * Layer: core (pure).
 * A port of the range *means* a server and an interface there: by the
 * client's lease, else by the table of virtual ports, else, where ports keep
 * their numbers, all servers that announce it. The rules, in order, for a
 * connection to <port>:
 *	135, static and service ports: the client's server, or the method's
 *	choice; the same port there. A private client (shared address, or
 *	key = none) whose bind names an association group gets its issuer.
 *	Behind a shared address, where nothing else tells clients apart (a
 *	static port; on 135 a conversation whose answers cannot be given
 *	virtual ports), all get the address's server, the same each time.
 *	a port of the range that means nothing: not-admitted, whatever let the
 *	connection in; with admit = any the same port of the client's server.
 *	admit = leased and no lease: no-lease, or lease-expired.
 *	a private client: the server that the port means; port-server-down if
 *	that may not be chosen. Behind a shared address the client is there
 *	already, so that a drained server serves it, as the issuer of a group.
 *	Of several servers that have the number a group's issuer is meant.
 *	a client with a binding: its server. If that is the port's, the port's
 *	real one, else the port on which it gives the same interface, else
 *	stale-port.
 *	a client without: the port's server, which becomes the binding;
 *	port-server-down if it may not be chosen.
 * A client whose server no longer serves it moves first; the port then
 * stands for what the server that it left had there.
 */
#ifndef CORE_ROUTE_H
#define CORE_ROUTE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/affinity.h"
#include "core/announced.h"
#include "core/group.h"
#include "core/lease.h"
#include "core/portmap.h"
#include "core/reason.h"
#include "core/run.h"
#include "core/sched.h"

enum route_kind {
	ROUTE_MAPPER,  /* 135 */
	ROUTE_FIXED,   /* a static port, a service's port */
	ROUTE_DYNAMIC, /* a port of the range */
};

struct router {
	struct array *array; /* all borrowed */
	struct sched *sched;
	struct affinity *affinity;
	struct announced *announced;
	struct leases *leases;
	struct portmap *portmap;
	struct groups *groups;
	struct runs *runs; /* of shared addresses */
	/* From the configuration; a reload may change them while workers
	 * read them. */
	_Atomic bool admits_any;
	_Atomic bool has_virtual_ports;
	/* A client needs a lease (admit = leased), but not before
	 * <lenient_until_ms>: after a start that knew of none. */
	_Atomic bool wants_lease;
	_Atomic uint64_t lenient_until_ms;
};

/* What a port of the range means. */
struct route_port {
	uint64_t owners; /* the servers whose it is; 0: nobody's */
	bool is_one;	 /* of one server and interface, as <at> says */
	struct vport at;
};

struct route {
	struct reservation res;
	uint64_t tried;	 /* servers that failed for this connection */
	const char *why; /* "bound", "new", "moved", …: for the log */
	struct route_port meant;
	/* Of the last route_failed(), for the log: for how long the failure
	 * set the server aside (0: it did not), and the server's port. */
	uint64_t set_aside_ms;
	uint16_t failed_port;
	uint16_t dialled; /* by the client */
	uint16_t port;	  /* of the server */
	struct addr name; /* of the client, for leases and groups */
	bool has_lease;	  /* held until route_end() */
	/* By its group, or behind a shared address by its port: what else the
	 * client has is there, so no other server will do. */
	bool is_led;
	bool is_of_run;	    /* of a shared address: its server is the run's */
	bool is_of_address; /* … or the address's */
	bool is_busy;	    /* not moved: it had live connections there */
	/* route_confirm() ended a set-aside, for the log. */
	bool is_aside_over;
	enum route_kind kind;
};

/* What the client said first, where that was read before; all 0: it was not.
 * It decides only for private clients. */
struct route_first {
	uint32_t group; /* the association group that its bind names; 0: none */
	/* It signs or seals: what it is told keeps the servers' own ports. */
	bool is_protected;
};

/* route_begin() moved the client: from whom (its name, for the slot may be
 * another's by now) and why; REASON_NONE: it did not. */
struct route_move {
	enum reason why;
	char from[CONF_NAME_MAX];
};

/* Is the client here already, so that it may open more connections while the
 * balancer stops? It has a binding; or, where each of its connections stands
 * for itself, a lease of the port or a known <group> (0: it names none). */
bool route_is_known(struct router *router, const struct addr *client,
		    uint16_t port, uint32_t group, uint64_t now_ms);

/*
 * Reserve and decide. <move> is always written. REASON_NONE:
 * route->res.server and route->port are to be dialled and route_end() is owed; else why not, and nothing is held.
 * group-gone: the issuer of the group is not there; answer with a bind_nak.
 */
enum reason route_begin(struct router *router, const struct addr *client,
			enum route_kind kind, uint16_t port,
			struct route_first first, uint64_t now_ms,
			struct route *out, struct route_move *move);
/* The dial succeeded. REASON_NONE, or binding-moved: the client's other
 * connections went to another server meanwhile, so that this one must not be
 * used; reset the client. route_end() is still owed. */
enum reason route_confirm(struct router *router, struct route *route);
/* The client was answered in the server's name, which was not dialled: it is
 * bound. As route_confirm(), but the server gets no credit, and as nothing of
 * the client lives there it may still be moved. */
enum reason route_answered(struct router *router, struct route *route);
/*
 * The dial failed for <cause>. REASON_NONE: res.server and port were set
 * anew, dial again; else the reason to reset the client with. Blames the
 * server where the failure speaks against it: connect-timeout and
 * connect-unreachable do, connect-refused does on a fixed port, nothing
 * else does, and nothing at all does on a port of the range that nobody
 * announces. A port of the range that refused ends its leases. No server is
 * dialled twice. route_end() is still owed.
 */
enum reason route_failed(struct router *router, struct route *route,
			 enum reason cause, uint64_t now_ms);
/*
 * The client was not moved because it had live connections on the server
 * (route->is_busy). Connections of a server that died are often known to
 * have ended only a moment later: look again, once, then. As route_failed(),
 * but nobody is blamed again.
 */
enum reason route_look_again(struct router *router, struct route *route,
			     enum reason cause, uint64_t now_ms);
/* One side has ended, the connection goes on. */
void route_ending(struct router *router, struct route *route);
void route_end(struct router *router, struct route *route, uint64_t now_ms);

#endif
