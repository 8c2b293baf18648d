/*
 * report.c - what outlook-sim says in the end.
 *
 * Layer: tools.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "sim/json.h"
#include "swarm.h"
#include "wire/pdu.h"

#define SERVERS_MAX 64
#define LINES	    22

struct line {
	const char *name;
	uint64_t value;
};

static void lines_of(const struct swarm *swarm, struct line line[LINES])
{
	const struct counts *counts = &swarm->counts;
	const struct line all[LINES] = {
		{ "clients", swarm->options->nclients },
		{ "served", swarm->ready.count },
		{ "working_at_end", swarm->nworking },
		{ "splits", counts->splits },
		{ "unexpected", counts->unexpected },
		{ "outages", counts->outages },
		{ "moves", counts->moves },
		{ "connections", counts->connections },
		{ "most_open", counts->most_open },
		{ "refused", counts->refused },
		{ "unreachable", counts->unreachable },
		{ "lost", counts->lost },
		{ "timeouts", counts->timeouts },
		{ "bind_naks", counts->bind_naks },
		{ "bind_rejects", counts->rejects },
		{ "not_registered", counts->not_registered },
		{ "bad_replies", counts->bad_replies },
		{ "lookups", counts->lookups },
		{ "joins", counts->joins },
		{ "calls", counts->calls },
		{ "news", counts->news },
		{ "missed", counts->missed },
	};

	memcpy(line, all, sizeof(all));
}

static const char *fault_name(uint32_t status, char room[16])
{
	const char *name = pdu_fault_name(status);

	if (name)
		return name;
	snprintf(room, 16, "0x%08" PRIx32, status);
	return room;
}

/* How many clients call each server their home. */
struct homes {
	unsigned n;
	const char *name[SERVERS_MAX];
	uint64_t clients[SERVERS_MAX];
	uint64_t connections[SERVERS_MAX];
};

static void homes_add(struct homes *homes, const struct client *client)
{
	unsigned i;

	if (!client->home[0])
		return;
	for (i = 0; i < homes->n; i++)
		if (!strcmp(homes->name[i], client->home))
			break;
	if (i == SERVERS_MAX)
		return;
	if (i == homes->n)
		homes->name[homes->n++] = client->home;
	homes->clients[i]++;
	homes->connections[i] += client->connections;
}

static void homes_count(const struct swarm *swarm, struct homes *homes)
{
	unsigned i;

	for (i = 0; i < swarm->options->nclients; i++)
		homes_add(homes, &swarm->client[i]);
}

struct timing {
	const char *name;
	const struct histogram *histogram;
};

#define TIMINGS 5

static void timings_of(const struct swarm *swarm, struct timing out[TIMINGS])
{
	out[0] = (struct timing){ "connect", &swarm->connect };
	out[1] = (struct timing){ "ept_map", &swarm->map };
	out[2] = (struct timing){ "call", &swarm->call };
	out[3] = (struct timing){ "ready", &swarm->ready };
	out[4] = (struct timing){ "outage", &swarm->outage };
}

static void json_timings(struct json *json, const struct swarm *swarm)
{
	struct timing timing[TIMINGS];
	int i;

	timings_of(swarm, timing);
	json_open(json, "latency_us", '{');
	for (i = 0; i < TIMINGS; i++) {
		const struct histogram *histogram = timing[i].histogram;

		json_open(json, timing[i].name, '{');
		json_number(json, "count", histogram->count);
		json_number(json, "p50", histogram_at(histogram, 500));
		json_number(json, "p90", histogram_at(histogram, 900));
		json_number(json, "p99", histogram_at(histogram, 990));
		json_number(json, "max", histogram->most);
		json_close(json, '}');
	}
	json_close(json, '}');
}

static void json_homes(struct json *json, const struct swarm *swarm)
{
	struct homes homes = { 0 };
	unsigned i;

	homes_count(swarm, &homes);
	json_open(json, "servers", '{');
	for (i = 0; i < homes.n; i++) {
		json_open(json, homes.name[i], '{');
		json_number(json, "clients", homes.clients[i]);
		json_number(json, "connections", homes.connections[i]);
		json_close(json, '}');
	}
	json_close(json, '}');
}

static void json_faults(struct json *json, const struct counts *counts)
{
	char room[16];
	int i;

	json_open(json, "faults", '{');
	for (i = 0; i < FAULT_KINDS && counts->fault[i].count; i++)
		json_number(json, fault_name(counts->fault[i].status, room),
			    counts->fault[i].count);
	json_close(json, '}');
}

static void json_client(struct json *json, const struct client *client)
{
	char text[ADDR_TEXT_MAX];

	json_open(json, NULL, '{');
	json_number(json, "client", client->number);
	if (client->source.family)
		json_text(json, "source", addr_format(&client->source, text));
	json_text(json, "server", client->home);
	json_number(json, "connections", client->connections);
	json_number(json, "calls", client->calls);
	json_number(json, "moves", client->moves);
	json_number(json, "outages", client->outages);
	json_number(json, "splits", client->splits);
	if (client->other[0])
		json_text(json, "split_to", client->other);
	json_close(json, '}');
}

static void json_report(const struct swarm *swarm)
{
	struct json json = { .to = stdout };
	struct line line[LINES];
	unsigned i;

	lines_of(swarm, line);
	json_open(&json, NULL, '{');
	for (i = 0; i < LINES; i++)
		json_number(&json, line[i].name, line[i].value);
	json_faults(&json, &swarm->counts);
	json_homes(&json, swarm);
	json_timings(&json, swarm);
	if (swarm->options->lists) {
		json_open(&json, "list", '[');
		for (i = 0; i < swarm->options->nclients; i++)
			json_client(&json, &swarm->client[i]);
		json_close(&json, ']');
	}
	json_close(&json, '}');
	puts("");
}

static void text_list(const struct swarm *swarm)
{
	char text[ADDR_TEXT_MAX];
	unsigned i;

	printf("%6s  %-15s  %-16s %11s %7s %5s %7s %6s\n", "client", "source",
	       "server", "connections", "calls", "moves", "outages", "splits");
	for (i = 0; i < swarm->options->nclients; i++) {
		const struct client *client = &swarm->client[i];
		const char *from = client->source.family
					   ? addr_format(&client->source, text)
					   : "-";

		printf("%6u  %-15s  %-16s %11" PRIu64 " %7" PRIu64 " %5" PRIu64
		       " %7" PRIu64 " %6" PRIu64 "%s%s\n",
		       client->number, from,
		       client->home[0] ? client->home : "-",
		       client->connections, client->calls, client->moves,
		       client->outages, client->splits,
		       client->other[0] ? " also on " : "", client->other);
	}
}

static void text_homes(const struct swarm *swarm)
{
	struct homes homes = { 0 };
	unsigned i;

	homes_count(swarm, &homes);
	for (i = 0; i < homes.n; i++)
		printf("%-16s %" PRIu64 " clients, %" PRIu64 " connections\n",
		       homes.name[i], homes.clients[i], homes.connections[i]);
}

static void text_timings(const struct swarm *swarm)
{
	struct timing timing[TIMINGS];
	int i;

	timings_of(swarm, timing);
	printf("%-16s %9s %9s %9s %9s %9s\n", "microseconds", "count", "p50",
	       "p90", "p99", "max");
	for (i = 0; i < TIMINGS; i++) {
		const struct histogram *histogram = timing[i].histogram;

		printf("%-16s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64
		       " %9" PRIu64 "\n",
		       timing[i].name, histogram->count,
		       histogram_at(histogram, 500),
		       histogram_at(histogram, 900),
		       histogram_at(histogram, 990), histogram->most);
	}
}

static void text_report(const struct swarm *swarm)
{
	const struct counts *counts = &swarm->counts;
	struct line line[LINES];
	char room[16];
	int i;

	if (swarm->options->lists)
		text_list(swarm);
	lines_of(swarm, line);
	for (i = 0; i < LINES; i++)
		printf("%-16s %" PRIu64 "\n", line[i].name, line[i].value);
	for (i = 0; i < FAULT_KINDS && counts->fault[i].count; i++)
		printf("fault %-24s %" PRIu64 "\n",
		       fault_name(counts->fault[i].status, room),
		       counts->fault[i].count);
	text_timings(swarm);
	text_homes(swarm);
}

void swarm_report(const struct swarm *swarm)
{
	if (swarm->options->is_json)
		json_report(swarm);
	else
		text_report(swarm);
}
