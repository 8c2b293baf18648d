/*
 * sk_lookup.bpf.c - steer connections to admitted ports of a VIP, and
 * clients to ports that are leased to them, to one group of sockets.
 *
 * Layer: net; runs in the kernel, at the lookup of a listening socket.
 * Source: Linux, Documentation/bpf/prog_sk_lookup.rst.
 *
 * What is not ours, not admitted and not leased passes untouched: the ordinary lookup
 * answers, with a reset where nobody listens.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "sk_lookup.h"

#define AF_INET	    2
#define IPPROTO_TCP 6

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SK_LOOKUP_VIPS);
	__type(key, struct sk_lookup_vip);
	__type(value, __u8);
} vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * SK_LOOKUP_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} refused SEC(".maps");

/*
 * A plain hash: user space alone ends a lease, for a client with live
 * connections must never lose one, and an LRU hash would drop what it likes.
 * Not preallocated: memory grows with use. The loader sets the size, or
 * leaves the map out.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct sk_lookup_lease);
	__type(value, __u8);
} leases SEC(".maps");

/* Set by the loader and constant from then on: with leases off the kernel's
 * verifier drops all that is about them from the program. */
volatile const struct sk_lookup_leasing leasing;

static __always_inline int is_vip(const struct bpf_sk_lookup *ctx)
{
	struct sk_lookup_vip vip = { .family = ctx->family };

	if (ctx->family == AF_INET) {
		vip.word[0] = ctx->local_ip4;
	} else {
		vip.word[0] = ctx->local_ip6[0];
		vip.word[1] = ctx->local_ip6[1];
		vip.word[2] = ctx->local_ip6[2];
		vip.word[3] = ctx->local_ip6[3];
	}
	return bpf_map_lookup_elem(&vips, &vip) != 0;
}

static __always_inline int has_port(__u32 first_word, __u32 port)
{
	__u32 at = first_word + port / 64;
	const __u64 *word = bpf_map_lookup_elem(&ports, &at);

	return word && (*word >> (port % 64) & 1);
}

static __always_inline void count_refused(void)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&refused, &zero);

	if (count)
		++*count;
}

static __always_inline int is_leased(const struct bpf_sk_lookup *ctx)
{
	struct sk_lookup_lease lease = {
		.family = (__u16)ctx->family,
		.port = (__u16)ctx->local_port,
	};

	if (!leasing.is_on)
		return 0;
	if (ctx->family == AF_INET) {
		lease.word[0] = ctx->remote_ip4 & leasing.mask4;
	} else {
		lease.word[0] = ctx->remote_ip6[0] & leasing.mask6[0];
		lease.word[1] = ctx->remote_ip6[1] & leasing.mask6[1];
		lease.word[2] = ctx->remote_ip6[2] & leasing.mask6[2];
		lease.word[3] = ctx->remote_ip6[3] & leasing.mask6[3];
	}
	return bpf_map_lookup_elem(&leases, &lease) != 0;
}

/* To everybody or to this client; what others serve never. */
static __always_inline int is_open(const struct bpf_sk_lookup *ctx)
{
	if (has_port(0, ctx->local_port))
		return 1;
	if (has_port(SK_LOOKUP_WORDS, ctx->local_port))
		return 0;
	if (is_leased(ctx))
		return 1;
	count_refused();
	return 0;
}

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	__u32 at = ctx->family == AF_INET ? SK_LOOKUP_V4 : SK_LOOKUP_V6;
	struct bpf_sock *sock;

	if (ctx->protocol != IPPROTO_TCP || !is_vip(ctx) || !is_open(ctx))
		return SK_PASS;
	sock = bpf_map_lookup_elem(&sockets, &at);
	if (sock) {
		/* On failure another program's choice stands. */
		bpf_sk_assign(ctx, sock, 0);
		bpf_sk_release(sock);
	}
	return SK_PASS;
}
