/*
 * options.h - what cas-sim was asked to be.
 *
 * Layer: tools.
 * Units: milliseconds.
 */
#ifndef CAS_SIM_OPTIONS_H
#define CAS_SIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "sim/stub.h"

#define SERVERS_MAX 64
#define FAILS_MAX   64

/* How the servers' dynamic ports relate. */
enum port_plan {
	PORTS_DIFFERENT, /* no two alike */
	PORTS_SAME,
	PORTS_SWAPPED, /* one's mailbox port is the next one's directory's */
};

enum fail_action {
	FAIL_REFUSE_EPM,
	FAIL_REFUSE_MAILBOX,
	FAIL_REFUSE_ADDRESS_BOOK,
	FAIL_HANG,
	FAIL_NO_EMSMDB,
	FAIL_KILL,
	FAIL_RESTART_MAILBOX,
	FAIL_RESTART_ADDRESS_BOOK,
	FAIL_UP,
};

struct fail_order {
	unsigned server; /* index */
	enum fail_action action;
	uint64_t at_ms; /* after all servers listen */
};

struct server_name {
	char name[STUB_NAME_MAX + 1];
	struct addr addr;
};

struct options {
	unsigned nservers;
	struct server_name server[SERVERS_MAX];
	uint16_t epm_port;
	uint16_t mailbox_port;	    /* 0 = dynamic */
	uint16_t address_book_port; /* 0 = dynamic */
	uint16_t low, high;	    /* dynamic ports lie here */
	enum port_plan plan;
	uint64_t park_ms;   /* the longest that a wait is parked */
	uint64_t notify_ms; /* a notification comes about so often; 0 = never */
	bool checks_source;
	bool is_json;
	unsigned nfails;
	struct fail_order fail[FAILS_MAX];
};

/* Exits with 0 after --help and with 2 after saying what is wrong. */
void options_read(int argc, char **argv, struct options *out);
const char *fail_action_name(enum fail_action action);

#endif
