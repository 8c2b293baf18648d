/*
 * epm_service.c - what the endpoint mapper answers.
 *
 * Layer: tools.
 * Source: C706 appendix O; [MS-RPCE] 2.2.1.2.
 */
#include <string.h>

#include "conn.h"
#include "wire/epm.h"

#define ENTRIES_MAX 4

_Static_assert(EPM_HANDLE_LEN == STUB_HANDLE_LEN, "one kind of handle");

struct registered {
	const struct iface *iface;
	enum service service;
	const char *annotation;
};

static const struct registered table[ENTRIES_MAX] = {
	{ &iface_emsmdb, SERVICE_MAILBOX, "Exchange Server STORE EMSMDB" },
	{ &iface_async_emsmdb, SERVICE_MAILBOX,
	  "Exchange Server Async EMSMDB" },
	{ &iface_nspi, SERVICE_ADDRESS_BOOK, "Exchange Server NSPI" },
	{ &iface_rfr, SERVICE_ADDRESS_BOOK, "Exchange Server RFR" },
};

static bool is_registered(const struct server *server,
			  const struct registered *entry)
{
	return !(server->has_no_emsmdb && entry->service == SERVICE_MAILBOX);
}

static bool same_iface(const struct syntax *a, const struct syntax *b)
{
	return uuid_equal(&a->uuid, &b->uuid) && a->major == b->major;
}

/* A tower has no floor for IPv6: such a server says 0.0.0.0. */
static void put_tower(struct builder *out, const struct server *server,
		      const struct registered *entry)
{
	const struct addr *addr =
		server->addr.family == AF_INET ? &server->addr : NULL;

	tower_write(out, TOWER_TCP, &entry->iface->syntax,
		    server->process[entry->service].port, addr);
}

static const struct registered *entry_for(const struct server *server,
					  struct bytes octets)
{
	struct tower tower;
	int i;

	if (tower_read(octets, &tower) || tower.protocol != TOWER_TCP)
		return NULL;
	for (i = 0; i < ENTRIES_MAX; i++)
		if (is_registered(server, &table[i]) &&
		    same_iface(&tower.interface, &table[i].iface->syntax))
			return &table[i];
	return NULL;
}

uint32_t epm_map(struct conn *conn, const struct channel_call *call,
		 struct builder *out)
{
	const struct server *server = conn_server(conn);
	const struct registered *entry;
	struct ndr form = { .little = call->little };
	struct epm_map_request request;
	struct epm_map_reply reply = { .status = EPM_NOT_REGISTERED };
	uint8_t room[TOWER_TCP_LEN];
	struct builder tower = builder_over(room, sizeof(room), true);

	if (epm_map_request_read(call->stub, form, &request))
		return PDU_FAULT_NDR;
	entry = entry_for(server, request.tower);
	if (entry) {
		put_tower(&tower, server, entry);
		reply.tower[0] = bytes_of(tower.at, tower.len);
		reply.ntowers = request.max_towers ? 1 : 0;
		reply.status = 0;
	}
	epm_map_reply_write(out, &reply, request.max_towers);
	return 0;
}

/* Where a lookup goes on; *handle NULL: it begins. */
static uint32_t find_place(struct conn *conn, const struct epm_handle *wire,
			   struct handle **handle)
{
	struct stub_handle name;

	*handle = NULL;
	if (epm_handle_is_nil(wire))
		return 0;
	memcpy(name.octet, wire->octet, sizeof(name.octet));
	*handle = handle_find(conn->group, HANDLE_LOOKUP, &name);
	return *handle ? 0 : PDU_FAULT_CONTEXT_MISMATCH;
}

static bool is_asked_for(const struct epm_lookup_request *request,
			 const struct registered *entry)
{
	if (request->inquiry != EPM_INQUIRE_IF &&
	    request->inquiry != EPM_INQUIRE_BOTH)
		return true;
	return request->has_interface &&
	       same_iface(&request->interface, &entry->iface->syntax);
}

/* The entries from *at on, as many as asked for. Towers go to <towers>. */
static uint32_t list_entries(const struct server *server,
			     const struct epm_lookup_request *request,
			     uint32_t *at, struct builder *towers,
			     struct epm_entry *entry)
{
	uint32_t n = 0;

	for (; *at < ENTRIES_MAX && n < request->max_entries; (*at)++) {
		const struct registered *next = &table[*at];
		size_t start = towers->len;

		if (!is_registered(server, next) ||
		    !is_asked_for(request, next))
			continue;
		put_tower(towers, server, next);
		entry[n].tower =
			bytes_of(towers->at + start, towers->len - start);
		entry[n].annotation =
			bytes_of(next->annotation, strlen(next->annotation));
		n++;
	}
	return n;
}

uint32_t epm_lookup(struct conn *conn, const struct channel_call *call,
		    struct builder *out)
{
	struct ndr form = { .little = call->little };
	struct epm_lookup_request request;
	struct epm_lookup_reply reply = { 0 };
	struct epm_entry entry[ENTRIES_MAX] = { 0 };
	uint8_t room[ENTRIES_MAX * TOWER_TCP_LEN];
	struct builder towers = builder_over(room, sizeof(room), true);
	struct handle *handle;
	uint32_t fault, at;

	if (epm_lookup_request_read(call->stub, form, &request))
		return PDU_FAULT_NDR;
	fault = find_place(conn, &request.handle, &handle);
	if (fault)
		return fault;
	at = handle ? handle->at : 0;
	reply.nentries =
		list_entries(conn_server(conn), &request, &at, &towers, entry);
	if (!handle && at < ENTRIES_MAX)
		handle = handle_new(conn->group, HANDLE_LOOKUP);
	if (handle && at < ENTRIES_MAX) {
		handle->at = at;
		memcpy(reply.handle.octet, handle->wire.octet, EPM_HANDLE_LEN);
	} else if (handle) {
		handle_free(handle);
	}
	reply.status = reply.nentries ? 0 : EPM_NOT_REGISTERED;
	epm_lookup_reply_write(out, &reply, entry, request.max_entries);
	return 0;
}

uint32_t epm_handle_free(struct conn *conn, const struct channel_call *call,
			 struct builder *out)
{
	struct cursor cur = cursor_over(call->stub, call->little);
	struct stub_handle name;
	struct handle *handle;

	if (handle_read(&cur, &name))
		return PDU_FAULT_NDR;
	handle = handle_find(conn->group, HANDLE_LOOKUP, &name);
	if (!handle)
		return PDU_FAULT_CONTEXT_MISMATCH;
	handle_free(handle);
	handle_reply_write(out, &(struct stub_handle){ { 0 } }, 0);
	return 0;
}

/* Nobody registers or unregisters from afar. */
uint32_t epm_refuse(struct conn *conn, const struct channel_call *call,
		    struct builder *out)
{
	(void)conn;
	(void)call;
	(void)out;
	return PDU_FAULT_ACCESS_DENIED;
}
