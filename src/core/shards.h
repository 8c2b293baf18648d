/*
 * shards.h - into how many parts, with a lock each, a table is divided.
 *
 * Layer: core (pure).
 */
#ifndef SRC_CORE_SHARDS_H
#define SRC_CORE_SHARDS_H

#include <stddef.h>

#include "base/err.h"

#define SHARDS_MAX 64

/* For a table of <entries>: a power of two, so that no part is small; a small
 * table is one. */
unsigned shards_for(size_t entries) PURE;

#endif
