/*
 * stage.h - what stands around a service while a scenario is played.
 *
 * The fake loop, a configuration, the tables that workers share, a journal
 * that keeps the log's lines, and listening sockets that play the servers.
 * The program is in a network namespace of its own, so that ports, limits
 * and addresses are nobody else's.
 *
 *	127.68.0.10	the balancer's address
 *	127.68.0.11 ...	cas1, cas2, cas3
 *	127.68.1.x	clients
 *	127.68.2.x	addresses to reach servers from
 */
#ifndef SCENARIO_STAGE_H
#define SCENARIO_STAGE_H

#include "base/log.h"
#include "core/announced.h"
#include "core/array.h"
#include "core/conf.h"
#include "core/route.h"
#include "core/sched.h"
#include "net/loop.h"

#define STAGE_VIP     "127.68.0.10"
#define STAGE_SERVERS 3
#define STAGE_LINES   1024
#define MAILBOX	      59531
#define ADDRESS_BOOK  59532

/* Every line that was logged. */
struct journal {
	struct log log;
	unsigned n;
	char line[STAGE_LINES][256];
};

void journal_open(struct journal *journal);
/* How many lines begin with "event=<event>" and have each of <fields>, words
 * separated by blanks. */
unsigned journal_count(const struct journal *journal, const char *event,
		       const char *fields);

struct stage {
	struct loop *loop;
	struct journal journal;
	struct conf *conf;
	struct array array;
	struct sched sched;
	struct router router;
	int listening[STAGE_SERVERS][2]; /* the servers', by stage_serve() */
};

/* A cmocka group's set-up and tear-down: the network namespace. */
int stage_group_begin(void **state);
int stage_group_end(void **state);

/* The default configuration with three servers and static ports; change it,
 * then stage_build(). */
void stage_begin(struct stage *stage);
void stage_build(struct stage *stage);
/* Nothing may refer to a server any more, every descriptor is closed. */
void stage_end(struct stage *stage);

/* "127.68.0.11" for 0; good until the next call. */
const char *stage_address(unsigned server);
/* Let the server listen on <port>; at most two ports. Returns the socket,
 * non-blocking. */
int stage_serve(struct stage *stage, unsigned server, uint16_t port);
/* Listening, but no connect gets an answer; <filler> is closed by the
 * caller. Give it to stage_unstick() to let connects through again. */
int stage_serve_stuck(struct stage *stage, unsigned server, uint16_t port,
		      int *filler);
void stage_unstick(int listening, int *filler);
/* The next connection, non-blocking; -1: there is none. */
int stage_accept(int listening);
/* Handle what comes in real time until <is_true> says so; three seconds are
 * enough. */
bool stage_wait(struct stage *stage, bool (*is_true)(void *ctx), void *ctx);

/* This descriptor limit from now on; returns the one before. */
unsigned long stage_limit_descriptors(unsigned long limit);
/* The lowest descriptor that is free. */
unsigned stage_next_descriptor(void);
/* What <fd> is connected to, and where it is. */
struct endpoint stage_peer(int fd);
struct endpoint stage_local(int fd);

#endif
