/*
 * nl.c - ask the kernel over netlink and wait for its answer.
 *
 * Layer: net. Source: RFC 3549; libmnl.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "nl.h"

#define WAIT_S	  2
#define DUMP_ROOM 32768

int nl_open(struct nl *nl, int bus)
{
	struct timeval wait = { .tv_sec = WAIT_S };
	int fd;

	nl->seq = 0;
	nl->sock = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!nl->sock)
		return -errno;
	fd = mnl_socket_get_fd(nl->sock);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) ||
	    mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID)) {
		int err = -errno;

		nl_close(nl);
		return err;
	}
	return 0;
}

void nl_close(struct nl *nl)
{
	if (nl->sock)
		mnl_socket_close(nl->sock);
	nl->sock = NULL;
}

struct nlmsghdr *nl_begin(struct nl *nl, char room[static NL_ROOM], int type,
			  int flags, size_t extra)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(room);

	mnl_nlmsg_put_extra_header(msg, extra);
	msg->nlmsg_type = (uint16_t)type;
	msg->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	msg->nlmsg_seq = ++nl->seq;
	return msg;
}

/* What is left of a request that failed must not answer the next one. */
static void forget_answers(struct nl *nl)
{
	int fd = mnl_socket_get_fd(nl->sock), i;
	char room[256];

	for (i = 0; i < 4096; i++)
		if (recv(fd, room, sizeof(room), MSG_DONTWAIT | MSG_TRUNC) < 0)
			return;
}

int nl_ask(struct nl *nl, const void *request, size_t len, mnl_cb_t each,
	   void *ctx)
{
	unsigned portid = mnl_socket_get_portid(nl->sock);
	_Alignas(struct nlmsghdr) char room[DUMP_ROOM];
	int more = MNL_CB_OK;
	ssize_t got;

	if (mnl_socket_sendto(nl->sock, request, len) < 0)
		return -errno;
	while (more > MNL_CB_STOP) {
		got = mnl_socket_recvfrom(nl->sock, room, sizeof(room));
		if (got < 0)
			return -errno;
		more = mnl_cb_run(room, (size_t)got, 0, portid, each, ctx);
	}
	if (more == MNL_CB_ERROR) {
		int err = -errno;

		forget_answers(nl);
		return err;
	}
	return 0;
}
