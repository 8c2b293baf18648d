/*
 * diag.h - who listens here already, and is an address ours.
 *
 * Layer: net. Source: sock_diag(7), rtnetlink(7).
 * Units: ports in host order.
 */
#ifndef NET_DIAG_H
#define NET_DIAG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

/* A listening TCP socket of this network namespace, whosever. */
struct diag_listener {
	struct endpoint at;
	bool is_v6only; /* of an IPv6 wildcard: it takes no IPv4 */
};

/*
 * Call <each> for every TCP listener on <port>, or on any port if that is
 * 0; what <found> points to is gone after the call. -errno.
 */
MUST_CHECK int diag_listeners(uint16_t port,
			      void (*each)(void *ctx,
					   const struct diag_listener *found),
			      void *ctx);
/* Would it take connections to <addr>, if nothing closer does? */
bool diag_serves(const struct diag_listener *listener, const struct addr *addr);

/* 1: packets to <addr> end at this host now; 0: they do not; -errno. */
MUST_CHECK int diag_is_local(const struct addr *addr);

#endif
