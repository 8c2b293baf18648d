/*
 * pdu_bind.c - bodies of bind, alter_context and their answers.
 *
 * Layer: wire (pure: no I/O, clock, allocation or globals).
 * Source: C706 12.6.4.3 to 12.6.4.5; [MS-RPCE] 2.2.2.4.
 */
#include <stddef.h>
#include <string.h>

#include "pdu_priv.h"

const struct uuid pdu_spoilt_uuid = {
	0x4c368e47,
	0xa239,
	0x456f,
	{ 0x9d, 0xf8, 0x5d, 0xc7, 0x79, 0xc9, 0x9a, 0xe4 },
};

static void read_context(struct cursor *cur, struct pdu_context *context)
{
	unsigned i;

	memset(context, 0, sizeof(*context));
	context->id = cursor_u16(cur);
	context->ntransfer = cursor_u8(cur);
	cursor_u8(cur);
	context->abstract_offset = (uint16_t)cursor_offset(cur);
	context->abstract = syntax_read(cur);
	if (context->ntransfer > PDU_SYNTAXES_MAX)
		cursor_fail(cur, ERR_LIMIT);
	for (i = 0; i < context->ntransfer && !cur->err; i++)
		context->transfer[i] = syntax_read(cur);
}

int pdu_bind_read(const struct pdu *pdu, struct pdu_bind *out)
{
	struct cursor cur = pdu_body(pdu);
	struct pdu_bind bind; /* 12 KB: only what is used is written */
	unsigned i;

	bind.max_xmit = cursor_u16(&cur);
	bind.max_recv = cursor_u16(&cur);
	bind.assoc_group = cursor_u32(&cur);
	bind.ncontexts = cursor_u8(&cur);
	cursor_take(&cur, 3);
	if (bind.ncontexts > PDU_CONTEXTS_MAX)
		cursor_fail(&cur, ERR_LIMIT);
	for (i = 0; i < bind.ncontexts && !cur.err; i++)
		read_context(&cur, &bind.context[i]);
	if (!cur.err)
		memcpy(out, &bind,
		       offsetof(struct pdu_bind, context) +
			       bind.ncontexts * sizeof(bind.context[0]));
	return cur.err;
}

unsigned pdu_bind_spoil(uint8_t *fragment, const struct pdu_bind *bind,
			uint64_t contexts)
{
	bool little = fragment[PDU_ORDER_AT] & PDU_ORDER_LITTLE;
	unsigned i, n = 0;

	for (i = 0; i < bind->ncontexts; i++) {
		uint8_t *at = fragment + bind->context[i].abstract_offset;
		struct builder out = builder_over(at, UUID_LEN, little);

		if (!(contexts >> i & 1))
			continue;
		uuid_write(&out, &pdu_spoilt_uuid);
		n++;
	}
	return n;
}

/* A port as text, counted with its NUL; some servers send none. */
static struct bytes read_address(struct cursor *cur)
{
	struct bytes text = cursor_take(cur, cursor_u16(cur));
	const uint8_t *nul = text.len ? memchr(text.at, 0, text.len) : NULL;

	if (nul)
		text.len = (size_t)(nul - text.at);
	return text;
}

static struct pdu_answer read_answer(struct cursor *cur)
{
	struct pdu_answer answer = { 0 };

	answer.result = cursor_u16(cur);
	answer.reason = cursor_u16(cur);
	answer.transfer = syntax_read(cur);
	return answer;
}

int pdu_bind_ack_read(const struct pdu *pdu, struct pdu_bind_ack *out)
{
	struct cursor cur = pdu_body(pdu);
	struct pdu_bind_ack ack = { 0 };
	unsigned i;

	ack.max_xmit = cursor_u16(&cur);
	ack.max_recv = cursor_u16(&cur);
	ack.assoc_group = cursor_u32(&cur);
	ack.address = read_address(&cur);
	cursor_align(&cur, 4);
	ack.nresults = cursor_u8(&cur);
	cursor_take(&cur, 3);
	if (ack.nresults > PDU_CONTEXTS_MAX)
		cursor_fail(&cur, ERR_LIMIT);
	for (i = 0; i < ack.nresults && !cur.err; i++)
		ack.result[i] = read_answer(&cur);
	if (!cur.err)
		*out = ack;
	return cur.err;
}

int pdu_bind_nak_read(const struct pdu *pdu, struct pdu_bind_nak *out)
{
	struct cursor cur = pdu_body(pdu);
	uint16_t reason = cursor_u16(&cur);

	if (!cur.err)
		out->reason = reason;
	return cur.err;
}

static void write_context(struct builder *out,
			  const struct pdu_context *context)
{
	unsigned i;

	if (context->ntransfer > PDU_SYNTAXES_MAX) {
		builder_fail(out, ERR_LIMIT);
		return;
	}
	builder_u16(out, context->id);
	builder_u8(out, context->ntransfer);
	builder_u8(out, 0);
	syntax_write(out, &context->abstract);
	for (i = 0; i < context->ntransfer; i++)
		syntax_write(out, &context->transfer[i]);
}

void pdu_bind_write(struct builder *out, uint8_t type, uint8_t flags,
		    uint32_t call_id, const struct pdu_bind *bind)
{
	size_t start = pdu_begin(out, type, flags, call_id);
	unsigned i;

	builder_u16(out, bind->max_xmit);
	builder_u16(out, bind->max_recv);
	builder_u32(out, bind->assoc_group);
	builder_u8(out, bind->ncontexts);
	builder_zero(out, 3);
	if (bind->ncontexts > PDU_CONTEXTS_MAX)
		builder_fail(out, ERR_LIMIT);
	for (i = 0; i < bind->ncontexts && !out->err; i++)
		write_context(out, &bind->context[i]);
	pdu_end(out, start);
}

static void write_address(struct builder *out, struct bytes text)
{
	if (text.len >= UINT16_MAX) {
		builder_fail(out, ERR_LIMIT);
		return;
	}
	builder_u16(out, (uint16_t)(text.len ? text.len + 1 : 0));
	builder_put(out, text);
	if (text.len)
		builder_u8(out, 0);
}

static void write_answer(struct builder *out, const struct pdu_answer *answer)
{
	builder_u16(out, answer->result);
	builder_u16(out, answer->reason);
	syntax_write(out, &answer->transfer);
}

void pdu_bind_ack_write(struct builder *out, uint8_t type, uint8_t flags,
			uint32_t call_id, const struct pdu_bind_ack *ack)
{
	size_t start = pdu_begin(out, type, flags, call_id);
	unsigned i;

	builder_u16(out, ack->max_xmit);
	builder_u16(out, ack->max_recv);
	builder_u32(out, ack->assoc_group);
	write_address(out, ack->address);
	pdu_align(out, start);
	builder_u8(out, ack->nresults);
	builder_zero(out, 3);
	if (ack->nresults > PDU_CONTEXTS_MAX)
		builder_fail(out, ERR_LIMIT);
	for (i = 0; i < ack->nresults && !out->err; i++)
		write_answer(out, &ack->result[i]);
	pdu_end(out, start);
}

void pdu_bind_nak_write(struct builder *out, uint32_t call_id, uint16_t reason)
{
	size_t start =
		pdu_begin(out, PDU_BIND_NAK, PDU_FIRST | PDU_LAST, call_id);

	builder_u16(out, reason);
	builder_u8(out, 1); /* one version that we speak: 5.0 */
	builder_u8(out, 5);
	builder_u8(out, 0);
	pdu_align(out, start);
	pdu_end(out, start);
}
