/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/power_rig.h: a crash rig whose writers lose their power: each runs with
 * powercut_shim.c, and what it leaves is replaced by what may be on the disk then.
 */
#ifndef STELE_TESTS_FAULT_POWER_RIG_H
#define STELE_TESTS_FAULT_POWER_RIG_H

#include "tests/fault/crash_rig.h"
#include "tests/fault/powercut_replay.h"

struct power_rig {
    struct crash_rig crash;
    char journal[TEMP_FOLDER_BYTES];
    char base[TEMP_FOLDER_BYTES]; /* the store as it was before the last writer */
    struct powercut_summary last; /* of the last cut */
    struct powercut_summary sum;  /* of all */
};

void power_rig_init(struct power_rig *power, const char *test, const char *writer);
/* Prints the summary, too. */
void power_rig_done(struct power_rig *power, const char *test);
/*
 * One writer and one cut: `live` is what is left, and has been checked on a copy. NULL, or what
 * does not hold.
 */
const char *power_rig_cut(struct power_rig *power);
/* The next writer ends with its nth operation on a file; 0: when it is killed. */
void power_rig_stop_at(uint64_t nth);
/* Fails the test with what was cut, and where the store is kept. */
void power_rig_fail(const struct power_rig *power, const char *wrong);

#endif
