/*
 * Binds and their answers, by vectors and by hostile input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../helper/vector.h"
#include "wire/iface.h"
#include "wire/pdu.h"

static struct pdu read_octets(struct bytes in)
{
	struct pdu pdu;

	assert_int_equal(pdu_read(in, &pdu), 0);
	return pdu;
}

static struct pdu_bind read_bind(const char *name)
{
	struct pdu_bind bind;
	struct vector room;
	struct pdu pdu = read_octets(vector_read(name, &room));

	assert_int_equal(pdu_bind_read(&pdu, &bind), 0);
	return bind;
}

static struct pdu_bind_ack read_ack(const char *name, struct vector *room)
{
	struct pdu_bind_ack ack;
	struct pdu pdu = read_octets(vector_read(name, room));

	assert_int_equal(pdu_bind_ack_read(&pdu, &ack), 0);
	return ack;
}

static void assert_text(struct bytes got, const char *want)
{
	assert_true(bytes_equal(got, bytes_of(want, strlen(want))));
}

static void a_bind_names_interface_and_transfer_syntax(void **state)
{
	struct pdu_bind bind = read_bind("01_epm_bind.bin");

	(void)state;
	assert_int_equal(bind.max_xmit, 4280);
	assert_int_equal(bind.max_recv, 4280);
	assert_int_equal(bind.assoc_group, 0);
	assert_int_equal(bind.ncontexts, 1);
	assert_int_equal(bind.context[0].id, 0);
	assert_int_equal(bind.context[0].ntransfer, 1);
	assert_true(syntax_equal(&bind.context[0].abstract, &iface_epm.syntax));
	assert_true(syntax_equal(&bind.context[0].transfer[0], &syntax_ndr));
}

static void a_bind_with_credentials_is_read_up_to_its_trailer(void **state)
{
	struct pdu_bind bind = read_bind("09_emsmdb_bind_ntlm_negotiate.bin");

	(void)state;
	assert_int_equal(bind.ncontexts, 1);
	assert_true(
		syntax_equal(&bind.context[0].abstract, &iface_emsmdb.syntax));
}

static void a_bind_may_join_an_association_group(void **state)
{
	struct pdu_bind bind = read_bind("32_emsmdb_bind_join_assoc_group.bin");

	(void)state;
	assert_int_equal(bind.assoc_group, 0xabcd);
	bind = read_bind("36_alter_context_nspi.bin");
	assert_int_equal(bind.assoc_group, 0xabcd);
	assert_int_equal(bind.context[0].id, 1);
	assert_true(
		syntax_equal(&bind.context[0].abstract, &iface_nspi.syntax));
}

/* An answer's place in the list says which context it is about; NDR64
 * accepted there must never be read as NDR. */
static void answers_stand_in_the_order_of_the_contexts(void **state)
{
	struct pdu_bind bind = read_bind("30_epm_bind_windows_style_3ctx.bin");
	struct vector room;
	struct pdu_bind_ack ack =
		read_ack("31_epm_bind_ack_3results.bin", &room);

	(void)state;
	assert_int_equal(bind.ncontexts, 3);
	assert_true(syntax_equal(&bind.context[0].transfer[0], &syntax_ndr));
	assert_int_equal(bind.context[1].id, 1);
	assert_true(syntax_equal(&bind.context[1].transfer[0], &syntax_ndr64));
	assert_int_equal(bind.context[2].transfer[0].uuid.time_low, 0x6cb71c2c);
	assert_int_equal(ack.assoc_group, 0x2ab4);
	assert_text(ack.address, "135");
	assert_int_equal(ack.nresults, 3);
	assert_int_equal(ack.result[0].result, PDU_PROVIDER_REJECT);
	assert_int_equal(ack.result[0].reason, PDU_REASON_TRANSFER);
	assert_int_equal(ack.result[1].result, PDU_ACCEPT);
	assert_true(syntax_equal(&ack.result[1].transfer, &syntax_ndr64));
	assert_int_equal(ack.result[2].result, PDU_NEGOTIATE_ACK);
	assert_int_equal(ack.result[2].reason, 3);
}

static void group_ids_keep_all_32_bits(void **state)
{
	struct pdu_bind bind = { .assoc_group = 0xfedcba98 }, got;
	uint8_t octet[64];
	struct builder out = builder_over(octet, sizeof(octet), true);
	struct pdu pdu;

	(void)state;
	pdu_bind_write(&out, PDU_BIND, 3, 1, &bind);
	assert_int_equal(out.err, 0);
	pdu = read_octets(bytes_of(octet, out.len));
	assert_int_equal(pdu_bind_read(&pdu, &got), 0);
	assert_int_equal(got.assoc_group, 0xfedcba98);
	assert_int_equal(got.ncontexts, 0);
}

/* The port's digits move what follows; results stay aligned. */
static void a_bind_ack_address_may_have_any_length(void **state)
{
	static const char digits[] = "593105931059310";
	struct pdu_bind_ack ack = { .assoc_group = 7, .nresults = 1 }, got;
	uint8_t octet[256];
	size_t len;

	(void)state;
	ack.result[0].transfer = syntax_ndr;
	for (len = 0; len < sizeof(digits); len++) {
		/* not at the builder's start: fragments align by themselves */
		struct builder out = builder_over(octet, sizeof(octet), true);
		struct pdu pdu;

		builder_zero(&out, len % 4);
		ack.address = bytes_of(digits, len);
		pdu_bind_ack_write(&out, PDU_BIND_ACK, 3, 1, &ack);
		assert_int_equal(out.err, 0);
		pdu = read_octets(bytes_of(octet + len % 4, out.len - len % 4));
		assert_int_equal(pdu.whole.len % 4, 0);
		assert_int_equal(pdu_bind_ack_read(&pdu, &got), 0);
		assert_true(bytes_equal(got.address, ack.address));
		assert_int_equal(got.nresults, 1);
		assert_true(syntax_equal(&got.result[0].transfer, &syntax_ndr));
	}
}

static void a_bind_ack_before_a_trailer_is_read(void **state)
{
	struct vector room;
	struct pdu_bind_ack ack =
		read_ack("10_emsmdb_bind_ack_ntlm_challenge.bin", &room);

	(void)state;
	assert_int_equal(ack.nresults, 1);
	assert_int_equal(ack.result[0].result, PDU_ACCEPT);
	assert_true(syntax_equal(&ack.result[0].transfer, &syntax_ndr));
}

static void a_bind_nak_says_why(void **state)
{
	struct pdu_bind_nak nak = { .reason = 99 };
	struct vector room;
	struct pdu pdu =
		read_octets(vector_read("33_bind_nak_reason0.bin", &room));

	(void)state;
	assert_int_equal(pdu_bind_nak_read(&pdu, &nak), 0);
	assert_int_equal(nak.reason, 0);
	pdu = read_octets(
		vector_hex("05000d03 00000000 00120000 00000001 0008", &room));
	assert_int_equal(pdu_bind_nak_read(&pdu, &nak), 0);
	assert_int_equal(nak.reason, 8);
	pdu = read_octets(
		vector_hex("05000d03 10000000 11000000 00000001 00", &room));
	assert_int_equal(pdu_bind_nak_read(&pdu, &nak), ERR_SHORT);
	assert_int_equal(nak.reason, 8);
}

static void big_endian_binds_read_the_same(void **state)
{
	struct pdu_bind_ack ack;
	struct pdu_bind bind;
	struct vector room;
	struct pdu pdu;

	(void)state;
	pdu = read_octets(vector_hex(
		"05000b03 00000000 00480000 00000002 16d0 16d0 0000abcd"
		"01000000 0003 01 00 a4f1db00 ca47 1067 b31f00dd010662da"
		"00510000 8a885d04 1ceb 11c9 9fe808002b104860 00000002",
		&room));
	assert_false(pdu.little);
	assert_int_equal(pdu_bind_read(&pdu, &bind), 0);
	assert_int_equal(bind.max_xmit, 5840);
	assert_int_equal(bind.assoc_group, 0xabcd);
	assert_int_equal(bind.context[0].id, 3);
	assert_true(
		syntax_equal(&bind.context[0].abstract, &iface_emsmdb.syntax));
	assert_true(syntax_equal(&bind.context[0].transfer[0], &syntax_ndr));
	pdu = read_octets(vector_hex(
		"05000c03 00000000 003c0000 00000002 16d0 16d0 0000abcd"
		"0004 31333500 0000 01000000 0002 0001"
		"8a885d04 1ceb 11c9 9fe808002b104860 00000002",
		&room));
	assert_int_equal(pdu_bind_ack_read(&pdu, &ack), 0);
	assert_text(ack.address, "135");
	assert_int_equal(ack.result[0].result, PDU_PROVIDER_REJECT);
	assert_int_equal(ack.result[0].reason, PDU_REASON_ABSTRACT);
	assert_true(syntax_equal(&ack.result[0].transfer, &syntax_ndr));
}

static void assert_rewritten(const struct pdu *pdu)
{
	uint8_t octet[VECTOR_MAX];
	struct builder out = builder_over(octet, sizeof(octet), true);
	struct pdu_bind_ack ack;
	struct pdu_bind bind;

	if (pdu->type == PDU_BIND_ACK) {
		assert_int_equal(pdu_bind_ack_read(pdu, &ack), 0);
		pdu_bind_ack_write(&out, pdu->type, pdu->flags, pdu->call_id,
				   &ack);
	} else if (pdu->type == PDU_BIND_NAK) {
		pdu_bind_nak_write(&out, pdu->call_id, 0);
	} else {
		assert_int_equal(pdu_bind_read(pdu, &bind), 0);
		pdu_bind_write(&out, pdu->type, pdu->flags, pdu->call_id,
			       &bind);
	}
	assert_int_equal(out.err, 0);
	assert_true(bytes_equal(bytes_of(octet, out.len), pdu->whole));
}

static void binds_are_written_as_the_vectors_stand(void **state)
{
	static const char *const name[] = {
		"01_epm_bind.bin",
		"02_epm_bind_ack.bin",
		"30_epm_bind_windows_style_3ctx.bin",
		"31_epm_bind_ack_3results.bin",
		"32_emsmdb_bind_join_assoc_group.bin",
		"33_bind_nak_reason0.bin",
		"36_alter_context_nspi.bin",
	};
	struct vector room;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(name) / sizeof(name[0]); i++) {
		struct pdu pdu = read_octets(vector_read(name[i], &room));

		assert_rewritten(&pdu);
	}
}

static void more_contexts_or_syntaxes_than_we_keep_are_refused(void **state)
{
	static struct pdu_bind bind;
	struct pdu_bind_ack ack;
	uint8_t octet[20000];
	struct builder out = builder_over(octet, sizeof(octet), true);
	struct pdu pdu;

	(void)state;
	bind.ncontexts = PDU_CONTEXTS_MAX;
	bind.context[63].ntransfer = PDU_SYNTAXES_MAX;
	bind.context[63].transfer[7] = syntax_ndr64;
	pdu_bind_write(&out, PDU_BIND, 3, 1, &bind);
	assert_int_equal(out.err, 0);
	memset(&bind, 0, sizeof(bind));
	pdu = read_octets(bytes_of(octet, out.len));
	assert_int_equal(pdu_bind_read(&pdu, &bind), 0);
	assert_true(syntax_equal(&bind.context[63].transfer[7], &syntax_ndr64));
	octet[24] = PDU_CONTEXTS_MAX + 1;
	assert_int_equal(pdu_bind_read(&pdu, &bind), ERR_LIMIT);
	octet[24] = 1;
	octet[30] = PDU_SYNTAXES_MAX + 1;
	assert_int_equal(pdu_bind_read(&pdu, &bind), ERR_LIMIT);
	/* the same octets as an answer without an address */
	octet[24] = octet[25] = 0;
	octet[28] = PDU_CONTEXTS_MAX;
	assert_int_equal(pdu_bind_ack_read(&pdu, &ack), 0);
	assert_int_equal(ack.nresults, PDU_CONTEXTS_MAX);
	octet[28] = PDU_CONTEXTS_MAX + 1;
	assert_int_equal(pdu_bind_ack_read(&pdu, &ack), ERR_LIMIT);
}

static void writers_refuse_counts_above_the_bounds(void **state)
{
	static uint8_t octet[PDU_MAX];
	static struct pdu_bind_ack ack;
	static struct pdu_bind bind;
	struct builder out = builder_over(octet, sizeof(octet), true);

	(void)state;
	bind.ncontexts = PDU_CONTEXTS_MAX + 1;
	pdu_bind_write(&out, PDU_BIND, 3, 1, &bind);
	assert_int_equal(out.err, ERR_LIMIT);
	out = builder_over(octet, sizeof(octet), true);
	bind.ncontexts = 1;
	bind.context[0].ntransfer = PDU_SYNTAXES_MAX + 1;
	pdu_bind_write(&out, PDU_BIND, 3, 1, &bind);
	assert_int_equal(out.err, ERR_LIMIT);
	out = builder_over(octet, sizeof(octet), true);
	ack.nresults = PDU_CONTEXTS_MAX + 1;
	pdu_bind_ack_write(&out, PDU_BIND_ACK, 3, 1, &ack);
	assert_int_equal(out.err, ERR_LIMIT);
}

/* The fragment's length is what is left, so that the body's end is near. */
static void read_cut(struct bytes in, void *ctx)
{
	struct pdu_bind_ack ack;
	struct pdu_bind bind;
	struct pdu pdu;
	uint8_t *copy;

	if (in.len < PDU_HEADER_LEN)
		return;
	copy = malloc(in.len);
	assert_non_null(copy);
	memcpy(copy, in.at, in.len);
	copy[8] = (uint8_t)in.len;
	copy[9] = (uint8_t)(in.len >> 8);
	pdu = read_octets(bytes_of(copy, in.len));
	if (*(const bool *)ctx)
		assert_int_equal(pdu_bind_ack_read(&pdu, &ack), ERR_SHORT);
	else
		assert_int_equal(pdu_bind_read(&pdu, &bind), ERR_SHORT);
	free(copy);
}

static void bodies_cut_anywhere_are_refused(void **state)
{
	bool is_ack = false;
	struct vector room;

	(void)state;
	vector_truncations(vector_read("01_epm_bind.bin", &room), read_cut,
			   &is_ack);
	vector_truncations(
		vector_read("30_epm_bind_windows_style_3ctx.bin", &room),
		read_cut, &is_ack);
	is_ack = true;
	vector_truncations(vector_read("31_epm_bind_ack_3results.bin", &room),
			   read_cut, &is_ack);
}

static void read_anything(struct bytes in, void *ctx)
{
	struct pdu_bind_ack ack;
	struct pdu_bind_nak nak;
	struct pdu_bind bind;
	struct pdu pdu;

	(void)ctx;
	if (pdu_read(in, &pdu) < 0)
		return;
	if (pdu_bind_read(&pdu, &bind) == 0)
		assert_true(bind.ncontexts <= PDU_CONTEXTS_MAX);
	if (pdu_bind_ack_read(&pdu, &ack) == 0) {
		assert_true(ack.nresults <= PDU_CONTEXTS_MAX);
		assert_true(ack.address.len <= in.len);
	}
	if (pdu_bind_nak_read(&pdu, &nak) < 0)
		assert_true(pdu.body.len < 2);
}

static void turned_bits_never_lead_out_of_the_input(void **state)
{
	struct vector room;
	unsigned i;

	(void)state;
	for (i = 0; vector_name(i); i++)
		vector_flips(vector_read(vector_name(i), &room), read_anything,
			     NULL);
}

static void each_context_says_where_its_interface_stands(void **state)
{
	struct vector room;
	struct pdu pdu = read_octets(
		vector_read("30_epm_bind_windows_style_3ctx.bin", &room));
	struct pdu_bind bind;
	unsigned i;

	(void)state;
	assert_int_equal(pdu_bind_read(&pdu, &bind), 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(bind.context[i].abstract_offset, 32 + 44 * i);
		assert_memory_equal(room.octet + 32 + 44 * i,
				    "\x08\x83\xaf\xe1\x1f\x5d\xc9\x11", 8);
	}
}

static bool is_spoilt(const struct pdu_context *context)
{
	return uuid_equal(&context->abstract.uuid, &pdu_spoilt_uuid);
}

/* Three contexts of emsmdb, nspi and rfr, in <little> order. */
static struct bytes write_three(uint8_t *octet, size_t cap, bool little)
{
	const struct iface *iface[] = { &iface_emsmdb, &iface_nspi,
					&iface_rfr };
	struct builder out = builder_over(octet, cap, little);
	struct pdu_bind bind = { .max_xmit = PDU_FRAG_MAX, .ncontexts = 3 };
	unsigned i;

	for (i = 0; i < 3; i++) {
		bind.context[i].id = (uint16_t)(7 * i);
		bind.context[i].abstract = iface[i]->syntax;
		bind.context[i].ntransfer = (uint8_t)(i + 1);
		bind.context[i].transfer[i] = syntax_ndr;
	}
	pdu_bind_write(&out, PDU_ALTER, 3, 1, &bind);
	assert_int_equal(out.err, 0);
	return bytes_of(octet, out.len);
}

static void pdu_bind_spoil_unnames_the_chosen_interfaces(void **state)
{
	uint8_t octet[2][256];
	struct pdu_bind was, is;
	unsigned chosen, i, j;
	struct pdu pdu;

	(void)state;
	for (chosen = 0; chosen < 16; chosen++) {
		bool little = chosen & 8;
		struct bytes in = write_three(octet[0], 256, little);

		write_three(octet[1], 256, little);
		pdu = read_octets(in);
		assert_int_equal(pdu_bind_read(&pdu, &was), 0);
		assert_int_equal(pdu_bind_spoil(octet[0], &was, chosen & 7),
				 (chosen & 1) + (chosen >> 1 & 1) +
					 (chosen >> 2 & 1));
		pdu = read_octets(in);
		assert_int_equal(pdu_bind_read(&pdu, &is), 0);
		for (i = 0; i < 3; i++) {
			bool want = chosen >> i & 1;

			assert_int_equal(is_spoilt(&is.context[i]), want);
			assert_null(want ? iface_of(&is.context[i].abstract)
					 : NULL);
			/* nothing else changes, the version neither */
			for (j = 0; want && j < UUID_LEN; j++)
				octet[1][was.context[i].abstract_offset + j] =
					octet[0]
					     [was.context[i].abstract_offset +
					      j];
		}
		assert_memory_equal(octet[0], octet[1], in.len);
	}
}

static void pdu_bind_spoil_ignores_what_the_bind_has_not(void **state)
{
	uint8_t octet[2][256];
	struct bytes in = write_three(octet[0], 256, true);
	struct pdu pdu = read_octets(in);
	struct pdu_bind bind;

	(void)state;
	write_three(octet[1], 256, true);
	assert_int_equal(pdu_bind_read(&pdu, &bind), 0);
	assert_int_equal(pdu_bind_spoil(octet[0], &bind, ~(uint64_t)7), 0);
	assert_memory_equal(octet[0], octet[1], in.len);
	assert_int_equal(pdu_bind_spoil(octet[0], &bind, ~(uint64_t)0), 3);
}

/* With a ticket in it a bind may be as long as a fragment can be. */
static void a_bind_of_64_kib_is_read_in_either_byte_order(void **state)
{
	static uint8_t octet[PDU_MAX];
	struct pdu_bind bind;
	struct pdu pdu;
	int little;

	(void)state;
	for (little = 0; little < 2; little++) {
		struct bytes in = write_three(octet, 256, little);
		uint16_t auth_len =
			(uint16_t)(PDU_MAX - in.len - PDU_TRAILER_LEN);
		struct builder out = builder_over(octet, PDU_MAX, little);

		memset(octet + in.len, 0xee, PDU_MAX - in.len);
		out.len = PDU_MAX;
		builder_set_u16(&out, 8, PDU_MAX);
		builder_set_u16(&out, 10, auth_len);
		octet[in.len + 2] = 0; /* auth_pad_length */
		assert_int_equal(pdu_length(bytes_of(octet, PDU_MAX)), PDU_MAX);
		pdu = read_octets(bytes_of(octet, PDU_MAX));
		assert_int_equal(pdu.auth.len, auth_len);
		assert_int_equal(pdu_bind_read(&pdu, &bind), 0);
		assert_int_equal(bind.ncontexts, 3);
		assert_true(syntax_equal(&bind.context[2].abstract,
					 &iface_rfr.syntax));
	}
}

/* None, or nothing but a NUL: neither is a port, both move the results. */
static void a_secondary_address_may_be_empty_and_is_not_dropped(void **state)
{
	static const char *const hex[] = {
		"05000c03 10000000 38000000 02000000 d016 d016 cdab0000"
		"0000 0000 01000000 0000 0000"
		"045d888a eb1c c911 9fe808002b104860 02000000",
		"05000c03 10000000 38000000 02000000 d016 d016 cdab0000"
		"0100 00 ee 01000000 0000 0000"
		"045d888a eb1c c911 9fe808002b104860 02000000",
		/* longer ones: the padding is 0 to 3 octets */
		"05000c03 10000000 3c000000 02000000 d016 d016 cdab0000"
		"0600 35393533 3100 01000000 0000 0000"
		"045d888a eb1c c911 9fe808002b104860 02000000",
	};
	static const char *const want[] = { "", "", "59531" };
	struct pdu_bind_ack ack;
	struct vector room;
	struct pdu pdu;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		pdu = read_octets(vector_hex(hex[i], &room));
		assert_int_equal(pdu.whole.len, room.len);
		assert_int_equal(pdu_bind_ack_read(&pdu, &ack), 0);
		assert_text(ack.address, want[i]);
		assert_int_equal(ack.nresults, 1);
		assert_int_equal(ack.result[0].result, PDU_ACCEPT);
		assert_true(syntax_equal(&ack.result[0].transfer, &syntax_ndr));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bind_names_interface_and_transfer_syntax),
		cmocka_unit_test(
			a_bind_with_credentials_is_read_up_to_its_trailer),
		cmocka_unit_test(a_bind_may_join_an_association_group),
		cmocka_unit_test(answers_stand_in_the_order_of_the_contexts),
		cmocka_unit_test(group_ids_keep_all_32_bits),
		cmocka_unit_test(a_bind_ack_address_may_have_any_length),
		cmocka_unit_test(a_bind_ack_before_a_trailer_is_read),
		cmocka_unit_test(a_bind_nak_says_why),
		cmocka_unit_test(big_endian_binds_read_the_same),
		cmocka_unit_test(binds_are_written_as_the_vectors_stand),
		cmocka_unit_test(
			more_contexts_or_syntaxes_than_we_keep_are_refused),
		cmocka_unit_test(writers_refuse_counts_above_the_bounds),
		cmocka_unit_test(bodies_cut_anywhere_are_refused),
		cmocka_unit_test(turned_bits_never_lead_out_of_the_input),
		cmocka_unit_test(each_context_says_where_its_interface_stands),
		cmocka_unit_test(pdu_bind_spoil_unnames_the_chosen_interfaces),
		cmocka_unit_test(pdu_bind_spoil_ignores_what_the_bind_has_not),
		cmocka_unit_test(a_bind_of_64_kib_is_read_in_either_byte_order),
		cmocka_unit_test(
			a_secondary_address_may_be_empty_and_is_not_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
