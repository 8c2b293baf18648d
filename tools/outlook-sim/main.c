/*
 * main.c - outlook-sim: many simulated Outlooks against one address.
 *
 * Layer: tools.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "swarm.h"

static struct options options;
static struct swarm swarm;

static void stop(struct loop_signal *signal)
{
	(void)signal;
	swarm_stop(&swarm);
}

static void raise_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

static int run(struct loop *loop)
{
	struct loop_signal term = { .caught = stop };
	struct loop_signal interrupt = { .caught = stop };
	int verdict = 2;

	if (swarm_start(&swarm, loop, &options)) {
		fputs("outlook-sim: no memory for so many\n", stderr);
	} else {
		loop_signal_watch(loop, &term, SIGTERM);
		loop_signal_watch(loop, &interrupt, SIGINT);
		loop_run(loop);
		swarm_report(&swarm);
		verdict = swarm_verdict(&swarm);
	}
	swarm_release(&swarm);
	return verdict;
}

int main(int argc, char **argv)
{
	struct loop *loop;
	int verdict;

	options_read(argc, argv, &options);
	raise_limit();
	loop = loop_new();
	if (!loop) {
		fputs("outlook-sim: no event loop\n", stderr);
		return 2;
	}
	verdict = run(loop);
	loop_free(loop);
	return verdict;
}
