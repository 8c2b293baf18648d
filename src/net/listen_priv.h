/*
 * listen_priv.h - what the three ways of listening offer, and share.
 *
 * Layer: net.
 */
#ifndef NET_LISTEN_PRIV_H
#define NET_LISTEN_PRIV_H

#include "net/instance.h"
#include "net/listen.h"

#define LISTEN_WHY_MAX 256 /* a sentence fragment for the log, with NUL */

/*
 * One way of listening. Every call is the control thread's, but <lease> and
 * <unlease> are any thread's, at the same time as all but open and close.
 */
struct listen_way {
	const char *name;
	enum conf_intercept kind;
	/* Ready to admit, no port admitted; on failure <why> says more than
	 * the number, and close() is called. */
	int (*open)(struct listener *listener, char why[LISTEN_WHY_MAX]);
	/*
	 * Make listener->admitted equal to <target>. Ports that turn out to
	 * be taken by others are left out and added to <taken>. On failure
	 * (-errno, ERR_*) listener->admitted says what the kernel holds.
	 */
	int (*apply)(struct listener *listener, const struct portset *target,
		     struct portset *taken);
	/* The sockets that a connection to <port> of VIP number <vip> comes
	 * out of, borrowed; how many. */
	unsigned (*sockets)(const struct listener *listener, unsigned vip,
			    uint16_t port, const int **fd);
	/* NULL: the same sockets serve every port. */
	unsigned (*cost)(const struct listener *listener);
	/* NULL: cannot be counted. */
	uint64_t (*refused)(const struct listener *listener);
	/*
	 * Ports that others serve: not to be counted as refused, and closed
	 * to leases. NULL: does neither. -errno, ERR_MEMORY: as it was.
	 */
	int (*set_silent)(struct listener *listener,
			  const struct portset *silent);
	/* <client> is cut to its leading bits. NULL: the kernel cannot
	 * decide it. ERR_SPACE, -errno. */
	int (*lease)(struct listener *listener, const struct addr *client,
		     uint16_t port);
	void (*unlease)(struct listener *listener, const struct addr *client,
			uint16_t port);
	/* May be called after a failed open(). */
	void (*close)(struct listener *listener);
};

extern const struct listen_way listen_sk_lookup;
extern const struct listen_way listen_tproxy;
extern const struct listen_way listen_sockets;

/* One socket a worker in a SO_REUSEPORT group; n 0 = closed. */
struct listen_group {
	unsigned n;
	int fd[CONF_THREADS_MAX];
	struct endpoint at;
};

/*
 * Invariants: <admitted> is what the kernel takes connections for; no port
 * of it is in <exclude>. <silent> is what the way was told last.
 * Threads that lease read <config>, <exclude> and <way>, which stay, and
 * <spared>, whose words the control thread changes one by one.
 */
struct listener {
	struct listen_config config; /* vip, exclude point into here */
	struct addr vip[CONF_VIPS_MAX];
	struct portset exclude;
	struct portset admitted;
	struct portset watched;
	struct portset spared; /* others listen there; was logged */
	struct portset silent; /* excluded or spared */
	const struct listen_way *way;
	void *state; /* the way's own */
	struct instance *instance;
	bool is_testing; /* the workers hear of nothing yet */
};

enum listen_flags { LISTEN_TRANSPARENT = 1 };

/*
 * Open <n> listening sockets at <at> (port 0: the kernel chooses one, which
 * group->at then names). The address need not be here. -errno, nothing open.
 */
MUST_CHECK int listen_group_open(const struct endpoint *at, unsigned n,
				 unsigned flags, struct listen_group *group);
void listen_group_close(struct listen_group *group);

/*
 * The address that the sockets of sk_lookup and tproxy are bound to: one
 * that nobody can dial, so that the port they stand on is not open as well.
 */
struct endpoint listen_nowhere(uint8_t family);

/* Hand a socket to its worker, take it back; nothing while testing. */
MUST_CHECK int listen_attach(struct listener *listener, unsigned worker, int fd,
			     uint16_t port);
void listen_detach(struct listener *listener, unsigned worker, int fd);

/* The address of <family> whose leading bits that make a client are 1. */
struct addr listen_lease_mask(const struct listener *listener, uint8_t family);

/* Connect to every VIP that is here and see the connection come out of our
 * own socket, within a second. <why> is written on failure; ERR_REFUSED,
 * ERR_BUSY, -errno. No port is admitted afterwards. */
MUST_CHECK int listen_selftest(struct listener *listener,
			       char why[LISTEN_WHY_MAX]);

#endif
