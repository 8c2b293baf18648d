/*
 * shards.c - into how many parts, with a lock each, a table is divided.
 *
 * Layer: core (pure).
 */
#include "shards.h"

#define PART_MIN 1024 /* entries of a part, or there is one */

unsigned shards_for(size_t entries)
{
	unsigned n = SHARDS_MAX;

	while (n > 1 && entries / n < PART_MIN)
		n /= 2;
	return n;
}
