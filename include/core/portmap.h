/*
 * portmap.h - virtual ports: each (server, interface, real port) has a port
 * of its own on the virtual address.
 *
 * Layer: core (pure; time comes in). Thread-safe: one writer (the control
 * thread), any number of readers; readers take one lock for a look-up, once
 * a connection and once an answer. Under the map's lock the announced
 * table's is taken, and no other.
 * Units: milliseconds of the monotonic clock; ports in host order.
 *
 * An interface is its UUID and major version. The virtual port is the real
 * number if the range has it free, else the first free one of a sequence
 * that is hashed from (server name, interface, real port) with a fixed key:
 * the same on every node and after a lost state file. The sequence passes
 * over numbers that are some server's real port while there are others: a
 * client that read a real number in an answer which could not be rewritten
 * must not meet another server's port there.
 *
 * What one update finds new is given ports in the order of server names, then
 * of real ports, then of interfaces, all real numbers before the first hashed
 * one. So two nodes agree when their first update that finds anything
 * announced comes after every server was asked. A port that was given never
 * changes afterwards.
 *
 * An assignment belongs to a server's name, whatever slot that has. While no
 * server has the name it is absent: no connection finds it, but its number
 * stays taken. An assignment that is not announced (any more) is given up
 * <linger_ms> after the update that missed it; a failed probe leaves the
 * announced table as it was, and so misses nothing. A name has no more than
 * PORTMAP_OF_SERVER assignments: where it would have more, those go first that
 * were missed longest, and none that is announced.
 */
#ifndef CORE_PORTMAP_H
#define CORE_PORTMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/announced.h"
#include "core/array.h"
#include "core/portset.h"
#include "wire/uuid.h"

#define PORTMAP_OF_SERVER ANNOUNCED_MAX

struct portmap;

struct portmap_rules {
	uint16_t first, last;	       /* may be given out; 0 < first <= last */
	const struct portset *exclude; /* but these; borrowed for the call */
	uint64_t linger_ms;	       /* CONF_NEVER: nothing is given up */
};

/* What a virtual port stands for. */
struct vport {
	uint8_t slot;
	uint16_t port; /* of the server */
	struct syntax interface;
};

/* One assignment, its server present or not. */
struct portmap_row {
	const char *server; /* its name; borrowed */
	struct syntax interface;
	uint16_t port;	/* of the server */
	uint16_t vport; /* of the virtual address */
};

struct portmap *portmap_new(void);	/* NULL: no memory */
void portmap_free(struct portmap *map); /* NULL is allowed */

/*
 * Follow the array and what it announces. The control thread calls it when
 * the announced table changed; regularly, so that what lingers is given up;
 * and after array_sweep(), before the next array_apply(), so that no slot
 * changes its meaning here. An assignment that the rules do not allow (any
 * more) is given up at once and made anew.
 * Returns how many of those announced have no virtual port: the range is
 * exhausted. They are tried again in each update.
 */
unsigned portmap_update(struct portmap *map, const struct array *array,
			struct announced *announced,
			const struct portmap_rules *rules, uint64_t now_ms);

/* The virtual port of what the server in <slot> has on <port>; 0: none. */
uint16_t portmap_find(struct portmap *map, unsigned slot,
		      const struct syntax *interface, uint16_t port);
/* What stands behind the virtual port. False: nothing, or its server is
 * absent. */
bool portmap_at(struct portmap *map, uint16_t vport, struct vport *out);
/* All virtual ports for which portmap_at() is true. */
void portmap_ports(struct portmap *map, struct portset *out);

/* Every assignment by its virtual port, to be kept over a restart. <one> runs
 * under the map's lock: it must not call the map. */
void portmap_each(struct portmap *map,
		  void (*one)(void *ctx, const struct portmap_row *row),
		  void *ctx);
/*
 * Before the first update: an assignment that an earlier process made. It is
 * found once an update saw its server's name in the array, and counts as
 * missed from the first update that does not see it announced.
 * ERR_MALFORMED: a port is 0, or the name is empty or none of a server;
 * ERR_EXISTS: the virtual port is taken, or the assignment has another;
 * ERR_MEMORY.
 */
MUST_CHECK int portmap_restore(struct portmap *map,
			       const struct portmap_row *row);

#endif
