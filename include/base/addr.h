/*
 * addr.h - IPv4 and IPv6 addresses, prefixes and endpoints.
 *
 * Layer: base.
 * An IPv4-mapped IPv6 address (RFC 4291 2.5.5.2) is always kept as IPv4, so
 * that one machine has one key whatever socket it came in by.
 * Units: ports in host order, prefix lengths in bits.
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

#define ADDR_TEXT_MAX	  46 /* with the closing NUL */
#define ENDPOINT_TEXT_MAX 54 /* "[address]:port" with the closing NUL */

/* Invariant: octets beyond the family's length are 0, so that two equal
 * addresses are equal memory. family 0 = no address. */
struct addr {
	uint8_t family; /* AF_INET, AF_INET6 or 0 */
	uint8_t octet[16];
};

struct endpoint {
	struct addr addr;
	uint16_t port;
};

struct prefix {
	struct addr addr; /* host bits are 0 */
	uint8_t bits;
};

/* Text to address; nothing but an address is taken. ERR_MALFORMED. */
MUST_CHECK int addr_parse(const char *text, struct addr *out);
/* Writes at most ADDR_TEXT_MAX octets; returns <room>. */
const char *addr_format(const struct addr *addr, char room[ADDR_TEXT_MAX]);
bool addr_equal(const struct addr *a, const struct addr *b) PURE;
/* 0.0.0.0 or :: */
bool addr_is_wildcard(const struct addr *addr) PURE;
/* The address with all but its first <bits> bits cleared. */
struct addr addr_mask(const struct addr *addr, unsigned bits);
/* 4 or 16; 0 for no address. */
size_t addr_len(const struct addr *addr) PURE;

/* "10.0.0.0/8", or an address for itself alone. ERR_MALFORMED; host bits
 * that are not 0 are cleared. */
MUST_CHECK int prefix_parse(const char *text, struct prefix *out);
bool prefix_has(const struct prefix *prefix, const struct addr *addr) PURE;

const char *endpoint_format(const struct endpoint *ep,
			    char room[ENDPOINT_TEXT_MAX]);
/* "address:port" or "[address]:port". ERR_MALFORMED. */
MUST_CHECK int endpoint_parse(const char *text, struct endpoint *out);

/* To and from what the system calls take; returns the length used. */
socklen_t endpoint_to_sockaddr(const struct endpoint *ep,
			       struct sockaddr_storage *out);
MUST_CHECK int endpoint_from_sockaddr(const struct sockaddr_storage *in,
				      struct endpoint *out);

#endif
