/*
 * test_conf_keys.c - the table of keys, its defaults, and values of every
 * type on their way into the model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "../helper/alloc.h"
#include "core/conf_keys.h"
#include "wire/iface.h"

static struct findings found;

static int set(struct conf *conf, const char *section, const char *key,
	       const char *text)
{
	const struct conf_kind *kind = conf_kind_find(section, NULL);
	struct conf_value value = {
		.text = text,
		.conf = conf,
		.line = 7,
		.out = &found,
	};

	assert_non_null(kind);
	value.setting = conf_setting_find(kind, key, NULL);
	assert_non_null(value.setting);
	value.into = conf_keys_section(conf, kind, 0);
	findings_init(&found);
	return conf_keys_set(kind, &value);
}

/* A model with one of each named section. */
static struct conf *new_conf(void)
{
	struct conf *conf = conf_new();
	unsigned i;

	assert_non_null(conf);
	assert_int_equal(
		conf_keys_add(conf, conf_kind_find("server", NULL), "cas1", &i),
		0);
	assert_int_equal(conf_keys_add(conf, conf_kind_find("service", NULL),
				       "imap", &i),
			 0);
	assert_int_equal(
		conf_keys_add(conf, conf_kind_find("rule", NULL), "r", &i), 0);
	return conf;
}

static void table_is_in_order(void **state)
{
	const struct conf_kind *kind;
	unsigned k, s, t;

	(void)state;
	for (k = 0; k < CONF_KINDS; k++) {
		kind = &conf_kinds[k];
		assert_non_null(kind->name);
		assert_true(kind->nsettings <= CONF_SETTINGS_MAX);
		assert_true(kind->is_named == (kind->most > 0));
		for (s = 0; s < kind->nsettings; s++) {
			assert_non_null(kind->setting[s].read);
			for (t = 0; t < s; t++)
				assert_int_not_equal(
					strcasecmp(kind->setting[s].name,
						   kind->setting[t].name),
					0);
		}
	}
}

static void conf_new_has_every_default(void **state)
{
	struct conf *conf = new_conf();

	(void)state;
	assert_null(conf->balancer.name);
	assert_int_equal(conf->balancer.nvips, 0);
	assert_int_equal(conf->balancer.nsources, 0);
	assert_int_equal(conf->balancer.threads, 0);
	assert_int_equal(conf->balancer.max_connections, 0);
	assert_int_equal(conf->balancer.connect_timeout_ms, 5000);
	assert_int_equal(conf->balancer.stop_timeout_ms, 30000);
	assert_string_equal(conf->balancer.control, "/run/mapilb/control.sock");
	assert_string_equal(conf->balancer.state_file, "/var/lib/mapilb/state");
	assert_null(conf->balancer.user);
	assert_int_equal(conf->balancer.log, CONF_LOG_STDERR);
	assert_int_equal(conf->balancer.log_level, LOG_LEVEL_INFO);
	assert_int_equal(conf->balancer.log_users, CONF_USERS_NO);
	assert_int_equal(conf->affinity.key, CONF_KEY_ADDRESS);
	assert_int_equal(conf->affinity.network4, 24);
	assert_int_equal(conf->affinity.network6, 64);
	assert_int_equal(conf->affinity.ipv6_prefix, 128);
	assert_int_equal(conf->affinity.timeout_ms, 7200000);
	assert_int_equal(conf->affinity.entries, 1000000);
	assert_int_equal(conf->rpc.ports, CONF_PORTS_DYNAMIC);
	assert_int_equal(conf->rpc.range_first, 1024);
	assert_int_equal(conf->rpc.range_last, 65535);
	assert_int_equal(conf->rpc.virtual_first, 1024);
	assert_int_equal(conf->rpc.virtual_last, 65535);
	assert_int_equal(conf->rpc.intercept, CONF_INTERCEPT_AUTO);
	assert_int_equal(conf->rpc.epm, CONF_EPM_REWRITE);
	assert_int_equal(conf->rpc.admit, CONF_ADMIT_ANNOUNCED);
	assert_int_equal(conf->rpc.lease_timeout_ms, 86400000);
	assert_int_equal(conf->rpc.ninterfaces, 4);
	assert_true(syntax_equal(&conf->rpc.interface[3], &iface_rfr.syntax));
	assert_true(conf->rpc.idle_timeout_ms == CONF_NEVER);
	assert_int_equal(conf->rpc.keepalive_ms, 600000);
	assert_int_equal(conf->web.https.n, 0);
	assert_int_equal(conf->web.server_port, 80);
	assert_int_equal(conf->web.services.n, 9);
	assert_int_equal(conf->schedule.method, CONF_METHOD_ROUND_ROBIN);
	assert_int_equal(conf->schedule.slow_start_ms, 30000);
	assert_int_equal(conf->schedule.on_failure, CONF_FAILURE_RESET);
	assert_int_equal(conf->schedule.drain_deadline_ms, 14400000);
	assert_int_equal(conf->schedule.queue_ms, 5000);
	assert_int_equal(conf->check.interval_ms, 5000);
	assert_int_equal(conf->check.timeout_ms, 2000);
	assert_int_equal(conf->check.rise, 2);
	assert_int_equal(conf->check.fall, 3);
	assert_false(conf->status.is_on);
	assert_string_equal(conf->server[0].name, "cas1");
	assert_int_equal(conf->server[0].weight, 1);
	assert_int_equal(conf->server[0].services.n, 0);
	assert_int_equal(conf->server[0].state, CONF_STATE_ENABLED);
	conf_drop(conf);
}

static void addresses_are_lists_without_doubles(void **state)
{
	struct conf *conf = new_conf();
	char text[ADDR_TEXT_MAX];

	(void)state;
	assert_int_equal(set(conf, "balancer", "vip", "10.0.0.1 ,2001:db8::1"),
			 0);
	assert_int_equal(conf->balancer.nvips, 2);
	assert_string_equal(addr_format(&conf->balancer.vip[1], text),
			    "2001:db8::1");
	/* An IPv4-mapped address is the IPv4 address. */
	assert_int_equal(
		set(conf, "balancer", "vip", "10.0.0.1, ::ffff:10.0.0.1"),
		ERR_CONFIG);
	assert_true(findings_have(&found, "doubled-item"));
	assert_int_equal(set(conf, "balancer", "source", "Client"), 0);
	assert_true(conf->balancer.source_is_client);
	assert_true(findings_have(&found, "no-effect-yet"));
	assert_int_equal(set(conf, "balancer", "source", "10.0.0.9"), 0);
	assert_false(conf->balancer.source_is_client);
	assert_int_equal(conf->balancer.nsources, 1);
	assert_int_equal(set(conf, "server", "address", "::1"), 0);
	assert_int_equal(conf->server[0].address.family, AF_INET6);
	conf_drop(conf);
}

static void ports_ranges_and_sets_reach_the_model(void **state)
{
	struct conf *conf = new_conf();

	(void)state;
	assert_int_equal(set(conf, "rpc", "range", "5000"), 0);
	assert_int_equal(conf->rpc.range_first, 5000);
	assert_int_equal(conf->rpc.range_last, 5000);
	assert_int_equal(set(conf, "rpc", "range", "1 - 65535"), 0);
	assert_int_equal(conf->rpc.range_first, 1);
	assert_int_equal(conf->rpc.range_last, 65535);
	assert_int_equal(set(conf, "rpc", "range", "9-8"), ERR_CONFIG);
	assert_true(findings_have(&found, "range-reversed"));
	assert_string_equal(found.at[0].mend, "write 8-9");
	assert_int_equal(set(conf, "rpc", "range", "1-65536"), ERR_CONFIG);
	assert_int_equal(set(conf, "rpc", "range", "1-"), ERR_CONFIG);
	assert_int_equal(set(conf, "rpc", "range", "-1"), ERR_CONFIG);
	assert_int_equal(set(conf, "rpc", "range", "1--2"), ERR_CONFIG);
	assert_int_equal(set(conf, "rpc", "exclude", "3389, 10-12"), 0);
	assert_int_equal(portset_count(&conf->rpc.exclude), 4);
	assert_true(portset_has(&conf->rpc.exclude, 11));
	assert_int_equal(set(conf, "rpc", "mailbox-port", "1024"), 0);
	assert_int_equal(conf->rpc.mailbox_port, 1024);
	assert_int_equal(set(conf, "rpc", "mailbox-port", "1023"), ERR_CONFIG);
	assert_int_equal(set(conf, "rpc", "proxy-ports", "6001,6002"), 0);
	assert_int_equal(conf->rpc.proxy_ports.n, 2);
	assert_int_equal(set(conf, "service", "server-port", "0"), 0);
	assert_true(conf->service[0].has_server_port);
	conf_drop(conf);
}

static void durations_take_units_bounds_and_words(void **state)
{
	struct conf *conf = new_conf();

	(void)state;
	assert_int_equal(set(conf, "rpc", "idle-timeout", "90m"), 0);
	assert_int_equal(conf->rpc.idle_timeout_ms, 5400000);
	assert_int_equal(set(conf, "rpc", "idle-timeout", "NONE"), 0);
	assert_true(conf->rpc.idle_timeout_ms == CONF_NEVER);
	assert_int_equal(set(conf, "rpc", "keepalive", "off"), 0);
	assert_int_equal(conf->rpc.keepalive_ms, 0);
	assert_int_equal(set(conf, "check", "timeout", "99ms"), ERR_CONFIG);
	assert_int_equal(set(conf, "check", "timeout", "100ms"), 0);
	assert_int_equal(set(conf, "check", "timeout", "5"), ERR_CONFIG);
	assert_int_equal(conf->check.timeout_ms, 100);
	assert_int_equal(set(conf, "balancer", "stop-timeout", "0"), 0);
	assert_int_equal(conf->balancer.stop_timeout_ms, 0);
	conf_drop(conf);
}

static void counts_take_bounds_and_words(void **state)
{
	struct conf *conf = new_conf();

	(void)state;
	assert_int_equal(set(conf, "balancer", "threads", "64"), 0);
	assert_int_equal(conf->balancer.threads, 64);
	assert_int_equal(set(conf, "balancer", "threads", "65"), ERR_CONFIG);
	assert_int_equal(set(conf, "balancer", "threads", "0"), ERR_CONFIG);
	assert_int_equal(set(conf, "balancer", "threads", "1 "), ERR_CONFIG);
	assert_int_equal(conf->balancer.threads, 64);
	assert_int_equal(set(conf, "balancer", "threads", "auto"), 0);
	assert_int_equal(conf->balancer.threads, 0);
	assert_int_equal(
		set(conf, "affinity", "entries", "99999999999999999999999"),
		ERR_CONFIG);
	conf_drop(conf);
}

static void aliases_networks_and_prefixes_reach_the_model(void **state)
{
	struct conf_affinity *affinity;
	struct conf *conf = new_conf();

	(void)state;
	affinity = &conf->affinity;
	assert_int_equal(set(conf, "affinity", "alias",
			     "10.1.2.3 = 2001:db8::5, 10.1.2.4=10.1.2.5"),
			 0);
	assert_int_equal(affinity->naliases, 2);
	assert_int_equal(affinity->alias[0].from.family, AF_INET);
	assert_int_equal(affinity->alias[0].to.family, AF_INET6);
	assert_int_equal(set(conf, "affinity", "alias", "10.1.2.3"),
			 ERR_CONFIG);
	assert_int_equal(set(conf, "affinity", "alias", "1.1.1.1 = x"),
			 ERR_CONFIG);
	assert_int_equal(set(conf, "affinity", "network", "16"), 0);
	assert_int_equal(affinity->network4, 16);
	assert_int_equal(affinity->network6, 64);
	assert_int_equal(set(conf, "affinity", "network", "16, 48"), 0);
	assert_int_equal(affinity->network6, 48);
	assert_int_equal(set(conf, "affinity", "network", "16, 48, 1"),
			 ERR_CONFIG);
	assert_int_equal(set(conf, "affinity", "network", "16, 129"),
			 ERR_CONFIG);
	assert_int_equal(
		set(conf, "affinity", "shared-addresses", "10.0.0.0/8, ::/0"),
		0);
	assert_int_equal(affinity->nshared, 2);
	assert_int_equal(affinity->shared[0].bits, 8);
	conf_drop(conf);
}

static void interfaces_have_names_or_uuids(void **state)
{
	static const char uuid[] = "12345778-1234-ABCD-ef00-0123456789ac";
	struct syntax samr = { .major = 1 }, other;
	struct conf *conf = new_conf();

	(void)state;
	assert_int_equal(uuid_parse(uuid, &samr.uuid), 0);
	other = samr;
	other.major = 2;
	assert_true(conf_takes(&conf->rpc, &iface_nspi.syntax));
	assert_false(conf_takes(&conf->rpc, &samr));
	assert_int_equal(set(conf, "rpc", "interfaces", "any"), 0);
	assert_true(conf_takes(&conf->rpc, &samr));
	assert_int_equal(set(conf, "rpc", "interfaces", uuid), 0);
	assert_true(conf_takes(&conf->rpc, &samr));
	assert_true(conf_takes(&conf->rpc, &other));
	assert_false(conf_takes(&conf->rpc, &iface_nspi.syntax));
	assert_int_equal(set(conf, "rpc", "interfaces",
			     "NSPI, 12345778-1234-abcd-ef00-0123456789ac v2.0"),
			 0);
	assert_false(conf_takes(&conf->rpc, &samr));
	assert_true(conf_takes(&conf->rpc, &other));
	assert_int_equal(set(conf, "rpc", "interfaces",
			     "12345778-1234-abcd-ef00-0123456789ac v2"),
			 ERR_CONFIG);
	assert_true(findings_have(&found, "unknown-interface"));
	conf_drop(conf);
}

static void texts_replace_and_own(void **state)
{
	struct conf *conf = new_conf();

	(void)state;
	assert_int_equal(set(conf, "balancer", "log", "/var/log/a"), 0);
	assert_int_equal(conf->balancer.log, CONF_LOG_FILE);
	assert_int_equal(set(conf, "balancer", "log", "/var/log/b"), 0);
	assert_string_equal(conf->balancer.log_file, "/var/log/b");
	assert_int_equal(set(conf, "balancer", "log", "syslog"), 0);
	assert_int_equal(conf->balancer.log, CONF_LOG_SYSLOG);
	assert_null(conf->balancer.log_file);
	assert_int_equal(set(conf, "balancer", "state-file", "none"), 0);
	assert_null(conf->balancer.state_file);
	assert_int_equal(set(conf, "balancer", "name", "a.example"), 0);
	assert_int_equal(set(conf, "balancer", "name", "b.example"), 0);
	assert_string_equal(conf->balancer.name, "b.example");
	assert_int_equal(set(conf, "server", "services", "owa, ews"), 0);
	assert_true(conf_names_have(&conf->server[0].services, "EWS"));
	assert_int_equal(set(conf, "server", "services", "all"), 0);
	assert_int_equal(conf->server[0].services.n, 0);
	assert_int_equal(set(conf, "web", "names", "a.example, A.example"),
			 ERR_CONFIG);
	assert_int_equal(set(conf, "balancer", "name", ""), ERR_CONFIG);
	assert_true(findings_have(&found, "empty-value"));
	conf_drop(conf);
}

static void rules_know_servers_by_name(void **state)
{
	struct conf *conf = new_conf();
	unsigned i;

	(void)state;
	assert_int_equal(
		conf_keys_add(conf, conf_kind_find("server", NULL), "cas2", &i),
		0);
	assert_int_equal(i, 1);
	assert_int_equal(conf_find_server(conf, "CAS2"), 1);
	assert_int_equal(conf_find_server(conf, "cas3"), -1);
	assert_int_equal(set(conf, "rule", "servers", "Cas2"), 0);
	assert_int_equal(conf->rule[0].servers, 2);
	assert_int_equal(set(conf, "rule", "servers", "cas1, cas2"), 0);
	assert_int_equal(conf->rule[0].servers, 3);
	assert_int_equal(set(conf, "rule", "servers", "cas1, cas1"),
			 ERR_CONFIG);
	assert_int_equal(set(conf, "rule", "servers", "cas3"), ERR_CONFIG);
	assert_true(findings_have(&found, "unknown-server"));
	conf_drop(conf);
}

static void what_has_no_effect_yet_is_said_once_it_is_set(void **state)
{
	struct conf *conf = new_conf();

	(void)state;
	assert_int_equal(set(conf, "check", "rise", "2"), 0);
	assert_int_equal(found.n, 0);
	assert_int_equal(set(conf, "check", "rise", "3"), 0);
	assert_int_equal(found.nwarnings, 1);
	assert_int_equal(found.at[0].line, 7);
	assert_true(findings_have(&found, "no-effect-yet"));
	assert_int_equal(set(conf, "balancer", "source", "127.0.0.9"), 0);
	assert_int_equal(found.n, 0);
	assert_int_equal(set(conf, "balancer", "source", "client"), 0);
	assert_true(findings_have(&found, "no-effect-yet"));
	/* Switching off what is not there yet has its effect. */
	assert_int_equal(set(conf, "balancer", "control", "/x"), 0);
	assert_true(findings_have(&found, "no-effect-yet"));
	assert_int_equal(set(conf, "balancer", "control", "None"), 0);
	assert_int_equal(found.n, 0);
	assert_int_equal(set(conf, "schedule", "rebalance", "none"), 0);
	assert_int_equal(found.n, 0);
	/* Of a section that has none, the section's finding says it. */
	assert_int_equal(set(conf, "web", "http", "80"), 0);
	assert_int_equal(found.n, 0);
	conf_drop(conf);
}

static void named_sections_are_bounded(void **state)
{
	const struct conf_kind *kind = conf_kind_find("server", NULL);
	struct conf *conf = conf_new();
	unsigned n, i;

	(void)state;
	for (n = 0; n < CONF_SERVERS_MAX; n++)
		assert_int_equal(conf_keys_add(conf, kind, "x", &i), 0);
	assert_int_equal(conf_keys_add(conf, kind, "x", &i), ERR_LIMIT);
	assert_int_equal(conf->nservers, CONF_SERVERS_MAX);
	assert_true(conf_name_is_valid("a-b_c.9"));
	assert_false(conf_name_is_valid(""));
	assert_false(conf_name_is_valid("a b"));
	assert_false(conf_name_is_valid("0123456789012345678901234567890123456"
					"789012345678901234567890123"));
	conf_drop(conf);
}

static void conf_lives_until_its_last_holder_drops_it(void **state)
{
	struct conf *conf = conf_new();

	(void)state;
	assert_ptr_equal(conf_hold(conf), conf);
	conf_drop(conf);
	assert_int_equal(conf->holders, 1);
	conf_drop(conf);
	conf_drop(NULL);
}

static void make_and_change(void *ctx)
{
	static const char *const text[][3] = {
		{ "balancer", "name", "a.example" },
		{ "balancer", "log", "/x" },
		{ "web", "names", "a.example, b.example" },
		{ "service", "affinity", "cookie, none" },
		{ "server", "services", "owa, ews" },
	};
	struct conf *conf = conf_new();
	unsigned i, index;
	int err;

	(void)ctx;
	if (!conf)
		return;
	if (conf_keys_add(conf, conf_kind_find("server", NULL), "a", &index) ||
	    conf_keys_add(conf, conf_kind_find("service", NULL), "b", &index))
		goto out;
	for (i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		err = set(conf, text[i][0], text[i][1], text[i][2]);
		assert_true(err == 0 || err == ERR_MEMORY);
	}
out:
	conf_drop(conf);
}

static void every_refused_allocation_is_survived(void **state)
{
	(void)state;
	assert_true(alloc_each_fails(NULL, make_and_change) > 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_in_order),
		cmocka_unit_test(conf_new_has_every_default),
		cmocka_unit_test(addresses_are_lists_without_doubles),
		cmocka_unit_test(ports_ranges_and_sets_reach_the_model),
		cmocka_unit_test(durations_take_units_bounds_and_words),
		cmocka_unit_test(counts_take_bounds_and_words),
		cmocka_unit_test(aliases_networks_and_prefixes_reach_the_model),
		cmocka_unit_test(interfaces_have_names_or_uuids),
		cmocka_unit_test(texts_replace_and_own),
		cmocka_unit_test(rules_know_servers_by_name),
		cmocka_unit_test(what_has_no_effect_yet_is_said_once_it_is_set),
		cmocka_unit_test(named_sections_are_bounded),
		cmocka_unit_test(conf_lives_until_its_last_holder_drops_it),
		cmocka_unit_test(every_refused_allocation_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
