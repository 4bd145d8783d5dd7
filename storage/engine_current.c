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

/* What stands in the folder. */
struct found {
    bool named; /* what CURRENT names is there */
    size_t n_manifests, n_tables;
    char manifest[STELE_CURRENT_NAME_BYTES]; /* one of them */
};

static bool is_manifest(const char *name) {
    const char *digits = name + sizeof PREFIX - 1;
    size_t size = strlen(name);
    return size < STELE_CURRENT_NAME_BYTES && strncmp(name, PREFIX, sizeof PREFIX - 1) == 0 &&
           *digits != '\0' && digits[strspn(digits, "0123456789")] == '\0';
}

stele_status stele_current_read(const char *db, char ret[STELE_AT_LEAST(STELE_CURRENT_NAME_BYTES)],
                                stele_err *err) {
    char current[STELE_FILE_PATH_MAX];
    stele_buf text = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_file_path(db, "CURRENT", current, err));
    STELE_TRY(stele_file_read(current, STELE_CURRENT_NAME_BYTES - 1, &text, err));
    size_t size = text.size > 0 && text.data[text.size - 1] == '\n' ? text.size - 1 : 0;
    if (size == 0 || memchr(text.data, '/', size) != NULL ||
        memchr(text.data, '\0', size) != NULL) {
        STELE_TRY(
            STELE_FAIL(err, CORRUPT, "'%.120s' names no file: restore it from backup", current));
    }
    memcpy(ret, text.data, size);
    ret[size] = '\0';
cleanup:
    stele_buf_done(&text);
    return st;
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
    char line[STELE_CURRENT_NAME_BYTES + 1];
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
    char named[STELE_CURRENT_NAME_BYTES];
    struct found found;
    stele_status st = stele_current_read(db, named, err);
    if (st == STELE_NOT_FOUND || st == STELE_LIMIT || st == STELE_CORRUPT ||
        (st == STELE_OK && !is_manifest(named))) {
        return STELE_OK; /* for RocksDB to judge */
    }
    STELE_TRY(st);
    STELE_TRY(stele_file_path(db, "CURRENT", current, err));
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
