/*
 * route.h - which server and which of its ports a new connection gets.
 *
 * Layer: core (pure).
 * The rules, in order, for a connection to <port>:
 *	135, static and service ports: the client's server, or the method's
 *	choice; the same port there.
 *	a port of the dynamic range that nobody announces: not-admitted,
 *	whatever let the connection in; with admit = any as before.
 *	an announced port of a client with a binding: its server; the same
 *	port if that server announces it, else the server's port for the same
 *	interface, else stale-port.
 *	an announced port of a client without: one of the servers that announce
 *	it and may take a client; port-server-down if none may.
 * A client whose server no longer serves it moves first; the port then
 * stands for what the server that it left had there.
 */
#ifndef CORE_ROUTE_H
#define CORE_ROUTE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/affinity.h"
#include "core/announced.h"
#include "core/reason.h"
#include "core/sched.h"

enum route_kind {
	ROUTE_FIXED,   /* 135, a static port, a service's port */
	ROUTE_DYNAMIC, /* a port of the range */
};

struct router {
	struct array *array; /* all borrowed */
	struct sched *sched;
	struct affinity *affinity;
	struct announced *announced;
	/* The configuration says admit = any; a reload may change it while
	 * workers read it. */
	_Atomic bool admits_any;
};

struct route {
	struct reservation res;
	uint64_t tried;	 /* servers that failed for this connection */
	uint64_t owners; /* whose port <dialled> is; 0: it is the same on all */
	enum route_kind kind;
	uint16_t dialled; /* by the client */
	uint16_t port;	  /* of the server */
	const char *why;  /* "bound", "new", "moved": for the log */
	/* Of the last route_failed(), for the log: the server's port, and for
	 * how long the failure set the server aside (0: it did not). */
	uint16_t failed_port;
	uint64_t set_aside_ms;
	bool is_busy; /* not moved: it had live connections there */
	/* route_confirm() ended a set-aside, for the log. */
	bool is_aside_over;
	/* route_begin() moved the client: from whom (its name, for the slot
	 * may be another's by now) and why; REASON_NONE: it did not. */
	enum reason moved_for;
	char left[CONF_NAME_MAX];
};

/* Reserve and decide. REASON_NONE: route->res.server and route->port are to
 * be dialled and route_end() is owed; else why not, and nothing is held. */
enum reason route_begin(struct router *router, const struct addr *client,
			enum route_kind kind, uint16_t port, uint64_t now_ms,
			struct route *out);
/* The dial succeeded. REASON_NONE, or binding-moved: the client's other
 * connections went to another server meanwhile, so that this one must not be
 * used; reset the client. route_end() is still owed. */
enum reason route_confirm(struct router *router, struct route *route);
/*
 * The dial failed for <cause>. REASON_NONE: res.server and port were set
 * anew, dial again; else the reason to reset the client with. Blames the
 * server where the failure speaks against it: connect-timeout and
 * connect-unreachable do, connect-refused does on a fixed port, nothing
 * else does, and nothing at all does on a port of the range that nobody
 * announces. No server is dialled twice. route_end() is still owed.
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
