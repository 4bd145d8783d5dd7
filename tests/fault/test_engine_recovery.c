/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_engine_recovery.c: a store whose files were damaged opens with all that was
 * acknowledged, or not at all; a torn, unacknowledged end of the log is no damage.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/cursor.h"
#include "storage/engine_rocks.h"
#include "tests/support/engine_behaviour.h"
#include "tests/support/rng.h"
#include "tests/support/temp_folder.h"

#define RECORDS 20
#define RECORD_BYTES                                                                               \
    5000 /* the log's blocks have 32 KiB: a few records in each, one across each border */

static struct rng rng;
#ifndef STELE_TRIES
#define STELE_TRIES 10 /* of each kind of damage; one takes about 0.1 s */
#endif
static int tries;
static char
    folder[TEMP_FOLDER_BYTES]; /* holds "store", as it was when the process ended, and "try" */
static uint8_t record[RECORDS][RECORD_BYTES];

static void copy_file(const char *from, const char *to) {
    stele_buf bytes = STELE_BUF_EMPTY;
    uint8_t part[4096];
    size_t n = 0;
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    assert_true(in != NULL && out != NULL);
    while ((n = fread(part, 1, sizeof part, in)) > 0) {
        assert_int_equal(fwrite(part, 1, n, out), n);
    }
    (void)fclose(in);
    assert_int_equal(fclose(out), 0);
    stele_buf_done(&bytes);
}

static const char *store_path(const char *name) {
    return temp_path(temp_path(folder, "store"), name);
}

static const char *try_path(const char *name) {
    return temp_path(temp_path(folder, "try"), name);
}

/* A store of RECORDS records whose process ended at once; ACKED as before the last record is kept
 * aside. */
static int set_up(void **state) {
    (void)state;
    temp_folder_make(folder);
    for (size_t i = 0; i < RECORDS; i++) {
        rng_bytes(&rng, record[i], RECORD_BYTES);
    }
    pid_t child = fork();
    if (child == 0) {
        struct stele_engine *e = NULL;
        uint64_t next = 0;
        uint64_t epoch = 0;
        if (stele_engine_rocks_open(temp_path(folder, "store"), "eu", true, &e, NULL) != STELE_OK ||
            e->ops->claim(e, "log", &next, &epoch, NULL) != STELE_OK) {
            _exit(1);
        }
        for (uint64_t pos = 0; pos < RECORDS; pos++) {
            if (pos == RECORDS - 1) {
                copy_file(store_path("ACKED"), temp_path(folder, "ACKED.before"));
            }
            if (engine_append(e, "log", epoch, pos, stele_view_of(record[pos], RECORD_BYTES),
                              NULL) != STELE_OK) {
                _exit(1);
            }
        }
        _exit(0);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int tear_down(void **state) {
    (void)state;
    temp_folder_remove(folder);
    return 0;
}

/* A fresh copy in "try". */
static void start_try(void) {
    temp_folder_remove(temp_path(folder, "try"));
    temp_folder_copy(temp_path(folder, "store"), temp_path(folder, "try"));
}

/* The name of the file of `kind` in db: the largest of that ending, or start. */
static void find_file(const char *start, const char *end, char *ret, size_t size) {
    off_t largest = -1;
    DIR *dir = opendir(store_path("db"));
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        struct stat info;
        char name[300];
        size_t chars = strlen(entry->d_name);
        (void)snprintf(name, sizeof name, "db/%s", entry->d_name);
        if (strncmp(entry->d_name, start, strlen(start)) == 0 && chars >= strlen(end) &&
            strcmp(entry->d_name + chars - strlen(end), end) == 0 &&
            stat(store_path(name), &info) == 0 && info.st_size > largest) {
            largest = info.st_size;
            (void)snprintf(ret, size, "%s", name);
        }
    }
    (void)closedir(dir);
    assert_true(largest > 0);
}

static off_t size_of(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_size;
}

typedef enum damage { CUT, FLIP, ZEROS, NOISE } damage;

static void do_damage(const char *path, damage kind, off_t at) {
    off_t end = size_of(path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte = 0;
    assert_true(fd >= 0);
    switch (kind) {
    case CUT:
        assert_int_equal(ftruncate(fd, at), 0);
        break;
    case FLIP:
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte = (uint8_t)(byte ^ (1u << rng_below(&rng, 8)));
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        break;
    case ZEROS:
    case NOISE:
        for (off_t i = at; i < end; i++) {
            byte = kind == ZEROS ? 0 : (uint8_t)rng_next(&rng);
            assert_int_equal(pwrite(fd, &byte, 1, i), 1);
        }
    }
    assert_int_equal(close(fd), 0);
}

static stele_status check_record(void *ctx, uint64_t pos, stele_view bytes, stele_err *err) {
    int *n = ctx;
    if (pos >= RECORDS || !stele_view_equal(bytes, stele_view_of(record[pos], RECORD_BYTES))) {
        return STELE_FAIL(err, BUG, "record %llu is another one", (unsigned long long)pos);
    }
    (*n)++;
    return STELE_OK;
}

/* Opens, claims and reads "try": the number of right records, or -1 - status if it is refused. In a
 * process of its own: RocksDB must not abort over bytes from disk either. */
static int outcome_of_try(void) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct stele_engine *e = NULL;
        uint64_t next = 0;
        uint64_t epoch = 0;
        int n = 0;
        stele_status st = stele_engine_rocks_open(temp_path(folder, "try"), "eu", false, &e, NULL);
        if (st == STELE_OK) {
            st = e->ops->claim(e, "log", &next, &epoch, NULL);
        }
        if (st == STELE_OK) {
            st = e->ops->read(e, "log", 0, check_record, &n, NULL, NULL);
        }
        if (st == STELE_OK && next != (uint64_t)n) {
            st = STELE_BUG;
        }
        if (e != NULL) {
            e->ops->close(e);
        }
        _exit(st == STELE_OK ? n : 100 + (int)st);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) < 100 ? WEXITSTATUS(status) : -1 - (WEXITSTATUS(status) - 100);
}

#define REFUSED (-1 - (int)STELE_CORRUPT)

static void test_engine_recovery__a_torn_unacknowledged_end_is_cut_off(void **state) {
    (void)state;
    char log[300];
    find_file("", ".log", log, sizeof log);
    off_t end = size_of(store_path(log));
    for (int i = 0; i < tries; i++) {
        for (damage kind = CUT; kind <= NOISE; kind++) {
            off_t at = end - 1 - (off_t)rng_below(&rng, i < tries / 2 ? 12 : RECORD_BYTES);
            start_try();
            copy_file(temp_path(folder, "ACKED.before"), try_path("ACKED"));
            do_damage(try_path(log), kind, at);
            int n = outcome_of_try();
            if (n != RECORDS - 1 && n != RECORDS) { /* a zero may have been one */
                fail_msg("damage %d at %ld before the end: %d", (int)kind, (long)(end - at), n);
            }
        }
    }
}

static void
test_engine_recovery__what_was_acknowledged_is_there_or_the_store_is_refused(void **state) {
    (void)state;
    char log[300];
    int refused = 0;
    find_file("", ".log", log, sizeof log);
    off_t end = size_of(store_path(log));
    for (int i = 0; i < tries; i++) {
        for (damage kind = CUT; kind <= NOISE; kind++) {
            off_t at = (off_t)rng_below(&rng, (uint64_t)end);
            start_try();
            do_damage(try_path(log), kind, at);
            int n = outcome_of_try();
            if (n != RECORDS && n != REFUSED) {
                fail_msg("damage %d at %ld: %d", (int)kind, (long)at, n);
            }
            refused += n == REFUSED;
        }
    }
    assert_true(refused > 3 * tries);
}

static void test_engine_recovery__a_refused_store_is_left_as_it_was(void **state) {
    (void)state;
    char log[300];
    find_file("", ".log", log, sizeof log);
    for (int i = 0; i < 3; i++) {
        off_t at = 100 + 30000 * i;
        start_try();
        do_damage(try_path(log), FLIP, at);
        assert_int_equal(outcome_of_try(), REFUSED);
        assert_int_equal(outcome_of_try(), REFUSED);
        copy_file(store_path(log), try_path(log)); /* repaired */
        assert_int_equal(outcome_of_try(), RECORDS);
    }
}

static void
test_engine_recovery__damage_with_intact_records_after_it_is_never_a_torn_end(void **state) {
    (void)state;
    char log[300];
    find_file("", ".log", log, sizeof log);
    off_t end = size_of(store_path(log));
    for (int i = 0; i < tries; i++) {
        /* Without any mark: only the records of a later block of the log say that they were synced.
         */
        off_t at = (off_t)rng_below(&rng, (uint64_t)end - 3 * 32768);
        start_try();
        assert_int_equal(remove(try_path("ACKED")), 0);
        do_damage(try_path(log), FLIP, at);
        assert_int_equal(outcome_of_try(), REFUSED);
    }
}

static void test_engine_recovery__a_log_that_is_gone_is_noticed(void **state) {
    (void)state;
    char log[300];
    find_file("", ".log", log, sizeof log);
    start_try();
    assert_int_equal(outcome_of_try(), RECORDS); /* flushes them, and starts another log file */
    start_try();
    assert_int_equal(remove(try_path(log)), 0);
    assert_int_equal(outcome_of_try(), REFUSED);
}

static stele_status check_nothing(void *ctx, struct stele_rocks *r, stele_err *err) {
    (void)ctx;
    (void)r;
    (void)err;
    return STELE_OK;
}

/* Behind the engine's back, through the database: no damage that RocksDB could see. In a process of
 * its own: RocksDB leaves threads, and outcome_of_try forks. */
static void write_behind(struct stele_rocks_op op) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0) {
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        return;
    }
    struct stele_rocks *rocks = NULL;
    stele_status st = stele_rocks_open(try_path("db"), false, check_nothing, NULL, &rocks, NULL);
    st = st == STELE_OK ? stele_rocks_write(rocks, &op, 1, STELE_SYNCED, NULL) : st;
    stele_rocks_close(rocks);
    _exit(st == STELE_OK ? 0 : 1);
}

static void remove_record(uint64_t pos) {
    uint8_t key[sizeof "log" + 8] = "log";
    stele_put_u64(key + sizeof "log", pos);
    write_behind((struct stele_rocks_op){
        STELE_ROCKS_CHAIN, STELE_ROCKS_DELETE, {key, sizeof key}, {NULL, 0}});
}

static void test_engine_recovery__a_record_that_is_gone_is_noticed(void **state) {
    (void)state;
    static const uint64_t gone[] = {0, 7, RECORDS - 1};
    for (size_t i = 0; i < 3; i++) {
        start_try();
        remove_record(gone[i]);
        assert_int_equal(outcome_of_try(), REFUSED);
    }
}

/* What stands below it is not trimmed, whatever the state of the chain says. */
static void test_engine_recovery__a_floor_that_hides_records_is_noticed(void **state) {
    static const uint64_t floor[] = {1,           RECORDS - 1,       RECORDS,
                                     RECORDS + 1, UINT64_C(1) << 40, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof floor / sizeof floor[0]; i++) {
        uint8_t chain[17] = {1}; /* its version, epoch, floor */
        stele_put_u64(chain + 1, 1);
        stele_put_u64(chain + 9, floor[i]);
        start_try();
        write_behind((struct stele_rocks_op){
            STELE_ROCKS_META, STELE_ROCKS_PUT, stele_view_str("chain/log"), {chain, sizeof chain}});
        assert_int_equal(outcome_of_try(), REFUSED);
        start_try();
        write_behind((struct stele_rocks_op){
            STELE_ROCKS_META, STELE_ROCKS_PUT, stele_view_str("chain/log"), {chain, sizeof chain}});
        assert_int_equal(unlink(try_path("ACKED")), 0);
        assert_int_equal(outcome_of_try(), REFUSED);
    }
}

static void test_engine_recovery__marks_that_do_not_hold_say_nothing(void **state) {
    (void)state;
    for (int i = 0; i < tries; i++) {
        start_try();
        do_damage(try_path("ACKED"), FLIP, (off_t)rng_below(&rng, 128));
        assert_int_equal(outcome_of_try(), RECORDS);
    }
    start_try();
    do_damage(try_path("ACKED"), CUT, 10);
    assert_int_equal(outcome_of_try(), RECORDS);
    assert_int_equal(outcome_of_try(), RECORDS);
}

/* Every other file of the database: after a first opening the records are in a table. */
static void test_engine_recovery__no_damaged_file_gives_another_answer(void **state) {
    (void)state;
    static const char *const kinds[][2] = {{"", ".sst"}, {"MANIFEST", ""}, {"CURRENT", ""}};
    char store[1024];
    start_try();
    assert_int_equal(outcome_of_try(), RECORDS);
    (void)snprintf(store, sizeof store, "%s", temp_path(folder, "store"));
    temp_folder_remove(store);
    assert_int_equal(rename(temp_path(folder, "try"), store), 0);
    for (size_t kind = 0; kind < 3; kind++) {
        char file[300];
        find_file(kinds[kind][0], kinds[kind][1], file, sizeof file);
        off_t end = size_of(store_path(file));
        for (int i = 0; i < tries; i++) {
            off_t at = (off_t)rng_below(&rng, (uint64_t)end);
            start_try();
            do_damage(try_path(file), i % 8 == 7 ? CUT : FLIP, at);
            int n = outcome_of_try();
            if (n != RECORDS && n >= 0) {
                fail_msg("%s damaged at %ld: %d records", file, (long)at, n);
            }
            assert_int_not_equal(n, -1 - (int)STELE_BUG);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    rng = rng_start("engine_recovery");
    tries = getenv("STELE_SOAK") == NULL ? STELE_TRIES : 200;
    const struct CMUnitTest tests[] = {
        TEST(test_engine_recovery__a_torn_unacknowledged_end_is_cut_off),
        TEST(test_engine_recovery__what_was_acknowledged_is_there_or_the_store_is_refused),
        TEST(test_engine_recovery__a_refused_store_is_left_as_it_was),
        TEST(test_engine_recovery__damage_with_intact_records_after_it_is_never_a_torn_end),
        TEST(test_engine_recovery__a_log_that_is_gone_is_noticed),
        TEST(test_engine_recovery__a_record_that_is_gone_is_noticed),
        TEST(test_engine_recovery__a_floor_that_hides_records_is_noticed),
        TEST(test_engine_recovery__marks_that_do_not_hold_say_nothing),
        TEST(test_engine_recovery__no_damaged_file_gives_another_answer),
    };
    return cmocka_run_group_tests_name("engine_recovery", tests, NULL, NULL);
}
