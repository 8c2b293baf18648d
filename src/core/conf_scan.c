/*
 * conf_scan.c - a configuration file as sections and keys with line numbers.
 *
 * Layer: core (pure).
 */
#include <stdbool.h>
#include <string.h>

#include "core/conf_scan.h"

/* Where the scan stands. */
struct scanner {
	struct conf_scan *scan;
	struct findings *out;
	unsigned line;
	bool is_astray; /* after a bad header: whose keys these are is unknown */
};

static struct finding *fault(struct scanner *at, const char *code,
			     const char *what)
{
	return finding_add(at->out, FINDING_ERROR, code, at->line, "%s", what);
}

static bool is_blank(uint8_t octet)
{
	return octet == ' ' || octet == '\t';
}

static bool opens_comment(uint8_t octet)
{
	return octet == '#' || octet == ';';
}

static struct bytes strip(struct bytes text)
{
	while (text.len && is_blank(text.at[0])) {
		text.at++;
		text.len--;
	}
	while (text.len && is_blank(text.at[text.len - 1]))
		text.len--;
	return text;
}

static struct bytes skip(struct bytes text, size_t len)
{
	return bytes_of(text.at + len, text.len - len);
}

static size_t find(struct bytes text, uint8_t octet)
{
	const uint8_t *hit = text.len ? memchr(text.at, octet, text.len) : NULL;

	return hit ? (size_t)(hit - text.at) : text.len;
}

/* What no line may hold, comment or not. */
static bool line_is_sound(struct scanner *at, struct bytes line)
{
	size_t i;

	if (line.len > CONF_LINE_MAX) {
		finding_mend(fault(at, "line-too-long",
				   "the line has more than 1020 octets"),
			     "shorten it, or spread a list over a shorter one");
		return false;
	}
	for (i = 0; i < line.len; i++) {
		if (line.at[i] >= ' ' || line.at[i] == '\t')
			continue;
		finding_mend(finding_add(at->out, FINDING_ERROR,
					 "control-character", at->line,
					 "octet %u of the line is the control "
					 "character 0x%02x",
					 (unsigned)i + 1, (unsigned)line.at[i]),
			     "take it out; the file is plain text");
		return false;
	}
	line = strip(line);
	if (!line.len || line.at[line.len - 1] != '\\')
		return true;
	finding_mend(fault(at, "line-continued",
			   "the line ends in a backslash, which would join "
			   "the next line to it"),
		     "write the value on one line; put another character "
		     "after the backslash of a comment");
	return false;
}

static void add_section(struct scanner *at, struct bytes name)
{
	struct conf_scan *scan = at->scan;

	at->is_astray = scan->nsections == CONF_SECTIONS_MAX;
	if (at->is_astray) {
		finding_mend(fault(at, "too-many-sections",
				   "the file has more than 256 sections"),
			     "split the array over several processes");
		return;
	}
	scan->section[scan->nsections++] =
		(struct conf_section){ .line = at->line, .name = name };
}

static void read_section(struct scanner *at, struct bytes line)
{
	size_t close = find(line, ']');
	struct bytes name, rest;

	at->is_astray = true; /* until add_section() says otherwise */
	if (close == line.len) {
		finding_mend(fault(at, "section-not-closed",
				   "the section header has no ]"),
			     "write [name] alone on the line");
		return;
	}
	name = strip(bytes_of(line.at + 1, close - 1));
	rest = strip(skip(line, close + 1));
	if (!name.len)
		finding_mend(fault(at, "section-without-name",
				   "the section header is empty"),
			     "write a name between [ and ]");
	else if (rest.len && opens_comment(rest.at[0]))
		finding_mend(fault(at, "comment-after-section",
				   "a comment follows the section header"),
			     "put the comment on a line of its own");
	else if (rest.len)
		finding_mend(fault(at, "text-after-section",
				   "text follows the section header"),
			     "write [name] alone on the line");
	else
		add_section(at, name);
}

/* <text> starts with a quote. False: a finding was made. */
static bool read_quoted(struct scanner *at, struct bytes text,
			struct bytes *value)
{
	uint8_t quote = text.at[0];
	struct bytes inner = skip(text, 1), rest;
	size_t len = find(inner, quote);

	if (len == inner.len) {
		finding_mend(fault(at, "quote-not-closed",
				   "the value's closing quote is missing"),
			     "end the value with %c", quote);
		return false;
	}
	rest = strip(skip(inner, len + 1));
	if (rest.len && !opens_comment(rest.at[0])) {
		finding_mend(fault(at, "text-after-quote",
				   "text follows the value's closing quote"),
			     "put the whole value into one pair of quotes");
		return false;
	}
	*value = bytes_of(inner.at, len);
	return true;
}

static bool read_plain(struct scanner *at, struct bytes text,
		       struct bytes *value)
{
	size_t hash = find(text, '#'), semicolon = find(text, ';');
	size_t len = hash < semicolon ? hash : semicolon;

	if (len > 0 && len < text.len && !is_blank(text.at[len - 1])) {
		finding_mend(finding_add(at->out, FINDING_ERROR,
					 "comment-in-value", at->line,
					 "%c inside the value starts a comment",
					 text.at[len]),
			     "put the value in quotes, or a blank before the "
			     "comment");
		return false;
	}
	*value = strip(bytes_of(text.at, len));
	return true;
}

static bool read_value(struct scanner *at, struct bytes text,
		       struct bytes *value)
{
	if (text.len && (text.at[0] == '"' || text.at[0] == '\''))
		return read_quoted(at, text, value);
	return read_plain(at, text, value);
}

static void add_entry(struct scanner *at, struct bytes key, struct bytes value)
{
	struct conf_scan *scan = at->scan;

	if (scan->nentries == CONF_ENTRIES_MAX) {
		finding_mend(fault(at, "too-many-keys",
				   "the file has more than 4096 keys"),
			     "split the array over several processes");
		return;
	}
	scan->entry[scan->nentries++] = (struct conf_entry){
		.line = at->line,
		.section = scan->nsections - 1,
		.key = key,
		.value = value,
	};
}

static void read_key(struct scanner *at, struct bytes line)
{
	size_t equals = find(line, '=');
	struct bytes key = strip(bytes_of(line.at, equals)), value;

	if (equals == line.len) {
		finding_mend(fault(at, "not-a-key",
				   "the line is no section, no key and no "
				   "comment"),
			     "write key = value, or start a comment with ;");
		return;
	}
	if (!key.len) {
		finding_mend(fault(at, "not-a-key", "no key before ="),
			     "write key = value");
		return;
	}
	if (!read_value(at, strip(skip(line, equals + 1)), &value))
		return;
	if (at->is_astray)
		return;
	if (!at->scan->nsections) {
		finding_mend(fault(at, "key-outside-section",
				   "the key stands before the first section"),
			     "write a section header above it, [balancer] for "
			     "one");
		return;
	}
	add_entry(at, key, value);
}

static void read_line(struct scanner *at, struct bytes line)
{
	if (line.len && line.at[line.len - 1] == '\r')
		line.len--;
	if (!line_is_sound(at, line))
		return;
	line = strip(line);
	if (!line.len || opens_comment(line.at[0]))
		return;
	if (line.at[0] == '[')
		read_section(at, line);
	else
		read_key(at, line);
}

static struct bytes skip_mark(struct scanner *at, struct bytes file)
{
	static const uint8_t mark[] = { 0xef, 0xbb, 0xbf };

	if (file.len < sizeof(mark) || memcmp(file.at, mark, sizeof(mark)) != 0)
		return file;
	at->line = 1;
	finding_mend(fault(at, "byte-order-mark",
			   "the file starts with a byte-order mark"),
		     "save it as UTF-8 without a mark");
	return skip(file, sizeof(mark));
}

int conf_scan(struct bytes file, struct conf_scan *scan, struct findings *out)
{
	struct scanner at = { .scan = scan, .out = out };
	unsigned errors = out->nerrors;
	size_t len;

	scan->nsections = 0;
	scan->nentries = 0;
	file = skip_mark(&at, file);
	while (file.len) {
		at.line++;
		len = find(file, '\n');
		read_line(&at, bytes_of(file.at, len));
		file = skip(file, len < file.len ? len + 1 : len);
	}
	return out->nerrors == errors ? 0 : ERR_CONFIG;
}
