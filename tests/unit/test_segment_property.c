/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_segment_property.c: a segment answers like the sorted array it was written from.
 * Random shapes: many lone tags, few popular ones, keys over many blocks, tags that differ in their
 * last byte.
 */
#include "storage/segment.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/cmocka.h"
#include "tests/support/memory_segment.h"
#include "tests/support/rng.h"

#define ROUNDS 40 /* each size with each fifth round's tags alike */

static struct rng first_seed;

static int compare(const void *a, const void *b) {
    const struct stele_posting *x = a;
    const struct stele_posting *y = b;
    int order = memcmp(x->tag, y->tag, STELE_TAG_BYTES);
    return order != 0 ? order : (x->offset > y->offset) - (x->offset < y->offset);
}

struct shape {
    size_t n;        /* postings drawn; duplicates drop out */
    uint32_t span;   /* hi - lo */
    uint64_t n_tags; /* tags to draw from */
    bool skewed;     /* half the draws take the first tags */
    bool alike;      /* tags share their first 14 bytes */
};

static struct shape draw_shape(struct rng *rng, unsigned round) {
    static const size_t sizes[] = {0, 1, 15, 17, 400, 3000, 20000, 90000};
    static const uint64_t tags[] = {1, 2, 30, 2000, 1000000};
    struct shape shape = {.n = sizes[round % 8],
                          .n_tags = tags[rng_next(rng) % 5],
                          .skewed = rng_next(rng) % 2 == 0,
                          .alike = round % 5 == 4};
    static const uint32_t spans[] = {1, 200, 70000, 2000000, UINT32_MAX};
    shape.span = spans[rng_next(rng) % 5];
    return shape;
}

static void draw_tag(struct rng *rng, const struct shape *shape, uint8_t tag[STELE_AT_LEAST(16)]) {
    uint64_t number = rng_next(rng) % shape->n_tags;
    if (shape->skewed && rng_next(rng) % 2 == 0) {
        number %= 3;
    }
    struct rng mixed = {number + 77};
    uint64_t words[2] = {rng_next(&mixed), rng_next(&mixed)};
    memcpy(tag, words, STELE_TAG_BYTES);
    if (shape->alike) {
        memset(tag, 0xab, 14);
    }
}

/* Sorted and distinct; *ret_n of them. */
static struct stele_posting *draw_postings(struct rng *rng, const struct shape *shape,
                                           size_t *ret_n) {
    struct stele_posting *p = calloc(shape->n + 1, sizeof *p);
    assert_non_null(p);
    for (size_t i = 0; i < shape->n; i++) {
        draw_tag(rng, shape, p[i].tag);
        p[i].offset = (uint32_t)(rng_next(rng) % shape->span);
    }
    qsort(p, shape->n, sizeof *p, compare);
    size_t n = 0;
    for (size_t i = 0; i < shape->n; i++) {
        if (n == 0 || compare(&p[n - 1], &p[i]) != 0) {
            p[n++] = p[i];
        }
    }
    *ret_n = n;
    return p;
}

static void check_walk(struct stele_segment *s, const struct stele_posting *p, size_t n) {
    struct stele_segment_walker *walker = NULL;
    uint64_t lo = stele_segment_info_of(s)->lo;
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t seq = 0;
    assert_ok(stele_segment_walk(s, &walker, NULL));
    for (size_t i = 0; i < n; i++) {
        assert_ok(stele_segment_walk_next(walker, tag, &seq, NULL));
        assert_memory_equal(tag, p[i].tag, STELE_TAG_BYTES);
        assert_true(seq == lo + p[i].offset);
    }
    assert_status(stele_segment_walk_next(walker, tag, &seq, NULL), END);
    assert_status(stele_segment_walk_next(walker, tag, &seq, NULL), END);
    stele_segment_walk_free(walker);
}

/* Random seeks, forward and backward, each followed by a few reads. */
static void check_seeks(struct stele_posting_cursor *c, uint64_t lo,
                        const struct stele_posting *key, size_t n, struct rng *rng) {
    for (unsigned i = 0; i < 20; i++) {
        const struct stele_posting *near = &key[rng_next(rng) % n];
        uint64_t target = lo + near->offset + rng_next(rng) % 3;
        target = i == 0 ? 0 : (i == 1 ? UINT64_MAX : (target == 0 ? 0 : target - 1));
        assert_ok(stele_posting_seek(c, target, NULL));
        if (i % 3 == 0) {
            assert_ok(stele_posting_seek(c, target, NULL));
        }
        size_t at = 0;
        for (size_t high = n; at < high;) {
            size_t middle = at + (high - at) / 2;
            if (lo + key[middle].offset < target) {
                at = middle + 1;
            } else {
                high = middle;
            }
        }
        uint64_t seq = 0;
        for (unsigned reads = 0; reads < i % 4; reads++, at++) {
            if (at >= n) {
                assert_status(stele_posting_next(c, &seq, NULL), END);
                break;
            }
            assert_ok(stele_posting_next(c, &seq, NULL));
            assert_true(seq == lo + key[at].offset);
        }
    }
}

static void check_key(struct stele_segment *s, const struct stele_posting *key, size_t n,
                      struct rng *rng) {
    struct stele_posting_cursor *c = NULL;
    uint64_t lo = stele_segment_info_of(s)->lo;
    uint64_t count = 0;
    uint64_t seq = 0;
    assert_ok(stele_segment_count(s, key->tag, &count, NULL));
    assert_true(count == n);
    count = 0;
    assert_ok(stele_segment_find(s, key->tag, &c, &count, NULL));
    assert_true(count == n);
    for (size_t i = 0; i < n; i++) {
        assert_ok(stele_posting_next(c, &seq, NULL));
        assert_true(seq == lo + key[i].offset);
    }
    assert_status(stele_posting_next(c, &seq, NULL), END);
    check_seeks(c, lo, key, n, rng);
    stele_posting_cursor_free(c);
}

static void check_absent(struct stele_segment *s, const struct stele_posting *p, size_t n,
                         struct rng *rng) {
    struct stele_posting wanted = {.offset = 0};
    uint64_t words[2] = {rng_next(rng), rng_next(rng)};
    memcpy(wanted.tag, words, STELE_TAG_BYTES);
    if (n > 0 && rng_next(rng) % 2 == 0) {
        memcpy(wanted.tag, p[rng_next(rng) % n].tag, STELE_TAG_BYTES - 1);
    }
    for (size_t i = 0; i < n; i++) {
        if (memcmp(p[i].tag, wanted.tag, STELE_TAG_BYTES) == 0) {
            return;
        }
    }
    struct stele_posting_cursor *c = NULL;
    uint64_t count = 7;
    assert_status(stele_segment_find(s, wanted.tag, &c, &count, NULL), END);
    assert_null(c);
    assert_ok(stele_segment_count(s, wanted.tag, &count, NULL));
    assert_true(count == 0);
}

static void check_keys(struct stele_segment *s, const struct stele_posting *p, size_t n,
                       struct rng *rng) {
    uint64_t n_keys = 0;
    for (size_t i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && memcmp(p[i].tag, p[next].tag, STELE_TAG_BYTES) == 0;
             next++) {
        }
        if (next - i > 50 || n < 5000 || i % 64 == 0) {
            check_key(s, p + i, next - i, rng);
        }
        n_keys++;
    }
    assert_true(stele_segment_info_of(s)->n_keys == n_keys);
    assert_true(stele_segment_info_of(s)->n_postings == n);
    for (unsigned i = 0; i < 10; i++) {
        check_absent(s, p, n, rng);
    }
}

/* Cuts [lo, hi) at random into parts, writes each, merges them: the bytes must be those of the
 * whole. */
static void check_merge(const struct stele_segment_info *info, const struct stele_posting *p,
                        size_t n, const stele_buf *whole, struct rng *rng) {
    enum { PARTS_MAX = 9 };
    stele_buf part[PARTS_MAX];
    struct stele_segment *segment[PARTS_MAX];
    size_t n_parts = 0;
    struct stele_posting *own = calloc(n + 1, sizeof *own);
    assert_non_null(own);
    for (uint64_t lo = info->lo; lo < info->hi; n_parts++) {
        uint64_t left = info->hi - lo;
        uint64_t hi = n_parts == PARTS_MAX - 1 ? info->hi : lo + 1 + rng_next(rng) % left;
        struct stele_segment_info part_info = test_segment_info(lo, hi);
        size_t n_own = 0;
        for (size_t i = 0; i < n; i++) {
            uint64_t seq = info->lo + p[i].offset;
            if (seq >= lo && seq < hi) {
                own[n_own] = p[i];
                own[n_own++].offset = (uint32_t)(seq - lo);
            }
        }
        part[n_parts] = STELE_BUF_EMPTY;
        assert_ok(test_segment_write(&part_info, own, n_own, &part[n_parts], NULL));
        assert_ok(stele_segment_open(memory_read_at, &part[n_parts], part[n_parts].size,
                                     &segment[n_parts], NULL));
        lo = hi;
    }
    stele_buf merged = STELE_BUF_EMPTY;
    assert_ok(stele_segment_merge(segment, n_parts, memory_write, &merged, NULL));
    assert_true(stele_view_equal(stele_view_buf(&merged), stele_view_buf(whole)));
    stele_buf_done(&merged);
    for (size_t i = 0; i < n_parts; i++) {
        stele_segment_close(segment[i]);
        stele_buf_done(&part[i]);
    }
    free(own);
}

static void test_segment__answers_like_a_sorted_array(void **state_unused) {
    (void)state_unused;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct rng rng = {first_seed.state + round};
        struct shape shape = draw_shape(&rng, round);
        size_t n = 0;
        struct stele_posting *p = draw_postings(&rng, &shape, &n);
        uint64_t lo = rng_next(&rng) % 2 == 0 ? 0 : UINT64_C(1) << 40;
        struct stele_segment_info info = test_segment_info(lo, lo + shape.span);
        stele_buf bytes = STELE_BUF_EMPTY;
        struct stele_segment *s = NULL;
        print_message("round %u: %zu postings of %" PRIu64 " tags in %u entries\n", round, n,
                      shape.n_tags, shape.span);
        assert_ok(test_segment_write(&info, p, n, &bytes, NULL));
        assert_ok(stele_segment_open(memory_read_at, &bytes, bytes.size, &s, NULL));
        check_walk(s, p, n);
        check_keys(s, p, n, &rng);
        check_merge(&info, p, n, &bytes, &rng);
        stele_segment_close(s);
        stele_buf_done(&bytes);
        free(p);
    }
}

static void test_postings__sort_like_qsort(void **state_unused) {
    (void)state_unused;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct rng rng = {first_seed.state + 1000 + round};
        struct shape shape = draw_shape(&rng, round);
        struct stele_posting *p = calloc(shape.n + 1, sizeof *p);
        struct stele_posting *expected = calloc(shape.n + 1, sizeof *p);
        struct stele_posting *scratch = calloc(shape.n + 1, sizeof *p);
        assert_true(p != NULL && expected != NULL && scratch != NULL);
        bool in_order = rng_next(&rng) % 2 == 0;
        for (size_t i = 0; i < shape.n; i++) {
            draw_tag(&rng, &shape, p[i].tag);
            p[i].offset = in_order ? (uint32_t)i : (uint32_t)(rng_next(&rng) % shape.span);
        }
        memcpy(expected, p, shape.n * sizeof *p);
        qsort(expected, shape.n, sizeof *p, compare);
        stele_postings_sort(p, shape.n, scratch);
        assert_memory_equal(p, expected, shape.n * sizeof *p);
        free(p);
        free(expected);
        free(scratch);
    }
}

int main(void) {
    first_seed = rng_start("segment_property");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_postings__sort_like_qsort),
        cmocka_unit_test(test_segment__answers_like_a_sorted_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
