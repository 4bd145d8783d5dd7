/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_steps.c: a store is stopped once before and once after every step in which it
 * changes (engine_step.h): starting, committing, sealing a unit, signing, packing, merging; by the
 * death of the process, and by a power cut. A step that is not met any more fails the test, and so
 * does one that has no name. The usual run draws one of before and after for each.
 */
#include <stdlib.h>
#include <unistd.h>

#include "tests/fault/power_rig.h"

/* A step that comes rarely is waited for over so many lives of a store. */
#define LIVES_MAX 12
/* Of a life: two months, so that segments are merged. */
#define EVENTS_MAX 2600

static struct power_rig power;
static size_t n_stops, n_lives;

static void choose(const char *when, uint64_t nth, const char *step) {
    char text[96];
    (void)snprintf(text, sizeof text, "%s %" PRIu64 " %s", when, nth, step);
    assert_int_equal(setenv(CRASH_STEP_AT, text, 1), 0);
}

/* One life, with a power cut or only its end. */
static const char *live(bool cut) {
    struct crash_rig *rig = &power.crash;
    n_lives++;
    if (cut) {
        return power_rig_cut(&power);
    }
    const char *wrong = crash_rig_run(rig);
    if (wrong == NULL && access(rig->live, F_OK) == 0) {
        temp_folder_copy(rig->live, rig->copy);
        wrong = crash_rig_check(rig, rig->copy);
        temp_folder_remove(rig->copy);
    }
    return wrong;
}

/* Lives of one store until one ends at the step, and one more over what that left. */
static void stop_at(size_t step, const char *when, bool cut) {
    const char *wrong = NULL;
    power.crash.ended_at_step = false;
    for (int i = 0; wrong == NULL && !power.crash.ended_at_step; i++) {
        if (i == LIVES_MAX) {
            fail_msg("no life of %d ended %s '%s'", LIVES_MAX, when, engine_step_names[step]);
        }
        if (i % 4 <= 1) { /* some steps are made once a store, others need a store that has grown */
            crash_rig_restart(&power.crash);
        }
        choose(when, i > 0 ? 1 : 1 + rng_below(&power.crash.rng, 3), engine_step_names[step]);
        wrong = live(cut);
    }
    n_stops++;
    choose("no", 0, "step");
    wrong = wrong == NULL ? live(cut) : wrong;
    if (wrong != NULL) {
        fail_msg("%s '%s'%s, store kept in %s: %s", when, engine_step_names[step],
                 cut ? " with a power cut" : "", power.crash.folder, wrong);
    }
}

static void stop_at_each(const char *test, const char *writer, bool cut) {
    power_rig_init(&power, test, writer);
    n_stops = 0;
    n_lives = 0;
    power.crash.lets_live = true;
    power.crash.events_max = EVENTS_MAX;
    for (size_t step = 0; step < ENGINE_STEPS; step++) {
        bool both = crash_rounds(0, 1) == 1;
        bool before = rng_below(&power.crash.rng, 2) == 0;
        if (both || before) {
            stop_at(step, "before", cut);
        }
        if (both || !before) {
            stop_at(step, "after", cut);
        }
    }
    for (size_t step = 0; step < ENGINE_STEPS; step++) {
        assert_true(power.crash.met[step]);
    }
    if (power.crash.met[ENGINE_STEPS]) {
        fail_msg("a step was made that has no name: name it in engine_step.c");
    }
    (void)printf("%s: %d steps, %zu stops, %zu lives, %zu events acknowledged\n", test,
                 ENGINE_STEPS, n_stops, n_lives, power.crash.n_events);
    power.crash.lets_live = false;
    crash_rig_done(&power.crash);
}

static void test_steps__the_process_may_die_at_each(void **state) {
    (void)state;
    stop_at_each("steps", STELE_CRASH_WRITER, false);
}

static void test_steps__the_power_may_fail_at_each(void **state) {
    (void)state;
    stop_at_each("steps and power", STELE_POWER_WRITER, true);
}

static void test_steps__their_names_are_printed(void **state) {
    (void)state;
    for (size_t step = 0; step < ENGINE_STEPS; step++) {
        (void)printf("step: %s\n", engine_step_names[step]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps__their_names_are_printed),
        cmocka_unit_test(test_steps__the_process_may_die_at_each),
        cmocka_unit_test(test_steps__the_power_may_fail_at_each),
    };
    return cmocka_run_group_tests_name("steps", tests, NULL, NULL);
}
