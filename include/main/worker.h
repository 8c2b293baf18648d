/*
 * worker.h - a worker thread: its loop and its services.
 *
 * Layer: main.
 * Until it is started a worker is used directly; afterwards every call
 * runs on its thread, and the caller (the control thread) waits for it.
 */
#ifndef MAIN_WORKER_H
#define MAIN_WORKER_H

#include "svc/rpc.h"

struct worker;

struct worker_config {
	struct log *log;
	struct svc_rpc_shared *shared;
	struct conf *conf;
	unsigned most_pipes;
};

MUST_CHECK int worker_new(const struct worker_config *config,
			  struct worker **out);
/* Stops the thread if it runs. NULL is allowed. */
void worker_free(struct worker *worker);
/* -errno. */
MUST_CHECK int worker_start(struct worker *worker);

MUST_CHECK int worker_attach(struct worker *worker, int fd, uint16_t port);
void worker_detach(struct worker *worker, int fd);
/* Answers that wait for ports may go on. */
void worker_ports_opened(struct worker *worker);
void worker_reconfigure(struct worker *worker, struct conf *conf);
/* Refuse clients without a binding from now on. */
void worker_stop(struct worker *worker);
void worker_reset(struct worker *worker, uint64_t slots, enum reason reason);
void worker_log_open(struct worker *worker, unsigned most);

#endif
