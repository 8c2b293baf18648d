/*
 * tick.h - durations as text, and queues of deadlines.
 *
 * Layer: base.
 * Units: milliseconds of the monotonic clock, handed in by the caller; this
 * file never looks at a clock.
 */
#ifndef BASE_TICK_H
#define BASE_TICK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"

#define TICK_NEVER UINT64_MAX

/* "250ms", "5s", "10m", "2h". A number without a unit is refused, but for 0.
 * ERR_MALFORMED, ERR_LIMIT above 10 years. */
MUST_CHECK int tick_parse(const char *text, uint64_t *out_ms);
/* The shortest exact form, at most 24 octets; returns <room>. */
const char *tick_format(uint64_t ms, char room[24]);

/*
 * Deadlines that all lie the same span ahead stand in a queue in the order
 * in which they were renewed, which is that in which they fall due: every
 * call is O(1), and one timer serves all. The span may be changed at any
 * time: it is that of all entries at once, and none has to be touched.
 */
struct tick_entry {
	struct list node;
	uint64_t since_ms; /* when it was last renewed */
};

struct tick_queue {
	struct list head;
	uint64_t span_ms; /* TICK_NEVER: nothing falls due */
};

void tick_queue_init(struct tick_queue *queue, uint64_t span_ms);
void tick_entry_init(struct tick_entry *entry);
/* (Re)queue <entry> for a span after <now_ms>, at the end. Time does not go
 * back: an earlier moment than that of the renewal before counts as that. */
void tick_queue_renew(struct tick_queue *queue, struct tick_entry *entry,
		      uint64_t now_ms);
void tick_entry_cancel(struct tick_entry *entry);
/* The first entry that is due, taken out of the queue; NULL if none. */
struct tick_entry *tick_queue_take(struct tick_queue *queue, uint64_t now_ms);
/* When the first entry falls due; TICK_NEVER for an empty queue. */
uint64_t tick_queue_next(const struct tick_queue *queue) PURE;

#endif
