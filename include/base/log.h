/*
 * log.h - one event, one line, one call: event=… key=value …
 *
 * Layer: base.
 * Event names, keys and reasons are kebab-case. A value with blanks, quotes
 * or odd octets is quoted; control characters never reach the log. Where a
 * line goes is the sink's business, so that this layer writes nowhere.
 *
 *	LOG(log, LOG_LEVEL_INFO, "open", log_endpoint("client", &client),
 *	    log_text("server", name), log_number("port", port));
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"

#define LOG_LINE_MAX 1024 /* octets of a line; a longer one ends in "..." */

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

const char *log_level_name(enum log_level level);
/* "error" … "debug". ERR_NOT_FOUND. */
MUST_CHECK int log_level_parse(const char *text, enum log_level *out);

enum log_field_type {
	LOG_FIELD_TEXT,
	LOG_FIELD_NUMBER,
	LOG_FIELD_ADDR,
	LOG_FIELD_ENDPOINT,
};

struct log_field {
	const char *key;
	enum log_field_type type;
	union {
		const char *text; /* NULL: the field is left out */
		uint64_t number;
		const struct addr *addr;
		const struct endpoint *endpoint;
	};
};

static inline struct log_field log_text(const char *key, const char *text)
{
	return (struct log_field){ .key = key,
				   .type = LOG_FIELD_TEXT,
				   .text = text };
}

static inline struct log_field log_number(const char *key, uint64_t number)
{
	return (struct log_field){ .key = key,
				   .type = LOG_FIELD_NUMBER,
				   .number = number };
}

static inline struct log_field log_addr(const char *key,
					const struct addr *addr)
{
	return (struct log_field){ .key = key,
				   .type = LOG_FIELD_ADDR,
				   .addr = addr };
}

static inline struct log_field log_endpoint(const char *key,
					    const struct endpoint *endpoint)
{
	return (struct log_field){ .key = key,
				   .type = LOG_FIELD_ENDPOINT,
				   .endpoint = endpoint };
}

/*
 * One thread's way to the log. <put> takes the finished line, without a line
 * feed; it copies what it keeps and never blocks.
 */
struct log {
	enum log_level level; /* lines above it are not made */
	void (*put)(struct log *log, enum log_level level, struct bytes line);
};

void log_line(struct log *log, enum log_level level, const char *event,
	      size_t nfields, const struct log_field *field);

#define LOG(log, level, event, ...)                                            \
	log_line((log), (level), (event),                                      \
		 sizeof((struct log_field[]){ __VA_ARGS__ }) /                 \
			 sizeof(struct log_field),                             \
		 (const struct log_field[]){ __VA_ARGS__ })

/*
 * At most <burst> of a kind of event every <span_ms>; what was held back is
 * counted and told with the next that passes. One for each kind and thread.
 */
struct log_limit {
	uint32_t burst;
	uint32_t span_ms;
	uint32_t passed;
	uint64_t held_back;
	uint64_t since_ms;
};

/* True: log it, with held-back=<*held_back> if that is not 0. */
bool log_limit_pass(struct log_limit *limit, uint64_t now_ms,
		    uint64_t *held_back);

#endif
