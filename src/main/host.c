/*
 * host.c - what the rules must know of the machine that we run on.
 *
 * Layer: main.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "main/host.h"

/* Of an address that no interface has, bind() says so. */
static bool is_local(const struct addr *addr)
{
	struct endpoint ep = { .addr = *addr };
	struct sockaddr_storage to;
	socklen_t len = endpoint_to_sockaddr(&ep, &to);
	bool is_here;
	int fd;

	fd = socket(addr->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true;
	is_here = bind(fd, (struct sockaddr *)&to, len) == 0 ||
		  errno != EADDRNOTAVAIL;
	close(fd);
	return is_here;
}

/* Not so only when it is known: after the change of user a directory may be
 * closed to us. */
static bool is_there(const char *path)
{
	return !path || access(path, F_OK) == 0 || errno != ENOENT;
}

#define PATH_ROOM 1024

/* The folder that a file is in. False: its path is too long. */
static bool folder_of(const char *path, char room[PATH_ROOM])
{
	const char *slash = strrchr(path, '/');
	size_t len = slash && slash != path ? (size_t)(slash - path) : 1;

	if (len >= PATH_ROOM)
		return false;
	memcpy(room, path, len);
	room[len] = '\0';
	return true;
}

/* The directory of a file that is yet to be made. */
static bool directory_is_there(const char *path)
{
	char room[PATH_ROOM];

	return !path || !strrchr(path, '/') ||
	       (folder_of(path, room) && is_there(room));
}

/* The daemon makes the folder of its state, if only that is missing. */
static bool directory_can_be_made(const char *path)
{
	char room[PATH_ROOM];

	return directory_is_there(path) ||
	       (folder_of(path, room) && directory_is_there(room));
}

static bool user_is_there(const char *name)
{
	if (!name)
		return true;
	errno = 0;
	return getpwnam(name) || (errno != 0 && errno != ENOENT);
}

static void look_at_limits(struct check_host *host)
{
	struct rlimit limit;

	host->limits.descriptors = UINT64_MAX;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_max != RLIM_INFINITY)
		host->limits.descriptors = limit.rlim_max;
}

/* The kernel's default where the file is not to be read. */
unsigned host_ephemeral_ports(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	unsigned first = 32768, last = 60999, a, b;

	if (!file)
		return 1 + last - first;
	if (fscanf(file, "%u %u", &a, &b) == 2 && a <= b && b <= UINT16_MAX) {
		first = a;
		last = b;
	}
	fclose(file);
	return 1 + last - first;
}

void host_look(const struct conf *conf, struct check_host *host)
{
	const struct conf_balancer *balancer = &conf->balancer;
	unsigned i;

	memset(host, 0, sizeof(*host));
	look_at_limits(host);
	host->limits.ephemeral_ports = host_ephemeral_ports();
	for (i = 0; i < balancer->nvips; i++)
		host->vip_is_local[i] = is_local(&balancer->vip[i]);
	for (i = 0; i < balancer->nsources; i++)
		host->source_is_local[i] = is_local(&balancer->source[i]);
	host->user_is_there = user_is_there(balancer->user);
	host->state_directory_is_there =
		directory_can_be_made(balancer->state_file);
	host->log_directory_is_there = directory_is_there(balancer->log_file);
	for (i = 0; i < conf->web.certificates.n; i++)
		host->certificate_is_there[i] =
			is_there(conf->web.certificates.name[i]);
}
