/*
 * alloc.c - the allocator that can refuse.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "alloc.h"

static _Thread_local unsigned countdown;
static _Thread_local int has_failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
char *__real_strdup(const char *text);
void *__real_mmap(void *at, size_t len, int prot, int flags, int fd,
		  off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
char *__wrap_strdup(const char *text);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd,
		  off_t offset);

static int refuse(void)
{
	if (!countdown || --countdown)
		return 0;
	has_failed = 1;
	errno = ENOMEM;
	return 1;
}

void *__wrap_malloc(size_t size)
{
	return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return refuse() ? NULL : __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return refuse() ? NULL : __real_aligned_alloc(align, size);
}

char *__wrap_strdup(const char *text)
{
	return refuse() ? NULL : __real_strdup(text);
}

void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd,
		  off_t offset)
{
	return refuse() ? MAP_FAILED
			: __real_mmap(at, len, prot, flags, fd, offset);
}

void alloc_fail_at(unsigned nth)
{
	countdown = nth;
	has_failed = 0;
}

int alloc_has_failed(void)
{
	return has_failed;
}

unsigned alloc_each_fails(void *ctx, void (*body)(void *ctx))
{
	unsigned nth;

	for (nth = 1; nth <= 10000; nth++) {
		alloc_fail_at(nth);
		body(ctx);
		countdown = 0;
		if (!has_failed)
			return nth - 1;
	}
	abort();
}
