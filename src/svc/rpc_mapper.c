/*
 * rpc_mapper.c - a relayed conversation with an endpoint mapper.
 *
 * Layer: svc.
 *
 * Here: which answer belongs to which question, whole answers from their
 * fragments, waiting. What an answer says is judged in rpc_mapper_answer.c.
 */
#include <stdlib.h>
#include <string.h>

#include "core/pool.h"
#include "rpc_log.h"
#include "rpc_mapper.h"
#include "rpc_mapper_priv.h"
#include "rpc_priv.h"
#include "wire/iface.h"

struct rpc_mapper *rpc_mapper_new(struct rpc_conn *conn)
{
	struct rpc_mapper *mapper = calloc(1, sizeof(*mapper));

	if (!mapper)
		return NULL;
	mapper->conn = conn;
	list_init(&mapper->waiting);
	return mapper;
}

void rpc_mapper_free(struct rpc_conn *conn)
{
	list_remove(&conn->watch.mapper->waiting);
	free(conn->watch.mapper);
	conn->watch.mapper = NULL;
}

void rpc_mapper_offered(struct rpc_mapper *mapper, const struct pdu_bind *bind)
{
	unsigned i;

	mapper->noffered = 0;
	for (i = 0; i < bind->ncontexts && i < MAPPER_CONTEXTS; i++) {
		mapper->offered[i] = (struct mapper_context){
			.id = bind->context[i].id,
			.is_epm = iface_of(&bind->context[i].abstract) ==
				  &iface_epm,
		};
		mapper->noffered++;
	}
}

static struct mapper_context *find_context(struct rpc_mapper *mapper,
					   uint16_t id)
{
	unsigned i;

	for (i = 0; i < mapper->ncontexts; i++)
		if (mapper->context[i].id == id)
			return &mapper->context[i];
	return NULL;
}

void rpc_mapper_accepted(struct rpc_mapper *mapper,
			 const struct pdu_bind_ack *ack)
{
	unsigned i;

	for (i = 0; i < ack->nresults && i < mapper->noffered; i++) {
		struct mapper_context *now;

		if (ack->result[i].result != PDU_ACCEPT)
			continue;
		now = find_context(mapper, mapper->offered[i].id);
		if (!now && mapper->ncontexts < MAPPER_CONTEXTS)
			now = &mapper->context[mapper->ncontexts++];
		if (!now)
			return;
		*now = mapper->offered[i];
		now->is_64 =
			syntax_equal(&ack->result[i].transfer, &syntax_ndr64);
	}
	mapper->noffered = 0;
}

/* Of several calls with one number the last one counts. */
static struct mapper_call *find_call(struct rpc_mapper *mapper, uint32_t id)
{
	unsigned i;

	for (i = 0; i < MAPPER_CALLS; i++)
		if (mapper->call[i].is_open && mapper->call[i].id == id)
			return &mapper->call[i];
	return NULL;
}

/* NULL: none. */
static struct mapper_call *find_room(struct rpc_mapper *mapper, uint32_t id)
{
	struct mapper_call *call = find_call(mapper, id), *weak = NULL;
	unsigned i;

	for (i = 0; i < MAPPER_CALLS && !call; i++) {
		if (!mapper->call[i].is_open)
			call = &mapper->call[i];
		else if (mapper->call[i].gives_way)
			weak = &mapper->call[i];
	}
	return call ? call : weak;
}

/* A request that was held back may have its place. */
static void close_call(struct rpc_mapper *mapper, struct mapper_call *call)
{
	call->is_open = false;
	if (mapper->holds_until_ms)
		relay_look_again(&mapper->conn->relay, RELAY_CLIENT);
}

void rpc_mapper_closed(struct rpc_mapper *mapper, uint32_t call_id)
{
	struct mapper_call *call = find_call(mapper, call_id);

	if (call)
		close_call(mapper, call);
}

void rpc_mapper_cancelled(struct rpc_mapper *mapper, uint32_t call_id)
{
	struct mapper_call *call = find_call(mapper, call_id);

	if (call)
		call->gives_way = true;
}

/* Look at it again from time to time, until it stops waiting. */
static void begin_waiting(struct rpc_mapper *mapper)
{
	struct svc_rpc *svc = mapper->conn->svc;

	if (mapper->waits_until_ms || mapper->holds_until_ms)
		return;
	if (list_is_empty(&svc->waiting_mappers))
		loop_timer_set(svc->loop, &svc->mapper_wait, MAPPER_WAIT_MS);
	list_add(&svc->waiting_mappers, &mapper->waiting);
}

static void stop_waiting(struct rpc_mapper *mapper)
{
	mapper->waits_until_ms = 0;
	if (!mapper->holds_until_ms)
		list_remove(&mapper->waiting);
}

static void stop_holding(struct rpc_mapper *mapper)
{
	mapper->holds_until_ms = 0;
	if (!mapper->waits_until_ms)
		list_remove(&mapper->waiting);
}

/* True: hold the request back, one of those before it will be answered. */
static bool hold_request(struct rpc_mapper *mapper)
{
	uint64_t now = loop_now_ms(mapper->conn->svc->loop);

	if (mapper->holds_until_ms)
		return now < mapper->holds_until_ms;
	begin_waiting(mapper);
	mapper->holds_until_ms = now + MAPPER_HOLD_MS;
	return true;
}

/* Where to remember it. A server that leaves so many questions unanswered for
 * so long may leave the first for ever. NULL: there is no room yet. */
static struct mapper_call *open_call(struct rpc_mapper *mapper, uint32_t id)
{
	struct mapper_call *call = find_room(mapper, id);

	if (!call && hold_request(mapper))
		return NULL;
	stop_holding(mapper);
	if (!call)
		call = &mapper->call[mapper->next_call++ % MAPPER_CALLS];
	return call;
}

void rpc_mapper_asked(struct rpc_conn *conn, const struct syntax *interface)
{
	struct runs *runs = conn->svc->shared->router.runs;
	const struct addr *client = &conn->client.addr;
	struct run_sight sight;

	if (conn->route.is_of_run &&
	    run_ask(runs, client, interface, loop_now_ms(conn->svc->loop)) &&
	    !run_look(runs, client, &sight))
		rpc_log_interleaved(conn, &sight);
}

/* How many towers a client asks for; and of a shared address's run, which
 * interface. 1 where that cannot be read. */
static uint16_t note_map(struct rpc_conn *conn, const struct pdu *pdu,
			 const struct pdu_request *request, bool is_64)
{
	struct ndr form = { .little = pdu->little, .is_64 = is_64 };
	struct epm_map_request map;
	struct tower tower;

	if (request->opnum != EPM_MAP || !(pdu->flags & PDU_LAST) ||
	    epm_map_request_read(request->stub, form, &map))
		return 1;
	if (map.tower.len && !tower_read(map.tower, &tower))
		rpc_mapper_asked(conn, &tower.interface);
	return (uint16_t)map.max_towers;
}

/* The context that a request names. A client may ask before it heard that its
 * bind was accepted: then it is one of those that it offered. */
static const struct mapper_context *asked_context(struct rpc_mapper *mapper,
						  uint16_t id)
{
	const struct mapper_context *context = find_context(mapper, id);
	unsigned i;

	for (i = 0; i < mapper->noffered && !context; i++)
		if (mapper->offered[i].id == id)
			context = &mapper->offered[i];
	return context;
}

/* Is the answer to be read? The context then; else NULL. */
static const struct mapper_context *read_request(struct rpc_mapper *mapper,
						 const struct pdu *pdu,
						 struct pdu_request *request)
{
	const struct mapper_context *context;

	if (!(pdu->flags & PDU_FIRST) || pdu_request_read(pdu, request))
		return NULL;
	context = asked_context(mapper, request->context);
	if (!context || !context->is_epm ||
	    (request->opnum != EPM_MAP && request->opnum != EPM_LOOKUP))
		return NULL;
	return context;
}

size_t rpc_mapper_request(struct rpc_conn *conn, const struct pdu *pdu,
			  struct relay_look *out)
{
	struct rpc_mapper *mapper = conn->watch.mapper;
	struct pdu_request request;
	const struct mapper_context *context =
		read_request(mapper, pdu, &request);
	struct mapper_call *call;

	if (!context)
		return pdu->whole.len;
	call = open_call(mapper, pdu->call_id);
	out->is_waiting = !call;
	if (!call)
		return 0;
	*call = (struct mapper_call){
		.id = pdu->call_id,
		.context = request.context,
		.max = note_map(conn, pdu, &request, context->is_64),
		.opnum = (uint8_t)request.opnum,
		.is_open = true,
		.gives_way = pdu->flags & PDU_MAYBE,
	};
	return pdu->whole.len;
}

/* Add the stub of one fragment. */
static int add_stub(struct mapper_answer *answer, uint8_t *room, size_t cap,
		    const struct pdu *pdu)
{
	struct pdu_response response;
	int err = pdu_response_read(pdu, &response);

	if (err)
		return err;
	answer->context = response.context;
	if (answer->nfragments == MAPPER_FRAGMENTS ||
	    response.stub.len > cap - answer->stub_len)
		return ERR_LIMIT;
	memcpy(room + answer->stub_len, response.stub.at, response.stub.len);
	answer->fragment[answer->nfragments++] = (struct mapper_fragment){
		.at = (size_t)(response.stub.at - answer->at),
		.len = response.stub.len,
	};
	answer->stub_len += response.stub.len;
	return 0;
}

/*
 * Put the answer at <at> together, its fragments behind one another. 1: it is
 * whole; 0: more has to come; negative: it cannot be read.
 */
static int gather(struct svc_rpc *svc, uint8_t *at, size_t len,
		  struct mapper_answer *answer)
{
	struct pdu pdu = { 0 };
	int err, n;

	answer->at = at;
	answer->stub = svc->room->stub;
	do {
		n = pdu_length(bytes_of(at + answer->len, len - answer->len));
		if (n <= 0)
			return n;
		if ((size_t)n > len - answer->len)
			return 0;
		err = pdu_read(bytes_of(at + answer->len, (size_t)n), &pdu);
		if (err)
			return err;
		if (!answer->nfragments) {
			answer->call_id = pdu.call_id;
			answer->little = pdu.little;
		}
		if (pdu.type != PDU_RESPONSE || pdu.call_id != answer->call_id)
			return ERR_MALFORMED;
		if (pdu.auth.len && pdu.auth_level > answer->auth_level)
			answer->auth_level = pdu.auth_level;
		err = add_stub(answer, svc->room->stub, RPC_ROOM, &pdu);
		if (err)
			return err;
		answer->len += (size_t)n;
	} while (!(pdu.flags & PDU_LAST));
	return 1;
}

/* The changed stub goes back to where its octets came from. */
static void scatter(const struct mapper_answer *answer)
{
	size_t done = 0;
	unsigned i;

	for (i = 0; i < answer->nfragments; i++) {
		memcpy(answer->at + answer->fragment[i].at, answer->stub + done,
		       answer->fragment[i].len);
		done += answer->fragment[i].len;
	}
}

/* A new, shorter answer takes the place of the one that came. */
static size_t replace(const struct mapper_answer *answer, size_t len,
		      struct relay_look *out)
{
	memmove(answer->at + answer->new_len, answer->at + answer->len,
		len - answer->len);
	memcpy(answer->at, answer->new, answer->new_len);
	out->len -= answer->len - answer->new_len;
	return answer->new_len;
}

/* True: hold the answer back, its ports will be open in a moment. */
static bool wait_for_ports(struct rpc_conn *conn)
{
	struct rpc_mapper *mapper = conn->watch.mapper;
	uint64_t now = loop_now_ms(conn->svc->loop);

	if (mapper->waits_until_ms)
		return now < mapper->waits_until_ms;
	begin_waiting(mapper);
	mapper->waits_until_ms = now + MAPPER_WAIT_MS;
	return true;
}

static size_t judge(struct rpc_conn *conn, struct mapper_answer *answer,
		    size_t len, struct relay_look *out)
{
	struct rpc_mapper *mapper = conn->watch.mapper;
	enum mapper_verdict verdict;

	/* The first that could be judged, and the last that waits. */
	answer->is_last_look =
		mapper->waits_until_ms &&
		loop_now_ms(conn->svc->loop) >= mapper->waits_until_ms;
	verdict = rpc_mapper_judge(conn, answer);
	out->is_waiting = verdict == MAPPER_WAIT && wait_for_ports(conn);
	if (out->is_waiting)
		return 0;
	stop_waiting(mapper);
	rpc_mapper_closed(mapper, answer->call_id);
	if (verdict == MAPPER_REPLACE)
		return replace(answer, len, out);
	if (verdict == MAPPER_CHANGED)
		scatter(answer);
	return answer->len;
}

size_t rpc_mapper_response(struct rpc_conn *conn, const struct pdu *pdu,
			   uint8_t *at, size_t len, struct relay_look *out)
{
	struct rpc_mapper *mapper = conn->watch.mapper;
	struct mapper_call *call = find_call(mapper, pdu->call_id);
	struct mapper_answer answer = { 0 };
	struct mapper_context *context =
		call ? find_context(mapper, call->context) : NULL;
	size_t first = pdu->whole.len;
	int whole;

	if (!context || !context->is_epm || !(pdu->flags & PDU_FIRST)) {
		/* One that waits may have lost its call to newer ones. */
		stop_waiting(mapper);
		if (call && pdu->flags & PDU_LAST)
			close_call(mapper, call);
		return first;
	}
	answer.opnum = call->opnum;
	answer.is_64 = context->is_64;
	answer.max = call->max;
	whole = gather(conn->svc, at, len, &answer);
	if (!whole && len <= RELAY_HELD_MAX / 2)
		return 0;
	if (whole <= 0) {
		rpc_log_answer_unread(conn, whole ? whole : ERR_LIMIT);
		close_call(mapper, call);
		return first;
	}
	return judge(conn, &answer, len, out);
}

void rpc_mapper_ports_opened(struct svc_rpc *svc)
{
	struct list *node;

	list_each (node, &svc->waiting_mappers)
		relay_look_again(&list_entry(node, struct rpc_mapper, waiting)
					  ->conn->relay,
				 RELAY_SERVER);
}

void rpc_mapper_wait_fired(struct loop_timer *timer)
{
	struct svc_rpc *svc = list_entry(timer, struct svc_rpc, mapper_wait);
	struct list *node;

	rpc_mapper_ports_opened(svc);
	list_each (node, &svc->waiting_mappers)
		relay_look_again(&list_entry(node, struct rpc_mapper, waiting)
					  ->conn->relay,
				 RELAY_CLIENT);
	if (!list_is_empty(&svc->waiting_mappers))
		loop_timer_set(svc->loop, timer, MAPPER_WAIT_MS / 10);
}
