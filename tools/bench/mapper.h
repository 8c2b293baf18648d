/*
 * mapper.h - the servers' endpoint mapper, in answers.
 *
 * Layer: tools (over wire; static, for sink).
 * Source: C706 appendix O (ept_lookup, ept_map).
 *
 * It has the four Outlook interfaces registered, at two ports. A balancer
 * asks it for all, clients for one at a time.
 */
#ifndef BENCH_MAPPER_H
#define BENCH_MAPPER_H

#include "pdus.h"

#define MAPPER_ANSWER_MAX 1024

struct mapper {
	struct addr at;	  /* of the address floor */
	uint16_t port[2]; /* the first and the second */
	uint32_t group;	  /* the last that was given out */
};

static inline uint16_t mapper_port(const struct mapper *mapper, size_t i)
{
	return mapper->port[pdus_registered[i].is_second];
}

static inline void mapper_tower(const struct mapper *mapper, size_t i,
				struct builder *out)
{
	tower_write(out, TOWER_TCP, &pdus_registered[i].iface->syntax,
		    mapper_port(mapper, i), &mapper->at);
}

static inline void mapper_map(const struct mapper *mapper, struct bytes in,
			      struct builder *stub)
{
	struct epm_map_reply reply = { .status = EPM_NOT_REGISTERED };
	uint8_t room[TOWER_TCP_LEN];
	struct builder out = builder_over(room, sizeof(room), true);
	struct epm_map_request map;
	struct tower asked;
	size_t i;

	if (epm_map_request_read(in, (struct ndr){ .little = true }, &map) ||
	    tower_read(map.tower, &asked)) {
		builder_fail(stub, ERR_MALFORMED);
		return;
	}
	for (i = 0; i < PDUS_REGISTERED && !reply.ntowers; i++) {
		if (iface_of(&asked.interface) != pdus_registered[i].iface)
			continue;
		mapper_tower(mapper, i, &out);
		reply.status = 0;
		reply.tower[reply.ntowers++] = bytes_of(room, out.len);
	}
	epm_map_reply_write(stub, &reply, map.max_towers);
}

static inline void mapper_lookup(const struct mapper *mapper,
				 struct builder *stub)
{
	struct epm_lookup_reply reply = { .nentries = PDUS_REGISTERED };
	uint8_t room[PDUS_REGISTERED * TOWER_TCP_LEN];
	struct builder out = builder_over(room, sizeof(room), true);
	struct epm_entry entry[PDUS_REGISTERED] = { 0 };
	size_t i;

	for (i = 0; i < PDUS_REGISTERED; i++) {
		mapper_tower(mapper, i, &out);
		entry[i].tower =
			bytes_of(room + i * TOWER_TCP_LEN, TOWER_TCP_LEN);
	}
	epm_lookup_reply_write(stub, &reply, entry, PDUS_REGISTERED);
}

/*
 * The answer to one PDU, which must be whole.
 *
 * <room>  of MAPPER_ANSWER_MAX.
 * Returns its length; 0: not a question for an endpoint mapper.
 */
static inline size_t mapper_answer(struct mapper *mapper, struct bytes in,
				   uint8_t *room)
{
	struct builder out = builder_over(room, MAPPER_ANSWER_MAX, true);
	uint8_t stub_room[MAPPER_ANSWER_MAX];
	struct builder stub = builder_over(stub_room, MAPPER_ANSWER_MAX, true);
	struct pdu_request request;
	struct pdu_bind bind;
	struct pdu pdu;

	if (pdu_read(in, &pdu) || pdu.whole.len != in.len)
		return 0;
	if (pdu.type == PDU_BIND && !pdu_bind_read(&pdu, &bind)) {
		out = pdus_bind_ack(room, MAPPER_ANSWER_MAX, pdu.call_id,
				    ++mapper->group, &bind);
		return pdus_done(&out);
	}
	if (pdu.type != PDU_REQUEST || pdu_request_read(&pdu, &request))
		return 0;
	if (request.opnum == EPM_MAP)
		mapper_map(mapper, request.stub, &stub);
	else
		mapper_lookup(mapper, &stub);
	pdu_response_write(&out, PDUS_WHOLE, pdu.call_id, request.context,
			   bytes_of(stub_room, stub.len));
	return stub.err || out.err ? 0 : out.len;
}

#endif
