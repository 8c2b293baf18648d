/*
 * listen_sk_lookup.c - one socket a worker for every admitted port, by a
 * BPF program at the kernel's socket lookup.
 *
 * Layer: net. Source: Linux, Documentation/bpf/prog_sk_lookup.rst.
 *
 * The program is attached through a link that goes with its last
 * descriptor, so that a crash leaves nothing behind. Admitting a port is a
 * store to memory shared with the program: no call, no privilege. A lease
 * is a call, which asks no privilege where the map is open already (Linux
 * 5.19; before that CAP_BPF).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "listen_priv.h"
#include "sk_lookup.h"

/* The program itself, as clang wrote it. */
__asm__(".pushsection .rodata\n"
	".balign 8\n"
	"sk_lookup_object:\n"
	".incbin \"" SK_LOOKUP_OBJECT "\"\n"
	"sk_lookup_object_end:\n"
	".popsection\n");
extern const char sk_lookup_object[] __attribute__((visibility("hidden")));
extern const char sk_lookup_object_end[] __attribute__((visibility("hidden")));

#define PORTS_LEN (2 * SK_LOOKUP_WORDS * sizeof(uint64_t))

_Static_assert(SK_LOOKUP_WORDS == PORTSET_WORDS, "one layout");
_Static_assert(SK_LOOKUP_VIPS == CONF_VIPS_MAX, "room for every VIP");

struct sk_lookup {
	struct bpf_object *object;
	struct bpf_link *link;
	uint64_t *ports;	      /* mapped: admitted, then silent */
	struct listen_group group[2]; /* SK_LOOKUP_V4, SK_LOOKUP_V6 */
	int refused_fd;
	int leases_fd;
	unsigned ncpus;
};

static unsigned index_of(uint8_t family)
{
	return family == AF_INET ? SK_LOOKUP_V4 : SK_LOOKUP_V6;
}

/* libbpf knows one printer for all threads, without a context. */
static _Thread_local struct log *libbpf_log;

__attribute__((format(printf, 2, 0))) static int print_libbpf(
	enum libbpf_print_level level, const char *format, va_list args)
{
	char text[LOG_LINE_MAX];
	int len = 0;

	if (level == LIBBPF_WARN && libbpf_log) {
		len = vsnprintf(text, sizeof(text), format, args);
		LOG(libbpf_log, LOG_LEVEL_DEBUG, "libbpf",
		    log_text("text", text));
	}
	return len;
}

static struct bpf_map *find_map(const struct sk_lookup *state, const char *name)
{
	return bpf_object__find_map_by_name(state->object, name);
}

static int map_fd(const struct sk_lookup *state, const char *name)
{
	return bpf_object__find_map_fd_by_name(state->object, name);
}

static struct sk_lookup_leasing leasing_of(const struct listener *listener)
{
	struct addr mask4 = listen_lease_mask(listener, AF_INET);
	struct addr mask6 = listen_lease_mask(listener, AF_INET6);
	struct sk_lookup_leasing leasing = { .is_on = 1 };

	memcpy(&leasing.mask4, mask4.octet, sizeof(leasing.mask4));
	memcpy(leasing.mask6, mask6.octet, sizeof(leasing.mask6));
	return leasing;
}

/* Before the program is loaded. */
static int set_leasing(const struct listener *listener)
{
	struct sk_lookup *state = listener->state;
	struct bpf_map *leases = find_map(state, "leases");
	struct sk_lookup_leasing leasing;
	int err;

	if (!listener->config.most_leases)
		return bpf_map__set_autocreate(leases, false);
	leasing = leasing_of(listener);
	err = bpf_map__set_max_entries(leases, listener->config.most_leases);
	if (!err)
		err = bpf_map__set_initial_value(find_map(state, ".rodata"),
						 &leasing, sizeof(leasing));
	return err;
}

static int load_program(const struct listener *listener)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "mapilb");
	struct sk_lookup *state = listener->state;
	int err;

	state->object = bpf_object__open_mem(
		sk_lookup_object,
		(size_t)(sk_lookup_object_end - sk_lookup_object), &opts);
	if (!state->object)
		return -errno;
	err = set_leasing(listener);
	if (!err)
		err = bpf_object__load(state->object);
	return err;
}

static int map_ports(struct sk_lookup *state)
{
	void *at = mmap(NULL, PORTS_LEN, PROT_READ | PROT_WRITE, MAP_SHARED,
			map_fd(state, "ports"), 0);

	if (at == MAP_FAILED)
		return -errno;
	state->ports = at;
	return 0;
}

static int add_vip(struct sk_lookup *state, const struct addr *vip)
{
	struct sk_lookup_vip key = { .family = vip->family };
	uint8_t one = 1;

	memcpy(key.word, vip->octet, addr_len(vip));
	return bpf_map_update_elem(map_fd(state, "vips"), &key, &one, BPF_ANY);
}

/* The first of the group stands in the map; the kernel goes on from it to
 * the others. If that one alone were closed, all would be refused: the
 * group is closed as a whole, in close(). */
static int open_group(struct listener *listener, uint8_t family)
{
	struct endpoint nowhere = listen_nowhere(family);
	struct sk_lookup *state = listener->state;
	uint32_t at = index_of(family);
	struct listen_group *group = &state->group[at];
	uint64_t first;
	int err;

	if (group->n)
		return 0;
	err = listen_group_open(&nowhere, listener->config.nworkers, 0, group);
	if (err)
		return err;
	first = (uint64_t)group->fd[0];
	return bpf_map_update_elem(map_fd(state, "sockets"), &at, &first,
				   BPF_ANY);
}

static int fill_maps(struct listener *listener)
{
	const struct listen_config *config = &listener->config;
	struct sk_lookup *state = listener->state;
	unsigned i;
	int err = 0;

	for (i = 0; i < config->nvips && !err; i++) {
		err = add_vip(state, &config->vip[i]);
		if (!err)
			err = open_group(listener, config->vip[i].family);
	}
	return err;
}

static int attach_program(struct sk_lookup *state)
{
	struct bpf_program *program =
		bpf_object__find_program_by_name(state->object, "steer");
	int netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (netns < 0)
		return -errno;
	state->link = bpf_program__attach_netns(program, netns);
	if (!state->link)
		err = -errno;
	close(netns);
	return err;
}

/* Each step, and how a failure of it is told. */
static int open_steps(struct listener *listener, const char **step)
{
	struct sk_lookup *state = listener->state;
	int cpus = libbpf_num_possible_cpus(), err;

	*step = "counting processors";
	if (cpus < 0)
		return cpus;
	state->ncpus = (unsigned)cpus;
	*step = "loading the BPF program";
	err = load_program(listener);
	if (err)
		return err;
	state->refused_fd = map_fd(state, "refused");
	state->leases_fd = map_fd(state, "leases");
	*step = "mapping the ports";
	err = map_ports(state);
	if (err)
		return err;
	*step = "opening the sockets";
	err = fill_maps(listener);
	if (err)
		return err;
	*step = "attaching the BPF program";
	return attach_program(state);
}

static int sk_lookup_open(struct listener *listener, char why[LISTEN_WHY_MAX])
{
	const char *step = "starting";
	int err = ERR_MEMORY;

	listener->state = calloc(1, sizeof(struct sk_lookup));
	libbpf_log = listener->config.log;
	libbpf_set_print(print_libbpf);
	if (listener->state)
		err = open_steps(listener, &step);
	libbpf_log = NULL;
	if (err)
		snprintf(why, LISTEN_WHY_MAX, "%s: %s", step, err_text(err));
	return err;
}

static void store_words(uint64_t *at, const struct portset *set)
{
	unsigned i;

	for (i = 0; i < PORTSET_WORDS; i++)
		__atomic_store_n(&at[i], set->word[i], __ATOMIC_RELEASE);
}

static int sk_lookup_apply(struct listener *listener,
			   const struct portset *target, struct portset *taken)
{
	struct sk_lookup *state = listener->state;

	(void)taken;
	store_words(state->ports, target);
	listener->admitted = *target;
	return 0;
}

static unsigned sk_lookup_sockets(const struct listener *listener, unsigned vip,
				  uint16_t port, const int **fd)
{
	const struct sk_lookup *state = listener->state;
	const struct listen_group *group =
		&state->group[index_of(listener->vip[vip].family)];

	(void)port;
	*fd = group->fd;
	return group->n;
}

static uint64_t sk_lookup_refused(const struct listener *listener)
{
	const struct sk_lookup *state = listener->state;
	uint64_t count[state->ncpus], sum = 0;
	uint32_t zero = 0;
	unsigned i;

	if (bpf_map_lookup_elem(state->refused_fd, &zero, count))
		return 0;
	for (i = 0; i < state->ncpus; i++)
		sum += count[i];
	return sum;
}

static int sk_lookup_set_silent(struct listener *listener,
				const struct portset *silent)
{
	struct sk_lookup *state = listener->state;

	store_words(state->ports + PORTSET_WORDS, silent);
	return 0;
}

static struct sk_lookup_lease lease_of(const struct addr *client, uint16_t port)
{
	struct sk_lookup_lease lease = { .family = client->family,
					 .port = port };

	memcpy(lease.word, client->octet, addr_len(client));
	return lease;
}

static int sk_lookup_lease(struct listener *listener, const struct addr *client,
			   uint16_t port)
{
	const struct sk_lookup *state = listener->state;
	struct sk_lookup_lease lease = lease_of(client, port);
	uint8_t one = 1;
	int err;

	err = bpf_map_update_elem(state->leases_fd, &lease, &one, BPF_ANY);
	return err == -E2BIG ? ERR_SPACE : err;
}

static void sk_lookup_unlease(struct listener *listener,
			      const struct addr *client, uint16_t port)
{
	const struct sk_lookup *state = listener->state;
	struct sk_lookup_lease lease = lease_of(client, port);

	(void)!bpf_map_delete_elem(state->leases_fd, &lease);
}

static void sk_lookup_close(struct listener *listener)
{
	struct sk_lookup *state = listener->state;

	if (!state)
		return;
	if (state->link)
		(void)!bpf_link__destroy(state->link);
	listen_group_close(&state->group[SK_LOOKUP_V4]);
	listen_group_close(&state->group[SK_LOOKUP_V6]);
	if (state->ports)
		munmap(state->ports, PORTS_LEN);
	bpf_object__close(state->object);
	free(state);
	listener->state = NULL;
}

const struct listen_way listen_sk_lookup = {
	.name = "sk_lookup",
	.kind = CONF_INTERCEPT_SK_LOOKUP,
	.open = sk_lookup_open,
	.apply = sk_lookup_apply,
	.sockets = sk_lookup_sockets,
	.refused = sk_lookup_refused,
	.set_silent = sk_lookup_set_silent,
	.lease = sk_lookup_lease,
	.unlease = sk_lookup_unlease,
	.close = sk_lookup_close,
};
