/*
 * check_host.c - the rules about the machine that the balancer runs on.
 *
 * Layer: core (pure: the facts are handed in).
 */
#include <inttypes.h>

#include "check_priv.h"
#include "core/limits.h"

/* What keeps the balancer from running is an error when it is to run. */
static enum finding_severity fatal(const struct rules *rules)
{
	return rules->host->is_starting ? FINDING_ERROR : FINDING_WARNING;
}

static void check_local(const struct rules *rules)
{
	const struct conf_balancer *balancer = &rules->conf->balancer;
	char text[ADDR_TEXT_MAX];
	unsigned i;

	for (i = 0; i < balancer->nvips; i++)
		if (!rules->host->vip_is_local[i])
			finding_mend(rule_broken(rules, FINDING_WARNING,
						 "vip-not-local",
						 WHERE("balancer", "vip"),
						 "no interface has %s",
						 addr_format(&balancer->vip[i],
							     text)),
				     "add it to one, or let VRRP bring it");
	for (i = 0; i < balancer->nsources; i++)
		if (!rules->host->source_is_local[i])
			finding_mend(
				rule_broken(rules, FINDING_WARNING,
					    "source-not-local",
					    WHERE("balancer", "source"),
					    "no interface has %s: no server "
					    "can be reached from it",
					    addr_format(&balancer->source[i],
							text)),
				"add it to one, or write another address");
}

static void need_for_sockets(const struct rules *rules, uint64_t need)
{
	const struct conf_rpc *rpc = &rules->conf->rpc;
	uint64_t listeners = limits_listeners(rules->conf, rpc->intercept);
	bool is_range = rpc->ports == CONF_PORTS_DYNAMIC &&
			rpc->admit == CONF_ADMIT_ANY;

	finding_mend(rule_broken(rules, fatal(rules), "descriptor-limit",
				 WHERE("rpc", is_range ? "admit" : "ports"),
				 "intercept = sockets with %s takes %" PRIu64
				 " sockets, and a process may have %" PRIu64
				 " descriptors",
				 is_range ? "admit = any" : "these ports",
				 listeners, rules->host->limits.descriptors),
		     "raise the limit (LimitNOFILE) to %" PRIu64
		     ", or write intercept = sk_lookup%s",
		     need, is_range ? ", or admit = announced" : "");
}

/* What auto comes to is only known when the balancer listens. */
static void check_own(const struct rules *rules)
{
	enum conf_intercept way = rules->conf->rpc.intercept;
	uint64_t need = limits_own(rules->conf, way) + 2;
	uint64_t have = rules->host->limits.descriptors;

	if (need <= have)
		return;
	if (way == CONF_INTERCEPT_SOCKETS)
		need_for_sockets(rules, need);
	else
		finding_mend(rule_broken(rules, fatal(rules),
					 "descriptor-limit",
					 WHERE("balancer", "threads"),
					 "one connection and all else take "
					 "%" PRIu64 " descriptors, and a "
					 "process may have %" PRIu64,
					 need, have),
			     "raise the limit (LimitNOFILE) to %" PRIu64, need);
}

/* A relayed connection is two descriptors. */
static void check_descriptors(const struct rules *rules)
{
	uint64_t connections = rules->conf->balancer.max_connections;
	enum conf_intercept way = rules->conf->rpc.intercept;
	uint64_t own = limits_own(rules->conf, way);
	uint64_t need = 2 * connections + own;
	uint64_t have = rules->host->limits.descriptors;
	struct finding *finding;

	if (!connections || need <= have)
		return;
	finding = rule_broken(rules, FINDING_WARNING, "descriptor-limit",
			      WHERE("balancer", "max-connections"),
			      "%" PRIu64 " connections and all else take "
			      "%" PRIu64
			      " descriptors, and a process may have %" PRIu64,
			      connections, need, have);
	if (have >= own + 2)
		finding_mend(finding,
			     "raise the limit (LimitNOFILE), or write "
			     "max-connections = %u",
			     limits_connections(rules->conf, way,
						&rules->host->limits));
	else
		finding_mend(finding, "raise the limit (LimitNOFILE)");
}

/* With auto the limit is what the sources hold. */
static void check_source_ports(const struct rules *rules, uint8_t family)
{
	const struct conf_balancer *balancer = &rules->conf->balancer;
	unsigned each = rules->host->limits.ephemeral_ports;
	unsigned n = limits_sources(rules->conf, family);
	uint64_t room = limits_source_room(rules->conf, family, each);

	if (balancer->max_connections <= room)
		return;
	finding_mend(
		rule_broken(
			rules, FINDING_WARNING, "too-few-source-ports",
			WHERE("balancer", "max-connections"),
			"%u %s source%s hold%s %" PRIu64
			" connections to one port of a server, fewer than %u",
			n, family == AF_INET ? "IPv4" : "IPv6",
			n == 1 ? "" : "s", n == 1 ? "s" : "", room,
			balancer->max_connections),
		"write %u addresses in source, or widen "
		"net.ipv4.ip_local_port_range",
		(balancer->max_connections + each - 1) / each);
}

static void check_paths(const struct rules *rules)
{
	const struct conf *conf = rules->conf;
	unsigned i;

	/* The default's directory comes with the package. */
	if (!rules->host->state_directory_is_there &&
	    conf_origin_key(rules->origin, "balancer", 0, "state-file"))
		finding_mend(rule_broken(rules, FINDING_WARNING,
					 "state-directory",
					 WHERE("balancer", "state-file"),
					 "the directory of %s is not there",
					 conf->balancer.state_file),
			     "make it, or write state-file = none");
	if (!rules->host->log_directory_is_there)
		finding_mend(rule_broken(rules, fatal(rules), "log-directory",
					 WHERE("balancer", "log"),
					 "the directory of %s is not there",
					 conf->balancer.log_file),
			     "make it, or write log = stderr");
	for (i = 0; i < conf->web.certificates.n; i++)
		if (!rules->host->certificate_is_there[i])
			finding_mend(
				rule_broken(rules, FINDING_WARNING,
					    "certificate-missing",
					    WHERE("web", "certificate"),
					    "%s is not there",
					    conf->web.certificates.name[i]),
				"put the chain and the key there");
}

static void check_user(const struct rules *rules)
{
	const char *user = rules->conf->balancer.user;

	if (!rules->host->user_is_there)
		finding_mend(rule_broken(rules, fatal(rules), "unknown-user",
					 WHERE("balancer", "user"),
					 "this system has no user %s", user),
			     "make the user, or name another");
}

void check_on_host(const struct rules *rules)
{
	check_local(rules);
	check_own(rules);
	check_descriptors(rules);
	check_source_ports(rules, AF_INET);
	check_source_ports(rules, AF_INET6);
	check_paths(rules);
	check_user(rules);
}
