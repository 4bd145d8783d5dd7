/* SPDX-License-Identifier: Apache-2.0 */
/* storage/engine_current.c: reads CURRENT, looks for what it names, and names another. */
#include "storage/engine_current.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "storage/file.h"

#define PREFIX "MANIFEST-"
#define NAME_BYTES_MAX 64u

/* What stands in the folder. */
struct found {
    bool named; /* what CURRENT names is there */
    size_t n_manifests, n_tables;
    char manifest[NAME_BYTES_MAX]; /* one of them */
};

static bool is_manifest(const char *name) {
    const char *digits = name + sizeof PREFIX - 1;
    size_t size = strlen(name);
    return size < NAME_BYTES_MAX && strncmp(name, PREFIX, sizeof PREFIX - 1) == 0 &&
           *digits != '\0' && digits[strspn(digits, "0123456789")] == '\0';
}

/* The name in CURRENT; empty if there is no such file, or something else in it. */
static stele_status read_current(const char *path, char ret[STELE_AT_LEAST(NAME_BYTES_MAX)],
                                 stele_err *err) {
    stele_buf text = STELE_BUF_EMPTY;
    ret[0] = '\0';
    stele_status st = stele_file_read(path, NAME_BYTES_MAX, &text, err);
    if (st == STELE_OK && text.size > 1 && text.data[text.size - 1] == '\n') {
        memcpy(ret, text.data, text.size - 1);
        ret[text.size - 1] = '\0';
        ret[0] = is_manifest(ret) ? ret[0] : '\0';
    }
    stele_buf_done(&text);
    return st == STELE_NOT_FOUND || st == STELE_LIMIT ? STELE_OK : st;
}

static stele_status look(const char *db, const char *named, struct found *ret, stele_err *err) {
    *ret = (struct found){.named = false};
    DIR *dir = opendir(db);
    if (dir == NULL) {
        int os_errno = errno;
        return STELE_FAIL_ERRNO(err, os_errno, "cannot list '%.120s': %s; check the disk", db,
                                strerror(os_errno));
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        size_t size = strlen(entry->d_name);
        ret->n_tables += size > 4 && strcmp(entry->d_name + size - 4, ".sst") == 0;
        ret->named = ret->named || strcmp(entry->d_name, named) == 0;
        if (is_manifest(entry->d_name)) {
            ret->n_manifests++;
            memcpy(ret->manifest, entry->d_name, size + 1);
        }
    }
    (void)closedir(dir);
    return STELE_OK;
}

/* Whole or not at all: under another name first. */
static stele_status name_again(const char *db, const struct found *found, stele_err *err) {
    char current[STELE_FILE_PATH_MAX];
    char made[STELE_FILE_PATH_MAX];
    char line[NAME_BYTES_MAX + 1];
    stele_status st = STELE_OK;
    int size = snprintf(line, sizeof line, "%s\n", found->manifest);
    STELE_TRY(stele_file_path(db, "CURRENT", current, err));
    STELE_TRY(stele_file_path(db, "CURRENT.mended", made, err));
    (void)unlink(made);
    STELE_TRY(stele_file_create(made, stele_view_of(line, (size_t)size), err));
    if (rename(made, current) != 0) {
        int os_errno = errno;
        STELE_TRY(STELE_FAIL_ERRNO(err, os_errno, "cannot write '%.120s': %s; check the disk",
                                   current, strerror(os_errno)));
    }
    STELE_TRY(stele_file_sync_folder(db, err));
cleanup:
    return st;
}

stele_status stele_current_mend(const char *db, bool create, stele_err *err) {
    char current[STELE_FILE_PATH_MAX];
    char named[NAME_BYTES_MAX];
    struct found found;
    stele_status st = STELE_OK;
    STELE_TRY(stele_file_path(db, "CURRENT", current, err));
    STELE_TRY(read_current(current, named, err));
    if (named[0] == '\0') {
        return STELE_OK;
    }
    STELE_TRY(look(db, named, &found, err));
    if (!found.named && found.n_manifests == 1) {
        STELE_TRY(name_again(db, &found, err));
    } else if (!found.named && create && found.n_manifests + found.n_tables == 0) {
        if (unlink(current) != 0) {
            int os_errno = errno;
            STELE_TRY(STELE_FAIL_ERRNO(err, os_errno, "cannot remove '%.120s': %s; check the disk",
                                       current, strerror(os_errno)));
        }
        STELE_TRY(stele_file_sync_folder(db, err));
    }
cleanup:
    return st;
}
