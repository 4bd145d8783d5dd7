/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_rebuild.c: index segments and seals that are gone are made again from the packs
 * when the store is opened, byte for byte, one, some or all of them; a store that is only read says
 * what is missing. A store without any seal is one of a version that had none. A segment that says
 * other times than its entries have is found by fsck.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/cursor.h"
#include "storage/fsck.h"
#include "tests/fault/batch_book.h"
#include "tests/support/memory_segment.h"
#include "tests/support/temp_folder.h"

#define DAY_US UINT64_C(86400000000)
#define FILES_MAX 256
#define WAIT_TRIES_MAX 1000 /* of 10 ms: merging goes on in the background */

static struct fixture f;
static struct book book;
static char saved[TEMP_FOLDER_BYTES + 16];
static char index_folder[128];
static char saved_seals[TEMP_FOLDER_BYTES + 16];
static char seal_folder[128];

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

static bool folder_as(const char *folder, const char *wanted) {
    static struct names now;
    static struct names then;
    list(folder, &now);
    list(wanted, &then);
    bool same = now.n == then.n;
    for (size_t i = 0; same && i < now.n; i++) {
        same = strcmp(now.name[i], then.name[i]) == 0 &&
               same_file(temp_path(folder, now.name[i]), temp_path(wanted, now.name[i]));
    }
    return same;
}

static bool as_saved(void) {
    return folder_as(index_folder, saved) && folder_as(seal_folder, saved_seals);
}

static void make_store(void) {
    stele_err err;
    fixture_init(&f);
    f.quiet = true;
    (void)snprintf(index_folder, sizeof index_folder, "%s/blobs/3y/i", f.dir);
    (void)snprintf(seal_folder, sizeof seal_folder, "%s/blobs/3y/s", f.dir);
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
    int same = 0;
    list(seal_folder, &before); /* seals are written last */
    while (same < 10) {
        (void)usleep(200000);
        list(seal_folder, &after);
        same = memcmp(&before, &after, sizeof before) == 0 ? same + 1 : 0;
        before = after;
    }
    fixture_close(&f);
    temp_folder_copy(index_folder, saved);
    temp_folder_copy(seal_folder, saved_seals);
    assert_true(after.n >= 3); /* three months and more: one segment each, but for the last */
}

/* Removes each with odds of `odds` in 4; at least one. Returns how many. */
static size_t remove_some(const char *folder, uint64_t odds) {
    static struct names names;
    size_t n = 0;
    list(folder, &names);
    for (size_t i = 0; i < names.n; i++) {
        if (rng_below(&book.rng, 4) < odds || (n == 0 && i + 1 == names.n)) {
            assert_int_equal(unlink(temp_path(folder, names.name[i])), 0);
            n++;
        }
    }
    return n;
}

/* The seal of a part that was merged away: a process stopped before it removed it. */
static void leave_a_seal(void) {
    static struct names names;
    list(saved_seals, &names);
    assert_int_equal(link(temp_path(saved_seals, names.name[0]),
                          temp_path(seal_folder, "00000000000000000000-00000000000000000001")),
                     0);
}

/* Another last time in a segment's footer, with the checksum that a forger computes, and a seal to
 * match. */
static void check_other_times(void) {
    static struct names names;
    static uint8_t bytes[1 << 20];
    struct stele_fsck_report report;
    stele_err err;
    list(index_folder, &names);
    const char *path = temp_path(index_folder, names.name[0]);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    assert_true(size > 256 && size < sizeof bytes);
    uint8_t *t_last = bytes + size - 256 + 48;
    stele_put_u64(t_last, stele_get_u64(t_last) + 1);
    test_segment_reseal(bytes, size);
    rewind(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    (void)fclose(file);
    assert_int_equal(unlink(temp_path(seal_folder, names.name[0])), 0);
    fixture_open(&f); /* makes the seal */
    fixture_close(&f);
    assert_ok(fixture_try_open(&f, true, &err));
    assert_status(stele_fsck(f.store, NULL, NULL, &report, &err), CORRUPT);
    assert_non_null(strstr(err.text, "other times"));
    fixture_close(&f);
}

static void test_rebuild__a_missing_index_is_made_again(void **state) {
    char folder[TEMP_FOLDER_BYTES];
    stele_err err;
    (void)state;
    book.rng = rng_start("rebuild");
    temp_folder_make(folder);
    (void)snprintf(saved, sizeof saved, "%s/saved", folder);
    (void)snprintf(saved_seals, sizeof saved_seals, "%s/saved-seals", folder);
    make_store();
    for (uint64_t round = 0; round < 12; round++) {
        /* Segments, seals, both; in the last round every seal. */
        size_t n = round % 3 == 1 ? 0 : remove_some(index_folder, round % 5);
        n += round % 3 == 0 ? 0 : remove_some(seal_folder, round == 11 ? 4 : round % 5);
        assert_status(fixture_try_open(&f, true, &err), CORRUPT);
        assert_non_null(strstr(err.text, "index segment"));
        leave_a_seal();
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
    check_other_times();
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
