/*
 * check_conf.c - what mapilbd -t and -T print.
 *
 * Layer: main.
 */
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/conf_scan.h"
#include "main/check_conf.h"
#include "main/host.h"
#include "main/load.h"

/* Of a path in a comment: a printed line must load again. */
#define PATH_SHOWN_MAX 200
#define SOURCE_MAX     (PATH_SHOWN_MAX + 16)

void findings_print(FILE *out, const char *path, const struct findings *list)
{
	const struct finding *finding;
	unsigned i;

	for (i = 0; i < list->n; i++) {
		finding = &list->at[i];
		fprintf(out, "%s:%u: %s %s: %s; %s\n", path, finding->line,
			finding_severity_name(finding->severity), finding->code,
			finding->what, finding->mend);
	}
	if (list->nlost)
		fprintf(out,
			"%s:1: error too-many-findings: %u more; mend "
			"these first\n",
			path, list->nlost);
}

/* Load and check, not to run it here. NULL: an error is among <list>. */
static struct load *open_and_check(const char *path, struct findings *list)
{
	struct load *load = NULL;
	struct check_host host;
	int err;

	err = load_open(path, list, &load);
	if (!err) {
		host_look(load_model(load), &host);
		check_conf(load_model(load), load_origin(load), &host, list);
	}
	findings_sort(list);
	if (!list->nerrors)
		return load;
	load_close(load);
	return NULL;
}

int check_conf_print(FILE *out, const char *path, bool is_strict)
{
	struct findings *list = malloc(sizeof(*list));
	int status = 0;

	if (!list)
		return 1;
	findings_init(list);
	load_close(open_and_check(path, list));
	findings_print(out, path, list);
	if (list->nerrors || (is_strict && list->nwarnings))
		status = 1;
	free(list);
	return fflush(out) || ferror(out) ? 1 : status;
}

/* What a value needs around it to come back as it is. No value needs more:
 * it was once read from such a line. */
static const char *quote_for(const char *text)
{
	size_t len = strlen(text);
	bool is_odd = strpbrk(text, "#;") || strchr("'\" \t", *text) ||
		      strchr(" \t", text[len - 1]);

	if (!is_odd)
		return "";
	return strchr(text, '"') ? "'" : "\"";
}

/* "FILE:LINE", with nothing in it that would end the comment. */
static void say_line(char room[SOURCE_MAX], const char *path, unsigned line)
{
	char *at;

	snprintf(room, SOURCE_MAX, "%.*s:%u", PATH_SHOWN_MAX, path, line);
	for (at = room; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
}

static void print_value(FILE *out, const char *key, const char *text,
			const char *source)
{
	const char *quote = quote_for(text);
	size_t len = strlen(text);

	if (strlen(key) + len < CONF_LINE_MAX - SOURCE_MAX - 16) {
		fprintf(out, "%s = %s%s%s ; %s\n", key, quote, text, quote,
			source);
		return;
	}
	/* No longer than it was; a comment keeps a last backslash harmless. */
	fprintf(out, "; %s\n%s=%s%s%s%s\n", source, key, quote, text, quote,
		text[len - 1] == '\\' && !*quote ? " ;" : "");
}

/* Where the printing stands. */
struct effective {
	FILE *out;
	const char *path;
	const struct load *load;
	const struct conf_origin *origin;
};

/* The text that <setting> has in that section, and where it comes from;
 * NULL: it is not set. */
static const char *find_text(const struct effective *print, unsigned k,
			     unsigned index, unsigned s,
			     char room[LOAD_TEXT_MAX], char source[SOURCE_MAX])
{
	unsigned line = print->origin->key[k][index][s];

	if (line) {
		say_line(source, print->path, line);
		return load_text(print->load, line, room);
	}
	snprintf(source, SOURCE_MAX, "default");
	return conf_kinds[k].setting[s].fallback;
}

static void print_section(const struct effective *print, unsigned k,
			  unsigned index)
{
	const struct conf_kind *kind = &conf_kinds[k];
	char room[LOAD_TEXT_MAX], source[SOURCE_MAX];
	const char *text, *name;
	unsigned s;

	name = conf_keys_section(load_model(print->load), kind, index);
	fprintf(print->out, "\n[%s%s%s]\n", kind->name,
		kind->is_named ? " " : "", kind->is_named ? name : "");
	for (s = 0; s < kind->nsettings; s++) {
		text = find_text(print, k, index, s, room, source);
		if (text)
			print_value(print->out, kind->setting[s].name, text,
				    source);
		else
			fprintf(print->out, "; %s is not set\n",
				kind->setting[s].name);
	}
}

static void print_all(const struct effective *print)
{
	const unsigned *lines;
	unsigned k, i;

	fprintf(print->out, "; the effective configuration\n");
	for (k = 0; k < CONF_KINDS; k++) {
		lines = print->origin->section[k];
		if (strcmp(conf_kinds[k].name, "rpc") == 0 && !lines[0])
			fprintf(print->out, "\n; no section [rpc]: off\n");
		else if (!conf_kinds[k].is_named && !conf_kinds[k].is_later)
			print_section(print, k, 0);
		else
			for (i = 0; i < CONF_EACH_MAX && lines[i]; i++)
				print_section(print, k, i);
	}
}

int effective_conf_print(FILE *out, FILE *errors, const char *path)
{
	struct findings *list = malloc(sizeof(*list));
	struct effective print = { .out = out, .path = path };
	struct load *load;
	int status = 1;

	if (!list)
		return status;
	findings_init(list);
	load = open_and_check(path, list);
	if (load) {
		print.load = load;
		print.origin = load_origin(load);
		print_all(&print);
		load_close(load);
		status = fflush(out) || ferror(out) ? 1 : 0;
	} else {
		findings_print(errors, path, list);
	}
	free(list);
	return status;
}
