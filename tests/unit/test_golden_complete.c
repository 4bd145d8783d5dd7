/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Complete answers from fixed keys and events, against the frozen files of golden/v1. A byte that
 * differs is another format: it needs a v2 beside v1. STELE_GOLDEN_OUT=<folder> writes the files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/cmocka.h"
#include "tests/support/complete_bed.h"

#define GOLDEN STELE_SOURCE_DIR "/tests/golden/v1/"
#define FILE_BYTES_MAX 65536

/* Three logs over two months. */
static int setup(void **state) {
    static const char *const origins[] = {"stele.example/eu-1/1y", "stele.example/eu-1/3y",
                                          "stele.example/eu-1/system"};
    static const uint8_t years[] = {1, 3, 7};
    struct complete_bed *bed = stele_alloc(1, sizeof *bed);
    struct rng rng = {3};
    assert_non_null(bed);
    bed->n_logs = 3;
    for (uint8_t i = 0; i < 3; i++) { /* the keys of verify_keys.txt */
        bed->logs[i] = cm_log_new(origins[i], (uint8_t)(i + 1), years[i], CM_START_US);
        bed->keys[i] = bed->logs[i]->key;
    }
    for (size_t i = 0; i < 3; i++) {
        (void)cm_list_log(bed->logs[2], CM_START_US, bed->logs[i]);
    }
    cm_fill(bed->logs[0], &rng, 12, CM_START_US, 45);
    cm_fill(bed->logs[1], &rng, 40, CM_START_US, 45);
    cm_fill(bed->logs[2], &rng, 4, CM_START_US, 45);
    *state = bed;
    return 0;
}

static void compare(const char *name, stele_view made) {
    static uint8_t frozen[FILE_BYTES_MAX];
    char path[4096];
    const char *out = getenv("STELE_GOLDEN_OUT");
    if (out != NULL) {
        (void)snprintf(path, sizeof path, "%s/%s", out, name);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(made.data, 1, made.size, file), made.size);
        assert_int_equal(fclose(file), 0);
        return;
    }
    (void)snprintf(path, sizeof path, GOLDEN "%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(frozen, 1, sizeof frozen, file);
    (void)fclose(file);
    assert_int_equal(size, made.size);
    assert_memory_equal(frozen, made.data, size);
}

/* The product's writer makes the file, and the verifier accepts it. */
static void freeze(struct complete_bed *bed, const char *name,
                   const struct stele_question *question, const struct plan_options *options) {
    static struct plan plan;
    stele_err err = {.text = ""};
    plan_make(bed->logs, bed->n_logs, question, options, &plan);
    stele_buf_clear(&bed->file);
    assert_ok(plan_write(&plan, &bed->file, NULL));
    plan_done(&plan);
    if (complete_bed_judge(bed, stele_view_buf(&bed->file), 100, &err) != STELE_OK) {
        fail_msg("%s is refused: %s", name, err.text);
    }
    compare(name, stele_view_buf(&bed->file));
}

static void test_golden__complete_answers(void **state) {
    struct complete_bed *bed = *state;
    const struct plan_options options = {.condition = 0};
    struct stele_question q;
    complete_bed_question(&q);
    assert_ok(stele_event_filter_add(&q.filter, STELE_KEY_ACTOR, stele_view_str("u-0"), NULL));
    assert_ok(stele_event_filter_add_number(&q.filter, STELE_KEY_ACTION, 3, NULL));
    q.filter.logged_since_us = CM_START_US + 6 * CM_DAY_US;
    q.filter.logged_until_us = CM_START_US + 38 * CM_DAY_US;
    q.filter.since_unix_nano = (CM_START_US + 3 * CM_DAY_US) * 1000 + 1;
    freeze(bed, "complete.stele-answer", &q, &options);
    stele_question_done(&q);

    complete_bed_question(&q);
    assert_ok(stele_event_filter_add(&q.filter, STELE_KEY_ACTOR, stele_view_str("nobody"), NULL));
    freeze(bed, "complete_absent.stele-answer", &q, &options);
    stele_question_done(&q);
}

/* How many events of u-0 happened in three weeks. */
static void test_golden__complete_number(void **state) {
    struct complete_bed *bed = *state;
    const struct plan_options options = {.condition = 0, .counted = true};
    struct stele_question q;
    complete_bed_question(&q);
    assert_ok(stele_event_filter_add(&q.filter, STELE_KEY_ACTOR, stele_view_str("u-0"), NULL));
    q.filter.since_unix_nano = (CM_START_US + 3 * CM_DAY_US) * 1000;
    q.filter.until_unix_nano = (CM_START_US + 40 * CM_DAY_US) * 1000;
    freeze(bed, "complete_number.stele-answer", &q, &options);
    assert_true(bed->report.n_events > 0);
    stele_question_done(&q);
}

/* Two events are erased, one era of 1y is gone. */
static void test_golden__complete_answer_with_gaps(void **state) {
    struct complete_bed *bed = *state;
    const struct plan_options options = {.condition = STELE_COMPLETE_WHOLE_TENANT};
    struct cm_log *one = bed->logs[0];
    struct cm_log *three = bed->logs[1];
    uint64_t later_us = CM_START_US + 460 * CM_DAY_US;
    const struct stele_descriptor *first = &cm_index_newest(one)->descriptor[0];
    uint32_t era = first->info.era;
    (void)cm_dispose(one, later_us, 0, first->info.hi, 1);
    (void)cm_gone(one, later_us, era);
    (void)cm_index(one, later_us + 1, one->n, 64);
    for (uint64_t seq = 10, n = 0; n < 2; seq++) {
        const struct cm_entry *entry = three->entry[seq];
        if (entry->entry.type == STELE_ENTRY_EVENT) {
            (void)cm_erase(three, later_us, seq);
            n++;
        }
    }
    (void)cm_index(three, later_us + 1, three->n, 64);
    struct stele_question q;
    complete_bed_question(&q);
    q.filter.logged_until_us = CM_START_US + 12 * CM_DAY_US;
    freeze(bed, "complete_gaps.stele-answer", &q, &options);
    assert_true(bed->report.complete.proof.n_gaps > 0);
    stele_question_done(&q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden__complete_answers),
        cmocka_unit_test(test_golden__complete_number),
        cmocka_unit_test(test_golden__complete_answer_with_gaps),
    };
    return cmocka_run_group_tests(tests, setup, complete_bed_teardown);
}
