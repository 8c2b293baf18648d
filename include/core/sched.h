/*
 * sched.h - which server gets a new client: one small interface.
 *
 * Layer: core (pure). Thread-safe: workers pick at the same time.
 * A method is one file, src/core/sched_<method>.c, and one row in the table
 * of sched.c. Who may be picked (state, rules, what the client needs) is
 * decided before; the method only chooses among the candidates.
 */
#ifndef CORE_SCHED_H
#define CORE_SCHED_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/addr.h"
#include "core/array.h"

struct sched;

struct sched_method {
	const char *name; /* as in the configuration */
	/* One of <candidates> (never empty). <key>: a hash of the client. */
	struct server *(*pick)(struct sched *sched, uint64_t candidates,
			       uint64_t key);
};

struct sched {
	_Atomic(const struct sched_method *) method;
	struct array *array;   /* borrowed */
	_Atomic uint32_t turn; /* round-robin */
};

/* The method's row; NULL while a method is not offered yet. */
const struct sched_method *sched_method_of(enum conf_method method);
void sched_init(struct sched *sched, struct array *array,
		const struct sched_method *method);
/* NULL if there is no candidate. */
struct server *sched_pick(struct sched *sched, uint64_t candidates,
			  uint64_t key);
/* Whatever the method: the same candidate for the same address, on every node
 * and after a restart; another only where that one is none. NULL if there is
 * no candidate. */
struct server *sched_pick_for(struct sched *sched, uint64_t candidates,
			      const struct addr *address);

#endif
