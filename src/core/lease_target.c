/*
 * lease_target.c - where leases lead: kept once, with a ring of its leases.
 *
 * Layer: core (pure).
 *
 * A refused port ends in the time that its own leases take, however many
 * others there are: a service that is down is refused again and again.
 */
#include "lease_table.h"

/* Servers choose their ports, clients cannot steer this. */
static uint16_t *bucket_of(struct lease_shard *shard, uint8_t slot,
			   uint16_t port)
{
	return &shard->target_bucket[(port + 37u * slot) %
				     LEASE_TARGET_BUCKETS];
}

static uint16_t place_of(const struct lease_shard *shard,
			 const struct target *target)
{
	return (uint16_t)(target - shard->target);
}

static bool is_of_port(const struct target *target, uint8_t slot, uint16_t port)
{
	return target->what.slot == slot && target->what.port == port;
}

struct target *lease_target_of_port(struct lease_shard *shard, uint8_t slot,
				    uint16_t port)
{
	uint16_t i = *bucket_of(shard, slot, port);

	while (i && !is_of_port(&shard->target[i], slot, port))
		i = shard->target[i].chain;
	return i ? &shard->target[i] : NULL;
}

static struct target *find(struct lease_shard *shard,
			   const struct lease_target *what)
{
	struct target *target;
	uint16_t i = *bucket_of(shard, what->slot, what->port);

	for (; i; i = target->chain) {
		target = &shard->target[i];
		if (is_of_port(target, what->slot, what->port) &&
		    syntax_equal(&target->what.interface, &what->interface))
			return target;
	}
	return NULL;
}

/* A spare one, or one that was never used. */
static struct target *take(struct lease_shard *shard)
{
	struct target *target;

	if (shard->target_spare) {
		target = &shard->target[shard->target_spare];
		shard->target_spare = target->chain;
		return target;
	}
	if (shard->target_fresh == shard->target_end)
		return NULL;
	return &shard->target[shard->target_fresh++];
}

static struct target *make(struct lease_shard *shard,
			   const struct lease_target *what)
{
	uint16_t *bucket = bucket_of(shard, what->slot, what->port);
	struct target *target = take(shard);

	if (!target)
		return NULL;
	*target = (struct target){ .what = *what, .chain = *bucket };
	*bucket = place_of(shard, target);
	return target;
}

void lease_target_end(struct lease_shard *shard, struct target *target)
{
	uint16_t *at = bucket_of(shard, target->what.slot, target->what.port);

	if (target->is_ended)
		return;
	while (*at != place_of(shard, target))
		at = &shard->target[*at].chain;
	*at = target->chain;
	target->is_ended = true;
}

static void give(struct lease_shard *shard, struct target *target)
{
	lease_target_end(shard, target);
	target->chain = shard->target_spare;
	shard->target_spare = place_of(shard, target);
}

static void ring_leave(struct lease_shard *shard, struct lease *lease)
{
	struct target *target = &shard->target[lease->target];
	uint32_t place = (uint32_t)(lease - shard->at);

	shard->at[lease->before].after = lease->after;
	shard->at[lease->after].before = lease->before;
	if (target->first == place)
		target->first = lease->after == place ? 0 : lease->after;
}

static void ring_join(struct lease_shard *shard, struct lease *lease,
		      bool to_front)
{
	struct target *target = &shard->target[lease->target];
	uint32_t place = (uint32_t)(lease - shard->at);

	lease->before = lease->after = place;
	if (target->first) {
		lease->after = target->first;
		lease->before = shard->at[target->first].before;
		shard->at[lease->before].after = place;
		shard->at[lease->after].before = place;
	}
	if (to_front || !target->first)
		target->first = place;
}

void lease_target_move(struct lease_shard *shard, struct lease *lease,
		       bool to_front)
{
	ring_leave(shard, lease);
	ring_join(shard, lease, to_front);
}

void lease_target_unset(struct lease_shard *shard, struct lease *lease)
{
	struct target *target = &shard->target[lease->target];

	if (!lease->target)
		return;
	ring_leave(shard, lease);
	lease->target = 0;
	shard->n--;
	if (!target->first)
		give(shard, target);
}

int lease_target_set(struct lease_shard *shard, struct lease *lease,
		     const struct lease_target *what)
{
	struct target *target = find(shard, what);

	if (target && lease->target == place_of(shard, target))
		return 0;
	if (!target)
		target = make(shard, what);
	if (!target)
		return ERR_MEMORY;
	lease_target_unset(shard, lease);
	lease->target = place_of(shard, target);
	ring_join(shard, lease, !lease->held);
	shard->n++;
	return 0;
}

struct lease *lease_target_idle(struct lease_shard *shard,
				const struct target *target)
{
	struct lease *first = &shard->at[target->first];

	return target->first && !first->held ? first : NULL;
}
