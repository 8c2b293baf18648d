/*
 * worker.c - a worker thread: its loop and its services.
 *
 * Layer: main.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>

#include "main/worker.h"

struct worker {
	struct loop *loop;
	struct svc_rpc *svc;
	pthread_t thread;
	bool is_started;
};

/* One call, carried to the worker's thread and waited for. */
struct call {
	struct loop_job job;
	struct worker *worker;
	void (*body)(struct call *call);
	sem_t is_done;
	int fd;
	uint16_t port;
	struct conf *conf;
	uint64_t slots;
	enum reason reason;
	unsigned most;
	int err;
};

static void run_call(struct loop_job *job)
{
	struct call *call = list_entry(job, struct call, job);

	call->body(call);
	sem_post(&call->is_done);
}

static void do_call(struct worker *worker, struct call *call,
		    void (*body)(struct call *call))
{
	call->worker = worker;
	if (!worker->is_started) {
		body(call);
		return;
	}
	call->body = body;
	call->job.run = run_call;
	sem_init(&call->is_done, 0, 0);
	loop_post(worker->loop, &call->job);
	while (sem_wait(&call->is_done))
		;
	sem_destroy(&call->is_done);
}

static void attach(struct call *call)
{
	call->err = svc_rpc_attach(call->worker->svc, call->fd, call->port);
}

int worker_attach(struct worker *worker, int fd, uint16_t port)
{
	struct call call = { .fd = fd, .port = port };

	do_call(worker, &call, attach);
	return call.err;
}

static void detach(struct call *call)
{
	svc_rpc_detach(call->worker->svc, call->fd);
}

void worker_detach(struct worker *worker, int fd)
{
	struct call call = { .fd = fd };

	do_call(worker, &call, detach);
}

static void reconfigure(struct call *call)
{
	svc_rpc_reconfigure(call->worker->svc, call->conf);
}

void worker_reconfigure(struct worker *worker, struct conf *conf)
{
	struct call call = { .conf = conf };

	do_call(worker, &call, reconfigure);
}

static void ports_opened(struct call *call)
{
	svc_rpc_ports_opened(call->worker->svc);
}

void worker_ports_opened(struct worker *worker)
{
	struct call call = { 0 };

	do_call(worker, &call, ports_opened);
}

static void stop(struct call *call)
{
	svc_rpc_stop(call->worker->svc);
}

void worker_stop(struct worker *worker)
{
	struct call call = { 0 };

	do_call(worker, &call, stop);
}

static void reset(struct call *call)
{
	svc_rpc_reset(call->worker->svc, call->slots, call->reason);
}

void worker_reset(struct worker *worker, uint64_t slots, enum reason reason)
{
	struct call call = { .slots = slots, .reason = reason };

	do_call(worker, &call, reset);
}

static void log_open(struct call *call)
{
	svc_rpc_log_open(call->worker->svc, call->most);
}

void worker_log_open(struct worker *worker, unsigned most)
{
	struct call call = { .most = most };

	do_call(worker, &call, log_open);
}

static void end_loop(struct call *call)
{
	loop_stop(call->worker->loop);
}

static void *run(void *ctx)
{
	struct worker *worker = ctx;

	loop_run(worker->loop);
	return NULL;
}

int worker_start(struct worker *worker)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&worker->thread, NULL, run, worker);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	worker->is_started = !err;
	return -err;
}

int worker_new(const struct worker_config *config, struct worker **out)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	struct svc_rpc_config svc = {
		.log = config->log,
		.shared = config->shared,
		.conf = config->conf,
		.most_pipes = config->most_pipes,
	};
	int err = ERR_MEMORY;

	if (!worker)
		return ERR_MEMORY;
	worker->loop = svc.loop = loop_new();
	if (worker->loop)
		err = svc_rpc_new(&svc, &worker->svc);
	if (err)
		worker_free(worker);
	else
		*out = worker;
	return err;
}

void worker_free(struct worker *worker)
{
	struct call call = { 0 };

	if (!worker)
		return;
	if (worker->is_started) {
		do_call(worker, &call, end_loop);
		pthread_join(worker->thread, NULL);
	}
	svc_rpc_free(worker->svc);
	loop_free(worker->loop);
	free(worker);
}
