/*
 * affinity.h - one client, one server: the table of bindings.
 *
 * Layer: core (pure; time comes in). Thread-safe: sharded, one short lock a
 * shard, taken when a connection opens, is confirmed or closes. Under a
 * shard's lock nothing else is locked, so there is no order to keep.
 * Units: milliseconds of the monotonic clock.
 *
 * A binding is reserved when a connection is accepted, before any connect,
 * so that the parallel first connections of one client agree; the first
 * connect that succeeds confirms it. One binding serves the client on every
 * port. It stays <timeout> after the client's last connection closed; one
 * that no connect ever confirmed goes with its last reservation.
 *
 * <entries> bounds all bindings together, the private ones of key = none
 * too. Every shard has an equal part; a small table has fewer shards, so
 * that a part is never below 1,024 (or is the whole table). When a part is
 * full its binding that has been without connections longest goes; a
 * binding with connections never does.
 *
 * A binding moves to another server (1) when a connect failed that speaks
 * against the server and no connection of the client lives there, or (2)
 * when its server no longer serves it. All that were reserved before the
 * move see it: <moves> counts, and who comes late with an old count is
 * told the new server instead of moving it again.
 *
 * A shared address stands for many clients: where virtual ports tell them
 * apart each of its connections has a private binding, as with key = none.
 *
 * The table alone counts server->bindings (one a binding) and
 * server->connections (one a reservation, on the server where it goes), so
 * that a reservation keeps its server's slot (array.h).
 */
#ifndef CORE_AFFINITY_H
#define CORE_AFFINITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/hash.h"
#include "core/array.h"
#include "core/conf.h"

struct affinity;
struct binding;

/*
 * Choose a server. <except>: servers that this connection has tried; <key>:
 * a hash of the client; <from>: the server that the binding leaves, NULL
 * for a new binding. Runs under a shard's lock: it must be short, take no
 * lock and not call the table. NULL: there is none.
 */
struct affinity_chooser {
	struct server *(*choose)(void *ctx, uint64_t except, uint64_t key,
				 const struct server *from);
	void *ctx;
	uint64_t except;
};

/* What one connection holds; released once by affinity_release(). */
struct reservation {
	struct binding *binding;
	struct server *server; /* where this connection goes */
	uint32_t moves;	       /* the binding's count when <server> was read */
	bool is_live;	       /* confirmed: counts as a live connection */
	bool is_new;	       /* this reservation made the binding */
	bool is_moved;	       /* it moved the binding, or was moved with it */
};

/* <conf>: key, prefixes, aliases, timeout, entries and the sources are
 * copied; <seed> keys the hash. NULL: no memory. */
struct affinity *affinity_new(const struct conf *conf,
			      const uint8_t seed[static HASH_KEY_LEN]);
/* Nothing is reserved any more; NULL is allowed. */
void affinity_free(struct affinity *affinity);
/* Take over what a reload may change: key, prefixes, aliases, timeout. A
 * binding whose client has another key now ages out. */
void affinity_reconfigure(struct affinity *affinity, const struct conf *conf);

/*
 * Reserve the client's binding, making or moving it if needed.
 * ERR_NOT_FOUND: the chooser had no server (nothing is kept); ERR_MEMORY:
 * the table is full of bindings with connections.
 */
MUST_CHECK int affinity_reserve(struct affinity *affinity,
				const struct addr *client,
				const struct affinity_chooser *chooser,
				uint64_t now_ms, struct reservation *out);
/* The connect succeeded. False: the binding moved while it was under way,
 * this connection would split the client and must not be used. */
bool affinity_confirm(struct affinity *affinity, struct reservation *res);
/*
 * The connect (not confirmed) failed in a way that speaks against the
 * server. Moves the binding unless somebody did already; fills in the
 * server to try next, which is none of chooser->except.
 * ERR_BUSY: the client has live connections there, it is not moved;
 * ERR_NOT_FOUND: the chooser has none left, or the binding moved to one
 * that this connection has tried. The reservation is still owed its release.
 */
MUST_CHECK int affinity_move(struct affinity *affinity, struct reservation *res,
			     const struct affinity_chooser *chooser,
			     uint64_t now_ms);
/* One side of the connection has ended: it goes on, but it no longer holds
 * the client where it is. */
void affinity_ending(struct affinity *affinity, struct reservation *res);
/* The connection is over, or never came to be. A second call does nothing. */
void affinity_release(struct affinity *affinity, struct reservation *res,
		      uint64_t now_ms);

/* The address to reach servers of <family> from; NULL: the system's choice.
 * The same for all connections of a binding (rendezvous hash). */
const struct addr *affinity_source(const struct affinity *affinity,
				   const struct reservation *res,
				   uint8_t family);

/* Who a client is to the tables of leases and association groups: as its
 * binding's key, but a client without one is its address. */
struct addr affinity_name(struct affinity *affinity, const struct addr *client);
#define AFFINITY_ADDRESSES_MAX (CONF_ALIASES_MAX + 1)
/* Where a client of that name comes from: its name, and the aliases of it,
 * each cut to the prefix. Returns how many. */
unsigned affinity_addresses(struct affinity *affinity, const struct addr *name,
			    struct addr room[static AFFINITY_ADDRESSES_MAX]);
/* Does each connection of this client stand for itself: is the address a
 * shared one that virtual ports divide, or the key none? */
bool affinity_is_private(struct affinity *affinity, const struct addr *client);
/* The same for shared addresses alone. */
bool affinity_is_shared(struct affinity *affinity, const struct addr *client);
/* Has the client a binding, with connections or without? (who may still
 * open connections while the balancer stops) */
bool affinity_is_bound(struct affinity *affinity, const struct addr *client,
		       uint64_t now_ms);
/* Drop bindings that timed out; at most <most> a call. Returns how many. A
 * binding that timed out is no binding, dropped or not. */
unsigned affinity_expire(struct affinity *affinity, uint64_t now_ms,
			 unsigned most);
/* End the bindings without connections of servers that are leaving. Those
 * with connections end or move with their last. Looks at most at <most> a
 * call and goes on there with the next, round and round: to be called while
 * a server leaves, by one thread. */
void affinity_forget_leaving(struct affinity *affinity, unsigned most);

/* A binding, for who wants to know them all. */
struct affinity_entry {
	struct addr key;
	struct server *server;
	/* What the server is reached from; NULL: the system's choice. */
	const struct addr *source;
	uint64_t idle_ms; /* since the last connection; 0: it has some */
};

/*
 * Tell <each> of every binding that is worth keeping: confirmed, not
 * private, not timed out, to a server that stays. Shards are locked for some
 * bindings at a time and not during the call; of what comes and goes
 * meanwhile some is told and some is not, and in rare cases twice. To be
 * called by the thread that changes the array, so that <server> is what it
 * was.
 */
void affinity_each(struct affinity *affinity, uint64_t now_ms,
		   void (*each)(void *ctx, const struct affinity_entry *entry),
		   void *ctx);
/*
 * Make a binding that affinity_each() told of in an earlier process: idle
 * for <idle_ms>. Before any worker starts, the shortest idle first: any
 * other order takes long. What the prefixes would cut today is cut from
 * <key>. <source> NULL, or none of ours any more: as for a new binding.
 *
 * ERR_EXISTS: it has a binding; ERR_TIMEOUT: it has timed out; ERR_NOT_FOUND:
 * <server> is not in use; ERR_MEMORY: its part of the table is full (none is
 * evicted); ERR_UNSUPPORTED: key = none keeps no bindings.
 */
MUST_CHECK int affinity_restore(struct affinity *affinity,
				const struct addr *key, struct server *server,
				const struct addr *source, uint64_t idle_ms,
				uint64_t now_ms);
/* Bindings now, private ones too. */
unsigned affinity_count(struct affinity *affinity);

#endif
