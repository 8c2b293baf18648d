/*
 * leasing.c - the kernel's copy of the leases.
 *
 * Layer: main.
 */
#include "leasing.h"

int leasing_init(struct leasing *leasing)
{
	return -pthread_rwlock_init(&leasing->lock, NULL);
}

static void give_again(void *ctx, const struct addr *name, uint16_t port,
		       const struct lease_target *target, uint64_t age_ms)
{
	struct leasing *leasing = ctx;

	(void)target;
	(void)age_ms;
	/* What does not fit is refused when its client comes. */
	(void)!leasing_give(leasing, name, port);
}

void leasing_begin(struct leasing *leasing, struct listener *listener,
		   struct leases *leases, struct affinity *affinity,
		   uint64_t now_ms)
{
	if (!listener_can_lease(listener))
		return;
	pthread_rwlock_wrlock(&leasing->lock);
	leasing->listener = listener;
	leasing->leases = leases;
	leasing->affinity = affinity;
	pthread_rwlock_unlock(&leasing->lock);
	leases_each(leases, now_ms, give_again, leasing);
}

void leasing_end(struct leasing *leasing)
{
	pthread_rwlock_wrlock(&leasing->lock);
	leasing->listener = NULL;
	pthread_rwlock_unlock(&leasing->lock);
}

/* At once from all of its addresses: it asks from one and comes from another
 * where both families lead to it. */
static int give(struct leasing *leasing, const struct addr *name, uint16_t port)
{
	struct addr at[AFFINITY_ADDRESSES_MAX];
	unsigned i, n = affinity_addresses(leasing->affinity, name, at);
	int err = 0;

	for (i = 0; i < n && !err; i++)
		err = listener_lease(leasing->listener, &at[i], port);
	return err;
}

int leasing_give(struct leasing *leasing, const struct addr *name,
		 uint16_t port)
{
	int err = 0;

	pthread_rwlock_rdlock(&leasing->lock);
	if (leasing->listener)
		err = give(leasing, name, port);
	pthread_rwlock_unlock(&leasing->lock);
	return err;
}

static void take_back(struct leasing *leasing, const struct addr *name,
		      uint16_t port)
{
	struct addr at[AFFINITY_ADDRESSES_MAX];
	unsigned i, n = affinity_addresses(leasing->affinity, name, at);

	for (i = 0; i < n; i++)
		listener_unlease(leasing->listener, &at[i], port);
}

/* It may have been granted anew meanwhile: then it was taken back from the
 * new one, which gets it again. */
void leasing_take_back(struct leasing *leasing, const struct addr *name,
		       uint16_t port, uint64_t now_ms)
{
	struct lease_target unused;

	pthread_rwlock_rdlock(&leasing->lock);
	if (leasing->listener) {
		take_back(leasing, name, port);
		if (lease_find(leasing->leases, name, port, now_ms, &unused) ==
		    LEASE_VALID)
			(void)!give(leasing, name, port);
	}
	pthread_rwlock_unlock(&leasing->lock);
}
