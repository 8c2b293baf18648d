/*
 * emsmdb.c - sessions, their calls, and waits for news.
 *
 * Layer: tools.
 * Source: [MS-OXCRPC] 3.1.4.1 (sessions and links), 3.3.4.1 (waiting).
 */
#include <string.h>

#include "conn.h"

static struct bytes name_of(const struct conn *conn)
{
	const char *name = conn_server(conn)->name;

	return bytes_of(name, strlen(name));
}

/* The call's first parameter, a handle that must be of this group. */
static uint32_t find_first(const struct conn *conn,
			   const struct channel_call *call,
			   enum handle_kind kind, struct handle **out)
{
	struct cursor cur = cursor_over(call->stub, call->little);
	struct stub_handle wire;

	if (handle_read(&cur, &wire))
		return PDU_FAULT_NDR;
	*out = handle_find(conn->group, kind, &wire);
	return *out ? 0 : PDU_FAULT_CONTEXT_MISMATCH;
}

static bool is_link_good(struct conn *conn,
			 const struct connect_ex_request *request)
{
	if (request->link == STUB_NO_LINK)
		return true;
	if (handle_find_session(&conn->process->assoc, request->link,
				request->timestamp))
		return true;
	conn_server(conn)->counts.links_refused++;
	return false;
}

/* A session that is linked has its first one's timestamp. */
static struct handle *session_new(struct conn *conn,
				  const struct connect_ex_request *request)
{
	struct handle *session = handle_new(conn->group, HANDLE_SESSION);

	if (!session)
		return NULL;
	random_fill(&session->index, sizeof(session->index));
	if (request->link == STUB_NO_LINK)
		random_fill(&session->timestamp, sizeof(session->timestamp));
	else
		session->timestamp = request->timestamp;
	conn_server(conn)->counts.sessions++;
	return session;
}

uint32_t emsmdb_connect(struct conn *conn, const struct channel_call *call,
			struct builder *out)
{
	struct cursor cur = cursor_over(call->stub, call->little);
	struct connect_ex_request request;
	struct connect_ex_reply reply = { .status = STUB_LOGON_FAILED };
	struct handle *session = NULL;

	if (connect_ex_request_read(cur, &request))
		return PDU_FAULT_NDR;
	reply.server = name_of(conn);
	if (is_link_good(conn, &request))
		session = session_new(conn, &request);
	if (session) {
		reply.handle = session->wire;
		reply.index = session->index;
		reply.timestamp = session->timestamp;
		reply.status = STUB_OK;
	}
	connect_ex_reply_write(out, &reply);
	return 0;
}

uint32_t emsmdb_rpc(struct conn *conn, const struct channel_call *call,
		    struct builder *out)
{
	struct cursor cur = cursor_over(call->stub, call->little);
	struct rpc_ext2_request request;
	struct rpc_ext2_reply reply = { .status = STUB_OK };

	if (rpc_ext2_request_read(cur, &request))
		return PDU_FAULT_NDR;
	if (!handle_find(conn->group, HANDLE_SESSION, &request.handle))
		return PDU_FAULT_CONTEXT_MISMATCH;
	reply.handle = request.handle;
	reply.server = name_of(conn);
	reply.len = (uint32_t)reply.server.len + 1;
	if (reply.len < request.want)
		reply.len = request.want;
	rpc_ext2_reply_write(out, &reply);
	return 0;
}

uint32_t emsmdb_dummy(struct conn *conn, const struct channel_call *call,
		      struct builder *out)
{
	(void)conn;
	(void)call;
	builder_u32(out, STUB_OK);
	return 0;
}

uint32_t emsmdb_async_connect(struct conn *conn,
			      const struct channel_call *call,
			      struct builder *out)
{
	struct handle *session, *async;
	uint32_t fault = find_first(conn, call, HANDLE_SESSION, &session);

	if (fault)
		return fault;
	async = handle_new(conn->group, HANDLE_ASYNC);
	if (!async)
		return PDU_FAULT_NDR;
	async->session = session->wire;
	handle_reply_write(out, &async->wire, STUB_OK);
	return 0;
}

void emsmdb_unpark(struct handle *handle)
{
	loop_timer_stop(conn_server(handle->waiter)->array->loop,
			&handle->expiry);
	list_remove(&handle->parked);
	handle->waiter = NULL;
}

static void answer_waiter(struct handle *handle, uint32_t flags,
			  uint32_t status)
{
	struct conn *conn = handle->waiter;
	uint8_t room[8];
	struct builder out = builder_over(room, sizeof(room), true);

	emsmdb_unpark(handle);
	wait_ex_reply_write(&out, flags, status);
	channel_response(&conn->channel, handle->call_id, handle->context,
			 bytes_of(out.at, out.len));
}

/* A server that hangs keeps its news until it is well. */
static void wait_over(struct loop_timer *timer)
{
	struct handle *handle = list_entry(timer, struct handle, expiry);
	struct server *server = conn_server(handle->waiter);

	if (server->is_hung) {
		loop_timer_set(server->array->loop, timer, 100);
		return;
	}
	if (handle->has_news)
		server->counts.news++;
	answer_waiter(handle, handle->has_news ? STUB_EVENT_PENDING : 0,
		      STUB_OK);
}

/* Between half and one and a half times what is usual. */
static uint64_t draw_wait(uint64_t usual_ms)
{
	uint32_t random;

	random_fill(&random, sizeof(random));
	return usual_ms / 2 + random % (usual_ms + 1);
}

static void park(struct conn *conn, struct handle *handle,
		 const struct channel_call *call)
{
	const struct array *array = conn_server(conn)->array;
	uint64_t notify_ms = array->options->notify_ms;
	uint64_t wait_ms = array->options->park_ms;

	handle->has_news = false;
	if (notify_ms) {
		notify_ms = draw_wait(notify_ms);
		handle->has_news = notify_ms < wait_ms;
		wait_ms = handle->has_news ? notify_ms : wait_ms;
	}
	handle->waiter = conn;
	handle->call_id = call->call_id;
	handle->context = call->context;
	list_add(&conn->parked, &handle->parked);
	handle->expiry.fire = wait_over;
	loop_timer_set(array->loop, &handle->expiry, wait_ms);
	conn_server(conn)->counts.parked++;
}

uint32_t emsmdb_async_wait(struct conn *conn, const struct channel_call *call,
			   struct builder *out)
{
	struct handle *async;
	uint32_t fault = find_first(conn, call, HANDLE_ASYNC, &async);

	if (fault)
		return fault;
	if (async->waiter ||
	    !handle_find(conn->group, HANDLE_SESSION, &async->session)) {
		wait_ex_reply_write(out, 0, STUB_REJECTED);
		return 0;
	}
	park(conn, async, call);
	return CALL_PARKED;
}

/* Whoever waits for the session's news learns that there will be none. */
static void end_waits(struct assoc_group *group,
		      const struct stub_handle *session)
{
	struct list *node, *spare;

	list_each_safe (node, spare, &group->handles) {
		struct handle *handle = list_entry(node, struct handle, node);

		if (handle->kind != HANDLE_ASYNC ||
		    memcmp(&handle->session, session, sizeof(*session)) != 0)
			continue;
		if (handle->waiter)
			answer_waiter(handle, 0, STUB_REJECTED);
		handle_free(handle);
	}
}

uint32_t emsmdb_disconnect(struct conn *conn, const struct channel_call *call,
			   struct builder *out)
{
	struct handle *session;
	uint32_t fault = find_first(conn, call, HANDLE_SESSION, &session);

	if (fault)
		return fault;
	end_waits(conn->group, &session->wire);
	handle_free(session);
	handle_reply_write(out, &(struct stub_handle){ { 0 } }, STUB_OK);
	return 0;
}
