/*
 * conf.c - the validated configuration of one array.
 *
 * Layer: core (pure).
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/conf.h"
#include "core/conf_keys.h"

struct conf *conf_new(void)
{
	struct conf *conf = calloc(1, sizeof(*conf));

	if (!conf)
		return NULL;
	conf->holders = 1;
	if (conf_keys_default(conf)) {
		conf_drop(conf);
		return NULL;
	}
	conf->rpc.virtual_first = conf->rpc.range_first;
	conf->rpc.virtual_last = conf->rpc.range_last;
	return conf;
}

struct conf *conf_hold(struct conf *conf)
{
	atomic_fetch_add_explicit(&conf->holders, 1, memory_order_relaxed);
	return conf;
}

void conf_names_clear(struct conf_names *names)
{
	while (names->n)
		free(names->name[--names->n]);
}

bool conf_names_have(const struct conf_names *names, const char *name)
{
	unsigned i;

	for (i = 0; i < names->n; i++)
		if (strcasecmp(names->name[i], name) == 0)
			return true;
	return false;
}

static void release_balancer(struct conf_balancer *balancer)
{
	free(balancer->name);
	free(balancer->control);
	free(balancer->state_file);
	free(balancer->user);
	free(balancer->log_file);
}

static void release_service(struct conf_service *service)
{
	free(service->path);
	free(service->affinity);
	free(service->share);
	free(service->check);
}

void conf_drop(struct conf *conf)
{
	unsigned i;

	if (!conf || atomic_fetch_sub(&conf->holders, 1) > 1)
		return;
	release_balancer(&conf->balancer);
	conf_names_clear(&conf->web.names);
	conf_names_clear(&conf->web.certificates);
	conf_names_clear(&conf->web.services);
	for (i = 0; i < conf->nservices; i++)
		release_service(&conf->service[i]);
	for (i = 0; i < conf->nservers; i++)
		conf_names_clear(&conf->server[i].services);
	free(conf);
}

int conf_find_server(const struct conf *conf, const char *name)
{
	unsigned i;

	for (i = 0; i < conf->nservers; i++)
		if (strcasecmp(conf->server[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* A static port names an interface, and the binding names the server: it has
 * another number on the VIP only where room was given for that. */
bool conf_has_virtual_ports(const struct conf_rpc *rpc)
{
	bool is_written =
		rpc->epm == CONF_EPM_REWRITE || rpc->epm == CONF_EPM_ANSWER;

	return is_written &&
	       (rpc->ports == CONF_PORTS_DYNAMIC ||
		(rpc->ports == CONF_PORTS_STATIC && rpc->has_virtual));
}

bool conf_takes(const struct conf_rpc *rpc, const struct syntax *interface)
{
	const struct syntax *known;
	unsigned i;

	if (rpc->any_interface)
		return true;
	for (i = 0; i < rpc->ninterfaces; i++) {
		known = &rpc->interface[i];
		if (uuid_equal(&known->uuid, &interface->uuid) &&
		    (known->major == interface->major ||
		     known->major == CONF_ANY_VERSION))
			return true;
	}
	return false;
}
