/*
 * relay_pipe.c - pipes for splicing, from a thread's pool.
 *
 * Layer: net.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "relay_pipe.h"

static void close_pipe(struct relay_pool *pool, struct relay_pipe *pipe)
{
	close(pipe->in);
	close(pipe->out);
	free(pipe);
	pool->npipes--;
}

static struct relay_pipe *make_pipe(struct relay_pool *pool)
{
	struct relay_pipe *pipe;
	int fd[2];

	if (pool->npipes >= pool->most_pipes)
		return NULL;
	pipe = calloc(1, sizeof(*pipe));
	if (!pipe)
		return NULL;
	if (pipe2(fd, O_NONBLOCK | O_CLOEXEC)) {
		free(pipe);
		return NULL;
	}
	/* A smaller pipe works too, in more calls. */
	(void)!fcntl(fd[1], F_SETPIPE_SZ, RELAY_PIPE_CAP);
	pipe->out = fd[0];
	pipe->in = fd[1];
	pool->npipes++;
	return pipe;
}

struct relay_pipe *relay_pipe_take(struct relay_pool *pool)
{
	struct relay_pipe *pipe = pool->pipe;

	if (!pipe)
		return make_pipe(pool);
	pool->pipe = pipe->next;
	pipe->next = NULL;
	return pipe;
}

void relay_pipe_give(struct relay_pool *pool, struct relay_pipe *pipe)
{
	if (pipe->held) {
		close_pipe(pool, pipe);
		return;
	}
	pipe->next = pool->pipe;
	pool->pipe = pipe;
}

void relay_pipe_free_all(struct relay_pool *pool)
{
	while (pool->pipe) {
		struct relay_pipe *pipe = pool->pipe;

		pool->pipe = pipe->next;
		close_pipe(pool, pipe);
	}
}
