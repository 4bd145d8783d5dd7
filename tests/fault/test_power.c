/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_power.c: the power is cut under a writer at random moments of opening, load and
 * closing. The writer runs with powercut_shim.c, and the store it is checked on, and goes on from,
 * is one of those that may be on the disk then (powercut_replay.h).
 *
 * The same writer is built without one of its syncs at a time, and must then fail here within a few
 * cuts: of an append (found by a store that names no region, or by missing records), of a blob's
 * bytes (a pack that is no pack), of a blob's folder (records that were trimmed and are in no
 * pack), of small files (a REGION file or key that is empty, a log that begins anew), of a signing
 * key (a key file that is none).
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fault/crash_rig.h"
#include "tests/fault/powercut_journal.h"
#include "tests/fault/powercut_replay.h"

#define ROUNDS_A_STORE 6
/* Small stores, so that making one is often cut too. */
#define MUTANT_ROUNDS_A_STORE 2
#define MUTANT_CUTS_MAX 60

static struct crash_rig rig;
static char journal[TEMP_FOLDER_BYTES];
static char base[TEMP_FOLDER_BYTES];

static void start(const char *test, const char *writer) {
    crash_rig_init(&rig, test, writer);
    (void)snprintf(journal, sizeof journal, "%.40s/journal", rig.folder);
    (void)snprintf(base, sizeof base, "%.40s/base", rig.folder);
    assert_int_equal(setenv(POWERCUT_ROOT, rig.live, 1), 0);
    assert_int_equal(setenv(POWERCUT_JOURNAL, journal, 1), 0);
}

/* One writer and one cut. NULL, or what does not hold afterwards. */
static const char *cut(struct powercut_summary *ret) {
    int fd = open(journal, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    if (access(rig.live, F_OK) == 0) {
        temp_folder_copy(rig.live, base);
    }
    const char *wrong = crash_rig_run(&rig);
    temp_folder_remove(rig.live);
    powercut_replay(base, journal, rig.live, &rig.rng, ret);
    if (wrong == NULL) {
        temp_folder_copy(rig.live, rig.copy);
        wrong = crash_rig_check(&rig, rig.copy);
        temp_folder_remove(rig.copy);
    }
    if (wrong == NULL) {
        temp_folder_remove(base);
    }
    return wrong;
}

static void cut_again_and_again(size_t rounds) {
    struct powercut_summary sum = {0};
    struct powercut_summary one;
    for (size_t round = 0; round < rounds; round++) {
        if (round % ROUNDS_A_STORE == 0) {
            crash_rig_restart(&rig);
        }
        const char *wrong = cut(&one);
        if (wrong != NULL) {
            fail_msg("round %zu (data %d, names %d), store kept in %s: %s", round, (int)one.of_data,
                     (int)one.of_names, rig.folder, wrong);
        }
        sum.operations += one.operations;
        sum.unsynced_writes += one.unsynced_writes;
        sum.lost_writes += one.lost_writes;
        sum.unsynced_names += one.unsynced_names;
        sum.lost_names += one.lost_names;
        sum.failed_syncs += one.failed_syncs;
    }
    (void)printf(
        "power: %zu cuts, %zu while opening, %zu after closing, %zu events acknowledged; %zu "
        "operations, %zu of %zu unsynced writes lost, %zu of %zu names; %zu syncs failed\n",
        rig.n_rounds, rig.n_early, rig.n_closed, rig.n_events, sum.operations, sum.lost_writes,
        sum.unsynced_writes, sum.lost_names, sum.unsynced_names, sum.failed_syncs);
    crash_rig_done(&rig);
}

static void test_power__every_acknowledged_event_survives(void **state) {
    (void)state;
    start("power", STELE_POWER_WRITER);
    cut_again_and_again(crash_rounds(25, 500));
}

/* With small memtables tables are written and merged, and logs change, all the time. */
static void test_power__also_while_tables_are_written(void **state) {
    (void)state;
    start("power and small tables", STELE_POWER_WRITERS "/power_writer_small");
    cut_again_and_again(crash_rounds(12, 500));
}

/* A sync that failed must not be taken for one that worked when it is tried again. */
static void test_power__and_when_syncs_fail_before(void **state) {
    (void)state;
    start("power and failing syncs", STELE_POWER_WRITER);
    assert_int_equal(setenv(POWERCUT_FAIL, "80", 1), 0);
    assert_int_equal(setenv(CRASH_BEARS, "1", 1), 0);
    cut_again_and_again(crash_rounds(12, 500));
    assert_int_equal(unsetenv(POWERCUT_FAIL), 0);
    assert_int_equal(unsetenv(CRASH_BEARS), 0);
}

/* A harness that finds nothing proves nothing: without any one of its syncs the store must fail. */
static void test_power__notices_each_sync_that_is_missing(void **state) {
    static const char *const missing[] = {"append", "blob", "folder", "file", "key"};
    struct powercut_summary one;
    (void)state;
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
        char writer[512];
        const char *wrong = NULL;
        (void)snprintf(writer, sizeof writer, STELE_POWER_WRITERS "/power_writer_no_%s_sync",
                       missing[i]);
        start(missing[i], writer);
        while (wrong == NULL && rig.n_rounds < MUTANT_CUTS_MAX) {
            if (rig.n_rounds % MUTANT_ROUNDS_A_STORE == 0) {
                crash_rig_restart(&rig);
            }
            wrong = cut(&one);
        }
        if (wrong == NULL) {
            fail_msg("%zu cuts without the sync of '%s' and nothing was lost", rig.n_rounds,
                     missing[i]);
        }
        (void)printf("power: without the sync of '%s': cut %zu: %s\n", missing[i], rig.n_rounds,
                     wrong);
        crash_rig_done(&rig);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power__notices_each_sync_that_is_missing),
        cmocka_unit_test(test_power__every_acknowledged_event_survives),
        cmocka_unit_test(test_power__also_while_tables_are_written),
        cmocka_unit_test(test_power__and_when_syncs_fail_before),
    };
    if (argc > 1) { /* "*tables*": for a long run of one of them */
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
