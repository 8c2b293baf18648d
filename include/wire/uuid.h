/*
 * uuid.h - UUIDs and syntax identifiers of DCE/RPC.
 *
 * Layer: wire (pure: no I/O, clock, allocation or globals).
 * Source: C706 appendix A (UUIDs), 12.6.3.1 (p_syntax_id_t).
 * Kept as fields, not as octets: their order on the wire is the PDU's.
 */
#ifndef WIRE_UUID_H
#define WIRE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define UUID_LEN      16
#define UUID_TEXT_MAX 37 /* 8-4-4-4-12 hexadecimal digits and NUL */
#define SYNTAX_LEN    20

struct uuid {
	uint32_t time_low;
	uint16_t time_mid;
	uint16_t time_hi;
	uint8_t rest[8]; /* clock_seq_hi, clock_seq_low, node */
};

/* An interface or transfer syntax and its version. */
struct syntax {
	struct uuid uuid;
	uint16_t major;
	uint16_t minor;
};

extern const struct syntax syntax_ndr;	 /* 8a885d04-… v2.0 */
extern const struct syntax syntax_ndr64; /* 71710533-… v1.0 */

/* "a4f1db00-ca47-1067-b31f-00dd010662da", either case. ERR_MALFORMED. */
MUST_CHECK int uuid_parse(const char *text, struct uuid *out);
const char *uuid_format(const struct uuid *uuid, char room[UUID_TEXT_MAX]);
bool uuid_equal(const struct uuid *a, const struct uuid *b) PURE;
bool uuid_is_nil(const struct uuid *uuid) PURE;
/* UUID and both versions. */
bool syntax_equal(const struct syntax *a, const struct syntax *b) PURE;

struct uuid uuid_read(struct cursor *cur);
void uuid_write(struct builder *out, const struct uuid *uuid);
/* On the wire of a bind: UUID, then u32 major | minor << 16. */
struct syntax syntax_read(struct cursor *cur);
void syntax_write(struct builder *out, const struct syntax *syntax);

#endif
