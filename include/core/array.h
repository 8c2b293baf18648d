/*
 * array.h - the servers of the array while the balancer runs.
 *
 * Layer: core (pure). Thread-safe: every field that changes while a server
 * is in use is atomic; the slots themselves are changed by the control
 * thread alone.
 * Units: milliseconds of the monotonic clock.
 *
 * A server has a slot for as long as anything refers to it; a set of
 * servers is a mask with one bit a slot. A server that a reload took out is
 * LEAVING: it keeps its slot, name and address until its last connection
 * and binding are gone (array_sweep), so that a slot never changes its
 * meaning under somebody's feet.
 *
 * A worker may choose a server in the moment in which a reload takes it
 * out. So whoever wants to refer to a server counts himself in first and
 * looks at its life afterwards (server_bind); the control thread ends its
 * life first and looks at the counts afterwards. In whatever order the two
 * meet, one sees the other. A slot that was given to another server
 * meanwhile is that server's, in use, whole: a legitimate choice.
 */
#ifndef CORE_ARRAY_H
#define CORE_ARRAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "core/conf.h"

#define ARRAY_SLOTS	   CONF_SERVERS_MAX
#define ARRAY_ASIDE_MS	   1000 /* after the first failure */
#define ARRAY_ASIDE_MAX_MS 30000
#define ARRAY_FORGIVE_MS   300000 /* after a set-aside: its row is over */

enum server_life { SERVER_FREE, SERVER_IN_USE, SERVER_LEAVING };

struct server {
	char name[CONF_NAME_MAX]; /* fixed while the slot is used */
	struct addr address;	  /* the same */
	/* Of its name, the same on every node. Who chooses a server reads it
	 * before the slot is sure to stay. */
	_Atomic uint64_t name_hash;
	uint8_t slot;
	_Atomic uint8_t life;  /* enum server_life */
	_Atomic uint8_t state; /* enum conf_state: the administrator's word */
	_Atomic uint32_t weight;
	_Atomic uint32_t bindings;    /* clients bound to it */
	_Atomic uint32_t connections; /* open or being opened */
	/* Both are kept by core/affinity alone. */
	/* Set aside after a connect that spoke against it. */
	_Atomic uint32_t failures;	  /* in a row */
	_Atomic uint64_t set_aside_until; /* 0 = is not */
	_Atomic uint16_t blamed_port;	  /* the port that failed */
};

struct array {
	struct server server[ARRAY_SLOTS];
};

void array_init(struct array *array);
/* Make the array what <conf> says: known names (with the same address) keep
 * their slot and get their new weight and state, others leave, new ones get
 * a free slot. ERR_SPACE, nothing changed, when no slot is free. */
MUST_CHECK int array_apply(struct array *array, const struct conf *conf);
/* Free the slots of leaving servers that nothing refers to; returns them.
 * What else is kept by slot (announcements) is to be forgotten before the
 * next array_apply(). */
uint64_t array_sweep(struct array *array);

/* Count a client's binding in. False, nothing counted: the server is not in
 * use (any more). */
MUST_CHECK bool server_bind(struct server *server);
void server_unbind(struct server *server);

static inline uint64_t server_bit(const struct server *server)
{
	return UINT64_C(1) << server->slot;
}

/* Servers that may get a new client now: in use, enabled, not set aside. */
uint64_t array_open(struct array *array, uint64_t now_ms);
/* May it serve a client which is bound to it? Not if it is disabled; if it is
 * set aside or leaving, only while the client has live connections there, or
 * it would be split. */
bool server_serves(const struct server *server, bool has_live, uint64_t now_ms);

/*
 * A connect to <port> spoke against the server: it is set aside for 1 s,
 * doubled with every failure in a row up to 30 s. Failures while it is set
 * aside already count once. Five minutes after a set-aside the next failure
 * begins a new row. Returns for how long, 0 if it already was.
 * <port> 0: the whole server is to blame, an answer on any port clears it.
 */
uint64_t server_failed(struct server *server, uint16_t port, uint64_t now_ms);
/* Keep a server that is set aside so at least until <until_ms>: who asks it
 * regularly knows that it will know better by then. */
void server_keep_aside(struct server *server, uint64_t until_ms);
/* A connect to <port> succeeded. Ends the row of failures and the set-aside
 * if that port was blamed (or the whole server). True: it ended them, to be
 * told; of several that answer at once one does. */
bool server_answered(struct server *server, uint16_t port);

#endif
