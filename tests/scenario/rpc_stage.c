/*
 * rpc_stage.c - the RPC service on its stage, and PDUs to play with.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../helper/tcp.h"
#include "../helper/vector.h"
#include "fake_loop.h"
#include "rpc_stage.h"
#include "wire/epm.h"

#define ROOMS	 16
#define ROOM_LEN (256 * 1024)
#define VPORTS	 10

static void ask_again(void *ctx, unsigned slot)
{
	(void)ctx;
	(void)slot;
}

static void ports_changed(void *ctx)
{
	struct rpc_stage *play = ctx;

	play->changes++;
}

static int admit_client(void *ctx, const struct addr *client, uint16_t port)
{
	struct rpc_stage *play = ctx;

	assert_int_equal(client->family, AF_INET);
	assert_true(play->nadmitted < 16);
	play->admitted[play->nadmitted++] = port;
	if (play->unheard >= 0)
		rpc_expect_silence(play->unheard);
	return play->admit_err;
}

void rpc_stage_begin(struct rpc_stage *play, enum conf_epm epm)
{
	stage_begin(&play->stage);
	play->stage.conf->rpc.ports = CONF_PORTS_DYNAMIC;
	play->stage.conf->rpc.epm = epm;
	play->nvips = 0;
	play->changes = 0;
	play->nadmitted = 0;
	play->admit_err = 0;
	play->unheard = -1;
}

void rpc_stage_open(struct rpc_stage *play)
{
	struct svc_rpc_config config = {
		.loop = play->stage.loop,
		.log = &play->stage.journal.log,
		.shared = &play->shared,
		.conf = play->stage.conf,
	};

	stage_build(&play->stage);
	play->shared = (struct svc_rpc_shared){
		.router = play->stage.router,
		.max_connections = RPC_STAGE_MANY,
		.ask_again = ask_again,
		.ports_changed = ports_changed,
		.admit_client = admit_client,
		.ctx = play,
	};
	assert_int_equal(svc_rpc_new(&config, &play->svc), 0);
	rpc_stage_listen(play, EPM_PORT);
}

static void say_at_once(int fd)
{
	int on = 1;

	assert_int_equal(
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
}

void rpc_stage_listen(struct rpc_stage *play, uint16_t port)
{
	int fd = tcp_listen(STAGE_VIP, port, NULL);

	assert_true(fd >= 0);
	assert_true(play->nvips < RPC_STAGE_PORTS);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	say_at_once(fd); /* as the daemon's: it is inherited */
	assert_int_equal(svc_rpc_attach(play->svc, fd, port), 0);
	play->vip[play->nvips++] = fd;
}

void rpc_stage_end(struct rpc_stage *play)
{
	svc_rpc_reset(play->svc, UINT64_MAX, REASON_STOPPED);
	/* Those that are asked have no server yet: their time passes. */
	fake_loop_advance(play->stage.loop, 5000);
	assert_int_equal(svc_rpc_open(play->svc), 0);
	assert_int_equal(play->shared.connections, 0);
	svc_rpc_free(play->svc);
	while (play->nvips)
		close(play->vip[--play->nvips]);
	stage_end(&play->stage);
}

void rpc_stage_announce(struct rpc_stage *play, unsigned server,
			const struct announcement *list, unsigned n)
{
	assert_true(announced_set(play->stage.router.announced, server, list,
				  n) >= 0);
}

void rpc_stage_follow(struct rpc_stage *play, uint16_t first)
{
	struct router *router = &play->stage.router;
	uint64_t followed = announced_changes(router->announced);
	static struct portset none, open;
	struct portmap_rules rules = {
		.first = first,
		.last = (uint16_t)(first + VPORTS - 1),
		.exclude = &none,
		.linger_ms = CONF_NEVER,
	};

	portset_clear(&open);
	if (router->has_virtual_ports) {
		(void)!portmap_update(router->portmap, &play->stage.array,
				      router->announced, &rules,
				      loop_now_ms(play->stage.loop));
		portmap_ports(router->portmap, &open);
	} else {
		announced_ports(router->announced, &open);
	}
	svc_rpc_set_open(&play->shared, &open, followed);
	svc_rpc_ports_opened(play->svc);
	fake_loop_settle(play->stage.loop);
}

uint16_t rpc_stage_vport(struct rpc_stage *play, unsigned server,
			 const struct syntax *interface, uint16_t port)
{
	return portmap_find(play->stage.router.portmap, server, interface,
			    port);
}

void rpc_stage_expect_lease(struct rpc_stage *play, unsigned n, uint16_t vport,
			    const struct syntax *interface, unsigned server,
			    uint16_t port)
{
	char name[ADDR_TEXT_MAX];
	struct lease_target target;
	enum lease_state state;
	struct addr client;

	snprintf(name, sizeof(name), "127.68.1.%u", n);
	assert_int_equal(addr_parse(name, &client), 0);
	state = lease_find(play->stage.router.leases, &client, vport,
			   loop_now_ms(play->stage.loop), &target);
	assert_int_equal(state, port ? LEASE_VALID : LEASE_NONE);
	if (!port)
		return;
	assert_int_equal(target.slot, server);
	assert_int_equal(target.port, port);
	assert_true(uuid_equal(&target.interface.uuid, &interface->uuid));
	assert_int_equal(target.interface.major, interface->major);
}

int rpc_stage_client(unsigned n, uint16_t port)
{
	char from[ADDR_TEXT_MAX];
	int fd;

	snprintf(from, sizeof(from), "127.68.1.%u", n);
	fd = tcp_connect(STAGE_VIP, port, from);
	assert_true(fd >= 0);
	say_at_once(fd);
	return fd;
}

int rpc_stage_accept(int listening)
{
	int fd = stage_accept(listening);

	assert_true(fd >= 0);
	say_at_once(fd);
	return fd;
}

unsigned rpc_stage_logged(const struct rpc_stage *play, const char *event,
			  const char *fields)
{
	return journal_count(&play->stage.journal, event, fields);
}

void rpc_stage_say(struct rpc_stage *play, int fd, struct bytes octets)
{
	tcp_write(fd, octets.at, octets.len);
	fake_loop_settle(play->stage.loop);
}

static uint8_t *next_room(void)
{
	static uint8_t room[ROOMS][ROOM_LEN];
	static unsigned next;

	return room[next++ % ROOMS];
}

struct bytes rpc_stage_hear(int fd)
{
	uint8_t *room = next_room();
	size_t len = 0;
	long n;

	while ((n = tcp_read(fd, room + len, ROOM_LEN - len)) > 0)
		len += (size_t)n;
	assert_true(n == 0 || n == -EAGAIN);
	return bytes_of(room, len);
}

void rpc_expect(int fd, struct bytes octets)
{
	struct bytes heard = rpc_stage_hear(fd);

	assert_int_equal(heard.len, octets.len);
	assert_memory_equal(heard.at, octets.at, octets.len);
}

void rpc_expect_silence(int fd)
{
	uint8_t octet;

	assert_int_equal(tcp_read(fd, &octet, 1), -EAGAIN);
}

void rpc_expect_end(int fd)
{
	uint8_t octet;

	assert_int_equal(tcp_read(fd, &octet, 1), 0);
	close(fd);
}

void rpc_expect_reset(int fd)
{
	uint8_t octet;

	assert_int_equal(tcp_read(fd, &octet, 1), -ECONNRESET);
	close(fd);
}

void rpc_stage_pass(struct rpc_stage *play, int from, int to,
		    struct bytes octets)
{
	rpc_stage_say(play, from, octets);
	rpc_expect(to, octets);
}

struct pdu rpc_only(struct bytes octets, uint8_t type)
{
	struct pdu pdu;

	assert_int_equal(pdu_read(octets, &pdu), 0);
	assert_int_equal(pdu.whole.len, octets.len);
	assert_int_equal(pdu.type, type);
	return pdu;
}

struct builder rpc_room(bool is_little)
{
	return builder_over(next_room(), ROOM_LEN, is_little);
}

struct bytes rpc_built(const struct builder *out)
{
	assert_int_equal(out->err, 0);
	return bytes_of(out->at, out->len);
}

struct bytes rpc_join(struct bytes a, struct bytes b)
{
	struct builder out = rpc_room(true);

	builder_put(&out, a);
	builder_put(&out, b);
	return rpc_built(&out);
}

uint8_t *rpc_copy(struct bytes in)
{
	uint8_t *room = next_room();

	assert_true(in.len <= ROOM_LEN);
	memcpy(room, in.at, in.len);
	return room;
}

struct bytes rpc_vector(const char *name)
{
	struct vector vector;
	struct bytes in = vector_read(name, &vector);

	return bytes_of(rpc_copy(in), in.len);
}

struct pdu_bind rpc_offer(const struct syntax *interface, uint32_t group)
{
	return (struct pdu_bind){
		.max_xmit = PDU_FRAG_MAX,
		.max_recv = PDU_FRAG_MAX,
		.assoc_group = group,
		.ncontexts = 1,
		.context[0] = { .abstract = *interface,
				.ntransfer = 1,
				.transfer[0] = syntax_ndr },
	};
}

static struct bytes offer(const struct pdu_bind *bind, uint8_t type,
			  uint32_t call_id, bool is_little)
{
	struct builder out = rpc_room(is_little);

	pdu_bind_write(&out, type, PDU_FIRST | PDU_LAST, call_id, bind);
	return rpc_built(&out);
}

struct bytes rpc_bind(const struct pdu_bind *bind, uint32_t call_id,
		      bool is_little)
{
	return offer(bind, PDU_BIND, call_id, is_little);
}

struct bytes rpc_alter(const struct pdu_bind *bind, uint32_t call_id,
		       bool is_little)
{
	return offer(bind, PDU_ALTER, call_id, is_little);
}

struct bytes rpc_ack(const struct pdu_bind *bind, uint8_t type, uint32_t group,
		     uint32_t call_id, bool is_little)
{
	struct builder out = rpc_room(is_little);
	struct pdu_bind_ack ack = {
		.max_xmit = PDU_FRAG_MAX,
		.max_recv = PDU_FRAG_MAX,
		.assoc_group = group,
		.address = bytes_of("135", type == PDU_BIND_ACK ? 3 : 0),
		.nresults = bind->ncontexts,
		.result[0].transfer = syntax_ndr,
	};
	unsigned i;

	for (i = 1; i < bind->ncontexts; i++)
		ack.result[i] =
			(struct pdu_answer){ .result = PDU_PROVIDER_REJECT,
					     .reason = PDU_REASON_ABSTRACT };
	pdu_bind_ack_write(&out, type, PDU_FIRST | PDU_LAST, call_id, &ack);
	return rpc_built(&out);
}

struct bytes rpc_request(uint16_t opnum, struct bytes stub, uint32_t call_id,
			 bool is_little)
{
	struct builder out = rpc_room(is_little);

	pdu_request_write(&out, PDU_FIRST | PDU_LAST, call_id, 0, opnum, stub);
	return rpc_built(&out);
}

struct bytes rpc_response(struct bytes stub, size_t most, uint32_t call_id,
			  bool is_little)
{
	struct builder out = rpc_room(is_little);
	size_t at = 0;

	if (!most)
		most = stub.len;
	do {
		size_t left = stub.len - at, n = left < most ? left : most;
		uint8_t flags = (uint8_t)((at ? 0 : PDU_FIRST) |
					  (n == left ? PDU_LAST : 0));

		pdu_response_write(&out, flags, call_id, 0,
				   bytes_of(stub.at + at, n));
		at += n;
	} while (at < stub.len);
	return rpc_built(&out);
}

struct bytes rpc_fault(uint32_t status, uint32_t call_id)
{
	struct builder out = rpc_room(true);

	pdu_fault_write(&out, PDU_FIRST | PDU_LAST, call_id, 0, status);
	return rpc_built(&out);
}

struct bytes rpc_signed(struct bytes pdu, uint8_t auth_type, uint8_t auth_level,
			struct bytes value)
{
	struct builder out = rpc_room(rpc_only(pdu, pdu.at[2]).little);
	size_t pad;

	builder_put(&out, pdu);
	builder_align(&out, 4);
	pad = out.len - pdu.len;
	builder_u8(&out, auth_type);
	builder_u8(&out, auth_level);
	builder_u8(&out, (uint8_t)pad);
	builder_u8(&out, 0);
	builder_u32(&out, 7); /* context */
	builder_put(&out, value);
	builder_set_u16(&out, 8, (uint16_t)out.len);
	builder_set_u16(&out, 10, (uint16_t)value.len);
	return rpc_built(&out);
}
