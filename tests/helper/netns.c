/*
 * netns.c - network namespaces of a test's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "netns.h"

static void must(int is_true, const char *what)
{
	if (is_true)
		return;
	perror(what);
	exit(1);
}

static int current(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	must(fd >= 0, "the network namespace");
	return fd;
}

void netns_go(int ns)
{
	must(!setns(ns, CLONE_NEWNET), "setns");
}

void netns_run(const char *command)
{
	must(system(command) == 0, command);
}

void netns_read(const char *command, char *out, int size)
{
	FILE *pipe = popen(command, "r");
	size_t len;

	must(pipe != NULL, command);
	len = fread(out, 1, (size_t)size - 1, pipe);
	out[len] = '\0';
	must(pclose(pipe) == 0, command);
}

static void make_link(const struct netns *ns)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "ip link add near type veth peer name far netns "
		 "/proc/%ld/fd/%d",
		 (long)getpid(), ns->there);
	netns_run(command);
	netns_run("ip link set near addrgenmode none &&"
		  "ip addr add " NETNS_HERE4 "/24 dev near &&"
		  "ip addr add " NETNS_HERE6 "/64 dev near nodad &&"
		  "ip link set near up");
	netns_go(ns->there);
	netns_run("ip link set far addrgenmode none &&"
		  "ip addr add " NETNS_THERE4 "/24 dev far &&"
		  "ip addr add " NETNS_THERE6 "/64 dev far nodad &&"
		  "ip link set far up");
	netns_go(ns->here);
}

void netns_enter(struct netns *ns)
{
	if (geteuid() != 0) {
		fprintf(stderr, "this test needs root: it makes network "
				"namespaces\n");
		exit(1);
	}
	must(!unshare(CLONE_NEWNET), "unshare");
	netns_run("ip link set lo up");
	ns->there = current();
	must(!unshare(CLONE_NEWNET), "unshare");
	netns_run("ip link set lo up");
	ns->here = current();
	make_link(ns);
}

void netns_leave(struct netns *ns)
{
	close(ns->here);
	close(ns->there);
}

int netns_connect(const struct netns *back, int ns, const struct endpoint *to)
{
	struct timeval wait = { .tv_sec = 3 };
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(to, &sa);
	int fd, err = 0;

	netns_go(ns);
	fd = socket(to->addr.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	netns_go(back->here);
	must(fd >= 0, "socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	if (connect(fd, (struct sockaddr *)&sa, len))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}
