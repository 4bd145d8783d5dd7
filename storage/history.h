/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/history.h: the history trie of one tag in one segment: a path-compressed binary trie over
 * the seqs of its postings. Layer: storage, part of the verifier. Pure. Source: FORMAT.md, "History
 * trie".
 *
 * Built from left to right on a stack of at most 65 nodes. A dyadic block's root may stand for the
 * block's postings (the merge lemma), with any seq of the block as its place: that is how segments
 * are merged without reading postings again.
 */
#ifndef STELE_STORAGE_HISTORY_H
#define STELE_STORAGE_HISTORY_H

#include "storage/hash.h"

#define STELE_HISTORY_DEPTH_MAX 65 /* one node for each bit of a seq, and the newest */

struct stele_history_node {
    uint64_t rep; /* a seq in the subtree; of an opaque one, stele_history_place */
    uint8_t hash[STELE_HASH_BYTES];
    bool opaque; /* given as a hash: checking only */
};
struct stele_history {
    size_t n;
    struct stele_history_node node[STELE_HISTORY_DEPTH_MAX];
};
void stele_history_init(struct stele_history *h);
/* hash: stele_hash_posting of one seq, or the root of a dyadic block that holds rep. Reps ascend
 * strictly (asserted). */
void stele_history_push(struct stele_history *h, uint64_t rep,
                        const uint8_t hash[STELE_AT_LEAST(32)]);
/* Joins what a posting at rep is no part of: then the nodes are the greatest subtrees before it. */
void stele_history_settle(struct stele_history *h, uint64_t rep);
/* What names a hidden subtree that holds `rep`, in the trie of a segment that begins with entry lo:
 * the least seq that could be in its place, so that one subtree has one name. beside: any seq of
 * the trie on the other side of its parent. */
uint64_t stele_history_place(uint64_t rep, uint64_t beside, uint64_t lo);
/* At least one push. h is used up. */
void stele_history_root(struct stele_history *h, uint8_t ret[STELE_AT_LEAST(32)]);

/*
 * Checking an opened history: [opaque subtrees, left neighbour,] the entries inside the window
 * [, right neighbour, opaque subtrees], strictly ascending. What an opaque subtree covers is told
 * by its place in the trie, never by the prover; none may reach between the neighbours, two may not
 * be siblings, the root may not be one, and none has another name than that of its place.
 */
typedef enum stele_history_role {
    STELE_HISTORY_OPAQUE,
    STELE_HISTORY_LEFT, /* the last posting before the window */
    STELE_HISTORY_INSIDE,
    STELE_HISTORY_RIGHT, /* the first posting after it */
} stele_history_role;
struct stele_history_check {
    struct stele_history trie;
    uint64_t lo, hi;      /* of the segment */
    uint64_t left, right; /* the neighbours, once they are known */
    bool has_left, has_right, has_inside;
    uint64_t n_shown, n_opaque;
    uint64_t least_next; /* the next rep or seq must not be below */
    bool refused;        /* an opaque subtree where none may be */
    bool misnamed;       /* an opaque subtree by another seq than stele_history_place */
};
void stele_history_check_init(struct stele_history_check *c, uint64_t lo, uint64_t hi);
/* `hash`: of OPAQUE the subtree's root, else the entry's leaf hash. Errors: UNVERIFIED. */
STELE_MUST_USE stele_status stele_history_check_push(struct stele_history_check *c,
                                                     stele_history_role role, uint64_t seq,
                                                     const uint8_t hash[STELE_AT_LEAST(32)],
                                                     stele_err *err);
/* The root of what was pushed, and that `count` fits it. Errors: UNVERIFIED. */
STELE_MUST_USE stele_status stele_history_check_end(struct stele_history_check *c, uint64_t count,
                                                    uint8_t ret_root[STELE_AT_LEAST(32)],
                                                    stele_err *err);

#endif
