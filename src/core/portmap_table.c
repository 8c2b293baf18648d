/*
 * portmap_table.c - the assignments of virtual ports, in two orders.
 *
 * Layer: core (pure).
 */
#include <string.h>

#include "core/announced.h"
#include "portmap_table.h"

int portmap_table_init(struct portmap_table *table)
{
	table->pool = pool_new(sizeof(struct assignment), PORTMAP_PORTS);
	return table->pool ? 0 : ERR_MEMORY;
}

void portmap_table_release(struct portmap_table *table)
{
	pool_free(table->pool);
}

static int compare(const struct assignment *one, const struct portmap_key *key)
{
	int order = strcmp(one->server, key->server);

	if (order)
		return order;
	if (one->port != key->port)
		return one->port < key->port ? -1 : 1;
	return announced_order(&one->interface, &key->interface);
}

/* The first that is not below <key>. */
static unsigned place_of(const struct portmap_table *table,
			 const struct portmap_key *key)
{
	unsigned low = 0, high = table->n, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (compare(table->sorted[middle], key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct assignment *portmap_table_find(const struct portmap_table *table,
				      const struct portmap_key *key)
{
	unsigned i = place_of(table, key);

	if (i == table->n || compare(table->sorted[i], key))
		return NULL;
	return table->sorted[i];
}

struct assignment *portmap_table_add(struct portmap_table *table,
				     const struct portmap_key *key,
				     uint16_t vport)
{
	struct assignment *one = pool_take(table->pool);
	unsigned i = place_of(table, key);

	if (!one)
		return NULL;
	memcpy(one->server, key->server, strlen(key->server) + 1);
	one->interface = key->interface;
	one->port = key->port;
	one->vport = vport;
	one->slot = PORTMAP_NO_SLOT;
	memmove(&table->sorted[i + 1], &table->sorted[i],
		(table->n - i) * sizeof(struct assignment *));
	table->sorted[i] = one;
	table->at[vport] = one;
	table->n++;
	return one;
}

void portmap_table_remove(struct portmap_table *table, unsigned i)
{
	struct assignment *one = table->sorted[i];

	table->n--;
	memmove(&table->sorted[i], &table->sorted[i + 1],
		(table->n - i) * sizeof(struct assignment *));
	table->at[one->vport] = NULL;
	pool_give(table->pool, one);
}
