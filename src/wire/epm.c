/*
 * epm.c - stubs of ept_map. Those of ept_lookup are in epm_lookup.c.
 *
 * Layer: wire (pure: no I/O, clock, allocation or globals).
 * Source: C706 appendices I and O; [MS-RPCE] 2.2.1.2.5; NDR: C706 14.3;
 * NDR64: [MS-RPCE] 2.2.5.
 */
#include <string.h>

#include "epm_priv.h"

bool epm_handle_is_nil(const struct epm_handle *handle)
{
	static const struct epm_handle nil;

	return memcmp(handle, &nil, sizeof(nil)) == 0;
}

struct epm_handle epm_handle_take(struct cursor *cur)
{
	struct bytes raw = cursor_take(cur, EPM_HANDLE_LEN);
	struct epm_handle handle = { 0 };

	if (raw.len)
		memcpy(handle.octet, raw.at, EPM_HANDLE_LEN);
	return handle;
}

void epm_handle_put(struct builder *out, const struct epm_handle *handle)
{
	builder_put(out, bytes_of(handle->octet, EPM_HANDLE_LEN));
}

uint64_t epm_word_take(struct cursor *cur, bool is_64)
{
	cursor_align(cur, is_64 ? 8 : 4);
	return is_64 ? cursor_u64(cur) : cursor_u32(cur);
}

/* Samba's encoder of NDR64 swaps length and count of a tower and pads between
 * them, so that four octets of nothing stand before the tower proper. Other
 * encoders put none there, and a tower that begins with them has no floors.
 */
static void skip_deviant_padding(struct cursor *cur, uint32_t tower_length)
{
	struct cursor ahead = *cur;

	if (tower_length >= 4 && cursor_u32(&ahead) == 0)
		*cur = ahead;
}

struct bytes epm_tower_take(struct cursor *cur, bool is_64)
{
	uint64_t max_count = epm_word_take(cur, is_64);
	uint32_t tower_length = cursor_u32(cur);
	struct bytes tower;

	if (max_count != tower_length)
		cursor_fail(cur, ERR_MALFORMED);
	if (is_64)
		skip_deviant_padding(cur, tower_length);
	tower = cursor_take(cur, tower_length);
	cursor_align(cur, 4);
	return tower;
}

void epm_tower_put(struct builder *out, size_t start, struct bytes tower)
{
	builder_u32(out, (uint32_t)tower.len);
	builder_u32(out, (uint32_t)tower.len);
	builder_put(out, tower);
	epm_align(out, start);
}

void epm_align(struct builder *out, size_t start)
{
	builder_zero(out, -(out->len - start) & 3);
}

uint32_t epm_array_take(struct cursor *cur, bool is_64, uint32_t claimed,
			uint32_t most)
{
	uint64_t max_count = epm_word_take(cur, is_64);
	uint64_t offset = epm_word_take(cur, is_64);
	uint64_t actual = epm_word_take(cur, is_64);

	if (offset || actual != claimed || actual > max_count)
		cursor_fail(cur, ERR_MALFORMED);
	if (actual > most)
		cursor_fail(cur, ERR_LIMIT);
	return cur->err ? 0 : (uint32_t)actual;
}

void epm_array_put(struct builder *out, uint32_t n, uint32_t max_count)
{
	builder_u32(out, n);
	builder_u32(out, max_count);
	builder_u32(out, 0); /* offset */
	builder_u32(out, n);
	if (n > max_count) /* the caller could not unmarshal it */
		builder_fail(out, ERR_LIMIT);
}

int epm_map_request_read(struct bytes stub, struct ndr form,
			 struct epm_map_request *out)
{
	struct cursor cur = cursor_over(stub, form.little);
	struct epm_map_request req = { 0 };

	req.has_object = epm_word_take(&cur, form.is_64) != 0;
	if (req.has_object)
		req.object = uuid_read(&cur);
	if (epm_word_take(&cur, form.is_64))
		req.tower = epm_tower_take(&cur, form.is_64);
	req.handle = epm_handle_take(&cur);
	req.max_towers = cursor_u32(&cur);
	if (req.max_towers > EPM_ENTRIES_MAX)
		cursor_fail(&cur, ERR_LIMIT);
	if (!cur.err)
		*out = req;
	return cur.err;
}

void epm_map_request_write(struct builder *out,
			   const struct epm_map_request *req)
{
	size_t start = out->len;

	builder_u32(out, req->has_object ? 1 : 0);
	if (req->has_object)
		uuid_write(out, &req->object);
	builder_u32(out, req->tower.len ? 2 : 0);
	if (req->tower.len)
		epm_tower_put(out, start, req->tower);
	epm_handle_put(out, &req->handle);
	builder_u32(out, req->max_towers);
}

/* The tower whose referent is the <i>th: null, one that an earlier referent
 * with the same number stands for, or the next in the stub. */
static struct bytes take_referred(struct cursor *cur, bool is_64,
				  const uint64_t *referent,
				  const struct bytes *tower, uint32_t i)
{
	uint32_t j;

	if (!referent[i])
		return bytes_of(NULL, 0);
	for (j = 0; j < i; j++)
		if (referent[j] == referent[i])
			return tower[j];
	return epm_tower_take(cur, is_64);
}

int epm_map_reply_read(struct bytes stub, struct ndr form,
		       struct epm_map_reply *out)
{
	struct cursor cur = cursor_over(stub, form.little);
	struct epm_map_reply reply = { 0 };
	uint64_t referent[EPM_TOWERS_MAX];
	uint32_t i, n;

	reply.handle = epm_handle_take(&cur);
	n = cursor_u32(&cur);
	n = epm_array_take(&cur, form.is_64, n, EPM_TOWERS_MAX);
	for (i = 0; i < n; i++)
		referent[i] = epm_word_take(&cur, form.is_64);
	for (i = 0; i < n && !cur.err; i++)
		reply.tower[i] = take_referred(&cur, form.is_64, referent,
					       reply.tower, i);
	reply.ntowers = n;
	reply.status = cursor_u32(&cur);
	if (!cur.err)
		*out = reply;
	return cur.err;
}

void epm_map_reply_write(struct builder *out, const struct epm_map_reply *reply,
			 uint32_t max_towers)
{
	size_t start = out->len;
	uint32_t i;

	if (reply->ntowers > EPM_TOWERS_MAX) {
		builder_fail(out, ERR_LIMIT);
		return;
	}
	epm_handle_put(out, &reply->handle);
	epm_array_put(out, reply->ntowers, max_towers);
	for (i = 0; i < reply->ntowers; i++)
		builder_u32(out, reply->tower[i].len ? i + 3 : 0);
	for (i = 0; i < reply->ntowers; i++)
		if (reply->tower[i].len)
			epm_tower_put(out, start, reply->tower[i]);
	builder_u32(out, reply->status);
}

void epm_map_none_write64(struct builder *out, uint32_t max_towers,
			  uint32_t status)
{
	builder_zero(out, EPM_HANDLE_LEN);
	builder_u32(out, 0); /* towers; the array is aligned to 8 already */
	builder_u64(out, max_towers);
	builder_u64(out, 0); /* offset */
	builder_u64(out, 0);
	builder_u32(out, status);
}
