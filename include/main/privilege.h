/*
 * privilege.h - descriptor limits, and becoming another user.
 *
 * Layer: main.
 */
#ifndef MAIN_PRIVILEGE_H
#define MAIN_PRIVILEGE_H

#include "base/err.h"

/* Raise the soft descriptor limit to the hard one; the limit then. */
unsigned privilege_raise_descriptors(void);
/*
 * Become <user> for good; CAP_NET_ADMIN and CAP_NET_BIND_SERVICE are kept,
 * nothing else. Before any thread starts: capabilities are a thread's own.
 * ERR_NOT_FOUND: no such user; -errno.
 */
MUST_CHECK int privilege_become(const char *user);

#endif
