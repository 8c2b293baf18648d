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
 *	ip daddr VIP meta l4proto tcp socket transparent 1 mark set N accept
 *
 * In the first, a packet of an established connection is given to its own
 * socket, which is looked up once either way; if that is not transparent (a
 * connection of somebody else, or from the VIP) the rule does not hold. The
 * second keeps connections of a withdrawn port on their way where only the
 * mark's route brings them to us.
 */
#ifndef NET_NFT_H
#define NET_NFT_H

#include "core/portset.h"
#include "nl.h"

struct addr;
struct endpoint;

#define NFT_NAME_MAX 80

struct nft {
	struct nl nl;
	char name[NFT_NAME_MAX];
};

/* What is sent to <vip> comes out of the socket at <to>. */
struct nft_steer {
	const struct addr *vip;
	const struct endpoint *to;
};

/* With no port in the set. -EEXIST: the name is in use; -errno. */
MUST_CHECK int nft_open(struct nft *nft, const char *name, uint32_t mark,
			unsigned n, const struct nft_steer *steer);
/* In one transaction: no packet sees anything between. -errno, ERR_MEMORY:
 * all is as it was. */
MUST_CHECK int nft_set_ports(struct nft *nft, const struct portset *ports);
void nft_close(struct nft *nft);

#endif
