/*
 * test_instance.c - a VIP and a state file belong to one balancer.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../helper/netns.h"
#include "net/instance.h"

static char logged[4096];
static char directory[] = "/tmp/mapilb-instance-XXXXXX";
static char state_file[64];
static struct netns ns;

static void put_line(struct log *log, enum log_level level, struct bytes line)
{
	size_t len = strlen(logged);

	(void)log;
	(void)level;
	if (len + line.len + 2 > sizeof(logged))
		return;
	memcpy(logged + len, line.at, line.len);
	memcpy(logged + len + line.len, "\n", 2);
}

static struct log log_to_memory = { .level = LOG_LEVEL_DEBUG, .put = put_line };

static struct addr addr_of(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static int hold(const char *vip, const char *file, struct instance **out)
{
	struct addr addr = { 0 };

	logged[0] = '\0';
	if (vip)
		addr = addr_of(vip);
	return instance_hold(&log_to_memory, vip != NULL, &addr, file, out);
}

static void assert_free(const char *vip, const char *file)
{
	struct instance *instance;

	assert_int_equal(hold(vip, file, &instance), 0);
	instance_release(instance);
}

/* Another process that holds both, until it is killed. */
static pid_t start_holder(void)
{
	struct instance *instance;
	int ready[2];
	char octet;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (hold("10.9.0.1", state_file, &instance) ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &octet, 1), 1);
	close(ready[0]);
	return pid;
}

static void stop_holder(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void assert_refused(const char *vip, const char *file, const char *what,
			   pid_t pid)
{
	struct instance *instance = NULL;
	char text[128];

	assert_int_equal(hold(vip, file, &instance), ERR_BUSY);
	assert_null(instance);
	snprintf(text, sizeof(text), "event=instance-refused %s pid=%ld ", what,
		 (long)pid);
	if (!strstr(logged, text))
		fail_msg("wanted: %s\ngot: %s", text, logged);
}

static void second_is_refused_with_the_first_ones_pid(void **state)
{
	char file[128];
	pid_t pid = start_holder();

	(void)state;
	snprintf(file, sizeof(file), "state-file=%s", state_file);
	assert_refused("10.9.0.1", NULL, "vip=10.9.0.1", pid);
	assert_refused(NULL, state_file, file, pid);
	assert_refused("10.9.0.2", state_file, file, pid);
	assert_free("10.9.0.2", NULL);
	stop_holder(pid);
}

static void killed_holder_holds_nothing(void **state)
{
	pid_t pid = start_holder();

	(void)state;
	stop_holder(pid);
	assert_free("10.9.0.1", state_file);
}

static void every_refusal_names_the_pid(void **state)
{
	pid_t pid = start_holder();
	unsigned i;

	(void)state;
	for (i = 0; i < 200; i++)
		assert_refused("10.9.0.1", NULL, "vip=10.9.0.1", pid);
	stop_holder(pid);
}

static void other_namespace_has_names_of_its_own(void **state)
{
	pid_t pid = start_holder();

	(void)state;
	netns_go(ns.there);
	assert_free("10.9.0.1", NULL);
	netns_go(ns.here);
	stop_holder(pid);
}

static void nothing_is_kept_when_one_of_several_is_taken(void **state)
{
	struct addr vip[3] = { addr_of("10.9.0.7"), addr_of("fd09::7"),
			       addr_of("10.9.0.1") };
	struct instance *instance = NULL;
	pid_t pid = start_holder();

	(void)state;
	assert_int_equal(instance_hold(&log_to_memory, 3, vip, NULL, &instance),
			 ERR_BUSY);
	assert_null(instance);
	assert_free("10.9.0.7", NULL);
	assert_free("fd09::7", NULL);
	stop_holder(pid);
	assert_int_equal(instance_hold(&log_to_memory, 3, vip, NULL, &instance),
			 0);
	instance_release(instance);
}

static void file_that_cannot_be_made_is_an_error(void **state)
{
	struct instance *instance = NULL;

	(void)state;
	assert_int_equal(hold("10.9.0.1", "/nonexistent/state", &instance),
			 -ENOENT);
	assert_null(instance);
	assert_free("10.9.0.1", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(second_is_refused_with_the_first_ones_pid),
		cmocka_unit_test(killed_holder_holds_nothing),
		cmocka_unit_test(every_refusal_names_the_pid),
		cmocka_unit_test(other_namespace_has_names_of_its_own),
		cmocka_unit_test(nothing_is_kept_when_one_of_several_is_taken),
		cmocka_unit_test(file_that_cannot_be_made_is_an_error),
	};
	char path[80];
	int failed;

	netns_enter(&ns);
	if (!mkdtemp(directory))
		return 1;
	snprintf(state_file, sizeof(state_file), "%s/state", directory);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(path, sizeof(path), "%s.lock", state_file);
	unlink(path);
	rmdir(directory);
	return failed;
}
