/*
 * report.h - what cas-sim says: lines of text, or of JSON.
 *
 * Layer: tools.
 *
 * One line a server when all listen, one for each thing that happens to a
 * server, and in the end what each saw. In JSON each of these is an object
 * on a line of its own, with "event" ready, fail or end.
 */
#ifndef CAS_SIM_REPORT_H
#define CAS_SIM_REPORT_H

#include "array.h"

void report_ready(const struct array *array);
void report_fail(const struct array *array, const struct server *server,
		 enum fail_action action);
void report_end(const struct array *array);

#endif
