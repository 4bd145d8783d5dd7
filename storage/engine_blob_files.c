/* SPDX-License-Identifier: Apache-2.0 */
/* storage/engine_blob_files.c: a bounded cache of open blob files, and an ordered walk of the
 * folders. */
#include "storage/engine_blob_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/engine_blobs.h"
#include "storage/file.h"

/* A query touches the packs and segments of a few months; a search over 128 slots costs less than
 * an open(), and the usual limit of 1024 open files keeps room for connections. */
#define FILES_MAX 128
/* Names of one folder held for sorting: 4 million packs of 65,536 events are 2^38 events of one
 * log. */
#define FOLDER_NAMES_MAX ((size_t)4 << 20)

struct open_file {
    int fd; /* -1: the slot is free */
    unsigned users;
    bool forgotten; /* its name is gone: closed by the last user */
    uint64_t hash;
    uint64_t size_bytes;
    uint64_t used_at;
    char key[STELE_BLOB_KEY_MAX + 1];
};

struct stele_blob_files {
    int root;
    pthread_mutex_t mutex;
    uint64_t clock;    /* one tick a use: orders the slots by age */
    uint64_t removals; /* a file opened before a removal is not kept after it */
    struct open_file slot[FILES_MAX];
};

/* A file being read: a slot of the cache, or one of its own when all slots are in use. */
struct borrowed {
    struct open_file *slot;
    int fd;
    uint64_t size_bytes;
};

static uint64_t hash_of(const char *key) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a: spreads keys, protects nothing */
    for (; *key != '\0'; key++) {
        hash = (hash ^ (uint8_t)*key) * 1099511628211u;
    }
    return hash;
}

stele_status stele_blob_files_new(int root, struct stele_blob_files **ret, stele_err *err) {
    struct stele_blob_files *f = stele_alloc(1, sizeof *f);
    if (f == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the cache of %d open blobs", FILES_MAX);
    }
    f->root = root;
    (void)pthread_mutex_init(&f->mutex, NULL);
    for (size_t i = 0; i < FILES_MAX; i++) {
        f->slot[i].fd = -1;
    }
    *ret = f;
    return STELE_OK;
}

void stele_blob_files_free(struct stele_blob_files *f) {
    if (f == NULL) {
        return;
    }
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (f->slot[i].fd >= 0) {
            (void)close(f->slot[i].fd);
        }
    }
    (void)pthread_mutex_destroy(&f->mutex);
    stele_free(f);
}

/* Under the mutex. */
static struct open_file *find(struct stele_blob_files *f, const char *key, uint64_t hash) {
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct open_file *s = &f->slot[i];
        if (s->fd >= 0 && !s->forgotten && s->hash == hash && strcmp(s->key, key) == 0) {
            return s;
        }
    }
    return NULL;
}

/* Under the mutex: a free slot, else the one unused for longest, else NULL. ret_evicted: to be
 * closed. */
static struct open_file *find_room(struct stele_blob_files *f, int *ret_evicted) {
    struct open_file *oldest = NULL;
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct open_file *s = &f->slot[i];
        if (s->fd < 0) {
            return s;
        }
        if (s->users == 0 && (oldest == NULL || s->used_at < oldest->used_at)) {
            oldest = s;
        }
    }
    if (oldest != NULL) {
        *ret_evicted = oldest->fd;
        oldest->fd = -1;
    }
    return oldest;
}

static stele_status open_blob(const struct stele_blob_files *f, const char *key, int *ret_fd,
                              uint64_t *ret_bytes, stele_err *err) {
    struct stat info;
    int fd = openat(f->root, key, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        int os_errno = errno;
        return os_errno == ENOENT || os_errno == ENOTDIR
                   ? STELE_FAIL(err, NOT_FOUND, "there is no blob '%.120s'", key)
                   : STELE_FAIL_ERRNO(
                         err, os_errno,
                         "cannot open blob '%.100s': %s; check its owner and rights and "
                         "the limit on open files",
                         key, strerror(os_errno));
    }
    int failed = fstat(fd, &info);
    int os_errno = errno;
    if (failed != 0 || !S_ISREG(info.st_mode)) {
        (void)close(fd);
        return failed != 0 ? STELE_FAIL_ERRNO(err, os_errno,
                                              "cannot stat blob '%.100s': %s; check the disk", key,
                                              strerror(os_errno))
                           : STELE_FAIL(err, NOT_FOUND, "there is no blob '%.120s'", key);
    }
    *ret_fd = fd;
    *ret_bytes = (uint64_t)info.st_size;
    return STELE_OK;
}

static stele_status borrow(struct stele_blob_files *f, const char *key, struct borrowed *ret,
                           stele_err *err) {
    uint64_t hash = hash_of(key);
    int evicted = -1;
    (void)pthread_mutex_lock(&f->mutex);
    struct open_file *s = find(f, key, hash);
    uint64_t removals = f->removals;
    if (s != NULL) {
        s->users++;
        s->used_at = ++f->clock;
        *ret = (struct borrowed){s, s->fd, s->size_bytes};
    }
    (void)pthread_mutex_unlock(&f->mutex);
    if (s != NULL) {
        return STELE_OK;
    }
    struct borrowed b = {NULL, -1, 0};
    stele_status st = open_blob(f, key, &b.fd, &b.size_bytes, err);
    if (st != STELE_OK) {
        return st;
    }
    (void)pthread_mutex_lock(&f->mutex);
    /* Two threads may have opened it: the first one's is in the cache, the other's is closed after
     * use. */
    if (removals == f->removals && find(f, key, hash) == NULL) {
        s = find_room(f, &evicted);
    }
    if (s != NULL) {
        *s = (struct open_file){.fd = b.fd,
                                .users = 1,
                                .hash = hash,
                                .size_bytes = b.size_bytes,
                                .used_at = ++f->clock};
        memcpy(s->key, key, strlen(key) + 1);
        b.slot = s;
    }
    (void)pthread_mutex_unlock(&f->mutex);
    if (evicted >= 0) {
        (void)close(evicted);
    }
    *ret = b;
    return STELE_OK;
}

static void give_back(struct stele_blob_files *f, struct borrowed *b) {
    int closing = b->slot == NULL ? b->fd : -1;
    if (b->slot != NULL) {
        (void)pthread_mutex_lock(&f->mutex);
        b->slot->users--;
        if (b->slot->users == 0 && b->slot->forgotten) {
            closing = b->slot->fd;
            b->slot->fd = -1;
        }
        (void)pthread_mutex_unlock(&f->mutex);
    }
    if (closing >= 0) {
        (void)close(closing);
    }
}

void stele_blob_files_forget(struct stele_blob_files *f, const char *key) {
    int closing = -1;
    (void)pthread_mutex_lock(&f->mutex);
    f->removals++;
    struct open_file *s = find(f, key, hash_of(key));
    if (s != NULL) {
        s->forgotten = true;
        if (s->users == 0) {
            closing = s->fd;
            s->fd = -1;
        }
    }
    (void)pthread_mutex_unlock(&f->mutex);
    if (closing >= 0) {
        (void)close(closing);
    }
}

stele_status stele_blob_files_read(struct stele_blob_files *f, const char *key, uint64_t offset,
                                   size_t size, stele_buf *out, stele_err *err) {
    struct borrowed b;
    stele_status st = borrow(f, key, &b, err);
    if (st != STELE_OK) {
        return st;
    }
    uint64_t left = offset < b.size_bytes ? b.size_bytes - offset : 0;
    size_t wanted = left < size ? (size_t)left : size;
    size_t before = out->size;
    st = stele_file_read_at(b.fd, offset, wanted, key, out, err);
    if (st == STELE_OK && out->size - before != wanted) {
        out->size = before;
        st = STELE_FAIL(err, CORRUPT,
                        "blob '%.100s' got shorter than its %llu bytes: restore it from backup",
                        key, (unsigned long long)b.size_bytes);
    }
    give_back(f, &b);
    return st;
}

void stele_blob_files_will_need(struct stele_blob_files *f, const char *key, uint64_t offset,
                                size_t size) {
    struct borrowed b;
    if (borrow(f, key, &b, NULL) == STELE_OK) {
        (void)posix_fadvise(b.fd, (off_t)offset, (off_t)size, POSIX_FADV_WILLNEED);
        give_back(f, &b);
    }
}

stele_status stele_blob_files_size(struct stele_blob_files *f, const char *key, uint64_t *ret_bytes,
                                   stele_err *err) {
    struct borrowed b;
    stele_status st = borrow(f, key, &b, err);
    if (st == STELE_OK) {
        *ret_bytes = b.size_bytes;
        give_back(f, &b);
    }
    return st;
}

/* ---- the walk ---- */

/* Names of one folder, a slash after those of folders: so sorted, paths come out in bytewise order,
 * because "a-b" < "a/c" although "a" < "a-b". */
struct names {
    stele_buf text;    /* each ends with NUL */
    stele_buf offsets; /* size_t offsets into text */
    size_t n;
};

struct walk {
    int root;
    const char *prefix;
    size_t prefix_chars;
    stele_blob_walk_fn fn;
    void *ctx;
    char path[STELE_BLOB_KEY_MAX + 64]; /* of the current folder, ends with a slash, or is empty */
};

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Whether `path` can hold, or be, something that starts with the prefix. */
static bool may_match(const struct walk *w, const char *path, bool folder) {
    size_t chars = strlen(path);
    size_t shared = folder && chars < w->prefix_chars ? chars : w->prefix_chars;
    return strncmp(path, w->prefix, shared) == 0;
}

static stele_status add_name(struct walk *w, struct names *names, int folder_fd,
                             const struct dirent *entry, stele_err *err) {
    struct stat info;
    bool folder = entry->d_type == DT_DIR;
    bool file = entry->d_type == DT_REG;
    char path[sizeof w->path + 257];
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
        return STELE_OK;
    }
    if (entry->d_type == DT_UNKNOWN &&
        fstatat(folder_fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
        folder = S_ISDIR(info.st_mode);
        file = S_ISREG(info.st_mode);
    }
    (void)snprintf(path, sizeof path, "%s%s%s", w->path, entry->d_name, folder ? "/" : "");
    if ((!folder && !file) || strlen(path) >= sizeof w->path || !may_match(w, path, folder)) {
        return STELE_OK; /* nothing a key can name */
    }
    if (names->n >= FOLDER_NAMES_MAX) {
        return STELE_FAIL(err, LIMIT, "the blob folder '%.100s' holds over %zu names", w->path,
                          FOLDER_NAMES_MAX);
    }
    size_t offset = names->text.size;
    const char *name = path + strlen(w->path);
    stele_status st = stele_buf_append(&names->text, stele_view_of(name, strlen(name) + 1), err);
    if (st == STELE_OK) {
        st = stele_buf_append(&names->offsets, stele_view_of(&offset, sizeof offset), err);
        names->n++;
    }
    return st;
}

static stele_status read_names(struct walk *w, struct names *names, stele_err *err) {
    stele_status st = STELE_OK;
    int fd =
        openat(w->root, w->path[0] == '\0' ? "." : w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        int os_errno = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return STELE_FAIL_ERRNO(
            err, os_errno, "cannot list the blob folder '%.100s': %s; check its owner and rights",
            w->path, strerror(os_errno));
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            if (errno != 0) {
                int os_errno = errno;
                st = STELE_FAIL_ERRNO(err, os_errno,
                                      "cannot list the blob folder '%.100s': %s; check the disk",
                                      w->path, strerror(os_errno));
            }
            break;
        }
        STELE_TRY(add_name(w, names, fd, entry, err));
    }
cleanup:
    (void)closedir(dir);
    return st;
}

static stele_status walk_folder(struct walk *w, stele_err *err) {
    stele_status st = STELE_OK;
    struct names names = {STELE_BUF_EMPTY, STELE_BUF_EMPTY, 0};
    const char **sorted = NULL;
    size_t folder_chars = strlen(w->path);
    STELE_TRY(read_names(w, &names, err));
    sorted = stele_alloc(names.n, sizeof *sorted);
    if (sorted == NULL) {
        st =
            STELE_FAIL(err, NO_MEMORY, "no memory to sort %zu names of '%.100s'", names.n, w->path);
        goto cleanup;
    }
    for (size_t i = 0; i < names.n; i++) {
        size_t offset = 0;
        memcpy(&offset, names.offsets.data + i * sizeof offset, sizeof offset);
        sorted[i] = (const char *)names.text.data + offset;
    }
    stele_buf_done(&names.offsets);
    qsort(sorted, names.n, sizeof *sorted, compare_names);
    for (size_t i = 0; i < names.n; i++) {
        size_t chars = strlen(sorted[i]);
        memcpy(w->path + folder_chars, sorted[i], chars + 1);
        if (sorted[i][chars - 1] == '/') {
            /* As deep as a path is long: a part and a slash are two characters at least. */
            STELE_TRY(walk_folder(w, err));
        } else {
            STELE_TRY(
                w->fn(w->ctx, w->path, strncmp(sorted[i], STELE_BLOB_TEMPORARY, 4) == 0, err));
        }
        w->path[folder_chars] = '\0';
    }
cleanup:
    stele_free(sorted);
    stele_buf_done(&names.text);
    stele_buf_done(&names.offsets);
    return st;
}

stele_status stele_blob_walk(int root, const char *prefix, stele_blob_walk_fn fn, void *ctx,
                             stele_err *err) {
    struct walk w = {
        .root = root, .prefix = prefix, .prefix_chars = strlen(prefix), .fn = fn, .ctx = ctx};
    return walk_folder(&w, err);
}
