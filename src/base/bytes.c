/*
 * bytes.c - slices, the sticky-error reader and the sticky-error writer.
 *
 * Layer: base.
 */
#include <string.h>

#include "base/bytes.h"

struct bytes bytes_of(const void *at, size_t len)
{
	return (struct bytes){ .at = at, .len = len };
}

bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

struct cursor cursor_over(struct bytes in, bool little)
{
	return (struct cursor){
		.start = in.at,
		.at = in.at,
		.end = in.len ? in.at + in.len : in.at,
		.little = little,
	};
}

void cursor_fail(struct cursor *cur, int err)
{
	if (!cur->err)
		cur->err = err;
}

size_t cursor_left(const struct cursor *cur)
{
	return (size_t)(cur->end - cur->at);
}

size_t cursor_offset(const struct cursor *cur)
{
	return (size_t)(cur->at - cur->start);
}

struct bytes cursor_take(struct cursor *cur, size_t len)
{
	struct bytes taken = { 0 };

	if (cur->err)
		return taken;
	if (len > cursor_left(cur)) {
		cursor_fail(cur, ERR_SHORT);
		return taken;
	}
	taken = bytes_of(cur->at, len);
	if (len)
		cur->at += len;
	return taken;
}

void cursor_align(struct cursor *cur, size_t to)
{
	cursor_take(cur, -cursor_offset(cur) & (to - 1));
}

/* An unsigned integer of <len> octets. */
static uint64_t read_number(struct cursor *cur, size_t len)
{
	struct bytes raw = cursor_take(cur, len);
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < raw.len; i++) {
		size_t next = cur->little ? raw.len - 1 - i : i;

		value = value << 8 | raw.at[next];
	}
	return value;
}

uint8_t cursor_u8(struct cursor *cur)
{
	return (uint8_t)read_number(cur, 1);
}

uint16_t cursor_u16(struct cursor *cur)
{
	return (uint16_t)read_number(cur, 2);
}

uint32_t cursor_u32(struct cursor *cur)
{
	return (uint32_t)read_number(cur, 4);
}

uint64_t cursor_u64(struct cursor *cur)
{
	return read_number(cur, 8);
}

struct builder builder_over(void *room, size_t cap, bool little)
{
	return (struct builder){ .at = room, .cap = cap, .little = little };
}

void builder_fail(struct builder *out, int err)
{
	if (!out->err)
		out->err = err;
}

/* Room for <len> more octets; NULL for none, or with the error noted. */
static uint8_t *claim(struct builder *out, size_t len)
{
	uint8_t *room;

	if (out->err || !len)
		return NULL;
	if (len > out->cap - out->len) {
		builder_fail(out, ERR_SPACE);
		return NULL;
	}
	room = out->at + out->len;
	out->len += len;
	return room;
}

static void write_number(uint8_t *at, size_t len, uint64_t value, bool little)
{
	size_t i;

	for (i = 0; i < len; i++) {
		at[little ? i : len - 1 - i] = (uint8_t)value;
		value >>= 8;
	}
}

static void put_number(struct builder *out, size_t len, uint64_t value)
{
	uint8_t *room = claim(out, len);

	if (room)
		write_number(room, len, value, out->little);
}

void builder_u8(struct builder *out, uint8_t value)
{
	put_number(out, 1, value);
}

void builder_u16(struct builder *out, uint16_t value)
{
	put_number(out, 2, value);
}

void builder_u32(struct builder *out, uint32_t value)
{
	put_number(out, 4, value);
}

void builder_u64(struct builder *out, uint64_t value)
{
	put_number(out, 8, value);
}

void builder_put(struct builder *out, struct bytes in)
{
	uint8_t *room = claim(out, in.len);

	if (room)
		memcpy(room, in.at, in.len);
}

void builder_zero(struct builder *out, size_t len)
{
	uint8_t *room = claim(out, len);

	if (room)
		memset(room, 0, len);
}

void builder_align(struct builder *out, size_t to)
{
	builder_zero(out, -out->len & (to - 1));
}

static void set_number(struct builder *out, size_t where, size_t len,
		       uint64_t value)
{
	if (out->err)
		return;
	if (where > out->len || len > out->len - where) {
		builder_fail(out, ERR_SPACE);
		return;
	}
	write_number(out->at + where, len, value, out->little);
}

void builder_set_u16(struct builder *out, size_t where, uint16_t value)
{
	set_number(out, where, 2, value);
}

void builder_set_u32(struct builder *out, size_t where, uint32_t value)
{
	set_number(out, where, 4, value);
}
