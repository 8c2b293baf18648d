/*
 * Any octets as a state file, as they are and with the fixed parts (magic,
 * version, length, checksum) put right, or nothing behind the checksum would
 * ever be reached. What is taken must be sound, in order, and the same after
 * it was written and read again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "core/conf.h"
#include "core/state.h"

#define FIXED_LEN   28 /* magic, version, trailer */
#define TRAILER_LEN 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct told {
	struct state_writer *writer; /* NULL: only counted */
	uint32_t n;
	char last_kind;
	uint64_t last_age;
};

static void must(int is_true)
{
	if (!is_true)
		abort();
}

static void check_order(struct told *told, char kind, uint64_t age)
{
	must(kind >= told->last_kind);
	/* ages beyond 2^62 ms count as equal */
	must(kind > told->last_kind || age >= told->last_age || age >> 61);
	told->last_kind = kind;
	told->last_age = age;
	told->n++;
}

static void check_server(const char *name)
{
	must(name[0] && strnlen(name, CONF_NAME_MAX) < CONF_NAME_MAX);
}

static void take_vport(void *ctx, const struct state_vport *vport)
{
	struct told *told = ctx;

	check_order(told, 1, 0);
	check_server(vport->server);
	if (told->writer)
		state_add_vport(told->writer, vport);
}

static void take_lease(void *ctx, const struct state_lease *lease)
{
	struct told *told = ctx;

	check_order(told, 2, lease->age_ms);
	check_server(lease->server);
	must(addr_len(&lease->client) > 0);
	if (told->writer)
		state_add_lease(told->writer, lease);
}

static void take_binding(void *ctx, const struct state_binding *binding)
{
	struct told *told = ctx;

	check_order(told, 3, binding->idle_ms);
	check_server(binding->server);
	must(addr_len(&binding->key) > 0);
	if (told->writer)
		state_add_binding(told->writer, binding);
}

static int read_it(struct bytes file, struct told *told)
{
	struct state_sink sink = { take_vport, take_lease, take_binding, told };
	int err = state_read(file, 0, &sink);

	must(!err || !told->n);
	return err;
}

static void check(struct bytes file)
{
	struct told first = { .writer = state_begin(0) }, again = { 0 };
	struct state_image image;
	int err;

	must(first.writer != NULL);
	err = read_it(file, &first);
	must(state_end(first.writer, &image) == 0);
	must(image.nrecords == first.n && image.ndropped == 0);
	if (!err) {
		must(read_it(bytes_of(image.at, image.len), &again) == 0);
		must(again.n == first.n);
	}
	free(image.at);
}

static void put_le(uint8_t *at, uint64_t value)
{
	int i;

	for (i = 0; i < 8; i++, value >>= 8)
		at[i] = (uint8_t)value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t key[HASH_KEY_LEN] = "mapilbstmapilbst";
	uint8_t *file;

	check(bytes_of(data, len));
	if (len < FIXED_LEN)
		return 0;
	file = malloc(len);
	must(file != NULL);
	memcpy(file, data, len);
	memcpy(file, "mapilbst\1\0\0\0", 12);
	put_le(file + len - TRAILER_LEN, len);
	put_le(file + len - 8, hash_sip(key, bytes_of(file, len - 8)));
	check(bytes_of(file, len));
	free(file);
	return 0;
}
