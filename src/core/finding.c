/*
 * finding.c - what is wrong with a configuration, where, and what to do.
 *
 * Layer: core (pure).
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/finding.h"

void findings_init(struct findings *list)
{
	list->n = 0;
	list->nerrors = 0;
	list->nwarnings = 0;
	list->nlost = 0;
}

static struct finding *next_slot(struct findings *list)
{
	if (list->n < FINDINGS_MAX)
		return &list->at[list->n++];
	list->nlost++;
	return &list->at[FINDINGS_MAX];
}

/* A value may bring any octet; a finding is one line of text. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

struct finding *finding_add(struct findings *list,
			    enum finding_severity severity, const char *code,
			    unsigned line, const char *what, ...)
{
	struct finding *finding = next_slot(list);
	va_list args;

	if (severity == FINDING_ERROR)
		list->nerrors++;
	else
		list->nwarnings++;
	finding->severity = severity;
	finding->code = code;
	finding->line = line;
	finding->mend[0] = '\0';
	va_start(args, what);
	vsnprintf(finding->what, sizeof(finding->what), what, args);
	va_end(args);
	make_printable(finding->what);
	return finding;
}

void finding_mend(struct finding *finding, const char *mend, ...)
{
	va_list args;

	va_start(args, mend);
	vsnprintf(finding->mend, sizeof(finding->mend), mend, args);
	va_end(args);
	make_printable(finding->mend);
}

void findings_sort(struct findings *list)
{
	struct finding moved;
	unsigned i, j;

	for (i = 1; i < list->n; i++) {
		moved = list->at[i];
		for (j = i; j > 0 && list->at[j - 1].line > moved.line; j--)
			list->at[j] = list->at[j - 1];
		list->at[j] = moved;
	}
}

bool findings_have(const struct findings *list, const char *code)
{
	unsigned i;

	for (i = 0; i < list->n; i++)
		if (strcmp(list->at[i].code, code) == 0)
			return true;
	return false;
}

const char *finding_severity_name(enum finding_severity severity)
{
	return severity == FINDING_ERROR ? "error" : "warning";
}
