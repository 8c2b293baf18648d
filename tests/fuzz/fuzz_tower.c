/*
 * Any octets as a tower; where it says that port and address stand, they do,
 * and what is patched there is read again from a tower that is else the same.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/tower.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_patched(struct bytes in, const struct tower *was)
{
	const struct addr addr = { .family = AF_INET,
				   .octet = { 10, 7, 8, 9 } };
	uint8_t *copy = malloc(in.len);
	struct tower is;

	if (!copy)
		abort();
	memcpy(copy, in.at, in.len);
	tower_patch(copy, was, 0x1234, &addr);
	if (tower_read(bytes_of(copy, in.len), &is) < 0 ||
	    is.protocol != was->protocol ||
	    !syntax_equal(&is.interface, &was->interface) ||
	    is.port != (was->has_port ? 0x1234 : 0) ||
	    addr_equal(&is.addr, &addr) != (was->addr.family != 0))
		abort();
	tower_patch(copy, was, was->port, &was->addr);
	if (memcmp(copy, in.at, in.len) != 0)
		abort();
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tower tower;

	if (tower_read(bytes_of(data, len), &tower) < 0)
		return 0;
	if (tower.has_port && (tower.port_offset + 2u > len ||
			       (data[tower.port_offset] << 8 |
				data[tower.port_offset + 1]) != tower.port))
		abort();
	if (tower.addr.family && tower.addr_offset + 4u > len)
		abort();
	check_patched(bytes_of(data, len), &tower);
	return 0;
}
