/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/crash_writer.c: the process that crash tests kill. It opens a store, appends from
 * three threads while its clock runs through months, signs and reads in between, and reports every
 * acknowledgement (crash_wire.h). Packs of 256, a month each thousand events and an INDEX entry
 * every 20 ms make packing, merging, sealing and new eras go on all the time.
 *
 * It may also end itself at a chosen step (CRASH_STEP_AT).
 *
 * Usage: crash_writer FOLDER SEED NOW_US EVENTS; without events it only opens, and waits to be
 * killed
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fault/crash_wire.h"
#include "tests/support/engine_fault.h"
#include "tests/support/engine_step.h"
#include "tests/support/event_gen.h"
#include "tests/support/store_fixture.h"

#define DAY_US UINT64_C(86400000000)
#define STEP_US_MAX (DAY_US * 2 / 3)
#define BATCH_MAX 300
#define OPEN_TRIES_MAX 50
#define INDEX_INTERVAL_MS 20    /* INDEX entries among all the rest */
#define RECOVERY_TRIES_MAX 6000 /* of 5 ms */

static struct fixture fixture;
static pthread_mutex_t telling = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int64_t events_left;
static _Atomic bool bears; /* a disk that fails now and then */

static void tell(crash_kind kind, uint32_t log, uint64_t at, uint64_t time_us, const void *bytes,
                 size_t n_bytes) {
    struct crash_record head = {(uint32_t)kind, log, at, time_us, n_bytes};
    static uint8_t message[sizeof head + BATCH_MAX * STELE_HASH_BYTES];
    (void)pthread_mutex_lock(&telling);
    memcpy(message, &head, sizeof head);
    memcpy(message + sizeof head, bytes, n_bytes);
    size_t size = sizeof head + n_bytes;
    for (size_t done = 0; done < size;) {
        ssize_t n = write(CRASH_FD, message + done, size - done);
        if (n < 0) {
            _exit(5); /* nobody listens any more */
        }
        done += (size_t)n;
    }
    (void)pthread_mutex_unlock(&telling);
}

static void give_up(const char *doing, stele_status st, const stele_err *err) {
    char text[512];
    int n = snprintf(text, sizeof text, "%s: %s: %s (%s)", doing, stele_status_name(st), err->text,
                     err->where);
    tell(CRASH_FAILED, 0, 0, 0, text, n < 0 ? 0 : strlen(text));
    _exit(4);
}

/* Reports a call that failed, unless that is to be borne. */
static void bear(const char *doing, stele_status st, const stele_err *err) {
    bool of_disk = st == STELE_IO || st == STELE_NO_SPACE || st == STELE_CLOSED;
    if (!bears || !of_disk) {
        give_up(doing, st, err);
    }
    (void)usleep(5000);
}

/* The step to end at, if there is one, and those that have been made. */
static struct {
    bool watched, before, after;
    unsigned nth, n;
    char step[ENGINE_STEP_BYTES];
    bool told[ENGINE_STEPS + 1];
    pthread_mutex_t lock;
} last = {.lock = PTHREAD_MUTEX_INITIALIZER};

static stele_status meet_step(void *ctx, const char *step, bool after, stele_err *err) {
    (void)ctx;
    (void)err;
    (void)pthread_mutex_lock(&last.lock);
    size_t i = engine_step_find(step);
    bool is_last =
        (after ? last.after : last.before) && strcmp(step, last.step) == 0 && ++last.n == last.nth;
    if (is_last || !last.told[i]) {
        last.told[i] = true;
        tell(CRASH_STEP, 0, is_last, 0, step, strlen(step));
    }
    if (is_last) {
        (void)kill(getpid(), SIGKILL);
        (void)pause();
    }
    (void)pthread_mutex_unlock(&last.lock);
    return STELE_OK;
}

static void choose_step(void) {
    const char *text = getenv(CRASH_STEP_AT);
    char when[8];
    if (text != NULL && sscanf(text, "%7s %u %47[^\n]", when, &last.nth, last.step) == 3) {
        last.watched = true;
        last.before = strcmp(when, "before") == 0;
        last.after = strcmp(when, "after") == 0;
    }
}

static stele_status open_store(stele_err *err) {
    struct stele_engine *rocks = NULL;
    stele_status st = STELE_OK;
    if (last.watched) {
        st = stele_engine_rocks_open(fixture.dir, "eu-test", true, &rocks, err);
        if (st == STELE_OK) {
            st = engine_fault_new(rocks, &fixture.engine, err);
        }
        if (st == STELE_OK) {
            engine_fault_watch(fixture.engine, meet_step, NULL);
        }
    }
    return st == STELE_OK ? fixture_try_open(&fixture, false, err) : st;
}

struct appender {
    pthread_t thread;
    uint32_t log;
    struct rng rng;
};

static size_t batch_size(struct rng *rng) {
    switch (rng_below(rng, 8)) {
    case 0:
        return 1 + rng_below(rng, BATCH_MAX);
    case 1:
        return 1;
    default:
        return 1 + rng_below(rng, 24);
    }
}

static stele_status append_batch(struct appender *a, stele_buf *payload) {
    static const char *const tenants[] = {"acme", "globex", "initech", "umbrella"};
    stele_view view[BATCH_MAX];
    uint8_t digest[BATCH_MAX * STELE_HASH_BYTES];
    struct stele_batch_place place;
    stele_err err;
    size_t n = batch_size(&a->rng);
    uint64_t now = atomic_fetch_add(&fixture.now_us, rng_below(&a->rng, STEP_US_MAX));
    for (size_t i = 0; i < n; i++) {
        struct stele_gen_options options = {.region = "eu-test",
                                            .n_actors = 20,
                                            .n_resources = 20,
                                            .tenant = tenants[rng_below(&a->rng, 4)],
                                            .time_unix_nano =
                                                (now - rng_below(&a->rng, 3 * DAY_US)) * 1000};
        stele_buf_clear(&payload[i]);
        stele_gen_event(&a->rng, &options, &payload[i]);
        view[i] = stele_view_buf(&payload[i]);
        stele_sha256_of(view[i], digest + i * STELE_HASH_BYTES);
    }
    stele_status st = fixture_append(&fixture, crash_log_name[a->log], view, n, &place, &err);
    if (st == STELE_OK) {
        tell(CRASH_ACK, a->log, place.first_seq, place.time_us, digest, n * STELE_HASH_BYTES);
    } else {
        bear("append", st, &err);
    }
    atomic_fetch_sub(&events_left, (int64_t)n);
    return st;
}

static void *append_all(void *arg) {
    struct appender *a = arg;
    stele_buf payload[BATCH_MAX];
    memset(payload, 0, sizeof payload);
    stele_status st = STELE_OK;
    /* A disk that failed for a moment does not stop a log for ever. */
    for (int tries = 0; atomic_load(&events_left) > 0 || st != STELE_OK; tries++) {
        bears = bears && (st == STELE_OK || tries < RECOVERY_TRIES_MAX);
        tries = st == STELE_OK ? 0 : tries;
        st = append_batch(a, payload);
    }
    for (size_t i = 0; i < BATCH_MAX; i++) {
        stele_buf_done(&payload[i]);
    }
    return NULL;
}

/* Takes the newest checkpoint of one log, and reads an entry through a view that outlives it. */
static void sign_and_read(uint32_t l, struct rng *rng) {
    struct stele_log *log = stele_store_log(fixture.store, crash_log_name[l]);
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_checkpoint checkpoint;
    struct stele_stored_entry stored;
    stele_buf note = STELE_BUF_EMPTY;
    stele_err err;
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_view_open(log, &view, &err));
    uint64_t size = stele_log_view_size(view);
    STELE_TRY(
        stele_log_checkpoint(log, rng_below(rng, 2) == 0 ? size : 0, &note, &checkpoint, &err));
    tell(CRASH_NOTE, l, checkpoint.size_leaves, 0, checkpoint.root, STELE_HASH_BYTES);
    STELE_TRY(stele_log_reader_new(view, &reader, &err));
    STELE_TRY(stele_log_read(reader, rng_below(rng, size), &stored, &err));
cleanup:
    if (st != STELE_OK) {
        bear("checkpoint and read", st, &err);
    }
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    stele_buf_done(&note);
}

int main(int argc, char **argv) {
    struct appender appender[3] = {{.log = 1}, {.log = 1}, {.log = 0}};
    stele_err err;
    if (argc != 5) {
        (void)fprintf(stderr, "usage: crash_writer FOLDER SEED NOW_US EVENTS\n");
        return 2;
    }
    struct rng rng = {strtoull(argv[2], NULL, 10)};
    bears = getenv(CRASH_BEARS) != NULL;
    choose_step();
    fixture.pack_entries = ENGINE_STEP_PACK_ENTRIES;
    fixture.index_interval_ms = INDEX_INTERVAL_MS;
    fixture.quiet = bears;
    (void)snprintf(fixture.dir, sizeof fixture.dir, "%s", argv[1]);
    atomic_store(&fixture.now_us, strtoull(argv[3], NULL, 10));
    atomic_store(&events_left, strtoll(argv[4], NULL, 10));
    stele_status st = open_store(&err);
    for (int tries = 0; st != STELE_OK; tries++) {
        bears = bears && tries < OPEN_TRIES_MAX;
        bear("open", st, &err);
        st = open_store(&err);
    }
    tell(CRASH_READY, 0, 0, 0, "", 0);
    while (atomic_load(&events_left) == 0) {
        (void)pause();
    }
    for (size_t i = 0; i < 3; i++) {
        appender[i].rng.state = rng_next(&rng);
        if (pthread_create(&appender[i].thread, NULL, append_all, &appender[i]) != 0) {
            return 6;
        }
    }
    while (atomic_load(&events_left) > 0) {
        sign_and_read((uint32_t)rng_below(&rng, CRASH_LOGS), &rng);
        (void)usleep((useconds_t)rng_below(&rng, 8000));
    }
    for (size_t i = 0; i < 3; i++) {
        (void)pthread_join(appender[i].thread, NULL);
    }
    tell(CRASH_CLOSING, 0, 0, 0, "", 0);
    fixture_close(&fixture);
    tell(CRASH_CLOSED, 0, 0, 0, "", 0);
    return 0;
}
