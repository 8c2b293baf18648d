/*
 * Any text as an address, a prefix, an endpoint and a duration: what is
 * taken must be the same after it was written and read again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/tick.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_text(const char *text)
{
	char room[ENDPOINT_TEXT_MAX], span[24];
	struct endpoint ep, ep_again;
	struct addr addr, addr_again;
	struct prefix prefix;
	uint64_t ms, ms_again;

	if (addr_parse(text, &addr) == 0 &&
	    (addr_parse(addr_format(&addr, room), &addr_again) ||
	     !addr_equal(&addr, &addr_again)))
		abort();
	if (endpoint_parse(text, &ep) == 0 &&
	    (endpoint_parse(endpoint_format(&ep, room), &ep_again) ||
	     !addr_equal(&ep.addr, &ep_again.addr) || ep.port != ep_again.port))
		abort();
	if (prefix_parse(text, &prefix) == 0 &&
	    !prefix_has(&prefix, &prefix.addr))
		abort();
	if (tick_parse(text, &ms) == 0 &&
	    (tick_parse(tick_format(ms, span), &ms_again) || ms != ms_again))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);

	if (!text)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	check_text(text);
	free(text);
	return 0;
}
