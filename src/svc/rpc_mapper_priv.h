/*
 * rpc_mapper_priv.h - one answer of an endpoint mapper on its way.
 *
 * Layer: svc (private to the mapper).
 */
#ifndef SRC_SVC_RPC_MAPPER_PRIV_H
#define SRC_SVC_RPC_MAPPER_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct rpc_conn;

#define MAPPER_CONTEXTS	 8
#define MAPPER_CALLS	 8
#define MAPPER_FRAGMENTS 128
#define MAPPER_WAIT_MS	 1000 /* for ports to be opened */
#define MAPPER_HOLD_MS	 5000 /* … for one of MAPPER_CALLS to be answered */

/* A presentation context, and what is spoken in it. */
struct mapper_context {
	uint16_t id;
	bool is_epm;
	bool is_64; /* NDR64 */
};

/* ept_map or ept_lookup, asked and not answered. */
struct mapper_call {
	uint32_t id;
	uint16_t context; /* its id */
	uint16_t max;	  /* towers that ept_map asked for */
	uint8_t opnum;
	bool is_open;
	/* No answer is owed, though one may come: cancelled, or maybe. */
	bool gives_way;
};

struct rpc_mapper {
	struct rpc_conn *conn;
	struct list waiting;	 /* in svc->waiting_mappers */
	uint64_t waits_until_ms; /* an answer, for ports; 0: it does not */
	uint64_t holds_until_ms; /* a request, for room; 0: it does not */
	uint8_t noffered, ncontexts, next_call;
	bool is_sealed; /* leases were given for all that is announced */
	struct mapper_context offered[MAPPER_CONTEXTS];
	struct mapper_context context[MAPPER_CONTEXTS];
	struct mapper_call call[MAPPER_CALLS];
};

/* A fragment's part of the stub, from the answer's start. */
struct mapper_fragment {
	size_t at, len;
};

/* A whole answer: <len> octets of the stream at <at>. */
struct mapper_answer {
	uint8_t *at;
	size_t len;
	uint8_t *stub; /* put together; may be changed */
	size_t stub_len;
	uint32_t call_id;
	uint16_t context;
	uint16_t max; /* towers that were asked for */
	uint8_t opnum;
	uint8_t auth_level; /* 0 = none */
	bool little;
	bool is_64;
	bool is_last_look; /* it has waited long enough */
	unsigned nfragments;
	struct mapper_fragment fragment[MAPPER_FRAGMENTS];
	const uint8_t *new; /* for MAPPER_REPLACE; no longer than the old */
	size_t new_len;
};

enum mapper_verdict {
	MAPPER_PASS,	/* as it came */
	MAPPER_CHANGED, /* its stub was, in place */
	MAPPER_REPLACE, /* by another answer */
	MAPPER_WAIT,	/* a port that it names is not open yet */
};

/* Judge what it says; give leases for what may be told. */
enum mapper_verdict rpc_mapper_judge(struct rpc_conn *conn,
				     struct mapper_answer *answer);

#endif
