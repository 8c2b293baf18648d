/*
 * policy.h - a route of our own for marked packets: they end here.
 *
 * Layer: net. Source: Documentation/networking/tproxy.rst; rtnetlink(7).
 *
 * What tproxy handed over is delivered by it even where the VIP is no
 * address of this host but routed to it. A rule "fwmark N lookup N" and a
 * table N with one route.
 */
#ifndef NET_POLICY_H
#define NET_POLICY_H

#include <stdint.h>

#include "base/err.h"

/* Put them in, in place of what a crashed run left. -errno. */
MUST_CHECK int policy_install(uint8_t family, uint32_t number);
/* Take out what is there of them. */
void policy_remove(uint8_t family, uint32_t number);

#endif
