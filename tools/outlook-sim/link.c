/*
 * link.c - one RPC connection of an Outlook: look up, connect, bind, call.
 *
 * Layer: tools.
 * Source: C706 12.6; [MS-RPCE] 3.3.1.5.3 (what a Windows client offers).
 */
#include <errno.h>
#include <string.h>

#include "client.h"
#include "link.h"

/* A wait is parked for five minutes: [MS-OXCRPC] 3.3.4.1. */
#define PARK_MAX_MS 360000

#define CONTEXT_NDR 0
#define NCONTEXTS   3

static struct swarm *swarm_of(const struct link *link)
{
	return link->client->swarm;
}

static struct counts *counts_of(const struct link *link)
{
	return &swarm_of(link)->counts;
}

static void timer_set(struct link *link, uint64_t ms)
{
	loop_timer_set(swarm_of(link)->loop, &link->timer, ms);
}

static void timer_stop(struct link *link)
{
	loop_timer_stop(swarm_of(link)->loop, &link->timer);
}

/* A link that could make a call at any time stands in the swarm's list. */
static void set_state(struct link *link, enum link_state state)
{
	list_remove(&link->idle);
	link->state = state;
	if (state == LINK_READY && link->role->is_mailbox)
		list_add(&swarm_of(link)->idle, &link->idle);
}

bool link_is_up(const struct link *link)
{
	if (link->role->is_short && link->is_set_up)
		return true;
	return link->is_set_up &&
	       (link->state == LINK_READY || link->state == LINK_CALLING);
}

static void channel_gone(struct link *link)
{
	if (!link->channel.is_open)
		return;
	channel_close(&link->channel);
	counts_of(link)->open--;
}

void link_close(struct link *link)
{
	channel_gone(link);
	timer_stop(link);
	link->call = NULL;
	if (!link->role->is_short)
		link->is_set_up = false;
	set_state(link, LINK_CLOSED);
}

static void lose(struct link *link)
{
	link_close(link);
	client_link_lost(link->client, link);
}

/* The server said no in one way or another. */
static void lose_by(struct link *link, uint64_t *count)
{
	(*count)++;
	if (!link->client->is_disturbed)
		counts_of(link)->unexpected++;
	lose(link);
}

static void call(struct link *link, const struct call *next)
{
	static uint8_t room[128 * 1024];
	struct builder out = builder_over(room, sizeof(room), true);
	bool parks = next == roles[ROLE_ASYNC].steady;

	link->call = next;
	link->began_us = now_us();
	set_state(link, LINK_CALLING);
	timer_set(link,
		  parks ? PARK_MAX_MS : swarm_of(link)->options->timeout_ms);
	if (parks)
		counts_of(link)->waits++;
	next->write(link, &out);
	channel_request(&link->channel, ++link->call_id, link->context,
			next->opnum, bytes_of(out.at, out.len));
}

void link_work(struct link *link)
{
	call(link, link->role->steady);
}

void link_say_goodbye(struct link *link)
{
	call(link, link->role->goodbye);
}

/* As a 64-bit Windows offers it: NDR, NDR64, features. */
static void write_bind(const struct link *link, struct builder *out)
{
	static const struct syntax features = {
		{ 0x6cb71c2c, 0x9812, 0x4540, { 3 } }, 1, 0
	};
	const struct iface *iface =
		link->is_asking ? &iface_epm : link->role->iface;
	const struct syntax *transfer[NCONTEXTS] = { &syntax_ndr, &syntax_ndr64,
						     &features };
	struct pdu_bind bind = { .max_xmit = PDU_FRAG_MAX,
				 .max_recv = PDU_FRAG_MAX,
				 .ncontexts = NCONTEXTS };
	int i;

	if (!link->is_asking && link->role->joins)
		bind.assoc_group = link->client->group;
	for (i = 0; i < NCONTEXTS; i++) {
		bind.context[i].id = (uint16_t)i;
		bind.context[i].abstract = iface->syntax;
		bind.context[i].ntransfer = 1;
		bind.context[i].transfer[0] = *transfer[i];
	}
	pdu_bind_write(out, PDU_BIND, PDU_FIRST | PDU_LAST, 1, &bind);
}

static void bind_now(struct link *link)
{
	uint8_t room[512];
	struct builder out = builder_over(room, sizeof(room), true);

	if (!link->is_asking && link->role->joins)
		counts_of(link)->joins++;
	link->call_id = 1;
	set_state(link, LINK_BINDING);
	timer_set(link, swarm_of(link)->options->timeout_ms);
	write_bind(link, &out);
	channel_send(&link->channel, bytes_of(out.at, out.len));
}

static bool must_wait(const struct link *link)
{
	return !link->is_asking && link->role->needs_session &&
	       !link->client->has_session;
}

static void wait(struct link *link)
{
	timer_stop(link);
	set_state(link, LINK_WAITING);
}

static const struct channel_handler handler;

static void connect_now(struct link *link)
{
	struct client *client = link->client;
	struct counts *counts = counts_of(link);
	struct endpoint to = { .addr = client->target, .port = link->port };
	const struct addr *source =
		client->source.family ? &client->source : NULL;

	if (link->is_asking)
		to.port = swarm_of(link)->options->epm_port;
	link->began_us = now_us();
	set_state(link, LINK_CONNECTING);
	if (channel_connect(&link->channel, swarm_of(link)->loop, &handler, &to,
			    source)) {
		counts->unreachable++;
		lose(link);
		return;
	}
	timer_set(link, swarm_of(link)->options->timeout_ms);
	client->connections++;
	counts->connections++;
	if (++counts->open > counts->most_open)
		counts->most_open = counts->open;
}

/* Now that its port is known. Those that begin in parallel connect before
 * there is a session to work with. */
static void connect_or_wait(struct link *link)
{
	if (must_wait(link) && !swarm_of(link)->options->is_parallel)
		wait(link);
	else
		connect_now(link);
}

static uint16_t static_port(const struct link *link)
{
	const struct options *options = swarm_of(link)->options;

	return link->role->is_mailbox ? options->mailbox_port
				      : options->address_book_port;
}

static uint16_t known_port(const struct link *link)
{
	if (static_port(link))
		return static_port(link);
	return link->role->looks_up ? 0 : link->client->link[ROLE_MAILBOX].port;
}

void link_start(struct link *link)
{
	link->is_set_up = false;
	link->step = 0;
	link->port = known_port(link);
	link->is_asking = !link->port && link->role->looks_up;
	if (link->is_asking)
		connect_now(link);
	else if (!link->port)
		wait(link);
	else
		connect_or_wait(link);
}

void link_resume(struct link *link)
{
	if (!link->port)
		link->port = known_port(link);
	if (link->channel.is_open)
		bind_now(link);
	else
		connect_or_wait(link);
}

static void set_up(struct link *link)
{
	const struct options *options = swarm_of(link)->options;

	link->is_set_up = true;
	set_state(link, LINK_READY);
	if (link->role->is_short) {
		link_close(link);
		if (!swarm_of(link)->is_stopping)
			timer_set(link, around(options->refresh_ms));
	}
	client_link_up(link->client, link);
}

/* After a bind or a call: the next call, at once or later. */
static void go_on(struct link *link)
{
	const struct options *options = swarm_of(link)->options;
	const struct role *role = link->role;

	link->call = NULL;
	timer_stop(link);
	if (!link->is_set_up && link->step < SETUP_MAX &&
	    role->setup[link->step]) {
		call(link, role->setup[link->step++]);
		return;
	}
	if (!link->is_set_up)
		set_up(link);
	else
		set_state(link, LINK_READY);
	if (!link->channel.is_open || link->call)
		return; /* it was short, or is on its way already */
	if (swarm_of(link)->is_stopping)
		client_wind_down(link->client);
	else if (role == &roles[ROLE_ASYNC])
		link_work(link);
	else if (!(options->rate_per_s && role->is_mailbox))
		timer_set(link, around(options->think_ms));
}

static void port_learnt(struct link *link)
{
	struct swarm *swarm = swarm_of(link);

	histogram_add(&swarm->map, now_us() - link->began_us);
	swarm->counts.lookups++;
	channel_gone(link);
	link->call = NULL;
	link->is_asking = false;
	connect_or_wait(link);
	client_port_known(link->client, link);
}

static struct link *link_of(struct channel *channel)
{
	return list_entry(channel, struct link, channel);
}

static void on_opened(struct channel *channel)
{
	struct link *link = link_of(channel);

	histogram_add(&swarm_of(link)->connect, now_us() - link->began_us);
	if (must_wait(link))
		wait(link);
	else
		bind_now(link);
}

static void take_ack(struct link *link, const struct pdu *pdu)
{
	struct pdu_bind_ack ack;

	if (pdu_bind_ack_read(pdu, &ack)) {
		lose_by(link, &counts_of(link)->bad_replies);
		return;
	}
	if (ack.nresults != NCONTEXTS ||
	    ack.result[CONTEXT_NDR].result != PDU_ACCEPT) {
		lose_by(link, &counts_of(link)->rejects);
		return;
	}
	link->context = CONTEXT_NDR;
	link->channel.frag_len = ack.max_recv;
	if (link->is_asking) {
		call(link, &call_map);
		return;
	}
	link->group = ack.assoc_group;
	go_on(link);
}

static void on_pdu(struct channel *channel, const struct pdu *pdu)
{
	struct link *link = link_of(channel);

	if (pdu->type == PDU_BIND_ACK && link->state == LINK_BINDING)
		take_ack(link, pdu);
	else if (pdu->type == PDU_BIND_NAK && link->state == LINK_BINDING)
		lose_by(link, &counts_of(link)->bind_naks);
	else
		lose_by(link, &counts_of(link)->bad_replies);
}

static void count_fault(struct counts *counts, uint32_t status)
{
	unsigned i;

	for (i = 0; i < FAULT_KINDS; i++) {
		if (counts->fault[i].count && counts->fault[i].status != status)
			continue;
		counts->fault[i].status = status;
		counts->fault[i].count++;
		return;
	}
}

static void take_reply(struct link *link, const struct channel_call *reply)
{
	struct swarm *swarm = swarm_of(link);
	const struct call *done = link->call;
	int err = done->read(link, cursor_over(reply->stub, reply->little));

	if (err == ERR_NOT_FOUND) {
		swarm->counts.not_registered++;
		lose(link);
	} else if (err) {
		lose_by(link, &swarm->counts.bad_replies);
	} else if (link->is_asking) {
		port_learnt(link);
	} else {
		swarm->counts.calls++;
		link->client->calls++;
		if (done != roles[ROLE_ASYNC].steady)
			histogram_add(&swarm->call, now_us() - link->began_us);
		if (done == link->role->goodbye) {
			link_close(link);
			client_wind_down(link->client);
		} else {
			go_on(link);
		}
	}
}

static void on_call(struct channel *channel, const struct channel_call *reply)
{
	struct link *link = link_of(channel);

	if (link->state != LINK_CALLING || reply->type == PDU_REQUEST ||
	    reply->call_id != link->call_id) {
		lose_by(link, &counts_of(link)->bad_replies);
	} else if (reply->type == PDU_FAULT) {
		count_fault(counts_of(link), reply->status);
		lose_by(link, &counts_of(link)->faults);
	} else {
		take_reply(link, reply);
	}
}

static void on_closed(struct channel *channel, int err)
{
	struct link *link = link_of(channel);
	struct counts *counts = counts_of(link);

	counts->open--;
	if (err <= ERR_CONFIG && err >= ERR_SHORT) {
		lose_by(link, &counts->bad_replies);
		return;
	}
	if (link->state != LINK_CONNECTING)
		counts->lost++;
	else if (err == -ECONNREFUSED)
		counts->refused++;
	else
		counts->unreachable++;
	lose(link);
}

static const struct channel_handler handler = {
	.opened = on_opened,
	.pdu = on_pdu,
	.call = on_call,
	.closed = on_closed,
};

static void timer_fired(struct loop_timer *timer)
{
	struct link *link = list_entry(timer, struct link, timer);

	if (link->state == LINK_READY) {
		link_work(link);
	} else if (link->state == LINK_CLOSED) {
		link_start(link);
	} else {
		counts_of(link)->timeouts++;
		lose(link);
	}
}

void link_init(struct link *link, struct client *client,
	       const struct role *role)
{
	*link = (struct link){ .client = client, .role = role };
	link->timer.fire = timer_fired;
	list_init(&link->idle);
}
