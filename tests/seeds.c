/* tests/seeds.c — a fuzz target without its fuzzer: runs each file in a folder
 * through it once, and each cut short. What a fuzzer found stays found, and
 * targets go on building.
 *   build/tests/seeds/NAME tests/fuzz/seeds/NAME */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { SEED_MAX = 4 << 20, CUTS = 16 };

/* Each in a buffer of its own length: a sanitizer sees what reads beyond. */
static int run(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);

    if (!copy) return 1;
    for (size_t i = 0; i < len; i++)
        copy[i] = data[i];
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
    return 0;
}

static int run_file(const char *path, uint8_t *data)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    int err = 0;

    if (!f) return 1;
    if (!fstat(fileno(f), &st) && S_ISREG(st.st_mode)) {
        size_t len = fread(data, 1, SEED_MAX, f);
        err = run(data, len);
        for (size_t i = 0; i < CUTS && i < len && !err; i++)
            err = run(data, len * i / CUTS);
    }
    fclose(f);
    return err;
}

int main(int argc, char **argv)
{
    uint8_t *data = malloc(SEED_MAX);
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    struct dirent *e;
    char path[4096];
    int files = 0, err = 0;

    while (folder && data && !err && (e = readdir(folder))) {
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        if (e->d_name[0] == '.') continue;
        err = run_file(path, data);
        files++;
    }
    if (folder) closedir(folder);
    free(data);
    if (!files) fprintf(stderr, "no seed in %s\n", argc > 1 ? argv[1] : "");
    return err || !files;
}
