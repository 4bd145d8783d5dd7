/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/audit_progress.h: how far an audit came, as a file to go on from. Layer: storage, private
 * to the auditor. Pure. Format: FORMAT.md, "Work folder of an audit".
 *
 * It names the log, and the size and root of what was replayed, so that an audit goes on only with
 * a log that extends it. Its digest finds damage, not a forger: the folder is the auditor's own.
 */
#ifndef STELE_STORAGE_AUDIT_PROGRESS_H
#define STELE_STORAGE_AUDIT_PROGRESS_H

#include "storage/head.h"

/* Views borrow the bytes, or are the writer's. */
struct stele_audit_progress {
    uint8_t block_shift;
    stele_view origin;
    uint64_t size_leaves; /* entries replayed: above 0 */
    uint8_t root[STELE_HASH_BYTES];
    stele_view head;   /* as stele_head_encode writes it; its frontier has that size and root */
    stele_view ranges; /* as stele_audit_ranges_save writes them */
    stele_view report; /* what was found so far */
};
/* Appends. Errors: NO_MEMORY, LIMIT. */
STELE_MUST_USE stele_status stele_audit_progress_write(const struct stele_audit_progress *progress,
                                                       stele_buf *out, stele_err *err);
/* Errors: INVALID, also for a head that does not fit size and root. */
STELE_MUST_USE stele_status stele_audit_progress_read(stele_view bytes,
                                                      struct stele_audit_progress *ret,
                                                      stele_err *err);

#endif
