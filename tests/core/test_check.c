/*
 * test_check.c - the rules, above all those about the machine: the corpus of
 * tests/conf cannot give every machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/check.h"
#include "core/conf_build.h"

static struct conf_scan scan;
static struct conf_origin origin;
static struct findings found;

/* A machine on which nothing is wrong. */
static struct check_host machine(void)
{
	struct check_host host = {
		.limits = { .descriptors = 1000000, .ephemeral_ports = 28232 },
		.user_is_there = true,
		.state_directory_is_there = true,
		.log_directory_is_there = true,
	};

	memset(host.vip_is_local, 1, sizeof(host.vip_is_local));
	memset(host.source_is_local, 1, sizeof(host.source_is_local));
	memset(host.certificate_is_there, 1, sizeof(host.certificate_is_there));
	return host;
}

/* <balancer> and <rpc> are further lines of those sections; the findings
 * of the rules alone are in <found>. */
static void check(const char *balancer, const char *rpc, const char *rest,
		  const struct check_host *host)
{
	struct conf *conf = NULL;
	static char text[4096];

	snprintf(text, sizeof(text),
		 "[balancer]\n%s\n[rpc]\n%s\n[server a]\naddress = 10.0.0.11\n"
		 "%s\n",
		 balancer, rpc, rest);
	findings_init(&found);
	assert_int_equal(conf_scan(bytes_of(text, strlen(text)), &scan, &found),
			 0);
	assert_int_equal(conf_build(&scan, NULL, &origin, &conf, &found), 0);
	findings_init(&found);
	check_conf(conf, &origin, host, &found);
	conf_drop(conf);
}

#define ONE_THREAD VIP "threads = 1\n"
#define VIP	   "vip = 10.0.0.10\nsource = 10.0.0.9\n"

static void is_one(enum finding_severity severity, const char *code,
		   unsigned line)
{
	assert_int_equal(found.n, 1);
	assert_string_equal(found.at[0].code, code);
	assert_int_equal(found.at[0].severity, severity);
	assert_int_equal(found.at[0].line, line);
	assert_true(found.at[0].mend[0]);
}

static void defaults_serve(void **state)
{
	struct check_host host = machine();

	(void)state;
	check("vip = 10.0.0.10", "", "", &host);
	assert_int_equal(found.n, 0);
	check("vip = 10.0.0.10", "", "", NULL);
	assert_int_equal(found.n, 0);
}

static void addresses_that_are_not_here_are_warnings(void **state)
{
	struct check_host host = machine();

	(void)state;
	host.vip_is_local[0] = false;
	check(VIP, "", "", &host);
	is_one(FINDING_WARNING, "vip-not-local", 2);
	host.is_starting = true; /* VRRP may bring it later */
	check(VIP, "", "", &host);
	is_one(FINDING_WARNING, "vip-not-local", 2);
	host.vip_is_local[0] = true;
	host.source_is_local[0] = false;
	check(VIP, "", "", &host);
	is_one(FINDING_WARNING, "source-not-local", 3);
}

static void whole_range_by_sockets_needs_descriptors(void **state)
{
	static const char rpc[] = "intercept = sockets\nadmit = any";
	struct check_host host = machine();

	(void)state;
	/* 135 and the range; 64, 8 a thread, 128 for pipes, a server; and
	 * one connection's two. */
	host.limits.descriptors = 64513 + 64 + 8 + 128 + 1 + 2;
	check(ONE_THREAD, rpc, "", &host);
	assert_int_equal(found.n, 0);
	host.limits.descriptors--;
	check(ONE_THREAD, rpc, "", &host);
	is_one(FINDING_WARNING, "descriptor-limit", 8);
	assert_non_null(strstr(found.at[0].what, "64513"));
	host.is_starting = true;
	check(ONE_THREAD, rpc, "", &host);
	is_one(FINDING_ERROR, "descriptor-limit", 8);
	/* Sockets for announced ports are few; the kernel's ways need one. */
	check(VIP, "intercept = sockets", "", &host);
	assert_int_equal(found.n, 0);
	check(VIP, "admit = any", "", &host);
	assert_int_equal(found.n, 0);
	check(ONE_THREAD, "intercept = sockets\nadmit = any\nexclude = 3389",
	      "", &host);
	assert_int_equal(found.n, 0);
}

static void connections_need_two_descriptors_each(void **state)
{
	struct check_host host = machine();

	(void)state;
	/* The kernel's ways of listening take two sockets a thread. */
	host.limits.descriptors = 2 * 5000 + 64 + 8 + 128 + 1 + 2;
	check(ONE_THREAD "max-connections = 5000", "", "", &host);
	assert_int_equal(found.n, 0);
	check(ONE_THREAD "max-connections = 5001", "", "", &host);
	is_one(FINDING_WARNING, "descriptor-limit", 5);
	assert_non_null(strstr(found.at[0].mend, "max-connections = 5000"));
}

static void less_than_our_own_descriptors_fit_nothing(void **state)
{
	struct check_host host = machine();

	(void)state;
	host.limits.descriptors = 64 + 8 + 2 + 128 + 1 + 2;
	check(ONE_THREAD, "", "", &host);
	assert_int_equal(found.n, 0);
	host.limits.descriptors--;
	check(ONE_THREAD, "", "", &host);
	is_one(FINDING_WARNING, "descriptor-limit", 4);
	assert_null(strstr(found.at[0].what, "sockets"));
	assert_non_null(strstr(found.at[0].mend, "205"));
	host.is_starting = true;
	check(ONE_THREAD, "", "", &host);
	is_one(FINDING_ERROR, "descriptor-limit", 4);
	check(ONE_THREAD "max-connections = 5", "", "", &host);
	assert_int_equal(found.n, 2);
	assert_string_equal(found.at[1].mend, "raise the limit (LimitNOFILE)");
}

static void sources_hold_as_many_connections_as_they_have_ports(void **state)
{
	struct check_host host = machine();

	(void)state;
	check(VIP "max-connections = 28232", "", "", &host);
	assert_int_equal(found.n, 0);
	check(VIP "max-connections = 28233", "", "", &host);
	is_one(FINDING_WARNING, "too-few-source-ports", 4);
	assert_non_null(strstr(found.at[0].mend, "write 2 addresses"));
	check("vip = 10.0.0.10\nsource = 10.0.0.8, 10.0.0.9\n"
	      "max-connections = 56464",
	      "", "", &host);
	assert_int_equal(found.n, 0);
	/* Without a source the system takes one. */
	check("vip = 10.0.0.10\nmax-connections = 28233", "", "", &host);
	is_one(FINDING_WARNING, "too-few-source-ports", 3);
	/* With auto they are the limit themselves. */
	check(VIP, "", "", &host);
	assert_int_equal(found.n, 0);
	host.limits.ephemeral_ports = 64512;
	check(VIP "max-connections = 64512", "", "", &host);
	assert_int_equal(found.n, 0);
}

static void each_family_needs_sources_of_its_own(void **state)
{
	struct check_host host = machine();

	(void)state;
	check("vip = 10.0.0.10\nsource = 10.0.0.8, 10.0.0.9, fd00::9\n"
	      "max-connections = 30000",
	      "", "[server b]\naddress = fd00::b", &host);
	is_one(FINDING_WARNING, "too-few-source-ports", 4);
	assert_non_null(strstr(found.at[0].what, "IPv6"));
	check(VIP, "", "[server b]\naddress = fd00::b", &host);
	is_one(FINDING_ERROR, "no-source-for-server", 10);
	check("vip = 10.0.0.10", "", "[server b]\naddress = fd00::b", &host);
	assert_int_equal(found.n, 0);
}

static void what_keeps_from_starting_is_an_error_then(void **state)
{
	struct check_host host = machine();

	(void)state;
	host.user_is_there = false;
	check(VIP "user = nobody", "", "", &host);
	is_one(FINDING_WARNING, "unknown-user", 4);
	host.is_starting = true;
	check(VIP "user = nobody", "", "", &host);
	is_one(FINDING_ERROR, "unknown-user", 4);
	host = machine();
	host.log_directory_is_there = false;
	check(VIP "log = /x/y", "", "", &host);
	is_one(FINDING_WARNING, "log-directory", 4);
	host.is_starting = true;
	check(VIP "log = /x/y", "", "", &host);
	is_one(FINDING_ERROR, "log-directory", 4);
}

static void default_state_file_needs_no_directory_yet(void **state)
{
	struct check_host host = machine();

	(void)state;
	host.state_directory_is_there = false;
	check(VIP, "", "", &host);
	assert_int_equal(found.n, 0);
	check(VIP "state-file = /x/y", "", "", &host);
	is_one(FINDING_WARNING, "state-directory", 4);
}

static void vip_is_no_source_for_sockets(void **state)
{
	static const char both[] = "vip = 10.0.0.10\nsource = 10.0.0.10";

	(void)state;
	check(both, "intercept = sockets", "", NULL);
	is_one(FINDING_ERROR, "vip-as-source", 3);
	check(both, "intercept = auto", "", NULL);
	is_one(FINDING_WARNING, "vip-as-source", 3);
	check(both, "intercept = tproxy", "", NULL);
	assert_int_equal(found.n, 0);
	check("vip = 10.0.0.10", "intercept = sockets", "", NULL);
	is_one(FINDING_WARNING, "source-unset", 1);
}

static void wildcard_is_for_static_ports_only(void **state)
{
	(void)state;
	check("vip = 0.0.0.0", "", "", NULL);
	is_one(FINDING_ERROR, "wildcard-vip", 2);
	check("vip = ::",
	      "ports = static\nmailbox-port = 2000\naddress-book-port = 2001",
	      "", NULL);
	assert_int_equal(found.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_serve),
		cmocka_unit_test(addresses_that_are_not_here_are_warnings),
		cmocka_unit_test(whole_range_by_sockets_needs_descriptors),
		cmocka_unit_test(connections_need_two_descriptors_each),
		cmocka_unit_test(less_than_our_own_descriptors_fit_nothing),
		cmocka_unit_test(
			sources_hold_as_many_connections_as_they_have_ports),
		cmocka_unit_test(each_family_needs_sources_of_its_own),
		cmocka_unit_test(what_keeps_from_starting_is_an_error_then),
		cmocka_unit_test(default_state_file_needs_no_directory_yet),
		cmocka_unit_test(vip_is_no_source_for_sockets),
		cmocka_unit_test(wildcard_is_for_static_ports_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
