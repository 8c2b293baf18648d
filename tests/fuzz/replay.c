/*
 * A main() for a fuzz target: every seed, every truncation of it, and a
 * bounded number of turned bits. Run from the root of the repository; the
 * program fuzz_x replays tests/fuzz/seeds/x, or the files it is given.
 *
 * Inputs are copies of exactly their length, so that AddressSanitizer sees a
 * read beyond the end.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED_MAX  (1 << 20)
#define FLIPS_MAX 20000 /* of one seed, spread evenly over it */
#define CUTS_MAX  5000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static unsigned long ninputs;

static void run_copy(const uint8_t *seed, size_t len, size_t flip)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	memcpy(copy, seed, len);
	if (flip < 8 * len)
		copy[flip / 8] ^= (uint8_t)(1 << flip % 8);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
	ninputs++;
}

static size_t step_over(size_t n, size_t most)
{
	return n / most + 1;
}

static void run_seed(const uint8_t *seed, size_t len)
{
	size_t i;

	run_copy(seed, len, SIZE_MAX);
	for (i = 0; i < len; i += step_over(len, CUTS_MAX))
		run_copy(seed, i, SIZE_MAX);
	for (i = 0; i < 8 * len; i += step_over(8 * len, FLIPS_MAX))
		run_copy(seed, len, i);
}

static int run_file(const char *path)
{
	static uint8_t seed[SEED_MAX];
	FILE *file = fopen(path, "rb");
	size_t len;

	if (!file) {
		perror(path);
		return -1;
	}
	len = fread(seed, 1, sizeof(seed), file);
	fclose(file);
	if (len == sizeof(seed)) {
		fprintf(stderr, "%s: longer than a seed may be\n", path);
		return -1;
	}
	run_seed(seed, len);
	return 0;
}

static int run_dir(const char *dir)
{
	struct dirent **entry;
	int i, nfiles = 0, err = 0;
	char path[1024];
	int n = scandir(dir, &entry, NULL, alphasort);

	if (n < 0) {
		perror(dir);
		return -1;
	}
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry[i]->d_name);
		if (entry[i]->d_name[0] != '.') {
			err |= run_file(path);
			nfiles++;
		}
		free(entry[i]);
	}
	free(entry);
	if (!nfiles)
		fprintf(stderr, "%s: no seeds\n", dir);
	return nfiles ? err : -1;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash ? slash + 1 : argv[0];
	char dir[256];
	int i, err = 0;

	if (strncmp(name, "fuzz_", 5) == 0)
		name += 5;
	snprintf(dir, sizeof(dir), "tests/fuzz/seeds/%s", name);
	if (argc == 1)
		err = run_dir(dir);
	for (i = 1; i < argc; i++)
		err |= run_file(argv[i]);
	printf("%s: %lu inputs\n", name, ninputs);
	return err ? 1 : 0;
}
