/*
 * conf_keys.h - the one table of sections and keys: what each takes, what
 * it is without a value, and where it goes in the model.
 *
 * Layer: core (pure).
 * Reading a file, printing the effective configuration and the search for
 * the nearest known name all walk this table. A key whose function is not
 * there yet is marked <is_later>: its value is read and checked all the
 * same, and a finding says that it has no effect yet.
 */
#ifndef CORE_CONF_KEYS_H
#define CORE_CONF_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "core/conf.h"
#include "core/finding.h"

#define CONF_KINDS	  10
#define CONF_SETTINGS_MAX 16 /* keys of one section */
#define CONF_EACH_MAX	  64 /* sections of one kind */

/* A word that a key takes and the number that it stands for. */
struct conf_word {
	const char *name; /* NULL ends a list of them */
	uint64_t value;
	bool is_later;
};

struct conf_value;

struct conf_setting {
	const char *name;
	const char *fallback; /* the default as text; NULL: not set */
	/* 0; ERR_CONFIG, a finding made; ERR_MEMORY. */
	int (*read)(const struct conf_value *value);
	size_t at;    /* of the field, in the section's structure */
	size_t count; /* of the field that counts or ends it */
	uint64_t least, most;
	const struct conf_word *words;
	bool is_later;
};

struct conf_kind {
	const char *name;
	bool is_named; /* [server NAME]; there may be several */
	bool is_later; /* the whole section has no effect yet */
	unsigned nsettings;
	const struct conf_setting *setting;
	size_t at;     /* of the section, or of their array, in struct conf */
	size_t count;  /* named: of their number, in struct conf */
	size_t each;   /* named: octets of one, its name first */
	unsigned most; /* named: how many there may be */
};

extern const struct conf_kind conf_kinds[CONF_KINDS];

/* By name, without case. *index may be NULL. NULL: unknown. */
const struct conf_kind *conf_kind_find(const char *name, unsigned *index);
const struct conf_setting *conf_setting_find(const struct conf_kind *kind,
					     const char *name, unsigned *index);

/* One value on its way into the model. All is borrowed. */
struct conf_value {
	const struct conf_setting *setting;
	const char *text;
	void *into;		 /* the section's structure */
	const struct conf *conf; /* for names of other sections */
	unsigned line;
	struct findings *out;
};

/*
 * Read a value that a file gives. Findings are made for what is wrong with
 * it (error) and for what has no effect yet (warning).
 * 0; ERR_CONFIG if an error was found; ERR_MEMORY.
 */
MUST_CHECK int conf_keys_set(const struct conf_kind *kind,
			     const struct conf_value *value);
/* Give every section but the named ones its defaults. ERR_MEMORY. */
MUST_CHECK int conf_keys_default(struct conf *conf);
/*
 * Add a named section with its defaults. *index is its place among those of
 * its kind. ERR_LIMIT: there are <most> already; ERR_MEMORY. The name
 * is valid (conf_name_is_valid) and new.
 */
MUST_CHECK int conf_keys_add(struct conf *conf, const struct conf_kind *kind,
			     const char *name, unsigned *index);
/* The structure of section <index> of a kind (0 for those without name). */
void *conf_keys_section(struct conf *conf, const struct conf_kind *kind,
			unsigned index);
/* Letters, digits, "-", "_" and "."; shorter than CONF_NAME_MAX. */
bool conf_name_is_valid(const char *name) PURE;

/*
 * Which line gave what; 0 = no line did. Indexed by the kind, the section
 * among those of its kind and the key in the order of the table.
 */
struct conf_origin {
	unsigned section[CONF_KINDS][CONF_EACH_MAX];
	unsigned key[CONF_KINDS][CONF_EACH_MAX][CONF_SETTINGS_MAX];
};

/* The line of a key; 0 if the file does not give it. */
unsigned conf_origin_key(const struct conf_origin *origin, const char *kind,
			 unsigned index, const char *key);
/* The line to look at: of the key, else of the section's header, else 1. */
unsigned conf_origin_line(const struct conf_origin *origin, const char *kind,
			  unsigned index, const char *key);

#endif
