/*
 * Any octets as the auth value of a PDU: the names lie in it, and what is
 * written of them is text that ends where it says.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/ntlm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_text(struct bytes name, bool is_unicode, size_t cap)
{
	char text[NTLM_TEXT_MAX];
	size_t i, len = ntlm_text(name, is_unicode, text, cap);

	if (len >= cap || strlen(text) != len)
		abort();
	for (i = 0; i < len; i++)
		if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f)
			abort();
}

static void check_name(struct bytes name, bool is_unicode, struct bytes auth)
{
	if (name.len &&
	    (name.at < auth.at || name.at + name.len > auth.at + auth.len))
		abort();
	check_text(name, is_unicode, NTLM_TEXT_MAX);
	check_text(name, is_unicode, 1 + name.len % 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes auth = bytes_of(data, len);
	struct ntlm_names names;

	check_text(auth, true, NTLM_TEXT_MAX);
	check_text(auth, false, NTLM_TEXT_MAX);
	if (ntlm_names_read(auth, &names) < 0)
		return 0;
	check_name(names.domain, names.is_unicode, auth);
	check_name(names.user, names.is_unicode, auth);
	check_name(names.workstation, names.is_unicode, auth);
	return 0;
}
