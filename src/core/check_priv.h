/*
 * check_priv.h - what the files of the rules share.
 *
 * Layer: core (private).
 */
#ifndef CORE_CHECK_PRIV_H
#define CORE_CHECK_PRIV_H

#include "core/check.h"

struct rules {
	const struct conf *conf;
	const struct conf_origin *origin;
	const struct check_host *host; /* may be NULL */
	struct findings *out;
};

/* Where a finding belongs: a key, or the header of its section. */
struct where {
	const char *kind;
	unsigned index;
	const char *key;
};

struct finding *rule_broken(const struct rules *rules,
			    enum finding_severity severity, const char *code,
			    struct where where, const char *what, ...)
	__attribute__((format(printf, 5, 6)));

#define WHERE(kind, key)	    ((struct where){ (kind), 0, (key) })
#define WHERE_NTH(kind, index, key) ((struct where){ (kind), (index), (key) })

void check_rpc(const struct rules *rules);
void check_services(const struct rules *rules);
void check_on_host(const struct rules *rules);

#endif
