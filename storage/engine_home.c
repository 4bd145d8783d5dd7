/* SPDX-License-Identifier: Apache-2.0 */
/* storage/engine_home.c: the folder of an embedded store: its lock and its region. */
#include "storage/engine_home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "storage/cursor.h"
#include "storage/engine_names.h"

#define LOCK_NAME "LOCK"
#define REGION_NAME "REGION"

/* Who holds the lock says so in the file; it may be cut short or stale, so it is only shown. */
static stele_status held_elsewhere(const char *path, stele_err *err) {
    stele_buf holder = STELE_BUF_EMPTY;
    size_t digits = 0;
    if (stele_file_read(path, 32, &holder, NULL) == STELE_OK) {
        while (digits < holder.size && holder.data[digits] >= '0' && holder.data[digits] <= '9') {
            digits++;
        }
    }
    stele_status st = STELE_FAIL(
        err, DENIED,
        "'%.120s' is held by process %.*s: one process has a store open at a "
        "time, stop that one",
        path, digits == 0 ? 7 : (int)digits, digits == 0 ? "unknown" : (const char *)holder.data);
    stele_buf_done(&holder);
    return st;
}

static stele_status take_lock(struct stele_home *home, stele_err *err) {
    char path[STELE_FILE_PATH_MAX];
    char pid[32];
    stele_status st = stele_file_path(home->dir, LOCK_NAME, path, err);
    if (st != STELE_OK) {
        return st;
    }
    home->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (home->lock_fd < 0) {
        int os_errno = errno;
        return STELE_FAIL_ERRNO(err, os_errno,
                                "cannot open '%.120s': %s; check the folder's owner and rights",
                                path, strerror(os_errno));
    }
    if (flock(home->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        int os_errno = errno;
        (void)close(home->lock_fd); /* before reading the holder: not to be taken for it below */
        home->lock_fd = -1;
        return os_errno == EWOULDBLOCK
                   ? held_elsewhere(path, err)
                   : STELE_FAIL_ERRNO(err, os_errno,
                                      "cannot lock '%.120s': %s; the filesystem "
                                      "must support flock",
                                      path, strerror(os_errno));
    }
    /* For people only: a failure to write it, such as on a full disk, must not stop the store. */
    int size = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(home->lock_fd, 0) == 0) {
        (void)!pwrite(home->lock_fd, pid, (size_t)size, 0);
    }
    return STELE_OK;
}

static stele_status read_region(struct stele_home *home, const char *region, stele_err *err) {
    char path[STELE_FILE_PATH_MAX];
    stele_buf found = STELE_BUF_EMPTY;
    stele_status st = stele_file_path(home->dir, REGION_NAME, path, err);
    if (st != STELE_OK) {
        return st;
    }
    st = stele_file_read(path, STELE_REGION_NAME_MAX + 1, &found, err);
    if (st == STELE_NOT_FOUND) {
        st = STELE_OK;
    } else if (st == STELE_OK) {
        size_t size =
            found.size > 0 && found.data[found.size - 1] == '\n' ? found.size - 1 : found.size;
        home->has_region = stele_view_is(stele_view_of(found.data, size), region);
        if (!home->has_region) {
            st = STELE_FAIL(
                err, DENIED,
                "'%.120s' names region '%.*s', not '%.32s': a region's data never moves, "
                "open it under its own name",
                path, (int)size, (const char *)found.data, region);
        }
    } else if (st == STELE_LIMIT) {
        st = stele_corrupt(st, err);
    }
    stele_buf_done(&found);
    return st;
}

/* What making a store leaves when it is interrupted, and what a fresh filesystem has in it. */
static bool harmless(const char *name) {
    static const char *const known[] = {".",         "..",        LOCK_NAME,    "blobs",
                                        "db",        REGION_NAME, "REGION.tmp", "ACKED",
                                        "ACKED.tmp", "lost+found"};
    bool found = false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        found = found || strcmp(name, known[i]) == 0;
    }
    return found;
}

struct surroundings {
    bool db;
    bool region;
    bool foreign;
};

static stele_status look_around(const char *dir, struct surroundings *ret, stele_err *err) {
    struct surroundings found = {false, false, false};
    DIR *folder = opendir(dir);
    if (folder == NULL) {
        int os_errno = errno;
        return os_errno == ENOENT
                   ? STELE_FAIL(err, NOT_FOUND, "there is no store in '%.120s'", dir)
                   : STELE_FAIL_ERRNO(err, os_errno,
                                      "cannot open the folder '%.120s': %s; check its "
                                      "owner and rights",
                                      dir, strerror(os_errno));
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        found.db = found.db || strcmp(entry->d_name, "db") == 0;
        found.region = found.region || strcmp(entry->d_name, REGION_NAME) == 0;
        found.foreign = found.foreign || !harmless(entry->d_name);
    }
    (void)closedir(folder);
    *ret = found;
    return STELE_OK;
}

/* Whether there is a store to open, or room to make one. */
static stele_status check_surroundings(const char *dir, bool create,
                                       const struct surroundings *found, stele_err *err) {
    if (found->region) {
        return STELE_OK;
    }
    if (!create && found->db) {
        return STELE_FAIL(
            err, CORRUPT,
            "'%.120s' holds a store without its REGION file: restore the file from backup", dir);
    }
    if (!create) {
        return STELE_FAIL(err, NOT_FOUND, "there is no store in '%.120s'", dir);
    }
    return found->foreign
               ? STELE_FAIL(err, NOT_FOUND,
                            "there is no store in '%.100s' and it is not empty: give a new "
                            "or an empty folder",
                            dir)
               : STELE_OK;
}

stele_status stele_home_open(const char *dir, const char *region, bool create,
                             struct stele_home *ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct surroundings found = {false, false, false};
    struct stele_home home = {.lock_fd = -1};
    STELE_TRY(stele_name_check(region, STELE_REGION_NAME_MAX, "region", err));
    if (strlen(dir) >= sizeof home.dir) {
        st = STELE_FAIL(err, LIMIT, "the path '%.64s...' is over %d characters", dir,
                        STELE_FILE_PATH_MAX - 1);
        goto cleanup;
    }
    memcpy(home.dir, dir, strlen(dir) + 1);
    if (create) {
        STELE_TRY(stele_file_make_folder(dir, err));
    }
    /* Before the lock, so that no LOCK file is left where no store is; again under it, because
     * another process may have made one in between. */
    STELE_TRY(look_around(dir, &found, err));
    STELE_TRY(check_surroundings(dir, create, &found, err));
    STELE_TRY(take_lock(&home, err));
    STELE_TRY(look_around(dir, &found, err));
    STELE_TRY(check_surroundings(dir, create, &found, err));
    STELE_TRY(read_region(&home, region, err));
    *ret = home;
    home.lock_fd = -1;
cleanup:
    stele_home_close(&home);
    return st;
}

stele_status stele_home_write_region(const struct stele_home *home, const char *region,
                                     stele_err *err) {
    char path[STELE_FILE_PATH_MAX];
    char text[STELE_REGION_NAME_MAX + 2];
    stele_status st = stele_file_path(home->dir, REGION_NAME, path, err);
    if (st != STELE_OK) {
        return st;
    }
    int size = snprintf(text, sizeof text, "%s\n", region);
    return stele_file_create(path, stele_view_of(text, (size_t)size), err);
}

void stele_home_close(struct stele_home *home) {
    if (home->lock_fd >= 0) {
        (void)close(home->lock_fd);
        home->lock_fd = -1;
    }
}
