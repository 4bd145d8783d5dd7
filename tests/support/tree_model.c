/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/tree_model.h"

#include <assert.h>
#include <string.h>

#define HASH(leaves, i) ((leaves) + (size_t)(i)*STELE_HASH_BYTES)

/* "the largest power of two smaller than n" */
static size_t k_of(size_t n) {
    size_t k = 1;
    while (2 * k < n) {
        k *= 2;
    }
    return k;
}

void model_root(const uint8_t *leaves, size_t n, uint8_t *out) {
    if (n == 0) {
        stele_sha256_of(stele_view_of(NULL, 0), out);
    } else if (n == 1) {
        memcpy(out, leaves, STELE_HASH_BYTES);
    } else {
        uint8_t left[STELE_HASH_BYTES];
        uint8_t right[STELE_HASH_BYTES];
        model_root(leaves, k_of(n), left);
        model_root(HASH(leaves, k_of(n)), n - k_of(n), right);
        stele_hash_inner(left, right, out);
    }
}

static void append_root(const uint8_t *leaves, size_t n, stele_buf *out) {
    uint8_t root[STELE_HASH_BYTES];
    model_root(leaves, n, root);
    stele_status st = stele_buf_append(out, stele_view_of(root, sizeof root), NULL);
    assert(st == STELE_OK);
    (void)st;
}

/* PATH(m, D[n]) */
void model_path(const uint8_t *leaves, size_t n, size_t m, stele_buf *out) {
    if (n <= 1) {
        return;
    }
    size_t k = k_of(n);
    if (m < k) {
        model_path(leaves, k, m, out);
        append_root(HASH(leaves, k), n - k, out);
    } else {
        model_path(HASH(leaves, k), n - k, m - k, out);
        append_root(leaves, k, out);
    }
}

/* SUBPROOF(m, D[n], b) */
static void subproof(const uint8_t *leaves, size_t n, size_t m, bool b, stele_buf *out) {
    if (m == n) {
        if (!b) {
            append_root(leaves, n, out);
        }
        return;
    }
    size_t k = k_of(n);
    if (m <= k) {
        subproof(leaves, k, m, b, out);
        append_root(HASH(leaves, k), n - k, out);
    } else {
        subproof(HASH(leaves, k), n - k, m - k, false, out);
        append_root(leaves, k, out);
    }
}

void model_proof(const uint8_t *leaves, size_t n, size_t m, stele_buf *out) {
    subproof(leaves, n, m, true, out);
}

stele_status model_node(void *ctx, unsigned level, uint64_t index, uint8_t ret[STELE_AT_LEAST(32)],
                        stele_err *err) {
    const struct model_leaves *model = ctx;
    (void)err;
    assert(level < 64 && index <= model->n && (index + 1) << level <= model->n);
    model_root(HASH(model->leaves, index << level), (size_t)1 << level, ret);
    return STELE_OK;
}
