/*
 * state_priv.h - what writer and reader of the state file share.
 *
 * Layer: core (private, pure).
 */
#ifndef SRC_CORE_STATE_PRIV_H
#define SRC_CORE_STATE_PRIV_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "core/conf.h"
#include "wire/uuid.h"

#define STATE_MAGIC	"mapilbst"
#define STATE_MAGIC_LEN 8
#define STATE_VERSION	1

#define STATE_HEADER_LEN  36
#define STATE_TRAILER_LEN 16
#define STATE_SERVER_LEN  CONF_NAME_MAX
#define STATE_SOURCE_LEN  17
#define STATE_RECORD_MIN  8  /* a virtual port */
#define STATE_RECORD_MAX  32 /* a lease of an IPv6 client */
#define STATE_NO_SOURCE	  255

/* In this order they are read back. */
enum state_kind {
	STATE_VPORT = 3,
	STATE_LEASE = 2,
	STATE_BINDING = 1,
};

#define STATE_IS_IPV6 0x10 /* added to the kind */

static inline uint64_t state_checksum(struct bytes in)
{
	static const uint8_t key[HASH_KEY_LEN] = STATE_MAGIC STATE_MAGIC;

	return hash_sip(key, in);
}

#endif
