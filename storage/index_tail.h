/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/index_tail.h: the segments of entries that are not packed yet, made in memory for one
 * INDEX entry. Layer: storage, private to indexer.c. Format: FORMAT.md section 6.
 *
 * Invariant: each is the part within its era of a span of 2^12 to 2^16 entries that is aligned to
 * its size, or less than 2^12 entries at the end of a unit; none crosses a unit's bound. So all but
 * the last few stay the same from one INDEX entry to the next, and are taken over from the manifest
 * before.
 */
#ifndef STELE_STORAGE_INDEX_TAIL_H
#define STELE_STORAGE_INDEX_TAIL_H

#include "storage/catalog.h"
#include "storage/control.h"

/* Where the segment ends that begins at `at` in a unit whose entries [lo, hi) are covered; lo <= at
 * < hi. opens_era: the unit's first entry is its era's first. */
uint64_t stele_index_tail_end(const struct stele_unit *unit, bool opens_era, uint64_t at,
                              uint64_t hi);

/* How many segments a unit's entries [lo, hi) make. */
size_t stele_index_tail_count(const struct stele_unit *unit, bool opens_era, uint64_t hi);

/* Entries [lo, hi) of a tail as a segment and its seal, in memory. epoch: of its era. */
STELE_MUST_USE stele_status stele_index_tail_build(const struct stele_unit *unit, uint64_t lo,
                                                   uint64_t hi, const struct stele_epoch *epoch,
                                                   struct stele_segment_ref **ret, stele_err *err);

#endif
