/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/recover_blobs.c: brings a log's packs and index segments back from the blobs that are
 * there. What a stop left half done is removed, and a segment that is missing is made again from
 * its pack.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/leaf_window.h"
#include "storage/log_parts.h"
#include "storage/pack.h"

struct key_list {
    struct stele_log *log;
    uint64_t (*range)[2];
    size_t n, capacity;
};

static stele_status collect_key(void *ctx, const char *key, stele_err *err) {
    struct key_list *list = ctx;
    if (list->n == list->capacity) {
        size_t grown = list->capacity == 0 ? 64 : list->capacity * 2;
        uint64_t(*range)[2] = stele_realloc(list->range, grown, sizeof *range);
        if (range == NULL) {
            return STELE_FAIL(err, NO_MEMORY, "no memory for a list of %zu blobs", grown);
        }
        list->range = range;
        list->capacity = grown;
    }
    stele_status st =
        stele_pack_key_parse(key, &list->range[list->n][0], &list->range[list->n][1], err);
    list->n += st == STELE_OK ? 1 : 0;
    return st;
}

static stele_status list_blobs(struct stele_log *log, char kind, struct key_list *list,
                               stele_err *err) {
    char prefix[STELE_BLOB_KEY_MAX];
    *list = (struct key_list){.log = log};
    (void)snprintf(prefix, sizeof prefix, "%s/%c/", log->name, kind);
    return log->engine->ops->blob_list(log->engine, prefix, collect_key, list, err);
}

static stele_status add_to_catalog(struct stele_log *log, struct stele_unit **unit, size_t n_units,
                                   struct stele_segment_ref *segment, stele_err *err) {
    struct stele_catalog *edited = NULL;
    struct stele_catalog_edit edit = {.unit_at = log->catalog->n_units,
                                      .units_in = n_units,
                                      .units = unit,
                                      .segment_at = log->catalog->n_segments,
                                      .segments_in = segment != NULL ? 1 : 0,
                                      .segments = &segment};
    stele_status st = stele_catalog_edited(log->catalog, &edit, &edited, err);
    if (st == STELE_OK) {
        stele_catalog_unref(log->catalog);
        log->catalog = edited;
    }
    return st;
}

/* So many packs that follow are being fetched while one is opened: where they come from a disk,
 * that does 64 reads at a time as fast as one, and three are of a pack. */
#define PACKS_AHEAD 24u

static stele_status recover_packs(struct stele_log *log, stele_err *err) {
    struct key_list list;
    struct stele_unit **unit = NULL;
    size_t n = 0;
    struct stele_head head;
    stele_status st = STELE_OK;
    uint64_t end = 0;
    STELE_TRY(list_blobs(log, 'p', &list, err));
    unit = stele_alloc(list.n + 1, sizeof(struct stele_unit *));
    STELE_TRY(unit == NULL ? STELE_FAIL(err, NO_MEMORY, "no memory for %zu packs", list.n)
                           : STELE_OK);
    for (size_t told = 0; n < list.n; n++) {
        for (; told < list.n && told < n + PACKS_AHEAD; told++) {
            stele_pack_will_open(log->engine, log->name, list.range[told][0], list.range[told][1]);
        }
        if (list.range[n][0] != end) {
            STELE_TRY(STELE_FAIL(err, CORRUPT,
                                 "log %s: the pack of entries from %" PRIu64
                                 " is missing; restore it from a backup",
                                 log->full_name, end));
        }
        STELE_TRY(stele_pack_open(log->engine, log->name, list.range[n][0], list.range[n][1],
                                  &unit[n], err));
        end = list.range[n][1];
    }
    STELE_TRY(add_to_catalog(log, unit, n, NULL, err));
    if (list.n > 0) {
        STELE_TRY(stele_pack_snapshot(log->catalog->unit[list.n - 1], &head, err));
        if (head.frontier.size_leaves != end) {
            stele_head_done(&head);
            STELE_TRY(STELE_FAIL(err, CORRUPT,
                                 "log %s: the snapshot of the pack up to %" PRIu64
                                 " is of another size",
                                 log->full_name, end));
        }
        stele_head_done(&log->head);
        log->head = head;
        log->size = end;
        log->covered = head.covered;
        log->data_time_us = head.time_us;
        log->data_end = end; /* at most: which of them are INDEX entries does not matter, the next
                                one covers all */
    }
cleanup:
    for (size_t i = 0; i < n; i++) {
        stele_unit_unref(unit[i]);
    }
    stele_free(unit);
    stele_free(list.range);
    return st;
}

/* Makes the seal of a segment that has none: the store is of a version without seals, or the merge
 * that made the segment was cut short, or somebody removed it. */
static stele_status rebuild_seal(struct stele_log *log, const char *key, uint64_t lo, uint64_t hi,
                                 stele_err *err) {
    struct stele_leaf_window window;
    stele_err told;
    if (stele_store__read_only(log->store)) {
        return STELE_FAIL(err, CORRUPT,
                          "log %s: the seal of the index segment of entries %" PRIu64 " to %" PRIu64
                          " is missing; a start of the server makes it again",
                          log->full_name, lo, hi - 1);
    }
    stele_leaf_window_init(&window, log->catalog);
    stele_status st =
        stele_segment_ref_seal(log->engine, key, NULL, 0, stele_leaf_window_source(&window), err);
    stele_leaf_window_done(&window);
    if (st == STELE_OK) {
        (void)STELE_FAIL(&told, NOT_FOUND,
                         "log %s: the seal of the index of entries %" PRIu64 " to %" PRIu64
                         " was missing and has been made again from it",
                         log->full_name, lo, hi - 1);
        stele_store__report(log->store, log->full_name, &told);
    }
    return st;
}

static stele_status add_segment(struct stele_log *log, uint64_t lo, uint64_t hi, stele_err *err) {
    char key[STELE_BLOB_KEY_MAX];
    struct stele_segment_ref *ref = NULL;
    bool any_order = stele_store__any_key_order(log->store);
    stele_pack_key(log->name, 'i', lo, hi, key);
    stele_status st = any_order ? stele_segment_ref_open_any_order(log->engine, key, &ref, err)
                                : stele_segment_ref_open(log->engine, key, &ref, err);
    if (st == STELE_NOT_FOUND) {
        STELE_TRY(rebuild_seal(log, key, lo, hi, err));
        STELE_TRY(stele_segment_ref_open(log->engine, key, &ref, err));
    }
    if (st == STELE_OK) {
        st = add_to_catalog(log, NULL, 0, ref, err);
    }
cleanup:
    stele_segment_ref_unref(ref);
    return st;
}

/* Makes the segments of packs in [from, to) again. */
static stele_status fill_hole(struct stele_log *log, uint64_t from, uint64_t to, stele_err *err) {
    stele_status st = STELE_OK;
    if (from < to && stele_store__read_only(log->store)) {
        return STELE_FAIL(err, CORRUPT,
                          "log %s: the index segment of entries from %" PRIu64
                          " is missing; a start of the server makes it again",
                          log->full_name, from);
    }
    while (st == STELE_OK && from < to) {
        const struct stele_unit *unit = stele_catalog_unit_of(log->catalog, from);
        uint64_t hi = unit == NULL ? 0 : atomic_load_explicit(&unit->hi, memory_order_relaxed);
        if (unit == NULL || unit->lo != from || hi > to) {
            return STELE_FAIL(err, CORRUPT,
                              "log %s: its index segments do not fit its packs at entry %" PRIu64
                              "; remove the segment after it, and it is made again",
                              log->full_name, from);
        }
        st = stele_log__rebuild_segment(log, unit, err);
        if (st == STELE_OK) {
            st = add_segment(log, from, hi, err);
        }
        from = hi;
    }
    return st;
}

static const struct stele_segment_info *info_at(const struct stele_log *log, size_t segment) {
    return stele_segment_info_of(log->catalog->segment[segment]->segment);
}

static stele_status remove_blob(struct stele_log *log, char kind, uint64_t lo, uint64_t hi,
                                stele_err *err) {
    char key[STELE_BLOB_KEY_MAX];
    stele_pack_key(log->name, kind, lo, hi, key);
    return stele_store__read_only(log->store)
               ? STELE_OK
               : log->engine->ops->blob_expire(log->engine, key, UINT64_MAX, err);
}

/* Removes the seals of segments that are gone; those of a pack that was not finished stay. */
static stele_status drop_seals(struct stele_log *log, const struct key_list *seals,
                               stele_err *err) {
    stele_status st = STELE_OK;
    size_t at = 0;
    for (size_t i = 0; st == STELE_OK && i < seals->n && seals->range[i][0] < log->size; i++) {
        while (at < log->catalog->n_segments && info_at(log, at)->lo < seals->range[i][0]) {
            at++;
        }
        if (at == log->catalog->n_segments || info_at(log, at)->lo != seals->range[i][0] ||
            info_at(log, at)->hi != seals->range[i][1]) {
            st = remove_blob(log, 's', seals->range[i][0], seals->range[i][1], err);
        }
    }
    return st;
}

/* A merge was cut short before it wrote the seal: the parts are still there, and count. */
static bool is_interrupted(const struct key_list *segments, const struct key_list *seals,
                           size_t i) {
    const uint64_t *range = segments->range[i];
    if (i == 0 || segments->range[i - 1][0] != range[0]) {
        return false;
    }
    for (size_t at = 0; at < seals->n; at++) {
        if (seals->range[at][0] == range[0] && seals->range[at][1] == range[1]) {
            return false;
        }
    }
    return true;
}

/* Of segments that overlap, the widest with a seal is the merged one; the others are left-overs of
 * a merge that was cut short, and are removed. */
static bool counts(const struct key_list *segments, const struct key_list *seals, size_t i) {
    if (is_interrupted(segments, seals, i)) {
        return false;
    }
    for (size_t wider = i + 1;
         wider < segments->n && segments->range[wider][0] == segments->range[i][0]; wider++) {
        if (!is_interrupted(segments, seals, wider)) {
            return false;
        }
    }
    return true;
}

static stele_status recover_segments(struct stele_log *log, stele_err *err) {
    struct key_list list = {.n = 0};
    struct key_list seals = {.n = 0};
    stele_status st = STELE_OK;
    uint64_t end = 0;
    STELE_TRY(list_blobs(log, 'i', &list, err));
    STELE_TRY(list_blobs(log, 's', &seals, err));
    for (size_t i = 0; i < list.n; i++) {
        uint64_t lo = list.range[i][0];
        uint64_t hi = list.range[i][1];
        if (hi <= end || !counts(&list, &seals, i)) {
            STELE_TRY(remove_blob(log, 'i', lo, hi, err));
            continue;
        }
        if (lo >= log->size) {
            break; /* of a pack that was not finished: it will be written again */
        }
        STELE_TRY(fill_hole(log, end, lo, err));
        if (lo < end || hi > log->size) {
            STELE_TRY(STELE_FAIL(
                err, CORRUPT,
                "log %s: the index segment of entries %" PRIu64 " to %" PRIu64
                " overlaps another or ends beyond the packs; remove it, and it is made again",
                log->full_name, lo, hi - 1));
        }
        STELE_TRY(add_segment(log, lo, hi, err));
        end = hi;
    }
    STELE_TRY(fill_hole(log, end, log->size, err));
    STELE_TRY(drop_seals(log, &seals, err));
cleanup:
    stele_free(list.range);
    stele_free(seals.range);
    return st;
}

stele_status stele_log__recover_blobs(struct stele_log *log, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(recover_packs(log, err));
    STELE_TRY(recover_segments(log, err));
cleanup:
    return st;
}
