/*
 * vector.h - PDUs from tests/vectors, and what a hostile peer makes of them.
 *
 * The inputs that reach <body> are copies of exactly their length, so that
 * AddressSanitizer sees a read beyond the end.
 */
#ifndef HELPER_VECTOR_H
#define HELPER_VECTOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define VECTOR_MAX 1024

struct vector {
	uint8_t octet[VECTOR_MAX];
	size_t len;
};

/* tests/vectors/<name>, from the root of the repository; the test fails if
 * it cannot be read. Borrowed from <room>. */
struct bytes vector_read(const char *name, struct vector *room);
/* All of them, in the order of their names; NULL past the end. */
const char *vector_name(unsigned index);

/* Octets from hexadecimal digits; blanks between octets are skipped. */
struct bytes vector_hex(const char *text, struct vector *room);

typedef void vector_body(struct bytes in, void *ctx);
/* <in> cut to each length from 0 to one less than its own. */
void vector_truncations(struct bytes in, vector_body *body, void *ctx);
/* <in> with each of its bits turned, one at a time. */
void vector_flips(struct bytes in, vector_body *body, void *ctx);

#endif
