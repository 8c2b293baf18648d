/*
 * reason.c - the words for why a connection was refused, moved or ended.
 *
 * Layer: core.
 */
#include "core/reason.h"

static const char *const names[REASON_COUNT] = {
	[REASON_NONE] = "none",
	[REASON_CLIENT_CLOSED] = "client-closed",
	[REASON_SERVER_CLOSED] = "server-closed",
	[REASON_CLIENT_RESET] = "client-reset",
	[REASON_SERVER_RESET] = "server-reset",
	[REASON_CLIENT_GONE] = "client-gone",
	[REASON_SERVER_GONE] = "server-gone",
	[REASON_IDLE_TIMEOUT] = "idle-timeout",
	[REASON_STOPPED] = "stopped",
	[REASON_SERVER_DISABLED] = "server-disabled",
	[REASON_SERVER_SET_ASIDE] = "server-set-aside",
	[REASON_SERVER_REMOVED] = "server-removed",
	[REASON_CONNECT_REFUSED] = "connect-refused",
	[REASON_CONNECT_TIMEOUT] = "connect-timeout",
	[REASON_CONNECT_UNREACHABLE] = "connect-unreachable",
	[REASON_NO_SERVER] = "no-server",
	[REASON_STALE_PORT] = "stale-port",
	[REASON_PORT_SERVER_DOWN] = "port-server-down",
	[REASON_GROUP_GONE] = "group-gone",
	[REASON_SOURCE_NOT_LOCAL] = "source-not-local",
	[REASON_SOURCE_EXHAUSTED] = "source-exhausted",
	[REASON_BINDING_MOVED] = "binding-moved",
	[REASON_STOPPING] = "stopping",
	[REASON_MAX_CONNECTIONS] = "max-connections",
	[REASON_TABLE_FULL] = "table-full",
	[REASON_NO_DESCRIPTORS] = "no-descriptors",
	[REASON_NO_MEMORY] = "no-memory",
	[REASON_NOT_ADMITTED] = "not-admitted",
	[REASON_NO_LEASE] = "no-lease",
	[REASON_LEASE_EXPIRED] = "lease-expired",
	[REASON_NO_BIND] = "no-bind",
	[REASON_NOT_RPC] = "not-rpc",
};

const char *reason_name(enum reason reason)
{
	return names[reason];
}
