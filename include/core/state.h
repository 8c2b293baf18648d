/*
 * state.h - what survives a restart, as the octets of one file.
 *
 * Layer: core (pure: the octets come in and go out, so does the time).
 * Units: milliseconds; written and read by the wall clock, since the
 * monotonic one starts anew with the machine. Ports in host order.
 *
 * Servers are named, not numbered: slots are given out anew at each start.
 * All integers are little-endian:
 *
 *	header	   "mapilbst", u32 version, u32 records, u64 written (ms
 *		   since 1970), u32 octets of all records, u16 servers,
 *		   u16 interfaces, u16 sources, u16 0
 *	records	   u8 kind (1 binding, 2 lease, 3 virtual port; + 16 if its
 *		   address is IPv6, of 16 octets instead of 4), u8 server,
 *		   then
 *	  binding  u8 source (255 = none), address, u64 idle
 *	  lease	   u16 interface, u16 port, u16 real port, address, u64 age
 *	  virtual  u16 interface, u16 real port, u16 virtual port
 *	servers	   names of CONF_NAME_MAX octets, filled up with 0
 *	interfaces UUID, u32 major version | minor << 16
 *	sources	   u8 4 or 6, 16 octets
 *	trailer	   u64 octets of the file, u64 SipHash of all before it, with
 *		   the magic twice as its key
 *
 * Magic, version and trailer are the same in every version. The checksum
 * finds accidents; whoever may write the file may write anything.
 */
#ifndef CORE_STATE_H
#define CORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/err.h"
#include "wire/uuid.h"

#define STATE_MAX	     (128 << 20) /* octets of a file */
#define STATE_SERVERS_MAX    255
#define STATE_SOURCES_MAX    255
#define STATE_INTERFACES_MAX 4096

/* A client's server. */
struct state_binding {
	struct addr key;    /* of its affinity */
	struct addr source; /* reached from there; family 0: none of ours */
	const char *server; /* shorter than CONF_NAME_MAX */
	uint64_t idle_ms;   /* since its last connection; 0: it has some */
};

/* What a client was told. */
struct state_lease {
	struct addr client;
	const char *server;
	struct syntax interface;
	uint16_t port; /* virtual or not: what the client connects to */
	uint16_t real; /* the server's */
	uint64_t age_ms;
};

/* A port of the virtual address that names its server. */
struct state_vport {
	const char *server;
	struct syntax interface;
	uint16_t real;
	uint16_t virtual;
};

/* A file's octets; <at> is owned, for free(). */
struct state_image {
	uint8_t *at;
	size_t len;
	uint32_t nrecords;
	uint32_t ndropped; /* records for which there was no room */
};

struct state_writer;

/* Begin a file as of <now_ms>. NULL: no memory. */
struct state_writer *state_begin(uint64_t now_ms);
/*
 * Add a record; all is copied. The first come are kept when STATE_MAX, or
 * the room for names, is used up, so add what matters most first. One
 * without an address or a name is dropped, too.
 */
void state_add_vport(struct state_writer *writer,
		     const struct state_vport *vport);
void state_add_lease(struct state_writer *writer,
		     const struct state_lease *lease);
void state_add_binding(struct state_writer *writer,
		       const struct state_binding *binding);
/*
 * The end of <writer>, which is freed. <out> is written only on success.
 * ERR_MEMORY, now or at any record: a file with half of what is known is
 * no better than the one before.
 */
MUST_CHECK int state_end(struct state_writer *writer, struct state_image *out);

/* What to do with each record. It is borrowed for the call, the server's
 * name for as long as the file. */
struct state_sink {
	void (*vport)(void *ctx, const struct state_vport *vport);
	void (*lease)(void *ctx, const struct state_lease *lease);
	void (*binding)(void *ctx, const struct state_binding *binding);
	void *ctx;
};

/*
 * Read <file>; nothing is called before all of it was found in order.
 * Virtual ports come first, then leases, then bindings, of these the most
 * recently used first. What was idle when it was written is older by the
 * time since; a wall clock that was set back adds nothing.
 *
 * ERR_MALFORMED: damaged, or no such file at all; ERR_UNSUPPORTED: whole,
 * but of another version; ERR_LIMIT: above STATE_MAX; ERR_MEMORY.
 */
MUST_CHECK int state_read(struct bytes file, uint64_t now_ms,
			  const struct state_sink *sink);

#endif
