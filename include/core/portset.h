/*
 * portset.h - a set of TCP ports.
 *
 * Layer: core (pure).
 * Plain memory of 8 KiB: bit (port % 64) of word (port / 64). The kernel's
 * program for sk_lookup reads the same layout.
 */
#ifndef CORE_PORTSET_H
#define CORE_PORTSET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define PORTSET_WORDS 1024

struct portset {
	uint64_t word[PORTSET_WORDS];
};

void portset_clear(struct portset *set);
void portset_add(struct portset *set, uint16_t port);
void portset_remove(struct portset *set, uint16_t port);
void portset_add_range(struct portset *set, uint16_t first, uint16_t last);
bool portset_has(const struct portset *set, uint16_t port) PURE;
unsigned portset_count(const struct portset *set) PURE;
/* The first port of the set that is >= <from>; -1 if there is none. */
int portset_next(const struct portset *set, unsigned from) PURE;
/* out = a without b. */
void portset_subtract(struct portset *out, const struct portset *a,
		      const struct portset *b);

#endif
