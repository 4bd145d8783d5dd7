/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_index_failed.c: an INDEX entry whose append fails, be its record there or not.
 * Nobody is given a manifest that the log does not commit to.
 */
#include <string.h>
#include <unistd.h>

#include "storage/engine_rocks.h"
#include "storage/log_parts.h"
#include "storage/manifest.h"
#include "tests/fault/batch_book.h"
#include "tests/support/engine_fault.h"

#define WAIT_MS 20000u
#define TRIES_MAX 2000

static struct fixture f;
static struct book book;
static struct stele_engine *faulty;

static int start(void **state) {
    struct stele_engine *rocks = NULL;
    stele_err err;
    (void)state;
    book.rng = rng_start("failed index");
    book_clear(&book);
    fixture_init(&f);
    f.quiet = true;
    assert_ok(stele_engine_rocks_open(f.dir, "eu-test", true, &rocks, &err));
    assert_ok(engine_fault_new(rocks, &faulty, &err));
    f.engine = faulty;
    fixture_open(&f);
    return 0;
}

static int stop(void **state) {
    (void)state;
    fixture_done(&f);
    book_done(&book);
    return 0;
}

/* The log has the INDEX entry of this manifest, where it says. */
static void expect_committed(struct stele_log *log, const struct stele_manifest *manifest) {
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    stele_err err;
    assert_ok(stele_log_view_open(log, &view, &err));
    assert_true(manifest->index_seq < stele_log_view_size(view));
    assert_ok(stele_log_reader_new(view, &reader, &err));
    assert_ok(stele_log_read(reader, manifest->index_seq, &stored, &err));
    assert_int_equal(stored.entry.type, STELE_ENTRY_INDEX);
    assert_int_equal(stored.n_bytes, sizeof manifest->index_entry);
    assert_memory_equal(stored.bytes, manifest->index_entry, sizeof manifest->index_entry);
    stele_log_reader_free(reader);
    stele_log_view_close(view);
}

static void fail_one(bool took_effect) {
    const struct engine_fault fault = {ENGINE_FAULT_APPEND, 1, 1, STELE_IO, took_effect};
    struct stele_log *log = stele_store_log(f.store, "3y");
    struct stele_manifest *manifest = NULL;
    stele_buf note = STELE_BUF_EMPTY;
    stele_err err;
    assert_ok(book_append(&book, &f, 20, &err));
    /* Signed: what is appended next is the INDEX. */
    assert_ok(stele_log_checkpoint(log, log->size, &note, NULL, &err));
    stele_buf_done(&note);
    engine_fault_set(faulty, &fault);
    stele_status st = stele_log_seal(log, 0, WAIT_MS, &manifest, &err);
    assert_true(engine_fault_struck(faulty));
    for (int tries = 0; st == STELE_IO && tries < TRIES_MAX; tries++) { /* until the log goes on */
        (void)usleep(10000);
        st = stele_log_seal(log, 0, WAIT_MS, &manifest, &err);
    }
    if (st != STELE_OK) {
        fail_msg("seal: %s: %s (%s)", stele_status_name(st), err.text, err.where);
    }
    engine_fault_set(faulty, NULL);
    expect_committed(log, manifest);
    stele_manifest_unref(manifest);
}

static void test_index_failed__a_lost_entry_gives_no_manifest(void **state) {
    (void)state;
    for (int round = 0; round < 5; round++) {
        fail_one(false);
    }
}

static void test_index_failed__nor_does_one_that_landed(void **state) {
    (void)state;
    for (int round = 0; round < 5; round++) {
        fail_one(true);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_index_failed__a_lost_entry_gives_no_manifest, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_index_failed__nor_does_one_that_landed, start, stop),
    };
    return cmocka_run_group_tests_name("failed index", tests, NULL, NULL);
}
