/*
 * listen.c - take the connections to a changing set of ports: the parts
 * that the three ways have in common.
 *
 * Layer: net.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "listen_priv.h"

static const struct listen_way *const ways[] = {
	&listen_sk_lookup,
	&listen_tproxy,
	&listen_sockets,
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

int listen_attach(struct listener *listener, unsigned worker, int fd,
		  uint16_t port)
{
	const struct listen_config *config = &listener->config;

	if (listener->is_testing)
		return 0;
	return config->attach(config->ctx, worker, fd, port);
}

void listen_detach(struct listener *listener, unsigned worker, int fd)
{
	const struct listen_config *config = &listener->config;

	if (!listener->is_testing)
		config->detach(config->ctx, worker, fd);
}

/* The sockets that serve all ports: one group for each family. */
struct shared_socket {
	unsigned worker;
	int fd;
};

static unsigned list_shared(const struct listener *listener,
			    struct shared_socket out[2 * CONF_THREADS_MAX])
{
	bool has_family[2] = { false, false };
	unsigned vip, i, n, count = 0;
	const int *fd;

	if (listener->way->cost)
		return 0;
	for (vip = 0; vip < listener->config.nvips; vip++) {
		bool *has = &has_family[listener->vip[vip].family == AF_INET6];

		if (*has)
			continue;
		*has = true;
		n = listener->way->sockets(listener, vip, 0, &fd);
		for (i = 0; i < n; i++)
			out[count++] = (struct shared_socket){ i, fd[i] };
	}
	return count;
}

static void detach_shared(struct listener *listener,
			  const struct shared_socket *socket, unsigned n)
{
	while (n--)
		listen_detach(listener, socket[n].worker, socket[n].fd);
}

static int attach_shared(struct listener *listener)
{
	struct shared_socket socket[2 * CONF_THREADS_MAX];
	unsigned i, n = list_shared(listener, socket);
	int err;

	for (i = 0; i < n; i++) {
		err = listen_attach(listener, socket[i].worker, socket[i].fd,
				    0);
		if (err) {
			detach_shared(listener, socket, i);
			return err;
		}
	}
	return 0;
}

static void log_refused_way(struct listener *listener,
			    const struct listen_way *way, const char *why)
{
	bool is_auto = listener->config.way == CONF_INTERCEPT_AUTO;

	LOG(listener->config.log, is_auto ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERROR,
	    "listen-way-refused", log_text("way", way->name),
	    log_text("reason", why));
}

/* An address that means all others cannot be looked for in a packet. */
static bool has_wildcard(const struct listener *listener)
{
	unsigned i;

	for (i = 0; i < listener->config.nvips; i++)
		if (addr_is_wildcard(&listener->vip[i]))
			return true;
	return false;
}

static int open_way(struct listener *listener, const struct listen_way *way,
		    char why[LISTEN_WHY_MAX])
{
	if (!way->cost && has_wildcard(listener)) {
		snprintf(why, LISTEN_WHY_MAX, "a VIP is the wildcard address");
		return ERR_UNSUPPORTED;
	}
	return way->open(listener, why);
}

/* Nothing to tell the kernel? */
static bool is_same(const struct portset *a, const struct portset *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static int tell_silent(struct listener *listener)
{
	struct portset silent = listener->exclude;
	int err = 0;
	unsigned i;

	if (!listener->way->set_silent)
		return 0;
	for (i = 0; i < PORTSET_WORDS; i++)
		silent.word[i] |= listener->spared.word[i];
	if (!is_same(&silent, &listener->silent))
		err = listener->way->set_silent(listener, &silent);
	if (!err)
		listener->silent = silent;
	return err;
}

/* Workers get their sockets last: nothing comes out of them too early. */
static int start_way(struct listener *listener, char why[LISTEN_WHY_MAX])
{
	const char *step = "telling the excluded ports";
	int err = tell_silent(listener);

	if (!err) {
		step = "a worker";
		err = attach_shared(listener);
	}
	if (err)
		snprintf(why, LISTEN_WHY_MAX, "%s: %s", step, err_text(err));
	return err;
}

static int try_way(struct listener *listener, const struct listen_way *way)
{
	char why[LISTEN_WHY_MAX] = "";
	int err;

	listener->way = way;
	listener->is_testing = true;
	err = open_way(listener, way, why);
	if (!err)
		err = listen_selftest(listener, why);
	listener->is_testing = false;
	if (!err)
		err = start_way(listener, why);
	if (!err)
		return 0;
	listener->is_testing = true; /* nothing is attached to be detached */
	way->close(listener);
	portset_clear(&listener->admitted); /* a self-test may leave one */
	portset_clear(&listener->silent);
	log_refused_way(listener, way, why);
	return err;
}

static int choose_way(struct listener *listener)
{
	enum conf_intercept wanted = listener->config.way;
	int err = ERR_UNSUPPORTED;
	size_t i;

	for (i = 0; i < WAYS && err; i++)
		if (wanted == CONF_INTERCEPT_AUTO || wanted == ways[i]->kind)
			err = try_way(listener, ways[i]);
	return err;
}

/* The caller's arrays are not held on to. */
static void copy_config(struct listener *listener,
			const struct listen_config *config)
{
	unsigned i;

	listener->config = *config;
	for (i = 0; i < config->nvips; i++)
		listener->vip[i] = config->vip[i];
	listener->config.vip = listener->vip;
	if (config->exclude)
		listener->exclude = *config->exclude;
	listener->config.exclude = &listener->exclude;
}

/* What no arithmetic below is made for. */
static bool is_out_of_bounds(const struct listen_config *config)
{
	return !config->nvips || config->nvips > CONF_VIPS_MAX ||
	       !config->nworkers || config->nworkers > CONF_THREADS_MAX ||
	       (config->most_leases &&
		(!config->lease_bits4 || config->lease_bits4 > 32 ||
		 !config->lease_bits6 || config->lease_bits6 > 128));
}

int listener_open(const struct listen_config *config, struct listener **out)
{
	struct listener *listener;
	int err;

	if (is_out_of_bounds(config))
		return -EINVAL;
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return ERR_MEMORY;
	copy_config(listener, config);
	err = instance_hold(config->log, config->nvips, config->vip, NULL,
			    &listener->instance);
	if (!err)
		err = choose_way(listener);
	if (err) {
		instance_release(listener->instance);
		free(listener);
		return err;
	}
	LOG(config->log, LOG_LEVEL_NOTICE, "listen",
	    log_text("way", listener->way->name),
	    log_number("workers", config->nworkers));
	*out = listener;
	return 0;
}

struct search {
	struct listener *listener;
	const struct portset *wanted;
	struct portset taken;
};

static void tell_spared(struct listener *listener, uint16_t port,
			const struct endpoint *owner)
{
	if (portset_has(&listener->spared, port))
		return;
	__atomic_fetch_or(&listener->spared.word[port / 64],
			  UINT64_C(1) << (port % 64), __ATOMIC_RELAXED);
	LOG(listener->config.log, LOG_LEVEL_WARNING, "port-spared",
	    log_number("port", port),
	    owner ? log_endpoint("listener", owner)
		  : log_text("listener", NULL));
}

static void note_listener(void *ctx, const struct diag_listener *found)
{
	struct search *search = ctx;
	struct listener *listener = search->listener;
	uint16_t port = found->at.port;
	unsigned i;

	if (!portset_has(search->wanted, port) ||
	    portset_has(&search->taken, port))
		return;
	for (i = 0; i < listener->config.nvips; i++)
		if (diag_serves(found, &listener->vip[i]))
			break;
	if (i == listener->config.nvips)
		return;
	portset_add(&search->taken, port);
	tell_spared(listener, port, &found->at);
}

/*
 * What of <asked> others have; with <port> 0 all of it in one question. Of
 * our own sockets none can be meant: those of a group stand on an address
 * that is nobody's, and where we have a socket on the port itself nobody
 * else gets one, so that it is not asked about.
 */
static int find_taken(struct listener *listener, struct portset *asked,
		      uint16_t port, struct portset *taken)
{
	struct search search = { .listener = listener, .wanted = asked };
	int err = 0;

	if (listener->way->cost)
		portset_subtract(asked, asked, &listener->admitted);
	if (portset_next(asked, 0) >= 0)
		err = diag_listeners(port, note_listener, &search);
	if (!err)
		*taken = search.taken;
	return err;
}

/* Who was spared and is no longer will be told again. */
static void forget_spared(struct listener *listener,
			  const struct portset *asked,
			  const struct portset *taken)
{
	unsigned i;

	for (i = 0; i < PORTSET_WORDS; i++)
		__atomic_fetch_and(&listener->spared.word[i],
				   ~asked->word[i] | taken->word[i],
				   __ATOMIC_RELAXED);
}

/* What others took between our question and our bind(). */
static void tell_taken(struct listener *listener, const struct portset *taken)
{
	int port;

	for (port = portset_next(taken, 0); port >= 0;
	     port = portset_next(taken, (unsigned)port + 1))
		tell_spared(listener, (uint16_t)port, NULL);
}

/*
 * Make the admitted ports equal to <target> but for those of <asked> that
 * others have, which are written to <taken>.
 */
static int apply_asked(struct listener *listener, const struct portset *target,
		       struct portset *asked, uint16_t port,
		       struct portset *taken)
{
	struct portset free_ports;
	int err = find_taken(listener, asked, port, taken), silent_err;

	if (err)
		return err;
	portset_subtract(&free_ports, target, taken);
	if (!is_same(&free_ports, &listener->admitted))
		err = listener->way->apply(listener, &free_ports, taken);
	tell_taken(listener, taken);
	forget_spared(listener, asked, taken);
	silent_err = tell_silent(listener);
	return err ? err : silent_err;
}

int listener_admit(struct listener *listener, uint16_t port)
{
	struct portset target = listener->admitted;
	struct portset asked = { 0 }, taken;
	int err;

	if (!port || portset_has(&listener->exclude, port))
		return ERR_REFUSED;
	portset_add(&target, port);
	portset_add(&asked, port);
	err = apply_asked(listener, &target, &asked, port, &taken);
	if (!err && portset_has(&taken, port))
		err = ERR_BUSY;
	return err;
}

int listener_withdraw(struct listener *listener, uint16_t port)
{
	struct portset target = listener->admitted;
	struct portset taken = { 0 };

	if (!portset_has(&target, port))
		return 0;
	portset_remove(&target, port);
	return listener->way->apply(listener, &target, &taken);
}

int listener_apply(struct listener *listener, const struct portset *wanted,
		   unsigned *spared)
{
	struct portset target, asked, taken, missed;
	unsigned i;
	int err;

	portset_subtract(&target, wanted, &listener->exclude);
	portset_remove(&target, 0);
	portset_subtract(&asked, &listener->watched, &listener->exclude);
	for (i = 0; i < PORTSET_WORDS; i++)
		asked.word[i] |= target.word[i];
	err = apply_asked(listener, &target, &asked, 0, &taken);
	if (err)
		return err;
	portset_subtract(&missed, &target, &listener->admitted);
	*spared = portset_count(&missed);
	return 0;
}

const struct portset *listener_admitted(const struct listener *listener)
{
	return &listener->admitted;
}

const struct portset *listener_spared(const struct listener *listener)
{
	return &listener->spared;
}

const char *listener_way(const struct listener *listener)
{
	return listener->way->name;
}

unsigned listener_cost(const struct listener *listener)
{
	return listener->way->cost ? listener->way->cost(listener) : 0;
}

uint64_t listener_refused(const struct listener *listener)
{
	return listener->way->refused ? listener->way->refused(listener) : 0;
}

void listener_close(struct listener *listener)
{
	struct shared_socket socket[2 * CONF_THREADS_MAX];

	if (!listener)
		return;
	detach_shared(listener, socket, list_shared(listener, socket));
	listener->way->close(listener);
	instance_release(listener->instance);
	free(listener);
}
