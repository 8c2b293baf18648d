/*
 * report.c - what cas-sim says: lines of text, or of JSON.
 *
 * Layer: tools.
 */
#include <inttypes.h>
#include <stdio.h>

#include "report.h"
#include "sim/json.h"
#include "wire/pdu.h"

static const char *fault_name(uint32_t status, char room[16])
{
	const char *name = pdu_fault_name(status);

	if (name)
		return name;
	snprintf(room, 16, "0x%08" PRIx32, status);
	return room;
}

static void json_server(struct json *json, const struct server *server)
{
	char text[ADDR_TEXT_MAX];
	int i;

	json_text(json, "name", server->name);
	json_text(json, "address", addr_format(&server->addr, text));
	json_open(json, "port", '{');
	for (i = 0; i < SERVICE_COUNT; i++)
		json_number(json, service_name((enum service)i),
			    server->process[i].port);
	json_close(json, '}');
}

static void text_server(const struct server *server)
{
	char text[ADDR_TEXT_MAX];
	int i;

	printf("%s at %s:", server->name, addr_format(&server->addr, text));
	for (i = 0; i < SERVICE_COUNT; i++)
		printf(" %s %u", service_name((enum service)i),
		       server->process[i].port);
}

void report_ready(const struct array *array)
{
	struct json json = { .to = stdout };
	unsigned i;

	if (!array->options->is_json) {
		for (i = 0; i < array->nservers; i++) {
			text_server(&array->server[i]);
			puts("");
		}
		puts("ready");
		fflush(stdout);
		return;
	}
	json_open(&json, NULL, '{');
	json_text(&json, "event", "ready");
	json_open(&json, "servers", '[');
	for (i = 0; i < array->nservers; i++) {
		json_open(&json, NULL, '{');
		json_server(&json, &array->server[i]);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
	puts("");
	fflush(stdout);
}

void report_fail(const struct array *array, const struct server *server,
		 enum fail_action action)
{
	struct json json = { .to = stdout };

	if (array->options->is_json) {
		json_open(&json, NULL, '{');
		json_text(&json, "event", "fail");
		json_text(&json, "what", fail_action_name(action));
		json_server(&json, server);
		json_close(&json, '}');
	} else {
		text_server(server);
		printf(": %s", fail_action_name(action));
	}
	puts("");
	fflush(stdout);
}

struct line {
	const char *name;
	uint64_t value;
};

#define LINES 16

static void lines_of(const struct counts *counts, struct line line[LINES])
{
	const struct line all[LINES] = {
		{ "connections_epm", counts->connections[SERVICE_EPM] },
		{ "connections_mailbox", counts->connections[SERVICE_MAILBOX] },
		{ "connections_address_book",
		  counts->connections[SERVICE_ADDRESS_BOOK] },
		{ "open", counts->open },
		{ "most_open", counts->most_open },
		{ "binds", counts->binds },
		{ "alters", counts->alters },
		{ "bind_naks", counts->bind_naks },
		{ "joins", counts->joins },
		{ "joins_refused_unknown", counts->joins_unknown },
		{ "joins_refused_source", counts->joins_foreign },
		{ "links_refused", counts->links_refused },
		{ "sessions", counts->sessions },
		{ "calls", counts->calls },
		{ "parked", counts->parked },
		{ "news", counts->news },
	};
	int i;

	for (i = 0; i < LINES; i++)
		line[i] = all[i];
}

static void json_counts(struct json *json, const struct counts *counts)
{
	struct line line[LINES];
	char room[16];
	int i;

	lines_of(counts, line);
	for (i = 0; i < LINES; i++)
		json_number(json, line[i].name, line[i].value);
	json_open(json, "faults", '{');
	for (i = 0; i < FAULT_KINDS && counts->fault[i].count; i++)
		json_number(json, fault_name(counts->fault[i].status, room),
			    counts->fault[i].count);
	json_close(json, '}');
}

static void text_counts(const struct counts *counts)
{
	struct line line[LINES];
	char room[16];
	int i;

	lines_of(counts, line);
	for (i = 0; i < LINES; i++)
		printf("  %-26s %" PRIu64 "\n", line[i].name, line[i].value);
	printf("  %-26s %" PRIu64 "\n", "faults", counts->faults);
	for (i = 0; i < FAULT_KINDS && counts->fault[i].count; i++)
		printf("    %-24s %" PRIu64 "\n",
		       fault_name(counts->fault[i].status, room),
		       counts->fault[i].count);
}

static void text_end(const struct array *array)
{
	unsigned i;

	for (i = 0; i < array->nservers; i++) {
		text_server(&array->server[i]);
		puts("");
		text_counts(&array->server[i].counts);
	}
}

void report_end(const struct array *array)
{
	struct json json = { .to = stdout };
	unsigned i;

	if (!array->options->is_json) {
		text_end(array);
		return;
	}
	json_open(&json, NULL, '{');
	json_text(&json, "event", "end");
	json_open(&json, "servers", '[');
	for (i = 0; i < array->nservers; i++) {
		json_open(&json, NULL, '{');
		json_server(&json, &array->server[i]);
		json_counts(&json, &array->server[i].counts);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
	puts("");
}
