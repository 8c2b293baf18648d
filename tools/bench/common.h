/*
 * common.h - what the benchmark's load and sink share.
 *
 * Layer: tools (libc only; everything static, each program is one file).
 * Units: lengths in octets, times in nanoseconds, ports in host order.
 *
 * Conversations. As a server does, sink speaks RPC: a client's bind of
 * BIND_LEN is answered with ACK_LEN octets, then each request of REQUEST_LEN
 * with ANSWER_LEN. The first octet of the first request's stub is a mode: for
 * MODE_EXCHANGE it goes on so, after MODE_DOWN response PDUs come without
 * end, MODE_UP says that request PDUs will. Whose first octet of all is
 * MODE_DOWN or MODE_UP means the same with octets that are no RPC. On port
 * 135 sink is an endpoint mapper.
 */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define MODE_EXCHANGE 'x'
#define MODE_DOWN     'd'
#define MODE_UP	      'u'
#define ANSWER_OCTET  'a'

#define BIND_LEN    200
#define ACK_LEN	    600
#define REQUEST_LEN 200
#define ANSWER_LEN  600
#define MODE_AT	    24		/* in the first request */
#define BULK_LEN    (45 * 5840) /* one send or recv of a bulk flow */

#define NS_PER_S  1000000000ULL
#define NS_PER_MS 1000000ULL

/* Consecutive IPv4 addresses: "127.0.0.1/3" is .1, .2 and .3. */
struct addresses {
	uint32_t first; /* host order */
	uint32_t count; /* 0: none given */
};

struct ports {
	uint16_t low;
	uint16_t high; /* inclusive */
};

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(
	const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static inline uint32_t number_parse(const char *text, uint32_t max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end || value > max)
		die("not a number up to %u: %s", max, text);
	return (uint32_t)value;
}

/* ADDRESS or ADDRESS/COUNT; ends the program on anything else. */
static inline struct addresses addresses_parse(const char *text)
{
	struct addresses out = { 0, 1 };
	char copy[64];
	char *slash;
	struct in_addr in;

	snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	if (slash) {
		*slash = '\0';
		out.count = number_parse(slash + 1, 65536);
	}
	if (inet_pton(AF_INET, copy, &in) != 1 || !out.count)
		die("not an IPv4 address, nor ADDRESS/COUNT: %s", text);
	out.first = ntohl(in.s_addr);
	return out;
}

/* PORT or LOW-HIGH; ends the program on anything else. */
static inline struct ports ports_parse(const char *text)
{
	struct ports out;
	char copy[32];
	char *dash;

	snprintf(copy, sizeof(copy), "%s", text);
	dash = strchr(copy, '-');
	if (dash)
		*dash = '\0';
	out.low = (uint16_t)number_parse(copy, 65535);
	out.high = out.low;
	if (dash)
		out.high = (uint16_t)number_parse(dash + 1, 65535);
	if (!out.low || out.high < out.low)
		die("not a port, nor LOW-HIGH: %s", text);
	return out;
}

static inline struct sockaddr_in sockaddr_of(uint32_t address, uint16_t port)
{
	struct sockaddr_in out = { .sin_family = AF_INET };

	out.sin_addr.s_addr = htonl(address);
	out.sin_port = htons(port);
	return out;
}

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now))
		return 0;
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/*
 * Wakes the reader of a bulk flow for BULK_LEN only: on one machine the
 * sender pays for every wake-up, which a remote reader would not cost it.
 */
static inline void bulk_reader(int fd)
{
	int octets = BULK_LEN;

	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &octets, sizeof(octets));
}

/* As many descriptors as the hard limit gives. */
static inline void descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

#endif
