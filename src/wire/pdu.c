/*
 * pdu.c - connection-oriented DCE/RPC PDUs: the header, and the bodies of
 * calls. Those of binds are in pdu_bind.c, the names of faults in
 * pdu_fault.c.
 *
 * Layer: wire (pure: no I/O, clock, allocation or globals).
 * Source: C706 12.6; [MS-RPCE] 2.2.2.
 */
#include "pdu_priv.h"

#define AUTH_LENGTH_KNOWN 12 /* octets after which auth_length is known */

/* The fields of the common header that say how long a fragment is. */
struct extent {
	bool little;
	uint16_t frag_len;
	uint16_t auth_len;
};

/* The first octets of every fragment of ours: 5, 0 or 1, type, flags, and
 * the data representation, which has an integer and a character nibble. */
static bool can_begin(struct bytes in)
{
	if (in.len > 0 && in.at[0] != 5)
		return false;
	if (in.len > 1 && in.at[1] > 1)
		return false;
	return in.len <= 4 || (in.at[PDU_ORDER_AT] & 0xee) == 0;
}

/* <in>: at least PDU_LENGTH_KNOWN octets. */
static struct extent read_extent(struct bytes in)
{
	struct extent extent = { .little = in.at[PDU_ORDER_AT] &
					   PDU_ORDER_LITTLE };
	struct cursor cur = cursor_over(in, extent.little);

	cursor_take(&cur, 8);
	extent.frag_len = cursor_u16(&cur);
	if (in.len >= AUTH_LENGTH_KNOWN)
		extent.auth_len = cursor_u16(&cur);
	return extent;
}

static size_t least_len(const struct extent *extent)
{
	if (!extent->auth_len)
		return PDU_HEADER_LEN;
	return PDU_HEADER_LEN + PDU_TRAILER_LEN + (size_t)extent->auth_len;
}

int pdu_length(struct bytes stream)
{
	struct extent extent;

	if (!can_begin(stream))
		return ERR_MALFORMED;
	if (stream.len < PDU_LENGTH_KNOWN)
		return 0;
	extent = read_extent(stream);
	if (extent.frag_len < least_len(&extent))
		return ERR_MALFORMED;
	return extent.frag_len;
}

/* The types that connections know; the others are of datagrams. */
static int check_type(uint8_t type)
{
	if (type > PDU_RTS)
		return ERR_MALFORMED;
	if (type == 1 || (type > PDU_FAULT && type < PDU_BIND))
		return ERR_UNSUPPORTED;
	return 0;
}

/* The security trailer stands before the auth value, which ends the
 * fragment; in front of it is padding that belongs to neither. */
static int read_trailer(struct pdu *pdu, uint16_t auth_len)
{
	size_t at = pdu->whole.len - auth_len - PDU_TRAILER_LEN;
	struct cursor cur = cursor_over(pdu->whole, pdu->little);

	cursor_take(&cur, at);
	pdu->auth_type = cursor_u8(&cur);
	pdu->auth_level = cursor_u8(&cur);
	pdu->auth_pad = cursor_u8(&cur);
	cursor_u8(&cur);
	pdu->auth_context = cursor_u32(&cur);
	pdu->auth = cursor_take(&cur, auth_len);
	if (pdu->auth_pad > at - PDU_HEADER_LEN)
		cursor_fail(&cur, ERR_MALFORMED);
	pdu->body.len = at - PDU_HEADER_LEN - pdu->auth_pad;
	return cur.err;
}

int pdu_read(struct bytes whole, struct pdu *out)
{
	int err, len = pdu_length(whole);
	struct pdu pdu = { 0 };
	struct extent extent;
	struct cursor cur;

	if (len < 0)
		return len;
	if (!len || whole.len < (size_t)len)
		return ERR_SHORT;
	extent = read_extent(whole);
	pdu.little = extent.little;
	pdu.whole = bytes_of(whole.at, (size_t)len);
	cur = cursor_over(pdu.whole, pdu.little);
	cursor_take(&cur, 2);
	pdu.type = cursor_u8(&cur);
	pdu.flags = cursor_u8(&cur);
	cursor_take(&cur, 8); /* data representation and both lengths */
	pdu.call_id = cursor_u32(&cur);
	pdu.body = cursor_take(&cur, cursor_left(&cur));
	err = check_type(pdu.type);
	if (!err && extent.auth_len)
		err = read_trailer(&pdu, extent.auth_len);
	if (!err)
		*out = pdu;
	return err;
}

struct cursor pdu_body(const struct pdu *pdu)
{
	struct bytes head =
		bytes_of(pdu->whole.at, PDU_HEADER_LEN + pdu->body.len);
	struct cursor cur = cursor_over(head, pdu->little);

	cursor_take(&cur, PDU_HEADER_LEN);
	return cur;
}

int pdu_request_read(const struct pdu *pdu, struct pdu_request *out)
{
	struct cursor cur = pdu_body(pdu);
	struct pdu_request req = { 0 };

	req.alloc_hint = cursor_u32(&cur);
	req.context = cursor_u16(&cur);
	req.opnum = cursor_u16(&cur);
	req.has_object = pdu->flags & PDU_OBJECT;
	if (req.has_object)
		req.object = uuid_read(&cur);
	req.stub = cursor_take(&cur, cursor_left(&cur));
	if (!cur.err)
		*out = req;
	return cur.err;
}

int pdu_response_read(const struct pdu *pdu, struct pdu_response *out)
{
	struct cursor cur = pdu_body(pdu);
	struct pdu_response resp = { 0 };

	resp.alloc_hint = cursor_u32(&cur);
	resp.context = cursor_u16(&cur);
	cursor_take(&cur, 2); /* cancel count, reserved */
	resp.stub = cursor_take(&cur, cursor_left(&cur));
	if (!cur.err)
		*out = resp;
	return cur.err;
}

int pdu_fault_read(const struct pdu *pdu, struct pdu_fault *out)
{
	struct cursor cur = pdu_body(pdu);
	struct pdu_fault fault = { 0 };

	cursor_u32(&cur); /* alloc_hint */
	fault.context = cursor_u16(&cur);
	cursor_take(&cur, 2); /* cancel count, flags */
	fault.status = cursor_u32(&cur);
	if (!cur.err)
		*out = fault;
	return cur.err;
}

size_t pdu_begin(struct builder *out, uint8_t type, uint8_t flags,
		 uint32_t call_id)
{
	size_t start = out->len;

	builder_u8(out, 5); /* version 5.0 */
	builder_u8(out, 0);
	builder_u8(out, type);
	builder_u8(out, flags);
	builder_u8(out, out->little ? PDU_ORDER_LITTLE : 0); /* ASCII, IEEE */
	builder_zero(out, 3);
	builder_zero(out, 4); /* both lengths: pdu_end() */
	builder_u32(out, call_id);
	return start;
}

void pdu_align(struct builder *out, size_t start)
{
	builder_zero(out, -(out->len - start) & 3);
}

void pdu_end(struct builder *out, size_t start)
{
	if (!out->err && out->len - start > PDU_MAX)
		builder_fail(out, ERR_LIMIT);
	builder_set_u16(out, start + 8, (uint16_t)(out->len - start));
}

void pdu_request_write(struct builder *out, uint8_t flags, uint32_t call_id,
		       uint16_t context, uint16_t opnum, struct bytes stub)
{
	size_t start = pdu_begin(out, PDU_REQUEST, flags, call_id);

	builder_u32(out, (uint32_t)stub.len);
	builder_u16(out, context);
	builder_u16(out, opnum);
	builder_put(out, stub);
	pdu_end(out, start);
}

void pdu_response_write(struct builder *out, uint8_t flags, uint32_t call_id,
			uint16_t context, struct bytes stub)
{
	size_t start = pdu_begin(out, PDU_RESPONSE, flags, call_id);

	builder_u32(out, (uint32_t)stub.len);
	builder_u16(out, context);
	builder_u16(out, 0); /* cancel count, reserved */
	builder_put(out, stub);
	pdu_end(out, start);
}

void pdu_fault_write(struct builder *out, uint8_t flags, uint32_t call_id,
		     uint16_t context, uint32_t status)
{
	size_t start = pdu_begin(out, PDU_FAULT, flags, call_id);

	builder_u32(out, 0); /* alloc_hint: there is no stub */
	builder_u16(out, context);
	builder_u16(out, 0); /* cancel count, flags */
	builder_u32(out, status);
	builder_u32(out, 0);
	pdu_end(out, start);
}
