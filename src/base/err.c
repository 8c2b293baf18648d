/*
 * err.c - error numbers as words.
 *
 * Layer: base.
 */
#include <string.h>

#include "base/err.h"

static const char *own_text(enum err err)
{
	switch (err) {
	case ERR_SHORT:
		return "ends too early";
	case ERR_MALFORMED:
		return "malformed";
	case ERR_LIMIT:
		return "above a limit";
	case ERR_UNSUPPORTED:
		return "not supported";
	case ERR_SPACE:
		return "no room";
	case ERR_MEMORY:
		return "out of memory";
	case ERR_EXISTS:
		return "exists already";
	case ERR_NOT_FOUND:
		return "not found";
	case ERR_REFUSED:
		return "refused";
	case ERR_BUSY:
		return "in use";
	case ERR_TIMEOUT:
		return "timed out";
	case ERR_CONFIG:
		return "configuration refused";
	}
	return "unknown error";
}

const char *err_text(int err)
{
	if (err == 0)
		return "no error";
	if (err <= -1000)
		return own_text((enum err)err);
	return strerror(err < 0 ? -err : err);
}
