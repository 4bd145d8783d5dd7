/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_segment.c: any bytes as a segment, as they are and with checksums made right,
 * because a forger can compute them too and the parser behind them is what there is to test. A
 * segment that walks to its end answers find, seek and count like its walk, and merging it alone
 * keeps every posting.
 */
#include <string.h>

#include "storage/segment_format.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/memory_segment.h"

struct bytes {
    const uint8_t *data;
    size_t size;
};

static stele_status read_at(void *ctx, uint64_t offset, size_t size, stele_buf *out,
                            stele_err *err) {
    const struct bytes *b = ctx;
    fuzz_require(offset <= b->size && size <= b->size - offset);
    return stele_buf_append(out, stele_view_of(b->data + offset, size), err);
}

static stele_status append(void *ctx, stele_view bytes, stele_err *err) {
    return stele_buf_append(ctx, bytes, err);
}

/* What a walk gave for one tag. */
struct key {
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t n, first, last;
};

static void check_key(struct stele_segment *s, const struct key *key) {
    struct stele_posting_cursor *c = NULL;
    uint64_t count = 0;
    uint64_t seq = 0;
    uint64_t before = 0;
    fuzz_require(stele_segment_count(s, key->tag, &count, NULL) == STELE_OK && count == key->n);
    fuzz_require(stele_segment_find(s, key->tag, &c, &count, NULL) == STELE_OK && count == key->n);
    for (uint64_t i = 0; i < key->n; i++) {
        fuzz_require(stele_posting_next(c, &seq, NULL) == STELE_OK);
        fuzz_require(i == 0 ? seq == key->first : seq > before);
        before = seq;
    }
    fuzz_require(seq == key->last && stele_posting_next(c, &seq, NULL) == STELE_END);
    fuzz_require(stele_posting_seek(c, key->last, NULL) == STELE_OK);
    fuzz_require(stele_posting_next(c, &seq, NULL) == STELE_OK && seq == key->last);
    fuzz_require(stele_posting_seek(c, key->first, NULL) == STELE_OK);
    fuzz_require(stele_posting_next(c, &seq, NULL) == STELE_OK && seq == key->first);
    stele_posting_cursor_free(c);
}

/* Keys of a whole walk, appended to `keys`. */
static stele_status walk_keys(struct stele_segment *s, stele_buf *keys) {
    struct stele_segment_walker *walker = NULL;
    struct key key = {.n = 0};
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t seq = 0;
    stele_status st = stele_segment_walk(s, &walker, NULL);
    while (st == STELE_OK && (st = stele_segment_walk_next(walker, tag, &seq, NULL)) == STELE_OK) {
        if (key.n > 0 && memcmp(tag, key.tag, sizeof tag) != 0) {
            fuzz_require(memcmp(tag, key.tag, sizeof tag) > 0);
            st = stele_buf_append(keys, stele_view_of(&key, sizeof key), NULL);
            key.n = 0;
        }
        fuzz_require(key.n == 0 || seq > key.last);
        fuzz_require(seq >= stele_segment_info_of(s)->lo && seq < stele_segment_info_of(s)->hi);
        memcpy(key.tag, tag, sizeof tag);
        key.first = key.n == 0 ? seq : key.first;
        key.last = seq;
        key.n++;
    }
    stele_segment_walk_free(walker);
    if (st == STELE_END && key.n > 0) {
        return stele_buf_append(keys, stele_view_of(&key, sizeof key), NULL);
    }
    return st == STELE_END ? STELE_OK : st;
}

/* Whatever a walk says about it, any question may be asked and gets an answer or CORRUPT. */
static void ask_anything(struct stele_segment *s, const uint8_t *tag) {
    struct stele_posting_cursor *c = NULL;
    uint64_t count = 0;
    uint64_t seq = 0;
    (void)!stele_segment_count(s, tag, &count, NULL);
    if (stele_segment_find(s, tag, &c, &count, NULL) == STELE_OK) {
        (void)!stele_posting_seek(c, stele_segment_info_of(s)->lo + 1, NULL);
        while (stele_posting_next(c, &seq, NULL) == STELE_OK) {
        }
        (void)!stele_posting_seek(c, 0, NULL);
        (void)!stele_posting_next(c, &seq, NULL);
        stele_posting_cursor_free(c);
    }
}

/* A merge reads records in another way than a walk, and takes what the walk takes: no more either.
 */
static void check_merge(struct stele_segment *s, stele_status walked, const stele_buf *keys) {
    stele_buf merged = STELE_BUF_EMPTY;
    stele_buf again = STELE_BUF_EMPTY;
    struct stele_segment *m = NULL;
    stele_status st = stele_segment_merge(&s, 1, append, &merged, NULL);
    fuzz_require((st == STELE_OK) == (walked == STELE_OK));
    if (st == STELE_OK) {
        struct bytes b = {merged.data, merged.size};
        fuzz_require(stele_segment_open(read_at, &b, b.size, &m, NULL) == STELE_OK);
        fuzz_require(walk_keys(m, &again) == STELE_OK);
        fuzz_require(stele_view_equal(stele_view_buf(keys), stele_view_buf(&again)));
        stele_segment_close(m);
    }
    stele_buf_done(&again);
    stele_buf_done(&merged);
}

static void try_segment(struct bytes b) {
    struct stele_segment *s = NULL;
    stele_buf keys = STELE_BUF_EMPTY;
    if (stele_segment_open(read_at, &b, b.size, &s, NULL) != STELE_OK) {
        return;
    }
    for (uint64_t block = 0; block < s->footer.n_blocks && block < 8; block++) {
        ask_anything(s, s->index.data + block * STELE_SEGMENT__INDEX_ENTRY_BYTES);
    }
    ask_anything(s, b.data);
    stele_status st = walk_keys(s, &keys);
    for (size_t at = 0; st == STELE_OK && at < keys.size; at += sizeof(struct key)) {
        struct key key;
        memcpy(&key, keys.data + at, sizeof key);
        check_key(s, &key);
    }
    check_merge(s, st, &keys);
    stele_buf_done(&keys);
    stele_segment_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    stele_buf copy = STELE_BUF_EMPTY;
    if (size < STELE_TAG_BYTES) {
        return 0;
    }
    try_segment((struct bytes){data, size});
    if (stele_buf_append(&copy, stele_view_of(data, size), NULL) == STELE_OK) {
        test_segment_reseal(copy.data, copy.size);
        try_segment((struct bytes){copy.data, copy.size});
    }
    stele_buf_done(&copy);
    return 0;
}
