/*
 * test_load.c - files become models, or findings; our scan and the INI
 * reader never disagree on what the scan passes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "../helper/alloc.h"
#include "main/check_conf.h"
#include "main/load.h"

static char path[] = "/tmp/mapilb-test-load-XXXXXX";
static struct findings found;

static void write_file(const void *at, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(at, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void write_text(const char *text)
{
	write_file(text, strlen(text));
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

#define GOOD                                                                   \
	"; a comment\n"                                                        \
	"[Balancer]\n"                                                         \
	"vip = 127.62.0.10\n"                                                  \
	"source = '127.62.0.9' ; quoted\n"                                     \
	"max-connections=100\r\n"                                              \
	"[rpc]\n"                                                              \
	"interfaces = any\n"                                                   \
	"range = 5000-6000\n"                                                  \
	"[server CAS1]\n"                                                      \
	"address = 127.62.0.11\n"                                              \
	"[server cas2]\n"                                                      \
	"state = drain\n"                                                      \
	"address = 127.62.0.12\n"

static void load_reads_a_good_file(void **state)
{
	struct conf *conf = NULL;

	(void)state;
	write_text(GOOD);
	assert_int_equal(load_conf(path, &found, &conf), 0);
	assert_int_equal(found.n, 0);
	assert_int_equal(conf->holders, 1);
	assert_int_equal(conf->balancer.nvips, 1);
	assert_int_equal(conf->balancer.nsources, 1);
	assert_int_equal(conf->balancer.max_connections, 100);
	assert_true(conf->balancer.threads >= 1);
	assert_true(conf->balancer.threads <= CONF_THREADS_MAX);
	assert_true(conf->rpc.any_interface);
	assert_int_equal(conf->rpc.range_last, 6000);
	assert_int_equal(conf->rpc.virtual_first, 5000);
	assert_int_equal(conf->rpc.virtual_last, 6000);
	assert_int_equal(conf->nservers, 2);
	assert_string_equal(conf->server[0].name, "cas1");
	assert_int_equal(conf->server[1].state, CONF_STATE_DRAIN);
	conf_drop(conf);
}

static void load_without_rpc_section_has_no_rpc(void **state)
{
	struct load *load = NULL;

	(void)state;
	write_text("[balancer]\nvip = 127.62.0.10\n");
	findings_init(&found);
	assert_int_equal(load_open(path, &found, &load), 0);
	assert_int_equal(load_model(load)->rpc.ports, CONF_PORTS_OFF);
	load_close(load);
}

static void load_says_what_is_wrong_in_the_order_of_lines(void **state)
{
	struct conf *conf = NULL;

	(void)state;
	write_text("[server a]\naddress = x\n[rpc]\nrange = 2-1\n"
		   "[balancer]\nvip = y\nvip = z\n[odd]\n");
	assert_int_equal(load_conf(path, &found, &conf), ERR_CONFIG);
	assert_null(conf);
	assert_int_equal(found.n, 5);
	assert_string_equal(found.at[0].code, "bad-value");
	assert_int_equal(found.at[0].line, 2);
	assert_string_equal(found.at[1].code, "range-reversed");
	assert_int_equal(found.at[2].line, 6);
	assert_string_equal(found.at[3].code, "doubled-key");
	assert_string_equal(found.at[4].code, "unknown-section");
	assert_int_equal(found.at[4].line, 8);
}

static void load_says_why_a_file_cannot_be_read(void **state)
{
	struct conf *conf = NULL;

	(void)state;
	assert_int_equal(load_conf("/nonexistent.ini", &found, &conf), -ENOENT);
	assert_true(findings_have(&found, "unreadable"));
	assert_int_equal(load_conf("/", &found, &conf), -EISDIR);
	assert_int_equal(load_conf("/dev/zero", &found, &conf), ERR_LIMIT);
	assert_int_equal(load_conf("/dev/null", &found, &conf), ERR_CONFIG);
	assert_true(findings_have(&found, "no-vip"));
}

/* A reload when every descriptor is in use changes nothing. */
static void load_without_descriptors_says_so(void **state)
{
	struct rlimit limit, few;
	struct conf *conf = NULL;
	int fd, err;

	(void)state;
	write_text(GOOD);
	fd = dup(0);
	assert_true(fd > 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = (rlim_t)fd;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	err = load_conf(path, &found, &conf);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	close(fd);
	assert_int_equal(err, -EMFILE);
	assert_true(findings_have(&found, "unreadable"));
	assert_null(conf);
}

static void load_takes_the_longest_line(void **state)
{
	static char text[2048];
	struct load *load = NULL;
	int len;

	(void)state;
	len = snprintf(text, sizeof(text), "[balancer]\nvip = 127.62.0.10 ;");
	while (len < 11 + 1020)
		text[len++] = 'x';
	len += snprintf(text + len, sizeof(text) - (size_t)len, "\r\n[rpc]\n");
	write_file(text, (size_t)len);
	findings_init(&found);
	assert_int_equal(load_open(path, &found, &load), 0);
	assert_int_equal(load_model(load)->rpc.ports, CONF_PORTS_DYNAMIC);
	load_close(load);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* A file of one key whose text is random, between random noise. */
static size_t make_noise(uint32_t *seed, char *room, size_t cap)
{
	static const char *const piece[] = {
		"\"", "'", ";",	 "#",	" ",  "\t", "\\",     "=", "a",
		"b",  "[", "]",	 ":",	"%",  "%s", "\"\"",   "'", "''",
		"\r", "é", " ;", " # ", "x=", "==", "a = \"", ",", "\n; ",
	};
	size_t len = (size_t)snprintf(room, cap, "[service x]\nshare =");
	unsigned n = 1 + next_random(seed) % 9;

	while (n--)
		len += (size_t)snprintf(
			room + len, cap - len, "%s",
			piece[next_random(seed) %
			      (sizeof(piece) / sizeof(piece[0]))]);
	return len;
}

static void scan_and_reader_never_disagree(void **state)
{
	uint32_t seed = 1, passed = 0, i;
	struct load *load;
	char text[512];

	(void)state;
	for (i = 0; i < 4000; i++) {
		write_file(text, make_noise(&seed, text, sizeof(text)));
		findings_init(&found);
		load = NULL;
		passed += load_open(path, &found, &load) == 0;
		load_close(load);
		assert_false(findings_have(&found, "parsers-disagree"));
	}
	assert_in_range(passed, 400, 3900); /* both sides are tried */
}

static void load_under_refusal(void *ctx)
{
	struct conf *conf = NULL;
	int err = load_conf(path, &found, &conf);

	(void)ctx;
	if (alloc_has_failed() && err) {
		assert_int_equal(err, ERR_MEMORY);
		assert_true(findings_have(&found, "no-memory"));
		assert_null(conf);
		return;
	}
	assert_int_equal(err, 0);
	conf_drop(conf);
}

static void every_refused_allocation_is_survived(void **state)
{
	(void)state;
	write_text(GOOD);
	assert_true(alloc_each_fails(NULL, load_under_refusal) > 10);
}

/* Everything that is printed of <out>, NUL-terminated. */
static char *print_effective(int *status)
{
	FILE *errors = tmpfile(), *out;
	char *text = NULL;
	size_t len = 0;

	out = open_memstream(&text, &len);
	assert_non_null(out);
	assert_non_null(errors);
	*status = effective_conf_print(out, errors, path);
	assert_int_equal(fclose(out), 0);
	assert_true(*status == 0 || ftell(errors) > 0);
	fclose(errors);
	return text;
}

static void load_model_of(struct load **load)
{
	findings_init(&found);
	assert_int_equal(load_open(path, &found, load), 0);
}

/* Parts without pointers octet by octet, texts by what they say. */
static void same_model(const struct conf *a, const struct conf *b)
{
	unsigned i;

	assert_memory_equal(a->balancer.vip, b->balancer.vip,
			    sizeof(a->balancer.vip));
	assert_memory_equal(a->balancer.source, b->balancer.source,
			    sizeof(a->balancer.source));
	assert_string_equal(a->balancer.log_file, b->balancer.log_file);
	assert_int_equal(a->balancer.max_connections,
			 b->balancer.max_connections);
	assert_memory_equal(&a->affinity, &b->affinity, sizeof(a->affinity));
	assert_memory_equal(&a->rpc, &b->rpc, sizeof(a->rpc));
	assert_memory_equal(&a->schedule, &b->schedule, sizeof(a->schedule));
	assert_memory_equal(&a->check, &b->check, sizeof(a->check));
	assert_memory_equal(&a->status, &b->status, sizeof(a->status));
	assert_int_equal(a->nrules, b->nrules);
	assert_memory_equal(a->rule, b->rule, sizeof(a->rule));
	assert_int_equal(a->nservices, b->nservices);
	for (i = 0; i < a->nservices; i++)
		assert_string_equal(a->service[i].share, b->service[i].share);
	assert_int_equal(a->nservers, b->nservers);
	for (i = 0; i < a->nservers; i++) {
		assert_string_equal(a->server[i].name, b->server[i].name);
		assert_memory_equal(&a->server[i].address,
				    &b->server[i].address, sizeof(struct addr));
		assert_int_equal(a->server[i].state, b->server[i].state);
	}
}

static void what_T_prints_loads_to_the_same_model(void **state)
{
	struct load *first = NULL, *second = NULL;
	int status;
	char *text;

	(void)state;
	write_text(
		"[balancer]\nvip = 127.62.0.10, ::1\nlog = \"/tmp/a;b #c'\"\n"
		"source = 127.62.0.9, ::2\nmax-connections = 77\n"
		"[affinity]\nalias = 1.2.3.4 = 5.6.7.8\nkey = network\n"
		"[rpc]\nrange = 2000-3000\nexclude = 2001, 2005-2010\n"
		"interfaces = any\nkeepalive = off\nadmit = any\n"
		"[schedule]\nmethod = least-clients\n[check]\nrise = 9\n"
		"[status]\nlisten = [::1]:9135\n"
		"[service x]\nshare = owa\npath = /a\\ ; b\n"
		"[rule r]\nclients = 10.0.0.0/8\nservers = b\n"
		"[server a]\naddress = 127.62.0.11\nstate = disabled\n"
		"[server b]\naddress = 127.62.0.12\n");
	load_model_of(&first);
	text = print_effective(&status);
	assert_int_equal(status, 0);
	write_text(text);
	load_model_of(&second);
	same_model(load_model(first), load_model(second));
	assert_string_equal(load_model(second)->service[0].path, "/a\\");
	load_close(first);
	load_close(second);
	free(text);
}

/* A value that leaves no room for a comment behind it. */
static void long_values_come_back_from_T(void **state)
{
	struct load *load = NULL;
	char file[2048], name[1000];
	int status;
	char *text;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[0] = '/';
	name[1] = '\\';
	name[sizeof(name) - 1] = '\0';
	snprintf(file, sizeof(file),
		 "[balancer]\nvip=127.62.0.10\nlog=%s\n[rpc]\n"
		 "[server a]\naddress=127.62.0.11\n",
		 name);
	write_text(file);
	text = print_effective(&status);
	assert_int_equal(status, 0);
	write_text(text);
	load_model_of(&load);
	assert_string_equal(load_model(load)->balancer.log_file, name);
	load_close(load);
	free(text);
}

static void T_prints_nothing_of_a_bad_file(void **state)
{
	int status;
	char *text;

	(void)state;
	write_text("[rpc]\n");
	text = print_effective(&status);
	assert_int_equal(status, 1);
	assert_string_equal(text, "");
	free(text);
}

/* The sample says every key there is, set or in a comment. */
static void sample_names_every_key(void **state)
{
	static char text[64 * 1024];
	FILE *file = fopen("conf/mapilb.ini", "r");
	char wanted[2][80];
	unsigned k, s;
	size_t len;

	(void)state;
	assert_non_null(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	for (k = 0; k < CONF_KINDS; k++)
		for (s = 0; s < conf_kinds[k].nsettings; s++) {
			snprintf(wanted[0], sizeof(wanted[0]),
				 "\n%s = ", conf_kinds[k].setting[s].name);
			snprintf(wanted[1], sizeof(wanted[1]),
				 "\n; %s = ", conf_kinds[k].setting[s].name);
			assert_true(strstr(text, wanted[0]) ||
				    strstr(text, wanted[1]));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load_reads_a_good_file),
		cmocka_unit_test(load_without_rpc_section_has_no_rpc),
		cmocka_unit_test(load_says_what_is_wrong_in_the_order_of_lines),
		cmocka_unit_test(load_says_why_a_file_cannot_be_read),
		cmocka_unit_test(load_without_descriptors_says_so),
		cmocka_unit_test(load_takes_the_longest_line),
		cmocka_unit_test(scan_and_reader_never_disagree),
		cmocka_unit_test(every_refused_allocation_is_survived),
		cmocka_unit_test(what_T_prints_loads_to_the_same_model),
		cmocka_unit_test(long_values_come_back_from_T),
		cmocka_unit_test(T_prints_nothing_of_a_bad_file),
		cmocka_unit_test(sample_names_every_key),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
