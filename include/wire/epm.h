/*
 * epm.h - stubs of the endpoint mapper, as bytes.
 *
 * Layer: wire (pure: no I/O, clock, allocation or globals).
 * Source: C706 appendices I and O; [MS-RPCE] 2.2.1.2; NDR64: [MS-RPCE] 2.2.5.
 * Units: lengths in octets; ports in host order.
 *
 * Readers take NDR and NDR64 in either byte order; a stub is a call's, put
 * together from all of its fragments. Writers write NDR (32 bits) in the
 * builder's byte order.
 *
 * A tower that a reader gives is borrowed from the stub: tower.at - stub.at is
 * where it stands, and port and address can be changed there without anything
 * else moving (tower_patch()). Pointers are full ones: two that have the same
 * referent are one tower, which then is given twice, as the same octets: who
 * patches must not translate the port of the second one again.
 */
#ifndef WIRE_EPM_H
#define WIRE_EPM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "wire/ndr.h"
#include "wire/tower.h"
#include "wire/uuid.h"

#define EPM_PORT	   135
#define EPM_HANDLE_LEN	   20
#define EPM_TOWERS_MAX	   32  /* refuse ept_map replies with more */
#define EPM_ENTRIES_MAX	   500 /* of one ept_lookup reply */
#define EPM_ANNOTATION_MAX 64

enum epm_opnum {
	EPM_INSERT = 0,
	EPM_DELETE = 1,
	EPM_LOOKUP = 2,
	EPM_MAP = 3,
	EPM_HANDLE_FREE = 4,
	EPM_INQ_OBJECT = 5,
	EPM_MGMT_DELETE = 6,
};

#define EPM_NOT_REGISTERED 0x16c9a0d6u
#define EPM_CANT_PERFORM   0x16c9a0cdu
#define EPM_INVALID_HANDLE 0x16c9a0d5u

/* An entry handle as it stands on the wire; all zero = nil. */
struct epm_handle {
	uint8_t octet[EPM_HANDLE_LEN];
};
bool epm_handle_is_nil(const struct epm_handle *handle) PURE;

struct epm_map_request {
	bool has_object;
	struct uuid object;
	struct bytes tower; /* borrowed; len 0 = a null pointer */
	struct epm_handle handle;
	uint32_t max_towers; /* 0 to 500: 0 is legal */
};
/* ERR_SHORT; ERR_MALFORMED if its counts disagree; ERR_LIMIT above
 * EPM_ENTRIES_MAX towers. Written only on success, as by every reader. */
MUST_CHECK int epm_map_request_read(struct bytes stub, struct ndr form,
				    struct epm_map_request *out);
void epm_map_request_write(struct builder *out,
			   const struct epm_map_request *req);

struct epm_map_reply {
	struct epm_handle handle;
	uint32_t ntowers;
	struct bytes tower[EPM_TOWERS_MAX]; /* borrowed; len 0 = null */
	uint32_t status;		    /* 0, or an ept_* error */
};
/* ERR_SHORT; ERR_MALFORMED if its counts disagree; ERR_LIMIT. */
MUST_CHECK int epm_map_reply_read(struct bytes stub, struct ndr form,
				  struct epm_map_reply *out);
/* <max_towers>: the caller's cap, which the array repeats; ERR_LIMIT in the
 * builder if the reply has more. */
void epm_map_reply_write(struct builder *out, const struct epm_map_reply *reply,
			 uint32_t max_towers);

/* An answer without towers in NDR64, the one form that no other is written
 * in: ept_map, nothing found, for which <status> says why. */
void epm_map_none_write64(struct builder *out, uint32_t max_towers,
			  uint32_t status);

enum epm_inquiry {
	EPM_INQUIRE_ALL = 0,
	EPM_INQUIRE_IF = 1,
	EPM_INQUIRE_OBJECT = 2,
	EPM_INQUIRE_BOTH = 3,
};

struct epm_lookup_request {
	uint32_t inquiry; /* enum epm_inquiry */
	bool has_object;
	struct uuid object;
	bool has_interface;
	struct syntax interface;
	uint32_t version_option;
	struct epm_handle handle;
	uint32_t max_entries;
};
/* ERR_SHORT; ERR_LIMIT above EPM_ENTRIES_MAX entries. */
MUST_CHECK int epm_lookup_request_read(struct bytes stub, struct ndr form,
				       struct epm_lookup_request *out);
void epm_lookup_request_write(struct builder *out,
			      const struct epm_lookup_request *req);

struct epm_entry {
	struct uuid object;
	struct bytes tower;	 /* borrowed; len 0 = null */
	struct bytes annotation; /* borrowed, without its NUL */
};

struct epm_lookup_reply {
	struct epm_handle handle;
	uint32_t nentries;
	uint32_t status;
};
/* Entries go to the caller's array of <room> (EPM_ENTRIES_MAX will do), which
 * holds nothing of use after a failure. ERR_SHORT, ERR_MALFORMED, ERR_LIMIT. */
MUST_CHECK int epm_lookup_reply_read(struct bytes stub, struct ndr form,
				     struct epm_entry *entry, uint32_t room,
				     struct epm_lookup_reply *out);
void epm_lookup_reply_write(struct builder *out,
			    const struct epm_lookup_reply *reply,
			    const struct epm_entry *entry,
			    uint32_t max_entries);

#endif
