/*
 * conf_value.c - readers of the types that a key with one value has.
 *
 * Layer: core (pure).
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/tick.h"
#include "conf_value.h"
#include "core/near.h"

void *conf_value_at(const struct conf_value *value)
{
	return (char *)value->into + value->setting->at;
}

void *conf_value_count(const struct conf_value *value)
{
	return (char *)value->into + value->setting->count;
}

struct finding *conf_value_fault(const struct conf_value *value,
				 const char *code, const char *what, ...)
{
	char text[FINDING_WHAT_MAX];
	va_list args;

	va_start(args, what);
	vsnprintf(text, sizeof(text), what, args);
	va_end(args);
	return finding_add(value->out, FINDING_ERROR, code, value->line,
			   "%s: %s", value->setting->name, text);
}

const struct conf_word *conf_value_word(const struct conf_value *value,
					const char *text)
{
	const struct conf_word *word = value->setting->words;

	for (; word && word->name; word++)
		if (strcasecmp(word->name, text) == 0)
			return word;
	return NULL;
}

/* "a, b or c", cut where the room ends. */
static void list_words(const struct conf_word *word, char *room, size_t size)
{
	size_t len = 0;
	int added;

	room[0] = '\0';
	for (; word && word->name && len < size; word++) {
		added = snprintf(room + len, size - len, "%s%s", word->name,
				 !word[1].name	 ? ""
				 : !word[2].name ? " or "
						 : ", ");
		len += (size_t)added;
	}
}

int conf_value_no_word(const struct conf_value *value, const char *text)
{
	const struct conf_word *word = value->setting->words;
	struct near near = { .wanted = text };
	char all[FINDING_MEND_MAX];
	struct finding *finding;

	for (; word && word->name; word++)
		near_try(&near, word->name);
	list_words(value->setting->words, all, sizeof(all));
	finding = conf_value_fault(value, "bad-value",
				   "\"%s\" is not a word that it takes", text);
	if (near.best)
		finding_mend(finding, "did you mean %s? It takes %s", near.best,
			     all);
	else
		finding_mend(finding, "write %s", all);
	return ERR_CONFIG;
}

int conf_value_own(char **at, const char *text)
{
	char *copy = NULL;

	if (text && !(copy = strdup(text)))
		return ERR_MEMORY;
	free(*at);
	*at = copy;
	return 0;
}

bool conf_number(const char *text, uint64_t *out)
{
	size_t len = strlen(text);

	if (!len || len > 18 || strspn(text, "0123456789") != len)
		return false;
	*out = strtoull(text, NULL, 10);
	return true;
}

int conf_read_text(const struct conf_value *value)
{
	if (strlen(value->text) > value->setting->most) {
		finding_mend(conf_value_fault(value, "bad-value",
					      "the text is too long"),
			     "write at most %" PRIu64 " octets",
			     value->setting->most);
		return ERR_CONFIG;
	}
	return conf_value_own(conf_value_at(value), value->text);
}

bool conf_is_host(const char *text)
{
	size_t len = strlen(text);

	return len && len <= 253 && isalnum((unsigned char)*text) &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == len;
}

int conf_read_host(const struct conf_value *value)
{
	if (!conf_is_host(value->text)) {
		finding_mend(conf_value_fault(value, "bad-value",
					      "\"%s\" is not a host name",
					      value->text),
			     "write a name such as outlook.example.com");
		return ERR_CONFIG;
	}
	return conf_value_own(conf_value_at(value), value->text);
}

int conf_read_user(const struct conf_value *value)
{
	const char *text = value->text;

	if (strlen(text) > 32 || *text == '-' || strpbrk(text, " \t:/,")) {
		finding_mend(conf_value_fault(value, "bad-value",
					      "\"%s\" is not a user name",
					      text),
			     "write the name of a user of this system");
		return ERR_CONFIG;
	}
	return conf_value_own(conf_value_at(value), text);
}

static int path_is_bad(const struct conf_value *value)
{
	finding_mend(conf_value_fault(value, "bad-value",
				      "\"%s\" is not an absolute path",
				      value->text),
		     "write a path that starts with /");
	return ERR_CONFIG;
}

int conf_read_path(const struct conf_value *value)
{
	if (conf_value_word(value, value->text))
		return conf_value_own(conf_value_at(value), NULL);
	if (value->text[0] != '/')
		return path_is_bad(value);
	return conf_value_own(conf_value_at(value), value->text);
}

int conf_read_url_path(const struct conf_value *value)
{
	if (value->text[0] == '/' && !strpbrk(value->text, " \t?#"))
		return conf_value_own(conf_value_at(value), value->text);
	finding_mend(conf_value_fault(value, "bad-value",
				      "\"%s\" is not the path of a URL",
				      value->text),
		     "write a path such as /owa");
	return ERR_CONFIG;
}

int conf_read_probe(const struct conf_value *value)
{
	char method[16], path[256], rest;
	unsigned status;
	int n = sscanf(value->text, "http %15[A-Z] %255s %3u %c", method, path,
		       &status, &rest);

	if (strcasecmp(value->text, "tcp") == 0 ||
	    (n == 3 && path[0] == '/' && status >= 100 && status <= 599))
		return conf_value_own(conf_value_at(value), value->text);
	finding_mend(conf_value_fault(value, "bad-value",
				      "\"%s\" is not a check", value->text),
		     "write tcp, or http METHOD /PATH STATUS");
	return ERR_CONFIG;
}

int conf_read_enum(const struct conf_value *value)
{
	const struct conf_word *word = conf_value_word(value, value->text);

	if (!word)
		return conf_value_no_word(value, value->text);
	*(unsigned *)conf_value_at(value) = (unsigned)word->value;
	return 0;
}

int conf_read_log(const struct conf_value *value)
{
	const struct conf_word *word = conf_value_word(value, value->text);
	struct conf_balancer *balancer = value->into;

	if (word) {
		balancer->log = (enum conf_log)word->value;
		return conf_value_own(&balancer->log_file, NULL);
	}
	if (value->text[0] != '/') {
		finding_mend(conf_value_fault(value, "bad-value",
					      "\"%s\" is not a place for a log",
					      value->text),
			     "write stderr, syslog or the path of a file");
		return ERR_CONFIG;
	}
	balancer->log = CONF_LOG_FILE;
	return conf_value_own(&balancer->log_file, value->text);
}

int conf_read_count(const struct conf_value *value)
{
	const struct conf_setting *setting = value->setting;
	const struct conf_word *word = conf_value_word(value, value->text);
	uint64_t number;

	if (word) {
		number = word->value;
	} else if (!conf_number(value->text, &number) ||
		   number < setting->least || number > setting->most) {
		finding_mend(conf_value_fault(value, "bad-value",
					      "\"%s\" is not a number in its "
					      "bounds",
					      value->text),
			     "write a number from %" PRIu64 " to %" PRIu64
			     "%s%s",
			     setting->least, setting->most,
			     setting->words ? ", or " : "",
			     setting->words ? setting->words->name : "");
		return ERR_CONFIG;
	}
	*(unsigned *)conf_value_at(value) = (unsigned)number;
	return 0;
}

int conf_read_duration(const struct conf_value *value)
{
	const struct conf_setting *setting = value->setting;
	const struct conf_word *word = conf_value_word(value, value->text);
	char least[24], most[24];
	uint64_t ms;

	if (word) {
		ms = word->value;
	} else if (tick_parse(value->text, &ms) || ms < setting->least ||
		   ms > setting->most) {
		finding_mend(conf_value_fault(value, "bad-value",
					      "\"%s\" is not a duration in its "
					      "bounds",
					      value->text),
			     "write a number with ms, s, m or h, from %s to "
			     "%s%s%s",
			     tick_format(setting->least, least),
			     tick_format(setting->most, most),
			     setting->words ? ", or " : "",
			     setting->words ? setting->words->name : "");
		return ERR_CONFIG;
	}
	*(uint64_t *)conf_value_at(value) = ms;
	return 0;
}

int conf_read_port(const struct conf_value *value)
{
	uint64_t number;

	if (!conf_number(value->text, &number) ||
	    number < value->setting->least || number > UINT16_MAX) {
		finding_mend(conf_value_fault(value, "bad-value",
					      "\"%s\" is not a port",
					      value->text),
			     "write a number from %" PRIu64 " to 65535",
			     value->setting->least);
		return ERR_CONFIG;
	}
	*(uint16_t *)conf_value_at(value) = (uint16_t)number;
	return 0;
}

int conf_read_server_port(const struct conf_value *value)
{
	int err = conf_read_port(value);

	if (!err)
		*(bool *)conf_value_count(value) = true;
	return err;
}

/* FIRST-LAST, blanks around the dash allowed, or one port for both. */
static bool split_span(const char *text, uint64_t *first, uint64_t *last)
{
	const char *dash = strchr(text, '-');
	size_t len = dash ? (size_t)(dash - text) : 0;
	char head[8];

	if (!dash)
		return conf_number(text, first) && conf_number(text, last);
	while (len && isblank((unsigned char)text[len - 1]))
		len--;
	if (len >= sizeof(head))
		return false;
	memcpy(head, text, len);
	head[len] = '\0';
	dash++;
	return conf_number(head, first) &&
	       conf_number(dash + strspn(dash, " \t"), last);
}

int conf_read_span(const struct conf_value *value, const char *text,
		   uint16_t *first, uint16_t *last)
{
	uint64_t least = value->setting->least, a, b;

	if (!split_span(text, &a, &b) || a < least || b < least ||
	    a > UINT16_MAX || b > UINT16_MAX) {
		finding_mend(conf_value_fault(value, "bad-value",
					      "\"%s\" is not a range of ports",
					      text),
			     "write FIRST-LAST, each from %" PRIu64 " to 65535",
			     least);
		return ERR_CONFIG;
	}
	if (a > b) {
		finding_mend(conf_value_fault(value, "range-reversed",
					      "the range %s is upside down",
					      text),
			     "write %" PRIu64 "-%" PRIu64, b, a);
		return ERR_CONFIG;
	}
	*first = (uint16_t)a;
	*last = (uint16_t)b;
	return 0;
}

int conf_read_range(const struct conf_value *value)
{
	return conf_read_span(value, value->text, conf_value_at(value),
			      conf_value_count(value));
}

int conf_read_listen(const struct conf_value *value)
{
	struct conf_status *status = value->into;

	if (endpoint_parse(value->text, &status->listen) ||
	    !status->listen.port) {
		finding_mend(conf_value_fault(value, "bad-value",
					      "\"%s\" is not an address with a "
					      "port",
					      value->text),
			     "write 127.0.0.1:9135 or [::1]:9135");
		return ERR_CONFIG;
	}
	status->is_on = true;
	return 0;
}

int conf_read_address(const struct conf_value *value)
{
	struct addr addr;

	if (addr_parse(value->text, &addr) || addr_is_wildcard(&addr)) {
		finding_mend(conf_value_fault(value, "bad-value",
					      "\"%s\" is not the address of a "
					      "host",
					      value->text),
			     "write an IPv4 or IPv6 address, not a name");
		return ERR_CONFIG;
	}
	*(struct addr *)conf_value_at(value) = addr;
	return 0;
}
