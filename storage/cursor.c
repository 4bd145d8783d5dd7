/* SPDX-License-Identifier: Apache-2.0 */
/* storage/cursor.c: bounded big-endian reading and writing. */
#include "storage/cursor.h"

#include <assert.h>
#include <string.h>

struct stele_reader stele_reader_of(stele_view bytes, const char *what) {
    static const uint8_t nothing[1];
    const uint8_t *start = bytes.data == NULL ? nothing : bytes.data;
    return (struct stele_reader){start, start + bytes.size, start, what};
}

size_t stele_reader_left(const struct stele_reader *reader) {
    return (size_t)(reader->end - reader->at);
}

size_t stele_reader_offset(const struct stele_reader *reader) {
    return (size_t)(reader->at - reader->start);
}

stele_status stele_read_view(struct stele_reader *r, size_t size, stele_view *ret, stele_err *err) {
    if (size > stele_reader_left(r)) {
        return STELE_FAIL(err, INVALID, "%s: %zu bytes needed at offset %zu, %zu left", r->what,
                          size, stele_reader_offset(r), stele_reader_left(r));
    }
    *ret = (stele_view){r->at, size};
    r->at += size;
    return STELE_OK;
}

stele_status stele_read_u8(struct stele_reader *r, uint8_t *ret, stele_err *err) {
    stele_view bytes;
    stele_status st = stele_read_view(r, 1, &bytes, err);
    if (st == STELE_OK) {
        *ret = bytes.data[0];
    }
    return st;
}

stele_status stele_read_u16(struct stele_reader *r, uint16_t *ret, stele_err *err) {
    stele_view bytes;
    stele_status st = stele_read_view(r, 2, &bytes, err);
    if (st == STELE_OK) {
        *ret = stele_get_u16(bytes.data);
    }
    return st;
}

stele_status stele_read_u32(struct stele_reader *r, uint32_t *ret, stele_err *err) {
    stele_view bytes;
    stele_status st = stele_read_view(r, 4, &bytes, err);
    if (st == STELE_OK) {
        *ret = stele_get_u32(bytes.data);
    }
    return st;
}

stele_status stele_read_u64(struct stele_reader *r, uint64_t *ret, stele_err *err) {
    stele_view bytes;
    stele_status st = stele_read_view(r, 8, &bytes, err);
    if (st == STELE_OK) {
        *ret = stele_get_u64(bytes.data);
    }
    return st;
}

stele_status stele_read_varint(struct stele_reader *r, uint64_t *ret, stele_err *err) {
    const uint8_t *at = r->at;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (at == r->end) {
            return STELE_FAIL(err, INVALID, "%s: varint at offset %zu is cut off", r->what,
                              stele_reader_offset(r));
        }
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1) {
            break;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            if (byte == 0 && shift > 0) {
                return STELE_FAIL(err, INVALID, "%s: varint at offset %zu is not minimal", r->what,
                                  stele_reader_offset(r));
            }
            r->at = at;
            *ret = value;
            return STELE_OK;
        }
    }
    return STELE_FAIL(err, INVALID, "%s: varint at offset %zu is over 64 bits", r->what,
                      stele_reader_offset(r));
}

stele_status stele_read_lp(struct stele_reader *r, stele_view *ret, stele_err *err) {
    struct stele_reader before = *r;
    uint16_t size = 0;
    stele_status st = stele_read_u16(r, &size, err);
    if (st == STELE_OK) {
        st = stele_read_view(r, size, ret, err);
    }
    if (st != STELE_OK) {
        *r = before;
    }
    return st;
}

stele_status stele_read_bytes(struct stele_reader *r, uint8_t *out, size_t size, stele_err *err) {
    stele_view bytes;
    stele_status st = stele_read_view(r, size, &bytes, err);
    if (st == STELE_OK && size > 0) {
        memcpy(out, bytes.data, size);
    }
    return st;
}

stele_status stele_read_expect(struct stele_reader *r, stele_view bytes, stele_err *err) {
    struct stele_reader before = *r;
    stele_view found;
    stele_status st = stele_read_view(r, bytes.size, &found, err);
    if (st == STELE_OK && !stele_view_equal(found, bytes)) {
        *r = before;
        st = STELE_FAIL(err, INVALID,
                        "%s: the %zu bytes at offset %zu are not the ones the format has there",
                        r->what, bytes.size, stele_reader_offset(r));
    }
    return st;
}

stele_status stele_reader_end(const struct stele_reader *r, stele_err *err) {
    if (r->at != r->end) {
        return STELE_FAIL(err, INVALID, "%s: %zu bytes too many", r->what, stele_reader_left(r));
    }
    return STELE_OK;
}

struct stele_writer stele_writer_to(stele_buf *buf) {
    return (struct stele_writer){buf, false};
}

void stele_write_view(struct stele_writer *w, stele_view bytes) {
    if (!w->failed && stele_buf_append(w->buf, bytes, NULL) != STELE_OK) {
        w->failed = true;
    }
}

void stele_write_u8(struct stele_writer *w, uint8_t value) {
    stele_write_view(w, stele_view_of(&value, 1));
}

void stele_write_u16(struct stele_writer *w, uint16_t value) {
    uint8_t bytes[2];
    stele_put_u16(bytes, value);
    stele_write_view(w, stele_view_of(bytes, sizeof bytes));
}

void stele_write_u32(struct stele_writer *w, uint32_t value) {
    uint8_t bytes[4];
    stele_put_u32(bytes, value);
    stele_write_view(w, stele_view_of(bytes, sizeof bytes));
}

void stele_write_u64(struct stele_writer *w, uint64_t value) {
    uint8_t bytes[8];
    stele_put_u64(bytes, value);
    stele_write_view(w, stele_view_of(bytes, sizeof bytes));
}

void stele_write_varint(struct stele_writer *w, uint64_t value) {
    uint8_t bytes[10];
    size_t size = 0;
    while (value >= 0x80) {
        bytes[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[size++] = (uint8_t)value;
    stele_write_view(w, stele_view_of(bytes, size));
}

void stele_write_lp(struct stele_writer *w, stele_view bytes) {
    if (bytes.size > UINT16_MAX) {
        w->failed = true;
        return;
    }
    stele_write_u16(w, (uint16_t)bytes.size);
    stele_write_view(w, bytes);
}

stele_status stele_writer_end(const struct stele_writer *w, stele_err *err) {
    if (w->failed) {
        return STELE_FAIL(err, NO_MEMORY,
                          "writing stopped at %zu bytes: no memory, or a field over 65,535 bytes",
                          w->buf->size);
    }
    return STELE_OK;
}

stele_status stele_corrupt(stele_status st, stele_err *err) {
    if (st != STELE_INVALID && st != STELE_LIMIT && st != STELE_UNSUPPORTED) {
        return st;
    }
    if (err != NULL) {
        err->status = STELE_CORRUPT;
    }
    return STELE_CORRUPT;
}
