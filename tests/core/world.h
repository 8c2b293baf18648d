/*
 * world.h - an array of three servers and the tables around it, for tests.
 */
#ifndef TESTS_CORE_WORLD_H
#define TESTS_CORE_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "core/affinity.h"
#include "core/array.h"
#include "core/conf.h"
#include "core/sched.h"

#define WORLD_SERVERS 3
#define WORLD_TIMEOUT 7200000

static struct conf *conf;
static struct array array;
static struct sched sched;
static struct affinity *affinity;
static uint64_t now_ms;

static const uint8_t world_seed[HASH_KEY_LEN] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static inline struct addr address(const char *text)
{
	struct addr addr;

	if (addr_parse(text, &addr))
		abort();
	return addr;
}

/* The <n>th of many clients. */
static inline struct addr client(uint32_t n)
{
	struct addr addr = { .family = AF_INET, .octet = { 10 } };

	addr.octet[1] = (uint8_t)(n >> 16);
	addr.octet[2] = (uint8_t)(n >> 8);
	addr.octet[3] = (uint8_t)n;
	return addr;
}

/* Any server that is open and not tried, by the method. */
static inline struct server *world_choose(void *ctx, uint64_t except,
					  uint64_t key,
					  const struct server *from)
{
	(void)ctx;
	(void)from;
	return sched_pick(&sched, array_open(&array, now_ms) & ~except, key);
}

static inline struct affinity_chooser anyone(uint64_t except)
{
	return (struct affinity_chooser){ .choose = world_choose,
					  .except = except };
}

/* A configuration with <WORLD_SERVERS> servers; change it before the rest. */
static inline void world_conf(void)
{
	unsigned i;

	now_ms = 1000000;
	conf = calloc(1, sizeof(*conf));
	if (!conf)
		abort();
	conf->affinity.ipv6_prefix = 128;
	conf->affinity.network4 = 24;
	conf->affinity.network6 = 64;
	conf->affinity.timeout_ms = WORLD_TIMEOUT;
	conf->affinity.entries = 1000;
	conf->nservers = WORLD_SERVERS;
	for (i = 0; i < WORLD_SERVERS; i++) {
		memcpy(conf->server[i].name, "cas1", 5);
		conf->server[i].name[3] = (char)('1' + i);
		conf->server[i].address = address("10.77.0.11");
		conf->server[i].address.octet[3] = (uint8_t)(11 + i);
		conf->server[i].weight = 1;
	}
}

static inline void world_start(enum conf_method method)
{
	array_init(&array);
	if (array_apply(&array, conf))
		abort();
	sched_init(&sched, &array, sched_method_of(method));
	affinity = affinity_new(conf, world_seed);
	if (!affinity)
		abort();
}

static inline void world_end(void)
{
	affinity_free(affinity);
	free(conf);
}

#endif
