/*
 * probe_talk.h - one conversation with one endpoint mapper.
 *
 * Layer: svc (private to the prober).
 * Source: C706 appendices I and O; [MS-RPCE] 2.2.1.2.
 */
#ifndef SRC_SVC_PROBE_TALK_H
#define SRC_SVC_PROBE_TALK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/announced.h"
#include "core/conf.h"
#include "net/dial.h"
#include "net/loop.h"
#include "wire/epm.h"
#include "wire/pdu.h"

#define TALK_STUB_MAX (512 * 1024) /* of one answer, put together */
#define TALK_TIMEOUTS 5		   /* that a whole conversation may last */
#define TALK_ROUNDS   64	   /* ept_lookup calls before we give up */

enum talk_state {
	TALK_IDLE,
	TALK_CONNECTING,
	TALK_BINDING,
	TALK_LISTING,
	TALK_MAPPING,
};

/* What a conversation needs only while it lasts. */
struct talk_memory {
	uint8_t fragment[PDU_MAX];
	uint8_t stub[TALK_STUB_MAX];
	struct epm_entry entry[EPM_ENTRIES_MAX];
	struct announcement found[ANNOUNCED_MAX];
};

struct talk {
	struct dialer *dialer; /* borrowed, as are loop and conf */
	struct loop *loop;
	const struct conf_rpc *rpc;
	uint64_t timeout_ms; /* of each answer */
	enum talk_state state;
	struct loop_io io;
	struct dial dial;
	struct loop_timer timer;
	struct talk_memory *memory; /* NULL while idle */
	size_t fragment_len;	    /* octets of the fragment that came */
	size_t stub_len;	    /* of the answer that came */
	uint32_t call_id;
	uint64_t latest_ms; /* it must have asked its last question by then */
	unsigned rounds;
	unsigned nfound;
	unsigned left_out;	 /* for which <found> has no room */
	unsigned next_interface; /* for ept_map */
	bool is_our_lack;	 /* <why> does not speak against the server */
	/*
	 * The conversation is over: <why> NULL and what was found (borrowed
	 * for the call), or a word for what failed. Must not begin anew.
	 */
	void (*done)(struct talk *talk, const char *why);
};

/* Begin; <done> comes later, or now if nothing can be begun. */
void talk_start(struct talk *talk, const struct endpoint *to,
		const struct addr *source);
/* Give up silently. */
void talk_cancel(struct talk *talk);

#endif
