/*
 * Any octets as a fragment: the header, then every body's reader.
 */
#include "wire/pdu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

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
	sum += pdu_bind_read(&pdu, &bind);
	sum += pdu_bind_ack_read(&pdu, &ack);
	sum += pdu_bind_nak_read(&pdu, &nak);
	sum += pdu_request_read(&pdu, &req);
	sum += pdu_response_read(&pdu, &resp);
	sum += pdu_fault_read(&pdu, &fault);
	return sum > 0 ? -1 : 0;
}
