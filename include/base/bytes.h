/*
 * bytes.h - octets: borrowed slices, a reader and a writer.
 *
 * Layer: base.
 * Both the reader (struct cursor) and the writer (struct builder) carry a
 * sticky error: after the first failure every call does nothing and reads
 * give 0, so that a codec reads straight down and checks <err> once, or
 * before a count that it read steers a loop.
 * Units: lengths in octets.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Borrowed octets; <at> may be NULL when <len> is 0. */
struct bytes {
	const uint8_t *at;
	size_t len;
};

struct bytes bytes_of(const void *at, size_t len);
bool bytes_equal(struct bytes a, struct bytes b) PURE;

/* Invariant: at <= end; err is 0 or the first failure. */
struct cursor {
	const uint8_t *start; /* what alignment counts from */
	const uint8_t *at;
	const uint8_t *end;
	int err;
	bool little; /* byte order of the integers */
};

struct cursor cursor_over(struct bytes in, bool little);
uint8_t cursor_u8(struct cursor *cur);
uint16_t cursor_u16(struct cursor *cur);
uint32_t cursor_u32(struct cursor *cur);
uint64_t cursor_u64(struct cursor *cur);
/* The next <len> octets, borrowed from the input; empty after a failure. */
struct bytes cursor_take(struct cursor *cur, size_t len);
/* Skip to a multiple of <to> (a power of two), counted from the start. */
void cursor_align(struct cursor *cur, size_t to);
size_t cursor_left(const struct cursor *cur) PURE;
/* Octets read so far. */
size_t cursor_offset(const struct cursor *cur) PURE;
/* Note a failure; the first one stays. */
void cursor_fail(struct cursor *cur, int err);

/* Invariant: len <= cap; err is 0 or the first failure (ERR_SPACE). */
struct builder {
	uint8_t *at; /* borrowed room */
	size_t cap;
	size_t len; /* written so far */
	int err;
	bool little;
};

struct builder builder_over(void *room, size_t cap, bool little);
void builder_u8(struct builder *out, uint8_t value);
void builder_u16(struct builder *out, uint16_t value);
void builder_u32(struct builder *out, uint32_t value);
void builder_u64(struct builder *out, uint64_t value);
void builder_put(struct builder *out, struct bytes in);
void builder_zero(struct builder *out, size_t len);
void builder_align(struct builder *out, size_t to);
/* Overwrite a 16-bit or 32-bit field written earlier at offset <where>. */
void builder_set_u16(struct builder *out, size_t where, uint16_t value);
void builder_set_u32(struct builder *out, size_t where, uint32_t value);
void builder_fail(struct builder *out, int err);

#endif
