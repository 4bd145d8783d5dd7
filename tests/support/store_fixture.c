/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/store_fixture.c: a real store for tests. */
#include "tests/support/store_fixture.h"

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/event_map.h"
#include "storage/log_parts.h"

static uint64_t fixture_clock(void *ctx) {
    struct fixture *f = ctx;
    return atomic_load(&f->now_us);
}

static void print_report(void *ctx, const char *log, const stele_err *err) {
    struct fixture *f = ctx;
    atomic_fetch_add(&f->n_reports, 1);
    if (f->quiet) {
        return;
    }
    (void)fprintf(stderr, "report: %s: %s: %s (%s)\n", log, stele_status_name(err->status),
                  err->text, err->where);
}

void fixture_init(struct fixture *f) {
    *f = (struct fixture){.pack_entries = 256};
    (void)strcpy(f->dir, "/tmp/stele-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    atomic_store(&f->now_us, FIXTURE_START_US);
}

stele_status fixture_try_open(struct fixture *f, bool read_only, stele_err *err) {
    static const struct stele_log_config logs[] = {{.name = "system", .retention_years = 7},
                                                   {.name = "3y", .retention_years = 3},
                                                   {.name = "1y", .retention_years = 1}};
    struct stele_store_config config = {
        .dir = f->dir,
        .region = "eu-test",
        .operator_domain = "example.org",
        .logs = logs,
        .n_logs = 3,
        .map = stele_event_map_current(),
        .clock = fixture_clock,
        .clock_ctx = f,
        .create = !read_only && !f->never_create,
        .read_only = read_only,
        .not_before = f->not_before,
        .n_not_before = f->n_not_before,
        .checkpoint_interval_ms = 50,
        .pack_entries = f->pack_entries,
        .index_interval_ms =
            f->index_interval_ms == 0 ? STELE_INDEX_NO_TIMER : f->index_interval_ms,
        .index_spacing_ms = f->index_spacing_ms == 0 ? 1 : f->index_spacing_ms,
        .report = print_report,
        .report_ctx = f,
        .engine = f->engine};
    f->engine = NULL;
    return stele_store_open(&config, &f->store, err);
}

void fixture_open(struct fixture *f) {
    stele_err err;
    stele_status st = fixture_try_open(f, false, &err);
    if (st != STELE_OK) {
        fail_msg("open: %s: %s (%s)", stele_status_name(st), err.text, err.where);
    }
}

void fixture_close(struct fixture *f) {
    stele_store_close(f->store);
    f->store = NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void fixture_done(struct fixture *f) {
    fixture_close(f);
    (void)nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool done;
    stele_status st;
    stele_err err;
    struct stele_batch_place place;
};

static void on_done(void *arg, stele_status st, const stele_err *err,
                    const struct stele_batch_place *place) {
    struct waiter *w = arg;
    (void)pthread_mutex_lock(&w->lock);
    w->st = st;
    w->place = *place;
    if (st != STELE_OK) {
        w->err = *err;
    }
    w->done = true;
    (void)pthread_cond_signal(&w->moved);
    (void)pthread_mutex_unlock(&w->lock);
}

stele_status fixture_append(struct fixture *f, const char *log, const stele_view *payloads,
                            size_t n, struct stele_batch_place *ret, stele_err *err) {
    struct waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};
    struct stele_batch *batch = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(stele_batch_new(stele_store_log(f->store, log), &batch, err));
    for (size_t i = 0; i < n; i++) {
        STELE_TRY(stele_batch_add(batch, payloads[i], err));
    }
    STELE_TRY(stele_batch_submit(batch, on_done, &w, err));
    batch = NULL;
    (void)pthread_mutex_lock(&w.lock);
    while (!w.done) {
        (void)pthread_cond_wait(&w.moved, &w.lock);
    }
    (void)pthread_mutex_unlock(&w.lock);
    *ret = w.place;
    st = w.st;
    if (st != STELE_OK && err != NULL) {
        *err = w.err;
    }
cleanup:
    stele_batch_free(batch);
    return st;
}

void fixture_wait_packed(struct fixture *f, const char *name) {
    struct stele_log *log = stele_store_log(f->store, name);
    (void)pthread_mutex_lock(&log->lock);
    while (log->n_unpacked > 0) {
        (void)pthread_cond_wait(&log->moved, &log->lock);
    }
    (void)pthread_mutex_unlock(&log->lock);
}

/* Segments of eras that are over; those of the newest merge in spans larger than a test's log. */
static bool is_merged(struct stele_log *log) {
    struct stele_catalog *catalog = stele_log__pin(log);
    bool merged = true;
    for (size_t i = 1; i + 1 < catalog->n_segments; i++) {
        uint32_t before = stele_segment_info_of(catalog->segment[i - 1]->segment)->era;
        uint32_t era = stele_segment_info_of(catalog->segment[i]->segment)->era;
        uint32_t last =
            stele_segment_info_of(catalog->segment[catalog->n_segments - 1]->segment)->era;
        merged = merged && (era != before || era == last);
    }
    stele_catalog_unref(catalog);
    return merged;
}

void fixture_wait_merged(struct fixture *f, const char *name) {
    fixture_wait_packed(f, name);
    while (!is_merged(stele_store_log(f->store, name))) {
        (void)usleep(1000);
    }
}

bool fixture_disturb(struct fixture *f, const char *log, struct rng *rng, uint64_t one_in) {
    const uint64_t day_us = UINT64_C(86400000000);
    uint32_t era = 0;
    switch (rng_below(rng, one_in)) {
    case 0:
        atomic_fetch_add(&f->now_us, day_us * rng_below(rng, 40));
        return true;
    case 1:
        assert_ok(stele_log_cut_era(stele_store_log(f->store, log), &era, NULL));
        return true;
    case 2:
        fixture_close(f);
        fixture_open(f);
        return true;
    case 3:
        fixture_wait_packed(f, log);
        return true;
    default:
        return false;
    }
}

void fixture_sign(struct stele_log *log) {
    struct stele_checkpoint signed_last = {.size_leaves = 0};
    uint64_t size = 0;
    do {
        struct stele_log_view *view = NULL;
        stele_buf note = STELE_BUF_EMPTY;
        assert_ok(stele_log_view_open(log, &view, NULL));
        size = stele_log_view_size(view);
        stele_log_view_close(view);
        assert_ok(stele_log_checkpoint(log, size, &note, &signed_last, NULL));
        stele_buf_done(&note);
    } while (signed_last.size_leaves != size);
}
