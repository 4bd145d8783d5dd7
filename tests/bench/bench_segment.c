/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/bench/bench_segment.c: index segments of packs of 65,536 entries with sixteen tags each:
 * postings sorted, written, merged and found. Half of the tags are of busy keys, half stand once,
 * as ids do; or all are of keys that come again, a few times in each pack, as people do.
 */
#include <string.h>

#include "tests/bench/bench_parts.h"
#include "tests/support/memory_segment.h"

#define PACK 65536u
#define TAGS 16u
#define POSTINGS ((size_t)PACK * TAGS)
#define BUSY_KEYS 2000u
#define RECURRING_KEYS 100000u
#define PACKS_MAX 8

enum kind { MIXED, RECURRING, N_KINDS };

static void tag_of(uint64_t key, uint8_t out[STELE_AT_LEAST(16)]) {
    struct rng rng = {key};
    rng_bytes(&rng, out, STELE_TAG_BYTES);
    out[STELE_TAG_BYTES - 1] &= 0xfe; /* on time */
}

/* The postings of one pack, by entry, as a tail holds them. */
static struct stele_posting *postings_of(uint64_t pack, enum kind kind) {
    struct rng rng = {pack + 1};
    struct stele_posting *postings = stele_alloc(POSTINGS, sizeof *postings);
    for (size_t i = 0; postings != NULL && i < POSTINGS; i++) {
        /* Distinct within an entry: each of its busy tags is of another eighth of the keys. */
        bool busy = i % TAGS < TAGS / 2;
        uint64_t key = busy ? rng_below(&rng, 1 + rng_below(&rng, BUSY_KEYS / 8)) * 8 + i % TAGS
                            : (pack * POSTINGS + i) << 16;
        if (kind == RECURRING) {
            key = rng_below(&rng, RECURRING_KEYS / TAGS) * TAGS + i % TAGS;
        }
        tag_of(key, postings[i].tag);
        postings[i].offset = (uint32_t)(i / TAGS);
    }
    return postings;
}

static void sort(struct stele_bench *b, int64_t unused) {
    struct stele_posting *unsorted = postings_of(0, MIXED);
    struct stele_posting *postings = stele_alloc(POSTINGS, sizeof *postings);
    struct stele_posting *scratch = stele_alloc(POSTINGS, sizeof *scratch);
    (void)unused;
    while (stele_bench_next(b)) {
        stele_bench_pause(b);
        memcpy(postings, unsorted, POSTINGS * sizeof *postings);
        stele_bench_resume(b);
        stele_postings_sort(postings, POSTINGS, scratch);
        stele_bench_keep(postings);
    }
    stele_bench_did(b, POSTINGS, POSTINGS * sizeof *postings);
    stele_free(unsorted);
    stele_free(postings);
    stele_free(scratch);
}

/* The segments of the first n packs, made once. */
static const stele_buf *segments(size_t n, enum kind kind) {
    static stele_buf of_kind[N_KINDS][PACKS_MAX];
    stele_buf *bytes = of_kind[kind];
    for (size_t p = 0; p < n; p++) {
        if (bytes[p].size > 0) {
            continue;
        }
        struct stele_segment_info info = test_segment_info(p * PACK, (p + 1) * PACK);
        struct stele_posting *postings = postings_of(p, kind);
        struct stele_posting *scratch = stele_alloc(POSTINGS, sizeof *scratch);
        stele_postings_sort(postings, POSTINGS, scratch);
        BENCH_OK(test_segment_write(&info, postings, POSTINGS, &bytes[p], err));
        stele_free(postings);
        stele_free(scratch);
    }
    return bytes;
}

static void write_sorted(struct stele_bench *b, int64_t unused) {
    struct stele_segment_info info = test_segment_info(0, PACK);
    struct stele_posting *postings = postings_of(0, MIXED);
    struct stele_posting *scratch = stele_alloc(POSTINGS, sizeof *scratch);
    stele_buf out = STELE_BUF_EMPTY;
    (void)unused;
    stele_postings_sort(postings, POSTINGS, scratch);
    while (stele_bench_next(b)) {
        stele_buf_clear(&out);
        BENCH_OK(test_segment_write(&info, postings, POSTINGS, &out, err));
    }
    stele_bench_did(b, POSTINGS, out.size);
    stele_bench_note(b, "bytes/posting", (double)out.size / (double)POSTINGS);
    stele_free(postings);
    stele_free(scratch);
    stele_buf_done(&out);
}

static void merge_kind(struct stele_bench *b, int64_t n, enum kind kind) {
    struct stele_segment *open[PACKS_MAX] = {NULL};
    static stele_buf copy[PACKS_MAX];
    const stele_buf *bytes = segments((size_t)n, kind);
    stele_buf out = STELE_BUF_EMPTY;
    for (size_t p = 0; p < (size_t)n; p++) {
        copy[p] = bytes[p]; /* a reader's context is not const */
        BENCH_OK(stele_segment_open(memory_read_at, &copy[p], copy[p].size, &open[p], err));
    }
    while (stele_bench_next(b)) {
        stele_buf_clear(&out);
        BENCH_OK(stele_segment_merge(open, (size_t)n, memory_write, &out, err));
    }
    stele_bench_did(b, (uint64_t)n * POSTINGS, out.size);
    for (size_t p = 0; p < (size_t)n; p++) {
        stele_segment_close(open[p]);
    }
    stele_buf_done(&out);
}

static void merge(struct stele_bench *b, int64_t n) {
    merge_kind(b, n, MIXED);
}

static void merge_recurring(struct stele_bench *b, int64_t n) {
    merge_kind(b, n, RECURRING);
}

/* One key of one segment: a busy one, or one that stands once. */
static void find(struct stele_bench *b, int64_t busy) {
    static stele_buf copy;
    struct stele_segment *segment = NULL;
    struct rng rng = {5};
    uint64_t total = 0;
    uint64_t turns = 0;
    copy = segments(1, MIXED)[0];
    BENCH_OK(stele_segment_open(memory_read_at, &copy, copy.size, &segment, err));
    while (stele_bench_next(b)) {
        struct stele_posting_cursor *cursor = NULL;
        uint8_t tag[STELE_TAG_BYTES];
        uint64_t count = 0;
        uint64_t seq = 0;
        uint64_t i = rng_below(&rng, PACK) * TAGS + TAGS / 2 + rng_below(&rng, TAGS / 2);
        tag_of(busy != 0 ? rng_below(&rng, 400) : i << 16, tag);
        BENCH_OK(stele_segment_find(segment, tag, &cursor, &count, err));
        for (uint64_t k = 0; k < count; k++) {
            BENCH_OK(stele_posting_next(cursor, &seq, err));
        }
        stele_bench_keep(&seq);
        stele_posting_cursor_free(cursor);
        total += count;
        turns++;
    }
    stele_bench_did(b, 1, 0);
    stele_bench_note(b, "postings", (double)total / (double)turns);
    stele_segment_close(segment);
}

void bench_add_segment(void) {
    static const int64_t packs[] = {2, PACKS_MAX};
    static const int64_t kinds[] = {0, 1};
    stele_bench_add("segment/sort", sort, NULL, 0);
    stele_bench_add("segment/write", write_sorted, NULL, 0);
    stele_bench_add("segment/merge", merge, packs, BENCH_N(packs));
    stele_bench_add("segment/merge_recurring", merge_recurring, packs, BENCH_N(packs));
    stele_bench_add("segment/find", find, kinds, BENCH_N(kinds));
}
