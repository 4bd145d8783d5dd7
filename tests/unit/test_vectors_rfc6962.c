/* SPDX-License-Identifier: Apache-2.0 */
/* The RFC 6962 vectors that others made: proofs to accept and refuse, reference roots, rolling
 * hashes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/cursor.h"
#include "storage/tree.h"
#include "tests/support/cmocka.h"
#include "tests/support/tree_model.h"
#include "tests/support/vectors.h"

/* Appends all hashes of a proof; false if one of them is not 32 bytes, which no caller
 * can pass on. */
static bool load_proof(const json_t *proof, stele_buf *out) {
    for (size_t i = 0; i < json_array_size(proof); i++) {
        size_t before = out->size;
        vectors_base64(json_array_get(proof, i), out);
        if (out->size - before != STELE_HASH_BYTES) {
            return false;
        }
    }
    return true;
}

static bool load_hash(const json_t *object, const char *key, stele_buf *out) {
    vectors_base64(json_object_get(object, key), out);
    return out->size == STELE_HASH_BYTES;
}

/* Some roots of the consistency cases are texts of other lengths and stand for "some root": padded
 * to 32 bytes, they are equal where the texts were. */
static void load_root(const json_t *object, const char *key, stele_buf *out) {
    vectors_base64(json_object_get(object, key), out);
    assert_true(out->size <= STELE_HASH_BYTES);
    while (out->size < STELE_HASH_BYTES) {
        assert_ok(stele_buf_append(out, stele_view_str("."), NULL));
    }
}

static bool inclusion_accepted(const json_t *c) {
    stele_buf proof = STELE_BUF_EMPTY;
    stele_buf root = STELE_BUF_EMPTY;
    stele_buf leaf = STELE_BUF_EMPTY;
    bool whole = load_proof(json_object_get(c, "proof"), &proof);
    whole = load_hash(c, "root", &root) && whole;
    whole = load_hash(c, "leafHash", &leaf) && whole;
    struct stele_leaf_pos pos = {.index_leaves = vectors_u64(c, "leafIdx"),
                                 .size_leaves = vectors_u64(c, "treeSize")};
    bool accepted = whole && stele_tree_check_inclusion(leaf.data, pos, proof.data,
                                                        proof.size / STELE_HASH_BYTES, root.data,
                                                        NULL) == STELE_OK;
    stele_buf_done(&leaf);
    stele_buf_done(&root);
    stele_buf_done(&proof);
    return accepted;
}

static bool consistency_accepted(const json_t *c) {
    stele_buf proof = STELE_BUF_EMPTY;
    stele_buf old_root = STELE_BUF_EMPTY;
    stele_buf new_root = STELE_BUF_EMPTY;
    bool whole = load_proof(json_object_get(c, "proof"), &proof);
    load_root(c, "root1", &old_root);
    load_root(c, "root2", &new_root);
    bool accepted =
        whole && stele_tree_check_consistency(vectors_u64(c, "size1"), vectors_u64(c, "size2"),
                                              proof.data, proof.size / STELE_HASH_BYTES,
                                              old_root.data, new_root.data, NULL) == STELE_OK;
    stele_buf_done(&new_root);
    stele_buf_done(&old_root);
    stele_buf_done(&proof);
    return accepted;
}

static void check_cases(const char *path, size_t n, bool (*accepted)(const json_t *)) {
    json_t *cases = vectors_load(path);
    assert_int_equal(json_array_size(cases), n);
    size_t good = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        bool want = !vectors_bool(c, "wantErr");
        good += want;
        if (accepted(c) != want) {
            fail_msg("%s: must be %s", vectors_text(c, "name"), want ? "accepted" : "refused");
        }
    }
    assert_int_equal(good, 6);
    json_decref(cases);
}

static void test_vectors__inclusion_proofs(void **state) {
    (void)state;
    check_cases("rfc6962/inclusion.jsonl", 98, inclusion_accepted);
}

static void test_vectors__consistency_proofs(void **state) {
    (void)state;
    check_cases("rfc6962/consistency.jsonl", 98, consistency_accepted);
}

static void assert_hex(const uint8_t *hash, const char *hex) {
    char text[2 * STELE_HASH_BYTES + 1];
    stele_hex_encode(stele_view_of(hash, STELE_HASH_BYTES), text);
    assert_string_equal(text, hex);
}

static void test_vectors__reference_nodes_and_roots(void **state) {
    (void)state;
    json_t *reference = vectors_load("rfc6962/reference.json");
    const json_t *leaves = json_object_get(reference, "leaves_hex");
    const json_t *roots = json_object_get(reference, "root_hashes_hex_by_size_0_to_8");
    const json_t *levels = json_object_get(reference, "node_hashes_hex_by_level");
    uint8_t hash[8][STELE_HASH_BYTES];
    uint8_t root[STELE_HASH_BYTES];
    struct stele_frontier f;
    stele_frontier_init(&f);
    assert_int_equal(json_array_size(leaves), 8);
    for (size_t i = 0; i <= 8; i++) {
        stele_frontier_root(&f, root);
        assert_hex(root, json_string_value(json_array_get(roots, i)));
        if (i < 8) {
            stele_buf leaf = STELE_BUF_EMPTY;
            vectors_hex(json_array_get(leaves, i), &leaf);
            stele_hash_leaf(stele_view_buf(&leaf), hash[i]);
            stele_frontier_push(&f, hash[i]);
            stele_buf_done(&leaf);
        }
    }
    assert_int_equal(json_array_size(levels), 4);
    for (size_t level = 0; level < 4; level++) {
        for (size_t i = 0; i < (size_t)8 >> level; i++) {
            assert_ok(stele_tree_root(hash[i << level], (size_t)1 << level, root, NULL));
            assert_hex(root, json_string_value(json_array_get(json_array_get(levels, level), i)));
        }
    }
    json_decref(reference);
}

static void test_vectors__single_hashes(void **state) {
    (void)state;
    json_t *reference = vectors_load("rfc6962/reference.json");
    const json_t *single = json_object_get(reference, "single");
    assert_int_equal(json_array_size(single), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *c = json_array_get(single, i);
        uint8_t hash[STELE_HASH_BYTES];
        if (json_object_get(c, "input_ascii") != NULL) {
            stele_hash_leaf(stele_view_str(vectors_text(c, "input_ascii")), hash);
        } else {
            /* Two inputs that are not 32 bytes long: no inner hash of ours, but the same prefix. */
            stele_buf message = STELE_BUF_EMPTY;
            assert_ok(stele_buf_printf(&message, NULL, "\x01%s%s", vectors_text(c, "left_ascii"),
                                       vectors_text(c, "right_ascii")));
            stele_sha256_of(stele_view_buf(&message), hash);
            stele_buf_done(&message);
        }
        assert_hex(hash, vectors_text(c, "hash_hex"));
    }
    json_decref(reference);
}

/* Both rolling hashes are over "[start, end)" subtrees with start a multiple of the width. */
#define ROLLING_LEAVES 130

static void roll(struct stele_sha256 *h, const char *text) {
    stele_sha256_update(h, stele_view_str(text));
}

static void roll_hash(struct stele_sha256 *h, const char *before, const uint8_t *hash) {
    char hex[2 * STELE_HASH_BYTES + 1];
    stele_hex_encode(stele_view_of(hash, STELE_HASH_BYTES), hex);
    roll(h, before);
    roll(h, hex);
}

static void roll_subtree(struct stele_sha256 rolling[2], const uint8_t *leaves, size_t start,
                         size_t end) {
    char text[64];
    uint8_t root[STELE_HASH_BYTES];
    struct model_leaves model = {leaves + start * STELE_HASH_BYTES, end - start};
    assert_ok(stele_tree_root_at(end - start, model_node, &model, root, NULL));
    (void)snprintf(text, sizeof text, "[%zu, %zu)", start, end);
    roll(&rolling[0], text);
    roll_hash(&rolling[0], " ", root);
    roll(&rolling[0], "\n");
    for (size_t i = start; i < end; i++) {
        struct stele_tree_path path;
        struct stele_leaf_pos pos = {.index_leaves = i - start, .size_leaves = end - start};
        assert_ok(stele_tree_prove_inclusion(pos, model_node, &model, &path, NULL));
        assert_ok(stele_tree_check_inclusion(leaves + i * STELE_HASH_BYTES, pos, path.node[0],
                                             path.n, root, NULL));
        (void)snprintf(text, sizeof text, "%zu [%zu, %zu)", i, start, end);
        roll(&rolling[1], text);
        for (size_t k = 0; k < path.n; k++) {
            roll_hash(&rolling[1], " ", path.node[k]);
        }
        roll(&rolling[1], "\n");
    }
}

static void test_vectors__rolling_hashes_of_all_trees_up_to_130_leaves(void **state) {
    (void)state;
    json_t *reference = vectors_load("rfc6962/reference.json");
    const json_t *expected = json_object_get(reference, "rolling");
    struct stele_sha256 rolling[2];
    uint8_t leaves[ROLLING_LEAVES * STELE_HASH_BYTES];
    uint8_t hash[STELE_HASH_BYTES];
    for (size_t i = 0; i < ROLLING_LEAVES; i++) {
        uint8_t leaf = (uint8_t)i;
        stele_hash_leaf(stele_view_of(&leaf, 1), leaves + i * STELE_HASH_BYTES);
    }
    stele_sha256_init(&rolling[0]);
    stele_sha256_init(&rolling[1]);
    for (size_t end = 0; end <= ROLLING_LEAVES; end++) {
        for (size_t start = 0; start <= end; start++) {
            size_t width = 1;
            while (width < end - start) {
                width *= 2;
            }
            if (start == end || start % width == 0) {
                roll_subtree(rolling, leaves, start, end);
            }
        }
    }
    for (size_t i = 0; i < 2; i++) {
        stele_sha256_final(&rolling[i], hash);
        assert_hex(hash, vectors_text(json_array_get(expected, i), "sha256_hex"));
    }
    json_decref(reference);
}

static void test_vectors__roots_of_u32_leaves(void **state) {
    (void)state;
    json_t *reference = vectors_load("rfc6962/reference.json");
    const json_t *roots = json_object_get(reference, "u32_be_roots");
    assert_int_equal(json_array_size(roots), 8);
    for (size_t i = 0; i < 8; i++) {
        const json_t *c = json_array_get(roots, i);
        size_t n = (size_t)vectors_u64(c, "n");
        uint8_t *leaves = stele_alloc(n, STELE_HASH_BYTES);
        uint8_t *data = stele_alloc(n, 4);
        uint8_t root[STELE_HASH_BYTES];
        assert_true(leaves != NULL && data != NULL);
        for (size_t k = 0; k < n; k++) {
            stele_put_u32(data + 4 * k, (uint32_t)k);
        }
        stele_hash_leaf_many(data, 4, n, leaves);
        assert_ok(stele_tree_root(leaves, n, root, NULL));
        assert_hex(root, vectors_text(c, "root_hex"));
        stele_free(data);
        stele_free(leaves);
    }
    json_decref(reference);
}

int main(void) {
    vectors_need();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors__inclusion_proofs),
        cmocka_unit_test(test_vectors__consistency_proofs),
        cmocka_unit_test(test_vectors__reference_nodes_and_roots),
        cmocka_unit_test(test_vectors__single_hashes),
        cmocka_unit_test(test_vectors__rolling_hashes_of_all_trees_up_to_130_leaves),
        cmocka_unit_test(test_vectors__roots_of_u32_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
