/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/cursor.h: the only way bytes become integers and back. Layer: storage. Big-endian.
 *
 * A reader never passes its end: each read that does not fit fails with INVALID and moves nothing.
 * Callers that read stored bytes turn that into CORRUPT with stele_corrupt. A writer is sticky:
 * after a failed write it does nothing, and stele_writer_end says what went wrong, so that a
 * message is written straight down without a check per field.
 */
#ifndef STELE_STORAGE_CURSOR_H
#define STELE_STORAGE_CURSOR_H

#include "storage/bytes.h"

struct stele_reader {
    const uint8_t *at;
    const uint8_t *end;
    const uint8_t *start;
    const char *what; /* names the format in messages; static */
};

struct stele_reader stele_reader_of(stele_view bytes, const char *what);
size_t stele_reader_left(const struct stele_reader *reader);
size_t stele_reader_offset(const struct stele_reader *reader);
STELE_MUST_USE stele_status stele_read_u8(struct stele_reader *r, uint8_t *ret, stele_err *err);
STELE_MUST_USE stele_status stele_read_u16(struct stele_reader *r, uint16_t *ret, stele_err *err);
STELE_MUST_USE stele_status stele_read_u32(struct stele_reader *r, uint32_t *ret, stele_err *err);
STELE_MUST_USE stele_status stele_read_u64(struct stele_reader *r, uint64_t *ret, stele_err *err);
/* LEB128, minimal form only, at most 10 bytes. */
STELE_MUST_USE stele_status stele_read_varint(struct stele_reader *r, uint64_t *ret,
                                              stele_err *err);
/* A view of the next `size` bytes, borrowing the reader's bytes. */
STELE_MUST_USE stele_status stele_read_view(struct stele_reader *r, size_t size, stele_view *ret,
                                            stele_err *err);
/* u16 length, then that many bytes: lp(x) of the format. */
STELE_MUST_USE stele_status stele_read_lp(struct stele_reader *r, stele_view *ret, stele_err *err);
STELE_MUST_USE stele_status stele_read_bytes(struct stele_reader *r, uint8_t *out, size_t size,
                                             stele_err *err);
/* Fails if the next bytes are not exactly `bytes`: magic numbers and reserved zeros. */
STELE_MUST_USE stele_status stele_read_expect(struct stele_reader *r, stele_view bytes,
                                              stele_err *err);
/* Leftover bytes are refused. */
STELE_MUST_USE stele_status stele_reader_end(const struct stele_reader *r, stele_err *err);

struct stele_writer {
    stele_buf *buf;
    bool failed;
};

struct stele_writer stele_writer_to(stele_buf *buf);
void stele_write_u8(struct stele_writer *w, uint8_t value);
void stele_write_u16(struct stele_writer *w, uint16_t value);
void stele_write_u32(struct stele_writer *w, uint32_t value);
void stele_write_u64(struct stele_writer *w, uint64_t value);
void stele_write_varint(struct stele_writer *w, uint64_t value);
void stele_write_view(struct stele_writer *w, stele_view bytes);
void stele_write_lp(struct stele_writer *w, stele_view bytes); /* size <= 65,535, else it fails */
/* NO_MEMORY if any write since stele_writer_to failed. */
STELE_MUST_USE stele_status stele_writer_end(const struct stele_writer *w, stele_err *err);

/* Plain integer stores for fixed layouts; `out` is long enough by its type. Here and not in
 * cursor.c, because they stand in the innermost loops. */
static inline void stele_put_u16(uint8_t out[STELE_AT_LEAST(2)], uint16_t value) {
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

static inline void stele_put_u32(uint8_t out[STELE_AT_LEAST(4)], uint32_t value) {
    out[0] = (uint8_t)(value >> 24);
    out[1] = (uint8_t)(value >> 16);
    out[2] = (uint8_t)(value >> 8);
    out[3] = (uint8_t)value;
}

static inline void stele_put_u64(uint8_t out[STELE_AT_LEAST(8)], uint64_t value) {
    stele_put_u32(out, (uint32_t)(value >> 32));
    stele_put_u32(out + 4, (uint32_t)value);
}

static inline uint16_t stele_get_u16(const uint8_t in[STELE_AT_LEAST(2)]) {
    return (uint16_t)(in[0] << 8 | in[1]);
}

static inline uint32_t stele_get_u32(const uint8_t in[STELE_AT_LEAST(4)]) {
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static inline uint64_t stele_get_u64(const uint8_t in[STELE_AT_LEAST(8)]) {
    return (uint64_t)stele_get_u32(in) << 32 | stele_get_u32(in + 4);
}

/* Bytes that came from our own store and do not parse are CORRUPT, not INVALID: re-labels `st`. */
stele_status stele_corrupt(stele_status st, stele_err *err);

#endif
