/*
 * probe_talk.c - one conversation with one endpoint mapper: bind, ept_lookup
 * to the end, ept_map for what the listing did not show.
 *
 * Layer: svc.
 * Source: C706 appendices I and O; [MS-RPCE] 2.2.1.2.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe_talk.h"
#include "wire/iface.h"

#define REQUEST_MAX    256
#define ENTRIES_A_CALL 100
#define TURN	       16 /* fragments before others have their turn */

static void release(struct talk *talk)
{
	loop_timer_stop(talk->loop, &talk->timer);
	if (talk->state == TALK_CONNECTING) {
		dial_cancel(&talk->dial);
	} else if (talk->io.fd >= 0) {
		loop_forget(talk->loop, &talk->io);
		close(talk->io.fd);
	}
	talk->io.fd = -1;
	talk->state = TALK_IDLE;
}

static void finish(struct talk *talk, const char *why)
{
	release(talk);
	talk->done(talk, why);
	free(talk->memory);
	talk->memory = NULL;
}

void talk_cancel(struct talk *talk)
{
	if (talk->state == TALK_IDLE)
		return;
	release(talk);
	free(talk->memory);
	talk->memory = NULL;
}

/* The word for what was wrong with an answer, or with us. */
static const char *word_for(int err)
{
	switch (err) {
	case ERR_LIMIT:
	case ERR_SPACE:
		return "answer-too-long";
	case ERR_MEMORY:
		return reason_name(REASON_NO_MEMORY);
	}
	return err <= -1000 ? "malformed-answer" : "connection-lost";
}

static void timer_fired(struct loop_timer *timer)
{
	finish(list_entry(timer, struct talk, timer), "answer-timeout");
}

/* Send one small PDU; the answer has its time from now. */
static void send_pdu(struct talk *talk, const struct builder *out)
{
	ssize_t n;

	if (out->err) {
		finish(talk, word_for(out->err));
		return;
	}
	if (loop_now_ms(talk->loop) > talk->latest_ms) {
		finish(talk, "round-timeout");
		return;
	}
	n = send(talk->io.fd, out->at, out->len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n != (ssize_t)out->len) {
		finish(talk, "connection-lost");
		return;
	}
	talk->stub_len = 0;
	loop_timer_set(talk->loop, &talk->timer, talk->timeout_ms);
}

static void send_request(struct talk *talk, uint16_t opnum,
			 const struct builder *stub)
{
	uint8_t room[REQUEST_MAX];
	struct builder out = builder_over(room, sizeof(room), true);

	if (stub->err)
		builder_fail(&out, stub->err);
	pdu_request_write(&out, PDU_FIRST | PDU_LAST, ++talk->call_id, 0, opnum,
			  bytes_of(stub->at, stub->len));
	send_pdu(talk, &out);
}

static void send_bind(struct talk *talk)
{
	struct pdu_bind bind = {
		.max_xmit = PDU_FRAG_MAX,
		.max_recv = PDU_FRAG_MAX,
		.ncontexts = 1,
	};
	uint8_t room[REQUEST_MAX];
	struct builder out = builder_over(room, sizeof(room), true);

	bind.context[0].abstract = iface_epm.syntax;
	bind.context[0].ntransfer = 1;
	bind.context[0].transfer[0] = syntax_ndr;
	talk->state = TALK_BINDING;
	pdu_bind_write(&out, PDU_BIND, PDU_FIRST | PDU_LAST, ++talk->call_id,
		       &bind);
	send_pdu(talk, &out);
}

static void send_lookup(struct talk *talk, const struct epm_handle *handle)
{
	struct epm_lookup_request req = {
		.inquiry = EPM_INQUIRE_ALL,
		.version_option = 1,
		.handle = *handle,
		.max_entries = ENTRIES_A_CALL,
	};
	uint8_t room[REQUEST_MAX];
	struct builder stub = builder_over(room, sizeof(room), true);

	if (++talk->rounds > TALK_ROUNDS) {
		finish(talk, "endless-listing");
		return;
	}
	epm_lookup_request_write(&stub, &req);
	send_request(talk, EPM_LOOKUP, &stub);
}

static bool is_found(const struct talk *talk, const struct syntax *syntax)
{
	unsigned i;

	for (i = 0; i < talk->nfound; i++) {
		if (uuid_equal(&talk->memory->found[i].interface.uuid,
			       &syntax->uuid))
			return true;
	}
	return false;
}

/* Towers that we cannot read belong to protocols that we do not serve; what
 * is on the mapper's own port needs no other. */
static void note_tower(struct talk *talk, struct bytes octets)
{
	struct tower tower;

	if (!octets.len || tower_read(octets, &tower))
		return;
	if (tower.protocol != TOWER_TCP || !tower.port ||
	    tower.port == EPM_PORT || !conf_takes(talk->rpc, &tower.interface))
		return;
	if (talk->nfound == ANNOUNCED_MAX) {
		talk->left_out++;
		return;
	}
	talk->memory->found[talk->nfound++] = (struct announcement){
		.interface = tower.interface,
		.port = tower.port,
	};
}

/* Ask for the next interface that the listing did not show, or be done. */
static void send_map(struct talk *talk)
{
	const struct conf_rpc *rpc = talk->rpc;
	struct epm_map_request req = { .max_towers = 4 };
	uint8_t tower_room[REQUEST_MAX], room[REQUEST_MAX];
	struct builder tower = builder_over(tower_room, REQUEST_MAX, true);
	struct builder stub = builder_over(room, sizeof(room), true);
	const struct syntax *syntax;

	talk->state = TALK_MAPPING;
	/* One without a version cannot be asked for. */
	while (talk->next_interface < rpc->ninterfaces &&
	       (rpc->interface[talk->next_interface].major ==
			CONF_ANY_VERSION ||
		is_found(talk, &rpc->interface[talk->next_interface])))
		talk->next_interface++;
	if (talk->next_interface >= rpc->ninterfaces) {
		finish(talk, NULL);
		return;
	}
	syntax = &rpc->interface[talk->next_interface++];
	tower_write(&tower, TOWER_TCP, syntax, EPM_PORT, NULL);
	req.tower = bytes_of(tower.at, tower.len);
	epm_map_request_write(&stub, &req);
	send_request(talk, EPM_MAP, &stub);
}

static void lookup_answered(struct talk *talk, struct bytes stub,
			    struct ndr form)
{
	struct epm_lookup_reply reply;
	uint32_t i;
	int err = epm_lookup_reply_read(stub, form, talk->memory->entry,
					EPM_ENTRIES_MAX, &reply);

	if (err) {
		finish(talk, word_for(err));
		return;
	}
	for (i = 0; i < reply.nentries; i++)
		note_tower(talk, talk->memory->entry[i].tower);
	/* Some servers end with a status and a handle that is not nil. */
	if (reply.status || !reply.nentries || epm_handle_is_nil(&reply.handle))
		send_map(talk);
	else
		send_lookup(talk, &reply.handle);
}

static void map_answered(struct talk *talk, struct bytes stub, struct ndr form)
{
	struct epm_map_reply reply;
	uint32_t i;
	int err = epm_map_reply_read(stub, form, &reply);

	if (err) {
		finish(talk, word_for(err));
		return;
	}
	for (i = 0; i < reply.ntowers; i++)
		note_tower(talk, reply.tower[i]);
	send_map(talk);
}

static void bind_answered(struct talk *talk, const struct pdu *pdu)
{
	static const struct epm_handle nil;
	struct pdu_bind_ack ack;

	if (pdu->type != PDU_BIND_ACK || pdu_bind_ack_read(pdu, &ack) ||
	    ack.nresults < 1 || ack.result[0].result != PDU_ACCEPT) {
		finish(talk, "bind-refused");
		return;
	}
	talk->state = TALK_LISTING;
	send_lookup(talk, &nil);
}

/* One fragment of an answer; the last one completes it. */
static void response_came(struct talk *talk, const struct pdu *pdu)
{
	struct talk_memory *memory = talk->memory;
	struct pdu_response response;
	struct builder whole = builder_over(memory->stub, TALK_STUB_MAX, true);
	struct ndr form = { .little = pdu->little }; /* we offered no other */
	int err = pdu_response_read(pdu, &response);

	whole.len = talk->stub_len;
	builder_put(&whole, err ? bytes_of(NULL, 0) : response.stub);
	if (err || whole.err) {
		finish(talk, word_for(err ? err : whole.err));
		return;
	}
	talk->stub_len = whole.len;
	if (!(pdu->flags & PDU_LAST))
		return;
	if (talk->state == TALK_LISTING)
		lookup_answered(talk, bytes_of(memory->stub, whole.len), form);
	else
		map_answered(talk, bytes_of(memory->stub, whole.len), form);
}

/* A server may refuse to list and still map; but a listing is all there is
 * where every interface is wanted. */
static void fault_came(struct talk *talk)
{
	if (talk->state == TALK_LISTING && talk->rpc->ninterfaces)
		send_map(talk);
	else
		finish(talk, "fault");
}

static void pdu_came(struct talk *talk, const struct pdu *pdu)
{
	if (pdu->call_id != talk->call_id)
		finish(talk, "unexpected-pdu");
	else if (talk->state == TALK_BINDING)
		bind_answered(talk, pdu);
	else if (pdu->type == PDU_RESPONSE)
		response_came(talk, pdu);
	else if (pdu->type == PDU_FAULT)
		fault_came(talk);
	else
		finish(talk, "unexpected-pdu");
}

/* How many octets of the fragment are still wanted; 0 = it is whole. */
static int missing(const struct talk *talk)
{
	int len = pdu_length(
		bytes_of(talk->memory->fragment, talk->fragment_len));

	if (len < 0)
		return len;
	return (len ? len : PDU_LENGTH_KNOWN) - (int)talk->fragment_len;
}

/* Read until a fragment is whole. 1: it is; 0: wait; negative: over. */
static int read_fragment(struct talk *talk)
{
	for (;;) {
		int want = missing(talk);
		ssize_t n;

		if (want <= 0)
			return want < 0 ? want : 1;
		n = recv(talk->io.fd,
			 talk->memory->fragment + talk->fragment_len,
			 (size_t)want, MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (n == 0)
			return -ECONNRESET;
		talk->fragment_len += (size_t)n;
	}
}

static void read_answers(struct talk *talk)
{
	unsigned turns = 0;
	struct pdu pdu;
	int got;

	while (talk->state != TALK_IDLE && (got = read_fragment(talk))) {
		struct bytes whole;

		if (got < 0) {
			finish(talk, word_for(got));
			return;
		}
		whole = bytes_of(talk->memory->fragment, talk->fragment_len);
		talk->fragment_len = 0;
		got = pdu_read(whole, &pdu);
		if (got) {
			finish(talk, word_for(got));
			return;
		}
		pdu_came(talk, &pdu);
		/* A flood must not hold up the timer that ends it. */
		if (++turns == TURN && talk->state != TALK_IDLE) {
			loop_again(talk->loop, &talk->io);
			return;
		}
	}
}

static void talk_ready(struct loop_io *io, unsigned events)
{
	struct talk *talk = list_entry(io, struct talk, io);

	if (talk->state == TALK_CONNECTING)
		dial_event(&talk->dial, events);
	else if (events & (LOOP_READ | LOOP_END | LOOP_AGAIN))
		read_answers(talk);
}

/* What we lack says nothing of the server. */
static bool is_our_lack(enum reason reason)
{
	return reason == REASON_SOURCE_NOT_LOCAL ||
	       reason == REASON_SOURCE_EXHAUSTED ||
	       reason == REASON_NO_DESCRIPTORS || reason == REASON_NO_MEMORY;
}

static void dial_failed(struct talk *talk, enum reason reason)
{
	talk->is_our_lack = is_our_lack(reason);
	finish(talk, reason_name(reason));
}

static void dial_done(struct dial *dial, enum reason reason)
{
	struct talk *talk = list_entry(dial, struct talk, dial);

	talk->state = TALK_BINDING;
	if (reason)
		dial_failed(talk, reason);
	else
		send_bind(talk);
}

void talk_start(struct talk *talk, const struct endpoint *to,
		const struct addr *source)
{
	enum reason reason;

	talk->memory = malloc(sizeof(*talk->memory));
	talk->fragment_len = talk->stub_len = 0;
	talk->rounds = talk->nfound = talk->next_interface = 0;
	talk->left_out = 0;
	talk->latest_ms = loop_now_ms(talk->loop) +
			  (TALK_TIMEOUTS - 1) * talk->timeout_ms;
	talk->is_our_lack = !talk->memory;
	talk->timer.fire = timer_fired;
	talk->dial.done = dial_done;
	talk->io.ready = talk_ready;
	talk->io.fd = -1;
	if (!talk->memory) {
		talk->done(talk, word_for(ERR_MEMORY));
		return;
	}
	reason = dial_start(talk->dialer, &talk->dial, &talk->io, to, source);
	if (reason)
		dial_failed(talk, reason);
	else
		talk->state = TALK_CONNECTING;
}
