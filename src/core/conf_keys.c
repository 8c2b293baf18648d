/*
 * conf_keys.c - what is done with the table of sections and keys.
 *
 * Layer: core (pure).
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf_value.h"
#include "core/conf_keys.h"

_Static_assert(CONF_SERVERS_MAX <= CONF_EACH_MAX, "origin has no room");
_Static_assert(CONF_SERVICES_MAX <= CONF_EACH_MAX, "origin has no room");
_Static_assert(CONF_RULES_MAX <= CONF_EACH_MAX, "origin has no room");
/* The readers of enums write an unsigned. */
_Static_assert(sizeof(enum conf_epm) == sizeof(unsigned), "size of an enum");

const struct conf_kind *conf_kind_find(const char *name, unsigned *index)
{
	unsigned i;

	for (i = 0; i < CONF_KINDS; i++) {
		if (strcasecmp(conf_kinds[i].name, name) != 0)
			continue;
		if (index)
			*index = i;
		return &conf_kinds[i];
	}
	return NULL;
}

const struct conf_setting *conf_setting_find(const struct conf_kind *kind,
					     const char *name, unsigned *index)
{
	unsigned i;

	for (i = 0; i < kind->nsettings; i++) {
		if (strcasecmp(kind->setting[i].name, name) != 0)
			continue;
		if (index)
			*index = i;
		return &kind->setting[i];
	}
	return NULL;
}

bool conf_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	return len && len < CONF_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == len;
}

void *conf_keys_section(struct conf *conf, const struct conf_kind *kind,
			unsigned index)
{
	return (char *)conf + kind->at + kind->each * index;
}

/* What is not there yet is off already. */
static bool is_off(const struct conf_word *word)
{
	return word && (strcmp(word->name, "none") == 0 ||
			strcmp(word->name, "off") == 0);
}

/* A key that says what it already is does no harm; a word that does not
 * work yet is worth a warning even where it is the default. */
static bool has_no_effect(const struct conf_value *value)
{
	const struct conf_setting *setting = value->setting;
	const struct conf_word *word = conf_value_word(value, value->text);

	if (word && word->is_later)
		return true;
	return setting->is_later && !is_off(word) &&
	       (!setting->fallback ||
		strcasecmp(setting->fallback, value->text) != 0);
}

int conf_keys_set(const struct conf_kind *kind, const struct conf_value *value)
{
	int err;

	if (!*value->text) {
		finding_mend(conf_value_fault(value, "empty-value",
					      "there is no value"),
			     "write one, or take the line out");
		return ERR_CONFIG;
	}
	err = value->setting->read(value);
	if (!err && !kind->is_later && has_no_effect(value))
		finding_mend(finding_add(value->out, FINDING_WARNING,
					 "no-effect-yet", value->line,
					 "%s = %s has no effect yet",
					 value->setting->name, value->text),
			     "this version reads and checks it, no more; take "
			     "the line out to be rid of the warning");
	return err;
}

static int set_defaults(struct conf *conf, const struct conf_kind *kind,
			void *into)
{
	struct findings none;
	struct conf_value value = {
		.into = into,
		.conf = conf,
		.out = &none,
	};
	unsigned i;
	int err;

	findings_init(&none);
	for (i = 0; i < kind->nsettings; i++) {
		value.setting = &kind->setting[i];
		value.text = value.setting->fallback;
		if (!value.text)
			continue;
		err = value.setting->read(&value);
		if (err == ERR_CONFIG)
			abort(); /* the table contradicts itself */
		if (err)
			return err;
	}
	return 0;
}

int conf_keys_default(struct conf *conf)
{
	const struct conf_kind *kind;
	int err;

	for (kind = conf_kinds; kind < conf_kinds + CONF_KINDS; kind++) {
		if (kind->is_named)
			continue;
		err = set_defaults(conf, kind,
				   conf_keys_section(conf, kind, 0));
		if (err)
			return err;
	}
	return 0;
}

int conf_keys_add(struct conf *conf, const struct conf_kind *kind,
		  const char *name, unsigned *index)
{
	unsigned *n = (unsigned *)(void *)((char *)conf + kind->count);
	char *into;

	if (*n == kind->most)
		return ERR_LIMIT;
	*index = *n;
	into = conf_keys_section(conf, kind, (*n)++);
	memcpy(into, name, strlen(name) + 1);
	return set_defaults(conf, kind, into);
}

unsigned conf_origin_key(const struct conf_origin *origin, const char *kind,
			 unsigned index, const char *key)
{
	const struct conf_kind *known;
	unsigned k, s;

	known = conf_kind_find(kind, &k);
	if (!known || !conf_setting_find(known, key, &s))
		return 0;
	return origin->key[k][index][s];
}

unsigned conf_origin_line(const struct conf_origin *origin, const char *kind,
			  unsigned index, const char *key)
{
	unsigned line = conf_origin_key(origin, kind, index, key), k;

	if (!line && conf_kind_find(kind, &k))
		line = origin->section[k][index];
	return line ? line : 1;
}
