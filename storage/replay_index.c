/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/replay_index.c: what the newest INDEX entry of a view committed to, as far as the store
 * still has it: from the manifest of this process, from segments that stand as they did, and from
 * tails, whose segments are made again as the indexer made them.
 */
#include <inttypes.h>
#include <string.h>

#include "storage/boundaries.h"
#include "storage/index_tail.h"
#include "storage/log_parts.h"
#include "storage/manifest.h"
#include "storage/replay.h"

struct showing {
    struct stele_log_view *view;
    struct stele_unit_cursor cursor;
    struct stele_item item; /* the INDEX entry's */
    struct stele_entry entry;
    stele_buf *out;
};

static bool has_index(struct stele_log *log) {
    (void)pthread_mutex_lock(&log->lock);
    bool has = log->covered > 0;
    (void)pthread_mutex_unlock(&log->lock);
    return has;
}

/* Items are passed over without being opened; behind the newest INDEX there are few. */
static stele_status find_index(struct showing *s, uint64_t below, stele_err *err) {
    const struct stele_unit *entered = NULL;
    stele_status st = STELE_OK;
    below = has_index(s->view->log) ? below : 0;
    while (below > 0) {
        const struct stele_unit *unit = stele_catalog_unit_of(s->view->catalog, below - 1);
        if (unit == NULL) {
            return STELE_FAIL(err, BUG, "log %s: entry %" PRIu64 " is in no unit",
                              s->view->log->full_name, below - 1);
        }
        if (unit != entered) {
            STELE_TRY(stele_unit_cursor_enter(&s->cursor, unit, err));
            entered = unit;
        }
        STELE_TRY(stele_unit_item(&s->cursor, below - 1, &s->item, err));
        if (s->item.kind == STELE_ITEM_INDEX) {
            return stele_corrupt(stele_entry_decode(s->item.entry, &s->entry, err), err);
        }
        below = s->item.first_seq;
    }
    st = STELE_FAIL(err, NOT_FOUND, "log %s has no INDEX entry yet", s->view->log->full_name);
cleanup:
    return st;
}

static stele_status put(struct showing *s, const struct stele_descriptor *descriptor,
                        stele_err *err) {
    uint8_t bytes[STELE_DESCRIPTOR_BYTES] = {0};
    if (descriptor != NULL) {
        stele_descriptor_encode(descriptor, bytes);
    }
    return stele_buf_append(s->out, stele_view_of(bytes, sizeof bytes), err);
}

static stele_status put_tail(struct showing *s, const struct stele_unit *unit, uint64_t lo,
                             uint64_t hi, stele_err *err) {
    struct stele_log *log = s->view->log;
    struct stele_segment_ref *ref = NULL;
    struct stele_epoch epoch;
    (void)pthread_mutex_lock(&log->lock);
    stele_status st = stele_control_epoch_of(&log->head.state, unit->era, &epoch, err);
    (void)pthread_mutex_unlock(&log->lock);
    STELE_TRY(st);
    STELE_TRY(stele_index_tail_build(unit, lo, hi, &epoch, &ref, err));
    STELE_TRY(put(s, stele_seal_descriptor(ref->seal), err));
cleanup:
    stele_segment_ref_unref(ref);
    return st;
}

/* Entries [lo, hi), as the store has them as one segment; zeros if it does not. */
static stele_status put_range(struct showing *s, uint64_t lo, uint64_t hi, stele_err *err) {
    const struct stele_catalog *catalog = s->view->catalog;
    for (size_t i = 0; i < catalog->n_segments; i++) {
        const struct stele_segment_info *info = stele_segment_info_of(catalog->segment[i]->segment);
        if (info->lo == lo && info->hi == hi) {
            return put(s, stele_seal_descriptor(catalog->segment[i]->seal), err);
        }
    }
    const struct stele_unit *unit = stele_catalog_unit_of(catalog, lo);
    bool in_tail = unit != NULL && unit->tail != NULL && lo >= unit->lo &&
                   hi <= atomic_load_explicit(&unit->hi, memory_order_acquire);
    return in_tail ? put_tail(s, unit, lo, hi, err) : put(s, NULL, err);
}

static stele_status put_stored(struct showing *s, stele_err *err) {
    const struct stele_entry_index *index = &s->entry.as.index;
    stele_status st = STELE_OK;
    uint64_t *hi = NULL;
    if (index->n_segments > STELE_DESCRIPTORS_MAX) {
        return STELE_FAIL(err, CORRUPT, "entry %" PRIu64 ": an INDEX of %" PRIu32 " segments",
                          s->entry.seq, index->n_segments);
    }
    hi = stele_alloc(index->n_segments, sizeof *hi);
    if (hi == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %" PRIu32 " segments", index->n_segments);
    }
    STELE_TRY(stele_corrupt(stele_boundaries_read(s->item.body, index, hi, err), err));
    for (uint32_t i = 0; i < index->n_segments; i++) {
        STELE_TRY(put_range(s, i == 0 ? 0 : hi[i - 1], hi[i], err));
    }
cleanup:
    stele_free(hi);
    return st;
}

static stele_status put_manifest(struct showing *s, const struct stele_manifest *manifest,
                                 stele_err *err) {
    stele_status st = STELE_OK;
    for (size_t i = 0; i < manifest->n && st == STELE_OK; i++) {
        st = put(s, &manifest->descriptor[i], err);
    }
    return st;
}

stele_status stele_replay_index(struct stele_log_view *view, uint64_t below, uint64_t *ret_seq,
                                stele_buf *descriptors, stele_err *err) {
    struct showing s = {.view = view, .out = descriptors};
    struct stele_manifest *manifest = NULL;
    size_t before = descriptors->size;
    stele_status st = STELE_OK;
    stele_unit_cursor_init(&s.cursor);
    STELE_TRY(find_index(&s, below < view->size ? below : view->size, err));
    if (stele_log_manifest(view->log, &manifest, NULL) == STELE_OK &&
        manifest->index_seq == s.entry.seq) {
        STELE_TRY(put_manifest(&s, manifest, err));
    } else {
        STELE_TRY(put_stored(&s, err));
    }
    *ret_seq = s.entry.seq;
cleanup:
    if (st != STELE_OK) {
        descriptors->size = before;
    }
    stele_manifest_unref(manifest);
    stele_unit_cursor_done(&s.cursor);
    return st;
}
