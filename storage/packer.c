/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/packer.c: the background work of a log: closed tails become packs, and neighbouring index
 * segments become larger ones. The record chain is cut back only behind what is in synced blobs (I1).
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "storage/log_parts.h"
#include "storage/pack.h"

/* Segments are merged to aligned spans of 2^20, then 2^24 entries; when an era is over, what is
 * left of it within a span too. */
static const unsigned merge_shift[] = {20, 24};
#define N_MERGE_LEVELS (sizeof merge_shift / sizeof merge_shift[0])

/* The catalog as it is now, with a reference. */
static struct stele_catalog *pin(struct stele_log *log) {
    (void)pthread_mutex_lock(&log->lock);
    struct stele_catalog *catalog = log->catalog;
    stele_catalog_ref(catalog);
    (void)pthread_mutex_unlock(&log->lock);
    return catalog;
}

/* Applies an edit to the current catalog; its positions must hold for it: only this file and the
 * committer's appends at the end change catalogs. */
static stele_status swap(struct stele_log *log, const struct stele_catalog_edit *edit, size_t n_packed, stele_err *err) {
    struct stele_catalog *edited = NULL;
    struct stele_catalog *old = NULL;
    (void)pthread_mutex_lock(&log->catalog_lock);
    stele_status st = stele_catalog_edited(log->catalog, edit, &edited, err);
    if (st == STELE_OK) {
        (void)pthread_mutex_lock(&log->lock);
        old = log->catalog;
        log->catalog = edited;
        log->n_unpacked -= n_packed;
        (void)pthread_cond_broadcast(&log->work);
        (void)pthread_cond_broadcast(&log->moved);
        (void)pthread_mutex_unlock(&log->lock);
    }
    (void)pthread_mutex_unlock(&log->catalog_lock);
    stele_catalog_unref(old);
    return st;
}

/* Everything before the first unpacked unit's first record is in packs; the newest checkpoint stays. */
static stele_status trim(struct stele_log *log, stele_err *err) {
    struct stele_catalog *catalog = pin(log);
    (void)pthread_mutex_lock(&log->lock);
    uint64_t floor = log->checkpoint_pos;
    (void)pthread_mutex_unlock(&log->lock);
    for (size_t i = catalog->n_units; i > 0 && catalog->unit[i - 1]->tail != NULL; i--) {
        uint64_t needed = catalog->unit[i - 1]->tail->first_record_pos;
        floor = needed < floor ? needed : floor;
    }
    stele_catalog_unref(catalog);
    return log->engine->ops->trim(log->engine, log->name, floor, err);
}

stele_status stele_log__pack_one(struct stele_log *log, bool *ret_did, stele_err *err) {
    struct stele_catalog *catalog = pin(log);
    struct stele_unit *pack = NULL;
    struct stele_segment_ref *segment = NULL;
    struct stele_epoch epoch;
    struct stele_head snapshot;
    char key[STELE_BLOB_KEY_MAX];
    stele_status st = STELE_OK;
    size_t at = 0;
    *ret_did = false;
    stele_head_init(&snapshot);
    while (at < catalog->n_units && catalog->unit[at]->tail == NULL) {
        at++;
    }
    (void)pthread_mutex_lock(&log->lock);
    bool closed = log->n_unpacked > 0;
    (void)pthread_mutex_unlock(&log->lock);
    if (!closed || at == catalog->n_units || catalog->unit[at]->tail->snapshot.size == 0) {
        goto cleanup;
    }
    struct stele_unit *unit = catalog->unit[at];
    uint64_t hi = atomic_load_explicit(&unit->hi, memory_order_acquire);
    STELE_TRY(stele_head_decode(stele_view_buf(&unit->tail->snapshot), &snapshot, err));
    STELE_TRY(stele_control_epoch_of(&snapshot.state, unit->era, &epoch, err));
    STELE_TRY(stele_pack_write(log->engine, log->name, unit, &epoch, NULL, err));
    STELE_TRY(stele_pack_open(log->engine, log->name, unit->lo, hi, &pack, err));
    stele_pack_key(log->name, 'i', unit->lo, hi, key);
    STELE_TRY(stele_segment_ref_open(log->engine, key, &segment, err));
    struct stele_catalog_edit edit = {.unit_at = at,
                                      .units_out = 1,
                                      .units_in = 1,
                                      .units = &pack,
                                      .segment_at = catalog->n_segments,
                                      .segments_in = 1,
                                      .segments = &segment};
    STELE_TRY(swap(log, &edit, 1, err));
    *ret_did = true;
    STELE_TRY(trim(log, err));
cleanup:
    stele_head_done(&snapshot);
    stele_segment_ref_unref(segment);
    stele_unit_unref(pack);
    stele_catalog_unref(catalog);
    return st;
}

/* The first run of two or more segments that fill an aligned block of 2^shift entries of one era, or the
 * rest of an era that is over. */
static bool find_run(const struct stele_catalog *catalog, unsigned shift, size_t *ret_at, size_t *ret_n) {
    size_t i = 0;
    while (i < catalog->n_segments) {
        const struct stele_segment_info *first = stele_segment_info_of(catalog->segment[i]->segment);
        uint64_t block_end = ((first->lo >> shift) + 1) << shift;
        uint64_t end = first->hi;
        size_t n = 1;
        bool era_over = false;
        while (i + n < catalog->n_segments && n < STELE_SEGMENT_FANIN_MAX) {
            const struct stele_segment_info *next = stele_segment_info_of(catalog->segment[i + n]->segment);
            era_over = next->era != first->era;
            if (era_over || next->hi > block_end) {
                break;
            }
            end = next->hi;
            n++;
        }
        if (n > 1 && (end == block_end || era_over || n == STELE_SEGMENT_FANIN_MAX)) {
            *ret_at = i;
            *ret_n = n;
            return true;
        }
        i += n;
    }
    return false;
}

static stele_status write_blob(void *ctx, stele_view bytes, stele_err *err) {
    void *const *pair = ctx;
    struct stele_engine *engine = pair[0];
    return engine->ops->blob_write(pair[1], bytes, err);
}

static stele_status merge_run(struct stele_log *log, const struct stele_catalog *catalog, size_t at, size_t n,
                              stele_err *err) {
    struct stele_segment *segment[STELE_SEGMENT_FANIN_MAX];
    struct stele_blob_writer *blob = NULL;
    struct stele_segment_ref *merged = NULL;
    char key[STELE_BLOB_KEY_MAX];
    stele_status st = STELE_OK;
    assert(n > 1 && n <= STELE_SEGMENT_FANIN_MAX);
    for (size_t i = 0; i < n; i++) {
        segment[i] = catalog->segment[at + i]->segment;
    }
    stele_pack_key(log->name, 'i', stele_segment_info_of(segment[0])->lo, stele_segment_info_of(segment[n - 1])->hi, key);
    STELE_TRY(log->engine->ops->blob_begin(log->engine, key, &blob, err));
    void *pair[2] = {log->engine, blob};
    STELE_TRY(stele_segment_merge(segment, n, write_blob, pair, err));
    struct stele_blob_writer *done = blob;
    blob = NULL;
    STELE_TRY(log->engine->ops->blob_commit(done, NULL, err));
    STELE_TRY(stele_segment_ref_open(log->engine, key, &merged, err));
    struct stele_catalog_edit edit = {
        .unit_at = 0, .segment_at = at, .segments_out = n, .segments_in = 1, .segments = &merged};
    STELE_TRY(swap(log, &edit, 0, err));
    for (size_t i = 0; i < n; i++) {
        atomic_store(&catalog->segment[at + i]->superseded, true);
    }
cleanup:
    if (blob != NULL) {
        log->engine->ops->blob_abort(blob);
    }
    stele_segment_ref_unref(merged);
    return st;
}

stele_status stele_log__merge_one(struct stele_log *log, bool *ret_did, stele_err *err) {
    struct stele_catalog *catalog = pin(log);
    stele_status st = STELE_OK;
    size_t at = 0;
    size_t n = 0;
    *ret_did = false;
    for (size_t level = 0; level < N_MERGE_LEVELS && n == 0; level++) {
        if (find_run(catalog, merge_shift[level], &at, &n)) {
            STELE_TRY(merge_run(log, catalog, at, n, err));
            *ret_did = true;
        }
    }
cleanup:
    stele_catalog_unref(catalog);
    return st;
}
