/*
 * client.h - one simulated Outlook: its connections, and which server it
 * takes for its own.
 *
 * Layer: tools.
 *
 * The first reply that names a server says where the client's home is. A
 * reply that names another is a split, unless the client is disturbed: it
 * lost a connection or a call and not everything is open again. Then it has
 * moved: the other connections are closed and opened anew, as everything of
 * a profile belongs on one server.
 */
#ifndef OUTLOOK_SIM_CLIENT_H
#define OUTLOOK_SIM_CLIENT_H

#include "base/addr.h"
#include "link.h"
#include "sim/stub.h"
#include "swarm.h"

struct client {
	struct swarm *swarm;
	unsigned number; /* from 1 */
	struct addr target;
	struct addr source; /* family 0: any */
	struct loop_timer timer;
	bool waits; /* the timer runs: start, or try again */
	bool is_disturbed;
	bool was_up;
	bool is_gone; /* counted as closed, while stopping */
	bool has_session;
	unsigned tries;
	uint64_t since_us; /* of the start or of the outage */
	char home[STUB_NAME_MAX + 1];
	char other[STUB_NAME_MAX + 1]; /* the last that split it */
	uint64_t connections, calls, splits, moves, outages;
	/* of the session */
	struct stub_handle session;
	struct stub_handle async;
	uint16_t session_index;
	uint32_t timestamp;
	uint32_t group;
	unsigned nlinks;
	struct link *link;
};

MUST_CHECK int client_init(struct client *client, struct swarm *swarm,
			   unsigned number);
void client_start(struct client *client, uint64_t after_ms);
bool client_is_up(const struct client *client);
/* Close what can be closed; again whenever something changes. */
void client_wind_down(struct client *client);
void client_release(struct client *client);

/* What links tell. */
void client_saw(struct client *client, struct link *link, struct bytes server);
void client_link_up(struct client *client, struct link *link);
void client_link_lost(struct client *client, struct link *link);
void client_port_known(struct client *client, struct link *link);

#endif
