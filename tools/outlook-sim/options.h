/*
 * options.h - what outlook-sim was asked to do.
 *
 * Layer: tools.
 * Units: milliseconds; octets.
 */
#ifndef OUTLOOK_SIM_OPTIONS_H
#define OUTLOOK_SIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

#define TARGETS_MAX 8
#define POOL_MAX    32

struct options {
	unsigned ntargets;
	struct addr target[TARGETS_MAX];
	unsigned nclients;
	struct prefix from4, from6; /* family 0: as the kernel chooses */
	unsigned nshare;	    /* clients that have one address of these */
	uint16_t epm_port;
	uint16_t mailbox_port; /* with --static; 0 = ask the endpoint mapper */
	uint16_t address_book_port;
	bool is_parallel;
	unsigned npool;	  /* connections that join the session's group */
	unsigned nlinked; /* sessions linked to the first */
	uint64_t duration_ms;
	uint64_t ramp_ms;
	uint64_t think_ms;
	uint64_t refresh_ms;
	uint64_t retry_ms;
	uint64_t timeout_ms;
	uint32_t send, want; /* octets of a call, each way */
	uint64_t rate_per_s; /* 0 = think instead */
	bool is_strict;
	bool lists;
	bool is_json;
};

/* Exits with 0 after --help and with 2 after saying what is wrong. */
void options_read(int argc, char **argv, struct options *out);

#endif
