/*
 * test_listen_lease.c - ports that one client alone may connect to, decided
 * in the kernel: IPv4 and IPv6, over a device.
 */
#include <errno.h>
#include <poll.h>
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

/* A client is whoever shares its leading bits. */
static void body_network(struct stage *stage)
{
	const struct clients *is = clients_of(stage);

	stage->lease_bits4 = 24;
	stage->lease_bits6 = 64;
	must_open(stage);
	assert_int_equal(lease(stage, is->one, 5000), 0);
	assert_serves(stage, is->one, 5000);
	assert_serves(stage, is->near, 5000);
	assert_refuses(stage, is->next, 5000);
	assert_refuses(stage, is->other, 5000);
	unlease(stage, is->near, 5000);
	assert_refuses(stage, is->one, 5000);
}

static void network_of_the_client_is_leased_to(void **state)
{
	(void)state;
	each_lessor(body_network);
}

static void body_odd_network(struct stage *stage)
{
	const struct clients *is = clients_of(stage);

	stage->lease_bits4 = 23;
	stage->lease_bits6 = 63;
	must_open(stage);
	assert_int_equal(lease(stage, is->next, 5000), 0);
	assert_serves(stage, is->one, 5000);
	assert_serves(stage, is->next, 5000);
	assert_refuses(stage, is->other, 5000);
}

static void network_may_end_within_an_octet(void **state)
{
	(void)state;
	each_lessor(body_odd_network);
}

/* Connect to every port of the range; those that answered. */
static void scan(const struct stage *stage, const char *client,
		 struct portset *found)
{
	struct endpoint from = { .port = 0 };
	struct sockaddr_storage sa;
	int fd, err, one = 1;
	unsigned port;
	socklen_t len;

	assert_int_equal(addr_parse(client, &from.addr), 0);
	len = endpoint_to_sockaddr(&from, &sa);
	netns_go(stage->ns.there);
	for (port = 1024; port <= 65535; port++) {
		fd = socket(from.addr.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
			   sizeof(one));
		assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
		err = dial_with(fd, &stage->vip, (uint16_t)port);
		close(fd);
		if (!err)
			portset_add(found, (uint16_t)port);
		else
			assert_int_equal(err, -ECONNREFUSED);
	}
	netns_go(stage->ns.here);
}

static void body_scan(struct stage *stage)
{
	const struct clients *is = clients_of(stage);
	struct portset wanted = { 0 }, found = { 0 };
	unsigned spared, port;

	must_open(stage);
	portset_add(&wanted, 1024);
	portset_add_range(&wanted, 6001, 6004);
	assert_int_equal(listener_apply(stage->listener, &wanted, &spared), 0);
	for (port = 1025; port < 65536; port += 997)
		assert_int_equal(lease(stage, is->one, (uint16_t)port), 0);
	scan(stage, is->near, &found);
	assert_memory_equal(&found, &wanted, sizeof(wanted));
	for (port = 1025; port < 65536; port += 997)
		portset_add(&wanted, (uint16_t)port);
	portset_clear(&found);
	scan(stage, is->one, &found);
	assert_memory_equal(&found, &wanted, sizeof(wanted));
}

static void scan_finds_what_is_admitted_or_leased_to_the_scanner(void **state)
{
	(void)state;
	each_lessor(body_scan);
}

static void body_admitted(struct stage *stage)
{
	const struct clients *is = clients_of(stage);

	must_open(stage);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	assert_int_equal(lease(stage, is->one, 5000), 0);
	assert_serves(stage, is->other, 5000);
	assert_int_equal(listener_withdraw(stage->listener, 5000), 0);
	assert_refuses(stage, is->other, 5000);
	assert_serves(stage, is->one, 5000);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	unlease(stage, is->one, 5000);
	assert_serves(stage, is->one, 5000);
}

static void lease_and_admission_do_not_end_each_other(void **state)
{
	(void)state;
	each_lessor(body_admitted);
}

static void body_excluded(struct stage *stage)
{
	const struct clients *is = clients_of(stage);

	portset_add(&stage->exclude, 3389);
	must_open(stage);
	assert_int_equal(lease(stage, is->one, 3389), ERR_REFUSED);
	assert_int_equal(lease(stage, is->one, 0), ERR_REFUSED);
	assert_refuses(stage, is->one, 3389);
	assert_int_equal(lease(stage, is->one, 3390), 0);
	assert_serves(stage, is->one, 3390);
}

static void excluded_port_is_not_leased(void **state)
{
	(void)state;
	each_lessor(body_excluded);
}

/* Both ends of a connection that somebody else's socket took. */
static void assert_theirs(const struct stage *stage, int theirs,
			  const char *client, uint16_t port)
{
	int fd = dial_from(stage, client, port), server;
	struct pollfd theirs_fd = { .fd = theirs, .events = POLLIN };

	assert_true(fd >= 0);
	assert_int_equal(poll(&theirs_fd, 1, 3000), 1);
	server = accept(theirs, NULL, NULL);
	assert_talks(fd, server);
	close(fd);
	close(server);
}

static void body_theirs(struct stage *stage)
{
	int fd = listen_on(stage->setting->vip, 5000, false);
	const struct clients *is = clients_of(stage);
	struct portset range = { 0 }, none = { 0 };
	unsigned spared = 99;

	must_open(stage);
	portset_add_range(&range, 1024, 65535);
	listener_watch(stage->listener, &range);
	assert_int_equal(listener_apply(stage->listener, &none, &spared), 0);
	assert_int_equal(spared, 0); /* none of the wanted */
	assert_int_equal(count_logged(stage, "event=port-spared port=5000"), 1);
	assert_int_equal(lease(stage, is->one, 5000), ERR_BUSY);
	assert_theirs(stage, fd, is->one, 5000);
	close(fd);
	assert_int_equal(listener_apply(stage->listener, &none, &spared), 0);
	assert_int_equal(lease(stage, is->one, 5000), 0);
	assert_serves(stage, is->one, 5000);
}

static void port_that_others_have_is_not_leased(void **state)
{
	(void)state;
	each_lessor(body_theirs);
}

static void body_theirs_later(struct stage *stage)
{
	const struct clients *is = clients_of(stage);
	struct portset range = { 0 }, none = { 0 };
	unsigned spared;
	int fd;

	must_open(stage);
	portset_add(&range, 5000);
	listener_watch(stage->listener, &range);
	assert_int_equal(lease(stage, is->one, 5000), 0);
	assert_int_equal(lease(stage, is->one, 5001), 0);
	fd = listen_on(stage->setting->vip, 5000, false);
	assert_int_equal(listener_apply(stage->listener, &none, &spared), 0);
	assert_theirs(stage, fd, is->one, 5000);
	assert_serves(stage, is->one, 5001);
	close(fd);
	assert_int_equal(listener_apply(stage->listener, &none, &spared), 0);
	assert_serves(stage, is->one, 5000);
}

static void lease_rests_while_others_listen(void **state)
{
	(void)state;
	each_lessor(body_theirs_later);
}

/* Without memory the kernel is not told; the next time makes it good. */
static void body_untold(struct stage *stage)
{
	const struct clients *is = clients_of(stage);
	struct portset range = { 0 }, none = { 0 };
	unsigned spared;
	int fd;

	if (stage->setting->way != CONF_INTERCEPT_TPROXY)
		return; /* telling sk_lookup takes nothing */
	must_open(stage);
	portset_add(&range, 5000);
	listener_watch(stage->listener, &range);
	assert_int_equal(lease(stage, is->one, 5000), 0);
	fd = listen_on(stage->setting->vip, 5000, false);
	alloc_fail_at(1);
	assert_int_equal(listener_apply(stage->listener, &none, &spared),
			 ERR_MEMORY);
	alloc_fail_at(0);
	assert_serves(stage, is->one, 5000);
	assert_int_equal(listener_apply(stage->listener, &none, &spared), 0);
	assert_theirs(stage, fd, is->one, 5000);
	close(fd);
}

static void ports_of_others_are_told_again_after_a_failure(void **state)
{
	(void)state;
	each_lessor(body_untold);
}

static void body_counted(struct stage *stage)
{
	const struct clients *is = clients_of(stage);
	uint64_t before;

	if (stage->setting->way != CONF_INTERCEPT_SK_LOOKUP)
		return; /* tproxy cannot count */
	must_open(stage);
	assert_int_equal(lease(stage, is->one, 5000), 0);
	before = listener_refused(stage->listener);
	assert_serves(stage, is->one, 5000);
	assert_int_equal(listener_refused(stage->listener), before);
	assert_refuses(stage, is->near, 5000);
	assert_refuses(stage, is->one, 5001);
	assert_int_equal(listener_refused(stage->listener), before + 2);
}

static void leased_connections_are_not_counted_as_refused(void **state)
{
	(void)state;
	each_lessor(body_counted);
}

static void body_full(struct stage *stage)
{
	const struct clients *is = clients_of(stage);
	uint16_t port;

	stage->most_leases = 4;
	must_open(stage);
	for (port = 5000; port < 5004; port++)
		assert_int_equal(lease(stage, is->one, port), 0);
	assert_int_equal(lease(stage, is->one, 5004), ERR_SPACE);
	assert_refuses(stage, is->one, 5004);
	assert_int_equal(lease(stage, is->one, 5000), 0);
	unlease(stage, is->one, 5001);
	assert_int_equal(lease(stage, is->one, 5004), 0);
	assert_serves(stage, is->one, 5000);
	assert_serves(stage, is->one, 5004);
	assert_refuses(stage, is->one, 5001);
}

static void lease_beyond_the_room_is_refused(void **state)
{
	(void)state;
	each_lessor(body_full);
}

/* One of many clients that nobody plays. */
static struct addr crowd(const struct stage *stage, unsigned i)
{
	struct addr addr = { .family = stage->vip.family };

	addr.octet[0] = addr.family == AF_INET ? 172 : 0xfd;
	addr.octet[1] = (uint8_t)(i >> 16);
	addr.octet[2] = (uint8_t)(i >> 8);
	addr.octet[addr_len(&addr) - 1] = (uint8_t)i;
	return addr;
}

#define CROWD 100000

static void body_many(struct stage *stage)
{
	const struct clients *is = clients_of(stage);
	struct addr addr;
	unsigned i;

	stage->most_leases = CROWD + 1;
	must_open(stage);
	assert_int_equal(lease(stage, is->one, 33333), 0);
	for (i = 0; i < CROWD; i++) {
		addr = crowd(stage, i);
		assert_int_equal(listener_lease(stage->listener, &addr, 33333),
				 0);
	}
	assert_int_equal(lease(stage, is->near, 33333), ERR_SPACE);
	assert_serves(stage, is->one, 33333);
	assert_refuses(stage, is->near, 33333);
	for (i = 0; i < CROWD; i++) {
		addr = crowd(stage, i);
		listener_unlease(stage->listener, &addr, 33333);
	}
	for (i = 0; i < 10; i++)
		assert_int_equal(lease(stage, is->near, (uint16_t)(5000 + i)),
				 0);
	assert_serves(stage, is->one, 33333);
	assert_serves(stage, is->near, 5009);
}

static void hundred_thousand_leases_are_kept(void **state)
{
	(void)state;
	each_lessor(body_many);
}

static void body_unallocated(struct stage *stage)
{
	const struct clients *is = clients_of(stage);

	must_open(stage);
	alloc_fail_at(1);
	assert_int_equal(lease(stage, is->one, 5000), 0);
	unlease(stage, is->one, 5000);
	assert_false(alloc_has_failed());
	alloc_fail_at(0);
}

static void leasing_allocates_nothing(void **state)
{
	(void)state;
	each_lessor(body_unallocated);
}

/* A worker's share of the ports: the even ones stay leased. */
struct worker {
	pthread_t thread;
	struct listener *listener;
	struct addr client;
	unsigned first;
	int err;
};

#define SHARE  500
#define ROUNDS 3

static void *work(void *ctx)
{
	struct worker *worker = ctx;
	unsigned i, round;
	uint16_t port;

	for (round = 0; round < ROUNDS; round++)
		for (i = 0; i < SHARE && !worker->err; i++) {
			port = (uint16_t)(worker->first + i);
			worker->err = listener_lease(worker->listener,
						     &worker->client, port);
			if (port % 2)
				listener_unlease(worker->listener,
						 &worker->client, port);
		}
	return NULL;
}

static void body_threads(struct stage *stage)
{
	const struct clients *is = clients_of(stage);
	struct portset wanted = { 0 }, watched = { 0 };
	struct worker worker[WORKERS];
	unsigned i, spared;
	int fd;

	must_open(stage);
	portset_add_range(&watched, 1024, 65535);
	listener_watch(stage->listener, &watched);
	for (i = 0; i < WORKERS; i++) {
		worker[i] = (struct worker){ .listener = stage->listener,
					     .first = 10000 + i * SHARE };
		assert_int_equal(addr_parse(is->one, &worker[i].client), 0);
		assert_int_equal(pthread_create(&worker[i].thread, NULL, work,
						&worker[i]),
				 0);
	}
	for (i = 0; i < 50; i++) {
		if (i % 2)
			portset_add(&wanted, (uint16_t)(6000 + 2 * i));
		else
			portset_remove(&wanted, (uint16_t)(5998 + 2 * i));
		fd = listen_on(stage->setting->vip, 7000, false);
		assert_int_equal(
			listener_apply(stage->listener, &wanted, &spared), 0);
		close(fd);
	}
	for (i = 0; i < WORKERS; i++) {
		assert_int_equal(pthread_join(worker[i].thread, NULL), 0);
		assert_int_equal(worker[i].err, 0);
		assert_serves(stage, is->one, (uint16_t)worker[i].first);
		assert_refuses(stage, is->one, (uint16_t)(worker[i].first + 1));
		assert_serves(stage, is->one,
			      (uint16_t)(worker[i].first + SHARE - 2));
	}
	assert_serves(stage, is->other, 6098);
	assert_refuses(stage, is->other, 6094);
}

static void workers_lease_while_ports_are_applied(void **state)
{
	(void)state;
	each_lessor(body_threads);
}

static void run_as_nobody(struct stage *stage)
{
	const struct clients *is = clients_of(stage);
	int client[4], i, server;
	struct worker worker = { .first = 10000 };
	uint16_t port;

	must_open(stage);
	for (i = 0; i < 4; i++)
		client[i] = socket_of(stage, i < 3 ? is->one : is->near);
	become_nobody();
	assert_int_equal(dial_with(client[0], &stage->vip, 10000),
			 -ECONNREFUSED);
	worker.listener = stage->listener;
	assert_int_equal(addr_parse(is->one, &worker.client), 0);
	assert_int_equal(pthread_create(&worker.thread, NULL, work, &worker),
			 0);
	assert_int_equal(pthread_join(worker.thread, NULL), 0);
	assert_int_equal(worker.err, 0);
	assert_int_equal(dial_with(client[1], &stage->vip, 10000), 0);
	server = take(stage, &port, NULL);
	assert_int_equal(port, 10000);
	assert_talks(client[1], server);
	assert_int_equal(dial_with(client[2], &stage->vip, 10001),
			 -ECONNREFUSED);
	assert_int_equal(dial_with(client[3], &stage->vip, 10000),
			 -ECONNREFUSED);
	listener_close(stage->listener);
}

static void body_nobody(struct stage *stage)
{
	char before[16384], after[16384];
	pid_t pid;

	read_kernel(before, sizeof(before));
	if (fork_child(&pid)) {
		run_as_nobody(stage);
		_exit(0);
	}
	assert_child_passed(pid);
	read_kernel(after, sizeof(after));
	assert_string_equal(before, after);
}

static void nobody_with_two_capabilities_can_lease(void **state)
{
	(void)state;
	each_lessor(body_nobody);
}

static void body_close(struct stage *stage)
{
	const struct clients *is = clients_of(stage);
	char before[16384], after[16384];

	read_kernel(before, sizeof(before));
	must_open(stage);
	assert_int_equal(lease(stage, is->one, 5000), 0);
	listener_close(stage->listener);
	stage->listener = NULL;
	read_kernel(after, sizeof(after));
	assert_string_equal(before, after);
	assert_int_equal(count_links(stage), 0);
	assert_refuses(stage, is->one, 5000);
}

static void no_lease_is_left_after_close(void **state)
{
	(void)state;
	each_lessor(body_close);
}

/* A balancer of its own with a lease, until it is killed. */
static pid_t start_victim(struct stage *stage)
{
	int ready[2];
	char octet;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	if (fork_child(&pid)) {
		if (try_open(stage) ||
		    lease(stage, clients_of(stage)->one, 5000) ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &octet, 1), 1);
	close(ready[0]);
	return pid;
}

static void body_crash(struct stage *stage)
{
	const struct clients *is = clients_of(stage);
	char before[16384], after[16384];
	pid_t pid;

	read_kernel(before, sizeof(before));
	pid = start_victim(stage);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_refuses(stage, is->one, 5000);
	must_open(stage);
	assert_refuses(stage, is->one, 5000);
	assert_int_equal(lease(stage, is->one, 5001), 0);
	assert_serves(stage, is->one, 5001);
	listener_close(stage->listener);
	stage->listener = NULL;
	read_kernel(after, sizeof(after));
	assert_string_equal(before, after);
	assert_int_equal(count_links(stage), 0);
}

static void killed_balancer_leaves_no_lease(void **state)
{
	(void)state;
	each_lessor(body_crash);
}

/* Two VIPs, of either family or of one; each client its own leases. */
static void body_families(struct stage *stage)
{
	struct listen_config config = config_of(stage);
	struct addr vip[2];

	assert_int_equal(addr_parse(NETNS_HERE4, &vip[0]), 0);
	assert_int_equal(addr_parse(NETNS_HERE6, &vip[1]), 0);
	config.nvips = 2;
	config.vip = vip;
	assert_int_equal(listener_open(&config, &stage->listener), 0);
	assert_int_equal(lease(stage, clients4.one, 5000), 0);
	assert_int_equal(lease(stage, clients6.one, 5001), 0);
	stage->vip = vip[0];
	assert_serves(stage, clients4.one, 5000);
	assert_refuses(stage, clients4.one, 5001);
	stage->vip = vip[1];
	assert_serves(stage, clients6.one, 5001);
	assert_refuses(stage, clients6.one, 5000);
}

static void families_have_leases_of_their_own(void **state)
{
	(void)state;
	each_lessor(body_families);
}

/* It cannot come, there is nothing to be done for it. */
static void body_stranger(struct stage *stage)
{
	const char *stranger =
		stage->vip.family == AF_INET ? clients6.one : clients4.one;

	stage->most_leases = 1;
	must_open(stage);
	assert_int_equal(lease(stage, stranger, 5000), 0);
	assert_int_equal(lease(stage, clients_of(stage)->one, 5000), 0);
	unlease(stage, stranger, 5000);
	assert_serves(stage, clients_of(stage)->one, 5000);
}

static void client_of_a_family_without_a_vip_takes_no_room(void **state)
{
	(void)state;
	each_lessor(body_stranger);
}

/* The program that is attached to this network namespace. */
static void read_program(const struct stage *stage, struct bpf_prog_info *out)
{
	uint32_t len = sizeof(*out), id = 0;
	int fd;

	assert_int_equal(count_programs(stage, &id), 1);
	fd = bpf_prog_get_fd_by_id(id);
	assert_true(fd >= 0);
	memset(out, 0, sizeof(*out));
	assert_int_equal(bpf_obj_get_info_by_fd(fd, out, &len), 0);
	close(fd);
}

static void reopen(struct stage *stage, unsigned most_leases)
{
	listener_close(stage->listener);
	stage->listener = NULL;
	stage->most_leases = most_leases;
	must_open(stage);
}

static void expect_smaller_program(struct stage *stage)
{
	struct bpf_prog_info with, without;

	reopen(stage, 1000);
	read_program(stage, &with);
	reopen(stage, 0);
	read_program(stage, &without);
	assert_int_equal(without.nr_map_ids, with.nr_map_ids - 1);
	assert_true(without.xlated_prog_len < with.xlated_prog_len);
}

static void expect_smaller_table(struct stage *stage)
{
	char list[16384];

	reopen(stage, 1000);
	netns_read("nft list ruleset", list, sizeof(list));
	assert_non_null(strstr(list, "set leases"));
	assert_non_null(strstr(list, "set others"));
	reopen(stage, 0);
	netns_read("nft list ruleset", list, sizeof(list));
	assert_null(strstr(list, "leases"));
	assert_null(strstr(list, "others"));
}

static void body_none(struct stage *stage)
{
	portset_add(&stage->exclude, 3389);
	if (stage->setting->way == CONF_INTERCEPT_SK_LOOKUP)
		expect_smaller_program(stage);
	else
		expect_smaller_table(stage);
	assert_false(listener_can_lease(stage->listener));
	assert_int_equal(lease(stage, clients_of(stage)->one, 5000),
			 ERR_UNSUPPORTED);
	unlease(stage, clients_of(stage)->one, 5000);
	assert_refuses(stage, clients_of(stage)->one, 5000);
}

static void without_leases_nothing_is_paid_for_them(void **state)
{
	(void)state;
	each_lessor(body_none);
}

static void body_sockets(struct stage *stage)
{
	if (stage->setting->way != CONF_INTERCEPT_SOCKETS)
		return;
	stage->most_leases = 1000;
	must_open(stage);
	assert_false(listener_can_lease(stage->listener));
	assert_int_equal(listener_lease(stage->listener, &stage->vip, 5000),
			 ERR_UNSUPPORTED);
	listener_unlease(stage->listener, &stage->vip, 5000);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	assert_served(stage, 5000);
}

static void plain_sockets_leave_leases_to_the_caller(void **state)
{
	(void)state;
	each_setting(body_sockets);
}

static void body_bounds(struct stage *stage)
{
	static const uint8_t bad[][2] = {
		{ 0, 64 }, { 33, 64 }, { 24, 0 }, { 24, 129 }
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		stage->lease_bits4 = bad[i][0];
		stage->lease_bits6 = bad[i][1];
		assert_int_equal(try_open(stage), -EINVAL);
	}
	stage->lease_bits4 = 1;
	stage->lease_bits6 = 1;
	must_open(stage);
}

static void prefix_lengths_out_of_bounds_are_refused(void **state)
{
	(void)state;
	each_lessor(body_bounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			leased_client_gets_through_and_others_are_refused),
		cmocka_unit_test(
			ended_lease_closes_the_port_and_its_connections_live),
		cmocka_unit_test(network_of_the_client_is_leased_to),
		cmocka_unit_test(network_may_end_within_an_octet),
		cmocka_unit_test(
			scan_finds_what_is_admitted_or_leased_to_the_scanner),
		cmocka_unit_test(lease_and_admission_do_not_end_each_other),
		cmocka_unit_test(excluded_port_is_not_leased),
		cmocka_unit_test(port_that_others_have_is_not_leased),
		cmocka_unit_test(lease_rests_while_others_listen),
		cmocka_unit_test(
			ports_of_others_are_told_again_after_a_failure),
		cmocka_unit_test(leased_connections_are_not_counted_as_refused),
		cmocka_unit_test(lease_beyond_the_room_is_refused),
		cmocka_unit_test(hundred_thousand_leases_are_kept),
		cmocka_unit_test(leasing_allocates_nothing),
		cmocka_unit_test(workers_lease_while_ports_are_applied),
		cmocka_unit_test(nobody_with_two_capabilities_can_lease),
		cmocka_unit_test(no_lease_is_left_after_close),
		cmocka_unit_test(killed_balancer_leaves_no_lease),
		cmocka_unit_test(families_have_leases_of_their_own),
		cmocka_unit_test(
			client_of_a_family_without_a_vip_takes_no_room),
		cmocka_unit_test(without_leases_nothing_is_paid_for_them),
		cmocka_unit_test(plain_sockets_leave_leases_to_the_caller),
		cmocka_unit_test(prefix_lengths_out_of_bounds_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
