/*
 * ring.c - a ring of records between one writing and one reading thread.
 *
 * Layer: base.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/ring.h"

/* <head> and <tail> count octets for ever; their difference is what waits.
 * A record is a 16-bit length and its octets, and may wrap round the end. */
struct ring {
	_Alignas(64) _Atomic uint64_t head; /* moved by the writer */
	_Atomic uint64_t dropped;
	_Alignas(64) _Atomic uint64_t tail; /* moved by the reader */
	size_t cap;			    /* a power of two */
	uint8_t octet[];
};

#define LENGTH_LEN 2

struct ring *ring_new(size_t cap)
{
	size_t least = 2 * (RING_RECORD_MAX + LENGTH_LEN), size = 1;
	struct ring *ring;

	if (cap > SIZE_MAX / 4) /* no power of two to round up to */
		return NULL;
	while (size < cap || size < least)
		size *= 2;
	ring = aligned_alloc(64, sizeof(*ring) + size);
	if (!ring)
		return NULL;
	memset(ring, 0, sizeof(*ring));
	ring->cap = size;
	return ring;
}

void ring_free(struct ring *ring)
{
	free(ring);
}

static void copy_in(struct ring *ring, uint64_t where, struct bytes in)
{
	size_t at = where & (ring->cap - 1);
	size_t first = ring->cap - at < in.len ? ring->cap - at : in.len;

	memcpy(ring->octet + at, in.at, first);
	memcpy(ring->octet, in.at + first, in.len - first);
}

static void copy_out(const struct ring *ring, uint64_t where, uint8_t *out,
		     size_t len)
{
	size_t at = where & (ring->cap - 1);
	size_t first = ring->cap - at < len ? ring->cap - at : len;

	memcpy(out, ring->octet + at, first);
	memcpy(out + first, ring->octet, len - first);
}

bool ring_put(struct ring *ring, struct bytes record)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	uint8_t length[LENGTH_LEN] = { (uint8_t)record.len,
				       (uint8_t)(record.len >> 8) };

	if (!record.len || record.len > RING_RECORD_MAX ||
	    record.len + LENGTH_LEN > ring->cap - (size_t)(head - tail)) {
		atomic_fetch_add_explicit(&ring->dropped, 1,
					  memory_order_relaxed);
		return false;
	}
	copy_in(ring, head, bytes_of(length, sizeof(length)));
	copy_in(ring, head + LENGTH_LEN, record);
	/* Sequentially consistent: who sleeps on the ring looks once more
	 * after it said so. */
	atomic_store(&ring->head, head + LENGTH_LEN + record.len);
	return true;
}

size_t ring_take(struct ring *ring, uint8_t room[static RING_RECORD_MAX])
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint64_t head = atomic_load(&ring->head);
	uint8_t length[LENGTH_LEN];
	size_t len;

	if (head == tail)
		return 0;
	copy_out(ring, tail, length, sizeof(length));
	len = (size_t)length[0] | (size_t)length[1] << 8;
	copy_out(ring, tail + LENGTH_LEN, room, len);
	atomic_store_explicit(&ring->tail, tail + LENGTH_LEN + len,
			      memory_order_release);
	return len;
}

uint64_t ring_take_dropped(struct ring *ring)
{
	return atomic_exchange_explicit(&ring->dropped, 0,
					memory_order_relaxed);
}
