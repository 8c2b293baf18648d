/*
 * test_listen_lease.c - ports that one client alone may connect to, decided
 * in the kernel: IPv4 and IPv6, over a device.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "../helper/alloc.h"
#include "../helper/netns.h"
#include "listen_stage.h"
#include "net/listen.h"

/* Addresses at the far end of the link. */
struct clients {
	const char *one;
	const char *near; /* in the same /24 or /64 */
	const char *next; /* in the same /23 or /63 */
	const char *other;
};

static const struct clients clients4 = { "10.9.8.2", "10.9.8.200", "10.9.9.2",
					 NETNS_THERE4 };
static const struct clients clients6 = { "fd09:8::2", "fd09:8::ff:3",
					 "fd09:8:0:1::2", NETNS_THERE6 };

static const struct clients *clients_of(const struct stage *stage)
{
	return stage->vip.family == AF_INET ? &clients4 : &clients6;
}

static void add_clients(const struct netns *ns)
{
	netns_run("ip route add 10.9.8.0/23 dev near &&"
		  "ip route add fd09:8::/48 dev near");
	netns_go(ns->there);
	netns_run("for a in 10.9.8.2 10.9.8.200 10.9.9.2; do"
		  "  ip addr add $a/32 dev far || exit; done;"
		  "for a in fd09:8::2 fd09:8::ff:3 fd09:8:0:1::2; do"
		  "  ip addr add $a/128 dev far nodad || exit; done");
	netns_go(ns->here);
}

/* Each way that can lease, with either family. */
static void each_lessor(void (*body)(struct stage *stage))
{
	struct stage *stage;
	struct netns ns;
	size_t i;

	netns_enter(&ns);
	add_clients(&ns);
	for (i = 0; i < SETTINGS; i++) {
		if (!settings[i].is_remote ||
		    settings[i].way == CONF_INTERCEPT_SOCKETS)
			continue;
		stage = stage_new(&settings[i], &ns);
		stage->most_leases = 200000;
		body(stage);
		stage_free(stage);
	}
	netns_leave(&ns);
}

/* A client's socket, not connected yet. */
static int socket_of(const struct stage *stage, const char *client)
{
	struct endpoint from = { .port = 0 };
	struct sockaddr_storage sa;
	socklen_t len;
	int fd;

	assert_int_equal(addr_parse(client, &from.addr), 0);
	netns_go(stage->ns.there);
	fd = socket(from.addr.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	netns_go(stage->ns.here);
	assert_true(fd >= 0);
	len = endpoint_to_sockaddr(&from, &sa);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

static int dial_from(const struct stage *stage, const char *client,
		     uint16_t port)
{
	int fd = socket_of(stage, client);
	int err = dial_with(fd, &stage->vip, port);

	if (!err)
		return fd;
	close(fd);
	return err;
}

static void assert_serves(const struct stage *stage, const char *client,
			  uint16_t port)
{
	int fd = dial_from(stage, client, port), server;
	uint16_t dialled;

	if (fd < 0)
		fail_msg("port %u of %s for %s by %s: %s", (unsigned)port,
			 stage->setting->vip, client, stage->setting->name,
			 strerror(-fd));
	server = take(stage, &dialled, NULL);
	assert_int_equal(dialled, port);
	assert_talks(fd, server);
	close(fd);
	close(server);
}

static void assert_refuses(const struct stage *stage, const char *client,
			   uint16_t port)
{
	assert_int_equal(dial_from(stage, client, port), -ECONNREFUSED);
}

static int lease(const struct stage *stage, const char *client, uint16_t port)
{
	struct addr addr;

	assert_int_equal(addr_parse(client, &addr), 0);
	return listener_lease(stage->listener, &addr, port);
}

static void unlease(const struct stage *stage, const char *client,
		    uint16_t port)
{
	struct addr addr;

	assert_int_equal(addr_parse(client, &addr), 0);
	listener_unlease(stage->listener, &addr, port);
}

static void body_lease(struct stage *stage)
{
	const struct clients *is = clients_of(stage);

	must_open(stage);
	assert_true(listener_can_lease(stage->listener));
	assert_refuses(stage, is->one, 5000);
	assert_int_equal(lease(stage, is->one, 5000), 0);
	assert_int_equal(lease(stage, is->one, 5000), 0);
	assert_serves(stage, is->one, 5000);
	assert_refuses(stage, is->near, 5000);
	assert_refuses(stage, is->other, 5000);
	assert_refuses(stage, is->one, 5001);
	assert_int_equal(portset_count(listener_admitted(stage->listener)), 0);
	assert_int_equal(lease(stage, is->one, 65535), 0);
	assert_serves(stage, is->one, 65535);
}

static void leased_client_gets_through_and_others_are_refused(void **state)
{
	(void)state;
	each_lessor(body_lease);
}

static void body_unlease(struct stage *stage)
{
	const struct clients *is = clients_of(stage);
	int client, server;
	uint16_t port;

	must_open(stage);
	assert_int_equal(lease(stage, is->one, 5000), 0);
	assert_int_equal(lease(stage, is->near, 5000), 0);
	client = dial_from(stage, is->one, 5000);
	assert_true(client >= 0);
	server = take(stage, &port, NULL);
	unlease(stage, is->one, 5000);
	unlease(stage, is->one, 5000);
	assert_refuses(stage, is->one, 5000);
	assert_serves(stage, is->near, 5000);
	assert_talks(client, server);
	assert_int_equal(lease(stage, is->one, 5000), 0);
	assert_serves(stage, is->one, 5000);
	close(client);
	close(server);
}

static void ended_lease_closes_the_port_and_its_connections_live(void **state)
{
	(void)state;
	each_lessor(body_unlease);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			leased_client_gets_through_and_others_are_refused),
		cmocka_unit_test(
			ended_lease_closes_the_port_and_its_connections_live),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
