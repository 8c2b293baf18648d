/*
 * Stubs: what one simulator writes the other reads, cut off or not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/stub.h"

#define ROOM 4096

static const struct stub_handle handle = {
	{ 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 }
};

static struct bytes text(const char *chars)
{
	return bytes_of(chars, strlen(chars));
}

static void assert_text(struct bytes is, const char *wanted)
{
	assert_true(bytes_equal(is, text(wanted)));
}

static struct cursor over(const struct builder *out)
{
	assert_int_equal(out->err, 0);
	return cursor_over(bytes_of(out->at, out->len), true);
}

/*
 * <read> takes the whole and refuses every shorter beginning of it; each is
 * a block of its own, so that a sanitizer sees a step beyond its end.
 */
static void assert_needs_all(const struct builder *out,
			     int (*read)(struct cursor cur))
{
	size_t len;

	assert_int_equal(read(over(out)), 0);
	for (len = 0; len < out->len; len++) {
		uint8_t *part = malloc(len ? len : 1);

		assert_non_null(part);
		memcpy(part, out->at, len);
		assert_int_equal(read(cursor_over(bytes_of(part, len), true)),
				 ERR_SHORT);
		free(part);
	}
}

static int read_connect_request(struct cursor cur)
{
	struct connect_ex_request req;

	return connect_ex_request_read(cur, &req);
}

/* Names of every length modulo 4, for what follows is aligned. */
static void a_connect_request_comes_back(void **state)
{
	static const char *const names[] = { "", "a", "/o=x/cn=ab", "abc",
					     "abcd" };
	struct connect_ex_request req = { .link = 0x1234,
					  .timestamp = 0xdeadbeef };
	struct connect_ex_request is;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint8_t room[ROOM];
		struct builder out = builder_over(room, ROOM, true);

		req.user_dn = text(names[i]);
		connect_ex_request_write(&out, &req);
		assert_int_equal(connect_ex_request_read(over(&out), &is), 0);
		assert_text(is.user_dn, names[i]);
		assert_int_equal(is.link, 0x1234);
		assert_int_equal(is.timestamp, 0xdeadbeef);
		assert_needs_all(&out, read_connect_request);
	}
}

static int read_connect_reply(struct cursor cur)
{
	struct connect_ex_reply reply;

	return connect_ex_reply_read(cur, &reply);
}

static void a_connect_reply_names_the_server(void **state)
{
	static const char *const names[] = { "a", "cas1", "sixteen-letters1" };
	struct connect_ex_reply is;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint8_t room[ROOM];
		struct builder out = builder_over(room, ROOM, true);
		struct connect_ex_reply reply = { .handle = handle,
						  .index = 77,
						  .server = text(names[i]),
						  .timestamp = 99,
						  .status = 5 };

		connect_ex_reply_write(&out, &reply);
		assert_int_equal(connect_ex_reply_read(over(&out), &is), 0);
		assert_memory_equal(&is.handle, &handle, sizeof(handle));
		assert_int_equal(is.index, 77);
		assert_text(is.server, names[i]);
		assert_int_equal(is.timestamp, 99);
		assert_int_equal(is.status, 5);
		assert_needs_all(&out, read_connect_reply);
	}
}

static int read_rpc_request(struct cursor cur)
{
	struct rpc_ext2_request req;

	return rpc_ext2_request_read(cur, &req);
}

static int read_rpc_reply(struct cursor cur)
{
	struct rpc_ext2_reply reply;

	return rpc_ext2_reply_read(cur, &reply);
}

static void a_call_says_how_much_it_wants(void **state)
{
	uint8_t room[ROOM];
	struct builder out = builder_over(room, ROOM, true);
	struct rpc_ext2_request req = { .handle = handle,
					.send = 33,
					.want = 1000 };
	struct rpc_ext2_request is;

	(void)state;
	rpc_ext2_request_write(&out, &req);
	assert_int_equal(rpc_ext2_request_read(over(&out), &is), 0);
	assert_memory_equal(&is.handle, &handle, sizeof(handle));
	assert_int_equal(is.send, 33);
	assert_int_equal(is.want, 1000);
	assert_needs_all(&out, read_rpc_request);
}

static void a_call_that_wants_too_much_is_refused(void **state)
{
	uint8_t room[ROOM];
	struct builder out = builder_over(room, ROOM, true);
	struct rpc_ext2_request req = { .want = STUB_PAYLOAD_MAX + 1 };

	(void)state;
	rpc_ext2_request_write(&out, &req);
	assert_int_equal(rpc_ext2_request_read(over(&out), &req), ERR_LIMIT);
}

static void a_payload_begins_with_the_servers_name(void **state)
{
	uint8_t room[ROOM];
	struct builder out = builder_over(room, ROOM, true);
	struct rpc_ext2_reply reply = { .handle = handle,
					.server = text("cas2"),
					.len = 1001 };
	struct rpc_ext2_reply is;

	(void)state;
	rpc_ext2_reply_write(&out, &reply);
	assert_true(out.len > 1001);
	assert_int_equal(rpc_ext2_reply_read(over(&out), &is), 0);
	assert_text(is.server, "cas2");
	assert_int_equal(is.len, 1001);
	assert_int_equal(is.status, 0);
	assert_needs_all(&out, read_rpc_reply);
}

static int read_handle_reply(struct cursor cur)
{
	struct stub_handle is;
	uint32_t status;

	return handle_reply_read(cur, &is, &status);
}

static int read_wait_reply(struct cursor cur)
{
	uint32_t flags, status;

	return wait_ex_reply_read(cur, &flags, &status);
}

static void handles_and_waits_come_back(void **state)
{
	uint8_t room[ROOM], other[ROOM];
	struct builder out = builder_over(room, ROOM, true);
	struct builder wait = builder_over(other, ROOM, true);
	struct stub_handle is;
	uint32_t flags, status;

	(void)state;
	handle_reply_write(&out, &handle, 3);
	assert_int_equal(handle_reply_read(over(&out), &is, &status), 0);
	assert_memory_equal(&is, &handle, sizeof(handle));
	assert_int_equal(status, 3);
	assert_needs_all(&out, read_handle_reply);

	wait_ex_reply_write(&wait, STUB_EVENT_PENDING, 4);
	assert_int_equal(wait_ex_reply_read(over(&wait), &flags, &status), 0);
	assert_int_equal(flags, STUB_EVENT_PENDING);
	assert_int_equal(status, 4);
	assert_needs_all(&wait, read_wait_reply);
}

static int read_nspi_reply(struct cursor cur)
{
	struct nspi_bind_reply reply;

	return nspi_bind_reply_read(cur, &reply);
}

/* The longest name leaves no NUL in the GUID. */
static void an_address_book_names_the_server_in_its_guid(void **state)
{
	static const char *const names[] = { "cas1", "sixteen-letters1" };
	struct nspi_bind_reply is;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint8_t room[ROOM];
		struct builder out = builder_over(room, ROOM, true);
		struct nspi_bind_reply reply = { .server = text(names[i]),
						 .handle = handle };

		nspi_bind_reply_write(&out, &reply);
		assert_int_equal(nspi_bind_reply_read(over(&out), &is), 0);
		assert_text(is.server, names[i]);
		assert_memory_equal(&is.handle, &handle, sizeof(handle));
		assert_needs_all(&out, read_nspi_reply);
	}
}

static int read_new_dsa(struct cursor cur)
{
	struct bytes server;
	uint32_t status;

	return new_dsa_reply_read(cur, &server, &status);
}

static int read_fqdn(struct cursor cur)
{
	struct bytes server;
	uint32_t status;

	return fqdn_reply_read(cur, &server, &status);
}

static void referrals_name_the_server(void **state)
{
	uint8_t room[ROOM], other[ROOM];
	struct builder dsa = builder_over(room, ROOM, true);
	struct builder fqdn = builder_over(other, ROOM, true);
	struct bytes server;
	uint32_t status;

	(void)state;
	new_dsa_reply_write(&dsa, text("cas3"));
	assert_int_equal(new_dsa_reply_read(over(&dsa), &server, &status), 0);
	assert_text(server, "cas3");
	assert_needs_all(&dsa, read_new_dsa);

	fqdn_reply_write(&fqdn, text("cas12"));
	assert_int_equal(fqdn_reply_read(over(&fqdn), &server, &status), 0);
	assert_text(server, "cas12");
	assert_needs_all(&fqdn, read_fqdn);
}

static void a_string_without_its_nul_is_refused(void **state)
{
	uint8_t room[ROOM];
	struct builder out = builder_over(room, ROOM, true);
	struct bytes server;
	uint32_t status;

	(void)state;
	fqdn_reply_write(&out, text("cas"));
	room[19] = 'x'; /* referent, three counts, "cas", NUL */
	assert_int_equal(fqdn_reply_read(over(&out), &server, &status),
			 ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connect_request_comes_back),
		cmocka_unit_test(a_connect_reply_names_the_server),
		cmocka_unit_test(a_call_says_how_much_it_wants),
		cmocka_unit_test(a_call_that_wants_too_much_is_refused),
		cmocka_unit_test(a_payload_begins_with_the_servers_name),
		cmocka_unit_test(handles_and_waits_come_back),
		cmocka_unit_test(an_address_book_names_the_server_in_its_guid),
		cmocka_unit_test(referrals_name_the_server),
		cmocka_unit_test(a_string_without_its_nul_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
