/*
 * listen_socket.c - listening sockets, one or a group of them.
 *
 * Layer: net. Source: ip(7), tcp(7), socket(7).
 */
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "listen_priv.h"

static int set_option(int fd, int level, int name)
{
	int one = 1;

	return setsockopt(fd, level, name, &one, sizeof(one)) ? -errno : 0;
}

/* IP_FREEBIND: the VIP may come later (VRRP), or never. */
static int set_address_options(int fd, uint8_t family, unsigned flags)
{
	bool is_v6 = family == AF_INET6;
	int level = is_v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	int err;

	err = set_option(fd, level, is_v6 ? IPV6_FREEBIND : IP_FREEBIND);
	if (!err && is_v6)
		err = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (!err && (flags & LISTEN_TRANSPARENT))
		err = set_option(fd, level,
				 is_v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT);
	return err;
}

/* Set here once, inherited by every connection: no call for each. */
static int set_inherited_options(int fd)
{
	return set_option(fd, IPPROTO_TCP, TCP_NODELAY);
}

static int bind_and_listen(int fd, struct endpoint *at)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(at, &sa);

	/* The kernel lowers the backlog to net.core.somaxconn. */
	if (bind(fd, (struct sockaddr *)&sa, len) || listen(fd, INT_MAX) ||
	    getsockname(fd, (struct sockaddr *)&sa, &len))
		return -errno;
	return endpoint_from_sockaddr(&sa, at);
}

static int open_one(struct endpoint *at, bool is_grouped, unsigned flags)
{
	int fd = socket(at->addr.family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	err = set_option(fd, SOL_SOCKET, SO_REUSEADDR);
	if (!err && is_grouped)
		err = set_option(fd, SOL_SOCKET, SO_REUSEPORT);
	if (!err)
		err = set_address_options(fd, at->addr.family, flags);
	if (!err)
		err = set_inherited_options(fd);
	if (!err)
		err = bind_and_listen(fd, at);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int listen_group_open(const struct endpoint *at, unsigned n, unsigned flags,
		      struct listen_group *group)
{
	*group = (struct listen_group){ .at = *at };
	while (group->n < n) {
		int fd = open_one(&group->at, n > 1, flags);

		if (fd < 0) {
			listen_group_close(group);
			return fd;
		}
		group->fd[group->n++] = fd;
	}
	return 0;
}

void listen_group_close(struct listen_group *group)
{
	while (group->n)
		close(group->fd[--group->n]);
}

/* TEST-NET-1 (RFC 5737) and the discard prefix (RFC 6666): no packet to
 * them is ever delivered here. */
struct endpoint listen_nowhere(uint8_t family)
{
	struct endpoint at = { .addr.family = family };

	if (family == AF_INET) {
		at.addr.octet[0] = 192;
		at.addr.octet[2] = 2;
		at.addr.octet[3] = 1;
	} else {
		at.addr.octet[0] = 1;
		at.addr.octet[15] = 1;
	}
	return at;
}
