/*
 * state_saver.c - a thread that writes the state file.
 *
 * Layer: main.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "main/state_file.h"

struct state_saver {
	char *path;
	pthread_t thread;
	_Atomic int err;      /* of the last write */
	pthread_mutex_t lock; /* of all below; never held during a write */
	pthread_cond_t
		changed; /* one waits: the thread, at the end the other */
	struct state_image next; /* <at> NULL: there is none */
	bool is_stopping;
	bool is_done;
	bool is_abandoned; /* nobody joins the thread: it frees */
};

static void release(struct state_saver *saver)
{
	free(saver->next.at);
	pthread_cond_destroy(&saver->changed);
	pthread_mutex_destroy(&saver->lock);
	free(saver->path);
	free(saver);
}

/* What is to be written now; <at> NULL: that was all. */
static struct state_image take_next(struct state_saver *saver)
{
	struct state_image image;

	pthread_mutex_lock(&saver->lock);
	while (!saver->next.at && !saver->is_stopping)
		pthread_cond_wait(&saver->changed, &saver->lock);
	image = saver->next;
	saver->next = (struct state_image){ 0 };
	pthread_mutex_unlock(&saver->lock);
	return image;
}

static void *run(void *ctx)
{
	struct state_saver *saver = ctx;
	struct state_image image;
	bool is_abandoned;

	while ((image = take_next(saver)).at) {
		saver->err = state_file_write(saver->path,
					      bytes_of(image.at, image.len));
		free(image.at);
	}
	pthread_mutex_lock(&saver->lock);
	saver->is_done = true;
	pthread_cond_signal(&saver->changed);
	is_abandoned = saver->is_abandoned;
	pthread_mutex_unlock(&saver->lock);
	if (is_abandoned)
		release(saver);
	return NULL;
}

/* Signals are the control thread's; one for a write beyond a limit becomes
 * an error of that write. */
static int start(struct state_saver *saver)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&saver->thread, NULL, run, saver);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

int state_saver_new(const char *path, struct state_saver **out)
{
	struct state_saver *saver = calloc(1, sizeof(*saver));
	int err;

	if (!saver)
		return ERR_MEMORY;
	pthread_mutex_init(&saver->lock, NULL);
	pthread_cond_init(&saver->changed, NULL);
	saver->path = strdup(path);
	err = saver->path ? start(saver) : ERR_MEMORY;
	if (err)
		release(saver);
	else
		*out = saver;
	return err;
}

void state_saver_give(struct state_saver *saver, struct state_image image)
{
	uint8_t *old;

	pthread_mutex_lock(&saver->lock);
	old = saver->next.at;
	saver->next = image;
	pthread_cond_signal(&saver->changed);
	pthread_mutex_unlock(&saver->lock);
	free(old);
}

int state_saver_error(const struct state_saver *saver)
{
	return saver->err;
}

static struct timespec moment_in(unsigned ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += ms % 1000 * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

/* True: the thread is at its end. Else a disk holds it up, and it is left to
 * itself and frees what it uses. */
static bool wait_for_end(struct state_saver *saver, unsigned patience_ms)
{
	struct timespec until = moment_in(patience_ms);
	bool is_done;
	int err = 0;

	pthread_mutex_lock(&saver->lock);
	saver->is_stopping = true;
	pthread_cond_signal(&saver->changed);
	while (!saver->is_done && !err)
		err = pthread_cond_clockwait(&saver->changed, &saver->lock,
					     CLOCK_MONOTONIC, &until);
	is_done = saver->is_done;
	saver->is_abandoned = !is_done;
	if (!is_done)
		pthread_detach(saver->thread);
	pthread_mutex_unlock(&saver->lock);
	return is_done;
}

int state_saver_free(struct state_saver *saver, unsigned patience_ms)
{
	int err;

	if (!saver)
		return 0;
	if (!wait_for_end(saver, patience_ms))
		return ERR_TIMEOUT;
	pthread_join(saver->thread, NULL);
	err = saver->err;
	release(saver);
	return err;
}
