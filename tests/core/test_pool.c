/*
 * test_pool.c - a pool gives zeroed objects until it is used up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../helper/alloc.h"
#include "core/pool.h"

static void pool_gives_objects_of_zeros(void **state)
{
	static const uint8_t zero[40];
	struct pool *pool = pool_new(40, 2);
	void *object;
	int i;

	(void)state;
	assert_non_null(pool);
	for (i = 0; i < 5; i++) {
		object = pool_take(pool);
		assert_memory_equal(object, zero, sizeof(zero));
		memset(object, 0xff, sizeof(zero));
		pool_give(pool, object);
	}
	pool_free(pool);
}

static void pool_objects_do_not_overlap(void **state)
{
	struct pool *pool = pool_new(13, 100);
	uint8_t *object[100];
	int i, j;

	(void)state;
	assert_non_null(pool);
	for (i = 0; i < 100; i++) {
		object[i] = pool_take(pool);
		assert_int_equal((uintptr_t)object[i] % sizeof(void *), 0);
		memset(object[i], i, 13);
	}
	for (i = 0; i < 100; i++)
		for (j = 0; j < 13; j++)
			assert_int_equal(object[i][j], i);
	pool_free(pool);
}

static void pool_used_up_gives_null_until_one_returns(void **state)
{
	struct pool *pool = pool_new(8, 3);
	void *object[3];
	int i;

	(void)state;
	assert_non_null(pool);
	for (i = 0; i < 3; i++)
		object[i] = pool_take(pool);
	assert_int_equal(pool_used(pool), 3);
	assert_null(pool_take(pool));
	assert_int_equal(pool_used(pool), 3);
	pool_give(pool, object[1]);
	assert_int_equal(pool_used(pool), 2);
	assert_ptr_equal(pool_take(pool), object[1]);
	assert_null(pool_take(pool));
	pool_free(pool);
}

static void pool_refuses_sizes_that_make_no_sense(void **state)
{
	(void)state;
	assert_null(pool_new(0, 10));
	assert_null(pool_new(10, 0));
	assert_null(pool_new(SIZE_MAX, 1));
	assert_null(pool_new(SIZE_MAX / 4, 8));
	pool_free(NULL);
}

/* Pages of this process that are in memory. */
static unsigned long resident(void)
{
	unsigned long size, pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &size, &pages), 2);
	fclose(file);
	return pages;
}

/* 64 GiB are reserved; one page of it is used. */
static void pool_memory_grows_with_its_use(void **state)
{
	unsigned long before = resident();
	struct pool *pool = pool_new(4096, (size_t)1 << 24);
	uint8_t *object;

	(void)state;
	assert_non_null(pool);
	object = pool_take(pool);
	object[0] = 1;
	assert_true(resident() - before < 1024);
	pool_free(pool);
}

static void make_and_free(void *ctx)
{
	struct pool *pool = pool_new(64, 64);

	(void)ctx;
	if (!alloc_has_failed())
		assert_non_null(pool);
	else
		assert_null(pool);
	pool_free(pool);
}

static void pool_new_survives_each_refused_allocation(void **state)
{
	(void)state;
	assert_int_equal(alloc_each_fails(NULL, make_and_free), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pool_gives_objects_of_zeros),
		cmocka_unit_test(pool_objects_do_not_overlap),
		cmocka_unit_test(pool_used_up_gives_null_until_one_returns),
		cmocka_unit_test(pool_refuses_sizes_that_make_no_sense),
		cmocka_unit_test(pool_memory_grows_with_its_use),
		cmocka_unit_test(pool_new_survives_each_refused_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
