/*
 * link.h - one RPC connection of an Outlook, from the look-up of its port
 * to its last call.
 *
 * Layer: tools.
 */
#ifndef OUTLOOK_SIM_LINK_H
#define OUTLOOK_SIM_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/channel.h"
#include "sim/stub.h"
#include "wire/iface.h"

struct client;
struct link;

/* In the order in which Outlook opens them. */
enum role_kind {
	ROLE_REFERRAL,
	ROLE_DIRECTORY,
	ROLE_MAILBOX,
	ROLE_ASYNC,
	ROLE_POOL,
	ROLE_LINKED,
	ROLE_COUNT,
};

enum link_state {
	LINK_CLOSED,
	LINK_CONNECTING,
	LINK_BINDING,
	LINK_CALLING,
	LINK_WAITING, /* for the session, connected or not */
	LINK_READY,   /* nothing under way */
};

/* A call: how its request is written and its reply read. */
struct call {
	const char *name;
	uint16_t opnum;
	void (*write)(struct link *link, struct builder *out);
	/* ERR_REFUSED: its status says no. */
	int (*read)(struct link *link, struct cursor cur);
};

#define SETUP_MAX 2

struct role {
	const char *name;
	const struct iface *iface;
	bool is_mailbox;    /* its port is the mailbox's */
	bool needs_session; /* opened only when there is one */
	bool joins;	    /* the session's association group */
	bool looks_up;	    /* its port; else it is the mailbox link's */
	bool is_short;	    /* closed when set up, and done again later */
	const struct call *setup[SETUP_MAX];
	const struct call *steady;
	const struct call *goodbye;
};
extern const struct role roles[ROLE_COUNT];

struct link {
	struct channel channel;
	struct client *client;
	const struct role *role;
	enum link_state state;
	bool is_asking; /* connected to the endpoint mapper */
	bool is_set_up;
	struct loop_timer timer; /* time-out, next call or next referral */
	struct list idle;
	uint16_t port; /* 0 = not known */
	uint16_t context;
	uint32_t group;
	uint32_t call_id;
	unsigned step;
	const struct call *call; /* under way */
	uint64_t began_us;
	struct stub_handle handle;
};

void link_init(struct link *link, struct client *client,
	       const struct role *role);
/* From the look-up on. It is closed. */
void link_start(struct link *link);
/* The session that it waited for is there. */
void link_resume(struct link *link);
/* Without telling the client. */
void link_close(struct link *link);
/* It is ready: make the call that it makes again and again. */
void link_work(struct link *link);
void link_say_goodbye(struct link *link);
bool link_is_up(const struct link *link);

extern const struct call call_map;

#endif
