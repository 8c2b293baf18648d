/*
 * check_services.c - the rules about web services and other ports.
 *
 * Layer: core (pure).
 */
#include <string.h>
#include <strings.h>

#include "check_priv.h"
#include "core/near.h"
#include "wire/epm.h"

/* Services whose settings are built in. */
static const char *const profile[] = {
	"rpc",	"owa",		"ecp", "ews",	     "eas",  "oab",
	"mapi", "autodiscover", "cwa", "powershell", "rdgw",
};

#define NPROFILES (sizeof(profile) / sizeof(profile[0]))

static bool is_profile(const char *name)
{
	size_t i;

	for (i = 0; i < NPROFILES; i++)
		if (strcasecmp(profile[i], name) == 0)
			return true;
	return false;
}

static bool is_known(const struct conf *conf, const char *name)
{
	unsigned i;

	for (i = 0; i < conf->nservices; i++)
		if (strcasecmp(conf->service[i].name, name) == 0)
			return true;
	return is_profile(name);
}

static void check_name(const struct rules *rules, struct where where,
		       const char *name)
{
	const struct conf *conf = rules->conf;
	struct near near = { .wanted = name };
	struct finding *finding;
	unsigned i;

	if (is_known(conf, name))
		return;
	for (i = 0; i < NPROFILES; i++)
		near_try(&near, profile[i]);
	for (i = 0; i < conf->nservices; i++)
		near_try(&near, conf->service[i].name);
	finding = rule_broken(rules, FINDING_ERROR, "unknown-service", where,
			      "%s: there is no service %s", where.key, name);
	if (near.best)
		finding_mend(finding, "did you mean %s?", near.best);
	else
		finding_mend(finding, "add a section [service %s]", name);
}

static void check_names(const struct rules *rules, struct where where,
			const struct conf_names *names)
{
	unsigned i;

	for (i = 0; i < names->n; i++)
		check_name(rules, where, names->name[i]);
}

static void check_service(const struct rules *rules, unsigned index)
{
	const struct conf_service *service = &rules->conf->service[index];
	struct where share = WHERE_NTH("service", index, "share");

	if (service->share)
		check_name(rules, share, service->share);
	if (service->share && strcasecmp(service->share, service->name) == 0)
		finding_mend(rule_broken(rules, FINDING_ERROR, "shares-itself",
					 share,
					 "%s shares a binding with itself",
					 service->name),
			     "name another service, or take the line out");
	if (service->path && service->tcp.n)
		finding_mend(rule_broken(rules, FINDING_ERROR, "service-mixed",
					 WHERE_NTH("service", index, "tcp"),
					 "%s has both a path and ports",
					 service->name),
			     "a web service has a path, any other has tcp");
	if (!service->path && !service->tcp.n && !is_profile(service->name))
		finding_mend(rule_broken(rules, FINDING_ERROR,
					 "service-without-port",
					 WHERE_NTH("service", index, "tcp"),
					 "%s has neither a path nor a port",
					 service->name),
			     "write path = /PATH for a web service, else tcp "
			     "= PORT");
}

static void check_web(const struct rules *rules)
{
	const struct conf_web *web = &rules->conf->web;
	const char *array = rules->conf->balancer.name;

	if (array && conf_names_have(&web->names, array))
		finding_mend(rule_broken(rules, FINDING_ERROR,
					 "web-name-is-array-name",
					 WHERE("web", "names"),
					 "%s is the name of the RPC array too",
					 array),
			     "give the array a name that only internal DNS "
			     "knows: outside clients wait long for RPC else");
	if (web->https.n && web->tls != CONF_TLS_PASSTHROUGH &&
	    !web->certificates.n)
		finding_mend(rule_broken(rules, FINDING_ERROR, "no-certificate",
					 WHERE("web", "https"),
					 "https needs a certificate"),
			     "write certificate = PATH, or tls = passthrough");
	check_names(rules, WHERE("web", "services"), &web->services);
}

/* Note <ports> in <taken>; what was there already is a finding. */
static void claim(const struct rules *rules, struct where where,
		  const struct conf_ports_list *ports, struct portset *taken)
{
	unsigned i;

	for (i = 0; i < ports->n; i++) {
		if (portset_has(taken, ports->port[i]))
			finding_mend(rule_broken(rules, FINDING_ERROR,
						 "doubled-port", where,
						 "%s: port %u is used for "
						 "something else already",
						 where.key,
						 (unsigned)ports->port[i]),
				     "give each service its own port");
		portset_add(taken, ports->port[i]);
	}
}

static void check_ports(const struct rules *rules)
{
	const struct conf *conf = rules->conf;
	struct portset taken;
	unsigned i;

	portset_clear(&taken);
	if (conf->rpc.ports != CONF_PORTS_OFF)
		portset_add(&taken, EPM_PORT);
	if (conf->rpc.ports == CONF_PORTS_STATIC) {
		portset_add(&taken, conf->rpc.mailbox_port);
		portset_add(&taken, conf->rpc.address_book_port);
	}
	claim(rules, WHERE("rpc", "proxy-ports"), &conf->rpc.proxy_ports,
	      &taken);
	claim(rules, WHERE("web", "https"), &conf->web.https, &taken);
	claim(rules, WHERE("web", "http"), &conf->web.http, &taken);
	for (i = 0; i < conf->nservices; i++)
		claim(rules, WHERE_NTH("service", i, "tcp"),
		      &conf->service[i].tcp, &taken);
}

void check_services(const struct rules *rules)
{
	const struct conf *conf = rules->conf;
	unsigned i;

	check_web(rules);
	for (i = 0; i < conf->nservices; i++)
		check_service(rules, i);
	for (i = 0; i < conf->nservers; i++)
		check_names(rules, WHERE_NTH("server", i, "services"),
			    &conf->server[i].services);
	check_ports(rules);
}
