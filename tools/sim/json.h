/*
 * json.h - write one JSON value to a stream.
 *
 * Layer: tools.
 */
#ifndef SIM_JSON_H
#define SIM_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *to;	/* borrowed */
	bool has_field; /* a comma comes before the next one */
};

/* <key>: NULL inside an array and for the outermost value. */
void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);
void json_text(struct json *json, const char *key, const char *value);
void json_number(struct json *json, const char *key, uint64_t value);

#endif
