/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receipts and an answer file from fixed keys and events, against the frozen files of golden/v1. A
 * byte that differs is another format: it needs a v2 beside v1. STELE_GOLDEN_OUT=<folder> writes
 * the files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/verify.h"
#include "tests/support/cmocka.h"
#include "tests/support/sample_answer.h"

#define GOLDEN STELE_SOURCE_DIR "/tests/golden/v1/"
#define N_LOGS 3
#define FILE_BYTES_MAX 65536

struct fixture {
    struct sample_log log[N_LOGS];
    struct sample_log *logs[N_LOGS];
};

static const struct stele_event_filter *wanted_filter;

/* Ten entries a log: a CONTROL, events of two sessions, one of them late, and an INDEX. */
static void fill(struct sample_log *log, uint8_t seed) {
    static const char *const origins[N_LOGS] = {"stele.example/eu-1/1y", "stele.example/eu-1/3y",
                                                "stele.example/eu-1/system"};
    sample_log_init(log, origins[seed - 1], seed);
    log->retention_years = (uint8_t)(2 * seed - 1);
    (void)sample_log_control(log, SAMPLE_TIME_US);
    for (uint64_t i = 1; i < 9; i++) {
        struct sample_event event = {
            .time_unix_nano = (SAMPLE_TIME_US + i) * 1000 + seed,
            .session = i % 3 == 0 ? "s-2" : "s-7",
            .outcome = i % 4 == 0 ? 3 : 1,
            .retention_class = i % 2 == 0 ? log->retention_years : 0u,
            .resource = i % 2 == 0 ? "data/clicks" : NULL,
            .resource_version = i % 2 == 0 ? "7" : NULL,
        };
        if (i == 5) {
            event.time_unix_nano -= UINT64_C(2) * 86400 * 1000000000;
        }
        (void)sample_log_event(log, SAMPLE_TIME_US + 1000 * (i / 2), &event);
    }
    (void)sample_log_index(log, SAMPLE_TIME_US + 5000);
}

static int setup(void **state) {
    static struct fixture f;
    for (uint8_t i = 0; i < N_LOGS; i++) {
        fill(&f.log[i], (uint8_t)(i + 1));
        f.logs[i] = &f.log[i];
    }
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < N_LOGS; i++) {
        sample_log_done(&f->log[i]);
    }
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

static void test_golden__verifier_keys(void **state) {
    struct fixture *f = *state;
    stele_buf keys = STELE_BUF_EMPTY;
    for (size_t i = 0; i < N_LOGS; i++) {
        assert_ok(stele_vkey_print(&f->log[i].key, &keys, NULL));
        assert_ok(stele_buf_printf(&keys, NULL, "\n"));
    }
    compare("verify_keys.txt", stele_view_buf(&keys));
    stele_buf_done(&keys);
}

static void test_golden__receipts(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *name;
        uint64_t seq;
        bool tags, payload;
    } cases[] = {
        {"receipt.tlog-proof", 5, true, true}, /* of a late event */
        {"receipt_bare.tlog-proof", 2, false, false},
        {"receipt_control.tlog-proof", 0, false, false},
        {"receipt_index.tlog-proof", 9, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        stele_buf note = STELE_BUF_EMPTY;
        stele_buf path = STELE_BUF_EMPTY;
        stele_buf text = STELE_BUF_EMPTY;
        sample_log_sign(&f->log[1], 10, &note);
        struct stele_receipt receipt =
            sample_log_receipt(&f->log[1], cases[i].seq, stele_view_buf(&note), 10, &path);
        receipt.tags.size = cases[i].tags ? receipt.tags.size : 0;
        receipt.has_payload = cases[i].payload;
        assert_ok(stele_receipt_encode(&receipt, &text, NULL));
        compare(cases[i].name, stele_view_buf(&text));
        stele_buf_done(&note);
        stele_buf_done(&path);
        stele_buf_done(&text);
    }
}

static bool is_wanted(void *ctx, size_t log, uint64_t seq) {
    static struct stele_event_facts facts; /* too large for a stack */
    const struct fixture *f = ctx;
    struct stele_entry entry;
    assert_ok(stele_entry_decode(sample_log_entry(&f->log[log], seq), &entry, NULL));
    assert_ok(
        stele_event_map_v1(NULL, stele_view_buf(&f->log[log].entry[seq].payload), &facts, NULL));
    return stele_event_filter_matches(wanted_filter, &facts, entry.time_us);
}

static void test_golden__answer(void **state) {
    struct fixture *f = *state;
    static const uint64_t sizes[N_LOGS] = {10, 8, 9};
    struct stele_question q;
    stele_buf question = STELE_BUF_EMPTY;
    stele_buf file = STELE_BUF_EMPTY;
    stele_question_init(&q);
    assert_ok(stele_buf_append(&q.region, stele_view_str("eu-1"), NULL));
    assert_ok(stele_buf_append(&q.filter.tenant, stele_view_str("acme"), NULL));
    assert_ok(stele_event_filter_add(&q.filter, STELE_KEY_SESSION, stele_view_str("s-7"), NULL));
    assert_ok(stele_event_filter_add_number(&q.filter, STELE_KEY_OUTCOME, 1, NULL));
    q.filter.until_unix_nano = (SAMPLE_TIME_US + 8) * 1000;
    q.filter.logged_since_us = SAMPLE_TIME_US;
    q.limit = 100;
    assert_ok(stele_question_encode(&q, &question, NULL));
    wanted_filter = &q.filter;
    struct sample_answer answer = {
        .logs = f->logs, .n_logs = N_LOGS, .sizes = sizes, .wants = is_wanted, .ctx = f};
    sample_answer_write(&answer, stele_view_buf(&question), &file);
    compare("answer.stele-answer", stele_view_buf(&file));
    stele_buf_done(&question);
    stele_buf_done(&file);
    stele_question_done(&q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden__verifier_keys),
        cmocka_unit_test(test_golden__receipts),
        cmocka_unit_test(test_golden__answer),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
