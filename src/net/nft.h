/*
 * nft.h - one nf_tables table that hands packets to admitted ports over to
 * listening sockets.
 *
 * Layer: net. Source: Linux, include/uapi/linux/netfilter/nf_tables.h;
 * Documentation/networking/tproxy.rst.
 *
 * Spoken over netlink by ourselves, no program is run: so the table can
 * belong to our socket (flags owner). Nobody else's "flush ruleset" takes
 * it away, and the kernel removes it with the process, however that ends.
 * As nft would list it, for each VIP:
 *
 *	ip daddr VIP tcp dport @ports tproxy to TO mark set N accept
 *	ip daddr VIP tcp dport != @others ip saddr & MASK . tcp dport @leases4
 *		tproxy to TO mark set N accept
 *	ip daddr VIP meta l4proto tcp socket transparent 1 mark set N accept
 *
 * In the first, a packet of an established connection is given to its own
 * socket, which is looked up once either way; if that is not transparent (a
 * connection of somebody else, or from the VIP) the rule does not hold. The
 * second is there with leases only. The third keeps connections of a
 * withdrawn port, or of a lease that ended, on their way where only the
 * mark's route brings them to us.
 */
#ifndef NET_NFT_H
#define NET_NFT_H

#include <pthread.h>

#include "base/addr.h"
#include "core/portset.h"
#include "nl.h"

#define NFT_NAME_MAX 80

struct nft {
	pthread_mutex_t lock; /* whoever speaks over <nl> holds it */
	struct nl nl;
	char name[NFT_NAME_MAX];
};

/* What is sent to <vip> comes out of the socket at <to>. */
struct nft_steer {
	const struct addr *vip;
	const struct endpoint *to;
};

/* Which clients may hold leases; <most> of either family, 0 = no leases. */
struct nft_leasing {
	unsigned most;
	struct addr mask4, mask6;
};

enum nft_ports { NFT_PORTS_ADMITTED, NFT_PORTS_OTHERS };

/* Nothing in the sets. -EEXIST: the name is in use; -errno. */
MUST_CHECK int nft_open(struct nft *nft, const char *name, uint32_t mark,
			unsigned n, const struct nft_steer *steer,
			const struct nft_leasing *leasing);
/* In one transaction: no packet sees anything between. The second set is
 * there with leases only. -errno, ERR_MEMORY: all is as it was. */
MUST_CHECK int nft_set_ports(struct nft *nft, enum nft_ports which,
			     const struct portset *ports);
/*
 * Only with leases and for a family that is steered; <client> is masked.
 * Any thread's, in force on return; what is there already is no error.
 * ERR_SPACE: no room; -errno.
 */
MUST_CHECK int nft_lease(struct nft *nft, const struct addr *client,
			 uint16_t port);
/* Any thread's. -ENOENT, after milliseconds: it was no lease; -errno. */
MUST_CHECK int nft_unlease(struct nft *nft, const struct addr *client,
			   uint16_t port);
void nft_close(struct nft *nft);

#endif
