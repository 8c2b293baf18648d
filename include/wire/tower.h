/*
 * tower.h - protocol towers: which interface, over what, where.
 *
 * Layer: wire (pure).
 * Source: C706 appendix I and L; [MS-RPCE] 2.2.1.2.
 * A tower is little endian whatever the PDU is; ports and IPv4 addresses in
 * it are big endian.
 */
#ifndef WIRE_TOWER_H
#define WIRE_TOWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "wire/uuid.h"

#define TOWER_TCP_LEN	 75
#define TOWER_FLOORS_MAX 16

enum tower_protocol {
	TOWER_OTHER,
	TOWER_TCP,  /* ncacn_ip_tcp */
	TOWER_HTTP, /* ncacn_http */
	TOWER_UDP,  /* ncadg_ip_udp */
	TOWER_PIPE, /* ncacn_np */
};

struct tower {
	enum tower_protocol protocol;
	struct syntax interface;
	struct syntax transfer;
	bool has_port; /* tcp, http, udp */
	uint16_t port;
	struct addr addr; /* IPv4, maybe 0.0.0.0; family 0 = no floor */
	/* Where in the tower's octets they stand, for patching in place;
	 * 0 = there is none. */
	uint16_t port_offset;
	uint16_t addr_offset;
};

/* Read a whole tower; octets behind its last floor are padding. ERR_SHORT,
 * ERR_MALFORMED, ERR_LIMIT, ERR_UNSUPPORTED if its first two floors are no
 * syntaxes. */
MUST_CHECK int tower_read(struct bytes in, struct tower *out);
/*
 * Change port and address of <tower> where <read>, which tower_read() gave of
 * these very octets, says that they stand; nothing else changes, least of all
 * the length.
 *
 * <port>  written big endian; nothing is if the tower has no port.
 * <addr>  IPv4, written if the tower has a floor for it. NULL, no address or
 *         IPv6, for which there is no floor: the floor stays as it is.
 */
void tower_patch(uint8_t *tower, const struct tower *read, uint16_t port,
		 const struct addr *addr);
/* Have a tower that was read name the nil interface on port 0: nobody can use
 * it, and its length stays. */
void tower_spoil(uint8_t *tower, const struct tower *read);
/* Append the tower of <interface> over <protocol> (TCP or HTTP), transfer
 * syntax NDR, at <port> of an IPv4 address (NULL: 0.0.0.0). */
void tower_write(struct builder *out, enum tower_protocol protocol,
		 const struct syntax *interface, uint16_t port,
		 const struct addr *addr);

#endif
