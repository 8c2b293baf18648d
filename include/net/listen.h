/*
 * listen.h - take the connections to a changing set of ports: one
 * interface, three ways.
 *
 * Layer: net.
 *	sk_lookup	a BPF program steers admitted ports to one socket a
 *			worker and family; what is not admitted the kernel
 *			answers as if we were not there
 *	tproxy		an nft set and a policy route do the same
 *	sockets		a listening socket for each port
 * Beside the ports that everybody may connect to the first two can keep
 * leases: a port that one client alone may connect to, and whom the kernel
 * turns away it turns away as if nobody listened.
 * The control thread owns a listener and calls everything here but
 * listener_lease() and listener_unlease(), which any thread may call while
 * the listener is open; workers borrow the descriptors that <attach> hands
 * over.
 */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/log.h"
#include "core/conf.h"
#include "core/portset.h"

struct listener;

struct listen_config {
	unsigned nvips;
	const struct addr *vip;
	unsigned nworkers;
	enum conf_intercept way; /* auto: the first that passes the test */
	uint16_t test_port;	 /* what the self-test connects to */
	/* Ports never taken, whoever asks; copied. NULL: none. */
	const struct portset *exclude;
	/*
	 * Room for leases; with tproxy for as many of each family. The
	 * kernel takes some 40 octets for each at once and 60 to 100 more for
	 * one that is held. 0: there are none, and nothing is paid for them.
	 */
	unsigned most_leases;
	/* So many leading bits of an address make the client: 1 to 32, to
	 * 128. Of no meaning without leases. */
	uint8_t lease_bits4;
	uint8_t lease_bits6;
	struct log *log;
	/*
	 * A socket to accept from, for one worker (of a SO_REUSEPORT group,
	 * one a worker). <port>: what it listens on; 0 = read the dialled
	 * port with getsockname(). Non-blocking, close-on-exec. Detach is
	 * called before the listener closes it and returns when the worker
	 * is done with it.
	 */
	int (*attach)(void *ctx, unsigned worker, int fd, uint16_t port);
	void (*detach)(void *ctx, unsigned worker, int fd);
	void *ctx;
};

/*
 * Open with no port admitted. With auto the ways are tried in the order
 * above; every refused way is logged with its reason, and the one taken.
 * A self-test connects to each VIP that is here, on <test_port> (on the
 * first from 1024 if that is excluded), before the workers get a socket: it
 * takes a second at most.
 * Needs CAP_NET_ADMIN, for sk_lookup CAP_BPF too; admitting and closing
 * afterwards CAP_NET_ADMIN (tproxy) or CAP_NET_BIND_SERVICE (sockets).
 * -EINVAL if <config> is beyond its bounds;
 * -errno, ERR_REFUSED if the self-test of the last way failed, ERR_BUSY if
 * another balancer already serves one of the VIPs here (it is logged which)
 * or somebody else listens on <test_port>, ERR_UNSUPPORTED for a wildcard
 * VIP by another way than sockets.
 */
MUST_CHECK int listener_open(const struct listen_config *config,
			     struct listener **out);
/*
 * Take connections to <port> on every VIP. Idempotent. ERR_BUSY: somebody
 * else listens there, the port is spared (asked anew at every call);
 * ERR_REFUSED: excluded; ERR_LIMIT: the descriptor limit is too low for it;
 * -errno. Nothing is half done.
 */
MUST_CHECK int listener_admit(struct listener *listener, uint16_t port);
MUST_CHECK int listener_withdraw(struct listener *listener, uint16_t port);
/*
 * Make the admitted ports equal to <wanted>, in as few steps as the way
 * allows; ports that cannot be had are left out, counted in *spared and
 * logged once each ("port-spared"). A port that somebody else came to listen
 * on later is given up. ERR_LIMIT, -errno: listener_admitted() says what is
 * served now.
 */
MUST_CHECK int listener_apply(struct listener *listener,
			      const struct portset *wanted, unsigned *spared);
const struct portset *listener_admitted(const struct listener *listener);
/* Ports that were asked about, and on which somebody else listens. */
const struct portset *listener_spared(const struct listener *listener);
const char *listener_way(const struct listener *listener);

/* The way lets the kernel decide leases, and there is room for some. Where
 * it does not, whoever wants leases admits the port and looks at the client
 * after accept(). */
bool listener_can_lease(const struct listener *listener);
/*
 * Ports that may come to be leased, copied: from the next listener_apply()
 * on each asks about them too, so that what somebody else listens on is
 * spared and told. It takes one question, however many they are: the whole
 * range may be meant. None at the start.
 */
void listener_watch(struct listener *listener, const struct portset *ports);
/*
 * Take the connections of <client>, and of whoever else its leading bits
 * make the same client, to <port> on every VIP, admitted for others or not.
 * In force when the call returns, idempotent. Any thread's, at the same
 * time as everything but listener_close(); a call into the kernel, with
 * tproxy one that waits for the others and for a listener_apply().
 * ERR_REFUSED: excluded; ERR_BUSY: spared when last asked (nobody is asked
 * here: it would cost more than the lease). A lease does not outweigh
 * either: while somebody else is known to listen there it rests.
 * ERR_UNSUPPORTED: the kernel cannot decide it, see listener_can_lease();
 * ERR_SPACE: no room left, which takes tproxy milliseconds to say; -errno.
 * A client of a family that no VIP is of needs none: 0.
 */
MUST_CHECK int listener_lease(struct listener *listener,
			      const struct addr *client, uint16_t port);
/*
 * Connections that are open live on. Any thread's, idempotent; but to end
 * what is no lease takes tproxy milliseconds, and whoever leases waits.
 */
void listener_unlease(struct listener *listener, const struct addr *client,
		      uint16_t port);

/* Descriptors that admitting one more port takes. */
unsigned listener_cost(const struct listener *listener);
/* Attempts to reach ports of a VIP that were not admitted and not leased to
 * the client, neither excluded nor known to be somebody else's; only sk_lookup
 * can count them, 0 elsewhere. Each packet of an attempt counts. */
uint64_t listener_refused(const struct listener *listener);
/* Everything that was installed in the kernel is taken out again. */
void listener_close(struct listener *listener);

#endif
