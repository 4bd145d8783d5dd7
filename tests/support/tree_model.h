/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/tree_model.h: RFC 6962 section 2.1 word for word, recursive and slow. It shares no
 * code with storage/tree.c but the two hashes.
 */
#ifndef STELE_TESTS_SUPPORT_TREE_MODEL_H
#define STELE_TESTS_SUPPORT_TREE_MODEL_H

#include "storage/tree.h"

/* leaves: n adjacent leaf hashes. Paths are appended as adjacent hashes. */
void model_root(const uint8_t *leaves, size_t n, uint8_t *out);
void model_path(const uint8_t *leaves, size_t n, size_t m, stele_buf *out);
void model_proof(const uint8_t *leaves, size_t n, size_t m, stele_buf *out);

/* A stele_tree_node_fn over such leaves; asserts that only complete subtrees are asked for. */
struct model_leaves {
    const uint8_t *leaves;
    size_t n;
};
stele_status model_node(void *ctx, unsigned level, uint64_t index, uint8_t ret[STELE_AT_LEAST(32)],
                        stele_err *err);

#endif
