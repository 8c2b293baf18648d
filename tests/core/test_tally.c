/*
 * test_tally.c - what passed, by interface.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/tally.h"
#include "wire/iface.h"

static struct tally tally;

static const char *name_of(const struct syntax *interface)
{
	return tally_name((unsigned)(tally_of(&tally, interface) - tally.row));
}

static void every_named_interface_has_a_row_of_its_own(void **state)
{
	const struct iface *iface;
	unsigned i;

	(void)state;
	for (i = 0; (iface = iface_at(i)); i++)
		assert_string_equal(name_of(&iface->syntax), iface->name);
	assert_null(tally_name(i)); /* between them and the last two */
}

static void a_minor_version_makes_no_other_row(void **state)
{
	struct syntax newer = iface_emsmdb.syntax;

	(void)state;
	newer.minor++;
	assert_string_equal(name_of(&newer), "emsmdb");
}

static void unnamed_and_silent_ones_are_told_apart(void **state)
{
	struct syntax unknown = { .uuid = { .time_low = 1 }, .major = 1 };

	(void)state;
	assert_string_equal(name_of(&unknown), "other");
	assert_string_equal(name_of(NULL), "none");
	assert_null(tally_name(TALLY_ROWS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_named_interface_has_a_row_of_its_own),
		cmocka_unit_test(a_minor_version_makes_no_other_row),
		cmocka_unit_test(unnamed_and_silent_ones_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
