/*
 * listen_tproxy.c - one transparent socket a worker for every admitted
 * port, by nf_tables.
 *
 * Layer: net. Source: Documentation/networking/tproxy.rst.
 *
 * The table, the mark and the route carry the first VIP's name, so that
 * balancers of other VIPs on this host have their own.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "listen_priv.h"
#include "nft.h"
#include "policy.h"

struct tproxy {
	struct nft nft;
	bool has_table;
	bool has_policy[2];
	struct listen_group group[2]; /* IPv4, IPv6 */
	uint32_t number;	      /* of the mark and the route's table */
};

static const uint8_t families[2] = { AF_INET, AF_INET6 };

static unsigned index_of(uint8_t family)
{
	return family == AF_INET6;
}

/* A mark that others hardly use, the same after a crash. */
static uint32_t number_of(const struct addr *vip)
{
	static const uint8_t key[HASH_KEY_LEN] = "mapilb tproxy";

	return 0x4d000000 |
	       (hash_sip(key, bytes_of(vip, sizeof(*vip))) & 0xffffff);
}

/* A name that nft can read back: no colons. */
static void name_of(const struct addr *vip, char name[NFT_NAME_MAX])
{
	char text[ADDR_TEXT_MAX], *at;

	snprintf(name, NFT_NAME_MAX, "mapilb_%s", addr_format(vip, text));
	for (at = name; *at; at++)
		if (*at == ':')
			*at = '_';
}

static int open_groups(struct listener *listener)
{
	const struct listen_config *config = &listener->config;
	struct tproxy *state = listener->state;
	unsigned i;
	int err = 0;

	for (i = 0; i < config->nvips && !err; i++) {
		uint8_t family = config->vip[i].family;
		struct endpoint nowhere = listen_nowhere(family);
		struct listen_group *group = &state->group[index_of(family)];

		if (!group->n)
			err = listen_group_open(&nowhere, config->nworkers,
						LISTEN_TRANSPARENT, group);
	}
	return err;
}

static int open_policies(struct tproxy *state)
{
	unsigned i;
	int err = 0;

	for (i = 0; i < 2 && !err; i++) {
		if (!state->group[i].n)
			continue;
		err = policy_install(families[i], state->number);
		state->has_policy[i] = !err;
	}
	return err;
}

static int open_table(struct listener *listener)
{
	const struct listen_config *config = &listener->config;
	struct nft_steer steer[CONF_VIPS_MAX];
	struct tproxy *state = listener->state;
	struct nft_leasing leasing = {
		.most = config->most_leases,
		.mask4 = listen_lease_mask(listener, AF_INET),
		.mask6 = listen_lease_mask(listener, AF_INET6),
	};
	char name[NFT_NAME_MAX];
	unsigned i;
	int err;

	for (i = 0; i < config->nvips; i++) {
		const struct addr *vip = &config->vip[i];

		steer[i].vip = vip;
		steer[i].to = &state->group[index_of(vip->family)].at;
	}
	name_of(&config->vip[0], name);
	err = nft_open(&state->nft, name, state->number, config->nvips, steer,
		       &leasing);
	state->has_table = !err;
	return err;
}

static int open_steps(struct listener *listener, const char **step)
{
	struct tproxy *state = listener->state;
	int err;

	*step = "opening the sockets";
	err = open_groups(listener);
	if (err)
		return err;
	*step = "adding the policy route";
	err = open_policies(state);
	if (err)
		return err;
	*step = "adding the nf_tables table";
	return open_table(listener);
}

static int tproxy_open(struct listener *listener, char why[LISTEN_WHY_MAX])
{
	struct tproxy *state = calloc(1, sizeof(*state));
	const char *step = "starting";
	int err = ERR_MEMORY;

	listener->state = state;
	if (state) {
		state->number = number_of(&listener->vip[0]);
		err = open_steps(listener, &step);
	}
	if (err)
		snprintf(why, LISTEN_WHY_MAX, "%s: %s", step, err_text(err));
	return err;
}

static int tproxy_apply(struct listener *listener, const struct portset *target,
			struct portset *taken)
{
	struct tproxy *state = listener->state;
	int err = nft_set_ports(&state->nft, NFT_PORTS_ADMITTED, target);

	(void)taken;
	if (!err)
		listener->admitted = *target;
	return err;
}

static unsigned tproxy_sockets(const struct listener *listener, unsigned vip,
			       uint16_t port, const int **fd)
{
	const struct tproxy *state = listener->state;
	const struct listen_group *group =
		&state->group[index_of(listener->vip[vip].family)];

	(void)port;
	*fd = group->fd;
	return group->n;
}

/* Without leases nobody looks at them. */
static int tproxy_set_silent(struct listener *listener,
			     const struct portset *silent)
{
	struct tproxy *state = listener->state;

	if (!listener->config.most_leases)
		return 0;
	return nft_set_ports(&state->nft, NFT_PORTS_OTHERS, silent);
}

static int tproxy_lease(struct listener *listener, const struct addr *client,
			uint16_t port)
{
	struct tproxy *state = listener->state;

	return nft_lease(&state->nft, client, port);
}

/* That it was no lease is no error. */
static void tproxy_unlease(struct listener *listener, const struct addr *client,
			   uint16_t port)
{
	struct tproxy *state = listener->state;

	(void)!nft_unlease(&state->nft, client, port);
}

/* The table first: no packet is marked without a route for it. */
static void tproxy_close(struct listener *listener)
{
	struct tproxy *state = listener->state;
	unsigned i;

	if (!state)
		return;
	if (state->has_table)
		nft_close(&state->nft);
	for (i = 0; i < 2; i++) {
		if (state->has_policy[i])
			policy_remove(families[i], state->number);
		listen_group_close(&state->group[i]);
	}
	free(state);
	listener->state = NULL;
}

const struct listen_way listen_tproxy = {
	.name = "tproxy",
	.kind = CONF_INTERCEPT_TPROXY,
	.open = tproxy_open,
	.apply = tproxy_apply,
	.sockets = tproxy_sockets,
	.set_silent = tproxy_set_silent,
	.lease = tproxy_lease,
	.unlease = tproxy_unlease,
	.close = tproxy_close,
};
