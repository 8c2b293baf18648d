/*
 * refused.c - a line about what the kernel refused before it came to us.
 *
 * Layer: main.
 */
#include "main/refused.h"

void refused_tell(struct refused *refused, struct log *log, uint64_t count,
		  uint64_t now_ms)
{
	if (count <= refused->told)
		return;
	if (refused->told && now_ms - refused->told_ms < REFUSED_SPAN_MS)
		return;
	LOG(log, LOG_LEVEL_NOTICE, "refused-by-kernel",
	    log_number("count", count - refused->told));
	refused->told = count;
	refused->told_ms = now_ms;
}
