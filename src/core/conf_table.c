/*
 * conf_table.c - the one table of sections and keys, as data.
 *
 * Layer: core (pure).
 * LATER marks what is read and checked but has no effect yet: a section, a
 * key or one of its words.
 */
#include "conf_value.h"
#include "core/conf_keys.h"

#define DAY_MS		UINT64_C(86400000)
#define YEAR_MS		(365 * DAY_MS)
#define LATER		.is_later = true
#define COUNT(sec, f)	.count = offsetof(struct conf_##sec, f)
#define FROM_TO(lo, hi) .least = (lo), .most = (hi)
#define WORDS(list)	.words = word_##list
#define LAST_WORD                                                              \
	{                                                                      \
		.name = NULL                                                   \
	}
#define KEY(key, value, type, sec, f, ...)                                     \
	{                                                                      \
		.name = (key), .fallback = (value), .read = conf_read_##type,  \
		.at = offsetof(struct conf_##sec, f), __VA_ARGS__              \
	}

static const struct conf_word word_none[] = {
	{ "none", 0, false },
	LAST_WORD,
};

static const struct conf_word word_auto[] = {
	{ "auto", 0, false },
	LAST_WORD,
};

static const struct conf_word word_off[] = {
	{ "off", 0, false },
	{ "none", 0, false },
	LAST_WORD,
};

static const struct conf_word word_never[] = {
	{ "none", CONF_NEVER, false },
	LAST_WORD,
};

static const struct conf_word word_any[] = {
	{ "any", 0, false },
	LAST_WORD,
};

static const struct conf_word word_all[] = {
	{ "all", 0, false },
	LAST_WORD,
};

static const struct conf_word word_source[] = {
	{ "client", 0, LATER },
	LAST_WORD,
};

static const struct conf_word word_log[] = {
	{ "stderr", CONF_LOG_STDERR, false },
	{ "syslog", CONF_LOG_SYSLOG, false },
	LAST_WORD,
};

static const struct conf_word word_level[] = {
	{ "error", LOG_LEVEL_ERROR, false },
	{ "warning", LOG_LEVEL_WARNING, false },
	{ "notice", LOG_LEVEL_NOTICE, false },
	{ "info", LOG_LEVEL_INFO, false },
	{ "debug", LOG_LEVEL_DEBUG, false },
	LAST_WORD,
};

static const struct conf_word word_users[] = {
	{ "no", CONF_USERS_NO, false },
	{ "hash", CONF_USERS_HASH, false },
	{ "yes", CONF_USERS_YES, false },
	LAST_WORD,
};

static const struct conf_setting balancer[] = {
	KEY("name", NULL, host, balancer, name),
	KEY("vip", NULL, addresses, balancer, vip, COUNT(balancer, nvips),
	    .most = CONF_VIPS_MAX),
	KEY("source", NULL, source, balancer, source, COUNT(balancer, nsources),
	    .most = CONF_SOURCES_MAX, WORDS(source)),
	KEY("threads", "auto", count, balancer, threads,
	    FROM_TO(1, CONF_THREADS_MAX), WORDS(auto)),
	KEY("max-connections", "auto", count, balancer, max_connections,
	    FROM_TO(1, 10000000), WORDS(auto)),
	KEY("connect-timeout", "5s", duration, balancer, connect_timeout_ms,
	    FROM_TO(100, 300000)),
	KEY("stop-timeout", "30s", duration, balancer, stop_timeout_ms,
	    FROM_TO(0, DAY_MS)),
	KEY("control", "/run/mapilb/control.sock", path, balancer, control,
	    WORDS(none), LATER),
	KEY("state-file", "/var/lib/mapilb/state", path, balancer, state_file,
	    WORDS(none)),
	KEY("user", NULL, user, balancer, user),
	KEY("log", "stderr", log, balancer, log, WORDS(log)),
	KEY("log-level", "info", enum, balancer, log_level, WORDS(level)),
	KEY("log-users", "no", enum, balancer, log_users, WORDS(users)),
};

static const struct conf_word word_key[] = {
	{ "address", CONF_KEY_ADDRESS, false },
	{ "network", CONF_KEY_NETWORK, false },
	{ "none", CONF_KEY_NONE, false },
	LAST_WORD,
};

static const struct conf_setting affinity[] = {
	KEY("key", "address", enum, affinity, key, WORDS(key)),
	KEY("network", "24, 64", network, affinity, network4),
	KEY("ipv6-prefix", "128", count, affinity, ipv6_prefix,
	    FROM_TO(1, 128)),
	KEY("alias", NULL, aliases, affinity, alias, COUNT(affinity, naliases),
	    .most = CONF_ALIASES_MAX),
	KEY("timeout", "2h", duration, affinity, timeout_ms,
	    FROM_TO(1000, YEAR_MS)),
	KEY("shared-addresses", NULL, prefixes, affinity, shared,
	    COUNT(affinity, nshared), .most = CONF_SHARED_MAX),
	KEY("entries", "1000000", count, affinity, entries,
	    FROM_TO(64, 100000000)),
};

static const struct conf_word word_ports[] = {
	{ "dynamic", CONF_PORTS_DYNAMIC, false },
	{ "static", CONF_PORTS_STATIC, false },
	{ "off", CONF_PORTS_OFF, false },
	LAST_WORD,
};

static const struct conf_word word_intercept[] = {
	{ "auto", CONF_INTERCEPT_AUTO, false },
	{ "sk_lookup", CONF_INTERCEPT_SK_LOOKUP, false },
	{ "tproxy", CONF_INTERCEPT_TPROXY, false },
	{ "sockets", CONF_INTERCEPT_SOCKETS, false },
	LAST_WORD,
};

static const struct conf_word word_epm[] = {
	{ "rewrite", CONF_EPM_REWRITE, false },
	{ "track", CONF_EPM_TRACK, false },
	{ "answer", CONF_EPM_ANSWER, false },
	{ "pass", CONF_EPM_PASS, false },
	LAST_WORD,
};

static const struct conf_word word_admit[] = {
	{ "leased", CONF_ADMIT_LEASED, false },
	{ "announced", CONF_ADMIT_ANNOUNCED, false },
	{ "any", CONF_ADMIT_ANY, false },
	LAST_WORD,
};

static const struct conf_setting rpc[] = {
	KEY("ports", "dynamic", enum, rpc, ports, WORDS(ports)),
	KEY("range", "1024-65535", range, rpc, range_first,
	    COUNT(rpc, range_last), .least = 1),
	KEY("virtual-ports", NULL, range, rpc, virtual_first,
	    COUNT(rpc, virtual_last), .least = 1),
	KEY("mailbox-port", NULL, port, rpc, mailbox_port, .least = 1024),
	KEY("address-book-port", NULL, port, rpc, address_book_port,
	    .least = 1024),
	KEY("exclude", NULL, portset, rpc, exclude, .least = 1),
	KEY("intercept", "auto", enum, rpc, intercept, WORDS(intercept)),
	KEY("epm", "rewrite", enum, rpc, epm, WORDS(epm)),
	KEY("admit", "announced", enum, rpc, admit, WORDS(admit)),
	KEY("lease-timeout", "24h", duration, rpc, lease_timeout_ms,
	    FROM_TO(1000, YEAR_MS)),
	KEY("interfaces", "emsmdb, async-emsmdb, nspi, rfr", interfaces, rpc,
	    interface, WORDS(any)),
	KEY("idle-timeout", "none", duration, rpc, idle_timeout_ms,
	    FROM_TO(1000, YEAR_MS), WORDS(never)),
	KEY("keepalive", "10m", duration, rpc, keepalive_ms,
	    FROM_TO(1000, DAY_MS), WORDS(off)),
	KEY("proxy-ports", NULL, ports, rpc, proxy_ports, LATER),
};

static const struct conf_word word_tls[] = {
	{ "offload", CONF_TLS_OFFLOAD, false },
	{ "bridge", CONF_TLS_BRIDGE, false },
	{ "passthrough", CONF_TLS_PASSTHROUGH, false },
	LAST_WORD,
};

static const struct conf_setting web[] = {
	KEY("names", NULL, hosts, web, names),
	KEY("https", NULL, ports, web, https),
	KEY("http", NULL, ports, web, http),
	KEY("tls", "offload", enum, web, tls, WORDS(tls)),
	KEY("certificate", NULL, paths, web, certificates),
	KEY("server-port", "80", port, web, server_port, .least = 1),
	KEY("services",
	    "owa, ecp, ews, eas, rpc, oab, autodiscover, mapi, powershell",
	    services, web, services),
};

static const struct conf_word word_affinity[] = {
	{ "cookie", 0, false },		{ "channel", 0, false },
	{ "session-header", 0, false }, { "authorization", 0, false },
	{ "tls-session", 0, false },	{ "address", 0, false },
	{ "none", 0, false },		LAST_WORD,
};

static const struct conf_setting service[] = {
	KEY("path", NULL, url_path, service, path),
	KEY("affinity", NULL, affinity, service, affinity, WORDS(affinity)),
	KEY("share", NULL, text, service, share, .most = CONF_NAME_MAX - 1),
	KEY("check", NULL, probe, service, check),
	KEY("idle-timeout", NULL, duration, service, idle_timeout_ms,
	    FROM_TO(1000, YEAR_MS), WORDS(never)),
	KEY("tcp", NULL, ports, service, tcp),
	KEY("server-port", NULL, server_port, service, server_port,
	    COUNT(service, has_server_port)),
};

static const struct conf_word word_else[] = {
	{ "any", CONF_ELSE_ANY, false },
	{ "refuse", CONF_ELSE_REFUSE, false },
	LAST_WORD,
};

static const struct conf_setting rule[] = {
	KEY("clients", NULL, prefixes, rule, client, COUNT(rule, nclients),
	    .most = CONF_CLIENTS_MAX),
	KEY("servers", NULL, servers, rule, servers),
	KEY("else", "any", enum, rule, otherwise, WORDS(else)),
};

static const struct conf_word word_method[] = {
	{ "round-robin", CONF_METHOD_ROUND_ROBIN, false },
	{ "least-clients", CONF_METHOD_LEAST_CLIENTS, false },
	{ "weighted-round-robin", CONF_METHOD_WEIGHTED_ROUND_ROBIN, LATER },
	{ "least-connections", CONF_METHOD_LEAST_CONNECTIONS, LATER },
	{ "weighted-least-connections", CONF_METHOD_WEIGHTED_LEAST_CONNECTIONS,
	  LATER },
	{ "fixed", CONF_METHOD_FIXED, LATER },
	{ "response-time", CONF_METHOD_RESPONSE_TIME, LATER },
	{ "source-hash", CONF_METHOD_SOURCE_HASH, LATER },
	{ "two-choices", CONF_METHOD_TWO_CHOICES, LATER },
	{ "adaptive", CONF_METHOD_ADAPTIVE, LATER },
	LAST_WORD,
};

static const struct conf_word word_failure[] = {
	{ "reset", CONF_FAILURE_RESET, false },
	{ "keep", CONF_FAILURE_KEEP, false },
	LAST_WORD,
};

static const struct conf_setting schedule[] = {
	KEY("method", "round-robin", enum, schedule, method, WORDS(method)),
	KEY("slow-start", "30s", duration, schedule, slow_start_ms,
	    FROM_TO(0, DAY_MS), LATER),
	KEY("on-failure", "reset", enum, schedule, on_failure, WORDS(failure),
	    LATER),
	KEY("drain-idle", "10m", duration, schedule, drain_idle_ms,
	    FROM_TO(0, YEAR_MS), LATER),
	KEY("drain-deadline", "4h", duration, schedule, drain_deadline_ms,
	    FROM_TO(0, YEAR_MS), LATER),
	KEY("rebalance", "off", count, schedule, rebalance_per_min,
	    FROM_TO(0, 1000000), WORDS(off), LATER),
	KEY("new-per-second", "0", count, schedule, new_per_second,
	    FROM_TO(0, 1000000), LATER),
	KEY("queue", "5s", duration, schedule, queue_ms, FROM_TO(0, 300000),
	    LATER),
	KEY("client-limit", "0", count, schedule, client_limit,
	    FROM_TO(0, 1000000), LATER),
};

static const struct conf_setting check[] = {
	KEY("interval", "5s", duration, check, interval_ms,
	    FROM_TO(100, DAY_MS)),
	KEY("timeout", "2s", duration, check, timeout_ms, FROM_TO(100, 300000)),
	KEY("rise", "2", count, check, rise, FROM_TO(1, 1000), LATER),
	KEY("fall", "3", count, check, fall, FROM_TO(1, 1000), LATER),
};

static const struct conf_setting status[] = {
	KEY("listen", NULL, listen, status, listen),
};

static const struct conf_word word_version[] = {
	{ "2003", CONF_VERSION_2003, false },
	{ "2007", CONF_VERSION_2007, false },
	{ "2010rtm", CONF_VERSION_2010RTM, false },
	{ "2010sp1", CONF_VERSION_2010SP1, false },
	{ "2010sp2", CONF_VERSION_2010SP2, false },
	{ "2010sp3", CONF_VERSION_2010SP3, false },
	{ "2013", CONF_VERSION_2013, false },
	{ "2016", CONF_VERSION_2016, false },
	{ "2019", CONF_VERSION_2019, false },
	{ "se", CONF_VERSION_SE, false },
	LAST_WORD,
};

static const struct conf_word word_state[] = {
	{ "enabled", CONF_STATE_ENABLED, false },
	{ "drain", CONF_STATE_DRAIN, false },
	{ "disabled", CONF_STATE_DISABLED, false },
	LAST_WORD,
};

static const struct conf_setting server[] = {
	KEY("address", NULL, address, server, address),
	KEY("services", "all", services, server, services, WORDS(all), LATER),
	KEY("weight", "1", count, server, weight, FROM_TO(0, 1000), LATER),
	KEY("max-connections", "0", count, server, max_connections,
	    FROM_TO(0, 10000000), LATER),
	KEY("version", NULL, enum, server, version, WORDS(version), LATER),
	KEY("state", "enabled", enum, server, state, WORDS(state)),
};

#define SETTINGS(list)                                                         \
	.nsettings = sizeof(list) / sizeof((list)[0]), .setting = (list)
#define SINGLE(sec, ...)                                                       \
	{                                                                      \
		.name = #sec, .at = offsetof(struct conf, sec), SETTINGS(sec), \
		__VA_ARGS__                                                    \
	}
#define NAMED(sec, limit, ...)                                                 \
	{                                                                      \
		.name = #sec, .is_named = true,                                \
		.at = offsetof(struct conf, sec),                              \
		.count = offsetof(struct conf, n##sec##s),                     \
		.each = sizeof(struct conf_##sec), .most = (limit),            \
		SETTINGS(sec), __VA_ARGS__                                     \
	}

/* In the order in which the effective configuration is printed. */
const struct conf_kind conf_kinds[CONF_KINDS] = {
	SINGLE(balancer),
	SINGLE(affinity),
	SINGLE(rpc),
	SINGLE(web, LATER),
	NAMED(service, CONF_SERVICES_MAX, LATER),
	NAMED(rule, CONF_RULES_MAX, LATER),
	SINGLE(schedule),
	SINGLE(check),
	SINGLE(status, LATER),
	NAMED(server, CONF_SERVERS_MAX),
};
