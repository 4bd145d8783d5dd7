/* SPDX-License-Identifier: Apache-2.0 */
/* Entries that belie their events, origins, receipts, and files that are no proof. */
#include <string.h>

#include "tests/support/cmocka.h"
#include "tests/support/verify_bed.h"

#define ERA_AT 4 /* in an EVENT entry */

/* ------------------------------------------------------------------ entries that belie their
 * events */

/* Changes a byte of an entry of log 3y; the log then signs what it has. */
static void spoil(struct verify_bed *f, uint64_t seq, size_t at, uint8_t value) {
    f->three.entry[seq].bytes[at] = value;
    stele_hash_leaf(sample_log_entry(&f->three, seq), f->three.leaves.data + 32 * seq);
}

/* An answer and a receipt of the last event of log 3y are judged alike. */
static void assert_both(struct verify_bed *f, stele_status expected, const char *what) {
    stele_buf note = STELE_BUF_EMPTY;
    stele_buf path = STELE_BUF_EMPTY;
    stele_err err = {.text = ""};
    verify_bed_write(f, 2);
    stele_status answer = verify_bed_judge(f, &err);
    sample_log_sign(&f->three, f->three.n, &note);
    struct stele_receipt receipt =
        sample_log_receipt(&f->three, f->three.n - 1, stele_view_buf(&note), f->three.n, &path);
    stele_buf_clear(&f->file);
    assert_ok(stele_receipt_encode(&receipt, &f->file, NULL));
    stele_status of_receipt = verify_bed_judge(f, &err);
    if (answer != expected || of_receipt != expected ||
        (expected != STELE_OK && strstr(err.text, what) == NULL)) {
        fail_msg("answer %s, receipt %s: %s", stele_status_name(answer),
                 stele_status_name(of_receipt), err.text);
    }
    stele_buf_done(&note);
    stele_buf_done(&path);
}

static void test_verify__an_entry_says_its_events_time(void **state) {
    struct verify_bed *f = *state;
    static const struct sample_event event = {0};
    (void)sample_log_event_as(&f->three, SAMPLE_TIME_US + 20000, SAMPLE_TIME_US, &event);
    assert_both(f, STELE_OK, "");
    (void)sample_log_event_as(&f->three, SAMPLE_TIME_US + 20000, SAMPLE_TIME_US + 1, &event);
    assert_both(f, STELE_UNVERIFIED, "happened at");
}

static void test_verify__an_entry_says_its_events_class(void **state) {
    struct verify_bed *f = *state;
    const struct sample_event same_class = {.retention_class = 3};
    const struct sample_event other_class = {.retention_class = 5};
    (void)sample_log_event(&f->three, SAMPLE_TIME_US + 20000, &same_class);
    assert_both(f, STELE_OK, "");
    (void)sample_log_event(&f->three, SAMPLE_TIME_US + 20000, &other_class);
    assert_both(f, STELE_UNVERIFIED, "years");
}

static void test_verify__an_event_is_in_its_region(void **state) {
    struct verify_bed *f = *state;
    const struct sample_event event = {.region = "us-1"};
    (void)sample_log_event(&f->three, SAMPLE_TIME_US + 20000, &event);
    assert_both(f, STELE_UNVERIFIED, "region");
}

static void test_verify__an_era_is_of_the_month(void **state) {
    struct verify_bed *f = *state;
    spoil(f, f->three.n - 1, ERA_AT + 3,
          f->three.entry[f->three.n - 1].bytes[ERA_AT + 3] ^ 1); /* the cut */
    assert_both(f, STELE_OK, "");
    spoil(f, f->three.n - 1, ERA_AT + 2, 0); /* another month */
    assert_both(f, STELE_UNVERIFIED, "era");
}

/* The log committed to bytes that are no event. */
static void test_verify__a_payload_is_an_event(void **state) {
    struct verify_bed *f = *state;
    uint64_t seq = f->three.n - 1;
    struct sample_entry *entry = &f->three.entry[seq];
    entry->payload.size--;
    stele_hash_payload(entry->salt, stele_view_buf(&entry->payload), entry->bytes + 32);
    spoil(f, seq, 2, 3);
    assert_both(f, STELE_INVALID, "");
}

/* ------------------------------------------------------------------ origins */

static void test_verify__origins_have_three_parts(void **state) {
    struct verify_bed *f = *state;
    static const struct {
        const char *origin;
        bool good;
    } cases[] = {
        {"stele.example/eu-1/x", true},
        {"stele.example/eu-1", false},
        {"eu-1", false},
        {"stele.example//x", false},
        {"/eu-1/x", false},
        {"stele.example/eu-1/", false},
        {"a/eu-1/b/x", false},
        {"a/b/eu-1/x", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sample_log log;
        f->logs[0] = &log;
        verify_bed_fill(&log, cases[i].origin, 3);
        f->keys[0] = log.key;
        verify_bed_write(f, 1);
        stele_status st = verify_bed_judge(f, NULL);
        if (st != (cases[i].good ? STELE_OK : STELE_INVALID)) {
            fail_msg("%s: %s", cases[i].origin, stele_status_name(st));
        }
        sample_log_done(&log);
    }
}

/* ------------------------------------------------------------------ receipts and kinds */

static void test_verify__reports_what_a_receipt_proves(void **state) {
    struct verify_bed *f = *state;
    stele_buf note = STELE_BUF_EMPTY;
    stele_buf path = STELE_BUF_EMPTY;
    sample_log_sign(&f->one, 12, &note);
    for (uint64_t seq = 0; seq < 12; seq++) {
        struct stele_receipt receipt =
            sample_log_receipt(&f->one, seq, stele_view_buf(&note), 12, &path);
        for (size_t piece = 1; piece < 5000; piece *= 9) {
            struct stele_verify_report report;
            struct verify_counted counted = {0, 0};
            stele_buf_clear(&f->file);
            assert_ok(stele_receipt_encode(&receipt, &f->file, NULL));
            assert_ok(
                verify_bed_verify(f, stele_view_buf(&f->file), piece, &counted, &report, NULL));
            assert_true(report.kind == STELE_PROOF_RECEIPT && !report.cut && report.n_logs == 1);
            assert_string_equal(report.log[0].origin, "stele.example/eu-1/1y");
            assert_int_equal(report.log[0].size_leaves, 12);
            assert_int_equal(report.receipt.entry.seq, seq);
            bool is_event = seq > 0;
            assert_true(report.receipt.payload_checked == is_event &&
                        report.receipt.tags_checked == is_event);
            assert_int_equal(report.n_events, is_event ? 1 : 0);
            assert_int_equal(counted.events, is_event ? 1 : 0);
            stele_verify_report_done(&report);
        }
    }
    stele_buf_done(&note);
    stele_buf_done(&path);
}

static void test_verify__other_files_are_refused(void **state) {
    struct verify_bed *f = *state;
    static const char *const files[] = {
        "",
        "x",
        "{}",
        "stele/answer@v2\n",
        "stele/answer@v1\r",
        "stele",
        "s",
        "c",
        "c2sp.org/tlog-proof@v2\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n\nx\n",
        "-----BEGIN CERTIFICATE-----\n",
        "\xef\xbb\xbfstele/answer@v1\n",
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        verify_bed_put(&f->file, files[i]);
        assert_status(verify_bed_judge(f, NULL), INVALID);
    }
}

static void test_verify__a_wrong_first_byte_cannot_be_mended(void **state) {
    struct verify_bed *f = *state;
    struct stele_verifier *v = NULL;
    struct stele_verify_report report;
    verify_bed_write(f, 2);
    assert_ok(stele_verifier_new(f->keys, 2, NULL, NULL, &v, NULL));
    assert_ok(stele_verifier_feed(v, stele_view_of(NULL, 0), NULL));
    assert_status(stele_verifier_feed(v, stele_view_str("x"), NULL), INVALID);
    assert_status(stele_verifier_feed(v, stele_view_buf(&f->file), NULL), INVALID);
    assert_status(stele_verifier_end(v, &report, NULL), INVALID);
    stele_verifier_free(v);
    stele_verifier_free(NULL);
}

static void test_verify__a_receipt_without_end_is_bounded(void **state) {
    struct verify_bed *f = *state;
    static uint8_t block[65536];
    struct stele_verifier *v = NULL;
    struct stele_verify_report report;
    memset(block, 'c', sizeof block);
    assert_ok(stele_verifier_new(f->keys, 2, NULL, NULL, &v, NULL));
    for (int i = 0; i < 100; i++) {
        assert_ok(stele_verifier_feed(v, stele_view_of(block, sizeof block), NULL));
    }
    assert_status(stele_verifier_end(v, &report, NULL), INVALID);
    stele_verifier_free(v);
}

static stele_status refuse_event(void *ctx, const struct stele_answer_event *event,
                                 stele_err *err) {
    (void)ctx;
    (void)event;
    return STELE_FAIL(err, IO, "the pipe is gone");
}

static void test_verify__a_callbacks_failure_ends_it(void **state) {
    struct verify_bed *f = *state;
    struct stele_verifier *v = NULL;
    struct stele_verify_report report;
    stele_err err;
    verify_bed_write(f, 2);
    assert_ok(stele_verifier_new(f->keys, 2, refuse_event, NULL, &v, NULL));
    assert_status(stele_verifier_feed(v, stele_view_buf(&f->file), &err), IO);
    assert_string_equal(err.text, "the pipe is gone");
    assert_status(stele_verifier_end(v, &report, NULL), IO);
    stele_verifier_free(v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_verify__an_entry_says_its_events_time,
                                        verify_bed_setup, verify_bed_teardown),
        cmocka_unit_test_setup_teardown(test_verify__an_entry_says_its_events_class,
                                        verify_bed_setup, verify_bed_teardown),
        cmocka_unit_test_setup_teardown(test_verify__an_event_is_in_its_region, verify_bed_setup,
                                        verify_bed_teardown),
        cmocka_unit_test_setup_teardown(test_verify__an_era_is_of_the_month, verify_bed_setup,
                                        verify_bed_teardown),
        cmocka_unit_test_setup_teardown(test_verify__a_payload_is_an_event, verify_bed_setup,
                                        verify_bed_teardown),
        cmocka_unit_test_setup_teardown(test_verify__origins_have_three_parts, verify_bed_setup,
                                        verify_bed_teardown),
        cmocka_unit_test_setup_teardown(test_verify__reports_what_a_receipt_proves,
                                        verify_bed_setup, verify_bed_teardown),
        cmocka_unit_test_setup_teardown(test_verify__other_files_are_refused, verify_bed_setup,
                                        verify_bed_teardown),
        cmocka_unit_test_setup_teardown(test_verify__a_wrong_first_byte_cannot_be_mended,
                                        verify_bed_setup, verify_bed_teardown),
        cmocka_unit_test_setup_teardown(test_verify__a_receipt_without_end_is_bounded,
                                        verify_bed_setup, verify_bed_teardown),
        cmocka_unit_test_setup_teardown(test_verify__a_callbacks_failure_ends_it, verify_bed_setup,
                                        verify_bed_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
