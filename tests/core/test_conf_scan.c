/*
 * test_conf_scan.c - lines become sections and keys, or findings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/conf_scan.h"

static struct conf_scan scan;
static struct findings found;

static int scan_octets(const void *at, size_t len)
{
	findings_init(&found);
	return conf_scan(bytes_of(at, len), &scan, &found);
}

static int scan_text(const char *text)
{
	return scan_octets(text, strlen(text));
}

static void is_text(struct bytes bytes, const char *text)
{
	assert_int_equal(bytes.len, strlen(text));
	assert_memory_equal(bytes.at, text, bytes.len);
}

static void scan_finds_sections_keys_and_lines(void **state)
{
	(void)state;
	assert_int_equal(scan_text("; comment\n"
				   "[One]\n"
				   "\n"
				   "key = value ; comment\r\n"
				   "  [ two words ]\t\n"
				   "\ta.b=c d=e"),
			 0);
	assert_int_equal(scan.nsections, 2);
	is_text(scan.section[0].name, "One");
	assert_int_equal(scan.section[0].line, 2);
	is_text(scan.section[1].name, "two words");
	assert_int_equal(scan.section[1].line, 5);
	assert_int_equal(scan.nentries, 2);
	is_text(scan.entry[0].key, "key");
	is_text(scan.entry[0].value, "value");
	assert_int_equal(scan.entry[0].line, 4);
	assert_int_equal(scan.entry[0].section, 0);
	is_text(scan.entry[1].key, "a.b");
	is_text(scan.entry[1].value, "c d=e");
	assert_int_equal(scan.entry[1].line, 6);
	assert_int_equal(scan.entry[1].section, 1);
}

static void scan_takes_a_value_as_it_is_quoted(void **state)
{
	static const struct {
		const char *written;
		const char *value;
	} row[] = {
		{ "\"a;b#c\"", "a;b#c" },
		{ "'a\"b' # c", "a\"b" },
		{ "\" a \"", " a " },
		{ "\"\"", "" },
		{ "", "" },
		{ "; c", "" },
		{ "a \"b\"", "a \"b\"" },
		{ "a\\b", "a\\b" },
		{ "a\\ ;", "a\\" },
		{ "a\t#\tb", "a" },
	};
	char text[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		snprintf(text, sizeof(text), "[s]\nk = %s\n", row[i].written);
		assert_int_equal(scan_text(text), 0);
		assert_int_equal(scan.nentries, 1);
		is_text(scan.entry[0].value, row[i].value);
	}
}

static void scan_refuses_what_the_reader_would_take_otherwise(void **state)
{
	static const struct {
		const char *text;
		const char *code;
		unsigned line;
	} row[] = {
		{ "\xef\xbb\xbf[s]\n", "byte-order-mark", 1 },
		{ "[s]\nk = v\\\n", "line-continued", 2 },
		{ "[s]\n; v\\ \n", "line-continued", 2 },
		{ "[s] ; c\n", "comment-after-section", 1 },
		{ "[s] c\n", "text-after-section", 1 },
		{ "[s\n", "section-not-closed", 1 },
		{ "[]\n", "section-without-name", 1 },
		{ "k = v\n", "key-outside-section", 1 },
		{ "[s]\nk\n", "not-a-key", 2 },
		{ "[s]\n= v\n", "not-a-key", 2 },
		{ "[s]\nk = \"v\n", "quote-not-closed", 2 },
		{ "[s]\nk = \"v\" w\n", "text-after-quote", 2 },
		{ "[s]\nk = v;w\n", "comment-in-value", 2 },
		{ "[s]\nk = v\fw\n", "control-character", 2 },
		{ "[s]\nk = v\rw\n", "control-character", 2 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		assert_int_equal(scan_text(row[i].text), ERR_CONFIG);
		assert_int_equal(found.n, 1);
		assert_string_equal(found.at[0].code, row[i].code);
		assert_int_equal(found.at[0].line, row[i].line);
		assert_int_equal(found.at[0].severity, FINDING_ERROR);
		assert_true(found.at[0].mend[0]);
		assert_int_equal(scan.nentries, 0);
	}
	assert_int_equal(scan_octets("[s]\nk = \0v\n", 11), ERR_CONFIG);
	assert_string_equal(found.at[0].code, "control-character");
}

static void scan_bounds_a_line(void **state)
{
	char text[CONF_LINE_MAX + 8];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[0] = ';';
	text[CONF_LINE_MAX] = '\r';
	text[CONF_LINE_MAX + 1] = '\n';
	assert_int_equal(scan_octets(text, CONF_LINE_MAX + 2), 0);
	text[CONF_LINE_MAX] = 'x';
	assert_int_equal(scan_octets(text, CONF_LINE_MAX + 2), ERR_CONFIG);
	assert_string_equal(found.at[0].code, "line-too-long");
}

/* <head> once, then <n> times <line>. */
static int scan_many(const char *head, const char *line, unsigned n)
{
	static char text[64 * 1024];
	int len = snprintf(text, sizeof(text), "%s", head);

	for (; n; n--)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%s",
				line);
	return scan_octets(text, (size_t)len);
}

static void scan_bounds_sections_and_keys(void **state)
{
	(void)state;
	assert_int_equal(scan_many("", "[s]\n", CONF_SECTIONS_MAX), 0);
	assert_int_equal(scan_many("", "[s]\n", CONF_SECTIONS_MAX + 1),
			 ERR_CONFIG);
	assert_string_equal(found.at[0].code, "too-many-sections");
	assert_int_equal(scan_many("[s]\n", "k=v\n", CONF_ENTRIES_MAX), 0);
	assert_int_equal(scan_many("[s]\n", "k=v\n", CONF_ENTRIES_MAX + 1),
			 ERR_CONFIG);
	assert_string_equal(found.at[0].code, "too-many-keys");
	assert_int_equal(scan.nentries, CONF_ENTRIES_MAX);
}

/* Keys after a bad header belong to nothing, least of all to the section
 * before it. */
static void scan_leaves_out_the_keys_of_a_bad_section(void **state)
{
	(void)state;
	assert_int_equal(scan_text("[a]\nk=1\n[b\nk=2\n[c]\nk=3\n"),
			 ERR_CONFIG);
	assert_int_equal(found.n, 1);
	assert_int_equal(scan.nentries, 2);
	is_text(scan.entry[1].value, "3");
	assert_int_equal(scan.entry[1].section, 1);
}

static void findings_beyond_the_room_are_counted(void **state)
{
	(void)state;
	assert_int_equal(scan_many("[s]\n", "x\n", FINDINGS_MAX + 10),
			 ERR_CONFIG);
	assert_int_equal(found.n, FINDINGS_MAX);
	assert_int_equal(found.nlost, 10);
	assert_int_equal(found.nerrors, FINDINGS_MAX + 10);
}

static void findings_are_sorted_by_line_and_stay_in_order(void **state)
{
	static const unsigned line[] = { 5, 1, 5, 3, 1 };
	static const char *const code[] = { "a", "b", "c", "d", "e" };
	static const char *const sorted[] = { "b", "e", "d", "a", "c" };
	unsigned i;

	(void)state;
	findings_init(&found);
	for (i = 0; i < 5; i++)
		finding_add(&found, FINDING_WARNING, code[i], line[i], "\n%u",
			    i);
	assert_string_equal(found.at[0].what, "?0");
	findings_sort(&found);
	for (i = 0; i < 5; i++)
		assert_string_equal(found.at[i].code, sorted[i]);
	assert_true(findings_have(&found, "d"));
	assert_false(findings_have(&found, "f"));
	assert_int_equal(found.nwarnings, 5);
	assert_int_equal(found.nerrors, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scan_finds_sections_keys_and_lines),
		cmocka_unit_test(scan_takes_a_value_as_it_is_quoted),
		cmocka_unit_test(
			scan_refuses_what_the_reader_would_take_otherwise),
		cmocka_unit_test(scan_bounds_a_line),
		cmocka_unit_test(scan_bounds_sections_and_keys),
		cmocka_unit_test(scan_leaves_out_the_keys_of_a_bad_section),
		cmocka_unit_test(findings_beyond_the_room_are_counted),
		cmocka_unit_test(findings_are_sorted_by_line_and_stay_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
