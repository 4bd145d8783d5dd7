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
#include <stdlib.h>

#include "tests/fault/power_rig.h"
#include "tests/fault/powercut_journal.h"

#define ROUNDS_A_STORE 6
/* Small stores, so that making one is often cut too. */
#define MUTANT_ROUNDS_A_STORE 2
#define MUTANT_CUTS_MAX 60
/* Operations of one start that are cut at, in the usual run. */
#define START_CUTS_USUAL 6

static struct power_rig power;

static void cut_again_and_again(const char *test, const char *writer, size_t rounds) {
    power_rig_init(&power, test, writer);
    for (size_t round = 0; round < rounds; round++) {
        if (round % ROUNDS_A_STORE == 0) {
            crash_rig_restart(&power.crash);
        }
        const char *wrong = power_rig_cut(&power);
        if (wrong != NULL) {
            power_rig_fail(&power, wrong);
        }
    }
    power_rig_done(&power, test);
}

static void test_power__every_acknowledged_event_survives(void **state) {
    (void)state;
    cut_again_and_again("power", STELE_POWER_WRITER, crash_rounds(25, 500));
}

/* With small memtables tables are written and merged, and logs change, all the time. */
static void test_power__also_while_tables_are_written(void **state) {
    (void)state;
    cut_again_and_again("power and small tables", STELE_POWER_WRITERS "/power_writer_small",
                        crash_rounds(12, 500));
}

/* A sync that failed must not be taken for one that worked when it is tried again. */
static void test_power__and_when_syncs_fail_before(void **state) {
    (void)state;
    assert_int_equal(setenv(POWERCUT_FAIL, "80", 1), 0);
    assert_int_equal(setenv(CRASH_BEARS, "1", 1), 0);
    cut_again_and_again("power and failing syncs", STELE_POWER_WRITER, crash_rounds(12, 500));
    assert_int_equal(unsetenv(POWERCUT_FAIL), 0);
    assert_int_equal(unsetenv(CRASH_BEARS), 0);
}

/* The second start is cut, too: at each of its operations in turn, or at some of them. */
static void test_power__also_within_the_start_after_a_cut(void **state) {
    char cut_store[TEMP_FOLDER_BYTES];
    const size_t stores = crash_rounds(2, 12);
    size_t n_cuts = 0;
    (void)state;
    power_rig_init(&power, "power and second starts", STELE_POWER_WRITER);
    (void)snprintf(cut_store, sizeof cut_store, "%.40s/cut", power.crash.folder);
    for (size_t i = 0; i < stores; i++) {
        crash_rig_restart(&power.crash);
        const char *wrong = NULL;
        for (int life = 0; wrong == NULL && life < 2; life++) {
            wrong = power_rig_cut(&power);
        }
        temp_folder_copy(power.crash.live, cut_store);
        power.crash.ends_at_ready = true;
        wrong = wrong == NULL ? power_rig_cut(&power) : wrong;
        size_t n = power.last.operations;
        size_t step = crash_rounds(n / START_CUTS_USUAL + 1, 1);
        for (size_t nth = 1; wrong == NULL && nth <= n; nth += step) {
            temp_folder_remove(power.crash.live);
            temp_folder_copy(cut_store, power.crash.live);
            power_rig_stop_at(nth);
            wrong = power_rig_cut(&power);
            n_cuts++;
        }
        power_rig_stop_at(0);
        power.crash.ends_at_ready = false;
        temp_folder_remove(cut_store);
        if (wrong != NULL) {
            power_rig_fail(&power, wrong);
        }
    }
    (void)printf("power: %zu cuts within a start after a cut\n", n_cuts);
    power_rig_done(&power, "power and second starts");
}

/* A harness that finds nothing proves nothing: without any one of its syncs the store must fail. */
static void test_power__notices_each_sync_that_is_missing(void **state) {
    static const char *const missing[] = {"append", "blob", "folder", "file", "key"};
    (void)state;
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
        char writer[512];
        const char *wrong = NULL;
        (void)snprintf(writer, sizeof writer, STELE_POWER_WRITERS "/power_writer_no_%s_sync",
                       missing[i]);
        power_rig_init(&power, missing[i], writer);
        while (wrong == NULL && power.crash.n_rounds < MUTANT_CUTS_MAX) {
            if (power.crash.n_rounds % MUTANT_ROUNDS_A_STORE == 0) {
                crash_rig_restart(&power.crash);
            }
            wrong = power_rig_cut(&power);
        }
        if (wrong == NULL) {
            fail_msg("%zu cuts without the sync of '%s' and nothing was lost", power.crash.n_rounds,
                     missing[i]);
        }
        (void)printf("power: without the sync of '%s': cut %zu: %s\n", missing[i],
                     power.crash.n_rounds, wrong);
        crash_rig_done(&power.crash);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power__notices_each_sync_that_is_missing),
        cmocka_unit_test(test_power__every_acknowledged_event_survives),
        cmocka_unit_test(test_power__also_while_tables_are_written),
        cmocka_unit_test(test_power__and_when_syncs_fail_before),
        cmocka_unit_test(test_power__also_within_the_start_after_a_cut),
    };
    if (argc > 1) { /* "*tables*": for a long run of one of them */
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
