/*
 * diag.c - who listens here already, and is an address ours.
 *
 * Layer: net. Source: sock_diag(7), rtnetlink(7).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>

#include "diag.h"
#include "nl.h"

struct dump {
	void (*each)(void *ctx, const struct diag_listener *found);
	void *ctx;
};

static int read_v6only(const struct nlattr *attr, void *ctx)
{
	bool *is_v6only = ctx;

	if (mnl_attr_get_type(attr) == INET_DIAG_SKV6ONLY)
		*is_v6only = mnl_attr_get_u8(attr) != 0;
	return MNL_CB_OK;
}

static int read_endpoint(const struct inet_diag_msg *msg, struct endpoint *out)
{
	struct sockaddr_storage room = { 0 };
	struct sockaddr_in6 *v6 = (void *)&room;
	struct sockaddr_in *v4 = (void *)&room;

	room.ss_family = msg->idiag_family;
	if (msg->idiag_family == AF_INET) {
		memcpy(&v4->sin_addr, msg->id.idiag_src, 4);
		v4->sin_port = msg->id.idiag_sport;
	} else {
		memcpy(&v6->sin6_addr, msg->id.idiag_src, 16);
		v6->sin6_port = msg->id.idiag_sport;
	}
	return endpoint_from_sockaddr(&room, out);
}

static int read_listener(const struct nlmsghdr *nlh, void *ctx)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct diag_listener found = { 0 };
	const struct dump *dump = ctx;

	if (read_endpoint(msg, &found.at))
		return MNL_CB_OK;
	if (mnl_attr_parse(nlh, sizeof(*msg), read_v6only, &found.is_v6only) <
	    0)
		return MNL_CB_ERROR;
	dump->each(dump->ctx, &found);
	return MNL_CB_OK;
}

static int dump_family(struct nl *nl, uint8_t family, uint16_t port,
		       struct dump *dump)
{
	_Alignas(struct nlmsghdr) char room[NL_ROOM];
	struct inet_diag_req_v2 *req;
	struct nlmsghdr *msg;

	msg = nl_begin(nl, room, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, sizeof(*req));
	req = mnl_nlmsg_get_payload(msg);
	req->sdiag_family = family;
	req->sdiag_protocol = IPPROTO_TCP;
	req->idiag_states = 1u << TCP_LISTEN;
	req->id.idiag_sport = htons(port);
	return nl_ask(nl, msg, msg->nlmsg_len, read_listener, dump);
}

int diag_listeners(uint16_t port,
		   void (*each)(void *ctx, const struct diag_listener *found),
		   void *ctx)
{
	struct dump dump = { .each = each, .ctx = ctx };
	struct nl nl;
	int err = nl_open(&nl, NETLINK_SOCK_DIAG);

	if (err)
		return err;
	err = dump_family(&nl, AF_INET, port, &dump);
	if (!err)
		err = dump_family(&nl, AF_INET6, port, &dump);
	nl_close(&nl);
	return err;
}

bool diag_serves(const struct diag_listener *listener, const struct addr *addr)
{
	const struct addr *at = &listener->at.addr;

	if (at->family == addr->family)
		return addr_is_wildcard(at) || addr_is_wildcard(addr) ||
		       addr_equal(at, addr);
	return at->family == AF_INET6 && addr_is_wildcard(at) &&
	       !listener->is_v6only;
}

static int read_route_type(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(nlh);
	int *type = ctx;

	*type = route->rtm_type;
	return MNL_CB_OK;
}

static int ask_route(struct nl *nl, const struct addr *addr, int *type)
{
	_Alignas(struct nlmsghdr) char room[NL_ROOM];
	struct nlmsghdr *msg;
	struct rtmsg *route;
	size_t len = addr_len(addr);

	msg = nl_begin(nl, room, RTM_GETROUTE, 0, sizeof(*route));
	route = mnl_nlmsg_get_payload(msg);
	route->rtm_family = addr->family;
	route->rtm_dst_len = (uint8_t)(8 * len);
	mnl_attr_put(msg, RTA_DST, len, addr->octet);
	return nl_ask(nl, msg, msg->nlmsg_len, read_route_type, type);
}

int diag_is_local(const struct addr *addr)
{
	int type = RTN_UNSPEC, err;
	struct nl nl;

	err = nl_open(&nl, NETLINK_ROUTE);
	if (err)
		return err;
	err = ask_route(&nl, addr, &type);
	nl_close(&nl);
	if (err == -ENETUNREACH || err == -EHOSTUNREACH || err == -EACCES ||
	    err == -EINVAL) /* no route, or one that refuses */
		return 0;
	return err ? err : type == RTN_LOCAL;
}
