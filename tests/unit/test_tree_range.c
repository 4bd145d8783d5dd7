/* SPDX-License-Identifier: Apache-2.0 */
/* storage/tree_range.c and descriptor.c: every run of small trees, and what does not fit. */
#include <string.h>

#include "storage/descriptor.h"
#include "storage/tree_range.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

#define SIZE_MAX_TRIED 33

static uint8_t leaves[SIZE_MAX_TRIED * 32];

static stele_status node(void *ctx, unsigned level, uint64_t index, uint8_t ret[static 32],
                         stele_err *err) {
    (void)ctx;
    return stele_tree_shape_root(stele_hash_key_inner, leaves + (index << level) * 32,
                                 (size_t)1 << level, ret, err);
}

static stele_status check(struct stele_leaf_run run, const uint8_t *shown, stele_view siblings,
                          const uint8_t *root) {
    return stele_tree_range_check(stele_hash_key_inner, run, shown, siblings, root, NULL);
}

static void try_run(struct rng *rng, struct stele_leaf_run run) {
    uint8_t root[32];
    uint8_t shown[SIZE_MAX_TRIED * 32];
    stele_buf siblings = STELE_BUF_EMPTY;
    memcpy(shown, leaves + run.first * 32, run.n * 32);
    assert_ok(stele_tree_shape_root(stele_hash_key_inner, leaves, run.size, root, NULL));
    assert_ok(stele_tree_range_prove(stele_hash_key_inner, run, node, NULL, &siblings, NULL));
    assert_ok(check(run, shown, stele_view_buf(&siblings), root));

    shown[rng_below(rng, run.n * 32)] ^= 1;
    assert_status(check(run, shown, stele_view_buf(&siblings), root), UNVERIFIED);
    memcpy(shown, leaves + run.first * 32, run.n * 32);
    struct stele_leaf_run moved = run;
    moved.first = run.first > 0 ? run.first - 1 : 1;
    assert_true(check(moved, shown, stele_view_buf(&siblings), root) != STELE_OK);
    assert_ok(stele_buf_append(&siblings, stele_view_of(root, 32), NULL)); /* one too many */
    assert_status(check(run, shown, stele_view_buf(&siblings), root), UNVERIFIED);
    if (siblings.size > 32) { /* one too few, one changed */
        assert_status(check(run, shown, stele_view_of(siblings.data, siblings.size - 64), root),
                      UNVERIFIED);
        siblings.data[rng_below(rng, siblings.size - 32)] ^= 1;
        assert_status(check(run, shown, stele_view_of(siblings.data, siblings.size - 32), root),
                      UNVERIFIED);
    }
    stele_buf_done(&siblings);
}

static void test_tree_range__every_run_of_small_trees(void **state) {
    (void)state;
    struct rng rng = rng_start("tree_range");
    rng_bytes(&rng, leaves, sizeof leaves);
    for (uint64_t size = 1; size <= SIZE_MAX_TRIED; size++) {
        for (uint64_t first = 0; first < size; first++) {
            for (uint64_t n = 1; n <= size - first; n++) {
                try_run(&rng, (struct stele_leaf_run){first, n, size});
            }
        }
    }
}

static void test_tree_range__impossible_runs_are_refused(void **state) {
    (void)state;
    uint8_t root[32] = {0};
    const struct stele_leaf_run bad[] = {{0, 0, 4},          {0, 5, 4},          {4, 1, 4},
                                         {UINT64_MAX, 2, 4}, {2, UINT64_MAX, 4}, {0, 1, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        stele_buf out = STELE_BUF_EMPTY;
        assert_status(check(bad[i], leaves, stele_view_of(NULL, 0), root), INVALID);
        assert_status(stele_tree_range_prove(stele_hash_key_inner, bad[i], node, NULL, &out, NULL),
                      INVALID);
    }
    /* The greatest tree there can be: the recursion ends when the hashes do. */
    assert_status(check((struct stele_leaf_run){UINT64_MAX - 1, 1, UINT64_MAX}, leaves,
                        stele_view_of(NULL, 0), root),
                  UNVERIFIED);
}

static void test_descriptor__bytes_and_back(void **state) {
    (void)state;
    struct rng rng = rng_start("descriptor");
    struct stele_descriptor d = {.info = {.era = 20251100,
                                          .map_version = 1,
                                          .tag_alg = 1,
                                          .lo = 65536,
                                          .hi = 131072,
                                          .t_first = 7,
                                          .t_last = 9,
                                          .late_first = UINT64_MAX,
                                          .late_last = 0,
                                          .n_keys = 3,
                                          .n_postings = 5}};
    rng_bytes(&rng, d.info.tag_key_commit, 32);
    rng_bytes(&rng, d.key_root, 32);
    uint8_t bytes[STELE_DESCRIPTOR_BYTES];
    uint8_t again[STELE_DESCRIPTOR_BYTES];
    struct stele_descriptor read;
    stele_descriptor_encode(&d, bytes);
    assert_int_equal(bytes[0], 1); /* 20251100 is 0x013501dc */
    assert_int_equal(bytes[3], 0xdc);
    assert_ok(stele_descriptor_decode(stele_view_of(bytes, sizeof bytes), &read, NULL));
    stele_descriptor_encode(&read, again);
    assert_memory_equal(bytes, again, sizeof bytes);
    assert_status(stele_descriptor_decode(stele_view_of(bytes, sizeof bytes - 1), &read, NULL),
                  INVALID);
    static const struct {
        size_t at;
        uint8_t value;
    } bad[] = {{79, 1}, {72, 1}, {8, 1}, {24, 1}, {71, 2}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memcpy(again, bytes, sizeof bytes);
        again[bad[i].at] = bad[i].value;
        assert_status(stele_descriptor_decode(stele_view_of(again, sizeof again), &read, NULL),
                      INVALID);
    }
    memcpy(again, bytes, sizeof bytes);
    memset(again + 56, 0, 16); /* no keys, under a root of some */
    assert_status(stele_descriptor_decode(stele_view_of(again, sizeof again), &read, NULL),
                  INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree_range__every_run_of_small_trees),
        cmocka_unit_test(test_tree_range__impossible_runs_are_refused),
        cmocka_unit_test(test_descriptor__bytes_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
