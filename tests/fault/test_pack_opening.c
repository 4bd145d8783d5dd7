/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_pack_opening.c: a store of so many packs that several threads open them: all of
 * it is there, and of those that do not open the first is named, whichever thread met it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "storage/pack.h"
#include "tests/fault/batch_book.h"

#define PACK_ENTRIES 256u
#define N_BATCHES 150
#define BATCH 120

static struct fixture f;
static struct book book;

static int make_store(void **state) {
    stele_err err;
    (void)state;
    book.rng = rng_start("pack opening");
    fixture_init(&f);
    f.pack_entries = PACK_ENTRIES;
    fixture_open(&f);
    for (int i = 0; i < N_BATCHES; i++) {
        assert_ok(book_append(&book, &f, BATCH, &err));
    }
    fixture_wait_packed(&f, "3y");
    fixture_close(&f);
    return 0;
}

static int remove_store(void **state) {
    (void)state;
    fixture_done(&f);
    book_done(&book);
    return 0;
}

/* Turns the last byte of the nth pack over: twice, and it is as it was. */
static void turn(uint64_t nth) {
    char key[STELE_BLOB_KEY_MAX];
    char path[320];
    stele_pack_key("3y", 'p', nth * PACK_ENTRIES, (nth + 1) * PACK_ENTRIES, key);
    (void)snprintf(path, sizeof path, "%s/blobs/%s", f.dir, key);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -1, SEEK_END), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, -1, SEEK_END), 0);
    assert_int_equal(fputc(byte ^ 0xff, file), byte ^ 0xff);
    assert_int_equal(fclose(file), 0);
}

static void test_pack_opening__all_packs_are_there(void **state) {
    (void)state;
    fixture_open(&f);
    assert_int_equal(book_check(&book, &f), 0);
    fixture_close(&f);
}

static void test_pack_opening__the_first_that_does_not_open_is_named(void **state) {
    static const uint64_t broken[][3] = {{50, 40, 41}, {0, 1, 2}, {30, 30, 30}, {7, 60, 59}};
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        uint64_t first = UINT64_MAX;
        char words[64];
        stele_err err;
        for (size_t k = 0; k < 3; k++) { /* the same three times is once */
            first = broken[i][k] < first ? broken[i][k] : first;
            turn(broken[i][k]);
        }
        stele_status st = fixture_try_open(&f, false, &err);
        (void)snprintf(words, sizeof words, "pack [%" PRIu64 ", ", first * PACK_ENTRIES);
        if (st != STELE_CORRUPT || strstr(err.text, words) == NULL) {
            fail_msg("'%s' was expected: %s: %s", words, stele_status_name(st),
                     st == STELE_OK ? "it opens" : err.text);
        }
        for (size_t k = 0; k < 3; k++) {
            turn(broken[i][k]);
        }
    }
}

static void test_pack_opening__one_that_is_gone_is_named(void **state) {
    char key[STELE_BLOB_KEY_MAX];
    char path[320];
    stele_err err;
    (void)state;
    stele_pack_key("3y", 'p', 33 * PACK_ENTRIES, 34 * PACK_ENTRIES, key);
    (void)snprintf(path, sizeof path, "%s/blobs/%s", f.dir, key);
    assert_int_equal(unlink(path), 0);
    assert_status(fixture_try_open(&f, false, &err), CORRUPT);
    assert_non_null(strstr(err.text, "the pack of entries from 8448 is missing"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_opening__all_packs_are_there),
        cmocka_unit_test(test_pack_opening__the_first_that_does_not_open_is_named),
        cmocka_unit_test(test_pack_opening__one_that_is_gone_is_named), /* the last */
    };
    return cmocka_run_group_tests_name("pack_opening", tests, make_store, remove_store);
}
