/*
 * test_diag.c - who listens, and which addresses are ours, as the kernel
 * tells it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/net/diag.h"
#include "../helper/netns.h"

struct seen {
	unsigned n;
	struct diag_listener found[16];
};

static void note(void *ctx, const struct diag_listener *found)
{
	struct seen *seen = ctx;

	assert_true(seen->n < 16);
	seen->found[seen->n++] = *found;
}

static struct addr addr_of(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static int listen_on(const char *text, uint16_t port, int v6only)
{
	struct endpoint at = { .addr = addr_of(text), .port = port };
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&at, &sa);
	int fd = socket(at.addr.family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (at.addr.family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY,
					    &v6only, sizeof(v6only)),
				 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void listeners_are_found_by_port(void **state)
{
	struct seen seen = { 0 };
	int v4 = listen_on("127.0.0.1", 5000, 0);
	int v6 = listen_on("::1", 5000, 1);
	int other = listen_on("127.0.0.1", 5001, 0);

	(void)state;
	assert_int_equal(diag_listeners(5000, note, &seen), 0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.found[0].at.addr.family, AF_INET);
	assert_int_equal(seen.found[0].at.port, 5000);
	assert_int_equal(seen.found[1].at.addr.family, AF_INET6);
	seen.n = 0;
	assert_int_equal(diag_listeners(0, note, &seen), 0);
	assert_int_equal(seen.n, 3);
	close(v4);
	close(v6);
	close(other);
}

static void bound_and_connected_sockets_are_not_listeners(void **state)
{
	struct endpoint at = { .addr = addr_of("127.0.0.1"), .port = 5000 };
	int bound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = listen_on("127.0.0.1", 5001, 0), client, server;
	struct seen seen = { 0 };
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&at, &sa);

	(void)state;
	assert_int_equal(bind(bound, (struct sockaddr *)&sa, len), 0);
	at.port = 5001;
	len = endpoint_to_sockaddr(&at, &sa);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&sa, len), 0);
	server = accept(fd, NULL, NULL);
	close(fd);
	assert_int_equal(diag_listeners(0, note, &seen), 0);
	assert_int_equal(seen.n, 0);
	close(bound);
	close(client);
	close(server);
}

struct service {
	const char *at;
	const char *addr;
	bool is_v6only;
	bool is_served;
};

static void wildcards_serve_what_they_cover(void **state)
{
	/* clang-format off */
	static const struct service table[] = {
		{ "10.9.0.1", "10.9.0.1", false, true },
		{ "10.9.0.1", "10.9.0.2", false, false },
		{ "0.0.0.0", "10.9.0.1", false, true },
		{ "0.0.0.0", "fd09::1", false, false },
		{ "::", "fd09::1", false, true },
		{ "::", "10.9.0.1", false, true },
		{ "::", "fd09::1", true, true },
		{ "::", "10.9.0.1", true, false },
		{ "fd09::1", "fd09::1", false, true },
		{ "fd09::1", "fd09::2", false, false },
		{ "fd09::1", "10.9.0.1", false, false },
		{ "10.9.0.1", "0.0.0.0", false, true },
		{ "fd09::1", "::", false, true },
		{ "fd09::1", "0.0.0.0", false, false },
		/* as IPv6 sees an IPv4 address (RFC 4291 2.5.5.2) */
		{ "::ffff:10.9.0.1", "10.9.0.1", false, true },
	};
	/* clang-format on */
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct diag_listener listener = {
			.at.addr = addr_of(table[i].at),
			.is_v6only = table[i].is_v6only,
		};
		struct addr addr = addr_of(table[i].addr);

		if (diag_serves(&listener, &addr) != table[i].is_served)
			fail_msg("row %zu", i);
	}
}

static void dual_stack_is_told_from_ipv6_alone(void **state)
{
	int dual = listen_on("::", 5000, 0), v6only = listen_on("::", 5001, 1);
	struct seen seen = { 0 };

	(void)state;
	assert_int_equal(diag_listeners(5000, note, &seen), 0);
	assert_int_equal(diag_listeners(5001, note, &seen), 0);
	assert_int_equal(seen.n, 2);
	assert_false(seen.found[0].is_v6only);
	assert_true(seen.found[1].is_v6only);
	close(dual);
	close(v6only);
}

static void own_addresses_are_local_and_others_are_not(void **state)
{
	static const char *const local[] = { "127.0.0.1", "127.200.3.4", "::1",
					     NETNS_HERE4, NETNS_HERE6 };
	static const char *const others[] = { NETNS_THERE4, NETNS_THERE6,
					      "192.0.2.1", "2001:db8::1" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		struct addr addr = addr_of(local[i]);

		assert_int_equal(diag_is_local(&addr), 1);
	}
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct addr addr = addr_of(others[i]);

		assert_int_equal(diag_is_local(&addr), 0);
	}
}

/* More than one message of the kernel's. */
static void count(void *ctx, const struct diag_listener *found)
{
	unsigned *n = ctx;

	(void)found;
	++*n;
}

static void long_dump_is_read_to_its_end(void **state)
{
	enum { MANY = 3000 };
	static int fd[MANY];
	unsigned n = 0, i;

	(void)state;
	for (i = 0; i < MANY; i++)
		fd[i] = listen_on("127.0.0.1", (uint16_t)(20000 + i), 0);
	assert_int_equal(diag_listeners(0, count, &n), 0);
	assert_int_equal(n, MANY);
	for (i = 0; i < MANY; i++)
		close(fd[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listeners_are_found_by_port),
		cmocka_unit_test(bound_and_connected_sockets_are_not_listeners),
		cmocka_unit_test(wildcards_serve_what_they_cover),
		cmocka_unit_test(dual_stack_is_told_from_ipv6_alone),
		cmocka_unit_test(own_addresses_are_local_and_others_are_not),
		cmocka_unit_test(long_dump_is_read_to_its_end),
	};
	struct netns ns;

	netns_enter(&ns);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
