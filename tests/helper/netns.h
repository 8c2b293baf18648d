/*
 * netns.h - network namespaces of a test's own.
 *
 * Needs root. A namespace goes with the test program.
 */
#ifndef HELPER_NETNS_H
#define HELPER_NETNS_H

#include "base/addr.h"

#define NETNS_HERE4  "10.9.0.1" /* this end of the link, /24 */
#define NETNS_THERE4 "10.9.0.2"
#define NETNS_HERE6  "fd09::1" /* /64 */
#define NETNS_THERE6 "fd09::2"

/* Two namespaces, loopback up in both, joined by a veth pair "near" and
 * "far"; the calling thread is in the first. */
struct netns {
	int here;
	int there;
};

/* Exits with a message when not root. */
void netns_enter(struct netns *ns);
void netns_leave(struct netns *ns);
/* Run in the other namespace from now on; and back. */
void netns_go(int ns);
/* A shell command; it must succeed. */
void netns_run(const char *command);
/* What a command prints, cut to <size>. */
void netns_read(const char *command, char *out, int size);

/* Connect from namespace <ns>; blocking, bounded. A descriptor or -errno. */
int netns_connect(const struct netns *back, int ns, const struct endpoint *to);

#endif
