/*
 * swarm.c - all simulated Outlooks: start, pace, end.
 *
 * Layer: tools.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "client.h"
#include "swarm.h"

#define PACE_MS	   5
#define GOODBYE_MS 3000 /* nobody waits longer for an answer to it */

uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t around(uint64_t usual)
{
	return usual / 2 + (uint64_t)random() % (usual + 1);
}

/* Calls that fell due since the last time, by whoever waited longest. */
static void pace(struct loop_timer *timer)
{
	struct swarm *swarm = list_entry(timer, struct swarm, pace);
	uint64_t now = now_us();

	if (swarm->is_stopping)
		return;
	swarm->due += (double)swarm->options->rate_per_s *
		      (double)(now - swarm->paced_us) / 1e6;
	swarm->paced_us = now;
	for (; swarm->due >= 1 && !list_is_empty(&swarm->idle); swarm->due--)
		link_work(list_entry(swarm->idle.next, struct link, idle));
	if (swarm->due >= 1) {
		swarm->counts.missed += (uint64_t)swarm->due;
		swarm->due -= (double)(uint64_t)swarm->due;
	}
	loop_timer_set(swarm->loop, timer, PACE_MS);
}

static void end(struct loop_timer *timer)
{
	struct swarm *swarm = list_entry(timer, struct swarm, end);

	if (swarm->is_stopping)
		loop_stop(swarm->loop);
	else
		swarm_stop(swarm);
}

int swarm_start(struct swarm *swarm, struct loop *loop,
		const struct options *options)
{
	unsigned i, n = options->nclients;
	unsigned seed;
	int err = 0;

	if (getrandom(&seed, sizeof(seed), 0) == sizeof(seed))
		srandom(seed);
	swarm->loop = loop;
	swarm->options = options;
	list_init(&swarm->idle);
	swarm->client = calloc(n, sizeof(*swarm->client));
	if (!swarm->client)
		return ERR_MEMORY;
	for (i = 0; i < n && !err; i++) {
		err = client_init(&swarm->client[i], swarm, i + 1);
		if (!err)
			client_start(&swarm->client[i],
				     options->ramp_ms * i / n);
	}
	if (err)
		return err;
	swarm->end.fire = end;
	loop_timer_set(loop, &swarm->end, options->duration_ms);
	swarm->pace.fire = pace;
	swarm->paced_us = now_us();
	if (options->rate_per_s)
		loop_timer_set(loop, &swarm->pace, PACE_MS);
	return 0;
}

void swarm_stop(struct swarm *swarm)
{
	unsigned i, n = swarm->options->nclients;

	if (swarm->is_stopping)
		return;
	for (i = 0; i < n; i++)
		if (swarm->client[i].was_up && !swarm->client[i].is_disturbed)
			swarm->nworking++;
	swarm->is_stopping = true;
	swarm->nopen = n;
	loop_timer_set(swarm->loop, &swarm->end, GOODBYE_MS);
	for (i = 0; i < n; i++)
		client_wind_down(&swarm->client[i]);
}

void swarm_client_gone(struct swarm *swarm)
{
	if (--swarm->nopen == 0)
		loop_stop(swarm->loop);
}

void swarm_release(struct swarm *swarm)
{
	unsigned i;

	for (i = 0; swarm->client && i < swarm->options->nclients; i++)
		if (swarm->client[i].swarm)
			client_release(&swarm->client[i]);
	loop_timer_stop(swarm->loop, &swarm->end);
	loop_timer_stop(swarm->loop, &swarm->pace);
	free(swarm->client);
}

int swarm_verdict(const struct swarm *swarm)
{
	const struct counts *counts = &swarm->counts;

	if (counts->splits || counts->unexpected)
		return 1;
	if (swarm->ready.count < swarm->options->nclients)
		return 1;
	return swarm->options->is_strict && counts->outages;
}
