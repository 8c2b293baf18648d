/*
 * The named interfaces: found by name and by syntax, and as others know them.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "wire/iface.h"

#define SKIPPED 77 /* the script's exit status without its modules */

static void every_interface_is_found_by_name_and_by_syntax(void **state)
{
	const struct iface *iface;
	unsigned i;

	(void)state;
	for (i = 0; (iface = iface_at(i)); i++) {
		assert_ptr_equal(iface_find(iface->name), iface);
		assert_ptr_equal(iface_of(&iface->syntax), iface);
	}
	assert_true(i > 20);
	assert_null(iface_at(i));
	assert_null(iface_at(~0u));
}

static void names_are_kebab_case(void **state)
{
	const struct iface *iface;
	const char *c;
	unsigned i;

	(void)state;
	for (i = 0; (iface = iface_at(i)); i++)
		for (c = iface->name; *c; c++)
			assert_true(islower((unsigned char)*c) ||
				    isdigit((unsigned char)*c) || *c == '-');
}

static void iface_find_ignores_case_and_refuses_the_unknown(void **state)
{
	(void)state;
	assert_ptr_equal(iface_find("emsmdb"), &iface_emsmdb);
	assert_ptr_equal(iface_find("Async-EMSMDB"), &iface_async_emsmdb);
	assert_ptr_equal(iface_find("NSPI"), &iface_nspi);
	assert_ptr_equal(iface_find("rfr"), &iface_rfr);
	assert_ptr_equal(iface_find("epm"), &iface_epm);
	assert_ptr_equal(iface_find("mgmt"), &iface_mgmt);
	assert_null(iface_find("emsmd"));
	assert_null(iface_find("emsmdbb"));
	assert_null(iface_find(""));
}

static void iface_of_ignores_the_minor_version_only(void **state)
{
	struct syntax syntax = iface_nspi.syntax;

	(void)state;
	syntax.minor = 9;
	assert_ptr_equal(iface_of(&syntax), &iface_nspi);
	syntax.major = 55;
	assert_null(iface_of(&syntax));
	syntax = iface_nspi.syntax;
	syntax.uuid.time_hi++;
	assert_null(iface_of(&syntax));
}

static void iface_text_is_the_name_or_else_the_uuid(void **state)
{
	struct syntax unknown = iface_emsmdb.syntax;
	char room[IFACE_TEXT_MAX];

	(void)state;
	assert_string_equal(iface_text(&iface_rfr.syntax, room), "rfr");
	unknown.major = 65535;
	unknown.minor = 65535;
	assert_string_equal(
		iface_text(&unknown, room),
		"a4f1db00-ca47-1067-b31f-00dd010662da v65535.65535");
}

static void interfaces_are_what_samba_and_impacket_call_them(void **state)
{
	FILE *script =
		popen("/usr/bin/python3 tests/wire/check_ifaces.py", "w");
	char room[UUID_TEXT_MAX];
	const struct iface *iface;
	unsigned i;
	int status;

	(void)state;
	assert_non_null(script);
	for (i = 0; (iface = iface_at(i)); i++)
		fprintf(script, "%s %s %u.%u\n", iface->name,
			uuid_format(&iface->syntax.uuid, room),
			(unsigned)iface->syntax.major,
			(unsigned)iface->syntax.minor);
	status = pclose(script);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void only_dcom_activation_is_dcom_whatever_its_version(void **state)
{
	static const char *const dcom[] = { "oxid-resolver",
					    "remote-activation",
					    "system-activator" };
	const struct iface *iface;
	unsigned i, j;

	(void)state;
	for (i = 0; (iface = iface_at(i)); i++) {
		struct syntax syntax = iface->syntax;
		bool want = false;

		for (j = 0; j < 3; j++)
			want = want || strcmp(iface->name, dcom[j]) == 0;
		assert_int_equal(iface_is_dcom(&syntax), want);
		syntax.major = 5;
		syntax.minor = 7;
		assert_int_equal(iface_is_dcom(&syntax), want);
	}
	for (j = 0; j < 3; j++)
		assert_non_null(iface_find(dcom[j]));
}

static void the_interfaces_of_an_array_and_its_domain_have_names(void **state)
{
	static const char *const name[] = {
		"epm",
		"mgmt",
		"emsmdb",
		"async-emsmdb",
		"nspi",
		"rfr",
		"samr",
		"lsarpc",
		"netlogon",
		"drsuapi",
		"dfsr",
		"wmi",
		"oxid-resolver",
		"remote-activation",
		"system-activator",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(name) / sizeof(name[0]); i++)
		assert_non_null(iface_find(name[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			every_interface_is_found_by_name_and_by_syntax),
		cmocka_unit_test(names_are_kebab_case),
		cmocka_unit_test(
			iface_find_ignores_case_and_refuses_the_unknown),
		cmocka_unit_test(iface_of_ignores_the_minor_version_only),
		cmocka_unit_test(iface_text_is_the_name_or_else_the_uuid),
		cmocka_unit_test(
			interfaces_are_what_samba_and_impacket_call_them),
		cmocka_unit_test(
			only_dcom_activation_is_dcom_whatever_its_version),
		cmocka_unit_test(
			the_interfaces_of_an_array_and_its_domain_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
