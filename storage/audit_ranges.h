/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/audit_ranges.h: the index of a log made again from its tag lists: any range of one era as
 * a segment with its seal, as an honest indexer would have made it. Layer: storage, private to the
 * auditor.
 *
 * Entries are given in order; the newest ones, up to a block, are kept as postings, older blocks as
 * built segments, and what was merged from them beside them. When an era is over and an INDEX has
 * named it as one segment, it goes with the next era that begins, and its descriptors stay: a log
 * that has merged so far cuts it anew only if it lost its index.
 * Memory: 56 bytes an entry of the eras that are kept, and their segments: about as many bytes as
 * the store's own index of them has. One thread.
 */
#ifndef STELE_STORAGE_AUDIT_RANGES_H
#define STELE_STORAGE_AUDIT_RANGES_H

#include "storage/catalog.h"
#include "storage/entry.h"

struct stele_audit_ranges;
STELE_MUST_USE stele_status stele_audit_ranges_new(struct stele_audit_ranges **ret, stele_err *err);
void stele_audit_ranges_free(struct stele_audit_ranges *r);

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
 * never asked for before), NO_MEMORY.
 */
STELE_MUST_USE stele_status stele_audit_ranges_get(struct stele_audit_ranges *r, uint64_t lo,
                                                   uint64_t hi, struct stele_descriptor *ret,
                                                   struct stele_segment_ref **ret_ref,
                                                   stele_err *err);

#endif
