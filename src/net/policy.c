/*
 * policy.c - a route of our own for marked packets: they end here.
 *
 * Layer: net. Source: Documentation/networking/tproxy.rst; rtnetlink(7).
 */
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "nl.h"
#include "policy.h"

#define PRIORITY      1350 /* before the main table (32766) */
#define LOOPBACK      1	   /* its index, in every network namespace */
#define LEFTOVERS_MAX 16   /* rules like ours that are taken out */

static int change_rule(struct nl *nl, int type, int flags, uint8_t family,
		       uint32_t number)
{
	_Alignas(struct nlmsghdr) char room[NL_ROOM];
	struct fib_rule_hdr *rule;
	struct nlmsghdr *msg;

	msg = nl_begin(nl, room, type, flags, sizeof(*rule));
	rule = mnl_nlmsg_get_payload(msg);
	rule->family = family;
	rule->action = FR_ACT_TO_TBL;
	mnl_attr_put_u32(msg, FRA_FWMARK, number);
	mnl_attr_put_u32(msg, FRA_FWMASK, UINT32_MAX);
	mnl_attr_put_u32(msg, FRA_TABLE, number);
	mnl_attr_put_u32(msg, FRA_PRIORITY, PRIORITY);
	return nl_ask(nl, msg, msg->nlmsg_len, NULL, NULL);
}

static int change_route(struct nl *nl, int type, int flags, uint8_t family,
			uint32_t number)
{
	_Alignas(struct nlmsghdr) char room[NL_ROOM];
	struct nlmsghdr *msg;
	struct rtmsg *route;

	msg = nl_begin(nl, room, type, flags, sizeof(*route));
	route = mnl_nlmsg_get_payload(msg);
	route->rtm_family = family;
	route->rtm_type = RTN_LOCAL;
	route->rtm_scope = RT_SCOPE_HOST;
	route->rtm_protocol = RTPROT_STATIC;
	mnl_attr_put_u32(msg, RTA_TABLE, number);
	mnl_attr_put_u32(msg, RTA_OIF, LOOPBACK);
	return nl_ask(nl, msg, msg->nlmsg_len, NULL, NULL);
}

static void remove_both(struct nl *nl, uint8_t family, uint32_t number)
{
	int i;

	for (i = 0; i < LEFTOVERS_MAX; i++)
		if (change_rule(nl, RTM_DELRULE, 0, family, number))
			break;
	for (i = 0; i < LEFTOVERS_MAX; i++)
		if (change_route(nl, RTM_DELROUTE, 0, family, number))
			break;
}

static int install_both(struct nl *nl, uint8_t family, uint32_t number)
{
	int flags = NLM_F_CREATE | NLM_F_EXCL, err;

	err = change_route(nl, RTM_NEWROUTE, flags, family, number);
	if (!err)
		err = change_rule(nl, RTM_NEWRULE, flags, family, number);
	if (err)
		remove_both(nl, family, number);
	return err;
}

int policy_install(uint8_t family, uint32_t number)
{
	struct nl nl;
	int err = nl_open(&nl, NETLINK_ROUTE);

	if (err)
		return err;
	remove_both(&nl, family, number);
	err = install_both(&nl, family, number);
	nl_close(&nl);
	return err;
}

void policy_remove(uint8_t family, uint32_t number)
{
	struct nl nl;

	if (nl_open(&nl, NETLINK_ROUTE))
		return;
	remove_both(&nl, family, number);
	nl_close(&nl);
}
