/*
 * octets.c - a growing buffer that owns nothing while it is empty.
 *
 * Layer: tools.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/octets.h"

#define LEAST 4096

int octets_reserve(struct octets *octets, size_t more)
{
	size_t cap = octets->cap ? octets->cap : LEAST;
	uint8_t *at;

	if (octets->len + more <= octets->cap)
		return 0;
	while (cap < octets->len + more)
		cap *= 2;
	at = realloc(octets->at, cap);
	if (!at)
		return ERR_MEMORY;
	octets->at = at;
	octets->cap = cap;
	return 0;
}

int octets_append(struct octets *octets, struct bytes in)
{
	int err;

	if (!in.len)
		return 0;
	err = octets_reserve(octets, in.len);
	if (err)
		return err;
	memcpy(octets->at + octets->len, in.at, in.len);
	octets->len += in.len;
	return 0;
}

void octets_drop(struct octets *octets, size_t len)
{
	if (len >= octets->len) {
		octets_release(octets);
		return;
	}
	octets->len -= len;
	memmove(octets->at, octets->at + len, octets->len);
}

void octets_release(struct octets *octets)
{
	free(octets->at);
	*octets = (struct octets){ 0 };
}
