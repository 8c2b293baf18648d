/*
 * daemon.c - one balancer, from its configuration to its end.
 *
 * Layer: main.
 * The control thread: signals, reload, asking the servers, listening
 * sockets. Workers do the rest.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "core/limits.h"
#include "daemon_priv.h"
#include "main/daemon.h"
#include "main/host.h"
#include "main/privilege.h"
#include "main/state_file.h"
#include "wire/epm.h"

#define SWEEP_MS    1000 /* between looks for what timed out */
#define SWEEP_MOST  10000
#define SWEEP_LOOKS 50000   /* for bindings to servers that leave */
#define TALLY_MS    3600000 /* between lines of counters */
#define CONTROL	    0	    /* whose log is whose: the control thread */
#define PIPE_PAGES  64	    /* of a relay's pipe */
#define RUNS_MOST   65536   /* shared addresses with a run under way */

/* The loop's clock, for threads that are not the loop's. */
static uint64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void say(const char *what, int err)
{
	fprintf(stderr, "mapilbd: %s: %s\n", what, err_text(err));
}

/* Workers run this: tell the control thread to ask <slot> again. */
static void ask_again(void *ctx, unsigned slot)
{
	struct daemon *daemon = ctx;

	atomic_fetch_or(&daemon->ask, UINT64_C(1) << slot);
	if (!atomic_exchange(&daemon->ask_is_posted, true))
		loop_post(daemon->loop, &daemon->ask_job);
}

static void do_ask(struct loop_job *job)
{
	struct daemon *daemon = list_entry(job, struct daemon, ask_job);
	uint64_t slots;
	unsigned slot;

	atomic_store(&daemon->ask_is_posted, false);
	slots = atomic_exchange(&daemon->ask, 0);
	for (slot = 0; slot < ARRAY_SLOTS; slot++) {
		if (slots >> slot & 1)
			prober_ask(daemon->prober, slot);
	}
}

static void announcements_changed(void *ctx)
{
	struct daemon *daemon = ctx;

	if (daemon->has_asked)
		(void)!daemon_apply_ports(daemon);
}

/* Workers run this: they saw a port that was not announced. */
static void ports_changed(void *ctx)
{
	struct daemon *daemon = ctx;

	if (!atomic_exchange(&daemon->ports_is_posted, true))
		loop_post(daemon->loop, &daemon->ports_job);
}

static void do_ports(struct loop_job *job)
{
	struct daemon *daemon = list_entry(job, struct daemon, ports_job);

	atomic_store(&daemon->ports_is_posted, false);
	announcements_changed(daemon);
}

/* Workers run these two. */
static int admit_client(void *ctx, const struct addr *name, uint16_t port)
{
	struct daemon *daemon = ctx;

	return leasing_give(&daemon->leasing, name, port);
}

static void lease_removed(void *ctx, const struct addr *name, uint16_t port)
{
	struct daemon *daemon = ctx;

	leasing_take_back(&daemon->leasing, name, port, monotonic_ms());
}

static void open_ports(struct daemon *daemon)
{
	daemon->has_asked = true;
	leasing_begin(&daemon->leasing, daemon->listener,
		      daemon->shared.router.leases,
		      daemon->shared.router.affinity,
		      loop_now_ms(daemon->loop));
	daemon->err = daemon_apply_ports(daemon);
	if (daemon->err) {
		say("opening the ports", daemon->err);
		loop_stop(daemon->loop);
		return;
	}
	LOG(daemon->log, LOG_LEVEL_NOTICE, "ready",
	    log_text("name", daemon->conf->balancer.name),
	    log_text("listen", listener_way(daemon->listener)),
	    log_number("ports",
		       portset_count(listener_admitted(daemon->listener))),
	    log_number("servers", daemon->conf->nservers),
	    log_number("threads", daemon->nworkers),
	    log_number("max-connections", daemon->shared.max_connections));
}

/* 135 opens only when the ports that it will name are known. */
static bool waits_for_answers(const struct conf *conf)
{
	if (conf->rpc.ports == CONF_PORTS_OFF)
		return false;
	return conf_has_virtual_ports(&conf->rpc) ||
	       conf->rpc.epm == CONF_EPM_ANSWER ||
	       (conf->rpc.ports == CONF_PORTS_DYNAMIC &&
		conf->rpc.admit != CONF_ADMIT_ANY);
}

static void first_round(void *ctx)
{
	struct daemon *daemon = ctx;

	if (!daemon->has_asked)
		open_ports(daemon);
}

static int attach(void *ctx, unsigned worker, int fd, uint16_t port)
{
	struct daemon *daemon = ctx;

	return worker_attach(daemon->worker[worker], fd, port);
}

static void detach(void *ctx, unsigned worker, int fd)
{
	struct daemon *daemon = ctx;

	worker_detach(daemon->worker[worker], fd);
}

static bool is_one_leaving(const struct array *array)
{
	unsigned slot;

	for (slot = 0; slot < ARRAY_SLOTS; slot++)
		if (atomic_load(&array->server[slot].life) == SERVER_LEAVING)
			return true;
	return false;
}

/* Those who hold no lease had time enough to ask anew. */
static void end_lenience(struct daemon *daemon, uint64_t now)
{
	_Atomic uint64_t *until = &daemon->shared.router.lenient_until_ms;

	if (!atomic_load(until) || now < atomic_load(until))
		return;
	atomic_store(until, 0);
	if (daemon->has_asked)
		(void)!daemon_apply_ports(daemon);
}

static void sweep(struct loop_timer *timer)
{
	struct daemon *daemon = list_entry(timer, struct daemon, sweep);
	struct router *router = &daemon->shared.router;
	uint64_t now = loop_now_ms(daemon->loop), freed;

	affinity_expire(router->affinity, now, SWEEP_MOST);
	leases_expire(router->leases, now, SWEEP_MOST);
	groups_expire(router->groups, now, SWEEP_MOST);
	if (is_one_leaving(&daemon->array))
		affinity_forget_leaving(router->affinity, SWEEP_LOOKS);
	freed = array_sweep(&daemon->array);
	if (freed) {
		lease_forget(router->leases, freed);
		groups_forget(router->groups, freed);
		prober_follow(daemon->prober);
	}
	end_lenience(daemon, now);
	daemon_retry_ports(daemon);
	refused_tell(&daemon->refused, daemon->log,
		     listener_refused(daemon->listener), now);
	if (now - daemon->tally_ms >= TALLY_MS) {
		daemon->tally_ms = now;
		daemon_log_tally(daemon);
	}
	loop_timer_set(daemon->loop, timer, SWEEP_MS);
}

static unsigned most_connections(const struct daemon *daemon,
				 enum conf_intercept way)
{
	struct limits_host host = {
		.descriptors = privilege_raise_descriptors(),
		.ephemeral_ports = host_ephemeral_ports(),
	};

	return limits_connections(daemon->conf, way, &host);
}

/*
 * More than there are descriptors for would end in clients that wait for an
 * answer that cannot be given. The workers' pools were made before it was
 * known whether each port takes a socket, and have no less room.
 */
static void limit_connections(struct daemon *daemon)
{
	unsigned wanted = daemon->conf->balancer.max_connections;
	bool is_sockets = listener_cost(daemon->listener) != 0;
	unsigned most = most_connections(
		daemon, is_sockets ? CONF_INTERCEPT_SOCKETS
				   : daemon->conf->rpc.intercept);

	daemon->shared.max_connections = most;
	if (wanted > most)
		LOG(daemon->log, LOG_LEVEL_WARNING, "max-connections-lowered",
		    log_number("from", wanted), log_number("to", most),
		    log_text("mend", "raise the hard limit of descriptors "
				     "(LimitNOFILE, ulimit -Hn)"));
}

/* A quarter of what the kernel gives a user without asking, shared out. */
static unsigned pipes_of_a_worker(unsigned nworkers)
{
	unsigned pages = 16384;
	FILE *file = fopen("/proc/sys/fs/pipe-user-pages-soft", "re");

	if (file) {
		if (fscanf(file, "%u", &pages) != 1)
			pages = 16384;
		fclose(file);
	}
	pages = pages / 4 / PIPE_PAGES;
	return (pages < LIMITS_PIPES ? pages : LIMITS_PIPES) / nworkers;
}

static int make_mapper_tables(struct daemon *daemon,
			      const uint8_t seed[static HASH_KEY_LEN])
{
	struct router *router = &daemon->shared.router;
	const struct conf *conf = daemon->conf;

	router->leases =
		leases_new(limits_leases(conf), conf->rpc.lease_timeout_ms,
			   seed, lease_removed, daemon);
	router->portmap = portmap_new();
	router->groups = groups_new(conf->affinity.entries, seed);
	router->runs = runs_new(RUNS_MOST, seed);
	router->has_virtual_ports = conf_has_virtual_ports(&conf->rpc);
	router->wants_lease = conf->rpc.ports != CONF_PORTS_OFF &&
			      conf->rpc.admit == CONF_ADMIT_LEASED;
	if (!router->leases || !router->portmap || !router->groups ||
	    !router->runs)
		return ERR_MEMORY;
	return leasing_init(&daemon->leasing);
}

static int make_tables(struct daemon *daemon)
{
	struct router *router = &daemon->shared.router;
	const struct conf *conf = daemon->conf;
	uint8_t seed[HASH_KEY_LEN];
	int err;

	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed) ||
	    getrandom(daemon->shared.user_seed, HASH_KEY_LEN, 0) !=
		    HASH_KEY_LEN)
		return ERR_MEMORY;
	array_init(&daemon->array);
	err = array_apply(&daemon->array, conf);
	if (err)
		return err;
	sched_init(&daemon->sched, &daemon->array,
		   sched_method_of(conf->schedule.method));
	router->array = &daemon->array;
	router->sched = &daemon->sched;
	router->affinity = affinity_new(conf, seed);
	router->announced = announced_new();
	router->admits_any = conf->rpc.admit == CONF_ADMIT_ANY;
	if (!router->affinity || !router->announced)
		return ERR_MEMORY;
	err = make_mapper_tables(daemon, seed);
	if (err)
		return err;
	daemon->shared.max_connections =
		most_connections(daemon, conf->rpc.intercept);
	daemon->shared.ask_again = ask_again;
	daemon->shared.ports_changed = ports_changed;
	daemon->shared.admit_client = admit_client;
	daemon->ports_job.run = do_ports;
	daemon->shared.ctx = daemon;
	daemon->ask_job.run = do_ask;
	return 0;
}

static int make_workers(struct daemon *daemon)
{
	unsigned n = daemon->conf->balancer.threads, i;
	struct worker_config config = {
		.shared = &daemon->shared,
		.conf = daemon->conf,
		.most_pipes = pipes_of_a_worker(n),
	};
	int err = 0;

	for (i = 0; i < n && !err; i++) {
		config.log = logger_log(daemon->logger, CONTROL + 1 + i);
		err = worker_new(&config, &daemon->worker[i]);
		daemon->nworkers += !err;
	}
	return err;
}

/* Room for the whole table, and for what ends in it a moment later. */
static unsigned kernel_leases(const struct daemon *daemon)
{
	size_t most = limits_leases(daemon->conf);

	if (!atomic_load(&daemon->shared.router.wants_lease))
		return 0;
	return (unsigned)(most + most / 8);
}

/* As many bits make a client to the kernel as to the table of bindings. */
static uint8_t bits4(const struct conf *conf)
{
	const struct conf_affinity *affinity = &conf->affinity;

	return affinity->key == CONF_KEY_NETWORK ? (uint8_t)affinity->network4
						 : 32;
}

static uint8_t bits6(const struct conf *conf)
{
	const struct conf_affinity *affinity = &conf->affinity;

	if (affinity->key == CONF_KEY_NONE)
		return 128;
	return (uint8_t)(affinity->key == CONF_KEY_NETWORK
				 ? affinity->network6
				 : affinity->ipv6_prefix);
}

static int make_listener(struct daemon *daemon)
{
	const struct conf *conf = daemon->conf;
	struct listen_config config = {
		.nvips = conf->balancer.nvips,
		.vip = conf->balancer.vip,
		.nworkers = daemon->nworkers,
		.way = conf->rpc.intercept,
		.test_port = EPM_PORT, /* what every client needs first */
		.exclude = &conf->rpc.exclude,
		.most_leases = kernel_leases(daemon),
		.lease_bits4 = bits4(conf),
		.lease_bits6 = bits6(conf),
		.log = daemon->log,
		.attach = attach,
		.detach = detach,
		.ctx = daemon,
	};

	return listener_open(&config, &daemon->listener);
}

static int make_prober(struct daemon *daemon)
{
	struct prober_config config = {
		.loop = daemon->loop,
		.log = daemon->log,
		.array = &daemon->array,
		.announced = daemon->shared.router.announced,
		.conf = daemon->conf,
		.changed = announcements_changed,
		.first_round = first_round,
		.ctx = daemon,
	};

	daemon->prober = prober_new(&config);
	return daemon->prober ? 0 : ERR_MEMORY;
}

static int start_threads(struct daemon *daemon)
{
	int err = logger_start(daemon->logger);
	unsigned i;

	for (i = 0; i < daemon->nworkers && !err; i++)
		err = worker_start(daemon->worker[i]);
	return err;
}

/* No two balancers for one state file (the listener holds the VIPs). One
 * that cannot be had is no reason not to serve. */
static int hold_state_file(struct daemon *daemon)
{
	const char *file = daemon->conf->balancer.state_file;
	int err;

	if (!file)
		return 0;
	/* What it cannot make, or for whom, the lock will find missing. */
	(void)!state_file_make_folder(file, daemon->conf->balancer.user);
	err = instance_hold(daemon->log, 0, NULL, file, &daemon->instance);
	if (!err || err == ERR_BUSY)
		return err;
	LOG(daemon->log, LOG_LEVEL_WARNING, "state-file-unusable",
	    log_text("file", file), log_text("reason", err_text(err)),
	    log_text("mend", "make its folder writable, or set [balancer] "
			     "state-file = none"));
	return 0;
}

/* Each step of the start, in order; the first that fails is named. */
static int start(struct daemon *daemon)
{
	const struct conf *conf = daemon->conf;
	const char *step;
	int err;

	step = "log";
	err = logger_new(conf, CONTROL + 1 + conf->balancer.threads,
			 &daemon->logger);
	if (err)
		goto out;
	daemon->log = logger_log(daemon->logger, CONTROL);
	step = "event loop";
	daemon->loop = loop_new();
	err = daemon->loop ? 0 : ERR_MEMORY;
	if (err)
		goto out;
	step = "state file";
	err = hold_state_file(daemon);
	if (err)
		goto out;
	step = "tables";
	err = make_tables(daemon);
	if (err)
		goto out;
	daemon_restore(daemon);
	step = "workers";
	err = make_workers(daemon);
	if (err)
		goto out;
	step = "listening";
	err = make_listener(daemon);
	if (err)
		goto out;
	limit_connections(daemon);
	step = "user";
	err = conf->balancer.user ? privilege_become(conf->balancer.user) : 0;
	if (err)
		goto out;
	step = "threads";
	daemon_watch_signals(daemon);
	err = start_threads(daemon);
	if (err)
		goto out;
	daemon_begin_saving(daemon);
	step = "asking the servers";
	err = make_prober(daemon);
out:
	if (err)
		say(step, err);
	return err;
}

static void release(struct daemon *daemon)
{
	struct router *router = &daemon->shared.router;
	unsigned i;

	prober_free(daemon->prober);
	daemon_end_saving(daemon);
	/* Nobody comes any more, then who is here goes. */
	if (daemon->listener) {
		leasing_end(&daemon->leasing);
		refused_tell_rest(&daemon->refused, daemon->log,
				  listener_refused(daemon->listener));
		listener_close(daemon->listener);
	}
	for (i = 0; i < daemon->nworkers; i++) {
		worker_reset(daemon->worker[i], UINT64_MAX, REASON_STOPPED);
		worker_free(daemon->worker[i]);
	}
	affinity_free(router->affinity);
	announced_free(router->announced);
	leases_free(router->leases);
	portmap_free(router->portmap);
	groups_free(router->groups);
	runs_free(router->runs);
	instance_release(daemon->instance);
	if (daemon->log)
		daemon_log_tally(daemon);
	if (daemon->log)
		LOG(daemon->log, LOG_LEVEL_NOTICE, "end",
		    log_number("connections",
			       atomic_load(&daemon->shared.connections)));
	loop_free(daemon->loop);
	logger_free(daemon->logger);
	conf_drop(daemon->first);
	conf_drop(daemon->conf);
	free(daemon);
}

int daemon_run(const char *path, struct conf *conf)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	int err;

	if (!daemon) {
		conf_drop(conf);
		return ERR_MEMORY;
	}
	daemon->path = path;
	daemon->first = conf_hold(conf);
	daemon->conf = conf;
	daemon->sweep.fire = sweep;
	err = start(daemon);
	if (!err) {
		daemon->tally_ms = loop_now_ms(daemon->loop);
		sweep(&daemon->sweep);
		if (!waits_for_answers(conf))
			open_ports(daemon);
		if (!daemon->err)
			loop_run(daemon->loop);
		err = daemon->err;
	}
	release(daemon);
	return err;
}
