/*
 * portmap_choose.h - which number a virtual port gets.
 *
 * Layer: core (pure).
 */
#ifndef PORTMAP_CHOOSE_H
#define PORTMAP_CHOOSE_H

#include "core/portset.h"
#include "portmap_table.h"

/* What may be given out. */
struct portmap_stock {
	uint16_t first, last;
	struct portset free; /* of the range, taken by nobody */
	struct portset calm; /* those that are no server's real port */
};

/* The first of <key>'s own sequence of all numbers of the range that is calm;
 * if none is, that is free. 0: the stock is used up. */
uint16_t portmap_choose(const struct portmap_stock *stock,
			const struct portmap_key *key);

#endif
