/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damaged answer files: any byte changed, cut or added. And the files of logs that are themselves
 * wrong; and what no rule can find, an event left out, as what it is.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/answer_pair.h"
#include "tests/support/cmocka.h"

static void test_answer__any_changed_byte_is_refused(void **state) {
    struct pair *x = *state;
    static const uint8_t flips[] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff};
    for (size_t at = 0; at < x->file.size; at++) {
        for (size_t i = 0; i < sizeof flips; i++) {
            x->file.data[at] ^= flips[i];
            if (pair_judge(x, stele_view_buf(&x->file), NULL) == STELE_OK) {
                fail_msg("byte %zu changed by %02x: verified", at, flips[i]);
            }
            x->file.data[at] ^= flips[i];
        }
    }
    assert_ok(pair_judge(x, stele_view_buf(&x->file), NULL));
}

static void test_answer__any_cut_is_refused(void **state) {
    struct pair *x = *state;
    for (size_t size = 0; size < x->file.size; size++) {
        assert_status(pair_judge(x, stele_view_of(x->file.data, size), NULL), INVALID);
    }
    assert_ok(pair_judge(x, stele_view_buf(&x->file), NULL));
    assert_ok(stele_buf_append(&x->file, stele_view_of("", 1), NULL));
    assert_status(pair_judge(x, stele_view_buf(&x->file), NULL), INVALID);
}

static void test_answer__any_byte_added_is_refused(void **state) {
    struct pair *x = *state;
    for (size_t at = 0; at <= x->file.size; at++) {
        stele_buf_clear(&x->out);
        assert_ok(stele_buf_append(&x->out, stele_view_of(x->file.data, at), NULL));
        assert_ok(stele_buf_append(&x->out, stele_view_of("\3", 1), NULL));
        assert_ok(
            stele_buf_append(&x->out, stele_view_of(x->file.data + at, x->file.size - at), NULL));
        if (pair_judge(x, stele_view_buf(&x->out), NULL) == STELE_OK) {
            fail_msg("a byte added at %zu: verified", at);
        }
    }
}

static void test_answer__another_magic_is_refused(void **state) {
    struct pair *x = *state;
    for (size_t at = 0; at < STELE_ANSWER_MAGIC_BYTES; at++) {
        x->file.data[at] ^= 1;
        size_t hashed = x->file.size - 32;
        stele_sha256_of(stele_view_of(x->file.data, hashed), x->file.data + hashed);
        assert_status(pair_judge(x, stele_view_buf(&x->file), NULL), INVALID);
        x->file.data[at] ^= 1;
    }
}

/* Seqs ascend and the log signed it all, but its clock went back. */
static void test_answer__a_log_whose_clock_went_back_is_refused(void **state) {
    struct pair *x = *state;
    static const struct sample_event event = {0};
    struct sample_log log;
    struct sample_log *logs[1] = {&log};
    sample_log_init(&log, "stele.example/eu-1/a", 1);
    (void)sample_log_event(&log, SAMPLE_TIME_US + 5, &event);
    (void)sample_log_event(&log, SAMPLE_TIME_US + 4, &event);
    struct sample_answer answer = {.logs = logs, .n_logs = 1};
    /* The writer puts them in the order of their times; both orders are wrong. */
    uint8_t numbers[2];
    uint64_t seqs[2];
    assert_int_equal(sample_answer_order(&answer, numbers, seqs), 2);
    assert_int_equal(seqs[0], 1);
    stele_buf note = STELE_BUF_EMPTY;
    sample_log_sign(&log, 2, &note);
    forge_take_apart(stele_view_buf(&x->file), &x->f);
    while (x->f.n > 2) {
        forge_remove(&x->f, 1);
    }
    forge_insert(&x->f, 1, STELE_ANSWER_LOG, stele_view_buf(&note));
    for (uint64_t seq = 0; seq < 2; seq++) {
        stele_buf chunk = STELE_BUF_EMPTY;
        assert_ok(stele_buf_append(&chunk, stele_view_of("\0", 1), NULL));
        assert_ok(stele_buf_append(&chunk, sample_log_entry(&log, seq), NULL));
        assert_ok(stele_buf_append(&chunk, stele_view_of(log.entry[seq].salt, 16), NULL));
        assert_ok(stele_buf_append(&chunk, stele_view_buf(&log.entry[seq].payload), NULL));
        forge_insert(&x->f, 2 + (size_t)seq, STELE_ANSWER_EVENT, stele_view_buf(&chunk));
        stele_buf_done(&chunk);
    }
    forge_insert(&x->f, 4, STELE_ANSWER_LOG_END, stele_view_of("\0", 1));
    pair_body(x, STELE_ANSWER_END, 0)->data[7] = 2;
    forge_put_together(&x->f, &x->out);
    assert_status(pair_judge(x, stele_view_buf(&x->out), NULL), INVALID);
    stele_buf_done(&note);
    sample_log_done(&log);
}

/* More logs than a file may have, each with a real checkpoint. */
static void test_answer__more_than_64_logs_are_refused(void **state) {
    struct pair *x = *state;
    static struct stele_vkey keys[STELE_ANSWER_LOGS_MAX + 1];
    static const uint8_t n_to[] = {STELE_ANSWER_LOGS_MAX, STELE_ANSWER_LOGS_MAX + 1};
    for (size_t round = 0; round < 2; round++) {
        forge_done(&x->f);
        forge_take_apart(stele_view_buf(&x->file), &x->f);
        while (x->f.n > 2) {
            forge_remove(&x->f, 1);
        }
        memset(pair_body(x, STELE_ANSWER_END, 0)->data, 0, 9);
        for (uint8_t i = 0; i < n_to[round]; i++) {
            struct sample_log log;
            stele_buf note = STELE_BUF_EMPTY;
            char origin[64];
            (void)snprintf(origin, sizeof origin, "stele.example/eu-1/%03u", i);
            sample_log_init(&log, origin, 5);
            sample_log_sign(&log, 0, &note);
            keys[i] = log.key;
            forge_insert(&x->f, 1u + i, STELE_ANSWER_LOG, stele_view_buf(&note));
            forge_insert(&x->f, 2u + 2u * i, STELE_ANSWER_LOG_END, stele_view_of(&i, 1));
            stele_buf_done(&note);
            sample_log_done(&log);
        }
        struct stele_answer_report report;
        stele_buf_clear(&x->out);
        forge_put_together(&x->f, &x->out);
        stele_err err = {.text = ""};
        stele_status st =
            sample_answer_read(stele_view_buf(&x->out), keys, n_to[round], NULL, &report, &err);
        assert_string_equal(stele_status_name(st), round == 0 ? "OK" : "INVALID");
        assert_true(round == 0 || strstr(err.text, "up to 64") != NULL);
    }
}

/* The honest limit: a file without one of the events is as good a file. */
static void test_answer__an_omitted_event_is_not_found(void **state) {
    struct pair *x = *state;
    struct stele_answer_report report;
    struct sample_answer all = {.logs = x->logs, .n_logs = 2};
    stele_buf_clear(&x->out);
    sample_answer_write(&all, stele_view_str("the question"), &x->out);
    assert_ok(sample_answer_read(stele_view_buf(&x->out), x->keys, 2, NULL, &report, NULL));
    assert_int_equal(report.n_events, 16);
    assert_ok(sample_answer_read(stele_view_buf(&x->file), x->keys, 2, NULL, &report, NULL));
    assert_int_equal(report.n_events, 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answer__any_changed_byte_is_refused, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(test_answer__any_cut_is_refused, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(test_answer__any_byte_added_is_refused, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(test_answer__another_magic_is_refused, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(test_answer__a_log_whose_clock_went_back_is_refused,
                                        pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(test_answer__more_than_64_logs_are_refused, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(test_answer__an_omitted_event_is_not_found, pair_setup,
                                        pair_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
