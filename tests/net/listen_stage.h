/*
 * listen_stage.h - what the tests of listening share: a listener in a
 * namespace of its own, its workers played by the test.
 *
 * Layer: tests.
 */
#ifndef TESTS_NET_LISTEN_STAGE_H
#define TESTS_NET_LISTEN_STAGE_H

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "../helper/netns.h"
#include "net/listen.h"
#include "wire/epm.h"

#define WORKERS	    2
#define SOCKETS_MAX 4096

/* One combination; every test walks all that concern it. */
struct setting {
	const char *name;
	const char *vip;
	enum conf_intercept way;
	bool is_remote; /* the client is at the far end of the link */
};

/* clang-format off */
static const struct setting settings[] = {
	{ "sockets", "127.9.0.1", CONF_INTERCEPT_SOCKETS, false },
	{ "sockets", "::1", CONF_INTERCEPT_SOCKETS, false },
	{ "sockets", NETNS_HERE4, CONF_INTERCEPT_SOCKETS, true },
	{ "sockets", NETNS_HERE6, CONF_INTERCEPT_SOCKETS, true },
	{ "sk_lookup", "127.9.0.1", CONF_INTERCEPT_SK_LOOKUP, false },
	{ "sk_lookup", "::1", CONF_INTERCEPT_SK_LOOKUP, false },
	{ "sk_lookup", NETNS_HERE4, CONF_INTERCEPT_SK_LOOKUP, true },
	{ "sk_lookup", NETNS_HERE6, CONF_INTERCEPT_SK_LOOKUP, true },
	{ "tproxy", "127.9.0.1", CONF_INTERCEPT_TPROXY, false },
	{ "tproxy", "::1", CONF_INTERCEPT_TPROXY, false },
	{ "tproxy", NETNS_HERE4, CONF_INTERCEPT_TPROXY, true },
	{ "tproxy", NETNS_HERE6, CONF_INTERCEPT_TPROXY, true },
};
/* clang-format on */

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

/* What a worker was given. */
struct socket_given {
	unsigned worker;
	int fd;
	uint16_t port;
};

struct stage {
	struct log log; /* first: log lines find their stage by it */
	char logged[65536];
	size_t nlogged;
	const struct setting *setting;
	struct netns ns;
	struct addr vip;
	struct portset exclude;
	unsigned most_leases;
	uint8_t lease_bits4;
	uint8_t lease_bits6;
	struct listener *listener;
	unsigned ngiven;
	struct socket_given given[SOCKETS_MAX];
};

static inline void put_line(struct log *log, enum log_level level,
			    struct bytes line)
{
	struct stage *stage = (struct stage *)(void *)log;

	(void)level;
	if (stage->nlogged + line.len + 2 > sizeof(stage->logged))
		return;
	memcpy(stage->logged + stage->nlogged, line.at, line.len);
	stage->nlogged += line.len;
	stage->logged[stage->nlogged++] = '\n';
	stage->logged[stage->nlogged] = '\0';
}

static inline unsigned count_logged(const struct stage *stage, const char *text)
{
	const char *at = stage->logged;
	unsigned n = 0;

	while ((at = strstr(at, text))) {
		at++;
		n++;
	}
	return n;
}

static inline int attach(void *ctx, unsigned worker, int fd, uint16_t port)
{
	struct stage *stage = ctx;

	assert_true(worker < WORKERS);
	assert_true(stage->ngiven < SOCKETS_MAX);
	stage->given[stage->ngiven++] =
		(struct socket_given){ worker, fd, port };
	return 0;
}

static inline void detach(void *ctx, unsigned worker, int fd)
{
	struct stage *stage = ctx;
	unsigned i;

	for (i = 0; i < stage->ngiven; i++)
		if (stage->given[i].fd == fd)
			break;
	assert_true(i < stage->ngiven);
	assert_int_equal(stage->given[i].worker, worker);
	stage->given[i] = stage->given[--stage->ngiven];
}

static inline struct listen_config config_of(struct stage *stage)
{
	return (struct listen_config){
		.nvips = 1,
		.vip = &stage->vip,
		.nworkers = WORKERS,
		.test_port = EPM_PORT,
		.way = stage->setting->way,
		.exclude = &stage->exclude,
		.most_leases = stage->most_leases,
		.lease_bits4 = stage->lease_bits4,
		.lease_bits6 = stage->lease_bits6,
		.log = &stage->log,
		.attach = attach,
		.detach = detach,
		.ctx = stage,
	};
}

static inline int try_open(struct stage *stage)
{
	struct listen_config config = config_of(stage);

	return listener_open(&config, &stage->listener);
}

static inline void must_open(struct stage *stage)
{
	int err = try_open(stage);

	if (err)
		fail_msg("%s on %s: %s\n%s", stage->setting->name,
			 stage->setting->vip, err_text(err), stage->logged);
	assert_string_equal(listener_way(stage->listener),
			    stage->setting->name);
}

static inline struct stage *stage_new(const struct setting *setting,
				      const struct netns *ns)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	assert_non_null(stage);
	stage->log = (struct log){ .level = LOG_LEVEL_DEBUG, .put = put_line };
	stage->setting = setting;
	stage->lease_bits4 = 32;
	stage->lease_bits6 = 128;
	stage->ns = *ns;
	assert_int_equal(addr_parse(setting->vip, &stage->vip), 0);
	return stage;
}

static inline void stage_free(struct stage *stage)
{
	listener_close(stage->listener);
	assert_int_equal(stage->ngiven, 0);
	free(stage);
}

static inline int dial(const struct stage *stage, uint16_t port)
{
	struct endpoint to = { .addr = stage->vip, .port = port };

	return netns_connect(&stage->ns,
			     stage->setting->is_remote ? stage->ns.there
						       : stage->ns.here,
			     &to);
}

/* Take one connection from any worker's socket; its dialled port. */
static inline int take(const struct stage *stage, uint16_t *port,
		       unsigned *worker)
{
	static struct pollfd fds[SOCKETS_MAX];
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct endpoint dialled;
	unsigned i;
	int fd;

	for (i = 0; i < stage->ngiven; i++)
		fds[i] = (struct pollfd){ .fd = stage->given[i].fd,
					  .events = POLLIN };
	assert_true(poll(fds, stage->ngiven, 3000) > 0);
	for (i = 0; !fds[i].revents; i++)
		;
	fd = accept(fds[i].fd, NULL, NULL);
	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(endpoint_from_sockaddr(&sa, &dialled), 0);
	assert_true(addr_equal(&dialled.addr, &stage->vip));
	if (stage->given[i].port)
		assert_int_equal(stage->given[i].port, dialled.port);
	*port = dialled.port;
	if (worker)
		*worker = stage->given[i].worker;
	return fd;
}

static inline void assert_talks(int a, int b)
{
	char octet = 0;

	assert_int_equal(send(a, "x", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(recv(b, &octet, 1, 0), 1);
	assert_int_equal(octet, 'x');
	assert_int_equal(send(b, "y", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(recv(a, &octet, 1, 0), 1);
	assert_int_equal(octet, 'y');
}

static inline void assert_served(const struct stage *stage, uint16_t port)
{
	int client = dial(stage, port), server;
	uint16_t dialled;

	if (client < 0)
		fail_msg("port %u of %s by %s: %s", (unsigned)port,
			 stage->setting->vip, stage->setting->name,
			 strerror(-client));
	server = take(stage, &dialled, NULL);
	assert_int_equal(dialled, port);
	assert_talks(client, server);
	close(client);
	close(server);
}

static inline void with_setting(const struct setting *setting,
				const struct netns *ns,
				void (*body)(struct stage *stage))
{
	struct stage *stage = stage_new(setting, ns);

	body(stage);
	stage_free(stage);
}

static inline void each_setting(void (*body)(struct stage *stage))
{
	struct netns ns;
	size_t i;

	netns_enter(&ns);
	for (i = 0; i < SETTINGS; i++)
		with_setting(&settings[i], &ns, body);
	netns_leave(&ns);
}

/* A child whose failed assertion ends it; true in the child. */
static inline bool fork_child(pid_t *pid)
{
	*pid = fork();
	assert_true(*pid >= 0);
	if (!*pid)
		setenv("CMOCKA_TEST_ABORT", "1", 1);
	return !*pid;
}

static inline void assert_child_passed(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static inline int listen_on(const char *text, uint16_t port, bool is_dual)
{
	struct endpoint at = { .port = port };
	struct sockaddr_storage sa;
	int fd, one = 1, v6only = !is_dual;
	socklen_t len;

	assert_int_equal(addr_parse(text, &at.addr), 0);
	len = endpoint_to_sockaddr(&at, &sa);
	fd = socket(at.addr.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (at.addr.family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY,
					    &v6only, sizeof(v6only)),
				 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

/* Links of BPF programs to this network namespace; one program of them. */
static inline unsigned count_programs(const struct stage *stage,
				      uint32_t *program)
{
	struct bpf_link_info info;
	struct stat st;
	uint32_t id = 0, len;
	unsigned n = 0;
	int fd;

	assert_int_equal(fstat(stage->ns.here, &st), 0);
	while (!bpf_link_get_next_id(id, &id)) {
		fd = bpf_link_get_fd_by_id(id);
		if (fd < 0)
			continue;
		len = sizeof(info);
		memset(&info, 0, sizeof(info));
		if (!bpf_obj_get_info_by_fd(fd, &info, &len) &&
		    info.type == BPF_LINK_TYPE_NETNS &&
		    info.netns.netns_ino == (uint32_t)st.st_ino) {
			*program = info.prog_id;
			n++;
		}
		close(fd);
	}
	return n;
}

static inline unsigned count_links(const struct stage *stage)
{
	uint32_t program;

	return count_programs(stage, &program);
}

static inline void read_kernel(char *out, int size)
{
	netns_read("nft list ruleset; ip rule; ip -6 rule;"
		   "ip route show table all; ip -6 route show table all;"
		   "ss -Hltn",
		   out, size);
}

static inline void keep_capabilities(int n, const cap_value_t *keep)
{
	cap_t caps = cap_init();

	assert_int_equal(cap_set_flag(caps, CAP_PERMITTED, n, keep, CAP_SET),
			 0);
	assert_int_equal(cap_set_flag(caps, CAP_EFFECTIVE, n, keep, CAP_SET),
			 0);
	assert_int_equal(cap_set_proc(caps), 0);
	cap_free(caps);
}

/* As `user = nobody` does it: two capabilities are kept, nothing else. */
static inline void become_nobody(void)
{
	const cap_value_t keep[] = { CAP_NET_ADMIN, CAP_NET_BIND_SERVICE };

	assert_int_equal(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), 0);
	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(setgid(65534), 0);
	assert_int_equal(setuid(65534), 0);
	keep_capabilities(2, keep);
}

/* Without CAP_SYS_ADMIN: the client's socket is made before. */
static inline int dial_with(int fd, const struct addr *vip, uint16_t port)
{
	struct endpoint to = { .addr = *vip, .port = port };
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&to, &sa);

	return connect(fd, (struct sockaddr *)&sa, len) ? -errno : 0;
}

#endif
