/*
 * Stubs of ept_lookup, by vectors and by hostile input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../helper/vector.h"
#include "wire/epm.h"
#include "wire/iface.h"

#define NIL_HANDLE "00000000 00000000 00000000 00000000 00000000 "
#define NIL_UUID   "00000000 0000 0000 0000000000000000 "

/* Two entries: one with an object and an annotation of 5 octets and NUL, one
 * without either, whose tower is the first one's again. */
#define REPLY                                                                  \
	NIL_HANDLE "02000000 f4010000 00000000 02000000 "                      \
		   "00dbf1a4 47ca 6710 b31f00dd010662da "                      \
		   "03000000 00000000 06000000 68656c6c6f00 0000 " NIL_UUID    \
		   "03000000 00000000 01000000 00 000000 "                     \
		   "03000000 03000000 bbbbbb 00 00000000"

static struct epm_entry entry[EPM_ENTRIES_MAX];
static const struct ndr le = { .little = true };

static void a_lookup_request_for_all_asks_for_500(void **state)
{
	struct epm_lookup_request req;
	uint8_t octet[64];
	struct builder out = builder_over(octet, sizeof(octet), true);
	struct vector room;
	struct bytes stub;

	(void)state;
	stub = vector_read("08_epm_lookup_req_all.bin", &room);
	stub = bytes_of(stub.at + 24, stub.len - 24);
	assert_int_equal(epm_lookup_request_read(stub, le, &req), 0);
	assert_int_equal(req.inquiry, EPM_INQUIRE_ALL);
	assert_false(req.has_object);
	assert_false(req.has_interface);
	assert_int_equal(req.version_option, 1);
	assert_true(epm_handle_is_nil(&req.handle));
	assert_int_equal(req.max_entries, 500);
	epm_lookup_request_write(&out, &req);
	assert_int_equal(out.err, 0);
	assert_true(bytes_equal(bytes_of(octet, out.len), stub));
}

static void a_lookup_request_for_an_interface_names_it(void **state)
{
	/* two versions of 16 bits: not the one of 32 bits of a bind */
	static const char *const hex[2] = {
		"00000001 00000000 00000002 a4f1db00 ca47 1067 "
		"b31f00dd010662da 0000 0051 00000003 " NIL_HANDLE "00000001",
		"01000000 00000000 02000000 00dbf1a4 47ca 6710 "
		"b31f00dd010662da 0000 5100 03000000 " NIL_HANDLE "01000000",
	};
	struct epm_lookup_request req;
	struct vector room;
	uint8_t octet[128];
	int little;

	(void)state;
	for (little = 0; little < 2; little++) {
		struct builder out = builder_over(octet, sizeof(octet), little);
		struct bytes stub = vector_hex(hex[little], &room);
		struct ndr form = { .little = little };

		assert_int_equal(epm_lookup_request_read(stub, form, &req), 0);
		assert_int_equal(req.inquiry, EPM_INQUIRE_IF);
		assert_true(syntax_equal(&req.interface, &iface_emsmdb.syntax));
		assert_int_equal(req.version_option, 3);
		assert_int_equal(req.max_entries, 1);
		epm_lookup_request_write(&out, &req);
		assert_int_equal(out.err, 0);
		assert_true(bytes_equal(bytes_of(octet, out.len), stub));
	}
}

static void more_than_500_entries_are_not_asked_for(void **state)
{
	struct epm_lookup_request req;
	struct vector room;

	(void)state;
	assert_int_equal(epm_lookup_request_read(
				 vector_hex("00000000 00000000 00000000 "
					    "01000000 " NIL_HANDLE "f5010000",
					    &room),
				 le, &req),
			 ERR_LIMIT);
}

static void a_lookup_reply_lists_objects_towers_and_annotations(void **state)
{
	struct epm_lookup_reply reply;
	struct vector room;

	(void)state;
	assert_int_equal(epm_lookup_reply_read(vector_hex(REPLY, &room), le,
					       entry, 2, &reply),
			 0);
	assert_int_equal(reply.nentries, 2);
	assert_int_equal(reply.status, 0);
	assert_true(uuid_equal(&entry[0].object, &iface_emsmdb.syntax.uuid));
	assert_int_equal(entry[0].annotation.len, 5);
	assert_memory_equal(entry[0].annotation.at, "hello", 5);
	assert_int_equal(entry[0].tower.len, 3);
	assert_true(uuid_is_nil(&entry[1].object));
	assert_int_equal(entry[1].annotation.len, 0);
	assert_ptr_equal(entry[1].tower.at, entry[0].tower.at);
}

static void a_lookup_reply_may_hold_500_entries_and_no_more(void **state)
{
	static const uint8_t tower[5] = { 1, 2, 3, 4, 5 };
	static uint8_t octet[65536];
	struct epm_lookup_reply reply = { .nentries = EPM_ENTRIES_MAX }, got;
	struct builder out = builder_over(octet, sizeof(octet), true);
	struct bytes stub;
	uint32_t i;

	(void)state;
	for (i = 0; i < EPM_ENTRIES_MAX; i++)
		entry[i] = (struct epm_entry){
			.tower = bytes_of(tower, i % 6),
			.annotation = bytes_of("annotation", i % 11),
			.object.time_low = i,
		};
	epm_lookup_reply_write(&out, &reply, entry, EPM_ENTRIES_MAX);
	assert_int_equal(out.err, 0);
	stub = bytes_of(octet, out.len);
	assert_int_equal(epm_lookup_reply_read(stub, le, entry,
					       EPM_ENTRIES_MAX - 1, &got),
			 ERR_LIMIT);
	memset(entry, 0, sizeof(entry));
	assert_int_equal(
		epm_lookup_reply_read(stub, le, entry, EPM_ENTRIES_MAX, &got),
		0);
	assert_int_equal(got.nentries, EPM_ENTRIES_MAX);
	for (i = 0; i < EPM_ENTRIES_MAX; i++) {
		assert_int_equal(entry[i].object.time_low, i);
		assert_true(
			bytes_equal(entry[i].tower, bytes_of(tower, i % 6)));
		assert_true(bytes_equal(entry[i].annotation,
					bytes_of("annotation", i % 11)));
	}
	octet[20]++; /* 501 in each count */
	octet[24]++;
	octet[32]++;
	assert_int_equal(epm_lookup_reply_read(stub, le, entry, 100000, &got),
			 ERR_LIMIT);
}

static void an_annotation_is_at_most_63_octets_and_nul(void **state)
{
	static const char text[EPM_ANNOTATION_MAX + 1] = "x";
	struct epm_lookup_reply reply = { .nentries = 1 };
	uint8_t octet[256];
	struct builder out = builder_over(octet, sizeof(octet), true);
	struct bytes stub;

	(void)state;
	entry[0] = (struct epm_entry){ .annotation = bytes_of(text, 63) };
	epm_lookup_reply_write(&out, &reply, entry, 1);
	assert_int_equal(out.err, 0);
	stub = bytes_of(octet, out.len);
	assert_int_equal(epm_lookup_reply_read(stub, le, entry, 1, &reply), 0);
	assert_int_equal(entry[0].annotation.len, 1); /* up to the NUL */
	octet[36 + 24]++;			      /* 65 octets */
	assert_int_equal(epm_lookup_reply_read(stub, le, entry, 1, &reply),
			 ERR_MALFORMED);
	octet[36 + 24]--;
	octet[36 + 20]++; /* not from the start */
	assert_int_equal(epm_lookup_reply_read(stub, le, entry, 1, &reply),
			 ERR_MALFORMED);
	out = builder_over(octet, sizeof(octet), true);
	entry[0].annotation = bytes_of(text, 64);
	epm_lookup_reply_write(&out, &reply, entry, 1);
	assert_int_equal(out.err, ERR_LIMIT);
}

static void counts_of_a_lookup_reply_must_agree(void **state)
{
	static const struct {
		const char *counts;
		int want;
	} row[] = {
		{ "00000000 00000000 00000000 00000000", 0 },
		{ "00000000 f4010000 00000000 00000000", 0 },
		{ "01000000 f4010000 00000000 00000000", ERR_MALFORMED },
		{ "00000000 f4010000 01000000 00000000", ERR_MALFORMED },
		{ "01000000 00000000 00000000 01000000", ERR_MALFORMED },
		{ "ffffffff ffffffff 00000000 ffffffff", ERR_LIMIT },
		{ "01000000 f4010000 00000000 01000000", ERR_SHORT },
	};
	struct epm_lookup_reply reply;
	struct vector room, counts;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct bytes stub = vector_hex(
			NIL_HANDLE "00000000 00000000 00000000 00000000 "
				   "d6a0c916",
			&room);

		vector_hex(row[i].counts, &counts);
		memcpy(room.octet + EPM_HANDLE_LEN, counts.octet, 16);
		assert_int_equal(epm_lookup_reply_read(stub, le, entry,
						       EPM_ENTRIES_MAX, &reply),
				 row[i].want);
	}
}

static void refuse_short(struct bytes in, void *ctx)
{
	struct epm_lookup_reply reply;

	(void)ctx;
	assert_int_equal(
		epm_lookup_reply_read(in, le, entry, EPM_ENTRIES_MAX, &reply),
		ERR_SHORT);
}

static void every_truncated_lookup_reply_is_refused(void **state)
{
	struct vector room;

	(void)state;
	vector_truncations(vector_hex(REPLY, &room), refuse_short, NULL);
}

static void read_anything(struct bytes in, void *ctx)
{
	struct epm_lookup_request req;
	struct epm_lookup_reply reply;
	uint32_t i;
	unsigned f;

	(void)ctx;
	for (f = 0; f < 4; f++) {
		struct ndr form = { .little = f & 1, .is_64 = f & 2 };

		if (epm_lookup_request_read(in, form, &req) == 0)
			assert_true(req.max_entries <= EPM_ENTRIES_MAX);
		if (epm_lookup_reply_read(in, form, entry, 2, &reply) < 0)
			continue;
		assert_true(reply.nentries <= 2);
		for (i = 0; i < reply.nentries; i++) {
			assert_true(entry[i].tower.len < in.len);
			assert_true(entry[i].annotation.len <=
				    EPM_ANNOTATION_MAX);
		}
	}
}

static void turned_bits_never_lead_out_of_the_stub(void **state)
{
	struct vector room;

	(void)state;
	vector_flips(vector_hex(REPLY, &room), read_anything, NULL);
	vector_flips(vector_read("08_epm_lookup_req_all.bin", &room),
		     read_anything, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lookup_request_for_all_asks_for_500),
		cmocka_unit_test(a_lookup_request_for_an_interface_names_it),
		cmocka_unit_test(more_than_500_entries_are_not_asked_for),
		cmocka_unit_test(
			a_lookup_reply_lists_objects_towers_and_annotations),
		cmocka_unit_test(
			a_lookup_reply_may_hold_500_entries_and_no_more),
		cmocka_unit_test(an_annotation_is_at_most_63_octets_and_nul),
		cmocka_unit_test(counts_of_a_lookup_reply_must_agree),
		cmocka_unit_test(every_truncated_lookup_reply_is_refused),
		cmocka_unit_test(turned_bits_never_lead_out_of_the_stub),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
