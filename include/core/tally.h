/*
 * tally.h - what passed, by interface.
 *
 * Layer: core (pure). Thread-safe: counters are atomic, and only grow.
 * Units: octets.
 */
#ifndef CORE_TALLY_H
#define CORE_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

#include "wire/uuid.h"

#define TALLY_ROWS 64 /* named interfaces, then all others together */

/* Connections whose first bind was for the interface; counted at their end. */
struct tally_row {
	_Atomic uint64_t connections;
	_Atomic uint64_t octets_in; /* from clients */
	_Atomic uint64_t octets_out;
	_Atomic uint64_t faults; /* of servers; counted as they pass */
};

struct tally {
	struct tally_row row[TALLY_ROWS];
};

/* The row of an interface; NULL: of connections that said nothing. Never
 * NULL. */
struct tally_row *tally_of(struct tally *tally, const struct syntax *interface);
/* What a row counts: "emsmdb", …, "other", "none"; NULL: no row is there. */
const char *tally_name(unsigned row);

#endif
