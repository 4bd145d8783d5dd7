/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/opened_history.h: one tag's history in one sealed segment, opened for a window: the
 * entries inside, one neighbour on either side, and the rest of the trie as the greatest subtrees
 * that hold none of them. Layer: query. The window is a range of seqs here: log time never falls,
 * so it is one.
 *
 * Memory: 2 x 65 hashes and two blocks of the segment, however long the history is. Time: what is
 * outside of the window is read once, with its leaf hashes; what is inside is left to the caller.
 */
#ifndef STELE_STORAGE_OPENED_HISTORY_H
#define STELE_STORAGE_OPENED_HISTORY_H

#include "storage/history.h"
#include "storage/seal.h"

struct stele_opened_history {
    uint64_t count; /* of all its postings */
    bool has_left, has_right;
    uint64_t left, right; /* the neighbours' seqs */
    size_t n_before, n_after;
    /* named as checkers want them: stele_history_place */
    struct stele_history_node before[STELE_HISTORY_DEPTH_MAX]; /* subtrees left of `left` */
    struct stele_history_node after[STELE_HISTORY_DEPTH_MAX];  /* and right of `right`, ascending */
    struct stele_posting_cursor *inside;                       /* NULL when used up */
    uint64_t next; /* the first one inside, while there is one */
    uint64_t to;
};
/* Opens the tag's history for entries [from, to). ret is all zeros before, and wants _done also
 * after a failure. Errors: NOT_FOUND (the segment does not have the tag), those of storage. */
STELE_MUST_USE stele_status stele_opened_history_of(struct stele_segment *segment,
                                                    struct stele_leaf_source leaves,
                                                    const uint8_t tag[STELE_AT_LEAST(16)],
                                                    uint64_t from, uint64_t to,
                                                    struct stele_opened_history *ret,
                                                    stele_err *err);
void stele_opened_history_done(struct stele_opened_history *h);
/* Moves to the next entry inside. */
STELE_MUST_USE stele_status stele_opened_history_advance(struct stele_opened_history *h,
                                                         stele_err *err);

#endif
