/*
 * stub.c - the calls that Outlook makes, as NDR stubs.
 *
 * Layer: tools.
 * Source: [MS-OXCRPC] 3.1.4, [MS-OXNSPI] 3.1.4.1, [MS-OXABREF] 3.1.4.
 */
#include <string.h>

#include "sim/stub.h"

#define STAT_LEN    36 /* STAT: nine 32-bit numbers */
#define GUID_LEN    16
#define REFERENT    0x00020000u
#define AUX_OUT_MAX 0x1008u

static const char host_name[] = "sim";

/* [string]: conformant and varying, with its NUL. */
static void put_string(struct builder *out, struct bytes text)
{
	uint32_t len = (uint32_t)text.len + 1;

	builder_align(out, 4);
	builder_u32(out, len);
	builder_u32(out, 0);
	builder_u32(out, len);
	builder_put(out, text);
	builder_u8(out, 0);
}

static struct bytes take_string(struct cursor *cur)
{
	uint32_t offset, len;
	struct bytes text;

	cursor_align(cur, 4);
	cursor_u32(cur);
	offset = cursor_u32(cur);
	len = cursor_u32(cur);
	text = cursor_take(cur, len);
	if (!cur->err && (offset || !len || text.at[len - 1]))
		cursor_fail(cur, ERR_MALFORMED);
	if (cur->err)
		return (struct bytes){ 0 };
	return bytes_of(text.at, len - 1);
}

/* A pointer to a string: a full or unique one, which may be null. */
static void put_string_pointer(struct builder *out, struct bytes text)
{
	builder_align(out, 4);
	builder_u32(out, REFERENT);
	put_string(out, text);
}

static struct bytes take_string_pointer(struct cursor *cur)
{
	cursor_align(cur, 4);
	if (!cursor_u32(cur))
		return (struct bytes){ 0 };
	return take_string(cur);
}

/* [size_is(len)] unsigned char [] */
static void put_array(struct builder *out, uint32_t len)
{
	builder_align(out, 4);
	builder_u32(out, len);
	builder_zero(out, len);
}

static uint32_t take_array(struct cursor *cur)
{
	uint32_t len;

	cursor_align(cur, 4);
	len = cursor_u32(cur);
	cursor_take(cur, len);
	return len;
}

/* [length_is(len), size_is(len)] unsigned char [] */
static void put_out_array(struct builder *out, struct bytes head, uint32_t len)
{
	builder_align(out, 4);
	builder_u32(out, len);
	builder_u32(out, 0);
	builder_u32(out, len);
	builder_put(out, head);
	builder_zero(out, len - head.len);
}

static struct bytes take_out_array(struct cursor *cur)
{
	uint32_t len;

	cursor_align(cur, 4);
	cursor_u32(cur);
	cursor_u32(cur);
	len = cursor_u32(cur);
	return cursor_take(cur, len);
}

static uint32_t take_u32(struct cursor *cur)
{
	cursor_align(cur, 4);
	return cursor_u32(cur);
}

static void put_u32(struct builder *out, uint32_t value)
{
	builder_align(out, 4);
	builder_u32(out, value);
}

static void put_handle(struct builder *out, const struct stub_handle *handle)
{
	builder_align(out, 4);
	builder_put(out, bytes_of(handle->octet, STUB_HANDLE_LEN));
}

static struct stub_handle take_handle(struct cursor *cur)
{
	struct stub_handle handle = { { 0 } };
	struct bytes octets;

	cursor_align(cur, 4);
	octets = cursor_take(cur, STUB_HANDLE_LEN);
	if (octets.len)
		memcpy(handle.octet, octets.at, STUB_HANDLE_LEN);
	return handle;
}

/* The text before the first NUL. */
static struct bytes text_in(struct bytes octets)
{
	const uint8_t *end = NULL;

	if (octets.len)
		end = memchr(octets.at, 0, octets.len);
	return end ? bytes_of(octets.at, (size_t)(end - octets.at)) : octets;
}

void connect_ex_request_write(struct builder *out,
			      const struct connect_ex_request *req)
{
	put_string(out, req->user_dn);
	put_u32(out, 0);      /* ulFlags */
	put_u32(out, 0);      /* ulConMod */
	put_u32(out, 0);      /* cbLimit */
	put_u32(out, 1252);   /* ulCpid */
	put_u32(out, 0x0409); /* ulLcidString */
	put_u32(out, 0x0409); /* ulLcidSort */
	put_u32(out, req->link);
	builder_u16(out, 1);  /* usFCanConvertCodePages */
	builder_u16(out, 14); /* rgwClientVersion: Outlook 2010 */
	builder_u16(out, 0x8000 | 6000);
	builder_u16(out, 1000);
	put_u32(out, req->timestamp);
	put_array(out, 0); /* rgbAuxIn */
	put_u32(out, 0);   /* cbAuxIn */
	put_u32(out, AUX_OUT_MAX);
}

int connect_ex_request_read(struct cursor cur, struct connect_ex_request *out)
{
	struct connect_ex_request req = { 0 };
	int i;

	req.user_dn = take_string(&cur);
	cursor_align(&cur, 4);
	for (i = 0; i < 6; i++)
		cursor_u32(&cur); /* ulFlags … ulLcidSort */
	req.link = cursor_u32(&cur);
	for (i = 0; i < 4; i++)
		cursor_u16(&cur); /* code pages, version */
	req.timestamp = take_u32(&cur);
	take_array(&cur);
	take_u32(&cur);
	take_u32(&cur);
	if (!cur.err)
		*out = req;
	return cur.err;
}

void connect_ex_reply_write(struct builder *out,
			    const struct connect_ex_reply *reply)
{
	int i;

	put_handle(out, &reply->handle);
	put_u32(out, 60000); /* pcmsPollsMax */
	put_u32(out, 6);     /* pcRetry */
	put_u32(out, 10000); /* pcmsRetryDelay */
	builder_u16(out, reply->index);
	put_string_pointer(out, bytes_of(host_name, sizeof(host_name) - 1));
	put_string_pointer(out, reply->server);
	builder_align(out, 2);
	for (i = 0; i < 2; i++) { /* rgwServerVersion, rgwBestVersion */
		builder_u16(out, 14);
		builder_u16(out, 0x8000 | 3);
		builder_u16(out, 123);
	}
	put_u32(out, reply->timestamp);
	put_out_array(out, (struct bytes){ 0 }, 0);
	put_u32(out, 0); /* pcbAuxOut */
	put_u32(out, reply->status);
}

int connect_ex_reply_read(struct cursor cur, struct connect_ex_reply *out)
{
	struct connect_ex_reply reply = { 0 };

	reply.handle = take_handle(&cur);
	cursor_take(&cur, 12); /* polls and retries */
	reply.index = cursor_u16(&cur);
	take_string_pointer(&cur);
	reply.server = take_string_pointer(&cur);
	cursor_align(&cur, 2);
	cursor_take(&cur, 12); /* versions */
	reply.timestamp = take_u32(&cur);
	take_out_array(&cur);
	take_u32(&cur);
	reply.status = take_u32(&cur);
	if (!cur.err)
		*out = reply;
	return cur.err;
}

void rpc_ext2_request_write(struct builder *out,
			    const struct rpc_ext2_request *req)
{
	put_handle(out, &req->handle);
	put_u32(out, 0); /* pulFlags */
	put_array(out, req->send);
	put_u32(out, req->send);
	put_u32(out, req->want);
	put_array(out, 0); /* rgbAuxIn */
	put_u32(out, 0);
	put_u32(out, AUX_OUT_MAX);
}

int rpc_ext2_request_read(struct cursor cur, struct rpc_ext2_request *out)
{
	struct rpc_ext2_request req = { 0 };

	req.handle = take_handle(&cur);
	take_u32(&cur);
	req.send = take_array(&cur);
	take_u32(&cur);
	req.want = take_u32(&cur);
	take_array(&cur);
	take_u32(&cur);
	take_u32(&cur);
	if (!cur.err && req.want > STUB_PAYLOAD_MAX)
		cursor_fail(&cur, ERR_LIMIT);
	if (!cur.err)
		*out = req;
	return cur.err;
}

void rpc_ext2_reply_write(struct builder *out,
			  const struct rpc_ext2_reply *reply)
{
	put_handle(out, &reply->handle);
	put_u32(out, 0); /* pulFlags */
	put_out_array(out, reply->server, reply->len);
	put_u32(out, reply->len);
	put_out_array(out, (struct bytes){ 0 }, 0);
	put_u32(out, 0); /* pcbAuxOut */
	put_u32(out, 0); /* pulTransTime */
	put_u32(out, reply->status);
}

int rpc_ext2_reply_read(struct cursor cur, struct rpc_ext2_reply *out)
{
	struct rpc_ext2_reply reply = { 0 };
	struct bytes payload;

	reply.handle = take_handle(&cur);
	take_u32(&cur);
	payload = take_out_array(&cur);
	reply.server = text_in(payload);
	reply.len = take_u32(&cur);
	take_out_array(&cur);
	take_u32(&cur);
	take_u32(&cur);
	reply.status = take_u32(&cur);
	if (!cur.err && reply.len != payload.len)
		cursor_fail(&cur, ERR_MALFORMED);
	if (!cur.err)
		*out = reply;
	return cur.err;
}

void handle_request_write(struct builder *out, const struct stub_handle *handle,
			  unsigned nzeros)
{
	put_handle(out, handle);
	builder_zero(out, 4 * (size_t)nzeros);
}

int handle_read(struct cursor *cur, struct stub_handle *out)
{
	struct stub_handle handle = take_handle(cur);

	if (!cur->err)
		*out = handle;
	return cur->err;
}

void handle_reply_write(struct builder *out, const struct stub_handle *handle,
			uint32_t status)
{
	put_handle(out, handle);
	put_u32(out, status);
}

int handle_reply_read(struct cursor cur, struct stub_handle *out,
		      uint32_t *status)
{
	struct stub_handle handle = take_handle(&cur);
	uint32_t value = take_u32(&cur);

	if (cur.err)
		return cur.err;
	*out = handle;
	*status = value;
	return 0;
}

void wait_ex_reply_write(struct builder *out, uint32_t flags, uint32_t status)
{
	put_u32(out, flags);
	put_u32(out, status);
}

int wait_ex_reply_read(struct cursor cur, uint32_t *flags, uint32_t *status)
{
	uint32_t first = take_u32(&cur);
	uint32_t second = take_u32(&cur);

	if (cur.err)
		return cur.err;
	*flags = first;
	*status = second;
	return 0;
}

void nspi_bind_request_write(struct builder *out)
{
	put_u32(out, 0); /* dwFlags */
	builder_zero(out, STAT_LEN - 12);
	put_u32(out, 1252);   /* CodePage */
	put_u32(out, 0x0409); /* TemplateLocale */
	put_u32(out, 0x0409); /* SortLocale */
	put_u32(out, REFERENT);
	builder_zero(out, GUID_LEN);
}

/* [unique] FlatUID_r *, the handle, the return value. */
void nspi_bind_reply_write(struct builder *out,
			   const struct nspi_bind_reply *reply)
{
	put_u32(out, REFERENT);
	builder_put(out, reply->server);
	builder_zero(out, GUID_LEN - reply->server.len);
	put_handle(out, &reply->handle);
	put_u32(out, reply->status);
}

int nspi_bind_reply_read(struct cursor cur, struct nspi_bind_reply *out)
{
	struct nspi_bind_reply reply = { 0 };

	if (take_u32(&cur))
		reply.server = text_in(cursor_take(&cur, GUID_LEN));
	reply.handle = take_handle(&cur);
	reply.status = take_u32(&cur);
	if (!cur.err)
		*out = reply;
	return cur.err;
}

void update_stat_request_write(struct builder *out,
			       const struct stub_handle *handle)
{
	put_handle(out, handle);
	put_u32(out, 0); /* Reserved */
	builder_zero(out, STAT_LEN);
	put_u32(out, 0); /* plDelta: not asked for */
}

void update_stat_reply_write(struct builder *out, uint32_t status)
{
	builder_zero(out, STAT_LEN);
	put_u32(out, 0);
	put_u32(out, status);
}

int update_stat_reply_read(struct cursor cur, uint32_t *status)
{
	uint32_t value;

	cursor_take(&cur, STAT_LEN);
	if (take_u32(&cur))
		take_u32(&cur);
	value = take_u32(&cur);
	if (!cur.err)
		*status = value;
	return cur.err;
}

void new_dsa_request_write(struct builder *out, struct bytes user_dn)
{
	put_u32(out, 0); /* ulFlags */
	put_string(out, user_dn);
	put_u32(out, 0); /* ppszUnused */
	put_u32(out, REFERENT);
	put_u32(out, 0); /* *ppszServer */
}

void new_dsa_reply_write(struct builder *out, struct bytes server)
{
	put_u32(out, 0);
	put_u32(out, REFERENT);
	put_string_pointer(out, server);
	put_u32(out, STUB_OK);
}

/* [unique] pointers to pointers. */
int new_dsa_reply_read(struct cursor cur, struct bytes *server,
		       uint32_t *status)
{
	struct bytes name = { 0 };
	uint32_t value;

	if (take_u32(&cur))
		take_string_pointer(&cur);
	if (take_u32(&cur))
		name = take_string_pointer(&cur);
	value = take_u32(&cur);
	if (cur.err)
		return cur.err;
	*server = name;
	*status = value;
	return 0;
}

void fqdn_request_write(struct builder *out, struct bytes server_dn)
{
	put_u32(out, 0);			   /* ulFlags */
	put_u32(out, (uint32_t)server_dn.len + 1); /* cbMailboxServerDN */
	put_string(out, server_dn);
}

void fqdn_reply_write(struct builder *out, struct bytes server)
{
	put_string_pointer(out, server);
	put_u32(out, STUB_OK);
}

int fqdn_reply_read(struct cursor cur, struct bytes *server, uint32_t *status)
{
	struct bytes name = take_string_pointer(&cur);
	uint32_t value = take_u32(&cur);

	if (cur.err)
		return cur.err;
	*server = name;
	*status = value;
	return 0;
}
