/*
 * pool.h - objects of one size: address space reserved, memory as it grows.
 *
 * Layer: core (pure). Not thread-safe: one owner, or under its owner's lock.
 * Units: octets.
 */
#ifndef CORE_POOL_H
#define CORE_POOL_H

#include <stddef.h>

struct pool;

/* Room for <most> objects of <size>; NULL when it cannot be reserved. */
struct pool *pool_new(size_t size, size_t most);
void pool_free(struct pool *pool); /* NULL is allowed */
/* An object of zeros; NULL when the pool is used up (a counted refusal for
 * the caller, never a crash). */
void *pool_take(struct pool *pool);
void pool_give(struct pool *pool, void *object);
size_t pool_used(const struct pool *pool);

#endif
