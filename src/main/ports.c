/*
 * ports.c - which ports the balancer takes connections to.
 *
 * Layer: main.
 */
#include "daemon_priv.h"
#include "wire/epm.h"

static void add_announced(const struct daemon *daemon, struct portset *wanted)
{
	const struct conf_rpc *rpc = &daemon->conf->rpc;
	struct portset announced;
	int port;

	announced_ports(daemon->shared.router.announced, &announced);
	for (port = portset_next(&announced, rpc->range_first);
	     port >= 0 && port <= rpc->range_last;
	     port = portset_next(&announced, (unsigned)port + 1))
		portset_add(wanted, (uint16_t)port);
}

static void wanted_ports(const struct daemon *daemon, struct portset *wanted)
{
	const struct conf_rpc *rpc = &daemon->conf->rpc;
	struct portset all;

	portset_clear(&all);
	if (rpc->ports != CONF_PORTS_OFF)
		portset_add(&all, EPM_PORT);
	if (rpc->ports == CONF_PORTS_STATIC) {
		portset_add(&all, rpc->mailbox_port);
		portset_add(&all, rpc->address_book_port);
	}
	if (rpc->ports == CONF_PORTS_DYNAMIC) {
		if (rpc->admit == CONF_ADMIT_ANY)
			portset_add_range(&all, rpc->range_first,
					  rpc->range_last);
		else
			add_announced(daemon, &all);
	}
	portset_subtract(wanted, &all, &rpc->exclude);
}

void daemon_apply_ports(struct daemon *daemon)
{
	unsigned before = portset_count(listener_admitted(daemon->listener));
	struct portset wanted;
	unsigned spared = 0, after;
	int err;

	wanted_ports(daemon, &wanted);
	err = listener_apply(daemon->listener, &wanted, &spared);
	after = portset_count(listener_admitted(daemon->listener));
	if (err)
		LOG(daemon->log, LOG_LEVEL_ERROR, "ports-failed",
		    log_number("wanted", portset_count(&wanted)),
		    log_number("admitted", after),
		    log_text("reason", err_text(err)));
	else if (before != after)
		LOG(daemon->log, LOG_LEVEL_NOTICE, "ports",
		    log_number("admitted", after),
		    log_number("spared", spared));
}
