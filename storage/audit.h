/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/audit.h: the full auditor of one log: it replays every entry by the rules, rebuilds what
 * every INDEX commits to, and compares. Layer: storage. Rules: FORMAT.md sections 2, 3 and 6.
 *
 * It is given entries, control bodies, boundary lists, tag lists and their salts, and no payload:
 * it believes none of them but what the log's own hashes commit to. What it cannot see: whether the
 * tags are those of the payload (whoever has the payload or a receipt can), and whether the clock
 * was right.
 *
 * A wrong INDEX is found when it is replayed. What is wrong in it is found by who holds the index
 * that it commits to, and can be shown to others (storage/fraud.h): stele_audit_prove. One thread.
 */
#ifndef STELE_STORAGE_AUDIT_H
#define STELE_STORAGE_AUDIT_H

#include "storage/audit_ranges.h"
#include "storage/fraud.h"
#include "storage/head.h"
#include "storage/replay.h"

typedef enum stele_audit_verdict {
    STELE_AUDIT_HOLDS,
    STELE_AUDIT_WRONG_ENTRY, /* an entry that breaks a rule; of its own, or by what came before */
    STELE_AUDIT_WRONG_TAGS,  /* the tag list given is not the one that the entry commits to */
    STELE_AUDIT_WRONG_INDEX, /* the INDEX does not commit to the index of its entries */
    STELE_AUDIT_UNCHECKED,   /* an INDEX that cannot be rebuilt any more: it cuts an old era anew */
} stele_audit_verdict;

struct stele_auditor;
/* work, block_shift: see storage/audit_ranges.h; borrowed. */
STELE_MUST_USE stele_status stele_auditor_new(struct stele_audit_work *work, unsigned block_shift,
                                              struct stele_auditor **ret, stele_err *err);
void stele_auditor_free(struct stele_auditor *a);
/* A part of a log, to be replayed without what comes before it. All borrowed. */
struct stele_audit_part {
    uint64_t lo;                    /* above 0 */
    struct stele_audit_entry epoch; /* the newest EPOCH before it, which its reader has proven */
    struct stele_frontier frontier; /* of the entries before it */
};
/* Of a new auditor: it begins there, and not with entry 0; see stele_head_admit_part for what it
 * then passes over. Errors: CORRUPT (that is no EPOCH), NO_MEMORY. */
STELE_MUST_USE stele_status stele_auditor_begin(struct stele_auditor *a,
                                                const struct stele_audit_part *part,
                                                stele_err *err);
/* What others have made or checked of the index outside the part: n descriptors, ascending, of
 * which those with hi 0 are missing. Borrowed. An INDEX whose other segments are not among them is
 * UNCHECKED. */
void stele_auditor_know(struct stele_auditor *a, const struct stele_descriptor *known, size_t n);
/*
 * The next entries, from 0 on: of the n that are given those events that come first, or the one
 * entry that comes first and is none. ret_taken: how many were taken; the verdict is about the last
 * of them, the others hold. A wrong entry, or wrong tags, end the replay: what follows has no
 * meaning. ret_why: what is wrong, unless it holds. Errors: NO_MEMORY, BUG, those of the work
 * folder; what the log has wrong is a verdict and no error.
 */
STELE_MUST_USE stele_status stele_auditor_take(struct stele_auditor *a,
                                               const struct stele_audit_entry *given, size_t n,
                                               size_t *ret_taken, stele_audit_verdict *ret_verdict,
                                               stele_err *ret_why, stele_err *err);
uint64_t stele_auditor_size(const struct stele_auditor *a); /* entries replayed */
/*
 * What is needed to go on later, appended: the head, and the ranges, whose segments are in the work
 * folder. Only where stele_auditor_at_block. _restore takes it into a new auditor; after a failure
 * that one is to be freed. Errors: those of the folder, NO_MEMORY; _restore: INVALID.
 */
bool stele_auditor_at_block(const struct stele_auditor *a);
STELE_MUST_USE stele_status stele_auditor_save(struct stele_auditor *a, stele_buf *head,
                                               stele_buf *ranges, stele_err *err);
STELE_MUST_USE stele_status stele_auditor_restore(struct stele_auditor *a, stele_view head,
                                                  stele_view ranges, stele_err *err);
/* The root of what was replayed. */
void stele_auditor_root(const struct stele_auditor *a, uint8_t ret[STELE_AT_LEAST(32)]);
const struct stele_head *stele_auditor_head(const struct stele_auditor *a);

/* ------------------------------------------------------------------ what is wrong in an INDEX */
/* The segments that the INDEX of the last call names, as they should be. Errors: also NOT_FOUND: it
 * is in no part that was replayed. */
STELE_MUST_USE stele_status stele_auditor_segment(struct stele_auditor *a, size_t segment,
                                                  struct stele_descriptor *ret,
                                                  struct stele_segment_ref **ret_ref,
                                                  stele_err *err);
size_t stele_auditor_n_segments(const struct stele_auditor *a);
/* Takes this INDEX as that of the last call, without checking what it commits to. Errors: CORRUPT
 * (its boundary list), NO_MEMORY. */
STELE_MUST_USE stele_status stele_auditor_name(struct stele_auditor *a,
                                               const struct stele_entry_index *index,
                                               stele_view boundaries, stele_err *err);

/* The first posting that only one of two segments has. */
struct stele_audit_difference {
    stele_fraud_kind kind; /* OMISSION: the committed one lacks it; PHANTOM: only it has it */
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t seq;
    uint64_t rank; /* KEY_ORDER: of the first of two keys that do not ascend; it has no more */
};
/* Compares a segment as it should be with the one that is committed to. Errors: NOT_FOUND (they
 * have the same postings), those of reading either. */
STELE_MUST_USE stele_status stele_audit_compare(struct stele_segment *should,
                                                struct stele_segment *committed,
                                                struct stele_audit_difference *ret, stele_err *err);

/* What a proof of a wrong segment is made of. All borrowed. */
struct stele_audit_case {
    stele_view note;                          /* the checkpoint that the leaves' paths lead to */
    struct stele_fraud_leaf index;            /* the INDEX entry */
    const struct stele_descriptor *committed; /* of all its segments */
    size_t n_committed;
    uint32_t segment;
    struct stele_segment *postings; /* of that segment, as committed; NULL for a wrong descriptor */
    struct stele_seal *seal;
    struct stele_leaf_source leaves; /* of the log */
    struct stele_audit_difference difference;
    struct stele_fraud_leaf event; /* of the difference; of BOUNDS the entry it does not fit; of
                                      KEY_ORDER none */
    uint8_t ksalt[STELE_SALT_BYTES];
    stele_view tags;
};
/* Appends the proof, OMISSION, PHANTOM, KEY_ORDER or BOUNDS as difference.kind says. Check it
 * before it is shown. */
STELE_MUST_USE stele_status stele_audit_prove(const struct stele_audit_case *wrong, stele_buf *out,
                                              stele_err *err);

#endif
