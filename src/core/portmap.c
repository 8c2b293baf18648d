/*
 * portmap.c - virtual ports: each (server, interface, real port) has a port
 * of its own on the virtual address.
 *
 * Layer: core (pure: a lock orders threads, no more; no I/O, no clock).
 * Units: milliseconds of the monotonic clock; ports in host order.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/portmap.h"
#include "portmap_choose.h"
#include "portmap_table.h"

struct portmap {
	pthread_rwlock_t lock;
	/* The server that has the slot; "" = none, or another slot is the
	 * one that its name means. */
	char name[ARRAY_SLOTS][CONF_NAME_MAX];
	struct portmap_table table;
	/* Of the update under way. */
	struct portmap_stock stock;
	struct announcement room[ANNOUNCED_MAX];
	unsigned new[ARRAY_SLOTS]; /* announced, and no assignment yet */
	struct assignment *missed[PORTMAP_PORTS]; /* of one server */
};

struct portmap *portmap_new(void)
{
	struct portmap *map = calloc(1, sizeof(*map));

	if (!map)
		return NULL;
	if (portmap_table_init(&map->table) ||
	    pthread_rwlock_init(&map->lock, NULL)) {
		portmap_table_release(&map->table);
		free(map);
		return NULL;
	}
	return map;
}

void portmap_free(struct portmap *map)
{
	if (!map)
		return;
	pthread_rwlock_destroy(&map->lock);
	portmap_table_release(&map->table);
	free(map);
}

/* A server that got another address is two for a while, of one name: the one
 * in use is meant. */
static bool is_shadowed(const struct array *array, const struct server *server)
{
	unsigned i;

	if (server->life == SERVER_IN_USE)
		return false;
	for (i = 0; i < ARRAY_SLOTS; i++)
		if (array->server[i].life == SERVER_IN_USE &&
		    !strcmp(array->server[i].name, server->name))
			return true;
	return false;
}

static void read_names(struct portmap *map, const struct array *array)
{
	const struct server *server;
	unsigned i;

	for (i = 0; i < ARRAY_SLOTS; i++) {
		server = &array->server[i];
		map->name[i][0] = '\0';
		if (server->life != SERVER_FREE && !is_shadowed(array, server))
			memcpy(map->name[i], server->name, CONF_NAME_MAX);
	}
}

static uint8_t slot_of(const struct portmap *map, const char *name)
{
	uint8_t i;

	for (i = 0; i < ARRAY_SLOTS; i++)
		if (!strcmp(map->name[i], name))
			return i;
	return PORTMAP_NO_SLOT;
}

/* The slots that have a name, by their names; returns how many. */
static unsigned slots_by_name(const struct portmap *map,
			      uint8_t order[static ARRAY_SLOTS])
{
	unsigned i, j, n = 0;

	for (i = 0; i < ARRAY_SLOTS; i++) {
		if (!map->name[i][0])
			continue;
		for (j = n++;
		     j && strcmp(map->name[order[j - 1]], map->name[i]) > 0;
		     j--)
			order[j] = order[j - 1];
		order[j] = (uint8_t)i;
	}
	return n;
}

static struct portmap_key key_of(const struct portmap *map, unsigned slot,
				 const struct syntax *interface, uint16_t port)
{
	return (struct portmap_key){ map->name[slot], port, *interface };
}

/* Who is present, and what is announced. */
static void look_around(struct portmap *map, struct announced *announced)
{
	struct assignment *one;
	struct portmap_key key;
	unsigned i, n, slot;

	for (i = 0; i < map->table.n; i++) {
		map->table.sorted[i]->slot =
			slot_of(map, map->table.sorted[i]->server);
		map->table.sorted[i]->is_listed = false;
	}
	for (slot = 0; slot < ARRAY_SLOTS; slot++) {
		map->new[slot] = 0;
		if (!map->name[slot][0])
			continue;
		n = announced_copy(announced, slot, map->room, ANNOUNCED_MAX);
		for (i = 0; i < n; i++) {
			key = key_of(map, slot, &map->room[i].interface,
				     map->room[i].port);
			one = portmap_table_find(&map->table, &key);
			if (one)
				one->is_listed = true;
			else
				map->new[slot]++;
		}
	}
}

static bool is_allowed(const struct portmap_rules *rules, uint16_t vport)
{
	return vport >= rules->first && vport <= rules->last &&
	       !portset_has(rules->exclude, vport);
}

/* Has it been missed for as long as it lingers? */
static bool is_over(struct assignment *one, uint64_t linger_ms, uint64_t now_ms)
{
	if (!one->is_listed && !one->is_missed)
		one->missed_ms = now_ms;
	one->is_missed = !one->is_listed;
	return one->is_missed && now_ms - one->missed_ms >= linger_ms;
}

static void give_up_old(struct portmap *map, const struct portmap_rules *rules,
			uint64_t now_ms)
{
	unsigned i = map->table.n;

	while (i--)
		if (!is_allowed(rules, map->table.sorted[i]->vport) ||
		    is_over(map->table.sorted[i], rules->linger_ms, now_ms))
			portmap_table_remove(&map->table, i);
}

/* How many the server of that name has now, from the <first> on. */
static unsigned count_of(const struct portmap *map, unsigned first)
{
	const char *server = map->table.sorted[first]->server;
	unsigned n = 0;

	while (first + n < map->table.n &&
	       !strcmp(map->table.sorted[first + n]->server, server))
		n++;
	return n;
}

static int by_missed(const void *a, const void *b)
{
	const struct assignment *left = *(struct assignment *const *)a;
	const struct assignment *right = *(struct assignment *const *)b;

	if (left->missed_ms != right->missed_ms)
		return left->missed_ms < right->missed_ms ? -1 : 1;
	return left->vport - right->vport;
}

/* Of a server's <n> assignments from the <first> on, those missed longest are
 * too many where it is to have <surplus> fewer. */
static void mark_surplus(struct portmap *map, unsigned first, unsigned n,
			 unsigned surplus)
{
	struct assignment *one;
	unsigned i, nmissed = 0;

	for (i = first; i < first + n; i++) {
		one = map->table.sorted[i];
		if (one->is_missed)
			map->missed[nmissed++] = one;
	}
	qsort(map->missed, nmissed, sizeof(struct assignment *), by_missed);
	for (i = 0; i < nmissed && i < surplus; i++)
		map->missed[i]->is_surplus = true;
}

/* What lingers of a server whose ports are others in each answer would use up
 * the range for all. */
static void give_up_surplus(struct portmap *map)
{
	unsigned i, n, want;
	uint8_t slot;

	for (i = 0; i < map->table.n; i += n) {
		n = count_of(map, i);
		slot = map->table.sorted[i]->slot;
		want = slot == PORTMAP_NO_SLOT ? n : n + map->new[slot];
		if (want > PORTMAP_OF_SERVER)
			mark_surplus(map, i, n, want - PORTMAP_OF_SERVER);
	}
	for (i = map->table.n; i--;)
		if (map->table.sorted[i]->is_surplus)
			portmap_table_remove(&map->table, i);
}

static void take_stock(struct portmap *map, const struct announced *announced,
		       const struct portmap_rules *rules)
{
	struct portmap_stock *stock = &map->stock;
	struct portset set;
	unsigned i;

	stock->first = rules->first;
	stock->last = rules->last;
	portset_clear(&set);
	portset_add_range(&set, rules->first, rules->last);
	portset_subtract(&stock->free, &set, rules->exclude);
	for (i = 0; i < map->table.n; i++)
		portset_remove(&stock->free, map->table.sorted[i]->vport);
	announced_ports(announced, &set);
	portset_subtract(&stock->calm, &stock->free, &set);
}

/* The real number if it is free, else, if that is allowed yet, a hashed one.
 * 0: none. */
static uint16_t choose(const struct portmap *map, const struct portmap_key *key,
		       bool may_hash)
{
	if (portset_has(&map->stock.free, key->port))
		return key->port;
	return may_hash ? portmap_choose(&map->stock, key) : 0;
}

/* Returns how many of the server's have none afterwards. */
static unsigned give_ports(struct portmap *map, struct announced *announced,
			   unsigned slot, bool may_hash)
{
	unsigned i, n, without = 0;
	struct assignment *one;
	struct portmap_key key;
	uint16_t vport;

	n = announced_copy(announced, slot, map->room, ANNOUNCED_MAX);
	for (i = 0; i < n; i++) {
		key = key_of(map, slot, &map->room[i].interface,
			     map->room[i].port);
		if (portmap_table_find(&map->table, &key))
			continue;
		vport = choose(map, &key, may_hash);
		one = vport ? portmap_table_add(&map->table, &key, vport)
			    : NULL;
		if (!one) {
			without++;
			continue;
		}
		one->slot = (uint8_t)slot;
		portset_remove(&map->stock.free, vport);
		portset_remove(&map->stock.calm, vport);
	}
	return without;
}

static unsigned update(struct portmap *map, const struct array *array,
		       struct announced *announced,
		       const struct portmap_rules *rules, uint64_t now_ms)
{
	uint8_t order[ARRAY_SLOTS];
	unsigned i, n, without = 0;

	read_names(map, array);
	look_around(map, announced);
	give_up_old(map, rules, now_ms);
	give_up_surplus(map);
	take_stock(map, announced, rules);
	n = slots_by_name(map, order);
	for (i = 0; i < n; i++)
		give_ports(map, announced, order[i], false);
	for (i = 0; i < n; i++)
		without += give_ports(map, announced, order[i], true);
	return without;
}

unsigned portmap_update(struct portmap *map, const struct array *array,
			struct announced *announced,
			const struct portmap_rules *rules, uint64_t now_ms)
{
	unsigned without;

	pthread_rwlock_wrlock(&map->lock);
	without = update(map, array, announced, rules, now_ms);
	pthread_rwlock_unlock(&map->lock);
	return without;
}

uint16_t portmap_find(struct portmap *map, unsigned slot,
		      const struct syntax *interface, uint16_t port)
{
	const struct assignment *one;
	struct portmap_key key;
	uint16_t vport;

	pthread_rwlock_rdlock(&map->lock);
	key = key_of(map, slot, interface, port);
	one = portmap_table_find(&map->table, &key);
	vport = one ? one->vport : 0;
	pthread_rwlock_unlock(&map->lock);
	return vport;
}

bool portmap_at(struct portmap *map, uint16_t vport, struct vport *out)
{
	const struct assignment *one;
	bool is_there;

	pthread_rwlock_rdlock(&map->lock);
	one = map->table.at[vport];
	is_there = one && one->slot != PORTMAP_NO_SLOT;
	if (is_there)
		*out = (struct vport){ one->slot, one->port, one->interface };
	pthread_rwlock_unlock(&map->lock);
	return is_there;
}

void portmap_ports(struct portmap *map, struct portset *out)
{
	unsigned i;

	portset_clear(out);
	pthread_rwlock_rdlock(&map->lock);
	for (i = 0; i < map->table.n; i++)
		if (map->table.sorted[i]->slot != PORTMAP_NO_SLOT)
			portset_add(out, map->table.sorted[i]->vport);
	pthread_rwlock_unlock(&map->lock);
}

void portmap_each(struct portmap *map,
		  void (*one)(void *ctx, const struct portmap_row *row),
		  void *ctx)
{
	const struct assignment *at;
	struct portmap_row row;
	unsigned i;

	pthread_rwlock_rdlock(&map->lock);
	for (i = 0; i < PORTMAP_PORTS; i++) {
		at = map->table.at[i];
		if (!at)
			continue;
		row = (struct portmap_row){ at->server, at->interface, at->port,
					    at->vport };
		one(ctx, &row);
	}
	pthread_rwlock_unlock(&map->lock);
}

int portmap_restore(struct portmap *map, const struct portmap_row *row)
{
	struct portmap_key key = { row->server, row->port, row->interface };
	size_t len = strlen(row->server);
	int err = 0;

	if (!row->port || !row->vport || !len || len >= CONF_NAME_MAX)
		return ERR_MALFORMED;
	pthread_rwlock_wrlock(&map->lock);
	if (map->table.at[row->vport] || portmap_table_find(&map->table, &key))
		err = ERR_EXISTS;
	else if (!portmap_table_add(&map->table, &key, row->vport))
		err = ERR_MEMORY;
	pthread_rwlock_unlock(&map->lock);
	return err;
}
