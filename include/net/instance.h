/*
 * instance.h - one balancer for each VIP of a network namespace, and for
 * each state file.
 *
 * Layer: net.
 * A VIP is held by an abstract Unix socket named after it: such names
 * belong to the network namespace and go with the process, however it ends.
 * A state file is held by a lock on FILE.lock, in which the holder writes its
 * pid; the file itself stays behind and means nothing.
 */
#ifndef NET_INSTANCE_H
#define NET_INSTANCE_H

#include "base/addr.h"
#include "base/err.h"
#include "base/log.h"

struct instance;

/*
 * Hold all of <vip> and <state_file> (NULL: none), or nothing.
 * ERR_BUSY: another process holds one; it is logged as "instance-refused"
 * with what it holds and its pid. ERR_MEMORY, -errno.
 */
MUST_CHECK int instance_hold(struct log *log, unsigned nvips,
			     const struct addr *vip, const char *state_file,
			     struct instance **out);
void instance_release(struct instance *instance); /* NULL is allowed */

#endif
