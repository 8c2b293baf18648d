/*
 * pdu_priv.h - what the readers and writers of PDU bodies share.
 *
 * Layer: wire (pure).
 */
#ifndef WIRE_PDU_PRIV_H
#define WIRE_PDU_PRIV_H

#include "wire/pdu.h"

/* Where the header says the byte order, and the bit that says little. */
#define PDU_ORDER_AT	 4
#define PDU_ORDER_LITTLE 0x10

/* A cursor at the body's start that counts alignment from the fragment's,
 * as C706 12.6.3 has it, and ends where the body does. */
struct cursor pdu_body(const struct pdu *pdu);

/* Write a header; returns where the fragment starts in <out>. */
size_t pdu_begin(struct builder *out, uint8_t type, uint8_t flags,
		 uint32_t call_id);
/* Pad to a multiple of 4, counted from the fragment's start. */
void pdu_align(struct builder *out, size_t start);
/* Fill in the fragment's length. */
void pdu_end(struct builder *out, size_t start);

#endif
