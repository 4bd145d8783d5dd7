/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/bytes.h: borrowed and owned bytes. Layer: storage (plain type, usable everywhere).
 *
 * stele_view borrows and is passed by value; it is valid until the call returns unless the callee
 * says otherwise. stele_buf owns and grows; `stele_buf_done` takes an empty or half-built one.
 */
#ifndef STELE_STORAGE_BYTES_H
#define STELE_STORAGE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/status.h"

/* `uint8_t hash[STELE_AT_LEAST(32)]`: `static 32` in C, plain 32 where C++ reads the header. */
#ifdef __cplusplus
#define STELE_AT_LEAST(n) n
#else
#define STELE_AT_LEAST(n) static n
#endif

#define STELE_HASH_BYTES 32

typedef struct stele_view {
    const uint8_t *data; /* may be NULL when size is 0 */
    size_t size;
} stele_view;

typedef struct stele_buf {
    uint8_t *data;
    size_t size;
    size_t capacity;
} stele_buf;

stele_view stele_view_of(const void *data, size_t size);
stele_view stele_view_str(const char *text); /* without the NUL */
stele_view stele_view_buf(const stele_buf *buf);
stele_view stele_view_slice(stele_view view, size_t offset, size_t size); /* asserts the range */
bool stele_view_equal(stele_view a, stele_view b);  /* not constant time: never for secrets */
int stele_view_compare(stele_view a, stele_view b); /* bytewise; a proper prefix sorts first */
bool stele_view_is(stele_view view, const char *text);

#define STELE_BUF_EMPTY ((stele_buf){NULL, 0, 0})

void stele_buf_done(stele_buf *buf);  /* frees; the buffer is empty and usable afterwards */
void stele_buf_clear(stele_buf *buf); /* size 0, memory kept */
/* Room for `more` bytes beyond size; growth doubles. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_buf_reserve(stele_buf *buf, size_t more, stele_err *err);
STELE_MUST_USE stele_status stele_buf_append(stele_buf *buf, stele_view bytes, stele_err *err);
STELE_MUST_USE stele_status stele_buf_printf(stele_buf *buf, stele_err *err, const char *format,
                                             ...) STELE_PRINTF(3, 4);

/* Zeroed memory for `count` items of `size` bytes, NULL on overflow or exhaustion. */
void *stele_alloc(size_t count, size_t size);
/* realloc with checked multiplication; the old block stays valid when NULL is returned. */
void *stele_realloc(void *block, size_t count, size_t size);
void stele_free(void *block);
char *stele_strdup(const char *text); /* NULL on exhaustion */

/* Lower-case hex and back. `out` has 2 * size + 1 bytes. */
void stele_hex_encode(stele_view bytes, char *out);
STELE_MUST_USE stele_status stele_hex_decode(stele_view text, uint8_t *out, size_t out_bytes,
                                             stele_err *err);

#endif
