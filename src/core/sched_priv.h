/*
 * sched_priv.h - the methods that sched.c offers; one file each.
 *
 * Layer: core.
 */
#ifndef CORE_SCHED_PRIV_H
#define CORE_SCHED_PRIV_H

#include "core/sched.h"

extern const struct sched_method sched_round_robin;
extern const struct sched_method sched_least_clients;

/* The next number of the turn that all workers share. */
uint32_t sched_turn(struct sched *sched);
/* The <nth> (from 0, modulo their number) of <candidates>, in slot order. */
struct server *sched_nth(struct sched *sched, uint64_t candidates,
			 uint32_t nth);

#endif
