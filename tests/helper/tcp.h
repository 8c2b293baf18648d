/*
 * tcp.h - connected and listening TCP sockets on loopback, for tests.
 */
#ifndef HELPER_TCP_H
#define HELPER_TCP_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* Both ends of a connection, non-blocking. Fails the test on error. */
void tcp_pair(int end[2]);
/* Listen on <addr> ("127.0.0.1"), any port (0) or this one. */
int tcp_listen(const char *addr, uint16_t port, uint16_t *out_port);
/* Blocking connect, then non-blocking; -1 with errno. */
int tcp_connect(const char *addr, uint16_t port, const char *from);
/* What recv() says now: > 0 octets, 0 end, -errno. */
long tcp_read(int fd, void *room, size_t len);
/* Write all or fail the test. */
void tcp_write(int fd, const void *at, size_t len);
/* Close with a reset. */
void tcp_reset(int fd);

#endif
