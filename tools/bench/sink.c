/*
 * sink.c - the benchmark's server: one thread, one epoll descriptor.
 *
 * Layer: tools (over wire; the kernel's bpf() without a library).
 * Source: common.h says the conversation; Linux
 *	Documentation/bpf/prog_sk_lookup.rst says how ports are steered.
 * Units: lengths in octets.
 *
 * With --steer one listener takes a whole range of ports, so that a
 * balancer that passes ports on finds its server on each of them, and the
 * server's cost does not depend on how many ports there are.
 */
#include "common.h"
#include "mapper.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/bpf.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EVENTS_MAX    256
#define LISTENERS_MAX 64
#define PORTS_MAX     8
#define BACKLOG	      4096
#define ACCEPT_MAX    64 /* in one event */
#define REQUESTS_MAX  8	 /* read at once */

struct peer {
	int fd;
	bool listens;
	bool is_mapper;	  /* the client came to port 135 */
	bool is_rpc;	  /* it has bound */
	char mode;	  /* MODE_…; 0 until it was said */
	uint32_t partial; /* octets of a request that is not whole yet */
	uint32_t at;	  /* in the octets without end */
};

struct sink {
	struct addresses at;
	uint16_t ports[PORTS_MAX];
	unsigned nports;
	struct ports steer; /* low 0: none */
	struct peer listeners[LISTENERS_MAX];
	unsigned nlisteners;
	int epoll;
	struct mapper mapper;
	uint8_t ack[ACK_LEN];
	uint8_t answers[REQUESTS_MAX * ANSWER_LEN];
	uint8_t endless[BULK_LEN]; /* PDUs */
	uint8_t scratch[BULK_LEN];
};

static struct sink sink;

static void peer_watch(struct peer *p, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = p };

	if (epoll_ctl(sink.epoll, op, p->fd, &ev))
		die("epoll_ctl: %s", strerror(errno));
}

static void peer_close(struct peer *p)
{
	close(p->fd);
	free(p);
}

/* False when nobody was waiting. */
static bool peer_accept(const struct peer *listener)
{
	struct peer *p;
	int fd;

	fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return false;
	p = calloc(1, sizeof(*p));
	if (!p)
		die("no memory");
	p->fd = fd;
	p->is_mapper = listener->is_mapper;
	peer_watch(p, EPOLL_CTL_ADD, EPOLLIN);
	return true;
}

static void listener_event(const struct peer *listener)
{
	int i;

	for (i = 0; i < ACCEPT_MAX; i++)
		if (!peer_accept(listener))
			return;
}

/* An answer for each whole request; a peer that does not read is lost. */
static void answer(struct peer *p, uint32_t got)
{
	uint32_t have = p->partial + got;
	uint32_t len = have / REQUEST_LEN * ANSWER_LEN;

	p->partial = have % REQUEST_LEN;
	if (len && send(p->fd, sink.answers, len, MSG_NOSIGNAL) != len)
		peer_close(p);
}

/* A question comes whole, or is none. */
static void answer_mapper(struct peer *p)
{
	uint8_t out[MAPPER_ANSWER_MAX];
	ssize_t n = recv(p->fd, sink.scratch, MAPPER_ANSWER_MAX, 0);
	size_t len;

	if (n < 0 && errno == EAGAIN)
		return;
	len = mapper_answer(&sink.mapper,
			    bytes_of(sink.scratch, n > 0 ? (size_t)n : 0), out);
	if (!len || send(p->fd, out, len, MSG_NOSIGNAL) != (ssize_t)len)
		peer_close(p);
}

/* Every bind gets an association group of its own. */
static bool answer_bind(struct peer *p, ssize_t n)
{
	struct builder ack = builder_over(sink.ack, ACK_LEN, true);

	p->is_rpc = true;
	ack.len = ACK_LEN;
	builder_set_u32(&ack, 20, ++sink.mapper.group);
	pdus_done(&ack);
	return n == BIND_LEN &&
	       send(p->fd, sink.ack, ACK_LEN, MSG_NOSIGNAL) == ACK_LEN;
}

/* What it wants; false: that cannot be understood. */
static bool peer_begin(struct peer *p, ssize_t n)
{
	if (!p->is_rpc && sink.scratch[0] == RPC_VERSION)
		return answer_bind(p, n);
	p->mode = (char)sink.scratch[p->is_rpc ? MODE_AT : 0];
	if (p->mode == MODE_EXCHANGE && p->is_rpc)
		answer(p, (uint32_t)n);
	else if (p->mode == MODE_DOWN)
		peer_watch(p, EPOLL_CTL_MOD, EPOLLOUT);
	else if (p->mode == MODE_UP)
		bulk_reader(p->fd);
	else
		return false;
	return true;
}

static void peer_first_read(struct peer *p)
{
	ssize_t n = recv(p->fd, sink.scratch, REQUEST_LEN, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n != REQUEST_LEN || !peer_begin(p, n))
		peer_close(p);
}

static void peer_read(struct peer *p)
{
	bool up = p->mode == MODE_UP;
	size_t want = up ? BULK_LEN : REQUESTS_MAX * REQUEST_LEN - p->partial;
	ssize_t n;

	n = recv(p->fd, sink.scratch, want, up ? MSG_TRUNC : 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		peer_close(p);
	else if (!up)
		answer(p, (uint32_t)n);
}

static void peer_write(struct peer *p)
{
	const uint8_t *octets = p->is_rpc ? sink.endless : sink.scratch;
	ssize_t n = send(p->fd, octets + p->at, BULK_LEN - p->at, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		peer_close(p);
	else if (n > 0)
		p->at = (p->at + (uint32_t)n) % BULK_LEN;
}

static void peer_event(struct peer *p)
{
	if (p->listens)
		listener_event(p);
	else if (p->is_mapper)
		answer_mapper(p);
	else if (!p->mode)
		peer_first_read(p);
	else if (p->mode == MODE_DOWN)
		peer_write(p);
	else
		peer_read(p);
}

static void listener_open(uint32_t address, uint16_t port)
{
	struct peer *p = &sink.listeners[sink.nlisteners++];
	struct sockaddr_in sa = sockaddr_of(address, port);
	int on = 1;

	if (sink.nlisteners > LISTENERS_MAX)
		die("more than %d listeners", LISTENERS_MAX);
	p->listens = true;
	p->is_mapper = port == EPM_PORT;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* inherited by every accepted socket */
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(p->fd, (struct sockaddr *)&sa, sizeof(sa)) ||
	    listen(p->fd, BACKLOG))
		die("listen on port %u: %s", port, strerror(errno));
	peer_watch(p, EPOLL_CTL_ADD, EPOLLIN);
}

static void listeners_open(void)
{
	uint32_t i;
	unsigned k;

	for (i = 0; i < sink.at.count; i++)
		for (k = 0; k < sink.nports; k++)
			listener_open(sink.at.first + i, sink.ports[k]);
}

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* A map with one socket in it. */
static int steer_map(int listener)
{
	union bpf_attr make = { .map_type = BPF_MAP_TYPE_SOCKMAP,
				.key_size = 4,
				.value_size = 8,
				.max_entries = 1 };
	union bpf_attr set = { 0 };
	uint64_t value = (uint64_t)listener;
	uint32_t key = 0;
	int map = bpf(BPF_MAP_CREATE, &make);

	set.map_fd = (uint32_t)map;
	set.key = (uintptr_t)&key;
	set.value = (uintptr_t)&value;
	if (map < 0 || bpf(BPF_MAP_UPDATE_ELEM, &set))
		die("bpf map: %s", strerror(errno));
	return map;
}

#define CTX(field) ((int16_t)offsetof(struct bpf_sk_lookup, field))
#define INSN(op, d, s, o, i)                                                   \
	{                                                                      \
		.code = (op), .dst_reg = (d), .src_reg = (s), .off = (o),      \
		.imm = (i)                                                     \
	}
#define LOAD(d, s, o)	  INSN(BPF_LDX | BPF_MEM | BPF_W, d, s, o, 0)
#define MOVE(d, s)	  INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define SET(d, i)	  INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define IF(cond, d, i, o) INSN(BPF_JMP32 | (cond) | BPF_K, d, 0, o, i)
#define CALL(f)		  INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)

/*
 * A connection to our addresses and range goes to the map's socket, all
 * others (and those for which there is none) to the ordinary lookup. The
 * addresses differ in their last octet only, so 24 bits are compared.
 */
static int steer_program(int map)
{
	int32_t net = (int32_t)htonl(sink.at.first & 0xffffff00U);
	int32_t mask = (int32_t)htonl(0xffffff00U);
	const struct bpf_insn code[] = {
		MOVE(BPF_REG_6, BPF_REG_1),
		LOAD(BPF_REG_2, BPF_REG_6, CTX(local_ip4)),
		INSN(BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, mask),
		IF(BPF_JNE, BPF_REG_2, net, 17),
		LOAD(BPF_REG_2, BPF_REG_6, CTX(local_port)),
		IF(BPF_JLT, BPF_REG_2, sink.steer.low, 15),
		IF(BPF_JGT, BPF_REG_2, sink.steer.high, 14),
		INSN(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0),
		INSN(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0,
		     map),
		INSN(0, 0, 0, 0, 0),
		MOVE(BPF_REG_2, BPF_REG_10),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
		CALL(BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 7, 0),
		MOVE(BPF_REG_7, BPF_REG_0),
		MOVE(BPF_REG_1, BPF_REG_6),
		MOVE(BPF_REG_2, BPF_REG_7),
		SET(BPF_REG_3, 0),
		CALL(BPF_FUNC_sk_assign),
		MOVE(BPF_REG_1, BPF_REG_7),
		CALL(BPF_FUNC_sk_release),
		SET(BPF_REG_0, SK_PASS),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	static char log[16384];
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SK_LOOKUP,
				.expected_attach_type = BPF_SK_LOOKUP,
				.insn_cnt = sizeof(code) / sizeof(code[0]),
				.insns = (uintptr_t)code,
				.license = (uintptr_t) "GPL",
				.log_buf = (uintptr_t)log,
				.log_size = sizeof(log),
				.log_level = 1 };
	int program = bpf(BPF_PROG_LOAD, &attr);

	if (program < 0)
		die("bpf program: %s\n%s", strerror(errno), log);
	return program;
}

/* The link's descriptor stays open for as long as the process lives. */
static void steer_attach(int program)
{
	int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	union bpf_attr attr = { 0 };

	attr.link_create.prog_fd = (uint32_t)program;
	attr.link_create.target_fd = (uint32_t)netns;
	attr.link_create.attach_type = BPF_SK_LOOKUP;
	if (netns < 0 || bpf(BPF_LINK_CREATE, &attr) < 0)
		die("bpf link: %s", strerror(errno));
	close(netns);
}

static void pdus_prepare(void)
{
	struct pdu_bind bind = { .ncontexts = 3 };
	struct builder ack =
		pdus_bind_ack(sink.ack, ACK_LEN, PDUS_CALL, 0, &bind);
	unsigned i;

	pdus_authenticate(&ack, ACK_LEN, NTLM_CHALLENGE);
	if (pdus_done(&ack) != ACK_LEN)
		die("a bind_ack of %zu octets", ack.len);
	for (i = 0; i < REQUESTS_MAX; i++)
		pdus_fill(sink.answers + (size_t)i * ANSWER_LEN, PDU_RESPONSE,
			  ANSWER_LEN, ANSWER_OCTET);
	pdus_fill_bulk(sink.endless, PDU_RESPONSE);
	sink.mapper.at.family = AF_INET;
	sink.mapper.port[0] = sink.ports[0];
	sink.mapper.port[1] = sink.ports[sink.nports > 1 ? 1 : 0];
}

static const char help[] =
	"usage: sink --at ADDRESS[/COUNT] --port PORT... [OPTION...]\n"
	"Serves load: RPC of 200 octets in, 600 out; or octets without end.\n"
	"Port 135 is an endpoint mapper, with the four Outlook interfaces at\n"
	"the first two ports.\n"
	"  --at ADDRESS/COUNT  consecutive addresses to listen on\n"
	"  --port PORT         a port to listen on; may be given several "
	"times\n"
	"  --steer LOW-HIGH    the first listener takes this range of ports "
	"on\n"
	"                      all of --at (an address block of 24 bits), by\n"
	"                      sk_lookup; needs CAP_BPF and CAP_NET_ADMIN\n"
	"Says \"ready\" when it listens; ends on a signal.\n";

static void sink_option(int option, const char *arg)
{
	switch (option) {
	case 'a':
		sink.at = addresses_parse(arg);
		break;
	case 'p':
		if (sink.nports == PORTS_MAX)
			die("more than %d ports", PORTS_MAX);
		sink.ports[sink.nports++] = ports_parse(arg).low;
		break;
	case 's':
		sink.steer = ports_parse(arg);
		break;
	case 'h':
		fputs(help, stdout);
		exit(0);
	default:
		die("try --help");
	}
}

static void sink_read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "at", required_argument, NULL, 'a' },
		{ "port", required_argument, NULL, 'p' },
		{ "steer", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
		sink_option(option, optarg);
	if (optind != argc || !sink.at.count || !sink.nports)
		die("--at and --port are needed; try --help");
}

static void serve(void)
{
	struct epoll_event events[EVENTS_MAX];
	int i, n;

	n = epoll_wait(sink.epoll, events, EVENTS_MAX, -1);
	if (n < 0 && errno != EINTR)
		die("epoll_wait: %s", strerror(errno));
	for (i = 0; i < n; i++)
		peer_event(events[i].data.ptr);
}

int main(int argc, char **argv)
{
	sink_read_options(argc, argv);
	descriptors_raise();
	pdus_prepare();
	sink.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (sink.epoll < 0)
		die("epoll: %s", strerror(errno));
	listeners_open();
	if (sink.steer.low)
		steer_attach(steer_program(steer_map(sink.listeners[0].fd)));
	puts("ready");
	fflush(stdout);
	for (;;)
		serve();
}
