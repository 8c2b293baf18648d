/*
 * test_portmap_model.c - thousands of random updates, each held against what
 * the map promises: the assignments before and after are compared with what
 * was announced, who is present and what the time is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "portmap_world.h"

#define ROUNDS	 6000
#define NAMES	 6
#define PORTS	 12
#define IFACES	 3
#define FIRST	 5000
#define NUMBERS	 64 /* no port that matters is above FIRST + NUMBERS */
#define SHORT_MS 100

static struct world world;
static struct rows before, after;
static uint64_t luck;
/* What each server's last answer listed, while it is in the array. */
static bool is_announced[NAMES][NUMBERS][IFACES];
static bool is_present[NAMES];
/* Since when the assignment is missed, 0: it is not. */
static uint64_t missed_ms[NAMES][NUMBERS][IFACES];

static unsigned rnd(unsigned below)
{
	luck = luck * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(luck >> 33) % below;
}

static void change_servers(void)
{
	char letters[NAMES + 1];
	unsigned i, n = 0, slot;
	uint64_t freed;

	for (i = 0; i < NAMES; i++) {
		is_present[i] = rnd(4) != 0;
		if (is_present[i])
			letters[n++] = (char)('a' + i);
		else
			memset(is_announced[i], 0, sizeof(is_announced[i]));
	}
	letters[n] = '\0';
	world_servers(&world, letters);
	freed = array_sweep(&world.array);
	for (slot = 0; slot < ARRAY_SLOTS; slot++)
		if (freed >> slot & 1)
			(void)!announced_set(world.announced, slot, NULL, 0);
}

static void change_answer(unsigned name)
{
	struct announcement list[2 * PORTS];
	unsigned i, port, interface, n = rnd(2 * PORTS + 1);

	if (!is_present[name])
		return;
	memset(is_announced[name], 0, sizeof(is_announced[name]));
	for (i = 0; i < n; i++) {
		port = rnd(PORTS);
		interface = rnd(IFACES);
		is_announced[name][port][interface] = true;
		list[i] = (struct announcement){ iface(interface),
						 (uint16_t)(FIRST + port) };
	}
	assert_true(announced_set(world.announced,
				  world_slot(&world, (char)('a' + name)), list,
				  n) >= 0);
}

static void change_rules(void)
{
	world.rules.first = (uint16_t)(FIRST + rnd(4));
	world.rules.last = (uint16_t)(world.rules.first + rnd(NUMBERS - 4));
	portset_clear(&world.exclude);
	portset_add(&world.exclude, (uint16_t)(FIRST + rnd(NUMBERS)));
}

static void change_something(void)
{
	unsigned what = rnd(10);

	world.now_ms += rnd(SHORT_MS / 4);
	if (what == 0)
		change_servers();
	else if (what == 1 && rnd(8) == 0)
		change_rules();
	else if (what > 2)
		change_answer(rnd(NAMES));
}

static bool is_allowed(unsigned vport)
{
	return vport >= world.rules.first && vport <= world.rules.last &&
	       !portset_has(&world.exclude, (uint16_t)vport);
}

static const struct row *find(const struct rows *rows, unsigned name,
			      unsigned port, unsigned interface)
{
	unsigned i;

	for (i = 0; i < rows->n; i++)
		if (rows->at[i].server == 'a' + name &&
		    rows->at[i].port == FIRST + port &&
		    rows->at[i].interface == interface)
			return &rows->at[i];
	return NULL;
}

static const struct row *at(const struct rows *rows, unsigned vport)
{
	unsigned i;

	for (i = 0; i < rows->n; i++)
		if (rows->at[i].vport == vport)
			return &rows->at[i];
	return NULL;
}

static bool is_some_real_port(unsigned number)
{
	unsigned name, i;

	for (name = 0; name < NAMES; name++)
		for (i = 0; i < IFACES; i++)
			if (is_announced[name][number - FIRST][i])
				return true;
	return false;
}

/* Is there a number that is left, and no server's real one? */
static bool is_calm_left(void)
{
	unsigned number;

	for (number = FIRST; number < FIRST + NUMBERS; number++)
		if (is_allowed(number) && !at(&after, number) &&
		    !is_some_real_port(number))
			return true;
	return false;
}

static bool is_any_left(void)
{
	unsigned number;

	for (number = FIRST; number < FIRST + NUMBERS; number++)
		if (is_allowed(number) && !at(&after, number))
			return true;
	return false;
}

static void check_new(const struct row *now)
{
	assert_true(is_allowed(now->vport));
	if (now->vport == now->port)
		return;
	/* its own number was not to be had */
	assert_true(!is_allowed(now->port) || at(&after, now->port));
	if (is_some_real_port(now->vport))
		assert_false(is_calm_left());
}

static bool is_to_stay(const struct row *was, bool is_listed, uint64_t since)
{
	return is_allowed(was->vport) &&
	       (is_listed || world.now_ms - since < SHORT_MS);
}

static unsigned check_one(unsigned name, unsigned port, unsigned interface)
{
	bool is_listed = is_announced[name][port][interface];
	uint64_t *since = &missed_ms[name][port][interface];
	const struct row *was = find(&before, name, port, interface);
	const struct row *now = find(&after, name, port, interface);

	if (is_listed || !was)
		*since = 0;
	else if (!*since)
		*since = world.now_ms;
	if (was && is_to_stay(was, is_listed, *since)) {
		assert_non_null(now);
		assert_int_equal(now->vport, was->vport);
	} else if (now) {
		assert_true(is_listed);
		check_new(now);
	}
	if (!now && is_listed)
		assert_false(is_any_left());
	return !now && is_listed;
}

static void check_look_up(const struct row *row)
{
	unsigned name = row->server - 'a', slot;
	struct syntax interface = iface(row->interface);
	struct vport vport;

	assert_int_equal(portmap_at(world.map, row->vport, &vport),
			 is_present[name]);
	if (!is_present[name])
		return;
	slot = world_slot(&world, (char)row->server);
	assert_int_equal(vport.slot, slot);
	assert_int_equal(vport.port, row->port);
	assert_true(syntax_equal(&vport.interface, &interface));
	assert_int_equal(portmap_find(world.map, slot, &interface, row->port),
			 row->vport);
}

static void check_ports(void)
{
	struct portset ports;
	unsigned i, n = 0;

	portmap_ports(world.map, &ports);
	for (i = 0; i < after.n; i++) {
		check_look_up(&after.at[i]);
		/* and none is given twice: they come in their order */
		assert_true(!i || after.at[i].vport > after.at[i - 1].vport);
		n += is_present[after.at[i].server - 'a'];
		assert_int_equal(portset_has(&ports, after.at[i].vport),
				 is_present[after.at[i].server - 'a']);
	}
	assert_int_equal(portset_count(&ports), n);
}

static unsigned exhausted_rounds, lingering_rounds;

static void update_and_check(void)
{
	unsigned name, port, interface, missing, without = 0, listed = 0;

	world_rows(&world, &before);
	missing = world_update(&world);
	world_rows(&world, &after);
	for (name = 0; name < NAMES; name++)
		for (port = 0; port < PORTS; port++)
			for (interface = 0; interface < IFACES; interface++) {
				without += check_one(name, port, interface);
				listed += is_announced[name][port][interface];
			}
	assert_int_equal(missing, without);
	assert_true(after.n >= listed - without);
	check_ports();
	exhausted_rounds += without != 0;
	lingering_rounds += after.n > listed - without;
}

static void portmap_keeps_its_promises_whatever_is_announced(void **state)
{
	unsigned i;

	(void)state;
	luck = 20;
	world_begin(&world);
	world.rules.linger_ms = SHORT_MS;
	change_rules();
	change_servers();
	for (i = 0; i < ROUNDS; i++) {
		change_something();
		update_and_check();
	}
	/* both ends of the matter were met */
	assert_in_range(exhausted_rounds, ROUNDS / 10, ROUNDS * 9 / 10);
	assert_in_range(lingering_rounds, ROUNDS / 10, ROUNDS);
	world_end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			portmap_keeps_its_promises_whatever_is_announced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
