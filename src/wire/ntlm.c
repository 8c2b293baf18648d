/*
 * ntlm.c - who authenticates by NTLMSSP: the names of the last message.
 *
 * Layer: wire (pure: no I/O, clock, allocation or globals).
 * Source: [MS-NLMP] 2.2.1.3; UTF-16: RFC 2781, UTF-8: RFC 3629.
 */
#include <string.h>

#include "wire/ntlm.h"

#define HEADER_LEN     64 /* up to and with the flags */
#define FIELDS_AT      12
#define FIELD_LEN      8 /* length, maximum, offset */
#define UNICODE_FLAG   0x00000001u
#define REPLACEMENT    '?'
#define CHARACTER_MAX  4 /* octets of one in UTF-8 */
#define MESSAGE_PREFIX "NTLMSSP\0\3\0\0\0"
#define PREFIX_LEN     12

/* The octets of <auth> from the first AUTHENTICATE message on; what SPNEGO
 * has behind it is part of none of its fields. */
static struct bytes find_message(struct bytes auth)
{
	const uint8_t *at = NULL;

	if (auth.len)
		at = memmem(auth.at, auth.len, MESSAGE_PREFIX, PREFIX_LEN);
	if (!at)
		return bytes_of(NULL, 0);
	return bytes_of(at, auth.len - (size_t)(at - auth.at));
}

/* The octets that a field names. They begin behind the header: a field that
 * points into it was not made by any client. */
static struct bytes take_field(struct cursor *cur, struct bytes message)
{
	uint16_t len = cursor_u16(cur);
	uint32_t offset;

	cursor_u16(cur); /* room that the writer had */
	offset = cursor_u32(cur);
	if (!len || cur->err)
		return bytes_of(NULL, 0);
	if (offset < HEADER_LEN || offset > message.len ||
	    len > message.len - offset) {
		cursor_fail(cur, ERR_MALFORMED);
		return bytes_of(NULL, 0);
	}
	return bytes_of(message.at + offset, len);
}

int ntlm_names_read(struct bytes auth, struct ntlm_names *out)
{
	struct bytes message = find_message(auth);
	struct cursor cur = cursor_over(message, true);
	struct ntlm_names names = { 0 };

	if (!message.len)
		return ERR_NOT_FOUND;
	if (message.len < HEADER_LEN)
		return ERR_SHORT;
	cursor_take(&cur, FIELDS_AT);
	cursor_take(&cur, 2 * (size_t)FIELD_LEN); /* LM and NT responses */
	names.domain = take_field(&cur, message);
	names.user = take_field(&cur, message);
	names.workstation = take_field(&cur, message);
	cursor_take(&cur, FIELD_LEN); /* session key */
	names.is_unicode = cursor_u32(&cur) & UNICODE_FLAG;
	if (!cur.err)
		*out = names;
	return cur.err;
}

/* The next code point of UTF-16; a lone surrogate or half a unit is
 * REPLACEMENT. */
static uint32_t take_unicode(struct cursor *cur)
{
	uint32_t unit, low;
	struct cursor ahead;

	if (cursor_left(cur) < 2) {
		cursor_take(cur, cursor_left(cur));
		return REPLACEMENT;
	}
	unit = cursor_u16(cur);
	if (unit < 0xd800 || unit > 0xdfff)
		return unit;
	ahead = *cur;
	low = cursor_u16(&ahead);
	if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return REPLACEMENT;
	*cur = ahead;
	return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

/* Neither a control (C0, C1), nor a line's end, nor a mark that turns the
 * direction of what follows it. */
static bool is_printable(uint32_t point)
{
	if (point < 0x20 || (point >= 0x7f && point < 0xa0))
		return false;
	if (point >= 0x2028 && point <= 0x202e)
		return false;
	if (point == 0x200e || point == 0x200f || point == 0xfeff)
		return false;
	return point < 0x2066 || point > 0x2069;
}

static size_t encode(uint32_t point, char out[CHARACTER_MAX])
{
	size_t i, n = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
	static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	if (point < 0x80) {
		out[0] = (char)point;
		return 1;
	}
	for (i = n - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (point & 0x3f));
		point >>= 6;
	}
	out[0] = (char)(lead[n] | point);
	return n;
}

size_t ntlm_text(struct bytes name, bool is_unicode, char *room, size_t cap)
{
	struct cursor cur = cursor_over(name, true);
	char octet[CHARACTER_MAX];
	size_t n, len = 0;

	if (!cap)
		return 0;
	while (cursor_left(&cur)) {
		uint32_t point =
			is_unicode ? take_unicode(&cur) : cursor_u8(&cur);

		if (!is_printable(point) || (!is_unicode && point > 0x7f))
			point = REPLACEMENT;
		n = encode(point, octet);
		if (n > cap - 1 - len)
			break;
		memcpy(room + len, octet, n);
		len += n;
	}
	room[len] = '\0';
	return len;
}
