/*
 * state_file.h - the state file on disk: replaced whole, never in the way.
 *
 * Layer: main.
 * FILE is written as FILE.new in the same folder, brought to the disk, and
 * renamed, so that at every moment FILE is the old one or the new one, whole.
 * What a crash leaves of FILE.new the next write replaces. So it is the
 * folder in which the balancer must be allowed to write; whose FILE is does
 * not matter. The lock on FILE.lock (net/instance) sees to it that nobody
 * else writes here.
 */
#ifndef MAIN_STATE_FILE_H
#define MAIN_STATE_FILE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "core/state.h"

/*
 * Make the folder of <path> if only it is missing, for <user> (NULL: whoever
 * we are). A folder that is there already is left as it is. Before
 * privilege_become(). 0, made or not; ERR_NOT_FOUND: no such user;
 * ERR_MEMORY, -errno.
 */
MUST_CHECK int state_file_make_folder(const char *path, const char *user);
/* Can we write there, as who we are now? What a crash left of a write is
 * removed. ERR_MEMORY, -errno. */
MUST_CHECK int state_file_try(const char *path);

/*
 * Replace <path> by <octets>. May take as long as a disk does.
 * ERR_MEMORY, -errno: the old file is whole, but if it was the folder that
 * could not be brought to the disk: then the new one is.
 */
MUST_CHECK int state_file_write(const char *path, struct bytes octets);
/*
 * Read all of <path>; <*at> is owned, for free().
 * ERR_NOT_FOUND: there is none; ERR_LIMIT: above STATE_MAX; ERR_MALFORMED:
 * not a file (a pipe, …); -EISDIR: a folder, which must not be set aside;
 * ERR_MEMORY, -errno.
 */
MUST_CHECK int state_file_read(const char *path, uint8_t **at, size_t *len);
/* Rename a damaged <path> to FILE.damaged, instead of the one before it.
 * ERR_MEMORY, -errno. */
MUST_CHECK int state_file_set_aside(const char *path);

/*
 * A thread that writes, for one who must not wait for a disk. <path> is
 * copied. After privilege_become(): a thread's capabilities are its own.
 * ERR_MEMORY, -errno.
 */
struct state_saver;

MUST_CHECK int state_saver_new(const char *path, struct state_saver **out);
/* Write <image>, which is taken. Never waits; what was given before and is
 * not being written yet is forgotten. */
void state_saver_give(struct state_saver *saver, struct state_image image);
/* How the last write ended: 0, also before the first; else what
 * state_file_write() said. */
int state_saver_error(const struct state_saver *saver);
/*
 * Write what was given last and end, within <patience_ms>; NULL is allowed.
 * 0: it is on the disk; ERR_TIMEOUT: not yet, the thread goes on by itself,
 * and until the process ends; else what state_file_write() said.
 */
MUST_CHECK int state_saver_free(struct state_saver *saver,
				unsigned patience_ms);

#endif
