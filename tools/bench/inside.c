/*
 * inside.c - what the balancer's own code costs, without the kernel's.
 *
 * Layer: tools (over svc, whose private view of a connection it needs).
 * Units: nanoseconds of the thread's CPU; octets.
 *
 * One connection is set up as if it were relayed, and what a client and a
 * server say is given to the function that looks at every PDU. Prints one
 * JSON object.
 */
#include "../../src/svc/rpc_priv.h"
#include "mapper.h"

#include <stdbool.h>
#include <unistd.h>

#define SERVERS	     1
#define CLIENT_PORTS 4 /* leases of one client */

struct stage {
	struct conf *conf;
	struct loop *loop;
	struct log log;
	struct array array;
	struct sched sched;
	struct svc_rpc_shared shared;
	struct svc_rpc *svc;
	struct rpc_conn conn;
	struct mapper mapper;
	uint32_t rounds;
};

struct message {
	uint8_t octet[MAPPER_ANSWER_MAX];
	size_t len;
};

static struct stage stage;
static const uint8_t seed[HASH_KEY_LEN] = { 1 };

static void put_nowhere(struct log *log, enum log_level level,
			struct bytes line)
{
	(void)log;
	(void)level;
	die("the balancer complains: %.*s", (int)line.len,
	    (const char *)line.at);
}

static void configure(enum conf_epm epm)
{
	struct conf *conf = conf_new();
	size_t i;

	if (!conf || addr_parse("127.0.0.2", &conf->server[0].address))
		die("no configuration");
	conf->nservers = SERVERS;
	snprintf(conf->server[0].name, CONF_NAME_MAX, "s0");
	conf->server[0].weight = 1;
	conf->affinity.entries = 1000;
	conf->rpc.ports = CONF_PORTS_DYNAMIC;
	conf->rpc.epm = epm;
	conf->rpc.any_interface = false;
	conf->rpc.ninterfaces = 0;
	for (i = 0; i < PDUS_REGISTERED; i++)
		conf->rpc.interface[conf->rpc.ninterfaces++] =
			pdus_registered[i].iface->syntax;
	stage.conf = conf;
}

/* The server announces what sink has registered. */
static void announce(struct router *router)
{
	const struct portset none = { 0 };
	struct portmap_rules rules = { .first = 1024,
				       .last = 65535,
				       .exclude = &none,
				       .linger_ms = CONF_NEVER };
	struct announcement list[PDUS_REGISTERED];
	struct portset open;
	size_t i;

	for (i = 0; i < PDUS_REGISTERED; i++)
		list[i] = (struct announcement){
			.interface = pdus_registered[i].iface->syntax,
			.port = mapper_port(&stage.mapper, i),
		};
	if (announced_set(router->announced, 0, list, PDUS_REGISTERED) < 0)
		die("announced_set");
	portmap_update(router->portmap, &stage.array, router->announced, &rules,
		       0);
	portmap_ports(router->portmap, &open);
	svc_rpc_set_open(&stage.shared, &open,
			 announced_changes(router->announced));
}

static void build(void)
{
	struct router *router = &stage.shared.router;
	struct svc_rpc_config config = { .log = &stage.log,
					 .shared = &stage.shared,
					 .conf = stage.conf };

	stage.log =
		(struct log){ .level = LOG_LEVEL_WARNING, .put = put_nowhere };
	stage.loop = config.loop = loop_new();
	stage.shared.max_connections = 1;
	array_init(&stage.array);
	if (!config.loop || array_apply(&stage.array, stage.conf))
		die("no loop, no array");
	router->array = &stage.array;
	router->affinity = affinity_new(stage.conf, seed);
	router->announced = announced_new();
	router->leases = leases_new(1000, stage.conf->rpc.lease_timeout_ms,
				    seed, NULL, NULL);
	router->portmap = portmap_new();
	router->groups = groups_new(1000, seed);
	router->has_virtual_ports = conf_has_virtual_ports(&stage.conf->rpc);
	if (!router->affinity || !router->announced || !router->leases ||
	    !router->portmap || !router->groups ||
	    svc_rpc_new(&config, &stage.svc))
		die("no memory");
	announce(router);
}

/* A socket whose own address is that of the balancer. */
static int client_socket(void)
{
	struct sockaddr_in sa = sockaddr_of(INADDR_LOOPBACK, 0);
	socklen_t len = sizeof(sa);
	int listening = socket(AF_INET, SOCK_STREAM, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listening, (struct sockaddr *)&sa, len) ||
	    listen(listening, 1) ||
	    getsockname(listening, (struct sockaddr *)&sa, &len) ||
	    connect(fd, (struct sockaddr *)&sa, len))
		die("no connection to ourselves");
	return fd;
}

static void connection_begin(enum route_kind kind)
{
	struct rpc_conn *conn = &stage.conn;

	conn->svc = stage.svc;
	conn->state = RPC_SETTLED;
	conn->server = &stage.array.server[0];
	conn->client_fd = client_socket();
	conn->route.kind = kind;
	conn->route.port = stage.mapper.port[0];
	if (addr_parse("127.0.0.3", &conn->client.addr))
		die("no client");
	conn->route.name = conn->client.addr;
	rpc_watch_begin(conn);
}

/* What one side says, as it comes out of one read. */
static void look(enum relay_end from, uint8_t *at, size_t len)
{
	struct relay_look said = { .len = len, .pass = len };
	struct relay *relay = &stage.conn.relay;

	relay->look(relay, from, at, len, &said);
	if (said.pass != len || said.end || said.is_last)
		die("%zu octets were not passed on as they came", len);
}

static uint64_t cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static double mean_since(uint64_t start_ns)
{
	return (double)(cpu_ns() - start_ns) / stage.rounds;
}

/* A copy of it: what is looked at may be changed. */
static void say(enum relay_end from, const struct message *message)
{
	uint8_t room[MAPPER_ANSWER_MAX];

	memcpy(room, message->octet, message->len);
	look(from, room, message->len);
}

/* A bind, and what the server says to it. */
static void prepare_bind(const struct iface *iface, struct message *bind,
			 struct message *ack)
{
	struct builder out = pdus_bind(bind->octet, MAPPER_ANSWER_MAX, iface);

	bind->len = pdus_done(&out);
	ack->len = mapper_answer(&stage.mapper,
				 bytes_of(bind->octet, bind->len), ack->octet);
}

static void connection_bind(enum route_kind kind, const struct iface *iface)
{
	struct message bind, ack;

	connection_begin(kind);
	prepare_bind(iface, &bind, &ack);
	say(RELAY_CLIENT, &bind);
	say(RELAY_SERVER, &ack);
}

/* A question and its answer, over and over. */
static double converse(const struct message *ask, const struct message *answer)
{
	uint64_t start = cpu_ns();
	uint32_t i;

	for (i = 0; i < stage.rounds; i++) {
		say(RELAY_CLIENT, ask);
		say(RELAY_SERVER, answer);
	}
	return mean_since(start);
}

static double frame(void)
{
	struct message ask = { .len = REQUEST_LEN };
	struct message answer = { .len = ANSWER_LEN };

	connection_bind(ROUTE_FIXED, &iface_emsmdb);
	pdus_fill(ask.octet, PDU_REQUEST, REQUEST_LEN, MODE_EXCHANGE);
	pdus_fill(answer.octet, PDU_RESPONSE, ANSWER_LEN, ANSWER_OCTET);
	return converse(&ask, &answer);
}

static double map(void)
{
	struct message ask, answer;

	connection_bind(ROUTE_MAPPER, &iface_epm);
	ask.len = pdus_map(ask.octet, sizeof(ask.octet), &iface_emsmdb);
	answer.len = mapper_answer(&stage.mapper, bytes_of(ask.octet, ask.len),
				   answer.octet);
	return converse(&ask, &answer);
}

/* A connection of which nothing but the bind is looked at, over and over. */
static double bind_only(void)
{
	struct message bind, ack;
	uint64_t start;
	uint32_t i;

	connection_begin(ROUTE_FIXED);
	prepare_bind(&iface_emsmdb, &bind, &ack);
	start = cpu_ns();
	for (i = 0; i < stage.rounds; i++) {
		say(RELAY_CLIENT, &bind);
		say(RELAY_SERVER, &ack);
		rpc_watch_end(&stage.conn);
		rpc_watch_begin(&stage.conn);
	}
	return mean_since(start);
}

/* Pages of our own, in octets. */
static size_t memory_used(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	char line[128];
	size_t kib = 0;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Pss_Anon: %zu kB", &kib) == 1)
			break;
	if (!file || !kib)
		die("no smaps_rollup");
	fclose(file);
	return kib * 1024;
}

/* <rounds> leases of clients with CLIENT_PORTS each; the table is there. */
static void grant_all(struct leases *leases)
{
	struct lease_target target = { .interface = iface_emsmdb.syntax };
	struct addr client = { .family = AF_INET };
	uint32_t i, number;

	for (i = 0; i < stage.rounds; i++) {
		number = htonl(i / CLIENT_PORTS);
		memcpy(client.octet, &number, sizeof(number));
		target.port = (uint16_t)(7001 + i % CLIENT_PORTS);
		if (lease_grant(leases, &client, target.port, &target, 1) < 0)
			die("lease %u is refused", i);
	}
}

/* Octets of a lease. */
static double lease(void)
{
	size_t before = memory_used(), grown;
	struct leases *leases = leases_new(stage.rounds + stage.rounds / 4,
					   1000, seed, NULL, NULL);

	if (!leases)
		die("no memory");
	grant_all(leases);
	grown = memory_used() - before;
	leases_free(leases);
	return (double)grown / stage.rounds;
}

static const char help[] =
	"usage: inside WHAT ROUNDS\n"
	"  frame    a request and its answer, looked at\n"
	"  bind     a bind and its answer\n"
	"  pass, track, rewrite\n"
	"           an ept_map and its answer, with this epm\n"
	"  lease    memory, of ROUNDS leases\n"
	"Prints the nanoseconds of a round, or the octets of a lease.\n";

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		enum conf_epm epm;
		double (*run)(void);
	} what[] = {
		{ "frame", CONF_EPM_TRACK, frame },
		{ "bind", CONF_EPM_TRACK, bind_only },
		{ "pass", CONF_EPM_PASS, map },
		{ "track", CONF_EPM_TRACK, map },
		{ "rewrite", CONF_EPM_REWRITE, map },
	};
	size_t i;

	if (argc != 3) {
		fputs(help, stderr);
		return 2;
	}
	stage.rounds = number_parse(argv[2], UINT32_MAX);
	stage.mapper.at.family = AF_INET;
	stage.mapper.port[0] = 7001;
	stage.mapper.port[1] = 7002;
	if (!strcmp(argv[1], "lease")) {
		printf("%.2f\n", lease());
		return 0;
	}
	for (i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
		if (strcmp(argv[1], what[i].name) != 0)
			continue;
		configure(what[i].epm);
		build();
		printf("%.2f\n", what[i].run());
		return 0;
	}
	die("unknown: %s", argv[1]);
}
