/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/head.h: the growing end of a log: everything the next entry depends on. Layer: storage.
 * Pure.
 *
 * The committer moves it forward entry by entry; recovery moves it forward from stored records with
 * the same calls; a pack stores a snapshot of it, from which a later start goes on.
 */
#ifndef STELE_STORAGE_HEAD_H
#define STELE_STORAGE_HEAD_H

#include "storage/entry.h"
#include "storage/state.h"
#include "storage/tree.h"

struct stele_head {
    struct stele_frontier frontier; /* its size is the next seq */
    uint64_t time_us;               /* of the newest entry; never falls */
    uint32_t era;                   /* 0 before genesis */
    uint64_t control;               /* seq of the newest CONTROL, STELE_NO_SEQ if none */
    uint64_t covered;               /* M of the newest INDEX */
    struct stele_state state;
};

void stele_head_init(struct stele_head *head);
void stele_head_done(struct stele_head *head);
STELE_MUST_USE stele_status stele_head_copy(const struct stele_head *from, struct stele_head *ret,
                                            stele_err *err);
/*
 * Checks that `entry` may come next (seq, time, era, control links), that a CONTROL's body and
 * state root are what its kind makes of the state, and that an INDEX's boundary list is one of its
 * numbers; then takes it into everything but the frontier, whose hashes are pushed many at a time.
 * Errors: CORRUPT with the rule that is broken.
 */
STELE_MUST_USE stele_status stele_head_admit(struct stele_head *head,
                                             const struct stele_entry *entry, uint64_t seq,
                                             stele_view body, stele_err *err);
/*
 * A part of a log, for who has not read what comes before it: it begins behind an EPOCH, the newest
 * one before it. What is checked is what rests on that and on the part's own entries: not what
 * CONTROL entries make of the state, which of them an entry names, and that M never falls. The
 * frontier is the caller's. Errors: CORRUPT.
 */
STELE_MUST_USE stele_status stele_head_begin_part(struct stele_head *head,
                                                  const struct stele_entry *epoch, stele_view body,
                                                  stele_err *err);
STELE_MUST_USE stele_status stele_head_admit_part(struct stele_head *head,
                                                  const struct stele_entry *entry, uint64_t seq,
                                                  stele_view body, stele_err *err);
/* Snapshot: u64 time | u32 era | u64 control | u64 covered | frontier | state. */
STELE_MUST_USE stele_status stele_head_encode(const struct stele_head *head, stele_buf *out,
                                              stele_err *err);
STELE_MUST_USE stele_status stele_head_decode(stele_view bytes, struct stele_head *ret,
                                              stele_err *err);

#endif
