/*
 * probe.h - ask every server's endpoint mapper what it serves, and where.
 *
 * Layer: svc. Runs on the control thread's loop.
 * Source: C706 appendix O (ept_lookup, ept_map).
 *
 * A round asks one server: bind, ept_lookup to its end, and ept_map for
 * each interface that the configuration names and the listing did not show.
 * The answer replaces what the table of announced ports held for that
 * server; a round that fails leaves the table as it was (a server that is
 * away for a moment does not lose its ports). A failed round speaks against
 * the server, an answer for it; one that failed for want of descriptors,
 * memory or local ports here says nothing of it.
 * A server whose round failed stays set aside until one succeeds.
 */
#ifndef SVC_PROBE_H
#define SVC_PROBE_H

#include "base/log.h"
#include "core/announced.h"
#include "core/array.h"
#include "core/conf.h"
#include "net/loop.h"

struct prober;

struct prober_config {
	struct loop *loop; /* all borrowed */
	struct log *log;
	struct array *array;
	struct announced *announced;
	struct conf *conf; /* held for as long as it is used */
	/* What a server announces has changed. */
	void (*changed)(void *ctx);
	/* Every server in use has answered or failed once, or took longer
	 * than an interval and a timeout. Called once. */
	void (*first_round)(void *ctx);
	void *ctx;
};

/* NULL: no memory. Begins to ask when the loop runs. */
struct prober *prober_new(const struct prober_config *config);
void prober_free(struct prober *prober);
/* After array_apply(): new servers are asked at once, the table forgets
 * those that left. */
void prober_reconfigure(struct prober *prober, struct conf *conf);
/* After array_sweep(): servers that are gone are asked no more, and the
 * table forgets what they announced. */
void prober_follow(struct prober *prober);
/* Ask this server again soon: at once if its last round ended a second ago,
 * else then; if a round is under way, once more after it. */
void prober_ask(struct prober *prober, unsigned slot);

#endif
