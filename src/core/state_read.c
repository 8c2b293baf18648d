/*
 * state_read.c - the state file, read.
 *
 * Layer: core (pure).
 * Everything is decoded twice: once to find out whether it is in order and
 * in which order it is to be told, once to tell it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/state.h"
#include "state_priv.h"

/* The parts of a file, borrowed from it. */
struct view {
	uint64_t elapsed_ms; /* since it was written */
	uint32_t nrecords;
	uint16_t nservers, ninterfaces, nsources;
	struct bytes records, servers, interfaces, sources;
};

struct record {
	enum state_kind kind;
	union {
		struct state_vport vport;
		struct state_lease lease;
		struct state_binding binding;
	};
};

/* Where a record is, and when it is told: the lowest rank first. */
struct turn {
	uint64_t rank;
	uint32_t offset;
};

#define RANK_KIND_SHIFT 62 /* above any age in milliseconds */

/* ---- the envelope: the same in every version ---- */

static bool is_whole(struct bytes file)
{
	struct bytes front = { file.at, file.len - 8 };
	struct cursor cur = cursor_over(file, true);

	if (memcmp(file.at, STATE_MAGIC, STATE_MAGIC_LEN) != 0)
		return false;
	cursor_take(&cur, file.len - STATE_TRAILER_LEN);
	return cursor_u64(&cur) == file.len &&
	       cursor_u64(&cur) == state_checksum(front);
}

static int check_envelope(struct bytes file)
{
	struct cursor cur = cursor_over(file, true);

	if (file.len > STATE_MAX)
		return ERR_LIMIT;
	if (file.len < STATE_MAGIC_LEN + 4 + STATE_TRAILER_LEN ||
	    !is_whole(file))
		return ERR_MALFORMED;
	cursor_take(&cur, STATE_MAGIC_LEN);
	return cursor_u32(&cur) == STATE_VERSION ? 0 : ERR_UNSUPPORTED;
}

/* ---- the tables ---- */

static bool is_source(const uint8_t *entry)
{
	static const uint8_t zero[12];

	return entry[0] == 6 ||
	       (entry[0] == 4 && memcmp(entry + 5, zero, sizeof(zero)) == 0);
}

static bool are_tables_sound(const struct view *view)
{
	const uint8_t *name = view->servers.at;
	unsigned i;

	for (i = 0; i < view->nservers; i++, name += STATE_SERVER_LEN)
		if (!name[0] || name[STATE_SERVER_LEN - 1])
			return false;
	for (i = 0; i < view->nsources; i++)
		if (!is_source(view->sources.at + i * STATE_SOURCE_LEN))
			return false;
	return view->nservers <= STATE_SERVERS_MAX &&
	       view->ninterfaces <= STATE_INTERFACES_MAX &&
	       view->nsources <= STATE_SOURCES_MAX;
}

static int read_view(struct bytes file, uint64_t now_ms, struct view *view)
{
	struct bytes front = { file.at, file.len - STATE_TRAILER_LEN };
	struct cursor cur = cursor_over(front, true);
	uint64_t written_ms;
	uint32_t len;

	cursor_take(&cur, STATE_MAGIC_LEN + 4);
	view->nrecords = cursor_u32(&cur);
	written_ms = cursor_u64(&cur);
	view->elapsed_ms = now_ms > written_ms ? now_ms - written_ms : 0;
	len = cursor_u32(&cur);
	view->nservers = cursor_u16(&cur);
	view->ninterfaces = cursor_u16(&cur);
	view->nsources = cursor_u16(&cur);
	if (cursor_u16(&cur) != 0)
		return ERR_MALFORMED;
	view->records = cursor_take(&cur, len);
	view->servers =
		cursor_take(&cur, view->nservers * (size_t)STATE_SERVER_LEN);
	view->interfaces =
		cursor_take(&cur, view->ninterfaces * (size_t)SYNTAX_LEN);
	view->sources =
		cursor_take(&cur, view->nsources * (size_t)STATE_SOURCE_LEN);
	if (cur.err || cursor_left(&cur) || !are_tables_sound(view) ||
	    view->nrecords > len / STATE_RECORD_MIN)
		return ERR_MALFORMED;
	return 0;
}

/* ---- records ---- */

static const char *read_server(struct cursor *cur, const struct view *view)
{
	uint8_t index = cursor_u8(cur);

	if (index < view->nservers)
		return (const char *)view->servers.at +
		       (size_t)index * STATE_SERVER_LEN;
	cursor_fail(cur, ERR_MALFORMED);
	return NULL;
}

static struct syntax read_interface(struct cursor *cur, const struct view *view)
{
	uint16_t index = cursor_u16(cur);
	struct cursor entry = cursor_over(view->interfaces, true);

	if (index >= view->ninterfaces)
		cursor_fail(cur, ERR_MALFORMED);
	cursor_take(&entry, (size_t)index * SYNTAX_LEN);
	return syntax_read(&entry);
}

static struct addr read_source(struct cursor *cur, const struct view *view)
{
	uint8_t index = cursor_u8(cur);
	struct addr source = { 0 };
	const uint8_t *entry;

	if (index == STATE_NO_SOURCE)
		return source;
	if (index >= view->nsources) {
		cursor_fail(cur, ERR_MALFORMED);
		return source;
	}
	entry = view->sources.at + (size_t)index * STATE_SOURCE_LEN;
	source.family = entry[0] == 4 ? AF_INET : AF_INET6;
	memcpy(source.octet, entry + 1, sizeof(source.octet));
	return source;
}

static struct addr read_addr(struct cursor *cur, uint8_t kind)
{
	bool is_ipv6 = kind & STATE_IS_IPV6;
	struct addr addr = { .family = is_ipv6 ? AF_INET6 : AF_INET };
	struct bytes octets = cursor_take(cur, is_ipv6 ? 16 : 4);

	if (octets.len)
		memcpy(addr.octet, octets.at, octets.len);
	return addr;
}

static uint64_t read_age(struct cursor *cur, const struct view *view)
{
	uint64_t age = cursor_u64(cur), now;

	return __builtin_add_overflow(age, view->elapsed_ms, &now) ? UINT64_MAX
								   : now;
}

static struct record read_record(struct cursor *cur, const struct view *view)
{
	uint8_t kind = cursor_u8(cur);
	const char *server = read_server(cur, view);
	struct record rec = { .kind = kind & ~STATE_IS_IPV6 };

	switch (kind) {
	case STATE_VPORT:
		rec.vport.server = server;
		rec.vport.interface = read_interface(cur, view);
		rec.vport.real = cursor_u16(cur);
		rec.vport.virtual = cursor_u16(cur);
		break;
	case STATE_LEASE:
	case STATE_LEASE | STATE_IS_IPV6:
		rec.lease.server = server;
		rec.lease.interface = read_interface(cur, view);
		rec.lease.port = cursor_u16(cur);
		rec.lease.real = cursor_u16(cur);
		rec.lease.client = read_addr(cur, kind);
		rec.lease.age_ms = read_age(cur, view);
		break;
	case STATE_BINDING:
	case STATE_BINDING | STATE_IS_IPV6:
		rec.binding.server = server;
		rec.binding.source = read_source(cur, view);
		rec.binding.key = read_addr(cur, kind);
		rec.binding.idle_ms = read_age(cur, view);
		break;
	default:
		cursor_fail(cur, ERR_MALFORMED);
	}
	return rec;
}

/* ---- their order ---- */

static uint64_t rank_of(const struct record *rec)
{
	static const uint64_t oldest = (UINT64_C(1) << RANK_KIND_SHIFT) - 1;
	uint64_t age = 0;

	if (rec->kind == STATE_LEASE)
		age = rec->lease.age_ms;
	if (rec->kind == STATE_BINDING)
		age = rec->binding.idle_ms;
	return (uint64_t)(STATE_VPORT - rec->kind) << RANK_KIND_SHIFT |
	       (age < oldest ? age : oldest);
}

static int by_rank(const void *a, const void *b)
{
	const struct turn *left = a, *right = b;

	if (left->rank != right->rank)
		return left->rank < right->rank ? -1 : 1;
	return left->offset < right->offset ? -1 : 1;
}

static int check_records(const struct view *view, struct turn *turn)
{
	struct cursor cur = cursor_over(view->records, true);
	struct record rec;
	uint32_t i;

	for (i = 0; i < view->nrecords; i++) {
		turn[i].offset = (uint32_t)cursor_offset(&cur);
		rec = read_record(&cur, view);
		if (cur.err)
			return ERR_MALFORMED;
		turn[i].rank = rank_of(&rec);
	}
	return cursor_left(&cur) ? ERR_MALFORMED : 0;
}

static void tell(const struct view *view, uint32_t offset,
		 const struct state_sink *sink)
{
	struct cursor cur = cursor_over(view->records, true);
	struct record rec;

	cursor_take(&cur, offset);
	rec = read_record(&cur, view);
	switch (rec.kind) {
	case STATE_VPORT:
		sink->vport(sink->ctx, &rec.vport);
		break;
	case STATE_LEASE:
		sink->lease(sink->ctx, &rec.lease);
		break;
	case STATE_BINDING:
		sink->binding(sink->ctx, &rec.binding);
		break;
	}
}

int state_read(struct bytes file, uint64_t now_ms,
	       const struct state_sink *sink)
{
	struct view view;
	struct turn *turn;
	uint32_t i;
	int err = check_envelope(file);

	if (!err)
		err = read_view(file, now_ms, &view);
	if (err)
		return err;
	turn = malloc((view.nrecords + 1) * sizeof(*turn));
	if (!turn)
		return ERR_MEMORY;
	err = check_records(&view, turn);
	if (!err) {
		qsort(turn, view.nrecords, sizeof(*turn), by_rank);
		for (i = 0; i < view.nrecords; i++)
			tell(&view, turn[i].offset, sink);
	}
	free(turn);
	return err;
}
