/*
 * state_file.c - the state file on disk: replaced whole.
 *
 * Layer: main.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "main/state_file.h"

#define FILE_MODE   0640
#define FOLDER_MODE 0750

/* <path> and <end>; owned. NULL: no memory. */
static char *path_with(const char *path, const char *end)
{
	size_t len = strlen(path), end_len = strlen(end);
	char *text = malloc(len + end_len + 1);

	if (text) {
		memcpy(text, path, len);
		memcpy(text + len, end, end_len + 1);
	}
	return text;
}

/* The folder that <path> is in; owned. NULL: no memory. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder;

	if (!slash)
		return strdup(".");
	folder = strdup(path);
	if (folder) /* "/" stays what it is */
		folder[slash == path ? 1 : slash - path] = '\0';
	return folder;
}

static int open_folder(const char *folder, int flags)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);

	return fd < 0 ? -errno : fd;
}

/* The one just made, not what somebody may have put in its place. */
static int give_folder(const char *folder, const struct passwd *user)
{
	int fd = open_folder(folder, O_NOFOLLOW), err = 0;

	if (fd < 0)
		return fd;
	if (fchown(fd, user->pw_uid, user->pw_gid))
		err = -errno;
	close(fd);
	return err;
}

static int make_folder(const char *folder, const struct passwd *user)
{
	if (mkdir(folder, FOLDER_MODE))
		return errno == EEXIST ? 0 : -errno;
	return user ? give_folder(folder, user) : 0;
}

int state_file_make_folder(const char *path, const char *user)
{
	struct passwd *entry = NULL;
	char *folder;
	int err;

	if (user) {
		errno = 0;
		entry = getpwnam(user);
		if (!entry)
			return errno ? -errno : ERR_NOT_FOUND;
	}
	folder = folder_of(path);
	if (!folder)
		return ERR_MEMORY;
	err = make_folder(folder, entry);
	free(folder);
	return err;
}

/* A new file where only a leftover may be, never through somebody's link. */
static int open_new(const char *path)
{
	int fd;

	if (unlink(path) && errno != ENOENT)
		return -errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	return fd < 0 ? -errno : fd;
}

int state_file_try(const char *path)
{
	char *new = path_with(path, ".new");
	int fd;

	if (!new)
		return ERR_MEMORY;
	fd = open_new(new);
	if (fd >= 0) {
		close(fd);
		unlink(new);
	}
	free(new);
	return fd < 0 ? fd : 0;
}

static int write_all(int fd, struct bytes octets)
{
	ssize_t n;

	while (octets.len) {
		n = write(fd, octets.at, octets.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		octets.at += n;
		octets.len -= (size_t)n;
	}
	return fsync(fd) ? -errno : 0;
}

static int write_new(const char *new, struct bytes octets)
{
	int fd = open_new(new), err;

	if (fd < 0)
		return fd;
	err = write_all(fd, octets);
	if (close(fd) && !err)
		err = -errno;
	return err;
}

/* What a folder names is on the disk only when the folder is. */
static int sync_folder_of(const char *path)
{
	char *folder = folder_of(path);
	int fd, err = 0;

	if (!folder)
		return ERR_MEMORY;
	fd = open_folder(folder, 0);
	free(folder);
	if (fd < 0)
		return fd;
	if (fsync(fd))
		err = -errno;
	close(fd);
	return err;
}

int state_file_write(const char *path, struct bytes octets)
{
	char *new = path_with(path, ".new");
	int err;

	if (!new)
		return ERR_MEMORY;
	err = write_new(new, octets);
	if (!err && rename(new, path))
		err = -errno;
	if (err)
		unlink(new);
	else
		err = sync_folder_of(path);
	free(new);
	return err;
}

/* As much as there is, of a file that nobody writes to. */
static int read_all(int fd, size_t most, uint8_t **at, size_t *len)
{
	uint8_t *room = malloc(most + 1);
	size_t done = 0;
	ssize_t n = 1;

	if (!room)
		return ERR_MEMORY;
	while (done < most && n > 0) {
		n = read(fd, room + done, most - done);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			done += (size_t)n;
	}
	if (n < 0) {
		free(room);
		return -errno;
	}
	*at = room;
	*len = done;
	return 0;
}

static int read_file(int fd, uint8_t **at, size_t *len)
{
	struct stat is;

	if (fstat(fd, &is))
		return -errno;
	if (S_ISDIR(is.st_mode))
		return -EISDIR;
	if (!S_ISREG(is.st_mode))
		return ERR_MALFORMED;
	if (is.st_size > STATE_MAX)
		return ERR_LIMIT;
	return read_all(fd, (size_t)is.st_size, at, len);
}

int state_file_read(const char *path, uint8_t **at, size_t *len)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), err;

	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : -errno;
	err = read_file(fd, at, len);
	close(fd);
	return err;
}

int state_file_set_aside(const char *path)
{
	char *damaged = path_with(path, ".damaged");
	int err = 0;

	if (!damaged)
		return ERR_MEMORY;
	if (rename(path, damaged))
		err = -errno;
	free(damaged);
	return err;
}
