/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fault/power_rig.c: see the header. */
#include "tests/fault/power_rig.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/fault/powercut_journal.h"

void power_rig_init(struct power_rig *power, const char *test, const char *writer) {
    power->last = (struct powercut_summary){.operations = 0};
    power->sum = power->last;
    crash_rig_init(&power->crash, test, writer);
    (void)snprintf(power->journal, sizeof power->journal, "%.40s/journal", power->crash.folder);
    (void)snprintf(power->base, sizeof power->base, "%.40s/base", power->crash.folder);
    assert_int_equal(setenv(POWERCUT_ROOT, power->crash.live, 1), 0);
    assert_int_equal(setenv(POWERCUT_JOURNAL, power->journal, 1), 0);
}

static void add(struct powercut_summary *sum, const struct powercut_summary *one) {
    sum->operations += one->operations;
    sum->unsynced_writes += one->unsynced_writes;
    sum->lost_writes += one->lost_writes;
    sum->unsynced_names += one->unsynced_names;
    sum->lost_names += one->lost_names;
    sum->failed_syncs += one->failed_syncs;
    sum->unfinished_packs += one->unfinished_packs;
    sum->unfinished_segments += one->unfinished_segments;
}

const char *power_rig_cut(struct power_rig *power) {
    struct crash_rig *rig = &power->crash;
    int fd = open(power->journal, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    temp_folder_remove(power->base);
    if (access(rig->live, F_OK) == 0) {
        temp_folder_copy(rig->live, power->base);
    }
    const char *wrong = crash_rig_run(rig);
    temp_folder_remove(rig->live);
    powercut_replay(power->base, power->journal, rig->live, &rig->rng, &power->last);
    add(&power->sum, &power->last);
    if (wrong == NULL) {
        temp_folder_copy(rig->live, rig->copy);
        wrong = crash_rig_check(rig, rig->copy);
        temp_folder_remove(rig->copy);
    }
    return wrong;
}

void power_rig_stop_at(uint64_t nth) {
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, nth);
    assert_int_equal(setenv(POWERCUT_STOP, text, 1), 0);
}

void power_rig_fail(const struct power_rig *power, const char *wrong) {
    fail_msg("round %zu (data %d, names %d), store kept in %s: %s", power->crash.n_rounds,
             (int)power->last.of_data, (int)power->last.of_names, power->crash.folder, wrong);
}

void power_rig_done(struct power_rig *power, const char *test) {
    const struct crash_rig *rig = &power->crash;
    const struct powercut_summary *sum = &power->sum;
    (void)printf(
        "%s: %zu cuts, %zu while opening, %zu while packing, %zu while an index segment is "
        "written, %zu after closing; %zu events acknowledged; %zu operations, %zu of %zu unsynced "
        "writes lost, %zu of %zu names; %zu syncs failed\n",
        test, rig->n_rounds, rig->n_early, sum->unfinished_packs, sum->unfinished_segments,
        rig->n_closed, rig->n_events, sum->operations, sum->lost_writes, sum->unsynced_writes,
        sum->lost_names, sum->unsynced_names, sum->failed_syncs);
    crash_rig_done(&power->crash);
}
