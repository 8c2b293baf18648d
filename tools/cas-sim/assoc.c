/*
 * assoc.c - association groups and the context handles that live in them.
 *
 * Layer: tools.
 * Source: [MS-RPCE] 3.3.1.1.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "assoc.h"

void random_fill(void *room, size_t len)
{
	if (getrandom(room, len, 0) != (ssize_t)len)
		abort(); /* not for so few octets */
}

/* A random one that is free; the search after it is bounded. */
static uint16_t id_find(const struct assoc_table *table)
{
	uint16_t id;
	unsigned i;

	random_fill(&id, sizeof(id));
	for (i = 0; i < ASSOC_IDS; i++, id++)
		if (id && !table->group[id])
			return id;
	return 0;
}

struct assoc_group *assoc_open(struct assoc_table *table,
			       const struct addr *opener)
{
	uint16_t id = id_find(table);
	struct assoc_group *group = id ? calloc(1, sizeof(*group)) : NULL;

	if (!group)
		return NULL;
	group->table = table;
	group->id = id;
	group->opener = *opener;
	group->nconns = 1;
	list_init(&group->handles);
	table->group[id] = group;
	table->count++;
	return group;
}

struct assoc_group *assoc_find(const struct assoc_table *table, uint32_t id)
{
	return id < ASSOC_IDS ? table->group[id] : NULL;
}

void assoc_join(struct assoc_group *group)
{
	group->nconns++;
}

void assoc_leave(struct assoc_group *group)
{
	struct list *node, *spare;

	if (--group->nconns)
		return;
	list_each_safe (node, spare, &group->handles)
		handle_free(list_entry(node, struct handle, node));
	group->table->group[group->id] = NULL;
	group->table->count--;
	free(group);
}

/* On the wire: attributes 0, then a UUID, here of 16 random octets. */
struct handle *handle_new(struct assoc_group *group, enum handle_kind kind)
{
	struct handle *handle = calloc(1, sizeof(*handle));

	if (!handle)
		return NULL;
	handle->kind = kind;
	random_fill(handle->wire.octet + 4, STUB_HANDLE_LEN - 4);
	list_init(&handle->parked);
	list_add(&group->handles, &handle->node);
	return handle;
}

struct handle *handle_find(const struct assoc_group *group,
			   enum handle_kind kind,
			   const struct stub_handle *wire)
{
	struct list *node;

	list_each (node, &group->handles) {
		struct handle *handle = list_entry(node, struct handle, node);

		if (handle->kind == kind &&
		    !memcmp(&handle->wire, wire, sizeof(*wire)))
			return handle;
	}
	return NULL;
}

static struct handle *session_in(const struct assoc_group *group,
				 uint32_t index, uint32_t timestamp)
{
	struct list *node;

	list_each (node, &group->handles) {
		struct handle *handle = list_entry(node, struct handle, node);

		if (handle->kind == HANDLE_SESSION && handle->index == index &&
		    handle->timestamp == timestamp)
			return handle;
	}
	return NULL;
}

struct handle *handle_find_session(const struct assoc_table *table,
				   uint32_t index, uint32_t timestamp)
{
	struct handle *found = NULL;
	unsigned id;

	for (id = 1; id < ASSOC_IDS && !found; id++)
		if (table->group[id])
			found = session_in(table->group[id], index, timestamp);
	return found;
}

void handle_free(struct handle *handle)
{
	list_remove(&handle->node);
	free(handle);
}
