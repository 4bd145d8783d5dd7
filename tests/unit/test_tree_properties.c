/* SPDX-License-Identifier: Apache-2.0 */
/* storage/tree.c against the naive RFC 6962 of tests/support/tree_model.c. */
#include <string.h>

#include "storage/tree.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"
#include "tests/support/tree_model.h"

#define SIZES_ALL 66 /* every size up to here, every index and every older size */
#define SIZE_MAX_RANDOM 700

static uint8_t leaves[SIZE_MAX_RANDOM * 32];

static void fill(struct rng *rng) {
    rng_bytes(rng, leaves, sizeof leaves);
}

static void assert_path(const struct stele_tree_path *path, const stele_buf *model) {
    assert_int_equal(path->n * 32, model->size);
    if (model->size > 0) {
        assert_memory_equal(path->node[0], model->data, model->size);
    }
}

static void check_roots(struct rng *rng, size_t n) {
    struct model_leaves model = {leaves, n};
    struct stele_frontier one;
    struct stele_frontier many;
    uint8_t expected[32];
    uint8_t root[32];
    model_root(leaves, n, expected);
    assert_ok(stele_tree_root(leaves, n, root, NULL));
    assert_memory_equal(root, expected, 32);
    assert_ok(stele_tree_root_at(n, model_node, &model, root, NULL));
    assert_memory_equal(root, expected, 32);
    assert_ok(stele_tree_shape_root(stele_hash_inner, leaves, n, root, NULL));
    assert_memory_equal(root, expected, 32);
    stele_frontier_init(&one);
    stele_frontier_init(&many);
    for (size_t i = 0; i < n; i++) {
        stele_frontier_push(&one, leaves + 32 * i);
    }
    for (size_t i = 0; i < n;) {
        size_t some = (size_t)rng_below(rng, n - i + 1);
        assert_ok(stele_frontier_push_many(&many, leaves + 32 * i, some, NULL));
        i += some;
        if (i < n) {
            stele_frontier_push(&many, leaves + 32 * i++);
        }
    }
    stele_frontier_root(&one, root);
    assert_memory_equal(root, expected, 32);
    assert_true(one.size_leaves == n && many.size_leaves == n);
    assert_memory_equal(one.node, many.node, 32 * (size_t)__builtin_popcountll(n));
}

static void check_inclusion(struct rng *rng, size_t n, size_t m) {
    struct model_leaves model = {leaves, n};
    struct stele_leaf_pos pos = {m, n};
    struct stele_tree_path path;
    stele_buf expected = STELE_BUF_EMPTY;
    uint8_t root[32];
    const uint8_t *leaf = leaves + 32 * m;
    model_root(leaves, n, root);
    model_path(leaves, n, m, &expected);
    assert_ok(stele_tree_prove_inclusion(pos, model_node, &model, &path, NULL));
    assert_path(&path, &expected);
    assert_ok(stele_tree_shape_prove(stele_hash_inner, leaves, pos, &path, NULL));
    assert_path(&path, &expected);
    assert_ok(stele_tree_check_inclusion(leaf, pos, path.node[0], path.n, root, NULL));
    /* Another place, a missing or an extra hash, a changed bit: all refused. */
    struct stele_leaf_pos other = {rng_below(rng, n), n};
    if (other.index_leaves != m) {
        assert_status(stele_tree_check_inclusion(leaf, other, path.node[0], path.n, root, NULL),
                      UNVERIFIED);
    }
    memset(path.node[path.n], 0, 32);
    assert_status(stele_tree_check_inclusion(leaf, pos, path.node[0], path.n + 1, root, NULL),
                  UNVERIFIED);
    if (path.n > 0) {
        assert_status(stele_tree_check_inclusion(leaf, pos, path.node[0], path.n - 1, root, NULL),
                      UNVERIFIED);
        path.node[rng_below(rng, path.n)][rng_below(rng, 32)] ^= (uint8_t)(1u << rng_below(rng, 8));
        assert_status(stele_tree_check_inclusion(leaf, pos, path.node[0], path.n, root, NULL),
                      UNVERIFIED);
    }
    stele_buf_done(&expected);
}

static void check_consistency(struct rng *rng, size_t n, size_t m) {
    struct model_leaves model = {leaves, n};
    struct stele_tree_path proof;
    stele_buf expected = STELE_BUF_EMPTY;
    uint8_t old_root[32];
    uint8_t root[32];
    model_root(leaves, m, old_root);
    model_root(leaves, n, root);
    model_proof(leaves, n, m, &expected);
    assert_ok(stele_tree_prove_consistency(m, n, model_node, &model, &proof, NULL));
    assert_path(&proof, &expected);
    assert_ok(stele_tree_check_consistency(m, n, proof.node[0], proof.n, old_root, root, NULL));
    memset(proof.node[proof.n], 0, 32);
    assert_status(
        stele_tree_check_consistency(m, n, proof.node[0], proof.n + 1, old_root, root, NULL),
        UNVERIFIED);
    if (proof.n > 0) {
        assert_status(
            stele_tree_check_consistency(m, n, proof.node[0], proof.n - 1, old_root, root, NULL),
            UNVERIFIED);
        assert_status(stele_tree_check_consistency(m, n, proof.node[0], proof.n, root, root, NULL),
                      UNVERIFIED);
        proof.node[rng_below(rng, proof.n)][rng_below(rng, 32)] ^=
            (uint8_t)(1u << rng_below(rng, 8));
        assert_status(
            stele_tree_check_consistency(m, n, proof.node[0], proof.n, old_root, root, NULL),
            UNVERIFIED);
    }
    stele_buf_done(&expected);
}

static void test_tree__roots_are_those_of_the_model(void **state) {
    (void)state;
    struct rng rng = rng_start(__func__);
    fill(&rng);
    for (size_t n = 0; n <= SIZES_ALL; n++) {
        check_roots(&rng, n);
    }
    for (size_t round = 0; round < 40; round++) {
        fill(&rng);
        check_roots(&rng, (size_t)rng_below(&rng, SIZE_MAX_RANDOM + 1));
    }
}

static void test_tree__inclusion_proofs_are_those_of_the_model(void **state) {
    (void)state;
    struct rng rng = rng_start(__func__);
    fill(&rng);
    for (size_t n = 1; n <= SIZES_ALL; n++) {
        for (size_t m = 0; m < n; m++) {
            check_inclusion(&rng, n, m);
        }
    }
    for (size_t round = 0; round < 100; round++) {
        size_t n = 1 + (size_t)rng_below(&rng, SIZE_MAX_RANDOM);
        check_inclusion(&rng, n, (size_t)rng_below(&rng, n));
    }
}

static void test_tree__consistency_proofs_are_those_of_the_model(void **state) {
    (void)state;
    struct rng rng = rng_start(__func__);
    fill(&rng);
    for (size_t n = 1; n <= SIZES_ALL; n++) {
        for (size_t m = 1; m < n; m++) {
            check_consistency(&rng, n, m);
        }
    }
    for (size_t round = 0; round < 100; round++) {
        size_t n = 2 + (size_t)rng_below(&rng, SIZE_MAX_RANDOM - 1);
        check_consistency(&rng, n, 1 + (size_t)rng_below(&rng, n - 1));
    }
}

/* Each subtree of a cover is complete, aligned, the widest that fits there, and the next begins
 * where it ends. */
static void test_tree__gap_covers_are_exact_and_widest(void **state) {
    (void)state;
    struct rng rng = rng_start(__func__);
    for (size_t round = 0; round < 20000; round++) {
        unsigned bits = (unsigned)rng_below(&rng, 64);
        uint64_t to = rng_next(&rng) >> bits;
        uint64_t from = to == 0 ? 0 : rng_below(&rng, to);
        uint8_t heights[128];
        size_t n = stele_tree_gap_heights(from, to, heights);
        assert_true(n <= 126);
        for (size_t i = 0; i < n; i++) {
            uint64_t width = UINT64_C(1) << heights[i];
            assert_true(from % width == 0 && to - from >= width);
            bool wider_fits = heights[i] < 63 && from % (2 * width) == 0 && to - from >= 2 * width;
            assert_false(wider_fits);
            from += width;
        }
        assert_true(from == to);
    }
}

/* A multiproof: some leaves shown, everything between them as gap covers; folded left to right it
 * must give the root, and one changed hash must not. */
static void check_multiproof(struct rng *rng, size_t n) {
    struct model_leaves model = {leaves, n};
    struct stele_frontier f;
    uint8_t expected[32];
    uint8_t root[32];
    size_t tampered = (size_t)rng_below(rng, 2);
    stele_frontier_init(&f);
    model_root(leaves, n, expected);
    for (uint64_t at = 0; at < n;) {
        uint64_t next = at + rng_below(rng, n - at + 1);
        struct stele_tree_path cover;
        uint8_t heights[128];
        assert_ok(stele_tree_prove_gap(at, next, model_node, &model, &cover, NULL));
        assert_int_equal(cover.n, stele_tree_gap_heights(at, next, heights));
        if (tampered == 1 && cover.n > 0) {
            cover.node[rng_below(rng, cover.n)][0] ^= 1;
            tampered = 2;
        }
        for (size_t i = 0; i < cover.n; i++) {
            stele_frontier_push_subtree(&f, heights[i], cover.node[i]);
        }
        at = next;
        if (at < n) {
            stele_frontier_push(&f, leaves + 32 * at++);
        }
    }
    assert_true(f.size_leaves == n);
    stele_frontier_root(&f, root);
    assert_int_equal(memcmp(root, expected, 32) == 0, tampered != 2);
}

static void test_tree__multiproofs_fold_to_the_root(void **state) {
    (void)state;
    struct rng rng = rng_start(__func__);
    fill(&rng);
    for (size_t n = 1; n <= 300; n++) {
        check_multiproof(&rng, n);
        check_multiproof(&rng, 1 + (size_t)rng_below(&rng, SIZE_MAX_RANDOM));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree__roots_are_those_of_the_model),
        cmocka_unit_test(test_tree__inclusion_proofs_are_those_of_the_model),
        cmocka_unit_test(test_tree__consistency_proofs_are_those_of_the_model),
        cmocka_unit_test(test_tree__gap_covers_are_exact_and_widest),
        cmocka_unit_test(test_tree__multiproofs_fold_to_the_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
