/*
 * test_portset.c - a set of ports holds what was put in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/portset.h"

static struct portset set, other, out;

static int set_up(void **state)
{
	(void)state;
	portset_clear(&set);
	portset_clear(&other);
	portset_clear(&out);
	return 0;
}

static void portset_is_empty_after_clear(void **state)
{
	(void)state;
	assert_int_equal(portset_count(&set), 0);
	assert_int_equal(portset_next(&set, 0), -1);
	assert_false(portset_has(&set, 0));
}

static void portset_holds_the_ports_at_both_ends(void **state)
{
	(void)state;
	portset_add(&set, 0);
	portset_add(&set, 65535);
	assert_true(portset_has(&set, 0));
	assert_true(portset_has(&set, 65535));
	assert_false(portset_has(&set, 1));
	assert_false(portset_has(&set, 65534));
	assert_int_equal(portset_count(&set), 2);
}

static void portset_add_twice_is_one_port(void **state)
{
	(void)state;
	portset_add(&set, 135);
	portset_add(&set, 135);
	assert_int_equal(portset_count(&set), 1);
	portset_remove(&set, 135);
	portset_remove(&set, 135);
	assert_int_equal(portset_count(&set), 0);
}

static void portset_range_includes_first_and_last(void **state)
{
	(void)state;
	portset_add_range(&set, 1024, 65535);
	assert_int_equal(portset_count(&set), 64512);
	assert_false(portset_has(&set, 1023));
	assert_true(portset_has(&set, 1024));
	assert_true(portset_has(&set, 65535));
}

static void portset_range_upside_down_adds_nothing(void **state)
{
	(void)state;
	portset_add_range(&set, 2000, 1999);
	assert_int_equal(portset_count(&set), 0);
	portset_add_range(&set, 2000, 2000);
	assert_int_equal(portset_count(&set), 1);
}

static void portset_next_walks_every_port_once(void **state)
{
	static const uint16_t port[] = { 0, 63, 64, 135, 59531, 65535 };
	unsigned i, from = 0;
	int next;

	(void)state;
	for (i = 0; i < sizeof(port) / sizeof(port[0]); i++)
		portset_add(&set, port[i]);
	for (i = 0; (next = portset_next(&set, from)) >= 0; i++) {
		assert_true(i < sizeof(port) / sizeof(port[0]));
		assert_int_equal(next, port[i]);
		from = (unsigned)next + 1;
	}
	assert_int_equal(i, sizeof(port) / sizeof(port[0]));
	assert_int_equal(portset_next(&set, 65536), -1);
}

static void portset_subtract_takes_only_what_both_have(void **state)
{
	(void)state;
	portset_add_range(&set, 100, 200);
	portset_add_range(&other, 150, 300);
	portset_subtract(&out, &set, &other);
	assert_int_equal(portset_count(&out), 50);
	assert_true(portset_has(&out, 149));
	assert_false(portset_has(&out, 150));
	assert_false(portset_has(&out, 300));
}

static void portset_layout_is_64_ports_a_word(void **state)
{
	(void)state;
	portset_add(&set, 135); /* what the kernel's program relies on */
	assert_true(set.word[2] == UINT64_C(1) << 7);
	assert_int_equal(sizeof(set), 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(portset_is_empty_after_clear, set_up),
		cmocka_unit_test_setup(portset_holds_the_ports_at_both_ends,
				       set_up),
		cmocka_unit_test_setup(portset_add_twice_is_one_port, set_up),
		cmocka_unit_test_setup(portset_range_includes_first_and_last,
				       set_up),
		cmocka_unit_test_setup(portset_range_upside_down_adds_nothing,
				       set_up),
		cmocka_unit_test_setup(portset_next_walks_every_port_once,
				       set_up),
		cmocka_unit_test_setup(
			portset_subtract_takes_only_what_both_have, set_up),
		cmocka_unit_test_setup(portset_layout_is_64_ports_a_word,
				       set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
