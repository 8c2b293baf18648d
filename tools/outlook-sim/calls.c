/*
 * calls.c - the calls of each kind of connection.
 *
 * Layer: tools.
 * Source: [MS-OXCRPC] 3.2, [MS-OXNSPI] 3.2, [MS-OXABREF] 3.2 (client side);
 * C706 appendix O (ept_map).
 */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "link.h"
#include "wire/epm.h"

#define MAX_TOWERS 4 /* what Windows asks for */

static struct bytes dn_of(const struct link *link, char room[64])
{
	snprintf(room, 64, "/o=mapilb/ou=sim/cn=Recipients/cn=user%u",
		 link->client->number);
	return bytes_of(room, strlen(room));
}

static int refused_unless(uint32_t status, uint32_t good)
{
	return status == good ? 0 : ERR_REFUSED;
}

static void map_write(struct link *link, struct builder *out)
{
	uint8_t room[TOWER_TCP_LEN];
	struct builder tower = builder_over(room, sizeof(room), true);
	struct epm_map_request request = { .has_object = true,
					   .max_towers = MAX_TOWERS };

	tower_write(&tower, TOWER_TCP, &link->role->iface->syntax, EPM_PORT,
		    NULL);
	request.tower = bytes_of(tower.at, tower.len);
	epm_map_request_write(out, &request);
}

/* ERR_NOT_FOUND: nobody serves the interface. */
static int map_read(struct link *link, struct cursor cur)
{
	struct bytes stub = bytes_of(cur.at, cursor_left(&cur));
	struct ndr form = { .little = cur.little };
	struct epm_map_reply reply;
	struct tower tower;
	int err = epm_map_reply_read(stub, form, &reply);

	if (err)
		return err;
	if (reply.status == EPM_NOT_REGISTERED)
		return ERR_NOT_FOUND;
	if (reply.status || !reply.ntowers)
		return ERR_REFUSED;
	err = tower_read(reply.tower[0], &tower);
	if (err)
		return err;
	if (tower.protocol != TOWER_TCP || !tower.port)
		return ERR_MALFORMED;
	link->port = tower.port;
	return 0;
}

static void new_dsa_write(struct link *link, struct builder *out)
{
	char room[64];

	new_dsa_request_write(out, dn_of(link, room));
}

static int new_dsa_read(struct link *link, struct cursor cur)
{
	struct bytes server;
	uint32_t status;
	int err = new_dsa_reply_read(cur, &server, &status);

	if (err)
		return err;
	client_saw(link->client, link, server);
	return refused_unless(status, STUB_OK);
}

static void fqdn_write(struct link *link, struct builder *out)
{
	char room[64];

	fqdn_request_write(out, dn_of(link, room));
}

static int fqdn_read(struct link *link, struct cursor cur)
{
	struct bytes server;
	uint32_t status;
	int err = fqdn_reply_read(cur, &server, &status);

	if (err)
		return err;
	client_saw(link->client, link, server);
	return refused_unless(status, STUB_OK);
}

static void bind_write(struct link *link, struct builder *out)
{
	(void)link;
	nspi_bind_request_write(out);
}

static int bind_read(struct link *link, struct cursor cur)
{
	struct nspi_bind_reply reply;
	int err = nspi_bind_reply_read(cur, &reply);

	if (err)
		return err;
	client_saw(link->client, link, reply.server);
	link->handle = reply.handle;
	return refused_unless(reply.status, STUB_OK);
}

static void update_write(struct link *link, struct builder *out)
{
	update_stat_request_write(out, &link->handle);
}

static int update_read(struct link *link, struct cursor cur)
{
	uint32_t status;
	int err = update_stat_reply_read(cur, &status);

	(void)link;
	return err ? err : refused_unless(status, STUB_OK);
}

static void unbind_write(struct link *link, struct builder *out)
{
	handle_request_write(out, &link->handle, 1);
}

static void disconnect_write(struct link *link, struct builder *out)
{
	handle_request_write(out, &link->handle, 0);
}

static int goodbye_read(struct link *link, struct cursor cur)
{
	uint32_t status;
	int err = handle_reply_read(cur, &link->handle, &status);

	/* NspiUnbind says 1 when all is well */
	return err ? err : refused_unless(status & ~1u, STUB_OK);
}

static void connect_write(struct link *link, struct builder *out)
{
	const struct client *client = link->client;
	struct connect_ex_request request = { .link = STUB_NO_LINK };
	char room[64];

	request.user_dn = dn_of(link, room);
	if (link->role->needs_session) {
		request.link = client->session_index;
		request.timestamp = client->timestamp;
	}
	connect_ex_request_write(out, &request);
}

static int connect_read(struct link *link, struct cursor cur)
{
	struct client *client = link->client;
	struct connect_ex_reply reply;
	int err = connect_ex_reply_read(cur, &reply);

	if (err)
		return err;
	client_saw(client, link, reply.server);
	if (reply.status)
		return ERR_REFUSED;
	link->handle = reply.handle;
	if (link->role->needs_session)
		return 0;
	client->session = reply.handle;
	client->session_index = reply.index;
	client->timestamp = reply.timestamp;
	client->group = link->group;
	return 0;
}

static int async_connect_read(struct link *link, struct cursor cur)
{
	uint32_t status;
	int err = handle_reply_read(cur, &link->client->async, &status);

	return err ? err : refused_unless(status, STUB_OK);
}

/* The pool uses the session that the mailbox link opened. */
static void rpc_write(struct link *link, struct builder *out)
{
	const struct options *options = link->client->swarm->options;
	struct rpc_ext2_request request = { .handle = link->handle,
					    .send = options->send,
					    .want = options->want };

	if (link->role->joins)
		request.handle = link->client->session;
	rpc_ext2_request_write(out, &request);
}

static int rpc_read(struct link *link, struct cursor cur)
{
	struct rpc_ext2_reply reply;
	int err = rpc_ext2_reply_read(cur, &reply);

	if (err)
		return err;
	client_saw(link->client, link, reply.server);
	if (reply.len < link->client->swarm->options->want)
		return ERR_SHORT;
	return refused_unless(reply.status, STUB_OK);
}

static void wait_write(struct link *link, struct builder *out)
{
	handle_request_write(out, &link->client->async, 1);
}

static int wait_read(struct link *link, struct cursor cur)
{
	uint32_t flags, status;
	int err = wait_ex_reply_read(cur, &flags, &status);

	if (err)
		return err;
	if (flags & STUB_EVENT_PENDING)
		link->client->swarm->counts.news++;
	return refused_unless(status, STUB_OK);
}

const struct call call_map = { "ept_map", EPM_MAP, map_write, map_read };

static const struct call call_new_dsa = { "RfrGetNewDSA", RFR_NEW_DSA,
					  new_dsa_write, new_dsa_read };
static const struct call call_fqdn = { "RfrGetFQDNFromServerDN",
				       RFR_FQDN_FROM_DN, fqdn_write,
				       fqdn_read };
static const struct call call_bind = { "NspiBind", NSPI_BIND, bind_write,
				       bind_read };
static const struct call call_update = { "NspiUpdateStat", NSPI_UPDATE_STAT,
					 update_write, update_read };
static const struct call call_unbind = { "NspiUnbind", NSPI_UNBIND,
					 unbind_write, goodbye_read };
static const struct call call_connect = { "EcDoConnectEx", EMSMDB_CONNECT_EX,
					  connect_write, connect_read };
static const struct call call_async_connect = { "EcDoAsyncConnectEx",
						EMSMDB_ASYNC_CONNECT_EX,
						disconnect_write,
						async_connect_read };
static const struct call call_rpc = { "EcDoRpcExt2", EMSMDB_RPC_EXT2, rpc_write,
				      rpc_read };
static const struct call call_disconnect = { "EcDoDisconnect",
					     EMSMDB_DISCONNECT,
					     disconnect_write, goodbye_read };
static const struct call call_wait = { "EcDoAsyncWaitEx", ASYNC_WAIT_EX,
				       wait_write, wait_read };

const struct role roles[ROLE_COUNT] = {
	[ROLE_REFERRAL] = {
		.name = "referral",
		.iface = &iface_rfr,
		.looks_up = true,
		.is_short = true,
		.setup = { &call_new_dsa, &call_fqdn },
	},
	[ROLE_DIRECTORY] = {
		.name = "directory",
		.iface = &iface_nspi,
		.looks_up = true,
		.setup = { &call_bind },
		.steady = &call_update,
		.goodbye = &call_unbind,
	},
	[ROLE_MAILBOX] = {
		.name = "mailbox",
		.iface = &iface_emsmdb,
		.is_mailbox = true,
		.looks_up = true,
		.setup = { &call_connect, &call_async_connect },
		.steady = &call_rpc,
		.goodbye = &call_disconnect,
	},
	[ROLE_ASYNC] = {
		.name = "async",
		.iface = &iface_async_emsmdb,
		.is_mailbox = true,
		.needs_session = true,
		.joins = true,
		.looks_up = true,
		.steady = &call_wait,
	},
	[ROLE_POOL] = {
		.name = "pool",
		.iface = &iface_emsmdb,
		.is_mailbox = true,
		.needs_session = true,
		.joins = true,
		.steady = &call_rpc,
	},
	[ROLE_LINKED] = {
		.name = "linked",
		.iface = &iface_emsmdb,
		.is_mailbox = true,
		.needs_session = true,
		.looks_up = true,
		.setup = { &call_connect },
		.steady = &call_rpc,
		.goodbye = &call_disconnect,
	},
};
