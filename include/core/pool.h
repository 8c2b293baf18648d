/*
 * pool.h - objects of one size: address space reserved, memory as it grows.
 *
 * Layer: core (pure). Not thread-safe: one owner, or under its owner's lock.
 * Units: octets.
 */
#ifndef CORE_POOL_H
#define CORE_POOL_H

#include <stddef.h>

#include "base/err.h"

struct pool;

/* Room for <most> objects of <size>; NULL when it cannot be reserved or one
 * of them is 0. Memory is used only by objects that were ever taken. */
struct pool *pool_new(size_t size, size_t most);
void pool_free(struct pool *pool); /* NULL is allowed */
/* An object of zeros, aligned for a pointer; NULL when the pool is used up
 * (a counted refusal for the caller, never a crash). */
void *pool_take(struct pool *pool);
/* <object> came from pool_take() of this pool and was not given back yet. */
void pool_give(struct pool *pool, void *object);
/* Objects taken and not given back. */
size_t pool_used(const struct pool *pool) PURE;

#endif
