/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_kept.c: sizes of blobs by the folder they are in, entries by the names of packs. */
#include "tools/bench_kept.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/bytes.h"

static const struct {
    char folder;
    const char *text, *json;
} parts[STELE_BENCH_PARTS] = {
    [STELE_BENCH_PACKS] = {'p', "packs", "packs"},
    [STELE_BENCH_HASHES] = {'h', "leaf hashes", "hashes"},
    [STELE_BENCH_SEEDS] = {'k', "seeds", "seeds"},
    [STELE_BENCH_SEGMENTS] = {'i', "segments", "segments"},
    [STELE_BENCH_SEALS] = {'s', "seals", "seals"},
};

#define BLOBS_MAX 65536u /* a hundred million entries have 6,104 of them */

struct blob {
    char *folder; /* of log and part */
    size_t part;
    uint64_t lo, hi;
    double bytes;
};

/* nftw has no argument for its caller's; one thread measures. */
static _Thread_local struct blob *found;
static _Thread_local size_t n_found, found_capacity;

/* The decimal digits at *at; the names are the store's own, of twenty each. */
static uint64_t number_at(const char *at) {
    uint64_t number = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        number = 10 * number + (uint64_t)(*at - '0');
    }
    return number;
}

/* ".../blobs/<log>/<part>/<lo>-<hi>"; what there is no room for is left out. */
static int add(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    const char *name = path + ftw->base;
    const char *hi = strchr(name, '-');
    if (type != FTW_F || ftw->base < 3 || name[-3] != '/' || hi == NULL ||
        strstr(path, "/blobs/") == NULL || n_found == BLOBS_MAX) {
        return 0;
    }
    if (n_found == found_capacity) {
        size_t capacity = found_capacity == 0 ? 1024 : 2 * found_capacity;
        struct blob *more = stele_realloc(found, capacity, sizeof *more);
        if (more == NULL) {
            return 0;
        }
        found = more;
        found_capacity = capacity;
    }
    for (size_t i = 0; i < STELE_BENCH_PARTS; i++) {
        char *folder = name[-2] == parts[i].folder ? stele_strdup(path) : NULL;
        if (folder != NULL) {
            folder[ftw->base] = '\0';
            found[n_found++] =
                (struct blob){folder, i, number_at(name), number_at(hi + 1), (double)st->st_size};
        }
    }
    return 0;
}

/* Another blob of the folder has all of it: it was merged into that one. */
static bool is_merged(const struct blob *blob) {
    for (size_t i = 0; i < n_found; i++) {
        const struct blob *other = &found[i];
        if (other->lo <= blob->lo && other->hi >= blob->hi &&
            other->hi - other->lo > blob->hi - blob->lo &&
            strcmp(other->folder, blob->folder) == 0) {
            return true;
        }
    }
    return false;
}

void stele_bench_kept_measure(const char *folder, struct stele_bench_kept *ret) {
    *ret = (struct stele_bench_kept){.entries = 0};
    (void)nftw(folder, add, 16, FTW_PHYS);
    for (size_t i = 0; i < n_found; i++) {
        const struct blob *blob = &found[i];
        ret->bytes[blob->part] += is_merged(blob) ? 0 : blob->bytes;
        ret->entries += blob->part == STELE_BENCH_PACKS ? blob->hi - blob->lo : 0;
    }
    for (size_t i = 0; i < n_found; i++) {
        stele_free(found[i].folder);
    }
    stele_free(found);
    found = NULL;
    n_found = found_capacity = 0;
}

static double all_of(const struct stele_bench_kept *kept) {
    double all = 0;
    for (size_t i = 0; i < STELE_BENCH_PARTS; i++) {
        all += kept->bytes[i];
    }
    return all / (double)kept->entries;
}

void stele_bench_kept_print(const struct stele_bench_kept *kept) {
    if (kept->entries == 0) {
        return;
    }
    (void)printf("kept              %.1f bytes an event in packs:", all_of(kept));
    for (size_t i = 0; i < STELE_BENCH_PARTS; i++) {
        (void)printf("%s %s %.1f", i == 0 ? "" : ",", parts[i].text,
                     kept->bytes[i] / (double)kept->entries);
    }
    (void)printf("\n");
}

void stele_bench_kept_json(const struct stele_bench_kept *kept, json_t *out) {
    if (kept->entries == 0) {
        return;
    }
    json_t *each = json_object();
    (void)json_object_set_new(each, "all", json_real(all_of(kept)));
    for (size_t i = 0; i < STELE_BENCH_PARTS; i++) {
        (void)json_object_set_new(each, parts[i].json,
                                  json_real(kept->bytes[i] / (double)kept->entries));
    }
    (void)json_object_set_new(out, "kept_bytes_per_event", each);
}
