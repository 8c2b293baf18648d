/*
 * finding.h - what is wrong with a configuration, where, and what to do.
 *
 * Layer: core (pure).
 * A list has room for FINDINGS_MAX; more are counted, not kept. Text that
 * is too long is cut. The list owns every octet and allocates nothing, so
 * that it can also say that there is no memory.
 */
#ifndef CORE_FINDING_H
#define CORE_FINDING_H

#include <stdbool.h>

#define FINDINGS_MAX	 256
#define FINDING_WHAT_MAX 256 /* with the closing NUL */
#define FINDING_MEND_MAX 256

enum finding_severity { FINDING_ERROR, FINDING_WARNING };

struct finding {
	enum finding_severity severity;
	const char *code; /* kebab-case, borrowed from the program */
	unsigned line;	  /* of the file; 0 = the file as a whole */
	char what[FINDING_WHAT_MAX];
	char mend[FINDING_MEND_MAX];
};

/* Invariant: n <= FINDINGS_MAX; the counts include what was lost. */
struct findings {
	unsigned n;
	unsigned nerrors;
	unsigned nwarnings;
	unsigned nlost;
	struct finding at[FINDINGS_MAX + 1]; /* the last takes what is lost */
};

void findings_init(struct findings *list);
/*
 * Add a finding; <code> must live as long as the list. The finding returned
 * is never NULL and is there for finding_mend().
 */
struct finding *finding_add(struct findings *list,
			    enum finding_severity severity, const char *code,
			    unsigned line, const char *what, ...)
	__attribute__((format(printf, 5, 6)));
/* Say what to do about it. */
void finding_mend(struct finding *finding, const char *mend, ...)
	__attribute__((format(printf, 2, 3)));
/* By line; those of one line stay in the order in which they came. */
void findings_sort(struct findings *list);
/* Is there a finding with that code? */
bool findings_have(const struct findings *list, const char *code);
const char *finding_severity_name(enum finding_severity severity);

#endif
