/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_repeats.c: walks RocksDB's log format by its heads: blocks of 32 KiB, a record in
 * one piece or several, each with a sum, a length (little-endian) and a type. A record of the
 * write-ahead log begins with the number of its first change and how many it has; the first record
 * of a manifest stands there once.
 */
#include "storage/engine_repeats.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/bytes.h"
#include "storage/file.h"

#define BLOCK_BYTES 32768u
#define HEAD_BYTES 7u
#define PIECE_WHOLE 1
#define PIECE_FIRST 2
#define PIECE_LAST 4
#define START_BYTES 64u    /* of a record that are looked at */
#define NUMBERED_BYTES 12u /* u64 first change, u32 changes */

struct walk {
    const char *name;
    bool is_manifest;
    stele_buf first;          /* of a manifest: how its first record begins */
    uint64_t n_records, next; /* of a log: the least number that may come */
};

static uint64_t little(const uint8_t *in, size_t size) {
    uint64_t value = 0;
    for (size_t i = size; i > 0; i--) {
        value = value << 8 | in[i - 1];
    }
    return value;
}

static stele_status take_record(struct walk *walk, stele_view start, stele_err *err) {
    bool again = false;
    if (walk->is_manifest && walk->n_records == 0) {
        stele_status st = stele_buf_append(&walk->first, start, err);
        if (st != STELE_OK) {
            return st;
        }
    } else if (walk->is_manifest) {
        again = stele_view_equal(start, stele_view_buf(&walk->first));
    } else if (start.size >= NUMBERED_BYTES) {
        uint64_t number = little(start.data, 8);
        again = number < walk->next;
        walk->next = number + little(start.data + 8, 4);
    }
    walk->n_records++;
    return again ? STELE_FAIL(err, CORRUPT,
                              "'%.100s': its record %" PRIu64
                              " stands there a second time: the file was not written so; restore "
                              "from backup",
                              walk->name, walk->n_records)
                 : STELE_OK;
}

/* Ends where the format does: what is torn or damaged is RocksDB's to judge. */
static stele_status walk_file(int fd, uint64_t size, struct walk *walk, stele_err *err) {
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    for (uint64_t at = 0; at + HEAD_BYTES <= size;) {
        uint64_t left = BLOCK_BYTES - at % BLOCK_BYTES;
        if (left < HEAD_BYTES) {
            at += left;
            continue;
        }
        stele_buf_clear(&bytes);
        STELE_TRY(stele_file_read_at(fd, at, HEAD_BYTES + START_BYTES, walk->name, &bytes, err));
        if (bytes.size < HEAD_BYTES) {
            break;
        }
        uint64_t piece = little(bytes.data + 4, 2);
        uint8_t type = bytes.data[6];
        if (type < PIECE_WHOLE || type > PIECE_LAST || piece > left - HEAD_BYTES) {
            break;
        }
        if (type == PIECE_WHOLE || type == PIECE_FIRST) {
            size_t here = bytes.size - HEAD_BYTES < piece ? bytes.size - HEAD_BYTES : (size_t)piece;
            STELE_TRY(take_record(walk, stele_view_of(bytes.data + HEAD_BYTES, here), err));
        }
        at += HEAD_BYTES + piece;
    }
cleanup:
    stele_buf_done(&bytes);
    return st;
}

static stele_status check_file(const char *db, const char *name, bool is_manifest, stele_err *err) {
    char path[STELE_FILE_PATH_MAX];
    struct walk walk = {.name = name, .is_manifest = is_manifest};
    struct stat info;
    int fd = -1;
    stele_status st = STELE_OK;
    STELE_TRY(stele_file_path(db, name, path, err));
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to hang on a pipe */
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
        st = walk_file(fd, (uint64_t)info.st_size, &walk, err);
    }
cleanup:
    if (fd >= 0) {
        (void)close(fd);
    }
    stele_buf_done(&walk.first);
    return st;
}

static bool ends_in(const char *name, const char *end) {
    size_t n = strlen(name);
    size_t m = strlen(end);
    return n > m && strcmp(name + n - m, end) == 0;
}

stele_status stele_repeats_check(const char *db, stele_err *err) {
    stele_status st = STELE_OK;
    DIR *folder = opendir(db);
    if (folder == NULL) {
        return STELE_OK; /* opening it says why */
    }
    for (const struct dirent *entry = readdir(folder); st == STELE_OK && entry != NULL;
         entry = readdir(folder)) {
        bool is_manifest = strncmp(entry->d_name, "MANIFEST-", 9) == 0;
        if (is_manifest || ends_in(entry->d_name, ".log")) {
            st = check_file(db, entry->d_name, is_manifest, err);
        }
    }
    (void)closedir(folder);
    return st;
}
