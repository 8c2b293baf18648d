/*
 * mapper.h - an endpoint mapper that says what the test wants it to.
 *
 * Each call plays one step of one conversation; what the balancer sent must
 * have come when it is called.
 */
#ifndef SCENARIO_MAPPER_H
#define SCENARIO_MAPPER_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/epm.h"
#include "wire/iface.h"
#include "wire/pdu.h"

#define MAPPER_ROOM (64 * 1024)

struct mapper {
	int listening; /* borrowed */
	int fd;	       /* the conversation; -1: none */
	uint32_t call_id;
	size_t len; /* of what came */
	uint8_t in[PDU_MAX];
	struct pdu pdu;	 /* borrows <in> */
	size_t fragment; /* most octets of stub in a fragment; 0: all in one */
	bool is_big;	 /* answer in big endian */
};

/* What a mapper lists. */
struct listed {
	const struct iface *iface;
	uint16_t port;
	enum tower_protocol protocol; /* TOWER_TCP or TOWER_HTTP */
};

/* The next conversation; false: nobody asks. */
bool mapper_accept(struct mapper *mapper);
void mapper_hang_up(struct mapper *mapper);
/* Has the balancer closed it? */
bool mapper_is_left(struct mapper *mapper);
/* Take the bind, which must be one for the endpoint mapper; accept it. */
void mapper_take_bind(struct mapper *mapper);
void mapper_accept_bind(struct mapper *mapper);
/* Take the request, which must be of that kind. */
struct epm_lookup_request mapper_take_lookup(struct mapper *mapper);
/* Returns the interface that is asked for. */
struct syntax mapper_take_map(struct mapper *mapper);
/* Answer it. <mark> 0: the handle is nil. */
void mapper_list(struct mapper *mapper, const struct listed *list, uint32_t n,
		 uint8_t mark, uint32_t status);
void mapper_map(struct mapper *mapper, const struct syntax *interface,
		uint16_t port);
void mapper_map_nothing(struct mapper *mapper);
void mapper_fault(struct mapper *mapper);
/* Any octets as the stub of a response; any octets at all. */
void mapper_respond(struct mapper *mapper, struct bytes stub);
void mapper_say(struct mapper *mapper, struct bytes octets);
/* The stub of a listing, written to <room>. */
struct bytes mapper_listing(uint8_t room[static MAPPER_ROOM],
			    const struct listed *list, uint32_t n, uint8_t mark,
			    uint32_t status, bool is_little);

#endif
