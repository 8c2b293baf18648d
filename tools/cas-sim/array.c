/*
 * array.c - the servers and their processes: ports, listening, dying.
 *
 * Layer: tools.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "array.h"
#include "conn.h"

#define BACKLOG	     4096
#define ACCEPTS_MAX  64	 /* then others have their turn */
#define DRAWS_MAX    200 /* of a random port */
#define PORTS_SERVED 2	 /* mailbox and address book */

const char *service_name(enum service service)
{
	static const char *const name[SERVICE_COUNT] = {
		[SERVICE_EPM] = "epm",
		[SERVICE_MAILBOX] = "mailbox",
		[SERVICE_ADDRESS_BOOK] = "address_book",
	};

	return name[service];
}

void count_fault(struct counts *counts, uint32_t status)
{
	unsigned i;

	counts->faults++;
	for (i = 0; i < FAULT_KINDS; i++) {
		if (counts->fault[i].count && counts->fault[i].status != status)
			continue;
		counts->fault[i].status = status;
		counts->fault[i].count++;
		return;
	}
}

/* Without a descriptor for it a connection would wait for ever, and tell
 * the loop so again and again. */
static void drop_one(struct array *array, int listener)
{
	close(array->spare_fd);
	close(accept(listener, NULL, NULL));
	array->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void listener_ready(struct loop_io *io, unsigned events)
{
	struct process *process = list_entry(io, struct process, listener);
	int i, fd;

	(void)events;
	for (i = 0; i < ACCEPTS_MAX; i++) {
		fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			drop_one(process->server->array, io->fd);
		if (fd < 0)
			return;
		conn_open(process, fd);
	}
}

static int listen_at(const struct endpoint *at)
{
	struct sockaddr_storage room;
	socklen_t len = endpoint_to_sockaddr(at, &room);
	int on = 1, err;
	int fd = socket(at->addr.family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&room, len) || listen(fd, BACKLOG)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int listen_on(struct process *process, uint16_t port)
{
	struct endpoint at = { .addr = process->server->addr, .port = port };
	int fd = listen_at(&at);
	int err;

	if (fd < 0)
		return fd;
	process->port = port;
	process->listener =
		(struct loop_io){ .ready = listener_ready, .fd = fd };
	err = loop_watch_level(process->server->array->loop,
			       &process->listener);
	if (err) {
		close(fd);
		return err;
	}
	process->is_listening = true;
	process->is_dead = false;
	return 0;
}

/* The configured port; 0 = dynamic. */
static uint16_t static_port(const struct process *process)
{
	const struct options *options = process->server->array->options;

	if (process->service == SERVICE_EPM)
		return options->epm_port;
	if (process->service == SERVICE_MAILBOX)
		return options->mailbox_port;
	return options->address_book_port;
}

static bool is_port_used(const struct array *array, uint16_t port)
{
	unsigned i, j;

	for (i = 0; i < array->nservers; i++)
		for (j = 0; j < SERVICE_COUNT; j++)
			if (array->server[i].process[j].port == port)
				return true;
	return false;
}

/* Unlike every port that a server has, and not the one it had before. */
static uint16_t draw_port(const struct array *array)
{
	const struct options *options = array->options;
	uint32_t span = (uint32_t)options->high - options->low + 1;
	uint32_t random;
	uint16_t port;
	int i;

	for (i = 0; i < DRAWS_MAX; i++) {
		random_fill(&random, sizeof(random));
		port = (uint16_t)(options->low + random % span);
		if (!is_port_used(array, port))
			return port;
	}
	return 0;
}

static int listen_dynamic(struct process *process)
{
	int i, err = ERR_BUSY;
	uint16_t port;

	for (i = 0; i < DRAWS_MAX && err; i++) {
		port = draw_port(process->server->array);
		if (!port)
			return ERR_BUSY;
		err = listen_on(process, port);
		if (err && err != -EADDRINUSE)
			return err;
	}
	return err;
}

int process_listen(struct process *process, bool is_new)
{
	uint16_t port = static_port(process);

	if (process->is_listening)
		return 0;
	if (!port && !is_new)
		port = process->port;
	return port ? listen_on(process, port) : listen_dynamic(process);
}

void process_refuse(struct process *process)
{
	if (!process->is_listening)
		return;
	loop_unwatch(process->server->array->loop, &process->listener);
	close(process->listener.fd);
	process->is_listening = false;
}

void process_kill(struct process *process)
{
	process_refuse(process);
	process->is_dead = true;
	while (!list_is_empty(&process->conns))
		conn_kill(conn_at(process->conns.next));
}

void server_hang(struct server *server, bool is_hung)
{
	struct list *node;
	int i;

	server->is_hung = is_hung;
	for (i = 0; i < SERVICE_COUNT; i++)
		list_each (node, &server->process[i].conns)
			conn_stall(conn_at(node), is_hung);
}

/*
 * Ports for the plans in which servers share them: the same two, drawn for
 * the first server. Port numbers are noted before anybody listens.
 */
static void share_ports(struct array *array)
{
	bool swaps = array->options->plan == PORTS_SWAPPED;
	uint16_t port[PORTS_SERVED];
	unsigned i;

	port[0] = draw_port(array);
	array->server[0].process[SERVICE_MAILBOX].port = port[0];
	port[1] = draw_port(array);
	for (i = 0; i < array->nservers; i++) {
		struct process *process = array->server[i].process;
		unsigned first = swaps ? i % PORTS_SERVED : 0;

		process[SERVICE_MAILBOX].port = port[first];
		process[SERVICE_ADDRESS_BOOK].port = port[1 - first];
	}
}

static int server_open(struct server *server)
{
	bool is_new = server->array->options->plan == PORTS_DIFFERENT;
	char text[ENDPOINT_TEXT_MAX];
	int i, err;

	for (i = 0; i < SERVICE_COUNT; i++) {
		struct process *process = &server->process[i];
		struct endpoint at = { .addr = server->addr };

		err = process_listen(process, is_new);
		if (!err)
			continue;
		at.port = static_port(process);
		fprintf(stderr, "cas-sim: %s cannot listen on %s: %s\n",
			server->name, endpoint_format(&at, text),
			err_text(err));
		return err;
	}
	return 0;
}

static void server_init(struct server *server, struct array *array,
			const struct server_name *name)
{
	int i;

	server->array = array;
	server->name = name->name;
	server->addr = name->addr;
	for (i = 0; i < SERVICE_COUNT; i++) {
		server->process[i].server = server;
		server->process[i].service = (enum service)i;
		list_init(&server->process[i].conns);
	}
}

int array_open(struct array *array, struct loop *loop,
	       const struct options *options)
{
	unsigned i;
	int err = 0;

	array->loop = loop;
	array->options = options;
	array->nservers = options->nservers;
	array->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	array->server = calloc(array->nservers, sizeof(*array->server));
	if (!array->server)
		return ERR_MEMORY;
	for (i = 0; i < array->nservers; i++)
		server_init(&array->server[i], array, &options->server[i]);
	if (options->plan != PORTS_DIFFERENT)
		share_ports(array);
	for (i = 0; i < array->nservers && !err; i++)
		err = server_open(&array->server[i]);
	return err;
}

void array_close(struct array *array)
{
	unsigned i;
	int j;

	for (i = 0; array->server && i < array->nservers; i++)
		for (j = 0; j < SERVICE_COUNT; j++)
			process_kill(&array->server[i].process[j]);
	free(array->server);
	close(array->spare_fd);
}
