/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_indexer.c: INDEX entries and their manifests, against what the log's entries say.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage/log_parts.h"
#include "storage/manifest.h"
#include "storage/engine_rocks.h"
#include "tests/support/engine_fault.h"
#include "tests/support/event_gen.h"
#include "tests/support/index_model.h"
#include "tests/support/store_fixture.h"

#define DAY_US UINT64_C(86400000000)
#define WAIT_MS 60000 /* of what comes at once, but for a machine that is busy */

struct bed {
    struct fixture f;
    struct rng rng;
    uint64_t n_events;
};

static struct stele_log *log_of(struct bed *bed) {
    return stele_store_log(bed->f.store, "3y");
}

static void append(struct bed *bed, const char *log, size_t n) {
    stele_buf payload[STELE_BATCH_EVENTS_MAX];
    stele_view views[STELE_BATCH_EVENTS_MAX] = {{NULL, 0}};
    struct stele_batch_place place;
    stele_err err = {0};
    for (size_t i = 0; i < n; i++) {
        uint64_t now = atomic_load(&bed->f.now_us);
        uint64_t event_us =
            rng_below(&bed->rng, 20) == 0 ? now - DAY_US * (2 + rng_below(&bed->rng, 300)) : now;
        const char *tenant = rng_below(&bed->rng, 3) == 0 ? "globex" : "acme";
        struct stele_gen_options options = {.region = "eu-test",
                                            .tenant = tenant,
                                            .n_actors = 40,
                                            .n_resources = 30,
                                            .time_unix_nano = event_us * 1000};
        payload[i] = STELE_BUF_EMPTY;
        stele_gen_event(&bed->rng, &options, &payload[i]);
        views[i] = stele_view_buf(&payload[i]);
    }
    stele_status st = fixture_append(&bed->f, log, views, n, &place, &err);
    if (st != STELE_OK) {
        fail_msg("append: %s: %s (%s)", stele_status_name(st), err.text, err.where);
    }
    for (size_t i = 0; i < n; i++) {
        stele_buf_done(&payload[i]);
    }
    bed->n_events += n;
}

static void start(struct bed *bed, const char *test) {
    fixture_init(&bed->f);
    bed->rng = rng_start(test);
    bed->n_events = 0;
}

static struct stele_manifest *seal(struct bed *bed) {
    struct stele_manifest *manifest = NULL;
    stele_err err = {0};
    stele_status st = stele_log_seal(log_of(bed), 0, WAIT_MS, &manifest, &err);
    if (st != STELE_OK) {
        fail_msg("seal: %s: %s (%s)", stele_status_name(st), err.text, err.where);
    }
    return manifest;
}

/* Of a manifest that its caller gives up. */
static void check_manifest(struct bed *bed, struct stele_manifest *manifest) {
    index_model_check(log_of(bed), manifest);
    stele_manifest_unref(manifest);
}

static size_t count_entries(struct stele_log *log, stele_entry_type type) {
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    size_t n = 0;
    stele_err err;
    assert_ok(stele_log_view_open(log, &view, &err));
    assert_ok(stele_log_reader_new(view, &reader, &err));
    for (uint64_t seq = 0; seq < stele_log_view_size(view); seq++) {
        assert_ok(stele_log_read(reader, seq, &stored, &err));
        n += stored.entry.type == type ? 1 : 0;
    }
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    return n;
}

/* One step of a log's life, chosen by chance. */
static void step(struct bed *bed) {
    if (!fixture_disturb(&bed->f, "3y", &bed->rng, 12)) {
        append(bed, "3y", 1 + rng_below(&bed->rng, rng_below(&bed->rng, 3) == 0 ? 400 : 30));
    }
}

static void test_indexer__every_manifest_is_what_the_entries_say(void **state) {
    struct bed bed;
    uint64_t covered = 0;
    (void)state;
    start(&bed, "index");
    fixture_open(&bed.f);
    for (size_t round = 0; round < 12; round++) {
        for (size_t i = 0; i < 6; i++) {
            step(&bed);
        }
        struct stele_manifest *manifest = seal(&bed);
        assert_true(manifest->covered >= covered);
        covered = manifest->covered;
        check_manifest(&bed, manifest);
    }
    fixture_done(&bed.f);
}

static void index_answered(void *arg, stele_status st, const stele_err *err,
                           const struct stele_batch_place *place) {
    (void)place;
    stele_append__tell(arg, st, err);
}

/* An INDEX entry whose append failed can land after all, and be adopted when the next one is made
 * already, from what the log was before: what covers less is refused then, and nothing is appended.
 */
static void test_indexer__what_covers_less_than_an_adopted_entry_is_refused(void **state) {
    struct bed bed;
    struct stele_append_wait wait = STELE_APPEND_WAIT_INIT;
    struct stele_manifest *earlier = NULL;
    stele_err err = {.status = STELE_OK};
    (void)state;
    start(&bed, "covers less");
    fixture_open(&bed.f);
    append(&bed, "3y", 20);
    struct stele_manifest *first = seal(&bed);
    assert_ok(stele_manifest__new(first->n, &earlier, &err));
    for (size_t i = 0; i < first->n; i++) {
        stele_manifest__add(earlier, first->segment[i], &first->descriptor[i]);
    }
    append(&bed, "3y", 20);
    struct stele_manifest *second = seal(&bed);
    assert_true(second->covered > first->covered);
    assert_ok(stele_log__submit_index(log_of(&bed), earlier, index_answered, &wait, &err));
    assert_int_equal(stele_append__await(&wait, &err), STELE_BUSY);
    assert_non_null(strstr(err.text, "covers more"));
    assert_int_equal(count_entries(log_of(&bed), STELE_ENTRY_INDEX), 2);
    stele_manifest_unref(earlier);
    stele_manifest_unref(first);
    stele_manifest_unref(second);
    fixture_done(&bed.f);
}

/* Packs as large as they are by default: the tail is several segments, and those that are complete
 * are taken over. */
static void test_indexer__a_tail_of_several_segments(void **state) {
    struct bed bed;
    struct stele_manifest *before = NULL;
    (void)state;
    start(&bed, "index_tail");
    bed.f.pack_entries = 65536;
    fixture_open(&bed.f);
    for (size_t i = 0; i < 3; i++) {
        append(&bed, "3y", 1000);
        append(&bed, "3y", 1000);
        append(&bed, "3y", 1000);
        struct stele_manifest *manifest = seal(&bed);
        index_model_check(log_of(&bed), manifest);
        assert_int_equal(manifest->n,
                         i == 0 ? 1 : 2); /* less than 4,096; 4,096 and a rest; 8,192 and a rest */
        stele_manifest_unref(before);
        before = manifest;
        if (i == 1) {
            append(&bed, "3y", 20);
            manifest = seal(&bed);
            assert_ptr_equal(manifest->segment[0], before->segment[0]);
            check_manifest(&bed, manifest);
        }
    }
    stele_manifest_unref(before);
    fixture_done(&bed.f);
}

/* A manifest that is held proves what it says after its segments were merged away. */
static void test_indexer__a_held_manifest_outlives_a_merge(void **state) {
    struct bed bed;
    struct stele_posting_cursor *cursor = NULL;
    stele_err err;
    (void)state;
    start(&bed, "index_merge");
    fixture_open(&bed.f);
    for (size_t i = 0; i < 8; i++) {
        append(&bed, "3y", 200);
    }
    fixture_wait_packed(&bed.f, "3y");
    struct stele_manifest *held = seal(&bed);
    assert_true(held->n > 4);
    /* The month's end lets all of it be merged. */
    atomic_fetch_add(&bed.f.now_us, DAY_US * 31);
    append(&bed, "3y", 1);
    bool merged = false;
    for (size_t i = 0; i < 6000 && !merged; i++) {
        struct stele_manifest *manifest = seal(&bed);
        merged = manifest->n < held->n;
        stele_manifest_unref(manifest);
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        append(&bed, "3y", 1);
    }
    assert_true(merged);
    for (size_t i = 0; i < held->n; i++) {
        struct stele_segment_walker *walker = NULL;
        uint8_t tag[STELE_TAG_BYTES];
        uint64_t seq = 0;
        uint64_t n = 0;
        stele_status st = STELE_OK;
        assert_ok(stele_segment_walk(held->segment[i]->segment, &walker, &err));
        while ((st = stele_segment_walk_next(walker, tag, &seq, &err)) == STELE_OK) {
            n++;
        }
        assert_status(st, END);
        assert_int_equal(n, held->descriptor[i].info.n_postings);
        stele_segment_walk_free(walker);
    }
    stele_posting_cursor_free(cursor);
    struct stele_manifest *newest = seal(&bed);
    check_manifest(&bed, newest);
    stele_manifest_unref(held);
    fixture_done(&bed.f);
}

static void test_indexer__nothing_new_makes_no_entry(void **state) {
    struct bed bed;
    struct stele_index_status status;
    (void)state;
    start(&bed, "index_idle");
    fixture_open(&bed.f);
    append(&bed, "3y", 10);
    struct stele_manifest *first = seal(&bed);
    struct stele_manifest *second = seal(&bed);
    assert_ptr_equal(first, second);
    assert_int_equal(first->index_seq, first->covered); /* nothing came between */
    stele_log_index_status(log_of(&bed), &status);
    assert_int_equal(status.size, first->covered + 1);
    assert_int_equal(status.covered, first->covered);
    assert_int_equal(status.index_seq, first->index_seq);
    assert_int_equal(status.index_time_us, first->index_time_us);
    assert_int_equal(status.n_segments, first->n);
    assert_int_equal(status.lag_entries, 0);
    assert_int_equal(status.lag_us, 0);
    atomic_fetch_add(&bed.f.now_us, 60000000); /* idle: nothing is owed */
    append(&bed, "3y", 7);
    atomic_fetch_add(&bed.f.now_us, 5000000);
    stele_log_index_status(log_of(&bed), &status);
    assert_int_equal(status.size, first->covered + 8);
    assert_int_equal(status.lag_entries, 8); /* the INDEX entry before them is not covered either */
    assert_in_range(status.lag_us, 5000000, 59999999);
    stele_manifest_unref(first);
    stele_manifest_unref(second);
    fixture_done(&bed.f);
}

static void test_indexer__no_manifest_outlives_the_store(void **state) {
    struct bed bed;
    struct stele_manifest *manifest = NULL;
    struct stele_index_status status;
    stele_err err;
    (void)state;
    start(&bed, "index_restart");
    fixture_open(&bed.f);
    assert_status(stele_log_manifest(log_of(&bed), &manifest, &err), NOT_FOUND);
    append(&bed, "3y", 600);
    manifest = seal(&bed);
    uint64_t covered = manifest->covered;
    stele_manifest_unref(manifest);
    fixture_close(&bed.f);
    assert_ok(fixture_try_open(&bed.f, true, &err));
    assert_status(stele_log_manifest(log_of(&bed), &manifest, &err), NOT_FOUND);
    assert_status(stele_log_seal(log_of(&bed), 0, 1000, &manifest, &err), CLOSED);
    stele_log_index_status(log_of(&bed), &status);
    assert_int_equal(status.covered, covered);
    assert_int_equal(status.index_seq, STELE_NO_SEQ);
    fixture_close(&bed.f);
    fixture_open(&bed.f);
    stele_log_index_status(log_of(&bed), &status);
    assert_int_equal(status.covered, covered);
    assert_int_equal(status.size, covered + 1); /* opening appended nothing */
    assert_status(stele_log_manifest(log_of(&bed), &manifest, &err), NOT_FOUND);
    manifest = seal(&bed);
    assert_true(manifest->covered > covered);
    check_manifest(&bed, manifest);
    fixture_done(&bed.f);
}

static void test_indexer__the_timer_covers_what_came_and_stops(void **state) {
    struct bed bed;
    struct stele_index_status status;
    (void)state;
    start(&bed, "index_timer");
    bed.f.index_interval_ms = 20;
    fixture_open(&bed.f);
    append(&bed, "3y", 300);
    append(&bed, "system", 3);
    for (size_t i = 0; i < stele_store_n_logs(bed.f.store); i++) {
        struct stele_log *log = stele_store_log_at(bed.f.store, i);
        do {
            stele_log_index_status(log, &status);
            (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        } while (status.lag_entries > 0); /* the test's own time limit ends it */
        uint64_t size = status.size;
        (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        stele_log_index_status(log, &status);
        assert_int_equal(status.size, size);
    }
    struct stele_manifest *manifest = NULL;
    stele_err err;
    assert_ok(stele_log_manifest(log_of(&bed), &manifest, &err));
    check_manifest(&bed, manifest);
    fixture_done(&bed.f);
}

static uint64_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void *seal_often(void *arg) {
    struct bed *bed = arg;
    for (size_t i = 0; i < 4; i++) {
        stele_manifest_unref(seal(bed));
    }
    return NULL;
}

static void test_indexer__callers_within_the_spacing_share_an_entry(void **state) {
    struct bed bed;
    pthread_t thread[8];
    struct stele_manifest *manifest = NULL;
    stele_err err;
    (void)state;
    start(&bed, "index_rate");
    bed.f.index_spacing_ms = 150;
    fixture_open(&bed.f);
    append(&bed, "3y", 5);
    uint64_t began = now_ms();
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, seal_often, &bed), 0);
    }
    for (size_t i = 0; i < 40; i++) {
        append(&bed, "3y", 1);
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    }
    size_t n = count_entries(log_of(&bed), STELE_ENTRY_INDEX);
    assert_true(n >= 1);
    assert_true(n <= (now_ms() - began) / 150 + 1);
    /* One that may not come yet is waited for no longer than asked. */
    fixture_close(&bed.f);
    bed.f.index_spacing_ms = 600000;
    fixture_open(&bed.f);
    manifest = seal(&bed);
    stele_manifest_unref(manifest);
    append(&bed, "3y", 1);
    assert_status(stele_log_seal(log_of(&bed), 0, 20, &manifest, &err), BUSY);
    assert_non_null(strstr(err.text, "its index covers"));
    fixture_done(&bed.f);
}

struct writer {
    struct bed *bed;
    atomic_bool stop;
    atomic_uint_fast64_t n;
};

static void *write_on(void *arg) {
    struct writer *w = arg;
    while (!atomic_load(&w->stop)) {
        append(w->bed, "3y", 1 + rng_below(&w->bed->rng, 100));
        atomic_fetch_add(&w->n, 1);
    }
    return NULL;
}

/* Every manifest covers what was acknowledged before it was asked for; M never falls; events go on
 * coming. */
static void test_indexer__events_come_while_the_log_is_sealed(void **state) {
    struct bed bed;
    struct writer w = {.bed = &bed};
    pthread_t thread;
    uint64_t covered = 0;
    (void)state;
    start(&bed, "index_busy");
    fixture_open(&bed.f);
    assert_int_equal(pthread_create(&thread, NULL, write_on, &w), 0);
    for (size_t i = 0; i < 40; i++) {
        struct stele_index_status status;
        uint64_t written = atomic_load(&w.n);
        stele_log_index_status(log_of(&bed), &status);
        struct stele_manifest *manifest = seal(&bed);
        assert_true(manifest->covered + 1 >= status.size); /* but for an INDEX entry at the end */
        assert_true(manifest->covered >= covered && manifest->covered <= manifest->index_seq);
        covered = manifest->covered;
        stele_manifest_unref(manifest);
        while (atomic_load(&w.n) == written) { /* the test's own time limit ends it */
            (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
    }
    atomic_store(&w.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    check_manifest(&bed, seal(&bed));
    fixture_done(&bed.f);
}

/* A seal that may have to wait for longer than it does, or comes with a checkpoint that is due. */
static void ask_in_vain(struct bed *bed) {
    struct stele_manifest *manifest = NULL;
    stele_err err;
    stele_status st = stele_log_seal(log_of(bed), 0, 50, &manifest, &err);
    assert_true(st == STELE_OK || st == STELE_BUSY);
    stele_manifest_unref(manifest);
}

/* The blobs of one log cannot be written: its packing stands, its events and its INDEX entry wait.
 * Other logs are sealed all the same, and the store can be closed. */
static void test_indexer__a_log_that_waits_for_its_disk_holds_up_no_other(void **state) {
    struct bed bed;
    struct stele_manifest *manifest = NULL;
    struct stele_engine *rocks = NULL;
    struct stele_engine *faulty = NULL;
    const struct engine_fault fault = {ENGINE_FAULT_BLOB_COMMIT, 1, UINT64_MAX, STELE_NO_SPACE, 0};
    stele_err err;
    (void)state;
    start(&bed, "index_disk");
    bed.f.quiet = true;
    assert_ok(stele_engine_rocks_open(bed.f.dir, "eu-test", true, &rocks, &err));
    assert_ok(engine_fault_new(rocks, &faulty, &err));
    bed.f.engine = faulty;
    fixture_open(&bed.f);
    engine_fault_set(faulty, &fault);
    for (size_t i = 0; i < 8; i++) {
        append(&bed, "3y", 256); /* units of 256: the last but one closes the eighth */
    }
    (void)pthread_mutex_lock(&log_of(&bed)->lock);
    assert_int_equal(log_of(&bed)->n_unpacked, 8);
    (void)pthread_mutex_unlock(&log_of(&bed)->lock);
    ask_in_vain(&bed);
    assert_ok(stele_log_seal(stele_store_log(bed.f.store, "1y"), 0, WAIT_MS, &manifest, &err));
    stele_manifest_unref(manifest);
    engine_fault_set(faulty, NULL);
    fixture_wait_packed(&bed.f, "3y");
    check_manifest(&bed, seal(&bed));
    engine_fault_set(faulty, &fault);
    for (size_t i = 0; i < 8; i++) {
        append(&bed, "3y", 256);
    }
    ask_in_vain(&bed);
    fixture_done(&bed.f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_indexer__every_manifest_is_what_the_entries_say),
        cmocka_unit_test(test_indexer__what_covers_less_than_an_adopted_entry_is_refused),
        cmocka_unit_test(test_indexer__a_tail_of_several_segments),
        cmocka_unit_test(test_indexer__a_held_manifest_outlives_a_merge),
        cmocka_unit_test(test_indexer__nothing_new_makes_no_entry),
        cmocka_unit_test(test_indexer__no_manifest_outlives_the_store),
        cmocka_unit_test(test_indexer__the_timer_covers_what_came_and_stops),
        cmocka_unit_test(test_indexer__callers_within_the_spacing_share_an_entry),
        cmocka_unit_test(test_indexer__events_come_while_the_log_is_sealed),
        cmocka_unit_test(test_indexer__a_log_that_waits_for_its_disk_holds_up_no_other),
    };
    return cmocka_run_group_tests_name("indexer", tests, NULL, NULL);
}
