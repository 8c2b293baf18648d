/*
 * portmap_table.h - the assignments of virtual ports, in two orders.
 *
 * Layer: core (pure). Not thread-safe: under the map's lock.
 */
#ifndef PORTMAP_TABLE_H
#define PORTMAP_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conf.h"
#include "core/pool.h"
#include "wire/uuid.h"

#define PORTMAP_PORTS	65536
#define PORTMAP_NO_SLOT UINT8_MAX

/* What an assignment is known by; of the interface, UUID and major version. */
struct portmap_key {
	const char *server; /* its name; borrowed */
	uint16_t port;	    /* of the server */
	struct syntax interface;
};

struct assignment {
	char server[CONF_NAME_MAX];
	struct syntax interface;
	uint16_t port; /* of the server */
	uint16_t vport;
	uint8_t slot;	 /* PORTMAP_NO_SLOT: the server is absent */
	bool is_listed;	 /* the last update saw it announced */
	bool is_missed;	 /* since <missed_ms> */
	bool is_surplus; /* the server has too many: this one goes */
	uint64_t missed_ms;
};

/* Room for every port there is, in pages that the kernel gives when they are
 * first used. */
struct portmap_table {
	struct pool *pool;
	unsigned n;
	/* By server's name, real port, interface. */
	struct assignment *sorted[PORTMAP_PORTS];
	struct assignment *at[PORTMAP_PORTS]; /* by virtual port */
};

/* <table> is zeros. ERR_MEMORY. */
MUST_CHECK int portmap_table_init(struct portmap_table *table);
void portmap_table_release(struct portmap_table *table);
/* NULL: there is none. */
struct assignment *portmap_table_find(const struct portmap_table *table,
				      const struct portmap_key *key);
/* <key> has no assignment, <vport> stands for nothing; the server is absent.
 * NULL: no memory. */
struct assignment *portmap_table_add(struct portmap_table *table,
				     const struct portmap_key *key,
				     uint16_t vport);
/* The <i>th of <sorted>. */
void portmap_table_remove(struct portmap_table *table, unsigned i);

#endif
