/*
 * directory.c - address book (NSPI) and referral (RFR).
 *
 * Layer: tools.
 * Source: [MS-OXNSPI] 3.1.4.1; [MS-OXABREF] 3.1.4.
 */
#include <string.h>

#include "conn.h"

#define UNBIND_SUCCESS 1u /* what NspiUnbind returns */

static struct bytes name_of(const struct conn *conn)
{
	const char *name = conn_server(conn)->name;

	return bytes_of(name, strlen(name));
}

uint32_t nspi_bind(struct conn *conn, const struct channel_call *call,
		   struct builder *out)
{
	struct handle *handle = handle_new(conn->group, HANDLE_NSPI);
	struct nspi_bind_reply reply = { .status = STUB_OK };

	(void)call;
	if (!handle)
		return PDU_FAULT_NDR;
	reply.server = name_of(conn);
	reply.handle = handle->wire;
	nspi_bind_reply_write(out, &reply);
	return 0;
}

static uint32_t find_first(const struct conn *conn,
			   const struct channel_call *call, struct handle **out)
{
	struct cursor cur = cursor_over(call->stub, call->little);
	struct stub_handle wire;

	if (handle_read(&cur, &wire))
		return PDU_FAULT_NDR;
	*out = handle_find(conn->group, HANDLE_NSPI, &wire);
	return *out ? 0 : PDU_FAULT_CONTEXT_MISMATCH;
}

uint32_t nspi_unbind(struct conn *conn, const struct channel_call *call,
		     struct builder *out)
{
	struct handle *handle;
	uint32_t fault = find_first(conn, call, &handle);

	if (fault)
		return fault;
	handle_free(handle);
	handle_reply_write(out, &(struct stub_handle){ { 0 } }, UNBIND_SUCCESS);
	return 0;
}

uint32_t nspi_update_stat(struct conn *conn, const struct channel_call *call,
			  struct builder *out)
{
	struct handle *handle;
	uint32_t fault = find_first(conn, call, &handle);

	if (!fault)
		update_stat_reply_write(out, STUB_OK);
	return fault;
}

uint32_t rfr_new_dsa(struct conn *conn, const struct channel_call *call,
		     struct builder *out)
{
	(void)call;
	new_dsa_reply_write(out, name_of(conn));
	return 0;
}

uint32_t rfr_fqdn(struct conn *conn, const struct channel_call *call,
		  struct builder *out)
{
	(void)call;
	fqdn_reply_write(out, name_of(conn));
	return 0;
}
