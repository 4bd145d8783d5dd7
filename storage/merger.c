/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/merger.c: neighbouring index segments of a log, and their seals, become larger ones.
 *
 * Invariant: every segment is the part within its era of a span of 2^k entries that is aligned to
 * its size, or the whole of an era that is over, which nothing is merged with. So seals merge from
 * seals.
 */
#include <assert.h>
#include <string.h>

#include "storage/leaf_window.h"
#include "storage/log_parts.h"
#include "storage/monotonic.h"
#include "storage/pack.h"

/* Spans of an era that still grows: sixteen segments make the next, from the smallest packs of 2^8
 * on. */
static const unsigned merge_shift[] = {12, 16, 20, 24};
#define N_MERGE_LEVELS (sizeof merge_shift / sizeof merge_shift[0])
/* What is left of an era that is over becomes one segment; if it is more than merge at a time,
 * spans of these sizes first. 2^60 entries are no limit. */
#define OVER_SHIFT_MIN 28u
#define OVER_SHIFT_MAX 60u
#define OVER_SHIFT_STEP 4u

static const struct stele_segment_info *info_of(const struct stele_catalog *catalog, size_t i) {
    return stele_segment_info_of(catalog->segment[i]->segment);
}

struct run {
    size_t at, n; /* segments; n 0: none */
};

/* The segments from `at` on that lie in the same aligned span of 2^shift entries and era. */
static struct run run_from(const struct stele_catalog *catalog, size_t at, unsigned shift) {
    const struct stele_segment_info *first = info_of(catalog, at);
    struct run run = {at, 1};
    while (at + run.n < catalog->n_segments && info_of(catalog, at + run.n)->era == first->era &&
           (info_of(catalog, at + run.n)->hi - 1) >> shift == first->lo >> shift) {
        run.n++;
    }
    return run;
}

/* Nothing is to come between this run and the segment after it. */
static bool is_whole(const struct stele_catalog *catalog, struct run run, unsigned shift) {
    const struct stele_segment_info *last = info_of(catalog, run.at + run.n - 1);
    bool over =
        run.at + run.n < catalog->n_segments && info_of(catalog, run.at + run.n)->era != last->era;
    return over || last->hi % (UINT64_C(1) << shift) == 0;
}

static struct run find_span(const struct stele_catalog *catalog, unsigned shift) {
    struct run run = {0, 0};
    for (size_t at = 0; at < catalog->n_segments; at += run.n) {
        run = run_from(catalog, at, shift);
        if (run.n > 1 && run.n <= STELE_SEGMENT_FANIN_MAX && is_whole(catalog, run, shift)) {
            return run;
        }
    }
    return (struct run){0, 0};
}

/* In an era that is over: all of it, or as much as merges at a time. */
static struct run find_over(const struct stele_catalog *catalog) {
    struct run era = {0, 0};
    for (size_t at = 0; at < catalog->n_segments; at += era.n) {
        era = run_from(catalog, at, 63);
        if (era.n == 1 || at + era.n == catalog->n_segments) {
            continue;
        }
        if (era.n <= STELE_SEGMENT_FANIN_MAX) {
            return era;
        }
        for (unsigned shift = OVER_SHIFT_MIN; shift <= OVER_SHIFT_MAX; shift += OVER_SHIFT_STEP) {
            for (size_t i = at; i < at + era.n;) {
                struct run run = run_from(catalog, i, shift);
                if (run.n > 1 && run.n <= STELE_SEGMENT_FANIN_MAX) {
                    return run;
                }
                i += run.n;
            }
        }
    }
    return (struct run){0, 0};
}

static struct run find_run(const struct stele_catalog *catalog) {
    struct run run = {0, 0};
    for (size_t level = 0; level < N_MERGE_LEVELS && run.n == 0; level++) {
        run = find_span(catalog, merge_shift[level]);
    }
    return run.n == 0 ? find_over(catalog) : run;
}

/* ------------------------------------------------------------------ merging */
struct sink {
    struct stele_log *log;
    struct stele_blob_writer *blob;
};

/* Merging an era takes minutes, which nobody who closes the store waits for. */
static stele_status write_blob(void *ctx, stele_view bytes, stele_err *err) {
    struct sink *sink = ctx;
    if (stele_store__stopping(sink->log->store)) {
        return STELE_FAIL(err, CLOSED,
                          "log %s: the store is being closed; merging goes on after the next start",
                          sink->log->full_name);
    }
    return sink->log->engine->ops->blob_write(sink->blob, bytes, err);
}

/* Commits if `st` is OK, else aborts. */
static stele_status close_sink(struct sink *sink, stele_status st, stele_err *err) {
    if (sink->blob != NULL && st == STELE_OK) {
        return sink->log->engine->ops->blob_commit(sink->blob, NULL, err);
    }
    if (sink->blob != NULL) {
        sink->log->engine->ops->blob_abort(sink->blob);
    }
    return st;
}

struct parts {
    struct stele_segment *segment[STELE_SEGMENT_FANIN_MAX];
    struct stele_seal *seal[STELE_SEGMENT_FANIN_MAX];
    size_t n;
};

static stele_status merge_segments(struct stele_log *log, const char *key,
                                   const struct parts *parts, stele_err *err) {
    struct sink sink = {log, NULL};
    stele_status st = log->engine->ops->blob_begin(log->engine, key, &sink.blob, err);
    if (st == STELE_OK) {
        st = stele_segment_merge(parts->segment, parts->n, write_blob, &sink, err);
    }
    return close_sink(&sink, st, err);
}

/* The merged segment is stored; its seal comes from those of its parts. Where their spans overlap,
 * which only segments of another version do, it is built from postings. */
static stele_status merge_seals(struct stele_log *log, const struct stele_catalog *catalog,
                                const char *key, const struct parts *parts, stele_err *err) {
    struct stele_segment_ref *merged = NULL;
    struct sink sink = {log, NULL};
    struct stele_leaf_window window;
    struct stele_descriptor descriptor;
    stele_status st = STELE_OK;
    stele_leaf_window_init(&window, catalog);
    if (!stele_seal_can_merge(parts->segment, parts->n)) {
        st = stele_segment_ref_seal(log->engine, key, NULL, 0, stele_leaf_window_source(&window),
                                    err);
        goto cleanup;
    }
    STELE_TRY(stele_segment_ref_open_bare(log->engine, key, &merged, err));
    const struct stele_seal_parts seals = {merged->segment, parts->segment, parts->seal, parts->n};
    st = log->engine->ops->blob_begin(log->engine, merged->seal_key, &sink.blob, err);
    if (st == STELE_OK) {
        st = stele_seal_merge(&seals, stele_leaf_window_source(&window), write_blob, &sink,
                              &descriptor, err);
    }
    st = close_sink(&sink, st, err);
cleanup:
    stele_leaf_window_done(&window);
    stele_segment_ref_unref(merged);
    return st;
}

/* A merge of sixteen packs takes half a second of a processor. While a log grows by more than a
 * pack a second it waits, unless so many segments stand side by side that a question for one key,
 * which reads a block of each, would take milliseconds more. */
#define LARGE_PACKS 8u
#define GROWS_US 1000000u
#define SEGMENTS_SIDE_BY_SIDE 192u

static bool is_large(const struct stele_log *log, const struct stele_catalog *catalog,
                     struct run run) {
    uint64_t n_entries = info_of(catalog, run.at + run.n - 1)->hi - info_of(catalog, run.at)->lo;
    return n_entries >= LARGE_PACKS * (uint64_t)log->pack_entries;
}

static bool gives_way(struct stele_log *log, const struct stele_catalog *catalog, struct run run) {
    uint64_t packed_us = atomic_load(&log->packed_us);
    return is_large(log, catalog, run) && catalog->n_segments < SEGMENTS_SIDE_BY_SIDE &&
           packed_us != 0 && stele_monotonic_us() - packed_us < GROWS_US;
}

/* The newest INDEX entry still commits to the parts. In a log that grows the next one is never far;
 * in one that is idle it would be, and until then proofs name each part and the parts take room. */
static void want_index(struct stele_log *log) {
    (void)pthread_mutex_lock(&log->lock);
    bool wake = stele_log__index_arm(log);
    (void)pthread_mutex_unlock(&log->lock);
    if (wake) {
        stele_indexer__wake(log->indexer);
    }
}

static stele_status merge_run(struct stele_log *log, const struct stele_catalog *catalog,
                              struct run run, stele_err *err) {
    struct stele_segment_ref *merged = NULL;
    struct parts parts = {.n = run.n};
    char key[STELE_BLOB_KEY_MAX];
    stele_status st = STELE_OK;
    assert(run.n > 1 && run.n <= STELE_SEGMENT_FANIN_MAX);
    for (size_t i = 0; i < run.n; i++) {
        parts.segment[i] = catalog->segment[run.at + i]->segment;
        parts.seal[i] = catalog->segment[run.at + i]->seal;
    }
    stele_pack_key(log->name, 'i', info_of(catalog, run.at)->lo,
                   info_of(catalog, run.at + run.n - 1)->hi, key);
    STELE_TRY(merge_segments(log, key, &parts, err));
    STELE_TRY(merge_seals(log, catalog, key, &parts, err));
    STELE_TRY(stele_segment_ref_open(log->engine, key, &merged, err));
    /* Only this thread takes segments away, so that places below the end hold for the catalog of
     * now. */
    struct stele_catalog_edit edit = {
        .segment_at = run.at, .segments_out = run.n, .segments_in = 1, .segments = &merged};
    STELE_TRY(stele_log__edit(log, &edit, 0, err));
    for (size_t i = 0; i < run.n; i++) {
        atomic_store(&catalog->segment[run.at + i]->superseded, true);
    }
    if (is_large(log, catalog, run)) {
        want_index(log);
    }
cleanup:
    stele_segment_ref_unref(merged);
    return st;
}

stele_status stele_log__merge_one(struct stele_log *log, bool *ret_did, stele_err *err) {
    struct stele_catalog *catalog = stele_log__pin(log);
    struct run run = find_run(catalog);
    stele_status st = STELE_OK;
    *ret_did = false;
    if (run.n > 0 && gives_way(log, catalog, run)) {
        st =
            STELE_FAIL(err, BUSY, "log %s: merging waits while the log grows fast", log->full_name);
    } else if (run.n > 0) {
        *ret_did = true;
        st = merge_run(log, catalog, run, err);
    }
    stele_catalog_unref(catalog);
    return st;
}
