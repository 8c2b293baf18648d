/*
 * log.c - events as lines.
 *
 * Layer: base.
 */
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "base/log.h"

static const char *const level_name[] = {
	[LOG_LEVEL_ERROR] = "error",   [LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_NOTICE] = "notice", [LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

const char *log_level_name(enum log_level level)
{
	return level_name[level];
}

int log_level_parse(const char *text, enum log_level *out)
{
	unsigned i;

	for (i = 0; i <= LOG_LEVEL_DEBUG; i++) {
		if (strcmp(text, level_name[i]) == 0) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return ERR_NOT_FOUND;
}

static void put_text(struct builder *line, const char *text)
{
	builder_put(line, bytes_of(text, strlen(text)));
}

static bool is_plain(char c)
{
	return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

static void put_quoted(struct builder *line, const char *text)
{
	char octet[5];

	builder_u8(line, '"');
	for (; *text; text++) {
		if (is_plain(*text) || *text == ' ' || *text == '=') {
			builder_u8(line, (uint8_t)*text);
			continue;
		}
		if (*text == '"' || *text == '\\')
			snprintf(octet, sizeof(octet), "\\%c", *text);
		else
			snprintf(octet, sizeof(octet), "\\x%02x",
				 (unsigned)(unsigned char)*text);
		put_text(line, octet);
	}
	builder_u8(line, '"');
}

static void put_value(struct builder *line, const char *text)
{
	const char *c = text;

	while (is_plain(*c))
		c++;
	if (*c || c == text)
		put_quoted(line, text);
	else
		put_text(line, text);
}

static void put_field(struct builder *line, const struct log_field *field)
{
	char room[ENDPOINT_TEXT_MAX];

	if (field->type == LOG_FIELD_TEXT && !field->text)
		return;
	put_text(line, " ");
	put_text(line, field->key);
	put_text(line, "=");
	switch (field->type) {
	case LOG_FIELD_TEXT:
		put_value(line, field->text);
		break;
	case LOG_FIELD_NUMBER:
		builder_put(line,
			    bytes_of(room, decimal_write(room, field->number)));
		break;
	case LOG_FIELD_ADDR:
		put_text(line, addr_format(field->addr, room));
		break;
	case LOG_FIELD_ENDPOINT:
		put_text(line, endpoint_format(field->endpoint, room));
		break;
	}
}

void log_line(struct log *log, enum log_level level, const char *event,
	      size_t nfields, const struct log_field *field)
{
	static const char cut[] = "...";
	char room[LOG_LINE_MAX];
	struct builder line;
	size_t i;

	if (level > log->level)
		return;
	line = builder_over(room, sizeof(room) - sizeof(cut), true);
	put_text(&line, "event=");
	put_text(&line, event);
	for (i = 0; i < nfields; i++)
		put_field(&line, &field[i]);
	if (line.err) {
		memcpy(room + line.len, cut, sizeof(cut) - 1);
		line.len += sizeof(cut) - 1;
	}
	log->put(log, level, bytes_of(room, line.len));
}

bool log_limit_pass(struct log_limit *limit, uint64_t now_ms,
		    uint64_t *held_back)
{
	if (now_ms - limit->since_ms >= limit->span_ms) {
		limit->since_ms = now_ms;
		limit->passed = 0;
	}
	if (limit->passed >= limit->burst) {
		limit->held_back++;
		return false;
	}
	limit->passed++;
	*held_back = limit->held_back;
	limit->held_back = 0;
	return true;
}
