/*
 * array.c - the servers of the array while the balancer runs.
 *
 * Layer: core (pure).
 * Units: milliseconds of the monotonic clock.
 *
 * Every access to <life>, <bindings> and <connections> is sequentially
 * consistent: server_bind() and array_sweep() rely on one order of all.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "core/array.h"

/* Fixed, or nodes would not agree. Names are the administrator's. */
static const uint8_t hash_key[HASH_KEY_LEN] = "server's name 1";

void array_init(struct array *array)
{
	unsigned i;

	memset(array, 0, sizeof(*array));
	for (i = 0; i < ARRAY_SLOTS; i++)
		array->server[i].slot = (uint8_t)i;
}

static bool is_same(const struct server *server, const struct conf_server *conf)
{
	return strcmp(server->name, conf->name) == 0 &&
	       addr_equal(&server->address, &conf->address);
}

/* The slot that is <conf>'s already. One in use comes before one that is
 * leaving, though both cannot be unless the configuration says a thing
 * twice. */
static struct server *find_same(struct array *array,
				const struct conf_server *conf)
{
	static const enum server_life order[] = { SERVER_IN_USE,
						  SERVER_LEAVING };
	struct server *server;
	unsigned i, j;

	for (i = 0; i < 2; i++)
		for (j = 0; j < ARRAY_SLOTS; j++) {
			server = &array->server[j];
			if (server->life == order[i] && is_same(server, conf))
				return server;
		}
	return NULL;
}

static bool has_room(struct array *array, const struct conf *conf)
{
	unsigned i, nfree = 0, nnew = 0;

	for (i = 0; i < ARRAY_SLOTS; i++)
		nfree += array->server[i].life == SERVER_FREE;
	for (i = 0; i < conf->nservers; i++)
		nnew += !find_same(array, &conf->server[i]);
	return nnew <= nfree;
}

/* A free slot becomes <conf>'s: its life begins when the rest is written. */
static struct server *enter(struct array *array, const struct conf_server *conf)
{
	struct server *server = array->server;

	while (server->life != SERVER_FREE)
		server++; /* has_room() said that there is one */
	memcpy(server->name, conf->name, sizeof(server->name));
	server->address = conf->address;
	server->name_hash = hash_sip(
		hash_key, bytes_of(server->name, strlen(server->name)));
	server->failures = 0;
	server->set_aside_until = 0;
	server->blamed_port = 0;
	return server;
}

int array_apply(struct array *array, const struct conf *conf)
{
	struct server *server;
	uint64_t stays = 0;
	unsigned i;

	if (!has_room(array, conf))
		return ERR_SPACE;
	for (i = 0; i < conf->nservers; i++) {
		server = find_same(array, &conf->server[i]);
		if (!server)
			server = enter(array, &conf->server[i]);
		server->weight = conf->server[i].weight;
		server->state = (uint8_t)conf->server[i].state;
		server->life = SERVER_IN_USE;
		stays |= server_bit(server);
	}
	for (i = 0; i < ARRAY_SLOTS; i++) {
		server = &array->server[i];
		if (server->life == SERVER_IN_USE &&
		    !(stays & server_bit(server)))
			server->life = SERVER_LEAVING;
	}
	return 0;
}

uint64_t array_sweep(struct array *array)
{
	struct server *server;
	uint64_t freed = 0;
	unsigned i;

	for (i = 0; i < ARRAY_SLOTS; i++) {
		server = &array->server[i];
		if (server->life != SERVER_LEAVING || server->bindings ||
		    server->connections)
			continue;
		server->life = SERVER_FREE;
		freed |= server_bit(server);
	}
	return freed;
}

bool server_bind(struct server *server)
{
	server->bindings++;
	if (server->life == SERVER_IN_USE)
		return true;
	server->bindings--;
	return false;
}

void server_unbind(struct server *server)
{
	server->bindings--;
}

static bool is_aside(const struct server *server, uint64_t now_ms)
{
	return server->set_aside_until > now_ms;
}

uint64_t array_open(struct array *array, uint64_t now_ms)
{
	struct server *server;
	uint64_t open = 0;
	unsigned i;

	for (i = 0; i < ARRAY_SLOTS; i++) {
		server = &array->server[i];
		if (server->life == SERVER_IN_USE &&
		    server->state == CONF_STATE_ENABLED &&
		    !is_aside(server, now_ms))
			open |= server_bit(server);
	}
	return open;
}

bool server_serves(const struct server *server, bool has_live, uint64_t now_ms)
{
	if (server->life == SERVER_FREE || server->state == CONF_STATE_DISABLED)
		return false;
	return has_live ||
	       (server->life == SERVER_IN_USE && !is_aside(server, now_ms));
}

/* 1 s, 2 s, 4 s … 30 s: after <failures> earlier ones in a row. */
static uint64_t aside_ms(uint32_t failures)
{
	uint64_t span_ms = ARRAY_ASIDE_MS;

	while (failures-- && span_ms < ARRAY_ASIDE_MAX_MS)
		span_ms *= 2;
	return span_ms < ARRAY_ASIDE_MAX_MS ? span_ms : ARRAY_ASIDE_MAX_MS;
}

uint64_t server_failed(struct server *server, uint16_t port, uint64_t now_ms)
{
	uint64_t until = server->set_aside_until, span_ms;
	uint32_t failures;

	do { /* of those that fail together one sets it aside */
		if (until > now_ms)
			return 0;
		failures = now_ms - until < ARRAY_FORGIVE_MS ? server->failures
							     : 0;
		span_ms = aside_ms(failures);
	} while (!atomic_compare_exchange_weak(&server->set_aside_until, &until,
					       now_ms + span_ms));
	server->blamed_port = port;
	server->failures = failures + 1;
	return span_ms;
}

void server_keep_aside(struct server *server, uint64_t until_ms)
{
	uint64_t until = server->set_aside_until;

	while (until < until_ms &&
	       !atomic_compare_exchange_weak(&server->set_aside_until, &until,
					     until_ms))
		;
}

bool server_answered(struct server *server, uint16_t port)
{
	bool is_ended;

	if (!server->failures ||
	    (server->blamed_port && server->blamed_port != port))
		return false;
	is_ended = atomic_exchange(&server->set_aside_until, 0) != 0;
	server->failures = 0;
	return is_ended;
}
