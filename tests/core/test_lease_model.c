/*
 * test_lease_model.c - 100,000 random operations on the table of leases and
 * on a model of it that is too simple to be wrong: a plain array, everything
 * found by looking at all of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/lease.h"

#define OPERATIONS 100000
#define CLIENTS	   12
#define PORTS	   2
#define KEYS	   (CLIENTS * PORTS)
#define ENTRIES	   14
#define TIMEOUT	   20000

enum kind { NOTHING, IDLE, HELD, OVER };

static struct model {
	enum kind kind;
	struct lease_target to;
	unsigned held;
	bool is_ended, is_gone;	  /* while it is held */
	uint64_t since_ms;	  /* a whole second */
	unsigned turn;		  /* when it came to the end of its list */
	unsigned told, real_told; /* how often it was said that it ended */
} model[KEYS];

static struct leases *leases;
static uint64_t now_ms, timeout_ms, luck;
static unsigned turn;
static unsigned met[6]; /* how often what happened */

enum met { MET_EVICTION, MET_FULL, MET_ENDED, MET_GONE, MET_BACK, MET_RENEWED };

static unsigned rnd(unsigned below)
{
	luck = luck * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(luck >> 33) % below;
}

static struct addr client(unsigned key)
{
	struct addr addr = { .family = AF_INET, .octet = { 10 } };

	addr.octet[3] = (uint8_t)(key / PORTS);
	return addr;
}

static uint16_t port(unsigned key)
{
	return (uint16_t)(50000 + key % PORTS);
}

static unsigned key_of(const struct addr *addr, uint16_t of_port)
{
	assert_in_range(of_port, 50000, 50000 + PORTS - 1);
	return addr->octet[3] * (unsigned)PORTS + (of_port - 50000u);
}

static void assert_target(const struct lease_target *a,
			  const struct lease_target *b)
{
	assert_int_equal(a->slot, b->slot);
	assert_int_equal(a->port, b->port);
	assert_true(syntax_equal(&a->interface, &b->interface));
}

static struct lease_target some_target(void)
{
	struct lease_target to = { .slot = (uint8_t)rnd(2),
				   .port = (uint16_t)(6001 + rnd(2)) };

	to.interface.minor = (uint16_t)rnd(2);
	return to;
}

static void note_removed(void *ctx, const struct addr *addr, uint16_t of_port)
{
	(void)ctx;
	model[key_of(addr, of_port)].real_told++;
}

/* ---- the model ---- */

static uint64_t second_of(uint64_t ms)
{
	return (ms + 999) / 1000 * 1000;
}

static uint64_t age(const struct model *m)
{
	return m->kind != HELD && now_ms > m->since_ms ? now_ms - m->since_ms
						       : 0;
}

static enum lease_state state_of(const struct model *m)
{
	if (m->kind == NOTHING || (m->kind == HELD && m->is_gone))
		return LEASE_NONE;
	if (m->kind == HELD)
		return LEASE_VALID;
	if (age(m) >= 2 * timeout_ms)
		return LEASE_NONE;
	return m->kind == OVER || age(m) >= timeout_ms ? LEASE_EXPIRED
						       : LEASE_VALID;
}

static unsigned count(enum kind kind)
{
	unsigned i, n = 0;

	for (i = 0; i < KEYS; i++)
		n += model[i].kind == kind;
	return n;
}

/* Idle ones are in the order of their age, those that are over in that in
 * which they were found to be. */
static bool is_before(const struct model *a, const struct model *b)
{
	if (a->kind == IDLE && a->since_ms != b->since_ms)
		return a->since_ms < b->since_ms;
	return a->turn < b->turn;
}

static struct model *oldest(enum kind kind)
{
	struct model *m, *first = NULL;

	for (m = model; m < model + KEYS; m++)
		if (m->kind == kind && (!first || is_before(m, first)))
			first = m;
	return first;
}

static void end(struct model *m)
{
	m->kind = NOTHING;
	m->told++;
}

static bool make_room(void)
{
	if (count(NOTHING) > KEYS - ENTRIES)
		return true;
	if (count(OVER)) {
		oldest(OVER)->kind = NOTHING;
		return true;
	}
	if (!count(IDLE))
		return false;
	end(oldest(IDLE));
	met[MET_EVICTION]++;
	return true;
}

static void renew(struct model *m, uint64_t since_ms)
{
	m->kind = IDLE;
	m->since_ms = since_ms;
	m->turn = turn++;
}

/* ---- the operations, on both ---- */

static void op_grant(unsigned key)
{
	struct lease_target to = some_target();
	struct model *m = &model[key];
	struct addr addr = client(key);
	int wanted = state_of(m) != LEASE_VALID;
	int got = lease_grant(leases, &addr, port(key), &to, now_ms);

	if (m->kind == NOTHING && !make_room())
		wanted = ERR_MEMORY;
	assert_int_equal(got, wanted);
	met[MET_FULL] += got < 0;
	if (got < 0)
		return;
	met[MET_BACK] += m->kind == HELD && (m->is_ended || m->is_gone);
	m->to = to;
	m->is_ended = m->is_gone = false;
	if (m->kind != HELD)
		renew(m, second_of(now_ms));
}

static void op_hold(unsigned key)
{
	struct lease_target out = { 0 };
	struct model *m = &model[key];
	struct addr addr = client(key);
	enum lease_state state =
		lease_hold(leases, &addr, port(key), now_ms, &out);

	assert_int_equal(state, state_of(m));
	if (state != LEASE_VALID)
		return;
	assert_target(&out, &m->to);
	m->kind = HELD;
	m->held++;
}

static void op_release(unsigned key)
{
	struct model *m = &model[key];
	struct addr addr = client(key);

	lease_release(leases, &addr, port(key), now_ms);
	if (m->kind != HELD || --m->held)
		return;
	met[MET_ENDED] += m->is_ended;
	met[MET_GONE] += m->is_gone;
	met[MET_RENEWED] += !m->is_ended && !m->is_gone;
	if (m->is_ended || m->is_gone)
		end(m);
	else
		renew(m, second_of(now_ms));
}

static void op_end_port(unsigned key)
{
	struct lease_target to = some_target();
	struct model *m;

	(void)key;
	lease_end_port(leases, to.slot, to.port);
	for (m = model; m < model + KEYS; m++) {
		if (m->to.slot != to.slot || m->to.port != to.port)
			continue;
		if (m->kind == IDLE)
			end(m);
		m->is_ended |= m->kind == HELD;
	}
}

static void op_forget(unsigned key)
{
	uint64_t slots = rnd(3);
	struct model *m;

	(void)key;
	lease_forget(leases, slots);
	for (m = model; m < model + KEYS; m++) {
		if (!(slots >> m->to.slot & 1))
			continue;
		if (m->kind == IDLE)
			end(m);
		m->is_gone |= m->kind == HELD;
	}
}

static void op_expire(unsigned key)
{
	unsigned most = rnd(10), n = 0;
	struct model *m;

	(void)key;
	while (n < most && (m = oldest(IDLE)) && age(m) >= timeout_ms) {
		m->kind = OVER;
		m->turn = turn++;
		m->told++;
		n++;
	}
	while (n < most && (m = oldest(OVER)) && age(m) >= 2 * timeout_ms) {
		m->kind = NOTHING;
		n++;
	}
	assert_int_equal(leases_expire(leases, now_ms, most), n);
}

static void op_wait(unsigned key)
{
	(void)key;
	now_ms += rnd(3000);
}

static void op_set_timeout(unsigned key)
{
	(void)key;
	timeout_ms = TIMEOUT / 2 * (1 + rnd(3));
	leases_set_timeout(leases, timeout_ms);
}

static void op_restore(unsigned key)
{
	struct lease_target to = some_target();
	struct model *m = &model[key];
	struct addr addr = client(key);
	uint64_t age_ms = rnd(2 * TIMEOUT);
	int err = lease_restore(leases, &addr, port(key), &to, age_ms, now_ms);

	if (age_ms >= timeout_ms) {
		assert_int_equal(err, ERR_TIMEOUT);
	} else if (m->kind != NOTHING) {
		assert_int_equal(err, ERR_EXISTS);
	} else if (count(NOTHING) == KEYS - ENTRIES) {
		assert_int_equal(err, ERR_MEMORY);
	} else {
		assert_int_equal(err, 0);
		m->to = to;
		m->is_ended = m->is_gone = false;
		renew(m, second_of(now_ms) - age_ms / 1000 * 1000);
	}
}

static bool was_said[KEYS];

static void said(void *ctx, const struct addr *addr, uint16_t of_port,
		 const struct lease_target *to, uint64_t age_ms)
{
	unsigned key = key_of(addr, of_port);

	(void)ctx;
	assert_false(was_said[key]);
	was_said[key] = true;
	assert_target(to, &model[key].to);
	assert_int_equal(age_ms, age(&model[key]));
}

static void op_each(unsigned key)
{
	memset(was_said, 0, sizeof(was_said));
	leases_each(leases, now_ms, said, NULL);
	for (key = 0; key < KEYS; key++)
		assert_int_equal(was_said[key],
				 state_of(&model[key]) == LEASE_VALID &&
					 !(model[key].kind == HELD &&
					   model[key].is_ended));
}

static void compare(void)
{
	struct lease_target out;
	const struct model *m;
	struct addr addr;
	unsigned key;

	for (key = 0; key < KEYS; key++) {
		m = &model[key];
		addr = client(key);
		assert_int_equal(
			lease_find(leases, &addr, port(key), now_ms, &out),
			state_of(m));
		if (state_of(m) == LEASE_VALID)
			assert_target(&out, &m->to);
		assert_int_equal(m->real_told, m->told);
	}
	assert_int_equal(leases_count(leases), count(IDLE) + count(HELD));
}

static const struct {
	unsigned often; /* of 100 */
	void (*run)(unsigned key);
} operations[] = {
	{ 25, op_grant },   { 18, op_hold },	   { 18, op_release },
	{ 6, op_end_port }, { 1, op_forget },	   { 6, op_expire },
	{ 14, op_wait },    { 1, op_set_timeout }, { 8, op_restore },
	{ 3, op_each },
};

static void step(void)
{
	unsigned at = rnd(100), i = 0;

	while (at >= operations[i].often)
		at -= operations[i++].often;
	operations[i].run(rnd(KEYS));
}

static void lease_is_as_the_model_says_after_every_operation(void **state)
{
	static const uint8_t seed[HASH_KEY_LEN] = { 1, 2, 3 };
	unsigned i;

	(void)state;
	luck = 20100817;
	now_ms = 1000;
	timeout_ms = TIMEOUT;
	leases = leases_new(ENTRIES, TIMEOUT, seed, note_removed, NULL);
	assert_non_null(leases);
	for (i = 0; i < OPERATIONS; i++) {
		step();
		compare();
	}
	for (i = 0; i < sizeof(met) / sizeof(met[0]); i++) {
		print_message("special case %u: %u times\n", i, met[i]);
		assert_true(met[i] > 10);
	}
	leases_free(leases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			lease_is_as_the_model_says_after_every_operation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
