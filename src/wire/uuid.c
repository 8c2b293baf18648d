/*
 * uuid.c - UUIDs and syntax identifiers of DCE/RPC.
 *
 * Layer: wire (pure: no I/O, clock, allocation or globals).
 * Source: C706 appendix A (UUIDs), 12.6.3.1 (p_syntax_id_t).
 */
#include <stdio.h>
#include <string.h>

#include "wire/uuid.h"

#define TEXT_LEN (UUID_TEXT_MAX - 1)

const struct syntax syntax_ndr = {
	.uuid = { 0x8a885d04,
		  0x1ceb,
		  0x11c9,
		  { 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60 } },
	.major = 2,
};

const struct syntax syntax_ndr64 = {
	.uuid = { 0x71710533,
		  0xbeba,
		  0x4937,
		  { 0x83, 0x19, 0xb5, 0xdb, 0xef, 0x9c, 0xcc, 0x36 } },
	.major = 1,
};

/* The value of a hexadecimal digit; -1 for any other octet. */
static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool is_dash_at(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

int uuid_parse(const char *text, struct uuid *out)
{
	uint8_t octet[UUID_LEN] = { 0 };
	struct cursor cur;
	size_t i, n = 0;

	if (strlen(text) != TEXT_LEN)
		return ERR_MALFORMED;
	for (i = 0; i < TEXT_LEN; i++) {
		int value = digit(text[i]);

		if (is_dash_at(i) ? text[i] != '-' : value < 0)
			return ERR_MALFORMED;
		if (is_dash_at(i))
			continue;
		octet[n / 2] = (uint8_t)(octet[n / 2] << 4 | value);
		n++;
	}
	/* Text has the most significant digit first. */
	cur = cursor_over(bytes_of(octet, sizeof(octet)), false);
	*out = uuid_read(&cur);
	return cur.err;
}

const char *uuid_format(const struct uuid *uuid, char room[UUID_TEXT_MAX])
{
	const uint8_t *r = uuid->rest;

	snprintf(room, UUID_TEXT_MAX,
		 "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 uuid->time_low, uuid->time_mid, uuid->time_hi, r[0], r[1],
		 r[2], r[3], r[4], r[5], r[6], r[7]);
	return room;
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return a->time_low == b->time_low && a->time_mid == b->time_mid &&
	       a->time_hi == b->time_hi &&
	       memcmp(a->rest, b->rest, sizeof(a->rest)) == 0;
}

bool uuid_is_nil(const struct uuid *uuid)
{
	static const struct uuid nil;

	return uuid_equal(uuid, &nil);
}

bool syntax_equal(const struct syntax *a, const struct syntax *b)
{
	return uuid_equal(&a->uuid, &b->uuid) && a->major == b->major &&
	       a->minor == b->minor;
}

struct uuid uuid_read(struct cursor *cur)
{
	struct uuid uuid = { 0 };
	struct bytes rest;

	uuid.time_low = cursor_u32(cur);
	uuid.time_mid = cursor_u16(cur);
	uuid.time_hi = cursor_u16(cur);
	rest = cursor_take(cur, sizeof(uuid.rest));
	if (rest.len)
		memcpy(uuid.rest, rest.at, sizeof(uuid.rest));
	return uuid;
}

void uuid_write(struct builder *out, const struct uuid *uuid)
{
	builder_u32(out, uuid->time_low);
	builder_u16(out, uuid->time_mid);
	builder_u16(out, uuid->time_hi);
	builder_put(out, bytes_of(uuid->rest, sizeof(uuid->rest)));
}

struct syntax syntax_read(struct cursor *cur)
{
	struct syntax syntax = { .uuid = uuid_read(cur) };
	uint32_t version = cursor_u32(cur);

	syntax.major = (uint16_t)version;
	syntax.minor = (uint16_t)(version >> 16);
	return syntax;
}

void syntax_write(struct builder *out, const struct syntax *syntax)
{
	uuid_write(out, &syntax->uuid);
	builder_u32(out, (uint32_t)syntax->minor << 16 | syntax->major);
}
