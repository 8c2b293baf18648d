/*
 * dial.c - connect to a server, within a time.
 *
 * Layer: net.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/dial.h"

enum reason dial_reason(int error)
{
	switch (error) {
	case 0:
		return REASON_NONE;
	case ECONNREFUSED:
	case ECONNRESET:
		return REASON_CONNECT_REFUSED;
	case ETIMEDOUT:
		return REASON_CONNECT_TIMEOUT;
	case EADDRNOTAVAIL:
	case EADDRINUSE:
		return REASON_SOURCE_EXHAUSTED;
	case EMFILE:
	case ENFILE:
		return REASON_NO_DESCRIPTORS;
	case ENOMEM:
	case ENOBUFS:
	case ENOSPC: /* the kernel's limit of epoll entries */
		return REASON_NO_MEMORY;
	}
	return REASON_CONNECT_UNREACHABLE;
}

static void set_option(int fd, int level, int name, int value)
{
	/* Each is an improvement, none a condition. */
	(void)!setsockopt(fd, level, name, &value, sizeof(value));
}

static void close_dial(struct dial *dial)
{
	tick_entry_cancel(&dial->deadline);
	loop_forget(dial->dialer->loop, dial->io);
	close(dial->io->fd);
	dial->io->fd = -1;
}

/* The timer outlives the dials that it was set for, so that few of them set
 * one; a dial that has less time than those before brings it forward. */
static void rearm(struct dialer *dialer)
{
	uint64_t next = tick_queue_next(&dialer->deadlines);
	uint64_t now = loop_now_ms(dialer->loop);

	if (next >= dialer->timer_ms)
		return;
	dialer->timer_ms = next;
	loop_timer_set(dialer->loop, &dialer->timer,
		       next > now ? next - now : 0);
}

static void timer_fired(struct loop_timer *timer)
{
	struct dialer *dialer = list_entry(timer, struct dialer, timer);
	uint64_t now = loop_now_ms(dialer->loop);
	struct tick_entry *entry;

	dialer->timer_ms = TICK_NEVER;
	while ((entry = tick_queue_take(&dialer->deadlines, now))) {
		struct dial *dial = list_entry(entry, struct dial, deadline);

		close_dial(dial);
		dial->done(dial, REASON_CONNECT_TIMEOUT);
	}
	rearm(dialer);
}

void dialer_init(struct dialer *dialer, struct loop *loop, uint64_t timeout_ms)
{
	*dialer = (struct dialer){ .loop = loop, .timer_ms = TICK_NEVER };
	tick_queue_init(&dialer->deadlines, timeout_ms);
	dialer->timer.fire = timer_fired;
}

void dialer_release(struct dialer *dialer)
{
	loop_timer_stop(dialer->loop, &dialer->timer);
}

/* The connect ended, well or not. */
void dial_event(struct dial *dial, unsigned events)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (!(events & (LOOP_WRITE | LOOP_END)))
		return;
	if (events & LOOP_END &&
	    getsockopt(dial->io->fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	if (error) {
		close_dial(dial);
		dial->done(dial, dial_reason(error));
		return;
	}
	tick_entry_cancel(&dial->deadline);
	dial->events = events;
	dial->done(dial, REASON_NONE);
}

/* Ports are taken when the connection is made: one source address then
 * holds as many connections to each server port as it has ports. */
static enum reason bind_source(int fd, const struct addr *source)
{
	struct endpoint from = { .addr = *source };
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&from, &sa);

	set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	if (!bind(fd, (struct sockaddr *)&sa, len))
		return REASON_NONE;
	return errno == EADDRNOTAVAIL ? REASON_SOURCE_NOT_LOCAL
				      : dial_reason(errno);
}

static int open_socket(const struct endpoint *to)
{
	int fd = socket(to->addr.family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	return fd;
}

static int start_connect(int fd, const struct endpoint *to)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(to, &sa);

	if (connect(fd, (struct sockaddr *)&sa, len) && errno != EINPROGRESS)
		return -errno;
	return 0;
}

enum reason dial_start(struct dialer *dialer, struct dial *dial,
		       struct loop_io *io, const struct endpoint *to,
		       const struct addr *source)
{
	enum reason reason = REASON_NONE;
	int fd = open_socket(to);

	if (fd < 0)
		return dial_reason(-fd);
	io->fd = fd;
	dial->io = io;
	dial->dialer = dialer;
	tick_entry_init(&dial->deadline);
	if (source)
		reason = bind_source(fd, source);
	if (!reason)
		reason = dial_reason(-start_connect(fd, to));
	if (!reason)
		reason = dial_reason(-loop_watch_edge(dialer->loop, io));
	if (reason) {
		close(fd);
		io->fd = -1;
		return reason;
	}
	tick_queue_renew(&dialer->deadlines, &dial->deadline,
			 loop_now_ms(dialer->loop));
	rearm(dialer);
	return REASON_NONE;
}

void dial_cancel(struct dial *dial)
{
	close_dial(dial);
}
