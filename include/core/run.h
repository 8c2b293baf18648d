/*
 * run.h - which server the next conversation of a shared address gets.
 *
 * Layer: core (pure; time comes in). Thread-safe: one lock, taken when a
 * connection to the endpoint mapper opens and when it asks. Nothing is
 * locked under it.
 * Units: milliseconds of the monotonic clock.
 *
 * Many clients share an address (a NAT gateway, a proxy). Each opens a
 * connection to the endpoint mapper for each interface that it wants, shortly
 * one after the other, and must get one server for all. Such a row of
 * connections is a run: each opens within RUN_GAP_MS of the one before. A
 * run has one server. Clients that come at the same time share a run, and so
 * its server: balance is lost before a client is split.
 *
 * How often that happened is seen by what is asked: a client asks once for
 * an interface, so a run in which one is asked for again is more than one
 * client's, interleaved.
 */
#ifndef CORE_RUN_H
#define CORE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/hash.h"
#include "wire/uuid.h"

#define RUN_GAP_MS    2000
#define RUN_TELL_MS   60000 /* an address's interleaved runs are told of once */
#define RUN_ASKED_MAX 8	    /* interfaces of a run that are remembered */

struct runs;

/*
 * Choose one of <candidates> (a mask of slots) for a run. Runs under the
 * lock: it must be short and not call the table. Returns the slot; -1: none.
 */
struct run_chooser {
	int (*choose)(void *ctx, uint64_t candidates);
	void *ctx;
};

/* What is known of an address. */
struct run_sight {
	unsigned slot;	      /* of the latest run */
	uint64_t opened_ms;   /* its latest connection */
	uint64_t runs;	      /* since the address is known */
	uint64_t interleaved; /* of those, more than one client's */
};

/* Room for <most> addresses; <seed> keys the hash. NULL: no memory. */
struct runs *runs_new(size_t most, const uint8_t seed[static HASH_KEY_LEN]);
void runs_free(struct runs *runs); /* NULL is allowed */

/*
 * A connection of <client> opens, or its dial failed and it looks for
 * another server. Returns the slot of the run's server, if that is one of
 * <candidates>; else of the one that <chooser> chose, for the run from now
 * on. An address that is new takes the place of the one that has been
 * quiet longest.
 * ERR_NOT_FOUND: the chooser had none, nothing changed; ERR_MEMORY: the table
 * is full of addresses with a run under way.
 */
MUST_CHECK int run_open(struct runs *runs, const struct addr *client,
			uint64_t candidates, const struct run_chooser *chooser,
			uint64_t now_ms);
/* A connection of <client> asks for the interface (UUID and major version).
 * True: somebody did in the address's latest run, so that it is interleaved
 * from now on, which is to be told: no run of the address was within the last
 * RUN_TELL_MS. */
bool run_ask(struct runs *runs, const struct addr *client,
	     const struct syntax *interface, uint64_t now_ms);
/* ERR_NOT_FOUND: nothing is known of the address. */
MUST_CHECK int run_look(struct runs *runs, const struct addr *client,
			struct run_sight *out);

#endif
