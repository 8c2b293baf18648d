/*
 * epm_priv.h - what the stubs of ept_map and ept_lookup share.
 *
 * Layer: wire (pure).
 */
#ifndef WIRE_EPM_PRIV_H
#define WIRE_EPM_PRIV_H

#include "wire/epm.h"

struct epm_handle epm_handle_take(struct cursor *cur);
void epm_handle_put(struct builder *out, const struct epm_handle *handle);

/* A pointer's referent or an array's count, aligned: 32 bits of NDR, 64 of
 * NDR64. */
uint64_t epm_word_take(struct cursor *cur, bool is_64);

/* A twr_t and the padding behind it. Stubs are aligned from <start>, where
 * they begin in <out>. */
struct bytes epm_tower_take(struct cursor *cur, bool is_64);
void epm_tower_put(struct builder *out, size_t start, struct bytes tower);
/* Pad to a multiple of 4. */
void epm_align(struct builder *out, size_t start);

/* The counts in front of an array of which the parameter before it has
 * <claimed> entries filled. Returns how many follow: 0 after a failure, so
 * that it may steer a loop. ERR_LIMIT above <most>. */
uint32_t epm_array_take(struct cursor *cur, bool is_64, uint32_t claimed,
			uint32_t most);
/* The parameter, then the counts: <n> filled of <max_count>. */
void epm_array_put(struct builder *out, uint32_t n, uint32_t max_count);

#endif
