/*
 * affinity.h - one client, one server: the table of bindings.
 *
 * Layer: core (pure; time comes in). Thread-safe: sharded, one short lock a
 * shard, taken when a connection opens, is confirmed or closes.
 * Units: milliseconds of the monotonic clock.
 *
 * A binding is reserved when a connection is accepted, before any connect,
 * so that the parallel first connections of one client agree; the first
 * connect that succeeds confirms it. One binding serves the client on every
 * port. It stays <timeout> after the client's last connection closed. When
 * the table is full the binding that has been without connections longest
 * goes; a binding with connections never does.
 *
 * A binding moves to another server (1) when a connect failed that speaks
 * against the server and no connection of the client lives there, or (2)
 * when its server no longer serves it. All that were reserved before the
 * move see it: <moves> counts, and who comes late with an old count is
 * told the new server instead of moving it again.
 */
#ifndef CORE_AFFINITY_H
#define CORE_AFFINITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/hash.h"
#include "core/array.h"
#include "core/conf.h"

struct affinity;
struct binding;

/*
 * Choose a server. <except>: servers that this connection has tried. Runs
 * under a shard's lock: it must be short and must not call the table.
 * NULL: there is none.
 */
struct affinity_chooser {
	struct server *(*choose)(void *ctx, uint64_t except, uint64_t key);
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
};

/* <conf>: key, prefixes, aliases, timeout, entries are copied; <seed> keys
 * the hash; <sources> (may be 0) is copied. NULL: no memory. */
struct affinity *affinity_new(const struct conf *conf,
			      const uint8_t seed[static HASH_KEY_LEN]);
void affinity_free(struct affinity *affinity);
/* Take over what a reload may change: key, prefixes, aliases, timeout. */
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
/* The client's server now, NULL without a binding (or one that no longer
 * serves). For who must know before choosing. */
struct server *affinity_find(struct affinity *affinity,
			     const struct addr *client, uint64_t now_ms);
/* The connect succeeded. */
void affinity_confirm(struct affinity *affinity, struct reservation *res);
/*
 * The connect failed in a way that speaks against the server. Moves the
 * binding unless somebody did already; fills in the server to try next.
 * ERR_BUSY: the client has live connections there, it is not moved;
 * ERR_NOT_FOUND: the chooser has none left.
 */
MUST_CHECK int affinity_move(struct affinity *affinity, struct reservation *res,
			     const struct affinity_chooser *chooser,
			     uint64_t now_ms);
/* The connection is over, or never came to be. */
void affinity_release(struct affinity *affinity, struct reservation *res,
		      uint64_t now_ms);

/* The address to reach servers of <family> from; NULL: the system's choice.
 * The same for all connections of a binding (rendezvous hash). */
const struct addr *affinity_source(const struct affinity *affinity,
				   const struct reservation *res,
				   uint8_t family);

/* Has the client a binding with live connections? (who may still open
 * connections while the balancer stops: any binding counts) */
bool affinity_is_bound(struct affinity *affinity, const struct addr *client,
		       uint64_t now_ms);
/* Drop bindings that timed out; at most <most> a call. Returns how many. */
unsigned affinity_expire(struct affinity *affinity, uint64_t now_ms,
			 unsigned most);
/* End the bindings without connections of a server that is leaving. */
void affinity_forget_server(struct affinity *affinity,
			    const struct server *server, uint64_t now_ms);
unsigned affinity_count(struct affinity *affinity);

#endif
