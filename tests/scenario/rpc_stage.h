/*
 * rpc_stage.h - the RPC service on its stage, and PDUs to play with.
 *
 * Octets that a function returns stay good while a few more are asked for:
 * they stand in rooms that are used in turn.
 */
#ifndef SCENARIO_RPC_STAGE_H
#define SCENARIO_RPC_STAGE_H

#include "core/portset.h"
#include "stage.h"
#include "svc/rpc.h"
#include "wire/pdu.h"

#define RPC_STAGE_PORTS 4
#define RPC_STAGE_MANY	120 /* connections */

struct rpc_stage {
	struct stage stage;
	struct svc_rpc_shared shared;
	struct svc_rpc *svc;
	int vip[RPC_STAGE_PORTS];
	unsigned nvips;
	unsigned changes; /* ports_changed() was called */
	/* What admit_client() was told, and what it says. */
	unsigned nadmitted;
	uint16_t admitted[16];
	int admit_err;
	int unheard; /* a client that must not have heard by then; -1: none */
};

/* The stage's defaults, but dynamic ports; change play->stage.conf, then
 * rpc_stage_open(). */
void rpc_stage_begin(struct rpc_stage *play, enum conf_epm epm);
/* The service; it takes connections to 135. */
void rpc_stage_open(struct rpc_stage *play);
/* … and to this port as well. */
void rpc_stage_listen(struct rpc_stage *play, uint16_t port);
void rpc_stage_end(struct rpc_stage *play);

/* The server announces <n> endpoints, which replaces what it did before. */
void rpc_stage_announce(struct rpc_stage *play, unsigned server,
			const struct announcement *list, unsigned n);
/* What the control thread does then: virtual ports from <first> on, ten of
 * them; all that may be dialled is open, and who waits is told. */
void rpc_stage_follow(struct rpc_stage *play, uint16_t first);
/* The port of the virtual address that leads there; 0: none. */
uint16_t rpc_stage_vport(struct rpc_stage *play, unsigned server,
			 const struct syntax *interface, uint16_t port);
/* Is the <n>th client to find the server's port behind that of the virtual
 * address? <port> 0: there is no lease. */
void rpc_stage_expect_lease(struct rpc_stage *play, unsigned n, uint16_t vport,
			    const struct syntax *interface, unsigned server,
			    uint16_t port);

/* The <n>th client connects to the virtual address. */
int rpc_stage_client(unsigned n, uint16_t port);
/* The server's end of a connection; it fails if there is none. */
int rpc_stage_accept(int listening);
unsigned rpc_stage_logged(const struct rpc_stage *play, const char *event,
			  const char *fields);

/* Write, and let the balancer do what it does. */
void rpc_stage_say(struct rpc_stage *play, int fd, struct bytes octets);
/* All that has come. */
struct bytes rpc_stage_hear(int fd);
void rpc_expect(int fd, struct bytes octets);
void rpc_expect_silence(int fd);
void rpc_expect_end(int fd);   /* and close */
void rpc_expect_reset(int fd); /* and close */
/* What goes in at one end must come out at the other as it is. */
void rpc_stage_pass(struct rpc_stage *play, int from, int to,
		    struct bytes octets);

/* The only PDU in <octets>. */
struct pdu rpc_only(struct bytes octets, uint8_t type);

/* Room to build octets in. */
struct builder rpc_room(bool is_little);
struct bytes rpc_built(const struct builder *out);
struct bytes rpc_join(struct bytes a, struct bytes b);
/* A copy that may be written to. */
uint8_t *rpc_copy(struct bytes in);
/* The vector of that name. */
struct bytes rpc_vector(const char *name);

/* One context: <interface> in NDR. */
struct pdu_bind rpc_offer(const struct syntax *interface, uint32_t group);
struct bytes rpc_bind(const struct pdu_bind *bind, uint32_t call_id,
		      bool is_little);
struct bytes rpc_alter(const struct pdu_bind *bind, uint32_t call_id,
		       bool is_little);
/* What a server says that accepts the first context in NDR and rejects the
 * others; <type>: to a bind or an alter_context. */
struct bytes rpc_ack(const struct pdu_bind *bind, uint8_t type, uint32_t group,
		     uint32_t call_id, bool is_little);
struct bytes rpc_request(uint16_t opnum, struct bytes stub, uint32_t call_id,
			 bool is_little);
/* <most>: octets of stub in a fragment, 0: all in one. */
struct bytes rpc_response(struct bytes stub, size_t most, uint32_t call_id,
			  bool is_little);
struct bytes rpc_fault(uint32_t status, uint32_t call_id);
/* The PDU with a security trailer and <value> at its end. */
struct bytes rpc_signed(struct bytes pdu, uint8_t auth_type, uint8_t auth_level,
			struct bytes value);

#endif
