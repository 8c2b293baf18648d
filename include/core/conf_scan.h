/*
 * conf_scan.h - a configuration file as sections and keys with line numbers.
 *
 * Layer: core (pure: no files).
 * The INI reader has no line numbers, swallows what it does not understand
 * and lets the last of two equal keys win. This scan takes a strict subset
 * of what that reader takes, so that whatever passes here means the same
 * there, and says of everything else which line it is and what to do.
 *
 *	line    = blank | comment | section | key
 *	comment = ("#" | ";") anything
 *	section = "[" name "]"			no comment may follow
 *	key     = name "=" value [comment]	a comment has a blank before it
 *	value   = text | quote text quote	quoted where it holds # or ;
 *
 * Units: lengths in octets; lines count from 1.
 */
#ifndef CORE_CONF_SCAN_H
#define CORE_CONF_SCAN_H

#include "base/bytes.h"
#include "base/err.h"
#include "core/finding.h"

#define CONF_FILE_MAX	  (1024 * 1024)
#define CONF_LINE_MAX	  1020 /* without the line feed */
#define CONF_SECTIONS_MAX 256
#define CONF_ENTRIES_MAX  4096

struct conf_section {
	unsigned line;
	struct bytes name; /* between the brackets, without outer blanks */
};

struct conf_entry {
	unsigned line;
	unsigned section; /* index */
	struct bytes key;
	struct bytes value; /* without quotes */
};

/* Borrows every octet from the scanned file. */
struct conf_scan {
	unsigned nsections;
	unsigned nentries;
	struct conf_section section[CONF_SECTIONS_MAX];
	struct conf_entry entry[CONF_ENTRIES_MAX];
};

/*
 * Scan <file>, which <scan> borrows from then on. Every line that is not
 * understood is a finding of severity error and left out of <scan>.
 * 0; ERR_CONFIG if there was such a finding.
 */
MUST_CHECK int conf_scan(struct bytes file, struct conf_scan *scan,
			 struct findings *out);

#endif
