/* SPDX-License-Identifier: Apache-2.0 */
/* storage/audit_work.c: see audit_work.h. Files are named by the entries they are of. */
#include "storage/audit_work.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/cursor.h"
#include "storage/file.h"
#include "storage/hash_lanes.h"

#define NAME_BYTES 64
#define ROW_BYTES 56u
#define ROW_SUMMED_BYTES 48u /* of a row; its sum follows */
#define ROW_SUM_BYTES 8u
#define ROWS_AT_ONCE 256u /* summed side by side, on the stack */
#define PROGRESS "progress"

struct name {
    char text[NAME_BYTES];
};

struct stele_audit_work {
    char folder[STELE_FILE_PATH_MAX];
    bool kept;
    int dir, lock;
    int rows; /* -1: none is open */
    uint64_t rows_lo;
    stele_buf bytes;
    struct name *dropped;
    size_t n_dropped, dropped_capacity;
};

static struct name name_of(const char *kind, uint64_t lo, uint64_t hi) {
    struct name name;
    (void)snprintf(name.text, sizeof name.text, "%s-%020" PRIu64 "-%020" PRIu64, kind, lo, hi);
    return name;
}

static struct name rows_name(uint64_t era_lo) {
    struct name name;
    (void)snprintf(name.text, sizeof name.text, "rows-%020" PRIu64, era_lo);
    return name;
}

static stele_status bad(const struct stele_audit_work *work, const char *name, const char *what,
                        stele_err *err) {
    return STELE_FAIL_ERRNO(err, errno, "cannot %s '%s' in the work folder '%.120s': %s", what,
                            name, work->folder, strerror(errno));
}

/* ------------------------------------------------------------------ the folder */

static stele_status make_temporary(struct stele_audit_work *work, stele_err *err) {
    const char *parent = getenv("TMPDIR");
    parent = parent == NULL || parent[0] == '\0' ? "/tmp" : parent;
    int n = snprintf(work->folder, sizeof work->folder, "%s/stele-audit-XXXXXX", parent);
    if (n < 0 || (size_t)n >= sizeof work->folder) {
        return STELE_FAIL(err, LIMIT, "TMPDIR is too long for a folder in it");
    }
    if (mkdtemp(work->folder) == NULL) {
        work->folder[0] = '\0';
        return STELE_FAIL_ERRNO(err, errno, "cannot make a folder in '%.120s': %s; set TMPDIR",
                                parent, strerror(errno));
    }
    return STELE_OK;
}

static stele_status open_folder(struct stele_audit_work *work, stele_err *err) {
    work->dir = open(work->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (work->dir < 0) {
        return bad(work, ".", "open", err);
    }
    work->lock = openat(work->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (work->lock < 0) {
        return bad(work, "lock", "open", err);
    }
    if (flock(work->lock, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK
                   ? STELE_FAIL(err, BUSY, "another audit works in the folder '%.120s'",
                                work->folder)
                   : bad(work, "lock", "lock", err);
    }
    return STELE_OK;
}

stele_status stele_audit_work_open(const char *folder, struct stele_audit_work **ret,
                                   stele_err *err) {
    struct stele_audit_work *work = stele_alloc(1, sizeof *work);
    stele_status st = STELE_OK;
    if (work == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for an audit's work folder");
    }
    work->dir = work->lock = work->rows = -1;
    work->kept = folder != NULL;
    if (folder == NULL) {
        STELE_TRY(make_temporary(work, err));
    } else if (strlen(folder) >= sizeof work->folder) {
        STELE_TRY(STELE_FAIL(err, LIMIT, "the path '%.64s...' is over %d characters", folder,
                             STELE_FILE_PATH_MAX - 1));
    } else {
        memcpy(work->folder, folder, strlen(folder) + 1);
        STELE_TRY(stele_file_make_folder(folder, err));
    }
    STELE_TRY(open_folder(work, err));
    *ret = work;
    work = NULL;
cleanup:
    stele_audit_work_close(work);
    return st;
}

static void remove_file(const struct stele_audit_work *work, const char *name) {
    (void)unlinkat(work->dir, name, 0); /* what stays is overwritten, or in nobody's way */
}

static void remove_dropped(struct stele_audit_work *work) {
    for (size_t i = 0; i < work->n_dropped; i++) {
        remove_file(work, work->dropped[i].text);
    }
    work->n_dropped = 0;
}

/* The folder is this process's own: all in it is. */
static void remove_all(const struct stele_audit_work *work) {
    DIR *dir = opendir(work->folder);
    for (struct dirent *entry = NULL; dir != NULL && (entry = readdir(dir)) != NULL;) {
        remove_file(work, entry->d_name);
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

void stele_audit_work_close(struct stele_audit_work *work) {
    if (work == NULL) {
        return;
    }
    if (work->rows >= 0) {
        (void)close(work->rows);
    }
    if (!work->kept && work->dir >= 0) {
        remove_all(work);
    }
    if (work->lock >= 0) {
        (void)close(work->lock);
    }
    if (work->dir >= 0) {
        (void)close(work->dir);
    }
    if (!work->kept && work->folder[0] != '\0') {
        (void)rmdir(work->folder);
    }
    stele_buf_done(&work->bytes);
    stele_free(work->dropped);
    stele_free(work);
}

const char *stele_audit_work_folder(const struct stele_audit_work *work) {
    return work->folder;
}

bool stele_audit_work_is_kept(const struct stele_audit_work *work) {
    return work->kept;
}

static stele_status create(const struct stele_audit_work *work, const char *name, int *ret,
                           stele_err *err) {
    *ret = openat(work->dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    return *ret < 0 ? bad(work, name, "make", err) : STELE_OK;
}

/* ------------------------------------------------------------------ entries */

static stele_status open_rows(struct stele_audit_work *work, uint64_t era_lo, stele_err *err) {
    if (work->rows >= 0 && work->rows_lo == era_lo) {
        return STELE_OK;
    }
    struct name name = rows_name(era_lo);
    if (work->rows >= 0) {
        (void)close(work->rows);
    }
    work->rows = openat(work->dir, name.text, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    work->rows_lo = era_lo;
    return work->rows < 0 ? bad(work, name.text, "open", err) : STELE_OK;
}

/* Sums the n rows in work->bytes, entries from `first` on, and puts the sums behind them; or, where
 * they are there already, says whether they are right. */
static bool sum_rows(struct stele_audit_work *work, uint64_t first, size_t n, bool put) {
    struct stele_hash_message message[ROWS_AT_ONCE];
    uint8_t sum[ROWS_AT_ONCE * STELE_HASH_BYTES];
    bool right = true;
    assert(n > 0 && n <= ROWS_AT_ONCE);
    for (size_t i = 0; i < n; i++) {
        stele_put_u32(message[i].head, (uint32_t)(first + i)); /* a row elsewhere is another one */
        message[i].head_bytes = 4;
        message[i].body = stele_view_of(work->bytes.data + i * ROW_BYTES, ROW_SUMMED_BYTES);
    }
    stele_sha256_many(NULL, message, n, sum);
    for (size_t i = 0; i < n; i++) {
        uint8_t *at = work->bytes.data + i * ROW_BYTES + ROW_SUMMED_BYTES;
        right &= put || memcmp(at, sum + i * STELE_HASH_BYTES, ROW_SUM_BYTES) == 0;
        memcpy(at, sum + i * STELE_HASH_BYTES, ROW_SUM_BYTES);
    }
    return right;
}

stele_status stele_audit_work_write_rows(struct stele_audit_work *work, uint64_t era_lo,
                                         uint64_t first, const struct stele_audit_row *row,
                                         size_t n, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(open_rows(work, era_lo, err));
    for (size_t at = 0; at < n; at += ROWS_AT_ONCE) {
        size_t part = n - at < ROWS_AT_ONCE ? n - at : ROWS_AT_ONCE;
        struct stele_writer w = stele_writer_to(&work->bytes);
        stele_buf_clear(&work->bytes);
        for (size_t i = at; i < at + part; i++) {
            stele_write_view(&w, stele_view_of(row[i].leaf, STELE_HASH_BYTES));
            stele_write_u64(&w, row[i].time_us);
            stele_write_u64(&w, row[i].late_us);
            stele_write_u64(&w, 0);
        }
        STELE_TRY(stele_writer_end(&w, err));
        (void)sum_rows(work, first + at, part, true);
        if (lseek(work->rows, (off_t)((first + at - era_lo) * ROW_BYTES), SEEK_SET) < 0) {
            return bad(work, rows_name(era_lo).text, "seek", err);
        }
        STELE_TRY(stele_file_write(work->rows, stele_view_buf(&work->bytes), work->folder, err));
    }
cleanup:
    return st;
}

/* At most ROWS_AT_ONCE. */
static stele_status read_some(struct stele_audit_work *work, uint64_t era_lo, uint64_t first,
                              struct stele_audit_row *ret_row, size_t n, stele_err *err) {
    stele_buf_clear(&work->bytes);
    stele_status st = stele_file_read_at(work->rows, (first - era_lo) * ROW_BYTES, n * ROW_BYTES,
                                         work->folder, &work->bytes, err);
    if (st != STELE_OK) {
        return st;
    }
    if (work->bytes.size != n * ROW_BYTES || !sum_rows(work, first, n, false)) {
        return STELE_FAIL(err, IO,
                          "the work folder '%.120s' lacks entries from %" PRIu64
                          " on; remove it, and the audit begins again",
                          work->folder, first);
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t *at = work->bytes.data + i * ROW_BYTES;
        memcpy(ret_row[i].leaf, at, STELE_HASH_BYTES);
        ret_row[i].time_us = stele_get_u64(at + STELE_HASH_BYTES);
        ret_row[i].late_us = stele_get_u64(at + STELE_HASH_BYTES + 8);
    }
    return STELE_OK;
}

stele_status stele_audit_work_read_rows(struct stele_audit_work *work, uint64_t era_lo,
                                        uint64_t first, struct stele_audit_row *ret_row, size_t n,
                                        stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(open_rows(work, era_lo, err));
    for (size_t at = 0; at < n; at += ROWS_AT_ONCE) {
        size_t part = n - at < ROWS_AT_ONCE ? n - at : ROWS_AT_ONCE;
        STELE_TRY(read_some(work, era_lo, first + at, ret_row + at, part, err));
    }
cleanup:
    return st;
}

/* ------------------------------------------------------------------ what is dropped */

static stele_status drop(struct stele_audit_work *work, struct name name, stele_err *err) {
    if (work->n_dropped == work->dropped_capacity) {
        size_t grown = work->dropped_capacity == 0 ? 64 : 2 * work->dropped_capacity;
        struct name *dropped = stele_realloc(work->dropped, grown, sizeof *dropped);
        if (dropped == NULL) {
            return STELE_FAIL(err, NO_MEMORY, "no memory for the names of %zu files", grown);
        }
        work->dropped = dropped;
        work->dropped_capacity = grown;
    }
    work->dropped[work->n_dropped++] = name;
    return STELE_OK;
}

stele_status stele_audit_work_drop(struct stele_audit_work *work, uint64_t lo, uint64_t hi,
                                   stele_err *err) {
    stele_status st = drop(work, name_of("i", lo, hi), err);
    return st == STELE_OK ? drop(work, name_of("s", lo, hi), err) : st;
}

stele_status stele_audit_work_drop_rows(struct stele_audit_work *work, uint64_t era_lo,
                                        stele_err *err) {
    return drop(work, rows_name(era_lo), err);
}

stele_status stele_audit_work_commit(struct stele_audit_work *work, stele_view progress,
                                     stele_err *err) {
    stele_status st = STELE_OK;
    int fd = -1;
    if (work->kept) {
        STELE_TRY(create(work, PROGRESS ".new", &fd, err));
        STELE_TRY(stele_file_write(fd, progress, PROGRESS, err));
        if (fsync(fd) != 0 || renameat(work->dir, PROGRESS ".new", work->dir, PROGRESS) != 0) {
            STELE_TRY(bad(work, PROGRESS, "write", err));
        }
    }
    remove_dropped(work);
cleanup:
    if (fd >= 0) {
        (void)close(fd);
    }
    return st;
}

stele_status stele_audit_work_progress(struct stele_audit_work *work, stele_buf *out,
                                       stele_err *err) {
    char path[STELE_FILE_PATH_MAX];
    stele_status st = stele_file_path(work->folder, PROGRESS, path, err);
    return st == STELE_OK ? stele_file_read(path, STELE_AUDIT_PROGRESS_MAX, out, err) : st;
}

/* ------------------------------------------------------------------ segments */

/* A pair of files behind a reference. */
struct files {
    int fd[2]; /* segment and seal; -1: not open */
    uint64_t size_bytes[2];
    const char *folder; /* for messages: the work outlives its references */
};

static stele_status read_file(const struct files *files, size_t which, uint64_t offset, size_t size,
                              stele_buf *out, stele_err *err) {
    return stele_file_read_at(files->fd[which], offset, size, files->folder, out, err);
}

static stele_status read_segment(void *ctx, uint64_t offset, size_t size, stele_buf *out,
                                 stele_err *err) {
    return read_file(ctx, 0, offset, size, out, err);
}

static stele_status read_seal(void *ctx, uint64_t offset, size_t size, stele_buf *out,
                              stele_err *err) {
    return read_file(ctx, 1, offset, size, out, err);
}

static void close_files(void *ctx) {
    struct files *files = ctx;
    for (size_t i = 0; files != NULL && i < 2; i++) {
        if (files->fd[i] >= 0) {
            (void)close(files->fd[i]);
        }
    }
    stele_free(files);
}

static stele_status files_new(const struct stele_audit_work *work, struct files **ret,
                              stele_err *err) {
    struct files *files = stele_alloc(1, sizeof *files);
    if (files == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a segment of an audit");
    }
    files->fd[0] = files->fd[1] = -1;
    files->folder = work->folder;
    *ret = files;
    return STELE_OK;
}

static stele_status write_fd(void *ctx, stele_view bytes, stele_err *err) {
    const int *fd = ctx;
    return stele_file_write(*fd, bytes, "a file of the work folder", err);
}

static stele_status measure(const struct stele_audit_work *work, struct files *files, size_t which,
                            stele_err *err) {
    struct stat info;
    if (fstat(files->fd[which], &info) != 0) {
        return bad(work, "a segment", "measure", err);
    }
    files->size_bytes[which] = (uint64_t)info.st_size;
    return STELE_OK;
}

stele_status stele_audit_work_store(struct stele_audit_work *work,
                                    const struct stele_segment_ref *ref, stele_err *err) {
    const struct stele_segment_info *info = stele_segment_info_of(ref->segment);
    const stele_buf *bytes[2] = {&ref->segment_bytes, &ref->seal_bytes};
    stele_status st = STELE_OK;
    for (size_t i = 0; i < 2 && st == STELE_OK; i++) {
        struct name name = name_of(i == 0 ? "i" : "s", info->lo, info->hi);
        int fd = -1;
        st = create(work, name.text, &fd, err);
        if (st == STELE_OK) {
            st = stele_file_write(fd, stele_view_buf(bytes[i]), name.text, err);
            (void)close(fd);
        }
    }
    return st;
}

stele_status stele_audit_work_merge(struct stele_audit_work *work,
                                    struct stele_segment_ref *const *refs, size_t n,
                                    struct stele_leaf_source leaves, stele_err *err) {
    struct stele_segment *segment[STELE_SEGMENT_FANIN_MAX];
    struct stele_seal *seal[STELE_SEGMENT_FANIN_MAX];
    struct stele_segment *merged = NULL;
    struct stele_descriptor unused;
    struct files *files = NULL;
    stele_status st = STELE_OK;
    assert(n > 0 && n <= STELE_SEGMENT_FANIN_MAX);
    for (size_t i = 0; i < n; i++) {
        segment[i] = refs[i]->segment;
        seal[i] = refs[i]->seal;
    }
    uint64_t lo = stele_segment_info_of(segment[0])->lo;
    uint64_t hi = stele_segment_info_of(segment[n - 1])->hi;
    STELE_TRY(files_new(work, &files, err));
    STELE_TRY(create(work, name_of("i", lo, hi).text, &files->fd[0], err));
    STELE_TRY(create(work, name_of("s", lo, hi).text, &files->fd[1], err));
    STELE_TRY(stele_segment_merge(segment, n, write_fd, &files->fd[0], err));
    STELE_TRY(measure(work, files, 0, err));
    STELE_TRY(stele_segment_open(read_segment, files, files->size_bytes[0], &merged, err));
    const struct stele_seal_parts parts = {merged, segment, seal, n};
    STELE_TRY(stele_seal_merge(&parts, leaves, write_fd, &files->fd[1], &unused, err));
cleanup:
    stele_segment_close(merged);
    close_files(files);
    return st;
}

stele_status stele_audit_work_load(struct stele_audit_work *work, uint64_t lo, uint64_t hi,
                                   struct stele_segment_ref **ret, stele_err *err) {
    struct stele_segment *segment = NULL;
    struct stele_seal *seal = NULL;
    struct files *files = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(files_new(work, &files, err));
    for (size_t i = 0; i < 2; i++) {
        struct name name = name_of(i == 0 ? "i" : "s", lo, hi);
        files->fd[i] = openat(work->dir, name.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (files->fd[i] < 0) {
            STELE_TRY(bad(work, name.text, "open", err));
        }
        STELE_TRY(measure(work, files, i, err));
    }
    STELE_TRY(stele_segment_open(read_segment, files, files->size_bytes[0], &segment, err));
    STELE_TRY(stele_seal_open(read_seal, files, files->size_bytes[1], segment, &seal, err));
    struct stele_segment_backing backing = {files, close_files};
    STELE_TRY(stele_segment_ref_of(segment, seal, &backing, ret, err));
    segment = NULL;
    seal = NULL;
    files = NULL;
cleanup:
    stele_seal_close(seal);
    stele_segment_close(segment);
    close_files(files);
    return st;
}
