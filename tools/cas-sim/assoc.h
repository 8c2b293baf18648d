/*
 * assoc.h - association groups and the context handles that live in them.
 *
 * Layer: tools.
 * Source: [MS-RPCE] 3.3.1.1 (associations), 3.3.1.5.7 (joining one).
 *
 * A group belongs to one server process. It lives as long as a connection
 * of it; with its last one its handles are run down.
 */
#ifndef CAS_SIM_ASSOC_H
#define CAS_SIM_ASSOC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/list.h"
#include "net/loop.h"
#include "sim/stub.h"

struct conn;

#define ASSOC_IDS 65536 /* ids have 16 bits and are not 0 */

/* The groups of one process. */
struct assoc_table {
	struct assoc_group *group[ASSOC_IDS];
	unsigned count;
};

struct assoc_group {
	struct assoc_table *table;
	uint16_t id;
	struct addr opener; /* where its first connection came from */
	unsigned nconns;
	struct list handles;
};

enum handle_kind { HANDLE_SESSION, HANDLE_ASYNC, HANDLE_NSPI, HANDLE_LOOKUP };

/*
 * Invariant: a handle with a <waiter> stands in its list of parked handles
 * and its <expiry> runs.
 */
struct handle {
	struct list node; /* of its group */
	enum handle_kind kind;
	struct stub_handle wire;
	uint32_t at;		    /* lookup: the next entry */
	uint16_t index;		    /* session: picxr */
	uint32_t timestamp;	    /* session */
	struct stub_handle session; /* async: whose news */

	struct conn *waiter; /* async: who is parked */
	struct list parked;  /* in the waiter's */
	uint32_t call_id;
	uint16_t context;
	bool has_news; /* the expiry brings some */
	struct loop_timer expiry;
};

/* A new group with one connection; NULL: all ids taken or no memory. */
struct assoc_group *assoc_open(struct assoc_table *table,
			       const struct addr *opener);
struct assoc_group *assoc_find(const struct assoc_table *table, uint32_t id);
/* One connection more, one fewer. */
void assoc_join(struct assoc_group *group);
void assoc_leave(struct assoc_group *group);

/* NULL: no memory. */
struct handle *handle_new(struct assoc_group *group, enum handle_kind kind);
/* NULL: there is none such in this group. */
struct handle *handle_find(const struct assoc_group *group,
			   enum handle_kind kind,
			   const struct stub_handle *wire);
/* A session that a new one wants to be linked to, in any group. */
struct handle *handle_find_session(const struct assoc_table *table,
				   uint32_t index, uint32_t timestamp);
/* Nobody may be parked on it. */
void handle_free(struct handle *handle);

/* Octets that nobody can guess. */
void random_fill(void *room, size_t len);

#endif
