/*
 * tally.c - the counters of each interface, as lines of the log.
 *
 * Layer: main.
 */
#include "daemon_priv.h"

static void log_row(struct daemon *daemon, const char *name,
		    const struct tally_row *row)
{
	LOG(daemon->log, LOG_LEVEL_NOTICE, "interface", log_text("name", name),
	    log_number("connections", atomic_load(&row->connections)),
	    log_number("bytes-in", atomic_load(&row->octets_in)),
	    log_number("bytes-out", atomic_load(&row->octets_out)),
	    log_number("faults", atomic_load(&row->faults)));
}

void daemon_log_tally(struct daemon *daemon)
{
	unsigned i;

	for (i = 0; i < TALLY_ROWS; i++) {
		const struct tally_row *row = &daemon->shared.tally.row[i];
		const char *name = tally_name(i);

		if (name && (atomic_load(&row->connections) ||
			     atomic_load(&row->faults)))
			log_row(daemon, name, row);
	}
}
