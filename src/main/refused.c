/*
 * refused.c - a line about what the kernel refused before it came to us.
 *
 * Layer: main.
 */
#include "main/refused.h"

void refused_tell(struct refused *refused, struct log *log, uint64_t count,
		  uint64_t now_ms)
{
	if (refused->told && now_ms - refused->told_ms < REFUSED_SPAN_MS)
		return;
	if (count > refused->told)
		refused->told_ms = now_ms;
	refused_tell_rest(refused, log, count);
}

void refused_tell_rest(struct refused *refused, struct log *log, uint64_t count)
{
	if (count <= refused->told)
		return;
	LOG(log, LOG_LEVEL_NOTICE, "refused-by-kernel",
	    log_number("count", count - refused->told));
	refused->told = count;
}
