/*
 * logger.c - the log: a ring for each thread, one thread that writes.
 *
 * Layer: main.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/ring.h"
#include "main/logger.h"

#define RING_LEN    (256 * 1024)
#define BATCH_MS    20 /* how long lines gather while they flow */
#define OUT_LEN	    (64 * 1024)
#define PATIENCE_S  2 /* for the last lines */
#define STAMP_LEN   40
#define STAMP_MS    20		    /* where its milliseconds stand */
#define STAMPS_LEN  (2 * STAMP_LEN) /* time and level and line feed */
#define DROPPED_LEN 80

/* What stands before a line in a ring. */
struct record {
	struct timespec when; /* wall clock */
	enum log_level level;
};

struct source {
	struct log log; /* first: a log is its source */
	struct logger *logger;
	struct ring *ring;
};

struct logger {
	enum conf_log kind;
	int fd;
	int wake; /* eventfd */
	_Atomic bool is_asleep;
	_Atomic bool is_stopping;
	bool is_started;
	pthread_t thread;
	time_t stamped_s;
	size_t stamp_len;
	char stamp[STAMP_LEN];
	uint64_t lost; /* lines that the target did not take */
	bool is_torn;  /* of one of them it took the beginning */
	size_t out_len;
	char out[OUT_LEN];
	unsigned nsources;
	struct source source[];
};

static void wake_writer(struct logger *logger)
{
	if (atomic_load(&logger->is_asleep) &&
	    atomic_exchange(&logger->is_asleep, false))
		(void)!eventfd_write(logger->wake, 1);
}

static void put_line(struct log *log, enum log_level level, struct bytes line)
{
	struct source *source = (struct source *)(void *)log;
	uint8_t room[sizeof(struct record) + LOG_LINE_MAX];
	struct record record = { .level = level };

	clock_gettime(CLOCK_REALTIME_COARSE, &record.when);
	memcpy(room, &record, sizeof(record));
	memcpy(room + sizeof(record), line.at, line.len);
	ring_put(source->ring, bytes_of(room, sizeof(record) + line.len));
	wake_writer(source->logger);
}

/* "2026-11-21T02:03:04.567Z "; all but the last digits change once a
 * second. */
static void stamp(struct logger *logger, const struct timespec *when)
{
	unsigned ms = (unsigned)(when->tv_nsec / 1000000);
	struct tm tm;

	if (when->tv_sec != logger->stamped_s || !logger->stamp_len) {
		gmtime_r(&when->tv_sec, &tm);
		logger->stamp_len = strftime(logger->stamp, STAMP_LEN,
					     "%Y-%m-%dT%H:%M:%S.000Z ", &tm);
		logger->stamped_s = when->tv_sec;
	}
	logger->stamp[STAMP_MS] = (char)('0' + ms / 100);
	logger->stamp[STAMP_MS + 1] = (char)('0' + ms / 10 % 10);
	logger->stamp[STAMP_MS + 2] = (char)('0' + ms % 10);
}

/* A whole line to <room>, which has STAMPS_LEN octets beyond <len>. */
static size_t put_stamped(struct logger *logger, char *room,
			  const struct record *record, const char *line,
			  size_t len)
{
	const char *level = log_level_name(record->level);
	char *at = room;

	stamp(logger, &record->when);
	at = mempcpy(at, logger->stamp, logger->stamp_len);
	at = mempcpy(at, "level=", strlen("level="));
	at = mempcpy(at, level, strlen(level));
	*at++ = ' ';
	at = mempcpy(at, line, len);
	*at++ = '\n';
	return (size_t)(at - room);
}

static int say_dropped(char room[DROPPED_LEN], struct record *record,
		       uint64_t lines)
{
	*record = (struct record){ .level = LOG_LEVEL_WARNING };
	clock_gettime(CLOCK_REALTIME, &record->when);
	return snprintf(room, DROPPED_LEN, "event=log-dropped lines=%llu",
			(unsigned long long)lines);
}

/* How many octets the target took: all, unless it is full or gone. */
static size_t write_some(int fd, const char *at, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, at + done, len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			break;
	}
	return done;
}

/* What could not be written before is told first, on a line of its own. */
static bool own_up(struct logger *logger)
{
	char line[DROPPED_LEN], room[DROPPED_LEN + STAMPS_LEN] = "\n";
	size_t start = logger->is_torn, len, n;
	struct record record;

	if (!logger->lost)
		return true;
	len = (size_t)say_dropped(line, &record, logger->lost);
	len = start + put_stamped(logger, room + start, &record, line, len);
	n = write_some(logger->fd, room, len);
	if (n)
		logger->is_torn = n < len && room[n - 1] != '\n';
	if (n == len)
		logger->lost = 0;
	return n == len;
}

static void write_out(struct logger *logger)
{
	size_t len = logger->out_len, at = 0;

	logger->out_len = 0;
	if (!len)
		return;
	if (own_up(logger))
		at = write_some(logger->fd, logger->out, len);
	if (at)
		logger->is_torn = logger->out[at - 1] != '\n';
	for (; at < len; at++)
		logger->lost += logger->out[at] == '\n';
}

static int priority_of(enum log_level level)
{
	static const int priority[] = {
		[LOG_LEVEL_ERROR] = LOG_ERR,
		[LOG_LEVEL_WARNING] = LOG_WARNING,
		[LOG_LEVEL_NOTICE] = LOG_NOTICE,
		[LOG_LEVEL_INFO] = LOG_INFO,
		[LOG_LEVEL_DEBUG] = LOG_DEBUG,
	};

	return priority[level];
}

static void emit(struct logger *logger, const struct record *record,
		 const char *line, size_t len)
{
	if (logger->kind == CONF_LOG_SYSLOG) {
		syslog(priority_of(record->level), "%.*s", (int)len, line);
		return;
	}
	if (logger->out_len + len + STAMPS_LEN > OUT_LEN)
		write_out(logger);
	logger->out_len += put_stamped(logger, logger->out + logger->out_len,
				       record, line, len);
}

static void emit_dropped(struct logger *logger, uint64_t lines)
{
	struct record record;
	char line[DROPPED_LEN];
	int len = say_dropped(line, &record, lines);

	emit(logger, &record, line, (size_t)len);
}

/* Everything that waits in one ring; false if nothing did. */
static bool drain(struct logger *logger, struct ring *ring)
{
	uint8_t room[RING_RECORD_MAX];
	struct record record;
	uint64_t dropped;
	bool any = false;
	size_t len;

	while ((len = ring_take(ring, room))) {
		memcpy(&record, room, sizeof(record));
		emit(logger, &record, (char *)room + sizeof(record),
		     len - sizeof(record));
		any = true;
	}
	dropped = ring_take_dropped(ring);
	if (dropped)
		emit_dropped(logger, dropped);
	return any;
}

static bool drain_all(struct logger *logger)
{
	bool any = false;
	unsigned i;

	/* The control thread's last, who speaks of what the others did. */
	for (i = logger->nsources; i-- > 0;)
		any |= drain(logger, logger->source[i].ring);
	write_out(logger);
	return any;
}

static void sleep_until_woken(struct logger *logger)
{
	eventfd_t count;

	atomic_store(&logger->is_asleep, true);
	/* A line that came before the store woke nobody: look once more. */
	if (drain_all(logger) || atomic_load(&logger->is_stopping))
		atomic_store(&logger->is_asleep, false);
	else
		(void)!eventfd_read(logger->wake, &count);
}

static void *run(void *ctx)
{
	struct timespec batch = { .tv_nsec = BATCH_MS * 1000000 };
	struct logger *logger = ctx;

	while (!atomic_load(&logger->is_stopping)) {
		if (drain_all(logger))
			nanosleep(&batch, NULL);
		else
			sleep_until_woken(logger);
	}
	drain_all(logger);
	return NULL;
}

static int open_target(struct logger *logger, const struct conf *conf)
{
	switch (conf->balancer.log) {
	case CONF_LOG_STDERR:
		logger->fd = STDERR_FILENO;
		return 0;
	case CONF_LOG_SYSLOG:
		openlog("mapilbd", LOG_PID, LOG_DAEMON);
		return 0;
	case CONF_LOG_FILE:
		logger->fd =
			open(conf->balancer.log_file,
			     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
		return logger->fd < 0 ? -errno : 0;
	}
	return ERR_UNSUPPORTED;
}

static void release(struct logger *logger)
{
	unsigned i;

	for (i = 0; i < logger->nsources; i++)
		ring_free(logger->source[i].ring);
	if (logger->wake >= 0)
		close(logger->wake);
	if (logger->kind == CONF_LOG_FILE && logger->fd >= 0)
		close(logger->fd);
	free(logger);
}

static int make_sources(struct logger *logger, const struct conf *conf)
{
	unsigned i;

	for (i = 0; i < logger->nsources; i++) {
		struct source *source = &logger->source[i];

		source->log.level = conf->balancer.log_level;
		source->log.put = put_line;
		source->logger = logger;
		source->ring = ring_new(RING_LEN);
		if (!source->ring)
			return ERR_MEMORY;
	}
	return 0;
}

int logger_new(const struct conf *conf, unsigned nthreads, struct logger **out)
{
	struct logger *logger = calloc(
		1, sizeof(*logger) + nthreads * sizeof(logger->source[0]));
	int err;

	if (!logger)
		return ERR_MEMORY;
	logger->kind = conf->balancer.log;
	logger->fd = -1;
	logger->nsources = nthreads;
	logger->wake = eventfd(0, EFD_CLOEXEC);
	err = logger->wake < 0 ? -errno : make_sources(logger, conf);
	if (!err)
		err = open_target(logger, conf);
	if (err)
		release(logger);
	else
		*out = logger;
	return err;
}

struct log *logger_log(struct logger *logger, unsigned thread)
{
	return &logger->source[thread].log;
}

int logger_start(struct logger *logger)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&logger->thread, NULL, run, logger);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	logger->is_started = !err;
	return -err;
}

void logger_free(struct logger *logger)
{
	struct timespec until;

	if (!logger)
		return;
	if (!logger->is_started) {
		drain_all(logger);
		release(logger);
		return;
	}
	atomic_store(&logger->is_stopping, true);
	(void)!eventfd_write(logger->wake, 1);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	/* A reader that stalls does not hold up the end: the thread and what
	 * it holds are left to the exit. */
	if (!pthread_timedjoin_np(logger->thread, NULL, &until))
		release(logger);
}
