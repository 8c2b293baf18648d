/*
 * decimal.h - numbers as decimal text, quickly.
 *
 * Layer: base. For what is written with every connection.
 */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

#define DECIMAL_MAX 20 /* digits of UINT64_MAX */

/* Write the digits, without a NUL, to <at>; returns how many. */
static inline size_t decimal_write(char *at, uint64_t value)
{
	char digit[DECIMAL_MAX];
	size_t n = 0, i;

	do {
		digit[n++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	for (i = 0; i < n; i++)
		at[i] = digit[n - 1 - i];
	return n;
}

#endif
