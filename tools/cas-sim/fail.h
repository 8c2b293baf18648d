/*
 * fail.h - what happens to servers, and when.
 *
 * Layer: tools.
 */
#ifndef CAS_SIM_FAIL_H
#define CAS_SIM_FAIL_H

#include "array.h"

struct fail_plan {
	struct fail {
		struct loop_timer timer;
		struct array *array;
		const struct fail_order *order;
	} fail[FAILS_MAX];
};

/* From now on. */
void fail_plan_start(struct fail_plan *plan, struct array *array);

#endif
