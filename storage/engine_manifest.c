/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_manifest.c: RocksDB's log format, as far as finding a torn last record needs it:
 * blocks of 32 KiB; a record is one piece or several, each with a masked CRC-32C over its type and
 * bytes, a length (little-endian) and a type; what is too short for a head at a block's end is
 * zeros.
 */
#include "storage/engine_manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "storage/engine_current.h"
#include "storage/file.h"

#define BLOCK_BYTES 32768
#define HEAD_BYTES 7
#define SECTOR_BYTES 512
/* engine_rocks_tuning.c has a new file begun past 4 MiB. */
#define MANIFEST_BYTES_MAX ((size_t)64 << 20)
/* A change names a few files and has at most a few hundred bytes for each. */
#define TORN_BYTES_MAX 65536
/* Fewer zeros may be what was written, with one bit turned. */
#define ZEROS_MIN 8

enum piece_type { PIECE_WHOLE = 1, PIECE_FIRST = 2, PIECE_MIDDLE = 3, PIECE_LAST = 4 };

static uint32_t crc32c(const uint8_t *bytes, size_t size) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
        }
    }
    return ~crc;
}

static uint32_t little_u32(const uint8_t *in) {
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

/* The size of the intact piece at `at` with its head, 0 if there is none. */
static size_t intact_piece(stele_view file, size_t at, int *ret_type) {
    size_t left = BLOCK_BYTES - at % BLOCK_BYTES;
    left = left < file.size - at ? left : file.size - at;
    if (left < HEAD_BYTES) {
        return 0;
    }
    const uint8_t *head = file.data + at;
    size_t size = (size_t)head[4] | (size_t)head[5] << 8;
    if (size > left - HEAD_BYTES || head[6] < PIECE_WHOLE || head[6] > PIECE_LAST) {
        return 0;
    }
    uint32_t crc = crc32c(head + 6, size + 1);
    uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
    *ret_type = head[6];
    return masked == little_u32(head) ? HEAD_BYTES + size : 0;
}

/* Where the record begins that is the first not to be whole and intact; the file's end if all are.
 */
static size_t end_of_intact(stele_view file) {
    size_t record = 0;
    size_t at = 0;
    while (at < file.size) {
        int type = 0;
        if (BLOCK_BYTES - at % BLOCK_BYTES < HEAD_BYTES) {
            at += BLOCK_BYTES - at % BLOCK_BYTES;
            continue;
        }
        size_t size = intact_piece(file, at, &type);
        if (size == 0) {
            break;
        }
        at += size;
        record = type == PIECE_WHOLE || type == PIECE_LAST ? at : record;
    }
    return record;
}

static bool is_zeros(stele_view bytes) {
    for (size_t i = 0; i < bytes.size; i++) {
        if (bytes.data[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Whether [from, end) is a record that lost a sector, and not followed by an intact one. */
static bool is_torn(stele_view file, size_t from) {
    bool lost = false;
    int type = 0;
    if (file.size - from > TORN_BYTES_MAX) {
        return false;
    }
    for (size_t at = from; at < file.size && !lost;) {
        size_t next = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
        next = next < file.size ? next : file.size;
        lost = next - at >= ZEROS_MIN && is_zeros(stele_view_slice(file, at, next - at));
        at = next;
    }
    for (size_t at = from + 1; at < file.size && lost; at++) {
        lost = intact_piece(file, at, &type) == 0;
    }
    return lost;
}

static stele_status find_manifest(const char *db, char ret[STELE_AT_LEAST(STELE_FILE_PATH_MAX)],
                                  stele_err *err) {
    char name[STELE_CURRENT_NAME_BYTES];
    stele_status st = stele_current_read(db, name, err);
    return st == STELE_OK ? stele_file_path(db, name, ret, err) : st;
}

/* Makes the file `bytes` from `offset` on, and durable. */
static stele_status set_end(const char *path, uint64_t offset, stele_view bytes, stele_err *err) {
    stele_status st = STELE_OK;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || ftruncate(fd, (off_t)offset) != 0 || lseek(fd, (off_t)offset, SEEK_SET) < 0) {
        int os_errno = errno;
        STELE_TRY(STELE_FAIL_ERRNO(err, os_errno,
                                   "cannot write the end of '%.120s': %s; check the disk", path,
                                   strerror(os_errno)));
    }
    STELE_TRY(stele_file_write(fd, bytes, path, err));
    if (fsync(fd) != 0) {
        int os_errno = errno;
        STELE_TRY(STELE_FAIL_ERRNO(err, os_errno, "cannot sync '%.120s': %s; check the disk", path,
                                   strerror(os_errno)));
    }
cleanup:
    if (fd >= 0) {
        (void)close(fd);
    }
    return st;
}

stele_status stele_manifest_cut(const char *db, struct stele_manifest_end *ret, stele_err *err) {
    struct stele_manifest_end end = {.bytes = STELE_BUF_EMPTY};
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(find_manifest(db, end.path, err));
    STELE_TRY(stele_file_read(end.path, MANIFEST_BYTES_MAX, &bytes, err));
    stele_view file = stele_view_buf(&bytes);
    end.offset = end_of_intact(file);
    if (end.offset == 0 || end.offset == file.size || !is_torn(file, (size_t)end.offset)) {
        STELE_TRY(STELE_FAIL(err, CORRUPT, "'%.120s' does not end in a torn record", end.path));
    }
    STELE_TRY(stele_buf_append(
        &end.bytes, stele_view_slice(file, (size_t)end.offset, file.size - (size_t)end.offset),
        err));
    STELE_TRY(set_end(end.path, end.offset, stele_view_of(NULL, 0), err));
    *ret = end;
    end.bytes = STELE_BUF_EMPTY;
cleanup:
    stele_buf_done(&end.bytes);
    stele_buf_done(&bytes);
    return st;
}

stele_status stele_manifest_put_back(const struct stele_manifest_end *end, stele_err *err) {
    return set_end(end->path, end->offset, stele_view_buf(&end->bytes), err);
}
