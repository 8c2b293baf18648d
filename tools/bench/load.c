/*
 * load.c - the benchmark's clients: one thread, one epoll descriptor.
 *
 * Layer: tools (over wire).
 * Source: common.h says the conversations with sink.
 * Units: times in nanoseconds inside, milliseconds on the command line.
 *
 * Connections are opened a few at a time (a burst of SYNs would be dropped
 * in the loopback's backlog and look like a slow proxy). When all are open
 * and the warm-up is over, a window is measured, and one JSON object with
 * what was done in it goes to standard output. CPU of other processes is
 * read from the kernel's account (all threads) at both ends of the window.
 */
#include "pdus.h"

#include <endian.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX    256
#define OPENING_MAX   64
#define WATCHED_MAX   8
#define FAILED_MAX    1000
#define OPEN_LIMIT_NS (30 * NS_PER_S)
#define MESSAGE_MAX   256
#define ANSWER_MAX    1024
#define MESSAGES_MAX  4

enum state { CLOSED, CONNECTING, BINDING, EXCHANGING, IDLE, DOWN, UP };

struct connection {
	int fd;
	enum state state;
	uint32_t missing; /* of the answer */
	uint32_t at;	  /* in the octets without end */
};

struct message {
	uint8_t octet[MESSAGE_MAX];
	size_t len;
};

struct watched {
	const char *name;
	clockid_t clock;
	uint64_t start_ns, end_ns;
};

/* What the command line asks for. */
struct plan {
	char mode;   /* MODE_… of the conversation */
	bool opaque; /* no RPC: octets without end, from the first on */
	bool mapper; /* with an endpoint mapper */
	bool binds;  /* a bind is the whole exchange */
	bool fresh;  /* close after each exchange, open anew */
	bool hold;   /* one exchange each, then only stay open */
	bool say;    /* print <first> and end */
	uint32_t connections;
	struct addresses to, from;
	struct ports ports;
	uint64_t warm_ns, window_ns;
	struct watched watched[WATCHED_MAX];
	unsigned nwatched;
};

struct count {
	uint64_t operations; /* exchanges completed, or connections */
	uint64_t octets;     /* of bulk flows */
	uint64_t failed;
};

struct load {
	struct plan plan;
	struct connection *conns;
	int epoll;
	uint32_t opened, opening, idle;
	uint32_t next_source;
	uint64_t random;
	struct count count;
	struct message first, next[MESSAGES_MAX]; /* <next> in turn */
	unsigned nnext, turn;
	uint8_t endless[BULK_LEN];
	uint8_t scratch[BULK_LEN];
};

static struct load load;

static uint32_t random_below(uint32_t bound)
{
	load.random ^= load.random << 13;
	load.random ^= load.random >> 7;
	load.random ^= load.random << 17;
	return (uint32_t)((load.random >> 32) % bound);
}

static uint16_t pick_port(void)
{
	struct ports p = load.plan.ports;

	if (p.low == p.high)
		return p.low;
	return (uint16_t)(p.low + random_below(p.high - p.low + 1U));
}

static void bind_source(int fd)
{
	struct addresses from = load.plan.from;
	struct sockaddr_in sa;
	int on = 1;

	if (!from.count)
		return;
	sa = sockaddr_of(from.first + load.next_source++ % from.count, 0);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		die("bind: %s", strerror(errno));
}

static void watch(struct connection *c, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (epoll_ctl(load.epoll, op, c->fd, &ev))
		die("epoll_ctl: %s", strerror(errno));
}

static void connection_open(struct connection *c)
{
	struct sockaddr_in sa = sockaddr_of(load.plan.to.first, pick_port());
	int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket: %s", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	bind_source(c->fd);
	if (connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)) &&
	    errno != EINPROGRESS)
		die("connect to port %u: %s", ntohs(sa.sin_port),
		    strerror(errno));
	c->state = CONNECTING;
	load.opening++;
	watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

/* Opens the connections that the plan still lacks, a few at a time. */
static void open_more(void)
{
	while (load.opened < load.plan.connections &&
	       load.opening < OPENING_MAX)
		connection_open(&load.conns[load.opened++]);
}

static void connection_fail(struct connection *c, const char *what, int error)
{
	load.count.failed++;
	if (!load.plan.fresh || load.count.failed > FAILED_MAX)
		die("%s: %s", what, error ? strerror(error) : "closed");
	if (c->state == CONNECTING)
		load.opening--;
	close(c->fd);
	connection_open(c);
}

static void say(struct connection *c, const struct message *m)
{
	ssize_t n = send(c->fd, m->octet, m->len, MSG_NOSIGNAL);

	if (n != (ssize_t)m->len)
		connection_fail(c, "send", n < 0 ? errno : 0);
}

static void say_next(struct connection *c)
{
	say(c, &load.next[load.turn++ % load.nnext]);
}

static void bulk_begin(struct connection *c)
{
	bool is_up = load.plan.mode == MODE_UP;

	c->state = is_up ? UP : DOWN;
	if (is_up)
		watch(c, EPOLL_CTL_MOD, EPOLLOUT);
	else
		bulk_reader(c->fd);
}

static void connected(struct connection *c)
{
	socklen_t len = sizeof(int);
	int error = 0;

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		connection_fail(c, "connect", error);
		return;
	}
	watch(c, EPOLL_CTL_MOD, EPOLLIN);
	c->state = BINDING;
	c->missing = 0;
	load.opening--;
	if (load.plan.opaque)
		bulk_begin(c);
	say(c, &load.first);
}

/* The bind is answered: the first request. */
static void bound(struct connection *c)
{
	c->state = EXCHANGING;
	say_next(c);
	if (load.plan.mode != MODE_EXCHANGE)
		bulk_begin(c);
}

/* An answer is complete: what the connection does next. */
static void exchanged(struct connection *c)
{
	if (c->state == BINDING && !load.plan.binds) {
		bound(c);
		return;
	}
	load.count.operations++;
	if (load.plan.fresh) {
		close(c->fd);
		connection_open(c);
	} else if (load.plan.hold) {
		c->state = IDLE;
		load.idle++;
	} else {
		say_next(c);
	}
}

static uint32_t pdu_len(const uint8_t *pdu)
{
	uint16_t len;

	memcpy(&len, pdu + 8, sizeof(len));
	return le16toh(len);
}

/* Are the <n> octets of scratch the begin of what was asked for? An endpoint
 * mapper's answer ends with its status, and must name a port. */
static bool is_answer(const struct connection *c, size_t n)
{
	bool is_ack = c->state == BINDING;
	uint8_t type = is_ack ? PDU_BIND_ACK : PDU_RESPONSE;
	static const uint8_t success[4];

	if (n < PDU_HEADER_LEN || load.scratch[0] != RPC_VERSION ||
	    load.scratch[2] != type)
		return false;
	if (load.plan.mapper)
		return c->missing == n &&
		       (is_ack || !memcmp(load.scratch + n - 4, success, 4));
	return c->missing == (is_ack ? ACK_LEN : ANSWER_LEN);
}

static void answer_read(struct connection *c)
{
	ssize_t n = recv(c->fd, load.scratch, ANSWER_MAX, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		connection_fail(c, "recv", n < 0 ? errno : 0);
		return;
	}
	if (!c->missing) {
		c->missing = pdu_len(load.scratch);
		if (!is_answer(c, (size_t)n))
			die("an answer that was not asked for");
	}
	if ((size_t)n > c->missing)
		die("more than an answer");
	c->missing -= (uint32_t)n;
	if (!c->missing)
		exchanged(c);
}

/* MSG_TRUNC throws the octets away in the kernel: a cheap reader. */
static void bulk_read(struct connection *c)
{
	ssize_t n = recv(c->fd, load.scratch, BULK_LEN, MSG_TRUNC);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("recv: %s", n < 0 ? strerror(errno) : "closed");
	load.count.octets += (uint64_t)n;
}

static void bulk_write(struct connection *c)
{
	ssize_t n = send(c->fd, load.endless + c->at, BULK_LEN - c->at,
			 MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		die("send: %s", strerror(errno));
	if (n <= 0)
		return;
	load.count.octets += (uint64_t)n;
	c->at = (c->at + (uint32_t)n) % BULK_LEN;
}

static void connection_event(struct connection *c)
{
	switch (c->state) {
	case CONNECTING:
		connected(c);
		break;
	case BINDING:
	case EXCHANGING:
		answer_read(c);
		break;
	case DOWN:
		bulk_read(c);
		break;
	case UP:
		bulk_write(c);
		break;
	case IDLE:
		die("an idle connection was closed or sent to");
	case CLOSED:
		break;
	}
}

static void turn(int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int i, n;

	n = epoll_wait(load.epoll, events, EVENTS_MAX, timeout_ms);
	if (n < 0 && errno != EINTR)
		die("epoll_wait: %s", strerror(errno));
	for (i = 0; i < n; i++)
		connection_event(events[i].data.ptr);
}

static void run_for(uint64_t ns)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + ns;

	while (clock_ns(CLOCK_MONOTONIC) < end)
		turn(10);
}

static void run_until_open(void)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + OPEN_LIMIT_NS;
	bool fresh = load.plan.fresh;

	do {
		open_more();
		turn(10);
		if (clock_ns(CLOCK_MONOTONIC) > end)
			die("%u of %u connections are open after 30 s",
			    load.opened - load.opening, load.plan.connections);
	} while (load.opened < load.plan.connections ||
		 (load.opening && !fresh));
}

/* "total" counts operations from the start on, "failed" too. */
static void print_count(struct count was, uint64_t elapsed_ns, uint64_t own_ns)
{
	struct count now = load.count;
	unsigned i;

	printf("{\"seconds\": %.6f, \"operations\": %llu, \"total\": %llu, "
	       "\"octets\": %llu, \"failed\": %llu, "
	       "\"cpu_ns\": {\"load\": %llu",
	       (double)elapsed_ns / (double)NS_PER_S,
	       (unsigned long long)(now.operations - was.operations),
	       (unsigned long long)now.operations,
	       (unsigned long long)(now.octets - was.octets),
	       (unsigned long long)now.failed, (unsigned long long)own_ns);
	for (i = 0; i < load.plan.nwatched; i++) {
		struct watched *w = &load.plan.watched[i];

		printf(", \"%s\": %llu", w->name,
		       (unsigned long long)(w->end_ns - w->start_ns));
	}
	printf("}}\n");
	fflush(stdout);
}

static void measure(void)
{
	struct watched *w = load.plan.watched;
	struct count was = load.count;
	uint64_t own, start;
	unsigned i;

	own = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	start = clock_ns(CLOCK_MONOTONIC);
	for (i = 0; i < load.plan.nwatched; i++)
		w[i].start_ns = clock_ns(w[i].clock);
	run_for(load.plan.window_ns);
	for (i = 0; i < load.plan.nwatched; i++)
		w[i].end_ns = clock_ns(w[i].clock);
	print_count(was, clock_ns(CLOCK_MONOTONIC) - start,
		    clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own);
}

/* Says "ready" when every connection is idle; ends with standard input. */
static void hold(void)
{
	char octet;

	while (load.idle < load.plan.connections)
		turn(10);
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &octet, 1) > 0)
		;
}

static const char help[] =
	"usage: load --to ADDRESS --port PORT[-PORT] [OPTION...]\n"
	"Clients of sink, directly or through a balancer.\n"
	"  --mode MODE        exchange  bind, then request and response, over\n"
	"                               and over\n"
	"                     connect   open, bind, close\n"
	"                     hold      open, bind, stay idle until standard\n"
	"                               input ends; says \"ready\"\n"
	"                     down, up  octets without end\n"
	"                     pdus-down, pdus-up\n"
	"                               the same as PDUs of 5,840 octets\n"
	"                     mapper    open, bind, ept_map, close\n"
	"                     ask       bind, then ept_map over and over\n"
	"  --port LOW-HIGH    a random port for each connection\n"
	"  --from ADDR/COUNT  source addresses, in turn\n"
	"  --connections N    open at the same time (1)\n"
	"  --warm-up MS       before the window (300)\n"
	"  --window MS        what is measured (1000)\n"
	"  --say              only say what each connection begins with, and "
	"end\n"
	"  --watch NAME=PID   report this process's CPU as NAME\n"
	"Prints one JSON object; times are CPU nanoseconds of all threads.\n";

static void plan_mode(struct plan *plan, const char *name)
{
	static const struct {
		const char *name;
		struct plan plan;
	} modes[] = {
		{ "exchange", { .mode = MODE_EXCHANGE } },
		{ "connect",
		  { .mode = MODE_EXCHANGE, .binds = true, .fresh = true } },
		{ "hold",
		  { .mode = MODE_EXCHANGE, .binds = true, .hold = true } },
		{ "down", { .mode = MODE_DOWN, .opaque = true } },
		{ "up", { .mode = MODE_UP, .opaque = true } },
		{ "pdus-down", { .mode = MODE_DOWN } },
		{ "pdus-up", { .mode = MODE_UP } },
		{ "mapper",
		  { .mode = MODE_EXCHANGE, .mapper = true, .fresh = true } },
		{ "ask", { .mode = MODE_EXCHANGE, .mapper = true } },
	};
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		const struct plan *one = &modes[i].plan;

		if (strcmp(name, modes[i].name) != 0)
			continue;
		plan->mode = one->mode;
		plan->opaque = one->opaque;
		plan->mapper = one->mapper;
		plan->binds = one->binds;
		plan->fresh = one->fresh;
		plan->hold = one->hold;
		return;
	}
	die("unknown mode: %s", name);
}

static void prepare_bind(const struct plan *plan)
{
	struct message *first = &load.first;
	struct builder out =
		pdus_bind(first->octet, MESSAGE_MAX,
			  plan->mapper ? &iface_epm : &iface_emsmdb);

	if (!plan->mapper)
		pdus_authenticate(&out, BIND_LEN, NTLM_NEGOTIATE);
	first->len = pdus_done(&out);
}

/* Writes what will be said. */
static void prepare(const struct plan *plan)
{
	struct message *next = load.next;

	if (plan->opaque) {
		load.first.len = REQUEST_LEN;
		memset(load.first.octet, plan->mode, REQUEST_LEN);
		return;
	}
	prepare_bind(plan);
	for (; load.nnext < PDUS_REGISTERED && plan->mapper; load.nnext++)
		next[load.nnext].len =
			pdus_map(next[load.nnext].octet, MESSAGE_MAX,
				 pdus_registered[load.nnext].iface);
	if (plan->mapper)
		return;
	load.nnext = 1;
	next->len = REQUEST_LEN;
	pdus_fill(next->octet, PDU_REQUEST, REQUEST_LEN, plan->mode);
	pdus_fill_bulk(load.endless, PDU_REQUEST);
}

static void plan_watch(struct plan *plan, char *arg)
{
	struct watched *w = &plan->watched[plan->nwatched];
	char *equals = strchr(arg, '=');
	pid_t pid;

	if (!equals || plan->nwatched == WATCHED_MAX)
		die("--watch takes NAME=PID, at most %d times", WATCHED_MAX);
	*equals = '\0';
	pid = (pid_t)number_parse(equals + 1, INT32_MAX);
	w->name = arg;
	if (clock_getcpuclockid(pid, &w->clock))
		die("no process %d", (int)pid);
	plan->nwatched++;
}

static void plan_option(struct plan *plan, int option, char *arg)
{
	switch (option) {
	case 'm':
		plan_mode(plan, arg);
		break;
	case 't':
		plan->to = addresses_parse(arg);
		break;
	case 'p':
		plan->ports = ports_parse(arg);
		break;
	case 'f':
		plan->from = addresses_parse(arg);
		break;
	case 'n':
		plan->connections = number_parse(arg, 1000000);
		break;
	case 'u':
		plan->warm_ns = number_parse(arg, 3600000) * NS_PER_MS;
		break;
	case 'w':
		plan->window_ns = number_parse(arg, 3600000) * NS_PER_MS;
		break;
	case 's':
		plan->say = true;
		break;
	case 'c':
		plan_watch(plan, arg);
		break;
	case 'h':
		fputs(help, stdout);
		exit(0);
	default:
		die("try --help");
	}
}

static void plan_read(struct plan *plan, int argc, char **argv)
{
	static const struct option options[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "to", required_argument, NULL, 't' },
		{ "port", required_argument, NULL, 'p' },
		{ "from", required_argument, NULL, 'f' },
		{ "connections", required_argument, NULL, 'n' },
		{ "warm-up", required_argument, NULL, 'u' },
		{ "window", required_argument, NULL, 'w' },
		{ "say", no_argument, NULL, 's' },
		{ "watch", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
		plan_option(plan, option, optarg);
	if (optind != argc || !plan->to.count || !plan->ports.low)
		die("--to and --port are needed; try --help");
}

int main(int argc, char **argv)
{
	struct plan *plan = &load.plan;

	plan->connections = 1;
	plan->warm_ns = 300 * NS_PER_MS;
	plan->window_ns = 1000 * NS_PER_MS;
	plan_mode(plan, "exchange");
	plan_read(plan, argc, argv);
	descriptors_raise();
	prepare(plan);
	if (plan->say)
		return fwrite(load.first.octet, load.first.len, 1, stdout) != 1;
	load.random = clock_ns(CLOCK_MONOTONIC) | 1;
	load.conns = calloc(plan->connections, sizeof(*load.conns));
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!load.conns || load.epoll < 0)
		die("no memory or descriptors");
	run_until_open();
	if (plan->hold) {
		hold();
		return 0;
	}
	run_for(plan->warm_ns);
	measure();
	return 0;
}
