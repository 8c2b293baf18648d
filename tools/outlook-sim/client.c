/*
 * client.c - one simulated Outlook: what it opens, in which order, and what
 * it does when something breaks.
 *
 * Layer: tools.
 */
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define DOUBLINGS_MAX 4 /* of the time between tries */

/* The <n>th address of a prefix. */
static struct addr address_at(const struct prefix *prefix, unsigned n)
{
	struct addr addr = prefix->addr;
	size_t i = addr_len(&addr);
	uint64_t sum = n;

	while (sum && i) {
		i--;
		sum += addr.octet[i];
		addr.octet[i] = (uint8_t)sum;
		sum >>= 8;
	}
	return addr;
}

/* Mailbox, address book, referral and waiting: one each. */
static unsigned links_wanted(const struct options *options)
{
	return ROLE_POOL + options->npool + options->nlinked;
}

static const struct role *role_at(const struct options *options, unsigned i)
{
	if (i < ROLE_POOL)
		return &roles[i];
	return i < ROLE_POOL + options->npool ? &roles[ROLE_POOL]
					      : &roles[ROLE_LINKED];
}

static void advance(struct client *client)
{
	unsigned i;

	if (client->waits || client->swarm->is_stopping)
		return;
	for (i = 0; i < client->nlinks; i++) {
		struct link *link = &client->link[i];

		if (link_is_up(link))
			continue;
		if (link->state == LINK_CLOSED)
			link_start(link);
		if (!client->swarm->options->is_parallel || client->waits)
			return;
	}
}

static void timer_fired(struct loop_timer *timer)
{
	struct client *client = list_entry(timer, struct client, timer);

	client->waits = false;
	if (!client->since_us)
		client->since_us = now_us();
	advance(client);
}

int client_init(struct client *client, struct swarm *swarm, unsigned number)
{
	const struct options *options = swarm->options;
	const struct prefix *from;
	unsigned i;

	client->swarm = swarm;
	client->number = number;
	client->target = options->target[(number - 1) % options->ntargets];
	from = client->target.family == AF_INET ? &options->from4
						: &options->from6;
	if (from->addr.family)
		client->source =
			address_at(from, 1 + (number - 1) / options->nshare);
	client->nlinks = links_wanted(options);
	client->link = calloc(client->nlinks, sizeof(*client->link));
	if (!client->link)
		return ERR_MEMORY;
	for (i = 0; i < client->nlinks; i++)
		link_init(&client->link[i], client, role_at(options, i));
	client->timer.fire = timer_fired;
	return 0;
}

void client_start(struct client *client, uint64_t after_ms)
{
	client->waits = true;
	loop_timer_set(client->swarm->loop, &client->timer, after_ms);
}

bool client_is_up(const struct client *client)
{
	unsigned i;

	for (i = 0; i < client->nlinks; i++)
		if (!link_is_up(&client->link[i]))
			return false;
	return true;
}

static void now_up(struct client *client)
{
	struct swarm *swarm = client->swarm;
	uint64_t took_us = now_us() - client->since_us;

	if (!client->was_up)
		histogram_add(&swarm->ready, took_us);
	else if (client->is_disturbed)
		histogram_add(&swarm->outage, took_us);
	client->was_up = true;
	client->is_disturbed = false;
	client->tries = 0;
}

static void resume_waiting(struct client *client)
{
	unsigned i;

	for (i = 0; i < client->nlinks; i++)
		if (client->link[i].state == LINK_WAITING)
			link_resume(&client->link[i]);
}

void client_link_up(struct client *client, struct link *link)
{
	if (client->swarm->is_stopping)
		return;
	if (link->role == &roles[ROLE_MAILBOX]) {
		client->has_session = true;
		resume_waiting(client);
	}
	if (client_is_up(client))
		now_up(client);
	else
		advance(client);
}

/* Connections of the pool go where the mailbox's went. */
void client_port_known(struct client *client, struct link *link)
{
	unsigned i;

	if (link->role != &roles[ROLE_MAILBOX] ||
	    !client->swarm->options->is_parallel)
		return;
	for (i = 0; i < client->nlinks && !client->waits; i++)
		if (client->link[i].role == &roles[ROLE_POOL] &&
		    client->link[i].state == LINK_WAITING &&
		    !client->link[i].channel.is_open)
			link_resume(&client->link[i]);
}

static void disturb(struct client *client)
{
	if (client->is_disturbed)
		return;
	client->is_disturbed = true;
	if (!client->was_up)
		return; /* still the time that it takes to begin */
	client->since_us = now_us();
	client->outages++;
	client->swarm->counts.outages++;
}

/* Everything of the session ends with any part of it. */
static void close_session(struct client *client)
{
	unsigned i;

	client->has_session = false;
	for (i = 0; i < client->nlinks; i++)
		if (client->link[i].role->is_mailbox)
			link_close(&client->link[i]);
}

static void try_later(struct client *client)
{
	const struct options *options = client->swarm->options;

	if (client->waits)
		return;
	client_start(client, around(options->retry_ms << client->tries));
	if (client->tries < DOUBLINGS_MAX)
		client->tries++;
}

void client_link_lost(struct client *client, struct link *link)
{
	if (client->swarm->is_stopping) {
		client_wind_down(client);
		return;
	}
	disturb(client);
	if (link->role->is_mailbox)
		close_session(client);
	try_later(client);
}

/* The rest follows: closed here, opened again at the next turn. */
static void move(struct client *client, const struct link *link)
{
	unsigned i;

	client->moves++;
	client->swarm->counts.moves++;
	client->has_session = false;
	for (i = 0; i < client->nlinks; i++)
		if (&client->link[i] != link)
			link_close(&client->link[i]);
	if (!client->waits)
		client_start(client, 0);
}

static void name_copy(char to[STUB_NAME_MAX + 1], struct bytes name)
{
	size_t len = name.len < STUB_NAME_MAX ? name.len : STUB_NAME_MAX;

	if (len)
		memcpy(to, name.at, len);
	to[len] = '\0';
}

void client_saw(struct client *client, struct link *link, struct bytes server)
{
	char name[STUB_NAME_MAX + 1];

	name_copy(name, server);
	if (!strcmp(name, client->home))
		return;
	if (!client->home[0]) {
		memcpy(client->home, name, sizeof(name));
	} else if (client->is_disturbed) {
		memcpy(client->home, name, sizeof(name));
		move(client, link);
	} else {
		memcpy(client->other, name, sizeof(name));
		client->splits++;
		client->swarm->counts.splits++;
	}
}

/* The session ends last, when nobody uses it any more. */
static bool is_session_used(const struct client *client)
{
	unsigned i;

	for (i = ROLE_MAILBOX + 1; i < client->nlinks; i++)
		if (client->link[i].state != LINK_CLOSED)
			return true;
	return false;
}

/* A call that is under way may end; a wait for news would not. */
static void wind_down_link(struct client *client, struct link *link)
{
	bool is_busy = link->is_set_up && link->state == LINK_CALLING &&
		       link->role != &roles[ROLE_ASYNC];

	if (is_busy)
		return;
	if (link->state != LINK_READY || !link->role->goodbye)
		link_close(link);
	else if (link->role == &roles[ROLE_MAILBOX] && is_session_used(client))
		loop_timer_stop(client->swarm->loop, &link->timer);
	else
		link_say_goodbye(link);
}

void client_wind_down(struct client *client)
{
	bool is_open = false;
	unsigned i;

	for (i = client->nlinks; i-- > 0;) {
		wind_down_link(client, &client->link[i]);
		is_open |= client->link[i].state != LINK_CLOSED;
	}
	if (is_open || client->is_gone)
		return;
	client->is_gone = true;
	loop_timer_stop(client->swarm->loop, &client->timer);
	swarm_client_gone(client->swarm);
}

void client_release(struct client *client)
{
	unsigned i;

	loop_timer_stop(client->swarm->loop, &client->timer);
	for (i = 0; client->link && i < client->nlinks; i++)
		link_close(&client->link[i]);
	free(client->link);
}
