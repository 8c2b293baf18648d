/*
 * alloc.h - make one allocation fail, then the next, …
 *
 * malloc, calloc, realloc, aligned_alloc, strdup and mmap of everything that
 * is linked into a test go through here (the linker's --wrap).
 *
 *	alloc_each_fails(cmocka_state_or_context, body)
 *
 * runs <body> with its first allocation refused, then with its second, and
 * so on, until a run in which nothing was refused. <body> must cope: return
 * an error, leak nothing (ASan looks), leave no half-made object.
 */
#ifndef HELPER_ALLOC_H
#define HELPER_ALLOC_H

/* Refuse the <nth> allocation of this thread from now on (1 = the next);
 * 0 = none. */
void alloc_fail_at(unsigned nth);
/* Was an allocation refused since alloc_fail_at()? */
int alloc_has_failed(void);
/* Returns how many allocations were refused in turn (at most 10,000). */
unsigned alloc_each_fails(void *ctx, void (*body)(void *ctx));

#endif
