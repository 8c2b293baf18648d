/*
 * announced.h - which server serves which interface on which port.
 *
 * Layer: core (pure). Thread-safe: any number of readers and writers. Under
 * the table's lock nothing else is locked.
 * Filled from the answers of every server's endpoint mapper: whole lists from
 * the control thread, which asks regularly; single notes from workers, which
 * see the answers that clients get.
 *
 * A round of questions may have begun before the answer that a worker saw,
 * and end after it. So a note outlives one whole list that lacks it; the
 * second one ends it.
 */
#ifndef CORE_ANNOUNCED_H
#define CORE_ANNOUNCED_H

#include <stdbool.h>
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

/* Orders interfaces by UUID and major version; 0: they are the same. A newer
 * minor version serves what asks for an older one, so that is not looked at
 * (C706 12.6.3.1: the server's minor is at least the client's). */
int announced_order(const struct syntax *a, const struct syntax *b) PURE;

struct announced *announced_new(void); /* NULL: no memory */
void announced_free(struct announced *table);

/* Replace what the server in <slot> announces. Doubles and port 0 are
 * dropped; notes that <list> lacks stay once more, where there is room. n 0
 * forgets the server: notes go as well. ERR_MEMORY: the old list stays.
 * Returns 1 if that changed anything, 0 if not. */
MUST_CHECK int announced_set(struct announced *table, unsigned slot,
			     const struct announcement *list, unsigned n);
/* The server in <slot>, which the caller keeps from being freed (array.h),
 * was seen to announce <one>. Returns 1 if that was added; 0 if the interface
 * (UUID and major version) was known on that port, or the port is 0;
 * ERR_SPACE: the server announces ANNOUNCED_MAX already. */
MUST_CHECK int announced_note(struct announced *table, unsigned slot,
			      const struct announcement *one);
/* Counts what changed the table, from 0 on: whoever follows the table reads it
 * first, and is behind while it reads another number here. */
uint64_t announced_changes(const struct announced *table);
/* Which servers announce <port>: a mask of slots. Lock-free. */
uint64_t announced_servers(const struct announced *table, uint16_t port);
/*
 * The port on which server <slot> gives the interface (UUID and major
 * version) that server <other> (any of the mask) has on <port>. 0: it gives
 * none. Of several the one that gives most of <port>'s interfaces.
 */
uint16_t announced_same(struct announced *table, uint16_t port, uint64_t other,
			unsigned slot);
/* The port on which server <slot> gives the interface (UUID and major
 * version), the lowest of several; 0: it gives none. */
uint16_t announced_port_of(struct announced *table,
			   const struct syntax *interface, unsigned slot);
/* Does the server in <slot> announce the interface (UUID and major version)
 * on that port? */
bool announced_has(struct announced *table, unsigned slot,
		   const struct announcement *one);
/* What the server in <slot> announces, by port: at most <most> into <room>.
 * Returns how many were written. */
unsigned announced_copy(struct announced *table, unsigned slot,
			struct announcement *room, unsigned most);
/* All ports that any server announces. */
void announced_ports(const struct announced *table, struct portset *out);

#endif
