/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_blobs.c: writing, naming and reading blob files. Invariant: a name is given only
 * to a file whose bytes are synced, and never to a second file.
 */
#include "storage/engine_blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/engine_blob_files.h"
#include "storage/engine_names.h"
#include "storage/file.h"

/* Writers hand over blocks of a few KiB: gathered, a blob costs a system call per this much. */
#define PENDING_BYTES ((size_t)256 << 10)
#define COMPARE_BYTES ((size_t)256 << 10)
/* A folder that was just made can be removed as empty by another thread, before the file is in it.
 */
#define FOLDER_TRIES 10

struct stele_blobs {
    int root; /* the folder; every path below is relative to it */
    atomic_uint_fast64_t next_temporary;
    struct stele_blob_files *files;
};

/* ---- folders ---- */

/* Makes the folders of `key`. ENOTDIR and EEXIST say that a shorter key is a blob. */
static stele_status make_folders(const struct stele_blobs *b, const char *key, stele_err *err) {
    char part[STELE_BLOB_KEY_MAX + 1];
    for (const char *slash = strchr(key, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        size_t size = (size_t)(slash - key);
        struct stat info;
        memcpy(part, key, size);
        part[size] = '\0';
        if (mkdirat(b->root, part, 0700) == 0) {
            continue;
        }
        int os_errno = errno;
        bool there = os_errno == EEXIST && fstatat(b->root, part, &info, AT_SYMLINK_NOFOLLOW) == 0;
        if (there && !S_ISDIR(info.st_mode)) {
            return STELE_FAIL(err, INVALID, "'%.100s' cannot be a blob key: '%.80s' is a blob", key,
                              part);
        }
        if (!there) {
            return STELE_FAIL_ERRNO(
                err, os_errno,
                "cannot make the folder '%.100s' for blobs: %s; check the rights "
                "of the folder above",
                part, strerror(os_errno));
        }
    }
    return STELE_OK;
}

/*
 * Syncs the folder of `key` and every one above it, up to the blobs' own. All of them each time:
 * who made a folder may have stopped before its sync, and a sync of a clean folder costs
 * microseconds.
 */
static stele_status sync_folders(const struct stele_blobs *b, const char *key, stele_err *err) {
    char part[STELE_BLOB_KEY_MAX + 1];
    size_t size = strlen(key);
    memcpy(part, key, size + 1);
    while (size > 0) {
        while (size > 0 && part[size] != '/') {
            size--;
        }
        part[size] = '\0';
        int fd = openat(b->root, size == 0 ? "." : part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) {
            continue; /* removed as empty: the one above says so */
        }
        if (fd < 0 || fsync(fd) != 0) {
            int os_errno = errno;
            if (fd >= 0) {
                (void)close(fd);
            }
            return STELE_FAIL_ERRNO(err, os_errno,
                                    "cannot sync the folder of blob '%.100s': %s; check the disk, "
                                    "then put it again",
                                    key, strerror(os_errno));
        }
        (void)close(fd);
    }
    return STELE_OK;
}

/* Removes the folders of `key` that hold nothing, so that their names are free for blobs. */
static void remove_empty_folders(const struct stele_blobs *b, const char *key) {
    char part[STELE_BLOB_KEY_MAX + 64];
    (void)snprintf(part, sizeof part, "%s", key);
    for (char *slash = strrchr(part, '/'); slash != NULL; slash = strrchr(part, '/')) {
        *slash = '\0';
        if (unlinkat(b->root, part, AT_REMOVEDIR) != 0) {
            return;
        }
    }
}

/* ---- opening ---- */

struct opening {
    struct stele_blobs *blobs;
    char synced[STELE_BLOB_KEY_MAX + 1]; /* the folder of the file before, with its slash */
};

/*
 * An unfinished blob goes. A finished one may have been named by a process that was killed before
 * it synced the folder: its name could still go with the next power cut, alone of all in its
 * folder, when others rely on it. So each folder is synced before anything found in it is used.
 */
static stele_status take_over(void *ctx, const char *path, bool temporary, stele_err *err) {
    struct opening *opening = ctx;
    struct stele_blobs *b = opening->blobs;
    const char *slash = strrchr(path, '/');
    size_t folder_chars = slash == NULL ? 0 : (size_t)(slash + 1 - path);
    if (temporary && unlinkat(b->root, path, 0) != 0) {
        int os_errno = errno;
        return STELE_FAIL_ERRNO(
            err, os_errno,
            "cannot remove the unfinished blob '%.120s': %s; check the folder's rights", path,
            strerror(os_errno));
    }
    if (temporary) {
        remove_empty_folders(b, path);
        return STELE_OK;
    }
    if (stele_blob_key_check(path, NULL) != STELE_OK ||
        (strlen(opening->synced) == folder_chars &&
         memcmp(opening->synced, path, folder_chars) == 0 && folder_chars > 0)) {
        return STELE_OK; /* no blob; or the walk is still in the folder that was synced */
    }
    stele_status st = sync_folders(b, path, err);
    if (st == STELE_OK) {
        memcpy(opening->synced, path, folder_chars);
        opening->synced[folder_chars] = '\0';
    }
    return st;
}

stele_status stele_blobs_open(const char *folder, struct stele_blobs **ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_blobs *b = stele_alloc(1, sizeof *b);
    if (b == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to open '%.120s'", folder);
    }
    b->root = -1;
    STELE_TRY(stele_file_make_folder(folder, err));
    b->root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->root < 0) {
        int os_errno = errno;
        st = STELE_FAIL_ERRNO(err, os_errno,
                              "cannot open the folder '%.120s': %s; check its owner and rights",
                              folder, strerror(os_errno));
        goto cleanup;
    }
    STELE_TRY(stele_blob_files_new(b->root, &b->files, err));
    struct opening opening = {.blobs = b};
    STELE_TRY(stele_blob_walk(b->root, "", take_over, &opening, err));
    *ret = b;
    b = NULL;
cleanup:
    stele_blobs_close(b);
    return st;
}

void stele_blobs_close(struct stele_blobs *b) {
    if (b == NULL) {
        return;
    }
    stele_blob_files_free(b->files);
    if (b->root >= 0) {
        (void)close(b->root);
    }
    stele_free(b);
}

/* ---- writing ---- */

stele_status stele_blob_writer_new(struct stele_blobs *b, const char *key,
                                   struct stele_blob_writer **ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_blob_writer *w = NULL;
    STELE_TRY(stele_blob_key_check(key, err));
    w = stele_alloc(1, sizeof *w);
    if (w == NULL) {
        st = STELE_FAIL(err, NO_MEMORY, "no memory to write blob '%.120s'", key);
        goto cleanup;
    }
    w->fd = -1;
    w->blobs = b;
    (void)snprintf(w->key, sizeof w->key, "%s", key);
    const char *name = strrchr(key, '/');
    int folder_chars = name == NULL ? 0 : (int)(name + 1 - key);
    (void)snprintf(w->temporary, sizeof w->temporary, "%.*s" STELE_BLOB_TEMPORARY ".%llu",
                   folder_chars, key, (unsigned long long)atomic_fetch_add(&b->next_temporary, 1));
    int os_errno = ENOENT;
    for (int i = 0; i < FOLDER_TRIES && os_errno == ENOENT; i++) {
        STELE_TRY(make_folders(b, key, err));
        w->fd = openat(b->root, w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                       0600);
        os_errno = w->fd < 0 ? errno : 0;
    }
    if (w->fd < 0) {
        st = STELE_FAIL_ERRNO(
            err, os_errno,
            "cannot make the file of blob '%.100s': %s; check the folder's rights, "
            "the disk and the limit on open files",
            key, strerror(os_errno));
        goto cleanup;
    }
    *ret = w;
    w = NULL;
cleanup:
    stele_blob_writer_free(w);
    return st;
}

void stele_blob_writer_free(struct stele_blob_writer *w) {
    if (w == NULL) {
        return;
    }
    if (w->fd >= 0) {
        (void)close(w->fd);
        if (!w->placed) {
            (void)unlinkat(w->blobs->root, w->temporary, 0);
            remove_empty_folders(w->blobs, w->temporary);
        }
    }
    stele_buf_done(&w->pending);
    stele_free(w);
}

static stele_status write_through(struct stele_blob_writer *w, stele_view bytes, stele_err *err) {
    stele_status st = stele_file_write(w->fd, bytes, w->key, err);
    if (st == STELE_OK) {
        w->written += bytes.size;
    } else {
        w->failed = st;
    }
    return st;
}

static stele_status check_whole(const struct stele_blob_writer *w, stele_err *err) {
    return w->failed == STELE_OK
               ? STELE_OK
               : stele_err__set(
                     err, w->failed, 0, STELE_WHERE,
                     "blob '%.100s' lacks bytes of a write that failed: abort it and put it again",
                     w->key);
}

stele_status stele_blob_writer_add(struct stele_blob_writer *w, stele_view bytes, stele_err *err) {
    stele_status st = check_whole(w, err);
    if (st == STELE_OK && w->pending.size + bytes.size > PENDING_BYTES) {
        st = write_through(w, stele_view_buf(&w->pending), err);
        stele_buf_clear(&w->pending);
        if (st == STELE_OK && bytes.size >= PENDING_BYTES) {
            return write_through(w, bytes, err);
        }
    }
    if (st == STELE_OK) {
        st = stele_buf_append(&w->pending, bytes, err);
        w->failed = st;
    }
    return st;
}

stele_status stele_blob_writer_sync(struct stele_blob_writer *w, stele_err *err) {
    stele_status st = check_whole(w, err);
    if (st == STELE_OK) {
        st = write_through(w, stele_view_buf(&w->pending), err);
        stele_buf_clear(&w->pending);
    }
    if (st == STELE_OK && fsync(w->fd) != 0) {
        /* The kernel may have dropped the pages: this file is never synced again, only thrown away.
         */
        int os_errno = errno;
        st = STELE_FAIL_ERRNO(err, os_errno,
                              "cannot sync blob '%.100s': %s; check the disk, then put it again",
                              w->key, strerror(os_errno));
        w->failed = st;
    }
    return st;
}

static stele_status same_bytes(struct stele_blob_writer *w, int mine, int other, bool *ret_same,
                               stele_err *err) {
    stele_status st = STELE_OK;
    stele_buf left = STELE_BUF_EMPTY;
    stele_buf right = STELE_BUF_EMPTY;
    struct stat info;
    *ret_same =
        fstat(other, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size == w->written;
    for (uint64_t at = 0; *ret_same && at < w->written; at += left.size) {
        stele_buf_clear(&left);
        stele_buf_clear(&right);
        STELE_TRY(stele_file_read_at(mine, at, COMPARE_BYTES, w->temporary, &left, err));
        STELE_TRY(stele_file_read_at(other, at, COMPARE_BYTES, w->key, &right, err));
        *ret_same =
            left.size > 0 && stele_view_equal(stele_view_buf(&left), stele_view_buf(&right));
    }
cleanup:
    stele_buf_done(&left);
    stele_buf_done(&right);
    return st;
}

stele_status stele_blob_writer_compare(struct stele_blob_writer *w, bool *ret_present,
                                       stele_err *err) {
    stele_status st = STELE_OK;
    bool same = false;
    int root = w->blobs->root;
    int other = openat(root, w->key, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (other < 0 && errno == ENOENT) {
        *ret_present = false;
        return STELE_OK;
    }
    int mine = other < 0 ? -1 : openat(root, w->temporary, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (mine < 0) {
        int os_errno = errno;
        st = STELE_FAIL_ERRNO(
            err, os_errno,
            "cannot compare blob '%.100s' with the one of that name: %s; check its "
            "owner and rights",
            w->key, strerror(os_errno));
        goto cleanup;
    }
    struct stat info;
    if (fstat(other, &info) == 0 && S_ISDIR(info.st_mode)) {
        st = STELE_FAIL(err, INVALID, "'%.120s' cannot be a blob key: there are blobs below it",
                        w->key);
        goto cleanup;
    }
    STELE_TRY(same_bytes(w, mine, other, &same, err));
    if (!same) {
        st = STELE_FAIL(
            err, EXISTS,
            "blob '%.120s' exists with other bytes: blobs are never replaced, use another key",
            w->key);
        goto cleanup;
    }
    *ret_present = true;
cleanup:
    if (mine >= 0) {
        (void)close(mine);
    }
    if (other >= 0) {
        (void)close(other);
    }
    return st;
}

stele_status stele_blob_writer_place(struct stele_blob_writer *w, bool present, stele_err *err) {
    stele_status st = STELE_OK;
    if (!present) {
        STELE_TRY(stele_file_name(w->blobs->root, w->temporary, w->key, err));
        w->placed = true;
    }
    st = sync_folders(w->blobs, w->key, err);
    if (st != STELE_OK && !present) {
        /* Without its name it cannot be taken for durable by whoever puts the same bytes again. */
        (void)unlinkat(w->blobs->root, w->key, 0);
        remove_empty_folders(w->blobs, w->key);
    }
cleanup:
    return st;
}

/* ---- reading and removing ---- */

stele_status stele_blobs_get(struct stele_blobs *b, const char *key, uint64_t offset, size_t size,
                             stele_buf *out, stele_err *err) {
    stele_status st = stele_blob_key_check(key, err);
    return st == STELE_OK ? stele_blob_files_read(b->files, key, offset, size, out, err) : st;
}

void stele_blobs_will_need(struct stele_blobs *b, const char *key, uint64_t offset, size_t size) {
    if (stele_blob_key_check(key, NULL) == STELE_OK) {
        stele_blob_files_will_need(b->files, key, offset, size);
    }
}

stele_status stele_blobs_size(struct stele_blobs *b, const char *key, uint64_t *ret_bytes,
                              stele_err *err) {
    stele_status st = stele_blob_key_check(key, err);
    return st == STELE_OK ? stele_blob_files_size(b->files, key, ret_bytes, err) : st;
}

struct list_ctx {
    stele_key_fn fn;
    void *ctx;
};

static stele_status list_one(void *ctx, const char *path, bool temporary, stele_err *err) {
    struct list_ctx *c = ctx;
    /* A file somebody else put there is no blob: nothing can get it either. */
    bool ours = !temporary && stele_blob_key_check(path, NULL) == STELE_OK;
    return ours ? c->fn(c->ctx, path, err) : STELE_OK;
}

stele_status stele_blobs_list(struct stele_blobs *b, const char *prefix, stele_key_fn fn, void *ctx,
                              stele_err *err) {
    struct list_ctx c = {fn, ctx};
    return stele_blob_walk(b->root, prefix, list_one, &c, err);
}

stele_status stele_blobs_remove(struct stele_blobs *b, const char *key, stele_err *err) {
    stele_status st = stele_blob_key_check(key, err);
    if (st != STELE_OK) {
        return st;
    }
    int failed = unlinkat(b->root, key, 0);
    int os_errno = errno;
    stele_blob_files_forget(b->files, key);
    if (failed != 0) {
        return os_errno == ENOENT || os_errno == ENOTDIR || os_errno == EISDIR
                   ? STELE_FAIL(err, NOT_FOUND, "there is no blob '%.120s'", key)
                   : STELE_FAIL_ERRNO(err, os_errno,
                                      "cannot remove blob '%.100s': %s; check the folder's rights",
                                      key, strerror(os_errno));
    }
    remove_empty_folders(b, key);
    return sync_folders(b, key, err);
}
