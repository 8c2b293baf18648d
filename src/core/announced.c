/*
 * announced.c - which server serves which interface on which port.
 *
 * Layer: core (pure).
 *
 * Two views of one thing: for each port a mask of servers, read without a
 * lock for every connection to the range; for each server its list, sorted
 * by port, under a lock, read when a client comes with a port that is not
 * its server's. Masks and lists change under the lock together; a reader of
 * a mask may see it one answer older or newer.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/announced.h"

/* How an entry came in, and how long it may stay without being listed. */
enum origin {
	LISTED, /* by the last whole list */
	NOTED,	/* by a worker; no whole list lacked it since */
	MISSED, /* the same; one did */
};

struct entry {
	struct announcement is;
	uint8_t origin; /* enum origin */
};

/* Invariant: in the order of compare(), without doubles. */
struct announced_list {
	unsigned n;
	struct entry at[ANNOUNCED_MAX];
};

struct announced {
	_Atomic uint64_t by_port[65536];
	_Atomic uint64_t changes; /* raised after a change, under the lock */
	pthread_rwlock_t lock;
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
	if (!table)
		return;
	pthread_rwlock_destroy(&table->lock);
	free(table);
}

int announced_order(const struct syntax *a, const struct syntax *b)
{
	const struct uuid *left = &a->uuid, *right = &b->uuid;

	if (left->time_low != right->time_low)
		return left->time_low < right->time_low ? -1 : 1;
	if (left->time_mid != right->time_mid)
		return left->time_mid < right->time_mid ? -1 : 1;
	if (left->time_hi != right->time_hi)
		return left->time_hi < right->time_hi ? -1 : 1;
	if (a->major != b->major)
		return a->major < b->major ? -1 : 1;
	return memcmp(left->rest, right->rest, sizeof(left->rest));
}

/* By port; what shares one is in an order too, whatever the answer's was, so
 * that two lists of the same things are equal. */
static int compare(const struct announcement *a, const struct announcement *b)
{
	int order;

	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	order = announced_order(&a->interface, &b->interface);
	return order ? order : a->interface.minor - b->interface.minor;
}

static int by_port(const void *a, const void *b)
{
	return compare(a, b);
}

/* The first entry that is not below <port>. */
static unsigned first_of(const struct announced_list *list, uint16_t port)
{
	unsigned low = 0, high = list->n, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (list->at[middle].is.port < port)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Where the interface stands on the port; NULL: nowhere. */
static struct entry *find(struct announced_list *list,
			  const struct announcement *one)
{
	unsigned i = first_of(list, one->port);

	for (; i < list->n && list->at[i].is.port == one->port; i++)
		if (!announced_order(&list->at[i].is.interface,
				     &one->interface))
			return &list->at[i];
	return NULL;
}

/* There is room. */
static void insert(struct announced_list *list, const struct announcement *one,
		   enum origin origin)
{
	unsigned i = first_of(list, one->port);

	while (i < list->n && compare(&list->at[i].is, one) < 0)
		i++;
	memmove(&list->at[i + 1], &list->at[i],
		(list->n - i) * sizeof(list->at[0]));
	list->at[i].is = *one;
	list->at[i].origin = (uint8_t)origin;
	list->n++;
}

/* Doubles and port 0, which nobody can dial, are dropped. <sorted> is in the
 * order of compare(). */
static void fill(struct announced_list *list, const struct announcement *sorted,
		 unsigned n)
{
	unsigned i;

	for (i = 0; i < n && list->n < ANNOUNCED_MAX; i++) {
		if (!sorted[i].port ||
		    (list->n &&
		     !compare(&list->at[list->n - 1].is, &sorted[i])))
			continue;
		list->at[list->n].is = sorted[i];
		list->at[list->n++].origin = LISTED;
	}
}

static void keep_notes(struct announced_list *new,
		       const struct announced_list *old)
{
	unsigned i;

	for (i = 0; i < old->n && new->n < ANNOUNCED_MAX; i++)
		if (old->at[i].origin == NOTED && !find(new, &old->at[i].is))
			insert(new, &old->at[i].is, MISSED);
}

static bool are_equal(const struct announced_list *a,
		      const struct announced_list *b)
{
	unsigned i;

	for (i = 0; a->n == b->n && i < a->n; i++)
		if (compare(&a->at[i].is, &b->at[i].is))
			return false;
	return a->n == b->n;
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
		portset_add(&stays, new->at[i].is.port);
		table->by_port[new->at[i].is.port] |= bit;
	}
	for (i = 0; i < old->n; i++)
		if (!portset_has(&stays, old->at[i].is.port))
			table->by_port[old->at[i].is.port] &= ~bit;
}

/* <new> is the whole list but for the notes. */
static bool replace(struct announced *table, unsigned slot,
		    struct announced_list *new)
{
	struct announced_list *old = &table->list[slot];
	bool is_same;

	pthread_rwlock_wrlock(&table->lock);
	if (new->n)
		keep_notes(new, old);
	is_same = are_equal(old, new);
	update_masks(table, slot, old, new);
	old->n = new->n;
	memcpy(old->at, new->at, new->n * sizeof(new->at[0]));
	table->changes += !is_same;
	pthread_rwlock_unlock(&table->lock);
	return !is_same;
}

int announced_set(struct announced *table, unsigned slot,
		  const struct announcement *list, unsigned n)
{
	struct announced_list new;
	struct announcement *sorted;

	new.n = 0;
	if (n) {
		sorted = malloc(n * sizeof(*sorted));
		if (!sorted)
			return ERR_MEMORY;
		memcpy(sorted, list, n * sizeof(*sorted));
		qsort(sorted, n, sizeof(*sorted), by_port);
		fill(&new, sorted, n);
		free(sorted);
	}
	return replace(table, slot, &new);
}

/* Known for good: no whole list lacked it. Most of what workers see is. */
static bool is_known(struct announced *table, unsigned slot,
		     const struct announcement *one)
{
	const struct entry *entry;
	bool is_known;

	pthread_rwlock_rdlock(&table->lock);
	entry = find(&table->list[slot], one);
	is_known = entry && entry->origin != MISSED;
	pthread_rwlock_unlock(&table->lock);
	return is_known;
}

static int note(struct announced *table, unsigned slot,
		const struct announcement *one)
{
	struct announced_list *list = &table->list[slot];
	struct entry *entry = find(list, one);

	if (entry) { /* it was seen anew, or somebody was faster */
		if (entry->origin == MISSED)
			entry->origin = NOTED;
		return 0;
	}
	if (list->n == ANNOUNCED_MAX)
		return ERR_SPACE;
	insert(list, one, NOTED);
	table->by_port[one->port] |= UINT64_C(1) << slot;
	table->changes++;
	return 1;
}

int announced_note(struct announced *table, unsigned slot,
		   const struct announcement *one)
{
	int err;

	if (!one->port || is_known(table, slot, one))
		return 0;
	pthread_rwlock_wrlock(&table->lock);
	err = note(table, slot, one);
	pthread_rwlock_unlock(&table->lock);
	return err;
}

uint64_t announced_changes(const struct announced *table)
{
	return table->changes;
}

uint64_t announced_servers(const struct announced *table, uint16_t port)
{
	return table->by_port[port];
}

/* Has any of <others> this interface on <port>? */
static bool is_given(struct announced *table, uint64_t others, uint16_t port,
		     const struct syntax *interface)
{
	struct announcement one = { *interface, port };

	for (; others; others &= others - 1)
		if (find(&table->list[__builtin_ctzll(others)], &one))
			return true;
	return false;
}

/* Several interfaces may share a port, and need not on every server: the
 * port that gives most of them it is, the lowest of equals. */
static uint16_t best_port(struct announced *table, uint16_t port,
			  uint64_t others, unsigned slot)
{
	const struct announced_list *list = &table->list[slot];
	unsigned i, given = 0, most = 0;
	const struct announcement *one;
	uint16_t best = 0;

	for (i = 0; i < list->n; i++) {
		one = &list->at[i].is;
		if (i && one->port != list->at[i - 1].is.port)
			given = 0;
		given += is_given(table, others, port, &one->interface);
		if (given > most) {
			most = given;
			best = one->port;
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

uint16_t announced_port_of(struct announced *table,
			   const struct syntax *interface, unsigned slot)
{
	const struct announced_list *list = &table->list[slot];
	uint16_t port = 0;
	unsigned i;

	pthread_rwlock_rdlock(&table->lock);
	for (i = 0; i < list->n && !port; i++)
		if (!announced_order(&list->at[i].is.interface, interface))
			port = list->at[i].is.port;
	pthread_rwlock_unlock(&table->lock);
	return port;
}

bool announced_has(struct announced *table, unsigned slot,
		   const struct announcement *one)
{
	bool has;

	pthread_rwlock_rdlock(&table->lock);
	has = find(&table->list[slot], one) != NULL;
	pthread_rwlock_unlock(&table->lock);
	return has;
}

unsigned announced_copy(struct announced *table, unsigned slot,
			struct announcement *room, unsigned most)
{
	const struct announced_list *list = &table->list[slot];
	unsigned i;

	pthread_rwlock_rdlock(&table->lock);
	for (i = 0; i < list->n && i < most; i++)
		room[i] = list->at[i].is;
	pthread_rwlock_unlock(&table->lock);
	return i;
}

void announced_ports(const struct announced *table, struct portset *out)
{
	unsigned port;

	portset_clear(out);
	for (port = 0; port < 65536; port++)
		if (table->by_port[port])
			portset_add(out, (uint16_t)port);
}
