/*
 * conf.h - the validated configuration of one array.
 *
 * Layer: core (pure).
 * A struct conf is built once by the loader, checked by the rules of
 * core/check, and never changes afterwards: threads share it, a reload
 * swaps it whole. It owns all its memory.
 * Units: durations in milliseconds; 0 = off or unlimited where a key says
 * so; ports in host order.
 */
#ifndef CORE_CONF_H
#define CORE_CONF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/hash.h"
#include "base/log.h"
#include "core/portset.h"
#include "wire/uuid.h"

#define CONF_NAME_MAX	  64 /* of a server, service or rule; with NUL */
#define CONF_SERVERS_MAX  64 /* one bit each in a mask */
#define CONF_VIPS_MAX	  8
#define CONF_SOURCES_MAX  32
#define CONF_ALIASES_MAX  256
#define CONF_SHARED_MAX	  256
#define CONF_IFACES_MAX	  64
#define CONF_PORTS_MAX	  64
#define CONF_CHECK_MAX	  256
#define CONF_SERVICES_MAX 64
#define CONF_RULES_MAX	  64
#define CONF_CLIENTS_MAX  64
#define CONF_NAMES_MAX	  32
#define CONF_THREADS_MAX  64
#define CONF_NEVER	  UINT64_MAX /* a duration of "none" */
#define CONF_ANY_VERSION  UINT16_MAX /* of an interface given by UUID alone */

enum conf_ports { CONF_PORTS_OFF, CONF_PORTS_STATIC, CONF_PORTS_DYNAMIC };

enum conf_intercept {
	CONF_INTERCEPT_AUTO,
	CONF_INTERCEPT_SK_LOOKUP,
	CONF_INTERCEPT_TPROXY,
	CONF_INTERCEPT_SOCKETS,
};

enum conf_epm {
	CONF_EPM_REWRITE,
	CONF_EPM_TRACK,
	CONF_EPM_ANSWER,
	CONF_EPM_PASS
};
enum conf_admit { CONF_ADMIT_LEASED, CONF_ADMIT_ANNOUNCED, CONF_ADMIT_ANY };
enum conf_key { CONF_KEY_ADDRESS, CONF_KEY_NETWORK, CONF_KEY_NONE };
enum conf_users { CONF_USERS_NO, CONF_USERS_HASH, CONF_USERS_YES };
enum conf_log { CONF_LOG_STDERR, CONF_LOG_SYSLOG, CONF_LOG_FILE };
enum conf_tls { CONF_TLS_OFFLOAD, CONF_TLS_BRIDGE, CONF_TLS_PASSTHROUGH };
enum conf_state { CONF_STATE_ENABLED, CONF_STATE_DRAIN, CONF_STATE_DISABLED };
enum conf_failure { CONF_FAILURE_RESET, CONF_FAILURE_KEEP };
enum conf_else { CONF_ELSE_ANY, CONF_ELSE_REFUSE };

enum conf_method {
	CONF_METHOD_ROUND_ROBIN,
	CONF_METHOD_WEIGHTED_ROUND_ROBIN,
	CONF_METHOD_LEAST_CONNECTIONS,
	CONF_METHOD_WEIGHTED_LEAST_CONNECTIONS,
	CONF_METHOD_LEAST_CLIENTS,
	CONF_METHOD_FIXED,
	CONF_METHOD_RESPONSE_TIME,
	CONF_METHOD_SOURCE_HASH,
	CONF_METHOD_TWO_CHOICES,
	CONF_METHOD_ADAPTIVE,
};

enum conf_version {
	CONF_VERSION_UNKNOWN,
	CONF_VERSION_2003,
	CONF_VERSION_2007,
	CONF_VERSION_2010RTM,
	CONF_VERSION_2010SP1,
	CONF_VERSION_2010SP2,
	CONF_VERSION_2010SP3,
	CONF_VERSION_2013,
	CONF_VERSION_2016,
	CONF_VERSION_2019,
	CONF_VERSION_SE,
};

struct conf_ports_list {
	unsigned n;
	uint16_t port[CONF_PORTS_MAX];
};

struct conf_names {
	unsigned n;
	char *name[CONF_NAMES_MAX]; /* owned */
};

struct conf_alias {
	struct addr from; /* is the same machine as */
	struct addr to;
};

struct conf_balancer {
	char *name; /* owned, may be NULL */
	unsigned nvips;
	struct addr vip[CONF_VIPS_MAX];
	bool source_is_client;
	unsigned nsources; /* 0 = the system chooses */
	struct addr source[CONF_SOURCES_MAX];
	unsigned threads;	  /* "auto" resolved by the loader */
	unsigned max_connections; /* 0 = auto */
	uint64_t connect_timeout_ms;
	uint64_t stop_timeout_ms;
	char *control;	  /* owned path, NULL = off */
	char *state_file; /* owned path, NULL = off */
	char *user;	  /* owned, NULL = stay */
	enum conf_log log;
	char *log_file; /* owned, for CONF_LOG_FILE */
	enum log_level log_level;
	enum conf_users log_users;
};

struct conf_affinity {
	enum conf_key key;
	unsigned network4; /* prefix lengths for CONF_KEY_NETWORK */
	unsigned network6;
	unsigned ipv6_prefix;
	unsigned naliases;
	struct conf_alias alias[CONF_ALIASES_MAX];
	uint64_t timeout_ms;
	unsigned nshared;
	struct prefix shared[CONF_SHARED_MAX];
	unsigned entries;
};

struct conf_rpc {
	enum conf_ports ports;
	uint16_t range_first, range_last;
	uint16_t virtual_first, virtual_last; /* the range, unless given */
	bool has_virtual;		      /* they were given */
	uint16_t mailbox_port;		      /* static; 0 = not given */
	uint16_t address_book_port;	      /* static; 0 = not given */
	struct portset exclude;
	enum conf_intercept intercept;
	enum conf_epm epm;
	enum conf_admit admit;
	uint64_t lease_timeout_ms;
	bool any_interface;
	unsigned ninterfaces;
	struct syntax interface[CONF_IFACES_MAX]; /* conf_takes() asks */
	uint64_t idle_timeout_ms;		  /* CONF_NEVER = none */
	uint64_t keepalive_ms;			  /* 0 = off */
	struct conf_ports_list proxy_ports;
};

struct conf_web {
	struct conf_names names;
	struct conf_ports_list https;
	struct conf_ports_list http;
	enum conf_tls tls;
	struct conf_names certificates; /* paths */
	uint16_t server_port;
	struct conf_names services;
};

struct conf_service {
	char name[CONF_NAME_MAX];
	char *path;	/* owned; each may be NULL: the profile's default */
	char *affinity; /* as written: an ordered list */
	char *share;
	char *check;
	uint64_t idle_timeout_ms; /* 0: the profile's default */
	struct conf_ports_list tcp;
	bool has_server_port;
	uint16_t server_port;
};

struct conf_rule {
	char name[CONF_NAME_MAX];
	unsigned nclients;
	struct prefix client[CONF_CLIENTS_MAX];
	uint64_t servers; /* mask over conf.server[] */
	enum conf_else otherwise;
};

struct conf_schedule {
	enum conf_method method;
	uint64_t slow_start_ms;
	enum conf_failure on_failure;
	uint64_t drain_idle_ms;
	uint64_t drain_deadline_ms;
	unsigned rebalance_per_min; /* 0 = off */
	unsigned new_per_second;
	uint64_t queue_ms;
	unsigned client_limit;
};

struct conf_check {
	uint64_t interval_ms;
	uint64_t timeout_ms;
	unsigned rise;
	unsigned fall;
};

struct conf_status {
	bool is_on;
	struct endpoint listen;
};

struct conf_server {
	char name[CONF_NAME_MAX];
	struct addr address;
	struct conf_names services; /* n 0 = all */
	unsigned weight;
	unsigned max_connections;
	enum conf_version version;
	enum conf_state state;
};

struct conf {
	_Atomic unsigned holders; /* conf_hold(), conf_drop() */
	struct conf_balancer balancer;
	struct conf_affinity affinity;
	struct conf_rpc rpc;
	struct conf_web web;
	struct conf_schedule schedule;
	struct conf_check check;
	struct conf_status status;
	unsigned nservices;
	struct conf_service service[CONF_SERVICES_MAX];
	unsigned nrules;
	struct conf_rule rule[CONF_RULES_MAX];
	unsigned nservers;
	struct conf_server server[CONF_SERVERS_MAX];
};

/* Every key at its default, no server; held once. NULL: no memory. */
struct conf *conf_new(void);
struct conf *conf_hold(struct conf *conf); /* returns <conf> */
void conf_drop(struct conf *conf);	   /* the last holder frees it; NULL is
					      passed over */
/* The index of the server with that name, without case; -1: none. */
int conf_find_server(const struct conf *conf, const char *name) PURE;
/* May clients use that interface? Minor versions do not count. */
bool conf_takes(const struct conf_rpc *rpc,
		const struct syntax *interface) PURE;
/* Does each server's port have a port of its own on the VIP? */
bool conf_has_virtual_ports(const struct conf_rpc *rpc) PURE;
/* Names and lists of names, which own their text. */
void conf_names_clear(struct conf_names *names);
bool conf_names_have(const struct conf_names *names, const char *name) PURE;

#endif
