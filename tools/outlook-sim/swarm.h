/*
 * swarm.h - all simulated Outlooks, and what they count.
 *
 * Layer: tools.
 */
#ifndef OUTLOOK_SIM_SWARM_H
#define OUTLOOK_SIM_SWARM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "net/loop.h"
#include "options.h"
#include "sim/histogram.h"

struct client;

#define FAULT_KINDS 8

/* What went wrong while the client was well counts as unexpected; what
 * comes of an outage that it is in is a consequence of that. */
struct counts {
	uint64_t connections;
	uint64_t open, most_open;
	uint64_t refused;
	uint64_t unreachable; /* connect() failed otherwise */
	uint64_t lost;	      /* an open connection ended or was reset */
	uint64_t timeouts;
	uint64_t bind_naks;
	uint64_t rejects; /* of the interface or its syntax, in a bind_ack */
	uint64_t not_registered;
	uint64_t bad_replies; /* not understood, or with a status */
	uint64_t faults;
	uint64_t unexpected; /* naks, rejects, bad replies, faults */
	uint64_t splits;
	uint64_t moves;
	uint64_t outages;
	uint64_t lookups, calls, waits, news, joins;
	uint64_t missed; /* calls that the rate asked for and nobody could do */
	struct {
		uint32_t status;
		uint64_t count;
	} fault[FAULT_KINDS];
};

struct swarm {
	struct loop *loop;
	const struct options *options;
	struct client *client; /* options->nclients of them */
	struct counts counts;
	struct histogram connect; /* of TCP */
	struct histogram map;
	struct histogram call;
	struct histogram ready;	 /* start to everything open */
	struct histogram outage; /* first loss to everything open again */
	struct list idle;	 /* links that could make a call */
	bool is_stopping;
	unsigned nopen; /* clients with a connection, while stopping */
	/* --rate */
	struct loop_timer pace;
	uint64_t paced_us;
	double due;
	struct loop_timer end;
	unsigned nworking; /* when it was told to stop */
};

uint64_t now_us(void);
/* From half to one and a half of <usual>. */
uint64_t around(uint64_t usual);

/* Start the clients and the clock. ERR_MEMORY. */
MUST_CHECK int swarm_start(struct swarm *swarm, struct loop *loop,
			   const struct options *options);
/* Everybody says good-bye; then the loop ends. */
void swarm_stop(struct swarm *swarm);
/* While stopping: a client has closed its last connection. */
void swarm_client_gone(struct swarm *swarm);
void swarm_release(struct swarm *swarm);

/* 0 or 1: the exit status. */
int swarm_verdict(const struct swarm *swarm);
void swarm_report(const struct swarm *swarm);

#endif
