/*
 * load.c - a configuration file becomes the model.
 *
 * Layer: main. The only file that names iniparser.
 * iniparser 4.1 reads by file name, so it gets the octets that we read
 * through a memory file: what was scanned is what it sees.
 */
#include <errno.h>
#include <fcntl.h>
#include <iniparser/iniparser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "core/check.h"
#include "core/conf_build.h"
#include "core/conf_scan.h"
#include "main/host.h"
#include "main/load.h"

/* "section:key" and NUL; both stand on lines of their own. */
#define NAME_MAX_LEN (2 * CONF_LINE_MAX + 2)

struct load {
	uint8_t *file; /* owned */
	size_t len;
	struct conf_scan scan; /* borrows from file */
	struct conf_origin origin;
	struct conf *conf; /* held */
};

/* The values as iniparser returns them. */
struct ini_texts {
	struct conf_texts texts; /* first */
	dictionary *ini;
};

static int read_all(int fd, uint8_t *room, size_t cap, size_t *len)
{
	ssize_t n;

	*len = 0;
	while (*len < cap) {
		n = read(fd, room + *len, cap - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		*len += (size_t)n;
	}
	return ERR_LIMIT;
}

/* Read the file into <load>. A negative number says why not. */
static int slurp(const char *path, struct load *load)
{
	uint8_t *shrunk;
	int fd, err;

	load->file = malloc(CONF_FILE_MAX + 1);
	if (!load->file)
		return ERR_MEMORY;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = read_all(fd, load->file, CONF_FILE_MAX + 1, &load->len);
	close(fd);
	if (err)
		return err;
	shrunk = realloc(load->file, load->len + 1);
	if (!shrunk)
		return ERR_MEMORY;
	load->file = shrunk;
	return 0;
}

static int write_all(int fd, const uint8_t *at, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, at, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* What iniparser has to say was said better by the scan. */
static int keep_quiet(const char *format, ...)
{
	(void)format;
	return 0;
}

/* The dictionary of <load>'s octets; NULL if iniparser makes none. */
static dictionary *parse(const struct load *load)
{
	dictionary *ini = NULL;
	char path[32];
	int fd;

	fd = memfd_create("mapilb-conf", MFD_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (write_all(fd, load->file, load->len) == 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		iniparser_set_error_callback(keep_quiet);
		ini = iniparser_load(path);
		iniparser_set_error_callback(NULL);
	}
	close(fd);
	return ini;
}

static const char *ini_find(struct conf_texts *texts,
			    const struct conf_scan *scan,
			    const struct conf_entry *entry)
{
	const struct conf_section *section = &scan->section[entry->section];
	struct ini_texts *own = (struct ini_texts *)texts;
	char name[NAME_MAX_LEN];

	snprintf(name, sizeof(name), "%.*s:%.*s", (int)section->name.len,
		 (const char *)section->name.at, (int)entry->key.len,
		 (const char *)entry->key.at);
	return iniparser_getstring(own->ini, name, NULL);
}

static void disagree(struct findings *out, unsigned line)
{
	finding_mend(finding_add(out, FINDING_ERROR, "parsers-disagree", line,
				 "the INI reader takes this otherwise than it "
				 "looks"),
		     "write it plainly: key = value, one a line, quotes "
		     "around the whole value");
}

/*
 * Does iniparser know every key with the value that the scan saw, and no
 * more? A doubled key or section was found before this is asked.
 */
static int compare(const struct load *load, struct ini_texts *texts,
		   struct findings *out)
{
	const struct conf_scan *scan = &load->scan;
	const struct conf_entry *entry;
	const char *text;
	unsigned i;

	for (i = 0; i < scan->nentries; i++) {
		entry = &scan->entry[i];
		text = ini_find(&texts->texts, scan, entry);
		if (text &&
		    bytes_equal(bytes_of(text, strlen(text)), entry->value))
			continue;
		disagree(out, entry->line);
		return ERR_CONFIG;
	}
	if (texts->ini->n == (int)(scan->nentries + scan->nsections))
		return 0;
	disagree(out, 1);
	return ERR_CONFIG;
}

/* Values from iniparser if the scan passed, else the scan's own: then the
 * file is refused, but all that is wrong with it is said at once. */
static int build(struct load *load, bool is_scanned, struct findings *out)
{
	struct ini_texts texts = { .texts.find = ini_find };
	int err;

	if (!is_scanned) {
		err = conf_build(&load->scan, NULL, &load->origin, &load->conf,
				 out);
		return err ? err : ERR_CONFIG;
	}
	texts.ini = parse(load);
	if (!texts.ini) {
		disagree(out, 1);
		return ERR_CONFIG;
	}
	err = conf_build(&load->scan, &texts.texts, &load->origin, &load->conf,
			 out);
	if (!err)
		err = compare(load, &texts, out);
	iniparser_freedict(texts.ini);
	return err;
}

static void say_unreadable(const char *path, int err, struct findings *out)
{
	const char *mend = "give the path of a file that may be read";

	if (err == ERR_LIMIT)
		mend = "give a configuration of at most 1 MiB";
	finding_mend(finding_add(out, FINDING_ERROR,
				 err == ERR_MEMORY ? "no-memory" : "unreadable",
				 1, "cannot load %s: %s", path, err_text(err)),
		     "%s", mend);
}

static void resolve_threads(struct conf_balancer *balancer)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (balancer->threads)
		return;
	if (online < 1)
		online = 1;
	balancer->threads =
		online > CONF_THREADS_MAX ? CONF_THREADS_MAX : (unsigned)online;
}

int load_open(const char *path, struct findings *out, struct load **out_load)
{
	struct load *load = calloc(1, sizeof(*load));
	int err = ERR_MEMORY;
	bool is_scanned;

	if (load)
		err = slurp(path, load);
	if (err) {
		say_unreadable(path, err, out);
		load_close(load);
		return err;
	}
	is_scanned = conf_scan(bytes_of(load->file, load->len), &load->scan,
			       out) == 0;
	err = build(load, is_scanned, out);
	if (err && err != ERR_CONFIG) {
		say_unreadable(path, err, out);
		load_close(load);
		return err;
	}
	if (load->conf)
		resolve_threads(&load->conf->balancer);
	*out_load = load;
	return err;
}

void load_close(struct load *load)
{
	if (!load)
		return;
	conf_drop(load->conf);
	free(load->file);
	free(load);
}

struct conf *load_model(const struct load *load)
{
	return load->conf;
}

const struct conf_origin *load_origin(const struct load *load)
{
	return &load->origin;
}

const char *load_text(const struct load *load, unsigned line,
		      char room[LOAD_TEXT_MAX])
{
	const struct conf_entry *entry;
	unsigned i;

	for (i = 0; i < load->scan.nentries; i++) {
		entry = &load->scan.entry[i];
		if (entry->line != line)
			continue;
		memcpy(room, entry->value.at, entry->value.len);
		room[entry->value.len] = '\0';
		return room;
	}
	return NULL;
}

int load_conf(const char *path, struct findings *out, struct conf **conf)
{
	struct check_host host;
	struct load *load = NULL;
	int err;

	findings_init(out);
	err = load_open(path, out, &load);
	if (err && err != ERR_CONFIG)
		return err;
	if (!err) {
		host_look(load->conf, &host);
		host.is_starting = true;
		check_conf(load->conf, &load->origin, &host, out);
	}
	findings_sort(out);
	if (out->nerrors)
		err = ERR_CONFIG;
	if (!err)
		*conf = conf_hold(load->conf);
	load_close(load);
	return err;
}
