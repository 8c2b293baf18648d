/*
 * logger.h - the log: a ring for each thread, one thread that writes.
 *
 * Layer: main.
 * Who logs never waits: what does not fit its ring is dropped and counted,
 * and the count is a line of its own (log-dropped). Only the log's own
 * thread can be held up by a reader that stalls.
 */
#ifndef MAIN_LOGGER_H
#define MAIN_LOGGER_H

#include "base/log.h"
#include "core/conf.h"

struct logger;

/* Opens where <conf> says, for <nthreads> writing threads. -errno,
 * ERR_MEMORY. */
MUST_CHECK int logger_new(const struct conf *conf, unsigned nthreads,
			  struct logger **out);
/* The log of one thread, borrowed. */
struct log *logger_log(struct logger *logger, unsigned thread);
/* Start the writing thread. Lines before it wait in the rings. -errno. */
MUST_CHECK int logger_start(struct logger *logger);
/* Write what is left, for two seconds at most, and free everything. */
void logger_free(struct logger *logger);

#endif
