/*
 * rpc_user.c - the user's name, where NTLM shows it and the log may.
 *
 * Layer: svc.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "rpc_priv.h"
#include "rpc_user.h"
#include "wire/ntlm.h"

#define NAME_MAX (2 * NTLM_TEXT_MAX)

bool rpc_user_is_wanted(const struct rpc_conn *conn)
{
	return conn->svc->conf->balancer.log_users != CONF_USERS_NO &&
	       !conn->watch.user;
}

/* DOMAIN\user, or what there is of it. */
static void write_name(const struct ntlm_names *names, char room[NAME_MAX])
{
	size_t len = 0;

	if (names->domain.len) {
		len = ntlm_text(names->domain, names->is_unicode, room,
				NTLM_TEXT_MAX);
		room[len++] = '\\';
	}
	ntlm_text(names->user, names->is_unicode, room + len, NAME_MAX - len);
}

/* The same name gives the same word as long as the balancer runs; nobody can
 * tell the name from it. */
static void write_hash(const struct svc_rpc *svc, char room[NAME_MAX])
{
	uint64_t hash =
		hash_sip(svc->shared->user_seed, bytes_of(room, strlen(room)));

	snprintf(room, NAME_MAX, "%016" PRIx64, hash);
}

void rpc_user_note(struct rpc_conn *conn, const struct pdu *pdu)
{
	struct ntlm_names names;
	char room[NAME_MAX];

	if (!rpc_user_is_wanted(conn) || !pdu->auth.len ||
	    ntlm_names_read(pdu->auth, &names) ||
	    (!names.user.len && !names.domain.len))
		return;
	write_name(&names, room);
	if (conn->svc->conf->balancer.log_users == CONF_USERS_HASH)
		write_hash(conn->svc, room);
	/* Without memory the line goes without the name. */
	conn->watch.user = strdup(room);
}
