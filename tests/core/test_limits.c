/*
 * test_limits.c - how many connections a configuration leaves room for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/limits.h"

#define PORTS 28232 /* the kernel's default range */
/* Besides listeners, of one thread and one server: limits.h, and 8. */
#define BESIDES (LIMITS_OWN + 8 + 2 * LIMITS_PIPES + 1)

static struct addr address(const char *text)
{
	struct addr addr;

	if (addr_parse(text, &addr))
		abort();
	return addr;
}

/* One thread, one VIP, one source, one server, announced ports, auto. */
static struct conf *new_conf(void)
{
	struct conf *conf = calloc(1, sizeof(*conf));

	assert_non_null(conf);
	conf->balancer.threads = 1;
	conf->balancer.nvips = 1;
	conf->balancer.nsources = 1;
	conf->balancer.source[0] = address("10.0.0.9");
	conf->nservers = 1;
	conf->server[0].address = address("10.0.0.11");
	conf->rpc.ports = CONF_PORTS_DYNAMIC;
	conf->rpc.admit = CONF_ADMIT_ANNOUNCED;
	conf->rpc.intercept = CONF_INTERCEPT_AUTO;
	conf->rpc.range_first = 1024;
	conf->rpc.range_last = 65535;
	return conf;
}

static unsigned connections(const struct conf *conf, enum conf_intercept way,
			    uint64_t descriptors)
{
	struct limits_host host = {
		.descriptors = descriptors,
		.ephemeral_ports = PORTS,
	};

	return limits_connections(conf, way, &host);
}

static void each_connection_takes_two_descriptors(void **state)
{
	struct conf *conf = new_conf();
	uint64_t own = BESIDES + 2; /* one socket for each family */

	(void)state;
	assert_int_equal(
		connections(conf, CONF_INTERCEPT_SK_LOOKUP, own + 2 * 100),
		100);
	assert_int_equal(
		connections(conf, CONF_INTERCEPT_SK_LOOKUP, own + 2 * 101 - 1),
		100);
	/* 0 would be "auto" to whoever reads it. */
	assert_int_equal(connections(conf, CONF_INTERCEPT_SK_LOOKUP, 0), 1);
	free(conf);
}

static void way_that_was_taken_counts_not_the_wanted_one(void **state)
{
	static const enum conf_intercept kernels[] = {
		CONF_INTERCEPT_SK_LOOKUP,
		CONF_INTERCEPT_TPROXY,
		CONF_INTERCEPT_AUTO,
	};
	struct conf *conf = new_conf();
	uint64_t descriptors = BESIDES + 1001 + 2 * 10;
	unsigned i;

	(void)state;
	conf->rpc.admit = CONF_ADMIT_ANY;
	conf->rpc.range_first = 20000;
	conf->rpc.range_last = 20999;
	for (i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++)
		assert_int_equal(connections(conf, kernels[i], descriptors),
				 10 + (1001 - 2) / 2);
	assert_int_equal(connections(conf, CONF_INTERCEPT_SOCKETS, descriptors),
			 10);
	/* What is written is no more than fits. */
	conf->balancer.max_connections = 300;
	assert_int_equal(connections(conf, CONF_INTERCEPT_AUTO, descriptors),
			 300);
	assert_int_equal(connections(conf, CONF_INTERCEPT_SOCKETS, descriptors),
			 10);
	free(conf);
}

static void sockets_are_for_each_vip_and_few_ports_for_each_worker(void **state)
{
	struct conf *conf = new_conf();

	(void)state;
	conf->balancer.threads = 4;
	conf->balancer.nvips = 2;
	conf->rpc.ports = CONF_PORTS_STATIC;
	assert_int_equal(limits_listeners(conf, CONF_INTERCEPT_SOCKETS),
			 3 * 4 * 2);
	assert_int_equal(limits_listeners(conf, CONF_INTERCEPT_TPROXY), 2 * 4);
	conf->rpc.ports = CONF_PORTS_DYNAMIC;
	conf->rpc.admit = CONF_ADMIT_ANY;
	assert_int_equal(limits_listeners(conf, CONF_INTERCEPT_SOCKETS),
			 (1 + 64512) * 2);
	free(conf);
}

static void auto_is_no_more_than_the_sources_hold(void **state)
{
	struct conf *conf = new_conf();

	(void)state;
	assert_int_equal(connections(conf, CONF_INTERCEPT_AUTO, 1000000),
			 PORTS);
	conf->balancer.nsources = 3;
	conf->balancer.source[1] = address("10.0.0.8");
	conf->balancer.source[2] = address("fd00::9"); /* no server for it */
	assert_int_equal(connections(conf, CONF_INTERCEPT_AUTO, 1000000),
			 2 * PORTS);
	conf->balancer.nsources = 0; /* the system chooses one */
	assert_int_equal(connections(conf, CONF_INTERCEPT_AUTO, 1000000),
			 PORTS);
	/* Few descriptors are the lower limit of the two. */
	assert_int_equal(
		connections(conf, CONF_INTERCEPT_AUTO, BESIDES + 2 + 200), 100);
	free(conf);
}

static void last_server_may_be_of_the_family_with_fewer_sources(void **state)
{
	struct conf *conf = new_conf();

	(void)state;
	conf->balancer.nsources = 3;
	conf->balancer.source[1] = address("10.0.0.8");
	conf->balancer.source[2] = address("fd00::9");
	conf->nservers = 2;
	conf->server[1].address = address("fd00::b");
	assert_int_equal(connections(conf, CONF_INTERCEPT_AUTO, 1000000),
			 PORTS);
	conf->balancer.source[1] = address("fd00::8");
	assert_int_equal(connections(conf, CONF_INTERCEPT_AUTO, 1000000),
			 PORTS);
	free(conf);
}

static void sources_do_not_bound_what_is_written(void **state)
{
	struct conf *conf = new_conf();

	(void)state;
	conf->balancer.max_connections = PORTS + 1;
	assert_int_equal(connections(conf, CONF_INTERCEPT_AUTO, 1000000),
			 PORTS + 1);
	free(conf);
}

static void clients_that_are_their_own_source_bound_nothing(void **state)
{
	struct conf *conf = new_conf();

	(void)state;
	conf->balancer.nsources = 0;
	conf->balancer.source_is_client = true;
	assert_int_equal(
		connections(conf, CONF_INTERCEPT_AUTO, BESIDES + 2 + 1000000),
		500000);
	assert_int_equal(connections(conf, CONF_INTERCEPT_AUTO, UINT64_MAX),
			 UINT32_MAX);
	free(conf);
}

/* What the table ends makes room in the kernel, never the other way round. */
static void leases_are_no_more_than_the_kernel_keeps(void **state)
{
	struct conf *conf = new_conf();

	(void)state;
	conf->affinity.entries = 1000000;
	assert_int_equal(limits_leases(conf), 4000000);
	conf->rpc.admit = CONF_ADMIT_LEASED;
	assert_int_equal(limits_leases(conf), LIMITS_LEASED);
	conf->affinity.entries = 64;
	assert_int_equal(limits_leases(conf), 256);
	conf->affinity.entries = 100000000;
	conf->rpc.admit = CONF_ADMIT_ANY;
	assert_int_equal(limits_leases(conf), 400000000);
	free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_connection_takes_two_descriptors),
		cmocka_unit_test(way_that_was_taken_counts_not_the_wanted_one),
		cmocka_unit_test(
			sockets_are_for_each_vip_and_few_ports_for_each_worker),
		cmocka_unit_test(leases_are_no_more_than_the_kernel_keeps),
		cmocka_unit_test(auto_is_no_more_than_the_sources_hold),
		cmocka_unit_test(
			last_server_may_be_of_the_family_with_fewer_sources),
		cmocka_unit_test(sources_do_not_bound_what_is_written),
		cmocka_unit_test(
			clients_that_are_their_own_source_bound_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
