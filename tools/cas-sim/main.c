/*
 * main.c - cas-sim: a simulated array of Exchange client access servers.
 *
 * Layer: tools.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "array.h"
#include "fail.h"
#include "report.h"

static struct options options;
static struct array array;
static struct fail_plan fails;

static void stop(struct loop_signal *signal)
{
	(void)signal;
	loop_stop(array.loop);
}

static void raise_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

static int serve(struct loop *loop)
{
	struct loop_signal term = { .caught = stop };
	struct loop_signal interrupt = { .caught = stop };
	int err;

	loop_signal_watch(loop, &term, SIGTERM);
	loop_signal_watch(loop, &interrupt, SIGINT);
	err = array_open(&array, loop, &options);
	if (!err) {
		report_ready(&array);
		fail_plan_start(&fails, &array);
		loop_run(loop);
		report_end(&array);
	}
	array_close(&array);
	return err;
}

int main(int argc, char **argv)
{
	struct loop *loop;
	int err;

	options_read(argc, argv, &options);
	raise_limit();
	loop = loop_new();
	if (!loop) {
		fputs("cas-sim: no event loop\n", stderr);
		return 2;
	}
	err = serve(loop);
	loop_free(loop);
	return err ? 2 : 0;
}
