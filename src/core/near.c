/*
 * near.c - the known name that a mistyped one is nearest to.
 *
 * Layer: core (pure).
 * Method: optimal string alignment, three rows of its table at a time.
 */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "core/near.h"

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static bool is_same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

unsigned near_distance(const char *a, const char *b)
{
	unsigned rows[3][NEAR_NAME_MAX + 1];
	size_t na = strnlen(a, NEAR_NAME_MAX), nb = strnlen(b, NEAR_NAME_MAX);
	unsigned *before = rows[0], *above = rows[1], *row = rows[2], *spare;
	size_t i, j;

	for (j = 0; j <= nb; j++)
		above[j] = (unsigned)j;
	for (i = 1; i <= na; i++) {
		row[0] = (unsigned)i;
		for (j = 1; j <= nb; j++) {
			row[j] = above[j - 1] + !is_same(a[i - 1], b[j - 1]);
			row[j] = least(row[j], above[j] + 1);
			row[j] = least(row[j], row[j - 1] + 1);
			if (i > 1 && j > 1 && is_same(a[i - 1], b[j - 2]) &&
			    is_same(a[i - 2], b[j - 1]))
				row[j] = least(row[j], before[j - 2] + 1);
		}
		spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[nb];
}

void near_try(struct near *search, const char *name)
{
	unsigned allowed, distance;

	if (!name)
		return;
	allowed = (unsigned)strnlen(name, NEAR_NAME_MAX) / 3;
	if (allowed < 2)
		allowed = 2;
	distance = near_distance(search->wanted, name);
	if (distance > allowed)
		return;
	if (search->best && distance >= search->distance)
		return;
	search->best = name;
	search->distance = distance;
}
