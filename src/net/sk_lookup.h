/*
 * sk_lookup.h - what the kernel's program and its loader both know.
 *
 * Layer: net. Included by the program for the kernel: plain types only.
 */
#ifndef NET_SK_LOOKUP_H
#define NET_SK_LOOKUP_H

#include <linux/types.h>

/* Key of the map "vips"; address in network order, unused words 0. */
struct sk_lookup_vip {
	__u32 family;
	__u32 word[4];
};

#define SK_LOOKUP_VIPS 8

/* The map "ports", an array of 64-bit words in the layout of portset.h:
 * first the admitted ports, then those that are not counted as refused. */
#define SK_LOOKUP_WORDS 1024

/* Key of the map "leases"; address in network order and masked, unused
 * words 0; port in host order. */
struct sk_lookup_lease {
	__u16 family;
	__u16 port;
	__u32 word[4];
};

/* What leases the program heeds; masks in network order. */
struct sk_lookup_leasing {
	__u32 is_on;
	__u32 mask4;
	__u32 mask6[4];
};

/* Keys of the map "sockets". */
#define SK_LOOKUP_V4 0
#define SK_LOOKUP_V6 1

#endif
