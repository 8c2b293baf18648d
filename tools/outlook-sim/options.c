/*
 * options.c - what outlook-sim was asked to do.
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
#include "sim/stub.h"
#include "wire/epm.h"

#define SEND_MAX 65536u

static const char usage[] =
	"usage: outlook-sim --to ADDRESS [OPTION]...\n"
	"Behave as many Outlooks do towards one address: look each interface\n"
	"up on a connection of its own to the endpoint mapper, ask for a\n"
	"referral (RFR), bind to the address book (NSPI), open a session\n"
	"(EMSMDB), wait for news (AsyncEMSMDB), open more connections that\n"
	"join the session's association group, and a linked session; then\n"
	"work with it. Says where everybody went and how long things took.\n"
	"\n"
	"  --to ADDRESS      where to; repeated: clients take turns\n"
	"  --clients N       (1)\n"
	"  --from PREFIX     client N comes from the Nth address of it (IPv4)\n"
	"  --from-v6 PREFIX  the same, for a target that is IPv6\n"
	"  --share N         N clients have one address, as behind a NAT\n"
	"                    gateway (1)\n"
	"  --epm-port PORT   (135)\n"
	"  --static MAILBOX,ADDRESSBOOK  ports that are known: no look-ups\n"
	"  --parallel        all look-ups and first connections at once\n"
	"  --pool N          connections that join the session's group (1)\n"
	"  --linked N        sessions linked to the first (1)\n"
	"  --duration TIME   (10s)\n"
	"  --ramp TIME       all clients have started after this (1s)\n"
	"  --think TIME      between two calls, from half to one and a half "
	"of\n"
	"                    it (1s)\n"
	"  --refresh TIME    between two referrals (10s)\n"
	"  --retry TIME      before trying again; grows 16-fold (500ms)\n"
	"  --timeout TIME    of a connect, a bind or a call (30s)\n"
	"  --send N          octets that a call brings (200)\n"
	"  --want N          octets that a call asks for (1000)\n"
	"  --rate N          N calls a second in all, instead of thinking\n"
	"  --strict          an outage is a failure too\n"
	"  --list            say of each client where it went\n"
	"  --json            write one JSON object\n"
	"  --help\n"
	"Times are written 250ms, 5s, 2m.\n"
	"\n"
	"Exit status: 0 no client was split or saw a fault that no outage\n"
	"explains, and every client was served; 1 otherwise; 2 it could not\n"
	"begin.\n";

static _Noreturn void refuse(const char *format, ...)
{
	va_list args;

	fputs("outlook-sim: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\noutlook-sim --help says what there is\n", stderr);
	exit(2);
}

static unsigned long number_of(const char *text, unsigned long least,
			       unsigned long most)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*end || end == text || *text == '-' || number < least ||
	    number > most)
		refuse("%s is no number from %lu to %lu", text, least, most);
	return number;
}

static uint16_t port_of(const char *text)
{
	return (uint16_t)number_of(text, 1, 65535);
}

static uint64_t time_of(const char *text)
{
	uint64_t ms;

	if (tick_parse(text, &ms))
		refuse("%s is no time; write 250ms, 5s or 2m", text);
	return ms;
}

static void prefix_of(const char *text, uint8_t family, struct prefix *out)
{
	if (prefix_parse(text, out) || out->addr.family != family)
		refuse("%s is no prefix of IPv%c", text,
		       family == AF_INET ? '4' : '6');
}

static void target_of(const char *text, struct options *out)
{
	if (out->ntargets == TARGETS_MAX)
		refuse("more than %d --to", TARGETS_MAX);
	if (addr_parse(text, &out->target[out->ntargets]))
		refuse("%s is no address", text);
	out->ntargets++;
}

static void static_of(char *text, struct options *out)
{
	char *comma = strchr(text, ',');

	if (!comma)
		refuse("%s is not MAILBOX,ADDRESSBOOK", text);
	*comma = '\0';
	out->mailbox_port = port_of(text);
	out->address_book_port = port_of(comma + 1);
}

enum choice {
	OPT_TO = 256,
	OPT_CLIENTS,
	OPT_FROM,
	OPT_FROM_V6,
	OPT_SHARE,
	OPT_EPM_PORT,
	OPT_STATIC,
	OPT_PARALLEL,
	OPT_POOL,
	OPT_LINKED,
	OPT_DURATION,
	OPT_RAMP,
	OPT_THINK,
	OPT_REFRESH,
	OPT_RETRY,
	OPT_TIMEOUT,
	OPT_SEND,
	OPT_WANT,
	OPT_RATE,
	OPT_STRICT,
	OPT_LIST,
	OPT_JSON,
	OPT_HELP,
};

static const struct option options[] = {
	{ "to", required_argument, NULL, OPT_TO },
	{ "clients", required_argument, NULL, OPT_CLIENTS },
	{ "from", required_argument, NULL, OPT_FROM },
	{ "from-v6", required_argument, NULL, OPT_FROM_V6 },
	{ "share", required_argument, NULL, OPT_SHARE },
	{ "epm-port", required_argument, NULL, OPT_EPM_PORT },
	{ "static", required_argument, NULL, OPT_STATIC },
	{ "parallel", no_argument, NULL, OPT_PARALLEL },
	{ "pool", required_argument, NULL, OPT_POOL },
	{ "linked", required_argument, NULL, OPT_LINKED },
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "ramp", required_argument, NULL, OPT_RAMP },
	{ "think", required_argument, NULL, OPT_THINK },
	{ "refresh", required_argument, NULL, OPT_REFRESH },
	{ "retry", required_argument, NULL, OPT_RETRY },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "send", required_argument, NULL, OPT_SEND },
	{ "want", required_argument, NULL, OPT_WANT },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "strict", no_argument, NULL, OPT_STRICT },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static void time_take(int option, struct options *out)
{
	uint64_t ms = time_of(optarg);

	if (option == OPT_DURATION)
		out->duration_ms = ms;
	else if (option == OPT_RAMP)
		out->ramp_ms = ms;
	else if (option == OPT_THINK)
		out->think_ms = ms;
	else if (option == OPT_REFRESH)
		out->refresh_ms = ms;
	else if (option == OPT_RETRY)
		out->retry_ms = ms;
	else
		out->timeout_ms = ms;
}

static void option_take(int option, struct options *out)
{
	switch (option) {
	case OPT_TO:
		target_of(optarg, out);
		break;
	case OPT_CLIENTS:
		out->nclients = (unsigned)number_of(optarg, 1, 1000000);
		break;
	case OPT_FROM:
		prefix_of(optarg, AF_INET, &out->from4);
		break;
	case OPT_FROM_V6:
		prefix_of(optarg, AF_INET6, &out->from6);
		break;
	case OPT_SHARE:
		out->nshare = (unsigned)number_of(optarg, 1, 1000000);
		break;
	case OPT_EPM_PORT:
		out->epm_port = port_of(optarg);
		break;
	case OPT_STATIC:
		static_of(optarg, out);
		break;
	case OPT_PARALLEL:
		out->is_parallel = true;
		break;
	case OPT_POOL:
		out->npool = (unsigned)number_of(optarg, 0, POOL_MAX);
		break;
	case OPT_LINKED:
		out->nlinked = (unsigned)number_of(optarg, 0, POOL_MAX);
		break;
	case OPT_DURATION:
	case OPT_RAMP:
	case OPT_THINK:
	case OPT_REFRESH:
	case OPT_RETRY:
	case OPT_TIMEOUT:
		time_take(option, out);
		break;
	case OPT_SEND:
		out->send = (uint32_t)number_of(optarg, 0, SEND_MAX);
		break;
	case OPT_WANT:
		out->want = (uint32_t)number_of(optarg, 0, STUB_PAYLOAD_MAX);
		break;
	case OPT_RATE:
		out->rate_per_s = number_of(optarg, 1, 10000000);
		break;
	case OPT_STRICT:
		out->is_strict = true;
		break;
	case OPT_LIST:
		out->lists = true;
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

/* An address for every client, or every <nshare> of them; the first and the
 * last of the prefix are left alone. */
static void check_room(const struct prefix *from, unsigned nclients,
		       unsigned nshare)
{
	unsigned naddresses = (nclients - 1) / nshare + 1;
	unsigned host_bits;

	if (!from->addr.family)
		return;
	host_bits = 8 * (unsigned)addr_len(&from->addr) - from->bits;
	if (host_bits < 32 && ((uint64_t)1 << host_bits) < naddresses + 2ull)
		refuse("--from has too few addresses for %u clients", nclients);
}

void options_read(int argc, char **argv, struct options *out)
{
	int option;

	*out = (struct options){
		.nclients = 1,
		.nshare = 1,
		.epm_port = EPM_PORT,
		.npool = 1,
		.nlinked = 1,
		.duration_ms = 10000,
		.ramp_ms = 1000,
		.think_ms = 1000,
		.refresh_ms = 10000,
		.retry_ms = 500,
		.timeout_ms = 30000,
		.send = 200,
		.want = 1000,
	};
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		option_take(option, out);
	if (optind < argc)
		refuse("what is %s?", argv[optind]);
	if (!out->ntargets)
		refuse("--to says where to; it is missing");
	check_room(&out->from4, out->nclients, out->nshare);
	check_room(&out->from6, out->nclients, out->nshare);
}
