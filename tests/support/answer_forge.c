/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/answer_forge.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/cursor.h"
#include "storage/hash.h"

static void must(stele_status st) {
    assert(st == STELE_OK);
    (void)st;
}

void forge_take_apart(stele_view file, struct forged *ret) {
    memset(ret, 0, sizeof *ret);
    size_t at = strlen(STELE_ANSWER_MAGIC);
    while (at < file.size) {
        size_t size = stele_get_u32(file.data + at + 1);
        forge_insert(ret, ret->n, file.data[at], stele_view_slice(file, at + 5, size));
        at += 5 + size;
    }
}

void forge_done(struct forged *f) {
    for (size_t i = 0; i < f->n; i++) {
        stele_buf_done(&f->chunk[i].body);
    }
    f->n = 0;
}

void forge_put_together(const struct forged *f, stele_buf *out) {
    size_t start = out->size;
    must(stele_buf_append(out, stele_view_str(STELE_ANSWER_MAGIC), NULL));
    for (size_t i = 0; i < f->n; i++) {
        uint8_t head[5] = {f->chunk[i].type};
        stele_put_u32(head + 1, (uint32_t)f->chunk[i].body.size);
        must(stele_buf_append(out, stele_view_of(head, sizeof head), NULL));
        must(stele_buf_append(out, stele_view_buf(&f->chunk[i].body), NULL));
    }
    if (f->n > 0 && f->chunk[f->n - 1].type == STELE_ANSWER_END &&
        f->chunk[f->n - 1].body.size >= 32) {
        size_t hashed = out->size - start - 32;
        stele_sha256_of(stele_view_of(out->data + start, hashed), out->data + start + hashed);
    }
}

size_t forge_find(const struct forged *f, uint8_t type, size_t i) {
    for (size_t at = 0; at < f->n; at++) {
        if (f->chunk[at].type == type && i-- == 0) {
            return at;
        }
    }
    (void)fprintf(stderr, "answer forge: the file has no such chunk of type %u\n", type);
    abort();
}

void forge_insert(struct forged *f, size_t at, uint8_t type, stele_view body) {
    struct forged_chunk made = {type, STELE_BUF_EMPTY};
    assert(f->n < FORGE_CHUNKS_MAX && at <= f->n);
    must(stele_buf_append(&made.body, body,
                          NULL)); /* before the move: the body may be another chunk's */
    memmove(&f->chunk[at + 1], &f->chunk[at], (f->n - at) * sizeof f->chunk[0]);
    f->chunk[at] = made;
    f->n++;
}

void forge_remove(struct forged *f, size_t at) {
    stele_buf_done(&f->chunk[at].body);
    memmove(&f->chunk[at], &f->chunk[at + 1], (f->n - at - 1) * sizeof f->chunk[0]);
    f->n--;
}

void forge_swap(struct forged *f, size_t a, size_t b) {
    struct forged_chunk kept = f->chunk[a];
    f->chunk[a] = f->chunk[b];
    f->chunk[b] = kept;
}

void forge_resize(struct forged *f, size_t at, size_t size) {
    stele_buf *body = &f->chunk[at].body;
    if (size > body->size) {
        must(stele_buf_reserve(body, size - body->size, NULL));
        memset(body->data + body->size, 0, size - body->size);
    }
    body->size = size;
}
