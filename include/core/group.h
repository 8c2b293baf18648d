/*
 * group.h - association groups: which server gave which id to which client.
 *
 * Layer: core (pure; time comes in). Thread-safe: sharded, one short lock a
 * shard, taken when a bind or a bind_ack is read and when a connection
 * closes. Under a shard's lock nothing else is locked, so there is no order
 * to keep.
 * Source: C706 12.6.3.1, 12.6.4.3; [MS-RPCE] 3.3.1.5.7.
 * Units: milliseconds of the monotonic clock.
 *
 * A server gives each association an id in its bind_ack, and a client that
 * names the id in a bind joins that association: it must reach the server
 * that issued it. Ids are the server's own, a space for each of its ports:
 * two servers, or two ports, may give one client the same. So what is kept
 * is (client's key, id, slot, the server's own port), for as long as a
 * connection holds it and GROUP_LINGER_MS more: the server forgets an
 * association with its last connection, a client a little later.
 *
 * The group of a server that is gone keeps its time, but its issuer is
 * nobody, so that the slot may be given to another server: a bind that
 * names it is refused rather than sent to who cannot know it.
 *
 * <entries> bounds all of them together. Every shard has an equal part; a
 * small table has fewer shards, so that a part is never below 1,024 (or is
 * the whole table). When a part is full, the group that has been without
 * connections longest makes room; one with connections never does.
 */
#ifndef CORE_GROUP_H
#define CORE_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/hash.h"

#define GROUP_LINGER_MS 60000

struct groups;
struct group;

/* NULL: no memory, or <entries> is 0. */
struct groups *groups_new(size_t entries,
			  const uint8_t seed[static HASH_KEY_LEN]);
/* Nothing is held any more; NULL is allowed. */
void groups_free(struct groups *groups);

/*
 * A bind_ack of the server in <slot> on its <port> (not 0) gave <id> to
 * <client>: the caller's connection holds the group until group_release().
 * NULL: the part is full of groups with connections; nothing is learned.
 */
MUST_CHECK struct group *group_learn(struct groups *groups,
				     const struct addr *client, uint32_t id,
				     uint8_t slot, uint16_t port);
/* <group> NULL is allowed. */
void group_release(struct groups *groups, struct group *group, uint64_t now_ms);

/*
 * Is it known who gave <id> to <client>? <out>, written only if so: a mask of
 * the slots of those that did. It is 0 if all of them are gone: no server
 * can let the client join. <port> not 0: if any gave it on that port, of
 * them alone.
 */
MUST_CHECK bool group_issuers(struct groups *groups, const struct addr *client,
			      uint32_t id, uint16_t port, uint64_t now_ms,
			      uint64_t *out);

/* The servers in these slots are gone, their groups' issuer is nobody. To be
 * called before the slots are given to others. */
void groups_forget(struct groups *groups, uint64_t slots);
/* Drop groups without connections whose time is over, at most <most> a call.
 * Returns how many. One whose time is over is unknown, dropped or not. */
unsigned groups_expire(struct groups *groups, uint64_t now_ms, unsigned most);
/* Groups now, those without connections too. */
unsigned groups_count(struct groups *groups);

#endif
