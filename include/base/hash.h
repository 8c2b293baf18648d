/*
 * hash.h - SipHash-2-4: a keyed hash that an attacker cannot steer.
 *
 * Layer: base.
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#include "base/bytes.h"

#define HASH_KEY_LEN 16

uint64_t hash_sip(const uint8_t key[static HASH_KEY_LEN], struct bytes in) PURE;

#endif
