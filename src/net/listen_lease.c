/*
 * listen_lease.c - ports that one client alone may connect to.
 *
 * Layer: net.
 * Any thread's: what is read here stays as it is while the listener is
 * open, but for the words of <spared>.
 */
#include <string.h>

#include "listen_priv.h"

bool listener_can_lease(const struct listener *listener)
{
	return listener->config.most_leases && listener->way->lease;
}

/* Where plain sockets listen nobody is asked twice, see find_taken(). */
void listener_watch(struct listener *listener, const struct portset *ports)
{
	if (listener_can_lease(listener))
		listener->watched = *ports;
}

static unsigned bits_of(const struct listener *listener, uint8_t family)
{
	return family == AF_INET ? listener->config.lease_bits4
				 : listener->config.lease_bits6;
}

struct addr listen_lease_mask(const struct listener *listener, uint8_t family)
{
	struct addr ones = { .family = family };

	memset(ones.octet, 0xff, addr_len(&ones));
	return addr_mask(&ones, bits_of(listener, family));
}

static bool is_spared(const struct listener *listener, uint16_t port)
{
	uint64_t word = __atomic_load_n(&listener->spared.word[port / 64],
					__ATOMIC_RELAXED);

	return word >> (port % 64) & 1;
}

/* Nobody of another family can dial a VIP. */
static bool can_come(const struct listener *listener, const struct addr *client)
{
	unsigned i;

	for (i = 0; i < listener->config.nvips; i++)
		if (listener->vip[i].family == client->family)
			return true;
	return false;
}

int listener_lease(struct listener *listener, const struct addr *client,
		   uint16_t port)
{
	struct addr masked;

	if (!listener_can_lease(listener))
		return ERR_UNSUPPORTED;
	if (!port || portset_has(&listener->exclude, port))
		return ERR_REFUSED;
	if (is_spared(listener, port))
		return ERR_BUSY;
	if (!can_come(listener, client))
		return 0;
	masked = addr_mask(client, bits_of(listener, client->family));
	return listener->way->lease(listener, &masked, port);
}

void listener_unlease(struct listener *listener, const struct addr *client,
		      uint16_t port)
{
	struct addr masked;

	if (!listener_can_lease(listener) || !can_come(listener, client))
		return;
	masked = addr_mask(client, bits_of(listener, client->family));
	listener->way->unlease(listener, &masked, port);
}
