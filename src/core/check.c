/*
 * check.c - the rules that a configuration as a whole must keep: addresses,
 * servers, rules for clients, health checks.
 *
 * Layer: core (pure).
 */
#include <stdarg.h>
#include <stdio.h>

#include "check_priv.h"

struct finding *rule_broken(const struct rules *rules,
			    enum finding_severity severity, const char *code,
			    struct where where, const char *what, ...)
{
	char text[FINDING_WHAT_MAX];
	va_list args;

	va_start(args, what);
	vsnprintf(text, sizeof(text), what, args);
	va_end(args);
	return finding_add(rules->out, severity, code,
			   conf_origin_line(rules->origin, where.kind,
					    where.index, where.key),
			   "%s", text);
}

static const char *family_name(uint8_t family)
{
	return family == AF_INET ? "IPv4" : "IPv6";
}

static bool is_vip(const struct conf_balancer *balancer,
		   const struct addr *addr)
{
	unsigned i;

	for (i = 0; i < balancer->nvips; i++)
		if (addr_equal(&balancer->vip[i], addr))
			return true;
	return false;
}

static void check_vips(const struct rules *rules)
{
	const struct conf_balancer *balancer = &rules->conf->balancer;
	char text[ADDR_TEXT_MAX];
	unsigned i;

	if (!balancer->nvips)
		finding_mend(rule_broken(rules, FINDING_ERROR, "no-vip",
					 WHERE("balancer", "vip"),
					 "there is no address for the clients"),
			     "write vip = ADDRESS in [balancer]");
	if (rules->conf->rpc.ports != CONF_PORTS_DYNAMIC)
		return;
	for (i = 0; i < balancer->nvips; i++)
		if (addr_is_wildcard(&balancer->vip[i]))
			finding_mend(
				rule_broken(
					rules, FINDING_ERROR, "wildcard-vip",
					WHERE("balancer", "vip"),
					"%s would take a whole range of "
					"ports on every address",
					addr_format(&balancer->vip[i], text)),
				"write the address that clients connect to, "
				"or ports = static in [rpc]");
}

/* Listening on the ephemeral range of an address makes connect() from that
 * address fail. */
static void check_sources(const struct rules *rules)
{
	const struct conf_balancer *balancer = &rules->conf->balancer;
	enum conf_intercept way = rules->conf->rpc.intercept;
	char text[ADDR_TEXT_MAX];
	unsigned i;

	if (way != CONF_INTERCEPT_SOCKETS && way != CONF_INTERCEPT_AUTO)
		return;
	if (way == CONF_INTERCEPT_SOCKETS && !balancer->nsources &&
	    !balancer->source_is_client)
		finding_mend(rule_broken(rules, FINDING_WARNING, "source-unset",
					 WHERE("balancer", "source"),
					 "with intercept = sockets the system "
					 "may connect to servers from the vip"),
			     "write source = ADDRESS, another than the vip");
	for (i = 0; i < balancer->nsources; i++)
		if (is_vip(balancer, &balancer->source[i]))
			finding_mend(
				rule_broken(
					rules,
					way == CONF_INTERCEPT_SOCKETS
						? FINDING_ERROR
						: FINDING_WARNING,
					"vip-as-source",
					WHERE("balancer", "source"),
					"%s is the vip, and intercept = %s",
					addr_format(&balancer->source[i], text),
					way == CONF_INTERCEPT_SOCKETS
						? "sockets"
						: "auto may be sockets"),
				"give the source an address of its own");
}

/* May a connection to <server> get a source address? */
static bool has_source(const struct conf_balancer *balancer,
		       const struct addr *server)
{
	unsigned i;

	if (!balancer->nsources)
		return true;
	for (i = 0; i < balancer->nsources; i++)
		if (balancer->source[i].family == server->family)
			return true;
	return false;
}

static void check_double(const struct rules *rules, unsigned index)
{
	const struct conf_server *server = rules->conf->server;
	char text[ADDR_TEXT_MAX];
	unsigned i;

	for (i = 0; i < index; i++)
		if (addr_equal(&server[i].address, &server[index].address)) {
			finding_mend(
				rule_broken(
					rules, FINDING_ERROR, "doubled-address",
					WHERE_NTH("server", index, "address"),
					"%s is the address of %s already",
					addr_format(&server[i].address, text),
					server[i].name),
				"give each server its own address");
			return;
		}
}

static void check_server(const struct rules *rules, unsigned index)
{
	const struct conf_server *server = &rules->conf->server[index];
	struct where where = WHERE_NTH("server", index, "address");
	char text[ADDR_TEXT_MAX];

	if (!server->address.family) {
		finding_mend(rule_broken(rules, FINDING_ERROR, "no-address",
					 where, "server %s has no address",
					 server->name),
			     "write address = ADDRESS");
		return;
	}
	addr_format(&server->address, text);
	if (is_vip(&rules->conf->balancer, &server->address))
		finding_mend(rule_broken(rules, FINDING_ERROR, "server-is-vip",
					 where,
					 "%s is the vip: the balancer would "
					 "connect to itself",
					 text),
			     "write the server's own address");
	if (!has_source(&rules->conf->balancer, &server->address))
		finding_mend(rule_broken(rules, FINDING_ERROR,
					 "no-source-for-server", where,
					 "%s is %s, and no source is", text,
					 family_name(server->address.family)),
			     "add an %s address to source in [balancer]",
			     family_name(server->address.family));
	check_double(rules, index);
}

static void check_servers(const struct rules *rules)
{
	const struct conf *conf = rules->conf;
	unsigned i, nenabled = 0;

	if (!conf->nservers)
		finding_mend(rule_broken(rules, FINDING_ERROR, "no-server",
					 WHERE("server", "address"),
					 "there is no server"),
			     "add a section [server NAME] with its address");
	for (i = 0; i < conf->nservers; i++) {
		check_server(rules, i);
		nenabled += conf->server[i].state == CONF_STATE_ENABLED;
	}
	if (conf->nservers && !nenabled)
		finding_mend(rule_broken(rules, FINDING_WARNING,
					 "no-enabled-server",
					 WHERE("server", "state"),
					 "no server takes new clients"),
			     "write state = enabled for one at least");
}

static void check_client_rules(const struct rules *rules)
{
	const struct conf_rule *rule;
	unsigned i;

	for (i = 0; i < rules->conf->nrules; i++) {
		rule = &rules->conf->rule[i];
		if (!rule->nclients)
			finding_mend(
				rule_broken(rules, FINDING_ERROR,
					    "rule-without-clients",
					    WHERE_NTH("rule", i, "clients"),
					    "rule %s is for no client",
					    rule->name),
				"write clients = NETWORK");
		if (!rule->servers)
			finding_mend(
				rule_broken(rules, FINDING_ERROR,
					    "rule-without-servers",
					    WHERE_NTH("rule", i, "servers"),
					    "rule %s names no server",
					    rule->name),
				"write servers = NAME");
	}
}

static void check_times(const struct rules *rules)
{
	const struct conf_check *check = &rules->conf->check;

	if (check->timeout_ms > check->interval_ms)
		finding_mend(rule_broken(rules, FINDING_WARNING,
					 "check-overlap",
					 WHERE("check", "timeout"),
					 "a health check may take longer than "
					 "the interval between two"),
			     "make timeout shorter than interval");
}

static void check_purpose(const struct rules *rules)
{
	const struct conf *conf = rules->conf;
	unsigned i;

	if (conf->rpc.ports != CONF_PORTS_OFF || conf->web.https.n ||
	    conf->web.http.n)
		return;
	for (i = 0; i < conf->nservices; i++)
		if (conf->service[i].tcp.n)
			return;
	finding_mend(rule_broken(rules, FINDING_ERROR, "nothing-to-balance",
				 WHERE("rpc", "ports"),
				 "there is neither RPC nor web nor another "
				 "port"),
		     "add the section [rpc], its defaults serve");
}

void check_conf(const struct conf *conf, const struct conf_origin *origin,
		const struct check_host *host, struct findings *out)
{
	struct rules rules = {
		.conf = conf,
		.origin = origin,
		.host = host,
		.out = out,
	};

	check_vips(&rules);
	check_sources(&rules);
	check_servers(&rules);
	check_client_rules(&rules);
	check_times(&rules);
	check_purpose(&rules);
	check_rpc(&rules);
	check_services(&rules);
	if (host)
		check_on_host(&rules);
}
