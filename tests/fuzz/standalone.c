/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/standalone.c: replays a corpus folder through a fuzz target without libFuzzer, so that
 * every build with any compiler runs the targets. Each input stands in a block of exactly its size,
 * for the address sanitizer to see a read past it. With --mutations=N each input is also tried with
 * N small seeded changes; --seed=S repeats a run.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define INPUT_BYTES_MAX (4u << 20) /* no corpus file comes near it; a wrong folder would */
#define MUTATIONS_MAX 1000000u

static uint64_t rng_state;

/* splitmix64: good enough to choose bytes, and the same everywhere. */
static uint64_t rng_next(void) {
    uint64_t z = (rng_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void run_one(const uint8_t *data, size_t size) {
    uint8_t *exact = malloc(size == 0 ? 1 : size);
    if (exact == NULL) {
        (void)fprintf(stderr, "no memory for an input of %zu bytes\n", size);
        exit(1);
    }
    if (size > 0) {
        memcpy(exact, data, size);
    }
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

/* One to four small changes: flip a bit, set a byte, cut, drop, repeat or insert. */
static size_t mutate(uint8_t *data, size_t size, size_t capacity) {
    for (uint64_t changes = 1 + rng_next() % 4; changes > 0; changes--) {
        size_t at = size == 0 ? 0 : (size_t)(rng_next() % size);
        switch (rng_next() % 6) {
        case 0:
            if (size > 0) {
                data[at] ^= (uint8_t)(1u << (rng_next() % 8));
            }
            break;
        case 1:
            if (size > 0) {
                data[at] = (uint8_t)rng_next();
            }
            break;
        case 2:
            size = at;
            break;
        case 3:
            if (size > 0) {
                memmove(data + at, data + at + 1, size - at - 1);
                size--;
            }
            break;
        case 4:
            if (size > 0 && size < capacity) {
                memmove(data + at + 1, data + at, size - at);
                size++;
            }
            break;
        default:
            if (size < capacity) {
                memmove(data + at + 1, data + at, size - at);
                data[at] = (uint8_t)rng_next();
                size++;
            }
            break;
        }
    }
    return size;
}

static void run_file(const char *path, uint64_t mutations) {
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    uint8_t *changed = malloc(INPUT_BYTES_MAX);
    if (file == NULL || data == NULL || changed == NULL) {
        (void)fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    size_t size = fread(data, 1, INPUT_BYTES_MAX, file);
    if (ferror(file) || !feof(file)) {
        (void)fprintf(stderr, "%s: cannot be read, or is over %u bytes\n", path, INPUT_BYTES_MAX);
        exit(1);
    }
    (void)fclose(file);
    run_one(data, size);
    for (uint64_t i = 0; i < mutations; i++) {
        memcpy(changed, data, size);
        size_t room = size + 64 < INPUT_BYTES_MAX ? size + 64 : INPUT_BYTES_MAX;
        run_one(changed, mutate(changed, size, room));
    }
    free(changed);
    free(data);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* Files are taken in the order of their names, so that a seed means the same run everywhere. */
static int run_folder(const char *folder, uint64_t mutations) {
    struct dirent **names = NULL;
    int n = scandir(folder, &names, visible, by_name);
    if (n <= 0) {
        (void)fprintf(stderr, "%s: no corpus there; a target without inputs proves nothing\n",
                      folder);
        exit(1);
    }
    for (int i = 0; i < n; i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        run_file(path, mutations);
        free(names[i]);
    }
    free(names);
    return n;
}

static bool number_option(const char *argument, const char *name, uint64_t *ret) {
    size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 && sscanf(argument + length, "%" SCNu64, ret) == 1;
}

int main(int argc, char **argv) {
    uint64_t mutations = 0;
    uint64_t seed = 1;
    int n = 0;
    for (int i = 1; i < argc; i++) {
        if (number_option(argv[i], "--mutations=", &mutations) ||
            number_option(argv[i], "--seed=", &seed)) {
            if (mutations > MUTATIONS_MAX) {
                (void)fprintf(stderr, "--mutations is at most %u\n", MUTATIONS_MAX);
                return 2;
            }
            continue;
        }
        rng_state = seed;
        (void)printf("%s: seed %" PRIu64 ", %" PRIu64 " mutations a file\n", argv[i], seed,
                     mutations);
        n += run_folder(argv[i], mutations);
    }
    if (n == 0) {
        (void)fprintf(stderr, "usage: %s [--mutations=N] [--seed=S] CORPUS_FOLDER...\n", argv[0]);
        return 2;
    }
    (void)printf("%d inputs replayed\n", n);
    return 0;
}
