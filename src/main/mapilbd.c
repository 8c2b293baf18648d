/*
 * mapilbd.c - the balancer's command line.
 *
 * Layer: main.
 */
#include <getopt.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "main/check_conf.h"
#include "main/daemon.h"
#include "main/load.h"

enum action { ACTION_RUN, ACTION_CHECK, ACTION_SHOW };

struct options {
	const char *path;
	enum action action;
	bool is_strict;
};

static const char usage[] =
	"usage: mapilbd -c FILE [-t [--strict] | -T]\n"
	"\n"
	"  -c FILE    the configuration; without -t and -T: serve in the\n"
	"             foreground until told to stop\n"
	"  -t         check the configuration and end: one finding a line,\n"
	"             exit status 0, or 1 if there is an error\n"
	"  --strict   with -t: a warning is an error too\n"
	"  -T         print the effective configuration and where each value\n"
	"             comes from\n"
	"  -h, --help this text\n"
	"\n"
	"Signals: TERM and INT let bound clients finish, a second one ends at\n"
	"once; HUP reads the configuration again.\n";

/* Octets. Tables as large come from the kernel as pages of zeros that take
 * memory once they are used; without a bound of ours the C library raises its
 * own with the first large block that is freed, and clears tables itself. */
#define LARGE_BLOCK (128 * 1024)

static int bad_usage(void)
{
	fputs(usage, stderr);
	return 2;
}

/* 0: go on; else the exit status + 1. */
static int read_options(int argc, char **argv, struct options *out)
{
	static const struct option longs[] = {
		{ "strict", no_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:tTh", longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			out->path = optarg;
			break;
		case 't':
			out->action = ACTION_CHECK;
			break;
		case 'T':
			out->action = ACTION_SHOW;
			break;
		case 's':
			out->is_strict = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 1;
		default:
			return 1 + bad_usage();
		}
	}
	if (out->is_strict && out->action != ACTION_CHECK)
		return 1 + bad_usage();
	if (!out->path || optind != argc)
		return 1 + bad_usage();
	return 0;
}

static int load(const char *path, struct conf **out)
{
	struct findings *found = malloc(sizeof(*found));
	int err;

	if (!found)
		return ERR_MEMORY;
	err = load_conf(path, found, out);
	findings_print(stderr, path, found);
	free(found);
	return err;
}

static int run(const char *path)
{
	struct conf *conf;
	int err = load(path, &conf);

	if (err) {
		fprintf(stderr, "mapilbd: %s: %s; nothing was started\n", path,
			err_text(err));
		return 1;
	}
	return daemon_run(path, conf) ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	int done = read_options(argc, argv, &options);

	if (done)
		return done - 1;
	switch (options.action) {
	case ACTION_CHECK:
		return check_conf_print(stdout, options.path,
					options.is_strict);
	case ACTION_SHOW:
		return effective_conf_print(stdout, stderr, options.path);
	case ACTION_RUN:
		break;
	}
	mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
	return run(options.path);
}
