/*
 * addr.c - IPv4 and IPv6 addresses, prefixes and endpoints.
 *
 * Layer: base.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/decimal.h"

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static struct addr addr_of(uint8_t family, const void *octets, size_t len)
{
	struct addr addr = { .family = family };

	memcpy(addr.octet, octets, len);
	return addr;
}

static struct addr addr_of_in6(const struct in6_addr *in)
{
	if (memcmp(in->s6_addr, mapped, sizeof(mapped)) == 0)
		return addr_of(AF_INET, in->s6_addr + sizeof(mapped), 4);
	return addr_of(AF_INET6, in->s6_addr, 16);
}

int addr_parse(const char *text, struct addr *out)
{
	struct in6_addr in6;
	struct in_addr in4;

	if (inet_pton(AF_INET, text, &in4) == 1) {
		*out = addr_of(AF_INET, &in4, sizeof(in4));
		return 0;
	}
	if (inet_pton(AF_INET6, text, &in6) == 1) {
		*out = addr_of_in6(&in6);
		return 0;
	}
	return ERR_MALFORMED;
}

static void format_v4(const uint8_t octet[4], char *at)
{
	unsigned i;

	for (i = 0; i < 4; i++) {
		at += decimal_write(at, octet[i]);
		*at++ = i < 3 ? '.' : '\0';
	}
}

const char *addr_format(const struct addr *addr, char room[ADDR_TEXT_MAX])
{
	if (addr->family == AF_INET)
		format_v4(addr->octet, room);
	else if (!addr->family ||
		 !inet_ntop(addr->family, addr->octet, room, ADDR_TEXT_MAX))
		memcpy(room, "none", sizeof("none"));
	return room;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

size_t addr_len(const struct addr *addr)
{
	if (!addr->family)
		return 0;
	return addr->family == AF_INET ? 4 : 16;
}

bool addr_is_wildcard(const struct addr *addr)
{
	static const uint8_t zero[16];

	return addr->family && memcmp(addr->octet, zero, addr_len(addr)) == 0;
}

struct addr addr_mask(const struct addr *addr, unsigned bits)
{
	struct addr masked = *addr;
	size_t i, len = addr_len(addr);

	for (i = 0; i < len; i++) {
		if (bits >= 8)
			bits -= 8;
		else {
			masked.octet[i] &= (uint8_t)(0xff00 >> bits);
			bits = 0;
		}
	}
	return masked;
}

/* A decimal number without sign or blanks, at most <max>; -1 if not. */
static long small_number(const char *text, long max)
{
	char *end;
	long value;

	if (*text < '0' || *text > '9' || strlen(text) > 5)
		return -1;
	value = strtol(text, &end, 10);
	return *end == '\0' && value <= max ? value : -1;
}

int prefix_parse(const char *text, struct prefix *out)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char room[ADDR_TEXT_MAX];
	struct addr addr;
	long bits, most;

	if (len >= sizeof(room))
		return ERR_MALFORMED;
	memcpy(room, text, len);
	room[len] = '\0';
	if (addr_parse(room, &addr))
		return ERR_MALFORMED;
	most = 8 * (long)addr_len(&addr);
	bits = slash ? small_number(slash + 1, most) : most;
	if (bits < 0)
		return ERR_MALFORMED;
	out->addr = addr_mask(&addr, (unsigned)bits);
	out->bits = (uint8_t)bits;
	return 0;
}

bool prefix_has(const struct prefix *prefix, const struct addr *addr)
{
	struct addr masked;

	if (addr->family != prefix->addr.family)
		return false;
	masked = addr_mask(addr, prefix->bits);
	return addr_equal(&masked, &prefix->addr);
}

const char *endpoint_format(const struct endpoint *ep,
			    char room[ENDPOINT_TEXT_MAX])
{
	bool is_v6 = ep->addr.family == AF_INET6;
	size_t len;

	room[0] = '[';
	addr_format(&ep->addr, room + is_v6);
	len = strlen(room);
	if (is_v6)
		room[len++] = ']';
	room[len++] = ':';
	len += decimal_write(room + len, ep->port);
	room[len] = '\0';
	return room;
}

int endpoint_parse(const char *text, struct endpoint *out)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	char room[ENDPOINT_TEXT_MAX];
	const char *host = room;
	struct addr addr;
	long port;

	if (!len || len >= sizeof(room))
		return ERR_MALFORMED;
	memcpy(room, text, len);
	room[len] = '\0';
	if (room[0] == '[' && room[len - 1] == ']') {
		room[len - 1] = '\0';
		host = room + 1;
	} else if (strchr(room, ':')) {
		return ERR_MALFORMED;
	}
	port = small_number(colon + 1, 65535);
	if (port < 0 || addr_parse(host, &addr))
		return ERR_MALFORMED;
	*out = (struct endpoint){ .addr = addr, .port = (uint16_t)port };
	return 0;
}

socklen_t endpoint_to_sockaddr(const struct endpoint *ep,
			       struct sockaddr_storage *out)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *in4 = (struct sockaddr_in *)out;

	memset(out, 0, sizeof(*out));
	if (ep->addr.family == AF_INET) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(ep->port);
		memcpy(&in4->sin_addr, ep->addr.octet, 4);
		return sizeof(*in4);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(ep->port);
	memcpy(&in6->sin6_addr, ep->addr.octet, 16);
	return sizeof(*in6);
}

int endpoint_from_sockaddr(const struct sockaddr_storage *in,
			   struct endpoint *out)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)in;
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)in;

	switch (in->ss_family) {
	case AF_INET:
		out->addr = addr_of(AF_INET, &in4->sin_addr, 4);
		out->port = ntohs(in4->sin_port);
		return 0;
	case AF_INET6:
		out->addr = addr_of_in6(&in6->sin6_addr);
		out->port = ntohs(in6->sin6_port);
		return 0;
	}
	return ERR_UNSUPPORTED;
}
