/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_failed_sync.c: a store whose syncs fail now and then with EIO: an append whose
 * sync failed is refused, and by nobody taken for stored until it was read back; the other logs of
 * the region do not notice.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/fault/batch_book.h"
#include "tests/fault/sync_count.h"

#define DAY_US UINT64_C(86400000000)
#define TRIES_MAX 1000

static struct fixture f;
static struct book book;

static void fail_sync(const char *part, uint64_t nth, uint64_t n_fail) {
    sync_count_fail(part, nth, n_fail, EIO);
}

static stele_status append_other(void) {
    struct stele_gen_options options = {.region = "eu-test",
                                        .time_unix_nano = atomic_load(&f.now_us) * 1000};
    struct stele_batch_place place = {0};
    stele_buf payload = STELE_BUF_EMPTY;
    stele_err err;
    stele_gen_event(&book.rng, &options, &payload);
    stele_view view = stele_view_buf(&payload);
    stele_status st = fixture_append(&f, "1y", &view, 1, &place, &err);
    stele_buf_done(&payload);
    if (st != STELE_OK) {
        (void)printf("the other log: %s: %s (%s)\n", stele_status_name(st), err.text, err.where);
    }
    return st;
}

static void start(const char *test) {
    book.rng = rng_start(test);
    book_clear(&book);
    fixture_init(&f);
    f.quiet = true;
    fixture_open(&f);
}

static void append_until_taken(void) {
    stele_err err;
    stele_status st = book_append(&book, &f, 1 + rng_below(&book.rng, 80), &err);
    for (int tries = 0; st != STELE_OK; tries++) {
        if ((st != STELE_IO && st != STELE_CLOSED) || tries == TRIES_MAX) {
            fail_msg("append: %s: %s (%s)", stele_status_name(st), err.text, err.where);
        }
        (void)usleep(10000);
        st = book_append(&book, &f, 1, &err);
    }
}

static void test_failed_sync__is_one_logs_own_trouble(void **state) {
    stele_err err;
    (void)state;
    start("failed sync, two logs");
    for (int round = 0; round < 10; round++) {
        append_until_taken();
        assert_ok(append_other());
        fail_sync("/db/", 1, 1);
        stele_status st = book_append(&book, &f, 3, &err);
        fail_sync("/db/", 0, 0);
        /* A checkpoint may have met it instead; then the append has waited for the log to come
         * back. If it was the other log's own, that one is stopped for a moment. */
        assert_true(st == STELE_OK || st == STELE_IO);
        stele_status other = append_other();
        for (int tries = 0; st == STELE_OK && other == STELE_IO && tries < TRIES_MAX; tries++) {
            (void)usleep(10000);
            other = append_other();
        }
        assert_ok(other);
    }
    (void)book_fsck(&book, &f);
    fixture_done(&f);
}

static void test_failed_sync__loses_nothing_and_passes(void **state) {
    (void)state;
    start("failed syncs");
    for (int round = 0; round < 90; round++) {
        if (round % 3 == 0) {
            static const char *const part[] = {"/db/", "/blobs/", "/"};
            fail_sync(part[rng_below(&book.rng, 3)], 1 + rng_below(&book.rng, 12),
                      1 + rng_below(&book.rng, 3));
        }
        atomic_fetch_add(&f.now_us, rng_below(&book.rng, DAY_US));
        append_until_taken();
    }
    fail_sync("/", 0, 0);
    fixture_wait_packed(&f, "3y");
    (void)printf("failed syncs: %zu batches, %zu refused, %zu of them adopted\n", book.n_batches,
                 book_n_refused(&book), book_check(&book, &f));
    assert_true(book_n_refused(&book) > 10);
    (void)book_fsck(&book, &f);
    fixture_done(&f);
    book_done(&book);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed_sync__is_one_logs_own_trouble),
        cmocka_unit_test(test_failed_sync__loses_nothing_and_passes),
    };
    return cmocka_run_group_tests_name("failed sync", tests, NULL, NULL);
}
