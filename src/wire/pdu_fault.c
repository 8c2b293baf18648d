/*
 * pdu_fault.c - what the status of a fault is called.
 *
 * Layer: wire (pure: no I/O, clock, allocation or globals).
 * Source: C706 appendix E (0x1c…: nca_s_*); [MS-ERREF] 2.2 (the Win32 codes
 * that Windows sends as they are).
 */
#include <stddef.h>

#include "wire/pdu.h"

static const struct {
	uint32_t status;
	const char *name;
} table[] = {
	{ PDU_FAULT_ACCESS_DENIED, "access-denied" },
	{ 0x00000006, "invalid-handle" },
	{ 0x00000008, "not-enough-memory" },
	{ 0x0000000e, "out-of-memory" },
	{ 0x00000057, "invalid-parameter" },
	{ 0x000006b5, "unknown-if" },
	{ 0x000006b9, "out-of-resources" },
	{ 0x000006ba, "server-unavailable" },
	{ 0x000006bb, "too-busy" },
	{ 0x000006be, "call-failed" },
	{ 0x000006bf, "call-failed-did-not-execute" },
	{ 0x000006c0, "rpc-protocol-error" },
	{ 0x000006c6, "array-bound-invalid" },
	{ 0x000006d1, "procedure-out-of-range" },
	{ 0x000006d3, "unknown-authn-service" },
	{ 0x000006d4, "unknown-authn-level" },
	{ 0x000006d5, "invalid-auth-identity" },
	{ 0x000006d8, "cant-perform-operation" },
	{ 0x000006d9, "endpoint-not-registered" },
	{ 0x000006e4, "cannot-support" },
	{ 0x000006ef, "null-context" },
	{ 0x000006f1, "context-damaged" },
	{ 0x000006f4, "null-reference-pointer" },
	{ 0x000006f5, "enumeration-out-of-range" },
	{ 0x000006f6, "byte-count-too-small" },
	{ PDU_FAULT_NDR, "bad-stub-data" },
	{ 0x0000071a, "call-cancelled" },
	{ PDU_FAULT_SEC_PKG, "security-package-error" },
	{ 0x1c000001, "integer-division-by-zero" },
	{ 0x1c000002, "address-error" },
	{ 0x1c000003, "float-division-by-zero" },
	{ 0x1c000004, "float-underflow" },
	{ 0x1c000005, "float-overflow" },
	{ 0x1c000006, "invalid-tag" },
	{ 0x1c000007, "invalid-bound" },
	{ 0x1c000008, "rpc-version-mismatch" },
	{ 0x1c000009, "unspecified-reject" },
	{ 0x1c00000a, "bad-activity-id" },
	{ 0x1c00000b, "who-are-you-failed" },
	{ 0x1c00000c, "manager-not-entered" },
	{ 0x1c00000d, "cancelled" },
	{ 0x1c00000e, "illegal-instruction" },
	{ 0x1c00000f, "float-error" },
	{ 0x1c000010, "integer-overflow" },
	{ 0x1c000012, "unspecified" },
	{ 0x1c000013, "remote-communication-failure" },
	{ 0x1c000014, "pipe-empty" },
	{ 0x1c000015, "pipe-closed" },
	{ 0x1c000016, "pipe-order" },
	{ 0x1c000017, "pipe-discipline" },
	{ 0x1c000018, "pipe-communication-error" },
	{ 0x1c000019, "pipe-memory" },
	{ PDU_FAULT_CONTEXT_MISMATCH, "context-mismatch" },
	{ 0x1c00001b, "remote-no-memory" },
	{ 0x1c00001c, "invalid-presentation-context" },
	{ 0x1c00001d, "unsupported-authn-level" },
	{ 0x1c00001f, "invalid-checksum" },
	{ 0x1c000020, "invalid-crc" },
	{ 0x1c000021, "user-defined" },
	{ 0x1c000022, "transaction-open-failed" },
	{ 0x1c000023, "codeset-conversion-error" },
	{ 0x1c000024, "object-not-found" },
	{ 0x1c000025, "no-client-stub" },
	{ 0x1c010001, "communication-failure" },
	{ PDU_FAULT_OP_RANGE, "operation-out-of-range" },
	{ PDU_FAULT_UNKNOWN_IF, "unknown-interface" },
	{ 0x1c010006, "wrong-boot-time" },
	{ 0x1c010009, "you-crashed" },
	{ 0x1c01000b, "protocol-error" },
	{ 0x1c010013, "arguments-too-big" },
	{ 0x1c010014, "server-too-busy" },
	{ 0x1c010015, "string-too-long" },
	{ 0x1c010017, "unsupported-type" },
};

const char *pdu_fault_name(uint32_t status)
{
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].status == status)
			return table[i].name;
	return NULL;
}
