/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/audit_log.h: the full audit of one log of a store, with a fraud proof of what is wrong
 * where the store still has the index that the log committed to. Layer: storage.
 *
 * Where fsck asks whether the store is what it was, this asks whether the log is what a log must
 * be; it uses the store to read entries, tags and committed segments, and believes none of them.
 */
#ifndef STELE_STORAGE_AUDIT_LOG_H
#define STELE_STORAGE_AUDIT_LOG_H

#include "storage/audit_run.h"
#include "storage/log.h"

/* stele_audit_run over a log of a store. Errors: also those of reading the store (CORRUPT, IO). */
STELE_MUST_USE stele_status stele_audit_log(struct stele_log *log,
                                            const struct stele_audit_options *options,
                                            struct stele_audit_report *ret, stele_err *err);

/* The same in its steps: a log of a store as a source, pinned at its size and newest checkpoint. */
struct stele_audit_stored;
STELE_MUST_USE stele_status stele_audit_stored_open(struct stele_log *log,
                                                    struct stele_audit_stored **ret,
                                                    stele_err *err);
const struct stele_audit_source *stele_audit_stored_source(const struct stele_audit_stored *stored);
void stele_audit_stored_close(struct stele_audit_stored *stored);

/* ------------------------------------------------------------------ for audit_log.c alone */
/*
 * Appends the proof of what is wrong in the INDEX entry of the auditor's last call, whose boundary
 * list is `hi`. Errors: NOT_FOUND (the store has the committed index no more, or what is wrong with
 * it is of no kind that can be proven; the text says which), those of reading.
 */
struct stele_audit_blame {
    struct stele_log_view *view;
    struct stele_auditor *auditor;
    const struct stele_entry *index;
    stele_view note; /* the newest checkpoint */
    uint64_t size;   /* its size */
};
STELE_MUST_USE stele_status stele_audit__blame(const struct stele_audit_blame *blame,
                                               stele_buf *out, stele_err *err);

#endif
