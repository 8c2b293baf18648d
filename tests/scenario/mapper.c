/*
 * mapper.c - an endpoint mapper that says what the test wants it to.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../helper/tcp.h"
#include "mapper.h"
#include "stage.h"

#define MOST 500 /* entries of a listing */

/* What the balancer said was not what the step expects. */
static void must_at(bool is_true, int line)
{
	if (is_true)
		return;
	fprintf(stderr, "mapper.c:%d: not as the script wants it\n", line);
	abort();
}

#define must(is_true) must_at((is_true), __LINE__)

bool mapper_accept(struct mapper *mapper)
{
	int on = 1;

	mapper->fd = stage_accept(mapper->listening);
	/* What is said is there at once: nobody waits in real time. */
	setsockopt(mapper->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return mapper->fd >= 0;
}

void mapper_hang_up(struct mapper *mapper)
{
	close(mapper->fd);
	mapper->fd = -1;
}

bool mapper_is_left(struct mapper *mapper)
{
	uint8_t octet;
	ssize_t n = recv(mapper->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n > 0 || (n < 0 && errno == EAGAIN))
		return false;
	must(n == 0 || errno == ECONNRESET);
	mapper_hang_up(mapper);
	return true;
}

/* The balancer offers no other. */
static const struct ndr form = { .little = true };

/* One whole PDU and nothing behind it. */
static void take(struct mapper *mapper, uint8_t type)
{
	long n = tcp_read(mapper->fd, mapper->in, sizeof(mapper->in));

	must(n > 0);
	mapper->len = (size_t)n;
	must(pdu_read(bytes_of(mapper->in, mapper->len), &mapper->pdu) == 0);
	must(mapper->pdu.whole.len == mapper->len);
	must(mapper->pdu.type == type);
	mapper->call_id = mapper->pdu.call_id;
}

void mapper_say(struct mapper *mapper, struct bytes octets)
{
	tcp_write(mapper->fd, octets.at, octets.len);
}

static void say_built(struct mapper *mapper, const struct builder *out)
{
	must(!out->err);
	mapper_say(mapper, bytes_of(out->at, out->len));
}

void mapper_take_bind(struct mapper *mapper)
{
	struct pdu_bind bind;

	take(mapper, PDU_BIND);
	must(pdu_bind_read(&mapper->pdu, &bind) == 0);
	must(bind.ncontexts == 1);
	must(syntax_equal(&bind.context[0].abstract, &iface_epm.syntax));
}

void mapper_accept_bind(struct mapper *mapper)
{
	struct pdu_bind_ack ack = {
		.max_xmit = PDU_FRAG_MAX,
		.max_recv = PDU_FRAG_MAX,
		.assoc_group = 17,
		.address = bytes_of("135", 3),
		.nresults = 1,
		.result[0].transfer = syntax_ndr,
	};
	uint8_t room[256];
	struct builder out = builder_over(room, sizeof(room), !mapper->is_big);

	mapper_take_bind(mapper);
	pdu_bind_ack_write(&out, PDU_BIND_ACK, PDU_FIRST | PDU_LAST,
			   mapper->call_id, &ack);
	say_built(mapper, &out);
}

static struct pdu_request take_request(struct mapper *mapper, uint16_t opnum)
{
	struct pdu_request request;

	take(mapper, PDU_REQUEST);
	must(pdu_request_read(&mapper->pdu, &request) == 0);
	must(request.opnum == opnum);
	return request;
}

struct epm_lookup_request mapper_take_lookup(struct mapper *mapper)
{
	struct pdu_request request = take_request(mapper, EPM_LOOKUP);
	struct epm_lookup_request lookup;

	must(epm_lookup_request_read(request.stub, form, &lookup) == 0);
	return lookup;
}

struct syntax mapper_take_map(struct mapper *mapper)
{
	struct pdu_request request = take_request(mapper, EPM_MAP);
	struct epm_map_request map;
	struct tower tower;

	must(epm_map_request_read(request.stub, form, &map) == 0);
	must(tower_read(map.tower, &tower) == 0);
	return tower.interface;
}

static void say_fragment(struct mapper *mapper, struct bytes stub,
			 uint8_t flags)
{
	static uint8_t room[PDU_MAX];
	struct builder out = builder_over(room, sizeof(room), !mapper->is_big);

	pdu_response_write(&out, flags, mapper->call_id, 0, stub);
	say_built(mapper, &out);
}

void mapper_respond(struct mapper *mapper, struct bytes stub)
{
	size_t most = mapper->fragment ? mapper->fragment : stub.len, at = 0;

	do {
		size_t left = stub.len - at, n = left < most ? left : most;
		uint8_t flags = (uint8_t)((at ? 0 : PDU_FIRST) |
					  (n == left ? PDU_LAST : 0));

		say_fragment(mapper, bytes_of(stub.at + at, n), flags);
		at += n;
	} while (at < stub.len);
}

struct bytes mapper_listing(uint8_t room[static MAPPER_ROOM],
			    const struct listed *list, uint32_t n, uint8_t mark,
			    uint32_t status, bool is_little)
{
	static uint8_t towers[MOST][TOWER_TCP_LEN + 16];
	static struct epm_entry entry[MOST];
	struct epm_lookup_reply reply = { .nentries = n, .status = status };
	struct builder out = builder_over(room, MAPPER_ROOM, is_little);
	uint32_t i;

	must(n <= MOST);
	reply.handle.octet[4] = mark;
	for (i = 0; i < n; i++) {
		struct builder tower =
			builder_over(towers[i], sizeof(towers[i]), true);

		tower_write(&tower, list[i].protocol, &list[i].iface->syntax,
			    list[i].port, NULL);
		must(!tower.err);
		entry[i] = (struct epm_entry){
			.tower = bytes_of(tower.at, tower.len),
			.annotation = bytes_of("a service", 9),
		};
	}
	epm_lookup_reply_write(&out, &reply, entry, MOST);
	must(!out.err);
	return bytes_of(out.at, out.len);
}

void mapper_list(struct mapper *mapper, const struct listed *list, uint32_t n,
		 uint8_t mark, uint32_t status)
{
	static uint8_t room[MAPPER_ROOM];

	mapper_respond(mapper, mapper_listing(room, list, n, mark, status,
					      !mapper->is_big));
}

static void say_map(struct mapper *mapper, const struct epm_map_reply *reply)
{
	uint8_t room[512];
	struct builder out = builder_over(room, sizeof(room), !mapper->is_big);

	epm_map_reply_write(&out, reply, 4);
	must(!out.err);
	mapper_respond(mapper, bytes_of(out.at, out.len));
}

void mapper_map(struct mapper *mapper, const struct syntax *interface,
		uint16_t port)
{
	uint8_t room[128];
	struct builder tower = builder_over(room, sizeof(room), true);
	struct epm_map_reply reply = { .ntowers = 1 };

	tower_write(&tower, TOWER_TCP, interface, port, NULL);
	reply.tower[0] = bytes_of(tower.at, tower.len);
	say_map(mapper, &reply);
}

void mapper_map_nothing(struct mapper *mapper)
{
	struct epm_map_reply reply = { .status = EPM_NOT_REGISTERED };

	say_map(mapper, &reply);
}

void mapper_fault(struct mapper *mapper)
{
	uint8_t room[64];
	struct builder out = builder_over(room, sizeof(room), !mapper->is_big);

	pdu_fault_write(&out, PDU_FIRST | PDU_LAST, mapper->call_id, 0,
			PDU_FAULT_ACCESS_DENIED);
	say_built(mapper, &out);
}
