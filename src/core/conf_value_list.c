/*
 * conf_value_list.c - readers of the types that a key with a list has.
 *
 * Layer: core (pure).
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conf_value.h"
#include "core/near.h"
#include "wire/iface.h"

/* Where the item that starts at <at> ends, without blanks behind it. */
static size_t item_len(const char *at, size_t upto)
{
	while (upto && isblank((unsigned char)at[upto - 1]))
		upto--;
	return upto;
}

int conf_next_item(const struct conf_value *value, const char **at,
		   char item[CONF_ITEM_MAX])
{
	const char *start = *at + strspn(*at, " \t");
	size_t upto = strcspn(start, ","), len = item_len(start, upto);

	if (!len || len >= CONF_ITEM_MAX) {
		finding_mend(conf_value_fault(value, "bad-value",
					      len ? "an item is too long"
						  : "an item of the list is "
						    "empty"),
			     "separate the items with one comma each");
		return ERR_CONFIG;
	}
	memcpy(item, start, len);
	item[len] = '\0';
	*at = start[upto] ? start + upto + 1 : NULL;
	return 0;
}

int conf_list_is_full(const struct conf_value *value, unsigned most)
{
	finding_mend(conf_value_fault(value, "too-many-items",
				      "the list has more than %u items", most),
		     "shorten it to %u", most);
	return ERR_CONFIG;
}

int conf_item_is_doubled(const struct conf_value *value, const char *item)
{
	finding_mend(conf_value_fault(value, "doubled-item",
				      "%s stands there twice", item),
		     "take one out");
	return ERR_CONFIG;
}

static int item_is_bad(const struct conf_value *value, const char *item,
		       const char *what, const char *mend)
{
	finding_mend(conf_value_fault(value, "bad-value", "\"%s\" is not %s",
				      item, what),
		     "write %s", mend);
	return ERR_CONFIG;
}

static int add_address(const struct conf_value *value, const char *item,
		       struct addr *list, unsigned *n)
{
	struct addr addr;
	unsigned i;

	if (addr_parse(item, &addr))
		return item_is_bad(value, item, "an address",
				   "IPv4 or IPv6 addresses, not names");
	for (i = 0; i < *n; i++)
		if (addr_equal(&list[i], &addr))
			return conf_item_is_doubled(value, item);
	if (*n == value->setting->most)
		return conf_list_is_full(value, *n);
	list[(*n)++] = addr;
	return 0;
}

int conf_read_addresses(const struct conf_value *value)
{
	unsigned *n = conf_value_count(value);
	const char *at = value->text;
	char item[CONF_ITEM_MAX];
	int err = 0;

	*n = 0;
	while (at && !err) {
		err = conf_next_item(value, &at, item);
		if (!err)
			err = add_address(value, item, conf_value_at(value), n);
	}
	return err;
}

/* "client" stands alone. */
int conf_read_source(const struct conf_value *value)
{
	struct conf_balancer *balancer = value->into;
	const char *at = value->text;
	char item[CONF_ITEM_MAX];
	int err = 0;

	balancer->source_is_client = conf_value_word(value, value->text);
	balancer->nsources = 0;
	if (balancer->source_is_client)
		return 0;
	while (at && !err) {
		err = conf_next_item(value, &at, item);
		if (err)
			return err;
		if (conf_value_word(value, item)) {
			finding_mend(conf_value_fault(
					     value, "source-mixed",
					     "client stands beside addresses"),
				     "write client alone, or addresses alone");
			return ERR_CONFIG;
		}
		err = add_address(value, item, balancer->source,
				  &balancer->nsources);
	}
	return err;
}

static int add_prefix(const struct conf_value *value, const char *item)
{
	struct prefix *list = conf_value_at(value), prefix;
	unsigned *n = conf_value_count(value), i;

	memset(&prefix, 0, sizeof(prefix));
	if (prefix_parse(item, &prefix))
		return item_is_bad(value, item, "a network",
				   "an address, or one with a prefix length: "
				   "10.1.0.0/16");
	for (i = 0; i < *n; i++)
		if (addr_equal(&list[i].addr, &prefix.addr) &&
		    list[i].bits == prefix.bits)
			return conf_item_is_doubled(value, item);
	if (*n == value->setting->most)
		return conf_list_is_full(value, *n);
	list[(*n)++] = prefix;
	return 0;
}

int conf_read_prefixes(const struct conf_value *value)
{
	const char *at = value->text;
	char item[CONF_ITEM_MAX];
	int err = 0;

	*(unsigned *)conf_value_count(value) = 0;
	while (at && !err) {
		err = conf_next_item(value, &at, item);
		if (!err)
			err = add_prefix(value, item);
	}
	return err;
}

/* "FROM = TO"; <item> is cut into pieces. */
static int add_alias(const struct conf_value *value, char *item)
{
	struct conf_affinity *affinity = value->into;
	struct conf_alias alias;
	char *equals = strchr(item, '=');
	unsigned i;

	if (!equals)
		return item_is_bad(value, item, "an alias",
				   "ADDRESS = ADDRESS");
	*equals = '\0';
	item[item_len(item, strlen(item))] = '\0';
	equals += 1 + strspn(equals + 1, " \t");
	if (addr_parse(item, &alias.from))
		return item_is_bad(value, item, "an address",
				   "ADDRESS = ADDRESS");
	if (addr_parse(equals, &alias.to) || addr_equal(&alias.from, &alias.to))
		return item_is_bad(value, equals, "another address",
				   "ADDRESS = ADDRESS");
	for (i = 0; i < affinity->naliases; i++)
		if (addr_equal(&affinity->alias[i].from, &alias.from))
			return conf_item_is_doubled(value, item);
	if (affinity->naliases == CONF_ALIASES_MAX)
		return conf_list_is_full(value, CONF_ALIASES_MAX);
	affinity->alias[affinity->naliases++] = alias;
	return 0;
}

int conf_read_aliases(const struct conf_value *value)
{
	struct conf_affinity *affinity = value->into;
	const char *at = value->text;
	char item[CONF_ITEM_MAX];
	int err = 0;

	affinity->naliases = 0;
	while (at && !err) {
		err = conf_next_item(value, &at, item);
		if (!err)
			err = add_alias(value, item);
	}
	return err;
}

static int add_port(const struct conf_value *value, const char *item)
{
	struct conf_ports_list *list = conf_value_at(value);
	uint64_t port;
	unsigned i;

	if (!conf_number(item, &port) || port < 1 || port > UINT16_MAX)
		return item_is_bad(value, item, "a port",
				   "numbers from 1 to 65535");
	for (i = 0; i < list->n; i++)
		if (list->port[i] == port)
			return conf_item_is_doubled(value, item);
	if (list->n == CONF_PORTS_MAX)
		return conf_list_is_full(value, CONF_PORTS_MAX);
	list->port[list->n++] = (uint16_t)port;
	return 0;
}

int conf_read_ports(const struct conf_value *value)
{
	struct conf_ports_list *list = conf_value_at(value);
	const char *at = value->text;
	char item[CONF_ITEM_MAX];
	int err = 0;

	list->n = 0;
	while (at && !err) {
		err = conf_next_item(value, &at, item);
		if (!err)
			err = add_port(value, item);
	}
	return err;
}

int conf_read_portset(const struct conf_value *value)
{
	struct portset *set = conf_value_at(value);
	const char *at = value->text;
	char item[CONF_ITEM_MAX];
	uint16_t first, last;
	int err;

	portset_clear(set);
	while (at) {
		err = conf_next_item(value, &at, item);
		if (!err)
			err = conf_read_span(value, item, &first, &last);
		if (err)
			return err;
		portset_add_range(set, first, last);
	}
	return 0;
}

/* Two prefix lengths, for IPv4 and for IPv6. */
int conf_read_network(const struct conf_value *value)
{
	struct conf_affinity *affinity = value->into;
	const char *at = value->text;
	uint64_t bits4, bits6 = affinity->network6;
	char item[CONF_ITEM_MAX];
	int err;

	err = conf_next_item(value, &at, item);
	if (err)
		return err;
	if (!conf_number(item, &bits4) || bits4 < 1 || bits4 > 32)
		return item_is_bad(value, item, "an IPv4 prefix length",
				   "1 to 32, a comma, 1 to 128");
	if (at) {
		err = conf_next_item(value, &at, item);
		if (err)
			return err;
		if (at || !conf_number(item, &bits6) || bits6 < 1 ||
		    bits6 > 128)
			return item_is_bad(value, item,
					   "the IPv6 prefix length",
					   "1 to 32, a comma, 1 to 128");
	}
	affinity->network4 = (unsigned)bits4;
	affinity->network6 = (unsigned)bits6;
	return 0;
}

static int add_name(const struct conf_value *value, struct conf_names *names,
		    const char *item)
{
	if (conf_names_have(names, item))
		return conf_item_is_doubled(value, item);
	if (names->n == CONF_NAMES_MAX)
		return conf_list_is_full(value, CONF_NAMES_MAX);
	names->name[names->n] = NULL;
	if (conf_value_own(&names->name[names->n], item))
		return ERR_MEMORY;
	names->n++;
	return 0;
}

static bool is_path(const char *item)
{
	return item[0] == '/';
}

static int read_names(const struct conf_value *value,
		      bool (*is_good)(const char *item), const char *what,
		      const char *mend)
{
	struct conf_names *names = conf_value_at(value);
	const char *at = value->text;
	char item[CONF_ITEM_MAX];
	int err = 0;

	conf_names_clear(names);
	while (at && !err) {
		err = conf_next_item(value, &at, item);
		if (err)
			return err;
		err = is_good(item) ? add_name(value, names, item)
				    : item_is_bad(value, item, what, mend);
	}
	return err;
}

int conf_read_hosts(const struct conf_value *value)
{
	return read_names(value, conf_is_host, "a host name",
			  "names such as mail.example.com");
}

int conf_read_paths(const struct conf_value *value)
{
	return read_names(value, is_path, "an absolute path",
			  "paths that start with /");
}

/* A word (all) is the empty list. */
int conf_read_services(const struct conf_value *value)
{
	if (conf_value_word(value, value->text)) {
		conf_names_clear(conf_value_at(value));
		return 0;
	}
	return read_names(value, conf_name_is_valid, "a service's name",
			  "names such as owa, ews, rpc");
}

/* Kept as it is written; every item is one of the words. */
int conf_read_affinity(const struct conf_value *value)
{
	const char *at = value->text;
	char item[CONF_ITEM_MAX];
	int err;

	while (at) {
		err = conf_next_item(value, &at, item);
		if (err)
			return err;
		if (!conf_value_word(value, item))
			return conf_value_no_word(value, item);
	}
	return conf_value_own(conf_value_at(value), value->text);
}

/* "UUID" or "UUID vMAJOR.MINOR"; <item> is cut into pieces. */
static bool parse_syntax(char *item, struct syntax *out)
{
	char *blank = strpbrk(item, " \t");
	unsigned major = CONF_ANY_VERSION, minor = 0;
	int len = 0;

	if (blank) {
		*blank++ = '\0';
		blank += strspn(blank, " \t");
		if (sscanf(blank, "v%5u.%5u%n", &major, &minor, &len) != 2 ||
		    blank[len] || major >= CONF_ANY_VERSION ||
		    minor > UINT16_MAX)
			return false;
	}
	out->major = (uint16_t)major;
	out->minor = (uint16_t)minor;
	return uuid_parse(item, &out->uuid) == 0;
}

static int no_interface(const struct conf_value *value, const char *item)
{
	struct near near = { .wanted = item };
	const struct iface *iface;
	struct finding *finding;
	unsigned i;

	for (i = 0; (iface = iface_at(i)); i++)
		near_try(&near, iface->name);
	finding = conf_value_fault(value, "unknown-interface",
				   "\"%s\" is neither a known interface nor a "
				   "UUID",
				   item);
	if (near.best)
		finding_mend(finding, "did you mean %s?", near.best);
	else
		finding_mend(finding, "write names such as emsmdb and nspi, "
				      "UUIDs, or any");
	return ERR_CONFIG;
}

static int add_interface(const struct conf_value *value, char *item)
{
	const struct iface *iface = iface_find(item);
	struct conf_rpc *rpc = value->into;
	struct syntax syntax;
	unsigned i;

	memset(&syntax, 0, sizeof(syntax));
	if (iface)
		syntax = iface->syntax;
	else if (!parse_syntax(item, &syntax))
		return no_interface(value, item);
	for (i = 0; i < rpc->ninterfaces; i++)
		if (syntax_equal(&rpc->interface[i], &syntax))
			return conf_item_is_doubled(value, item);
	if (rpc->ninterfaces == CONF_IFACES_MAX)
		return conf_list_is_full(value, CONF_IFACES_MAX);
	rpc->interface[rpc->ninterfaces++] = syntax;
	return 0;
}

int conf_read_interfaces(const struct conf_value *value)
{
	struct conf_rpc *rpc = value->into;
	const char *at = value->text;
	char item[CONF_ITEM_MAX];
	int err = 0;

	rpc->any_interface = conf_value_word(value, value->text);
	rpc->ninterfaces = 0;
	if (rpc->any_interface)
		return 0;
	while (at && !err) {
		err = conf_next_item(value, &at, item);
		if (!err)
			err = add_interface(value, item);
	}
	return err;
}

static int no_server(const struct conf_value *value, const char *item)
{
	struct near near = { .wanted = item };
	struct finding *finding;
	unsigned i;

	for (i = 0; i < value->conf->nservers; i++)
		near_try(&near, value->conf->server[i].name);
	finding = conf_value_fault(value, "unknown-server",
				   "no section [server %s]", item);
	if (near.best)
		finding_mend(finding, "did you mean %s?", near.best);
	else
		finding_mend(finding, "name servers that have a section");
	return ERR_CONFIG;
}

int conf_read_servers(const struct conf_value *value)
{
	uint64_t *mask = conf_value_at(value), found = 0;
	const char *at = value->text;
	char item[CONF_ITEM_MAX];
	int err, index;

	while (at) {
		err = conf_next_item(value, &at, item);
		if (err)
			return err;
		index = conf_find_server(value->conf, item);
		if (index < 0)
			return no_server(value, item);
		if (found & UINT64_C(1) << index)
			return conf_item_is_doubled(value, item);
		found |= UINT64_C(1) << index;
	}
	*mask = found;
	return 0;
}
