/*
 * announced.h - which server serves which interface on which port.
 *
 * Layer: core (pure). Thread-safe: one writer (the control thread), any
 * number of readers.
 * Filled from the answers of every server's endpoint mapper.
 */
#ifndef CORE_ANNOUNCED_H
#define CORE_ANNOUNCED_H

#include <stdint.h>

#include "core/array.h"
#include "core/portset.h"
#include "wire/uuid.h"

#define ANNOUNCED_MAX 1024 /* of one server; more are left out */

struct announcement {
	struct syntax interface;
	uint16_t port;
};

struct announced;

struct announced *announced_new(void); /* NULL: no memory */
void announced_free(struct announced *table);

/* Replace what the server in <slot> announces (n may be 0). ERR_MEMORY:
 * the old list stays. Doubles and port 0 are dropped. Returns 1 if that
 * changed anything, 0 if not. */
MUST_CHECK int announced_set(struct announced *table, unsigned slot,
			     const struct announcement *list, unsigned n);
/* Which servers announce <port>: a mask of slots. Lock-free. */
uint64_t announced_servers(const struct announced *table, uint16_t port);
/*
 * The port on which server <slot> gives the interface (UUID and major
 * version) that server <other> (any of the mask) has on <port>. 0: it gives
 * none. Of several the one that gives most of <port>'s interfaces.
 */
uint16_t announced_same(struct announced *table, uint16_t port, uint64_t other,
			unsigned slot);
/* All ports that any server announces. */
void announced_ports(const struct announced *table, struct portset *out);

#endif
