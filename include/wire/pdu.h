/*
 * pdu.h - connection-oriented DCE/RPC PDUs, as bytes.
 *
 * Layer: wire (pure: no I/O, clock, allocation or globals).
 * Source: C706 12.6; [MS-RPCE] 2.2.2.
 * Units: lengths in octets.
 *
 * A reader first asks pdu_length() whether a whole fragment has come, then
 * pdu_read() for the header, then the reader of the body that ptype names.
 * Every slice that comes out is borrowed from the input.
 */
#ifndef WIRE_PDU_H
#define WIRE_PDU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "wire/uuid.h"

#define PDU_HEADER_LEN	 16
#define PDU_LENGTH_KNOWN 10    /* octets after which the length is known */
#define PDU_MAX		 65535 /* a fragment's length is 16 bits */
#define PDU_FRAG_MAX	 5840  /* what Windows offers for a fragment */
#define PDU_TRAILER_LEN	 8     /* sec_trailer */

enum pdu_type {
	PDU_REQUEST = 0,
	PDU_RESPONSE = 2,
	PDU_FAULT = 3,
	PDU_BIND = 11,
	PDU_BIND_ACK = 12,
	PDU_BIND_NAK = 13,
	PDU_ALTER = 14,
	PDU_ALTER_ACK = 15,
	PDU_AUTH3 = 16,
	PDU_SHUTDOWN = 17,
	PDU_CANCEL = 18,
	PDU_ORPHANED = 19,
	PDU_RTS = 20,
};

enum pdu_flag {
	PDU_FIRST = 0x01,
	PDU_LAST = 0x02,
	PDU_PENDING_CANCEL = 0x04, /* request */
	PDU_HEADER_SIGN = 0x04,	   /* bind and its kin */
	PDU_CONC_MPX = 0x10,
	PDU_DID_NOT_EXECUTE = 0x20,
	PDU_MAYBE = 0x40,
	PDU_OBJECT = 0x80,
};

enum pdu_auth_level {
	PDU_AUTH_NONE = 1,
	PDU_AUTH_CONNECT = 2,
	PDU_AUTH_CALL = 3,
	PDU_AUTH_PKT = 4,
	PDU_AUTH_INTEGRITY = 5,
	PDU_AUTH_PRIVACY = 6,
};

/* fault status and bind_nak reasons that we name or send */
#define PDU_FAULT_CONTEXT_MISMATCH 0x1c00001au
#define PDU_FAULT_CONTEXT_ID	   0x1c00001cu
#define PDU_FAULT_UNKNOWN_IF	   0x1c010003u
#define PDU_FAULT_OP_RANGE	   0x1c010002u
#define PDU_FAULT_ACCESS_DENIED	   0x00000005u
#define PDU_FAULT_NDR		   0x000006f7u
#define PDU_FAULT_SEC_PKG	   0x00000721u
/* What a fault's status is called, as its source writes it: those of C706
 * appendix E (nca_s_fault_context_mismatch) and what Windows sends besides
 * (RPC_X_BAD_STUB_DATA); NULL if it has no name. */
const char *pdu_fault_name(uint32_t status);

struct pdu {
	uint8_t type;
	uint8_t flags;
	bool little; /* integers of header and body */
	uint32_t call_id;
	struct bytes whole; /* the fragment, header and trailer included */
	struct bytes body;  /* after the header, before trailer and auth pad */
	/* The security trailer; auth.len 0 = none. */
	uint8_t auth_type;
	uint8_t auth_level;
	uint8_t auth_pad;
	uint32_t auth_context;
	struct bytes auth;
};

/*
 * How long is the fragment at the head of a stream?
 * Returns its length, 0 if more octets are needed to tell, ERR_MALFORMED if
 * no fragment of ours begins here (version, byte order, length).
 */
MUST_CHECK int pdu_length(struct bytes stream);
/* Read the fragment at the head of <whole>; what follows it is left alone.
 * ERR_SHORT, ERR_MALFORMED, ERR_UNSUPPORTED for connectionless types. */
MUST_CHECK int pdu_read(struct bytes whole, struct pdu *out);

/* One presentation context that a bind offers. */
#define PDU_CONTEXTS_MAX 64
#define PDU_SYNTAXES_MAX 8
struct pdu_context {
	uint16_t id;
	/* where the abstract syntax stands in the fragment; writers ignore it */
	uint16_t abstract_offset;
	struct syntax abstract;
	uint8_t ntransfer;
	struct syntax transfer[PDU_SYNTAXES_MAX];
};

/* bind and alter_context */
struct pdu_bind {
	uint16_t max_xmit;
	uint16_t max_recv;
	uint32_t assoc_group;
	uint8_t ncontexts;
	struct pdu_context context[PDU_CONTEXTS_MAX];
};
/* ERR_SHORT, ERR_MALFORMED, ERR_LIMIT. Contexts beyond <ncontexts> are not
 * written. */
MUST_CHECK int pdu_bind_read(const struct pdu *pdu, struct pdu_bind *out);

/*
 * Have the server itself reject contexts of a bind or alter_context: their
 * interfaces become one that nobody serves, in place, the length stays.
 *
 * <fragment>  the whole fragment from which <bind> was read.
 * <contexts>  bit i names the i-th context element (bind->context[i]); bits
 *             beyond the last one are ignored.
 * Returns how many interfaces were overwritten. The versions stay.
 */
unsigned pdu_bind_spoil(uint8_t *fragment, const struct pdu_bind *bind,
			uint64_t contexts);
/* What stands there then: a random UUID, 4c368e47-…, of no interface. */
extern const struct uuid pdu_spoilt_uuid;

enum pdu_result {
	PDU_ACCEPT = 0,
	PDU_USER_REJECT = 1,
	PDU_PROVIDER_REJECT = 2,
	PDU_NEGOTIATE_ACK = 3,
};

enum pdu_reject {
	PDU_REASON_NONE = 0,
	PDU_REASON_ABSTRACT = 1, /* no such interface here */
	PDU_REASON_TRANSFER = 2,
	PDU_REASON_LIMIT = 3,
};

struct pdu_answer {
	uint16_t result;
	uint16_t reason;
	struct syntax transfer;
};

/* bind_ack and alter_context_resp */
struct pdu_bind_ack {
	uint16_t max_xmit;
	uint16_t max_recv;
	uint32_t assoc_group;
	struct bytes address; /* secondary address, without its NUL */
	uint8_t nresults;
	struct pdu_answer result[PDU_CONTEXTS_MAX];
};
MUST_CHECK int pdu_bind_ack_read(const struct pdu *pdu,
				 struct pdu_bind_ack *out);

#define PDU_NAK_NONE 0 /* no reason given: so an unknown group is refused */
struct pdu_bind_nak {
	uint16_t reason;
};
MUST_CHECK int pdu_bind_nak_read(const struct pdu *pdu,
				 struct pdu_bind_nak *out);

struct pdu_request {
	uint32_t alloc_hint;
	uint16_t context;
	uint16_t opnum;
	bool has_object;
	struct uuid object;
	struct bytes stub;
};
MUST_CHECK int pdu_request_read(const struct pdu *pdu, struct pdu_request *out);

struct pdu_response {
	uint32_t alloc_hint;
	uint16_t context;
	struct bytes stub;
};
MUST_CHECK int pdu_response_read(const struct pdu *pdu,
				 struct pdu_response *out);

struct pdu_fault {
	uint16_t context;
	uint32_t status;
};
MUST_CHECK int pdu_fault_read(const struct pdu *pdu, struct pdu_fault *out);

/*
 * Writers append one whole fragment without a security trailer, in the
 * builder's byte order (real clients and servers: little endian). The builder
 * keeps the error: ERR_SPACE, ERR_LIMIT above PDU_MAX or a bound above.
 */
void pdu_bind_write(struct builder *out, uint8_t type, uint8_t flags,
		    uint32_t call_id, const struct pdu_bind *bind);
void pdu_bind_ack_write(struct builder *out, uint8_t type, uint8_t flags,
			uint32_t call_id, const struct pdu_bind_ack *ack);
void pdu_bind_nak_write(struct builder *out, uint32_t call_id, uint16_t reason);
void pdu_request_write(struct builder *out, uint8_t flags, uint32_t call_id,
		       uint16_t context, uint16_t opnum, struct bytes stub);
void pdu_response_write(struct builder *out, uint8_t flags, uint32_t call_id,
			uint16_t context, struct bytes stub);
void pdu_fault_write(struct builder *out, uint8_t flags, uint32_t call_id,
		     uint16_t context, uint32_t status);

#endif
