/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/temp_folder.c: a folder of the test's own, and its removal. */
#include "tests/support/temp_folder.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/cmocka.h"

#define MARK "stele-test-"

void temp_folder_make(char ret[TEMP_FOLDER_BYTES]) {
    const char *base = getenv("TMPDIR");
    if (base == NULL || strlen(base) > TEMP_FOLDER_BYTES - 24) {
        base = "/tmp";
    }
    (void)snprintf(ret, TEMP_FOLDER_BYTES, "%s/" MARK "XXXXXX", base);
    if (mkdtemp(ret) == NULL) {
        fail_msg("cannot make a folder under %s", base);
    }
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw) {
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

void temp_folder_remove(const char *path) {
    if (strstr(path, MARK) != NULL) {
        (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
}

/* nftw has no argument for its callback. */
static const char *copy_from;
static const char *copy_to;

static int copy_one(const char *path, const struct stat *info, int type, struct FTW *ftw) {
    char target[1024];
    char bytes[65536];
    (void)ftw;
    (void)snprintf(target, sizeof target, "%s%s", copy_to, path + strlen(copy_from));
    if (type == FTW_D) {
        return mkdir(target, info->st_mode & 0777);
    }
    int in = open(path, O_RDONLY | O_CLOEXEC);
    int out = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, info->st_mode & 0777);
    ssize_t n = 0;
    int failed = in < 0 || out < 0;
    while (!failed && (n = read(in, bytes, sizeof bytes)) > 0) {
        failed = write(out, bytes, (size_t)n) != n;
    }
    (void)close(in);
    (void)close(out);
    return failed || n < 0;
}

void temp_folder_copy(const char *from, const char *to) {
    copy_from = from;
    copy_to = to;
    assert_int_equal(nftw(from, copy_one, 16, FTW_PHYS), 0);
}

const char *temp_path(const char *folder, const char *name) {
    static char path[4][1024];
    static unsigned next;
    char *ret = path[next++ % 4];
    (void)snprintf(ret, sizeof path[0], "%s/%s", folder, name);
    return ret;
}
