/*
 * ndr.h - in which form the values of a stub stand.
 *
 * Layer: wire (pure).
 * Source: C706 14.2 (NDR); [MS-RPCE] 2.2.5 (NDR64).
 */
#ifndef WIRE_NDR_H
#define WIRE_NDR_H

#include <stdbool.h>

struct ndr {
	bool little; /* as the PDU's header says */
	/* Pointers and counts are 64 bits: the server accepted syntax_ndr64
	 * for the call's presentation context. Nothing in a request or a
	 * response says so, only the bind_ack before them does. */
	bool is_64;
};

#endif
