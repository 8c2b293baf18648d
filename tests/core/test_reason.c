/*
 * test_reason.c - every reason has one word of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/reason.h"

static void reason_has_a_name_each(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < REASON_COUNT; i++)
		assert_non_null(reason_name((enum reason)i));
}

static void reason_names_are_kebab_case(void **state)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz-";
	const char *name;
	int i;

	(void)state;
	for (i = 0; i < REASON_COUNT; i++) {
		name = reason_name((enum reason)i);
		assert_true(strlen(name) > 0);
		assert_int_equal(strspn(name, allowed), strlen(name));
	}
}

static void reason_names_differ(void **state)
{
	int i, j;

	(void)state;
	for (i = 0; i < REASON_COUNT; i++)
		for (j = 0; j < i; j++)
			assert_string_not_equal(reason_name((enum reason)i),
						reason_name((enum reason)j));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reason_has_a_name_each),
		cmocka_unit_test(reason_names_are_kebab_case),
		cmocka_unit_test(reason_names_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
