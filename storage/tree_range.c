/* SPDX-License-Identifier: Apache-2.0 */
/* storage/tree_range.c: range proofs by RFC 6962's recursion; its depth is that of a tree of 2^64.
 */
#include "storage/tree_range.h"

#include <inttypes.h>
#include <string.h>

/* The greatest power of two below n; n >= 2. */
static uint64_t split(uint64_t n) {
    return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

static stele_status check_run(struct stele_leaf_run run, stele_err *err) {
    if (run.n == 0 || run.n > run.size || run.first > run.size - run.n) {
        return STELE_FAIL(err, INVALID,
                          "leaves %" PRIu64 " and %" PRIu64 " more are not in a tree of %" PRIu64,
                          run.first, run.n, run.size);
    }
    return STELE_OK;
}

/* ------------------------------------------------------------------ proving */
struct proving {
    stele_tree_inner_fn inner;
    stele_tree_node_fn node;
    void *ctx;
    struct stele_leaf_run run;
    stele_buf *out;
};

/* The root of leaves [lo, lo + n), which need not be complete. */
static stele_status subtree(const struct proving *p, uint64_t lo, uint64_t n, uint8_t *ret,
                            stele_err *err) {
    if ((n & (n - 1)) == 0) {
        unsigned level = (unsigned)__builtin_ctzll(n);
        return p->node(p->ctx, level, lo >> level, ret, err);
    }
    uint8_t right[STELE_HASH_BYTES];
    uint64_t left = split(n);
    stele_status st = subtree(p, lo, left, ret, err);
    st = st == STELE_OK ? subtree(p, lo + left, n - left, right, err) : st;
    if (st == STELE_OK) {
        p->inner(ret, right, ret);
    }
    return st;
}

static stele_status prove(const struct proving *p, uint64_t lo, uint64_t n, stele_err *err) {
    uint8_t sibling[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    if (lo >= p->run.first + p->run.n || lo + n <= p->run.first) {
        STELE_TRY(subtree(p, lo, n, sibling, err));
        STELE_TRY(stele_buf_append(p->out, stele_view_of(sibling, sizeof sibling), err));
    } else if (lo < p->run.first || lo + n > p->run.first + p->run.n) {
        uint64_t left = split(n);
        STELE_TRY(prove(p, lo, left, err));
        STELE_TRY(prove(p, lo + left, n - left, err));
    }
cleanup:
    return st;
}

stele_status stele_tree_range_prove(stele_tree_inner_fn inner, struct stele_leaf_run run,
                                    stele_tree_node_fn node, void *ctx, stele_buf *out,
                                    stele_err *err) {
    stele_status st = check_run(run, err);
    if (st != STELE_OK) {
        return st;
    }
    const struct proving p = {inner, node, ctx, run, out};
    return prove(&p, 0, run.size, err);
}

/* ------------------------------------------------------------------ checking */
struct checking {
    stele_tree_inner_fn inner;
    struct stele_leaf_run run;
    const uint8_t *leaves;
    stele_view siblings; /* those not used yet */
};

/* False if the siblings run out. */
static bool fold(struct checking *c, uint64_t lo, uint64_t n, uint8_t *ret) {
    if (lo >= c->run.first + c->run.n || lo + n <= c->run.first) {
        if (c->siblings.size < STELE_HASH_BYTES) {
            return false;
        }
        memcpy(ret, c->siblings.data, STELE_HASH_BYTES);
        c->siblings =
            stele_view_slice(c->siblings, STELE_HASH_BYTES, c->siblings.size - STELE_HASH_BYTES);
        return true;
    }
    if (n == 1) {
        memcpy(ret, c->leaves + (size_t)(lo - c->run.first) * STELE_HASH_BYTES, STELE_HASH_BYTES);
        return true;
    }
    uint8_t right[STELE_HASH_BYTES];
    uint64_t left = split(n);
    if (!fold(c, lo, left, ret) || !fold(c, lo + left, n - left, right)) {
        return false;
    }
    c->inner(ret, right, ret);
    return true;
}

stele_status stele_tree_range_check(stele_tree_inner_fn inner, struct stele_leaf_run run,
                                    const uint8_t *leaves, stele_view siblings,
                                    const uint8_t root[STELE_AT_LEAST(32)], stele_err *err) {
    stele_status st = check_run(run, err);
    if (st != STELE_OK) {
        return st;
    }
    struct checking c = {inner, run, leaves, siblings};
    uint8_t found[STELE_HASH_BYTES];
    if (!fold(&c, 0, run.size, found) || c.siblings.size != 0 ||
        memcmp(found, root, sizeof found) != 0) {
        return STELE_FAIL(err, UNVERIFIED,
                          "leaves %" PRIu64 " to %" PRIu64 " of %" PRIu64
                          " do not make the root with the hashes beside them: a leaf, its place or "
                          "a hash is not of this tree",
                          run.first, run.first + run.n, run.size);
    }
    return STELE_OK;
}
