/* SPDX-License-Identifier: Apache-2.0 */
/* proto/wire_out.c: tags, varints and lengths. */
#include "proto/wire_out.h"

#include <assert.h>
#include <string.h>

#include "proto/wire.h"

#define VARINT_BYTES_MAX 10

struct stele_wire_out stele_wire_out_to(stele_buf *buf) {
    return (struct stele_wire_out){buf, false};
}

static bool reserve(struct stele_wire_out *w, size_t more) {
    if (!w->failed && stele_buf_reserve(w->buf, more, NULL) != STELE_OK) {
        w->failed = true;
    }
    return !w->failed;
}

/* Only after reserve. */
static void put_varint(stele_buf *buf, uint64_t value) {
    while (value >= 0x80) {
        buf->data[buf->size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    buf->data[buf->size++] = (uint8_t)value;
}

static void put_tag(stele_buf *buf, uint32_t number, stele_wire_type type) {
    put_varint(buf, (uint64_t)number << 3 | (uint64_t)type);
}

static void put_number(struct stele_wire_out *w, uint32_t number, uint64_t value) {
    if (reserve(w, 2 * VARINT_BYTES_MAX)) {
        put_tag(w->buf, number, STELE_WIRE_VARINT);
        put_varint(w->buf, value);
    }
}

void stele_wire_out_uint(struct stele_wire_out *w, uint32_t number, uint64_t value) {
    if (value != 0) {
        put_number(w, number, value);
    }
}

void stele_wire_out_sint_member(struct stele_wire_out *w, uint32_t number, int64_t value) {
    uint64_t bits = (uint64_t)value;
    put_number(w, number, (bits << 1) ^ (value < 0 ? UINT64_MAX : 0)); /* zigzag */
}

void stele_wire_out_fixed64(struct stele_wire_out *w, uint32_t number, uint64_t value) {
    if (value != 0 && reserve(w, VARINT_BYTES_MAX + 8)) {
        put_tag(w->buf, number, STELE_WIRE_FIXED64);
        for (unsigned i = 0; i < 8; i++) { /* little-endian on the wire */
            w->buf->data[w->buf->size++] = (uint8_t)(value >> (8 * i));
        }
    }
}

void stele_wire_out_element(struct stele_wire_out *w, uint32_t number, stele_view bytes) {
    if (bytes.size <= SIZE_MAX / 2 && reserve(w, 2 * VARINT_BYTES_MAX + bytes.size)) {
        put_tag(w->buf, number, STELE_WIRE_BYTES);
        put_varint(w->buf, bytes.size);
        if (bytes.size > 0) {
            memcpy(w->buf->data + w->buf->size, bytes.data, bytes.size);
            w->buf->size += bytes.size;
        }
    }
}

void stele_wire_out_bytes(struct stele_wire_out *w, uint32_t number, stele_view bytes) {
    if (bytes.size > 0) {
        stele_wire_out_element(w, number, bytes);
    }
}

/* The length gets one byte, which suffices for most messages; end makes room if it does not. */
size_t stele_wire_out_begin(struct stele_wire_out *w, uint32_t number) {
    if (!reserve(w, VARINT_BYTES_MAX + 1)) {
        return 0;
    }
    put_tag(w->buf, number, STELE_WIRE_BYTES);
    w->buf->data[w->buf->size++] = 0;
    return w->buf->size;
}

void stele_wire_out_end(struct stele_wire_out *w, size_t mark) {
    if (!reserve(w, VARINT_BYTES_MAX)) {
        return;
    }
    assert(mark > 0 && mark <= w->buf->size);
    size_t size = w->buf->size - mark;
    size_t more = stele_wire_out_varint_bytes(size) - 1;
    if (more > 0) {
        memmove(w->buf->data + mark + more, w->buf->data + mark, size);
    }
    w->buf->size = mark - 1;
    put_varint(w->buf, size);
    w->buf->size += size;
}

stele_status stele_wire_out_done(struct stele_wire_out *w, size_t size_before, stele_err *err) {
    if (w->failed) {
        w->buf->size = size_before;
        return STELE_FAIL(err, NO_MEMORY, "no memory for a message of over %zu bytes", size_before);
    }
    return STELE_OK;
}
