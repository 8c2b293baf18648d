/*
 * check_rpc.c - the rules about ports of RPC.
 *
 * Layer: core (pure).
 */
#include "check_priv.h"
#include "wire/epm.h"

static void check_static_port(const struct rules *rules, const char *key,
			      uint16_t port)
{
	if (!port)
		finding_mend(rule_broken(rules, FINDING_ERROR,
					 "static-port-missing",
					 WHERE("rpc", key),
					 "ports = static needs %s", key),
			     "write %s = PORT, the one that is set on every "
			     "server",
			     key);
	else if (portset_has(&rules->conf->rpc.exclude, port))
		finding_mend(rule_broken(rules, FINDING_ERROR,
					 "static-port-excluded",
					 WHERE("rpc", key),
					 "%s = %u is a port of exclude", key,
					 (unsigned)port),
			     "take %u out of exclude", (unsigned)port);
}

static void check_static(const struct rules *rules)
{
	const struct conf_rpc *rpc = &rules->conf->rpc;

	check_static_port(rules, "mailbox-port", rpc->mailbox_port);
	check_static_port(rules, "address-book-port", rpc->address_book_port);
	if (rpc->mailbox_port && rpc->mailbox_port == rpc->address_book_port)
		finding_mend(rule_broken(rules, FINDING_ERROR,
					 "static-ports-equal",
					 WHERE("rpc", "address-book-port"),
					 "mailbox-port and address-book-port "
					 "are both %u",
					 (unsigned)rpc->mailbox_port),
			     "they are two services: give each its own port, "
			     "here and on the servers");
}

static void check_dynamic(const struct rules *rules)
{
	const struct conf_rpc *rpc = &rules->conf->rpc;
	struct portset range, left;

	portset_clear(&range);
	portset_add_range(&range, rpc->range_first, rpc->range_last);
	portset_subtract(&left, &range, &rpc->exclude);
	if (!portset_count(&left))
		finding_mend(rule_broken(rules, FINDING_ERROR, "range-excluded",
					 WHERE("rpc", "exclude"),
					 "exclude takes out the whole range"),
			     "take out less");
	if (portset_has(&left, EPM_PORT))
		finding_mend(rule_broken(rules, FINDING_WARNING,
					 "range-holds-135",
					 WHERE("rpc", "range"),
					 "the range reaches below the dynamic "
					 "ports and holds 135"),
			     "start it at 1024; 135 is always served");
}

/* A port that each client is told of, and what that needs. */
static void check_leased(const struct rules *rules)
{
	const struct conf_rpc *rpc = &rules->conf->rpc;

	if (rpc->admit != CONF_ADMIT_LEASED)
		return;
	if (rpc->epm == CONF_EPM_PASS)
		finding_mend(
			rule_broken(rules, FINDING_ERROR,
				    "leased-without-answers",
				    WHERE("rpc", "admit"),
				    "with epm = pass no answer is read, so "
				    "nobody is ever told of a port"),
			"write epm = rewrite, or admit = announced");
	if (rpc->intercept == CONF_INTERCEPT_SOCKETS)
		finding_mend(rule_broken(rules, FINDING_WARNING,
					 "leased-by-sockets",
					 WHERE("rpc", "admit"),
					 "with intercept = sockets a client "
					 "without a lease is accepted and then "
					 "reset: a scan sees the ports open"),
			     "write intercept = auto");
}

/* Leases that mean nothing, or that nobody remembers. */
static void check_leases(const struct rules *rules)
{
	const struct conf *conf = rules->conf;
	const struct conf_rpc *rpc = &conf->rpc;

	if (rpc->admit != CONF_ADMIT_LEASED)
		return;
	if (rpc->ports == CONF_PORTS_STATIC && !conf_has_virtual_ports(rpc))
		finding_mend(rule_broken(rules, FINDING_WARNING,
					 "leased-static", WHERE("rpc", "admit"),
					 "static ports are open to everybody, "
					 "with a lease or without"),
			     "give virtual-ports as well, or take the line "
			     "out");
	else if (!conf->balancer.state_file)
		finding_mend(rule_broken(rules, FINDING_WARNING,
					 "leased-without-state",
					 WHERE("rpc", "admit"),
					 "without a state file nobody is known "
					 "after a restart: for lease-timeout "
					 "all announced ports are open"),
			     "set [balancer] state-file");
}

static void check_virtual(const struct rules *rules)
{
	const struct conf_rpc *rpc = &rules->conf->rpc;
	/* Nobody knows how many all interfaces are. */
	unsigned wanted = rules->conf->nservers * rpc->ninterfaces;
	struct portset range, left;

	if (!rpc->has_virtual)
		return;
	if (!conf_has_virtual_ports(rpc)) {
		finding_mend(rule_broken(rules, FINDING_WARNING,
					 "virtual-ports-unused",
					 WHERE("rpc", "virtual-ports"),
					 "only epm = rewrite and answer hand "
					 "out virtual ports"),
			     "take the line out, or write epm = rewrite");
		return;
	}
	portset_clear(&range);
	portset_add_range(&range, rpc->virtual_first, rpc->virtual_last);
	portset_subtract(&left, &range, &rpc->exclude);
	if (portset_count(&left) && portset_count(&left) < wanted)
		finding_mend(
			rule_broken(rules, FINDING_WARNING, "virtual-ports-few",
				    WHERE("rpc", "virtual-ports"),
				    "%u ports for %u servers with %u "
				    "interfaces each",
				    portset_count(&left), rules->conf->nservers,
				    rpc->ninterfaces),
			"give at least %u, better twice as many: a "
			"service that starts anew takes others",
			wanted);
	if (!portset_count(&left))
		finding_mend(rule_broken(rules, FINDING_ERROR,
					 "virtual-ports-excluded",
					 WHERE("rpc", "virtual-ports"),
					 "exclude takes out all of them"),
			     "take out less");
}

static void check_shared(const struct rules *rules)
{
	const struct conf *conf = rules->conf;

	if (!conf->affinity.nshared || conf_has_virtual_ports(&conf->rpc))
		return;
	finding_mend(rule_broken(rules, FINDING_WARNING,
				 "shared-without-virtual-ports",
				 WHERE("affinity", "shared-addresses"),
				 "without virtual ports all clients of a "
				 "shared address get one server"),
		     "write epm = rewrite; with static ports give "
		     "virtual-ports as well");
}

void check_rpc(const struct rules *rules)
{
	const struct conf_rpc *rpc = &rules->conf->rpc;

	if (rpc->ports == CONF_PORTS_OFF)
		return;
	if (portset_has(&rpc->exclude, EPM_PORT))
		finding_mend(rule_broken(rules, FINDING_ERROR,
					 "epm-port-excluded",
					 WHERE("rpc", "exclude"),
					 "exclude holds 135, the endpoint "
					 "mapper's port"),
			     "take 135 out of it, or write ports = off");
	if (rpc->ports == CONF_PORTS_STATIC)
		check_static(rules);
	else
		check_dynamic(rules);
	check_leased(rules);
	check_leases(rules);
	check_virtual(rules);
	check_shared(rules);
}
