/*
 * test_listen.c - the three ways of listening, in namespaces of their own:
 * IPv4 and IPv6, over loopback and over a device.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../helper/netns.h"
#include "listen_stage.h"
#include "net/listen.h"

static void assert_option(int fd, int level, int name, int wanted)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	assert_int_equal(value, wanted);
}

static void one_setting(const struct setting *setting,
			void (*body)(struct stage *stage))
{
	struct netns ns;

	netns_enter(&ns);
	with_setting(setting, &ns, body);
	netns_leave(&ns);
}

static void body_admit(struct stage *stage)
{
	must_open(stage);
	assert_int_equal(dial(stage, 135), -ECONNREFUSED);
	assert_int_equal(dial(stage, 5000), -ECONNREFUSED);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	assert_int_equal(listener_admit(stage->listener, 135), 0);
	assert_int_equal(portset_count(listener_admitted(stage->listener)), 2);
	assert_served(stage, 5000);
	assert_served(stage, 135);
	assert_int_equal(dial(stage, 5001), -ECONNREFUSED);
}

static void admitted_port_is_served_and_others_refuse(void **state)
{
	(void)state;
	each_setting(body_admit);
}

static void body_inherit(struct stage *stage)
{
	int client, server;
	uint16_t port;

	must_open(stage);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	client = dial(stage, 5000);
	assert_true(client >= 0);
	server = take(stage, &port, NULL);
	assert_option(server, IPPROTO_TCP, TCP_NODELAY, 1);
	close(client);
	close(server);
}

static void accepted_sockets_inherit_options(void **state)
{
	(void)state;
	each_setting(body_inherit);
}

static void body_withdraw(struct stage *stage)
{
	int client, server;
	uint16_t port;

	must_open(stage);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	client = dial(stage, 5000);
	assert_true(client >= 0);
	server = take(stage, &port, NULL);
	assert_int_equal(listener_withdraw(stage->listener, 5000), 0);
	assert_int_equal(listener_withdraw(stage->listener, 5000), 0);
	assert_int_equal(dial(stage, 5000), -ECONNREFUSED);
	assert_talks(client, server);
	listener_close(stage->listener);
	stage->listener = NULL;
	assert_talks(client, server);
	close(client);
	close(server);
}

static void withdrawn_port_refuses_and_its_connections_live(void **state)
{
	(void)state;
	each_setting(body_withdraw);
}

static void body_apply(struct stage *stage)
{
	struct portset wanted = { 0 };
	unsigned spared = 99;

	must_open(stage);
	portset_add_range(&wanted, 6000, 6010);
	portset_add(&wanted, 135);
	portset_add(&wanted, 65535);
	portset_add(&wanted, 7000);
	portset_add(&stage->exclude, 1); /* the caller's is not held on to */
	assert_int_equal(listener_apply(stage->listener, &wanted, &spared), 0);
	assert_int_equal(spared, 0);
	assert_served(stage, 6000);
	assert_served(stage, 6010);
	assert_served(stage, 65535);
	assert_int_equal(dial(stage, 5999), -ECONNREFUSED);
	assert_int_equal(dial(stage, 6011), -ECONNREFUSED);
	portset_remove(&wanted, 6005);
	portset_remove(&wanted, 7000);
	portset_add(&wanted, 6011);
	assert_int_equal(listener_apply(stage->listener, &wanted, &spared), 0);
	assert_int_equal(dial(stage, 6005), -ECONNREFUSED);
	assert_int_equal(dial(stage, 7000), -ECONNREFUSED);
	assert_served(stage, 6004);
	assert_served(stage, 6006);
	assert_served(stage, 6011);
	assert_memory_equal(listener_admitted(stage->listener), &wanted,
			    sizeof(wanted));
}

static void apply_makes_the_ports_equal_to_the_wanted(void **state)
{
	(void)state;
	each_setting(body_apply);
}

static void body_spread(struct stage *stage)
{
	unsigned seen[WORKERS] = { 0 }, worker, i;
	uint16_t port;

	must_open(stage);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	for (i = 0; i < 64; i++) {
		int client = dial(stage, 5000);
		int server = take(stage, &port, &worker);

		seen[worker]++;
		close(client);
		close(server);
	}
	for (i = 0; i < WORKERS; i++)
		assert_true(seen[i] > 0);
}

static void connections_spread_over_the_workers(void **state)
{
	(void)state;
	each_setting(body_spread);
}

static void expect_spared(struct stage *stage, const char *owner, bool is_dual)
{
	int fd = listen_on(owner, 5000, is_dual), client;
	unsigned told = count_logged(stage, "event=port-spared"), spared = 0;
	struct portset wanted = { 0 };

	portset_add(&wanted, 5000);
	portset_add(&wanted, 5001);
	assert_int_equal(listener_admit(stage->listener, 5000), ERR_BUSY);
	assert_int_equal(listener_apply(stage->listener, &wanted, &spared), 0);
	assert_int_equal(spared, 1);
	assert_int_equal(count_logged(stage, "event=port-spared"), told + 1);
	assert_false(portset_has(listener_admitted(stage->listener), 5000));
	client = dial(stage, 5000);
	assert_true(client >= 0);
	close(accept(fd, NULL, NULL));
	close(client);
	close(fd);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	assert_served(stage, 5000);
	assert_int_equal(listener_withdraw(stage->listener, 5000), 0);
}

static void body_foreign(struct stage *stage)
{
	bool is_v6 = stage->vip.family == AF_INET6;

	must_open(stage);
	expect_spared(stage, stage->setting->vip, false);
	expect_spared(stage, is_v6 ? "::" : "0.0.0.0", false);
	expect_spared(stage, "::", true);
	assert_true(count_logged(stage, "port=5000 listener=") == 3);
}

static void ports_of_others_are_spared_and_still_served(void **state)
{
	(void)state;
	each_setting(body_foreign);
}

/* An address of this host that is not the VIP. */
static const char *other_address(const struct stage *stage)
{
	if (stage->vip.family == AF_INET)
		return "127.0.0.1";
	return stage->setting->is_remote ? "::1" : NETNS_HERE6;
}

static void body_other_address(struct stage *stage)
{
	bool is_v6 = stage->vip.family == AF_INET6;
	int other = listen_on(other_address(stage), 5000, false);
	int family = listen_on(is_v6 ? "0.0.0.0" : "::", 5001, false);

	must_open(stage);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	assert_int_equal(listener_admit(stage->listener, 5001), 0);
	assert_served(stage, 5000);
	assert_served(stage, 5001);
	close(other);
	close(family);
}

static void listeners_on_other_addresses_do_not_matter(void **state)
{
	(void)state;
	each_setting(body_other_address);
}

static void body_foreign_later(struct stage *stage)
{
	struct portset wanted = { 0 };
	unsigned spared = 0;
	int fd;

	if (stage->setting->way == CONF_INTERCEPT_SOCKETS)
		return; /* nobody can bind there while we do */
	must_open(stage);
	portset_add(&wanted, 5000);
	assert_int_equal(listener_apply(stage->listener, &wanted, &spared), 0);
	assert_int_equal(spared, 0);
	fd = listen_on(stage->setting->vip, 5000, false);
	assert_int_equal(listener_apply(stage->listener, &wanted, &spared), 0);
	assert_int_equal(spared, 1);
	assert_false(portset_has(listener_admitted(stage->listener), 5000));
	close(fd);
}

static void port_that_others_took_later_is_given_up(void **state)
{
	(void)state;
	each_setting(body_foreign_later);
}

static void body_foreign_epm(struct stage *stage)
{
	bool is_v6 = stage->vip.family == AF_INET6;
	int fd = listen_on(is_v6 ? "::" : "0.0.0.0", 135, false);

	assert_int_equal(try_open(stage), ERR_BUSY);
	assert_int_equal(count_logged(stage, "event=listen-way-refused"), 1);
	assert_true(count_logged(stage, is_v6 ? "[::]:135" : "0.0.0.0:135"));
	portset_add(&stage->exclude, 135);
	must_open(stage);
	assert_int_equal(listener_admit(stage->listener, 135), ERR_REFUSED);
	assert_int_equal(listener_admit(stage->listener, 1024), 0);
	assert_served(stage, 1024);
	close(fd);
}

static void endpoint_mapper_of_this_host_is_named(void **state)
{
	(void)state;
	each_setting(body_foreign_epm);
}

static void body_refused(struct stage *stage)
{
	uint64_t before;
	int fd;

	if (stage->setting->way != CONF_INTERCEPT_SK_LOOKUP)
		return; /* the others cannot count */
	must_open(stage);
	before = listener_refused(stage->listener);
	assert_int_equal(dial(stage, 5000), -ECONNREFUSED);
	assert_int_equal(dial(stage, 5001), -ECONNREFUSED);
	assert_int_equal(listener_refused(stage->listener), before + 2);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	assert_served(stage, 5000);
	assert_int_equal(listener_refused(stage->listener), before + 2);
	fd = listen_on(stage->setting->vip, 5001, false);
	assert_int_equal(listener_admit(stage->listener, 5001), ERR_BUSY);
	close(dial(stage, 5001));
	assert_int_equal(listener_refused(stage->listener), before + 2);
	close(fd);
}

static void refused_connections_are_counted(void **state)
{
	(void)state;
	each_setting(body_refused);
}

static unsigned count_open(void)
{
	unsigned fd, n = 0;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl((int)fd, F_GETFD) >= 0;
	return n;
}

static void body_range(struct stage *stage)
{
	struct portset wanted = { 0 };
	unsigned spared, before;
	static const uint16_t some[] = { 135,	1024,  1025,  5985,
					 33333, 49152, 65534, 65535 };
	size_t i;

	if (stage->setting->way == CONF_INTERCEPT_SOCKETS)
		return;
	must_open(stage);
	assert_int_equal(listener_cost(stage->listener), 0);
	before = count_open();
	portset_add(&wanted, 135);
	portset_add_range(&wanted, 1024, 65535);
	assert_int_equal(listener_apply(stage->listener, &wanted, &spared), 0);
	assert_int_equal(spared, 0);
	assert_int_equal(stage->ngiven, WORKERS);
	assert_int_equal(count_open(), before);
	for (i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		assert_served(stage, some[i]);
	assert_int_equal(dial(stage, 1023), -ECONNREFUSED);
}

static void whole_range_costs_one_socket_a_worker(void **state)
{
	(void)state;
	each_setting(body_range);
}

static void body_many(struct stage *stage)
{
	struct portset wanted = { 0 };
	unsigned spared;

	if (stage->setting->way != CONF_INTERCEPT_SOCKETS)
		return;
	must_open(stage);
	assert_int_equal(listener_cost(stage->listener), WORKERS);
	portset_add_range(&wanted, 20000, 20999);
	assert_int_equal(listener_apply(stage->listener, &wanted, &spared), 0);
	assert_int_equal(stage->ngiven, 1000);
	assert_int_equal(listener_cost(stage->listener), 1);
	assert_served(stage, 20000);
	assert_served(stage, 20999);
	portset_add_range(&wanted, 1024, 65535);
	assert_int_equal(listener_apply(stage->listener, &wanted, &spared),
			 ERR_LIMIT);
	assert_int_equal(stage->ngiven, 1000);
	assert_served(stage, 20500);
	assert_int_equal(count_logged(stage, "event=descriptor-limit"), 1);
}

static void many_plain_sockets_are_one_a_port_within_the_limit(void **state)
{
	(void)state;
	each_setting(body_many);
}

static void body_second(struct stage *stage)
{
	struct stage *second = calloc(1, sizeof(*second));
	char pid[32];

	assert_non_null(second);
	must_open(stage);
	*second = *stage;
	second->listener = NULL;
	second->ngiven = 0;
	assert_int_equal(try_open(second), ERR_BUSY);
	snprintf(pid, sizeof(pid), "pid=%ld", (long)getpid());
	assert_true(count_logged(second, "event=instance-refused"));
	assert_true(count_logged(second, pid));
	free(second);
	assert_int_equal(listener_admit(stage->listener, 135), 0);
	assert_served(stage, 135);
}

static void second_balancer_of_a_vip_is_refused(void **state)
{
	(void)state;
	each_setting(body_second);
}

static void body_close(struct stage *stage)
{
	char before[16384], during[16384], after[16384];

	read_kernel(before, sizeof(before));
	must_open(stage);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	read_kernel(during, sizeof(during));
	assert_string_not_equal(before, during);
	if (stage->setting->way == CONF_INTERCEPT_SK_LOOKUP)
		assert_int_equal(count_links(stage), 1);
	listener_close(stage->listener);
	stage->listener = NULL;
	read_kernel(after, sizeof(after));
	assert_string_equal(before, after);
	assert_int_equal(count_links(stage), 0);
	assert_int_equal(dial(stage, 5000), -ECONNREFUSED);
}

static void nothing_is_left_after_close(void **state)
{
	(void)state;
	each_setting(body_close);
}

/* A balancer of its own, until it is killed. */
static pid_t start_victim(struct stage *stage)
{
	int ready[2];
	char octet;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	if (fork_child(&pid)) {
		if (try_open(stage) || listener_admit(stage->listener, 5000) ||
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
	char before[16384], after[16384];
	int status;
	pid_t pid;

	read_kernel(before, sizeof(before));
	pid = start_victim(stage);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(dial(stage, 5000), -ECONNREFUSED);
	must_open(stage);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	assert_served(stage, 5000);
	listener_close(stage->listener);
	stage->listener = NULL;
	read_kernel(after, sizeof(after));
	assert_string_equal(before, after);
	assert_int_equal(count_links(stage), 0);
}

static void killed_balancer_leaves_nothing_that_matters(void **state)
{
	(void)state;
	each_setting(body_crash);
}

static void run_as_nobody(struct stage *stage)
{
	int client[4], i, server;
	struct portset wanted = { 0 };
	unsigned spared = 99;
	uint64_t refused;
	uint16_t port;

	must_open(stage);
	netns_go(stage->setting->is_remote ? stage->ns.there : stage->ns.here);
	for (i = 0; i < 4; i++)
		client[i] = socket(stage->vip.family, SOCK_STREAM, 0);
	netns_go(stage->ns.here);
	become_nobody();
	assert_int_equal(dial_with(client[0], &stage->vip, 135), -ECONNREFUSED);
	refused = listener_refused(stage->listener);
	assert_int_equal(refused > 0,
			 stage->setting->way == CONF_INTERCEPT_SK_LOOKUP);
	portset_add(&wanted, 135);
	portset_add_range(&wanted, 5000, 5010);
	assert_int_equal(listener_apply(stage->listener, &wanted, &spared), 0);
	assert_int_equal(dial_with(client[1], &stage->vip, 135), 0);
	server = take(stage, &port, NULL);
	assert_int_equal(port, 135);
	assert_talks(client[1], server);
	assert_int_equal(dial_with(client[2], &stage->vip, 5005), 0);
	close(take(stage, &port, NULL));
	assert_int_equal(port, 5005);
	assert_int_equal(listener_withdraw(stage->listener, 135), 0);
	assert_int_equal(dial_with(client[3], &stage->vip, 135), -ECONNREFUSED);
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

static void nobody_with_two_capabilities_can_do_it_all(void **state)
{
	(void)state;
	each_setting(body_nobody);
}

static void body_late(struct stage *stage)
{
	bool is_v6 = stage->vip.family == AF_INET6;

	if (!stage->setting->is_remote)
		return;
	assert_int_equal(
		addr_parse(is_v6 ? "fd09::7" : "10.9.0.7", &stage->vip), 0);
	must_open(stage);
	assert_int_equal(count_logged(stage, "event=vip-absent"), 1);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	netns_run(is_v6 ? "ip addr add fd09::7/64 dev near nodad"
			: "ip addr add 10.9.0.7/24 dev near");
	assert_served(stage, 5000);
	assert_int_equal(dial(stage, 5001), -ECONNREFUSED);
	netns_run(is_v6 ? "ip addr del fd09::7/64 dev near"
			: "ip addr del 10.9.0.7/24 dev near");
}

static void vip_may_come_after_the_start(void **state)
{
	(void)state;
	each_setting(body_late);
}

/* Not an address of this host at all, only routed to it. */
static void body_routed(struct stage *stage)
{
	int client, server;
	uint16_t port;

	must_open(stage);
	netns_go(stage->ns.there);
	netns_run("ip route add 10.9.7.7 via " NETNS_HERE4 " &&"
		  "ip route add fd09:7::7 via " NETNS_HERE6);
	netns_go(stage->ns.here);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	assert_served(stage, 5000);
	client = dial(stage, 5000);
	assert_true(client >= 0);
	server = take(stage, &port, NULL);
	assert_int_equal(listener_withdraw(stage->listener, 5000), 0);
	assert_talks(client, server);
	close(client);
	close(server);
}

static void tproxy_serves_a_vip_that_is_only_routed_here(void **state)
{
	const struct setting v4 = { "tproxy", "10.9.7.7", CONF_INTERCEPT_TPROXY,
				    true };
	const struct setting v6 = { "tproxy", "fd09:7::7",
				    CONF_INTERCEPT_TPROXY, true };

	(void)state;
	one_setting(&v4, body_routed);
	one_setting(&v6, body_routed);
}

static void body_flush(struct stage *stage)
{
	must_open(stage);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	netns_run("nft flush ruleset");
	assert_served(stage, 5000);
	assert_int_equal(listener_admit(stage->listener, 5001), 0);
	assert_served(stage, 5001);
}

static void ruleset_that_others_flush_does_not_matter(void **state)
{
	(void)state;
	each_setting(body_flush);
}

/* From the VIP itself, out of a port that is admitted. */
static void body_outgoing(struct stage *stage)
{
	bool is_v6 = stage->vip.family == AF_INET6;
	struct endpoint from = { .addr = stage->vip }, to = { .port = 445 };
	struct portset wanted = { 0 };
	struct sockaddr_storage sa;
	unsigned spared;
	int out, in, fd;
	socklen_t len;

	if (!stage->setting->is_remote ||
	    stage->setting->way == CONF_INTERCEPT_SOCKETS)
		return; /* with plain sockets the source must differ */
	must_open(stage);
	portset_add_range(&wanted, 1024, 65535);
	assert_int_equal(listener_apply(stage->listener, &wanted, &spared), 0);
	netns_go(stage->ns.there);
	fd = listen_on(is_v6 ? "::" : "0.0.0.0", 445, false);
	netns_go(stage->ns.here);
	out = socket(stage->vip.family, SOCK_STREAM, 0);
	len = endpoint_to_sockaddr(&from, &sa);
	assert_int_equal(bind(out, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(
		addr_parse(is_v6 ? NETNS_THERE6 : NETNS_THERE4, &to.addr), 0);
	len = endpoint_to_sockaddr(&to, &sa);
	assert_int_equal(connect(out, (struct sockaddr *)&sa, len), 0);
	in = accept(fd, NULL, NULL);
	assert_talks(out, in);
	close(out);
	close(in);
	close(fd);
}

static void connections_from_the_vip_still_work(void **state)
{
	(void)state;
	each_setting(body_outgoing);
}

/* It listened there, no more, but its connection is not over. */
static void body_foreign_connection(struct stage *stage)
{
	int client, server, fd = listen_on(stage->setting->vip, 5000, false);

	client = dial(stage, 5000);
	assert_true(client >= 0);
	server = accept(fd, NULL, NULL);
	close(fd);
	must_open(stage);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	assert_talks(client, server);
	assert_served(stage, 5000);
	assert_talks(client, server);
	close(client);
	close(server);
}

static void connections_of_others_live_on_when_their_port_is_admitted(
	void **state)
{
	(void)state;
	each_setting(body_foreign_connection);
}

static void body_both(struct stage *stage)
{
	struct listen_config config = config_of(stage);
	struct addr vip[3];

	assert_int_equal(addr_parse(NETNS_HERE4, &vip[0]), 0);
	assert_int_equal(addr_parse(NETNS_HERE6, &vip[1]), 0);
	assert_int_equal(addr_parse("10.9.0.77", &vip[2]), 0);
	config.nvips = 3;
	config.vip = vip;
	assert_int_equal(listener_open(&config, &stage->listener), 0);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	stage->vip = vip[0];
	assert_served(stage, 5000);
	stage->vip = vip[1];
	assert_served(stage, 5000);
	assert_int_equal(dial(stage, 5001), -ECONNREFUSED);
}

static void both_families_at_once(void **state)
{
	(void)state;
	each_setting(body_both);
}

static void body_wildcard(struct stage *stage)
{
	must_open(stage);
	assert_int_equal(
		count_logged(stage, "reason=\"a VIP is the wildcard address\""),
		2);
	assert_int_equal(listener_admit(stage->listener, 5000), 0);
	assert_int_equal(addr_parse(stage->vip.family == AF_INET ? NETNS_HERE4
								 : NETNS_HERE6,
				    &stage->vip),
			 0);
	assert_served(stage, 5000);
}

static void wildcard_is_for_plain_sockets(void **state)
{
	const struct setting v4 = { "sockets", "0.0.0.0", CONF_INTERCEPT_AUTO,
				    true };
	const struct setting v6 = { "sockets", "::", CONF_INTERCEPT_AUTO,
				    true };

	(void)state;
	one_setting(&v4, body_wildcard);
	one_setting(&v6, body_wildcard);
}

static const struct setting automatic = { .way = CONF_INTERCEPT_AUTO,
					  .name = "sk_lookup",
					  .vip = "127.9.0.1" };

static void body_auto(struct stage *stage)
{
	must_open(stage);
	assert_int_equal(count_logged(stage, "event=listen way=sk_lookup"), 1);
	assert_int_equal(count_logged(stage, "event=listen-way-refused"), 0);
}

static void auto_takes_the_first_way(void **state)
{
	(void)state;
	one_setting(&automatic, body_auto);
}

/* Without CAP_BPF and CAP_NET_ADMIN only plain sockets are left. */
static void body_fall_back(struct stage *stage)
{
	const cap_value_t keep = CAP_NET_BIND_SERVICE;
	pid_t pid;

	if (fork_child(&pid)) {
		keep_capabilities(1, &keep);
		must_open(stage);
		assert_int_equal(
			count_logged(stage, "event=listen way=sockets"), 1);
		assert_int_equal(count_logged(stage, "way=sk_lookup reason="),
				 1);
		assert_int_equal(count_logged(stage, "way=tproxy reason="), 1);
		_exit(0);
	}
	assert_child_passed(pid);
}

static void auto_falls_back_and_says_why(void **state)
{
	struct setting setting = automatic;

	(void)state;
	setting.name = "sockets";
	one_setting(&setting, body_fall_back);
}

/* With CAP_NET_ADMIN but without CAP_BPF. */
static void body_second_way(struct stage *stage)
{
	const cap_value_t keep[] = { CAP_NET_ADMIN, CAP_NET_BIND_SERVICE };
	pid_t pid;

	if (fork_child(&pid)) {
		keep_capabilities(2, keep);
		must_open(stage);
		assert_int_equal(count_logged(stage, "event=listen way=tproxy"),
				 1);
		assert_int_equal(count_logged(stage, "way=sk_lookup reason="),
				 1);
		listener_close(stage->listener);
		_exit(0);
	}
	assert_child_passed(pid);
}

static void auto_takes_tproxy_where_programs_are_refused(void **state)
{
	struct setting setting = automatic;

	(void)state;
	setting.name = "tproxy";
	one_setting(&setting, body_second_way);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(admitted_port_is_served_and_others_refuse),
		cmocka_unit_test(accepted_sockets_inherit_options),
		cmocka_unit_test(
			withdrawn_port_refuses_and_its_connections_live),
		cmocka_unit_test(apply_makes_the_ports_equal_to_the_wanted),
		cmocka_unit_test(connections_spread_over_the_workers),
		cmocka_unit_test(ports_of_others_are_spared_and_still_served),
		cmocka_unit_test(listeners_on_other_addresses_do_not_matter),
		cmocka_unit_test(port_that_others_took_later_is_given_up),
		cmocka_unit_test(endpoint_mapper_of_this_host_is_named),
		cmocka_unit_test(refused_connections_are_counted),
		cmocka_unit_test(whole_range_costs_one_socket_a_worker),
		cmocka_unit_test(
			many_plain_sockets_are_one_a_port_within_the_limit),
		cmocka_unit_test(second_balancer_of_a_vip_is_refused),
		cmocka_unit_test(nothing_is_left_after_close),
		cmocka_unit_test(killed_balancer_leaves_nothing_that_matters),
		cmocka_unit_test(nobody_with_two_capabilities_can_do_it_all),
		cmocka_unit_test(vip_may_come_after_the_start),
		cmocka_unit_test(tproxy_serves_a_vip_that_is_only_routed_here),
		cmocka_unit_test(ruleset_that_others_flush_does_not_matter),
		cmocka_unit_test(connections_from_the_vip_still_work),
		cmocka_unit_test(
			connections_of_others_live_on_when_their_port_is_admitted),
		cmocka_unit_test(wildcard_is_for_plain_sockets),
		cmocka_unit_test(both_families_at_once),
		cmocka_unit_test(auto_takes_the_first_way),
		cmocka_unit_test(auto_takes_tproxy_where_programs_are_refused),
		cmocka_unit_test(auto_falls_back_and_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
