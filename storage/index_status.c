/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/index_status.c: what callers ask of a log's index: how far it is, and that it covers what
 * is there. Who asks only waits: the indexer appends.
 */
#include <inttypes.h>
#include <time.h>

#include "storage/log_parts.h"
#include "storage/manifest.h"
#include "storage/monotonic.h"

static stele_status why_not(struct stele_log *log, stele_err *err) {
    if (log->stopped.status != STELE_OK) {
        if (err != NULL) {
            *err = log->stopped;
        }
        return log->stopped.status;
    }
    if (log->stopping || !log->running) {
        return STELE_FAIL(
            err, CLOSED, "log %s is %s: nothing is appended to its index", log->full_name,
            stele_store__read_only(log->store) ? "open for reading only" : "shutting down");
    }
    return STELE_OK;
}

/* Waits until the manifest covers `target`. Under the log's lock. */
static stele_status wait_covered(struct stele_log *log, uint64_t target, uint32_t wait_ms,
                                 stele_err *err) {
    const struct timespec until = stele_monotonic_in_ms(wait_ms);
    stele_status st = STELE_OK;
    int timed_out = 0;
    while (st == STELE_OK && (log->manifest == NULL || log->manifest->covered < target)) {
        st = why_not(log, err);
        if (st == STELE_OK && timed_out != 0) {
            bool failing = log->index_failed.status != STELE_OK;
            st = STELE_FAIL(err, BUSY,
                            "log %s: its index covers %" PRIu64 " of %" PRIu64
                            " entries after %" PRIu32 " ms; %s%.120s",
                            log->full_name, log->covered, target, wait_ms,
                            failing ? "it cannot go on: " : "ask again later",
                            failing ? log->index_failed.text : "");
        }
        if (st == STELE_OK) {
            timed_out = pthread_cond_timedwait(&log->moved, &log->lock, &until);
        }
    }
    return st;
}

uint64_t stele_log_data_time_us(struct stele_log *log) {
    (void)pthread_mutex_lock(&log->lock);
    uint64_t time_us = log->data_time_us;
    (void)pthread_mutex_unlock(&log->lock);
    return time_us;
}

/* Everything logged before this time is covered. */
static uint64_t complete_until_us(const struct stele_manifest *manifest) {
    return manifest->covered == manifest->index_seq
               ? manifest->index_time_us
               : manifest->descriptor[manifest->n - 1].info.t_last;
}

/* M that is wanted. A newer INDEX entry of an idle log covers one entry more: the INDEX entry
 * before it. Under the log's lock. */
static uint64_t target_of(const struct stele_log *log, uint64_t as_of_us) {
    bool old = log->manifest != NULL && complete_until_us(log->manifest) < as_of_us;
    return old ? log->size : log->data_end;
}

static stele_status seal_once(struct stele_log *log, uint64_t as_of_us, uint32_t wait_ms,
                              stele_err *err) {
    (void)pthread_mutex_lock(&log->lock);
    uint64_t target = target_of(log, as_of_us);
    bool there = log->manifest != NULL && log->manifest->covered >= target;
    log->index_wanted = target > log->index_wanted ? target : log->index_wanted;
    (void)pthread_mutex_unlock(&log->lock);
    if (!there) {
        stele_indexer__wake(log->indexer);
    }
    (void)pthread_mutex_lock(&log->lock);
    stele_status st = wait_covered(log, target, wait_ms, err);
    (void)pthread_mutex_unlock(&log->lock);
    return st;
}

stele_status stele_log_seal(struct stele_log *log, uint64_t as_of_us, uint32_t wait_ms,
                            struct stele_manifest **ret, stele_err *err) {
    stele_status st = STELE_OK;
    /* A second time if an EPOCH or an event came between the manifest and its INDEX entry; what
     * came after that was not there when the caller asked. */
    for (int i = 0; i < (as_of_us > 0 ? 2 : 1) && st == STELE_OK; i++) {
        st = seal_once(log, as_of_us, wait_ms, err);
    }
    if (st == STELE_OK) {
        st = stele_log_manifest(log, ret, err);
    }
    return st;
}

/* When the entry was logged, or a little before; UINT64_MAX: no such entry. ret_is_index: it is
 * known to be one. */
static uint64_t time_of(const struct stele_catalog *catalog, uint64_t seq, bool *ret_is_index) {
    struct stele_unit_cursor cursor;
    struct stele_item item;
    const struct stele_unit *unit = stele_catalog_unit_of(catalog, seq);
    *ret_is_index = false;
    if (unit == NULL) {
        return UINT64_MAX;
    }
    uint64_t time_us = atomic_load_explicit(&unit->t_first, memory_order_relaxed);
    stele_unit_cursor_init(&cursor);
    if (unit->tail != NULL && stele_unit_cursor_enter(&cursor, unit, NULL) == STELE_OK &&
        stele_unit_item(&cursor, seq, &item, NULL) == STELE_OK) {
        time_us = item.time_us;
        *ret_is_index = item.kind == STELE_ITEM_INDEX;
    }
    stele_unit_cursor_done(&cursor);
    return time_us;
}

/* When the first entry was logged that the index still owes: not an INDEX entry, which may have
 * stood there while the log was idle. A few at most follow each other. */
static uint64_t owed_since(const struct stele_catalog *catalog, uint64_t seq) {
    bool is_index = true;
    uint64_t time_us = UINT64_MAX;
    for (unsigned i = 0; i < 16 && is_index; i++) {
        time_us = time_of(catalog, seq + i, &is_index);
    }
    return time_us;
}

void stele_log_index_status(struct stele_log *log, struct stele_index_status *ret) {
    struct stele_index_status status = {.index_seq = STELE_NO_SEQ};
    (void)pthread_mutex_lock(&log->lock);
    struct stele_catalog *catalog = log->catalog;
    stele_catalog_ref(catalog);
    status.size = log->size;
    status.era = log->now_era;
    status.covered = log->covered;
    status.lag_entries = log->data_end > log->covered ? log->data_end - log->covered : 0;
    if (log->manifest != NULL) {
        status.index_seq = log->manifest->index_seq;
        status.index_time_us = log->manifest->index_time_us;
        status.n_segments = log->manifest->n;
    }
    (void)pthread_mutex_unlock(&log->lock);
    if (status.lag_entries > 0) {
        uint64_t now = stele_store_now_us(log->store);
        uint64_t since = owed_since(catalog, status.covered);
        status.lag_us = since < now ? now - since : 0;
    }
    stele_catalog_unref(catalog);
    *ret = status;
}
