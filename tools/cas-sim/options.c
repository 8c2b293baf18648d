/*
 * options.c - what cas-sim was asked to be.
 *
 * Layer: tools.
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/tick.h"
#include "options.h"
#include "wire/epm.h"

static const char usage[] =
	"usage: cas-sim [OPTION]...\n"
	"Simulate an array of Exchange client access servers: each has an\n"
	"endpoint mapper, a mailbox service (EMSMDB, AsyncEMSMDB) and an\n"
	"address book service (NSPI, RFR). Ends on SIGTERM or SIGINT and says\n"
	"what each server saw.\n"
	"\n"
	"  --server NAME=ADDRESS   a server; repeat it (name: 16 letters at "
	"most)\n"
	"  --base ADDRESS          the first of --count servers, cas1 and so "
	"on,\n"
	"                          on addresses in a row (127.64.0.11)\n"
	"  --count N               (3)\n"
	"  --epm-port PORT         the endpoint mappers' port (135)\n"
	"  --dynamic               random ports for both services (default)\n"
	"  --range LOW-HIGH        where dynamic ports lie (49152-65535)\n"
	"  --same-ports            dynamic, but the same on every server\n"
	"  --swapped-ports         dynamic; what is one server's mailbox port "
	"is\n"
	"                          the next one's address book port\n"
	"  --mailbox-port PORT     static ports\n"
	"  --address-book-port PORT\n"
	"  --park TIME             how long a wait for news is parked (300s)\n"
	"  --notify TIME           a parked wait gets news after about this "
	"time\n"
	"                          (0: never)\n"
	"  --check-source          refuse to join an association from another\n"
	"                          address than its opener's (default)\n"
	"  --no-check-source\n"
	"  --fail NAME:WHAT@TIME   so long after the start this happens to "
	"the\n"
	"                          server; repeat it. WHAT is one of\n"
	"                            refuse-135, refuse-mailbox,\n"
	"                            refuse-address-book   its port is closed\n"
	"                            hang        accepts, never answers\n"
	"                            no-emsmdb   neither registered nor bound\n"
	"                            kill        ports closed, all reset\n"
	"                            restart-mailbox,\n"
	"                            restart-address-book  dies and is back, "
	"on\n"
	"                                        another port if dynamic\n"
	"                            up          all is well again\n"
	"  --json                  write lines of JSON\n"
	"  --help\n"
	"Times are written 250ms, 5s, 2m.\n";

static _Noreturn void refuse(const char *format, ...)
{
	va_list args;

	fputs("cas-sim: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\ncas-sim --help says what there is\n", stderr);
	exit(2);
}

static unsigned number_of(const char *text, unsigned most, const char *what)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*end || end == text || *text == '-' || !number || number > most)
		refuse("%s is no %s from 1 to %u", text, what, most);
	return (unsigned)number;
}

static uint16_t port_of(const char *text)
{
	return (uint16_t)number_of(text, 65535, "port");
}

static uint64_t time_of(const char *text)
{
	uint64_t ms;

	if (tick_parse(text, &ms))
		refuse("%s is no time; write 250ms, 5s or 2m", text);
	return ms;
}

static void range_of(const char *text, struct options *out)
{
	char low[8] = { 0 };
	const char *dash = strchr(text, '-');

	if (!dash || dash - text >= (long)sizeof(low))
		refuse("%s is no range of ports", text);
	memcpy(low, text, (size_t)(dash - text));
	out->low = port_of(low);
	out->high = port_of(dash + 1);
	if (out->high < out->low + 15)
		refuse("the range %s has fewer than 16 ports", text);
}

static void server_add(struct options *out, const char *name, size_t len,
		       const struct addr *addr)
{
	struct server_name *server = &out->server[out->nservers];

	if (out->nservers == SERVERS_MAX)
		refuse("more than %d servers", SERVERS_MAX);
	if (!len || len > STUB_NAME_MAX)
		refuse("a server's name has 1 to %d letters", STUB_NAME_MAX);
	memcpy(server->name, name, len);
	server->addr = *addr;
	out->nservers++;
}

static void server_of(const char *text, struct options *out)
{
	const char *equals = strchr(text, '=');
	struct addr addr;

	if (!equals || addr_parse(equals + 1, &addr))
		refuse("%s is not NAME=ADDRESS", text);
	server_add(out, text, (size_t)(equals - text), &addr);
}

/* The address <n> after <base>; within its last two octets. */
static struct addr address_after(const struct addr *base, unsigned n)
{
	struct addr addr = *base;
	size_t last = addr_len(base) - 1;
	unsigned low = (unsigned)addr.octet[last - 1] * 256 + addr.octet[last];

	addr.octet[last - 1] = (uint8_t)((low + n) >> 8);
	addr.octet[last] = (uint8_t)(low + n);
	return addr;
}

static void servers_in_a_row(struct options *out, const struct addr *base,
			     unsigned count)
{
	char name[STUB_NAME_MAX];
	struct addr addr;
	unsigned i;

	for (i = 0; i < count; i++) {
		addr = address_after(base, i);
		snprintf(name, sizeof(name), "cas%u", i + 1);
		server_add(out, name, strlen(name), &addr);
	}
}

static const char *const action_name[] = {
	[FAIL_REFUSE_EPM] = "refuse-135",
	[FAIL_REFUSE_MAILBOX] = "refuse-mailbox",
	[FAIL_REFUSE_ADDRESS_BOOK] = "refuse-address-book",
	[FAIL_HANG] = "hang",
	[FAIL_NO_EMSMDB] = "no-emsmdb",
	[FAIL_KILL] = "kill",
	[FAIL_RESTART_MAILBOX] = "restart-mailbox",
	[FAIL_RESTART_ADDRESS_BOOK] = "restart-address-book",
	[FAIL_UP] = "up",
};

const char *fail_action_name(enum fail_action action)
{
	return action_name[action];
}

static enum fail_action action_of(const char *text)
{
	unsigned i;

	for (i = 0; i < sizeof(action_name) / sizeof(action_name[0]); i++)
		if (!strcmp(text, action_name[i]))
			return (enum fail_action)i;
	refuse("%s is nothing that can happen to a server", text);
}

static unsigned server_named(const struct options *out, const char *name)
{
	unsigned i;

	for (i = 0; i < out->nservers; i++)
		if (!strcmp(out->server[i].name, name))
			return i;
	refuse("--fail names no server: %s", name);
}

/* NAME:WHAT@TIME, cut up in place. */
static void fail_of(char *text, struct options *out)
{
	struct fail_order *fail = &out->fail[out->nfails];
	char *colon = strchr(text, ':');
	char *at = strchr(text, '@');

	if (out->nfails == FAILS_MAX)
		refuse("more than %d --fail", FAILS_MAX);
	if (!colon || !at || at < colon)
		refuse("%s is not NAME:WHAT@TIME", text);
	*colon = '\0';
	*at = '\0';
	fail->server = server_named(out, text);
	fail->action = action_of(colon + 1);
	fail->at_ms = time_of(at + 1);
	out->nfails++;
}

enum choice {
	OPT_SERVER = 256,
	OPT_BASE,
	OPT_COUNT,
	OPT_EPM_PORT,
	OPT_DYNAMIC,
	OPT_RANGE,
	OPT_SAME,
	OPT_SWAPPED,
	OPT_MAILBOX,
	OPT_ADDRESS_BOOK,
	OPT_PARK,
	OPT_NOTIFY,
	OPT_CHECK,
	OPT_NO_CHECK,
	OPT_FAIL,
	OPT_JSON,
	OPT_HELP,
};

static const struct option options[] = {
	{ "server", required_argument, NULL, OPT_SERVER },
	{ "base", required_argument, NULL, OPT_BASE },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "epm-port", required_argument, NULL, OPT_EPM_PORT },
	{ "dynamic", no_argument, NULL, OPT_DYNAMIC },
	{ "range", required_argument, NULL, OPT_RANGE },
	{ "same-ports", no_argument, NULL, OPT_SAME },
	{ "swapped-ports", no_argument, NULL, OPT_SWAPPED },
	{ "mailbox-port", required_argument, NULL, OPT_MAILBOX },
	{ "address-book-port", required_argument, NULL, OPT_ADDRESS_BOOK },
	{ "park", required_argument, NULL, OPT_PARK },
	{ "notify", required_argument, NULL, OPT_NOTIFY },
	{ "check-source", no_argument, NULL, OPT_CHECK },
	{ "no-check-source", no_argument, NULL, OPT_NO_CHECK },
	{ "fail", required_argument, NULL, OPT_FAIL },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

/* What can be read before all servers are known. */
struct late {
	const char *base;
	unsigned count;
	unsigned nfails;
	char *fail[FAILS_MAX];
};

static void option_take(int option, struct options *out, struct late *late)
{
	switch (option) {
	case OPT_SERVER:
		server_of(optarg, out);
		break;
	case OPT_BASE:
		late->base = optarg;
		break;
	case OPT_COUNT:
		late->count = number_of(optarg, SERVERS_MAX, "number");
		break;
	case OPT_EPM_PORT:
		out->epm_port = port_of(optarg);
		break;
	case OPT_DYNAMIC:
		out->mailbox_port = 0;
		out->address_book_port = 0;
		break;
	case OPT_RANGE:
		range_of(optarg, out);
		break;
	case OPT_SAME:
		out->plan = PORTS_SAME;
		break;
	case OPT_SWAPPED:
		out->plan = PORTS_SWAPPED;
		break;
	case OPT_MAILBOX:
		out->mailbox_port = port_of(optarg);
		break;
	case OPT_ADDRESS_BOOK:
		out->address_book_port = port_of(optarg);
		break;
	case OPT_PARK:
		out->park_ms = time_of(optarg);
		break;
	case OPT_NOTIFY:
		out->notify_ms = time_of(optarg);
		break;
	case OPT_CHECK:
		out->checks_source = true;
		break;
	case OPT_NO_CHECK:
		out->checks_source = false;
		break;
	case OPT_FAIL:
		if (late->nfails == FAILS_MAX)
			refuse("more than %d --fail", FAILS_MAX);
		late->fail[late->nfails++] = optarg;
		break;
	case OPT_JSON:
		out->is_json = true;
		break;
	case OPT_HELP:
		fputs(usage, stdout);
		exit(0);
	default:
		refuse("that is no option of mine");
	}
}

static void options_finish(struct options *out, const struct late *late)
{
	const char *base = late->base ? late->base : "127.64.0.11";
	struct addr addr;
	unsigned i;

	if (late->base || !out->nservers) {
		if (addr_parse(base, &addr))
			refuse("%s is no address", base);
		servers_in_a_row(out, &addr, late->count);
	}
	for (i = 0; i < late->nfails; i++)
		fail_of(late->fail[i], out);
	if (out->mailbox_port && out->mailbox_port == out->address_book_port)
		refuse("both services on port %u", out->mailbox_port);
}

void options_read(int argc, char **argv, struct options *out)
{
	struct late late = { .count = 3 };
	int option;

	*out = (struct options){
		.epm_port = EPM_PORT,
		.low = 49152,
		.high = 65535,
		.park_ms = 300000,
		.checks_source = true,
	};
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		option_take(option, out, &late);
	if (optind < argc)
		refuse("what is %s?", argv[optind]);
	options_finish(out, &late);
}
