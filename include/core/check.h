/*
 * check.h - the rules that a configuration as a whole must keep.
 *
 * Layer: core (pure: what the rules need to know of the machine is handed
 * in).
 * One rule is one function; each finding has a code of its own, the same
 * here and for the operator's validate.
 */
#ifndef CORE_CHECK_H
#define CORE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conf.h"
#include "core/conf_keys.h"
#include "core/finding.h"
#include "core/limits.h"

struct check_host {
	/* The balancer is about to run here: what keeps it from that is an
	 * error then, else (mapilbd -t) a warning. */
	bool is_starting;
	struct limits_host limits; /* descriptors: the hard limit */
	bool vip_is_local[CONF_VIPS_MAX];
	bool source_is_local[CONF_SOURCES_MAX];
	bool user_is_there;
	bool state_directory_is_there;
	bool log_directory_is_there;
	bool certificate_is_there[CONF_NAMES_MAX];
};

/*
 * Check <conf>, which was built without an error. <host> may be NULL: then
 * only the rules that hold on every machine. Findings are added to <out>.
 */
void check_conf(const struct conf *conf, const struct conf_origin *origin,
		const struct check_host *host, struct findings *out);

#endif
