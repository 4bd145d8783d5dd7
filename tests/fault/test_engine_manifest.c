/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_engine_manifest.c: the last change of RocksDB's set of files, torn by a power
 * cut before it was synced, is cut off; any other damage of that file is refused, and nothing is
 * changed by that.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/file.h"
#include "tests/support/engine_behaviour.h"
#include "tests/support/rng.h"
#include "tests/support/temp_folder.h"

#define RECORDS 12
#define CHANGE_BYTES 1700
#define SECTOR 512

static struct rng rng;
static char folder[TEMP_FOLDER_BYTES];
static char manifest[512]; /* of the store in "try" */
static stele_buf intact;   /* the file before any damage */
static uint8_t record[4000];

static stele_status count_record(void *ctx, uint64_t pos, stele_view bytes, stele_err *err) {
    uint64_t *n = ctx;
    (void)err;
    assert_true(pos == *n && bytes.size == sizeof record && bytes.data[0] == (uint8_t)pos);
    (*n)++;
    return STELE_OK;
}

static void find_manifest(void) {
    DIR *dir = opendir(temp_path(folder, "try/db"));
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strncmp(entry->d_name, "MANIFEST-", 9) == 0) {
            (void)snprintf(manifest, sizeof manifest, "%s/%s", temp_path(folder, "try/db"),
                           entry->d_name);
        }
    }
    (void)closedir(dir);
    stele_buf_clear(&intact);
    assert_ok(stele_file_read(manifest, 1u << 20, &intact, NULL));
    assert_true(intact.size > 200);
}

/* A store that has been opened a few times, so that changes are in its MANIFEST; copied to "try".
 */
static int set_up(void **state) {
    (void)state;
    temp_folder_make(folder);
    uint64_t next = 0;
    uint64_t epoch = 0;
    for (int opened = 0; opened < 3; opened++) {
        struct stele_engine *e = NULL;
        assert_ok(stele_engine_rocks_open(temp_path(folder, "store"), "eu", true, &e, NULL));
        assert_ok(e->ops->claim(e, "log", &next, &epoch, NULL));
        for (int i = 0; i < RECORDS / 3; i++) {
            record[0] = (uint8_t)next;
            assert_ok(
                engine_append(e, "log", epoch, next++, stele_view_of(record, sizeof record), NULL));
        }
        e->ops->close(e);
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    stele_buf_done(&intact);
    temp_folder_remove(folder);
    return 0;
}

static void start_try(void) {
    temp_folder_remove(temp_path(folder, "try"));
    temp_folder_copy(temp_path(folder, "store"), temp_path(folder, "try"));
    find_manifest();
}

static void write_at(off_t at, const uint8_t *bytes, size_t size) {
    int fd = open(manifest, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0 && pwrite(fd, bytes, size, at) == (ssize_t)size);
    (void)close(fd);
}

/* What a change of CHANGE_BYTES looks like, with a checksum that does not hold for what is left of
 * it. */
static void make_change(uint8_t change[CHANGE_BYTES]) {
    rng_bytes(&rng, change, CHANGE_BYTES);
    change[4] = (uint8_t)((CHANGE_BYTES - 7) & 0xff);
    change[5] = (uint8_t)((CHANGE_BYTES - 7) >> 8);
    change[6] = 1;
}

/* Zeros for sectors of the change: each, if `odds` in 4 say so, and at least one. */
static void lose_sectors(uint8_t change[CHANGE_BYTES], uint64_t odds) {
    bool lost = false;
    for (size_t at = 0; at < CHANGE_BYTES;) {
        size_t next = ((intact.size + at) / SECTOR + 1) * SECTOR - intact.size;
        bool last = next >= CHANGE_BYTES;
        next = last ? CHANGE_BYTES : next;
        if (next - at >= 8 && (rng_below(&rng, 4) < odds || (last && !lost))) {
            memset(change + at, 0, next - at);
            lost = true;
        }
        at = next;
    }
}

static void expect_opens(void) {
    struct stele_engine *e = NULL;
    stele_err err;
    uint64_t n = 0;
    stele_status st = stele_engine_rocks_open(temp_path(folder, "try"), "eu", false, &e, &err);
    if (st != STELE_OK) {
        fail_msg("refused: %s (%s)", err.text, err.where);
    }
    assert_ok(e->ops->read(e, "log", 0, count_record, &n, NULL, NULL));
    assert_int_equal(n, RECORDS);
    e->ops->close(e);
}

static void expect_refused_untouched(void) {
    struct stele_engine *e = NULL;
    stele_buf before = STELE_BUF_EMPTY;
    stele_buf after = STELE_BUF_EMPTY;
    assert_ok(stele_file_read(manifest, 1u << 20, &before, NULL));
    assert_status(stele_engine_rocks_open(temp_path(folder, "try"), "eu", false, &e, NULL),
                  CORRUPT);
    assert_ok(stele_file_read(manifest, 1u << 20, &after, NULL));
    assert_true(stele_view_equal(stele_view_buf(&before), stele_view_buf(&after)));
    stele_buf_done(&before);
    stele_buf_done(&after);
}

static void test_engine_manifest__a_torn_last_change_is_cut_off(void **state) {
    uint8_t change[CHANGE_BYTES];
    (void)state;
    for (uint64_t i = 0; i < 12; i++) {
        start_try();
        make_change(change);
        lose_sectors(change, i % 4);
        write_at((off_t)intact.size, change,
                 CHANGE_BYTES - (i % 3 == 0 ? rng_below(&rng, 300) : 0));
        expect_opens();
        expect_opens(); /* for good */
    }
}

static void test_engine_manifest__other_damage_is_refused_and_left(void **state) {
    uint8_t change[CHANGE_BYTES];
    (void)state;
    start_try();
    make_change(change); /* no sector is missing: it was written, and is damaged */
    write_at((off_t)intact.size, change, CHANGE_BYTES);
    expect_refused_untouched();
    start_try();
    lose_sectors(change, 4); /* more follows than one torn change */
    write_at((off_t)intact.size, change, CHANGE_BYTES);
    write_at((off_t)intact.size + CHANGE_BYTES, intact.data,
             intact.size < 7000 ? intact.size : 7000);
    write_at((off_t)intact.size, (const uint8_t[]){1, 2, 3, 4, 0, 1, 1}, 7);
    expect_refused_untouched();
    for (int i = 0; i < 12; i++) { /* one bit of what was synced */
        start_try();
        size_t at = rng_below(&rng, intact.size);
        uint8_t byte = (uint8_t)(intact.data[at] ^ (1u << rng_below(&rng, 8)));
        write_at((off_t)at, &byte, 1);
        struct stele_engine *e = NULL;
        stele_buf after = STELE_BUF_EMPTY;
        if (stele_engine_rocks_open(temp_path(folder, "try"), "eu", false, &e, NULL) == STELE_OK) {
            e->ops->close(e);
            expect_opens();
        } else {
            assert_ok(stele_file_read(manifest, 1u << 20, &after, NULL));
            assert_int_equal(after.size, intact.size);
        }
        stele_buf_done(&after);
    }
}

/* ---- CURRENT ---- */

static void put_file(const char *name, const char *text) {
    FILE *file = fopen(temp_path(folder, name), "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

static stele_status open_try(bool create) {
    struct stele_engine *e = NULL;
    stele_status st = stele_engine_rocks_open(temp_path(folder, "try"), "eu", create, &e, NULL);
    if (st == STELE_OK) {
        e->ops->close(e);
    }
    return st;
}

/* A start was cut short after it had named its manifest, whose own name is lost. */
static void test_engine_manifest__one_that_was_lost_is_the_one_before_it(void **state) {
    (void)state;
    start_try();
    put_file("try/db/CURRENT", "MANIFEST-000999\n");
    put_file("try/db/CURRENT.mended", "of a start that was cut short here");
    expect_opens();
    expect_opens();
    assert_int_not_equal(access(temp_path(folder, "try/db/CURRENT.mended"), F_OK), 0);
}

static void test_engine_manifest__which_of_two_is_not_guessed(void **state) {
    stele_buf left = STELE_BUF_EMPTY;
    (void)state;
    start_try();
    put_file("try/db/CURRENT", "MANIFEST-000999\n");
    put_file("try/db/MANIFEST-000998", "another");
    assert_int_not_equal(open_try(false), STELE_OK);
    assert_ok(stele_file_read(temp_path(folder, "try/db/CURRENT"), 64, &left, NULL));
    assert_true(stele_view_is(stele_view_buf(&left), "MANIFEST-000999\n"));
    stele_buf_done(&left);
}

static void test_engine_manifest__a_store_without_one_is_not_made_anew(void **state) {
    (void)state;
    start_try();
    assert_int_equal(unlink(manifest), 0);
    assert_int_not_equal(open_try(true), STELE_OK); /* it has a REGION file */
    assert_int_equal(unlink(temp_path(folder, "try/REGION")), 0);
    assert_int_not_equal(open_try(true), STELE_OK); /* it has tables */
}

static void test_engine_manifest__making_a_store_begins_again(void **state) {
    (void)state;
    temp_folder_remove(temp_path(folder, "try"));
    assert_int_equal(mkdir(temp_path(folder, "try"), 0700), 0);
    assert_int_equal(mkdir(temp_path(folder, "try/db"), 0700), 0);
    put_file("try/db/CURRENT", "MANIFEST-000001\n");
    assert_ok(open_try(true));
    assert_ok(open_try(false));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine_manifest__a_torn_last_change_is_cut_off),
        cmocka_unit_test(test_engine_manifest__other_damage_is_refused_and_left),
        cmocka_unit_test(test_engine_manifest__one_that_was_lost_is_the_one_before_it),
        cmocka_unit_test(test_engine_manifest__which_of_two_is_not_guessed),
        cmocka_unit_test(test_engine_manifest__a_store_without_one_is_not_made_anew),
        cmocka_unit_test(test_engine_manifest__making_a_store_begins_again),
    };
    rng = rng_start("engine_manifest");
    return cmocka_run_group_tests_name("engine_manifest", tests, set_up, tear_down);
}
