/*
 * pool.c - objects of one size: address space reserved, memory as it grows.
 *
 * Layer: core (pure: mmap() is its allocator; no I/O, no clock).
 * Units: octets.
 *
 * The kernel gives a page when its first object is written to, so a pool
 * costs what was used of it at once at its busiest. Objects that were given
 * back come first: they are warm.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/pool.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(at, len)	  ASAN_POISON_MEMORY_REGION(at, len)
#define UNPOISON(at, len) ASAN_UNPOISON_MEMORY_REGION(at, len)
#else
#define POISON(at, len)	  ((void)(at), (void)(len))
#define UNPOISON(at, len) ((void)(at), (void)(len))
#endif

/* What an object that was given back holds. */
struct spare {
	struct spare *next;
};

struct pool {
	uint8_t *at;  /* the reserved room */
	size_t size;  /* of an object, rounded up */
	size_t most;  /* objects of which there is room */
	size_t fresh; /* objects that were ever taken */
	size_t used;
	struct spare *spares;
};

static size_t round_up(size_t size, size_t to)
{
	return (size + to - 1) / to * to;
}

struct pool *pool_new(size_t size, size_t most)
{
	struct pool *pool;
	size_t len;
	void *at;

	if (!size || !most || size > SIZE_MAX / 2)
		return NULL;
	size = round_up(size, sizeof(struct spare));
	if (__builtin_mul_overflow(size, most, &len))
		return NULL;
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return NULL;
	at = mmap(NULL, len, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED) {
		free(pool);
		return NULL;
	}
	*pool = (struct pool){ .at = at, .size = size, .most = most };
	return pool;
}

void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	UNPOISON(pool->at, pool->size * pool->fresh);
	munmap(pool->at, pool->size * pool->most);
	free(pool);
}

void *pool_take(struct pool *pool)
{
	struct spare *spare = pool->spares;
	void *object = spare;

	if (spare) {
		UNPOISON(object, pool->size);
		pool->spares = spare->next;
		memset(object, 0, pool->size);
	} else if (pool->fresh < pool->most) {
		object = pool->at + pool->size * pool->fresh++;
	}
	pool->used += object != NULL;
	return object;
}

void pool_give(struct pool *pool, void *object)
{
	struct spare *spare = object;

	spare->next = pool->spares;
	pool->spares = spare;
	pool->used--;
	POISON(object, pool->size);
}

size_t pool_used(const struct pool *pool)
{
	return pool->used;
}
