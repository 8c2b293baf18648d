/*
 * Any octets as a fragment: the header, then every body's reader; the first
 * and every other interface of a bind is spoilt, and only those.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/pdu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_spoilt(struct bytes whole, const struct pdu_bind *was)
{
	const uint64_t contexts = 0x5555555555555555;
	uint8_t *copy = malloc(whole.len);
	struct pdu_bind is;
	struct pdu pdu;
	unsigned i;

	if (!copy)
		abort();
	memcpy(copy, whole.at, whole.len);
	if (pdu_bind_spoil(copy, was, contexts) != (was->ncontexts + 1u) / 2 ||
	    pdu_read(bytes_of(copy, whole.len), &pdu) < 0 ||
	    pdu_bind_read(&pdu, &is) < 0 || is.ncontexts != was->ncontexts)
		abort();
	for (i = 0; i < is.ncontexts; i++)
		if (!uuid_equal(&is.context[i].abstract.uuid,
				i & 1 ? &was->context[i].abstract.uuid
				      : &pdu_spoilt_uuid))
			abort();
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct pdu_bind_nak nak;
	struct pdu_bind_ack ack;
	struct pdu_response resp;
	struct pdu_request req;
	struct pdu_fault fault;
	struct pdu_bind bind;
	struct pdu pdu;
	int sum = 0;

	if (pdu_read(bytes_of(data, len), &pdu) < 0)
		return 0;
	if (pdu_bind_read(&pdu, &bind) == 0)
		check_spoilt(pdu.whole, &bind);
	sum += pdu_bind_ack_read(&pdu, &ack);
	sum += pdu_bind_nak_read(&pdu, &nak);
	sum += pdu_request_read(&pdu, &req);
	sum += pdu_response_read(&pdu, &resp);
	sum += pdu_fault_read(&pdu, &fault);
	return sum > 0 ? -1 : 0;
}
