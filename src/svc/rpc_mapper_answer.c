/*
 * rpc_mapper_answer.c - what an endpoint mapper's answer says, and what the
 * client is to read in its place.
 *
 * Layer: svc.
 * Source: C706 appendices I and O; [MS-RPCE] 2.2.1.2.4, 2.2.1.2.5.
 *
 * Each port that an answer names is recorded as a lease. Where ports are
 * virtual and the answer is not signed, the port and the address floor are
 * written over in place. What the client may not use is taken out, which
 * makes an unsigned answer anew; where its length must stay (a verifier behind
 * it, NDR64) the tower names an interface that nobody serves.
 */
#include <string.h>
#include <sys/socket.h>

#include "rpc_log.h"
#include "rpc_mapper.h"
#include "rpc_mapper_priv.h"
#include "rpc_priv.h"
#include "wire/iface.h"

enum fate { FATE_KEEP, FATE_WAIT, FATE_DROP };

struct judge {
	struct rpc_conn *conn;
	struct mapper_answer *answer;
	const uint8_t *judged; /* towers up to here: others are aliases */
	struct addr vip;       /* for the address floor */
	uint64_t followed;     /* shared->followed, before anything was read */
	bool writes;	       /* virtual ports may be written in */
	bool is_changed;
};

static void ask_floor(struct rpc_conn *conn)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct endpoint local;

	conn->has_floor = true;
	if (!getsockname(conn->client_fd, (struct sockaddr *)&sa, &len) &&
	    !endpoint_from_sockaddr(&sa, &local) &&
	    local.addr.family == AF_INET)
		memcpy(conn->floor, local.addr.octet, sizeof(conn->floor));
}

struct addr rpc_mapper_floor(struct rpc_conn *conn)
{
	struct addr addr = { .family = AF_INET };

	if (!conn->has_floor)
		ask_floor(conn);
	memcpy(addr.octet, conn->floor, sizeof(conn->floor));
	return addr;
}

static bool is_signed(const struct mapper_answer *answer)
{
	return answer->auth_level > PDU_AUTH_CONNECT;
}

/* The server was seen to have it there before it was asked. */
static void note_port(struct rpc_conn *conn, const struct announcement *seen)
{
	struct svc_rpc_shared *shared = conn->svc->shared;

	if (announced_note(shared->router.announced, conn->server->slot,
			   seen) == 1)
		shared->ports_changed(shared->ctx);
}

/* Will more be open in a moment than was found? Not where the control thread
 * has followed all that is announced: there is no port to be had then. */
static bool may_open(const struct judge *judge, const struct announcement *seen)
{
	struct router *router = &judge->conn->svc->shared->router;

	note_port(judge->conn, seen);
	return !judge->answer->is_last_look &&
	       announced_changes(router->announced) != judge->followed;
}

bool rpc_mapper_lease(struct rpc_conn *conn, uint16_t port,
		      const struct announcement *seen)
{
	struct svc_rpc_shared *shared = conn->svc->shared;
	struct lease_target target = { .slot = conn->server->slot,
				       .port = seen->port,
				       .interface = seen->interface };
	int err;

	err = lease_grant(shared->router.leases, &conn->route.name, port,
			  &target, loop_now_ms(conn->svc->loop));
	if (err >= 0 && shared->router.wants_lease)
		err = shared->admit_client(shared->ctx, &conn->route.name,
					   port);
	if (err < 0)
		rpc_log_lease_refused(conn, port, err);
	return err >= 0;
}

/* The client reads the virtual port. */
static enum fate judge_virtual(struct judge *judge, uint8_t *tower,
			       const struct tower *read,
			       const struct announcement *seen)
{
	struct rpc_conn *conn = judge->conn;
	struct router *router = &conn->svc->shared->router;
	uint16_t port = portmap_find(router->portmap, conn->server->slot,
				     &seen->interface, seen->port);

	if (!port || !svc_rpc_is_open(conn->svc->shared, port)) {
		if (may_open(judge, seen))
			return FATE_WAIT;
		rpc_log_no_virtual_port(conn, seen);
		return FATE_DROP;
	}
	if (!rpc_mapper_lease(conn, port, seen))
		return FATE_DROP;
	tower_patch(tower, read, port, &judge->vip);
	judge->is_changed = true;
	return FATE_KEEP;
}

/* Is it open, as far as it will be? Beside virtual ports a real number never
 * is, but by a lease or by chance. */
static bool is_open(struct rpc_conn *conn, const struct announcement *seen)
{
	struct router *router = &conn->svc->shared->router;
	uint16_t port = seen->port;

	if (router->has_virtual_ports)
		port = portmap_find(router->portmap, conn->server->slot,
				    &seen->interface, port);
	return port && svc_rpc_is_open(conn->svc->shared, port);
}

/* The client reads the server's own port. */
static enum fate judge_real(struct judge *judge,
			    const struct announcement *seen)
{
	struct rpc_conn *conn = judge->conn;

	if (conn->svc->conf->rpc.ports != CONF_PORTS_DYNAMIC)
		return FATE_KEEP;
	if (!is_open(conn, seen) && may_open(judge, seen))
		return FATE_WAIT;
	rpc_mapper_lease(conn, seen->port, seen);
	return FATE_KEEP;
}

static enum fate judge_new(struct judge *judge, uint8_t *tower,
			   const struct tower *read)
{
	struct announcement seen = { .interface = read->interface,
				     .port = read->port };

	if (!conf_takes(&judge->conn->svc->conf->rpc, &read->interface))
		return FATE_DROP;
	if (read->protocol != TOWER_TCP || read->port == EPM_PORT ||
	    !read->port) {
		if (judge->writes && read->addr_offset) {
			tower_patch(tower, read, read->port, &judge->vip);
			judge->is_changed = true;
		}
		return FATE_KEEP;
	}
	if (judge->writes)
		return judge_virtual(judge, tower, read, &seen);
	return judge_real(judge, &seen);
}

/* One that is dropped names the nil interface from then on: whoever cannot
 * take it out leaves it like that, and an alias of it shows what became of
 * it. */
static enum fate judge_tower(struct judge *judge, struct bytes at)
{
	uint8_t *tower = judge->answer->stub + (at.at - judge->answer->stub);
	struct tower read;
	enum fate fate;

	if (!at.len || tower_read(at, &read))
		return FATE_KEEP;
	if (at.at <= judge->judged)
		return uuid_is_nil(&read.interface.uuid) ? FATE_DROP
							 : FATE_KEEP;
	judge->judged = at.at;
	fate = judge_new(judge, tower, &read);
	if (fate == FATE_DROP && !is_signed(judge->answer)) {
		tower_spoil(tower, &read);
		judge->is_changed = true;
	}
	return fate;
}

static enum mapper_verdict unless_changed(const struct judge *judge)
{
	return judge->is_changed ? MAPPER_CHANGED : MAPPER_PASS;
}

/* Write <stub> as fragments no longer than the first of the old answer. */
static enum mapper_verdict make_anew(struct judge *judge, struct bytes stub)
{
	struct mapper_answer *answer = judge->answer;
	struct svc_rpc *svc = judge->conn->svc;
	struct builder out =
		builder_over(svc->room->answer, RPC_ROOM, answer->little);
	size_t most = answer->fragment[0].len & ~(size_t)7, done = 0, n;
	uint8_t flags = PDU_FIRST;

	do {
		n = stub.len - done;
		if (n > most && most)
			n = most;
		else
			flags |= PDU_LAST;
		pdu_response_write(&out, flags, answer->call_id,
				   answer->context,
				   bytes_of(stub.at + done, n));
		flags = 0;
		done += n;
	} while (done < stub.len && !out.err);
	if (out.err || out.len > answer->len)
		return unless_changed(judge);
	answer->new = svc->room->answer;
	answer->new_len = out.len;
	return MAPPER_REPLACE;
}

/* Nothing is left of an answer to ept_map: what a server says then. */
static enum mapper_verdict not_registered(struct judge *judge)
{
	struct mapper_answer *answer = judge->answer;
	uint8_t room[128];
	struct builder stub = builder_over(room, sizeof(room), answer->little);
	static const struct epm_map_reply none = { .status =
							   EPM_NOT_REGISTERED };

	if (answer->is_64)
		epm_map_none_write64(&stub, answer->max, EPM_NOT_REGISTERED);
	else
		epm_map_reply_write(&stub, &none, answer->max);
	return make_anew(judge, bytes_of(stub.at, stub.len));
}

static enum mapper_verdict judge_map(struct judge *judge, struct ndr form)
{
	struct mapper_answer *answer = judge->answer;
	struct epm_map_reply reply;
	bool has_dropped = false, has_kept = false;
	uint32_t i;
	int err = epm_map_reply_read(bytes_of(answer->stub, answer->stub_len),
				     form, &reply);

	if (err) {
		rpc_log_answer_unread(judge->conn, err);
		return MAPPER_PASS;
	}
	for (i = 0; i < reply.ntowers; i++) {
		enum fate fate = judge_tower(judge, reply.tower[i]);

		if (fate == FATE_WAIT)
			return MAPPER_WAIT;
		has_dropped |= fate == FATE_DROP;
		has_kept |= fate == FATE_KEEP;
	}
	/* All towers of an answer are of one interface. */
	if (has_dropped && !has_kept && !answer->auth_level)
		return not_registered(judge);
	return unless_changed(judge);
}

/* A list goes on only while its parts are not empty: one that would be gets
 * an entry that the client has seen already, or will. False: there is none. */
static bool fill_in(struct judge *judge, struct epm_entry *entry)
{
	struct rpc_conn *conn = judge->conn;
	struct svc_rpc *svc = conn->svc;
	struct router *router = &svc->shared->router;
	struct announcement *list = svc->room->announced;
	unsigned n = announced_copy(router->announced, conn->server->slot, list,
				    ANNOUNCED_MAX);
	struct builder tower =
		builder_over(svc->room->tower, sizeof(svc->room->tower), true);
	unsigned i;

	for (i = 0; i < n; i++) {
		uint16_t port = list[i].port;

		if (judge->writes)
			port = portmap_find(router->portmap, conn->server->slot,
					    &list[i].interface, port);
		if (!port || !svc_rpc_is_open(svc->shared, port))
			continue;
		tower_write(&tower, TOWER_TCP, &list[i].interface, port,
			    &judge->vip);
		*entry = (struct epm_entry){
			.tower = bytes_of(tower.at, tower.len),
		};
		return rpc_mapper_lease(conn, port, &list[i]);
	}
	return false;
}

static enum mapper_verdict list_anew(struct judge *judge,
				     struct epm_lookup_reply *reply,
				     uint32_t nleft, uint32_t nwas)
{
	static const struct epm_handle nil;
	struct svc_rpc *svc = judge->conn->svc;
	struct builder stub =
		builder_over(svc->room->anew, RPC_ROOM, judge->answer->little);

	reply->nentries = nleft;
	if (!nleft && !epm_handle_is_nil(&reply->handle) &&
	    fill_in(judge, &svc->room->entry[0]))
		reply->nentries = 1;
	if (!reply->nentries) {
		reply->handle = nil;
		reply->status = EPM_NOT_REGISTERED;
	}
	epm_lookup_reply_write(&stub, reply, svc->room->entry, nwas);
	if (stub.err)
		return unless_changed(judge);
	return make_anew(judge, bytes_of(stub.at, stub.len));
}

static enum mapper_verdict judge_lookup(struct judge *judge, struct ndr form)
{
	struct mapper_answer *answer = judge->answer;
	struct svc_rpc *svc = judge->conn->svc;
	struct epm_entry *entry = svc->room->entry;
	struct epm_lookup_reply reply;
	uint32_t i, nleft = 0;
	int err =
		epm_lookup_reply_read(bytes_of(answer->stub, answer->stub_len),
				      form, entry, EPM_ENTRIES_MAX, &reply);

	if (err) {
		rpc_log_answer_unread(judge->conn, err);
		return MAPPER_PASS;
	}
	for (i = 0; i < reply.nentries; i++) {
		enum fate fate = judge_tower(judge, entry[i].tower);

		if (fate == FATE_WAIT)
			return MAPPER_WAIT;
		if (fate == FATE_KEEP)
			entry[nleft++] = entry[i];
	}
	if (nleft == reply.nentries || answer->is_64 || answer->auth_level)
		return unless_changed(judge);
	return list_anew(judge, &reply, nleft, reply.nentries);
}

/* It cannot be read: the client may have been told of anything. */
static void lease_everything(struct rpc_conn *conn)
{
	struct svc_rpc *svc = conn->svc;
	struct router *router = &svc->shared->router;
	struct announcement *list = svc->room->announced;
	unsigned i, n;

	if (conn->watch.mapper->is_sealed)
		return;
	conn->watch.mapper->is_sealed = true;
	rpc_log_sealed(conn);
	n = announced_copy(router->announced, conn->server->slot, list,
			   ANNOUNCED_MAX);
	for (i = 0; i < n; i++)
		rpc_mapper_lease(conn, list[i].port, &list[i]);
}

enum mapper_verdict rpc_mapper_judge(struct rpc_conn *conn,
				     struct mapper_answer *answer)
{
	struct ndr form = { .little = answer->little, .is_64 = answer->is_64 };
	bool has_virtual = conn->svc->shared->router.has_virtual_ports;
	struct judge judge = {
		.conn = conn,
		.answer = answer,
		.writes = has_virtual && !is_signed(answer),
		.followed = atomic_load_explicit(&conn->svc->shared->followed,
						 memory_order_acquire),
	};

	if (answer->auth_level == PDU_AUTH_PRIVACY) {
		lease_everything(conn);
		return MAPPER_PASS;
	}
	if (has_virtual && is_signed(answer))
		rpc_log_signed(conn);
	if (judge.writes)
		judge.vip = rpc_mapper_floor(conn);
	return answer->opnum == EPM_MAP ? judge_map(&judge, form)
					: judge_lookup(&judge, form);
}
