/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/tree.c: RFC 6962 trees as arithmetic. A range [lo, hi) of leaves always starts at a
 * multiple of a power of two that is at least its length, so that it splits into complete, aligned
 * subtrees; those are all that is ever asked of the caller.
 */
#include "storage/tree.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* Leaves folded at a time by stele_frontier_push_many: 8 KiB of stack, and under 1 % of the inner
 * hashes are left to be taken alone. */
#define FOLD_HEIGHT_MAX 8u

void stele_tree_empty_root(uint8_t out[STELE_AT_LEAST(32)]) {
    stele_sha256_of(stele_view_of(NULL, 0), out);
}

static unsigned floor_log2(uint64_t n) {
    assert(n > 0);
    return 63u - (unsigned)__builtin_clzll(n);
}

/* The largest power of two below n; n >= 2. */
static uint64_t split_of(uint64_t n) {
    return UINT64_C(1) << floor_log2(n - 1);
}

void stele_frontier_init(struct stele_frontier *f) {
    memset(f, 0, sizeof *f);
}

static size_t frontier_nodes(const struct stele_frontier *f) {
    return (size_t)__builtin_popcountll(f->size_leaves);
}

void stele_frontier_push(struct stele_frontier *f, const uint8_t leaf[STELE_AT_LEAST(32)]) {
    stele_frontier_push_subtree(f, 0, leaf);
}

void stele_frontier_push_subtree(struct stele_frontier *f, unsigned height,
                                 const uint8_t root[STELE_AT_LEAST(32)]) {
    assert(height < 64);
    uint64_t leaves = UINT64_C(1) << height;
    assert((f->size_leaves & (leaves - 1)) == 0);
    assert(leaves <= UINT64_MAX - f->size_leaves);
    uint8_t carry[STELE_HASH_BYTES];
    memcpy(carry, root, sizeof carry);
    size_t n = frontier_nodes(f);
    for (uint64_t bits = f->size_leaves >> height; (bits & 1) != 0; bits >>= 1) {
        stele_hash_inner(f->node[--n], carry, carry);
    }
    memcpy(f->node[n], carry, sizeof carry);
    f->size_leaves += leaves;
}

stele_status stele_frontier_push_many(struct stele_frontier *f, const uint8_t *leaves, size_t n,
                                      stele_err *err) {
    if (n > UINT64_MAX - f->size_leaves) {
        return STELE_FAIL(err, LIMIT, "a tree of %" PRIu64 " leaves cannot take %zu more",
                          f->size_leaves, n);
    }
    uint8_t level[STELE_HASH_BYTES << FOLD_HEIGHT_MAX];
    while (n > 0) {
        /* The widest subtree that starts here, is aligned and is covered by what is left. */
        unsigned height =
            f->size_leaves == 0 ? FOLD_HEIGHT_MAX : (unsigned)__builtin_ctzll(f->size_leaves);
        height = height < FOLD_HEIGHT_MAX ? height : FOLD_HEIGHT_MAX;
        height = height < floor_log2(n) ? height : floor_log2(n);
        size_t taken = (size_t)1 << height;
        memcpy(level, leaves, taken * STELE_HASH_BYTES);
        for (size_t pairs = taken / 2; pairs > 0; pairs /= 2) {
            stele_hash_inner_many(level, pairs, level);
        }
        stele_frontier_push_subtree(f, height, level);
        leaves += taken * STELE_HASH_BYTES;
        n -= taken;
    }
    return STELE_OK;
}

void stele_frontier_root(const struct stele_frontier *f, uint8_t out[STELE_AT_LEAST(32)]) {
    size_t n = frontier_nodes(f);
    if (n == 0) {
        stele_tree_empty_root(out);
        return;
    }
    uint8_t root[STELE_HASH_BYTES];
    memcpy(root, f->node[n - 1], sizeof root);
    for (size_t i = n - 1; i > 0; i--) {
        stele_hash_inner(f->node[i - 1], root, root);
    }
    memcpy(out, root, sizeof root);
}

stele_status stele_tree_root(const uint8_t *leaves, size_t n, uint8_t ret[STELE_AT_LEAST(32)],
                             stele_err *err) {
    struct stele_frontier f;
    stele_frontier_init(&f);
    stele_status st = stele_frontier_push_many(&f, leaves, n, err);
    if (st == STELE_OK) {
        stele_frontier_root(&f, ret);
    }
    return st;
}

/* A place where complete subtrees' roots come from. */
struct source {
    stele_tree_node_fn node;
    void *ctx;
};

/* The root of leaves [lo, hi), lo < hi, taken from the smallest complete subtree at the right end
 * to the largest at the left: each is the left sibling of all that is to its right. */
static stele_status range_root(struct source source, uint64_t lo, uint64_t hi,
                               uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    uint8_t root[STELE_HASH_BYTES];
    uint8_t part[STELE_HASH_BYTES];
    bool first = true;
    for (uint64_t end = hi; end > lo;) {
        unsigned level = (unsigned)__builtin_ctzll(end - lo);
        uint64_t start = end - (UINT64_C(1) << level);
        stele_status st = source.node(source.ctx, level, start >> level, first ? root : part, err);
        if (st != STELE_OK) {
            return st;
        }
        if (!first) {
            stele_hash_inner(part, root, root);
        }
        first = false;
        end = start;
    }
    memcpy(ret, root, sizeof root);
    return STELE_OK;
}

/* Turns a list made from the root down into one that begins at the leaf, and gives it away. */
static void give_reversed(const struct stele_tree_path *down, struct stele_tree_path *ret) {
    ret->n = down->n;
    for (size_t i = 0; i < down->n; i++) {
        memcpy(ret->node[i], down->node[down->n - 1 - i], STELE_HASH_BYTES);
    }
}

stele_status stele_tree_prove_inclusion(struct stele_leaf_pos pos, stele_tree_node_fn node,
                                        void *ctx, struct stele_tree_path *ret, stele_err *err) {
    if (pos.index_leaves >= pos.size_leaves) {
        return STELE_FAIL(err, INVALID, "leaf %" PRIu64 " is not in a tree of %" PRIu64 " leaves",
                          pos.index_leaves, pos.size_leaves);
    }
    struct source source = {node, ctx};
    struct stele_tree_path down = {.n = 0};
    uint64_t lo = 0;
    uint64_t hi = pos.size_leaves;
    while (hi - lo > 1) {
        uint64_t middle = lo + split_of(hi - lo);
        bool left = pos.index_leaves < middle;
        stele_status st = left ? range_root(source, middle, hi, down.node[down.n], err)
                               : range_root(source, lo, middle, down.node[down.n], err);
        if (st != STELE_OK) {
            return st;
        }
        down.n++;
        lo = left ? lo : middle;
        hi = left ? middle : hi;
    }
    give_reversed(&down, ret);
    return STELE_OK;
}

stele_status stele_tree_prove_consistency(uint64_t old_size, uint64_t new_size,
                                          stele_tree_node_fn node, void *ctx,
                                          struct stele_tree_path *ret, stele_err *err) {
    if (old_size > new_size) {
        return STELE_FAIL(err, INVALID,
                          "the older tree, %" PRIu64 " leaves, is larger than the newer, %" PRIu64,
                          old_size, new_size);
    }
    struct source source = {node, ctx};
    struct stele_tree_path down = {.n = 0};
    uint64_t lo = 0;
    uint64_t hi = old_size == 0 ? 0 : new_size;
    /* RFC 6962 section 2.1.2: SUBPROOF from the root down; lo > 0 means its flag b is false. */
    while (hi != old_size) {
        uint64_t middle = lo + split_of(hi - lo);
        bool left = old_size <= middle;
        stele_status st = left ? range_root(source, middle, hi, down.node[down.n], err)
                               : range_root(source, lo, middle, down.node[down.n], err);
        if (st != STELE_OK) {
            return st;
        }
        down.n++;
        lo = left ? lo : middle;
        hi = left ? middle : hi;
    }
    if (lo > 0) {
        stele_status st = range_root(source, lo, hi, down.node[down.n], err);
        if (st != STELE_OK) {
            return st;
        }
        down.n++;
    }
    give_reversed(&down, ret);
    return STELE_OK;
}

stele_status stele_tree_root_at(uint64_t size, stele_tree_node_fn node, void *ctx,
                                uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    if (size == 0) {
        stele_tree_empty_root(ret);
        return STELE_OK;
    }
    return range_root((struct source){node, ctx}, 0, size, ret, err);
}

stele_status stele_tree_check_inclusion(const uint8_t leaf[STELE_AT_LEAST(32)],
                                        struct stele_leaf_pos pos, const uint8_t *path,
                                        size_t n_path, const uint8_t root[STELE_AT_LEAST(32)],
                                        stele_err *err) {
    return stele_tree_shape_check(stele_hash_inner, leaf, pos, path, n_path, root, err);
}

/* Moves both positions up past the levels at which the node is a left one without a sibling. */
static void skip_lone_levels(uint64_t *fn, uint64_t *sn) {
    while ((*fn & 1) == 0 && *fn != 0) {
        *fn >>= 1;
        *sn >>= 1;
    }
}

/* The loop of RFC 9162 section 2.1.4.2 from its step 4 on; `fn`, `sn` are the two
 * sizes less one. */
static bool consistency_holds(uint64_t fn, uint64_t sn, const uint8_t *proof, size_t n_proof,
                              const uint8_t *seed, const uint8_t *old_root,
                              const uint8_t *new_root) {
    uint8_t fr[STELE_HASH_BYTES];
    uint8_t sr[STELE_HASH_BYTES];
    memcpy(fr, seed, sizeof fr);
    memcpy(sr, seed, sizeof sr);
    while ((fn & 1) != 0) {
        fn >>= 1;
        sn >>= 1;
    }
    for (size_t i = 0; i < n_proof; i++) {
        const uint8_t *c = proof + i * STELE_HASH_BYTES;
        if (sn == 0) {
            return false;
        }
        if ((fn & 1) != 0 || fn == sn) {
            stele_hash_inner(c, fr, fr);
            stele_hash_inner(c, sr, sr);
            skip_lone_levels(&fn, &sn);
        } else {
            stele_hash_inner(sr, c, sr);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && memcmp(fr, old_root, sizeof fr) == 0 && memcmp(sr, new_root, sizeof sr) == 0;
}

stele_status stele_tree_check_consistency(uint64_t old_size, uint64_t new_size,
                                          const uint8_t *proof, size_t n_proof,
                                          const uint8_t old_root[STELE_AT_LEAST(32)],
                                          const uint8_t new_root[STELE_AT_LEAST(32)],
                                          stele_err *err) {
    if (old_size == 0 || old_size > new_size) {
        return STELE_FAIL(err, INVALID,
                          "consistency from %" PRIu64 " to %" PRIu64
                          " leaves: the older size must be at least 1 and at most the newer",
                          old_size, new_size);
    }
    bool holds = false;
    if (old_size == new_size) {
        holds = n_proof == 0 && memcmp(old_root, new_root, STELE_HASH_BYTES) == 0;
    } else if ((old_size & (old_size - 1)) == 0) {
        /* A complete old tree is a node of the new one: its root is not repeated in the proof. */
        holds = consistency_holds(old_size - 1, new_size - 1, proof, n_proof, old_root, old_root,
                                  new_root);
    } else if (n_proof > 0) {
        holds = consistency_holds(old_size - 1, new_size - 1, proof + STELE_HASH_BYTES, n_proof - 1,
                                  proof, old_root, new_root);
    }
    if (!holds) {
        return STELE_FAIL(
            err, UNVERIFIED,
            "the consistency proof of %zu hashes does not connect the roots of %" PRIu64
            " and %" PRIu64
            " leaves: one of the two trees was rewritten, or the proof is of other trees",
            n_proof, old_size, new_size);
    }
    return STELE_OK;
}

size_t stele_tree_gap_heights(uint64_t from, uint64_t to, uint8_t heights[STELE_AT_LEAST(128)]) {
    size_t n = 0;
    while (from < to) {
        unsigned fits = floor_log2(to - from);
        unsigned aligned = from == 0 ? fits : (unsigned)__builtin_ctzll(from);
        unsigned height = aligned < fits ? aligned : fits;
        heights[n++] = (uint8_t)height;
        from += UINT64_C(1) << height;
    }
    assert(n <= 2 * 63);
    return n;
}

stele_status stele_tree_prove_gap(uint64_t from, uint64_t to, stele_tree_node_fn node, void *ctx,
                                  struct stele_tree_path *ret, stele_err *err) {
    if (from > to) {
        return STELE_FAIL(err, INVALID, "a gap from leaf %" PRIu64 " back to %" PRIu64, from, to);
    }
    uint8_t heights[2 * STELE_TREE_PATH_MAX] = {0};
    struct stele_tree_path cover = {.n = stele_tree_gap_heights(from, to, heights)};
    for (size_t i = 0; i < cover.n; i++) {
        stele_status st = node(ctx, heights[i], from >> heights[i], cover.node[i], err);
        if (st != STELE_OK) {
            return st;
        }
        from += UINT64_C(1) << heights[i];
    }
    *ret = cover;
    return STELE_OK;
}
