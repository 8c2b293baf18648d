/*
 * test_state.c - the state file as octets: written, read, damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../helper/alloc.h"
#include "base/hash.h"
#include "core/conf.h"
#include "core/state.h"
#include "wire/iface.h"

#define WRITTEN	 UINT64_C(1290000000000) /* November 2010 */
#define TOLD_MAX 16

/* What a reader was told, in order: v, l, b. */
static char kinds[TOLD_MAX + 1];
static unsigned ntold;
static struct state_vport vport[TOLD_MAX];
static struct state_lease lease[TOLD_MAX];
static struct state_binding binding[TOLD_MAX];

static void note_kind(char kind)
{
	assert_true(ntold < TOLD_MAX);
	kinds[ntold] = kind;
	kinds[ntold + 1] = '\0';
}

static void note_vport(void *ctx, const struct state_vport *told)
{
	(void)ctx;
	note_kind('v');
	vport[ntold++] = *told;
}

static void note_lease(void *ctx, const struct state_lease *told)
{
	(void)ctx;
	note_kind('l');
	lease[ntold++] = *told;
}

static void note_binding(void *ctx, const struct state_binding *told)
{
	(void)ctx;
	note_kind('b');
	binding[ntold++] = *told;
}

static const struct state_sink notes = { note_vport, note_lease, note_binding,
					 NULL };

static int read_at(struct bytes file, uint64_t now_ms)
{
	ntold = 0;
	kinds[0] = '\0';
	return state_read(file, now_ms, &notes);
}

static struct bytes octets_of(const struct state_image *image)
{
	return bytes_of(image->at, image->len);
}

static struct addr address(const char *text)
{
	struct addr addr = { 0 };

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static struct state_binding binding_of(const char *key, const char *server,
				       uint64_t idle_ms)
{
	return (struct state_binding){ .key = address(key),
				       .server = server,
				       .idle_ms = idle_ms };
}

static struct state_lease lease_of(const char *client, const char *server,
				   uint64_t age_ms)
{
	return (struct state_lease){ .client = address(client),
				     .server = server,
				     .interface = iface_emsmdb.syntax,
				     .port = 20001,
				     .real = 49155,
				     .age_ms = age_ms };
}

static void add_binding(struct state_writer *writer, const char *key,
			const char *server, uint64_t idle_ms)
{
	struct state_binding one = binding_of(key, server, idle_ms);

	state_add_binding(writer, &one);
}

static struct state_writer *begin(void)
{
	struct state_writer *writer = state_begin(WRITTEN);

	assert_non_null(writer);
	return writer;
}

static struct state_image finish(struct state_writer *writer)
{
	struct state_image image;

	assert_int_equal(state_end(writer, &image), 0);
	return image;
}

/* Everything there is, of both families. */
static struct state_image sample(void)
{
	struct state_writer *writer = begin();
	struct state_vport port = { .server = "cas2",
				    .interface = iface_nspi.syntax,
				    .real = 49200,
				    .virtual = 1024 };
	struct state_lease told = lease_of("10.1.0.5", "cas1", 700);
	struct state_binding bound = binding_of("10.1.0.5", "cas1", 5000);

	state_add_vport(writer, &port);
	state_add_lease(writer, &told);
	told = lease_of("2001:db8::5", "cas2", 300);
	state_add_lease(writer, &told);
	bound.source = address("10.77.0.9");
	state_add_binding(writer, &bound);
	bound = binding_of("2001:db8::5", "cas2", 0);
	bound.source = address("2001:db8::9");
	state_add_binding(writer, &bound);
	add_binding(writer, "10.1.0.6", "cas3", 1000);
	return finish(writer);
}

/* ---- whole files ---- */

static void assert_lease(const struct state_lease *told, const char *client,
			 const char *server, uint64_t age_ms)
{
	struct addr addr = address(client);

	assert_true(addr_equal(&told->client, &addr));
	assert_string_equal(told->server, server);
	assert_true(syntax_equal(&told->interface, &iface_emsmdb.syntax));
	assert_int_equal(told->port, 20001);
	assert_int_equal(told->real, 49155);
	assert_int_equal(told->age_ms, age_ms);
}

static void assert_binding(const struct state_binding *told, const char *key,
			   const char *server, const char *source,
			   uint64_t idle_ms)
{
	struct addr addr = address(key), from = { 0 };

	if (source)
		from = address(source);
	assert_true(addr_equal(&told->key, &addr));
	assert_string_equal(told->server, server);
	assert_true(addr_equal(&told->source, &from));
	assert_int_equal(told->idle_ms, idle_ms);
}

static void state_gives_back_what_was_written_recent_first(void **state)
{
	struct state_image image = sample();

	(void)state;
	assert_int_equal(image.nrecords, 6);
	assert_int_equal(image.ndropped, 0);
	assert_int_equal(read_at(octets_of(&image), WRITTEN), 0);
	assert_string_equal(kinds, "vllbbb");
	assert_string_equal(vport[0].server, "cas2");
	assert_true(syntax_equal(&vport[0].interface, &iface_nspi.syntax));
	assert_int_equal(vport[0].real, 49200);
	assert_int_equal(vport[0].virtual, 1024);
	assert_lease(&lease[1], "2001:db8::5", "cas2", 300);
	assert_lease(&lease[2], "10.1.0.5", "cas1", 700);
	assert_binding(&binding[3], "2001:db8::5", "cas2", "2001:db8::9", 0);
	assert_binding(&binding[4], "10.1.0.6", "cas3", NULL, 1000);
	assert_binding(&binding[5], "10.1.0.5", "cas1", "10.77.0.9", 5000);
	free(image.at);
}

static void state_ages_by_the_time_since_it_was_written(void **state)
{
	struct state_image image = sample();

	(void)state;
	assert_int_equal(read_at(octets_of(&image), WRITTEN + 60000), 0);
	assert_int_equal(lease[1].age_ms, 60300);
	assert_int_equal(binding[3].idle_ms, 60000);
	assert_int_equal(binding[5].idle_ms, 65000);
	free(image.at);
}

static void state_does_not_get_younger_when_the_clock_was_set_back(void **s)
{
	struct state_image image = sample();

	(void)s;
	assert_int_equal(read_at(octets_of(&image), WRITTEN - 60000), 0);
	assert_int_equal(lease[1].age_ms, 300);
	assert_int_equal(binding[3].idle_ms, 0);
	assert_int_equal(binding[5].idle_ms, 5000);
	free(image.at);
}

static void state_age_does_not_wrap(void **state)
{
	struct state_writer *writer = begin();
	struct state_image image;

	(void)state;
	add_binding(writer, "10.0.0.1", "cas1", UINT64_MAX - 5);
	add_binding(writer, "10.0.0.2", "cas1", 7);
	image = finish(writer);
	assert_int_equal(read_at(octets_of(&image), WRITTEN + 10), 0);
	assert_string_equal(kinds, "bb");
	assert_true(binding[0].idle_ms == 17);
	assert_true(binding[1].idle_ms == UINT64_MAX);
	free(image.at);
}

static void state_without_records_is_a_file_too(void **state)
{
	struct state_image image = finish(begin());

	(void)state;
	assert_int_equal(image.len, 36 + 16);
	assert_int_equal(read_at(octets_of(&image), WRITTEN), 0);
	assert_string_equal(kinds, "");
	free(image.at);
}

/* The layout is a contract with files that are out there: octet by octet. */
static void state_has_the_layout_that_the_header_says(void **state)
{
	static const uint8_t wanted[] = {
		'm',	     'a',  'p',	 'i',  'l',
		'b',	     's',  't',	    /* magic */
		1,	     0,	   0,	 0, /* version */
		3,	     0,	   0,	 0, /* records */
		8,	     7,	   6,	 5,    4,
		3,	     2,	   1,	    /* written */
		15 + 20 + 8, 0,	   0,	 0, /* octets of records */
		1,	     0,	   1,	 0,    1,
		0,	     0,	   0, /* servers, interfaces, sources, 0 */

		1,	     0,	   0,	    /* binding, server, source */
		10,	     1,	   2,	 3, /* key */
		0x88,	     0x13, 0,	 0,    0,
		0,	     0,	   0, /* 5000 ms */

		2,	     0,	   0,	 0,    /* lease, server, interface */
		0x21,	     0x4e, 0x03, 0xc0, /* 20001, 49155 */
		10,	     1,	   2,	 3,    /* client */
		9,	     0,	   0,	 0,    0,
		0,	     0,	   0, /* age */

		3,	     0,	   0,	 0, /* virtual port, server, interface */
		0x03,	     0xc0, 0x21, 0x4e, /* 49155, 20001 */
	};
	static const uint8_t emsmdb[] = {
		0x00, 0xdb, 0xf1, 0xa4, 0x47, 0xca, 0x67, 0x10, 0xb3, 0x1f,
		0x00, 0xdd, 0x01, 0x06, 0x62, 0xda, 0x00, 0x00, 0x51, 0x00,
	};
	static const uint8_t source[17] = { 4, 10, 77, 0, 9 };
	static const char name[CONF_NAME_MAX] = "cas1";
	struct state_writer *writer = state_begin(0x0102030405060708);
	struct state_binding bound = binding_of("10.1.2.3", "cas1", 5000);
	struct state_lease told = lease_of("10.1.2.3", "cas1", 9);
	struct state_vport port = { .server = "cas1",
				    .interface = iface_emsmdb.syntax,
				    .real = 49155,
				    .virtual = 20001 };
	struct state_image image;
	const uint8_t *at;

	(void)state;
	assert_non_null(writer);
	bound.source = address("10.77.0.9");
	state_add_binding(writer, &bound);
	state_add_lease(writer, &told);
	state_add_vport(writer, &port);
	image = finish(writer);
	assert_int_equal(image.len, sizeof(wanted) + sizeof(name) +
					    sizeof(emsmdb) + sizeof(source) +
					    16);
	at = image.at;
	assert_memory_equal(at, wanted, sizeof(wanted));
	at += sizeof(wanted);
	assert_memory_equal(at, name, sizeof(name));
	at += sizeof(name);
	assert_memory_equal(at, emsmdb, sizeof(emsmdb));
	at += sizeof(emsmdb);
	assert_memory_equal(at, source, sizeof(source));
	at += sizeof(source);
	assert_int_equal(at[0] | at[1] << 8, image.len);
	free(image.at);
}

/* ---- damage ---- */

/* A copy of its own length, so that a read beyond it is seen. */
static int read_copy(const uint8_t *at, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	int err;

	assert_non_null(copy);
	memcpy(copy, at, len);
	err = read_at(bytes_of(copy, len), WRITTEN);
	free(copy);
	return err;
}

static void state_cut_anywhere_is_refused_before_anything_is_told(void **s)
{
	struct state_image image = sample();
	size_t len;

	(void)s;
	for (len = 0; len < image.len; len++) {
		assert_int_equal(read_copy(image.at, len), ERR_MALFORMED);
		assert_int_equal(ntold, 0);
	}
	assert_int_equal(read_copy(image.at, image.len), 0);
	free(image.at);
}

static void state_with_a_turned_bit_is_refused_before_anything_is_told(void **s)
{
	struct state_image image = sample();
	size_t bit;

	(void)s;
	for (bit = 0; bit < 8 * image.len; bit++) {
		image.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(read_at(octets_of(&image), WRITTEN),
				 ERR_MALFORMED);
		assert_int_equal(ntold, 0);
		image.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	free(image.at);
}

static void state_with_more_behind_it_is_refused(void **state)
{
	struct state_image image = sample();
	uint8_t longer[1024] = { 0 };

	(void)state;
	memcpy(longer, image.at, image.len);
	assert_int_equal(read_copy(longer, image.len + 1), ERR_MALFORMED);
	assert_int_equal(read_copy(longer, sizeof(longer)), ERR_MALFORMED);
	free(image.at);
}

static void put_le(uint8_t *at, uint64_t value, size_t len)
{
	for (; len--; value >>= 8)
		*at++ = (uint8_t)value;
}

static const uint8_t seal_key[HASH_KEY_LEN] = "mapilbstmapilbst";

/* Length and checksum as they must be for what stands before. */
static void seal(uint8_t *at, size_t len)
{
	put_le(at + len - 16, len, 8);
	put_le(at + len - 8, hash_sip(seal_key, bytes_of(at, len - 8)), 8);
}

/* Its checksum is right, the length that it says is not. */
static void state_of_another_length_than_it_says_is_refused(void **state)
{
	struct state_image image = sample();
	uint8_t *trailer = image.at + image.len - 16;
	struct bytes front = { image.at, image.len - 8 };

	(void)state;
	put_le(trailer, image.len + 1, 8);
	put_le(trailer + 8, hash_sip(seal_key, front), 8);
	assert_int_equal(read_at(octets_of(&image), WRITTEN), ERR_MALFORMED);
	put_le(trailer, image.len, 8);
	put_le(trailer + 8, hash_sip(seal_key, front), 8);
	assert_int_equal(read_at(octets_of(&image), WRITTEN), 0);
	free(image.at);
}

/* sample() with <len> octets at <where> overwritten, sealed again. */
static int read_forged(size_t where, uint64_t value, size_t len)
{
	struct state_image image = sample();
	int err;

	put_le(image.at + where, value, len);
	seal(image.at, image.len);
	err = read_at(octets_of(&image), WRITTEN);
	if (err)
		assert_int_equal(ntold, 0);
	free(image.at);
	return err;
}

static void state_of_another_version_is_unsupported(void **state)
{
	(void)state;
	assert_int_equal(read_forged(8, 1, 4), 0);
	assert_int_equal(read_forged(8, 0, 4), ERR_UNSUPPORTED);
	assert_int_equal(read_forged(8, 2, 4), ERR_UNSUPPORTED);
	assert_int_equal(read_forged(8, 1 << 24 | 1, 4), ERR_UNSUPPORTED);
}

/* Whatever else a later version has between the fixed parts. */
static void state_of_another_version_needs_no_more_than_the_fixed(void **s)
{
	uint8_t file[28] = "mapilbst";

	(void)s;
	file[8] = 2;
	seal(file, sizeof(file));
	assert_int_equal(read_copy(file, sizeof(file)), ERR_UNSUPPORTED);
	file[8] = 1;
	seal(file, sizeof(file));
	assert_int_equal(read_copy(file, sizeof(file)), ERR_MALFORMED);
}

static void state_whose_counts_disagree_is_refused(void **state)
{
	static const struct {
		size_t where, len;
		uint64_t value;
	} bad[] = {
		{ 12, 4, 5 },	       /* records: one is left over */
		{ 12, 4, 7 },	       /* … one is missing */
		{ 12, 4, UINT32_MAX }, /* … more than have room */
		{ 24, 4, 0 },	       /* octets of records */
		{ 24, 4, UINT32_MAX },
		{ 28, 2, 0 }, /* servers */
		{ 28, 2, 4 },
		{ 28, 2, UINT16_MAX },
		{ 30, 2, 1 }, /* interfaces */
		{ 30, 2, UINT16_MAX },
		{ 32, 2, 3 }, /* sources */
		{ 34, 2, 1 }, /* must be 0 */
		{ 36, 1, 0 }, /* the first record's kind */
		{ 36, 1, 4 },
		{ 36, 1, 0x13 }, /* a virtual port has no address */
		{ 36, 1, 0x83 },
		{ 37, 1, 3 }, /* … its server */
		{ 37, 1, 255 },
		{ 38, 2, 2 }, /* … its interface */
		{ 38, 2, 0xffff },
	};
	size_t i;

	(void)state;
	assert_int_equal(read_forged(12, 6, 4), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (read_forged(bad[i].where, bad[i].value, bad[i].len) !=
		    ERR_MALFORMED)
			fail_msg("case %zu was taken", i);
}

/* A count that would ask for more memory than there is. */
static void state_that_counts_too_much_takes_no_memory(void **state)
{
	struct state_image image = sample();

	(void)state;
	put_le(image.at + 12, UINT32_MAX, 4);
	seal(image.at, image.len);
	alloc_fail_at(1);
	assert_int_equal(read_at(octets_of(&image), WRITTEN), ERR_MALFORMED);
	assert_false(alloc_has_failed());
	alloc_fail_at(0);
	free(image.at);
}

static void state_with_more_behind_its_tables_is_refused(void **state)
{
	struct state_image image = sample();
	uint8_t longer[1024] = { 0 };

	(void)state;
	memcpy(longer, image.at, image.len - 16);
	seal(longer, image.len);
	assert_int_equal(read_copy(longer, image.len), 0);
	longer[image.len - 16] = 0;
	seal(longer, image.len + 1);
	assert_int_equal(read_copy(longer, image.len + 1), ERR_MALFORMED);
	free(image.at);
}

static void state_with_an_unsound_table_is_refused(void **state)
{
	struct state_image image = sample();
	size_t sources = image.len - 16 - 2 * 17;
	size_t servers = sources - 2 * 20 - 3 * CONF_NAME_MAX;

	(void)state;
	free(image.at);
	assert_int_equal(read_forged(servers, 'C', 1), 0);
	assert_int_equal(read_forged(servers, 0, 1), ERR_MALFORMED);
	assert_int_equal(read_forged(servers + CONF_NAME_MAX - 1, 'x', 1),
			 ERR_MALFORMED);
	assert_int_equal(read_forged(sources, 6, 1), 0);
	assert_int_equal(read_forged(sources, 0, 1), ERR_MALFORMED);
	assert_int_equal(read_forged(sources, 5, 1), ERR_MALFORMED);
	assert_int_equal(read_forged(sources + 5, 1, 1), ERR_MALFORMED);
	assert_int_equal(read_forged(sources + 16, 1, 1), ERR_MALFORMED);
}

static void state_with_an_unknown_source_is_refused(void **state)
{
	/* behind the virtual port and two leases: the first binding */
	size_t source = 36 + 8 + 20 + 32 + 2;

	(void)state;
	assert_int_equal(read_forged(source, 0, 1), 0);
	assert_int_equal(read_forged(source, 2, 1), ERR_MALFORMED);
	assert_int_equal(read_forged(source, 254, 1), ERR_MALFORMED);
	assert_int_equal(read_forged(source, 255, 1), 0);
}

static void state_above_the_limit_is_not_looked_at(void **state)
{
	uint8_t octet = 0;

	(void)state;
	assert_int_equal(read_at(bytes_of(&octet, STATE_MAX + 1), WRITTEN),
			 ERR_LIMIT);
}

static void state_that_is_something_else_is_refused(void **state)
{
	static const char text[] = "[balancer]\nvip = 10.0.0.1, 10.0.0.2\n"
				   "[server cas1]\naddress = 10.0.0.3\n";

	(void)state;
	assert_int_equal(read_copy((const uint8_t *)text, sizeof(text)),
			 ERR_MALFORMED);
}

/* ---- bounds ---- */

static void state_drops_what_has_no_name_or_address(void **state)
{
	char name[CONF_NAME_MAX + 1];
	struct state_writer *writer = begin();
	struct state_binding nobody = { .server = "cas1" };
	struct state_lease nowhere = lease_of("10.0.0.1", "", 0);
	struct state_image image;

	(void)state;
	memset(name, 'x', sizeof(name));
	name[CONF_NAME_MAX] = '\0';
	add_binding(writer, "10.0.0.1", name, 0);
	state_add_binding(writer, &nobody);
	state_add_lease(writer, &nowhere);
	nowhere = lease_of("10.0.0.1", "cas1", 0);
	nowhere.client.family = 0;
	state_add_lease(writer, &nowhere);
	name[CONF_NAME_MAX - 1] = '\0'; /* the longest there is */
	add_binding(writer, "10.0.0.2", name, 0);
	image = finish(writer);
	assert_int_equal(image.nrecords, 1);
	assert_int_equal(image.ndropped, 4);
	assert_int_equal(read_at(octets_of(&image), WRITTEN), 0);
	assert_string_equal(kinds, "b");
	assert_string_equal(binding[0].server, name);
	free(image.at);
}

static uint32_t ncounted;

static void count_vport(void *ctx, const struct state_vport *told)
{
	struct syntax wanted = iface_nspi.syntax;
	char name[CONF_NAME_MAX];

	(void)ctx;
	wanted.minor = told->real;
	snprintf(name, sizeof(name), "cas%u", told->real % 200u);
	assert_string_equal(told->server, name);
	assert_true(syntax_equal(&told->interface, &wanted));
	ncounted++;
}

/* Every name its own, up to the last, and what is beyond is counted. */
static void state_keeps_names_apart_up_to_its_bounds(void **state)
{
	const struct state_sink count = { .vport = count_vport };
	struct state_writer *writer = begin();
	struct state_vport port = { .interface = iface_nspi.syntax };
	struct state_image image;
	char name[CONF_NAME_MAX];
	unsigned i;

	(void)state;
	for (i = 0; i < STATE_INTERFACES_MAX + 10; i++) {
		snprintf(name, sizeof(name), "cas%u", i % 200);
		port.server = name;
		port.real = port.interface.minor = (uint16_t)i;
		state_add_vport(writer, &port);
	}
	image = finish(writer);
	assert_int_equal(image.nrecords, STATE_INTERFACES_MAX);
	assert_int_equal(image.ndropped, 10);
	ncounted = 0;
	assert_int_equal(state_read(octets_of(&image), WRITTEN, &count), 0);
	assert_int_equal(ncounted, STATE_INTERFACES_MAX);
	free(image.at);
}

static void count_binding(void *ctx, const struct state_binding *told)
{
	uint32_t last = *(uint32_t *)ctx;

	assert_true(told->idle_ms >= last);
	*(uint32_t *)ctx = (uint32_t)told->idle_ms;
	ncounted++;
}

static void state_counts_servers_and_sources_that_are_too_many(void **state)
{
	struct state_binding one = binding_of("10.0.0.1", "cas", 0);
	struct state_writer *writer = begin();
	struct state_image image;
	char name[CONF_NAME_MAX];
	uint32_t last = 0;
	const struct state_sink count = { .binding = count_binding,
					  .ctx = &last };
	unsigned i;

	(void)state;
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "cas%u", i);
		one.server = name;
		one.source = (struct addr){ 0 };
		state_add_binding(writer, &one);
		one.server = "cas0";
		one.source = address("10.1.0.0");
		one.source.octet[2] = (uint8_t)(i >> 8);
		one.source.octet[3] = (uint8_t)i;
		state_add_binding(writer, &one);
	}
	image = finish(writer);
	assert_int_equal(image.nrecords, 2 * 255);
	assert_int_equal(image.ndropped, 2 * 45);
	ncounted = 0;
	assert_int_equal(state_read(octets_of(&image), WRITTEN, &count), 0);
	assert_int_equal(ncounted, 2 * 255);
	free(image.at);
}

/* A file is never longer than what a reader takes. */
static void state_is_bounded_and_says_what_it_dropped(void **state)
{
	struct state_binding one = binding_of("2001:db8::", "cas1", 0);
	struct state_writer *writer = begin();
	const uint32_t n = STATE_MAX / 27 + 1000;
	struct state_image image;
	uint32_t i, last = 0;
	const struct state_sink count = { .binding = count_binding,
					  .ctx = &last };

	(void)state;
	for (i = 0; i < n; i++) {
		memcpy(one.key.octet + 12, &i, sizeof(i));
		one.idle_ms = n - i;
		state_add_binding(writer, &one);
	}
	image = finish(writer);
	assert_true(image.len <= STATE_MAX && image.len > STATE_MAX - 64);
	assert_true(image.ndropped >= 1000 && image.ndropped < 1100);
	assert_int_equal(image.nrecords + image.ndropped, n);
	ncounted = 0;
	assert_int_equal(state_read(octets_of(&image), WRITTEN, &count), 0);
	assert_int_equal(ncounted, image.nrecords);
	free(image.at);
}

static void write_much(void *ctx)
{
	struct state_writer *writer = state_begin(WRITTEN);
	struct state_image image = { 0 };
	unsigned i;
	int err;

	(void)ctx;
	if (!writer)
		return;
	for (i = 0; i < 20000; i++)
		add_binding(writer, "10.0.0.1", "cas1", i);
	err = state_end(writer, &image);
	assert_int_equal(err, alloc_has_failed() ? ERR_MEMORY : 0);
	assert_int_equal(image.at != NULL, !err);
	free(image.at);
}

static void state_is_whole_or_not_written_without_memory(void **state)
{
	(void)state;
	assert_true(alloc_each_fails(NULL, write_much) > 4);
}

static void read_sample(void *ctx)
{
	struct state_image *image = ctx;
	int err = read_at(octets_of(image), WRITTEN);

	assert_int_equal(err, alloc_has_failed() ? ERR_MEMORY : 0);
	assert_int_equal(ntold, err ? 0 : 6);
}

static void state_tells_all_or_nothing_without_memory(void **state)
{
	struct state_image image = sample();

	(void)state;
	assert_int_equal(alloc_each_fails(&image, read_sample), 1);
	free(image.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			state_gives_back_what_was_written_recent_first),
		cmocka_unit_test(state_ages_by_the_time_since_it_was_written),
		cmocka_unit_test(
			state_does_not_get_younger_when_the_clock_was_set_back),
		cmocka_unit_test(state_age_does_not_wrap),
		cmocka_unit_test(state_without_records_is_a_file_too),
		cmocka_unit_test(state_has_the_layout_that_the_header_says),
		cmocka_unit_test(
			state_cut_anywhere_is_refused_before_anything_is_told),
		cmocka_unit_test(
			state_with_a_turned_bit_is_refused_before_anything_is_told),
		cmocka_unit_test(state_with_more_behind_it_is_refused),
		cmocka_unit_test(
			state_of_another_length_than_it_says_is_refused),
		cmocka_unit_test(state_of_another_version_is_unsupported),
		cmocka_unit_test(
			state_of_another_version_needs_no_more_than_the_fixed),
		cmocka_unit_test(state_whose_counts_disagree_is_refused),
		cmocka_unit_test(state_that_counts_too_much_takes_no_memory),
		cmocka_unit_test(state_with_more_behind_its_tables_is_refused),
		cmocka_unit_test(state_with_an_unsound_table_is_refused),
		cmocka_unit_test(state_with_an_unknown_source_is_refused),
		cmocka_unit_test(state_above_the_limit_is_not_looked_at),
		cmocka_unit_test(state_that_is_something_else_is_refused),
		cmocka_unit_test(state_drops_what_has_no_name_or_address),
		cmocka_unit_test(state_keeps_names_apart_up_to_its_bounds),
		cmocka_unit_test(
			state_counts_servers_and_sources_that_are_too_many),
		cmocka_unit_test(state_is_bounded_and_says_what_it_dropped),
		cmocka_unit_test(state_is_whole_or_not_written_without_memory),
		cmocka_unit_test(state_tells_all_or_nothing_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
