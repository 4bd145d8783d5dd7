/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/tree_range.h: that a run of adjacent leaves stands where it says in a tree of RFC 6962's
 * shape, with any inner hash. Layer: storage, part of the verifier. Pure.
 *
 * The proof is the roots of the subtrees beside the run, left to right, as the recursion of RFC
 * 6962 section 2.1 meets them. Nothing about its shape is in the proof: run and size give it.
 */
#ifndef STELE_STORAGE_TREE_RANGE_H
#define STELE_STORAGE_TREE_RANGE_H

#include "storage/tree.h"

struct stele_leaf_run {
    uint64_t first, n; /* n >= 1, first + n <= size */
    uint64_t size;
};
/* `node` gives complete aligned subtrees, as in storage/tree.h. Appends 32 bytes a sibling to
 * `out`. Errors: INVALID for an impossible run, and whatever `node` returns. */
STELE_MUST_USE stele_status stele_tree_range_prove(stele_tree_inner_fn inner,
                                                   struct stele_leaf_run run,
                                                   stele_tree_node_fn node, void *ctx,
                                                   stele_buf *out, stele_err *err);
/* leaves: run.n hashes; siblings: whole hashes. Missing or unused siblings are refused.
 * Errors: INVALID, UNVERIFIED. */
STELE_MUST_USE stele_status stele_tree_range_check(stele_tree_inner_fn inner,
                                                   struct stele_leaf_run run, const uint8_t *leaves,
                                                   stele_view siblings,
                                                   const uint8_t root[STELE_AT_LEAST(32)],
                                                   stele_err *err);

#endif
