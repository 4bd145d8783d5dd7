/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/indexer.c: appends INDEX entries: when there is something new and a while has passed, and
 * when someone waits for one. One thread a store.
 *
 * Invariant: a manifest is offered only after its INDEX entry is durable, and M never falls. Ingest
 * never waits for it: segments are made from published entries, without the log's lock; the
 * committer writes one more entry. While packing is behind, which is when the machine has the least
 * to give, an INDEX covers what is packed and costs next to nothing; only who asks gets everything.
 */
#include <assert.h>
#include <time.h>

#include "storage/index_tail.h"
#include "storage/log_parts.h"
#include "storage/manifest.h"
#include "storage/monotonic.h"
#include "storage/seal.h"
#include "storage/thread.h"

/* A failed try is repeated soon, and the log says why to whoever waits. */
#define RETRY_US 200000u
#define INTERVAL_MS_DEFAULT 2000u
#define SPACING_MS_DEFAULT 1000u

/* What one INDEX entry is made from: the log at one moment. */
struct round {
    struct stele_log *log;
    struct stele_catalog *catalog;
    struct stele_manifest *before; /* NULL: none since the start */
    uint64_t covered;              /* M */
    size_t n_epochs;
    struct stele_epoch
        *epoch;        /* of each era from the first unpacked unit on; as many as units at most */
    size_t first_tail; /* units from here on are in no segment of the catalog */
};

static void round_done(struct round *round) {
    stele_catalog_unref(round->catalog);
    stele_manifest_unref(round->before);
    stele_free(round->epoch);
}

/* The EPOCHs of the unpacked units' eras, from the state. Under the log's lock. */
static stele_status take_epochs(struct round *round, stele_err *err) {
    const struct stele_catalog *catalog = round->catalog;
    stele_status st = STELE_OK;
    round->epoch = stele_alloc(catalog->n_units - round->first_tail + 1, sizeof *round->epoch);
    if (round->epoch == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to index log %s", round->log->full_name);
    }
    for (size_t i = round->first_tail;
         i < catalog->n_units && catalog->unit[i]->lo < round->covered; i++) {
        uint32_t era = catalog->unit[i]->era;
        if (round->n_epochs == 0 || round->epoch[round->n_epochs - 1].era != era) {
            STELE_TRY(stele_control_epoch_of(&round->log->head.state, era,
                                             &round->epoch[round->n_epochs], err));
            round->n_epochs++;
        }
    }
cleanup:
    return st;
}

/* Under the log's lock: what to cover. Everything, if someone waits for it or packing keeps up. */
static stele_status round_begin(struct round *round, struct stele_log *log, stele_err *err) {
    *round = (struct round){
        .log = log, .catalog = log->catalog, .before = log->manifest, .covered = log->size};
    stele_catalog_ref(round->catalog);
    if (round->before != NULL) {
        atomic_fetch_add_explicit(&round->before->refs, 1, memory_order_relaxed);
    }
    uint64_t packed = stele_catalog_segments_end(round->catalog);
    if (log->n_unpacked > 0 && packed > log->covered && packed >= log->index_wanted) {
        round->covered = packed;
    }
    round->first_tail = round->catalog->n_units;
    while (round->first_tail > 0 && round->catalog->unit[round->first_tail - 1]->lo >= packed) {
        round->first_tail--;
    }
    return take_epochs(round, err);
}

static const struct stele_epoch *epoch_of(const struct round *round, uint32_t era) {
    size_t i = 0;
    while (i + 1 < round->n_epochs && round->epoch[i].era != era) {
        i++;
    }
    return &round->epoch[i];
}

static bool opens_era(const struct round *round, size_t unit) {
    const struct stele_catalog *catalog = round->catalog;
    return unit == 0 || catalog->unit[unit - 1]->era != catalog->unit[unit]->era;
}

/* Where a unit's covered entries end. */
static uint64_t unit_end(const struct round *round, const struct stele_unit *unit) {
    uint64_t hi = atomic_load_explicit(&unit->hi, memory_order_acquire);
    return hi < round->covered ? hi : round->covered;
}

/* The same segment of the manifest before, with a reference; NULL if it had no such one. */
static struct stele_segment_ref *segment_before(const struct round *round, uint64_t lo,
                                                uint64_t hi) {
    const struct stele_manifest *before = round->before;
    size_t at = before == NULL ? 0 : stele_manifest_segment_of(before, lo);
    if (before == NULL || at == before->n || before->descriptor[at].info.lo != lo ||
        before->descriptor[at].info.hi != hi) {
        return NULL;
    }
    atomic_fetch_add_explicit(&before->segment[at]->refs, 1, memory_order_relaxed);
    return before->segment[at];
}

static stele_status add_tail(struct round *round, size_t i, struct stele_manifest *manifest,
                             stele_err *err) {
    const struct stele_unit *unit = round->catalog->unit[i];
    bool first = opens_era(round, i);
    uint64_t hi = unit_end(round, unit);
    stele_status st = STELE_OK;
    for (uint64_t at = unit->lo; at < hi;) {
        uint64_t end = stele_index_tail_end(unit, first, at, hi);
        struct stele_segment_ref *segment = segment_before(round, at, end);
        if (segment == NULL) {
            STELE_TRY(
                stele_index_tail_build(unit, at, end, epoch_of(round, unit->era), &segment, err));
        }
        stele_manifest__add(manifest, segment, stele_seal_descriptor(segment->seal));
        stele_segment_ref_unref(segment);
        at = end;
    }
cleanup:
    return st;
}

static stele_status make_manifest(struct round *round, struct stele_manifest **ret,
                                  stele_err *err) {
    const struct stele_catalog *catalog = round->catalog;
    struct stele_manifest *manifest = NULL;
    stele_status st = STELE_OK;
    size_t n = catalog->n_segments;
    for (size_t i = round->first_tail;
         i < catalog->n_units && catalog->unit[i]->lo < round->covered; i++) {
        n += stele_index_tail_count(catalog->unit[i], opens_era(round, i),
                                    unit_end(round, catalog->unit[i]));
    }
    STELE_TRY(stele_manifest__new(n, &manifest, err));
    for (size_t i = 0; i < catalog->n_segments; i++) {
        stele_manifest__add(manifest, catalog->segment[i],
                            stele_seal_descriptor(catalog->segment[i]->seal));
    }
    for (size_t i = round->first_tail;
         i < catalog->n_units && catalog->unit[i]->lo < round->covered; i++) {
        STELE_TRY(add_tail(round, i, manifest, err));
    }
    assert(manifest->covered == round->covered && manifest->n == n);
    *ret = manifest;
    manifest = NULL;
cleanup:
    stele_manifest_unref(manifest);
    return st;
}

/* Offers the manifest; what came meanwhile is due an interval later. */
static void publish(struct stele_log *log, struct stele_manifest *manifest) {
    uint64_t now = stele_monotonic_us();
    (void)pthread_mutex_lock(&log->lock);
    struct stele_manifest *old = log->manifest;
    log->manifest = manifest;
    log->index_failed.status = STELE_OK;
    log->index_next_us = now + (uint64_t)log->indexer->spacing_ms * 1000u;
    bool more =
        log->data_end > manifest->covered && log->indexer->interval_ms != STELE_INDEX_NO_TIMER;
    log->index_due_us = more ? now + (uint64_t)log->indexer->interval_ms * 1000u : 0;
    (void)pthread_cond_broadcast(&log->moved);
    (void)pthread_mutex_unlock(&log->lock);
    stele_manifest_unref(old);
}

/* A failure is told to those who wait, and to the operator once until it is over. */
static void failed(struct stele_log *log, const stele_err *err) {
    (void)pthread_mutex_lock(&log->lock);
    bool told = log->index_failed.status != STELE_OK;
    log->index_failed = *err;
    log->index_next_us = stele_monotonic_us() + RETRY_US;
    (void)pthread_cond_broadcast(&log->moved);
    (void)pthread_mutex_unlock(&log->lock);
    if (!told) {
        stele_store__report(log->store, log->full_name, err);
    }
}

/* The committer's thread: what follows is the indexer's. */
static void index_done(void *arg, stele_status st, const stele_err *err,
                       const struct stele_batch_place *place) {
    struct stele_log *log = arg;
    (void)place;
    (void)pthread_mutex_lock(&log->lock);
    log->index_answered = true;
    log->index_answer.status = STELE_OK;
    if (st != STELE_OK) {
        log->index_answer = *err;
    }
    (void)pthread_mutex_unlock(&log->lock);
    stele_indexer__wake(log->indexer);
}

/* The entry is in the queue that events take; nobody waits for it here, because a log whose disk is
 * full would hold up the others. */
static stele_status submit(struct stele_log *log, struct stele_manifest *manifest, stele_err *err) {
    (void)pthread_mutex_lock(&log->lock);
    log->index_pending = manifest;
    log->index_answered = false;
    (void)pthread_mutex_unlock(&log->lock);
    stele_status st = stele_log__submit_index(log, manifest, index_done, log, err);
    if (st != STELE_OK) {
        (void)pthread_mutex_lock(&log->lock);
        log->index_pending = NULL;
        (void)pthread_mutex_unlock(&log->lock);
    }
    return st;
}

static void settle(struct stele_log *log) {
    struct stele_manifest *manifest = NULL;
    stele_err answer;
    (void)pthread_mutex_lock(&log->lock);
    answer = log->index_answer;
    if (log->index_answered) {
        manifest = log->index_pending;
        log->index_pending = NULL;
        log->index_answered = false;
    }
    (void)pthread_mutex_unlock(&log->lock);
    if (manifest != NULL && answer.status == STELE_OK) {
        publish(log, manifest);
    } else if (manifest != NULL) {
        failed(log, &answer);
        stele_manifest_unref(manifest);
    }
}

static void index_once(struct stele_log *log) {
    struct round round;
    struct stele_manifest *manifest = NULL;
    stele_err err;
    (void)pthread_mutex_lock(&log->lock);
    stele_status st = round_begin(&round, log, &err);
    (void)pthread_mutex_unlock(&log->lock);
    STELE_TRY(st);
    STELE_TRY(make_manifest(&round, &manifest, &err));
    STELE_TRY(submit(log, manifest, &err));
    manifest = NULL;
cleanup:
    if (st != STELE_OK) {
        failed(log, &err);
    }
    stele_manifest_unref(manifest);
    round_done(&round);
}

/* When the next INDEX entry of a log is due; UINT64_MAX if none is wanted. */
static uint64_t due_us(struct stele_log *log) {
    uint64_t due = UINT64_MAX;
    (void)pthread_mutex_lock(&log->lock);
    uint64_t offered = log->manifest == NULL ? 0 : log->manifest->covered;
    if (log->index_pending != NULL) {
        due = UINT64_MAX; /* its answer wakes this thread */
    } else if (log->index_wanted > offered) {
        due = log->index_next_us;
    } else if (log->index_due_us != 0) {
        due = log->index_due_us > log->index_next_us ? log->index_due_us : log->index_next_us;
    }
    if (due != UINT64_MAX && log->stopped.status != STELE_OK) {
        due = stele_monotonic_us() + RETRY_US; /* nobody says when the log goes on */
    }
    (void)pthread_mutex_unlock(&log->lock);
    return due;
}

/* An INDEX entry if one is due. When the next one is. */
static uint64_t index_if_due(struct stele_log *log) {
    settle(log);
    uint64_t due = due_us(log);
    if (due > stele_monotonic_us()) {
        return due;
    }
    index_once(log);
    return due_us(log);
}

bool stele_log__index_arm(struct stele_log *log) {
    if (log->index_due_us != 0 || log->indexer->interval_ms == STELE_INDEX_NO_TIMER) {
        return false;
    }
    log->index_due_us = stele_monotonic_us() + (uint64_t)log->indexer->interval_ms * 1000u;
    return true;
}

/* Sleeps until something may be due. False when the store stops. */
static bool indexer_waits(struct stele_indexer *indexer, uint64_t until_us) {
    struct timespec until = {.tv_sec = (time_t)(until_us / 1000000u),
                             .tv_nsec = (long)(until_us % 1000000u) * 1000};
    int timed_out = 0;
    (void)pthread_mutex_lock(&indexer->lock);
    while (!indexer->woken && !indexer->stopping && timed_out == 0) {
        timed_out = until_us == UINT64_MAX
                        ? pthread_cond_wait(&indexer->wake, &indexer->lock)
                        : pthread_cond_timedwait(&indexer->wake, &indexer->lock, &until);
    }
    indexer->woken = false;
    bool stopping = indexer->stopping;
    (void)pthread_mutex_unlock(&indexer->lock);
    return !stopping;
}

static void *run(void *arg) {
    struct stele_indexer *indexer = arg;
    uint64_t next_us = 0;
    do {
        next_us = UINT64_MAX;
        for (size_t i = 0; i < stele_store_n_logs(indexer->store); i++) {
            uint64_t due = index_if_due(stele_store_log_at(indexer->store, i));
            next_us = due < next_us ? due : next_us;
        }
    } while (indexer_waits(indexer, next_us));
    return NULL;
}

void stele_indexer__init(struct stele_indexer *indexer, struct stele_store *store,
                         const struct stele_store_config *config) {
    pthread_condattr_t monotonic;
    indexer->store = store;
    indexer->interval_ms =
        config->index_interval_ms == 0 ? INTERVAL_MS_DEFAULT : config->index_interval_ms;
    indexer->spacing_ms =
        config->index_spacing_ms == 0 ? SPACING_MS_DEFAULT : config->index_spacing_ms;
    (void)pthread_mutex_init(&indexer->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&indexer->wake, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

stele_status stele_indexer__start(struct stele_indexer *indexer, stele_err *err) {
    if (stele_store__read_only(indexer->store)) {
        return STELE_OK;
    }
    for (size_t i = 0; i < stele_store_n_logs(indexer->store); i++) {
        struct stele_log *log = stele_store_log_at(indexer->store, i);
        (void)pthread_mutex_lock(&log->lock);
        if (log->data_end > log->covered) {
            (void)stele_log__index_arm(
                log); /* what came before the last stop and no INDEX covers */
        }
        (void)pthread_mutex_unlock(&log->lock);
    }
    int failed = stele_thread_start(&indexer->thread, "index", run, indexer);
    if (failed != 0) {
        return STELE_FAIL_ERRNO(err, failed, "region %s: its indexer thread cannot start",
                                stele_store_region(indexer->store));
    }
    indexer->runs = true;
    return STELE_OK;
}

void stele_indexer__wake(struct stele_indexer *indexer) {
    (void)pthread_mutex_lock(&indexer->lock);
    indexer->woken = true;
    (void)pthread_cond_signal(&indexer->wake);
    (void)pthread_mutex_unlock(&indexer->lock);
}

void stele_indexer__stop(struct stele_indexer *indexer) {
    if (indexer->runs) {
        (void)pthread_mutex_lock(&indexer->lock);
        indexer->stopping = true;
        (void)pthread_cond_signal(&indexer->wake);
        (void)pthread_mutex_unlock(&indexer->lock);
        (void)pthread_join(indexer->thread, NULL);
        indexer->runs = false;
    }
}

void stele_indexer__done(struct stele_indexer *indexer) {
    (void)pthread_mutex_destroy(&indexer->lock);
    (void)pthread_cond_destroy(&indexer->wake);
}
