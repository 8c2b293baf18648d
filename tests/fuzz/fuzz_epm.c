/*
 * Any octets as a stub of the endpoint mapper: the first one's low bit says
 * the byte order. What was read must survive being written and read again.
 */
#include <stdlib.h>

#include "wire/epm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_map_reply(struct bytes stub, bool little)
{
	static uint8_t room[2 * EPM_TOWERS_MAX * 65536];
	struct builder out = builder_over(room, sizeof(room), little);
	struct epm_map_reply reply, again;
	uint32_t i;

	if (epm_map_reply_read(stub, little, &reply) < 0)
		return;
	epm_map_reply_write(&out, &reply, EPM_ENTRIES_MAX);
	if (out.err ||
	    epm_map_reply_read(bytes_of(room, out.len), little, &again) < 0 ||
	    again.ntowers != reply.ntowers || again.status != reply.status)
		abort();
	for (i = 0; i < reply.ntowers; i++)
		if (!bytes_equal(reply.tower[i], again.tower[i]))
			abort();
}

static void check_lookup_reply(struct bytes stub, bool little)
{
	static struct epm_entry entry[EPM_ENTRIES_MAX];
	struct epm_lookup_reply reply;
	uint32_t i;

	if (epm_lookup_reply_read(stub, little, entry, EPM_ENTRIES_MAX,
				  &reply) < 0)
		return;
	for (i = 0; i < reply.nentries; i++)
		if (entry[i].annotation.len > EPM_ANNOTATION_MAX ||
		    entry[i].tower.len > stub.len)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct epm_lookup_request lookup;
	struct epm_map_request map;
	struct bytes stub;
	bool little;

	if (!len)
		return 0;
	little = data[0] & 1;
	stub = bytes_of(data + 1, len - 1);
	check_map_reply(stub, little);
	check_lookup_reply(stub, little);
	if (epm_map_request_read(stub, little, &map) == 0 &&
	    map.tower.len > stub.len)
		abort();
	if (epm_lookup_request_read(stub, little, &lookup) == 0 &&
	    lookup.max_entries > EPM_ENTRIES_MAX)
		abort();
	return 0;
}
