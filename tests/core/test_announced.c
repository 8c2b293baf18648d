/*
 * test_announced.c - what servers announce, by port and by interface.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../helper/alloc.h"
#include "core/announced.h"

static struct announced *table;

/* Interfaces that differ in their UUID, or in the version given. */
static struct syntax iface(uint32_t number, uint16_t major, uint16_t minor)
{
	return (struct syntax){ .uuid = { .time_low = number },
				.major = major,
				.minor = minor };
}

static struct announcement on(uint16_t port, uint32_t number)
{
	return (struct announcement){ iface(number, 1, 0), port };
}

#define SET(slot, ...)                                                         \
	assert_int_equal(                                                      \
		announced_set(table, slot,                                     \
			      (struct announcement[]){ __VA_ARGS__ },          \
			      sizeof((struct announcement[]){ __VA_ARGS__ }) / \
				      sizeof(struct announcement)),            \
		1)

static int set_up(void **state)
{
	(void)state;
	table = announced_new();
	return !table;
}

static int tear_down(void **state)
{
	(void)state;
	announced_free(table);
	return 0;
}

static void announced_new_table_is_empty(void **state)
{
	struct portset ports;

	(void)state;
	announced_ports(table, &ports);
	assert_int_equal(portset_count(&ports), 0);
	assert_true(announced_servers(table, 135) == 0);
	announced_free(NULL);
}

static void announced_servers_says_who_has_the_port(void **state)
{
	(void)state;
	SET(0, on(5000, 1), on(65535, 2));
	SET(63, on(5000, 3));
	assert_true(announced_servers(table, 5000) == (1 | UINT64_C(1) << 63));
	assert_true(announced_servers(table, 65535) == 1);
	assert_true(announced_servers(table, 5001) == 0);
}

static void announced_set_replaces_the_server_s_list(void **state)
{
	struct portset ports;

	(void)state;
	SET(1, on(5000, 1), on(5001, 2));
	SET(2, on(5000, 1));
	SET(1, on(5001, 2), on(5002, 3));
	assert_true(announced_servers(table, 5000) == 4);
	assert_true(announced_servers(table, 5001) == 2);
	assert_true(announced_servers(table, 5002) == 2);
	assert_int_equal(announced_set(table, 1, NULL, 0), 1);
	announced_ports(table, &ports);
	assert_int_equal(portset_count(&ports), 1);
	assert_true(portset_has(&ports, 5000));
}

static void announced_set_tells_whether_anything_changed(void **state)
{
	struct announcement list[] = { on(5000, 1), on(5001, 2) };

	(void)state;
	assert_int_equal(announced_set(table, 1, list, 2), 1);
	assert_int_equal(announced_set(table, 1, list, 2), 0);
	assert_int_equal(announced_set(table, 1, list, 1), 1);
	assert_int_equal(announced_set(table, 1, NULL, 0), 1);
	assert_int_equal(announced_set(table, 1, NULL, 0), 0);
}

static void announced_set_in_another_order_changes_nothing(void **state)
{
	struct announcement list[] = { on(5000, 1), on(5000, 2), on(5001, 3) };
	struct announcement again[] = { on(5001, 3), on(5000, 2), on(5000, 1),
					on(5000, 2) };
	unsigned char *padding = (unsigned char *)again + sizeof(again) - 1;

	(void)state;
	*padding = 0x55; /* no field of the last */
	assert_int_equal(announced_set(table, 0, list, 3), 1);
	assert_int_equal(announced_set(table, 0, again, 4), 0);
	again[0].interface.minor = 1;
	assert_int_equal(announced_set(table, 0, again, 4), 1);
}

static void announced_port_0_is_not_taken(void **state)
{
	(void)state;
	SET(0, on(0, 1), on(5000, 1));
	assert_true(announced_servers(table, 0) == 0);
	assert_int_equal(announced_same(table, 5000, 1, 0), 5000);
}

static void announced_same_finds_the_interface_on_another_server(void **state)
{
	(void)state;
	SET(0, on(5000, 1), on(5001, 2));
	SET(1, on(6000, 2), on(6001, 1));
	assert_int_equal(announced_same(table, 5000, 1, 1), 6001);
	assert_int_equal(announced_same(table, 5001, 1, 1), 6000);
	assert_int_equal(announced_same(table, 6000, 2, 0), 5001);
	assert_int_equal(announced_same(table, 5002, 1, 1), 0);
	assert_int_equal(announced_same(table, 5000, 1, 7), 0);
}

static void announced_same_asks_only_the_servers_named(void **state)
{
	(void)state;
	SET(0, on(5000, 1));
	SET(1, on(5000, 2));
	SET(2, on(7001, 1), on(7002, 2));
	assert_int_equal(announced_same(table, 5000, 1, 2), 7001);
	assert_int_equal(announced_same(table, 5000, 2, 2), 7002);
	assert_int_equal(announced_same(table, 5000, 4, 2), 0);
}

static void announced_same_wants_the_major_version_alone(void **state)
{
	struct announcement list[] = {
		{ iface(1, 1, 0), 7001 },
		{ iface(1, 2, 9), 7002 },
	};

	(void)state;
	assert_int_equal(announced_set(table, 0, list, 2), 1);
	list[0] = (struct announcement){ iface(1, 2, 0), 5000 };
	assert_int_equal(announced_set(table, 1, list, 1), 1);
	assert_int_equal(announced_same(table, 5000, 2, 0), 7002);
	list[0].interface.major = 3;
	assert_int_equal(announced_set(table, 1, list, 1), 1);
	assert_int_equal(announced_same(table, 5000, 2, 0), 0);
}

static void announced_same_prefers_the_port_with_most_in_common(void **state)
{
	(void)state;
	SET(0, on(5000, 1), on(5000, 2), on(5000, 3));
	SET(1, on(6000, 1), on(6001, 3), on(6001, 2), on(6002, 1));
	assert_int_equal(announced_same(table, 5000, 1, 1), 6001);
}

static void announced_doubles_are_dropped(void **state)
{
	struct announcement list[2 * ANNOUNCED_MAX + 2];
	unsigned i, n = sizeof(list) / sizeof(list[0]);

	(void)state;
	for (i = 0; i < n; i++)
		list[i] = on((uint16_t)(2000 + i / 2), 1);
	assert_int_equal(announced_set(table, 0, list, n), 1);
	assert_true(announced_servers(table, 2000 + ANNOUNCED_MAX - 1) == 1);
	/* and above the bound what is left out is left out of both views */
	assert_true(announced_servers(table, 2000 + ANNOUNCED_MAX) == 0);
}

static void announced_set_without_memory_keeps_the_old_list(void **state)
{
	struct announcement list = on(6000, 1);

	(void)state;
	SET(0, on(5000, 1));
	SET(1, on(7000, 1));
	alloc_fail_at(1);
	assert_int_equal(announced_set(table, 0, &list, 1), ERR_MEMORY);
	alloc_fail_at(0);
	assert_true(announced_servers(table, 5000) == 1);
	assert_true(announced_servers(table, 6000) == 0);
	assert_int_equal(announced_same(table, 7000, 2, 0), 5000);
}

static void make_and_free(void *ctx)
{
	struct announced *made = announced_new();

	(void)ctx;
	assert_true(alloc_has_failed() ? !made : made != NULL);
	announced_free(made);
}

static void announced_new_survives_each_refused_allocation(void **state)
{
	(void)state;
	assert_int_equal(alloc_each_fails(NULL, make_and_free), 1);
}

static int note(unsigned slot, uint16_t port, uint32_t number)
{
	struct announcement one = on(port, number);

	return announced_note(table, slot, &one);
}

static void announced_note_adds_what_is_not_known(void **state)
{
	(void)state;
	SET(1, on(5000, 1), on(6000, 2));
	assert_int_equal(note(1, 5000, 1), 0);
	assert_int_equal(note(1, 5500, 1), 1);
	assert_int_equal(note(1, 5500, 1), 0);
	assert_int_equal(note(1, 5500, 3), 1);
	assert_int_equal(note(2, 5500, 1), 1);
	assert_int_equal(note(2, 0, 1), 0);
	assert_true(announced_servers(table, 5500) == 6);
	assert_true(announced_servers(table, 0) == 0);
	assert_int_equal(announced_same(table, 5500, 4, 1), 5000);
}

static void announced_changes_counts_what_is_to_be_followed(void **state)
{
	static const struct {
		int is_note;
		uint16_t port;
		int changed;
	} step[] = {
		{ 0, 5000, 1 }, { 0, 5000, 0 }, { 1, 5000, 0 },
		{ 1, 5001, 1 }, { 0, 5000, 0 }, /* a note outlives one list */
		{ 0, 5000, 1 },
	};
	uint64_t at = announced_changes(table);
	struct announcement one;
	unsigned i;
	int changed;

	(void)state;
	for (i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
		one = on(step[i].port, 1);
		changed = step[i].is_note ? announced_note(table, 0, &one)
					  : announced_set(table, 0, &one, 1);
		assert_int_equal(changed, step[i].changed);
		at += (unsigned)step[i].changed;
		assert_int_equal(announced_changes(table), at);
	}
}

static void announced_note_looks_past_the_minor_version(void **state)
{
	struct announcement one = { iface(1, 1, 0), 5000 };

	(void)state;
	assert_int_equal(announced_note(table, 0, &one), 1);
	one.interface.minor = 1;
	assert_int_equal(announced_note(table, 0, &one), 0);
	one.interface.major = 2;
	assert_int_equal(announced_note(table, 0, &one), 1);
}

static void announced_note_outlives_one_list_that_lacks_it(void **state)
{
	struct announcement list[] = { on(6000, 2), on(7000, 3) };
	struct syntax noted = iface(4, 1, 0);

	(void)state;
	SET(1, on(6000, 2));
	assert_int_equal(note(1, 5000, 1), 1);
	assert_int_equal(note(1, 7000, 4), 1);
	assert_int_equal(announced_set(table, 1, list, 1), 0);
	assert_true(announced_servers(table, 5000) == 2);
	assert_int_equal(announced_set(table, 1, list, 2), 1);
	assert_true(announced_servers(table, 5000) == 0);
	assert_true(announced_servers(table, 6000) == 2);
	assert_true(announced_servers(table, 7000) == 2);
	assert_int_equal(announced_port_of(table, &noted, 1), 0);
	assert_int_equal(note(1, 5000, 1), 1);
}

static void announced_note_that_was_listed_is_no_note_any_more(void **state)
{
	(void)state;
	assert_int_equal(note(1, 5000, 1), 1);
	SET(1, on(5000, 1), on(6000, 2));
	SET(1, on(6000, 2));
	assert_true(announced_servers(table, 5000) == 0);
}

static void announced_note_that_is_seen_again_stays_again(void **state)
{
	struct announcement list = on(6000, 2);

	(void)state;
	assert_int_equal(note(1, 5000, 1), 1);
	SET(1, on(6000, 2));
	assert_int_equal(note(1, 5000, 1), 0);
	assert_int_equal(announced_set(table, 1, &list, 1), 0);
	assert_true(announced_servers(table, 5000) == 2);
	assert_int_equal(announced_set(table, 1, &list, 1), 1);
	assert_true(announced_servers(table, 5000) == 0);
}

static void announced_notes_go_with_their_server(void **state)
{
	(void)state;
	assert_int_equal(note(1, 5000, 1), 1);
	assert_int_equal(announced_set(table, 1, NULL, 0), 1);
	assert_true(announced_servers(table, 5000) == 0);
}

static void announced_note_needs_room_and_leaves_it_to_lists(void **state)
{
	struct announcement list[ANNOUNCED_MAX];
	unsigned i;

	(void)state;
	for (i = 0; i < ANNOUNCED_MAX; i++)
		list[i] = on((uint16_t)(2000 + i), 1);
	assert_int_equal(announced_set(table, 1, list, ANNOUNCED_MAX - 1), 1);
	assert_int_equal(note(1, 1999, 1), 1);
	assert_int_equal(note(1, 1998, 1), ERR_SPACE);
	assert_int_equal(note(1, 1999, 1), 0);
	assert_true(announced_servers(table, 1998) == 0);
	assert_int_equal(announced_set(table, 1, list, ANNOUNCED_MAX), 1);
	assert_true(announced_servers(table, 1999) == 0);
	assert_true(announced_servers(table, 2000 + ANNOUNCED_MAX - 1) == 2);
}

static void announced_port_of_is_the_lowest_of_the_server(void **state)
{
	struct syntax interface = iface(1, 1, 7);

	(void)state;
	SET(0, on(4000, 1));
	SET(1, on(6000, 1), on(5000, 1), on(3000, 2));
	assert_int_equal(announced_port_of(table, &interface, 1), 5000);
	assert_int_equal(note(1, 4500, 1), 1);
	assert_int_equal(announced_port_of(table, &interface, 1), 4500);
	assert_int_equal(announced_port_of(table, &interface, 2), 0);
	interface.major = 2;
	assert_int_equal(announced_port_of(table, &interface, 1), 0);
}

static void announced_has_is_of_that_server_port_and_interface(void **state)
{
	struct announcement one = { iface(1, 1, 7), 5000 };

	(void)state;
	SET(1, on(5000, 1), on(5000, 2), on(6000, 3));
	assert_true(announced_has(table, 1, &one));
	assert_false(announced_has(table, 0, &one));
	one.port = 6000;
	assert_false(announced_has(table, 1, &one));
	assert_int_equal(note(1, 6000, 1), 1);
	assert_true(announced_has(table, 1, &one));
	one.interface.major = 2;
	assert_false(announced_has(table, 1, &one));
}

static void announced_copy_is_by_port_and_within_the_room(void **state)
{
	struct announcement room[4] = { 0 };

	(void)state;
	SET(3, on(6000, 1), on(5000, 2));
	assert_int_equal(note(3, 5500, 3), 1);
	assert_int_equal(announced_copy(table, 3, room, 4), 3);
	assert_int_equal(room[0].port, 5000);
	assert_int_equal(room[1].port, 5500);
	assert_int_equal(room[1].interface.uuid.time_low, 3);
	assert_int_equal(room[2].port, 6000);
	room[1].port = 0;
	assert_int_equal(announced_copy(table, 3, room, 1), 1);
	assert_int_equal(room[1].port, 0);
	assert_int_equal(announced_copy(table, 4, room, 4), 0);
}

/* Each of the fields that make an interface another one. */
static void announced_order_is_one_of_every_field_but_the_minor(void **state)
{
	struct syntax low = iface(1, 1, 0), high[5];
	unsigned i;

	(void)state;
	for (i = 0; i < 5; i++)
		high[i] = low;
	high[0].uuid.time_low++;
	high[1].uuid.time_mid++;
	high[2].uuid.time_hi++;
	high[3].uuid.rest[7]++;
	high[4].major++;
	for (i = 0; i < 5; i++) {
		assert_true(announced_order(&low, &high[i]) < 0);
		assert_true(announced_order(&high[i], &low) > 0);
	}
	high[0] = low;
	high[0].minor++;
	assert_int_equal(announced_order(&low, &high[0]), 0);
}

static atomic_bool is_over;

/* A port in both lists must never be missing while they change. */
static void *read_on(void *ctx)
{
	uintptr_t bad = 0;
	uint16_t same;

	(void)ctx;
	while (!is_over) {
		bad += announced_servers(table, 5000) != 3;
		same = announced_same(table, 5000, 2, 0);
		bad += same != 5000 && same != 4000;
	}
	return (void *)bad;
}

static void announced_readers_see_a_whole_list(void **state)
{
	pthread_t reader;
	void *bad;
	int i;

	(void)state;
	SET(0, on(5000, 1));
	SET(1, on(5000, 1));
	is_over = false;
	assert_int_equal(pthread_create(&reader, NULL, read_on, NULL), 0);
	for (i = 0; i < 20000; i++) {
		SET(0, on(5000, 1), on(6000, 2));
		SET(0, on(4000, 1), on(5000, 3), on(7000, 4));
	}
	is_over = true;
	assert_int_equal(pthread_join(reader, &bad), 0);
	assert_null(bad);
}

/* Each has ports of its own; the masks must not lose a bit. */
static void *note_on(void *ctx)
{
	unsigned worker = (unsigned)(uintptr_t)ctx;
	uintptr_t bad = 0;
	unsigned i;

	for (i = 0; i < 250; i++)
		bad += note(i % 8, (uint16_t)(10000 + i), worker) != 1;
	return (void *)bad;
}

static void announced_workers_note_while_lists_change(void **state)
{
	pthread_t worker[4];
	uintptr_t i;
	void *bad;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&worker[i], NULL, note_on, (void *)i),
			0);
	for (i = 0; i < 2000; i++)
		SET(40, on((uint16_t)(10000 + i % 250), 1));
	for (i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(worker[i], &bad), 0);
		assert_null(bad);
	}
	SET(40, on(5000, 1));
	for (i = 0; i < 250; i++)
		assert_true(announced_servers(table, (uint16_t)(10000 + i)) ==
			    UINT64_C(1) << i % 8);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(announced_new_table_is_empty),
		TEST(announced_servers_says_who_has_the_port),
		TEST(announced_set_replaces_the_server_s_list),
		TEST(announced_set_tells_whether_anything_changed),
		TEST(announced_set_in_another_order_changes_nothing),
		TEST(announced_port_0_is_not_taken),
		TEST(announced_same_finds_the_interface_on_another_server),
		TEST(announced_same_asks_only_the_servers_named),
		TEST(announced_same_wants_the_major_version_alone),
		TEST(announced_same_prefers_the_port_with_most_in_common),
		TEST(announced_doubles_are_dropped),
		TEST(announced_set_without_memory_keeps_the_old_list),
		TEST(announced_new_survives_each_refused_allocation),
		TEST(announced_note_adds_what_is_not_known),
		TEST(announced_changes_counts_what_is_to_be_followed),
		TEST(announced_note_looks_past_the_minor_version),
		TEST(announced_note_outlives_one_list_that_lacks_it),
		TEST(announced_note_that_was_listed_is_no_note_any_more),
		TEST(announced_note_that_is_seen_again_stays_again),
		TEST(announced_notes_go_with_their_server),
		TEST(announced_note_needs_room_and_leaves_it_to_lists),
		TEST(announced_port_of_is_the_lowest_of_the_server),
		TEST(announced_has_is_of_that_server_port_and_interface),
		TEST(announced_copy_is_by_port_and_within_the_room),
		TEST(announced_order_is_one_of_every_field_but_the_minor),
		TEST(announced_readers_see_a_whole_list),
		TEST(announced_workers_note_while_lists_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
