/*
 * daemon.h - one balancer, from its configuration to its end.
 *
 * Layer: main.
 */
#ifndef MAIN_DAEMON_H
#define MAIN_DAEMON_H

#include "core/conf.h"

/*
 * Serve until told to stop; <path> is read again on SIGHUP. Takes <conf>.
 * 0 after an ordered end; else what kept it from starting, which was said
 * on standard error.
 */
MUST_CHECK int daemon_run(const char *path, struct conf *conf);

#endif
