/*
 * epm_lookup.c - stubs of ept_lookup.
 *
 * Layer: wire (pure: no I/O, clock, allocation or globals).
 * Source: C706 appendices I and O; [MS-RPCE] 2.2.1.2.4; NDR: C706 14.3;
 * NDR64: [MS-RPCE] 2.2.5.
 */
#include <string.h>

#include "epm_priv.h"

/* rpc_if_id_t: two 16-bit versions, not the 32-bit one of a bind. */
static struct syntax read_if_id(struct cursor *cur)
{
	struct syntax syntax = { .uuid = uuid_read(cur) };

	syntax.major = cursor_u16(cur);
	syntax.minor = cursor_u16(cur);
	return syntax;
}

int epm_lookup_request_read(struct bytes stub, struct ndr form,
			    struct epm_lookup_request *out)
{
	struct cursor cur = cursor_over(stub, form.little);
	struct epm_lookup_request req = { 0 };

	req.inquiry = cursor_u32(&cur);
	req.has_object = epm_word_take(&cur, form.is_64) != 0;
	if (req.has_object)
		req.object = uuid_read(&cur);
	req.has_interface = epm_word_take(&cur, form.is_64) != 0;
	if (req.has_interface)
		req.interface = read_if_id(&cur);
	req.version_option = cursor_u32(&cur);
	req.handle = epm_handle_take(&cur);
	req.max_entries = cursor_u32(&cur);
	if (req.max_entries > EPM_ENTRIES_MAX)
		cursor_fail(&cur, ERR_LIMIT);
	if (!cur.err)
		*out = req;
	return cur.err;
}

void epm_lookup_request_write(struct builder *out,
			      const struct epm_lookup_request *req)
{
	builder_u32(out, req->inquiry);
	builder_u32(out, req->has_object ? 1 : 0);
	if (req->has_object)
		uuid_write(out, &req->object);
	builder_u32(out, req->has_interface ? 2 : 0);
	if (req->has_interface) {
		uuid_write(out, &req->interface.uuid);
		builder_u16(out, req->interface.major);
		builder_u16(out, req->interface.minor);
	}
	builder_u32(out, req->version_option);
	epm_handle_put(out, &req->handle);
	builder_u32(out, req->max_entries);
}

/* A varying string of at most 64 octets, counted with its NUL. */
static struct bytes read_annotation(struct cursor *cur, bool is_64)
{
	uint64_t offset = epm_word_take(cur, is_64);
	uint64_t len = epm_word_take(cur, is_64);
	struct bytes text;
	const uint8_t *nul;

	if (offset || len > EPM_ANNOTATION_MAX)
		cursor_fail(cur, ERR_MALFORMED);
	text = cursor_take(cur, (size_t)len);
	nul = text.len ? memchr(text.at, 0, text.len) : NULL;
	if (nul)
		text.len = (size_t)(nul - text.at);
	return text;
}

/* An entry without its tower, whose referent is returned. It is aligned as the
 * pointer in it is; behind the annotation, which varies, no gap is filled. */
static uint64_t read_entry(struct cursor *cur, bool is_64,
			   struct epm_entry *entry)
{
	uint64_t referent;

	cursor_align(cur, is_64 ? 8 : 4);
	entry->object = uuid_read(cur);
	referent = epm_word_take(cur, is_64);
	entry->annotation = read_annotation(cur, is_64);
	entry->tower = bytes_of(NULL, 0);
	return referent;
}

/* As in ept_map: null, an alias of an earlier tower, or the next one. */
static struct bytes take_referred(struct cursor *cur, bool is_64,
				  const uint64_t *referent,
				  const struct epm_entry *entry, uint32_t i)
{
	uint32_t j;

	if (!referent[i])
		return bytes_of(NULL, 0);
	for (j = 0; j < i; j++)
		if (referent[j] == referent[i])
			return entry[j].tower;
	return epm_tower_take(cur, is_64);
}

int epm_lookup_reply_read(struct bytes stub, struct ndr form,
			  struct epm_entry *entry, uint32_t room,
			  struct epm_lookup_reply *out)
{
	struct cursor cur = cursor_over(stub, form.little);
	uint64_t referent[EPM_ENTRIES_MAX];
	struct epm_lookup_reply reply = { 0 };
	uint32_t i, n;

	if (room > EPM_ENTRIES_MAX)
		room = EPM_ENTRIES_MAX;
	reply.handle = epm_handle_take(&cur);
	n = cursor_u32(&cur);
	n = epm_array_take(&cur, form.is_64, n, room);
	for (i = 0; i < n && !cur.err; i++)
		referent[i] = read_entry(&cur, form.is_64, &entry[i]);
	for (i = 0; i < n && !cur.err; i++)
		entry[i].tower =
			take_referred(&cur, form.is_64, referent, entry, i);
	reply.nentries = n;
	cursor_align(&cur, 4);
	reply.status = cursor_u32(&cur);
	if (!cur.err)
		*out = reply;
	return cur.err;
}

static void write_entry(struct builder *out, size_t start, uint32_t referent,
			const struct epm_entry *entry)
{
	struct bytes text = entry->annotation;

	if (text.len >= EPM_ANNOTATION_MAX) {
		builder_fail(out, ERR_LIMIT);
		return;
	}
	uuid_write(out, &entry->object);
	builder_u32(out, entry->tower.len ? referent : 0);
	builder_u32(out, 0); /* offset */
	builder_u32(out, (uint32_t)text.len + 1);
	builder_put(out, text);
	builder_u8(out, 0);
	epm_align(out, start);
}

void epm_lookup_reply_write(struct builder *out,
			    const struct epm_lookup_reply *reply,
			    const struct epm_entry *entry, uint32_t max_entries)
{
	size_t start = out->len;
	uint32_t i;

	epm_handle_put(out, &reply->handle);
	epm_array_put(out, reply->nentries, max_entries);
	for (i = 0; i < reply->nentries && !out->err; i++)
		write_entry(out, start, i + 3, &entry[i]);
	for (i = 0; i < reply->nentries; i++)
		if (entry[i].tower.len)
			epm_tower_put(out, start, entry[i].tower);
	builder_u32(out, reply->status);
}
