/*
 * conf_value.h - readers of the types that configuration keys have.
 *
 * Layer: core (private).
 * Each is the <read> of a struct conf_setting: it takes the value's text,
 * says with a finding what is wrong with it, and writes the field. What the
 * setting's <words>, <least> and <most> mean stands beside each.
 */
#ifndef CORE_CONF_VALUE_H
#define CORE_CONF_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conf_keys.h"

#define CONF_ITEM_MAX 256 /* octets of one item of a list, with NUL */

/* char *: any text of at most <most> octets. */
int conf_read_text(const struct conf_value *value);
/* char *: a host name. */
int conf_read_host(const struct conf_value *value);
/* char *: a user's name. */
int conf_read_user(const struct conf_value *value);
/* char *: an absolute path; a word is no path. */
int conf_read_path(const struct conf_value *value);
/* char *: starts with "/". */
int conf_read_url_path(const struct conf_value *value);
/* char *: "http METHOD PATH STATUS" or "tcp". */
int conf_read_probe(const struct conf_value *value);
/* enum: one of the words. */
int conf_read_enum(const struct conf_value *value);
/* unsigned: a number from least to most, or a word. */
int conf_read_count(const struct conf_value *value);
/* uint64_t milliseconds: a duration from least to most, or a word. */
int conf_read_duration(const struct conf_value *value);
/* uint16_t: a port from least to 65535, or a word. */
int conf_read_port(const struct conf_value *value);
/* The same, and a bool at <count> that it was given. */
int conf_read_server_port(const struct conf_value *value);
/* Two uint16_t at <at> and <count>: FIRST-LAST, from least to 65535. */
int conf_read_range(const struct conf_value *value);
/* struct conf_status. */
int conf_read_listen(const struct conf_value *value);
/* struct conf_balancer: a word, or a file's path. */
int conf_read_log(const struct conf_value *value);
/* struct conf_affinity: two prefix lengths. */
int conf_read_network(const struct conf_value *value);
/* struct addr: one address that a server can have. */
int conf_read_address(const struct conf_value *value);

/* Lists, separated by commas; <count> counts, <most> bounds. */
int conf_read_addresses(const struct conf_value *value); /* struct addr[] */
int conf_read_source(const struct conf_value *value); /* struct conf_balancer */
int conf_read_prefixes(const struct conf_value *value); /* struct prefix[] */
int conf_read_aliases(const struct conf_value *value); /* struct conf_alias[] */
int conf_read_ports(
	const struct conf_value *value); /* struct conf_ports_list */
int conf_read_portset(const struct conf_value *value);	/* struct portset */
int conf_read_hosts(const struct conf_value *value);	/* struct conf_names */
int conf_read_paths(const struct conf_value *value);	/* struct conf_names */
int conf_read_services(const struct conf_value *value); /* struct conf_names */
int conf_read_affinity(const struct conf_value *value); /* char *, words */
int conf_read_interfaces(const struct conf_value *value); /* conf_rpc */
int conf_read_servers(const struct conf_value *value);	  /* uint64_t mask */

/* --- for the readers themselves --- */

void *conf_value_at(const struct conf_value *value);
void *conf_value_count(const struct conf_value *value);
/* A finding of severity error that starts with the key's name. */
struct finding *conf_value_fault(const struct conf_value *value,
				 const char *code, const char *what, ...)
	__attribute__((format(printf, 3, 4)));
/* The word that <text> is; NULL. */
const struct conf_word *conf_value_word(const struct conf_value *value,
					const char *text);
/* "is none of …" with the nearest word; ERR_CONFIG. */
int conf_value_no_word(const struct conf_value *value, const char *text);
/* Put a copy of <text> (NULL: none) in place of *at. ERR_MEMORY. */
int conf_value_own(char **at, const char *text);
/* A decimal number of at most 18 digits. */
bool conf_number(const char *text, uint64_t *out);
/* "first-last" or one port. ERR_CONFIG, with a finding. */
int conf_read_span(const struct conf_value *value, const char *text,
		   uint16_t *first, uint16_t *last);
bool conf_is_host(const char *text);

/*
 * The next item of a list, without the blanks around it. <item> is written;
 * *at moves on and is NULL after the last one. ERR_CONFIG, with a finding,
 * for an empty or too long item.
 */
int conf_next_item(const struct conf_value *value, const char **at,
		   char item[CONF_ITEM_MAX]);
/* "there is room for …"; ERR_CONFIG. */
int conf_list_is_full(const struct conf_value *value, unsigned most);
/* "stands there twice"; ERR_CONFIG. */
int conf_item_is_doubled(const struct conf_value *value, const char *item);

#endif
