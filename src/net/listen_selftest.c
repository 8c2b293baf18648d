/*
 * listen_selftest.c - see with one connection that a way of listening works.
 *
 * Layer: net.
 * Run before the workers have the sockets: whatever else comes out of them
 * meanwhile is a client that came too early, and is reset.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "diag.h"
#include "listen_priv.h"
#include "net/relay.h"

#define WAIT_MS 1000

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The one that was asked for, unless it is excluded. */
static uint16_t choose_port(const struct listener *listener)
{
	unsigned port = listener->config.test_port;

	if (portset_has(&listener->exclude, (uint16_t)port))
		for (port = 1024; port < 65535; port++)
			if (!portset_has(&listener->exclude, (uint16_t)port))
				break;
	return (uint16_t)port;
}

struct owner_search {
	const struct listener *listener;
	bool is_found;
	struct endpoint at;
};

static void note_owner(void *ctx, const struct diag_listener *found)
{
	struct owner_search *search = ctx;
	const struct listener *listener = search->listener;
	unsigned i;

	for (i = 0; i < listener->config.nvips; i++)
		if (diag_serves(found, &listener->vip[i])) {
			search->is_found = true;
			search->at = found->at;
		}
}

/* Nothing of ours listens yet: whoever is found is somebody else. */
static int refuse_owner(const struct listener *listener, uint16_t port,
			char why[LISTEN_WHY_MAX])
{
	struct owner_search search = { .listener = listener };
	char text[ENDPOINT_TEXT_MAX];
	int err = diag_listeners(port, note_owner, &search);

	if (err)
		snprintf(why, LISTEN_WHY_MAX, "asking who listens: %s",
			 err_text(err));
	if (err || !search.is_found)
		return err;
	snprintf(why, LISTEN_WHY_MAX,
		 "another program listens on %s already; stop it, or give the "
		 "balancer another vip",
		 endpoint_format(&search.at, text));
	return ERR_BUSY;
}

/* A wildcard VIP is tried through the loopback address. */
static struct addr address_to_try(const struct addr *vip)
{
	struct addr addr = *vip;

	if (!addr_is_wildcard(vip))
		return addr;
	if (vip->family == AF_INET) {
		addr.octet[0] = 127;
		addr.octet[3] = 1;
	} else {
		addr.octet[15] = 1;
	}
	return addr;
}

/* The client's end: connected, or about to be. */
static int start_connect(const struct endpoint *to)
{
	int fd = socket(to->addr.family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage sa;
	socklen_t len;

	if (fd < 0)
		return -errno;
	len = endpoint_to_sockaddr(to, &sa);
	if (connect(fd, (struct sockaddr *)&sa, len) && errno != EINPROGRESS) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static int name_of(int fd, struct endpoint *out,
		   int (*ask)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (ask(fd, (struct sockaddr *)&sa, &len))
		return -errno;
	return endpoint_from_sockaddr(&sa, out);
}

static int get_sockname(int fd, struct sockaddr *sa, socklen_t *len)
{
	return getsockname(fd, sa, len);
}

static int get_peername(int fd, struct sockaddr *sa, socklen_t *len)
{
	return getpeername(fd, sa, len);
}

static bool same_endpoint(const struct endpoint *a, const struct endpoint *b)
{
	return addr_equal(&a->addr, &b->addr) && a->port == b->port;
}

/* Is <accepted> the other end of <client>, dialled as <to>? */
static bool is_other_end(int accepted, int client, const struct endpoint *to)
{
	struct endpoint dialled = { 0 }, peer = { 0 }, from = { 0 };

	return !name_of(accepted, &dialled, get_sockname) &&
	       !name_of(accepted, &peer, get_peername) &&
	       !name_of(client, &from, get_sockname) &&
	       same_endpoint(&dialled, to) && same_endpoint(&peer, &from);
}

/* Take what has come. True: the client's other end was among it. */
static bool accept_all(int fd, int client, const struct endpoint *to)
{
	bool is_found = false;
	int accepted, i;

	for (i = 0; i < 4096 && !is_found; i++) {
		accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (accepted < 0)
			break;
		is_found = is_other_end(accepted, client, to);
		relay_close_reset(accepted);
	}
	return is_found;
}

/* What the connect ended with, for a message. */
static int connect_error(int client)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &len))
		return -errno;
	return error ? -error : ERR_TIMEOUT;
}

/* Wait until the connection of <client> comes out of one of <n> sockets. */
static int await(const int *fd, unsigned n, int client,
		 const struct endpoint *to)
{
	struct pollfd poll_fd[CONF_THREADS_MAX + 1];
	int64_t until = now_ms() + WAIT_MS, left;
	unsigned i;

	for (i = 0; i < n; i++)
		poll_fd[i] = (struct pollfd){ .fd = fd[i], .events = POLLIN };
	poll_fd[n] = (struct pollfd){ .fd = client };
	while ((left = until - now_ms()) > 0) {
		if (poll(poll_fd, n + 1, (int)left) < 0 && errno != EINTR)
			return -errno;
		for (i = 0; i < n; i++)
			if (accept_all(fd[i], client, to))
				return 0;
		if (poll_fd[n].revents & (POLLERR | POLLHUP))
			break;
	}
	return connect_error(client);
}

static int try_vip(struct listener *listener, unsigned vip, uint16_t port,
		   char why[LISTEN_WHY_MAX])
{
	struct endpoint to = { .addr = address_to_try(&listener->vip[vip]),
			       .port = port };
	int is_local = diag_is_local(&to.addr), client, err;
	char text[ENDPOINT_TEXT_MAX];
	const int *fd;
	unsigned n;

	if (is_local == 0) {
		LOG(listener->config.log, LOG_LEVEL_NOTICE, "vip-absent",
		    log_addr("vip", &to.addr),
		    log_text("way", listener->way->name),
		    log_text("what", "not tested until it is here"));
		return 0;
	}
	client = is_local < 0 ? is_local : start_connect(&to);
	err = client < 0 ? client : 0;
	if (!err) {
		n = listener->way->sockets(listener, vip, port, &fd);
		err = await(fd, n, client, &to);
		relay_close_reset(client);
	}
	if (!err)
		return 0;
	snprintf(why, LISTEN_WHY_MAX,
		 "a connection to %s did not come out of our socket: %s",
		 endpoint_format(&to, text), err_text(err));
	return ERR_REFUSED;
}

static int try_vips(struct listener *listener, uint16_t port,
		    char why[LISTEN_WHY_MAX])
{
	unsigned vip;
	int err = 0;

	for (vip = 0; vip < listener->config.nvips && !err; vip++)
		err = try_vip(listener, vip, port, why);
	return err;
}

int listen_selftest(struct listener *listener, char why[LISTEN_WHY_MAX])
{
	uint16_t port = choose_port(listener);
	struct portset target = { 0 }, none = { 0 }, taken = { 0 };
	int err = refuse_owner(listener, port, why), end;

	if (err)
		return err;
	portset_add(&target, port);
	err = listener->way->apply(listener, &target, &taken);
	if (!err && portset_has(&taken, port))
		err = -EADDRINUSE;
	if (err) {
		snprintf(why, LISTEN_WHY_MAX, "admitting port %u: %s",
			 (unsigned)port, err_text(err));
		return err;
	}
	err = try_vips(listener, port, why);
	end = listener->way->apply(listener, &none, &taken);
	if (err || !end)
		return err;
	snprintf(why, LISTEN_WHY_MAX, "withdrawing port %u: %s", (unsigned)port,
		 err_text(end));
	return end;
}
