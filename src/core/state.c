/*
 * state.c - the state file, written.
 *
 * Layer: core (pure).
 * Records gather in one buffer that grows; names, interfaces and sources in
 * tables, by a hash, so that a million records are written in a moment. The
 * tables come behind the records, which need not move then.
 */
#include <stdlib.h>
#include <string.h>

#include "core/state.h"
#include "state_priv.h"

#define ROOM_FIRST	(64 * 1024)
#define SLOTS		512
#define INTERFACE_SLOTS 8192

/* A search for what is not there ends at a free slot. */
_Static_assert(SLOTS > STATE_SERVERS_MAX, "names of servers");
_Static_assert(SLOTS > STATE_SOURCES_MAX, "sources");
_Static_assert(INTERFACE_SLOTS > STATE_INTERFACES_MAX, "interfaces");

/* Entries of <size> octets, each once. A slot holds the index of an entry
 * plus 1, or 0. */
struct table {
	uint8_t *entry;
	uint16_t *slot;
	size_t size;
	unsigned mask; /* slots - 1 */
	unsigned most;
	unsigned n;
};

struct state_writer {
	struct builder out; /* header (last), records, … */
	uint64_t now_ms;
	uint32_t nrecords;
	uint32_t ndropped;
	struct table servers, interfaces, sources;
	uint16_t server_slot[SLOTS];
	uint16_t source_slot[SLOTS];
	uint16_t interface_slot[INTERFACE_SLOTS];
	uint8_t server[STATE_SERVERS_MAX * STATE_SERVER_LEN];
	uint8_t source[STATE_SOURCES_MAX * STATE_SOURCE_LEN];
	uint8_t interface[STATE_INTERFACES_MAX * SYNTAX_LEN];
};

static struct table table_over(uint8_t *entry, size_t len, uint16_t *slot,
			       unsigned nslots, size_t size)
{
	return (struct table){
		.entry = entry,
		.slot = slot,
		.size = size,
		.mask = nslots - 1,
		.most = (unsigned)(len / size),
	};
}

static size_t table_len(const struct table *table)
{
	return table->n * table->size;
}

/* The index of <entry>, added if it is new; <len> octets of it may differ
 * from another's. -1: there is no room. */
static int table_add(struct table *table, const uint8_t *entry, size_t len)
{
	unsigned at = (unsigned)state_checksum(bytes_of(entry, len));
	size_t size = table->size;
	uint16_t index;

	for (at &= table->mask; table->slot[at]; at = (at + 1) & table->mask) {
		index = (uint16_t)(table->slot[at] - 1);
		if (memcmp(table->entry + index * size, entry, size) == 0)
			return index;
	}
	if (table->n == table->most)
		return -1;
	memcpy(table->entry + table->n * size, entry, size);
	table->slot[at] = (uint16_t)++table->n;
	return table->slot[at] - 1;
}

static int add_server(struct state_writer *writer, const char *name)
{
	uint8_t entry[STATE_SERVER_LEN] = { 0 };
	size_t len = strnlen(name, sizeof(entry));

	if (len == 0 || len == sizeof(entry))
		return -1;
	memcpy(entry, name, len);
	return table_add(&writer->servers, entry, len);
}

static int add_interface(struct state_writer *writer,
			 const struct syntax *interface)
{
	uint8_t entry[SYNTAX_LEN];
	struct builder out = builder_over(entry, sizeof(entry), true);

	syntax_write(&out, interface);
	return table_add(&writer->interfaces, entry, sizeof(entry));
}

static int add_source(struct state_writer *writer, const struct addr *source)
{
	uint8_t entry[STATE_SOURCE_LEN];

	if (!source->family)
		return STATE_NO_SOURCE;
	entry[0] = source->family == AF_INET ? 4 : 6;
	memcpy(entry + 1, source->octet, sizeof(source->octet));
	return table_add(&writer->sources, entry, sizeof(entry));
}

/* How long the file would be if it ended here. */
static size_t length_now(const struct state_writer *writer)
{
	return writer->out.len + table_len(&writer->servers) +
	       table_len(&writer->interfaces) + table_len(&writer->sources) +
	       STATE_TRAILER_LEN;
}

static void grow(struct builder *out, size_t cap)
{
	uint8_t *at = realloc(out->at, cap);

	if (!at) {
		builder_fail(out, ERR_MEMORY);
		return;
	}
	out->at = at;
	out->cap = cap;
}

/* Is there room for one more record, whose names are in the tables? */
static bool make_room(struct state_writer *writer)
{
	struct builder *out = &writer->out;

	if (length_now(writer) + STATE_RECORD_MAX > STATE_MAX)
		return false;
	if (!out->err && out->cap - out->len < STATE_RECORD_MAX)
		grow(out, 2 * out->cap);
	return !out->err;
}

static uint8_t kind_of(enum state_kind kind, const struct addr *addr)
{
	return (uint8_t)(kind | (addr->family == AF_INET6 ? STATE_IS_IPV6 : 0));
}

static void put_addr(struct builder *out, const struct addr *addr)
{
	builder_put(out, bytes_of(addr->octet, addr_len(addr)));
}

void state_add_vport(struct state_writer *writer,
		     const struct state_vport *vport)
{
	int server = add_server(writer, vport->server);
	int interface = add_interface(writer, &vport->interface);
	struct builder *out = &writer->out;

	if (server < 0 || interface < 0 || !make_room(writer)) {
		writer->ndropped++;
		return;
	}
	builder_u8(out, STATE_VPORT);
	builder_u8(out, (uint8_t)server);
	builder_u16(out, (uint16_t)interface);
	builder_u16(out, vport->real);
	builder_u16(out, vport->virtual);
	writer->nrecords++;
}

void state_add_lease(struct state_writer *writer,
		     const struct state_lease *lease)
{
	int server = add_server(writer, lease->server);
	int interface = add_interface(writer, &lease->interface);
	struct builder *out = &writer->out;

	if (server < 0 || interface < 0 || !lease->client.family ||
	    !make_room(writer)) {
		writer->ndropped++;
		return;
	}
	builder_u8(out, kind_of(STATE_LEASE, &lease->client));
	builder_u8(out, (uint8_t)server);
	builder_u16(out, (uint16_t)interface);
	builder_u16(out, lease->port);
	builder_u16(out, lease->real);
	put_addr(out, &lease->client);
	builder_u64(out, lease->age_ms);
	writer->nrecords++;
}

void state_add_binding(struct state_writer *writer,
		       const struct state_binding *binding)
{
	int server = add_server(writer, binding->server);
	int source = add_source(writer, &binding->source);
	struct builder *out = &writer->out;

	if (server < 0 || source < 0 || !binding->key.family ||
	    !make_room(writer)) {
		writer->ndropped++;
		return;
	}
	builder_u8(out, kind_of(STATE_BINDING, &binding->key));
	builder_u8(out, (uint8_t)server);
	builder_u8(out, (uint8_t)source);
	put_addr(out, &binding->key);
	builder_u64(out, binding->idle_ms);
	writer->nrecords++;
}

struct state_writer *state_begin(uint64_t now_ms)
{
	struct state_writer *writer = calloc(1, sizeof(*writer));
	uint8_t *room = malloc(ROOM_FIRST);

	if (!writer || !room) {
		free(writer);
		free(room);
		return NULL;
	}
	writer->now_ms = now_ms;
	writer->servers =
		table_over(writer->server, sizeof(writer->server),
			   writer->server_slot, SLOTS, STATE_SERVER_LEN);
	writer->sources =
		table_over(writer->source, sizeof(writer->source),
			   writer->source_slot, SLOTS, STATE_SOURCE_LEN);
	writer->interfaces =
		table_over(writer->interface, sizeof(writer->interface),
			   writer->interface_slot, INTERFACE_SLOTS, SYNTAX_LEN);
	writer->out = builder_over(room, ROOM_FIRST, true);
	builder_zero(&writer->out, STATE_HEADER_LEN);
	return writer;
}

static void put_header(struct state_writer *writer, size_t records_len)
{
	struct builder out =
		builder_over(writer->out.at, STATE_HEADER_LEN, true);

	builder_put(&out, bytes_of(STATE_MAGIC, STATE_MAGIC_LEN));
	builder_u32(&out, STATE_VERSION);
	builder_u32(&out, writer->nrecords);
	builder_u64(&out, writer->now_ms);
	builder_u32(&out, (uint32_t)records_len);
	builder_u16(&out, (uint16_t)writer->servers.n);
	builder_u16(&out, (uint16_t)writer->interfaces.n);
	builder_u16(&out, (uint16_t)writer->sources.n);
	builder_u16(&out, 0);
}

static void put_table(struct builder *out, const struct table *table)
{
	builder_put(out, bytes_of(table->entry, table_len(table)));
}

int state_end(struct state_writer *writer, struct state_image *out)
{
	size_t len = length_now(writer);
	struct builder *file = &writer->out;
	int err;

	if (!file->err)
		grow(file, len);
	if (!file->err) {
		put_header(writer, file->len - STATE_HEADER_LEN);
		put_table(file, &writer->servers);
		put_table(file, &writer->interfaces);
		put_table(file, &writer->sources);
		builder_u64(file, len);
		builder_u64(file,
			    state_checksum(bytes_of(file->at, file->len)));
	}
	err = file->err;
	if (err)
		free(file->at);
	else
		*out = (struct state_image){ file->at, file->len,
					     writer->nrecords,
					     writer->ndropped };
	free(writer);
	return err;
}
