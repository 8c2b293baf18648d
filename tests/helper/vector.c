/*
 * vector.c - PDUs from tests/vectors, and what a hostile peer makes of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vector.h"

static const char *const name_of[] = {
	"01_epm_bind.bin",
	"02_epm_bind_ack.bin",
	"03_epm_map_req_emsmdb_tcp.bin",
	"04_epm_map_resp_emsmdb_50000_10.0.0.1.bin",
	"05_epm_map_resp_not_registered.bin",
	"06_epm_map_req_emsmdb_http.bin",
	"07_epm_map_resp_emsmdb_http_6001.bin",
	"08_epm_lookup_req_all.bin",
	"09_emsmdb_bind_ntlm_negotiate.bin",
	"10_emsmdb_bind_ack_ntlm_challenge.bin",
	"11_emsmdb_auth3_ntlm_authenticate.bin",
	"30_epm_bind_windows_style_3ctx.bin",
	"31_epm_bind_ack_3results.bin",
	"32_emsmdb_bind_join_assoc_group.bin",
	"33_bind_nak_reason0.bin",
	"34_fault_context_mismatch.bin",
	"35_fault_unknown_if.bin",
	"36_alter_context_nspi.bin",
	"61_epm_map_resp_emsmdb_50000_samba.bin",
	"62x_samba_deviant_ndr64_resp.bin",
	"63x_samba_deviant_ndr64_req.bin",
	"64_epm_map_req_ndr64_impacket.bin",
	"65_epm_map_resp_ndr64_scapy.bin",
};

const char *vector_name(unsigned index)
{
	return index < sizeof(name_of) / sizeof(name_of[0]) ? name_of[index]
							    : NULL;
}

struct bytes vector_read(const char *name, struct vector *room)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "tests/vectors/%s", name);
	file = fopen(path, "rb");
	if (!file)
		fail_msg("%s: cannot be read", path);
	room->len = fread(room->octet, 1, sizeof(room->octet), file);
	fclose(file);
	assert_in_range(room->len, 1, sizeof(room->octet) - 1);
	return bytes_of(room->octet, room->len);
}

struct bytes vector_hex(const char *text, struct vector *room)
{
	unsigned octet;
	int used;

	room->len = 0;
	while (sscanf(text, " %2x%n", &octet, &used) == 1) {
		assert_true(room->len < sizeof(room->octet));
		room->octet[room->len++] = (uint8_t)octet;
		text += used;
	}
	return bytes_of(room->octet, room->len);
}

static uint8_t *copy_of(struct bytes in)
{
	uint8_t *copy = malloc(in.len ? in.len : 1);

	assert_non_null(copy);
	memcpy(copy, in.at, in.len);
	return copy;
}

void vector_truncations(struct bytes in, vector_body *body, void *ctx)
{
	size_t len;

	for (len = 0; len < in.len; len++) {
		uint8_t *copy = copy_of(bytes_of(in.at, len));

		body(bytes_of(copy, len), ctx);
		free(copy);
	}
}

void vector_flips(struct bytes in, vector_body *body, void *ctx)
{
	uint8_t *copy = copy_of(in);
	size_t bit;

	for (bit = 0; bit < 8 * in.len; bit++) {
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		body(bytes_of(copy, in.len), ctx);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	free(copy);
}
