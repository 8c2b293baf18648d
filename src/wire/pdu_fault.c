/*
 * pdu_fault.c - what the status of a fault is called.
 *
 * Layer: wire (pure: no I/O, clock, allocation or globals).
 * Source: C706 appendix E (0x1c…: nca_s_*); [MS-ERREF] 2.2 (the Win32 codes
 * that Windows sends as they are). Each is written as its source writes it,
 * so that a search for it finds what is known.
 */
#include <stddef.h>

#include "wire/pdu.h"

static const struct {
	uint32_t status;
	const char *name;
} table[] = {
	{ PDU_FAULT_ACCESS_DENIED, "ERROR_ACCESS_DENIED" },
	{ 0x00000006, "ERROR_INVALID_HANDLE" },
	{ 0x00000008, "ERROR_NOT_ENOUGH_MEMORY" },
	{ 0x0000000e, "ERROR_OUTOFMEMORY" },
	{ 0x00000057, "ERROR_INVALID_PARAMETER" },
	{ 0x000006b5, "RPC_S_UNKNOWN_IF" },
	{ 0x000006b9, "RPC_S_OUT_OF_RESOURCES" },
	{ 0x000006ba, "RPC_S_SERVER_UNAVAILABLE" },
	{ 0x000006bb, "RPC_S_SERVER_TOO_BUSY" },
	{ 0x000006be, "RPC_S_CALL_FAILED" },
	{ 0x000006bf, "RPC_S_CALL_FAILED_DNE" },
	{ 0x000006c0, "RPC_S_PROTOCOL_ERROR" },
	{ 0x000006c6, "RPC_S_INVALID_BOUND" },
	{ 0x000006d1, "RPC_S_PROCNUM_OUT_OF_RANGE" },
	{ 0x000006d3, "RPC_S_UNKNOWN_AUTHN_SERVICE" },
	{ 0x000006d4, "RPC_S_UNKNOWN_AUTHN_LEVEL" },
	{ 0x000006d5, "RPC_S_INVALID_AUTH_IDENTITY" },
	{ 0x000006d8, "EPT_S_CANT_PERFORM_OP" },
	{ 0x000006d9, "EPT_S_NOT_REGISTERED" },
	{ 0x000006e4, "RPC_S_CANNOT_SUPPORT" },
	{ 0x000006ef, "RPC_X_SS_IN_NULL_CONTEXT" },
	{ 0x000006f1, "RPC_X_SS_CONTEXT_DAMAGED" },
	{ 0x000006f4, "RPC_X_NULL_REF_POINTER" },
	{ 0x000006f5, "RPC_X_ENUM_VALUE_OUT_OF_RANGE" },
	{ 0x000006f6, "RPC_X_BYTE_COUNT_TOO_SMALL" },
	{ PDU_FAULT_NDR, "RPC_X_BAD_STUB_DATA" },
	{ 0x0000071a, "RPC_S_CALL_CANCELLED" },
	{ PDU_FAULT_SEC_PKG, "RPC_S_SEC_PKG_ERROR" },
	{ 0x1c000001, "nca_s_fault_int_div_by_zero" },
	{ 0x1c000002, "nca_s_fault_addr_error" },
	{ 0x1c000003, "nca_s_fault_fp_div_zero" },
	{ 0x1c000004, "nca_s_fault_fp_underflow" },
	{ 0x1c000005, "nca_s_fault_fp_overflow" },
	{ 0x1c000006, "nca_s_fault_invalid_tag" },
	{ 0x1c000007, "nca_s_fault_invalid_bound" },
	{ 0x1c000008, "nca_s_rpc_version_mismatch" },
	{ 0x1c000009, "nca_s_unspec_reject" },
	{ 0x1c00000a, "nca_s_bad_actid" },
	{ 0x1c00000b, "nca_s_who_are_you_failed" },
	{ 0x1c00000c, "nca_s_manager_not_entered" },
	{ 0x1c00000d, "nca_s_fault_cancel" },
	{ 0x1c00000e, "nca_s_fault_ill_inst" },
	{ 0x1c00000f, "nca_s_fault_fp_error" },
	{ 0x1c000010, "nca_s_fault_int_overflow" },
	{ 0x1c000012, "nca_s_fault_unspec" },
	{ 0x1c000013, "nca_s_fault_remote_comm_failure" },
	{ 0x1c000014, "nca_s_fault_pipe_empty" },
	{ 0x1c000015, "nca_s_fault_pipe_closed" },
	{ 0x1c000016, "nca_s_fault_pipe_order" },
	{ 0x1c000017, "nca_s_fault_pipe_discipline" },
	{ 0x1c000018, "nca_s_fault_pipe_comm_error" },
	{ 0x1c000019, "nca_s_fault_pipe_memory" },
	{ PDU_FAULT_CONTEXT_MISMATCH, "nca_s_fault_context_mismatch" },
	{ 0x1c00001b, "nca_s_fault_remote_no_memory" },
	{ PDU_FAULT_CONTEXT_ID, "nca_s_invalid_pres_context_id" },
	{ 0x1c00001d, "nca_s_unsupported_authn_level" },
	{ 0x1c00001f, "nca_s_invalid_checksum" },
	{ 0x1c000020, "nca_s_invalid_crc" },
	{ 0x1c000021, "nca_s_fault_user_defined" },
	{ 0x1c000022, "nca_s_fault_tx_open_failed" },
	{ 0x1c000023, "nca_s_fault_codeset_conv_error" },
	{ 0x1c000024, "nca_s_fault_object_not_found" },
	{ 0x1c000025, "nca_s_fault_no_client_stub" },
	{ 0x1c010001, "nca_s_comm_failure" },
	{ PDU_FAULT_OP_RANGE, "nca_s_op_rng_error" },
	{ PDU_FAULT_UNKNOWN_IF, "nca_s_unk_if" },
	{ 0x1c010006, "nca_s_wrong_boot_time" },
	{ 0x1c010009, "nca_s_you_crashed" },
	{ 0x1c01000b, "nca_s_proto_error" },
	{ 0x1c010013, "nca_s_out_args_too_big" },
	{ 0x1c010014, "nca_s_server_too_busy" },
	{ 0x1c010015, "nca_s_fault_string_too_long" },
	{ 0x1c010017, "nca_s_unsupported_type" },
};

const char *pdu_fault_name(uint32_t status)
{
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].status == status)
			return table[i].name;
	return NULL;
}
