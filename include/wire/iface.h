/*
 * iface.h - the RPC interfaces that have a name.
 *
 * Layer: wire (pure).
 * Source: [MS-OXCRPC] 1.9, [MS-OXABREF] 1.9, [MS-OXNSPI] 1.9, [MS-SAMR],
 * [MS-LSAD], [MS-NRPC], [MS-DRSR], …: "Standards Assignments" of each.
 */
#ifndef WIRE_IFACE_H
#define WIRE_IFACE_H

#include <stdbool.h>

#include "wire/uuid.h"

struct iface {
	const char *name; /* kebab-case, as in configuration and log */
	struct syntax syntax;
};

extern const struct iface iface_epm;
extern const struct iface iface_mgmt;
extern const struct iface iface_emsmdb;
extern const struct iface iface_async_emsmdb;
extern const struct iface iface_nspi;
extern const struct iface iface_rfr;

/* By name, without case; NULL if unknown. */
const struct iface *iface_find(const char *name) PURE;
/* By UUID and major version; NULL if it has no name. */
const struct iface *iface_of(const struct syntax *syntax) PURE;
/* Is it one of the DCOM interfaces of port 135 (oxid-resolver,
 * remote-activation, system-activator), whatever the version? Their answers
 * name other ports and addresses of the server itself. */
bool iface_is_dcom(const struct syntax *syntax) PURE;
/* The name, or "UUID vMAJOR.MINOR" written to <room>. */
#define IFACE_TEXT_MAX 64
const char *iface_text(const struct syntax *syntax, char room[IFACE_TEXT_MAX]);
/* The table, for completion and for "nearest known name". */
const struct iface *iface_at(unsigned index); /* NULL past the end */

#endif
