/*
 * test_array.c - servers come, go, are set aside and come back.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/array.h"

static struct array array;
static struct conf *conf;

static void add(const char *name, const char *address)
{
	struct conf_server *server = &conf->server[conf->nservers++];

	snprintf(server->name, sizeof(server->name), "%s", name);
	assert_int_equal(addr_parse(address, &server->address), 0);
	server->weight = 1;
	server->state = CONF_STATE_ENABLED;
}

/* NULL if no server in use has that name. */
static struct server *find(const char *name)
{
	unsigned i;

	for (i = 0; i < ARRAY_SLOTS; i++)
		if (array.server[i].life == SERVER_IN_USE &&
		    strcmp(array.server[i].name, name) == 0)
			return &array.server[i];
	return NULL;
}

static int set_up(void **state)
{
	(void)state;
	array_init(&array);
	conf = calloc(1, sizeof(*conf));
	assert_non_null(conf);
	add("cas1", "10.77.0.11");
	add("cas2", "10.77.0.12");
	add("cas3", "10.77.0.13");
	assert_int_equal(array_apply(&array, conf), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(conf);
	return 0;
}

static void array_gives_every_server_a_slot(void **state)
{
	struct server *server = find("cas2");

	(void)state;
	assert_non_null(server);
	assert_string_equal(server->name, "cas2");
	assert_true(addr_equal(&server->address, &conf->server[1].address));
	assert_ptr_equal(server, &array.server[server->slot]);
	assert_true(array_open(&array, 0) == 7);
	assert_null(find("cas4"));
}

static void array_apply_keeps_slots_and_takes_weight_and_state(void **state)
{
	struct server *server = find("cas2");

	(void)state;
	conf->server[0] = conf->server[1]; /* cas1 goes, the order changes */
	conf->server[0].weight = 5;
	conf->server[0].state = CONF_STATE_DRAIN;
	conf->server[1] = conf->server[2];
	conf->nservers = 2;
	assert_int_equal(array_apply(&array, conf), 0);
	assert_ptr_equal(find("cas2"), server);
	assert_int_equal(server->weight, 5);
	assert_int_equal(server->state, CONF_STATE_DRAIN);
	assert_null(find("cas1"));
	assert_int_equal(array.server[0].life, SERVER_LEAVING);
	assert_string_equal(array.server[0].name, "cas1");
}

static void array_server_with_new_address_is_a_new_server(void **state)
{
	struct server *old = find("cas1"), *new;

	(void)state;
	assert_int_equal(addr_parse("10.77.0.99", &conf->server[0].address), 0);
	assert_int_equal(array_apply(&array, conf), 0);
	new = find("cas1");
	assert_ptr_not_equal(old, new);
	assert_int_equal(old->life, SERVER_LEAVING);
	assert_true(addr_equal(&new->address, &conf->server[0].address));
}

static void array_leaving_server_that_returns_has_its_slot_again(void **state)
{
	struct server *server = find("cas3");

	(void)state;
	assert_true(server_bind(server));
	conf->nservers = 2;
	assert_int_equal(array_apply(&array, conf), 0);
	assert_int_equal(server->life, SERVER_LEAVING);
	conf->nservers = 3;
	assert_int_equal(array_apply(&array, conf), 0);
	assert_ptr_equal(find("cas3"), server);
	assert_int_equal(server->bindings, 1);
}

static void array_apply_without_a_free_slot_changes_nothing(void **state)
{
	char name[32], address[32];
	int i;

	(void)state;
	assert_true(server_bind(find("cas1")));
	conf->nservers = 0;
	for (i = 0; i < ARRAY_SLOTS; i++) {
		snprintf(name, sizeof(name), "new%d", i);
		snprintf(address, sizeof(address), "10.78.0.%d", i);
		add(name, address);
	}
	assert_int_equal(array_apply(&array, conf), ERR_SPACE);
	assert_true(array_open(&array, 0) == 7);
	assert_non_null(find("cas1"));
	conf->nservers = ARRAY_SLOTS - 3;
	assert_int_equal(array_apply(&array, conf), 0);
	assert_true(array_open(&array, 0) == ~UINT64_C(7));
}

static void array_sweep_frees_only_what_nothing_refers_to(void **state)
{
	struct server *server = find("cas2");

	(void)state;
	assert_true(server_bind(server));
	server->connections++;
	assert_true(array_sweep(&array) == 0); /* all are in use */
	conf->nservers = 1;
	assert_int_equal(array_apply(&array, conf), 0);
	assert_true(array_sweep(&array) == 4); /* cas3 */
	server_unbind(server);
	assert_true(array_sweep(&array) == 0);
	server->connections--;
	assert_true(array_sweep(&array) == 2);
	assert_true(array_sweep(&array) == 0);
	assert_int_equal(server->life, SERVER_FREE);
}

static void array_freed_slot_starts_without_blame(void **state)
{
	struct server *server = find("cas3");

	(void)state;
	assert_true(server_failed(server, 135, 1000) > 0);
	conf->nservers = 2;
	assert_int_equal(array_apply(&array, conf), 0);
	assert_true(array_sweep(&array) == 4);
	add("cas4", "10.77.0.14");
	assert_int_equal(array_apply(&array, conf), 0);
	assert_ptr_equal(find("cas4"), server);
	assert_true(array_open(&array, 1000) == 7);
	assert_int_equal(server->failures, 0);
}

static void array_open_is_enabled_and_not_set_aside(void **state)
{
	(void)state;
	array.server[0].state = CONF_STATE_DRAIN;
	array.server[1].state = CONF_STATE_DISABLED;
	assert_true(array_open(&array, 5000) == 4);
	assert_true(server_failed(&array.server[2], 135, 5000) == 1000);
	assert_true(array_open(&array, 5000) == 0);
	assert_true(array_open(&array, 5999) == 0);
	assert_true(array_open(&array, 6000) == 4);
}

/* state, set aside, live connections: does it serve a bound client? */
static void server_serves_walks_its_table(void **state)
{
	static const struct {
		enum server_life life;
		enum conf_state state;
		bool is_aside, has_live, serves;
	} row[] = {
		{ SERVER_IN_USE, CONF_STATE_ENABLED, false, false, true },
		{ SERVER_IN_USE, CONF_STATE_ENABLED, false, true, true },
		{ SERVER_IN_USE, CONF_STATE_ENABLED, true, false, false },
		{ SERVER_IN_USE, CONF_STATE_ENABLED, true, true, true },
		{ SERVER_IN_USE, CONF_STATE_DRAIN, false, false, true },
		{ SERVER_IN_USE, CONF_STATE_DRAIN, true, false, false },
		{ SERVER_IN_USE, CONF_STATE_DRAIN, true, true, true },
		{ SERVER_IN_USE, CONF_STATE_DISABLED, false, false, false },
		{ SERVER_IN_USE, CONF_STATE_DISABLED, false, true, false },
		{ SERVER_LEAVING, CONF_STATE_ENABLED, false, true, true },
		{ SERVER_LEAVING, CONF_STATE_ENABLED, true, true, true },
		{ SERVER_LEAVING, CONF_STATE_ENABLED, false, false, false },
		{ SERVER_LEAVING, CONF_STATE_DISABLED, false, true, false },
		{ SERVER_FREE, CONF_STATE_ENABLED, false, true, false },
	};
	struct server *server = &array.server[0];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		server->life = (uint8_t)row[i].life;
		server->state = (uint8_t)row[i].state;
		server->set_aside_until = row[i].is_aside ? 2000 : 0;
		assert_int_equal(server_serves(server, row[i].has_live, 1000),
				 row[i].serves);
	}
}

static void server_failing_in_a_row_is_set_aside_longer(void **state)
{
	static const uint64_t span_ms[] = { 1000,  2000,  4000,	 8000,
					    16000, 30000, 30000, 30000 };
	struct server *server = &array.server[0];
	uint64_t now_ms = 77;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(span_ms) / sizeof(span_ms[0]); i++) {
		assert_true(server_failed(server, 135, now_ms) == span_ms[i]);
		now_ms += span_ms[i];
	}
	server_answered(server, 135);
	assert_true(server_failed(server, 135, now_ms) == 1000);
}

static void server_that_was_well_for_long_begins_a_new_row(void **state)
{
	struct server *server = &array.server[0];
	uint64_t now_ms = 1;

	(void)state;
	assert_true(server_failed(server, 135, now_ms) == 1000);
	now_ms += 1000 + ARRAY_FORGIVE_MS - 1;
	assert_true(server_failed(server, 135, now_ms) == 2000);
	now_ms += 2000 + ARRAY_FORGIVE_MS;
	assert_true(server_failed(server, 135, now_ms) == 1000);
	assert_int_equal(server->failures, 1);
}

static void server_failures_while_set_aside_count_once(void **state)
{
	struct server *server = &array.server[0];
	int i;

	(void)state;
	assert_true(server_failed(server, 135, 0) == 1000);
	for (i = 0; i < 50; i++)
		assert_true(server_failed(server, 135, 999) == 0);
	assert_int_equal(server->failures, 1);
	assert_true(server_failed(server, 135, 1000) == 2000);
}

static void server_answer_on_another_port_leaves_it_set_aside(void **state)
{
	struct server *server = &array.server[0];

	(void)state;
	assert_true(server_failed(server, 59531, 0) == 1000);
	server_answered(server, 135);
	assert_true(array_open(&array, 500) == 6);
	server_answered(server, 59531);
	assert_true(array_open(&array, 500) == 7);
}

static void server_blamed_as_a_whole_is_cleared_by_any_port(void **state)
{
	struct server *server = &array.server[0];

	(void)state;
	assert_true(server_failed(server, 0, 0) == 1000);
	server_answered(server, 59531);
	assert_true(array_open(&array, 0) == 7);
}

static void server_bind_refuses_a_server_that_is_leaving(void **state)
{
	struct server *server = find("cas3");

	(void)state;
	conf->nservers = 2;
	assert_int_equal(array_apply(&array, conf), 0);
	assert_false(server_bind(server));
	assert_int_equal(server->bindings, 0);
	assert_true(array_sweep(&array) == 4);
	assert_false(server_bind(server));
	assert_int_equal(server->bindings, 0);
}

static atomic_bool is_over;

/* A worker: whatever it could bind must stay what it is until it lets go. */
static void *bind_and_look(void *ctx)
{
	struct server *server = ctx;
	char name[CONF_NAME_MAX];
	uintptr_t bad = 0;

	while (!is_over) {
		if (!server_bind(server))
			continue;
		memcpy(name, server->name, sizeof(name));
		bad += server->life == SERVER_FREE;
		bad += memcmp(name, server->name, sizeof(name)) != 0;
		server_unbind(server);
	}
	return (void *)bad;
}

static void array_slot_in_hand_never_changes_its_meaning(void **state)
{
	struct server *server = find("cas3");
	pthread_t worker[2];
	unsigned i, freed = 0;
	void *bad;

	(void)state;
	is_over = false;
	for (i = 0; i < 2; i++)
		assert_int_equal(
			pthread_create(&worker[i], NULL, bind_and_look, server),
			0);
	for (i = 0; i < 200000; i++) {
		conf->nservers = 2;
		assert_int_equal(array_apply(&array, conf), 0);
		freed += array_sweep(&array) != 0;
		add(i % 2 ? "cas3" : "another", "10.77.0.13");
		assert_int_equal(array_apply(&array, conf), 0);
	}
	is_over = true;
	for (i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(worker[i], &bad), 0);
		assert_null(bad);
	}
	assert_true(freed > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(array_gives_every_server_a_slot),
		TEST(array_apply_keeps_slots_and_takes_weight_and_state),
		TEST(array_server_with_new_address_is_a_new_server),
		TEST(array_leaving_server_that_returns_has_its_slot_again),
		TEST(array_apply_without_a_free_slot_changes_nothing),
		TEST(array_sweep_frees_only_what_nothing_refers_to),
		TEST(array_freed_slot_starts_without_blame),
		TEST(array_open_is_enabled_and_not_set_aside),
		TEST(server_serves_walks_its_table),
		TEST(server_failing_in_a_row_is_set_aside_longer),
		TEST(server_that_was_well_for_long_begins_a_new_row),
		TEST(server_failures_while_set_aside_count_once),
		TEST(server_answer_on_another_port_leaves_it_set_aside),
		TEST(server_blamed_as_a_whole_is_cleared_by_any_port),
		TEST(server_bind_refuses_a_server_that_is_leaving),
		TEST(array_slot_in_hand_never_changes_its_meaning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
