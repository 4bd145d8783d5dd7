/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/fsck.h: re-reads a whole store and says the first thing that does not hold. Layer:
 * storage.
 *
 * Opening the store (read_only) has checked the record chains, the packs' directories and the
 * newest checkpoints already. This walks every entry of every log: its bytes against its leaf hash;
 * the rules for what may follow what; the tree, entry by entry, against stored tile hashes and
 * every signed root; tag keys against their EPOCHs; every index posting against the events' own
 * tags, both ways, and the times and epoch that a segment says; and every seal against the one that
 * segment and leaf hashes give.
 */
#ifndef STELE_STORAGE_FSCK_H
#define STELE_STORAGE_FSCK_H

#include "storage/log.h"

struct stele_fsck_report {
    uint64_t logs, entries, events, packs, segments, postings;
};
/* Called now and then; done of total entries of one log. May be NULL. */
typedef void (*stele_fsck_progress_fn)(void *ctx, const char *log, uint64_t done, uint64_t total);

/* `store` was opened read_only. Memory: bounded, whatever the store's size. Errors: CORRUPT with
 * the log, the place and the rule; IO. ret_report counts what was checked, also on failure. */
STELE_MUST_USE stele_status stele_fsck(struct stele_store *store, stele_fsck_progress_fn progress,
                                       void *ctx, struct stele_fsck_report *ret_report,
                                       stele_err *err);

#endif
