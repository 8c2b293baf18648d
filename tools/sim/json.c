/*
 * json.c - write one JSON value to a stream.
 *
 * Layer: tools.
 * Source: RFC 8259.
 */
#include <inttypes.h>

#include "sim/json.h"

static void quote(struct json *json, const char *text)
{
	fputc('"', json->to);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(json->to, "\\%c", c);
		else if (c < 0x20)
			fprintf(json->to, "\\u%04x", c);
		else
			fputc(c, json->to);
	}
	fputc('"', json->to);
}

static void begin(struct json *json, const char *key)
{
	if (json->has_field)
		fputs(", ", json->to);
	json->has_field = true;
	if (key) {
		quote(json, key);
		fputs(": ", json->to);
	}
}

void json_open(struct json *json, const char *key, char bracket)
{
	begin(json, key);
	fputc(bracket, json->to);
	json->has_field = false;
}

void json_close(struct json *json, char bracket)
{
	fputc(bracket, json->to);
	json->has_field = true;
}

void json_text(struct json *json, const char *key, const char *value)
{
	begin(json, key);
	quote(json, value);
}

void json_number(struct json *json, const char *key, uint64_t value)
{
	begin(json, key);
	fprintf(json->to, "%" PRIu64, value);
}
