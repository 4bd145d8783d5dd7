/* SPDX-License-Identifier: Apache-2.0 */
/* tools/lines.c: buffered lines over a file descriptor. */
#include "tools/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
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
        return failed == ENOENT ? STELE_FAIL(err, NOT_FOUND, "there is no file '%s'", path)
                                : STELE_FAIL_ERRNO(err, failed, "cannot open '%s'", path);
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

stele_status stele_lines_next(struct stele_lines *lines, stele_view *ret, uint64_t *ret_number, stele_err *err) {
    size_t scanned = 0;
    for (;;) {
        uint8_t *start = lines->buf.data + lines->at;
        size_t left = lines->buf.size - lines->at;
        uint8_t *newline = left > scanned ? memchr(start + scanned, '\n', left - scanned) : NULL;
        if (newline != NULL || (lines->ended && left > 0)) {
            size_t size = newline != NULL ? (size_t)(newline - start) : left;
            lines->at += size + (newline != NULL ? 1 : 0);
            if (lines->skipping) {
                lines->skipping = false;
                scanned = 0;
                continue;
            }
            lines->number++;
            *ret = stele_view_of(start, size);
            *ret_number = lines->number;
            return STELE_OK;
        }
        if (lines->ended) {
            return STELE_END;
        }
        scanned = left;
        if (lines->skipping) {
            lines->at = lines->buf.size;
            scanned = 0;
        } else if (left > STELE_LINE_BYTES_MAX) {
            lines->at = lines->buf.size;
            lines->skipping = true;
            lines->number++;
            *ret_number = lines->number;
            return STELE_FAIL(err, LIMIT, "a line of over %u bytes", STELE_LINE_BYTES_MAX);
        }
        stele_status st = fill(lines, err);
        if (st != STELE_OK && st != STELE_END) {
            return st;
        }
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
