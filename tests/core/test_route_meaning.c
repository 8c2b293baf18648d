/*
 * test_route_meaning.c - which server a connection to a port of the range
 * gets: the client's server, the port's server, or nobody, line by line,
 * wherever the servers have their interfaces and whatever state they are in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "route_world.h"

static const struct layout *const layouts[] = { &disjoint, &swapped, &same };
static const char *const layout_names[] = { "disjoint", "swapped", "same" };

static struct addr me;

static void start(const struct layout *layout)
{
	world_conf();
	router_start(CONF_METHOD_ROUND_ROBIN, 100);
	me = client(1);
	announce_all(layout);
	map_ports();
}

static int set_up(void **state)
{
	(void)state;
	start(&disjoint);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	router_end();
	return 0;
}

/* ---- the table ---- */

#define NEW	  NOBODY /* the client has no binding */
#define ANYBODY	  (-2)
#define NOT_FIRST (-3) /* any but cas1 */

struct line {
	int bound; /* to this slot, or NEW */
	bool is_live;
	unsigned told_of, what; /* the server and interface of the port */
	enum how how;		/* what … */
	unsigned who;		/* … these servers are */
	enum reason reason;
	int slot;
};

#define NONE  REASON_NONE
#define DOWN  REASON_PORT_SERVER_DOWN
#define STALE REASON_STALE_PORT
#define IDLE  false
#define LIVE  true

static const struct line lines[] = {
	/* bound, and the port is its server's: there */
	{ 0, IDLE, 0, EMSMDB, UP, 0, NONE, 0 },
	{ 1, IDLE, 1, RFR, UP, 0, NONE, 1 },
	{ 2, LIVE, 2, NSPI, UP, 0, NONE, 2 },
	{ 1, LIVE, 1, EMSMDB, ASIDE, 5, NONE, 1 },
	/* bound, the port is another's: what it stands for, on its own */
	{ 0, IDLE, 1, EMSMDB, UP, 0, NONE, 0 },
	{ 0, IDLE, 1, RFR, UP, 0, NONE, 0 },
	{ 1, IDLE, 0, ASYNC, UP, 0, NONE, 1 },
	{ 1, LIVE, 2, NSPI, UP, 0, NONE, 1 },
	{ 2, IDLE, 0, NSPI, UP, 0, NONE, 2 },
	/* … whatever that other one is */
	{ 0, IDLE, 1, NSPI, ASIDE, 2, NONE, 0 },
	{ 0, IDLE, 1, NSPI, DRAINED, 2, NONE, 0 },
	{ 0, IDLE, 1, NSPI, DISABLED, 2, NONE, 0 },
	{ 0, IDLE, 1, NSPI, LEAVING, 2, NONE, 0 },
	/* … and stale-port where it does not have that */
	{ 2, IDLE, 0, RFR, UP, 0, STALE, 0 },
	{ 2, LIVE, 1, RFR, UP, 0, STALE, 0 },
	{ 2, IDLE, 1, RFR, DRAINED, 4, STALE, 0 },
	/* a drained server keeps its clients */
	{ 0, IDLE, 0, EMSMDB, DRAINED, 1, NONE, 0 },
	{ 0, LIVE, 1, EMSMDB, DRAINED, 1, NONE, 0 },
	/* who has live connections stays while the server's state lets it */
	{ 0, LIVE, 0, EMSMDB, ASIDE, 1, NONE, 0 },
	{ 0, LIVE, 0, NSPI, LEAVING, 1, NONE, 0 },
	{ 0, LIVE, 1, NSPI, LEAVING, 1, NONE, 0 },
	{ 0, LIVE, 0, NSPI, DISABLED, 1, NONE, NOT_FIRST },
	/* who has none moves, and the port stands for what it stood for */
	{ 0, IDLE, 0, EMSMDB, ASIDE, 1, NONE, NOT_FIRST },
	{ 0, IDLE, 0, ASYNC, DISABLED, 1, NONE, NOT_FIRST },
	{ 0, IDLE, 0, NSPI, LEAVING, 1, NONE, NOT_FIRST },
	{ 0, IDLE, 1, NSPI, ASIDE, 1, NONE, NOT_FIRST },
	{ 0, IDLE, 0, RFR, ASIDE, 1 | 4, NONE, 1 },
	{ 0, IDLE, 0, RFR, ASIDE, 1 | 2, STALE, 0 },
	{ 0, IDLE, 0, EMSMDB, ASIDE, 7, REASON_NO_SERVER, 0 },
	{ 0, LIVE, 0, EMSMDB, DISABLED, 7, REASON_NO_SERVER, 0 },
	/* not bound: the port's server */
	{ NEW, IDLE, 0, EMSMDB, UP, 0, NONE, 0 },
	{ NEW, IDLE, 1, RFR, UP, 0, NONE, 1 },
	{ NEW, IDLE, 2, NSPI, UP, 0, NONE, 2 },
	{ NEW, IDLE, 2, NSPI, ASIDE, 3, NONE, 2 },
	/* … if it may get a client, else the client asks 135 again */
	{ NEW, IDLE, 1, EMSMDB, ASIDE, 2, DOWN, 0 },
	{ NEW, IDLE, 1, EMSMDB, DRAINED, 2, DOWN, 0 },
	{ NEW, IDLE, 1, EMSMDB, DISABLED, 2, DOWN, 0 },
	{ NEW, IDLE, 1, EMSMDB, LEAVING, 2, DOWN, 0 },
	{ NEW, IDLE, 1, EMSMDB, ASIDE, 7, DOWN, 0 },
};

static void assert_slot(const struct route *route, int slot)
{
	if (slot >= 0)
		assert_int_equal(route->res.server->slot, slot);
	if (slot == NOT_FIRST)
		assert_int_not_equal(route->res.server->slot, 0);
}

static void assert_goes(const struct line *line, const struct layout *layout,
			uint16_t dialled)
{
	struct route route;
	enum reason reason = begin_of(&me, ROUTE_DYNAMIC, dialled, 0, &route);

	assert_string_equal(reason_name(reason), reason_name(line->reason));
	if (reason)
		return;
	assert_slot(&route, line->slot);
	assert_int_equal(route.dialled, dialled);
	assert_int_equal(route.port,
			 layout->port[route.res.server->slot][line->what]);
	assert_int_equal(route_confirm(&router, &route), NONE);
	end(&route);
}

/* The port's server became the client's on every port. */
static void assert_bound_to(int slot)
{
	struct route route;

	assert_int_equal(begin_of(&me, ROUTE_MAPPER, 135, 0, &route), NONE);
	assert_false(route.res.is_new);
	assert_int_equal(route.res.server->slot, slot);
	end(&route);
}

static void check_line(const struct line *line, const struct layout *layout)
{
	uint16_t dialled = told(line->told_of, line->what,
				layout->port[line->told_of][line->what]);
	struct route live = { 0 };

	assert_int_not_equal(dialled, 0);
	if (line->is_live)
		live = live_on(&me, (unsigned)line->bound);
	else if (line->bound != NEW)
		bind_to(&me, (unsigned)line->bound);
	make(line->who, line->how);
	assert_goes(line, layout, dialled);
	if (line->bound == NEW && !line->reason)
		assert_bound_to(line->slot);
	end(&live);
	assert_int_equal(connections(), 0);
}

static void walk(const struct layout *layout, bool is_tracked, bool is_leased)
{
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const struct line *line = &lines[i];
		uint16_t port = layout->port[line->told_of][line->what];

		print_message("line %zu: %s\n", i, how_name[line->how]);
		start(layout);
		if (is_tracked)
			track();
		atomic_store(&router.wants_lease, is_leased);
		if (is_leased)
			grant(&me, told(line->told_of, line->what, port),
			      line->told_of, line->what, port);
		check_line(line, layout);
		router_end();
	}
}

static void virtual_ports_walk_the_table_in_every_layout(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		print_message("%s\n", layout_names[i]);
		walk(layouts[i], false, false);
	}
}

/* The numbers tell servers apart here without help. */
static void announced_ports_walk_the_table_where_they_differ(void **state)
{
	(void)state;
	walk(&disjoint, true, false);
}

/* What was told decides, so the numbers may be the same. */
static void leases_walk_the_table_with_virtual_ports(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		print_message("%s\n", layout_names[i]);
		walk(layouts[i], false, true);
	}
}

static void leases_walk_the_table_without_virtual_ports(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		print_message("%s\n", layout_names[i]);
		walk(layouts[i], true, true);
	}
}

/* ---- announced ports that several servers have ---- */

/* Nobody was told: the number is all there is. */
struct number {
	const struct layout *layout;
	int bound;
	uint16_t dialled;
	unsigned aside;
	enum reason reason;
	int slot;
	uint16_t to;
};

static const struct number numbers[] = {
	/* it is the client's server's, whatever it is there */
	{ &swapped, 0, 5001, 0, NONE, 0, 5001 },
	{ &swapped, 1, 5001, 0, NONE, 1, 5001 },
	{ &same, 2, 5101, 0, NONE, 2, 5101 },
	/* the client's server has it not, and not what it is elsewhere */
	{ &same, 2, 5301, 0, STALE, 0, 0 },
	/* it stood for what it was on the server that the client left */
	{ &swapped, 0, 5001, 1 | 4, NONE, 1, 5101 },
	{ &swapped, 1, 5001, 2 | 4, NONE, 0, 5101 },
	{ &swapped, 1, 5301, 2 | 1, NONE, 2, 5001 },
	{ &same, 1, 5201, 2 | 4, NONE, 0, 5201 },
	/* one of its servers that is up */
	{ &same, NEW, 5301, 0, NONE, ANYBODY, 5301 },
	{ &same, NEW, 5301, 1, NONE, 1, 5301 },
	{ &same, NEW, 5301, 1 | 2, DOWN, 0, 0 },
	{ &swapped, NEW, 5001, 1 | 2, NONE, 2, 5001 },
};

static void announced_numbers_walk_their_table(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		const struct number *row = &numbers[i];
		struct route route;

		print_message("line %zu\n", i);
		start(row->layout);
		track();
		if (row->bound != NEW)
			bind_to(&me, (unsigned)row->bound);
		make(row->aside, ASIDE);
		assert_int_equal(
			begin_of(&me, ROUTE_DYNAMIC, row->dialled, 0, &route),
			row->reason);
		if (!row->reason) {
			assert_slot(&route, row->slot);
			assert_int_equal(route.port, row->to);
			end(&route);
		}
		assert_int_equal(connections(), 0);
		router_end();
	}
}

/* ---- a lease and a virtual port of the same number ---- */

/* cas1 and cas2 both have EMSMDB on 5001; cas1's virtual port is 5001. A
 * signed answer of cas2 told the client the real number. */
static void lease_of_a_real_port_wins_over_another_server_s_virtual_one(
	void **state)
{
	struct addr other = client(2);
	struct route route;

	(void)state;
	router_end();
	start(&same);
	assert_int_equal(told(0, EMSMDB, 5001), 5001);
	grant(&me, 5001, 1, EMSMDB, 5001);
	assert_int_equal(begin_of(&me, ROUTE_DYNAMIC, 5001, 0, &route), NONE);
	assert_int_equal(route.res.server->slot, 1);
	assert_int_equal(route.port, 5001);
	end(&route);
	assert_int_equal(begin_of(&other, ROUTE_DYNAMIC, 5001, 0, &route),
			 NONE); /* was told nothing */
	assert_int_equal(route.res.server->slot, 0);
	end(&route);
}

static void lease_of_another_interface_on_the_number_wins_too(void **state)
{
	struct route route;

	(void)state;
	router_end();
	start(&swapped);
	bind_to(&me, 0);
	/* 5001 is EMSMDB of cas1, and was ASYNC of cas2 for this client. */
	grant(&me, 5001, 1, ASYNC, 5001);
	assert_int_equal(begin_of(&me, ROUTE_DYNAMIC, 5001, 0, &route), NONE);
	assert_int_equal(route.res.server->slot, 0);
	assert_int_equal(route.port, 5101);
	end(&route);
}

static void lease_that_expired_says_nothing_of_the_port(void **state)
{
	struct route route;

	(void)state;
	router_end();
	start(&same);
	grant(&me, 5001, 1, EMSMDB, 5001);
	now_ms += LEASE_MS + 1000;
	assert_int_equal(begin_of(&me, ROUTE_DYNAMIC, 5001, 0, &route), NONE);
	assert_int_equal(route.res.server->slot, 0);
	end(&route);
}

/* ---- a server that restarted has other ports ---- */

static const uint16_t restarted[] = { 0, 5501, 5101, 5601, 5301 };
static const uint16_t reshuffled[] = { 0, 5101, 5001, 5301, 5201 };

static void assert_leads(uint16_t dialled, unsigned slot, uint16_t port)
{
	struct route route;

	assert_int_equal(begin_of(&me, ROUTE_DYNAMIC, dialled, 0, &route),
			 NONE);
	assert_int_equal(route.res.server->slot, slot);
	assert_int_equal(route.port, port);
	end(&route);
}

static void virtual_port_leads_to_where_the_interface_is_now(void **state)
{
	(void)state;
	announce_row(0, restarted);
	map_ports();
	assert_leads(5001, 0, 5501);
	assert_leads(told(0, EMSMDB, 5501), 0, 5501);
	assert_leads(5101, 0, 5101);
	bind_to(&me, 0);
	assert_leads(5201, 0, 5601);
}

/* The numbers are the server's still, but for something else each. */
static void virtual_port_leads_to_its_interface_though_its_port_has_another(
	void **state)
{
	unsigned i;

	(void)state;
	announce_row(0, reshuffled);
	map_ports();
	for (i = 1; i < INTERFACES; i++) {
		assert_leads(disjoint.port[0][i], 0, reshuffled[i]);
		assert_leads(told(0, i, reshuffled[i]), 0, reshuffled[i]);
	}
}

static void lease_leads_to_where_the_interface_is_now(void **state)
{
	(void)state;
	track();
	grant(&me, 5001, 0, EMSMDB, 5001);
	announce_row(0, reshuffled);
	assert_leads(5001, 0, 5101);
}

/* Several interfaces, or one several times: the port itself, if it is that
 * still. */
static void virtual_port_stays_with_its_port_of_several(void **state)
{
	const struct announcement list[] = {
		{ interface(EMSMDB), 4001 },
		{ interface(EMSMDB), 5001 },
		{ interface(NSPI), 5001 },
	};

	(void)state;
	assert_int_equal(announced_set(router.announced, 0, list, 3), 1);
	map_ports();
	assert_leads(5001, 0, 5001);
	assert_leads(told(0, EMSMDB, 4001), 0, 4001);
	assert_leads(told(0, NSPI, 5001), 0, 5001);
}

/* Its endpoint mapper may be wrong for a moment: the port is tried. */
static void virtual_port_of_what_is_listed_nowhere_is_tried(void **state)
{
	static const uint16_t less[] = { 0, 0, 5101, 5201, 5301 };

	(void)state;
	announce_row(0, less);
	map_ports();
	assert_leads(5001, 0, 5001);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(virtual_ports_walk_the_table_in_every_layout),
		cmocka_unit_test(
			announced_ports_walk_the_table_where_they_differ),
		cmocka_unit_test(leases_walk_the_table_with_virtual_ports),
		cmocka_unit_test(leases_walk_the_table_without_virtual_ports),
		cmocka_unit_test(announced_numbers_walk_their_table),
		TEST(lease_of_a_real_port_wins_over_another_server_s_virtual_one),
		TEST(lease_of_another_interface_on_the_number_wins_too),
		TEST(lease_that_expired_says_nothing_of_the_port),
		TEST(virtual_port_leads_to_where_the_interface_is_now),
		TEST(virtual_port_leads_to_its_interface_though_its_port_has_another),
		TEST(lease_leads_to_where_the_interface_is_now),
		TEST(virtual_port_stays_with_its_port_of_several),
		TEST(virtual_port_of_what_is_listed_nowhere_is_tried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
