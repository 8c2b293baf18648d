/*
 * stop.c - signals, and the end in order.
 *
 * Layer: main.
 */
#include <signal.h>

#include "daemon_priv.h"

#define STOP_CHECK_MS 50
#define LEFT_LINES    100 /* of who is left when time is up, a worker */

static void stop_checked(struct loop_timer *timer)
{
	struct daemon *daemon = list_entry(timer, struct daemon, stop_check);
	unsigned open = atomic_load(&daemon->shared.connections), i;

	if (open && loop_now_ms(daemon->loop) < daemon->stop_at_ms) {
		loop_timer_set(daemon->loop, timer, STOP_CHECK_MS);
		return;
	}
	if (open)
		LOG(daemon->log, LOG_LEVEL_WARNING, "stop-timeout",
		    log_number("connections", open));
	for (i = 0; open && i < daemon->nworkers; i++)
		worker_log_open(daemon->worker[i], LEFT_LINES);
	loop_stop(daemon->loop);
}

/* The first signal lets bound clients finish, the second does not. */
static void stop(struct daemon *daemon, const char *signal)
{
	uint64_t timeout_ms = daemon->conf->balancer.stop_timeout_ms;
	unsigned open = atomic_load(&daemon->shared.connections), i;

	LOG(daemon->log, LOG_LEVEL_NOTICE, "stop", log_text("signal", signal),
	    log_number("connections", open),
	    log_text("how", daemon->stop_at_ms ? "at-once" : "drain"));
	if (daemon->stop_at_ms) {
		loop_stop(daemon->loop);
		return;
	}
	daemon->stop_at_ms = loop_now_ms(daemon->loop) + timeout_ms;
	for (i = 0; i < daemon->nworkers; i++)
		worker_stop(daemon->worker[i]);
	stop_checked(&daemon->stop_check);
}

static void term_caught(struct loop_signal *signal)
{
	stop(list_entry(signal, struct daemon, term), "TERM");
}

static void interrupt_caught(struct loop_signal *signal)
{
	stop(list_entry(signal, struct daemon, interrupt), "INT");
}

static void hangup_caught(struct loop_signal *signal)
{
	daemon_reload(list_entry(signal, struct daemon, hangup));
}

void daemon_watch_signals(struct daemon *daemon)
{
	daemon->stop_check.fire = stop_checked;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN); /* others mean: open the log anew */
	daemon->term.caught = term_caught;
	daemon->interrupt.caught = interrupt_caught;
	daemon->hangup.caught = hangup_caught;
	loop_signal_watch(daemon->loop, &daemon->term, SIGTERM);
	loop_signal_watch(daemon->loop, &daemon->interrupt, SIGINT);
	loop_signal_watch(daemon->loop, &daemon->hangup, SIGHUP);
}
