/*
 * conn.h - one client connection to a simulated server process.
 *
 * Layer: tools.
 * Source: [MS-RPCE] 3.3.1.5 (server side of a connection).
 */
#ifndef CAS_SIM_CONN_H
#define CAS_SIM_CONN_H

#include "array.h"
#include "assoc.h"
#include "sim/channel.h"
#include "wire/iface.h"

#define CONN_CONTEXTS_MAX 16

struct conn {
	struct channel channel;
	struct process *process;
	struct list node; /* of its process */
	struct addr peer;
	struct assoc_group *group; /* NULL before the bind */
	struct list parked;	   /* handles whose news it waits for */
	unsigned ncontexts;
	struct {
		uint16_t id;
		const struct iface *iface;
	} context[CONN_CONTEXTS_MAX];
};

/* Takes the descriptor. */
void conn_open(struct process *process, int fd);
/* The peer sees an end, or a reset; the connection is gone. */
void conn_close(struct conn *conn);
void conn_kill(struct conn *conn);
void conn_stall(struct conn *conn, bool is_stalled);
struct conn *conn_at(struct list *node);
struct server *conn_server(const struct conn *conn);

/* Answer a bind or an alter-context; may close the connection. */
void conn_bind(struct conn *conn, const struct pdu *pdu);

/*
 * An operation of an interface: reads the call's stub and writes the
 * reply's. 0; CALL_PARKED: it will be answered later; else a fault's status.
 */
#define CALL_PARKED UINT32_MAX
struct operation {
	const struct iface *iface;
	uint16_t opnum;
	uint32_t (*run)(struct conn *conn, const struct channel_call *call,
			struct builder *out);
};
void conn_call(struct conn *conn, const struct channel_call *call);

uint32_t epm_map(struct conn *conn, const struct channel_call *call,
		 struct builder *out);
uint32_t epm_lookup(struct conn *conn, const struct channel_call *call,
		    struct builder *out);
uint32_t epm_handle_free(struct conn *conn, const struct channel_call *call,
			 struct builder *out);
uint32_t epm_refuse(struct conn *conn, const struct channel_call *call,
		    struct builder *out);
uint32_t emsmdb_connect(struct conn *conn, const struct channel_call *call,
			struct builder *out);
uint32_t emsmdb_disconnect(struct conn *conn, const struct channel_call *call,
			   struct builder *out);
uint32_t emsmdb_dummy(struct conn *conn, const struct channel_call *call,
		      struct builder *out);
uint32_t emsmdb_rpc(struct conn *conn, const struct channel_call *call,
		    struct builder *out);
uint32_t emsmdb_async_connect(struct conn *conn,
			      const struct channel_call *call,
			      struct builder *out);
uint32_t emsmdb_async_wait(struct conn *conn, const struct channel_call *call,
			   struct builder *out);
/* The waiter of <handle> goes without an answer. */
void emsmdb_unpark(struct handle *handle);
uint32_t nspi_bind(struct conn *conn, const struct channel_call *call,
		   struct builder *out);
uint32_t nspi_unbind(struct conn *conn, const struct channel_call *call,
		     struct builder *out);
uint32_t nspi_update_stat(struct conn *conn, const struct channel_call *call,
			  struct builder *out);
uint32_t rfr_new_dsa(struct conn *conn, const struct channel_call *call,
		     struct builder *out);
uint32_t rfr_fqdn(struct conn *conn, const struct channel_call *call,
		  struct builder *out);

#endif
