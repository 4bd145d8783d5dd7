/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_folder.c: mkdtemp and a walk. */
#include "tools/bench_folder.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALK_FDS 16 /* a server's folder is four deep */

stele_status stele_bench_folder_make(char ret[STELE_AT_LEAST(STELE_BENCH_DIR_BYTES)],
                                     stele_err *err) {
    const char *parent = getenv("TMPDIR");
    parent = parent == NULL || parent[0] == '\0' ? "/tmp" : parent;
    int n = snprintf(ret, STELE_BENCH_DIR_BYTES, "%s/stele-bench-XXXXXX", parent);
    if (n < 0 || n >= STELE_BENCH_DIR_BYTES) {
        return STELE_FAIL(err, INVALID, "TMPDIR is too long for a folder in it");
    }
    if (mkdtemp(ret) == NULL) {
        return STELE_FAIL_ERRNO(err, errno, "cannot make a folder in '%.200s': %s", parent,
                                strerror(errno));
    }
    return STELE_OK;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void stele_bench_folder_remove(const char *path) {
    (void)nftw(path, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS);
}
