/*
 * rpc.c - one worker's RPC connections.
 *
 * Layer: svc.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "core/pool.h"
#include "net/dial.h"
#include "net/relay.h"
#include "rpc_log.h"
#include "rpc_mapper.h"
#include "rpc_priv.h"
#include "wire/iface.h"

void rpc_set_state(struct rpc_conn *conn, enum rpc_state state)
{
	struct svc_rpc *svc = conn->svc;

	list_remove(&conn->node);
	svc->count[conn->state]--;
	conn->state = state;
	if (state == RPC_ENDED)
		return;
	svc->count[state]++;
	list_add(&svc->state[state], &conn->node);
}

/* The memory and the place among all connections. */
static struct rpc_conn *take_conn(struct svc_rpc *svc)
{
	struct svc_rpc_shared *shared = svc->shared;
	struct rpc_conn *conn;

	if (atomic_fetch_add(&shared->connections, 1) <
	    shared->max_connections) {
		conn = pool_take(svc->conns);
		if (conn) {
			conn->svc = svc;
			conn->state = RPC_ACCEPTED;
			list_init(&conn->node);
			list_add(&svc->state[RPC_ACCEPTED], &conn->node);
			svc->count[RPC_ACCEPTED]++;
			return conn;
		}
	}
	atomic_fetch_sub(&shared->connections, 1);
	return NULL;
}

static void give_conn(struct rpc_conn *conn)
{
	struct svc_rpc *svc = conn->svc;

	rpc_set_state(conn, RPC_ENDED);
	pool_give(svc->conns, conn);
	atomic_fetch_sub(&svc->shared->connections, 1);
}

/* No server for this client: it hears of it at once. */
void rpc_refuse(struct rpc_conn *conn, const char *server, enum reason reason)
{
	struct svc_rpc *svc = conn->svc;

	rpc_log_refuse(svc, &conn->client, conn->route.dialled, server, reason);
	relay_close_reset(conn->client_fd);
	give_conn(conn);
}

void rpc_refuse_told(struct rpc_conn *conn, enum reason reason)
{
	rpc_log_refuse(conn->svc, &conn->client, conn->route.dialled, NULL,
		       reason);
	close(conn->client_fd);
	give_conn(conn);
}

void rpc_refuse_routed(struct rpc_conn *conn, enum reason reason)
{
	struct svc_rpc *svc = conn->svc;
	char name[CONF_NAME_MAX];

	/* Once the route lets go of it, its slot may be reused. */
	memcpy(name, conn->server->name, sizeof(name));
	route_end(&svc->shared->router, &conn->route, loop_now_ms(svc->loop));
	rpc_refuse(conn, name, reason);
}

/* The end of a connection counts for the interface that it was for. */
static void count(struct rpc_conn *conn, const struct syntax *interface)
{
	const struct relay_side *side = conn->relay.side;
	struct tally_row *row = tally_of(&conn->svc->shared->tally, interface);

	atomic_fetch_add_explicit(&row->connections, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&row->octets_in, side[RELAY_CLIENT].octets,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&row->octets_out, side[RELAY_SERVER].octets,
				  memory_order_relaxed);
}

void rpc_end(struct rpc_conn *conn, enum reason reason)
{
	struct svc_rpc *svc = conn->svc;
	uint64_t now = loop_now_ms(svc->loop);

	rpc_log_close(conn, reason, now);
	count(conn, &iface_epm.syntax);
	route_end(&svc->shared->router, &conn->route, now);
	if (reason == REASON_CLIENT_CLOSED || reason == REASON_GROUP_GONE)
		close(conn->client_fd);
	else
		relay_close_reset(conn->client_fd);
	give_conn(conn);
}

static void relay_ended(struct relay *relay, enum reason reason)
{
	struct rpc_conn *conn = list_entry(relay, struct rpc_conn, relay);
	struct svc_rpc *svc = conn->svc;
	uint64_t now = loop_now_ms(svc->loop);

	rpc_log_close(conn, reason, now);
	count(conn, conn->watch.has_interface ? &conn->watch.interface : NULL);
	rpc_watch_end(conn);
	route_end(&svc->shared->router, &conn->route, now);
	give_conn(conn);
}

static void relay_ending(struct relay *relay)
{
	struct rpc_conn *conn = list_entry(relay, struct rpc_conn, relay);

	route_ending(&conn->svc->shared->router, &conn->route);
}

/* The young stand in the order in which they came. */
static void settle_fired(struct loop_timer *timer)
{
	struct svc_rpc *svc = list_entry(timer, struct svc_rpc, settle);
	uint64_t now = loop_now_ms(svc->loop);
	struct list *young = &svc->state[RPC_YOUNG];

	while (!list_is_empty(young)) {
		struct rpc_conn *conn =
			list_entry(young->next, struct rpc_conn, node);
		uint64_t age_ms = now - conn->opened_ms;

		if (age_ms < RPC_SETTLE_MS) {
			loop_timer_set(svc->loop, timer,
				       RPC_SETTLE_MS - age_ms);
			return;
		}
		relay_keepalive(&conn->relay, svc->conf->rpc.keepalive_ms);
		rpc_set_state(conn, RPC_SETTLED);
	}
}

void rpc_begin_relay(struct rpc_conn *conn)
{
	struct svc_rpc *svc = conn->svc;
	enum reason reason = route_confirm(&svc->shared->router, &conn->route);

	struct loop_io *io = conn->dial.io;
	unsigned events = conn->dial.events;

	if (conn->route.is_aside_over)
		rpc_log_aside_over(conn);
	conn->relay.ended = relay_ended;
	conn->relay.ending = relay_ending;
	rpc_watch_begin(conn); /* the dial is done */
	if (!reason)
		reason = relay_start(&svc->relays, &conn->relay,
				     conn->client_fd, events);
	if (reason) {
		rpc_watch_end(conn);
		loop_forget(svc->loop, io);
		relay_close_reset(io->fd);
		rpc_refuse_routed(conn, reason);
		return;
	}
	conn->opened_ms = loop_now_ms(svc->loop);
	if (list_is_empty(&svc->state[RPC_YOUNG]))
		loop_timer_set(svc->loop, &svc->settle, RPC_SETTLE_MS);
	rpc_set_state(conn, RPC_YOUNG);
	rpc_log_open(conn);
}

/* Without virtual ports there are no others in a static configuration. */
static bool is_static(const struct conf_rpc *rpc, uint16_t port)
{
	return rpc->ports != CONF_PORTS_DYNAMIC &&
	       (!conf_has_virtual_ports(rpc) || port == rpc->mailbox_port ||
		port == rpc->address_book_port);
}

static enum route_kind kind_of(const struct conf_rpc *rpc, uint16_t port)
{
	if (port == EPM_PORT)
		return ROUTE_MAPPER;
	return is_static(rpc, port) ? ROUTE_FIXED : ROUTE_DYNAMIC;
}

enum reason rpc_choose(struct rpc_conn *conn, struct route_first first)
{
	struct svc_rpc *svc = conn->svc;
	struct router *router = &svc->shared->router;
	const struct addr *client = &conn->client.addr;
	uint16_t port = conn->route.dialled;
	uint64_t now = loop_now_ms(svc->loop);
	struct route_move move;
	enum reason reason;

	if (svc->is_stopping &&
	    !route_is_known(router, client, port, first.group, now))
		return REASON_STOPPING;
	reason = route_begin(router, client, conn->route.kind, port, first, now,
			     &conn->route, &move);
	if (!reason && conn->route.res.is_moved)
		rpc_log_moved(conn, &move);
	return reason;
}

void rpc_serve(struct rpc_conn *conn)
{
	rpc_set_state(conn, RPC_CONNECTING);
	rpc_dial(conn, REASON_NONE);
}

/* Does what the client says first decide? */
static bool is_to_be_asked(const struct rpc_conn *conn)
{
	struct svc_rpc *svc = conn->svc;
	struct affinity *affinity = svc->shared->router.affinity;

	if (conn->route.kind == ROUTE_MAPPER &&
	    svc->conf->rpc.epm == CONF_EPM_ANSWER)
		return true;
	/* A virtual port says by itself whose it is. */
	if (conn->route.kind == ROUTE_DYNAMIC &&
	    conf_has_virtual_ports(&svc->conf->rpc))
		return false;
	return affinity_is_private(affinity, &conn->client.addr);
}

static void serve_at_once(struct rpc_conn *conn)
{
	enum reason reason = rpc_choose(conn, (struct route_first){ 0 });

	if (reason)
		rpc_refuse(conn, NULL, reason);
	else
		rpc_serve(conn);
}

static void serve(struct rpc_conn *conn, uint16_t port)
{
	conn->route.dialled = port;
	conn->route.kind = kind_of(&conn->svc->conf->rpc, port);
	if (is_to_be_asked(conn))
		rpc_ask(conn);
	else
		serve_at_once(conn);
}

void rpc_take(struct svc_rpc *svc, int fd, const struct endpoint *client,
	      uint16_t port)
{
	struct rpc_conn *conn = take_conn(svc);

	if (!conn) {
		rpc_log_refuse(svc, client, port, NULL, REASON_MAX_CONNECTIONS);
		relay_close_reset(fd);
		return;
	}
	conn->client = *client;
	conn->client_fd = fd;
	serve(conn, port);
}

static struct relay *relay_at(struct list *node)
{
	return &list_entry(node, struct rpc_conn, node)->relay;
}

void svc_rpc_set_open(struct svc_rpc_shared *shared,
		      const struct portset *ports, uint64_t followed)
{
	unsigned i;

	for (i = 0; i < PORTSET_WORDS; i++)
		atomic_store_explicit(&shared->open_port[i], ports->word[i],
				      memory_order_release);
	atomic_store_explicit(&shared->followed, followed,
			      memory_order_release);
}

bool svc_rpc_is_open(const struct svc_rpc_shared *shared, uint16_t port)
{
	uint64_t word = atomic_load_explicit(&shared->open_port[port / 64],
					     memory_order_acquire);

	return word >> (port % 64) & 1;
}

void svc_rpc_ports_opened(struct svc_rpc *svc)
{
	rpc_mapper_ports_opened(svc);
}

void svc_rpc_reconfigure(struct svc_rpc *svc, struct conf *conf)
{
	uint64_t keepalive_ms = conf->rpc.keepalive_ms;
	bool is_other = keepalive_ms != svc->conf->rpc.keepalive_ms;
	struct list *node;

	conf_drop(svc->conf);
	svc->conf = conf_hold(conf);
	svc->log->level = conf->balancer.log_level;
	svc->dialer.deadlines.span_ms = conf->balancer.connect_timeout_ms;
	relay_pool_set_idle(&svc->relays, conf->rpc.idle_timeout_ms);
	if (!is_other)
		return;
	list_each (node, &svc->state[RPC_SETTLED])
		relay_keepalive(relay_at(node), keepalive_ms);
}

void svc_rpc_stop(struct svc_rpc *svc)
{
	svc->is_stopping = true;
}

static void reset_relays(struct list *state, uint64_t slots, enum reason reason)
{
	struct list *node, *spare;

	list_each_safe (node, spare, state) {
		struct rpc_conn *conn = list_entry(node, struct rpc_conn, node);

		if (server_bit(conn->server) & slots)
			relay_reset(&conn->relay, reason);
	}
}

void svc_rpc_reset(struct svc_rpc *svc, uint64_t slots, enum reason reason)
{
	struct list *node, *spare;

	reset_relays(&svc->state[RPC_YOUNG], slots, reason);
	reset_relays(&svc->state[RPC_SETTLED], slots, reason);
	rpc_answer_reset(svc, slots, reason);
	list_each_safe (node, spare, &svc->state[RPC_CONNECTING]) {
		struct rpc_conn *conn = list_entry(node, struct rpc_conn, node);

		if (server_bit(conn->server) & slots) {
			dial_cancel(&conn->dial);
			rpc_refuse_routed(conn, reason);
		}
	}
	list_each_safe (node, spare, &svc->state[RPC_WAITING]) {
		struct rpc_conn *conn = list_entry(node, struct rpc_conn, node);

		if (server_bit(conn->server) & slots) {
			tick_entry_cancel(&conn->relay.idle);
			rpc_refuse_routed(conn, reason);
		}
	}
}

unsigned svc_rpc_open(const struct svc_rpc *svc)
{
	return svc->count[RPC_ASKED] + svc->count[RPC_ANSWERED] +
	       svc->count[RPC_CONNECTING] + svc->count[RPC_WAITING] +
	       svc->count[RPC_YOUNG] + svc->count[RPC_SETTLED];
}

/* Returns how many more lines may follow. */
static unsigned log_list(struct svc_rpc *svc, struct list *state, unsigned most)
{
	struct list *node;

	list_each (node, state) {
		if (!most)
			break;
		rpc_log_left(list_entry(node, struct rpc_conn, node),
			     loop_now_ms(svc->loop));
		most--;
	}
	return most;
}

void svc_rpc_log_open(struct svc_rpc *svc, unsigned most)
{
	most = log_list(svc, &svc->state[RPC_SETTLED], most);
	log_list(svc, &svc->state[RPC_YOUNG], most);
}

static int init_parts(struct svc_rpc *svc, const struct svc_rpc_config *config)
{
	const struct conf *conf = config->conf;

	svc->conns = pool_new(sizeof(struct rpc_conn),
			      config->shared->max_connections);
	if (!svc->conns)
		return ERR_MEMORY;
	svc->room = malloc(sizeof(*svc->room));
	if (!svc->room)
		return ERR_MEMORY;
	svc->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (svc->spare_fd < 0)
		return -errno;
	dialer_init(&svc->dialer, svc->loop, conf->balancer.connect_timeout_ms);
	svc->settle.fire = settle_fired;
	svc->look_again.fire = rpc_look_again_fired;
	tick_queue_init(&svc->waiting, RPC_LOOK_AGAIN_MS);
	tick_queue_init(&svc->asked, RPC_FIRST_MS);
	tick_queue_init(&svc->answered, RPC_ANSWERED_MS);
	svc->first_late.fire = rpc_first_late;
	svc->answered_late.fire = rpc_answered_late;
	svc->mapper_wait.fire = rpc_mapper_wait_fired;
	return relay_pool_init(&svc->relays, svc->loop, config->most_pipes,
			       conf->rpc.idle_timeout_ms);
}

int svc_rpc_new(const struct svc_rpc_config *config, struct svc_rpc **out)
{
	struct svc_rpc *svc = calloc(1, sizeof(*svc));
	unsigned i;
	int err;

	if (!svc)
		return ERR_MEMORY;
	svc->loop = config->loop;
	svc->log = config->log;
	svc->shared = config->shared;
	svc->spare_fd = -1;
	list_init(&svc->listeners);
	list_init(&svc->waiting_mappers);
	for (i = 0; i < RPC_ENDED; i++)
		list_init(&svc->state[i]);
	err = init_parts(svc, config);
	if (err) {
		free(svc->room);
		pool_free(svc->conns);
		if (svc->spare_fd >= 0)
			close(svc->spare_fd);
		free(svc);
		return err;
	}
	svc->conf = conf_hold(config->conf);
	rpc_log_init(svc);
	*out = svc;
	return 0;
}

void svc_rpc_free(struct svc_rpc *svc)
{
	if (!svc)
		return;
	rpc_drop_listeners(svc);
	loop_timer_stop(svc->loop, &svc->settle);
	loop_timer_stop(svc->loop, &svc->look_again);
	loop_timer_stop(svc->loop, &svc->first_late);
	loop_timer_stop(svc->loop, &svc->answered_late);
	loop_timer_stop(svc->loop, &svc->mapper_wait);
	dialer_release(&svc->dialer);
	relay_pool_release(&svc->relays);
	free(svc->room);
	pool_free(svc->conns);
	if (svc->spare_fd >= 0)
		close(svc->spare_fd);
	conf_drop(svc->conf);
	free(svc);
}
