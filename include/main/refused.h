/*
 * refused.h - a line about what the kernel refused before it came to us.
 *
 * Layer: main.
 */
#ifndef MAIN_REFUSED_H
#define MAIN_REFUSED_H

#include <stdint.h>

#include "base/log.h"

#define REFUSED_SPAN_MS 60000 /* at most one line in this time */

/* All zeros in the beginning. */
struct refused {
	uint64_t told;	  /* of the count, by the lines so far */
	uint64_t told_ms; /* when the last one was made, if <told> */
};

/*
 * <count> is what listener_refused() says now. When it has grown since the
 * last line, and that is long enough ago, one says by how much; what is held
 * back is part of the next one.
 */
void refused_tell(struct refused *refused, struct log *log, uint64_t count,
		  uint64_t now_ms);

/* What no line has told yet, at the end. */
void refused_tell_rest(struct refused *refused, struct log *log,
		       uint64_t count);

#endif
