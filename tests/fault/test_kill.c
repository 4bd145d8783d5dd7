/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_kill.c: a writer is killed at random moments of opening, load and closing, again
 * and again over the same store. This tests recovery, not durability: what a process wrote survives
 * its death unsynced. For that see test_power.c.
 */
#include <stdlib.h>
#include <unistd.h>

#include "tests/fault/crash_rig.h"

#define ROUNDS_A_STORE                                                                             \
    6 /* each check reads all there is: a store that only grew would take the time */

static void test_kill__every_acknowledged_event_survives(void **state) {
    static struct crash_rig rig;
    (void)state;
    crash_rig_init(&rig, "kill", STELE_CRASH_WRITER);
    size_t rounds = crash_rounds(25, 500);
    for (size_t round = 0; round < rounds; round++) {
        if (round % ROUNDS_A_STORE == 0) {
            crash_rig_restart(&rig);
        }
        const char *wrong = crash_rig_run(&rig);
        if (wrong == NULL && access(rig.live, F_OK) == 0) {
            /* The next writer starts from what the kill left, not from what the check repaired. */
            temp_folder_copy(rig.live, rig.copy);
            wrong = crash_rig_check(&rig, rig.copy);
            temp_folder_remove(rig.copy);
        }
        if (wrong != NULL) {
            fail_msg("round %zu, store kept in %s: %s", round, rig.folder, wrong);
        }
    }
    (void)printf("kill: %zu rounds, %zu while opening, %zu closed, %zu events acknowledged\n",
                 rig.n_rounds, rig.n_early, rig.n_closed, rig.n_events);
    crash_rig_done(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill__every_acknowledged_event_survives),
    };
    return cmocka_run_group_tests_name("kill", tests, NULL, NULL);
}
