/* SPDX-License-Identifier: Apache-2.0 */
/* storage/opened_history.c: the parts of a history outside of a window, folded into subtrees as
 * they are read. */
#include "storage/opened_history.h"

#include <string.h>

static stele_status push_posting(struct stele_leaf_source leaves, struct stele_history *trie,
                                 uint64_t seq, stele_err *err) {
    uint8_t leaf[STELE_HASH_BYTES];
    uint8_t posting[STELE_HASH_BYTES];
    stele_status st = leaves.leaf(leaves.ctx, seq, leaf, err);
    if (st == STELE_OK) {
        stele_hash_posting(seq, leaf, posting);
        stele_history_push(trie, seq, posting);
    }
    return st;
}

/* Reads up to the first posting >= from, which is h->next if it is below `to`. */
static stele_status fold_before(struct stele_leaf_source leaves, uint64_t from,
                                struct stele_opened_history *h, stele_err *err) {
    struct stele_history trie;
    uint64_t seq = 0;
    stele_status st = STELE_OK;
    stele_history_init(&trie);
    while ((st = stele_posting_next(h->inside, &seq, err)) == STELE_OK && seq < from) {
        if (h->has_left) {
            STELE_TRY(push_posting(leaves, &trie, h->left, err));
        }
        h->has_left = true;
        h->left = seq;
    }
    if (h->has_left) {
        stele_history_settle(&trie, h->left);
        memcpy(h->before, trie.node, trie.n * sizeof trie.node[0]);
        h->n_before = trie.n;
    }
    h->next = seq;
    if (st == STELE_END || (st == STELE_OK && seq >= h->to)) {
        stele_posting_cursor_free(h->inside);
        h->inside = NULL;
        st = STELE_OK;
    }
cleanup:
    return st;
}

/* A posting right of the neighbour q first differs from it in a bit that q has not: those with the
 * same bit make one subtree, and that bit only grows. */
static unsigned side_bit(uint64_t right, uint64_t seq) {
    return 63u - (unsigned)__builtin_clzll(right ^ seq);
}

static void close_side(struct stele_history *trie, struct stele_opened_history *h) {
    if (trie->n > 0) {
        struct stele_history_node *node = &h->after[h->n_after++];
        node->rep = trie->node[0].rep;
        node->opaque = true;
        stele_history_root(trie, node->hash);
        stele_history_init(trie);
    }
}

static stele_status fold_after(struct stele_leaf_source leaves, struct stele_posting_cursor *cursor,
                               struct stele_opened_history *h, stele_err *err) {
    struct stele_history trie;
    uint64_t seq = 0;
    unsigned bit = 0;
    stele_status st = stele_posting_seek(cursor, h->to, err);
    stele_history_init(&trie);
    while (st == STELE_OK && (st = stele_posting_next(cursor, &seq, err)) == STELE_OK) {
        if (!h->has_right) {
            h->has_right = true;
            h->right = seq;
            continue;
        }
        if (side_bit(h->right, seq) != bit) {
            close_side(&trie, h);
            bit = side_bit(h->right, seq);
        }
        st = push_posting(leaves, &trie, seq, err);
    }
    close_side(&trie, h);
    return st == STELE_END ? STELE_OK : st;
}

/* The other side of each subtree's parent holds its neighbour. */
static void name_subtrees(uint64_t lo, struct stele_opened_history *h) {
    for (size_t i = 0; i < h->n_before; i++) {
        h->before[i].rep = stele_history_place(h->before[i].rep, h->left, lo);
    }
    for (size_t i = 0; i < h->n_after; i++) {
        h->after[i].rep = stele_history_place(h->after[i].rep, h->right, lo);
    }
}

stele_status stele_opened_history_of(struct stele_segment *segment, struct stele_leaf_source leaves,
                                     const uint8_t tag[STELE_AT_LEAST(16)], uint64_t from,
                                     uint64_t to, struct stele_opened_history *ret,
                                     stele_err *err) {
    struct stele_posting_cursor *cursor = NULL;
    stele_status st = STELE_OK;
    ret->to = to;
    STELE_TRY(stele_segment_find(segment, tag, &cursor, &ret->count, err));
    STELE_TRY(fold_after(leaves, cursor, ret, err));
    STELE_TRY(stele_segment_find(segment, tag, &ret->inside, &ret->count, err));
    STELE_TRY(fold_before(leaves, from, ret, err));
    name_subtrees(stele_segment_info_of(segment)->lo, ret);
cleanup:
    stele_posting_cursor_free(cursor);
    return st == STELE_END
               ? STELE_FAIL(err, NOT_FOUND, "a segment does not have the key it was sealed with")
               : st;
}

stele_status stele_opened_history_advance(struct stele_opened_history *h, stele_err *err) {
    stele_status st = stele_posting_next(h->inside, &h->next, err);
    if (st == STELE_END || (st == STELE_OK && h->next >= h->to)) {
        stele_posting_cursor_free(h->inside);
        h->inside = NULL;
        st = STELE_OK;
    }
    return st;
}

void stele_opened_history_done(struct stele_opened_history *h) {
    stele_posting_cursor_free(h->inside);
    memset(h, 0, sizeof *h);
}
