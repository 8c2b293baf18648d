/*
 * tower.c - protocol towers: which interface, over what, where.
 *
 * Layer: wire (pure).
 * Source: C706 appendix I (protocol identifiers) and L (tower encoding);
 * [MS-RPCE] 2.2.1.2.
 */
#include <string.h>

#include "wire/tower.h"

/* Protocol identifiers: the first octet of a floor's left-hand side. */
enum floor_id {
	FLOOR_TCP = 0x07,
	FLOOR_UDP = 0x08,
	FLOOR_IP = 0x09,
	FLOOR_CL = 0x0a, /* connectionless RPC */
	FLOOR_CO = 0x0b, /* connection-oriented RPC */
	FLOOR_SYNTAX = 0x0d,
	FLOOR_PIPE = 0x0f,
	FLOOR_HTTP = 0x1f,
};

#define SYNTAX_LHS_LEN 19 /* identifier, UUID, major version */

struct floor {
	uint8_t id;
	struct bytes lhs; /* without the identifier */
	struct bytes rhs;
	uint16_t rhs_offset; /* from the tower's start */
};

/* Written in place: a struct returned would be copied as soon as its parts
 * were stored, which the processor has to wait for. */
static void read_floor(struct cursor *cur, struct floor *out)
{
	uint16_t lhs_len = cursor_u16(cur);
	uint16_t rhs_len;

	if (!lhs_len)
		cursor_fail(cur, ERR_MALFORMED);
	out->id = cursor_u8(cur);
	out->lhs = cursor_take(cur, (size_t)lhs_len - 1);
	rhs_len = cursor_u16(cur);
	out->rhs_offset = (uint16_t)cursor_offset(cur);
	out->rhs = cursor_take(cur, rhs_len);
}

/* Floors 1 and 2: the UUID and major version left, the minor right. */
static struct syntax read_syntax(struct cursor *cur)
{
	struct syntax syntax = { 0 };
	struct cursor lhs, rhs;
	struct floor floor;

	read_floor(cur, &floor);
	lhs = cursor_over(floor.lhs, true);
	rhs = cursor_over(floor.rhs, true);
	if (floor.id != FLOOR_SYNTAX || floor.lhs.len != SYNTAX_LHS_LEN - 1)
		cursor_fail(cur, ERR_UNSUPPORTED);
	syntax.uuid = uuid_read(&lhs);
	syntax.major = cursor_u16(&lhs);
	syntax.minor = cursor_u16(&rhs);
	if (rhs.err)
		cursor_fail(cur, ERR_MALFORMED);
	return syntax;
}

static enum tower_protocol protocol_of(uint8_t rpc, uint8_t transport)
{
	if (rpc == FLOOR_CL && transport == FLOOR_UDP)
		return TOWER_UDP;
	if (rpc != FLOOR_CO)
		return TOWER_OTHER;
	switch (transport) {
	case FLOOR_TCP:
		return TOWER_TCP;
	case FLOOR_HTTP:
		return TOWER_HTTP;
	case FLOOR_PIPE:
		return TOWER_PIPE;
	}
	return TOWER_OTHER;
}

/* Floor 4 of a transport that has ports: big endian, whatever else is. */
static void read_port(struct cursor *cur, const struct floor *floor,
		      struct tower *tower)
{
	struct cursor rhs = cursor_over(floor->rhs, false);

	tower->port = cursor_u16(&rhs);
	if (cursor_left(&rhs))
		cursor_fail(&rhs, ERR_MALFORMED);
	if (rhs.err)
		cursor_fail(cur, ERR_MALFORMED);
	tower->port_offset = floor->rhs_offset;
	tower->has_port = true;
}

/* Floor 5 of a transport over IP: four octets in network order. */
static void read_address(struct cursor *cur, const struct floor *floor,
			 struct tower *tower)
{
	size_t i;

	if (floor->rhs.len != 4) {
		cursor_fail(cur, ERR_MALFORMED);
		return;
	}
	tower->addr.family = AF_INET;
	for (i = 0; i < 4; i++)
		tower->addr.octet[i] = floor->rhs.at[i];
	tower->addr_offset = floor->rhs_offset;
}

/* The floors above the two syntaxes; what we do not know we only skip. */
static void read_transport(struct cursor *cur, unsigned nfloors,
			   struct tower *tower)
{
	struct floor floor;
	uint8_t rpc = 0;
	unsigned i;

	for (i = 2; i < nfloors && !cur->err; i++) {
		read_floor(cur, &floor);
		if (i == 2)
			rpc = floor.id;
		if (i == 3)
			tower->protocol = protocol_of(rpc, floor.id);
		if (i == 3 && tower->protocol != TOWER_OTHER &&
		    tower->protocol != TOWER_PIPE)
			read_port(cur, &floor, tower);
		if (i == 4 && floor.id == FLOOR_IP)
			read_address(cur, &floor, tower);
	}
}

int tower_read(struct bytes in, struct tower *out)
{
	struct cursor cur = cursor_over(in, true);
	struct tower tower = { .protocol = TOWER_OTHER };
	uint16_t nfloors;

	/* Offsets are 16 bits, and no real tower comes near. */
	if (in.len > UINT16_MAX)
		return ERR_LIMIT;
	nfloors = cursor_u16(&cur);
	if (nfloors > TOWER_FLOORS_MAX)
		cursor_fail(&cur, ERR_LIMIT);
	if (nfloors < 2)
		cursor_fail(&cur, ERR_UNSUPPORTED);
	tower.interface = read_syntax(&cur);
	tower.transfer = read_syntax(&cur);
	read_transport(&cur, nfloors, &tower);
	if (!cur.err)
		*out = tower;
	return cur.err;
}

void tower_patch(uint8_t *tower, const struct tower *read, uint16_t port,
		 const struct addr *addr)
{
	if (read->port_offset) {
		tower[read->port_offset] = (uint8_t)(port >> 8);
		tower[read->port_offset + 1] = (uint8_t)port;
	}
	if (read->addr_offset && addr && addr->family == AF_INET)
		memcpy(tower + read->addr_offset, addr->octet, 4);
}

/* The first floor: its count, its length, the kind, then the interface. */
#define INTERFACE_AT 5

void tower_spoil(uint8_t *tower, const struct tower *read)
{
	memset(tower + INTERFACE_AT, 0, UUID_LEN);
	tower_patch(tower, read, 0, NULL);
}

static void write_syntax(struct builder *out, const struct syntax *syntax)
{
	builder_u16(out, SYNTAX_LHS_LEN);
	builder_u8(out, FLOOR_SYNTAX);
	uuid_write(out, &syntax->uuid);
	builder_u16(out, syntax->major);
	builder_u16(out, 2);
	builder_u16(out, syntax->minor);
}

static void write_floor(struct builder *out, uint8_t id, struct bytes rhs)
{
	builder_u16(out, 1);
	builder_u8(out, id);
	builder_u16(out, (uint16_t)rhs.len);
	builder_put(out, rhs);
}

void tower_write(struct builder *out, enum tower_protocol protocol,
		 const struct syntax *interface, uint16_t port,
		 const struct addr *addr)
{
	static const uint8_t zero[4];
	const uint8_t big[2] = { (uint8_t)(port >> 8), (uint8_t)port };
	bool is_v4 = addr && addr->family == AF_INET;
	bool little = out->little;

	if (protocol != TOWER_TCP && protocol != TOWER_HTTP)
		builder_fail(out, ERR_UNSUPPORTED);
	out->little = true;
	builder_u16(out, 5);
	write_syntax(out, interface);
	write_syntax(out, &syntax_ndr);
	write_floor(out, FLOOR_CO, bytes_of(zero, 2));
	write_floor(out, protocol == TOWER_TCP ? FLOOR_TCP : FLOOR_HTTP,
		    bytes_of(big, 2));
	write_floor(out, FLOOR_IP, bytes_of(is_v4 ? addr->octet : zero, 4));
	out->little = little;
}
