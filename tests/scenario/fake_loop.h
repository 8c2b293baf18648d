/*
 * fake_loop.h - the event loop over a clock that the test moves.
 *
 * The symbols of net/loop.h, with real descriptors (edges are the kernel's
 * own) and time that passes only in fake_loop_advance(): a day takes
 * milliseconds.
 */
#ifndef SCENARIO_FAKE_LOOP_H
#define SCENARIO_FAKE_LOOP_H

#include "net/loop.h"

/* Handle what is ready now, until nothing is. No time passes. */
void fake_loop_settle(struct loop *loop);
/* Let <ms> pass, timer after timer, settling after each. */
void fake_loop_advance(struct loop *loop, uint64_t ms);

#endif
