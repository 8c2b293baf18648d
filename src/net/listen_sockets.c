/*
 * listen_sockets.c - a listening socket for each port: the portable way.
 *
 * Layer: net.
 *
 * While ports are few each worker has a socket of its own for each, so that
 * the kernel spreads the connections. With more, one socket has to do; its
 * worker is chosen by the port.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "listen_priv.h"

#define FEW   256 /* ports with a socket for each worker */
#define PORTS 65536
/* Descriptors that are not for listening: files, timers, a few clients. */
#define OTHER_FD 64

/* The sockets of one port: <n> for each VIP, one VIP after the other. */
struct port_sockets {
	unsigned n;
	int fd[];
};

struct sockets {
	bool told_limit;
	struct port_sockets *port[PORTS]; /* NULL: not admitted */
};

/* Sockets for each VIP of a port, when <nports> are admitted. */
static unsigned sockets_each(const struct listener *listener, unsigned nports)
{
	return nports <= FEW ? listener->config.nworkers : 1;
}

static unsigned worker_of(const struct listener *listener, uint16_t port,
			  unsigned n, unsigned i)
{
	return n == 1 ? port % listener->config.nworkers : i;
}

static int sockets_open(struct listener *listener, char why[LISTEN_WHY_MAX])
{
	listener->state = calloc(1, sizeof(struct sockets));
	if (listener->state)
		return 0;
	snprintf(why, LISTEN_WHY_MAX, "%s", err_text(ERR_MEMORY));
	return ERR_MEMORY;
}

/* The first <nfds> of them are open. */
static void close_sockets(struct listener *listener, uint16_t port,
			  struct port_sockets *sockets, unsigned nfds)
{
	unsigned i, n = sockets->n;

	for (i = 0; i < nfds; i++) {
		listen_detach(listener, worker_of(listener, port, n, i % n),
			      sockets->fd[i]);
		close(sockets->fd[i]);
	}
	free(sockets);
}

/* Attach the group's sockets; those already attached are taken back if one
 * is refused. */
static int attach_group(struct listener *listener, uint16_t port,
			const struct listen_group *group)
{
	unsigned i, worker;
	int err = 0;

	for (i = 0; i < group->n && !err; i++) {
		worker = worker_of(listener, port, group->n, i);
		err = listen_attach(listener, worker, group->fd[i], port);
	}
	if (!err)
		return 0;
	for (i--; i-- > 0;) {
		worker = worker_of(listener, port, group->n, i);
		listen_detach(listener, worker, group->fd[i]);
	}
	return err;
}

static int open_vip(struct listener *listener, unsigned vip, uint16_t port,
		    struct port_sockets *sockets)
{
	struct endpoint at = { .addr = listener->vip[vip], .port = port };
	unsigned n = sockets->n;
	struct listen_group group;
	int err = listen_group_open(&at, n, 0, &group);

	if (err)
		return err;
	err = attach_group(listener, port, &group);
	if (err)
		listen_group_close(&group);
	else
		memcpy(sockets->fd + vip * n, group.fd, n * sizeof(int));
	return err;
}

static int open_port(struct listener *listener, uint16_t port, unsigned n)
{
	unsigned vip, nvips = listener->config.nvips;
	struct sockets *state = listener->state;
	struct port_sockets *sockets;
	int err;

	sockets = malloc(sizeof(*sockets) + nvips * n * sizeof(int));
	if (!sockets)
		return ERR_MEMORY;
	sockets->n = n;
	for (vip = 0; vip < nvips; vip++) {
		err = open_vip(listener, vip, port, sockets);
		if (err) {
			close_sockets(listener, port, sockets, vip * n);
			return err;
		}
	}
	state->port[port] = sockets;
	portset_add(&listener->admitted, port);
	return 0;
}

static void close_port(struct listener *listener, uint16_t port)
{
	struct sockets *state = listener->state;
	struct port_sockets *sockets = state->port[port];

	state->port[port] = NULL;
	portset_remove(&listener->admitted, port);
	close_sockets(listener, port, sockets,
		      sockets->n * listener->config.nvips);
}

static void close_ports(struct listener *listener, const struct portset *set)
{
	int port;

	for (port = portset_next(set, 0); port >= 0;
	     port = portset_next(set, (unsigned)port + 1))
		close_port(listener, (uint16_t)port);
}

/* Better none than to take the descriptors that connections need. */
static int check_limit(struct listener *listener, unsigned nports)
{
	struct sockets *state = listener->state;
	rlim_t need = OTHER_FD + (rlim_t)nports * listener->config.nvips *
					 sockets_each(listener, nports);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return -errno;
	if (need <= limit.rlim_cur)
		return 0;
	if (!state->told_limit)
		LOG(listener->config.log, LOG_LEVEL_ERROR, "descriptor-limit",
		    log_number("needed", need),
		    log_number("limit", limit.rlim_cur),
		    log_number("ports", nports));
	state->told_limit = true;
	return ERR_LIMIT;
}

static int open_ports(struct listener *listener, const struct portset *set,
		      unsigned n, struct portset *taken)
{
	int port, err;

	for (port = portset_next(set, 0); port >= 0;
	     port = portset_next(set, (unsigned)port + 1)) {
		err = open_port(listener, (uint16_t)port, n);
		if (err == -EADDRINUSE)
			portset_add(taken, (uint16_t)port);
		else if (err)
			return err;
	}
	return 0;
}

static int sockets_apply(struct listener *listener,
			 const struct portset *target, struct portset *taken)
{
	unsigned nports = portset_count(target);
	struct portset change;
	int err;

	portset_subtract(&change, &listener->admitted, target);
	close_ports(listener, &change);
	portset_subtract(&change, target, &listener->admitted);
	err = check_limit(listener, nports);
	if (err)
		return err;
	return open_ports(listener, &change, sockets_each(listener, nports),
			  taken);
}

static unsigned sockets_sockets(const struct listener *listener, unsigned vip,
				uint16_t port, const int **fd)
{
	const struct sockets *state = listener->state;
	const struct port_sockets *sockets = state->port[port];

	if (!sockets)
		return 0;
	*fd = sockets->fd + vip * sockets->n;
	return sockets->n;
}

static unsigned sockets_cost(const struct listener *listener)
{
	unsigned nports = portset_count(&listener->admitted) + 1;

	return listener->config.nvips * sockets_each(listener, nports);
}

static void sockets_close(struct listener *listener)
{
	struct portset all = listener->admitted;

	if (!listener->state)
		return;
	close_ports(listener, &all);
	free(listener->state);
	listener->state = NULL;
}

const struct listen_way listen_sockets = {
	.name = "sockets",
	.kind = CONF_INTERCEPT_SOCKETS,
	.open = sockets_open,
	.apply = sockets_apply,
	.sockets = sockets_sockets,
	.cost = sockets_cost,
	.close = sockets_close,
};
