/*
 * octets.h - a growing buffer that owns nothing while it is empty.
 *
 * Layer: tools.
 * Units: octets.
 */
#ifndef SIM_OCTETS_H
#define SIM_OCTETS_H

#include "base/bytes.h"

struct octets {
	uint8_t *at;
	size_t len;
	size_t cap;
};

/* Room for <more> beyond len. ERR_MEMORY. */
MUST_CHECK int octets_reserve(struct octets *octets, size_t more);
MUST_CHECK int octets_append(struct octets *octets, struct bytes in);
/* Forget the first <len>; the memory goes when nothing is left. */
void octets_drop(struct octets *octets, size_t len);
void octets_release(struct octets *octets);

#endif
