/*
 * limits.h - how many descriptors a configuration takes, and how many
 * connections that leaves room for.
 *
 * Layer: core (pure: the limit comes in).
 */
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

#include <stdint.h>

#include "core/conf.h"

#define LIMITS_PIPES   64  /* for splicing, of all workers together */
#define LIMITS_GROUPED 256 /* ports up to which each worker has a socket */
#define LIMITS_OWN     64  /* log, timers, kernel interfaces */

/* Sockets that listen once every port that is known beforehand is open. */
uint64_t limits_listeners(const struct conf *conf);
/* Everything but connections: listeners, pipes, questions to servers, … */
uint64_t limits_own(const struct conf *conf);
/*
 * How many connections there may be at once: what the configuration says,
 * or what is left of <descriptors> if that is less or it says "auto". Two
 * descriptors each; at least 1.
 */
unsigned limits_connections(const struct conf *conf, uint64_t descriptors);

#endif
