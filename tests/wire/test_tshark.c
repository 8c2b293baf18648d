/*
 * What our readers see in vectors and in what our writers wrote, tshark sees
 * too: every conversation goes to one capture file, a TCP stream on port 135
 * each, and every field that tshark prints must be what our readers say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../helper/vector.h"
#include "wire/epm.h"
#include "wire/iface.h"
#include "wire/ntlm.h"
#include "wire/pdu.h"

#define STREAMS_MAX 16
#define PDUS_MAX    64
#define LINE_MAX    4096

static const char *const field[] = {
	"tcp.stream",
	"dcerpc.pkt_type",
	"dcerpc.cn_frag_len",
	"dcerpc.cn_call_id",
	"dcerpc.cn_ctx_id",
	"dcerpc.cn_assoc_group",
	"dcerpc.cn_bind_to_uuid",
	"dcerpc.cn_ack_result",
	"dcerpc.cn_sec_addr",
	"dcerpc.cn_reject_reason",
	"dcerpc.opnum",
	"epm.proto.tcp_port",
	"epm.proto.http_port",
	"epm.proto.ip",
	"epm.annotation",
	"epm.rc",
	"dcerpc.cn_status",
	"ntlmssp.auth.domain",
	"ntlmssp.auth.username",
	"ntlmssp.auth.hostname",
	"_ws.malformed",
};

#define NFIELDS (sizeof(field) / sizeof(field[0]))

/* The capture, and the line that we expect for each of its packets. */
struct capture {
	FILE *file;
	unsigned nstreams;
	unsigned npdus;
	uint32_t next[2]; /* sequence numbers of client and server */
	uint16_t opnum;	  /* of its last request */
	char line[PDUS_MAX][LINE_MAX];
};

static struct capture cap;

static void put(struct builder *out)
{
	assert_int_equal(out->err, 0);
	assert_int_equal(fwrite(out->at, 1, out->len, cap.file), out->len);
}

static void capture_begin(void)
{
	uint8_t octet[24];
	struct builder out = builder_over(octet, sizeof(octet), true);

	builder_u32(&out, 0xa1b2c3d4);
	builder_u16(&out, 2);
	builder_u16(&out, 4);
	builder_zero(&out, 8);
	builder_u32(&out, 262144);
	builder_u32(&out, 101); /* packets begin with their IP header */
	put(&out);
}

static void put_packet(bool from_client, struct bytes payload)
{
	static const uint8_t host[2][4] = { { 10, 1, 0, 1 }, { 10, 2, 0, 2 } };
	uint16_t port[2] = { (uint16_t)(40000 + cap.nstreams), EPM_PORT };
	unsigned src = from_client ? 0 : 1, dst = 1 - src;
	uint8_t octet[16 + 40 + PDU_MAX];
	struct builder out = builder_over(octet, sizeof(octet), true);

	builder_u32(&out, 1000000 + cap.npdus);
	builder_u32(&out, 0);
	builder_u32(&out, (uint32_t)payload.len + 40);
	builder_u32(&out, (uint32_t)payload.len + 40);
	out.little = false;
	builder_u16(&out, 0x4500);
	builder_u16(&out, (uint16_t)(payload.len + 40));
	builder_u32(&out, 0x00014000);
	builder_u32(&out, 0x40060000); /* TCP; checksums are left out */
	builder_put(&out, bytes_of(host[src], 4));
	builder_put(&out, bytes_of(host[dst], 4));
	builder_u16(&out, port[src]);
	builder_u16(&out, port[dst]);
	builder_u32(&out, cap.next[src]);
	builder_u32(&out, cap.next[dst]);
	builder_u16(&out, 0x5018);
	builder_u16(&out, 65535);
	builder_zero(&out, 4);
	builder_put(&out, payload);
	put(&out);
	cap.next[src] += (uint32_t)payload.len;
}

/* A field's values, by comma, as tshark prints them. */
struct value {
	char text[NFIELDS][512];
};

__attribute__((format(printf, 3, 4))) static void say(struct value *value,
						      const char *name,
						      const char *format, ...)
{
	char *text;
	va_list args;
	size_t i = 0, len;

	while (strcmp(field[i], name) != 0)
		assert_true(++i < NFIELDS);
	text = value->text[i];
	len = strlen(text);
	if (len)
		text[len++] = ',';
	va_start(args, format);
	vsnprintf(text + len, sizeof(value->text[i]) - len, format, args);
	va_end(args);
}

static void say_tower(struct value *value, struct bytes in)
{
	char text[ADDR_TEXT_MAX];
	struct tower tower;

	if (!in.len)
		return;
	assert_int_equal(tower_read(in, &tower), 0);
	if (tower.protocol == TOWER_TCP)
		say(value, "epm.proto.tcp_port", "%u", tower.port);
	if (tower.protocol == TOWER_HTTP)
		say(value, "epm.proto.http_port", "%u", tower.port);
	if (tower.addr.family)
		say(value, "epm.proto.ip", "%s",
		    addr_format(&tower.addr, text));
}

static void say_request(struct value *value, const struct pdu *pdu)
{
	struct ndr form = { .little = pdu->little };
	struct epm_map_request map;
	struct pdu_request req;

	assert_int_equal(pdu_request_read(pdu, &req), 0);
	cap.opnum = req.opnum;
	say(value, "dcerpc.cn_ctx_id", "%u", req.context);
	say(value, "dcerpc.opnum", "%u", req.opnum);
	if (req.opnum != EPM_MAP)
		return;
	assert_int_equal(epm_map_request_read(req.stub, form, &map), 0);
	say_tower(value, map.tower);
}

static void say_response(struct value *value, const struct pdu *pdu)
{
	static struct epm_entry entry[EPM_ENTRIES_MAX];
	struct ndr form = { .little = pdu->little };
	struct epm_lookup_reply lookup;
	struct pdu_response resp;
	struct epm_map_reply map;
	uint32_t i;

	assert_int_equal(pdu_response_read(pdu, &resp), 0);
	say(value, "dcerpc.cn_ctx_id", "%u", resp.context);
	say(value, "dcerpc.opnum", "%u", cap.opnum);
	if (cap.opnum == EPM_MAP) {
		assert_int_equal(epm_map_reply_read(resp.stub, form, &map), 0);
		for (i = 0; i < map.ntowers; i++)
			say_tower(value, map.tower[i]);
		say(value, "epm.rc", "0x%08x", map.status);
		return;
	}
	assert_int_equal(cap.opnum, EPM_LOOKUP);
	assert_int_equal(epm_lookup_reply_read(resp.stub, form, entry,
					       EPM_ENTRIES_MAX, &lookup),
			 0);
	for (i = 0; i < lookup.nentries; i++) {
		say_tower(value, entry[i].tower);
		say(value, "epm.annotation", "%.*s",
		    (int)entry[i].annotation.len,
		    (const char *)entry[i].annotation.at);
	}
	say(value, "epm.rc", "0x%08x", lookup.status);
}

static void say_bind(struct value *value, const struct pdu *pdu)
{
	char text[UUID_TEXT_MAX];
	struct pdu_bind bind;
	unsigned i;

	assert_int_equal(pdu_bind_read(pdu, &bind), 0);
	say(value, "dcerpc.cn_assoc_group", "0x%08x", bind.assoc_group);
	for (i = 0; i < bind.ncontexts; i++) {
		say(value, "dcerpc.cn_ctx_id", "%u", bind.context[i].id);
		say(value, "dcerpc.cn_bind_to_uuid", "%s",
		    uuid_format(&bind.context[i].abstract.uuid, text));
	}
}

static void say_bind_ack(struct value *value, const struct pdu *pdu)
{
	struct pdu_bind_ack ack;
	unsigned i;

	assert_int_equal(pdu_bind_ack_read(pdu, &ack), 0);
	say(value, "dcerpc.cn_assoc_group", "0x%08x", ack.assoc_group);
	if (ack.address.len)
		say(value, "dcerpc.cn_sec_addr", "%.*s", (int)ack.address.len,
		    (const char *)ack.address.at);
	for (i = 0; i < ack.nresults; i++)
		say(value, "dcerpc.cn_ack_result", "%u", ack.result[i].result);
}

static void say_refusal(struct value *value, const struct pdu *pdu)
{
	struct pdu_bind_nak nak;
	struct pdu_fault fault;

	if (pdu->type == PDU_BIND_NAK) {
		assert_int_equal(pdu_bind_nak_read(pdu, &nak), 0);
		say(value, "dcerpc.cn_reject_reason", "%u", nak.reason);
		return;
	}
	assert_int_equal(pdu_fault_read(pdu, &fault), 0);
	say(value, "dcerpc.cn_ctx_id", "%u", fault.context);
	say(value, "dcerpc.opnum", "%u", cap.opnum);
	say(value, "dcerpc.cn_status", "0x%08x", fault.status);
}

/* tshark says "NULL" of a name that is empty. */
static void say_name(struct value *value, const char *name, struct bytes raw,
		     bool is_unicode)
{
	char text[NTLM_TEXT_MAX];

	ntlm_text(raw, is_unicode, text, sizeof(text));
	say(value, name, "%s", raw.len ? text : "NULL");
}

static void say_names(struct value *value, const struct pdu *pdu)
{
	struct ntlm_names names;

	if (ntlm_names_read(pdu->auth, &names))
		return;
	say_name(value, "ntlmssp.auth.domain", names.domain, names.is_unicode);
	say_name(value, "ntlmssp.auth.username", names.user, names.is_unicode);
	say_name(value, "ntlmssp.auth.hostname", names.workstation,
		 names.is_unicode);
}

static void say_pdu(struct value *value, const struct pdu *pdu)
{
	say(value, "tcp.stream", "%u", cap.nstreams - 1);
	say(value, "dcerpc.pkt_type", "%u", pdu->type);
	say(value, "dcerpc.cn_frag_len", "%zu", pdu->whole.len);
	say(value, "dcerpc.cn_call_id", "%u", pdu->call_id);
	say_names(value, pdu);
	switch (pdu->type) {
	case PDU_REQUEST:
		say_request(value, pdu);
		break;
	case PDU_RESPONSE:
		say_response(value, pdu);
		break;
	case PDU_BIND:
	case PDU_ALTER:
		say_bind(value, pdu);
		break;
	case PDU_BIND_ACK:
	case PDU_ALTER_ACK:
		say_bind_ack(value, pdu);
		break;
	case PDU_BIND_NAK:
	case PDU_FAULT:
		say_refusal(value, pdu);
		break;
	}
}

static bool is_from_client(uint8_t type)
{
	return type == PDU_REQUEST || type == PDU_BIND || type == PDU_ALTER ||
	       type == PDU_AUTH3;
}

static void open_stream(void)
{
	assert_true(cap.nstreams < STREAMS_MAX);
	cap.nstreams++;
	cap.next[0] = cap.next[1] = 1;
}

/* The next PDU of the open stream. */
static void capture_pdu(struct bytes in)
{
	struct value value = { 0 };
	struct pdu pdu;
	size_t i, len = 0;
	char *line;

	assert_true(cap.npdus < PDUS_MAX);
	assert_int_equal(pdu_read(in, &pdu), 0);
	assert_int_equal(pdu.whole.len, in.len);
	say_pdu(&value, &pdu);
	put_packet(is_from_client(pdu.type), in);
	line = cap.line[cap.npdus++];
	for (i = 0; i < NFIELDS; i++)
		len += (size_t)snprintf(line + len, LINE_MAX - len, "%s%s",
					i ? "|" : "", value.text[i]);
	assert_true(len < LINE_MAX);
}

static void capture_vectors(void)
{
	/* Numbers of vectors, a stream each. 61 is left out: its referent 1
	 * is the object of the request that the others answer, and tshark
	 * counts request and response as one space of referents. */
	static const char *const stream[] = {
		"01 02 03 04", "01 02 06 07", "01 02 03 05", "01 02 08",
		"30 31",       "32 33",	      "01 02 03 34", "01 02 03 35",
		"09 10 11",    "01 02 36",
	};
	struct vector room;
	const char *at;
	unsigned i, j;

	for (i = 0; i < sizeof(stream) / sizeof(stream[0]); i++) {
		open_stream();
		for (at = stream[i]; at; at = strchr(at + 1, ' ')) {
			at += *at == ' ';
			for (j = 0; memcmp(vector_name(j), at, 2) != 0; j++)
				assert_non_null(vector_name(j + 1));
			capture_pdu(vector_read(vector_name(j), &room));
		}
	}
}

/* Room for a stub and for the PDU around it. */
struct desk {
	uint8_t stub_room[4096], pdu_room[8192];
	struct builder stub, pdu;
};

static void desk_clear(struct desk *desk)
{
	desk->stub =
		builder_over(desk->stub_room, sizeof(desk->stub_room), true);
	desk->pdu = builder_over(desk->pdu_room, sizeof(desk->pdu_room), true);
}

static void desk_capture(struct desk *desk)
{
	assert_int_equal(desk->stub.err, 0);
	assert_int_equal(desk->pdu.err, 0);
	capture_pdu(bytes_of(desk->pdu_room, desk->pdu.len));
	desk_clear(desk);
}

static void desk_call(struct desk *desk, bool is_request, uint32_t call_id,
		      uint16_t opnum)
{
	struct bytes stub = bytes_of(desk->stub_room, desk->stub.len);

	if (is_request)
		pdu_request_write(&desk->pdu, PDU_FIRST | PDU_LAST, call_id, 5,
				  opnum, stub);
	else
		pdu_response_write(&desk->pdu, PDU_FIRST | PDU_LAST, call_id, 5,
				   stub);
	desk_capture(desk);
}

static struct bytes make_tower(uint8_t room[TOWER_TCP_LEN],
			       enum tower_protocol protocol,
			       const struct iface *iface, uint16_t port,
			       const char *addr_text)
{
	struct builder out = builder_over(room, TOWER_TCP_LEN, true);
	struct addr addr;

	assert_int_equal(addr_parse(addr_text, &addr), 0);
	tower_write(&out, protocol, &iface->syntax, port, &addr);
	assert_int_equal(out.err, 0);
	return bytes_of(room, out.len);
}

static void capture_own_bind(struct desk *desk, uint8_t type, uint8_t answer,
			     uint32_t call_id, const char *address)
{
	struct pdu_bind_ack ack = { .assoc_group = 0x89abcdef,
				    .max_xmit = PDU_FRAG_MAX,
				    .max_recv = PDU_FRAG_MAX,
				    .nresults = 2 };
	struct pdu_bind bind = { .max_xmit = PDU_FRAG_MAX,
				 .max_recv = PDU_FRAG_MAX,
				 .ncontexts = 2 };

	bind.context[0].id = 5;
	bind.context[0].abstract = iface_epm.syntax;
	bind.context[0].ntransfer = 1;
	bind.context[0].transfer[0] = syntax_ndr;
	bind.context[1] = bind.context[0];
	bind.context[1].id = 6;
	bind.context[1].transfer[0] = syntax_ndr64;
	ack.address = bytes_of(address, strlen(address));
	ack.result[0].transfer = syntax_ndr;
	ack.result[1].result = PDU_PROVIDER_REJECT;
	ack.result[1].reason = PDU_REASON_TRANSFER;
	pdu_bind_write(&desk->pdu, type, PDU_FIRST | PDU_LAST, call_id, &bind);
	desk_capture(desk);
	pdu_bind_ack_write(&desk->pdu, answer, PDU_FIRST | PDU_LAST, call_id,
			   &ack);
	desk_capture(desk);
}

static void capture_own_map(struct desk *desk, uint32_t call_id,
			    uint32_t ntowers)
{
	uint8_t room[4][TOWER_TCP_LEN];
	struct epm_map_request req = { .has_object = ntowers > 0,
				       .max_towers = 4 };
	struct epm_map_reply reply = { .ntowers = ntowers };

	req.tower = make_tower(room[3], TOWER_TCP, &iface_emsmdb, 0, "0.0.0.0");
	epm_map_request_write(&desk->stub, &req);
	desk_call(desk, true, call_id, EPM_MAP);
	reply.tower[0] = make_tower(room[0], TOWER_TCP, &iface_emsmdb, 59531,
				    "10.77.0.10");
	reply.tower[1] = make_tower(room[1], TOWER_HTTP, &iface_emsmdb, 6001,
				    "10.77.0.11");
	reply.tower[2] =
		make_tower(room[2], TOWER_TCP, &iface_emsmdb, 135, "0.0.0.0");
	reply.status = ntowers ? 0 : EPM_NOT_REGISTERED;
	epm_map_reply_write(&desk->stub, &reply, 4);
	desk_call(desk, false, call_id, EPM_MAP);
}

static void capture_own_lookup(struct desk *desk, uint32_t call_id,
			       bool has_interface)
{
	uint8_t room[3][TOWER_TCP_LEN];
	struct epm_lookup_request req = { .inquiry = has_interface,
					  .has_interface = has_interface,
					  .interface = iface_nspi.syntax,
					  .version_option = 1,
					  .max_entries = 500 };
	struct epm_lookup_reply reply = { .nentries = 3 };
	struct epm_entry entry[3] = { 0 };

	epm_lookup_request_write(&desk->stub, &req);
	desk_call(desk, true, call_id, EPM_LOOKUP);
	entry[0].tower = make_tower(room[0], TOWER_TCP, &iface_nspi, 59532,
				    "10.77.0.12");
	entry[0].annotation = bytes_of("Exchange address book", 21);
	entry[1].tower =
		make_tower(room[1], TOWER_HTTP, &iface_rfr, 6002, "10.77.0.13");
	entry[1].annotation = bytes_of("abc", 3);
	entry[2].object = iface_emsmdb.syntax.uuid;
	entry[2].tower = make_tower(room[2], TOWER_TCP, &iface_async_emsmdb,
				    59531, "10.77.0.14");
	entry[2].annotation = bytes_of("x", 1);
	epm_lookup_reply_write(&desk->stub, &reply, entry, 500);
	desk_call(desk, false, call_id, EPM_LOOKUP);
}

/* An AUTHENTICATE message of empty responses, with names of UTF-16LE. */
static void put_message(struct builder *out, struct bytes domain,
			struct bytes user, struct bytes workstation,
			uint32_t flags)
{
	const struct bytes name[] = { { 0 }, { 0 },	  domain,
				      user,  workstation, { 0 } };
	size_t i, at = 64;

	builder_put(out, bytes_of("NTLMSSP\0\3\0\0", 12));
	for (i = 0; i < sizeof(name) / sizeof(name[0]); i++) {
		builder_u16(out, (uint16_t)name[i].len);
		builder_u16(out, (uint16_t)name[i].len);
		builder_u32(out, (uint32_t)at);
		at += name[i].len;
	}
	builder_u32(out, flags);
	for (i = 0; i < sizeof(name) / sizeof(name[0]); i++)
		builder_put(out, name[i]);
}

/* An auth3 with the message that <desk->stub> holds. */
static void capture_auth3(struct desk *desk)
{
	struct builder *out = &desk->pdu;

	builder_put(out, bytes_of("\5\0\20\3\20\0\0", 8));
	builder_u16(out, (uint16_t)(PDU_HEADER_LEN + 4 + PDU_TRAILER_LEN +
				    desk->stub.len));
	builder_u16(out, (uint16_t)desk->stub.len);
	builder_u32(out, 1); /* call */
	builder_zero(out, 4);
	builder_put(out, bytes_of("\12\2\0\0\0\0\0", 8));
	builder_put(out, bytes_of(desk->stub_room, desk->stub.len));
	desk_capture(desk);
}

static struct bytes utf16(const char *ascii, uint8_t *room)
{
	size_t i, len = strlen(ascii);

	for (i = 0; i < len; i++) {
		room[2 * i] = (uint8_t)ascii[i];
		room[2 * i + 1] = 0;
	}
	return bytes_of(room, 2 * len);
}

static void capture_own_names(struct desk *desk)
{
	/* Jörg, 日本 */
	static const uint8_t foreign[2][8] = {
		{ 'J', 0, 0xf6, 0, 'r', 0, 'g', 0 },
		{ 0xe5, 0x65, 0x2c, 0x67 },
	};
	uint8_t room[2][128];

	open_stream();
	put_message(&desk->stub, utf16("CONTOSO", room[0]),
		    bytes_of(foreign[0], 8), utf16("PC-7", room[1]), 1);
	capture_auth3(desk);
	put_message(&desk->stub, bytes_of(foreign[1], 4),
		    utf16("alice@contoso.example", room[0]), bytes_of(NULL, 0),
		    1);
	capture_auth3(desk);
	put_message(&desk->stub, bytes_of(NULL, 0), utf16("bob", room[0]),
		    bytes_of(foreign[0], 8), 1);
	capture_auth3(desk);
	put_message(&desk->stub, bytes_of("OLD", 3), bytes_of("carol", 5),
		    bytes_of("WIN98", 5), 2);
	capture_auth3(desk);
}

static void capture_own(void)
{
	static struct desk desk;

	desk_clear(&desk);
	open_stream();
	capture_own_bind(&desk, PDU_BIND, PDU_BIND_ACK, 1, "59531");
	capture_own_map(&desk, 2, 3);
	capture_own_map(&desk, 3, 0);
	capture_own_map(&desk, 4, 1);
	capture_own_lookup(&desk, 5, false);
	capture_own_lookup(&desk, 6, true);
	capture_own_bind(&desk, PDU_ALTER, PDU_ALTER_ACK, 7, "");
	builder_zero(&desk.stub, EPM_HANDLE_LEN);
	desk_call(&desk, true, 8, EPM_HANDLE_FREE);
	pdu_fault_write(&desk.pdu, PDU_FIRST | PDU_LAST, 8, 5,
			PDU_FAULT_ACCESS_DENIED);
	desk_capture(&desk);
	open_stream();
	pdu_bind_nak_write(&desk.pdu, 9, 8);
	desk_capture(&desk);
	capture_own_names(&desk);
}

static FILE *run_tshark(const char *path)
{
	char command[2048];
	size_t i, len;

	len = (size_t)snprintf(command, sizeof(command),
			       "tshark -n -r %s -T fields -E separator='|' "
			       "-E occurrence=a -E aggregator=,",
			       path);
	for (i = 0; i < NFIELDS; i++)
		len += (size_t)snprintf(command + len, sizeof(command) - len,
					" -e %s", field[i]);
	len += (size_t)snprintf(command + len, sizeof(command) - len,
				" 2>/dev/null");
	assert_true(len < sizeof(command));
	return popen(command, "r");
}

static void tshark_sees_what_our_readers_see(void **state)
{
	char path[] = "/tmp/test_tshark.XXXXXX", line[LINE_MAX];
	int fd = mkstemp(path), status;
	FILE *tshark;
	unsigned i;

	(void)state;
	if (system("command -v tshark >/dev/null") != 0)
		skip();
	assert_true(fd >= 0);
	cap.file = fdopen(fd, "wb");
	assert_non_null(cap.file);
	capture_begin();
	capture_vectors();
	capture_own();
	assert_int_equal(fclose(cap.file), 0);
	tshark = run_tshark(path);
	assert_non_null(tshark);
	for (i = 0; fgets(line, sizeof(line), tshark) && i < cap.npdus; i++) {
		line[strcspn(line, "\n")] = '\0';
		assert_string_equal(line, cap.line[i]);
	}
	status = pclose(tshark);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(status, 0);
	assert_int_equal(i, cap.npdus);
	print_message("tshark agrees on %u PDUs\n", i);
}

/* A status of DCE or Win32 has a name here if it has one there; COM's are not
 * ours to name. */
static void faults_that_tshark_names_have_names(void **state)
{
	FILE *tshark;
	char line[LINE_MAX];
	unsigned status, n = 0;

	(void)state;
	if (system("command -v tshark >/dev/null") != 0)
		skip();
	tshark = popen("tshark -G values 2>/dev/null", "r");
	assert_non_null(tshark);
	while (fgets(line, sizeof(line), tshark)) {
		if (sscanf(line, "V\tdcerpc.cn_status\t%x", &status) != 1 ||
		    status < 2 || status >= 0x80000000)
			continue;
		if (!pdu_fault_name(status))
			fail_msg("0x%08x has no name: %s", status, line);
		n++;
	}
	assert_int_equal(pclose(tshark), 0);
	assert_true(n > 40);
	print_message("tshark names %u faults\n", n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_that_tshark_names_have_names),
		cmocka_unit_test(tshark_sees_what_our_readers_see),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
