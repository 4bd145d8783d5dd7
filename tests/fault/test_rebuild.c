/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_rebuild.c: index segments that are gone are made again from the packs when the
 * store is opened, byte for byte, one, some or all of them; a store that is only read says what is
 * missing.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fault/batch_book.h"
#include "tests/support/temp_folder.h"

#define DAY_US UINT64_C(86400000000)
#define FILES_MAX 256
#define WAIT_TRIES_MAX 1000 /* of 10 ms: merging goes on in the background */

static struct fixture f;
static struct book book;
static char saved[TEMP_FOLDER_BYTES + 16];
static char index_folder[128];

struct names {
    size_t n;
    char name[FILES_MAX][64];
};

static int compare(const void *a, const void *b) {
    return strcmp(a, b);
}

static void list(const char *folder, struct names *ret) {
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    ret->n = 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] != '.') {
            assert_true(ret->n < FILES_MAX);
            (void)snprintf(ret->name[ret->n++], sizeof ret->name[0], "%.63s", entry->d_name);
        }
    }
    (void)closedir(dir);
    qsort(ret->name, ret->n, sizeof ret->name[0], compare);
}

static bool same_file(const char *a, const char *b) {
    char command[512];
    (void)snprintf(command, sizeof command, "cmp -s '%s' '%s'", a, b);
    return system(command) == 0;
}

static bool as_saved(void) {
    static struct names now;
    static struct names then;
    list(index_folder, &now);
    list(saved, &then);
    bool same = now.n == then.n;
    for (size_t i = 0; same && i < now.n; i++) {
        same = strcmp(now.name[i], then.name[i]) == 0 &&
               same_file(temp_path(index_folder, now.name[i]), temp_path(saved, now.name[i]));
    }
    return same;
}

static void make_store(void) {
    stele_err err;
    fixture_init(&f);
    f.quiet = true;
    (void)snprintf(index_folder, sizeof index_folder, "%s/blobs/3y/i", f.dir);
    fixture_open(&f);
    for (int i = 0; i < 60; i++) {
        atomic_fetch_add(&f.now_us, DAY_US * 3 / 2);
        assert_ok(book_append(&book, &f, 1 + rng_below(&book.rng, 150), &err));
    }
    fixture_wait_packed(&f, "3y");
    fixture_close(&f);
    fixture_open(&f); /* what was left to merge is merged: nothing else goes on */
    static struct names before;
    static struct names after;
    do {
        list(index_folder, &before);
        (void)usleep(200000);
        list(index_folder, &after);
    } while (memcmp(&before, &after, sizeof before) != 0);
    fixture_close(&f);
    temp_folder_copy(index_folder, saved);
    assert_true(after.n >= 4);
}

/* Removes each with odds of `odds` in 4; at least one. Returns how many. */
static size_t remove_some(uint64_t odds) {
    static struct names names;
    size_t n = 0;
    list(index_folder, &names);
    for (size_t i = 0; i < names.n; i++) {
        if (rng_below(&book.rng, 4) < odds || (n == 0 && i + 1 == names.n)) {
            assert_int_equal(unlink(temp_path(index_folder, names.name[i])), 0);
            n++;
        }
    }
    return n;
}

static void test_rebuild__a_missing_index_is_made_again(void **state) {
    char folder[TEMP_FOLDER_BYTES];
    stele_err err;
    (void)state;
    book.rng = rng_start("rebuild");
    temp_folder_make(folder);
    (void)snprintf(saved, sizeof saved, "%s/saved", folder);
    make_store();
    for (uint64_t round = 0; round < 8; round++) {
        size_t n = remove_some(round % 5);
        assert_status(fixture_try_open(&f, true, &err), CORRUPT);
        assert_non_null(strstr(err.text, "index segment"));
        fixture_open(&f);
        int tries = 0;
        while (!as_saved() && tries++ < WAIT_TRIES_MAX) {
            (void)usleep(10000);
        }
        if (!as_saved()) {
            fail_msg("round %d: %zu segments were removed and did not come back as they were",
                     (int)round, n);
        }
        (void)book_check(&book, &f);
        (void)book_fsck(&book, &f);
    }
    fixture_done(&f);
    temp_folder_remove(folder);
    book_done(&book);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rebuild__a_missing_index_is_made_again),
    };
    return cmocka_run_group_tests_name("rebuild", tests, NULL, NULL);
}
