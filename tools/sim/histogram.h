/*
 * histogram.h - how long things took, in a fixed room.
 *
 * Layer: tools.
 * Units: microseconds. Every power of two is cut into 32, so that a
 * percentile is at most 1/32 above the truth.
 */
#ifndef SIM_HISTOGRAM_H
#define SIM_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_FINE	  32
#define HISTOGRAM_BUCKETS (HISTOGRAM_FINE * 36) /* to 2^40 us: 12 days */

struct histogram {
	uint64_t count;
	uint64_t most;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t us);
/* The value that <per_mille> of all do not exceed; 0 if there is none. */
uint64_t histogram_at(const struct histogram *histogram, unsigned per_mille);

#endif
