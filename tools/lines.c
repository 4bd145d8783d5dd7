/* SPDX-License-Identifier: Apache-2.0 */
/* tools/lines.c: buffered lines over a file descriptor. */
#include "tools/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 65536u

struct stele_lines {
    int fd;
    bool owned, ended, skipping; /* skipping: the rest of a line that was too long */
    stele_buf buf;
    size_t at; /* of the first byte not given out */
    uint64_t number;
};

stele_status stele_lines_open(const char *path, struct stele_lines **ret, stele_err *err) {
    struct stele_lines *lines = stele_alloc(1, sizeof *lines);
    if (lines == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to read lines");
    }
    lines->owned = path != NULL && strcmp(path, "-") != 0;
    lines->fd = lines->owned ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (lines->fd < 0) {
        int failed = errno;
        stele_free(lines);
        return failed == ENOENT ? STELE_FAIL(err, INVALID, "there is no file '%.160s'", path)
                                : STELE_FAIL_ERRNO(err, failed, "cannot open '%.120s': %s", path,
                                                   strerror(failed));
    }
    struct stat info;
    if (fstat(lines->fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        stele_lines_close(lines);
        return STELE_FAIL(err, INVALID, "'%.160s' is a folder: name a file of events", path);
    }
    *ret = lines;
    return STELE_OK;
}

/* Reads once more; END at the end of the input. */
static stele_status fill(struct stele_lines *lines, stele_err *err) {
    if (lines->at > 0) {
        memmove(lines->buf.data, lines->buf.data + lines->at, lines->buf.size - lines->at);
        lines->buf.size -= lines->at;
        lines->at = 0;
    }
    stele_status st = stele_buf_reserve(&lines->buf, READ_BYTES, err);
    ssize_t n = 0;
    if (st != STELE_OK) {
        return st;
    }
    do {
        n = read(lines->fd, lines->buf.data + lines->buf.size, READ_BYTES);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return STELE_FAIL_ERRNO(err, errno, "cannot read the input");
    }
    lines->buf.size += (size_t)n;
    lines->ended = n == 0;
    return n == 0 ? STELE_END : STELE_OK;
}

static stele_status too_long(struct stele_lines *lines, uint64_t *ret_number, stele_err *err) {
    lines->number++;
    *ret_number = lines->number;
    return STELE_FAIL(err, LIMIT, "a line of over %u bytes", STELE_LINE_BYTES_MAX);
}

/* True if it did. */
static bool skip_byte_order_mark(struct stele_lines *lines) {
    bool is_there = lines->number == 0 && lines->buf.size - lines->at >= 3 &&
                    memcmp(lines->buf.data + lines->at, "\xef\xbb\xbf", 3) == 0;
    lines->at += is_there ? 3 : 0;
    return is_there;
}

/* The next whole line of the buffer, or what is left at the end of the input. */
static bool take_line(struct stele_lines *lines, size_t scanned, stele_view *ret) {
    uint8_t *start = lines->buf.data + lines->at;
    size_t left = lines->buf.size - lines->at;
    uint8_t *newline = left > scanned ? memchr(start + scanned, '\n', left - scanned) : NULL;
    if (newline == NULL && !(lines->ended && left > 0)) {
        return false;
    }
    size_t size = newline != NULL ? (size_t)(newline - start) : left;
    *ret = stele_view_of(start, size);
    lines->at += size + (newline != NULL ? 1 : 0);
    return true;
}

stele_status stele_lines_next(struct stele_lines *lines, stele_view *ret, uint64_t *ret_number,
                              stele_err *err) {
    size_t scanned = 0; /* bytes of the line that hold no newline */
    for (;;) {
        stele_view line;
        if (take_line(lines, scanned, &line)) {
            scanned = 0;
            if (lines->skipping) {
                lines->skipping = false;
                continue;
            }
            if (line.size > STELE_LINE_BYTES_MAX) {
                return too_long(lines, ret_number, err);
            }
            lines->number++;
            *ret = line;
            *ret_number = lines->number;
            return STELE_OK;
        }
        if (lines->ended) {
            return STELE_END;
        }
        scanned = lines->buf.size - lines->at;
        if (lines->skipping || scanned > STELE_LINE_BYTES_MAX) {
            lines->at = lines->buf.size;
            scanned = 0;
            if (!lines->skipping) {
                lines->skipping = true;
                return too_long(lines, ret_number, err);
            }
        }
        stele_status st = fill(lines, err);
        if (st != STELE_OK && st != STELE_END) {
            return st;
        }
        scanned = skip_byte_order_mark(lines) ? 0 : scanned;
    }
}

bool stele_lines_would_wait(struct stele_lines *lines) {
    struct pollfd poll_fd = {.fd = lines->fd, .events = POLLIN};
    size_t left = lines->buf.size - lines->at;
    if (lines->ended || (left > 0 && memchr(lines->buf.data + lines->at, '\n', left) != NULL)) {
        return false;
    }
    return poll(&poll_fd, 1, 0) == 0;
}

void stele_lines_close(struct stele_lines *lines) {
    if (lines != NULL) {
        if (lines->owned) {
            (void)close(lines->fd);
        }
        stele_buf_done(&lines->buf);
        stele_free(lines);
    }
}
