/*
 * probe.c - ask every server's endpoint mapper what it serves, and where.
 *
 * Layer: svc.
 */
#include <stdlib.h>
#include <string.h>

#include "probe_talk.h"
#include "svc/probe.h"

/* What we last said of a server in the log. */
enum said { SAID_NOTHING, SAID_ANSWERS, SAID_FAILS };

struct probe {
	struct prober *prober;
	struct talk talk;
	struct loop_timer next;
	struct server *server; /* NULL: the slot is not asked */
	enum said said;
	bool was_asked; /* a round has ended */
	uint64_t ended_ms;
	bool ask_again; /* when this round ends */
	unsigned nports;
};

/* Between two rounds that somebody asked for. */
#define ASK_APART_MS 1000

struct prober {
	struct prober_config config;
	struct loop_timer latest; /* for first_round() */
	struct dialer dialer;
	bool is_round_over; /* first_round() was called */
	struct probe probe[ARRAY_SLOTS];
};

static void begin(struct probe *probe);

static void say_answers(struct probe *probe)
{
	const struct prober_config *config = &probe->prober->config;

	if (probe->said == SAID_ANSWERS && probe->nports == probe->talk.nfound)
		return;
	probe->said = SAID_ANSWERS;
	probe->nports = probe->talk.nfound;
	LOG(config->log, LOG_LEVEL_NOTICE, "endpoint-mapper",
	    log_text("server", probe->server->name),
	    log_number("endpoints", probe->nports));
	if (probe->talk.left_out)
		LOG(config->log, LOG_LEVEL_WARNING, "announcements-left-out",
		    log_text("server", probe->server->name),
		    log_number("most", ANNOUNCED_MAX),
		    log_number("left-out", probe->talk.left_out),
		    log_text("mend", "name in [rpc] interfaces only those "
				     "that clients use"));
	if (!probe->nports)
		LOG(config->log, LOG_LEVEL_WARNING, "nothing-announced",
		    log_text("server", probe->server->name),
		    log_text("mend", "none of [rpc] interfaces is registered "
				     "there: is the service started? is the "
				     "interface named in interfaces?"));
}

static const char *mend_for(const char *why)
{
	static const struct {
		const char *why, *mend;
	} known[] = {
		{ "connect-refused", "is the RPC Endpoint Mapper service of "
				     "the server started?" },
		{ "connect-timeout", "is the server up, and may the balancer "
				     "reach port 135 there?" },
		{ "connect-unreachable", "is the server up, and is there a "
					 "route to it?" },
		{ "source-not-local", "put the source address on an interface "
				      "of this machine" },
		{ "source-exhausted", "give source more addresses" },
		{ "no-descriptors", "raise the limit of open files" },
		{ "no-memory", "give the balancer more memory" },
	};
	unsigned i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!strcmp(known[i].why, why))
			return known[i].mend;
	}
	return "does an endpoint mapper listen there, and is it well?";
}

static void say_fails(struct probe *probe, const char *why)
{
	const struct prober_config *config = &probe->prober->config;

	if (probe->said == SAID_FAILS)
		return;
	probe->said = SAID_FAILS;
	LOG(config->log, LOG_LEVEL_WARNING, "endpoint-mapper-failed",
	    log_text("server", probe->server->name),
	    log_addr("address", &probe->server->address),
	    log_number("port", EPM_PORT), log_text("reason", why),
	    log_text("mend", mend_for(why)));
}

static void take_answer(struct probe *probe)
{
	const struct prober_config *config = &probe->prober->config;
	struct talk *talk = &probe->talk;
	int changed;

	if (server_answered(probe->server, EPM_PORT))
		LOG(config->log, LOG_LEVEL_NOTICE, "set-aside-over",
		    log_text("server", probe->server->name),
		    log_number("port", EPM_PORT));
	changed = announced_set(config->announced, probe->server->slot,
				talk->memory->found, talk->nfound);
	if (changed < 0) {
		say_fails(probe, reason_name(REASON_NO_MEMORY));
		return;
	}
	say_answers(probe);
	if (changed)
		config->changed(config->ctx);
}

static void note_round(struct prober *prober)
{
	unsigned slot;

	if (prober->is_round_over)
		return;
	for (slot = 0; slot < ARRAY_SLOTS; slot++) {
		struct probe *probe = &prober->probe[slot];

		if (probe->server && !probe->was_asked)
			return;
	}
	prober->is_round_over = true;
	prober->config.first_round(prober->config.ctx);
}

/* It gets no new client before it answers: the next round ends before the
 * set-aside does. */
static void take_failure(struct probe *probe, const char *why)
{
	const struct prober_config *config = &probe->prober->config;
	const struct conf_check *check = &config->conf->check;
	uint64_t now = loop_now_ms(config->loop);
	uint64_t next_ms =
		check->interval_ms + TALK_TIMEOUTS * check->timeout_ms;
	uint64_t aside_ms;

	say_fails(probe, why);
	if (probe->talk.is_our_lack)
		return;
	aside_ms = server_failed(probe->server, EPM_PORT, now);
	server_keep_aside(probe->server, now + next_ms);
	if (aside_ms)
		LOG(config->log, LOG_LEVEL_WARNING, "set-aside",
		    log_text("server", probe->server->name),
		    log_number("port", EPM_PORT),
		    log_number("ms", aside_ms > next_ms ? aside_ms : next_ms),
		    log_text("reason", why));
}

static void talk_done(struct talk *talk, const char *why)
{
	struct probe *probe = list_entry(talk, struct probe, talk);
	struct prober *prober = probe->prober;
	struct loop *loop = prober->config.loop;
	uint64_t pause_ms = prober->config.conf->check.interval_ms;

	probe->ended_ms = loop_now_ms(loop);
	if (!why)
		take_answer(probe);
	else
		take_failure(probe, why);
	probe->was_asked = true;
	if (probe->ask_again && pause_ms > ASK_APART_MS)
		pause_ms = ASK_APART_MS;
	probe->ask_again = false;
	loop_timer_set(loop, &probe->next, pause_ms);
	note_round(prober);
}

static void next_fired(struct loop_timer *timer)
{
	begin(list_entry(timer, struct probe, next));
}

static const struct addr *source_for(const struct conf *conf, uint8_t family)
{
	unsigned i;

	for (i = 0; i < conf->balancer.nsources; i++) {
		if (conf->balancer.source[i].family == family)
			return &conf->balancer.source[i];
	}
	return NULL;
}

static void begin(struct probe *probe)
{
	struct prober *prober = probe->prober;
	const struct conf *conf = prober->config.conf;
	struct endpoint to = { .addr = probe->server->address,
			       .port = EPM_PORT };

	probe->talk.rpc = &conf->rpc;
	probe->talk.timeout_ms = conf->check.timeout_ms;
	talk_start(&probe->talk, &to, source_for(conf, to.addr.family));
}

/* Clients that dial closed ports must not keep us asking without a pause. */
static uint64_t time_to_ask(const struct probe *probe)
{
	uint64_t now = loop_now_ms(probe->prober->config.loop);
	uint64_t next = probe->ended_ms + ASK_APART_MS;

	return probe->was_asked && next > now ? next - now : 0;
}

void prober_ask(struct prober *prober, unsigned slot)
{
	struct probe *probe = &prober->probe[slot];

	if (!probe->server)
		return;
	if (probe->talk.state != TALK_IDLE) {
		probe->ask_again = true;
		return;
	}
	loop_timer_set(prober->config.loop, &probe->next, time_to_ask(probe));
}

static void stop_asking(struct probe *probe)
{
	loop_timer_stop(probe->prober->config.loop, &probe->next);
	talk_cancel(&probe->talk);
	probe->server = NULL;
}

static void start_asking(struct probe *probe, struct server *server)
{
	probe->server = server;
	probe->said = SAID_NOTHING;
	probe->was_asked = probe->ask_again = false;
	loop_timer_set(probe->prober->config.loop, &probe->next, 0);
}

/* Ask the servers that have a slot, and no others. */
static void follow_array(struct prober *prober)
{
	struct prober_config *config = &prober->config;
	unsigned slot;

	for (slot = 0; slot < ARRAY_SLOTS; slot++) {
		struct server *server = &config->array->server[slot];
		struct probe *probe = &prober->probe[slot];
		/* One that leaves still serves the clients that it has. */
		bool is_used = atomic_load(&server->life) != SERVER_FREE;

		if (is_used && !probe->server)
			start_asking(probe, server);
		if (is_used || !probe->server)
			continue;
		stop_asking(probe);
		/* An empty list needs no memory. */
		(void)!announced_set(config->announced, slot, NULL, 0);
	}
}

void prober_follow(struct prober *prober)
{
	follow_array(prober);
	prober->config.changed(prober->config.ctx);
}

void prober_reconfigure(struct prober *prober, struct conf *conf)
{
	struct prober_config *config = &prober->config;
	struct conf *old = config->conf;
	unsigned slot;

	/* A conversation under way reads the old configuration. */
	for (slot = 0; slot < ARRAY_SLOTS; slot++) {
		struct probe *probe = &prober->probe[slot];

		if (probe->talk.state == TALK_IDLE)
			continue;
		talk_cancel(&probe->talk);
		loop_timer_set(config->loop, &probe->next, 0);
	}
	config->conf = conf_hold(conf);
	conf_drop(old);
	prober->dialer.deadlines.span_ms = conf->check.timeout_ms;
	follow_array(prober);
	for (slot = 0; slot < ARRAY_SLOTS; slot++)
		prober_ask(prober, slot);
	config->changed(config->ctx);
}

/* One server that answers too slowly does not keep the others closed. */
static void latest_fired(struct loop_timer *timer)
{
	struct prober *prober = list_entry(timer, struct prober, latest);

	if (prober->is_round_over)
		return;
	prober->is_round_over = true;
	prober->config.first_round(prober->config.ctx);
}

static void init_probe(struct prober *prober, struct probe *probe)
{
	probe->prober = prober;
	probe->next.fire = next_fired;
	probe->talk.loop = prober->config.loop;
	probe->talk.dialer = &prober->dialer;
	probe->talk.io.fd = -1;
	probe->talk.done = talk_done;
}

struct prober *prober_new(const struct prober_config *config)
{
	struct prober *prober = calloc(1, sizeof(*prober));
	unsigned slot;

	if (!prober)
		return NULL;
	prober->config = *config;
	conf_hold(config->conf);
	dialer_init(&prober->dialer, config->loop,
		    config->conf->check.timeout_ms);
	for (slot = 0; slot < ARRAY_SLOTS; slot++)
		init_probe(prober, &prober->probe[slot]);
	follow_array(prober);
	prober->latest.fire = latest_fired;
	loop_timer_set(config->loop, &prober->latest,
		       config->conf->check.interval_ms +
			       config->conf->check.timeout_ms);
	return prober;
}

void prober_free(struct prober *prober)
{
	unsigned slot;

	if (!prober)
		return;
	for (slot = 0; slot < ARRAY_SLOTS; slot++)
		stop_asking(&prober->probe[slot]);
	loop_timer_stop(prober->config.loop, &prober->latest);
	dialer_release(&prober->dialer);
	conf_drop(prober->config.conf);
	free(prober);
}
