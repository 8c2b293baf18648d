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
}
