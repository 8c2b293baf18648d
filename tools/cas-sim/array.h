/*
 * array.h - the servers, their processes, and what they saw.
 *
 * Layer: tools.
 *
 * A server has three processes, as a client access server has: the endpoint
 * mapper, MSExchangeRPC and MSExchangeAB. Each listens on one port and has
 * association groups of its own.
 */
#ifndef CAS_SIM_ARRAY_H
#define CAS_SIM_ARRAY_H

#include <stdbool.h>
#include <stdint.h>

#include "assoc.h"
#include "net/loop.h"
#include "options.h"

enum service {
	SERVICE_EPM,
	SERVICE_MAILBOX,
	SERVICE_ADDRESS_BOOK,
	SERVICE_COUNT,
};

#define FAULT_KINDS 8

struct counts {
	uint64_t connections[SERVICE_COUNT];
	uint64_t open, most_open;
	uint64_t binds;
	uint64_t alters;
	uint64_t bind_naks;
	uint64_t joins;
	uint64_t joins_unknown; /* refused: no such group here */
	uint64_t joins_foreign; /* refused: not the opener's address */
	uint64_t links_refused; /* to a session that is not here */
	uint64_t sessions;
	uint64_t calls;
	uint64_t parked, news;
	uint64_t faults;
	struct {
		uint32_t status;
		uint64_t count;
	} fault[FAULT_KINDS];
};

struct process {
	struct server *server;
	enum service service;
	uint16_t port;
	bool is_listening;
	bool is_dead; /* killed: it comes back as another one */
	struct loop_io listener;
	struct list conns;
	struct assoc_table assoc;
};

struct server {
	struct array *array;
	const char *name;
	struct addr addr;
	bool is_hung;
	bool has_no_emsmdb;
	struct process process[SERVICE_COUNT];
	struct counts counts;
};

struct array {
	struct loop *loop;
	const struct options *options;
	unsigned nservers;
	struct server *server;
	int spare_fd; /* given up to get rid of a connection too many */
};

/* Every server listens when this returns 0; else it was said what not. */
MUST_CHECK int array_open(struct array *array, struct loop *loop,
			  const struct options *options);
void array_close(struct array *array);
const char *service_name(enum service service);

/* Close the port; connections stay. */
void process_refuse(struct process *process);
/* Reset every connection and close the port. */
void process_kill(struct process *process);
/* Listen, on a new port if dynamic and <is_new>. */
MUST_CHECK int process_listen(struct process *process, bool is_new);
/* Answer nothing any more, or go on where it stopped. */
void server_hang(struct server *server, bool is_hung);

void count_fault(struct counts *counts, uint32_t status);

#endif
