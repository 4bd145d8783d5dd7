/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_seal_busy.c: a seal built of postings, where keys of the same events share a
 * history, has the bytes of one built of the segment, where each is hashed.
 */
#include "storage/seal.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/cmocka.h"
#include "tests/support/memory_segment.h"
#include "tests/support/seal_model.h"

#define SPAN 5000u
#define N_KEYS 250u /* more histories of busy ones than are kept */

/* Whether the key stands in this event. */
static bool stands(unsigned key, uint32_t offset) {
    if (key >= 240) { /* few, and the same */
        return offset < 1000;
    }
    switch (key % 5) {
    case 0: /* everywhere */
        return true;
    case 1: /* as many as of the next kind, from the first to the last, and one other between */
        return offset % 3 == 0 || offset == 7 || offset == SPAN - 1;
    case 2:
        return offset % 3 == 0 || offset == 8 || offset == SPAN - 1;
    case 3: /* each another history */
        return offset != key;
    default:
        return (offset + key) % 7 < 5 && offset != 2 * key;
    }
}

static size_t draw(struct stele_posting *out) {
    size_t n = 0;
    for (unsigned key = 0; key < N_KEYS; key++) {
        for (uint32_t offset = 0; offset < SPAN; offset++) {
            if (stands(key, offset)) {
                out[n] = (struct stele_posting){.offset = offset};
                out[n++].tag[0] = (uint8_t)key;
            }
        }
    }
    return n;
}

static void check(uint64_t lo) {
    struct stele_posting *postings = calloc((size_t)N_KEYS * SPAN, sizeof *postings);
    struct sealed_segment s = {.segment = NULL};
    struct stele_descriptor descriptor;
    stele_buf built = STELE_BUF_EMPTY;
    assert_non_null(postings);
    size_t n = draw(postings);
    sealed_segment_build(&s, lo, lo, lo + SPAN, postings, n);
    assert_ok(stele_seal_build_of(s.segment, postings, n, model_leaves(), memory_write, &built,
                                  &descriptor, NULL));
    assert_true(stele_view_equal(stele_view_buf(&built), stele_view_buf(&s.seal_bytes)));
    assert_memory_equal(descriptor.key_root, s.descriptor.key_root, STELE_HASH_BYTES);
    stele_buf_done(&built);
    sealed_segment_done(&s);
    free(postings);
}

static void test_seal_busy__built_of_postings_is_built_of_the_segment(void **state) {
    (void)state;
    check(0);
    check(65536 - 1000);
}

/* Of a key that is finished by itself too. */
static stele_status no_leaf(void *ctx, uint64_t seq, uint8_t ret[STELE_AT_LEAST(32)],
                            stele_err *err) {
    (void)ctx;
    (void)ret;
    return STELE_FAIL(err, IO, "no leaf %llu", (unsigned long long)seq);
}

static void test_seal_busy__failures_are_passed_on(void **state) {
    (void)state;
    /* Larger than what is hashed at once, so that leaves are asked for when the key is finished. */
    enum { N = 70000 };
    struct stele_posting *postings = calloc(N, sizeof *postings);
    struct sealed_segment s = {.segment = NULL};
    struct stele_descriptor descriptor;
    stele_buf built = STELE_BUF_EMPTY;
    assert_non_null(postings);
    for (uint32_t i = 0; i < N; i++) {
        postings[i].offset = i;
    }
    sealed_segment_build(&s, 0, 0, N, postings, N);
    const struct stele_leaf_source none = {no_leaf, NULL};
    assert_status(
        stele_seal_build_of(s.segment, postings, N, none, memory_write, &built, &descriptor, NULL),
        IO);
    stele_buf_done(&built);
    sealed_segment_done(&s);
    free(postings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seal_busy__built_of_postings_is_built_of_the_segment),
        cmocka_unit_test(test_seal_busy__failures_are_passed_on),
    };
    return cmocka_run_group_tests_name("seal_busy", tests, NULL, NULL);
}
