/*
 * host.h - what the rules must know of the machine that we run on.
 *
 * Layer: main.
 */
#ifndef MAIN_HOST_H
#define MAIN_HOST_H

#include "core/check.h"
#include "core/conf.h"

/* Look at limits, addresses, users and files that <conf> names. Whatever
 * cannot be found out counts as in order. */
void host_look(const struct conf *conf, struct check_host *host);
/* Ports that the system gives to connections from one address. */
unsigned host_ephemeral_ports(void);

#endif
