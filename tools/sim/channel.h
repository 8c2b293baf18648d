/*
 * channel.h - one RPC connection of a simulator: PDUs in, PDUs out.
 *
 * Layer: tools.
 * Source: C706 12.6 (connection-oriented PDUs).
 * Units: octets.
 *
 * The same for both ends. Requests, responses and faults come whole, their
 * fragments joined; everything else comes as the PDU that it is. Writing
 * never waits: what the socket does not take is kept, and while more than
 * CHANNEL_KEPT_MAX is kept nothing more is read.
 */
#ifndef SIM_CHANNEL_H
#define SIM_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "net/loop.h"
#include "sim/octets.h"
#include "wire/pdu.h"

#define CHANNEL_STUB_MAX (4u << 20) /* Windows' bound for a whole request */
#define CHANNEL_KEPT_MAX (1u << 20)

struct channel;

/* A request, a response or a fault. */
struct channel_call {
	uint8_t type;
	bool little;
	uint32_t call_id;
	uint16_t context;
	uint16_t opnum;	 /* request */
	uint32_t status; /* fault */
	struct bytes stub;
};

struct channel_handler {
	/* connect() succeeded. NULL for a channel that was accepted. */
	void (*opened)(struct channel *channel);
	void (*pdu)(struct channel *channel, const struct pdu *pdu);
	void (*call)(struct channel *channel, const struct channel_call *call);
	/* The peer ended (0), the connection or its peer's PDUs failed. It is
	 * closed already. */
	void (*closed)(struct channel *channel, int err);
};

/* Stands inside its owner, who may close and free it in any callback. */
struct channel {
	struct loop_io io;
	struct loop *loop;
	const struct channel_handler *handler;
	bool is_open;
	bool is_connecting;
	bool is_stalled;    /* the owner wants nothing read */
	bool is_held;	    /* too much is kept for the peer */
	bool *gone;	    /* the reader's: set when closed under it */
	uint16_t frag_len;  /* of what is sent; PDU_FRAG_MAX at first */
	struct octets in;   /* less than a fragment */
	struct octets stub; /* fragments of a call so far */
	struct octets out;
	size_t sent; /* of out */
};

/* <source>: NULL, or the address to come from. -errno, and nothing is
 * open; the outcome of connect() itself comes through the handler. */
MUST_CHECK int channel_connect(struct channel *channel, struct loop *loop,
			       const struct channel_handler *handler,
			       const struct endpoint *to,
			       const struct addr *source);
/* Take over an accepted socket. -errno, and the socket is closed. */
MUST_CHECK int channel_accept(struct channel *channel, struct loop *loop,
			      const struct channel_handler *handler, int fd);
void channel_close(struct channel *channel);
/* Close so that the peer sees a reset. */
void channel_reset(struct channel *channel);
/* Stop reading, or go on. */
void channel_stall(struct channel *channel, bool is_stalled);

/* Send whole PDUs. A failure shows as closed() from the loop. */
void channel_send(struct channel *channel, struct bytes pdus);
/* Send in as many fragments as it takes; at least one. */
void channel_request(struct channel *channel, uint32_t call_id,
		     uint16_t context, uint16_t opnum, struct bytes stub);
void channel_response(struct channel *channel, uint32_t call_id,
		      uint16_t context, struct bytes stub);
void channel_fault(struct channel *channel, uint32_t call_id, uint16_t context,
		   uint32_t status);

#endif
