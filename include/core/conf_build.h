/*
 * conf_build.h - from scanned sections and keys to the model.
 *
 * Layer: core (pure).
 */
#ifndef CORE_CONF_BUILD_H
#define CORE_CONF_BUILD_H

#include "core/conf.h"
#include "core/conf_keys.h"
#include "core/conf_scan.h"

/* Where values are taken from: what the INI reader made of them. */
struct conf_texts {
	/* The value of <entry>, borrowed until the next call; NULL: none. */
	const char *(*find)(struct conf_texts *texts,
			    const struct conf_scan *scan,
			    const struct conf_entry *entry);
};

/*
 * Build the model of <scan>. Everything that is wrong with a section's or
 * key's name or with a value is a finding; the rest is built all the same,
 * so that one look finds all.
 *
 * <texts>   NULL: the values are the scan's own.
 * <origin>  written: which line gave what.
 * <conf>    held once; written unless there is no memory, so that the rules
 *           of core/check can look at it even when there were errors.
 * 0; ERR_CONFIG if there was a finding of severity error; ERR_MEMORY.
 */
MUST_CHECK int conf_build(const struct conf_scan *scan,
			  struct conf_texts *texts, struct conf_origin *origin,
			  struct conf **conf, struct findings *out);

#endif
