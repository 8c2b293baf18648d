/*
 * check_conf.h - what mapilbd -t and -T print.
 *
 * Layer: main.
 */
#ifndef MAIN_CHECK_CONF_H
#define MAIN_CHECK_CONF_H

#include <stdbool.h>
#include <stdio.h>

#include "core/finding.h"

/* FILE:LINE: error|warning CODE: what; how to mend - a line each. */
void findings_print(FILE *out, const char *path, const struct findings *list);

/*
 * mapilbd -t: check <path> without starting and print every finding.
 * Returns the exit status: 0; 1 if there are errors, or with <is_strict>
 * warnings, or if <out> does not take what is printed.
 */
int check_conf_print(FILE *out, const char *path, bool is_strict);

/*
 * mapilbd -T: print the effective configuration to <out>, as a file that
 * loads to the same, with a comment on where each value comes from. Errors
 * go to <errors> in the form of -t, and nothing to <out>. Returns the exit
 * status.
 */
int effective_conf_print(FILE *out, FILE *errors, const char *path);

#endif
