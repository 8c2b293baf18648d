/*
 * check_conf.c - what mapilbd -t and -T print.
 *
 * Layer: main.
 */
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "main/check_conf.h"
#include "main/host.h"
#include "main/load.h"

/* Octets of a path in a comment: a printed line must load again. */
#define PATH_SHOWN_MAX 200

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
	return fflush(out) ? 1 : status;
}

/* What a value needs so that it comes back as it is. */
static const char *quote_for(const char *text)
{
	size_t len = strlen(text);

	if (strpbrk(text, "#;\\") || *text == '\'' || *text == ' ' ||
	    *text == '\t' || (len && strchr(" \t", text[len - 1])))
		return strchr(text, '"') ? "'" : "\"";
	return *text == '"' ? "'" : "";
}

/* A path in a comment: what is odd in it must not end the line. */
static void show_path(FILE *out, const char *path)
{
	size_t i, len = strnlen(path, PATH_SHOWN_MAX);

	for (i = 0; i < len; i++) {
		bool is_odd = (unsigned char)path[i] < ' ' || path[i] == 0x7f;

		fputc(is_odd ? '?' : path[i], out);
	}
}
