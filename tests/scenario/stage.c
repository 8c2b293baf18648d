/*
 * stage.c - what stands around a service while a scenario is played.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../helper/netns.h"
#include "../helper/tcp.h"
#include "fake_loop.h"
#include "stage.h"

#define WAIT_MS 3000

static struct netns netns;
static unsigned first_fd; /* of a scenario's own */
static const uint8_t seed[HASH_KEY_LEN] = { 1, 2, 3, 4 };

static void put(struct log *log, enum log_level level, struct bytes line)
{
	struct journal *journal = list_entry(log, struct journal, log);

	(void)level;
	if (journal->n == STAGE_LINES)
		abort();
	/* A blank at both ends, so that every field has one. */
	snprintf(journal->line[journal->n++], sizeof(journal->line[0]),
		 " %.*s ", (int)line.len, (const char *)line.at);
}

void journal_open(struct journal *journal)
{
	journal->n = 0;
	journal->log = (struct log){ .level = LOG_LEVEL_INFO, .put = put };
}

static bool has_fields(const char *line, const char *fields)
{
	char copy[256], word[258], *rest = copy, *field;

	snprintf(copy, sizeof(copy), "%s", fields);
	while ((field = strsep(&rest, " "))) {
		snprintf(word, sizeof(word), " %s ", field);
		if (*field && !strstr(line, word))
			return false;
	}
	return true;
}

unsigned journal_count(const struct journal *journal, const char *event,
		       const char *fields)
{
	unsigned i, n = 0;
	char head[64];

	snprintf(head, sizeof(head), " event=%s ", event);
	for (i = 0; i < journal->n; i++)
		n += !strncmp(journal->line[i], head, strlen(head)) &&
		     has_fields(journal->line[i], fields);
	return n;
}

int stage_group_begin(void **state)
{
	(void)state;
	netns_enter(&netns);
	first_fd = stage_next_descriptor();
	return 0;
}

int stage_group_end(void **state)
{
	(void)state;
	netns_leave(&netns);
	return 0;
}

const char *stage_address(unsigned server)
{
	static char text[ADDR_TEXT_MAX];

	snprintf(text, sizeof(text), "127.68.0.%u", 11 + server);
	return text;
}

void stage_begin(struct stage *stage)
{
	struct conf *conf = conf_new();
	unsigned i;

	/* A scenario that failed leaves some open. */
	close_range(first_fd, ~0u, 0);
	memset(stage, 0, sizeof(*stage));
	memset(stage->listening, -1, sizeof(stage->listening));
	journal_open(&stage->journal);
	stage->loop = loop_new();
	if (!conf || !stage->loop)
		abort();
	conf->rpc.ports = CONF_PORTS_STATIC;
	conf->rpc.mailbox_port = MAILBOX;
	conf->rpc.address_book_port = ADDRESS_BOOK;
	/* Most scenarios relay words, and no RPC. */
	conf->rpc.any_interface = true;
	conf->rpc.epm = CONF_EPM_TRACK;
	conf->affinity.entries = 100;
	conf->nservers = STAGE_SERVERS;
	for (i = 0; i < STAGE_SERVERS; i++) {
		snprintf(conf->server[i].name, CONF_NAME_MAX, "cas%u", i + 1);
		conf->server[i].weight = 1;
		if (addr_parse(stage_address(i), &conf->server[i].address))
			abort();
	}
	stage->conf = conf;
}

void stage_build(struct stage *stage)
{
	struct router *router = &stage->router;

	array_init(&stage->array);
	if (array_apply(&stage->array, stage->conf))
		abort();
	sched_init(&stage->sched, &stage->array,
		   sched_method_of(CONF_METHOD_ROUND_ROBIN));
	router->array = &stage->array;
	router->sched = &stage->sched;
	router->affinity = affinity_new(stage->conf, seed);
	router->announced = announced_new();
	router->leases = leases_new(100, stage->conf->rpc.lease_timeout_ms,
				    seed, NULL, NULL);
	router->portmap = portmap_new();
	router->groups = groups_new(100, seed);
	router->runs = runs_new(10, seed);
	router->admits_any = stage->conf->rpc.admit == CONF_ADMIT_ANY;
	router->wants_lease = stage->conf->rpc.admit == CONF_ADMIT_LEASED;
	router->has_virtual_ports = conf_has_virtual_ports(&stage->conf->rpc);
	if (!router->affinity || !router->announced || !router->leases ||
	    !router->portmap || !router->groups || !router->runs)
		abort();
}

void stage_end(struct stage *stage)
{
	unsigned i;

	for (i = 0; i < ARRAY_SLOTS; i++)
		assert(stage->array.server[i].connections == 0);
	for (i = 0; i < 2 * STAGE_SERVERS; i++) {
		if (stage->listening[i / 2][i % 2] >= 0)
			close(stage->listening[i / 2][i % 2]);
	}
	affinity_free(stage->router.affinity);
	announced_free(stage->router.announced);
	leases_free(stage->router.leases);
	portmap_free(stage->router.portmap);
	groups_free(stage->router.groups);
	runs_free(stage->router.runs);
	conf_drop(stage->conf);
	loop_free(stage->loop);
	assert(stage_next_descriptor() == first_fd); /* nothing leaked */
}

int stage_serve(struct stage *stage, unsigned server, uint16_t port)
{
	int fd = tcp_listen(stage_address(server), port, NULL);
	int *slot = stage->listening[server];

	if (fd < 0) {
		perror("listen");
		abort();
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	slot[slot[0] >= 0] = fd;
	return fd;
}

int stage_serve_stuck(struct stage *stage, unsigned server, uint16_t port,
		      int *filler)
{
	int fd = stage_serve(stage, server, port);

	/* One that nobody accepts fills the queue; the kernel drops the rest. */
	if (listen(fd, 0))
		abort();
	*filler = tcp_connect(stage_address(server), port, NULL);
	if (*filler < 0)
		abort();
	return fd;
}

void stage_unstick(int listening, int *filler)
{
	int fd = stage_accept(listening);

	if (fd < 0 || listen(listening, 100))
		abort();
	close(fd);
	close(*filler);
	*filler = -1;
}

int stage_accept(int listening)
{
	return accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static uint64_t real_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool stage_wait(struct stage *stage, bool (*is_true)(void *ctx), void *ctx)
{
	uint64_t until = real_ms() + WAIT_MS;

	for (;;) {
		fake_loop_settle(stage->loop);
		if (is_true(ctx))
			return true;
		if (real_ms() > until)
			return false;
		poll(NULL, 0, 5); /* the kernel's own time has to pass */
	}
}

unsigned long stage_limit_descriptors(unsigned long limit)
{
	struct rlimit now;
	unsigned long before;

	if (getrlimit(RLIMIT_NOFILE, &now))
		abort();
	before = now.rlim_cur;
	now.rlim_cur = limit;
	if (setrlimit(RLIMIT_NOFILE, &now))
		abort();
	return before;
}

unsigned stage_next_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		abort();
	close(fd);
	return (unsigned)fd;
}

static struct endpoint name_of(int fd, int (*name)(int fd, struct sockaddr *sa,
						   socklen_t *len))
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct endpoint ep;

	if (name(fd, (struct sockaddr *)&sa, &len) ||
	    endpoint_from_sockaddr(&sa, &ep))
		abort();
	return ep;
}

struct endpoint stage_peer(int fd)
{
	return name_of(fd, getpeername);
}

struct endpoint stage_local(int fd)
{
	return name_of(fd, getsockname);
}
