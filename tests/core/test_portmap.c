/*
 * test_portmap.c - virtual ports: who gets which, and for how long.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../helper/alloc.h"
#include "portmap_world.h"

static struct world world, other;
static struct rows rows, rows_of_other;

static struct announcement on(uint16_t port, uint32_t number)
{
	return (struct announcement){ iface(number), port };
}

static void set(struct world *of, char name, const struct announcement *list,
		size_t n)
{
	assert_int_equal(announced_set(of->announced, world_slot(of, name),
				       list, (unsigned)n),
			 1);
}

#define SET_IN(of, name, ...)                                                  \
	set(of, name, (struct announcement[]){ __VA_ARGS__ },                  \
	    sizeof((struct announcement[]){ __VA_ARGS__ }) /                   \
		    sizeof(struct announcement))
#define SET(name, ...) SET_IN(&world, name, __VA_ARGS__)

static int set_up(void **state)
{
	(void)state;
	world_begin(&world);
	world_servers(&world, "abc");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_end(&world);
	return 0;
}

/* Nothing refers to a server in these tests: what left is gone at once. */
static void servers_are(const char *letters)
{
	unsigned slot;
	uint64_t freed;

	world_servers(&world, letters);
	freed = array_sweep(&world.array);
	for (slot = 0; slot < ARRAY_SLOTS; slot++)
		if (freed >> slot & 1)
			(void)!announced_set(world.announced, slot, NULL, 0);
	world_update(&world);
}

static uint16_t vport_of(char name, uint32_t number, uint16_t port)
{
	struct syntax interface = iface(number);

	return portmap_find(world.map, world_slot(&world, name), &interface,
			    port);
}

static bool is_behind(uint16_t vport)
{
	struct vport at;

	return portmap_at(world.map, vport, &at);
}

static void assert_stands_for(uint16_t vport, char name, uint32_t number,
			      uint16_t port)
{
	struct syntax interface = iface(number);
	struct vport at;

	assert_true(portmap_at(world.map, vport, &at));
	assert_int_equal(at.slot, world_slot(&world, name));
	assert_int_equal(at.port, port);
	assert_true(syntax_equal(&at.interface, &interface));
	assert_int_equal(vport_of(name, number, port), vport);
}

static unsigned count_ports(void)
{
	struct portset ports;

	portmap_ports(world.map, &ports);
	return portset_count(&ports);
}

static void restore(char name, uint32_t number, uint16_t port, uint16_t vport,
		    int err)
{
	char server[] = { name, '\0' };
	struct portmap_row row = { server, iface(number), port, vport };

	assert_int_equal(portmap_restore(world.map, &row), err);
}

static void portmap_new_map_is_empty(void **state)
{
	struct syntax interface = iface(1);

	(void)state;
	assert_int_equal(world_update(&world), 0);
	assert_int_equal(count_ports(), 0);
	assert_false(is_behind(5000));
	assert_int_equal(vport_of('a', 1, 5000), 0);
	assert_int_equal(portmap_find(world.map, 63, &interface, 5000), 0);
	portmap_free(NULL);
}

static void portmap_real_number_is_kept_where_it_is_free(void **state)
{
	(void)state;
	SET('a', on(5000, 1), on(5001, 2));
	SET('c', on(6000, 1), on(65535, 3), on(1024, 4));
	assert_int_equal(world_update(&world), 0);
	assert_stands_for(5000, 'a', 1, 5000);
	assert_stands_for(5001, 'a', 2, 5001);
	assert_stands_for(6000, 'c', 1, 6000);
	assert_stands_for(65535, 'c', 3, 65535);
	assert_stands_for(1024, 'c', 4, 1024);
	assert_int_equal(count_ports(), 5);
}

static void portmap_one_real_port_on_two_servers_is_two_virtual(void **state)
{
	uint16_t vport;

	(void)state;
	SET('b', on(5000, 1));
	SET('a', on(5000, 1));
	assert_int_equal(world_update(&world), 0);
	assert_stands_for(5000, 'a', 1, 5000);
	vport = vport_of('b', 1, 5000);
	assert_int_not_equal(vport, 5000);
	assert_stands_for(vport, 'b', 1, 5000);
}

/* Clients keep these numbers, and other nodes give out the same: worked out
 * apart from this program. */
static void portmap_hashed_number_is_the_same_for_ever(void **state)
{
	(void)state;
	SET('a', on(5000, 1));
	SET('b', on(5000, 1));
	SET('c', on(5000, 1));
	world_update(&world);
	assert_int_equal(vport_of('b', 1, 5000), 13247);
	assert_int_equal(vport_of('c', 1, 5000), 32115);
}

static void portmap_several_interfaces_on_one_real_port_are_told_apart(void **s)
{
	uint16_t vport;

	(void)s;
	SET('a', on(5000, 1), on(5000, 2));
	assert_int_equal(world_update(&world), 0);
	assert_stands_for(5000, 'a', 1, 5000);
	vport = vport_of('a', 2, 5000);
	assert_int_not_equal(vport, 5000);
	assert_stands_for(vport, 'a', 2, 5000);
}

static void portmap_major_versions_are_told_apart_minor_ones_not(void **state)
{
	struct announcement list[3] = { on(5000, 1), on(5000, 1), on(5000, 1) };

	(void)state;
	list[1].interface.minor = 1;
	list[2].interface.major = 2;
	set(&world, 'a', list, 3);
	assert_int_equal(world_update(&world), 0);
	assert_int_equal(count_ports(), 2);
	assert_int_equal(portmap_find(world.map, 0, &list[1].interface, 5000),
			 5000);
	assert_int_not_equal(
		portmap_find(world.map, 0, &list[2].interface, 5000), 5000);
}

/* Each server's port is the other's other port. */
static void portmap_swapped_layouts_are_told_apart(void **state)
{
	uint16_t vport1, vport2;

	(void)state;
	SET('a', on(5000, 1), on(5001, 2));
	SET('b', on(5000, 2), on(5001, 1));
	assert_int_equal(world_update(&world), 0);
	assert_stands_for(5000, 'a', 1, 5000);
	assert_stands_for(5001, 'a', 2, 5001);
	vport1 = vport_of('b', 1, 5001);
	vport2 = vport_of('b', 2, 5000);
	assert_int_equal(count_ports(), 4);
	assert_stands_for(vport1, 'b', 1, 5001);
	assert_stands_for(vport2, 'b', 2, 5000);
}

static void announce_much(struct world *of, char name, uint32_t from)
{
	struct announcement list[100];
	unsigned i;

	for (i = 0; i < 100; i++)
		list[i] = on((uint16_t)(49152 + i / 2), from + i);
	set(of, name, list, 100);
}

/* Other slots, another order of arrival, another process. */
static void portmap_two_nodes_agree_after_their_first_update(void **state)
{
	(void)state;
	world_begin(&other);
	world_servers(&other, "cx");
	world_servers(&other, "cba");
	announce_much(&world, 'a', 1);
	announce_much(&world, 'b', 1);
	announce_much(&world, 'c', 7);
	announce_much(&other, 'c', 7);
	announce_much(&other, 'a', 1);
	announce_much(&other, 'b', 1);
	assert_int_equal(world_update(&world), 0);
	assert_int_equal(world_update(&other), 0);
	assert_int_not_equal(world_slot(&world, 'a'), world_slot(&other, 'a'));
	world_rows(&world, &rows);
	world_rows(&other, &rows_of_other);
	assert_int_equal(rows.n, 300);
	assert_memory_equal(&rows, &rows_of_other, sizeof(rows));
	world_end(&other);
}

static void portmap_real_numbers_come_before_hashed_ones(void **state)
{
	(void)state;
	world.rules.first = 5000;
	world.rules.last = 5002;
	SET('a', on(6000, 1), on(5002, 2));
	SET('b', on(5000, 1), on(5001, 2));
	assert_int_equal(world_update(&world), 1);
	assert_stands_for(5002, 'a', 2, 5002);
	assert_stands_for(5000, 'b', 1, 5000);
	assert_stands_for(5001, 'b', 2, 5001);
	assert_int_equal(vport_of('a', 1, 6000), 0);
}

static void portmap_assignment_never_changes_for_another_s_sake(void **state)
{
	uint16_t vport;

	(void)state;
	SET('b', on(5000, 1));
	world_update(&world);
	SET('a', on(5000, 1));
	world_update(&world);
	assert_stands_for(5000, 'b', 1, 5000);
	vport = vport_of('a', 1, 5000);
	world.now_ms += 10 * LINGER;
	world_update(&world);
	assert_stands_for(5000, 'b', 1, 5000);
	assert_stands_for(vport, 'a', 1, 5000);
}

static void announce_row(char name, uint16_t first, unsigned n)
{
	struct announcement list[ANNOUNCED_MAX];
	unsigned i;

	for (i = 0; i < n; i++)
		list[i] = on((uint16_t)(first + i), 1);
	set(&world, name, list, n);
}

/* 5000 to 5031 are free again, but b serves there: of 64 others none is
 * left out. */
static void portmap_hashed_number_is_no_server_s_real_one(void **state)
{
	unsigned i;

	(void)state;
	world.rules.first = 5000;
	world.rules.last = 5127;
	announce_row('a', 5000, 32);
	announce_row('b', 5000, 32);
	world_update(&world);
	servers_are("bc");
	world.now_ms += LINGER;
	world_update(&world);
	announce_row('c', 6000, 64);
	assert_int_equal(world_update(&world), 0);
	for (i = 0; i < 64; i++)
		assert_in_range(vport_of('c', 1, (uint16_t)(6000 + i)), 5032,
				5127);
	announce_row('c', 6000, 96);
	assert_int_equal(world_update(&world), 0);
	assert_int_equal(count_ports(), 128);
}

static void portmap_real_number_is_hashed_when_nothing_else_is_left(void **s)
{
	(void)s;
	world.rules.first = 5000;
	world.rules.last = 5001;
	SET('a', on(5000, 1));
	SET('b', on(5000, 1));
	world_update(&world);
	assert_stands_for(5001, 'b', 1, 5000);
	SET('c', on(5001, 1));
	assert_int_equal(world_update(&world), 1);
	servers_are("bc");
	world.now_ms += LINGER;
	assert_int_equal(world_update(&world), 0);
	/* b's real port, but b's virtual one is another */
	assert_stands_for(5000, 'c', 1, 5001);
}

static void portmap_excluded_ports_are_not_given_out(void **state)
{
	(void)state;
	world.rules.first = 5000;
	world.rules.last = 5003;
	portset_add(&world.exclude, 5000);
	portset_add(&world.exclude, 5002);
	SET('a', on(5000, 1), on(5001, 1), on(5002, 1));
	assert_int_equal(world_update(&world), 1);
	assert_stands_for(5001, 'a', 1, 5001);
	assert_stands_for(5003, 'a', 1, 5000);
	assert_int_equal(vport_of('a', 1, 5002), 0);
}

static void portmap_narrow_range_is_used_to_its_last_port(void **state)
{
	struct portset ports;

	(void)state;
	world.rules.first = 50000;
	world.rules.last = 50063;
	announce_much(&world, 'a', 1);
	assert_int_equal(world_update(&world), 36);
	portmap_ports(world.map, &ports);
	assert_int_equal(portset_count(&ports), 64);
	assert_int_equal(portset_next(&ports, 0), 50000);
	assert_true(portset_has(&ports, 50063));
	assert_int_equal(world_update(&world), 36);
}

static void portmap_exhaustion_is_over_when_something_is_given_up(void **state)
{
	(void)state;
	world.rules.first = 50000;
	world.rules.last = 50001;
	SET('a', on(5000, 1), on(5001, 1));
	SET('b', on(5000, 1));
	assert_int_equal(world_update(&world), 1);
	SET('a', on(5001, 1));
	assert_int_equal(world_update(&world), 1);
	world.now_ms += LINGER - 1;
	assert_int_equal(world_update(&world), 1);
	world.now_ms++;
	assert_int_equal(world_update(&world), 0);
	assert_int_equal(vport_of('a', 1, 5000), 0);
	assert_stands_for(vport_of('b', 1, 5000), 'b', 1, 5000);
}

static void portmap_missed_port_lingers(void **state)
{
	(void)state;
	SET('a', on(5000, 1), on(5001, 1));
	world_update(&world);
	world.now_ms += 3 * LINGER; /* the clock runs from the miss */
	SET('a', on(5001, 1));
	world_update(&world);
	world.now_ms += LINGER - 1;
	world_update(&world);
	assert_stands_for(5000, 'a', 1, 5000);
	world.now_ms++;
	world_update(&world);
	assert_false(is_behind(5000));
	assert_int_equal(vport_of('a', 1, 5000), 0);
	assert_stands_for(5001, 'a', 1, 5001);
}

static void portmap_port_that_comes_back_lingers_anew(void **state)
{
	(void)state;
	SET('a', on(5000, 1), on(5001, 1));
	world_update(&world);
	SET('a', on(5001, 1));
	world_update(&world);
	world.now_ms += LINGER - 1;
	SET('a', on(5000, 1));
	world_update(&world);
	SET('a', on(5001, 1));
	world_update(&world);
	world.now_ms += LINGER - 1;
	world_update(&world);
	assert_true(is_behind(5000));
	world.now_ms++;
	world_update(&world);
	assert_false(is_behind(5000));
}

static unsigned count_behind(uint16_t first, unsigned n)
{
	unsigned i, count = 0;

	for (i = 0; i < n; i++)
		count += is_behind((uint16_t)(first + i));
	return count;
}

static void portmap_server_of_ever_new_ports_has_no_more_than_its_own(void **s)
{
	(void)s;
	SET('b', on(50000, 1));
	world_update(&world);
	SET('b', on(50001, 1)); /* the other lingers, whoever has many */
	announce_row('a', 10000, PORTMAP_OF_SERVER);
	assert_int_equal(world_update(&world), 0);
	world.now_ms++;
	announce_row('a', 20000, PORTMAP_OF_SERVER - 10);
	assert_int_equal(world_update(&world), 0);
	assert_int_equal(count_behind(10000, PORTMAP_OF_SERVER), 10);
	assert_int_equal(count_behind(20000, PORTMAP_OF_SERVER),
			 PORTMAP_OF_SERVER - 10);
	world.now_ms++;
	announce_row('a', 30000, 20);
	assert_int_equal(world_update(&world), 0);
	/* Those that were missed longest went first. */
	assert_int_equal(count_behind(10000, PORTMAP_OF_SERVER), 0);
	assert_int_equal(count_behind(20000, PORTMAP_OF_SERVER),
			 PORTMAP_OF_SERVER - 20);
	assert_int_equal(count_behind(30000, 20), 20);
	assert_true(is_behind(50000));
	assert_true(is_behind(50001));
	world_rows(&world, &rows);
	assert_int_equal(rows.n, PORTMAP_OF_SERVER + 2);
}

static void portmap_what_is_announced_is_never_too_much(void **state)
{
	(void)state;
	announce_row('a', 10000, PORTMAP_OF_SERVER);
	world_update(&world);
	announce_row('a', 10010, PORTMAP_OF_SERVER);
	assert_int_equal(world_update(&world), 0);
	assert_int_equal(count_behind(10000, 10), 0);
	assert_int_equal(count_behind(10010, PORTMAP_OF_SERVER),
			 PORTMAP_OF_SERVER);
}

static void portmap_absent_name_keeps_no_more_than_its_own(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < PORTMAP_OF_SERVER + 3; i++)
		restore('x', 1, (uint16_t)(10000 + i), (uint16_t)(10000 + i),
			0);
	world_update(&world);
	assert_int_equal(count_behind(10000, PORTMAP_OF_SERVER + 3), 0);
	world_rows(&world, &rows);
	assert_int_equal(rows.n, PORTMAP_OF_SERVER);
}

static void portmap_lingering_for_ever_gives_nothing_up(void **state)
{
	(void)state;
	world.rules.linger_ms = CONF_NEVER;
	SET('a', on(5000, 1), on(5001, 1));
	world_update(&world);
	SET('a', on(5001, 1));
	world_update(&world);
	world.now_ms += UINT64_MAX / 2;
	world_update(&world);
	assert_stands_for(5000, 'a', 1, 5000);
}

static void portmap_lingering_number_is_given_to_nobody_else(void **state)
{
	(void)state;
	SET('a', on(5000, 1));
	world_update(&world);
	SET('a', on(5001, 1));
	SET('b', on(5000, 1));
	world_update(&world);
	assert_stands_for(5000, 'a', 1, 5000);
	assert_int_not_equal(vport_of('b', 1, 5000), 5000);
}

static void portmap_rules_that_change_are_followed_at_once(void **state)
{
	uint16_t vport;

	(void)state;
	SET('a', on(5000, 1), on(5001, 1), on(5002, 1));
	world_update(&world);
	portset_add(&world.exclude, 5000);
	world.rules.first = 5002;
	world.rules.last = 5010;
	assert_int_equal(world_update(&world), 0);
	assert_false(is_behind(5000));
	assert_false(is_behind(5001));
	assert_stands_for(5002, 'a', 1, 5002);
	vport = vport_of('a', 1, 5000);
	assert_in_range(vport, 5003, 5010);
	vport = vport_of('a', 1, 5001);
	assert_in_range(vport, 5003, 5010);
}

static void portmap_server_that_returns_has_the_same_ports(void **state)
{
	uint16_t vport;

	(void)state;
	SET('a', on(5000, 1));
	SET('b', on(5000, 1));
	world_update(&world);
	vport = vport_of('b', 1, 5000);
	servers_are("ac");
	assert_false(is_behind(vport));
	assert_int_equal(count_ports(), 1);
	servers_are("acd");
	servers_are("acdb");
	assert_int_not_equal(world_slot(&world, 'b'), 1);
	/* before it is asked: what it had is still its own */
	assert_stands_for(vport, 'b', 1, 5000);
	SET('b', on(5000, 1));
	world_update(&world);
	assert_stands_for(vport, 'b', 1, 5000);
}

static void portmap_slot_s_next_server_inherits_nothing(void **state)
{
	uint16_t vport;

	(void)state;
	SET('b', on(5000, 1));
	world_update(&world);
	servers_are("ac");
	servers_are("acd");
	assert_int_equal(world_slot(&world, 'd'), 1);
	assert_false(is_behind(5000));
	assert_int_equal(vport_of('d', 1, 5000), 0);
	SET('d', on(5000, 1));
	world_update(&world);
	assert_false(is_behind(5000));
	vport = vport_of('d', 1, 5000);
	assert_int_not_equal(vport, 5000);
	assert_stands_for(vport, 'd', 1, 5000);
}

static void portmap_absent_server_s_ports_go_after_they_lingered(void **state)
{
	(void)state;
	SET('b', on(5000, 1));
	world_update(&world);
	servers_are("ac");
	world.now_ms += LINGER;
	world_update(&world);
	SET('c', on(5000, 1));
	world_update(&world);
	assert_stands_for(5000, 'c', 1, 5000);
}

static void portmap_server_that_leaves_keeps_its_ports_meanwhile(void **state)
{
	struct syntax interface = iface(1);
	struct vport at;

	(void)state;
	SET('b', on(5000, 1));
	assert_true(server_bind(&world.array.server[1]));
	servers_are("ac");
	assert_true(portmap_at(world.map, 5000, &at));
	assert_int_equal(at.slot, 1);
	assert_int_equal(portmap_find(world.map, 1, &interface, 5000), 5000);
	server_unbind(&world.array.server[1]);
}

static void portmap_name_means_the_server_in_use_not_the_one_leaving(void **s)
{
	struct syntax interface = iface(1);

	(void)s;
	SET('b', on(5000, 1));
	world_update(&world);
	assert_true(server_bind(&world.array.server[1]));
	servers_are("aBc");
	assert_int_equal(world_slot(&world, 'b'), 3);
	assert_stands_for(5000, 'b', 1, 5000);
	assert_int_equal(portmap_find(world.map, 1, &interface, 5000), 0);
	server_unbind(&world.array.server[1]);
}

static void portmap_restored_port_is_kept_for_its_server(void **state)
{
	(void)state;
	restore('b', 1, 5000, 7777, 0);
	assert_false(is_behind(7777));
	world_update(&world);
	assert_stands_for(7777, 'b', 1, 5000);
	SET('a', on(7777, 1));
	SET('b', on(5000, 1));
	world_update(&world);
	assert_stands_for(7777, 'b', 1, 5000);
	assert_int_not_equal(vport_of('a', 1, 7777), 7777);
}

static void portmap_restored_port_that_nobody_announces_lingers(void **state)
{
	(void)state;
	restore('x', 1, 5000, 5000, 0);
	restore('b', 1, 5000, 7777, 0);
	restore('c', 1, 5000, 7778, 0);
	SET('c', on(5000, 1));
	world_update(&world);
	world.now_ms += LINGER - 1;
	SET('a', on(5000, 1));
	world_update(&world);
	assert_int_not_equal(vport_of('a', 1, 5000), 5000);
	assert_true(is_behind(7777));
	world.now_ms++;
	world_update(&world);
	assert_false(is_behind(7777));
	assert_stands_for(7778, 'c', 1, 5000);
	world_rows(&world, &rows);
	assert_int_equal(rows.n, 2);
}

static void portmap_restore_refuses_what_cannot_be(void **state)
{
	char name[CONF_NAME_MAX + 1];
	struct portmap_row row = { name, iface(1), 5000, 7000 };

	(void)state;
	restore('a', 1, 5000, 7777, 0);
	restore('a', 1, 5000, 7777, ERR_EXISTS);
	restore('a', 1, 5000, 7778, ERR_EXISTS);
	restore('b', 1, 5000, 7777, ERR_EXISTS);
	restore('b', 1, 0, 7778, ERR_MALFORMED);
	restore('b', 1, 5000, 0, ERR_MALFORMED);
	restore('\0', 1, 5000, 7778, ERR_MALFORMED);
	memset(name, 'n', CONF_NAME_MAX);
	name[CONF_NAME_MAX] = '\0';
	assert_int_equal(portmap_restore(world.map, &row), ERR_MALFORMED);
	name[CONF_NAME_MAX - 1] = '\0';
	assert_int_equal(portmap_restore(world.map, &row), 0);
	world_rows(&world, &rows);
	assert_int_equal(rows.n, 2);
}

static void portmap_restored_port_outside_the_range_is_made_anew(void **state)
{
	(void)state;
	world.rules.last = 6000;
	restore('a', 1, 5000, 7777, 0);
	SET('a', on(5000, 1));
	world_update(&world);
	assert_false(is_behind(7777));
	assert_stands_for(5000, 'a', 1, 5000);
}

static void restore_row(void *ctx, const struct portmap_row *row)
{
	assert_int_equal(portmap_restore(ctx, row), 0);
}

static void portmap_restart_with_state_changes_nothing(void **state)
{
	(void)state;
	world_begin(&other);
	world_servers(&other, "cba");
	SET('b', on(5000, 1), on(5001, 1));
	world_update(&world);
	SET('a', on(5000, 1), on(5000, 2));
	world_update(&world);
	portmap_each(world.map, restore_row, other.map);
	SET_IN(&other, 'a', on(5000, 1), on(5000, 2));
	SET_IN(&other, 'b', on(5000, 1), on(5001, 1));
	world_update(&other);
	world_rows(&world, &rows);
	world_rows(&other, &rows_of_other);
	assert_int_equal(rows.n, 4);
	assert_memory_equal(&rows, &rows_of_other, sizeof(rows));
	world_end(&other);
}

static void portmap_each_tells_by_virtual_port(void **state)
{
	static const struct row want[] = { { 'x', 4, 5000, 1024 },
					   { 'c', 1, 6000, 6000 },
					   { 'a', 2, 6001, 6001 } };

	(void)state;
	restore('x', 4, 5000, 1024, 0);
	SET('c', on(6000, 1));
	SET('a', on(6001, 2));
	world_update(&world);
	world_rows(&world, &rows);
	assert_int_equal(rows.n, 3);
	assert_memory_equal(rows.at, want, sizeof(want));
}

static void make_and_free(void *ctx)
{
	struct portmap *made = portmap_new();

	(void)ctx;
	assert_true(alloc_has_failed() ? !made : made != NULL);
	portmap_free(made);
}

static void portmap_new_survives_each_refused_allocation(void **state)
{
	(void)state;
	assert_int_equal(alloc_each_fails(NULL, make_and_free), 3);
}

static void portmap_update_needs_no_memory(void **state)
{
	(void)state;
	announce_much(&world, 'a', 1);
	announce_much(&world, 'b', 1);
	alloc_fail_at(1);
	assert_int_equal(world_update(&world), 0);
	assert_false(alloc_has_failed());
	alloc_fail_at(0);
	assert_int_equal(count_ports(), 200);
}

static atomic_bool is_over;

/* An assignment that stays is found in every moment, whole. */
static void *read_on(void *ctx)
{
	struct syntax interface = iface(1);
	uintptr_t bad = 0;
	struct vport at;

	(void)ctx;
	while (!is_over) {
		bad += !portmap_at(world.map, 5000, &at) || at.slot != 1 ||
		       at.port != 5000 || at.interface.uuid.time_low != 1;
		bad += portmap_find(world.map, 1, &interface, 5000) != 5000;
		bad += portmap_at(world.map, 5001, &at) && at.port != 5001;
	}
	return (void *)bad;
}

static void portmap_readers_see_whole_assignments(void **state)
{
	pthread_t reader;
	void *bad;
	int i;

	(void)state;
	world.rules.linger_ms = 0;
	SET('b', on(5000, 1));
	world_update(&world);
	is_over = false;
	assert_int_equal(pthread_create(&reader, NULL, read_on, NULL), 0);
	for (i = 0; i < 500; i++) {
		SET('a', on(5000, 1), on(5001, 1));
		world_update(&world);
		SET('a', on(4999, 1));
		world_update(&world);
	}
	is_over = true;
	assert_int_equal(pthread_join(reader, &bad), 0);
	assert_null(bad);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(portmap_new_map_is_empty),
		TEST(portmap_real_number_is_kept_where_it_is_free),
		TEST(portmap_one_real_port_on_two_servers_is_two_virtual),
		TEST(portmap_hashed_number_is_the_same_for_ever),
		TEST(portmap_several_interfaces_on_one_real_port_are_told_apart),
		TEST(portmap_major_versions_are_told_apart_minor_ones_not),
		TEST(portmap_swapped_layouts_are_told_apart),
		TEST(portmap_two_nodes_agree_after_their_first_update),
		TEST(portmap_real_numbers_come_before_hashed_ones),
		TEST(portmap_assignment_never_changes_for_another_s_sake),
		TEST(portmap_hashed_number_is_no_server_s_real_one),
		TEST(portmap_real_number_is_hashed_when_nothing_else_is_left),
		TEST(portmap_excluded_ports_are_not_given_out),
		TEST(portmap_narrow_range_is_used_to_its_last_port),
		TEST(portmap_exhaustion_is_over_when_something_is_given_up),
		TEST(portmap_missed_port_lingers),
		TEST(portmap_port_that_comes_back_lingers_anew),
		TEST(portmap_server_of_ever_new_ports_has_no_more_than_its_own),
		TEST(portmap_what_is_announced_is_never_too_much),
		TEST(portmap_absent_name_keeps_no_more_than_its_own),
		TEST(portmap_lingering_for_ever_gives_nothing_up),
		TEST(portmap_lingering_number_is_given_to_nobody_else),
		TEST(portmap_rules_that_change_are_followed_at_once),
		TEST(portmap_server_that_returns_has_the_same_ports),
		TEST(portmap_slot_s_next_server_inherits_nothing),
		TEST(portmap_absent_server_s_ports_go_after_they_lingered),
		TEST(portmap_server_that_leaves_keeps_its_ports_meanwhile),
		TEST(portmap_name_means_the_server_in_use_not_the_one_leaving),
		TEST(portmap_restored_port_is_kept_for_its_server),
		TEST(portmap_restored_port_that_nobody_announces_lingers),
		TEST(portmap_restore_refuses_what_cannot_be),
		TEST(portmap_restored_port_outside_the_range_is_made_anew),
		TEST(portmap_restart_with_state_changes_nothing),
		TEST(portmap_each_tells_by_virtual_port),
		TEST(portmap_new_survives_each_refused_allocation),
		TEST(portmap_update_needs_no_memory),
		TEST(portmap_readers_see_whole_assignments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
