/* SPDX-License-Identifier: Apache-2.0 */
/* storage/bytes.c: views, growing buffers, and the only place that calls the allocator. */
#include "storage/bytes.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

stele_view stele_view_of(const void *data, size_t size) {
    return (stele_view){data, size};
}

stele_view stele_view_str(const char *text) {
    return (stele_view){(const uint8_t *)text, strlen(text)};
}

stele_view stele_view_buf(const stele_buf *buf) {
    return (stele_view){buf->data, buf->size};
}

stele_view stele_view_slice(stele_view view, size_t offset, size_t size) {
    assert(offset <= view.size && size <= view.size - offset);
    return (stele_view){size == 0 ? view.data : view.data + offset, size};
}

bool stele_view_equal(stele_view a, stele_view b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

int stele_view_compare(stele_view a, stele_view b) {
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
    if (order != 0) {
        return order;
    }
    return a.size < b.size ? -1 : (a.size > b.size ? 1 : 0);
}

bool stele_view_is(stele_view view, const char *text) {
    return stele_view_equal(view, stele_view_str(text));
}

void stele_buf_done(stele_buf *buf) {
    if (buf != NULL) {
        free(buf->data);
        *buf = STELE_BUF_EMPTY;
    }
}

void stele_buf_clear(stele_buf *buf) {
    buf->size = 0;
}

stele_status stele_buf_reserve(stele_buf *buf, size_t more, stele_err *err) {
    if (more <= buf->capacity - buf->size) {
        return STELE_OK;
    }
    if (more > SIZE_MAX / 2 - buf->size) {
        return STELE_FAIL(err, NO_MEMORY, "a buffer of %zu bytes cannot grow by %zu", buf->size,
                          more);
    }
    size_t capacity = buf->capacity < 64 ? 64 : buf->capacity * 2;
    if (capacity < buf->size + more) {
        capacity = buf->size + more;
    }
    uint8_t *data = realloc(buf->data, capacity);
    if (data == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a buffer of %zu bytes", capacity);
    }
    buf->data = data;
    buf->capacity = capacity;
    return STELE_OK;
}

stele_status stele_buf_append(stele_buf *buf, stele_view bytes, stele_err *err) {
    stele_status st = stele_buf_reserve(buf, bytes.size, err);
    if (st == STELE_OK && bytes.size > 0) {
        memcpy(buf->data + buf->size, bytes.data, bytes.size);
        buf->size += bytes.size;
    }
    return st;
}

stele_status stele_buf_printf(stele_buf *buf, stele_err *err, const char *format, ...) {
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int needed = vsnprintf(NULL, 0, format, args);
    va_end(args);
    stele_status st = needed < 0 ? STELE_FAIL(err, BUG, "format '%s' cannot be printed", format)
                                 : stele_buf_reserve(buf, (size_t)needed + 1, err);
    if (st == STELE_OK) {
        (void)vsnprintf((char *)buf->data + buf->size, (size_t)needed + 1, format, again);
        buf->size += (size_t)needed;
    }
    va_end(again);
    return st;
}

void *stele_alloc(size_t count, size_t size) {
    size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total)) {
        return NULL;
    }
    return calloc(total == 0 ? 1 : total, 1); /* NULL means exhaustion and nothing else */
}

void *stele_realloc(void *block, size_t count, size_t size) {
    size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total)) {
        return NULL;
    }
    return realloc(block, total == 0 ? 1 : total);
}

void stele_free(void *block) {
    free(block);
}

char *stele_strdup(const char *text) {
    return strdup(text);
}

void stele_hex_encode(stele_view bytes, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.size; i++) {
        out[2 * i] = digits[bytes.data[i] >> 4];
        out[2 * i + 1] = digits[bytes.data[i] & 15];
    }
    out[2 * bytes.size] = '\0';
}

static int hex_value(uint8_t c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : (c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1);
}

stele_status stele_hex_decode(stele_view text, uint8_t *out, size_t out_bytes, stele_err *err) {
    if (text.size != 2 * out_bytes) {
        return STELE_FAIL(err, INVALID, "hex of %zu characters, %zu needed", text.size,
                          2 * out_bytes);
    }
    for (size_t i = 0; i < text.size; i++) {
        if (hex_value(text.data[i]) < 0) {
            return STELE_FAIL(err, INVALID, "character %zu is no hex digit", i);
        }
    }
    for (size_t i = 0; i < out_bytes; i++) {
        out[i] = (uint8_t)(hex_value(text.data[2 * i]) * 16 + hex_value(text.data[2 * i + 1]));
    }
    return STELE_OK;
}
