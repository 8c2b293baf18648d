/*
 * instance.c - one balancer for each VIP of a network namespace, and for
 * each state file.
 *
 * Layer: net.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/conf.h"
#include "net/instance.h"

struct instance {
	unsigned n;
	int fd[CONF_VIPS_MAX + 1]; /* the VIPs' sockets, the lock file */
};

static void log_refusal(struct log *log, const char *what, const char *holds,
			long pid)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", pid);
	LOG(log, LOG_LEVEL_ERROR, "instance-refused", log_text(what, holds),
	    log_text("pid", pid > 0 ? text : NULL),
	    log_text("reason", "another balancer serves it already"),
	    log_text("mend", "stop that one, or give this one a vip and a "
			     "state-file of its own"));
}

/* An abstract name: the octets after the first, which is 0. */
static socklen_t name_of(const struct addr *vip, struct sockaddr_un *out)
{
	char text[ADDR_TEXT_MAX];
	int len;

	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	len = snprintf(out->sun_path + 1, sizeof(out->sun_path) - 1,
		       "mapilb/%s", addr_format(vip, text));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   (size_t)len);
}

/* Who listens under the name; 0 if that cannot be known. */
static long ask_holder(const struct sockaddr_un *name, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct ucred peer = { 0 };
	socklen_t room = sizeof(peer);

	if (fd < 0)
		return 0;
	if (connect(fd, (const struct sockaddr *)name, len) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &room))
		peer.pid = 0;
	close(fd);
	return peer.pid;
}

static int hold_vip(struct log *log, const struct addr *vip)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;
	char text[ADDR_TEXT_MAX];
	struct sockaddr_un name;
	socklen_t len = name_of(vip, &name);

	if (fd < 0)
		return -errno;
	/* Connections wait in its queue for good: a full one only hides
	 * the pid from who comes late. */
	if (!bind(fd, (struct sockaddr *)&name, len) && !listen(fd, INT_MAX))
		return fd;
	err = -errno;
	close(fd);
	if (err != -EADDRINUSE)
		return err;
	log_refusal(log, "vip", addr_format(vip, text), ask_holder(&name, len));
	return ERR_BUSY;
}

static long read_pid(int fd)
{
	char text[24] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	return strtol(text, NULL, 10);
}

static int write_pid(int fd)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)len, 0) != len)
		return -errno;
	return 0;
}

static int lock_file(struct log *log, const char *state_file, int fd)
{
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return write_pid(fd);
	if (errno != EWOULDBLOCK)
		return -errno;
	log_refusal(log, "state-file", state_file, read_pid(fd));
	return ERR_BUSY;
}

static int hold_file(struct log *log, const char *state_file)
{
	char path[PATH_MAX];
	int fd, err;

	if (snprintf(path, sizeof(path), "%s.lock", state_file) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	err = lock_file(log, state_file, fd);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int instance_hold(struct log *log, unsigned nvips, const struct addr *vip,
		  const char *state_file, struct instance **out)
{
	struct instance *instance = calloc(1, sizeof(*instance));
	int fd = 0;
	unsigned i;

	if (!instance)
		return ERR_MEMORY;
	for (i = 0; i < nvips && i < CONF_VIPS_MAX && fd >= 0; i++) {
		fd = hold_vip(log, &vip[i]);
		if (fd >= 0)
			instance->fd[instance->n++] = fd;
	}
	if (state_file && fd >= 0) {
		fd = hold_file(log, state_file);
		if (fd >= 0)
			instance->fd[instance->n++] = fd;
	}
	if (fd < 0) {
		instance_release(instance);
		return fd;
	}
	*out = instance;
	return 0;
}

void instance_release(struct instance *instance)
{
	if (!instance)
		return;
	while (instance->n)
		close(instance->fd[--instance->n]);
	free(instance);
}
