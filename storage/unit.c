/* SPDX-License-Identifier: Apache-2.0 */
/* storage/unit.c: what tails and packs share, and the choice between them. */
#include "storage/unit.h"

#include <assert.h>
#include <string.h>

#include "storage/pack.h"

void stele_unit_ref(struct stele_unit *unit) {
    atomic_fetch_add_explicit(&unit->refs, 1, memory_order_relaxed);
}

void stele_unit_unref(struct stele_unit *unit) {
    if (unit != NULL && atomic_fetch_sub_explicit(&unit->refs, 1, memory_order_acq_rel) == 1) {
        stele_tail_free(unit->tail);
        stele_free(unit->pack);
        stele_free(unit);
    }
}

uint64_t stele_unit_first_tile(const struct stele_unit *unit) {
    return (unit->lo + STELE_TILE_LEAVES - 1) / STELE_TILE_LEAVES;
}

void stele_unit_cursor_init(struct stele_unit_cursor *cursor) {
    *cursor = (struct stele_unit_cursor){0};
}

void stele_unit_cursor_done(struct stele_unit_cursor *cursor) {
    stele_buf_done(&cursor->dir);
    stele_buf_done(&cursor->kseeds);
    stele_buf_done(&cursor->window.bytes);
    cursor->unit = NULL;
}

stele_status stele_unit_cursor_enter(struct stele_unit_cursor *cursor,
                                     const struct stele_unit *unit, stele_err *err) {
    if (cursor->unit == unit) {
        return STELE_OK;
    }
    cursor->unit = NULL;
    stele_buf_clear(&cursor->dir);
    stele_buf_clear(&cursor->kseeds);
    stele_buf_clear(&cursor->window.bytes);
    cursor->window.at = cursor->window.next = 0; /* where a pack has its header, and no item */
    cursor->window.told_lo = cursor->window.told_hi = 0;
    if (unit->pack != NULL) {
        stele_status st = stele_pack_directory(unit, &cursor->dir, err);
        if (st != STELE_OK) {
            return st;
        }
    }
    cursor->unit = unit;
    return STELE_OK;
}

static stele_view tail_item_bytes(const struct stele_tail *tail, uint64_t seq) {
    size_t low = 0;
    size_t high = atomic_load_explicit(&tail->n_items, memory_order_acquire);
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (tail->item[middle].first_seq <= seq) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return tail->item[low].bytes;
}

stele_status stele_unit_item(struct stele_unit_cursor *cursor, uint64_t seq, struct stele_item *ret,
                             stele_err *err) {
    const struct stele_unit *unit = cursor->unit;
    assert(unit != NULL && seq >= unit->lo);
    stele_view bytes = {NULL, 0};
    stele_status st = STELE_OK;
    struct stele_item item;
    if (unit->tail != NULL) {
        bytes = tail_item_bytes(unit->tail, seq);
    } else {
        STELE_TRY(stele_pack_item_bytes(unit, &cursor->dir, seq, &cursor->window, &bytes, err));
    }
    struct stele_reader r = stele_reader_of(bytes, "stored item");
    STELE_TRY(stele_item_read(&r, &item, err));
    STELE_TRY(stele_reader_end(&r, err));
    if (seq < item.first_seq || seq - item.first_seq >= item.n) {
        return STELE_FAIL(
            err, CORRUPT,
            "entry %llu: the item stored for it holds entries %llu to %llu; run stele fsck",
            (unsigned long long)seq, (unsigned long long)item.first_seq,
            (unsigned long long)(item.first_seq + item.n - 1u));
    }
    *ret = item;
cleanup:
    return stele_corrupt(st, err);
}

stele_status stele_unit_kseed(struct stele_unit_cursor *cursor, const struct stele_item *frame,
                              uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    if (cursor->unit->tail != NULL) { /* as in its record: behind the item, which the digest ends */
        memcpy(ret, frame->digest.data + frame->digest.size, STELE_SEED_BYTES);
        return STELE_OK;
    }
    if (cursor->kseeds.size == 0) {
        stele_status st = stele_pack_kseeds(cursor->unit, &cursor->kseeds, err);
        if (st != STELE_OK) {
            return st;
        }
    }
    return stele_pack_kseed_find(cursor->unit, &cursor->kseeds, frame->first_seq, ret, err);
}

void stele_unit_will_need(struct stele_unit_cursor *cursor, const uint64_t *seq, size_t n,
                          bool leaves) {
    if (cursor->unit->pack != NULL) {
        stele_pack_will_need(cursor->unit, &cursor->dir, seq, n, leaves, &cursor->window);
    }
}

void stele_unit_will_enter(const struct stele_unit *unit) {
    if (unit->pack != NULL) {
        stele_pack_will_enter(unit);
    }
}

stele_status stele_unit_leaves(const struct stele_unit *unit, uint64_t from, size_t n,
                               stele_buf *out, stele_err *err) {
    assert(from >= unit->lo && n <= atomic_load_explicit(&unit->hi, memory_order_acquire) - from);
    if (unit->tail != NULL) {
        return stele_buf_append(
            out,
            stele_view_of(unit->tail->leaves + (from - unit->lo) * STELE_HASH_BYTES,
                          n * STELE_HASH_BYTES),
            err);
    }
    return stele_pack_leaves(unit, from, n, out, err);
}

stele_status stele_unit_tile_roots(const struct stele_unit *unit, uint64_t first, size_t n,
                                   stele_buf *out, stele_err *err) {
    assert(first >= stele_unit_first_tile(unit));
    if (unit->tail != NULL) {
        size_t at = (size_t)(first - stele_unit_first_tile(unit)) * STELE_HASH_BYTES;
        return stele_buf_append(
            out, stele_view_of(unit->tail->tile_roots + at, n * STELE_HASH_BYTES), err);
    }
    return stele_pack_tile_roots(unit, first, n, out, err);
}
