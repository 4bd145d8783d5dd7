/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/audit_ranges_parts.h: what ranges consist of, for audit_ranges.c, which makes them, and
 * audit_ranges_save.c, which keeps them from one run to the next. Layer: storage, private to these.
 */
#ifndef STELE_STORAGE_AUDIT_RANGES_PARTS_H
#define STELE_STORAGE_AUDIT_RANGES_PARTS_H

#include "storage/audit_ranges.h"

/* A range that was made. */
struct stele_audit__range {
    struct stele_descriptor descriptor; /* it says lo and hi */
    bool stored;                        /* in the folder; else only this is known of it */
};
struct stele_audit__era {
    uint64_t lo;
    struct stele_audit_epoch epoch;
    bool whole; /* an INDEX names it as one segment: it is merged as far as it ever is */
};
/* A growing array of any of these. */
struct stele_audit__rows {
    void *item;
    size_t n, capacity;
};
STELE_MUST_USE stele_status stele_audit__make_room(struct stele_audit__rows *rows, size_t more,
                                                   size_t size, stele_err *err);

#define STELE_AUDIT__WINDOW_ROWS 2048u /* read at a time: 96 KiB */

struct stele_audit_ranges {
    struct stele_audit_work *work;
    unsigned block_shift;
    uint64_t kept_lo;                /* where the first era begins that may yet be cut anew */
    uint64_t next;                   /* seq of the next entry */
    uint64_t block_lo;               /* of the open block */
    struct stele_audit__rows eras;   /* struct stele_audit__era, from kept_lo on; the last grows */
    struct stele_audit__rows ranges; /* struct stele_audit__range, by lo, then by hi */
    struct stele_audit__rows rows;   /* struct stele_audit_row, of the open block */
    struct stele_audit__rows counts; /* uint32_t: postings of the open block before each entry */
    struct stele_audit__rows postings; /* struct stele_posting of the open block */
    struct stele_audit__rows sorted;   /* room to sort them */
    struct stele_audit_row window[STELE_AUDIT__WINDOW_ROWS]; /* of closed blocks, read last */
    uint64_t window_first;
    size_t n_window;
};

/* The kept era that has entry lo, and where it ends; NULL if it is kept no more. */
struct stele_audit__era *stele_audit__era_of(const struct stele_audit_ranges *r, uint64_t lo,
                                             uint64_t *ret_end);
/* A stele_leaf_fn; ctx is the ranges. */
STELE_MUST_USE stele_status stele_audit__leaf_of(void *ctx, uint64_t seq,
                                                 uint8_t ret[STELE_AT_LEAST(32)], stele_err *err);
/* What a descriptor says of these entries, without its counts. */
STELE_MUST_USE stele_status stele_audit__info_of(struct stele_audit_ranges *r, uint64_t lo,
                                                 uint64_t hi, struct stele_segment_info *ret,
                                                 stele_err *err);
/* The open block, if it has entries, as a stored segment. */
STELE_MUST_USE stele_status stele_audit__close_block(struct stele_audit_ranges *r, stele_err *err);

#endif
