/*
 * near.h - the known name that a mistyped one is nearest to.
 *
 * Layer: core (pure).
 */
#ifndef CORE_NEAR_H
#define CORE_NEAR_H

#include <stddef.h>

#define NEAR_NAME_MAX 64 /* octets that are compared */

/*
 * How many octets must be put in, left out, changed or swapped with their
 * neighbour to make <b> of <a>, without case. Only the first NEAR_NAME_MAX
 * octets count.
 */
unsigned near_distance(const char *a, const char *b);

/* A search for the nearest of many names; start with { .wanted = name }. */
struct near {
	const char *wanted; /* borrowed */
	const char *best;   /* borrowed; NULL: nothing is near enough */
	unsigned distance;
};

/* Another known name; NULL is passed over. A name is near when at most a
 * third of it, and at least two octets' worth, differs. */
void near_try(struct near *search, const char *name);

#endif
