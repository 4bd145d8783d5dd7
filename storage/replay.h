/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/replay.h: a log's entries in order with all that an auditor needs to judge them, many at
 * a time, or with what a proof of each needs, one by one. Layer: storage. It reads what
 * log_reader.c reads, and checks as much: payload, times and tags of each entry against its stored
 * leaf hash.
 */
#ifndef STELE_STORAGE_REPLAY_H
#define STELE_STORAGE_REPLAY_H

#include "storage/log.h"

/* What is given to an auditor of one entry. No payload: what that says is not the auditor's. */
struct stele_audit_entry {
    stele_view entry; /* the leaf data */
    stele_view body;  /* CONTROL: its body; INDEX: its boundary list */
    stele_view tags;  /* EVENT: 16 bytes each, strictly ascending */
    uint8_t ksalt[STELE_SALT_BYTES];
    /* Set by replay.c alone, which makes entries from payloads and tags: the leaf hash it has
     * computed of `entry`, an EVENT's over the keys commitment it has computed of `ksalt` and
     * `tags`. NULL: an auditor computes both, as of all that it is given from elsewhere. */
    const uint8_t *leaf;
    stele_view
        descriptors; /* INDEX, where they were asked for: as stele_replay_index appends them */
};

/* Entries that are given at a time are at most these: a frame's. */
#define STELE_REPLAY_ENTRIES_MAX STELE_FRAME_EVENTS_MAX

struct stele_replay;
/* Borrows the view. One thread. */
STELE_MUST_USE stele_status stele_replay_new(struct stele_log_view *view, struct stele_replay **ret,
                                             stele_err *err);
void stele_replay_free(struct stele_replay *replay);
/* Entry seq and those stored with it that follow it, up to the view's size. They borrow the replay
 * until its next call. Errors: NOT_FOUND (seq is not below the view's size), CORRUPT, those of
 * reading and the keyring. */
STELE_MUST_USE stele_status stele_replay_at(struct stele_replay *replay, uint64_t seq,
                                            const struct stele_audit_entry **ret, size_t *ret_n,
                                            stele_err *err);

/*
 * Entry seq as stele_log_read gives it. For who reads most of a log's entries in turn, and does not
 * know it: where more than half of a frame was asked for, the next one's events are computed side
 * by side. Not mixed with _at. Errors: as stele_log_read.
 */
STELE_MUST_USE stele_status stele_replay_read(struct stele_replay *replay, uint64_t seq,
                                              struct stele_stored_entry *ret, stele_err *err);

/*
 * The newest INDEX entry below entry `below` of a view, and the descriptors of its segments,
 * appended, 144 bytes each; of a segment that is there no more, which was merged before this
 * process began, zeros. What they are worth the manifest root says. Errors: NOT_FOUND (there is no
 * such entry), CORRUPT, those of reading.
 */
STELE_MUST_USE stele_status stele_replay_index(struct stele_log_view *view, uint64_t below,
                                               uint64_t *ret_seq, stele_buf *descriptors,
                                               stele_err *err);

#endif
