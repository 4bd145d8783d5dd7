/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/packer.c: closed tails become packs. The record chain is cut back only behind what is in
 * synced blobs (I1).
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "storage/log_parts.h"
#include "storage/monotonic.h"
#include "storage/pack.h"

struct stele_catalog *stele_log__pin(struct stele_log *log) {
    (void)pthread_mutex_lock(&log->lock);
    struct stele_catalog *catalog = log->catalog;
    stele_catalog_ref(catalog);
    (void)pthread_mutex_unlock(&log->lock);
    return catalog;
}

stele_status stele_log__edit(struct stele_log *log, const struct stele_catalog_edit *edit,
                             size_t n_packed, stele_err *err) {
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

/* Everything before the first unpacked unit's first record is in packs; the newest checkpoint
 * stays. */
static stele_status trim(struct stele_log *log, stele_err *err) {
    struct stele_catalog *catalog = stele_log__pin(log);
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
    struct stele_catalog *catalog = stele_log__pin(log);
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
                                      .segment_at = STELE_SEGMENTS_END,
                                      .segments_in = 1,
                                      .segments = &segment};
    STELE_TRY(stele_log__edit(log, &edit, 1, err));
    atomic_store(&log->packed_us, stele_monotonic_us());
    *ret_did = true;
    STELE_TRY(trim(log, err));
cleanup:
    stele_head_done(&snapshot);
    stele_segment_ref_unref(segment);
    stele_unit_unref(pack);
    stele_catalog_unref(catalog);
    return st;
}
