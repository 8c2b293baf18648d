/*
 * test_state_file.c - the state file on disk: whole at every moment, whatever
 * the disk, the folder or a kill does.
 *
 * fsync() is this program's own here: it can fail, and it can be held up.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../helper/alloc.h"
#include "main/state_file.h"

#define NOBODY	65534
#define LONG	(64 * 1024)
#define RACES	400
#define FULL_KB 256
/* What a test waits for comes at once, or never. */
#define LONG_MS 20000

static char directory[] = "/tmp/mapilb-state-XXXXXX";
static char folder[64];
static char file[80], new[90], damaged[96];

/* ---- the fake disk ---- */

static _Atomic int sync_fails_in; /* fsync() calls from now; 0 = never */
static _Atomic int syncs;	  /* that came in */
static pthread_mutex_t disk = PTHREAD_MUTEX_INITIALIZER; /* held: it hangs */

int fsync(int fd)
{
	syncs++;
	if (sync_fails_in && --sync_fails_in == 0) {
		errno = EIO;
		return -1;
	}
	pthread_mutex_lock(&disk);
	pthread_mutex_unlock(&disk);
	return (int)syscall(SYS_fsync, fd);
}

static void sleep_ms(unsigned ms)
{
	usleep(ms * 1000);
}

static void wait_for_syncs(int n)
{
	unsigned i;

	for (i = 0; i < LONG_MS && syncs < n; i++)
		sleep_ms(1);
	assert_true(syncs >= n);
}

/* ---- helpers ---- */

static void run(const char *command)
{
	char line[256];

	snprintf(line, sizeof(line), command, folder);
	assert_int_equal(system(line), 0);
}

static int set_up(void **state)
{
	(void)state;
	syncs = 0;
	sync_fails_in = 0;
	return mkdir(folder, 0755);
}

static int tear_down(void **state)
{
	(void)state;
	run("rm -rf %s");
	return 0;
}

static bool exists(const char *path)
{
	struct stat is;

	return lstat(path, &is) == 0;
}

static struct bytes text(const char *octets)
{
	return bytes_of(octets, strlen(octets));
}

static int write_text(const char *octets)
{
	return state_file_write(file, text(octets));
}

static void assert_file(const char *path, const char *wanted)
{
	uint8_t *at;
	size_t len;

	assert_int_equal(state_file_read(path, &at, &len), 0);
	assert_true(bytes_equal(bytes_of(at, len), text(wanted)));
	free(at);
}

/* Run as somebody whom permissions bind; returns what <body> does. */
static int as_nobody(int (*body)(void))
{
	int status, pipe_fd[2], err = 1;
	pid_t pid;

	assert_int_equal(pipe(pipe_fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
			_exit(1);
		err = body();
		_exit(write(pipe_fd[1], &err, sizeof(err)) != sizeof(err));
	}
	close(pipe_fd[1]);
	assert_int_equal(read(pipe_fd[0], &err, sizeof(err)), sizeof(err));
	close(pipe_fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return err;
}

/* ---- writing ---- */

static void file_is_replaced_and_is_not_for_everybody(void **state)
{
	struct stat is;

	(void)state;
	umask(0);
	assert_int_equal(write_text("one"), 0);
	assert_file(file, "one");
	assert_int_equal(write_text("the second"), 0);
	assert_file(file, "the second");
	assert_int_equal(stat(file, &is), 0);
	assert_int_equal(is.st_mode & 07777, 0640);
	assert_false(exists(new));
	assert_int_equal(syncs, 4);
}

static void file_in_the_current_folder_and_below_a_link_is_written(void **s)
{
	char link[80], path[100], here[PATH_MAX];

	(void)s;
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(state_file_write("bare", text("x")), 0);
	assert_file("bare", "x");
	assert_int_equal(chdir(here), 0);
	snprintf(link, sizeof(link), "%s/link", folder);
	snprintf(path, sizeof(path), "%s/state", link);
	assert_int_equal(symlink(folder, link), 0);
	assert_int_equal(state_file_write(path, text("y")), 0);
	assert_file(file, "y");
}

static void leftover_of_a_crash_is_replaced(void **state)
{
	(void)state;
	run("echo half of it >%s/state.new");
	assert_int_equal(write_text("whole"), 0);
	assert_file(file, "whole");
	assert_false(exists(new));
}

static void link_in_place_of_the_new_file_is_not_followed(void **state)
{
	char victim[80];

	(void)state;
	snprintf(victim, sizeof(victim), "%s/victim", folder);
	run("echo -n precious >%s/victim");
	assert_int_equal(symlink(victim, new), 0);
	assert_int_equal(write_text("state"), 0);
	assert_file(victim, "precious");
	assert_file(file, "state");
}

static void missing_folder_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(state_file_write("/nonexistent/state", text("x")),
			 -ENOENT);
	assert_int_equal(state_file_try("/nonexistent/state"), -ENOENT);
}

static int write_again(void)
{
	return write_text("new");
}

static int try_here(void)
{
	return state_file_try(file);
}

static void folder_of_somebody_else_keeps_the_old_file(void **state)
{
	(void)state;
	assert_int_equal(write_text("old"), 0);
	assert_int_equal(as_nobody(write_again), -EACCES);
	assert_int_equal(as_nobody(try_here), -EACCES);
	assert_file(file, "old");
}

/* Whose the file is does not matter, whose the folder is does. */
static void folder_of_ours_lets_us_replace_a_file_of_roots(void **state)
{
	(void)state;
	assert_int_equal(write_text("root's"), 0);
	run("echo half >%s/state.new");
	assert_int_equal(chown(folder, NOBODY, NOBODY), 0);
	assert_int_equal(as_nobody(try_here), 0);
	assert_false(exists(new));
	assert_int_equal(as_nobody(write_again), 0);
	assert_file(file, "new");
}

static void try_leaves_nothing_behind(void **state)
{
	(void)state;
	run("echo half >%s/state.new");
	assert_int_equal(state_file_try(file), 0);
	assert_false(exists(new));
	assert_false(exists(file));
}

static char longer[LONG];

static int write_longer(void)
{
	return state_file_write(file, bytes_of(longer, sizeof(longer)));
}

/* A limit in the middle of a write, as a quota would do. */
static void write_beyond_a_limit_keeps_the_old_file(void **state)
{
	struct rlimit old, limit;
	int err;

	(void)state;
	assert_int_equal(write_text("old"), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = LONG / 2;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	err = write_longer();
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(err, -EFBIG);
	assert_file(file, "old");
	assert_false(exists(new));
}

static void full_disk_keeps_the_old_file_and_leaves_no_litter(void **state)
{
	static char much[FULL_KB * 1024];
	char size[32];
	int err;

	(void)state;
	snprintf(size, sizeof(size), "size=%dk", FULL_KB);
	assert_int_equal(mount("none", folder, "tmpfs", 0, size), 0);
	assert_int_equal(write_longer(), 0);
	err = state_file_write(file, bytes_of(much, sizeof(much)));
	if (err != -ENOSPC || exists(new) || write_longer())
		fail_msg("error %d", err);
	assert_int_equal(umount(folder), 0);
}

static void disk_that_fails_keeps_the_old_file(void **state)
{
	(void)state;
	assert_int_equal(write_text("old"), 0);
	sync_fails_in = 1;
	assert_int_equal(write_text("new"), -EIO);
	assert_file(file, "old");
	assert_false(exists(new));
}

static void folder_that_fails_is_said_of_the_new_file(void **state)
{
	(void)state;
	assert_int_equal(write_text("old"), 0);
	sync_fails_in = 2;
	assert_int_equal(write_text("new"), -EIO);
	assert_file(file, "new");
}

static void file_that_cannot_be_renamed_over_leaves_no_litter(void **state)
{
	(void)state;
	assert_int_equal(mkdir(file, 0755), 0);
	assert_int_equal(write_text("x"), -EISDIR);
	assert_false(exists(new));
}

static void write_without_memory(void *ctx)
{
	int err = write_text("new");

	(void)ctx;
	assert_int_equal(err, alloc_has_failed() ? ERR_MEMORY : 0);
	assert_false(exists(new));
}

static void file_is_whole_when_memory_runs_out(void **state)
{
	(void)state;
	assert_int_equal(alloc_each_fails(NULL, write_without_memory), 2);
	assert_file(file, "new");
}

/* ---- a reader at the same time ---- */

static _Atomic bool is_over;

static void *write_on(void *ctx)
{
	char octets[LONG];
	unsigned i;

	(void)ctx;
	for (i = 0; i < RACES; i++) {
		memset(octets, 'a' + (int)(i % 26), sizeof(octets));
		if (state_file_write(file, bytes_of(octets, LONG - i)))
			break;
	}
	is_over = true;
	return (void *)(uintptr_t)i;
}

/* Of one write, all of it. */
static void assert_one_write(const uint8_t *at, size_t len)
{
	size_t i;

	assert_in_range(len, LONG - RACES, LONG);
	for (i = 1; i < len; i++)
		if (at[i] != at[0])
			fail_msg("torn at %zu", i);
}

static void reader_always_sees_one_whole_file(void **state)
{
	pthread_t writer;
	unsigned reads = 0;
	void *writes;
	uint8_t *at;
	size_t len;

	(void)state;
	memset(longer, 'z', sizeof(longer));
	assert_int_equal(write_longer(), 0);
	is_over = false;
	assert_int_equal(pthread_create(&writer, NULL, write_on, NULL), 0);
	do {
		assert_int_equal(state_file_read(file, &at, &len), 0);
		assert_one_write(at, len);
		free(at);
		reads++;
	} while (!is_over);
	assert_int_equal(pthread_join(writer, &writes), 0);
	assert_int_equal((uintptr_t)writes, RACES);
	print_message("%u reads\n", reads);
	assert_true(reads > 10);
}

/* ---- killed at every step ---- */

static pid_t start_traced(void)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(2);
		raise(SIGSTOP);
		_exit(write_text("the new one") != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(
		ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD), 0);
	return pid;
}

/* What matters for what is on the disk when. */
static char step_of(uint64_t nr)
{
	switch (nr) {
	case SYS_write:
		return 'w';
	case SYS_fsync:
		return 's';
#ifdef SYS_rename
	case SYS_rename:
#endif
	case SYS_renameat:
	case SYS_renameat2:
		return 'r';
	case SYS_exit_group:
		return 'x';
	default:
		return '.';
	}
}

/* On to the next call; its step. 0: the process has ended. */
static char next_call(pid_t pid)
{
	struct __ptrace_syscall_info info;
	int status;

	do {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return 0;
		}
		assert_true(WIFSTOPPED(status));
		assert_true(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info),
				   &info) > 0);
	} while (info.op != PTRACE_SYSCALL_INFO_ENTRY);
	return step_of(info.entry.nr);
}

/* Kill a write before its <n>th call. False: it had fewer. <steps>: those
 * that it made. */
static bool kill_before(unsigned n, char steps[static 64])
{
	pid_t pid = start_traced();
	size_t len = 0;
	char step = '.';

	while (n-- && (step = next_call(pid)) && len < 63)
		if (step != '.' && step != 'x')
			steps[len++] = step;
	steps[len] = '\0';
	if (!step)
		return false;
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return true;
}

static void killed_anywhere_leaves_the_old_or_the_new_file(void **state)
{
	unsigned n, nold = 0, nnew = 0, nleft = 0;
	char steps[64];
	uint8_t *at;
	size_t len;
	bool is_old;

	(void)state;
	for (n = 1;; n++) {
		assert_int_equal(write_text("the old one"), 0);
		if (!kill_before(n, steps))
			break;
		assert_int_equal(state_file_read(file, &at, &len), 0);
		is_old = bytes_equal(bytes_of(at, len), text("the old one"));
		nold += is_old;
		nnew += bytes_equal(bytes_of(at, len), text("the new one"));
		free(at);
		assert_int_equal(nold + nnew, n);
		nleft += exists(new);
		assert_int_equal(write_text("after the crash"), 0);
		assert_file(file, "after the crash");
		assert_false(exists(new));
	}
	print_message("killed: %u old, %u new, %u leftovers\n", nold, nnew,
		      nleft);
	assert_true(nold > 3 && nnew > 2 && nleft > 2);
	assert_string_equal(steps, "wsrs"); /* on the disk before its name */
	assert_file(file, "the new one");
}

/* ---- reading ---- */

static void absent_file_is_not_found(void **state)
{
	uint8_t *at;
	size_t len;

	(void)state;
	assert_int_equal(state_file_read(file, &at, &len), ERR_NOT_FOUND);
}

static void empty_file_is_read_as_empty(void **state)
{
	(void)state;
	run(": >%s/state");
	assert_file(file, "");
}

static void file_above_the_limit_is_not_read(void **state)
{
	uint8_t *at;
	size_t len;

	(void)state;
	run(": >%s/state");
	assert_int_equal(truncate(file, STATE_MAX + 1), 0);
	assert_int_equal(state_file_read(file, &at, &len), ERR_LIMIT);
	assert_int_equal(truncate(file, STATE_MAX), 0);
	assert_int_equal(state_file_read(file, &at, &len), 0);
	assert_int_equal(len, STATE_MAX);
	free(at);
}

static void what_is_no_file_is_refused_at_once(void **state)
{
	uint8_t *at;
	size_t len;

	(void)state;
	assert_int_equal(state_file_read(folder, &at, &len), -EISDIR);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_int_equal(state_file_read(file, &at, &len), ERR_MALFORMED);
}

static int read_here(void)
{
	uint8_t *at;
	size_t len;

	return state_file_read(file, &at, &len);
}

static void file_of_somebody_else_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(write_text("x"), 0);
	assert_int_equal(as_nobody(read_here), -EACCES);
}

static void read_without_memory(void *ctx)
{
	uint8_t *at = NULL;
	size_t len;
	int err = state_file_read(file, &at, &len);

	(void)ctx;
	assert_int_equal(err, alloc_has_failed() ? ERR_MEMORY : 0);
	free(at);
}

static void read_survives_each_refused_allocation(void **state)
{
	(void)state;
	assert_int_equal(write_text("x"), 0);
	assert_int_equal(alloc_each_fails(NULL, read_without_memory), 1);
}

static void damaged_file_is_set_aside_in_place_of_an_older_one(void **state)
{
	(void)state;
	assert_int_equal(state_file_set_aside(file), -ENOENT);
	assert_int_equal(write_text("damaged once"), 0);
	assert_int_equal(state_file_set_aside(file), 0);
	assert_int_equal(write_text("damaged twice"), 0);
	assert_int_equal(state_file_set_aside(file), 0);
	assert_false(exists(file));
	assert_file(damaged, "damaged twice");
}

/* ---- the folder ---- */

static void folder_is_made_for_the_user(void **state)
{
	char path[96];
	struct stat is;

	(void)state;
	umask(0);
	snprintf(path, sizeof(path), "%s/deep/state", folder);
	assert_int_equal(state_file_make_folder(path, "nobody"), 0);
	*strrchr(path, '/') = '\0';
	assert_int_equal(stat(path, &is), 0);
	assert_int_equal(is.st_uid, NOBODY);
	assert_int_equal(is.st_mode & 07777, 0750);
}

static void folder_that_is_there_stays_whose_it_is(void **state)
{
	struct stat is;

	(void)state;
	assert_int_equal(state_file_make_folder(file, "nobody"), 0);
	assert_int_equal(stat(folder, &is), 0);
	assert_int_equal(is.st_uid, 0);
	assert_int_equal(state_file_make_folder("bare", "nobody"), 0);
	assert_int_equal(state_file_make_folder("/state", "nobody"), 0);
	assert_int_equal(stat("/", &is), 0);
	assert_int_equal(is.st_uid, 0);
}

static void only_the_last_folder_is_made(void **state)
{
	char path[96];

	(void)state;
	snprintf(path, sizeof(path), "%s/a/b/state", folder);
	assert_int_equal(state_file_make_folder(path, NULL), -ENOENT);
	snprintf(path, sizeof(path), "%s/a/state", folder);
	assert_int_equal(state_file_make_folder(path, NULL), 0);
	assert_int_equal(state_file_make_folder(path, NULL), 0);
	assert_int_equal(state_file_make_folder(path, "nobody-at-all"),
			 ERR_NOT_FOUND);
}

/* ---- the thread ---- */

static struct state_image image_of(const char *octets)
{
	struct state_image image = { .at = (uint8_t *)strdup(octets),
				     .len = strlen(octets) };

	assert_non_null(image.at);
	return image;
}

static struct state_saver *start_saver(const char *path)
{
	struct state_saver *saver;

	assert_int_equal(state_saver_new(path, &saver), 0);
	return saver;
}

static void saver_writes_what_it_is_given(void **state)
{
	struct state_saver *saver = start_saver(file);

	(void)state;
	state_saver_give(saver, image_of("one"));
	wait_for_syncs(2);
	assert_file(file, "one");
	state_saver_give(saver, image_of("two"));
	wait_for_syncs(4);
	assert_file(file, "two");
	assert_int_equal(state_saver_free(saver, LONG_MS), 0);
	assert_int_equal(syncs, 4);
}

static void saver_writes_the_last_one_before_it_ends(void **state)
{
	struct state_saver *saver = start_saver(file);

	(void)state;
	state_saver_give(saver, image_of("the last"));
	assert_int_equal(state_saver_free(saver, LONG_MS), 0);
	assert_file(file, "the last");
}

static void saver_without_anything_to_write_just_ends(void **state)
{
	struct state_saver *saver = start_saver(file);

	(void)state;
	assert_int_equal(state_saver_free(saver, LONG_MS), 0);
	assert_false(exists(file));
	assert_int_equal(state_saver_free(NULL, LONG_MS), 0);
}

/* What came while the disk hung: of all of it the newest, once. */
static void saver_never_waits_and_the_newest_wins(void **state)
{
	struct state_saver *saver = start_saver(file);

	(void)state;
	pthread_mutex_lock(&disk);
	state_saver_give(saver, image_of("first"));
	wait_for_syncs(1);
	state_saver_give(saver, image_of("second"));
	state_saver_give(saver, image_of("third"));
	state_saver_give(saver, image_of("fourth"));
	assert_false(exists(file));
	pthread_mutex_unlock(&disk);
	assert_int_equal(state_saver_free(saver, LONG_MS), 0);
	assert_file(file, "fourth");
	assert_int_equal(syncs, 4);
}

/* … and what it still had to do it does, as long as the process lives. */
static void saver_that_a_disk_holds_up_does_not_hold_up_the_end(void **state)
{
	struct state_saver *saver = start_saver(file);

	(void)state;
	pthread_mutex_lock(&disk);
	state_saver_give(saver, image_of("first"));
	wait_for_syncs(1);
	state_saver_give(saver, image_of("second"));
	assert_int_equal(state_saver_free(saver, 20), ERR_TIMEOUT);
	pthread_mutex_unlock(&disk);
	wait_for_syncs(4);
	assert_file(file, "second");
	sleep_ms(50); /* it frees itself: the leak checker looks */
}

static void saver_tells_the_error_until_a_write_succeeds(void **state)
{
	struct state_saver *saver = start_saver(file);
	unsigned i;

	(void)state;
	assert_int_equal(state_saver_error(saver), 0);
	sync_fails_in = 1;
	state_saver_give(saver, image_of("lost"));
	for (i = 0; i < LONG_MS && !state_saver_error(saver); i++)
		sleep_ms(1);
	assert_int_equal(state_saver_error(saver), -EIO);
	assert_false(exists(file));
	state_saver_give(saver, image_of("saved"));
	for (i = 0; i < LONG_MS && state_saver_error(saver); i++)
		sleep_ms(1);
	assert_int_equal(state_saver_error(saver), 0);
	assert_file(file, "saved");
	sync_fails_in = 1;
	state_saver_give(saver, image_of("lost"));
	assert_int_equal(state_saver_free(saver, LONG_MS), -EIO);
}

/* A limit on the size of files ends a process that does not know of it. */
static void saver_is_not_killed_by_a_limit(void **state)
{
	struct state_saver *saver = start_saver(file);
	struct rlimit old, limit;
	char *much = malloc(LONG);
	int err;

	(void)state;
	assert_non_null(much);
	memset(much, 'x', LONG);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = LONG / 2;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	state_saver_give(saver, (struct state_image){ .at = (uint8_t *)much,
						      .len = LONG });
	err = state_saver_free(saver, LONG_MS);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(err, -EFBIG);
	assert_false(exists(new));
}

static void make_and_free(void *ctx)
{
	struct state_saver *saver;
	int err = state_saver_new(file, &saver);

	(void)ctx;
	assert_int_equal(err, alloc_has_failed() ? ERR_MEMORY : 0);
	if (!err)
		assert_int_equal(state_saver_free(saver, LONG_MS), 0);
}

static void saver_new_survives_each_refused_allocation(void **state)
{
	(void)state;
	assert_int_equal(alloc_each_fails(NULL, make_and_free), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(file_is_replaced_and_is_not_for_everybody),
		TEST(file_in_the_current_folder_and_below_a_link_is_written),
		TEST(leftover_of_a_crash_is_replaced),
		TEST(link_in_place_of_the_new_file_is_not_followed),
		TEST(missing_folder_is_an_error),
		TEST(folder_of_somebody_else_keeps_the_old_file),
		TEST(folder_of_ours_lets_us_replace_a_file_of_roots),
		TEST(try_leaves_nothing_behind),
		TEST(write_beyond_a_limit_keeps_the_old_file),
		TEST(full_disk_keeps_the_old_file_and_leaves_no_litter),
		TEST(disk_that_fails_keeps_the_old_file),
		TEST(folder_that_fails_is_said_of_the_new_file),
		TEST(file_that_cannot_be_renamed_over_leaves_no_litter),
		TEST(file_is_whole_when_memory_runs_out),
		TEST(reader_always_sees_one_whole_file),
		TEST(killed_anywhere_leaves_the_old_or_the_new_file),
		TEST(absent_file_is_not_found),
		TEST(empty_file_is_read_as_empty),
		TEST(file_above_the_limit_is_not_read),
		TEST(what_is_no_file_is_refused_at_once),
		TEST(file_of_somebody_else_is_an_error),
		TEST(read_survives_each_refused_allocation),
		TEST(damaged_file_is_set_aside_in_place_of_an_older_one),
		TEST(folder_is_made_for_the_user),
		TEST(folder_that_is_there_stays_whose_it_is),
		TEST(only_the_last_folder_is_made),
		TEST(saver_writes_what_it_is_given),
		TEST(saver_writes_the_last_one_before_it_ends),
		TEST(saver_without_anything_to_write_just_ends),
		TEST(saver_never_waits_and_the_newest_wins),
		TEST(saver_that_a_disk_holds_up_does_not_hold_up_the_end),
		TEST(saver_tells_the_error_until_a_write_succeeds),
		TEST(saver_is_not_killed_by_a_limit),
		TEST(saver_new_survives_each_refused_allocation),
	};
	int failed;

	if (geteuid() != 0) {
		fprintf(stderr, "this test needs root: it mounts a small disk "
				"and becomes somebody else\n");
		return 1;
	}
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !mkdtemp(directory) || chmod(directory, 0755)) {
		perror("a folder and mounts of this test's own");
		return 1;
	}
	snprintf(folder, sizeof(folder), "%s/lib", directory);
	snprintf(file, sizeof(file), "%s/state", folder);
	snprintf(new, sizeof(new), "%s.new", file);
	snprintf(damaged, sizeof(damaged), "%s.damaged", file);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(directory);
	return failed;
}
