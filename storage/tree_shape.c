/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/tree_shape.c: the RFC 6962 shape with any inner hash, for small trees in memory, and the
 * one inclusion check. Folding a level pairwise and promoting an odd last node gives the same tree
 * as the recursion of RFC 6962 section 2.1; the property tests compare both.
 */
#include "storage/tree.h"

#include <inttypes.h>
#include <string.h>

static void fold_level(stele_tree_inner_fn inner, uint8_t *level, uint64_t n) {
    for (uint64_t i = 0; i + 1 < n; i += 2) {
        uint8_t *pair = level + i * STELE_HASH_BYTES;
        inner(pair, pair + STELE_HASH_BYTES, level + i / 2 * STELE_HASH_BYTES);
    }
    if (n % 2 != 0) {
        memmove(level + n / 2 * STELE_HASH_BYTES, level + (n - 1) * STELE_HASH_BYTES,
                STELE_HASH_BYTES);
    }
}

static stele_status copy_of(const uint8_t *leaves, uint64_t n, uint8_t **ret, stele_err *err) {
    *ret = n > SIZE_MAX ? NULL : stele_alloc((size_t)n, STELE_HASH_BYTES);
    if (*ret == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %" PRIu64 " hashes of a tree", n);
    }
    memcpy(*ret, leaves, (size_t)n * STELE_HASH_BYTES);
    return STELE_OK;
}

stele_status stele_tree_shape_root(stele_tree_inner_fn inner, const uint8_t *leaves, size_t n,
                                   uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    if (n == 0) {
        stele_tree_empty_root(ret);
        return STELE_OK;
    }
    uint8_t *level = NULL;
    stele_status st = copy_of(leaves, n, &level, err);
    if (st != STELE_OK) {
        return st;
    }
    for (uint64_t left = n; left > 1; left = left / 2 + left % 2) {
        fold_level(inner, level, left);
    }
    memcpy(ret, level, STELE_HASH_BYTES);
    stele_free(level);
    return STELE_OK;
}

stele_status stele_tree_shape_prove(stele_tree_inner_fn inner, const uint8_t *leaves,
                                    struct stele_leaf_pos pos, struct stele_tree_path *ret,
                                    stele_err *err) {
    if (pos.index_leaves >= pos.size_leaves) {
        return STELE_FAIL(err, INVALID, "leaf %" PRIu64 " is not in a tree of %" PRIu64 " leaves",
                          pos.index_leaves, pos.size_leaves);
    }
    uint8_t *level = NULL;
    stele_status st = copy_of(leaves, pos.size_leaves, &level, err);
    if (st != STELE_OK) {
        return st;
    }
    ret->n = 0;
    uint64_t index = pos.index_leaves;
    for (uint64_t left = pos.size_leaves; left > 1; left = left / 2 + left % 2) {
        uint64_t sibling = index ^ 1;
        if (sibling < left) {
            memcpy(ret->node[ret->n++], level + sibling * STELE_HASH_BYTES, STELE_HASH_BYTES);
        }
        fold_level(inner, level, left);
        index /= 2;
    }
    stele_free(level);
    return STELE_OK;
}

/* RFC 9162 section 2.1.3.2. */
stele_status stele_tree_shape_check(stele_tree_inner_fn inner,
                                    const uint8_t leaf[STELE_AT_LEAST(32)],
                                    struct stele_leaf_pos pos, const uint8_t *path, size_t n_path,
                                    const uint8_t root[STELE_AT_LEAST(32)], stele_err *err) {
    if (pos.index_leaves >= pos.size_leaves || n_path > STELE_TREE_PATH_MAX) {
        return STELE_FAIL(err, INVALID,
                          "leaf %" PRIu64 " of %" PRIu64
                          " with a path of %zu hashes cannot be: the index "
                          "must be below the size and a path has at most %d hashes",
                          pos.index_leaves, pos.size_leaves, n_path, STELE_TREE_PATH_MAX);
    }
    uint64_t fn = pos.index_leaves;
    uint64_t sn = pos.size_leaves - 1;
    uint8_t r[STELE_HASH_BYTES];
    memcpy(r, leaf, sizeof r);
    size_t used = 0;
    for (; used < n_path && sn != 0; used++) {
        const uint8_t *p = path + used * STELE_HASH_BYTES;
        if ((fn & 1) != 0 || fn == sn) {
            inner(p, r, r);
            while ((fn & 1) == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            inner(r, p, r);
        }
        fn >>= 1;
        sn >>= 1;
    }
    if (used != n_path || sn != 0 || memcmp(r, root, sizeof r) != 0) {
        return STELE_FAIL(err, UNVERIFIED,
                          "the path of %zu hashes does not lead from leaf %" PRIu64 " of %" PRIu64
                          " to the root: the leaf, its place or the path is not of this tree",
                          n_path, pos.index_leaves, pos.size_leaves);
    }
    return STELE_OK;
}
