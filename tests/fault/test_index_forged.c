/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_index_forged.c: an index segment that leaves a posting out, has one too many or
 * says other times, with the seal that fits it: nothing stored contradicts it but the events, which
 * fsck asks.
 */
#include <string.h>

#include "storage/fsck.h"
#include "storage/log_parts.h"
#include "tests/fault/batch_book.h"
#include "tests/support/malicious_store.h"

static struct fixture f;
static struct book book;

static void expect_fsck(const char *words) {
    struct stele_fsck_report report;
    stele_err err = {.status = STELE_OK};
    stele_status st = stele_fsck(f.store, NULL, NULL, &report, &err);
    assert_int_equal(st, words == NULL ? STELE_OK : STELE_CORRUPT);
    assert_true(words == NULL || strstr(err.text, words) != NULL);
}

static int make_store(void **state) {
    stele_err err;
    (void)state;
    book.rng = rng_start("forged index");
    book_clear(&book);
    fixture_init(&f);
    fixture_open(&f);
    for (int i = 0; i < 8; i++) {
        assert_ok(book_append(&book, &f, 40, &err)); /* one pack of 256 entries, and a tail */
        atomic_fetch_add(&f.now_us, 1000000);
    }
    fixture_wait_packed(&f, "3y");
    /* What committers would still sign would race with fsck, which is for stores nobody writes. */
    for (size_t i = 0; i < stele_store_n_logs(f.store); i++) {
        fixture_sign(stele_store_log_at(f.store, i));
    }
    expect_fsck(NULL);
    return 0;
}

static int remove_store(void **state) {
    (void)state;
    fixture_done(&f);
    book_done(&book);
    return 0;
}

static struct stele_log *log_of(void) {
    return stele_store_log(f.store, "3y");
}

static struct malicious_posting first_posting(void) {
    struct malicious_posting posting;
    struct stele_catalog *catalog = stele_log__pin(log_of());
    struct stele_segment_walker *walker = NULL;
    assert_ok(stele_segment_walk(catalog->segment[0]->segment, &walker, NULL));
    assert_ok(stele_segment_walk_next(walker, posting.tag, &posting.seq, NULL));
    stele_segment_walk_free(walker);
    stele_catalog_unref(catalog);
    return posting;
}

static void test_index_forged__a_posting_left_out_is_found(void **state) {
    struct malicious_posting posting = first_posting();
    (void)state;
    malicious_flip_posting(log_of(), &posting);
    expect_fsck("does not list what the events say");
}

static void test_index_forged__a_posting_too_many_is_found(void **state) {
    struct malicious_posting posting = first_posting();
    (void)state;
    memset(posting.tag, 0, sizeof posting.tag); /* of no key */
    malicious_flip_posting(log_of(), &posting);
    expect_fsck("does not list what the events say");
}

static void test_index_forged__other_times_are_found_at_the_next_start_too(void **state) {
    stele_err err;
    (void)state;
    malicious_forge_bounds(log_of());
    expect_fsck("says other times");
    fixture_close(&f);
    assert_ok(fixture_try_open(&f, true, &err));
    expect_fsck("says other times");
}

/* Neither fsck nor a start believes keys that do not ascend; only an audit reads them, to show
 * them. */
static void test_index_forged__keys_out_of_order_are_refused(void **state) {
    const enum disorder hows[] = {DISORDER_EXCHANGED, DISORDER_TWICE};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const struct disorder_plan how = {hows[i % 2], i >= 2};
        stele_err err;
        if (i > 0) {
            (void)remove_store(NULL);
            (void)make_store(NULL);
        }
        malicious_disorder(log_of(), &how);
        expect_fsck("segment"); /* the test opened it for the forger */
        fixture_close(&f);
        stele_status st = fixture_try_open(&f, true, &err);
        assert_int_equal(st, how.across ? STELE_CORRUPT : STELE_OK);
        if (st == STELE_OK) {
            expect_fsck("segment");
        }
    }
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, make_store, remove_store)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_index_forged__a_posting_left_out_is_found),
        TEST(test_index_forged__a_posting_too_many_is_found),
        TEST(test_index_forged__keys_out_of_order_are_refused),
        TEST(test_index_forged__other_times_are_found_at_the_next_start_too),
    };
    return cmocka_run_group_tests_name("forged index", tests, NULL, NULL);
}
