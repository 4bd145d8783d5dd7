/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_checkpoints.c: a checkpoint is on disk before anyone sees it: while its record
 * cannot be written the older one is given out, and what was given out is in a copy of the store
 * made at that moment.
 */
#include <pthread.h>
#include <string.h>

#include "tests/support/engine_fault.h"
#include "tests/support/event_gen.h"
#include "tests/support/store_fixture.h"
#include "tests/support/temp_folder.h"

static struct fixture f;
static struct rng rng;
static _Atomic bool fails;
static _Atomic unsigned n_failed;

static stele_status fail_notes(void *ctx, const char *step, bool after, stele_err *err) {
    (void)ctx;
    if (atomic_load(&fails) && !after && strncmp(step, "checkpoint:", 11) == 0) {
        (void)atomic_fetch_add(&n_failed, 1);
        return STELE_FAIL(err, IO, "no note may be written now");
    }
    return STELE_OK;
}

static void open_watched(void) {
    struct stele_engine *inner = NULL;
    assert_ok(stele_engine_rocks_open(f.dir, "eu-test", true, &inner, NULL));
    assert_ok(engine_fault_new(inner, &f.engine, NULL));
    engine_fault_watch(f.engine, fail_notes, NULL);
    fixture_open(&f);
}

/* Tries until it is taken: a note that failed stops the log for a moment. */
static uint64_t append_one(void) {
    struct stele_gen_options options = {.region = "eu-test",
                                        .time_unix_nano = atomic_load(&f.now_us) * 1000};
    struct stele_batch_place place = {0};
    stele_buf payload = STELE_BUF_EMPTY;
    stele_err err;
    stele_gen_event(&rng, &options, &payload);
    stele_view view = stele_view_buf(&payload);
    while (fixture_append(&f, "3y", &view, 1, &place, &err) != STELE_OK) {
        assert_true(err.status == STELE_IO || err.status == STELE_CLOSED);
    }
    stele_buf_done(&payload);
    return place.first_seq + 1;
}

static uint64_t newest(uint64_t min_size) {
    struct stele_checkpoint checkpoint = {.size_leaves = 0};
    stele_buf note = STELE_BUF_EMPTY;
    assert_ok(
        stele_log_checkpoint(stele_store_log(f.store, "3y"), min_size, &note, &checkpoint, NULL));
    stele_buf_done(&note);
    return checkpoint.size_leaves;
}

static void test_checkpoints__none_is_shown_before_it_is_stored(void **state) {
    stele_buf note = STELE_BUF_EMPTY;
    stele_err err;
    (void)state;
    rng = rng_start("checkpoints");
    fixture_init(&f);
    f.quiet = true;
    open_watched();
    uint64_t before = newest(append_one());
    atomic_store(&fails, true);
    uint64_t size = append_one();
    for (int i = 0; i < 20; i++) {
        stele_status st =
            stele_log_checkpoint(stele_store_log(f.store, "3y"), size, &note, NULL, &err);
        assert_true(st == STELE_IO);
        assert_int_equal(newest(0), before);
    }
    assert_true(atomic_load(&n_failed) > 0);
    atomic_store(&fails, false);
    while (stele_log_checkpoint(stele_store_log(f.store, "3y"), size, &note, NULL, &err) !=
           STELE_OK) {
        assert_int_equal(err.status, STELE_IO);
    }
    assert_true(newest(0) >= size);
    stele_buf_done(&note);
    fixture_done(&f);
}

static void test_checkpoints__one_that_was_shown_is_in_the_store(void **state) {
    char folder[TEMP_FOLDER_BYTES];
    struct fixture copy = {.pack_entries = 256};
    stele_err err;
    (void)state;
    fixture_init(&f);
    fixture_open(&f);
    temp_folder_make(folder);
    (void)snprintf(copy.dir, sizeof copy.dir, "%.50s/copy", folder);
    for (int i = 0; i < 5; i++) {
        uint64_t shown = newest(append_one());
        temp_folder_copy(f.dir, copy.dir);
        atomic_store(&copy.now_us, atomic_load(&f.now_us));
        if (fixture_try_open(&copy, true, &err) != STELE_OK) {
            fail_msg("the copy: %s (%s)", err.text, err.where);
        }
        struct stele_checkpoint stored;
        stele_buf note = STELE_BUF_EMPTY;
        assert_ok(stele_log_checkpoint(stele_store_log(copy.store, "3y"), 0, &note, &stored, NULL));
        assert_true(stored.size_leaves >= shown);
        stele_buf_done(&note);
        fixture_close(&copy);
        temp_folder_remove(copy.dir);
    }
    temp_folder_remove(folder);
    fixture_done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checkpoints__none_is_shown_before_it_is_stored),
        cmocka_unit_test(test_checkpoints__one_that_was_shown_is_in_the_store),
    };
    return cmocka_run_group_tests_name("checkpoints", tests, NULL, NULL);
}
