/*
 * tick.c - durations as text, and queues of deadlines.
 *
 * Layer: base.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/tick.h"

#define LONGEST_MS (10ull * 365 * 24 * 3600 * 1000)

/* From the coarsest to the finest: what tick_format() tries in turn. */
static const struct {
	const char *name;
	uint64_t ms;
} unit[] = {
	{ "h", 3600 * 1000 },
	{ "m", 60 * 1000 },
	{ "s", 1000 },
	{ "ms", 1 },
};

#define NUNITS (sizeof(unit) / sizeof(unit[0]))

int tick_parse(const char *text, uint64_t *out_ms)
{
	uint64_t number;
	char *end;
	size_t i;

	if (*text < '0' || *text > '9' || strlen(text) > 16)
		return ERR_MALFORMED;
	number = strtoull(text, &end, 10);
	if (number == 0 && *end == '\0') {
		*out_ms = 0;
		return 0;
	}
	for (i = 0; i < NUNITS; i++) {
		if (strcmp(end, unit[i].name) != 0)
			continue;
		if (number > LONGEST_MS / unit[i].ms)
			return ERR_LIMIT;
		*out_ms = number * unit[i].ms;
		return 0;
	}
	return ERR_MALFORMED;
}

const char *tick_format(uint64_t ms, char room[24])
{
	size_t i = 0;

	while (i < NUNITS - 1 && (ms == 0 || ms % unit[i].ms))
		i++;
	snprintf(room, 24, "%" PRIu64 "%s", ms / unit[i].ms, unit[i].name);
	return room;
}

void tick_queue_init(struct tick_queue *queue, uint64_t span_ms)
{
	list_init(&queue->head);
	queue->span_ms = span_ms;
}

void tick_entry_init(struct tick_entry *entry)
{
	list_init(&entry->node);
	entry->since_ms = 0;
}

static uint64_t since(const struct list *node)
{
	return list_entry(node, struct tick_entry, node)->since_ms;
}

void tick_queue_renew(struct tick_queue *queue, struct tick_entry *entry,
		      uint64_t now_ms)
{
	const struct list *last;

	list_remove(&entry->node);
	last = queue->head.prev;
	entry->since_ms = now_ms;
	if (last != &queue->head && since(last) > now_ms)
		entry->since_ms = since(last);
	list_add(&queue->head, &entry->node);
}

void tick_entry_cancel(struct tick_entry *entry)
{
	list_remove(&entry->node);
}

uint64_t tick_queue_next(const struct tick_queue *queue)
{
	if (list_is_empty(&queue->head) || queue->span_ms == TICK_NEVER)
		return TICK_NEVER;
	return since(queue->head.next) + queue->span_ms;
}

struct tick_entry *tick_queue_take(struct tick_queue *queue, uint64_t now_ms)
{
	struct tick_entry *entry;

	if (list_is_empty(&queue->head) || tick_queue_next(queue) > now_ms)
		return NULL;
	entry = list_entry(queue->head.next, struct tick_entry, node);
	list_remove(&entry->node);
	return entry;
}
