/*
 * reason.h - why a connection was refused, moved or ended: one word each.
 *
 * Layer: core.
 * The same word in log, metric and manual. tests/core/test_reason.c holds
 * that every reason has one.
 */
#ifndef CORE_REASON_H
#define CORE_REASON_H

enum reason {
	REASON_NONE,
	/* how a relayed connection ended */
	REASON_CLIENT_CLOSED,	/* client-closed: the client finished first */
	REASON_SERVER_CLOSED,	/* server-closed */
	REASON_CLIENT_RESET,	/* client-reset */
	REASON_SERVER_RESET,	/* server-reset */
	REASON_CLIENT_GONE,	/* client-gone: no answer to probes or data */
	REASON_SERVER_GONE,	/* server-gone: the same */
	REASON_IDLE_TIMEOUT,	/* idle-timeout */
	REASON_STOPPED,		/* stopped: the balancer ended */
	REASON_SERVER_DISABLED, /* server-disabled */
	/* why a client was moved before it was dialled for */
	REASON_SERVER_SET_ASIDE, /* server-set-aside: after a failure */
	REASON_SERVER_REMOVED,	 /* server-removed: from the configuration */
	/* why no server was reached */
	REASON_CONNECT_REFUSED,	    /* connect-refused */
	REASON_CONNECT_TIMEOUT,	    /* connect-timeout */
	REASON_CONNECT_UNREACHABLE, /* connect-unreachable */
	REASON_NO_SERVER,	    /* no-server: none may be chosen */
	REASON_STALE_PORT,	    /* stale-port: another server's port */
	REASON_PORT_SERVER_DOWN,    /* port-server-down */
	REASON_GROUP_GONE,	    /* group-gone: its issuer is not there */
	REASON_SOURCE_NOT_LOCAL,    /* source-not-local: on no interface here */
	REASON_SOURCE_EXHAUSTED,    /* source-exhausted */
	REASON_BINDING_MOVED,	    /* binding-moved: while this one dialled */
	/* why the balancer took no connection */
	REASON_STOPPING,	/* stopping */
	REASON_MAX_CONNECTIONS, /* max-connections */
	REASON_TABLE_FULL,	/* table-full: affinity entries */
	REASON_NO_DESCRIPTORS,	/* no-descriptors */
	REASON_NO_MEMORY,	/* no-memory */
	REASON_NOT_ADMITTED,	/* not-admitted */
	REASON_NO_LEASE,	/* no-lease: was not told of the port */
	REASON_LEASE_EXPIRED,	/* lease-expired: long ago */
	REASON_NO_BIND,		/* no-bind: said nothing to choose by */
	REASON_NOT_RPC,		/* not-rpc: something else was sent */
	REASON_COUNT
};

const char *reason_name(enum reason reason);

#endif
