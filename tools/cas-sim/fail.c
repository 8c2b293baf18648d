/*
 * fail.c - what happens to servers, and when.
 *
 * Layer: tools.
 */
#include <stdio.h>

#include "fail.h"
#include "report.h"

static void listen_again(struct process *process, bool is_new)
{
	int err = process_listen(process, is_new);

	if (err)
		fprintf(stderr, "cas-sim: %s: %s does not come back: %s\n",
			process->server->name, service_name(process->service),
			err_text(err));
}

static void restart(struct process *process)
{
	process_kill(process);
	listen_again(process, true);
}

static void kill_all(struct server *server)
{
	int i;

	for (i = 0; i < SERVICE_COUNT; i++)
		process_kill(&server->process[i]);
}

/* What was killed comes back on a new port, if that is dynamic. */
static void mend(struct server *server)
{
	int i;

	server->has_no_emsmdb = false;
	server_hang(server, false);
	for (i = 0; i < SERVICE_COUNT; i++)
		listen_again(&server->process[i], server->process[i].is_dead);
}

static void act(struct server *server, enum fail_action action)
{
	struct process *process = server->process;

	switch (action) {
	case FAIL_REFUSE_EPM:
		process_refuse(&process[SERVICE_EPM]);
		break;
	case FAIL_REFUSE_MAILBOX:
		process_refuse(&process[SERVICE_MAILBOX]);
		break;
	case FAIL_REFUSE_ADDRESS_BOOK:
		process_refuse(&process[SERVICE_ADDRESS_BOOK]);
		break;
	case FAIL_HANG:
		server_hang(server, true);
		break;
	case FAIL_NO_EMSMDB:
		server->has_no_emsmdb = true;
		break;
	case FAIL_KILL:
		kill_all(server);
		break;
	case FAIL_RESTART_MAILBOX:
		restart(&process[SERVICE_MAILBOX]);
		break;
	case FAIL_RESTART_ADDRESS_BOOK:
		restart(&process[SERVICE_ADDRESS_BOOK]);
		break;
	case FAIL_UP:
		mend(server);
		break;
	}
}

static void fire(struct loop_timer *timer)
{
	struct fail *fail = list_entry(timer, struct fail, timer);
	struct server *server = &fail->array->server[fail->order->server];

	act(server, fail->order->action);
	report_fail(fail->array, server, fail->order->action);
}

void fail_plan_start(struct fail_plan *plan, struct array *array)
{
	const struct options *options = array->options;
	unsigned i;

	for (i = 0; i < options->nfails; i++) {
		struct fail *fail = &plan->fail[i];

		*fail = (struct fail){ .array = array,
				       .order = &options->fail[i] };
		fail->timer.fire = fire;
		loop_timer_set(array->loop, &fail->timer, fail->order->at_ms);
	}
}
