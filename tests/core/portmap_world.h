/*
 * portmap_world.h - an array, what it announces and a map, for tests.
 */
#ifndef TESTS_CORE_PORTMAP_WORLD_H
#define TESTS_CORE_PORTMAP_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "core/portmap.h"

#define LINGER 7200000
#define ROWS   65536

/* A balancer of its own, as far as virtual ports go. */
struct world {
	struct conf *conf;
	struct array array;
	struct announced *announced;
	struct portmap *map;
	struct portset exclude;
	struct portmap_rules rules;
	uint64_t now_ms;
};

static inline struct syntax iface(uint32_t number)
{
	return (struct syntax){ .uuid = { .time_low = number }, .major = 1 };
}

static inline void world_begin(struct world *world)
{
	memset(world, 0, sizeof(*world));
	array_init(&world->array);
	world->conf = calloc(1, sizeof(*world->conf));
	world->announced = announced_new();
	world->map = portmap_new();
	if (!world->conf || !world->announced || !world->map)
		abort();
	world->rules =
		(struct portmap_rules){ 1024, 65535, &world->exclude, LINGER };
	world->now_ms = 1000000;
}

static inline void world_end(struct world *world)
{
	portmap_free(world->map);
	announced_free(world->announced);
	free(world->conf);
}

/* The array's servers from now on: one letter each is name and address, a
 * capital is the same name at another address. */
static inline void world_servers(struct world *world, const char *letters)
{
	struct conf_server *server = world->conf->server;

	memset(server, 0, sizeof(world->conf->server));
	world->conf->nservers = (unsigned)strlen(letters);
	for (; *letters; letters++, server++) {
		server->name[0] = (char)(*letters | 0x20);
		server->address.family = AF_INET;
		server->address.octet[3] = (uint8_t)*letters;
		server->weight = 1;
	}
	if (array_apply(&world->array, world->conf))
		abort();
}

/* The slot of the server in use with that name. */
static inline unsigned world_slot(const struct world *world, char name)
{
	unsigned slot = 0;

	while (world->array.server[slot].life != SERVER_IN_USE ||
	       world->array.server[slot].name[0] != name)
		slot++;
	return slot;
}

static inline unsigned world_update(struct world *world)
{
	return portmap_update(world->map, &world->array, world->announced,
			      &world->rules, world->now_ms);
}

struct rows {
	unsigned n;
	struct row {
		uint32_t server; /* no padding: rows are compared whole */
		uint32_t interface;
		uint16_t port, vport;
	} at[ROWS];
};

static inline void rows_add(void *ctx, const struct portmap_row *row)
{
	struct rows *rows = ctx;

	rows->at[rows->n++] = (struct row){ (uint8_t)row->server[0],
					    row->interface.uuid.time_low,
					    row->port, row->vport };
}

static inline void world_rows(struct world *world, struct rows *rows)
{
	memset(rows, 0, sizeof(*rows));
	portmap_each(world->map, rows_add, rows);
}

#endif
