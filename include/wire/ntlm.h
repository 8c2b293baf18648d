/*
 * ntlm.h - who authenticates by NTLMSSP: the names of the last message.
 *
 * Layer: wire (pure: no I/O, clock, allocation or globals).
 * Source: [MS-NLMP] 2.2.1.3 (AUTHENTICATE_MESSAGE), 2.2.2.5 (flags).
 * Units: lengths in octets.
 *
 * The client says these names in clear before anybody has verified them: good
 * for a log or a statistic, never for a decision about security.
 */
#ifndef WIRE_NTLM_H
#define WIRE_NTLM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* A user of at most 104 characters, a domain of 255: three octets for each
 * of UTF-16's units, and NUL. */
#define NTLM_TEXT_MAX 768

/* Borrowed; any of them may be empty, and <user> may be a whole
 * user@domain. */
struct ntlm_names {
	struct bytes domain;
	struct bytes user;
	struct bytes workstation;
	bool is_unicode; /* UTF-16LE; else octets of an unknown code page */
};

/*
 * Find an AUTHENTICATE message in the auth value of a PDU, bare or wrapped in
 * SPNEGO, and the names in it.
 *
 * <auth>  borrowed: the names point into it. A value in several fragments is
 *         put together by the caller.
 * Returns 0; ERR_NOT_FOUND if there is no such message (another leg, another
 * mechanism); ERR_SHORT if its header is cut; ERR_MALFORMED if a name lies
 * outside of it.
 */
MUST_CHECK int ntlm_names_read(struct bytes auth, struct ntlm_names *out);

/*
 * Write a name as UTF-8 that can be printed. What is no character, or would
 * change a terminal or a log line (controls, reordering marks), and every
 * octet above 127 of an unknown code page is '?'.
 *
 * <room>  of <cap> octets; always ends in NUL unless <cap> is 0. A name that
 *         does not fit is cut behind a whole character.
 * Returns the length written, without the NUL.
 */
size_t ntlm_text(struct bytes name, bool is_unicode, char *room, size_t cap);

#endif
