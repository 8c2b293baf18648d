/*
 * pdus.h - what the benchmark's clients and servers say, PDU by PDU.
 *
 * Layer: tools (over wire; static, for load and sink).
 * Source: C706 chapter 12 and appendix O; [MS-RPCE] 2.2.2.13, 2.2.2.14.
 * Units: lengths in octets.
 *
 * The sizes are those of Outlook on Windows: a bind offers NDR, NDR64 and the
 * bind-time features, that of a mailbox also an NTLM token; no fragment is
 * longer than 5,840 octets.
 */
#ifndef BENCH_PDUS_H
#define BENCH_PDUS_H

#include "common.h"
#include "wire/epm.h"
#include "wire/iface.h"
#include "wire/pdu.h"

#define PDUS_NTLM     10 /* auth_type of [MS-RPCE] 2.2.1.1.7 */
#define PDUS_CALL     1	 /* the number of every call */
#define PDUS_HEAD_LEN 24 /* of a request and of a response */
#define PDUS_WHOLE    (PDU_FIRST | PDU_LAST)
#define RPC_VERSION   5 /* the first octet of every PDU */

#define NTLM_NEGOTIATE 1
#define NTLM_CHALLENGE 2

/* What the servers have, and at which of their two ports. */
static const struct {
	const struct iface *iface;
	bool is_second;
} pdus_registered[] = {
	{ &iface_emsmdb, false },
	{ &iface_async_emsmdb, false },
	{ &iface_nspi, true },
	{ &iface_rfr, true },
};
#define PDUS_REGISTERED (sizeof(pdus_registered) / sizeof(pdus_registered[0]))

static inline size_t pdus_done(const struct builder *out)
{
	if (out->err)
		die("a PDU does not fit its room");
	return out->len;
}

/* Append a security trailer and a token, so that the PDU is <len> long. */
static inline void pdus_authenticate(struct builder *out, size_t len,
				     uint32_t message)
{
	size_t token = len - out->len - PDU_TRAILER_LEN;

	builder_u8(out, PDUS_NTLM);
	builder_u8(out, PDU_AUTH_PRIVACY);
	builder_u16(out, 0); /* no padding */
	builder_u32(out, 0); /* the context */
	builder_put(out, bytes_of("NTLMSSP", 8));
	builder_u32(out, message);
	builder_zero(out, token - 12);
	builder_set_u16(out, 8, (uint16_t)len);
	builder_set_u16(out, 10, (uint16_t)token);
}

/* A bind as Windows writes it, 160 octets. */
static inline struct builder pdus_bind(uint8_t *room, size_t cap,
				       const struct iface *iface)
{
	static const struct syntax features = {
		.uuid = { .time_low = 0x6cb71c2c,
			  .time_mid = 0x9812,
			  .time_hi = 0x4540,
			  .rest = { 3 } },
		.major = 1,
	};
	const struct syntax transfer[] = { syntax_ndr, syntax_ndr64, features };
	struct builder out = builder_over(room, cap, true);
	struct pdu_bind bind = { .max_xmit = PDU_FRAG_MAX,
				 .max_recv = PDU_FRAG_MAX,
				 .ncontexts = 3 };
	uint16_t i;

	for (i = 0; i < bind.ncontexts; i++)
		bind.context[i] = (struct pdu_context){
			.id = i,
			.abstract = iface->syntax,
			.ntransfer = 1,
			.transfer = { transfer[i] },
		};
	pdu_bind_write(&out, PDU_BIND, PDUS_WHOLE, PDUS_CALL, &bind);
	return out;
}

/* The answer to it: NDR is taken, NDR64 is not, no feature. */
static inline struct builder pdus_bind_ack(uint8_t *room, size_t cap,
					   uint32_t call, uint32_t group,
					   const struct pdu_bind *bind)
{
	struct builder out = builder_over(room, cap, true);
	struct pdu_bind_ack ack = { .max_xmit = PDU_FRAG_MAX,
				    .max_recv = PDU_FRAG_MAX,
				    .assoc_group = group,
				    .address = bytes_of("135", 3),
				    .nresults = bind->ncontexts };
	static const struct pdu_answer other[] = {
		{ .result = PDU_PROVIDER_REJECT,
		  .reason = PDU_REASON_TRANSFER },
		{ .result = PDU_NEGOTIATE_ACK },
	};
	unsigned i;

	ack.result[0].transfer = syntax_ndr;
	for (i = 1; i < ack.nresults; i++)
		ack.result[i] = other[i == 2];
	pdu_bind_ack_write(&out, PDU_BIND_ACK, PDUS_WHOLE, call, &ack);
	return out;
}

/* A request or response of <len> octets whose stub is all <octet>. */
static inline void pdus_fill(uint8_t *room, uint8_t type, size_t len,
			     char octet)
{
	struct builder out = builder_over(room, len, true);
	uint8_t stub[PDU_FRAG_MAX];
	struct bytes all = bytes_of(stub, len - PDUS_HEAD_LEN);

	memset(stub, octet, sizeof(stub));
	if (type == PDU_REQUEST)
		pdu_request_write(&out, PDUS_WHOLE, PDUS_CALL, 0, 1, all);
	else
		pdu_response_write(&out, PDUS_WHOLE, PDUS_CALL, 0, all);
	if (pdus_done(&out) != len)
		die("a PDU of %zu octets, not %zu", out.len, len);
}

/* PDUs as long as may be, all over a bulk flow's room. */
static inline void pdus_fill_bulk(uint8_t *room, uint8_t type)
{
	size_t at;

	for (at = 0; at < BULK_LEN; at += PDU_FRAG_MAX)
		pdus_fill(room + at, type, PDU_FRAG_MAX, MODE_DOWN);
}
_Static_assert(BULK_LEN % PDU_FRAG_MAX == 0, "whole PDUs");

/* Where is <iface>? 156 octets. */
static inline size_t pdus_map(uint8_t *room, size_t cap,
			      const struct iface *iface)
{
	uint8_t tower_room[TOWER_TCP_LEN], stub_room[256];
	struct builder tower = builder_over(tower_room, TOWER_TCP_LEN, true);
	struct builder stub = builder_over(stub_room, sizeof(stub_room), true);
	struct builder out = builder_over(room, cap, true);
	struct epm_map_request map = { .max_towers = 1 };

	tower_write(&tower, TOWER_TCP, &iface->syntax, EPM_PORT, NULL);
	map.tower = bytes_of(tower_room, pdus_done(&tower));
	epm_map_request_write(&stub, &map);
	pdu_request_write(&out, PDUS_WHOLE, PDUS_CALL, 0, EPM_MAP,
			  bytes_of(stub_room, pdus_done(&stub)));
	return pdus_done(&out);
}

#endif
