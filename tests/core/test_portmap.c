/*
 * test_portmap.c - virtual ports: who gets which, and for how long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../helper/alloc.h"
#include "core/portmap.h"

#define LINGER 7200000

static struct conf *conf;
static struct array array;
static struct announced *table;
static struct portmap *map;
static struct portset exclude;
static struct portmap_rules rules;
static uint64_t now_ms;

static struct syntax iface(uint32_t number)
{
	return (struct syntax){ .uuid = { .time_low = number }, .major = 1 };
}

static struct announcement on(uint16_t port, uint32_t number)
{
	return (struct announcement){ iface(number), port };
}

#define SET(slot, ...)                                                         \
	assert_int_equal(                                                      \
		announced_set(table, slot,                                     \
			      (struct announcement[]){ __VA_ARGS__ },          \
			      sizeof((struct announcement[]){ __VA_ARGS__ }) / \
				      sizeof(struct announcement)),            \
		1)
#define SET_NOTHING(slot)                                                      \
	assert_int_equal(announced_set(table, slot, NULL, 0), 1)

/* The array's servers from now on, in the order of the configuration. */
static void servers(unsigned n, const char *const names[])
{
	unsigned i;

	conf->nservers = n;
	for (i = 0; i < n; i++) {
		memset(&conf->server[i], 0, sizeof(conf->server[i]));
		memcpy(conf->server[i].name, names[i], strlen(names[i]));
		conf->server[i].address = (struct addr){ AF_INET, { 10 } };
		conf->server[i].address.octet[3] = (uint8_t)names[i][0];
		conf->server[i].weight = 1;
	}
	assert_int_equal(array_apply(&array, conf), 0);
}

#define SERVERS(...)                                                           \
	servers(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *),      \
		(const char *[]){ __VA_ARGS__ })

static unsigned update(void)
{
	return portmap_update(map, &array, table, &rules, now_ms);
}

static uint16_t vport_of(unsigned slot, uint32_t number, uint16_t port)
{
	struct syntax interface = iface(number);

	return portmap_find(map, slot, &interface, port);
}

static void assert_stands_for(uint16_t vport, unsigned slot, uint32_t number,
			      uint16_t port)
{
	struct syntax interface = iface(number);
	struct vport at;

	assert_true(portmap_at(map, vport, &at));
	assert_int_equal(at.slot, slot);
	assert_int_equal(at.port, port);
	assert_true(syntax_equal(&at.interface, &interface));
	assert_int_equal(vport_of(slot, number, port), vport);
}

static bool is_behind(uint16_t vport)
{
	struct vport at;

	return portmap_at(map, vport, &at);
}

static unsigned count_ports(void)
{
	struct portset ports;

	portmap_ports(map, &ports);
	return portset_count(&ports);
}

static void begin(void)
{
	array_init(&array);
	table = announced_new();
	map = portmap_new();
	conf = calloc(1, sizeof(*conf));
	if (!table || !map || !conf)
		abort();
}

static void end(void)
{
	portmap_free(map);
	announced_free(table);
	free(conf);
}

static int set_up(void **state)
{
	(void)state;
	portset_clear(&exclude);
	rules = (struct portmap_rules){ 1024, 65535, &exclude, LINGER };
	now_ms = 1000000;
	begin();
	SERVERS("a", "b", "c");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	end();
	return 0;
}

static void portmap_new_map_is_empty(void **state)
{
	(void)state;
	assert_int_equal(update(), 0);
	assert_int_equal(count_ports(), 0);
	assert_false(is_behind(5000));
	assert_int_equal(vport_of(0, 1, 5000), 0);
	portmap_free(NULL);
}

static void portmap_real_number_is_kept_where_it_is_free(void **state)
{
	(void)state;
	SET(0, on(5000, 1), on(5001, 2));
	SET(2, on(6000, 1));
	assert_int_equal(update(), 0);
	assert_stands_for(5000, 0, 1, 5000);
	assert_stands_for(5001, 0, 2, 5001);
	assert_stands_for(6000, 2, 1, 6000);
	assert_int_equal(count_ports(), 3);
}

static void portmap_one_real_port_on_two_servers_is_two_virtual(void **state)
{
	uint16_t other;

	(void)state;
	SET(0, on(5000, 1));
	SET(1, on(5000, 1));
	assert_int_equal(update(), 0);
	assert_stands_for(5000, 0, 1, 5000);
	other = vport_of(1, 1, 5000);
	assert_int_not_equal(other, 5000);
	assert_in_range(other, rules.first, rules.last);
	assert_stands_for(other, 1, 1, 5000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(portmap_new_map_is_empty),
		TEST(portmap_real_number_is_kept_where_it_is_free),
		TEST(portmap_one_real_port_on_two_servers_is_two_virtual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
