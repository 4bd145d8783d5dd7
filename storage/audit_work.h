/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/audit_work.h: the folder an audit works in: what it must remember of a log's entries and
 * has no room for in memory, and how far it came. Layer: storage, private to the auditor.
 *
 * Nothing here is anybody's evidence: it can all be made again from the log. What stands in it is
 * used by the audit that wrote it and by one that goes on after it; whoever can write the folder
 * decides what that one finds, so it belongs to the auditor alone (mode 0700).
 *
 * Crash: the progress file is replaced as one, after all that it names was written, and what it
 * named before is removed after that. A process that is killed leaves a folder to go on from. After
 * a power cut files may lack bytes: their sums tell. Format: FORMAT.md, "Work folder of an audit".
 * Threads: one.
 */
#ifndef STELE_STORAGE_AUDIT_WORK_H
#define STELE_STORAGE_AUDIT_WORK_H

#include "storage/catalog.h"

struct stele_audit_work;
/* folder NULL: a new one in TMPDIR, or /tmp, which _close removes; else it is made if need be.
 * Errors: BUSY (another process works in it), IO, NO_SPACE. */
STELE_MUST_USE stele_status stele_audit_work_open(const char *folder, struct stele_audit_work **ret,
                                                  stele_err *err);
void stele_audit_work_close(struct stele_audit_work *work);
const char *stele_audit_work_folder(const struct stele_audit_work *work);

/* ------------------------------------------------------------------ entries */
/* What is kept of an entry: its leaf hash, log time, and if it is a late event its event_us. */
struct stele_audit_row {
    uint8_t leaf[STELE_HASH_BYTES];
    uint64_t time_us;
    uint64_t late_us; /* UINT64_MAX of all that are no late events */
};
/* Rows of the era that begins at entry era_lo; first is the number of row[0] in the log. */
STELE_MUST_USE stele_status stele_audit_work_write_rows(struct stele_audit_work *work,
                                                        uint64_t era_lo, uint64_t first,
                                                        const struct stele_audit_row *row, size_t n,
                                                        stele_err *err);
/* Errors: IO, also for rows that were never written. */
STELE_MUST_USE stele_status stele_audit_work_read_rows(struct stele_audit_work *work,
                                                       uint64_t era_lo, uint64_t first,
                                                       struct stele_audit_row *ret_row, size_t n,
                                                       stele_err *err);

/* ------------------------------------------------------------------ segments */
/* Stores a segment and its seal, in memory, as entries [lo, hi). */
STELE_MUST_USE stele_status stele_audit_work_store(struct stele_audit_work *work,
                                                   const struct stele_segment_ref *ref,
                                                   stele_err *err);
/* Merges neighbours, n <= STELE_SEGMENT_FANIN_MAX, and stores them, in bounded memory. */
STELE_MUST_USE stele_status stele_audit_work_merge(struct stele_audit_work *work,
                                                   struct stele_segment_ref *const *refs, size_t n,
                                                   struct stele_leaf_source leaves, stele_err *err);
/* A stored one, with a reference; its files are open as long as that. */
STELE_MUST_USE stele_status stele_audit_work_load(struct stele_audit_work *work, uint64_t lo,
                                                  uint64_t hi, struct stele_segment_ref **ret,
                                                  stele_err *err);
/* It is not needed any more: removed with the next progress. */
STELE_MUST_USE stele_status stele_audit_work_drop(struct stele_audit_work *work, uint64_t lo,
                                                  uint64_t hi, stele_err *err);
STELE_MUST_USE stele_status stele_audit_work_drop_rows(struct stele_audit_work *work,
                                                       uint64_t era_lo, stele_err *err);

/* ------------------------------------------------------------------ progress */
#define STELE_AUDIT_PROGRESS_MAX                                                                   \
    ((size_t)1 << 30) /* 150 bytes for each 2^16 entries: never met                                \
                       */
/* Takes the place of the one before, then removes what was dropped. In a folder that is not kept,
 * only the latter. */
STELE_MUST_USE stele_status stele_audit_work_commit(struct stele_audit_work *work,
                                                    stele_view progress, stele_err *err);
/* Appends it. Errors: NOT_FOUND: there is none. */
STELE_MUST_USE stele_status stele_audit_work_progress(struct stele_audit_work *work, stele_buf *out,
                                                      stele_err *err);
/* False for a folder that _close removes. */
bool stele_audit_work_is_kept(const struct stele_audit_work *work);

#endif
