/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_seal.c: a seal says what the plain model of FORMAT.md section 6 says, its proofs
 * check against the model's root, and merging seals gives the bytes that building would.
 */
#include "storage/seal.h"

#include <stdlib.h>
#include <string.h>

#include "storage/cursor.h"
#include "storage/seal_format.h"
#include "storage/tree_range.h"
#include "tests/support/cmocka.h"
#include "tests/support/memory_segment.h"
#include "tests/support/rng.h"
#include "tests/support/seal_model.h"

static int compare(const void *a, const void *b) {
    const struct stele_posting *x = a;
    const struct stele_posting *y = b;
    int order = memcmp(x->tag, y->tag, STELE_TAG_BYTES);
    return order != 0 ? order : (x->offset > y->offset) - (x->offset < y->offset);
}

struct shape {
    size_t n;        /* postings drawn; duplicates drop out */
    uint32_t span;   /* offsets are below */
    uint64_t n_tags; /* a tag is drawn from so many, half of the time from the first few */
};

/* Sorted and distinct; *ret_n of them. Tags come in pairs that differ in the last bit. */
static struct stele_posting *draw(struct rng *rng, const struct shape *shape, size_t *ret_n) {
    struct stele_posting *p = calloc(shape->n + 1, sizeof *p);
    size_t n = 0;
    assert_non_null(p);
    for (size_t i = 0; i < shape->n; i++) {
        uint64_t number =
            rng_below(rng, rng_below(rng, 2) == 0 ? shape->n_tags : 1 + shape->n_tags / 50);
        struct rng mixed = {number / 2 + 77};
        uint64_t words[2] = {rng_next(&mixed), rng_next(&mixed)};
        memcpy(p[i].tag, words, STELE_TAG_BYTES);
        p[i].tag[15] = (uint8_t)((p[i].tag[15] & 0xfe) | (number & 1));
        p[i].offset = (uint32_t)rng_below(rng, shape->span);
    }
    qsort(p, shape->n, sizeof *p, compare);
    for (size_t i = 0; i < shape->n; i++) {
        if (n == 0 || compare(&p[n - 1], &p[i]) != 0) {
            p[n++] = p[i];
        }
    }
    *ret_n = n;
    return p;
}

static void check_key(const struct sealed_segment *s, const struct model_seal *model,
                      uint64_t rank) {
    const struct model_key *wanted = &model->key[rank];
    struct stele_seal_key key;
    uint64_t found = 0;
    bool present = false;
    assert_ok(stele_seal_find(s->seal, wanted->tag, &found, &present, NULL));
    assert_true(present && found == rank);
    assert_ok(stele_seal_key_at(s->seal, model_leaves(), rank, &key, NULL));
    assert_memory_equal(key.tag, wanted->tag, STELE_TAG_BYTES);
    assert_int_equal(key.count, wanted->count);
    assert_memory_equal(key.root, wanted->root, STELE_HASH_BYTES);
    assert_memory_equal(key.value, wanted->value, STELE_HASH_BYTES);
}

/* Tags that are not there have as many keys below as the model says. */
static void check_absent(struct rng *rng, const struct sealed_segment *s,
                         const struct model_seal *model) {
    for (int i = 0; i < 40; i++) {
        uint8_t tag[STELE_TAG_BYTES];
        uint64_t rank = 0;
        uint64_t wanted = 0;
        bool present = true;
        rng_bytes(rng, tag, sizeof tag);
        if (model->n_keys > 0 && i % 2 == 0) { /* beside one that is there */
            memcpy(tag, model->key[rng_below(rng, model->n_keys)].tag, sizeof tag);
            tag[15] ^= (uint8_t)(1u << rng_below(rng, 8));
        }
        while (wanted < model->n_keys && memcmp(model->key[wanted].tag, tag, sizeof tag) < 0) {
            wanted++;
        }
        bool there = wanted < model->n_keys && memcmp(model->key[wanted].tag, tag, sizeof tag) == 0;
        assert_ok(stele_seal_find(s->seal, tag, &rank, &present, NULL));
        assert_int_equal(rank, wanted);
        assert_int_equal(present, there);
    }
}

static void check_proof(const struct sealed_segment *s, const struct model_seal *model,
                        uint64_t first, uint64_t n) {
    struct stele_leaf_run run = {first, n, model->n_keys};
    stele_buf siblings = STELE_BUF_EMPTY;
    assert_ok(stele_seal_prove(s->seal, model_leaves(), first, n, &siblings, NULL));
    assert_ok(stele_tree_range_check(stele_hash_key_inner, run,
                                     model->leaves + first * STELE_HASH_BYTES,
                                     stele_view_buf(&siblings), model->key_root, NULL));
    stele_buf_done(&siblings);
}

static void check_all(struct rng *rng, const struct sealed_segment *s,
                      const struct model_seal *model) {
    struct stele_seal_key key;
    stele_buf out = STELE_BUF_EMPTY;
    size_t step = 1 + model->n_keys / 150;
    assert_memory_equal(s->descriptor.key_root, model->key_root, STELE_HASH_BYTES);
    assert_memory_equal(stele_seal_descriptor(s->seal), &s->descriptor, sizeof s->descriptor);
    assert_int_equal(s->descriptor.info.n_keys, model->n_keys);
    for (uint64_t rank = 0; rank < model->n_keys; rank += 1 + rng_below(rng, step)) {
        check_key(s, model, rank);
        check_proof(s, model, rank, 1);
        if (rank + 1 < model->n_keys) {
            check_proof(s, model, rank, 2);
        }
        uint64_t left = model->n_keys - rank;
        check_proof(s, model, rank, 1 + rng_below(rng, left < 100 ? left : 100));
    }
    if (model->n_keys > 0) {
        check_key(s, model, model->n_keys - 1);
        check_proof(s, model, model->n_keys - 1, 1);
        check_proof(s, model, 0, model->n_keys);
    }
    check_absent(rng, s, model);
    assert_status(stele_seal_key_at(s->seal, model_leaves(), model->n_keys, &key, NULL), INVALID);
    assert_status(stele_seal_prove(s->seal, model_leaves(), model->n_keys, 1, &out, NULL), INVALID);
    assert_status(stele_seal_prove(s->seal, model_leaves(), 0, 0, &out, NULL), INVALID);
    stele_buf_done(&out);
}

static void test_seal__says_what_the_model_says(void **state) {
    static const struct shape shapes[] = {
        {0, 1, 1},
        {1, 1, 1},
        {2, 1, 40},
        {40, 3, 3},
        {300, 5000, 31},
        {300, 5000, 100000},
        {5000, 1u << 16, 900},
        {9000, 1u << 30, 1000000},
        {60000, 100000, 10},
        {40000, 65536, 40000},
        {70000, 65536, 1000000},
    };
    struct rng rng = rng_start("seal");
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct sealed_segment s = {.segment = NULL};
        struct model_seal model;
        size_t n = 0;
        struct stele_posting *p = draw(&rng, &shapes[i], &n);
        uint64_t lo = rng_below(&rng, 3) == 0 ? 0 : rng_below(&rng, UINT64_C(1) << 40);
        model_seal_of(lo, p, n, &model);
        sealed_segment_build(&s, lo, lo, lo + shapes[i].span, p, n);
        check_all(&rng, &s, &model);
        sealed_segment_done(&s);
        model_seal_done(&model);
        free(p);
    }
}

/* A key with more postings than one batch holds: its nodes are carried from one to the next. */
static void test_seal__a_history_longer_than_a_batch(void **state) {
    enum { N = STELE_SEAL__BATCH_MAX + 5000 };
    struct stele_segment_info info = test_segment_info(77, 77 + 3 * (uint64_t)N);
    struct stele_segment_writer *writer = NULL;
    struct sealed_segment s = {.segment = NULL};
    struct stele_seal_key key;
    uint64_t *seqs = calloc(N, sizeof *seqs);
    uint8_t tag[STELE_TAG_BYTES] = {1};
    uint8_t root[STELE_HASH_BYTES];
    (void)state;
    assert_non_null(seqs);
    assert_ok(stele_segment_writer_new(&info, memory_write, &s.segment_bytes, &writer, NULL));
    assert_ok(stele_segment_writer_add(writer, tag, 80, NULL));
    tag[0] = 2;
    for (size_t i = 0; i < N; i++) {
        seqs[i] = 77 + 3 * i + i % 3;
        assert_ok(stele_segment_writer_add(writer, tag, seqs[i], NULL));
    }
    tag[0] = 3;
    assert_ok(stele_segment_writer_add(writer, tag, 81, NULL));
    assert_ok(stele_segment_writer_end(writer, NULL));
    stele_segment_writer_free(writer);
    assert_ok(stele_segment_open(memory_read_at, &s.segment_bytes, s.segment_bytes.size, &s.segment,
                                 NULL));
    assert_ok(stele_seal_build(s.segment, model_leaves(), memory_write, &s.seal_bytes,
                               &s.descriptor, NULL));
    sealed_segment_open(&s);
    model_history(seqs, N, root);
    assert_ok(stele_seal_key_at(s.seal, model_leaves(), 1, &key, NULL));
    assert_int_equal(key.count, N);
    assert_memory_equal(key.root, root, sizeof root);
    assert_ok(stele_seal_key_at(s.seal, model_leaves(), 2, &key, NULL));
    assert_int_equal(key.count, 1);
    sealed_segment_done(&s);
    free(seqs);
}

/* ------------------------------------------------------------------ merging */
#define PARTS_MAX 40

/* Cuts the whole into parts that are what eras leave of aligned spans of 2^shift. Returns their
 * number. */
static size_t cut(const struct stele_segment_info *whole, unsigned shift,
                  uint64_t bounds[STELE_AT_LEAST(PARTS_MAX + 1)]) {
    size_t n = 0;
    bounds[0] = whole->lo;
    while (bounds[n] < whole->hi && n < PARTS_MAX) {
        uint64_t end = ((bounds[n] >> shift) + 1) << shift;
        bounds[++n] = end < whole->hi ? end : whole->hi;
    }
    return n;
}

static void merge_parts(struct sealed_segment *part, size_t n, struct sealed_segment *ret,
                        stele_status wanted) {
    struct stele_segment *segments[PARTS_MAX];
    struct stele_seal *seals[PARTS_MAX];
    for (size_t i = 0; i < n; i++) {
        segments[i] = part[i].segment;
        seals[i] = part[i].seal;
    }
    assert_ok(stele_segment_merge(segments, n, memory_write, &ret->segment_bytes, NULL));
    assert_ok(stele_segment_open(memory_read_at, &ret->segment_bytes, ret->segment_bytes.size,
                                 &ret->segment, NULL));
    const struct stele_seal_parts parts = {ret->segment, segments, seals, n};
    assert_int_equal(stele_seal_can_merge(segments, n), wanted == STELE_OK);
    stele_status st = stele_seal_merge(&parts, model_leaves(), memory_write, &ret->seal_bytes,
                                       &ret->descriptor, NULL);
    assert_int_equal(st, wanted);
    if (st == STELE_OK) {
        sealed_segment_open(ret);
    }
}

/* Parts, then parts of parts: whatever was merged of what, the bytes are those of building the
 * whole. */
static void test_seal__a_merge_is_what_building_gives(void **state) {
    struct rng rng = rng_start("seal merge");
    (void)state;
    for (int round = 0; round < 40; round++) {
        struct shape shape = {.n = rng_below(&rng, 12000),
                              .span = 2 + (uint32_t)rng_below(&rng, round % 2 == 0 ? 60 : 30000),
                              .n_tags = 1 + rng_below(&rng, round % 3 == 0 ? 30 : 20000)};
        uint64_t lo = rng_below(&rng, 1u << 20);
        uint64_t hi = lo + shape.span;
        uint64_t bounds[PARTS_MAX + 1];
        unsigned shift = 0;
        size_t n = 0;
        struct stele_posting *p = draw(&rng, &shape, &n);
        struct sealed_segment whole = {.segment = NULL};
        sealed_segment_build(&whole, lo, lo, hi, p, n);
        while (cut(&whole.descriptor.info, shift, bounds) == PARTS_MAX) {
            shift++;
        }
        shift += (unsigned)rng_below(&rng, 4);
        size_t n_parts = cut(&whole.descriptor.info, shift, bounds);
        static struct sealed_segment part[PARTS_MAX];
        static struct sealed_segment merged[PARTS_MAX];
        for (size_t i = 0; i < n_parts; i++) {
            sealed_segment_build(&part[i], lo, bounds[i], bounds[i + 1], p, n);
        }
        /* Two steps: to spans four times as long, and those to the whole. */
        size_t n_merged = 0;
        for (size_t at = 0; at < n_parts; n_merged++) {
            size_t count = 1;
            while (at + count < n_parts &&
                   bounds[at + count] >> (shift + 2) == bounds[at] >> (shift + 2)) {
                count++;
            }
            merge_parts(part + at, count, &merged[n_merged], STELE_OK);
            at += count;
        }
        struct sealed_segment again = {.segment = NULL};
        merge_parts(merged, n_merged, &again, STELE_OK);
        assert_true(
            stele_view_equal(stele_view_buf(&again.seal_bytes), stele_view_buf(&whole.seal_bytes)));
        assert_true(stele_view_equal(stele_view_buf(&again.segment_bytes),
                                     stele_view_buf(&whole.segment_bytes)));
        assert_memory_equal(&again.descriptor, &whole.descriptor, sizeof whole.descriptor);
        sealed_segment_done(&again);
        sealed_segment_done(&whole);
        for (size_t i = 0; i < PARTS_MAX; i++) {
            sealed_segment_done(&part[i]);
            sealed_segment_done(&merged[i]);
        }
        free(p);
    }
}

/* Where the spans around the parts overlap, the lemma does not hold, and the merge says so. */
static void test_seal__overlapping_spans_do_not_merge(void **state) {
    struct rng rng = rng_start("seal overlap");
    const struct shape shape = {400, 24, 30};
    struct sealed_segment part[2] = {{.segment = NULL}, {.segment = NULL}};
    struct sealed_segment merged = {.segment = NULL};
    size_t n = 0;
    struct stele_posting *p = draw(&rng, &shape, &n);
    (void)state;
    sealed_segment_build(&part[0], 0, 0, 12, p, n);
    sealed_segment_build(&part[1], 0, 12, 24, p, n);
    merge_parts(part, 2, &merged, STELE_INVALID);
    sealed_segment_done(&part[0]);
    sealed_segment_done(&part[1]);
    sealed_segment_done(&merged);
    free(p);
}

/* A merge asks for the leaves of lone postings only. */
static void test_seal__a_merge_reads_no_posting_again(void **state) {
    struct sealed_segment part[2] = {{.segment = NULL}, {.segment = NULL}};
    struct sealed_segment merged = {.segment = NULL};
    struct stele_posting p[401];
    uint64_t asked = 0;
    (void)state;
    memset(p, 0, sizeof p);
    for (uint32_t i = 0; i < 400; i++) {
        p[i].offset = i; /* one key in all entries, */
    }
    p[400].tag[0] = 9; /* and one that stands alone */
    p[400].offset = 300;
    sealed_segment_build(&part[0], 0, 0, 256, p, 401);
    sealed_segment_build(&part[1], 0, 256, 512, p, 401);
    struct stele_segment *const segments[] = {part[0].segment, part[1].segment};
    struct stele_seal *const seals[] = {part[0].seal, part[1].seal};
    assert_ok(stele_segment_merge(segments, 2, memory_write, &merged.segment_bytes, NULL));
    assert_ok(stele_segment_open(memory_read_at, &merged.segment_bytes, merged.segment_bytes.size,
                                 &merged.segment, NULL));
    const struct stele_seal_parts parts = {merged.segment, segments, seals, 2};
    const struct stele_leaf_source counted = {model_leaf, &asked};
    assert_ok(stele_seal_merge(&parts, counted, memory_write, &merged.seal_bytes,
                               &merged.descriptor, NULL));
    assert_int_equal(asked, 1);
    sealed_segment_done(&part[0]);
    sealed_segment_done(&part[1]);
    sealed_segment_done(&merged);
}

/* ------------------------------------------------------------------ damage */
/* What a seal answers about some keys, as one hash; or the first refusal. */
static stele_status answers_of(struct stele_segment *segment, stele_buf *bytes,
                               uint8_t ret[STELE_AT_LEAST(32)]) {
    static const uint64_t ranks[] = {0, 1, 31, 32, 500, 1023, 1024, 1039};
    struct stele_seal *seal = NULL;
    stele_buf all = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_seal_open(memory_read_at, bytes, bytes->size, segment, &seal, NULL));
    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
        struct stele_seal_key key;
        uint64_t found = 0;
        bool present = false;
        memset(&key, 0, sizeof key);
        STELE_TRY(stele_seal_key_at(seal, model_leaves(), ranks[i], &key, NULL));
        STELE_TRY(stele_buf_append(&all, stele_view_of(&key, sizeof key), NULL));
        STELE_TRY(stele_seal_find(seal, key.tag, &found, &present, NULL));
        STELE_TRY(stele_buf_append(&all, stele_view_of(&found, sizeof found), NULL));
        key.tag[14] ^= 1;
        STELE_TRY(stele_seal_find(seal, key.tag, &found, &present, NULL));
        STELE_TRY(stele_buf_append(&all, stele_view_of(&found, sizeof found), NULL));
        STELE_TRY(stele_seal_prove(seal, model_leaves(), ranks[i], 1, &all, NULL));
    }
    STELE_TRY(stele_buf_append(
        &all, stele_view_of(stele_seal_descriptor(seal), sizeof(struct stele_descriptor)), NULL));
    stele_sha256_of(stele_view_buf(&all), ret);
cleanup:
    stele_buf_done(&all);
    stele_seal_close(seal);
    return st;
}

static void make_for_damage(struct sealed_segment *s) {
    struct stele_posting p[1040 + 65];
    struct stele_posting scratch[1040 + 65];
    size_t n = 0;
    for (uint32_t i = 0; i < 1040; i++) {
        memset(&p[n], 0, sizeof p[n]);
        p[n].tag[0] = (uint8_t)(i * 37);
        p[n].tag[1] = (uint8_t)(i >> 8);
        p[n].tag[2] = (uint8_t)i;
        p[n++].offset = i;
        if (i % 16 == 3) {
            p[n] = p[n - 1];
            p[n++].offset += 2000;
        }
    }
    stele_postings_sort(p, n, scratch);
    sealed_segment_build(s, 4096, 4096, 8192, p, n);
}

static void test_seal__a_damaged_byte_is_corrupt_or_changes_no_answer(void **state) {
    struct sealed_segment s = {.segment = NULL};
    uint8_t whole[STELE_HASH_BYTES];
    uint8_t damaged[STELE_HASH_BYTES];
    size_t refused = 0;
    (void)state;
    make_for_damage(&s);
    assert_ok(answers_of(s.segment, &s.seal_bytes, whole));
    for (size_t i = 0; i < s.seal_bytes.size; i++) {
        s.seal_bytes.data[i] ^= (uint8_t)(1u << (i % 8));
        stele_status st = answers_of(s.segment, &s.seal_bytes, damaged);
        if (st == STELE_OK) {
            assert_memory_equal(damaged, whole, sizeof whole);
        } else {
            assert_int_equal(st, STELE_CORRUPT);
            refused++;
        }
        s.seal_bytes.data[i] ^= (uint8_t)(1u << (i % 8));
    }
    assert_int_equal(refused, s.seal_bytes.size); /* all of its chunks are read here */
    for (size_t size = 0; size < s.seal_bytes.size; size += 1 + size % 7) {
        stele_buf cut = {s.seal_bytes.data, size, 0};
        assert_status(answers_of(s.segment, &cut, damaged), CORRUPT);
    }
    sealed_segment_done(&s);
}

static void test_seal__of_another_segment_or_version_is_refused(void **state) {
    struct sealed_segment s = {.segment = NULL};
    struct sealed_segment other = {.segment = NULL};
    struct stele_posting p[2] = {{.tag = {1}, .offset = 1}, {.tag = {2}, .offset = 2}};
    uint8_t hash[STELE_HASH_BYTES];
    (void)state;
    sealed_segment_build(&s, 0, 0, 256, p, 2);
    p[1].offset = 3; /* the same counts */
    sealed_segment_build(&other, 0, 0, 256, p, 2);
    assert_status(answers_of(other.segment, &s.seal_bytes, hash), CORRUPT);
    uint8_t *footer = s.seal_bytes.data + s.seal_bytes.size - STELE_SEAL__FOOTER_BYTES;
    stele_put_u16(footer + 8, 2);
    stele_seal__sum(STELE_SEAL__SUM_FOOTER, 0, stele_view_of(footer, STELE_SEAL__FOOTER_BYTES - 32),
                    footer + STELE_SEAL__FOOTER_BYTES - 32);
    assert_status(answers_of(s.segment, &s.seal_bytes, hash), UNSUPPORTED);
    sealed_segment_done(&s);
    sealed_segment_done(&other);
}

/* A sink or a source of leaves that fails is passed on, and a segment that counts wrongly is found.
 */
static stele_status no_leaf(void *ctx, uint64_t seq, uint8_t ret[STELE_AT_LEAST(32)],
                            stele_err *err) {
    (void)ctx;
    (void)ret;
    return STELE_FAIL(err, IO, "no leaf %llu", (unsigned long long)seq);
}

static stele_status full(void *ctx, stele_view bytes, stele_err *err) {
    size_t *left = ctx;
    if (bytes.size > *left) {
        return STELE_FAIL(err, NO_SPACE, "full");
    }
    *left -= bytes.size;
    return STELE_OK;
}

static void test_seal__failures_of_leaves_and_sinks_are_passed_on(void **state) {
    struct sealed_segment s = {.segment = NULL};
    struct stele_descriptor descriptor;
    struct stele_seal_key key;
    stele_buf out = STELE_BUF_EMPTY;
    const struct stele_leaf_source none = {no_leaf, NULL};
    (void)state;
    make_for_damage(&s);
    assert_status(stele_seal_build(s.segment, none, memory_write, &out, &descriptor, NULL), IO);
    assert_status(stele_seal_key_at(s.seal, none, 0, &key, NULL), IO);
    assert_status(stele_seal_prove(s.seal, none, 0, 1, &out, NULL), IO);
    for (size_t room = 0; room < s.seal_bytes.size; room += 97) {
        size_t left = room;
        assert_status(stele_seal_build(s.segment, model_leaves(), full, &left, &descriptor, NULL),
                      NO_SPACE);
    }
    stele_buf_done(&out);
    sealed_segment_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seal__says_what_the_model_says),
        cmocka_unit_test(test_seal__a_history_longer_than_a_batch),
        cmocka_unit_test(test_seal__a_merge_is_what_building_gives),
        cmocka_unit_test(test_seal__overlapping_spans_do_not_merge),
        cmocka_unit_test(test_seal__a_merge_reads_no_posting_again),
        cmocka_unit_test(test_seal__a_damaged_byte_is_corrupt_or_changes_no_answer),
        cmocka_unit_test(test_seal__of_another_segment_or_version_is_refused),
        cmocka_unit_test(test_seal__failures_of_leaves_and_sinks_are_passed_on),
    };
    return cmocka_run_group_tests_name("seal", tests, NULL, NULL);
}
