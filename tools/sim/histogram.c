/*
 * histogram.c - how long things took, in a fixed room.
 *
 * Layer: tools.
 */
#include "sim/histogram.h"

/* Values below 32 have a bucket each; then 32 to every power of two. */
static unsigned bucket_of(uint64_t us)
{
	unsigned power, bucket;

	if (us < HISTOGRAM_FINE)
		return (unsigned)us;
	power = 63 - (unsigned)__builtin_clzll(us);
	bucket = HISTOGRAM_FINE * (power - 4) +
		 ((unsigned)(us >> (power - 5)) & (HISTOGRAM_FINE - 1));
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The largest value that falls into <bucket>. */
static uint64_t top_of(unsigned bucket)
{
	unsigned power = bucket / HISTOGRAM_FINE + 4;
	uint64_t step = bucket % HISTOGRAM_FINE + HISTOGRAM_FINE + 1;

	if (bucket < HISTOGRAM_FINE)
		return bucket;
	return (step << (power - 5)) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t us)
{
	histogram->count++;
	histogram->bucket[bucket_of(us)]++;
	if (us > histogram->most)
		histogram->most = us;
}

uint64_t histogram_at(const struct histogram *histogram, unsigned per_mille)
{
	uint64_t rank = (histogram->count * per_mille + 999) / 1000;
	uint64_t seen = 0;
	unsigned i;

	if (!histogram->count)
		return 0;
	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->bucket[i];
		if (seen >= rank && seen)
			break;
	}
	return top_of(i) < histogram->most ? top_of(i) : histogram->most;
}
