/*
 * ports.c - which ports the balancer takes connections to.
 *
 * Layer: main.
 */
#include <string.h>

#include "daemon_priv.h"
#include "wire/epm.h"

/* Ports that could not be had, or that somebody else had. */
#define RETRY_MS 10000

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

static void say_failure(struct daemon *daemon, unsigned wanted, int err)
{
	LOG(daemon->log, LOG_LEVEL_ERROR, "ports-failed",
	    log_number("wanted", wanted),
	    log_number("admitted",
		       portset_count(listener_admitted(daemon->listener))),
	    log_text("reason", err_text(err)),
	    log_text("mend", "tried again every 10 s; is the descriptor limit "
			     "high enough (ulimit -Hn), and nothing else "
			     "changing nftables or BPF?"));
}

int daemon_apply_ports(struct daemon *daemon)
{
	struct portset before = *listener_admitted(daemon->listener);
	const struct portset *after = listener_admitted(daemon->listener);
	struct portset wanted;
	unsigned spared = 0;
	int err;

	wanted_ports(daemon, &wanted);
	err = listener_apply(daemon->listener, &wanted, &spared);
	daemon->ports_are_stale = err || spared;
	daemon->ports_tried_ms = loop_now_ms(daemon->loop);
	if (err)
		say_failure(daemon, portset_count(&wanted), err);
	else if (memcmp(&before, after, sizeof(before)) != 0)
		LOG(daemon->log, LOG_LEVEL_NOTICE, "ports",
		    log_number("admitted", portset_count(after)),
		    log_number("spared", spared));
	return err;
}

void daemon_retry_ports(struct daemon *daemon)
{
	uint64_t since_ms = loop_now_ms(daemon->loop) - daemon->ports_tried_ms;

	if (daemon->ports_are_stale && since_ms >= RETRY_MS)
		(void)!daemon_apply_ports(daemon);
}
