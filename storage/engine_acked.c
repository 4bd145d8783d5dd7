/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_acked.c: the marks of acknowledged positions: fixed places of 64 bytes, one a log,
 * each with a checksum, written in place. One place lies in one sector, so that a mark is old or
 * new.
 */
#include "storage/engine_acked.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "storage/cursor.h"
#include "storage/engine_names.h"
#include "storage/file.h"
#include "storage/hash.h"

#define MARK_BYTES 64
#define SUM_AT 56
#define NAME_AT 16
#define FILE_BYTES (STELE_ACKED_MARKS * MARK_BYTES)

static const uint8_t magic[8] = {'s', 't', 'e', 'l', 'a', 'c', 'k', '1'};

struct mark {
    char log[STELE_LOG_NAME_MAX + 1]; /* empty: the place is free */
    uint64_t next;
};

struct stele_acked {
    int fd;
    pthread_mutex_t mutex;
    struct mark mark[STELE_ACKED_MARKS];
};

/* magic, next, log name padded with NUL, zeros, and the first 8 bytes of a SHA-256 over all that.
 */
static void encode(const struct mark *mark, uint8_t out[STELE_AT_LEAST(MARK_BYTES)]) {
    uint8_t sum[STELE_HASH_BYTES];
    memset(out, 0, MARK_BYTES);
    memcpy(out, magic, sizeof magic);
    stele_put_u64(out + 8, mark->next);
    memcpy(out + NAME_AT, mark->log, strlen(mark->log));
    stele_sha256_of(stele_view_of(out, SUM_AT), sum);
    memcpy(out + SUM_AT, sum, MARK_BYTES - SUM_AT);
}

static void decode(const uint8_t in[STELE_AT_LEAST(MARK_BYTES)], struct mark *ret) {
    uint8_t again[MARK_BYTES];
    struct mark found = {.next = stele_get_u64(in + 8)};
    memcpy(found.log, in + NAME_AT, STELE_LOG_NAME_MAX);
    encode(&found, again);
    if (stele_name_check(found.log, STELE_LOG_NAME_MAX, "log", NULL) == STELE_OK &&
        memcmp(in, again, MARK_BYTES) == 0) {
        *ret = found;
    }
}

static stele_status load(struct stele_acked *a, const char *path, stele_err *err) {
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_status st = stele_file_read_at(a->fd, 0, FILE_BYTES, path, &bytes, err);
    for (size_t i = 0; st == STELE_OK && i < bytes.size / MARK_BYTES; i++) {
        decode(bytes.data + i * MARK_BYTES, &a->mark[i]);
    }
    stele_buf_done(&bytes);
    return st;
}

/* All its blocks are there from the start: a mark needs no room later. */
static stele_status create(const char *path, stele_err *err) {
    stele_status st;
    uint8_t *zeros = stele_alloc(1, FILE_BYTES);
    if (zeros == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to make '%.120s'", path);
    }
    st = stele_file_create(path, stele_view_of(zeros, FILE_BYTES), err);
    stele_free(zeros);
    return st == STELE_EXISTS ? STELE_OK : st;
}

stele_status stele_acked_open(const char *dir, struct stele_acked **ret, stele_err *err) {
    char path[STELE_FILE_PATH_MAX];
    stele_status st = STELE_OK;
    struct stele_acked *a = stele_alloc(1, sizeof *a);
    if (a == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the marks of chains");
    }
    a->fd = -1;
    (void)pthread_mutex_init(&a->mutex, NULL);
    STELE_TRY(stele_file_path(dir, "ACKED", path, err));
    STELE_TRY(create(path, err));
    a->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (a->fd < 0) {
        int os_errno = errno;
        st = STELE_FAIL_ERRNO(err, os_errno, "cannot open '%.120s': %s; check its owner and rights",
                              path, strerror(os_errno));
        goto cleanup;
    }
    STELE_TRY(load(a, path, err));
    *ret = a;
    a = NULL;
cleanup:
    stele_acked_close(a);
    return st;
}

void stele_acked_close(struct stele_acked *a) {
    if (a == NULL) {
        return;
    }
    if (a->fd >= 0) {
        (void)close(a->fd);
    }
    (void)pthread_mutex_destroy(&a->mutex);
    stele_free(a);
}

void stele_acked_note(struct stele_acked *a, const char *log, uint64_t next) {
    uint8_t bytes[MARK_BYTES];
    size_t place = 0;
    (void)pthread_mutex_lock(&a->mutex);
    while (place < STELE_ACKED_MARKS && a->mark[place].log[0] != '\0' &&
           strcmp(a->mark[place].log, log) != 0) {
        place++;
    }
    if (place < STELE_ACKED_MARKS) {
        memcpy(a->mark[place].log, log, strlen(log) + 1);
        a->mark[place].next = next;
        encode(&a->mark[place], bytes);
    }
    (void)pthread_mutex_unlock(&a->mutex);
    if (place < STELE_ACKED_MARKS) {
        /* A mark that is not written stays behind, which it may. */
        (void)!pwrite(a->fd, bytes, sizeof bytes, (off_t)(place * MARK_BYTES));
    }
}

uint64_t stele_acked_next(struct stele_acked *a, const char *log) {
    uint64_t next = 0;
    (void)pthread_mutex_lock(&a->mutex);
    for (size_t i = 0; i < STELE_ACKED_MARKS; i++) {
        if (a->mark[i].next > next && strcmp(a->mark[i].log, log) == 0) {
            next = a->mark[i].next;
        }
    }
    (void)pthread_mutex_unlock(&a->mutex);
    return next;
}

stele_status stele_acked_each(struct stele_acked *a, stele_acked_fn fn, void *ctx, stele_err *err) {
    stele_status st = STELE_OK;
    for (size_t i = 0; st == STELE_OK && i < STELE_ACKED_MARKS; i++) {
        (void)pthread_mutex_lock(&a->mutex);
        struct mark mark = a->mark[i];
        (void)pthread_mutex_unlock(&a->mutex);
        if (mark.log[0] != '\0') {
            st = fn(ctx, mark.log, mark.next, err);
        }
    }
    return st;
}
