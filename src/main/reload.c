/*
 * reload.c - read the configuration again without dropping anything.
 *
 * Layer: main.
 * A bad file changes nothing. What only a restart can change keeps its old
 * value, and a line says so.
 */
#include <stdlib.h>
#include <string.h>

#include "core/finding.h"
#include "daemon_priv.h"
#include "main/load.h"

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void need_restart(struct daemon *daemon, const char *key, bool is_same)
{
	if (!is_same)
		LOG(daemon->log, LOG_LEVEL_WARNING, "restart-needed",
		    log_text("key", key),
		    log_text("mend", "the old value stays in force until "
				     "mapilbd is started anew"));
}

#define SAME(field)                                                            \
	(memcmp(&first->field, &now->field, sizeof(first->field)) == 0)

/* What makes a client, by which the kernel knows who has a lease. */
static bool is_same_client(const struct conf *first, const struct conf *now)
{
	return SAME(affinity.key) && SAME(affinity.network4) &&
	       SAME(affinity.network6) && SAME(affinity.ipv6_prefix);
}

static void say_restarts(struct daemon *daemon, const struct conf *first,
			 const struct conf *now)
{
	const struct conf_balancer *was = &first->balancer;
	const struct conf_balancer *is = &now->balancer;
	bool is_leased = first->rpc.admit == CONF_ADMIT_LEASED;

	need_restart(daemon, "vip", SAME(balancer.nvips) && SAME(balancer.vip));
	need_restart(daemon, "source",
		     SAME(balancer.nsources) && SAME(balancer.source));
	need_restart(daemon, "threads", SAME(balancer.threads));
	need_restart(daemon, "max-connections", SAME(balancer.max_connections));
	need_restart(daemon, "state-file",
		     same_text(was->state_file, is->state_file));
	need_restart(daemon, "control", same_text(was->control, is->control));
	need_restart(daemon, "user", same_text(was->user, is->user));
	need_restart(daemon, "log",
		     SAME(balancer.log) &&
			     same_text(was->log_file, is->log_file));
	need_restart(daemon, "intercept", SAME(rpc.intercept));
	need_restart(daemon, "exclude", SAME(rpc.exclude));
	need_restart(daemon, "entries", SAME(affinity.entries));
	need_restart(daemon, "key", !is_leased || is_same_client(first, now));
	need_restart(daemon, "admit",
		     is_leased == (now->rpc.admit == CONF_ADMIT_LEASED));
}

/* What the running parts hold on to is as it was. */
static void keep_first(struct conf *now, const struct conf *first)
{
	bool is_leased = first->rpc.admit == CONF_ADMIT_LEASED;

	now->balancer.threads = first->balancer.threads;
	now->rpc.intercept = first->rpc.intercept;
	now->rpc.exclude = first->rpc.exclude;
	now->affinity.entries = first->affinity.entries;
	if (is_leased != (now->rpc.admit == CONF_ADMIT_LEASED))
		now->rpc.admit = first->rpc.admit;
	if (is_leased) {
		now->affinity.key = first->affinity.key;
		now->affinity.network4 = first->affinity.network4;
		now->affinity.network6 = first->affinity.network6;
		now->affinity.ipv6_prefix = first->affinity.ipv6_prefix;
	}
	now->balancer.nsources = first->balancer.nsources;
	memcpy(now->balancer.source, first->balancer.source,
	       sizeof(now->balancer.source));
}

static void say_findings(struct daemon *daemon, const struct findings *found)
{
	unsigned i;

	for (i = 0; i < found->n; i++) {
		const struct finding *one = &found->at[i];
		bool is_error = one->severity == FINDING_ERROR;

		LOG(daemon->log, is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING,
		    "finding", log_text("file", daemon->path),
		    log_number("line", one->line), log_text("code", one->code),
		    log_text("what", one->what), log_text("mend", one->mend));
	}
}

/* Drained servers keep the clients they have; a disabled one keeps none. */
static void reset_disabled(struct daemon *daemon)
{
	uint64_t slots = 0;
	unsigned i;

	for (i = 0; i < ARRAY_SLOTS; i++) {
		struct server *server = &daemon->array.server[i];

		if (atomic_load(&server->state) == CONF_STATE_DISABLED)
			slots |= server_bit(server);
	}
	for (i = 0; slots && i < daemon->nworkers; i++)
		worker_reset(daemon->worker[i], slots, REASON_SERVER_DISABLED);
}

static void adopt(struct daemon *daemon, struct conf *now)
{
	struct router *router = &daemon->shared.router;
	bool has_virtual = conf_has_virtual_ports(&now->rpc);
	struct conf *old = daemon->conf;
	unsigned i;

	say_restarts(daemon, daemon->first, now);
	keep_first(now, daemon->first);
	daemon->conf = now;
	daemon->log->level = now->balancer.log_level;
	atomic_store(&daemon->sched.method,
		     sched_method_of(now->schedule.method));
	affinity_reconfigure(router->affinity, now);
	atomic_store(&router->admits_any, now->rpc.admit == CONF_ADMIT_ANY);
	if (!has_virtual)
		atomic_store(&router->has_virtual_ports, false);
	leases_set_timeout(router->leases, now->rpc.lease_timeout_ms);
	for (i = 0; i < daemon->nworkers; i++)
		worker_reconfigure(daemon->worker[i], now);
	reset_disabled(daemon);
	prober_reconfigure(daemon->prober, now);
	conf_drop(old);
	if (daemon->has_asked)
		(void)!daemon_apply_ports(daemon);
	/* While there were none, servers may have changed their slots. */
	atomic_store(&router->has_virtual_ports, has_virtual);
}

/* Findings are too large for a stack that may be small. */
static int read_conf(struct daemon *daemon, struct conf **out)
{
	struct findings *found = malloc(sizeof(*found));
	int err;

	if (!found)
		return ERR_MEMORY;
	err = load_conf(daemon->path, found, out);
	say_findings(daemon, found);
	free(found);
	return err;
}

/* The sources stay as they were at the start: the name of a server that none
 * of them reaches, or NULL. */
static const char *unreached(const struct conf *now, const struct conf *first)
{
	unsigned i, j;

	for (i = 0; first->balancer.nsources && i < now->nservers; i++) {
		uint8_t family = now->server[i].address.family;

		for (j = 0; j < first->balancer.nsources; j++)
			if (first->balancer.source[j].family == family)
				break;
		if (j == first->balancer.nsources)
			return now->server[i].name;
	}
	return NULL;
}

static void say_refused(struct daemon *daemon, const char *reason,
			const char *server, const char *mend)
{
	LOG(daemon->log, LOG_LEVEL_ERROR, "reload-refused",
	    log_text("file", daemon->path), log_text("reason", reason),
	    log_text("server", server), log_text("mend", mend));
}

/* Let the array follow; false: it was said why not. */
static bool apply(struct daemon *daemon, const struct conf *now)
{
	const char *server = unreached(now, daemon->first);

	if (server) {
		say_refused(daemon, "source-needs-restart", server,
			    "no source in force is of this server's family; "
			    "a new one is only taken by a restart");
		return false;
	}
	if (array_apply(&daemon->array, now)) {
		say_refused(daemon, "too-many-servers", NULL,
			    "removed servers keep their place until their "
			    "clients have gone; disable them, or wait");
		return false;
	}
	return true;
}

void daemon_reload(struct daemon *daemon)
{
	struct conf *now = NULL;
	int err = read_conf(daemon, &now);

	if (err) {
		say_refused(daemon, err_text(err), NULL,
			    "nothing was changed; mapilbd -t -c FILE shows "
			    "every finding");
		return;
	}
	if (!apply(daemon, now)) {
		conf_drop(now);
		return;
	}
	adopt(daemon, now);
	LOG(daemon->log, LOG_LEVEL_NOTICE, "reload",
	    log_text("file", daemon->path),
	    log_number("servers", now->nservers));
}
