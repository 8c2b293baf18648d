/*
 * load.h - a configuration file becomes the model.
 *
 * Layer: main.
 * The file is read once. The same octets go to our own scan and to the INI
 * reader; a file of which the two think differently is refused.
 */
#ifndef MAIN_LOAD_H
#define MAIN_LOAD_H

#include "base/err.h"
#include "core/conf.h"
#include "core/conf_keys.h"
#include "core/finding.h"

/*
 * Load, check against every rule and against this host, for running it.
 * What would only be a warning for mapilbd -t, but keeps the balancer from
 * running here, is an error.
 *
 * <out>   written, whatever it held before: the findings, by line.
 * <conf>  held once for the caller; written only on success.
 * 0, with or without warnings; ERR_CONFIG: errors are among the findings;
 * ERR_MEMORY; -errno: the file cannot be read (a finding says so too).
 */
MUST_CHECK int load_conf(const char *path, struct findings *out,
			 struct conf **conf);

/* A loaded file with all that was learned of it. */
struct load;

/*
 * The first half of load_conf(), without the rules; findings are added to
 * what <out> holds, as they come. *out_load is written,
 * with what could be read, even when ERR_CONFIG is returned, but not for
 * other errors. load_close() ends it.
 */
MUST_CHECK int load_open(const char *path, struct findings *out,
			 struct load **out_load);
void load_close(struct load *load);
/* Borrowed from <load>. */
struct conf *load_model(const struct load *load);
const struct conf_origin *load_origin(const struct load *load);
/* The value that a line gives, in <room>; NULL if the line gives none. */
#define LOAD_TEXT_MAX 1024
const char *load_text(const struct load *load, unsigned line,
		      char room[LOAD_TEXT_MAX]);

#endif
