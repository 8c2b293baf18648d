/*
 * rpc_accept.c - take connections from the listening sockets.
 *
 * Layer: svc.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/relay.h"
#include "rpc_log.h"
#include "rpc_priv.h"

#define ACCEPTS 32  /* of one listener before others have their turn */
#define REST_MS 100 /* after an accept that nothing can be done about */

static uint16_t dialled_port(const struct rpc_listener *from, int fd)
{
	struct endpoint local = { .port = from->port };
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (local.port || getsockname(fd, (struct sockaddr *)&sa, &len) ||
	    endpoint_from_sockaddr(&sa, &local))
		return from->port;
	return local.port;
}

/* Whoever waits there would wake us for ever: look again in a moment. */
static void rest(struct rpc_listener *from, enum reason reason)
{
	struct svc_rpc *svc = from->svc;

	loop_unwatch(svc->loop, &from->io);
	loop_timer_set(svc->loop, &from->rest, REST_MS);
	rpc_log_rest(svc, REST_MS, reason);
}

/* The spare descriptor, or one anew where it was given up. */
static bool has_spare(struct svc_rpc *svc)
{
	if (svc->spare_fd >= 0)
		return true;
	svc->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (svc->spare_fd < 0)
		return false;
	atomic_fetch_sub(&svc->shared->spares_given, 1);
	return true;
}

static void rest_over(struct loop_timer *timer)
{
	struct rpc_listener *from =
		list_entry(timer, struct rpc_listener, rest);

	if (!has_spare(from->svc))
		rest(from, REASON_NO_DESCRIPTORS);
	else if (loop_watch_level(from->svc->loop, &from->io))
		rest(from, REASON_NO_MEMORY);
}

/*
 * No descriptor is left: the spare one lets the connection in that waits, to
 * be told. While it is given up no worker takes a new connection, or that
 * would take its place and this worker's clients would wait in silence.
 * True: go on.
 */
static bool refuse_without_descriptor(struct rpc_listener *from)
{
	struct svc_rpc *svc = from->svc;
	int fd, error;

	if (!has_spare(svc)) {
		rest(from, REASON_NO_DESCRIPTORS);
		return false;
	}
	atomic_fetch_add(&svc->shared->spares_given, 1);
	close(svc->spare_fd);
	svc->spare_fd = -1;
	fd = accept4(from->io.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	error = errno;
	if (fd >= 0) {
		relay_close_reset(fd);
		rpc_log_refuse(svc, NULL, from->port, NULL,
			       REASON_NO_DESCRIPTORS);
	}
	if (!has_spare(svc) || (fd < 0 && error != EAGAIN))
		rest(from, REASON_NO_DESCRIPTORS);
	return fd >= 0 && svc->spare_fd >= 0;
}

static bool accept_failed(struct rpc_listener *from, int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
		return refuse_without_descriptor(from);
	case ENOMEM:
	case ENOBUFS:
		rest(from, REASON_NO_MEMORY);
		return false;
	}
	return error == ECONNABORTED;
}

/* Some worker's is given up: all wait for it. Our own is back as soon as it
 * can be, whether or not the listener that lost it is still there. */
static bool is_spare_missing(struct svc_rpc *svc)
{
	_Atomic unsigned *given = &svc->shared->spares_given;

	return atomic_load(given) && (!has_spare(svc) || atomic_load(given));
}

static bool accept_one(struct svc_rpc *svc, struct rpc_listener *from)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct endpoint client = { 0 };
	uint16_t port;
	int fd = accept4(from->io.fd, (struct sockaddr *)&sa, &len,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return accept_failed(from, errno);
	if (endpoint_from_sockaddr(&sa, &client)) {
		close(fd);
		return true;
	}
	port = dialled_port(from, fd);
	if (is_spare_missing(svc)) {
		rpc_log_refuse(svc, &client, port, NULL, REASON_NO_DESCRIPTORS);
		relay_close_reset(fd);
		return true;
	}
	rpc_take(svc, fd, &client, port);
	return true;
}

static void listener_ready(struct loop_io *io, unsigned events)
{
	struct rpc_listener *from = list_entry(io, struct rpc_listener, io);
	struct svc_rpc *svc = from->svc;
	unsigned i;

	(void)events;
	for (i = 0; i < ACCEPTS && accept_one(svc, from); i++)
		;
}

int svc_rpc_attach(struct svc_rpc *svc, int fd, uint16_t port)
{
	struct rpc_listener *from = calloc(1, sizeof(*from));
	int err;

	if (!from)
		return ERR_MEMORY;
	from->svc = svc;
	from->port = port;
	from->io = (struct loop_io){ .fd = fd, .ready = listener_ready };
	from->rest.fire = rest_over;
	err = loop_watch_level(svc->loop, &from->io);
	if (err) {
		free(from);
		return err;
	}
	list_init(&from->node);
	list_add(&svc->listeners, &from->node);
	return 0;
}

static void drop_listener(struct svc_rpc *svc, struct rpc_listener *from)
{
	loop_timer_stop(svc->loop, &from->rest);
	loop_unwatch(svc->loop, &from->io);
	list_remove(&from->node);
	free(from);
}

void svc_rpc_detach(struct svc_rpc *svc, int fd)
{
	struct list *node, *spare;

	list_each_safe (node, spare, &svc->listeners) {
		struct rpc_listener *from =
			list_entry(node, struct rpc_listener, node);

		if (from->io.fd == fd)
			drop_listener(svc, from);
	}
}

void rpc_drop_listeners(struct svc_rpc *svc)
{
	struct list *node, *spare;

	list_each_safe (node, spare, &svc->listeners)
		drop_listener(svc, list_entry(node, struct rpc_listener, node));
}
