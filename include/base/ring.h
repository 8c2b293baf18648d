/*
 * ring.h - a ring of records between one writing and one reading thread.
 *
 * Layer: base.
 * The writer never waits: what does not fit is dropped and counted. No
 * system call, no lock.
 * Units: octets.
 */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define RING_RECORD_MAX 4096

struct ring;

/* <cap> is rounded up to a power of two of at least two records; NULL when
 * there is no memory. ring_free(NULL) is allowed. */
struct ring *ring_new(size_t cap);
void ring_free(struct ring *ring);
/* Writer: append one record of 1 to RING_RECORD_MAX octets. False: it did
 * not fit and was counted as dropped. */
bool ring_put(struct ring *ring, struct bytes record);
/* Reader: copy the oldest record to <room>; its length, 0 if there is none. */
size_t ring_take(struct ring *ring, uint8_t room[static RING_RECORD_MAX]);
/* Reader: records dropped since the last call. */
uint64_t ring_take_dropped(struct ring *ring);

#endif
