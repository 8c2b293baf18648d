/*
 * announced.c - which server serves which interface on which port.
 *
 * Layer: core (pure).
 *
 * Two views of one thing: for each port a mask of servers, read without a
 * lock for every connection to the range; for each server its list, sorted
 * by port, under a lock, read when a client comes with a port that is not
 * its server's. The masks follow the lists; a reader may see a mask that is
 * one answer older or newer.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/announced.h"

struct announced_list {
	unsigned n;
	struct announcement *at; /* owned; by port, without doubles */
};

struct announced {
	_Atomic uint64_t by_port[65536];
	pthread_rwlock_t lock; /* of <list>; nothing is locked under it */
	struct announced_list list[ARRAY_SLOTS];
};

struct announced *announced_new(void)
{
	struct announced *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	if (pthread_rwlock_init(&table->lock, NULL)) {
		free(table);
		return NULL;
	}
	return table;
}

void announced_free(struct announced *table)
{
	unsigned slot;

	if (!table)
		return;
	for (slot = 0; slot < ARRAY_SLOTS; slot++)
		free(table->list[slot].at);
	pthread_rwlock_destroy(&table->lock);
	free(table);
}

/* A newer minor version serves what asks for an older one, so that is not
 * looked at (C706 12.6.3.1: the server's minor is at least the client's). */
static bool is_same_interface(const struct syntax *a, const struct syntax *b)
{
	return a->major == b->major && uuid_equal(&a->uuid, &b->uuid);
}

/* By port; what shares one is in an order too, whatever the answer's was, so
 * that two lists of the same things are equal. */
static int by_port(const void *a, const void *b)
{
	const struct announcement *left = a, *right = b;

	if (left->port != right->port)
		return left->port < right->port ? -1 : 1;
	return memcmp(&left->interface, &right->interface,
		      sizeof(left->interface));
}

static bool are_equal(const struct announced_list *a,
		      const struct announced_list *b)
{
	unsigned i;

	for (i = 0; a->n == b->n && i < a->n; i++)
		if (by_port(&a->at[i], &b->at[i]))
			return false;
	return a->n == b->n;
}

/* Sort and drop doubles and port 0, which nobody can dial, in place. */
static void tidy(struct announced_list *list, unsigned n)
{
	unsigned i;

	qsort(list->at, n, sizeof(list->at[0]), by_port);
	for (i = 0; i < n && list->n < ANNOUNCED_MAX; i++)
		if (list->at[i].port &&
		    (!list->n || by_port(&list->at[list->n - 1], &list->at[i])))
			list->at[list->n++] = list->at[i];
}

/* New ports first: one that stays is never missing. */
static void update_masks(struct announced *table, unsigned slot,
			 const struct announced_list *old,
			 const struct announced_list *new)
{
	uint64_t bit = UINT64_C(1) << slot;
	struct portset stays;
	unsigned i;

	portset_clear(&stays);
	for (i = 0; i < new->n; i++) {
		portset_add(&stays, new->at[i].port);
		table->by_port[new->at[i].port] |= bit;
	}
	for (i = 0; i < old->n; i++)
		if (!portset_has(&stays, old->at[i].port))
			table->by_port[old->at[i].port] &= ~bit;
}

int announced_set(struct announced *table, unsigned slot,
		  const struct announcement *list, unsigned n)
{
	struct announced_list old, new = { 0 };
	bool is_same;

	if (n) {
		new.at = malloc(n * sizeof(new.at[0]));
		if (!new.at)
			return ERR_MEMORY;
		memcpy(new.at, list, n * sizeof(new.at[0]));
		tidy(&new, n);
	}
	pthread_rwlock_wrlock(&table->lock);
	old = table->list[slot];
	table->list[slot] = new;
	pthread_rwlock_unlock(&table->lock);
	is_same = are_equal(&old, &new);
	update_masks(table, slot, &old, &new);
	free(old.at);
	return !is_same;
}

uint64_t announced_servers(const struct announced *table, uint16_t port)
{
	return table->by_port[port];
}

/* The run of <port> in the list of <slot>. */
static struct announced_list run_of(const struct announced *table,
				    unsigned slot, uint16_t port)
{
	const struct announced_list *list = &table->list[slot];
	unsigned low = 0, high = list->n, middle, n = 0;

	while (low < high) {
		middle = (low + high) / 2;
		if (list->at[middle].port < port)
			low = middle + 1;
		else
			high = middle;
	}
	while (low + n < list->n && list->at[low + n].port == port)
		n++;
	return (struct announced_list){ n, n ? list->at + low : NULL };
}

/* Has any of <others> this interface on <port>? */
static bool is_given(const struct announced *table, uint64_t others,
		     uint16_t port, const struct syntax *interface)
{
	struct announced_list run;
	unsigned i;

	for (; others; others &= others - 1) {
		run = run_of(table, (unsigned)__builtin_ctzll(others), port);
		for (i = 0; i < run.n; i++)
			if (is_same_interface(&run.at[i].interface, interface))
				return true;
	}
	return false;
}

/* Several interfaces may share a port, and need not on every server: the
 * port that gives most of them it is, the lowest of equals. */
static uint16_t best_port(const struct announced *table, uint16_t port,
			  uint64_t others, unsigned slot)
{
	const struct announced_list *list = &table->list[slot];
	unsigned i, given = 0, most = 0;
	uint16_t best = 0;

	for (i = 0; i < list->n; i++) {
		if (i && list->at[i].port != list->at[i - 1].port)
			given = 0;
		given += is_given(table, others, port, &list->at[i].interface);
		if (given > most) {
			most = given;
			best = list->at[i].port;
		}
	}
	return best;
}

uint16_t announced_same(struct announced *table, uint16_t port, uint64_t other,
			unsigned slot)
{
	uint16_t same;

	pthread_rwlock_rdlock(&table->lock);
	same = best_port(table, port, other & table->by_port[port], slot);
	pthread_rwlock_unlock(&table->lock);
	return same;
}

void announced_ports(const struct announced *table, struct portset *out)
{
	unsigned port;

	portset_clear(out);
	for (port = 0; port < 65536; port++)
		if (table->by_port[port])
			portset_add(out, (uint16_t)port);
}
