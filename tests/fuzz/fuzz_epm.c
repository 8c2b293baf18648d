/*
 * Any octets as a stub of the endpoint mapper: the first one's lowest bits say
 * the byte order and whether it is NDR64. What was read must survive being
 * written (as NDR) and read again; every tower lies in the stub.
 */
#include <stdlib.h>

#include "wire/epm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_within(struct bytes inner, struct bytes stub)
{
	if (inner.len &&
	    (inner.at < stub.at || inner.at + inner.len > stub.at + stub.len))
		abort();
}

static void check_map_request(struct bytes stub, struct ndr form)
{
	static uint8_t room[2 * 65536];
	struct builder out = builder_over(room, sizeof(room), form.little);
	struct ndr written = { .little = form.little };
	struct epm_map_request req, again;

	if (epm_map_request_read(stub, form, &req) < 0)
		return;
	check_within(req.tower, stub);
	epm_map_request_write(&out, &req);
	if (out.err ||
	    epm_map_request_read(bytes_of(room, out.len), written, &again) <
		    0 ||
	    again.has_object != req.has_object ||
	    again.max_towers != req.max_towers ||
	    !bytes_equal(again.tower, req.tower))
		abort();
}

static void check_map_reply(struct bytes stub, struct ndr form)
{
	static uint8_t room[2 * EPM_TOWERS_MAX * 65536];
	struct builder out = builder_over(room, sizeof(room), form.little);
	struct ndr written = { .little = form.little };
	struct epm_map_reply reply, again;
	uint32_t i;

	if (epm_map_reply_read(stub, form, &reply) < 0)
		return;
	epm_map_reply_write(&out, &reply, EPM_ENTRIES_MAX);
	if (out.err ||
	    epm_map_reply_read(bytes_of(room, out.len), written, &again) < 0 ||
	    again.ntowers != reply.ntowers || again.status != reply.status)
		abort();
	for (i = 0; i < reply.ntowers; i++) {
		check_within(reply.tower[i], stub);
		if (!bytes_equal(reply.tower[i], again.tower[i]))
			abort();
	}
}

static void check_lookup_reply(struct bytes stub, struct ndr form)
{
	static struct epm_entry entry[EPM_ENTRIES_MAX];
	struct epm_lookup_reply reply;
	uint32_t i;

	if (epm_lookup_reply_read(stub, form, entry, EPM_ENTRIES_MAX, &reply) <
	    0)
		return;
	for (i = 0; i < reply.nentries; i++) {
		if (entry[i].annotation.len > EPM_ANNOTATION_MAX)
			abort();
		check_within(entry[i].annotation, stub);
		check_within(entry[i].tower, stub);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct epm_lookup_request lookup;
	struct bytes stub;
	struct ndr form;

	if (!len)
		return 0;
	form = (struct ndr){ .little = data[0] & 1, .is_64 = data[0] & 2 };
	stub = bytes_of(data + 1, len - 1);
	check_map_request(stub, form);
	check_map_reply(stub, form);
	check_lookup_reply(stub, form);
	if (epm_lookup_request_read(stub, form, &lookup) == 0 &&
	    lookup.max_entries > EPM_ENTRIES_MAX)
		abort();
	return 0;
}
