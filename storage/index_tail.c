/* SPDX-License-Identifier: Apache-2.0 */
/* storage/index_tail.c: cuts the unpacked entries of a log into segments, and makes each in memory.
 */
#include "storage/index_tail.h"

#include <assert.h>
#include <string.h>

#include "storage/seal.h"

#define SPAN_SHIFT_MIN 12u
#define SPAN_SHIFT_MAX 16u

uint64_t stele_index_tail_end(const struct stele_unit *unit, bool opens_era, uint64_t at,
                              uint64_t hi) {
    bool part_of_era = opens_era && at == unit->lo;
    for (unsigned shift = SPAN_SHIFT_MAX; shift >= SPAN_SHIFT_MIN; shift--) {
        uint64_t end = ((at >> shift) + 1) << shift;
        if (end <= hi && (part_of_era || at == (at >> shift) << shift)) {
            return end;
        }
    }
    return hi;
}

size_t stele_index_tail_count(const struct stele_unit *unit, bool opens_era, uint64_t hi) {
    size_t n = 0;
    for (uint64_t at = unit->lo; at < hi; at = stele_index_tail_end(unit, opens_era, at, hi)) {
        n++;
    }
    return n;
}

static const struct stele_posting *posting_at(const struct stele_tail *tail, size_t at) {
    return &tail->chunk[at / STELE_POSTING_CHUNK][at % STELE_POSTING_CHUNK];
}

/* How many of the first n postings are of entries below `offset`: they stand in the order of their
 * seqs. */
static size_t postings_below(const struct stele_tail *tail, size_t n, uint64_t offset) {
    size_t low = 0;
    size_t high = n;
    while (high > low) {
        size_t middle = low + (high - low) / 2;
        if (posting_at(tail, middle)->offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The postings of [lo, hi), offsets from lo, and room for as many again. The caller frees them. */
static stele_status take_postings(const struct stele_unit *unit, uint64_t lo, uint64_t hi,
                                  struct stele_posting **ret, size_t *ret_n, stele_err *err) {
    const struct stele_tail *tail = unit->tail;
    size_t published = atomic_load_explicit(&tail->n_postings, memory_order_acquire);
    size_t first = postings_below(tail, published, lo - unit->lo);
    size_t n = postings_below(tail, published, hi - unit->lo) - first;
    struct stele_posting *postings = stele_alloc(2 * n, sizeof *postings);
    if (postings == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to sort %zu index postings", n);
    }
    for (size_t i = 0; i < n; i++) {
        postings[i] = *posting_at(tail, first + i);
        postings[i].offset -= (uint32_t)(lo - unit->lo);
    }
    *ret = postings;
    *ret_n = n;
    return STELE_OK;
}

/* Times of the first and the last entry, and of the late events between. */
static stele_status fill_times(const struct stele_unit *unit, struct stele_segment_info *info,
                               stele_err *err) {
    struct stele_unit_cursor cursor;
    struct stele_item item;
    stele_status st = STELE_OK;
    stele_unit_cursor_init(&cursor);
    STELE_TRY(stele_unit_cursor_enter(&cursor, unit, err));
    STELE_TRY(stele_unit_item(&cursor, info->lo, &item, err));
    info->t_first = item.time_us;
    STELE_TRY(stele_unit_item(&cursor, info->hi - 1, &item, err));
    info->t_last = item.time_us;
    info->late_first = UINT64_MAX;
    for (uint64_t seq = info->lo; seq < info->hi; seq++) {
        uint64_t late_us = unit->tail->late_us[seq - unit->lo];
        if (late_us > 0) {
            info->late_first = late_us - 1 < info->late_first ? late_us - 1 : info->late_first;
            info->late_last = late_us - 1 > info->late_last ? late_us - 1 : info->late_last;
        }
    }
cleanup:
    stele_unit_cursor_done(&cursor);
    return st;
}

static stele_status leaf_of_tail(void *ctx, uint64_t seq, uint8_t ret[STELE_AT_LEAST(32)],
                                 stele_err *err) {
    const struct stele_unit *unit = ctx;
    (void)err;
    memcpy(ret, unit->tail->leaves + (seq - unit->lo) * STELE_HASH_BYTES, STELE_HASH_BYTES);
    return STELE_OK;
}

stele_status stele_index_tail_build(const struct stele_unit *unit, uint64_t lo, uint64_t hi,
                                    const struct stele_epoch *epoch, struct stele_segment_ref **ret,
                                    stele_err *err) {
    struct stele_posting *postings = NULL;
    size_t n = 0;
    stele_status st = STELE_OK;
    struct stele_segment_info info = {.era = unit->era,
                                      .map_version = epoch->map_version,
                                      .tag_alg = epoch->tag_alg,
                                      .lo = lo,
                                      .hi = hi};
    assert(unit->tail != NULL && unit->lo <= lo && lo < hi && hi <= atomic_load(&unit->hi));
    memcpy(info.tag_key_commit, epoch->tag_key_commit, STELE_HASH_BYTES);
    STELE_TRY(fill_times(unit, &info, err));
    STELE_TRY(take_postings(unit, lo, hi, &postings, &n, err));
    struct stele_leaf_source leaves = {leaf_of_tail, (void *)(uintptr_t)unit};
    STELE_TRY(stele_segment_ref_build(&info, postings, n, leaves, ret, err));
cleanup:
    stele_free(postings);
    return st;
}
