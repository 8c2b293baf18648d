/*
 * list.h - an intrusive doubly linked list.
 *
 * Layer: base.
 * A node stands inside the object; the list owns nothing. A node that is in
 * no list points to itself, so that list_remove() may be called twice.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *prev;
};

#define list_entry(node, type, member)                                         \
	((type *)(void *)((char *)(node)-offsetof(type, member)))

#define list_each(node, head)                                                  \
	for ((node) = (head)->next; (node) != (head); (node) = (node)->next)

/* The current node may be removed in the body. */
#define list_each_safe(node, spare, head)                                      \
	for ((node) = (head)->next, (spare) = (node)->next; (node) != (head);  \
	     (node) = (spare), (spare) = (node)->next)

static inline void list_init(struct list *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}

/* Add at the end. <node> is in no list. */
static inline void list_add(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

static inline void list_move(struct list *head, struct list *node)
{
	list_remove(node);
	list_add(head, node);
}

#endif
