/*
 * tcp.c - connected and listening TCP sockets on loopback, for tests.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tcp.h"

static socklen_t sockaddr_of(const char *addr, uint16_t port,
			     struct sockaddr_storage *sa)
{
	struct endpoint ep = { .port = port };

	if (addr_parse(addr, &ep.addr))
		abort();
	return endpoint_to_sockaddr(&ep, sa);
}

int tcp_listen(const char *addr, uint16_t port, uint16_t *out_port)
{
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_of(addr, port, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	struct endpoint bound;

	if (fd < 0)
		abort();
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sa, len) || listen(fd, 1000)) {
		close(fd);
		return -1;
	}
	len = sizeof(sa);
	if (getsockname(fd, (struct sockaddr *)&sa, &len) ||
	    endpoint_from_sockaddr(&sa, &bound))
		abort();
	if (out_port)
		*out_port = bound.port;
	return fd;
}

int tcp_connect(const char *addr, uint16_t port, const char *from)
{
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_of(from ? from : addr, 0, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0 || (from && bind(fd, (struct sockaddr *)&sa, len)))
		abort();
	len = sockaddr_of(addr, port, &sa);
	if (connect(fd, (struct sockaddr *)&sa, len)) {
		err = errno;
		close(fd);
		errno = err;
		return -1;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

void tcp_pair(int end[2])
{
	uint16_t port = 0;
	int listening = tcp_listen("127.0.0.1", 0, &port);

	end[0] = tcp_connect("127.0.0.1", port, NULL);
	end[1] = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (end[0] < 0 || end[1] < 0)
		abort();
	close(listening);
}

long tcp_read(int fd, void *room, size_t len)
{
	ssize_t n = recv(fd, room, len, MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

void tcp_write(int fd, const void *at, size_t len)
{
	if (send(fd, at, len, MSG_NOSIGNAL) != (ssize_t)len)
		abort();
}

void tcp_reset(int fd)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}
