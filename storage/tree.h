/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/tree.h: the RFC 6962 Merkle tree as arithmetic on hashes. Layer: storage. Pure: no I/O.
 *
 * Hashes travel as adjacent 32-byte strings. Where hashes come from is the caller's: a proof is
 * built by asking a `stele_tree_node_fn` for the roots of complete, aligned subtrees only. Source:
 * RFC 6962 section 2.1, RFC 9162 section 2.1.3.2 and 2.1.4.2. Threads: any.
 */
#ifndef STELE_STORAGE_TREE_H
#define STELE_STORAGE_TREE_H

#include "storage/hash.h"

#define STELE_TREE_PATH_MAX 64 /* a tree of 2^64 leaves has no longer path */

/* A leaf's place: index from 0, index < size. */
struct stele_leaf_pos {
    uint64_t index_leaves;
    uint64_t size_leaves;
};

/* The right edge of a growing tree: the roots of its complete subtrees, largest first. */
struct stele_frontier {
    uint64_t size_leaves;
    uint8_t node[STELE_TREE_PATH_MAX][STELE_HASH_BYTES]; /* popcount(size_leaves) are in use */
};

void stele_tree_empty_root(uint8_t out[STELE_AT_LEAST(32)]); /* SHA-256 of nothing */
void stele_frontier_init(struct stele_frontier *f);
void stele_frontier_push(struct stele_frontier *f, const uint8_t leaf[STELE_AT_LEAST(32)]);
/* Appends n leaf hashes; the same as n pushes, with the inner hashes of whole levels taken
 * together. Errors: LIMIT (the size would pass 2^64 - 1). */
STELE_MUST_USE stele_status stele_frontier_push_many(struct stele_frontier *f,
                                                     const uint8_t *leaves, size_t n,
                                                     stele_err *err);
/* Appends a complete subtree of 2^height leaves; the frontier's size must be a multiple of 2^height
 * (asserted). This is how a multiproof's opaque subtrees are folded in. */
void stele_frontier_push_subtree(struct stele_frontier *f, unsigned height,
                                 const uint8_t root[STELE_AT_LEAST(32)]);
void stele_frontier_root(const struct stele_frontier *f, uint8_t out[STELE_AT_LEAST(32)]);

/* The root of n adjacent leaf hashes (RFC 6962 MTH; n = 0 gives the empty root).
 * Never fails today. */
STELE_MUST_USE stele_status stele_tree_root(const uint8_t *leaves, size_t n,
                                            uint8_t ret[STELE_AT_LEAST(32)], stele_err *err);

/* Gives the root of the complete subtree of leaves [index * 2^level, (index + 1) * 2^level). */
typedef stele_status (*stele_tree_node_fn)(void *ctx, unsigned level, uint64_t index,
                                           uint8_t ret[STELE_AT_LEAST(32)], stele_err *err);

/* A list of at most 2 * 64 hashes: paths, consistency proofs and gap covers all fit. */
struct stele_tree_path {
    size_t n;
    uint8_t node[2 * STELE_TREE_PATH_MAX][STELE_HASH_BYTES];
};

/* Errors of the three: INVALID for impossible positions, and whatever `node` returns. */
STELE_MUST_USE stele_status stele_tree_prove_inclusion(struct stele_leaf_pos pos,
                                                       stele_tree_node_fn node, void *ctx,
                                                       struct stele_tree_path *ret, stele_err *err);
/* old_size <= new_size; an empty proof if they are equal or old_size is 0. */
STELE_MUST_USE stele_status stele_tree_prove_consistency(uint64_t old_size, uint64_t new_size,
                                                         stele_tree_node_fn node, void *ctx,
                                                         struct stele_tree_path *ret,
                                                         stele_err *err);
STELE_MUST_USE stele_status stele_tree_root_at(uint64_t size, stele_tree_node_fn node, void *ctx,
                                               uint8_t ret[STELE_AT_LEAST(32)], stele_err *err);

/*
 * Checks that `leaf` is at `pos` in the tree whose root is `root`.
 * path is n_path x 32 bytes, leaf side first. Unused or missing hashes are refused.
 * Errors: INVALID: index >= size, or n_path > 64. UNVERIFIED: the path does not reach root.
 */
STELE_MUST_USE stele_status stele_tree_check_inclusion(const uint8_t leaf[STELE_AT_LEAST(32)],
                                                       struct stele_leaf_pos pos,
                                                       const uint8_t *path, size_t n_path,
                                                       const uint8_t root[STELE_AT_LEAST(32)],
                                                       stele_err *err);
/* Errors: INVALID: old_size 0 or > new_size. UNVERIFIED: the proof does not connect
 * the two roots. */
STELE_MUST_USE stele_status stele_tree_check_consistency(uint64_t old_size, uint64_t new_size,
                                                         const uint8_t *proof, size_t n_proof,
                                                         const uint8_t old_root[STELE_AT_LEAST(32)],
                                                         const uint8_t new_root[STELE_AT_LEAST(32)],
                                                         stele_err *err);

/*
 * The cover of a gap: the complete aligned subtrees that make up leaves [from, to), left to right,
 * as a left-to-right streaming reader needs them (heights rise to the widest, then fall). At most
 * 2 * 63 subtrees. `ret_height[i]` is the height of `ret->node[i]`'s subtree.
 * stele_tree_gap_heights gives the heights alone: prover and verifier compute the same list, so the
 * proof carries hashes only.
 */
size_t stele_tree_gap_heights(uint64_t from, uint64_t to, uint8_t heights[STELE_AT_LEAST(128)]);
STELE_MUST_USE stele_status stele_tree_prove_gap(uint64_t from, uint64_t to,
                                                 stele_tree_node_fn node, void *ctx,
                                                 struct stele_tree_path *ret, stele_err *err);

/*
 * Trees of the same shape with another inner hash (state, keys, manifest), small enough to stand in
 * memory: `leaves` is n adjacent hashes.
 * Errors: NO_MEMORY; _prove: INVALID (index >= n); _check: as stele_tree_check_inclusion.
 */
typedef void (*stele_tree_inner_fn)(const uint8_t left[STELE_AT_LEAST(32)],
                                    const uint8_t right[STELE_AT_LEAST(32)],
                                    uint8_t out[STELE_AT_LEAST(32)]);
STELE_MUST_USE stele_status stele_tree_shape_root(stele_tree_inner_fn inner, const uint8_t *leaves,
                                                  size_t n, uint8_t ret[STELE_AT_LEAST(32)],
                                                  stele_err *err);
STELE_MUST_USE stele_status stele_tree_shape_prove(stele_tree_inner_fn inner, const uint8_t *leaves,
                                                   struct stele_leaf_pos pos,
                                                   struct stele_tree_path *ret, stele_err *err);
STELE_MUST_USE stele_status stele_tree_shape_check(
    stele_tree_inner_fn inner, const uint8_t leaf[STELE_AT_LEAST(32)], struct stele_leaf_pos pos,
    const uint8_t *path, size_t n_path, const uint8_t root[STELE_AT_LEAST(32)], stele_err *err);

#endif
