/* SPDX-License-Identifier: Apache-2.0 */
/* storage/audit_ranges_rows.c: what is kept of the entries of ranges: of the open block in memory,
 * of closed ones in the folder, a window of which is in memory too. */
#include <inttypes.h>
#include <string.h>

#include "storage/audit_ranges_parts.h"

stele_status stele_audit__make_room(struct stele_audit__rows *rows, size_t more, size_t size,
                                    stele_err *err) {
    if (rows->capacity - rows->n >= more) {
        return STELE_OK;
    }
    size_t grown = rows->capacity < 1024 ? 1024 : rows->capacity;
    while (grown - rows->n < more) {
        grown *= 2;
    }
    void *item = stele_realloc(rows->item, grown, size);
    if (item == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu rows of an audit", grown);
    }
    rows->item = item;
    rows->capacity = grown;
    return STELE_OK;
}

struct stele_audit__era *stele_audit__era_of(const struct stele_audit_ranges *r, uint64_t lo,
                                             uint64_t *ret_end) {
    struct stele_audit__era *era = r->eras.item;
    *ret_end = r->next;
    for (size_t i = r->eras.n; i > 0; i--) {
        if (era[i - 1].lo <= lo) {
            return &era[i - 1];
        }
        *ret_end = era[i - 1].lo;
    }
    return NULL;
}

static stele_status row_at(struct stele_audit_ranges *r, uint64_t seq,
                           const struct stele_audit_row **ret, stele_err *err) {
    uint64_t end = 0;
    if (seq >= r->block_lo) {
        *ret = (struct stele_audit_row *)r->rows.item + (seq - r->block_lo);
        return STELE_OK;
    }
    if (seq < r->window_first || seq - r->window_first >= r->n_window) {
        const struct stele_audit__era *era = stele_audit__era_of(r, seq, &end);
        uint64_t left = (end < r->block_lo ? end : r->block_lo) - seq;
        size_t n = left < STELE_AUDIT__WINDOW_ROWS ? (size_t)left : STELE_AUDIT__WINDOW_ROWS;
        if (era == NULL) {
            return STELE_FAIL(err, BUG, "the audit keeps no leaf %" PRIu64, seq);
        }
        r->n_window = 0;
        stele_status st = stele_audit_work_read_rows(r->work, era->lo, seq, r->window, n, err);
        if (st != STELE_OK) {
            return st;
        }
        r->window_first = seq;
        r->n_window = n;
    }
    *ret = &r->window[seq - r->window_first];
    return STELE_OK;
}

stele_status stele_audit__leaf_of(void *ctx, uint64_t seq, uint8_t ret[STELE_AT_LEAST(32)],
                                  stele_err *err) {
    const struct stele_audit_row *row = NULL;
    stele_status st = row_at(ctx, seq, &row, err);
    if (st == STELE_OK) {
        memcpy(ret, row->leaf, STELE_HASH_BYTES);
    }
    return st;
}

stele_status stele_audit__info_of(struct stele_audit_ranges *r, uint64_t lo, uint64_t hi,
                                  struct stele_segment_info *ret, stele_err *err) {
    uint64_t end = 0;
    const struct stele_audit_epoch *epoch = &stele_audit__era_of(r, lo, &end)->epoch;
    const struct stele_audit_row *row = NULL;
    struct stele_segment_info info = {
        .era = epoch->era,
        .map_version = epoch->map_version,
        .tag_alg = epoch->tag_alg,
        .lo = lo,
        .hi = hi,
        .late_first = UINT64_MAX,
    };
    memcpy(info.tag_key_commit, epoch->tag_key_commit, STELE_HASH_BYTES);
    for (uint64_t seq = lo; seq < hi; seq++) {
        stele_status st = row_at(r, seq, &row, err);
        if (st != STELE_OK) {
            return st;
        }
        info.t_first = seq == lo ? row->time_us : info.t_first;
        info.t_last = row->time_us;
        if (row->late_us != UINT64_MAX) {
            info.late_first = row->late_us < info.late_first ? row->late_us : info.late_first;
            info.late_last = row->late_us > info.late_last ? row->late_us : info.late_last;
        }
    }
    *ret = info;
    return STELE_OK;
}
