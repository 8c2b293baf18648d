/*
 * channel.c - one RPC connection of a simulator: PDUs in, PDUs out.
 *
 * Layer: tools.
 * Source: C706 12.6.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sim/channel.h"

#define READ_ROOM 16384
#define READS_MAX 8 /* then others have their turn */
#define CALL_HEAD 24

static void channel_ready(struct loop_io *io, unsigned events);

static int watch(struct channel *channel, int fd)
{
	int err;

	channel->io.fd = fd;
	channel->io.ready = channel_ready;
	err = loop_watch_edge(channel->loop, &channel->io);
	if (err) {
		close(fd);
		return err;
	}
	channel->is_open = true;
	return 0;
}

static void begin(struct channel *channel, struct loop *loop,
		  const struct channel_handler *handler)
{
	*channel = (struct channel){
		.loop = loop,
		.handler = handler,
		.frag_len = PDU_FRAG_MAX,
	};
}

static void send_at_once(int fd)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* The address now, its port not before connect(): one port may then serve
 * several destinations. */
static int come_from(int fd, const struct addr *source)
{
	struct sockaddr_storage room;
	struct endpoint from = { .addr = *source };
	int on = 1;

	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
			 sizeof(on));
	(void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&room,
		 endpoint_to_sockaddr(&from, &room)))
		return -errno;
	return 0;
}

int channel_connect(struct channel *channel, struct loop *loop,
		    const struct channel_handler *handler,
		    const struct endpoint *to, const struct addr *source)
{
	struct sockaddr_storage room;
	socklen_t len = endpoint_to_sockaddr(to, &room);
	int fd, err;

	begin(channel, loop, handler);
	fd = socket(to->addr.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return -errno;
	send_at_once(fd);
	err = source ? come_from(fd, source) : 0;
	if (!err && connect(fd, (struct sockaddr *)&room, len) &&
	    errno != EINPROGRESS)
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	channel->is_connecting = true;
	return watch(channel, fd);
}

int channel_accept(struct channel *channel, struct loop *loop,
		   const struct channel_handler *handler, int fd)
{
	begin(channel, loop, handler);
	send_at_once(fd);
	return watch(channel, fd);
}

void channel_close(struct channel *channel)
{
	if (!channel->is_open)
		return;
	loop_unwatch(channel->loop, &channel->io);
	close(channel->io.fd);
	channel->is_open = false;
	octets_release(&channel->in);
	octets_release(&channel->stub);
	octets_release(&channel->out);
	if (channel->gone)
		*channel->gone = true;
	channel->gone = NULL;
}

void channel_reset(struct channel *channel)
{
	struct linger abort = { .l_onoff = 1, .l_linger = 0 };

	if (!channel->is_open)
		return;
	(void)setsockopt(channel->io.fd, SOL_SOCKET, SO_LINGER, &abort,
			 sizeof(abort));
	channel_close(channel);
}

static void fail(struct channel *channel, int err)
{
	channel_close(channel);
	channel->handler->closed(channel, err);
}

void channel_stall(struct channel *channel, bool is_stalled)
{
	channel->is_stalled = is_stalled;
	if (!is_stalled && channel->is_open)
		loop_again(channel->loop, &channel->io);
}

/* Write what is kept. 0, or -errno. */
static int flush(struct channel *channel)
{
	struct octets *out = &channel->out;
	ssize_t done;

	while (channel->sent < out->len) {
		done = send(channel->io.fd, out->at + channel->sent,
			    out->len - channel->sent, MSG_NOSIGNAL);
		if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		if (done < 0)
			return -errno;
		channel->sent += (size_t)done;
	}
	octets_release(out);
	channel->sent = 0;
	return 0;
}

/* A failure is left for the loop to find: the caller may be anywhere. */
void channel_send(struct channel *channel, struct bytes pdus)
{
	ssize_t done = 0;

	if (!channel->is_open)
		return;
	if (!channel->out.len) {
		done = send(channel->io.fd, pdus.at, pdus.len, MSG_NOSIGNAL);
		if (done < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
			loop_again(channel->loop, &channel->io);
		if (done < 0)
			done = 0;
	}
	if (octets_append(&channel->out,
			  bytes_of(pdus.at + done, pdus.len - (size_t)done)))
		(void)shutdown(channel->io.fd, SHUT_RDWR);
}

static size_t part_of(const struct channel *channel, struct bytes stub,
		      size_t from)
{
	size_t most = (size_t)channel->frag_len - CALL_HEAD;
	size_t left = stub.len - from;

	return left < most ? left : most & ~(size_t)7;
}

void channel_request(struct channel *channel, uint32_t call_id,
		     uint16_t context, uint16_t opnum, struct bytes stub)
{
	uint8_t room[PDU_FRAG_MAX];
	size_t from = 0, len;
	uint8_t flags = PDU_FIRST;

	do {
		struct builder out = builder_over(room, sizeof(room), true);

		len = part_of(channel, stub, from);
		if (from + len == stub.len)
			flags |= PDU_LAST;
		pdu_request_write(&out, flags, call_id, context, opnum,
				  bytes_of(stub.at + from, len));
		channel_send(channel, bytes_of(out.at, out.len));
		from += len;
		flags = 0;
	} while (from < stub.len);
}

void channel_response(struct channel *channel, uint32_t call_id,
		      uint16_t context, struct bytes stub)
{
	uint8_t room[PDU_FRAG_MAX];
	size_t from = 0, len;
	uint8_t flags = PDU_FIRST;

	do {
		struct builder out = builder_over(room, sizeof(room), true);

		len = part_of(channel, stub, from);
		if (from + len == stub.len)
			flags |= PDU_LAST;
		pdu_response_write(&out, flags, call_id, context,
				   bytes_of(stub.at + from, len));
		channel_send(channel, bytes_of(out.at, out.len));
		from += len;
		flags = 0;
	} while (from < stub.len);
}

void channel_fault(struct channel *channel, uint32_t call_id, uint16_t context,
		   uint32_t status)
{
	uint8_t room[64];
	struct builder out = builder_over(room, sizeof(room), true);

	pdu_fault_write(&out, PDU_FIRST | PDU_LAST | PDU_DID_NOT_EXECUTE,
			call_id, context, status);
	channel_send(channel, bytes_of(out.at, out.len));
}

/* What a request, response or fault says, but for the stub's other parts. */
static int read_call(const struct pdu *pdu, struct channel_call *call)
{
	struct pdu_request request;
	struct pdu_response response;
	struct pdu_fault fault;
	int err;

	*call = (struct channel_call){ .type = pdu->type,
				       .little = pdu->little,
				       .call_id = pdu->call_id };
	if (pdu->type == PDU_REQUEST) {
		err = pdu_request_read(pdu, &request);
		if (err)
			return err;
		call->context = request.context;
		call->opnum = request.opnum;
		call->stub = request.stub;
	} else if (pdu->type == PDU_RESPONSE) {
		err = pdu_response_read(pdu, &response);
		if (err)
			return err;
		call->context = response.context;
		call->stub = response.stub;
	} else {
		err = pdu_fault_read(pdu, &fault);
		if (err)
			return err;
		call->context = fault.context;
		call->status = fault.status;
	}
	return 0;
}

/* One fragment of a call; the handler hears of it with the last one. The
 * stub leaves the channel first, for the handler may close it. */
static int take_call(struct channel *channel, const struct pdu *pdu)
{
	struct channel_call call;
	struct octets whole;
	int err = read_call(pdu, &call);

	if (err)
		return err;
	if (pdu->type == PDU_FAULT ||
	    (pdu->flags & (PDU_FIRST | PDU_LAST)) == (PDU_FIRST | PDU_LAST)) {
		channel->handler->call(channel, &call);
		return 0;
	}
	if (pdu->flags & PDU_FIRST)
		octets_release(&channel->stub);
	if (channel->stub.len + call.stub.len > CHANNEL_STUB_MAX)
		return ERR_LIMIT;
	err = octets_append(&channel->stub, call.stub);
	if (err || !(pdu->flags & PDU_LAST))
		return err;
	whole = channel->stub;
	channel->stub = (struct octets){ 0 };
	call.stub = bytes_of(whole.at, whole.len);
	channel->handler->call(channel, &call);
	octets_release(&whole);
	return 0;
}

static int take_pdu(struct channel *channel, struct bytes whole)
{
	struct pdu pdu;
	int err = pdu_read(whole, &pdu);

	if (err)
		return err;
	if (pdu.type == PDU_REQUEST || pdu.type == PDU_RESPONSE ||
	    pdu.type == PDU_FAULT)
		return take_call(channel, &pdu);
	channel->handler->pdu(channel, &pdu);
	return 0;
}

/*
 * Hand out every whole fragment that was read. The input leaves the channel
 * meanwhile. False: the channel is closed, perhaps freed.
 */
static bool take_pdus(struct channel *channel)
{
	struct octets in = channel->in;
	bool gone = false;
	size_t at = 0;
	int len = 0, err = 0;

	channel->in = (struct octets){ 0 };
	channel->gone = &gone;
	while (!err) {
		struct bytes rest = bytes_of(in.at + at, in.len - at);

		len = pdu_length(rest);
		if (len <= 0 || (size_t)len > rest.len)
			break;
		err = take_pdu(channel, bytes_of(rest.at, (size_t)len));
		if (gone) {
			octets_release(&in);
			return false;
		}
		at += (size_t)len;
	}
	octets_drop(&in, at);
	channel->in = in;
	channel->gone = NULL;
	if (err || len < 0) {
		fail(channel, err ? err : len);
		return false;
	}
	return true;
}

static void channel_read(struct channel *channel)
{
	struct octets *in = &channel->in;
	ssize_t got;
	int i;

	for (i = 0; i < READS_MAX; i++) {
		if (channel->is_stalled)
			return;
		channel->is_held =
			channel->out.len - channel->sent > CHANNEL_KEPT_MAX;
		if (channel->is_held)
			return;
		if (octets_reserve(in, READ_ROOM)) {
			fail(channel, ERR_MEMORY);
			return;
		}
		got = recv(channel->io.fd, in->at + in->len, in->cap - in->len,
			   0);
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			if (!in->len)
				octets_release(in);
			return;
		}
		if (got <= 0) {
			fail(channel, got ? -errno : 0);
			return;
		}
		in->len += (size_t)got;
		if (!take_pdus(channel))
			return;
	}
	loop_again(channel->loop, &channel->io);
}

/* False: not yet, or it failed. */
static bool is_connected(struct channel *channel)
{
	int err = 0;
	socklen_t len = sizeof(err);
	bool gone = false;

	if (getsockopt(channel->io.fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	if (err) {
		fail(channel, -err);
		return false;
	}
	channel->is_connecting = false;
	channel->gone = &gone;
	channel->handler->opened(channel);
	if (gone)
		return false;
	channel->gone = NULL;
	return true;
}

static void channel_ready(struct loop_io *io, unsigned events)
{
	struct channel *channel = list_entry(io, struct channel, io);
	int err;

	if (channel->is_connecting) {
		if (!(events & (LOOP_WRITE | LOOP_END)))
			return;
		if (!is_connected(channel))
			return;
	}
	err = flush(channel);
	if (err) {
		fail(channel, err);
		return;
	}
	if (events != LOOP_WRITE || channel->is_held)
		channel_read(channel);
}
