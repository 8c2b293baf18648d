/*
 * nft.c - one nf_tables table that hands packets to admitted ports over to
 * listening sockets.
 *
 * Layer: net. Source: Linux, include/uapi/linux/netfilter/nf_tables.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "nft.h"

#define INSTALL_ROOM  65536
#define RUN_LEN	      64   /* a run of ports in a message, at most */
#define RUNS_MAX      1000 /* in one message: an attribute has 16 bits */
#define CHANGE_ROOM   8192 /* all else of a change of the set */
#define SEND_ROOM     (4 << 20)
#define LEASE_ROOM    512 /* a change of one lease, all messages of it */
#define UDATA_ORDER   0	  /* nft's note to itself: the keys' byte order, */
#define UDATA_NETWORK 2	  /* to list them */

/* nft's numbers of types, to list them; two make one in 6 bits each. */
#define TYPE_IPV4    7
#define TYPE_IPV6    8
#define TYPE_SERVICE 13
#define TYPE_BITS    6

/* A port fills a register of 32 bits. */
#define PORT_LEN 4

/* The first two are numbered as enum nft_ports. */
enum set { SET_PORTS, SET_OTHERS, SET_LEASES4, SET_LEASES6 };

static const char *const set_name[] = { "ports", "others", "leases4",
					"leases6" };

/* Messages that the kernel carries out together or not at all. */
struct batch {
	struct nl *nl;
	char *room;
	size_t len;
	struct nlmsghdr *msg; /* the last one begun */
};

static struct nlmsghdr *put_message(struct batch *batch, int type, int flags,
				    uint8_t family, uint16_t res_id)
{
	struct nfgenmsg *head;

	batch->msg = mnl_nlmsg_put_header(batch->room + batch->len);
	batch->msg->nlmsg_type = (uint16_t)type;
	batch->msg->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	batch->msg->nlmsg_seq = ++batch->nl->seq;
	head = mnl_nlmsg_put_extra_header(batch->msg, sizeof(*head));
	head->nfgen_family = family;
	head->version = NFNETLINK_V0;
	head->res_id = htons(res_id);
	return batch->msg;
}

static void end_message(struct batch *batch)
{
	batch->len += (size_t)MNL_ALIGN((int)batch->msg->nlmsg_len);
}

/* <room> is the caller's and has to be large enough. */
static void batch_begin(struct batch *batch, struct nl *nl, void *room)
{
	*batch = (struct batch){ .nl = nl, .room = room };
	put_message(batch, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC,
		    NFNL_SUBSYS_NFTABLES);
	end_message(batch);
}

static struct nlmsghdr *batch_add(struct batch *batch, int type, int flags)
{
	return put_message(batch, NFNL_SUBSYS_NFTABLES << 8 | type, flags,
			   NFPROTO_INET, 0);
}

/* The last message asks for the acknowledgement of all. */
static int batch_commit(struct batch *batch)
{
	batch->msg->nlmsg_flags |= NLM_F_ACK;
	put_message(batch, NFNL_MSG_BATCH_END, 0, AF_UNSPEC,
		    NFNL_SUBSYS_NFTABLES);
	end_message(batch);
	return nl_ask(batch->nl, batch->room, batch->len, NULL, NULL);
}

static void put_be32(struct nlmsghdr *msg, uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(msg, type, htonl(value));
}

static void put_data(struct nlmsghdr *msg, uint16_t type, const void *at,
		     size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(msg, type);

	mnl_attr_put(msg, NFTA_DATA_VALUE, len, at);
	mnl_attr_nest_end(msg, nest);
}

/* An expression of a rule. */
struct expr {
	struct nlattr *element;
	struct nlattr *data;
};

static struct expr expr_begin(struct nlmsghdr *msg, const char *name)
{
	struct expr expr;

	expr.element = mnl_attr_nest_start(msg, NFTA_LIST_ELEM);
	mnl_attr_put_strz(msg, NFTA_EXPR_NAME, name);
	expr.data = mnl_attr_nest_start(msg, NFTA_EXPR_DATA);
	return expr;
}

static void expr_end(struct nlmsghdr *msg, struct expr expr)
{
	mnl_attr_nest_end(msg, expr.data);
	mnl_attr_nest_end(msg, expr.element);
}

static void meta_load(struct nlmsghdr *msg, uint32_t key)
{
	struct expr expr = expr_begin(msg, "meta");

	put_be32(msg, NFTA_META_KEY, key);
	put_be32(msg, NFTA_META_DREG, NFT_REG_1);
	expr_end(msg, expr);
}

static void payload_load(struct nlmsghdr *msg, uint32_t reg, uint32_t base,
			 uint32_t offset, uint32_t len)
{
	struct expr expr = expr_begin(msg, "payload");

	put_be32(msg, NFTA_PAYLOAD_DREG, reg);
	put_be32(msg, NFTA_PAYLOAD_BASE, base);
	put_be32(msg, NFTA_PAYLOAD_OFFSET, offset);
	put_be32(msg, NFTA_PAYLOAD_LEN, len);
	expr_end(msg, expr);
}

static void compare(struct nlmsghdr *msg, const void *at, size_t len)
{
	struct expr expr = expr_begin(msg, "cmp");

	put_be32(msg, NFTA_CMP_SREG, NFT_REG_1);
	put_be32(msg, NFTA_CMP_OP, NFT_CMP_EQ);
	put_data(msg, NFTA_CMP_DATA, at, len);
	expr_end(msg, expr);
}

static void immediate(struct nlmsghdr *msg, uint32_t reg, const void *at,
		      size_t len)
{
	struct expr expr = expr_begin(msg, "immediate");

	put_be32(msg, NFTA_IMMEDIATE_DREG, reg);
	put_data(msg, NFTA_IMMEDIATE_DATA, at, len);
	expr_end(msg, expr);
}

/* What every rule begins with: TCP to <vip>. */
static void match_vip(struct nlmsghdr *msg, const struct addr *vip)
{
	bool is_v4 = vip->family == AF_INET;
	uint8_t nfproto = is_v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
	uint8_t l4proto = IPPROTO_TCP;

	meta_load(msg, NFT_META_NFPROTO);
	compare(msg, &nfproto, sizeof(nfproto));
	payload_load(msg, NFT_REG_1, NFT_PAYLOAD_NETWORK_HEADER,
		     is_v4 ? 16 : 24, (uint32_t)addr_len(vip));
	compare(msg, vip->octet, addr_len(vip));
	meta_load(msg, NFT_META_L4PROTO);
	compare(msg, &l4proto, sizeof(l4proto));
}

static void load_port(struct nlmsghdr *msg, uint32_t reg)
{
	payload_load(msg, reg, NFT_PAYLOAD_TRANSPORT_HEADER, 2,
		     sizeof(uint16_t));
}

/* Within a transaction a set is known by a number. */
static uint32_t id_of(enum set set)
{
	return (uint32_t)set + 1;
}

static void look_up(struct nlmsghdr *msg, enum set set, uint32_t flags)
{
	struct expr expr = expr_begin(msg, "lookup");

	mnl_attr_put_strz(msg, NFTA_LOOKUP_SET, set_name[set]);
	put_be32(msg, NFTA_LOOKUP_SET_ID, id_of(set));
	put_be32(msg, NFTA_LOOKUP_SREG, NFT_REG_1);
	if (flags)
		put_be32(msg, NFTA_LOOKUP_FLAGS, flags);
	expr_end(msg, expr);
}

static void match_ports(struct nlmsghdr *msg)
{
	load_port(msg, NFT_REG_1);
	look_up(msg, SET_PORTS, 0);
}

static void mask_address(struct nlmsghdr *msg, const struct addr *mask)
{
	static const uint8_t zeros[sizeof(mask->octet)];
	uint32_t len = (uint32_t)addr_len(mask);
	struct expr expr = expr_begin(msg, "bitwise");

	put_be32(msg, NFTA_BITWISE_SREG, NFT_REG_1);
	put_be32(msg, NFTA_BITWISE_DREG, NFT_REG_1);
	put_be32(msg, NFTA_BITWISE_LEN, len);
	put_data(msg, NFTA_BITWISE_MASK, mask->octet, len);
	put_data(msg, NFTA_BITWISE_XOR, zeros, len);
	expr_end(msg, expr);
}

/* The key is the address, in as many registers as it needs, and then the
 * port. */
static void match_leases(struct nlmsghdr *msg, const struct addr *mask)
{
	bool is_v4 = mask->family == AF_INET;

	load_port(msg, NFT_REG_1);
	look_up(msg, SET_OTHERS, NFT_LOOKUP_F_INV);
	payload_load(msg, NFT_REG_1, NFT_PAYLOAD_NETWORK_HEADER, is_v4 ? 12 : 8,
		     (uint32_t)addr_len(mask));
	mask_address(msg, mask);
	load_port(msg, is_v4 ? NFT_REG32_01 : NFT_REG32_04);
	look_up(msg, is_v4 ? SET_LEASES4 : SET_LEASES6, 0);
}

static void match_transparent(struct nlmsghdr *msg)
{
	struct expr expr = expr_begin(msg, "socket");
	uint8_t one = 1;

	put_be32(msg, NFTA_SOCKET_KEY, NFT_SOCKET_TRANSPARENT);
	put_be32(msg, NFTA_SOCKET_DREG, NFT_REG_1);
	expr_end(msg, expr);
	compare(msg, &one, sizeof(one));
}

static void hand_over(struct nlmsghdr *msg, const struct endpoint *to)
{
	bool is_v4 = to->addr.family == AF_INET;
	uint16_t port = htons(to->port);
	struct expr expr;

	immediate(msg, NFT_REG_1, to->addr.octet, addr_len(&to->addr));
	immediate(msg, NFT_REG_2, &port, sizeof(port));
	expr = expr_begin(msg, "tproxy");
	put_be32(msg, NFTA_TPROXY_FAMILY, is_v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	put_be32(msg, NFTA_TPROXY_REG_ADDR, NFT_REG_1);
	put_be32(msg, NFTA_TPROXY_REG_PORT, NFT_REG_2);
	expr_end(msg, expr);
}

static void mark_and_accept(struct nlmsghdr *msg, uint32_t mark)
{
	struct nlattr *data, *verdict;
	struct expr expr;

	immediate(msg, NFT_REG_1, &mark, sizeof(mark));
	expr = expr_begin(msg, "meta");
	put_be32(msg, NFTA_META_KEY, NFT_META_MARK);
	put_be32(msg, NFTA_META_SREG, NFT_REG_1);
	expr_end(msg, expr);
	expr = expr_begin(msg, "immediate");
	put_be32(msg, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = mnl_attr_nest_start(msg, NFTA_IMMEDIATE_DATA);
	verdict = mnl_attr_nest_start(msg, NFTA_DATA_VERDICT);
	put_be32(msg, NFTA_VERDICT_CODE, NF_ACCEPT);
	mnl_attr_nest_end(msg, verdict);
	mnl_attr_nest_end(msg, data);
	expr_end(msg, expr);
}

static void add_table(struct batch *batch, const char *name)
{
	struct nlmsghdr *msg =
		batch_add(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);

	mnl_attr_put_strz(msg, NFTA_TABLE_NAME, name);
	put_be32(msg, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	end_message(batch);
}

static struct nlmsghdr *begin_set(struct batch *batch, const char *table,
				  enum set set)
{
	struct nlmsghdr *msg = batch_add(batch, NFT_MSG_NEWSET, NLM_F_CREATE);

	mnl_attr_put_strz(msg, NFTA_SET_TABLE, table);
	mnl_attr_put_strz(msg, NFTA_SET_NAME, set_name[set]);
	put_be32(msg, NFTA_SET_ID, id_of(set));
	return msg;
}

/* Runs of ports, so that the whole range is one element. */
static void add_port_set(struct batch *batch, const char *table, enum set set)
{
	uint8_t note[6] = { UDATA_ORDER, sizeof(uint32_t) };
	struct nlmsghdr *msg = begin_set(batch, table, set);
	uint32_t order = UDATA_NETWORK;

	memcpy(note + 2, &order, sizeof(order));
	put_be32(msg, NFTA_SET_FLAGS, NFT_SET_INTERVAL);
	put_be32(msg, NFTA_SET_KEY_TYPE, TYPE_SERVICE);
	put_be32(msg, NFTA_SET_KEY_LEN, sizeof(uint16_t));
	mnl_attr_put(msg, NFTA_SET_USERDATA, sizeof(note), note);
	end_message(batch);
}

/* With its size told the kernel keeps it in a hash, of 8 to 16 octets for
 * each lease there is room for. */
static void add_lease_set(struct batch *batch, const char *table,
			  const struct addr *mask, unsigned most)
{
	bool is_v4 = mask->family == AF_INET;
	struct nlmsghdr *msg =
		begin_set(batch, table, is_v4 ? SET_LEASES4 : SET_LEASES6);
	uint32_t type = is_v4 ? TYPE_IPV4 : TYPE_IPV6;
	struct nlattr *desc;

	put_be32(msg, NFTA_SET_KEY_TYPE, type << TYPE_BITS | TYPE_SERVICE);
	put_be32(msg, NFTA_SET_KEY_LEN, (uint32_t)addr_len(mask) + PORT_LEN);
	desc = mnl_attr_nest_start(msg, NFTA_SET_DESC);
	put_be32(msg, NFTA_SET_DESC_SIZE, most);
	mnl_attr_nest_end(msg, desc);
	end_message(batch);
}

static bool is_steered(const struct nft_steer *steer, unsigned n,
		       uint8_t family)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (steer[i].vip->family == family)
			return true;
	return false;
}

static void add_sets(struct batch *batch, const char *table, unsigned n,
		     const struct nft_steer *steer,
		     const struct nft_leasing *leasing)
{
	add_port_set(batch, table, SET_PORTS);
	if (!leasing->most)
		return;
	add_port_set(batch, table, SET_OTHERS);
	if (is_steered(steer, n, AF_INET))
		add_lease_set(batch, table, &leasing->mask4, leasing->most);
	if (is_steered(steer, n, AF_INET6))
		add_lease_set(batch, table, &leasing->mask6, leasing->most);
}

static void add_chain(struct batch *batch, const char *table)
{
	struct nlmsghdr *msg = batch_add(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	struct nlattr *hook;

	mnl_attr_put_strz(msg, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(msg, NFTA_CHAIN_NAME, "prerouting");
	mnl_attr_put_strz(msg, NFTA_CHAIN_TYPE, "filter");
	hook = mnl_attr_nest_start(msg, NFTA_CHAIN_HOOK);
	put_be32(msg, NFTA_HOOK_HOOKNUM, NF_INET_PRE_ROUTING);
	put_be32(msg, NFTA_HOOK_PRIORITY, (uint32_t)NF_IP_PRI_MANGLE);
	mnl_attr_nest_end(msg, hook);
	put_be32(msg, NFTA_CHAIN_POLICY, NF_ACCEPT);
	end_message(batch);
}

/* A rule for <vip>, whose other conditions follow. */
static struct nlattr *begin_rule(struct batch *batch, const char *table,
				 const struct addr *vip)
{
	struct nlmsghdr *msg =
		batch_add(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	struct nlattr *list;

	mnl_attr_put_strz(msg, NFTA_RULE_TABLE, table);
	mnl_attr_put_strz(msg, NFTA_RULE_CHAIN, "prerouting");
	list = mnl_attr_nest_start(msg, NFTA_RULE_EXPRESSIONS);
	match_vip(msg, vip);
	return list;
}

static void end_rule(struct batch *batch, struct nlattr *list, uint32_t mark)
{
	mark_and_accept(batch->msg, mark);
	mnl_attr_nest_end(batch->msg, list);
	end_message(batch);
}

static void add_rules(struct batch *batch, const char *table, uint32_t mark,
		      const struct nft_steer *steer,
		      const struct nft_leasing *leasing)
{
	bool is_v4 = steer->vip->family == AF_INET;
	struct nlattr *list = begin_rule(batch, table, steer->vip);

	match_ports(batch->msg);
	hand_over(batch->msg, steer->to);
	end_rule(batch, list, mark);
	if (leasing->most) {
		list = begin_rule(batch, table, steer->vip);
		match_leases(batch->msg,
			     is_v4 ? &leasing->mask4 : &leasing->mask6);
		hand_over(batch->msg, steer->to);
		end_rule(batch, list, mark);
	}
	list = begin_rule(batch, table, steer->vip);
	match_transparent(batch->msg);
	end_rule(batch, list, mark);
}

static int install(struct nft *nft, uint32_t mark, unsigned n,
		   const struct nft_steer *steer,
		   const struct nft_leasing *leasing)
{
	void *room = malloc(INSTALL_ROOM);
	struct batch batch;
	unsigned i;
	int err;

	if (!room)
		return ERR_MEMORY;
	batch_begin(&batch, &nft->nl, room);
	add_table(&batch, nft->name);
	add_sets(&batch, nft->name, n, steer, leasing);
	add_chain(&batch, nft->name);
	for (i = 0; i < n; i++)
		add_rules(&batch, nft->name, mark, &steer[i], leasing);
	err = batch_commit(&batch);
	free(room);
	return err;
}

int nft_open(struct nft *nft, const char *name, uint32_t mark, unsigned n,
	     const struct nft_steer *steer, const struct nft_leasing *leasing)
{
	int err = nl_open(&nft->nl, NETLINK_NETFILTER), room = SEND_ROOM;

	if (err)
		return err;
	pthread_mutex_init(&nft->lock, NULL);
	/* A set of many runs is one message; most need not ask for it. */
	(void)!setsockopt(mnl_socket_get_fd(nft->nl.sock), SOL_SOCKET,
			  SO_SNDBUFFORCE, &room, sizeof(room));
	strncpy(nft->name, name, sizeof(nft->name) - 1);
	nft->name[sizeof(nft->name) - 1] = '\0';
	err = install(nft, mark, n, steer, leasing);
	if (err)
		nft_close(nft);
	return err;
}

/* A run of ports in the set: where it begins, and where it has ended. */
static void put_bound(struct nlmsghdr *msg, unsigned port, bool is_end)
{
	struct nlattr *element = mnl_attr_nest_start(msg, NFTA_LIST_ELEM);
	uint16_t key = htons((uint16_t)port);

	put_data(msg, NFTA_SET_ELEM_KEY, &key, sizeof(key));
	if (is_end)
		put_be32(msg, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	mnl_attr_nest_end(msg, element);
}

/* The run that begins at <first>; where the next may. A run to the highest
 * port has no end. */
static unsigned put_run(struct nlmsghdr *msg, const struct portset *ports,
			unsigned first)
{
	unsigned end = first;

	while (end < 65536 && portset_has(ports, (uint16_t)end))
		end++;
	put_bound(msg, first, false);
	if (end < 65536)
		put_bound(msg, end, true);
	return end;
}

static struct nlmsghdr *begin_elements(struct batch *batch, const char *table,
				       enum set set, int type)
{
	int flags = type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0;
	struct nlmsghdr *msg = batch_add(batch, type, flags);

	mnl_attr_put_strz(msg, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(msg, NFTA_SET_ELEM_LIST_SET, set_name[set]);
	return msg;
}

/* At most RUNS_MAX runs from <first> on; the first port that is left. */
static int add_runs(struct batch *batch, const char *table, enum set set,
		    const struct portset *ports, int first)
{
	struct nlmsghdr *msg =
		begin_elements(batch, table, set, NFT_MSG_NEWSETELEM);
	struct nlattr *list =
		mnl_attr_nest_start(msg, NFTA_SET_ELEM_LIST_ELEMENTS);
	unsigned i, next;

	for (i = 0; i < RUNS_MAX && first >= 0; i++) {
		next = put_run(msg, ports, (unsigned)first);
		first = portset_next(ports, next);
	}
	mnl_attr_nest_end(msg, list);
	end_message(batch);
	return first;
}

static size_t room_for(const struct portset *ports)
{
	size_t runs = 0;
	unsigned i;

	for (i = 0; i < 65536; i++)
		runs += portset_has(ports, (uint16_t)i) &&
			(i == 0 || !portset_has(ports, (uint16_t)(i - 1)));
	return CHANGE_ROOM + runs * RUN_LEN;
}

static int replace_ports(struct nft *nft, enum set set,
			 const struct portset *ports, void *room)
{
	struct batch batch;
	int first;

	batch_begin(&batch, &nft->nl, room);
	/* Without elements: all of them go. */
	begin_elements(&batch, nft->name, set, NFT_MSG_DELSETELEM);
	end_message(&batch);
	for (first = portset_next(ports, 0); first >= 0;)
		first = add_runs(&batch, nft->name, set, ports, first);
	return batch_commit(&batch);
}

int nft_set_ports(struct nft *nft, enum nft_ports which,
		  const struct portset *ports)
{
	void *room = malloc(room_for(ports));
	int err;

	if (!room)
		return ERR_MEMORY;
	pthread_mutex_lock(&nft->lock);
	err = replace_ports(nft, (enum set)which, ports, room);
	pthread_mutex_unlock(&nft->lock);
	free(room);
	return err;
}

/* One element: the address and the port, which fills its register. */
static void put_lease(struct batch *batch, const struct addr *client,
		      uint16_t port)
{
	uint8_t key[sizeof(client->octet) + PORT_LEN] = { 0 };
	struct nlattr *list, *element;
	size_t len = addr_len(client);
	uint16_t net = htons(port);

	memcpy(key, client->octet, len);
	memcpy(key + len, &net, sizeof(net));
	list = mnl_attr_nest_start(batch->msg, NFTA_SET_ELEM_LIST_ELEMENTS);
	element = mnl_attr_nest_start(batch->msg, NFTA_LIST_ELEM);
	put_data(batch->msg, NFTA_SET_ELEM_KEY, key, len + PORT_LEN);
	mnl_attr_nest_end(batch->msg, element);
	mnl_attr_nest_end(batch->msg, list);
}

static int change_lease(struct nft *nft, int type, const struct addr *client,
			uint16_t port)
{
	_Alignas(struct nlmsghdr) char room[LEASE_ROOM];
	bool is_v4 = client->family == AF_INET;
	struct batch batch;
	int err;

	pthread_mutex_lock(&nft->lock);
	batch_begin(&batch, &nft->nl, room);
	begin_elements(&batch, nft->name, is_v4 ? SET_LEASES4 : SET_LEASES6,
		       type);
	put_lease(&batch, client, port);
	end_message(&batch);
	err = batch_commit(&batch);
	pthread_mutex_unlock(&nft->lock);
	return err;
}

int nft_lease(struct nft *nft, const struct addr *client, uint16_t port)
{
	int err = change_lease(nft, NFT_MSG_NEWSETELEM, client, port);

	return err == -ENFILE ? ERR_SPACE : err;
}

int nft_unlease(struct nft *nft, const struct addr *client, uint16_t port)
{
	return change_lease(nft, NFT_MSG_DELSETELEM, client, port);
}

/* The table goes with the socket that owns it. */
void nft_close(struct nft *nft)
{
	nl_close(&nft->nl);
	pthread_mutex_destroy(&nft->lock);
}
