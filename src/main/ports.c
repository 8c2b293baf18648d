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
/* Between looks for virtual ports whose time is over. */
#define LINGER_MS 60000

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

/* Ports that are open whatever the servers say. */
static void add_fixed(const struct conf_rpc *rpc, struct portset *wanted)
{
	if (rpc->ports != CONF_PORTS_OFF)
		portset_add(wanted, EPM_PORT);
	if (rpc->ports == CONF_PORTS_STATIC) {
		portset_add(wanted, rpc->mailbox_port);
		portset_add(wanted, rpc->address_book_port);
	}
}

/* Virtual ports of interfaces that their server gives, on whatever port now:
 * one that lingers may come to lead somewhere again, and is closed till then. */
static void add_virtual(const struct daemon *daemon, struct portset *told)
{
	const struct router *router = &daemon->shared.router;
	struct portset mapped;
	struct vport at;
	int port;

	portmap_ports(router->portmap, &mapped);
	for (port = portset_next(&mapped, 0); port >= 0;
	     port = portset_next(&mapped, (unsigned)port + 1))
		if (portmap_at(router->portmap, (uint16_t)port, &at) &&
		    announced_port_of(router->announced, &at.interface,
				      at.slot))
			portset_add(told, (uint16_t)port);
}

/* Ports that the servers' answers make: of the VIP, where it has its own. */
static void add_told(const struct daemon *daemon, struct portset *told)
{
	const struct conf_rpc *rpc = &daemon->conf->rpc;

	if (conf_has_virtual_ports(rpc))
		add_virtual(daemon, told);
	else if (rpc->ports == CONF_PORTS_DYNAMIC)
		add_announced(daemon, told);
}

/* Are those who have a lease let in by the kernel, and nobody else? */
static bool are_leased(const struct daemon *daemon)
{
	const struct router *router = &daemon->shared.router;

	return atomic_load(&router->wants_lease) &&
	       listener_can_lease(daemon->listener) &&
	       loop_now_ms(daemon->loop) >=
		       atomic_load(&router->lenient_until_ms);
}

static void wanted_ports(const struct daemon *daemon, struct portset *wanted)
{
	const struct conf_rpc *rpc = &daemon->conf->rpc;
	struct portset all;

	portset_clear(&all);
	add_fixed(rpc, &all);
	if (rpc->ports == CONF_PORTS_DYNAMIC && rpc->admit == CONF_ADMIT_ANY)
		portset_add_range(&all, rpc->range_first, rpc->range_last);
	if (!are_leased(daemon))
		add_told(daemon, &all);
	portset_subtract(wanted, &all, &rpc->exclude);
}

static struct portmap_rules portmap_rules(const struct daemon *daemon,
					  const struct portset *exclude)
{
	const struct conf *conf = daemon->conf;

	return (struct portmap_rules){
		.first = conf->rpc.virtual_first,
		.last = conf->rpc.virtual_last,
		.exclude = exclude,
		.linger_ms = conf->affinity.timeout_ms,
	};
}

static void say_exhausted(struct daemon *daemon, unsigned without)
{
	const struct conf_rpc *rpc = &daemon->conf->rpc;

	if (without != daemon->without_virtual && without)
		LOG(daemon->log, LOG_LEVEL_WARNING, "virtual-ports-exhausted",
		    log_number("without", without),
		    log_number("from", rpc->virtual_first),
		    log_number("to", rpc->virtual_last),
		    log_text("mend", "widen [rpc] virtual-ports, or name in "
				     "interfaces only those that clients use"));
	daemon->without_virtual = without;
}

/* A virtual port is none that is excluded, fixed, or somebody else's. */
static void follow_portmap(struct daemon *daemon)
{
	struct router *router = &daemon->shared.router;
	struct portset exclude = daemon->conf->rpc.exclude;
	struct portmap_rules rules = portmap_rules(daemon, &exclude);
	unsigned i;

	if (!conf_has_virtual_ports(&daemon->conf->rpc))
		return;
	add_fixed(&daemon->conf->rpc, &exclude);
	for (i = 0; i < PORTSET_WORDS; i++)
		exclude.word[i] |= daemon->foreign.word[i];
	say_exhausted(daemon, portmap_update(router->portmap, &daemon->array,
					     router->announced, &rules,
					     loop_now_ms(daemon->loop)));
}

/* Tell the workers what is open; those that waited for it go on. */
static void tell_open(struct daemon *daemon, uint64_t followed)
{
	const struct portset *spared = listener_spared(daemon->listener);
	struct portset told = *listener_admitted(daemon->listener), open;
	unsigned i;

	if (atomic_load(&daemon->shared.router.wants_lease))
		add_told(daemon, &told);
	portset_subtract(&open, &told, spared);
	portset_subtract(&open, &open, &daemon->conf->rpc.exclude);
	svc_rpc_set_open(&daemon->shared, &open, followed);
	for (i = 0; i < daemon->nworkers; i++)
		worker_ports_opened(daemon->worker[i]);
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

/* A virtual port that turns out to be somebody else's is given up for
 * another, at once. */
static int apply_once(struct daemon *daemon, struct portset *wanted,
		      unsigned *spared)
{
	struct portset told = { 0 };

	follow_portmap(daemon);
	add_told(daemon, &told);
	listener_watch(daemon->listener, &told);
	wanted_ports(daemon, wanted);
	return listener_apply(daemon->listener, wanted, spared);
}

static bool learn_foreign(struct daemon *daemon)
{
	const struct portset *spared = listener_spared(daemon->listener);
	bool is_new = memcmp(spared, &daemon->foreign, sizeof(*spared)) != 0;

	daemon->foreign = *spared;
	return is_new && conf_has_virtual_ports(&daemon->conf->rpc);
}

int daemon_apply_ports(struct daemon *daemon)
{
	struct portset before = *listener_admitted(daemon->listener);
	const struct portset *after = listener_admitted(daemon->listener);
	uint64_t followed = announced_changes(daemon->shared.router.announced);
	struct portset wanted;
	unsigned spared = 0;
	int err;

	err = apply_once(daemon, &wanted, &spared);
	if (!err && learn_foreign(daemon))
		err = apply_once(daemon, &wanted, &spared);
	daemon->ports_are_stale = err || spared;
	daemon->ports_tried_ms = loop_now_ms(daemon->loop);
	if (err)
		say_failure(daemon, portset_count(&wanted), err);
	else if (memcmp(&before, after, sizeof(before)) != 0)
		LOG(daemon->log, LOG_LEVEL_NOTICE, "ports",
		    log_number("admitted", portset_count(after)),
		    log_number("spared", spared));
	tell_open(daemon, followed);
	return err;
}

void daemon_retry_ports(struct daemon *daemon)
{
	uint64_t since_ms = loop_now_ms(daemon->loop) - daemon->ports_tried_ms;

	bool lingers = conf_has_virtual_ports(&daemon->conf->rpc) &&
		       daemon->has_asked && since_ms >= LINGER_MS;

	if (lingers || (daemon->ports_are_stale && since_ms >= RETRY_MS))
		(void)!daemon_apply_ports(daemon);
}
