/*
 * mapper.h - an endpoint mapper that has nothing registered, in answers.
 *
 * Layer: tools (pure; static, for one program).
 * Source: C706 chapter 12 (PDUs) and appendix O (ept_lookup, ept_map).
 * Units: lengths in octets. Little-endian peers only.
 *
 * A balancer that asks a server's endpoint mapper gets a proper answer, so
 * that it does not take the server for a sick one.
 */
#ifndef BENCH_MAPPER_H
#define BENCH_MAPPER_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define RPC_VERSION    5 /* the first octet of every PDU */
#define RPC_REQUEST    0
#define RPC_RESPONSE   2
#define RPC_BIND       11
#define RPC_BIND_ACK   12
#define RPC_FIRST_LAST 3

#define RPC_HEAD_LEN	24 /* of a request, a response, a bind to its list */
#define RPC_CONTEXT_LEN 24 /* without its transfer syntaxes */
#define RPC_SYNTAX_LEN	20
#define RPC_ACK_LIST	36 /* where a bind_ack's results begin */
#define RPC_CONTEXTS	8

#define EPT_HANDLE_FREE	   4
#define EPT_HANDLE_LEN	   20
#define EPT_NOT_REGISTERED 0x16c9a0d6U
#define MAPPER_ANSWER_MAX  (RPC_ACK_LIST + RPC_CONTEXTS * RPC_CONTEXT_LEN)

static inline void mapper_put16(uint8_t *at, uint16_t value)
{
	value = htole16(value);
	memcpy(at, &value, sizeof(value));
}

static inline void mapper_put32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

/* The common head: version, flags and call of the question. */
static inline uint32_t mapper_head(const uint8_t *pdu, uint8_t type,
				   uint32_t len, uint8_t *out)
{
	memcpy(out, pdu, 16);
	out[2] = type;
	out[3] = RPC_FIRST_LAST;
	mapper_put16(out + 8, (uint16_t)len);
	mapper_put16(out + 10, 0);
	return len;
}

/*
 * One context's result: NDR is taken, whatever else is offered refused.
 * Returns the length of the context, 0 if it is not whole.
 */
static inline uint32_t mapper_context(const uint8_t *context, uint32_t len,
				      uint8_t *result)
{
	static const uint8_t ndr[RPC_SYNTAX_LEN] = {
		0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8,
		0x08, 0x00, 0x2b, 0x10, 0x48, 0x60, 0x02, 0x00, 0x00, 0x00,
	};
	uint32_t i, whole;

	if (len < RPC_CONTEXT_LEN)
		return 0;
	whole = RPC_CONTEXT_LEN + RPC_SYNTAX_LEN * (uint32_t)context[2];
	if (len < whole)
		return 0;
	memset(result, 0, RPC_CONTEXT_LEN);
	mapper_put16(result, 2);     /* provider rejection: */
	mapper_put16(result + 2, 2); /* transfer syntaxes not supported */
	for (i = RPC_CONTEXT_LEN; i < whole; i += RPC_SYNTAX_LEN) {
		if (memcmp(context + i, ndr, sizeof(ndr)) != 0)
			continue;
		memset(result, 0, 4);
		memcpy(result + 4, ndr, sizeof(ndr));
	}
	return whole;
}

static inline uint32_t mapper_bind(const uint8_t *pdu, uint32_t len,
				   uint8_t *out)
{
	uint32_t at = RPC_HEAD_LEN + 4, one, i, n;

	n = len > at ? pdu[RPC_HEAD_LEN] : 0;
	if (!n || n > RPC_CONTEXTS)
		return 0;
	memset(out, 0, MAPPER_ANSWER_MAX);
	for (i = 0; i < n; i++) {
		one = mapper_context(pdu + at, len - at,
				     out + RPC_ACK_LIST + i * RPC_CONTEXT_LEN);
		if (!one)
			return 0;
		at += one;
	}
	memcpy(out + 16, pdu + 16, 4); /* fragment sizes: as offered */
	mapper_put32(out + 20, 1);     /* association group */
	mapper_put16(out + 24, 4);
	memcpy(out + 26, "135", 4);
	out[32] = (uint8_t)n;
	return mapper_head(pdu, RPC_BIND_ACK,
			   RPC_ACK_LIST + n * RPC_CONTEXT_LEN, out);
}

/* ept_lookup and ept_map alike: no entry, an array of none, not registered. */
static inline uint32_t mapper_request(const uint8_t *pdu, uint32_t len,
				      uint8_t *out)
{
	uint8_t *stub = out + RPC_HEAD_LEN + EPT_HANDLE_LEN;
	uint32_t stub_len = EPT_HANDLE_LEN + 4;

	memset(out, 0, MAPPER_ANSWER_MAX);
	if (pdu[22] != EPT_HANDLE_FREE) {
		memcpy(stub + 4, pdu + len - 4, 4); /* the caller's cap */
		mapper_put32(stub + 16, EPT_NOT_REGISTERED);
		stub_len = EPT_HANDLE_LEN + 20;
	}
	mapper_put32(out + 16, stub_len);
	memcpy(out + 20, pdu + 20, 2); /* the context */
	return mapper_head(pdu, RPC_RESPONSE, RPC_HEAD_LEN + stub_len, out);
}

/*
 * The answer to one PDU, which must be whole.
 *
 * <out>  room for MAPPER_ANSWER_MAX.
 * Returns its length; 0: not a question for an endpoint mapper.
 */
static inline uint32_t mapper_answer(const uint8_t *pdu, uint32_t len,
				     uint8_t *out)
{
	if (len < RPC_HEAD_LEN || pdu[0] != RPC_VERSION ||
	    len != (uint32_t)(pdu[8] | pdu[9] << 8))
		return 0;
	if (pdu[2] == RPC_BIND)
		return mapper_bind(pdu, len, out);
	if (pdu[2] == RPC_REQUEST)
		return mapper_request(pdu, len, out);
	return 0;
}

#endif
