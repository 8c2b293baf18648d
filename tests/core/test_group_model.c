/*
 * test_group_model.c - 100,000 random operations on the table of association
 * groups and on a model of it that is too simple to be wrong: a plain array,
 * everything found by looking at all of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/group.h"

#define OPERATIONS 100000
#define CLIENTS	   3
#define IDS	   3
#define SLOTS	   3
#define PORTS	   2
#define ENTRIES	   20
#define UNKNOWN	   UINT64_MAX

static struct model {
	struct group *real; /* NULL: there is none */
	unsigned client, slot;
	uint32_t id;
	uint16_t port;
	unsigned held;
	bool is_gone;
	uint64_t idle_since;
	unsigned turn; /* when it became idle */
} model[ENTRIES];

static struct groups *groups;
static uint64_t now_ms, luck;
static unsigned turn;
static unsigned met[5]; /* how often what happened */

enum met { MET_EVICTION, MET_FULL, MET_NOBODY, MET_BOTH, MET_UNKNOWN };

static unsigned rnd(unsigned below)
{
	luck = luck * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(luck >> 33) % below;
}

static struct addr client(unsigned n)
{
	struct addr addr = { .family = AF_INET, .octet = { 10 } };

	addr.octet[3] = (uint8_t)n;
	return addr;
}

/* ---- the model ---- */

static struct model *oldest_idle(void)
{
	struct model *m, *oldest = NULL;

	for (m = model; m < model + ENTRIES; m++)
		if (m->real && !m->held && (!oldest || m->turn < oldest->turn))
			oldest = m;
	return oldest;
}

static bool is_over(const struct model *m)
{
	return !m->held && now_ms - m->idle_since >= GROUP_LINGER_MS;
}

static struct model *find(const struct model *wanted)
{
	struct model *m;

	for (m = model; m < model + ENTRIES; m++)
		if (m->real && !m->is_gone && m->client == wanted->client &&
		    m->id == wanted->id && m->slot == wanted->slot &&
		    m->port == wanted->port)
			return m;
	return NULL;
}

/* Room for one more; NULL: all are held. */
static struct model *make_room(void)
{
	struct model *m;

	for (m = model; m < model + ENTRIES; m++)
		if (!m->real)
			return m;
	met[MET_EVICTION] += oldest_idle() != NULL;
	return oldest_idle();
}

/* Of <port>, or with 0 of any. */
static uint64_t model_issuers(unsigned c, uint32_t id, uint16_t port)
{
	uint64_t issuers = 0;
	bool is_known = false;
	const struct model *m;

	for (m = model; m < model + ENTRIES; m++) {
		if (!m->real || m->client != c || m->id != id || is_over(m) ||
		    (port && m->port != port))
			continue;
		is_known = true;
		if (!m->is_gone)
			issuers |= UINT64_C(1) << m->slot;
	}
	return is_known ? issuers : UNKNOWN;
}

/* ---- the operations, on both ---- */

static void op_learn(void)
{
	struct model wanted = { .client = rnd(CLIENTS),
				.id = 1 + rnd(IDS),
				.slot = rnd(SLOTS),
				.port = (uint16_t)(6001 + rnd(PORTS)) };
	struct model *m = find(&wanted);
	struct addr addr = client(wanted.client);
	struct group *real = group_learn(groups, &addr, wanted.id,
					 (uint8_t)wanted.slot, wanted.port);

	if (m) {
		assert_ptr_equal(real, m->real);
		m->held++;
		return;
	}
	m = make_room();
	assert_int_equal(real != NULL, m != NULL);
	met[MET_FULL] += !m;
	if (!m)
		return;
	*m = wanted;
	m->real = real;
	m->held = 1;
}

static void op_release(void)
{
	struct model *m = &model[rnd(ENTRIES)];

	if (!m->real || !m->held)
		return;
	group_release(groups, m->real, now_ms);
	if (--m->held)
		return;
	m->idle_since = now_ms;
	m->turn = turn++;
}

static void op_wait(void)
{
	now_ms += rnd(GROUP_LINGER_MS / 4);
}

static void op_forget(void)
{
	uint64_t slots = rnd(1 << SLOTS);
	struct model *m;

	groups_forget(groups, slots);
	for (m = model; m < model + ENTRIES; m++)
		m->is_gone |= slots >> m->slot & 1;
}

static void op_expire(void)
{
	unsigned most = rnd(5), n = 0;
	struct model *m;

	for (; n < most && (m = oldest_idle()) && is_over(m); n++)
		m->real = NULL;
	assert_int_equal(groups_expire(groups, now_ms, most), n);
}

static uint64_t real_issuers(unsigned c, uint32_t id, uint16_t port)
{
	struct addr addr = client(c);
	uint64_t out = UNKNOWN;
	bool is_known = group_issuers(groups, &addr, id, port, now_ms, &out);

	assert_int_equal(is_known, out != UNKNOWN);
	return out;
}

static void compare_one(unsigned c, uint32_t id)
{
	uint64_t all = model_issuers(c, id, 0), of_port;
	uint16_t port;

	assert_true(real_issuers(c, id, 0) == all);
	for (port = 6001; port <= 6001 + PORTS; port++) {
		of_port = model_issuers(c, id, port);
		assert_true(real_issuers(c, id, port) ==
			    (of_port == UNKNOWN ? all : of_port));
		met[MET_BOTH] += of_port != UNKNOWN && of_port != all;
	}
	met[MET_NOBODY] += all == 0;
	met[MET_UNKNOWN] += all == UNKNOWN;
}

static void compare(void)
{
	const struct model *m;
	unsigned c, n = 0;
	uint32_t id;

	for (c = 0; c < CLIENTS; c++)
		for (id = 1; id <= IDS; id++)
			compare_one(c, id);
	for (m = model; m < model + ENTRIES; m++)
		n += m->real != NULL;
	assert_int_equal(groups_count(groups), n);
}

static const struct {
	unsigned often; /* of 100 */
	void (*run)(void);
} operations[] = {
	{ 38, op_learn }, { 45, op_release }, { 8, op_wait },
	{ 2, op_forget }, { 7, op_expire },
};

static void step(void)
{
	unsigned at = rnd(100), i = 0;

	while (at >= operations[i].often)
		at -= operations[i++].often;
	operations[i].run();
}

static void group_is_as_the_model_says_after_every_operation(void **state)
{
	static const uint8_t seed[HASH_KEY_LEN] = { 1, 2, 3 };
	unsigned i;

	(void)state;
	luck = 20100817;
	now_ms = 1000;
	groups = groups_new(ENTRIES, seed);
	assert_non_null(groups);
	for (i = 0; i < OPERATIONS; i++) {
		step();
		compare();
	}
	for (i = 0; i < sizeof(met) / sizeof(met[0]); i++) {
		print_message("special case %u: %u times\n", i, met[i]);
		assert_true(met[i] > 10);
	}
	groups_free(groups);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			group_is_as_the_model_says_after_every_operation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
