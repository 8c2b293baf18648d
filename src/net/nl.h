/*
 * nl.h - ask the kernel over netlink and wait for its answer.
 *
 * Layer: net. Source: RFC 3549; libmnl.
 * One struct nl belongs to one thread at a time.
 */
#ifndef NET_NL_H
#define NET_NL_H

#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "base/err.h"

#define NL_ROOM 8192 /* for one request, or one answer of the kernel */

struct nl {
	struct mnl_socket *sock;
	uint32_t seq;
};

/* <bus>: NETLINK_ROUTE, … -errno. */
MUST_CHECK int nl_open(struct nl *nl, int bus);
void nl_close(struct nl *nl);

/* A request of <type> with NLM_F_REQUEST, NLM_F_ACK and <flags>, begun in
 * <room>; its payload begins with <extra> octets of 0. */
struct nlmsghdr *nl_begin(struct nl *nl, char room[static NL_ROOM], int type,
			  int flags, size_t extra);
/*
 * Send <len> octets of requests, of which the last asks for an
 * acknowledgement, and hand every answer to <each> (NULL = not wanted).
 * 0 when acknowledged; -errno as the kernel says it, -EAGAIN when it says
 * nothing within 2 s.
 */
MUST_CHECK int nl_ask(struct nl *nl, const void *request, size_t len,
		      mnl_cb_t each, void *ctx);

#endif
