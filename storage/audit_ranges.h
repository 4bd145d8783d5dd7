/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/audit_ranges.h: the index of a log made again from its tag lists: any range of one era as
 * a segment with its seal, as an honest indexer would have made it. Layer: storage, private to the
 * auditor.
 *
 * Entries are given in order. The newest ones, up to a block of 2^16, are kept in memory as
 * postings; closed blocks, and what was merged from them, are in the work folder as segments. When
 * an era is over and an INDEX has named it as one segment, it goes with the next era that begins,
 * and its descriptors stay: a log that has merged so far cuts it anew only if it lost its index.
 *
 * Memory does not grow with the log but for 200 bytes of descriptor a block: a block's postings
 * three times over, which with 8 tags an event are 32 MiB and with the most an event may have 2
 * GiB, 64 MiB for sealing, and 64 open blocks of 16 KiB in a merge. One thread.
 */
#ifndef STELE_STORAGE_AUDIT_RANGES_H
#define STELE_STORAGE_AUDIT_RANGES_H

#include "storage/audit_work.h"
#include "storage/catalog.h"
#include "storage/entry.h"

#define STELE_AUDIT_BLOCK_SHIFT 16u /* 2^16 entries, as a pack has */

struct stele_audit_ranges;
/* Borrows the work folder, which is empty, or what _load is then given belongs to. block_shift: of
 * a block's entries, 8 to 16; tests have small ones, so that a small log leaves memory. */
STELE_MUST_USE stele_status stele_audit_ranges_new(struct stele_audit_work *work,
                                                   unsigned block_shift,
                                                   struct stele_audit_ranges **ret, stele_err *err);
void stele_audit_ranges_free(struct stele_audit_ranges *r);

/* New ones are of the entries from lo on, and not from 0 on. The era of the first is given next. */
void stele_audit_ranges_begin(struct stele_audit_ranges *r, uint64_t lo);

/* The descriptor fields that an era's EPOCH decides. */
struct stele_audit_epoch {
    uint32_t era;
    uint16_t map_version, tag_alg;
    uint8_t tag_key_commit[STELE_HASH_BYTES];
};
/* The next entry begins an era; the first one begins with genesis, which was given before. */
STELE_MUST_USE stele_status stele_audit_ranges_era(struct stele_audit_ranges *r,
                                                   const struct stele_audit_epoch *epoch,
                                                   stele_err *err);
/* An INDEX names these entries as one segment. */
void stele_audit_ranges_named(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi);
/* The next entry: n tags of 16 bytes, strictly ascending; none unless it is an EVENT. */
STELE_MUST_USE stele_status stele_audit_ranges_add(struct stele_audit_ranges *r,
                                                   const struct stele_entry *entry,
                                                   const uint8_t leaf[STELE_AT_LEAST(32)],
                                                   stele_view tags, stele_err *err);
/*
 * Entries [lo, hi) as they must be committed to. ret_ref, unless NULL, is the segment and its seal,
 * with a reference; NULL is stored there where only the descriptor is left. Errors: INVALID (the
 * range is empty, beyond the entries given, or of two eras), NOT_FOUND (of an era that went, and
 * never asked for before), NO_MEMORY; and IO, NO_SPACE of the work folder.
 */
STELE_MUST_USE stele_status stele_audit_ranges_get(struct stele_audit_ranges *r, uint64_t lo,
                                                   uint64_t hi, struct stele_descriptor *ret,
                                                   struct stele_segment_ref **ret_ref,
                                                   stele_err *err);

/* ------------------------------------------------------------------ audit_ranges_save.c */
/* Whether _save may be called: a block has just ended. How many more entries there are to the next
 * such place: never 0. */
bool stele_audit_ranges_is_block(const struct stele_audit_ranges *r);
uint64_t stele_audit_ranges_to_block(const struct stele_audit_ranges *r);
/* Where a block ends: leaves nothing in memory that is not in the folder or appended to `out`. */
STELE_MUST_USE stele_status stele_audit_ranges_save(struct stele_audit_ranges *r, stele_buf *out,
                                                    stele_err *err);
/* Into new ones. next: how many entries were given. Errors: INVALID. */
STELE_MUST_USE stele_status stele_audit_ranges_load(struct stele_audit_ranges *r, stele_view saved,
                                                    uint64_t next, stele_err *err);

#endif
