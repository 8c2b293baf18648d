/*
 * conf_build.c - from scanned sections and keys to the model.
 *
 * Layer: core (pure).
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_value.h"
#include "core/conf_build.h"
#include "core/near.h"

/* Where the keys of a scanned section go. */
struct place {
	const struct conf_kind *kind; /* NULL: nowhere */
	unsigned kind_index;
	unsigned index;
};

struct build {
	const struct conf_scan *scan;
	struct conf_texts *texts;
	struct conf_origin *origin;
	struct conf *conf;
	struct findings *out;
	struct place place[CONF_SECTIONS_MAX];
	char text[CONF_LINE_MAX + 1];
};

static void copy_lower(char *room, size_t size, struct bytes text)
{
	size_t i, len = text.len < size ? text.len : size - 1;

	for (i = 0; i < len; i++)
		room[i] = (char)tolower(text.at[i]);
	room[len] = '\0';
}

static void section_is_unknown(struct build *build, unsigned line,
			       const char *name)
{
	struct near near = { .wanted = name };
	struct finding *finding;
	unsigned i;

	for (i = 0; i < CONF_KINDS; i++)
		near_try(&near, conf_kinds[i].name);
	finding = finding_add(build->out, FINDING_ERROR, "unknown-section",
			      line, "there is no section [%s]", name);
	if (near.best)
		finding_mend(finding, "did you mean [%s]?", near.best);
	else
		finding_mend(finding, "take it out; see the sample "
				      "configuration for the sections");
}

/* Is the name in "[kind name]" as it should be? */
static bool name_is_sound(struct build *build, const struct conf_kind *kind,
			  unsigned line, const char *name)
{
	if (!kind->is_named && !*name)
		return true;
	if (kind->is_named && conf_name_is_valid(name))
		return true;
	if (!kind->is_named)
		finding_mend(finding_add(build->out, FINDING_ERROR,
					 "unknown-section", line,
					 "[%s] takes no name", kind->name),
			     "write [%s]", kind->name);
	else if (!*name)
		finding_mend(finding_add(build->out, FINDING_ERROR,
					 "section-without-name", line,
					 "[%s] needs a name", kind->name),
			     "write [%s NAME]", kind->name);
	else
		finding_mend(finding_add(build->out, FINDING_ERROR, "bad-name",
					 line, "\"%s\" is not a name", name),
			     "use letters, digits, - _ and ., at most %d",
			     CONF_NAME_MAX - 1);
	return false;
}

/* The index of a section that was entered before; -1. */
static int find_entered(const struct build *build, const struct conf_kind *kind,
			unsigned kind_index, const char *name)
{
	const unsigned *lines = build->origin->section[kind_index];
	const char *known;
	unsigned i;

	for (i = 0; i < CONF_EACH_MAX && lines[i]; i++) {
		known = conf_keys_section(build->conf, kind, i);
		if (!kind->is_named || strcmp(known, name) == 0)
			return (int)i;
	}
	return -1;
}

static void section_is_doubled(struct build *build, unsigned line,
			       const struct place *place, const char *name)
{
	unsigned first =
		build->origin->section[place->kind_index][place->index];

	finding_mend(finding_add(build->out, FINDING_ERROR, "doubled-section",
				 line, "[%s%s%s] stands in line %u already",
				 place->kind->name, *name ? " " : "", name,
				 first),
		     "join the two; upper and lower case are the same");
}

/* Give the section its place. <place>'s kind is known. */
static int place_section(struct build *build, struct place *place,
			 unsigned line, const char *name)
{
	const struct conf_kind *kind = place->kind;
	int err;

	if (kind->is_named) {
		err = conf_keys_add(build->conf, kind, name, &place->index);
		if (err == ERR_LIMIT)
			finding_mend(finding_add(build->out, FINDING_ERROR,
						 "too-many-sections", line,
						 "more than %u sections [%s …]",
						 kind->most, kind->name),
				     "take some out");
		if (err)
			return err;
	}
	build->origin->section[place->kind_index][place->index] = line;
	if (kind->is_later)
		finding_mend(finding_add(build->out, FINDING_WARNING,
					 "no-effect-yet", line,
					 "section [%s] has no effect yet",
					 kind->name),
			     "this version reads and checks it, no more; take "
			     "it out to be rid of the warning");
	return 0;
}

/* ERR_MEMORY; everything else is a finding. */
static int enter_section(struct build *build, unsigned i)
{
	const struct conf_section *section = &build->scan->section[i];
	struct place place = { .index = 0 };
	char header[CONF_LINE_MAX + 1], *name;
	int known, err;

	build->place[i].kind = NULL;
	copy_lower(header, sizeof(header), section->name);
	name = header + strcspn(header, " \t");
	if (*name) {
		*name++ = '\0';
		name += strspn(name, " \t");
	}
	place.kind = conf_kind_find(header, &place.kind_index);
	if (!place.kind) {
		section_is_unknown(build, section->line, header);
		return 0;
	}
	if (!name_is_sound(build, place.kind, section->line, name))
		return 0;
	known = find_entered(build, place.kind, place.kind_index, name);
	if (known >= 0) {
		place.index = (unsigned)known;
		section_is_doubled(build, section->line, &place, name);
	} else {
		err = place_section(build, &place, section->line, name);
		if (err)
			return err == ERR_LIMIT ? 0 : err;
	}
	build->place[i] = place;
	return 0;
}

static void key_is_unknown(struct build *build, const struct place *place,
			   unsigned line, const char *key)
{
	struct near near = { .wanted = key };
	struct finding *finding;
	unsigned i;

	for (i = 0; i < place->kind->nsettings; i++)
		near_try(&near, place->kind->setting[i].name);
	finding = finding_add(build->out, FINDING_ERROR, "unknown-key", line,
			      "[%s] has no key %s", place->kind->name, key);
	if (near.best)
		finding_mend(finding, "did you mean %s?", near.best);
	else
		finding_mend(finding, "take it out; see the sample "
				      "configuration for the keys");
}

static const char *text_of(struct build *build, const struct conf_entry *entry)
{
	if (build->texts)
		return build->texts->find(build->texts, build->scan, entry);
	memcpy(build->text, entry->value.at, entry->value.len);
	build->text[entry->value.len] = '\0';
	return build->text;
}

static int set_key(struct build *build, const struct conf_entry *entry)
{
	const struct place *place = &build->place[entry->section];
	struct conf_value value = {
		.conf = build->conf,
		.line = entry->line,
		.out = build->out,
	};
	char key[CONF_LINE_MAX + 1];
	unsigned *line, index;

	if (!place->kind)
		return 0;
	copy_lower(key, sizeof(key), entry->key);
	value.setting = conf_setting_find(place->kind, key, &index);
	if (!value.setting) {
		key_is_unknown(build, place, entry->line, key);
		return 0;
	}
	line = &build->origin->key[place->kind_index][place->index][index];
	if (*line) {
		finding_mend(finding_add(build->out, FINDING_ERROR,
					 "doubled-key", entry->line,
					 "%s stands in line %u already", key,
					 *line),
			     "take one out");
		return 0;
	}
	*line = entry->line;
	value.text = text_of(build, entry);
	if (!value.text)
		return 0;
	value.into = conf_keys_section(build->conf, place->kind, place->index);
	return conf_keys_set(place->kind, &value);
}

/* A key that was not given and is what another key is. */
static void follow(struct build *build)
{
	struct conf_rpc *rpc = &build->conf->rpc;

	rpc->has_virtual =
		conf_origin_key(build->origin, "rpc", 0, "virtual-ports") != 0;
	if (!rpc->has_virtual) {
		rpc->virtual_first = rpc->range_first;
		rpc->virtual_last = rpc->range_last;
	}
}

static int build_all(struct build *build)
{
	unsigned i, rpc, errors = build->out->nerrors;
	int err;

	for (i = 0; i < build->scan->nsections; i++) {
		err = enter_section(build, i);
		if (err)
			return err;
	}
	for (i = 0; i < build->scan->nentries; i++) {
		err = set_key(build, &build->scan->entry[i]);
		if (err && err != ERR_CONFIG)
			return err;
	}
	follow(build);
	/* Without its section the RPC front end is off. */
	if (conf_kind_find("rpc", &rpc) && !build->origin->section[rpc][0])
		build->conf->rpc.ports = CONF_PORTS_OFF;
	return build->out->nerrors == errors ? 0 : ERR_CONFIG;
}

int conf_build(const struct conf_scan *scan, struct conf_texts *texts,
	       struct conf_origin *origin, struct conf **conf,
	       struct findings *out)
{
	struct build *build = calloc(1, sizeof(*build));
	int err = ERR_MEMORY;

	if (!build)
		return err;
	memset(origin, 0, sizeof(*origin));
	build->scan = scan;
	build->texts = texts;
	build->origin = origin;
	build->out = out;
	build->conf = conf_new();
	if (build->conf)
		err = build_all(build);
	if (err && err != ERR_CONFIG)
		conf_drop(build->conf);
	else
		*conf = build->conf;
	free(build);
	return err;
}
