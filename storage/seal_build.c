/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/seal_build.c: the seal of a segment, of its own postings: those it was written from, or,
 * when only the segment is there, those it holds.
 */
#include "storage/seal_format.h"

/* Postings whose hashes are on their way from memory while those before them are added. */
#define AHEAD ((size_t)16)

stele_status stele_seal_build(struct stele_segment *segment, struct stele_leaf_source leaves,
                              stele_write_fn write, void *ctx, struct stele_descriptor *ret,
                              stele_err *err) {
    const struct stele_seal__target target = {segment, leaves, write, ctx, true};
    struct stele_seal__writer *writer = NULL;
    struct stele_segment_walker *walker = NULL;
    stele_status st = STELE_OK;
    uint8_t tag[STELE_TAG_BYTES];
    uint8_t before[STELE_TAG_BYTES];
    uint64_t seq = 0;
    bool started = false;
    STELE_TRY(stele_seal__writer_new(&target, &writer, err));
    STELE_TRY(stele_segment_walk(segment, &walker, err));
    while ((st = stele_segment_walk_next(walker, tag, &seq, err)) == STELE_OK) {
        if (!started || memcmp(tag, before, sizeof tag) != 0) {
            STELE_TRY(stele_seal__begin_key(writer, tag, err));
            memcpy(before, tag, sizeof tag);
            started = true;
        }
        STELE_TRY(stele_seal__add_posting(writer, seq, err));
    }
    if (st == STELE_END) {
        st = stele_seal__end(writer, ret, err);
    }
cleanup:
    stele_segment_walk_free(walker);
    stele_seal__writer_free(writer);
    return st;
}

/* Keys that stand in the same events have the same history: a tenant and the one service it uses,
 * or all that is alike in a log of one kind. The joins of a key of n postings are n - 1; to find
 * that two have the same takes a fiftieth of them. */
#define BUSY ((size_t)1024) /* below, it saves less than what was begun in lanes of four costs */
#define BUSY_MAX ((size_t)64)

struct busy_key {
    const struct stele_posting *posting;
    size_t n;
    uint8_t root[STELE_HASH_BYTES];
};

static bool is_same_history(const struct busy_key *key, const struct stele_posting *posting,
                            size_t n) {
    bool same = key->n == n && key->posting[n - 1].offset == posting[n - 1].offset;
    for (size_t i = 0; same && i < n; i++) {
        same = key->posting[i].offset == posting[i].offset;
    }
    return same;
}

struct building {
    struct stele_seal__writer *writer;
    uint64_t lo;
    const struct stele_posting *end; /* of all postings */
    struct busy_key busy[BUSY_MAX];
    size_t n_busy;
};

/* A key's n postings. */
static stele_status build_key(struct building *b, const struct stele_posting *posting, size_t n,
                              stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(stele_seal__begin_key(b->writer, posting->tag, err));
    for (size_t i = 0; n >= BUSY && i < b->n_busy; i++) {
        if (is_same_history(&b->busy[i], posting, n)) {
            return stele_seal__add_root(b->writer, b->lo + posting->offset, n, b->busy[i].root,
                                        err);
        }
    }
    for (const struct stele_posting *p = posting; p < posting + n; p++) {
        if ((size_t)(b->end - p) > AHEAD) {
            stele_seal__expect(b->writer, b->lo + p[AHEAD].offset);
        }
        STELE_TRY(stele_seal__add_posting(b->writer, b->lo + p->offset, err));
    }
    if (n >= BUSY && b->n_busy < BUSY_MAX) {
        struct busy_key *key = &b->busy[b->n_busy++];
        key->posting = posting;
        key->n = n;
        STELE_TRY(stele_seal__finish_key(b->writer, key->root, err));
    }
cleanup:
    return st;
}

stele_status stele_seal_build_of(struct stele_segment *segment,
                                 const struct stele_posting *postings, size_t n,
                                 struct stele_leaf_source leaves, stele_write_fn write, void *ctx,
                                 struct stele_descriptor *ret, stele_err *err) {
    const struct stele_seal__target target = {segment, leaves, write, ctx, true};
    struct building b = {.lo = stele_segment_info_of(segment)->lo, .end = postings + n};
    stele_status st = STELE_OK;
    STELE_TRY(stele_seal__writer_new(&target, &b.writer, err));
    for (size_t at = 0, n_key = 1; at < n; at += n_key) {
        for (n_key = 1;
             at + n_key < n && stele_tag_order(postings[at + n_key].tag, postings[at].tag) == 0;
             n_key++) {
        }
        STELE_TRY(build_key(&b, postings + at, n_key, err));
    }
    STELE_TRY(stele_seal__end(b.writer, ret, err));
cleanup:
    stele_seal__writer_free(b.writer);
    return st;
}
