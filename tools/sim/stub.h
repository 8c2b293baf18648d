/*
 * stub.h - the calls that Outlook makes, as NDR stubs.
 *
 * Layer: tools.
 * Source: [MS-OXCRPC] 3.1.4 (EMSMDB, AsyncEMSMDB), [MS-OXNSPI] 3.1.4.1,
 * [MS-OXABREF] 3.1.4; C706 14 (NDR).
 * Units: lengths in octets.
 *
 * Parameters stand as the specifications say. What is in them is simpler
 * than Exchange's: a client sends no ROPs but filling octets and says in
 * *pcbOut how many it wants back; a server puts its name where a name has
 * room, so that a client sees who served it:
 *
 *	EcDoConnectEx		szDisplayName
 *	EcDoRpcExt2		the head of rgbOut, with a NUL
 *	NspiBind		pServerGuid, padded with NUL
 *	RfrGetNewDSA		ppszServer
 *	RfrGetFQDNFromServerDN	ppszServerFQDN
 *
 * The other calls take a context handle, which no other server knows.
 * Strings are borrowed from the stub and end before their NUL.
 */
#ifndef SIM_STUB_H
#define SIM_STUB_H

#include <stdint.h>

#include "base/bytes.h"

#define STUB_NAME_MAX	 16 /* a server's name, without NUL: a GUID's room */
#define STUB_HANDLE_LEN	 20
#define STUB_NO_LINK	 0xffffffffu
#define STUB_PAYLOAD_MAX 0x40000u

enum emsmdb_opnum {
	EMSMDB_DISCONNECT = 1,
	EMSMDB_DUMMY = 6,
	EMSMDB_CONNECT_EX = 10,
	EMSMDB_RPC_EXT2 = 11,
	EMSMDB_ASYNC_CONNECT_EX = 14,
};
enum async_emsmdb_opnum { ASYNC_WAIT_EX = 0 };
enum nspi_opnum { NSPI_BIND = 0, NSPI_UNBIND = 1, NSPI_UPDATE_STAT = 2 };
enum rfr_opnum { RFR_NEW_DSA = 0, RFR_FQDN_FROM_DN = 1 };
enum mgmt_opnum { MGMT_IS_LISTENING = 2 };

/* Return values of the interfaces. */
#define STUB_OK		   0u
#define STUB_LOGON_FAILED  0x80040111u /* a link to no session of ours */
#define STUB_REJECTED	   0x000007eeu /* ecRejected: the session ended */
#define STUB_EVENT_PENDING 1u	       /* of EcDoAsyncWaitEx */

struct stub_handle {
	uint8_t octet[STUB_HANDLE_LEN];
};

struct connect_ex_request {
	struct bytes user_dn;
	uint32_t link; /* ulIcxrLink: a session's index, or STUB_NO_LINK */
	uint32_t timestamp;
};
void connect_ex_request_write(struct builder *out,
			      const struct connect_ex_request *req);
MUST_CHECK int connect_ex_request_read(struct cursor cur,
				       struct connect_ex_request *out);

struct connect_ex_reply {
	struct stub_handle handle;
	uint16_t index; /* picxr */
	struct bytes server;
	uint32_t timestamp;
	uint32_t status;
};
void connect_ex_reply_write(struct builder *out,
			    const struct connect_ex_reply *reply);
MUST_CHECK int connect_ex_reply_read(struct cursor cur,
				     struct connect_ex_reply *out);

struct rpc_ext2_request {
	struct stub_handle handle;
	uint32_t send; /* octets of rgbIn */
	uint32_t want; /* octets of rgbOut */
};
void rpc_ext2_request_write(struct builder *out,
			    const struct rpc_ext2_request *req);
MUST_CHECK int rpc_ext2_request_read(struct cursor cur,
				     struct rpc_ext2_request *out);

struct rpc_ext2_reply {
	struct stub_handle handle;
	struct bytes server;
	uint32_t len; /* octets of rgbOut; more than the name's */
	uint32_t status;
};
void rpc_ext2_reply_write(struct builder *out,
			  const struct rpc_ext2_reply *reply);
MUST_CHECK int rpc_ext2_reply_read(struct cursor cur,
				   struct rpc_ext2_reply *out);

/* Requests of a handle and <nzeros> 32-bit numbers that are 0, replies of a
 * handle or a number and a status: EcDoDisconnect, EcDoAsyncConnectEx,
 * EcDoAsyncWaitEx, NspiUnbind. */
void handle_request_write(struct builder *out, const struct stub_handle *handle,
			  unsigned nzeros);
MUST_CHECK int handle_read(struct cursor *cur, struct stub_handle *out);
void handle_reply_write(struct builder *out, const struct stub_handle *handle,
			uint32_t status);
MUST_CHECK int handle_reply_read(struct cursor cur, struct stub_handle *out,
				 uint32_t *status);
void wait_ex_reply_write(struct builder *out, uint32_t flags, uint32_t status);
MUST_CHECK int wait_ex_reply_read(struct cursor cur, uint32_t *flags,
				  uint32_t *status);

void nspi_bind_request_write(struct builder *out);
struct nspi_bind_reply {
	struct bytes server;
	struct stub_handle handle;
	uint32_t status;
};
void nspi_bind_reply_write(struct builder *out,
			   const struct nspi_bind_reply *reply);
MUST_CHECK int nspi_bind_reply_read(struct cursor cur,
				    struct nspi_bind_reply *out);
void update_stat_request_write(struct builder *out,
			       const struct stub_handle *handle);
void update_stat_reply_write(struct builder *out, uint32_t status);
MUST_CHECK int update_stat_reply_read(struct cursor cur, uint32_t *status);

void new_dsa_request_write(struct builder *out, struct bytes user_dn);
void new_dsa_reply_write(struct builder *out, struct bytes server);
MUST_CHECK int new_dsa_reply_read(struct cursor cur, struct bytes *server,
				  uint32_t *status);
void fqdn_request_write(struct builder *out, struct bytes server_dn);
void fqdn_reply_write(struct builder *out, struct bytes server);
MUST_CHECK int fqdn_reply_read(struct cursor cur, struct bytes *server,
			       uint32_t *status);

#endif
