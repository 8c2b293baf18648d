/*
 * err.h - the one way this program says that something went wrong.
 *
 * Layer: base.
 * A function that can fail returns 0 or a negative number: an enum err, or
 * -errno for what the system said. The two ranges never meet, err_text()
 * reads both.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define MUST_CHECK __attribute__((warn_unused_result))
#define PURE	   __attribute__((pure))

enum err {
	ERR_SHORT = -1999, /* the input ends before its structure does */
	ERR_MALFORMED,	   /* the input contradicts itself or its format */
	ERR_LIMIT,	   /* well-formed, but above a bound of ours */
	ERR_UNSUPPORTED,   /* legal, but nothing that we speak */
	ERR_SPACE,	   /* the caller's room is too small */
	ERR_MEMORY,	   /* no memory, or a pool is used up */
	ERR_EXISTS,	   /* it is there already */
	ERR_NOT_FOUND,	   /* it is not there */
	ERR_REFUSED,	   /* a peer or a rule said no */
	ERR_BUSY,	   /* somebody else has it */
	ERR_TIMEOUT,	   /* it took longer than allowed */
	ERR_CONFIG,	   /* a finding of the configuration check */
};

/* A sentence fragment for a message, never NULL; borrowed from the program
 * (for -errno: from the C library, good until the thread's next call). */
const char *err_text(int err);

#endif
