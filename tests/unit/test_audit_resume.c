/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_audit_resume.c: an audit that is stopped goes on to the same verdict, with the
 * same log and with no other, and what damages its folder changes no verdict. */
#include <stdio.h>
#include <string.h>

#include "storage/file.h"
#include "tests/support/audit_bed.h"

/* Says stop after so many entries of the auditor's. */
struct stopping {
    uint64_t at, done;
};

static void see(void *ctx, const char *log, uint64_t done, uint64_t total) {
    (void)log;
    (void)total;
    ((struct stopping *)ctx)->done = done;
}

static bool is_time(void *ctx) {
    struct stopping *stopping = ctx;
    return stopping->done >= stopping->at;
}

static struct stele_audit_options resumable(const char *work, struct stopping *stopping) {
    return (struct stele_audit_options){.progress = see,
                                        .progress_every = 1,
                                        .stop = is_time,
                                        .ctx = stopping,
                                        .work = work,
                                        .block_shift = SMALL_BLOCK_SHIFT};
}

static void work_of(const struct audit_bed *bed, char ret[STELE_FILE_PATH_MAX]) {
    assert_ok(stele_file_path(bed->f.dir, "work", ret, NULL));
}

/* Stopped, as by a kill, again and again; the log grows meanwhile, and its months end. */
static void test_audit_resume__a_stopped_audit_goes_on(void **state) {
    struct audit_bed bed;
    struct stele_audit_report report;
    struct stele_audit_report whole;
    struct stopping stopping = {0, 0};
    char work[STELE_FILE_PATH_MAX];
    uint64_t went_on = 0;
    size_t n_stops = 0;
    (void)state;
    audit_bed_start(&bed, "audit_resume");
    work_of(&bed, work);
    struct stele_audit_options options = resumable(work, &stopping);
    for (size_t round = 0; round < 24; round++) {
        audit_bed_append(&bed, 300 + rng_below(&bed.rng, 500));
        if (round % 6 == 5) {
            atomic_fetch_add(&bed.f.now_us, DAY_US * 20);
        }
        if (round == 12) {
            fixture_wait_packed(&bed.f, "3y");
        }
        audit_bed_seal(&bed);
        audit_bed_sign(&bed);
        memset(&report, 0, sizeof report);
        stopping.at += 200 + rng_below(&bed.rng, 700);
        stopping.done = 0;
        stele_status st = stele_audit_log(audit_bed_log_of(&bed), &options, &report, NULL);
        assert_true(st == STELE_CLOSED || st == STELE_OK);
        assert_true(report.went_on_at >= went_on);
        went_on = report.went_on_at;
        n_stops += st == STELE_CLOSED;
        stele_audit_report_done(&report);
    }
    stopping.at = UINT64_MAX;
    audit_bed_audit_as(&bed, &options, &report);
    assert_true(report.went_on_at > 4000 && n_stops > 5);
    audit_bed_audit(&bed, 0, &whole);
    audit_bed_assert_same(&whole, &report);
    assert_int_equal(report.verdict, STELE_AUDIT_HOLDS);
    assert_false(report.root_differs);
    stele_audit_report_done(&whole);
    stele_audit_report_done(&report);
    fixture_done(&bed.f);
}

/* What was found before the stop is found after it too. */
static void test_audit_resume__a_finding_outlives_a_stop(void **state) {
    struct audit_bed bed;
    struct stele_audit_report report;
    struct stele_audit_report whole;
    struct stopping stopping = {600, 0};
    char work[STELE_FILE_PATH_MAX];
    (void)state;
    audit_bed_start_small(&bed, "audit_resume_found");
    work_of(&bed, work);
    struct malicious_posting posting = audit_bed_posting_of(&bed, 100, 1);
    malicious_flip_posting(audit_bed_log_of(&bed), &posting);
    audit_bed_seal(&bed);
    audit_bed_append(&bed, 600);
    audit_bed_sign(&bed);
    struct stele_audit_options options = resumable(work, &stopping);
    memset(&report, 0, sizeof report);
    assert_status(stele_audit_log(audit_bed_log_of(&bed), &options, &report, NULL), CLOSED);
    stele_audit_report_done(&report);
    stopping.at = UINT64_MAX;
    audit_bed_audit_as(&bed, &options, &report);
    assert_true(report.went_on_at > 500);
    assert_int_equal(report.verdict, STELE_AUDIT_WRONG_INDEX);
    audit_bed_check_proof(&bed, &report, STELE_FRAUD_OMISSION);
    audit_bed_audit(&bed, 0, &whole);
    audit_bed_assert_same(&whole, &report);
    stele_audit_report_done(&whole);
    stele_audit_report_done(&report);
    fixture_done(&bed.f);
}

static void refuses(struct audit_bed *bed, const struct stele_audit_options *options,
                    stele_status wanted, const char *says) {
    struct stele_audit_report report;
    stele_err err = {.text = ""};
    memset(&report, 0, sizeof report);
    stele_status st = stele_audit_log(audit_bed_log_of(bed), options, &report, &err);
    if (st != wanted || strstr(err.text, says) == NULL) {
        fail_msg("%s: %s", stele_status_name(st), err.text);
    }
    stele_audit_report_done(&report);
}

/* Of another log, another history; of fewer entries. A sample does not go on. */
static void test_audit_resume__progress_of_something_else_is_refused(void **state) {
    struct audit_bed bed;
    struct audit_bed other;
    struct stele_audit_report report;
    struct stopping stopping = {UINT64_MAX, 0};
    char work[STELE_FILE_PATH_MAX];
    (void)state;
    audit_bed_start_small(&bed, "audit_refused");
    work_of(&bed, work);
    audit_bed_append(&bed, 300);
    audit_bed_sign(&bed);
    struct stele_audit_options options = resumable(work, &stopping);
    audit_bed_audit_as(&bed, &options, &report);
    stele_audit_report_done(&report);
    options.sample = 3;
    refuses(&bed, &options, STELE_INVALID, "without --work");
    options.sample = 0;
    options.block_shift = SMALL_BLOCK_SHIFT + 1;
    refuses(&bed, &options, STELE_INVALID, "2^8 entries, not of 2^9");
    options.block_shift = SMALL_BLOCK_SHIFT;

    memset(&report, 0, sizeof report);
    stele_err err = {.text = ""};
    stele_status st = stele_audit_log(stele_store_log(bed.f.store, "1y"), &options, &report, &err);
    assert_int_equal(st, STELE_INVALID);
    assert_non_null(strstr(err.text, "/3y"));
    stele_audit_report_done(&report);

    audit_bed_start(&other, "audit_refused_other");
    audit_bed_append(&other, 100);
    refuses(&other, &options, STELE_UNVERIFIED, "an older copy");
    audit_bed_append(&other, 900);
    refuses(&other, &options, STELE_UNVERIFIED, "a second history");
    fixture_done(&other.f);
    audit_bed_audit_as(&bed, &options, &report);
    assert_int_equal(report.verdict, STELE_AUDIT_HOLDS);
    stele_audit_report_done(&report);
    fixture_done(&bed.f);
}

static void write_file(const char *path, stele_view bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    assert_int_equal(fclose(file), 0);
}

/* Any changed byte of any file of the folder, and any of them cut: refused, or nothing changes. */
static void test_audit_resume__a_damaged_work_folder_changes_no_verdict(void **state) {
    static const char *const names[] = {"progress", "rows-00000000000000000000",
                                        "i-00000000000000000000-00000000000000000256",
                                        "s-00000000000000000000-00000000000000000256"};
    struct audit_bed bed;
    struct stele_audit_report report;
    struct stele_audit_report damaged;
    struct stopping stopping = {UINT64_MAX, 0};
    char work[STELE_FILE_PATH_MAX];
    char path[STELE_FILE_PATH_MAX];
    size_t n_refused = 0;
    (void)state;
    audit_bed_start(&bed, "audit_damaged");
    work_of(&bed, work);
    audit_bed_append(&bed, 250);
    audit_bed_append(&bed, 20);
    audit_bed_sign(&bed);
    struct stele_audit_options options = resumable(work, &stopping);
    audit_bed_audit_as(&bed, &options, &report);
    stele_audit_report_done(&report);
    audit_bed_append(&bed, 300); /* a 2^9 span, so that the first block is read and merged */
    fixture_wait_packed(&bed.f, "3y");
    audit_bed_seal(&bed);
    audit_bed_sign(&bed);
    for (size_t i = 0; i < 4; i++) {
        stele_buf bytes = STELE_BUF_EMPTY;
        assert_ok(stele_file_path(work, names[i], path, NULL));
        assert_ok(stele_file_read(path, (size_t)1 << 24, &bytes, NULL));
        for (size_t at = 0; at < bytes.size; at += 1 + rng_below(&bed.rng, bytes.size / 20)) {
            bool cut = rng_below(&bed.rng, 8) == 0;
            bytes.data[at] ^= 0x10;
            write_file(path, stele_view_of(bytes.data, cut ? at : bytes.size));
            bytes.data[at] ^= 0x10;
            memset(&damaged, 0, sizeof damaged);
            stele_status st = stele_audit_log(audit_bed_log_of(&bed), &options, &damaged, NULL);
            assert_true(st == STELE_OK || st == STELE_INVALID || st == STELE_IO);
            n_refused += st != STELE_OK;
            if (st == STELE_OK) {
                assert_int_equal(damaged.verdict, STELE_AUDIT_HOLDS);
                assert_false(damaged.root_differs);
            }
            stele_audit_report_done(&damaged);
            write_file(path, stele_view_buf(&bytes));
        }
        stele_buf_done(&bytes);
    }
    print_message("refused: %zu\n", n_refused);
    assert_true(n_refused > 20);
    fixture_done(&bed.f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_audit_resume__a_stopped_audit_goes_on),
        cmocka_unit_test(test_audit_resume__a_finding_outlives_a_stop),
        cmocka_unit_test(test_audit_resume__progress_of_something_else_is_refused),
        cmocka_unit_test(test_audit_resume__a_damaged_work_folder_changes_no_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
