/*
 * tally.c - what passed, by interface.
 *
 * Layer: core (pure).
 */
#include "core/tally.h"
#include "wire/iface.h"

#define ROW_NONE  (TALLY_ROWS - 1)
#define ROW_OTHER (TALLY_ROWS - 2)

static unsigned row_of(const struct syntax *interface)
{
	const struct iface *known = interface ? iface_of(interface) : NULL;
	unsigned i;

	if (!interface)
		return ROW_NONE;
	for (i = 0; known && i < ROW_OTHER; i++)
		if (iface_at(i) == known)
			return i;
	return ROW_OTHER;
}

struct tally_row *tally_of(struct tally *tally, const struct syntax *interface)
{
	return &tally->row[row_of(interface)];
}

const char *tally_name(unsigned row)
{
	const struct iface *iface;

	if (row == ROW_NONE)
		return "none";
	if (row == ROW_OTHER)
		return "other";
	iface = row < ROW_OTHER ? iface_at(row) : NULL;
	return iface ? iface->name : NULL;
}
