/*
 * Any octets as a configuration: the scan stays inside them, every reader of
 * a value takes or refuses, the rules hold on whatever was built.
 */
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/conf_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_inside(struct bytes file, struct bytes part)
{
	if (part.len &&
	    (part.at < file.at || part.at + part.len > file.at + file.len ||
	     memchr(part.at, '\n', part.len)))
		abort();
}

static void check_scan(struct bytes file, const struct conf_scan *scan)
{
	unsigned i;

	for (i = 0; i < scan->nsections; i++) {
		check_inside(file, scan->section[i].name);
		if (!scan->section[i].name.len)
			abort();
	}
	for (i = 0; i < scan->nentries; i++) {
		check_inside(file, scan->entry[i].key);
		check_inside(file, scan->entry[i].value);
		if (scan->entry[i].section >= scan->nsections ||
		    scan->entry[i].value.len > CONF_LINE_MAX)
			abort();
	}
}

/* What was built without an error can be checked and has no holes. */
static void check_model(const struct conf *conf,
			const struct conf_origin *origin, struct findings *out)
{
	if (conf->rpc.range_first > conf->rpc.range_last ||
	    conf->rpc.virtual_first > conf->rpc.virtual_last ||
	    !conf->affinity.timeout_ms || !conf->check.interval_ms)
		abort();
	check_conf(conf, origin, NULL, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct conf_scan scan;
	static struct conf_origin origin;
	static struct findings out;
	struct bytes file = bytes_of(data, len);
	struct conf *conf = NULL;
	int scanned, built;

	findings_init(&out);
	scanned = conf_scan(file, &scan, &out);
	if ((scanned == 0) != (out.nerrors == 0))
		abort();
	check_scan(file, &scan);
	built = conf_build(&scan, NULL, &origin, &conf, &out);
	if (built == ERR_MEMORY)
		return 0;
	if (!scanned && (built == 0) != (out.nerrors == 0))
		abort();
	if (!scanned && !built)
		check_model(conf, &origin, &out);
	conf_drop(conf);
	return 0;
}
