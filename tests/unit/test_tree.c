/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "storage/tree.h"
#include "tests/support/cmocka.h"
#include "tests/support/tree_model.h"

#define LEAVES 16

/* Leaf i is the leaf hash of the byte i. */
static void make_leaves(uint8_t *leaves, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)i;
        stele_hash_leaf(stele_view_of(&byte, 1), leaves + 32 * i);
    }
}

static stele_status failing_node(void *ctx, unsigned level, uint64_t index,
                                 uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    int *calls_left = ctx;
    (void)level;
    (void)index;
    memset(ret, 0, 32);
    return (*calls_left)-- > 0 ? STELE_OK : STELE_FAIL(err, IO, "no node today");
}

static void test_tree__empty_root_is_hash_of_nothing(void **state) {
    (void)state;
    uint8_t root[32];
    uint8_t nothing[32];
    struct stele_frontier f;
    stele_frontier_init(&f);
    stele_sha256_of(stele_view_of(NULL, 0), nothing);
    stele_frontier_root(&f, root);
    assert_memory_equal(root, nothing, 32);
    assert_ok(stele_tree_root(NULL, 0, root, NULL));
    assert_memory_equal(root, nothing, 32);
    memset(root, 0, 32);
    assert_ok(stele_tree_root_at(0, failing_node, NULL, root, NULL));
    assert_memory_equal(root, nothing, 32);
}

static void test_tree__root_of_one_leaf_is_the_leaf(void **state) {
    (void)state;
    uint8_t leaf[32];
    uint8_t root[32];
    make_leaves(leaf, 1);
    assert_ok(stele_tree_root(leaf, 1, root, NULL));
    assert_memory_equal(root, leaf, 32);
    assert_ok(stele_tree_check_inclusion(leaf, (struct stele_leaf_pos){0, 1}, NULL, 0, root, NULL));
}

static void test_tree__impossible_positions_are_invalid(void **state) {
    (void)state;
    uint8_t hash[32] = {0};
    uint8_t path[66 * 32] = {0};
    struct stele_tree_path ret = {.n = 99};
    int calls = 0;
    assert_status(
        stele_tree_prove_inclusion((struct stele_leaf_pos){5, 5}, failing_node, &calls, &ret, NULL),
        INVALID);
    assert_status(
        stele_tree_prove_inclusion((struct stele_leaf_pos){0, 0}, failing_node, &calls, &ret, NULL),
        INVALID);
    assert_status(stele_tree_prove_consistency(6, 5, failing_node, &calls, &ret, NULL), INVALID);
    assert_status(stele_tree_prove_gap(6, 5, failing_node, &calls, &ret, NULL), INVALID);
    assert_int_equal(ret.n, 99);
    assert_status(
        stele_tree_check_inclusion(hash, (struct stele_leaf_pos){1, 1}, path, 0, hash, NULL),
        INVALID);
    assert_status(stele_tree_check_inclusion(hash, (struct stele_leaf_pos){0, UINT64_MAX}, path, 65,
                                             hash, NULL),
                  INVALID);
    assert_status(stele_tree_check_consistency(0, 5, path, 1, hash, hash, NULL), INVALID);
    assert_status(stele_tree_check_consistency(6, 5, path, 1, hash, hash, NULL), INVALID);
}

static void test_tree__consistency_of_equal_sizes_needs_an_empty_proof(void **state) {
    (void)state;
    uint8_t a[32] = {1};
    uint8_t b[32] = {2};
    struct stele_tree_path ret = {.n = 99};
    int calls = 0;
    assert_ok(stele_tree_prove_consistency(7, 7, failing_node, &calls, &ret, NULL));
    assert_int_equal(ret.n, 0);
    ret.n = 99;
    assert_ok(stele_tree_prove_consistency(0, 7, failing_node, &calls, &ret, NULL));
    assert_int_equal(ret.n, 0);
    assert_ok(stele_tree_check_consistency(7, 7, NULL, 0, a, a, NULL));
    assert_status(stele_tree_check_consistency(7, 7, NULL, 0, a, b, NULL), UNVERIFIED);
    assert_status(stele_tree_check_consistency(7, 7, a, 1, a, a, NULL), UNVERIFIED);
    assert_status(stele_tree_check_consistency(6, 7, NULL, 0, a, a, NULL), UNVERIFIED);
}

static void test_tree__a_node_that_fails_passes_its_status_up(void **state) {
    (void)state;
    for (int calls = 0; calls < 5; calls++) {
        struct stele_tree_path ret = {.n = 99};
        uint8_t root[32] = {7};
        stele_err err;
        int left = calls;
        /* 11 = 8 + 2 + 1: index 10 is proven by 8 and 2, the gap [1, 11) covered by 1, 2,
         * 4, 2, 1. */
        stele_status st = stele_tree_prove_inclusion((struct stele_leaf_pos){10, 11}, failing_node,
                                                     &left, &ret, &err);
        assert_int_equal(st, calls < 2 ? STELE_IO : STELE_OK);
        assert_int_equal(ret.n, calls < 2 ? 99 : 2);
        ret.n = 99;
        left = calls;
        assert_status(stele_tree_prove_gap(1, 11, failing_node, &left, &ret, &err), IO);
        assert_int_equal(ret.n, 99);
        left = calls;
        assert_int_equal(stele_tree_root_at(11, failing_node, &left, root, &err),
                         calls < 3 ? STELE_IO : STELE_OK);
        assert_true(calls >= 3 || root[0] == 7);
        ret.n = 99;
        left = calls;
        /* 6 in 8: [4,6), [6,8), [0,4). */
        st = stele_tree_prove_consistency(6, 8, failing_node, &left, &ret, &err);
        assert_int_equal(st, calls < 3 ? STELE_IO : STELE_OK);
        assert_int_equal(ret.n, calls < 3 ? 99 : 3);
    }
}

static void test_tree__gap_heights_are_the_widest_aligned_subtrees(void **state) {
    (void)state;
    uint8_t heights[128];
    assert_int_equal(stele_tree_gap_heights(5, 5, heights), 0);
    assert_int_equal(stele_tree_gap_heights(6, 5, heights), 0);
    assert_int_equal(stele_tree_gap_heights(0, 8, heights), 1);
    assert_int_equal(heights[0], 3);
    assert_int_equal(stele_tree_gap_heights(1, 11, heights), 5);
    assert_memory_equal(heights, "\0\1\2\1\0", 5);
    assert_int_equal(stele_tree_gap_heights(0, 7, heights), 3);
    assert_memory_equal(heights, "\2\1\0", 3);
    /* The widest gap there is: up from 1 to 2^63 and down again. */
    assert_int_equal(stele_tree_gap_heights(1, UINT64_MAX, heights), 126);
    assert_true(heights[0] == 0 && heights[62] == 62 && heights[63] == 62 && heights[125] == 0);
    assert_int_equal(stele_tree_gap_heights(0, UINT64_MAX, heights), 64);
    assert_int_equal(heights[0], 63);
}

static void test_tree__a_frontier_at_the_last_size_is_full(void **state) {
    (void)state;
    struct stele_frontier f;
    uint8_t leaves[2 * 32] = {0};
    stele_frontier_init(&f);
    f.size_leaves = UINT64_MAX - 1;
    assert_status(stele_frontier_push_many(&f, leaves, 2, NULL), LIMIT);
    assert_true(f.size_leaves == UINT64_MAX - 1);
    assert_ok(stele_frontier_push_many(&f, leaves, 1, NULL));
    assert_true(f.size_leaves == UINT64_MAX);
}

static void test_tree__sizes_near_2_to_64_are_proven_and_checked(void **state) {
    (void)state;
    /* All leaves are alike, so that every complete subtree of one height is too. */
    uint8_t level[64][32];
    struct stele_frontier f;
    uint8_t root[32];
    make_leaves(level[0], 1);
    for (size_t i = 1; i < 64; i++) {
        stele_hash_inner(level[i - 1], level[i - 1], level[i]);
    }
    stele_frontier_init(&f);
    for (unsigned height = 64; height-- > 0;) {
        stele_frontier_push_subtree(&f, height, level[height]);
    }
    assert_true(f.size_leaves == UINT64_MAX);
    stele_frontier_root(&f, root);
    uint8_t path[64][32];
    for (size_t i = 0; i < 63; i++) {
        memcpy(path[i], level[63 - 62 + i],
               32); /* the last leaf's siblings are the subtrees 1 to 63 */
    }
    struct stele_leaf_pos last = {UINT64_MAX - 1, UINT64_MAX};
    assert_ok(stele_tree_check_inclusion(level[0], last, path[0], 63, root, NULL));
    assert_status(stele_tree_check_inclusion(level[0], last, path[0], 62, root, NULL), UNVERIFIED);
    assert_status(stele_tree_check_inclusion(level[0], last, path[0], 64, root, NULL), UNVERIFIED);
}

static void test_tree__shapes_take_any_inner_hash(void **state) {
    (void)state;
    uint8_t leaves[3 * 32];
    uint8_t left[32];
    uint8_t root[32];
    uint8_t expected[32];
    struct stele_tree_path path;
    struct stele_leaf_pos pos = {2, 3};
    make_leaves(leaves, 3);
    stele_hash_state_inner(leaves, leaves + 32, left);
    stele_hash_state_inner(left, leaves + 64, expected);
    assert_ok(stele_tree_shape_root(stele_hash_state_inner, leaves, 3, root, NULL));
    assert_memory_equal(root, expected, 32);
    assert_ok(stele_tree_shape_prove(stele_hash_state_inner, leaves, pos, &path, NULL));
    assert_int_equal(path.n, 1);
    assert_memory_equal(path.node[0], left, 32);
    assert_ok(stele_tree_shape_check(stele_hash_state_inner, leaves + 64, pos, path.node[0], 1,
                                     root, NULL));
    assert_status(stele_tree_check_inclusion(leaves + 64, pos, path.node[0], 1, root, NULL),
                  UNVERIFIED);
    pos.index_leaves = 3;
    assert_status(stele_tree_shape_prove(stele_hash_state_inner, leaves, pos, &path, NULL),
                  INVALID);
    assert_ok(stele_tree_shape_root(stele_hash_state_inner, NULL, 0, root, NULL));
    stele_tree_empty_root(expected);
    assert_memory_equal(root, expected, 32);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree__empty_root_is_hash_of_nothing),
        cmocka_unit_test(test_tree__root_of_one_leaf_is_the_leaf),
        cmocka_unit_test(test_tree__impossible_positions_are_invalid),
        cmocka_unit_test(test_tree__consistency_of_equal_sizes_needs_an_empty_proof),
        cmocka_unit_test(test_tree__a_node_that_fails_passes_its_status_up),
        cmocka_unit_test(test_tree__gap_heights_are_the_widest_aligned_subtrees),
        cmocka_unit_test(test_tree__a_frontier_at_the_last_size_is_full),
        cmocka_unit_test(test_tree__sizes_near_2_to_64_are_proven_and_checked),
        cmocka_unit_test(test_tree__shapes_take_any_inner_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
