/*
 * limits.h - how many descriptors, source ports and leases a configuration
 * takes, and how many connections that leaves room for.
 *
 * Layer: core (pure: what the machine allows comes in).
 */
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "core/conf.h"

#define LIMITS_PIPES   64  /* for splicing, of all workers together */
#define LIMITS_GROUPED 256 /* ports up to which each worker has a socket */
#define LIMITS_OWN     64  /* log, timers, kernel interfaces */
#define LIMITS_LEASED  1000000

/* What the machine allows. */
struct limits_host {
	uint64_t descriptors;	  /* of a process */
	unsigned ephemeral_ports; /* of one address */
};

/*
 * Sockets that listen once every port that is known beforehand is open.
 * <way> is the one that was taken; auto counts as one of the kernel's, whose
 * sockets serve all ports.
 */
uint64_t limits_listeners(const struct conf *conf, enum conf_intercept way);
/* Everything but connections: listeners, pipes, questions to servers, … */
uint64_t limits_own(const struct conf *conf, enum conf_intercept way);

/* Addresses that servers of <family> are reached from: one where the system
 * chooses. */
unsigned limits_sources(const struct conf *conf, uint8_t family);
/*
 * How many connections those addresses hold to one port of one server of
 * <family>; the last server that is left may get all. UINT64_MAX: as many as
 * may be, because there is no such server or each client is its own source.
 */
uint64_t limits_source_room(const struct conf *conf, uint8_t family,
			    unsigned ephemeral_ports);

/*
 * How many connections there may be at once: what the configuration says, or
 * what the descriptors leave room for, two each, if that is less. With "auto"
 * the latter, and no more than the sources hold. At least 1.
 */
unsigned limits_connections(const struct conf *conf, enum conf_intercept way,
			    const struct limits_host *host);

/* Leases that are kept at once. Where the kernel decides by them it keeps them
 * all, and pays for the room: then no more than LIMITS_LEASED, so that the
 * table makes room by ending the oldest before the kernel is full. */
size_t limits_leases(const struct conf *conf);

#endif
