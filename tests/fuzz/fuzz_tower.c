/*
 * Any octets as a tower; where it says that port and address stand, they do.
 */
#include <stdlib.h>

#include "wire/tower.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

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
	return 0;
}
