/*
 * load.c - the benchmark's clients: one thread, one epoll descriptor.
 *
 * Layer: tools (libc only).
 * Source: common.h says the conversation with sink.
 * Units: times in nanoseconds inside, milliseconds on the command line.
 *
 * Connections are opened a few at a time (a burst of SYNs would be dropped
 * in the loopback's backlog and look like a slow proxy). When all are open
 * and the warm-up is over, a window is measured, and one JSON object with
 * what was done in it goes to standard output. CPU of other processes is
 * read from the kernel's account (all threads) at both ends of the window.
 */
#include "common.h"

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

enum state { CLOSED, CONNECTING, EXCHANGING, IDLE, DOWN, UP };

struct connection {
	int fd;
	enum state state;
	uint32_t missing; /* of the answer */
};

struct watched {
	const char *name;
	clockid_t clock;
	uint64_t start_ns, end_ns;
};

/* What the command line asks for. */
struct plan {
	char mode;  /* MODE_… of the conversation */
	bool fresh; /* close after each exchange, open anew */
	bool hold;  /* one exchange each, then only stay open */
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
	char first[REQUEST_LEN]; /* a request; its first octet is the mode */
	char scratch[BULK_LEN];
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

static void request_send(struct connection *c)
{
	ssize_t n = send(c->fd, load.first, REQUEST_LEN, MSG_NOSIGNAL);

	if (n != REQUEST_LEN) {
		connection_fail(c, "send", n < 0 ? errno : 0);
		return;
	}
	c->missing = ANSWER_LEN;
}

static void connected(struct connection *c)
{
	static const enum state next[256] = {
		[MODE_EXCHANGE] = EXCHANGING,
		[MODE_DOWN] = DOWN,
		[MODE_UP] = UP,
	};
	enum state state = next[(unsigned char)load.plan.mode];
	socklen_t len = sizeof(int);
	int error = 0;

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		connection_fail(c, "connect", error);
		return;
	}
	watch(c, EPOLL_CTL_MOD, state == UP ? EPOLLOUT : EPOLLIN);
	if (state == DOWN)
		bulk_reader(c->fd);
	c->state = state;
	load.opening--;
	request_send(c);
}

/* An answer is complete: what the connection does next. */
static void exchanged(struct connection *c)
{
	load.count.operations++;
	if (load.plan.fresh) {
		close(c->fd);
		connection_open(c);
	} else if (load.plan.hold) {
		c->state = IDLE;
		load.idle++;
	} else {
		request_send(c);
	}
}

static void answer_read(struct connection *c)
{
	ssize_t n = recv(c->fd, load.scratch, ANSWER_LEN, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		connection_fail(c, "recv", n < 0 ? errno : 0);
		return;
	}
	if ((uint32_t)n > c->missing || load.scratch[0] != ANSWER_OCTET ||
	    load.scratch[n - 1] != ANSWER_OCTET)
		die("an answer that was not asked for");
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
	ssize_t n = send(c->fd, load.scratch, BULK_LEN, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		die("send: %s", strerror(errno));
	if (n > 0)
		load.count.octets += (uint64_t)n;
}

static void connection_event(struct connection *c)
{
	switch (c->state) {
	case CONNECTING:
		connected(c);
		break;
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
	"  --mode MODE        exchange  request and response, over and over\n"
	"                     connect   open, one exchange, close\n"
	"                     hold      open, one exchange, stay idle until\n"
	"                               standard input ends; says \"ready\"\n"
	"                     down, up  octets without end\n"
	"  --port LOW-HIGH    a random port for each connection\n"
	"  --from ADDR/COUNT  source addresses, in turn\n"
	"  --connections N    open at the same time (1)\n"
	"  --warm-up MS       before the window (300)\n"
	"  --window MS        what is measured (1000)\n"
	"  --watch NAME=PID   report this process's CPU as NAME\n"
	"Prints one JSON object; times are CPU nanoseconds of all threads.\n";

static void plan_mode(struct plan *plan, const char *name)
{
	static const struct {
		const char *name;
		char mode;
		bool fresh, hold;
	} modes[] = {
		{ "exchange", MODE_EXCHANGE, false, false },
		{ "connect", MODE_EXCHANGE, true, false },
		{ "hold", MODE_EXCHANGE, false, true },
		{ "down", MODE_DOWN, false, false },
		{ "up", MODE_UP, false, false },
	};
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(name, modes[i].name) != 0)
			continue;
		plan->mode = modes[i].mode;
		plan->fresh = modes[i].fresh;
		plan->hold = modes[i].hold;
		return;
	}
	die("unknown mode: %s", name);
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
	memset(load.first, plan->mode, sizeof(load.first));
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
