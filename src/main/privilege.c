/*
 * privilege.c - descriptor limits, and becoming another user.
 *
 * Layer: main.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "main/privilege.h"

unsigned privilege_raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	limit.rlim_cur = limit.rlim_max;
	(void)!setrlimit(RLIMIT_NOFILE, &limit);
	(void)!getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur > 1 << 30 ? 1u << 30 : (unsigned)limit.rlim_cur;
}

static int keep_capabilities(void)
{
	static const cap_value_t kept[] = { CAP_NET_ADMIN,
					    CAP_NET_BIND_SERVICE };
	cap_t caps = cap_init();
	int err = 0;

	if (!caps)
		return ERR_MEMORY;
	if (cap_set_flag(caps, CAP_PERMITTED, 2, kept, CAP_SET) ||
	    cap_set_flag(caps, CAP_EFFECTIVE, 2, kept, CAP_SET) ||
	    cap_set_proc(caps))
		err = -errno;
	cap_free(caps);
	return err;
}

int privilege_become(const char *user)
{
	struct passwd *entry;

	errno = 0;
	entry = getpwnam(user);
	if (!entry)
		return errno ? -errno : ERR_NOT_FOUND;
	if (geteuid() == entry->pw_uid)
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) ||
	    initgroups(user, entry->pw_gid) || setgid(entry->pw_gid) ||
	    setuid(entry->pw_uid))
		return -errno;
	return keep_capabilities();
}
