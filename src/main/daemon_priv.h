/*
 * daemon_priv.h - what the files of the daemon share.
 *
 * Layer: main (private).
 */
#ifndef SRC_MAIN_DAEMON_PRIV_H
#define SRC_MAIN_DAEMON_PRIV_H

#include "core/affinity.h"
#include "core/announced.h"
#include "core/array.h"
#include "core/sched.h"
#include "leasing.h"
#include "main/logger.h"
#include "main/refused.h"
#include "main/worker.h"
#include "net/instance.h"
#include "net/listen.h"
#include "net/loop.h"
#include "svc/probe.h"

struct state_saver;

/* The state file, as it is written. */
struct saving {
	struct state_saver *saver; /* NULL: nothing can be written */
	struct loop_timer timer;
	int told_err; /* what the log last said of it */
};

/* Everything here belongs to the control thread, but for <shared>, which the
 * workers read, and <ask>, which they set. */
struct daemon {
	const char *path;
	struct conf *first; /* of the start: what only a restart changes */
	struct conf *conf;  /* in force */
	struct loop *loop;
	struct logger *logger;
	struct log *log; /* the control thread's */
	struct instance *instance;
	struct listener *listener;
	struct prober *prober;
	struct array array;
	struct sched sched;
	struct svc_rpc_shared shared;
	unsigned nworkers;
	struct worker *worker[CONF_THREADS_MAX];
	struct loop_signal term, interrupt, hangup;
	struct loop_timer sweep;
	struct leasing leasing;
	struct saving saving;
	/* Ports that somebody else listens on: no virtual port is one. */
	struct portset foreign;
	unsigned without_virtual; /* announced, and the range was exhausted */
	struct refused refused;
	struct loop_timer stop_check;
	uint64_t stop_at_ms;  /* 0 = not stopping */
	bool ports_are_stale; /* some could not be had, or were spared */
	uint64_t ports_tried_ms;
	uint64_t tally_ms;    /* when the counters were logged */
	int err;	      /* why it ends, if not because it was told to */
	bool has_asked;	      /* every server was asked once: ports are open */
	_Atomic uint64_t ask; /* servers to be asked again: a mask */
	struct loop_job ask_job;
	_Atomic bool ask_is_posted;
	struct loop_job ports_job; /* workers saw new ports */
	_Atomic bool ports_is_posted;
};

/* ports.c: admit what the configuration and the servers' answers say. What
 * failed is logged, and tried again by daemon_retry_ports(). */
MUST_CHECK int daemon_apply_ports(struct daemon *daemon);
void daemon_retry_ports(struct daemon *daemon);
/* state.c: take over what an earlier process knew, before workers start. */
void daemon_restore(struct daemon *daemon);
/* state.c: write it from time to time from now on, as the user that we are. */
void daemon_begin_saving(struct daemon *daemon);
/* state.c: write it once more, for good. */
void daemon_end_saving(struct daemon *daemon);
/* tally.c: a line for each interface that was used. */
void daemon_log_tally(struct daemon *daemon);
/* stop.c: TERM and INT stop, HUP reads the configuration again. */
void daemon_watch_signals(struct daemon *daemon);
/* reload.c: read the configuration again. */
void daemon_reload(struct daemon *daemon);

#endif
