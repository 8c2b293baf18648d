/*
 * state.c - what survives a restart: read at the start, written as it runs.
 *
 * Layer: main.
 * A snapshot is taken by the control thread, a part of a table at a time, and
 * written by a thread of its own. The next one is taken a second later, or
 * when fifty times as long has passed as taking it took.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/state.h"
#include "daemon_priv.h"
#include "main/state_file.h"

#define SAVE_MS	    1000
#define SAVE_SHARE  50	  /* at most one part in so many of a thread's time */
#define TRY_MS	    10000 /* between looks for a folder to write in */
#define PATIENCE_MS 5000

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A server by its name; NULL: it is no server of ours any more. */
static struct server *find_server(struct daemon *daemon, const char *name)
{
	unsigned i;

	for (i = 0; i < ARRAY_SLOTS; i++) {
		struct server *server = &daemon->array.server[i];

		if (atomic_load(&server->life) == SERVER_IN_USE &&
		    strcmp(server->name, name) == 0)
			return server;
	}
	return NULL;
}

/* How many records were taken, of each kind. */
struct taken {
	struct daemon *daemon;
	uint64_t now_ms;
	unsigned bindings, leases, vports;
};

static void take_vport(void *ctx, const struct state_vport *vport)
{
	struct taken *taken = ctx;
	struct portmap_row row = { .server = vport->server,
				   .interface = vport->interface,
				   .port = vport->real,
				   .vport = vport->virtual };

	taken->vports +=
		!portmap_restore(taken->daemon->shared.router.portmap, &row);
}

static void take_lease(void *ctx, const struct state_lease *lease)
{
	struct taken *taken = ctx;
	struct daemon *daemon = taken->daemon;
	struct server *server = find_server(daemon, lease->server);
	struct lease_target target = { .port = lease->real,
				       .interface = lease->interface };

	if (!server)
		return;
	target.slot = server->slot;
	taken->leases += !lease_restore(daemon->shared.router.leases,
					&lease->client, lease->port, &target,
					lease->age_ms, taken->now_ms);
}

static void take_binding(void *ctx, const struct state_binding *binding)
{
	struct taken *taken = ctx;
	struct daemon *daemon = taken->daemon;
	struct server *server = find_server(daemon, binding->server);
	bool has_source = binding->source.family != 0;

	if (server)
		taken->bindings += !affinity_restore(
			daemon->shared.router.affinity, &binding->key, server,
			has_source ? &binding->source : NULL, binding->idle_ms,
			taken->now_ms);
}

static void set_aside(struct daemon *daemon, int why)
{
	const char *path = daemon->conf->balancer.state_file;
	int err = state_file_set_aside(path);

	LOG(daemon->log, LOG_LEVEL_ERROR, "state-damaged",
	    log_text("file", path), log_text("reason", err_text(why)),
	    log_text("kept-beside-it", err ? "no" : "with .damaged at its end"),
	    log_text("effect", "clients are bound anew; virtual ports are "
			       "computed, and mostly the same"));
}

/* A folder is somebody's, and not renamed because a key names it. */
static void say_folder(struct daemon *daemon)
{
	LOG(daemon->log, LOG_LEVEL_ERROR, "state-file-unusable",
	    log_text("file", daemon->conf->balancer.state_file),
	    log_text("reason", err_text(-EISDIR)),
	    log_text("mend", "[balancer] state-file names a file: add its "
			     "name to the folder's"));
}

/* Read what there is. 0: it is all here. */
static int restore(struct daemon *daemon, struct taken *taken)
{
	struct state_sink sink = { take_vport, take_lease, take_binding,
				   taken };
	uint8_t *octets = NULL;
	size_t len;
	int err = state_file_read(daemon->conf->balancer.state_file, &octets,
				  &len);

	if (!err)
		err = state_read(bytes_of(octets, len),
				 clock_ms(CLOCK_REALTIME), &sink);
	free(octets);
	return err;
}

/* After a start without a state file's leases, who has none is let in for as
 * long as one lasts. */
static void be_lenient(struct daemon *daemon, uint64_t now)
{
	struct router *router = &daemon->shared.router;

	if (!atomic_load(&router->wants_lease))
		return;
	atomic_store(&router->lenient_until_ms,
		     now + daemon->conf->rpc.lease_timeout_ms);
	LOG(daemon->log, LOG_LEVEL_NOTICE, "leases-lenient",
	    log_number("ms", daemon->conf->rpc.lease_timeout_ms),
	    log_text("effect", "no lease is known yet: until then every "
			       "announced port is open to all"));
}

void daemon_restore(struct daemon *daemon)
{
	uint64_t now = loop_now_ms(daemon->loop);
	struct taken taken = { .daemon = daemon, .now_ms = now };
	int err = ERR_NOT_FOUND;

	if (daemon->conf->balancer.state_file)
		err = restore(daemon, &taken);
	if (err)
		be_lenient(daemon, now);
	if (err == ERR_NOT_FOUND)
		return;
	if (err) {
		if (err == -EISDIR)
			say_folder(daemon);
		else
			set_aside(daemon, err);
		return;
	}
	LOG(daemon->log, LOG_LEVEL_NOTICE, "state-read",
	    log_text("file", daemon->conf->balancer.state_file),
	    log_number("bindings", taken.bindings),
	    log_number("leases", taken.leases),
	    log_number("virtual-ports", taken.vports));
}

static void add_vport(void *ctx, const struct portmap_row *row)
{
	struct state_vport vport = { .server = row->server,
				     .interface = row->interface,
				     .real = row->port,
				     .virtual = row->vport };

	state_add_vport(ctx, &vport);
}

struct snapshot {
	struct state_writer *writer;
	struct daemon *daemon;
};

static void add_lease(void *ctx, const struct addr *client, uint16_t port,
		      const struct lease_target *target, uint64_t age_ms)
{
	struct snapshot *snapshot = ctx;
	const struct server *server =
		&snapshot->daemon->array.server[target->slot];
	struct state_lease lease = { .client = *client,
				     .server = server->name,
				     .interface = target->interface,
				     .port = port,
				     .real = target->port,
				     .age_ms = age_ms };

	if (atomic_load(&server->life) != SERVER_FREE)
		state_add_lease(snapshot->writer, &lease);
}

static void add_binding(void *ctx, const struct affinity_entry *entry)
{
	struct snapshot *snapshot = ctx;
	struct state_binding binding = { .key = entry->key,
					 .server = entry->server->name,
					 .idle_ms = entry->idle_ms };

	if (entry->source)
		binding.source = *entry->source;
	state_add_binding(snapshot->writer, &binding);
}

static int take_snapshot(struct daemon *daemon, struct state_image *out)
{
	struct router *router = &daemon->shared.router;
	uint64_t now = loop_now_ms(daemon->loop);
	struct snapshot snapshot = {
		.writer = state_begin(clock_ms(CLOCK_REALTIME)),
		.daemon = daemon,
	};

	if (!snapshot.writer)
		return ERR_MEMORY;
	portmap_each(router->portmap, add_vport, snapshot.writer);
	affinity_each(router->affinity, now, add_binding, &snapshot);
	leases_each(router->leases, now, add_lease, &snapshot);
	return state_end(snapshot.writer, out);
}

static void say_unwritten(struct daemon *daemon, int err)
{
	const char *path = daemon->first->balancer.state_file;
	struct saving *saving = &daemon->saving;

	if (err && err != saving->told_err)
		LOG(daemon->log, LOG_LEVEL_ERROR, "state-unwritten",
		    log_text("file", path), log_text("reason", err_text(err)),
		    log_text("mend", "is there room, and may the balancer's "
				     "user write in its folder? The old file "
				     "is whole; it is tried again"));
	if (!err && saving->told_err)
		LOG(daemon->log, LOG_LEVEL_NOTICE, "state-written",
		    log_text("file", path));
	saving->told_err = err;
}

static void save(struct daemon *daemon)
{
	struct state_image image;
	int err = take_snapshot(daemon, &image);

	if (!err) {
		state_saver_give(daemon->saving.saver, image);
		err = state_saver_error(daemon->saving.saver);
	}
	say_unwritten(daemon, err);
}

static void save_fired(struct loop_timer *timer)
{
	struct daemon *daemon = list_entry(timer, struct daemon, saving.timer);
	uint64_t began = clock_ms(CLOCK_MONOTONIC), took;

	save(daemon);
	took = clock_ms(CLOCK_MONOTONIC) - began;
	loop_timer_set(daemon->loop, timer,
		       took * SAVE_SHARE > SAVE_MS ? took * SAVE_SHARE
						   : SAVE_MS);
}

/* May we write there, and nobody else? */
static int hold_file(struct daemon *daemon, const char *path)
{
	int err = 0;

	if (!daemon->instance)
		err = instance_hold(daemon->log, 0, NULL, path,
				    &daemon->instance);
	return err ? err : state_file_try(path);
}

/* No snapshot is taken while it could not be written. */
static void try_to_begin(struct loop_timer *timer)
{
	struct daemon *daemon = list_entry(timer, struct daemon, saving.timer);
	const char *path = daemon->first->balancer.state_file;
	int err = hold_file(daemon, path);

	if (!err)
		err = state_saver_new(path, &daemon->saving.saver);
	say_unwritten(daemon, err);
	timer->fire = err ? try_to_begin : save_fired;
	loop_timer_set(daemon->loop, timer, err ? TRY_MS : SAVE_MS);
}

void daemon_begin_saving(struct daemon *daemon)
{
	if (daemon->conf->balancer.state_file)
		try_to_begin(&daemon->saving.timer);
}

void daemon_end_saving(struct daemon *daemon)
{
	struct saving *saving = &daemon->saving;

	if (saving->timer.fire)
		loop_timer_stop(daemon->loop, &saving->timer);
	if (!saving->saver)
		return;
	save(daemon);
	say_unwritten(daemon, state_saver_free(saving->saver, PATIENCE_MS));
	saving->saver = NULL;
}
