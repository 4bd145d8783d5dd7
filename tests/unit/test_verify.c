/* SPDX-License-Identifier: Apache-2.0 */
/* The verifier as its users call it: what a proof says is checked against what its events are. */
#include <string.h>

#include "proto/verify.h"
#include "storage/cursor.h"
#include "tests/support/answer_forge.h"
#include "tests/support/cmocka.h"
#include "tests/support/sample_answer.h"

#define ERA_AT 4 /* in an EVENT entry */

/* Logs 1y (three years all the same: no event asks for a class) and 3y; actors u-1 and u-2. */
struct fixture {
    struct sample_log one, three;
    struct sample_log *logs[2];
    struct stele_vkey keys[2];
    struct stele_question question;
    const char *actor; /* whose events are in the answer; NULL: everybody's */
    stele_buf file;
};

static const char *actor_of(uint64_t seq) {
    return seq % 3 == 0 ? "u-2" : "u-1";
}

static void fill(struct sample_log *log, const char *origin, uint8_t seed) {
    sample_log_init(log, origin, seed);
    (void)sample_log_control(log, SAMPLE_TIME_US);
    for (uint64_t i = 1; i < 12; i++) {
        struct sample_event event = {.actor = actor_of(i), .session = "s-1"};
        (void)sample_log_event(log, SAMPLE_TIME_US + 1000 * i, &event);
    }
}

static void put(stele_buf *buf, const char *text) {
    stele_buf_clear(buf);
    assert_ok(stele_buf_append(buf, stele_view_str(text), NULL));
}

static int setup(void **state) {
    struct fixture *f = stele_alloc(1, sizeof *f);
    fill(&f->one, "stele.example/eu-1/1y", 1);
    fill(&f->three, "stele.example/eu-1/3y", 2);
    f->logs[0] = &f->one;
    f->logs[1] = &f->three;
    f->keys[0] = f->three.key;
    f->keys[1] = f->one.key;
    stele_question_init(&f->question);
    put(&f->question.region, "eu-1");
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    sample_log_done(&f->one);
    sample_log_done(&f->three);
    stele_question_done(&f->question);
    stele_buf_done(&f->file);
    stele_free(f);
    return 0;
}

static bool is_wanted(void *ctx, size_t log, uint64_t seq) {
    const struct fixture *f = ctx;
    (void)log;
    return f->actor == NULL || strcmp(actor_of(seq), f->actor) == 0;
}

static void write_answer(struct fixture *f, size_t n_logs) {
    struct sample_answer answer = {.logs = f->logs, .n_logs = n_logs, .wants = is_wanted, .ctx = f, .cut = true};
    stele_buf question = STELE_BUF_EMPTY;
    stele_buf_clear(&f->file);
    assert_ok(stele_question_encode(&f->question, &question, NULL));
    sample_answer_write(&answer, stele_view_buf(&question), &f->file);
    stele_buf_done(&question);
}

struct counted {
    unsigned events;
    uint64_t last_time_us;
};

static stele_status count_event(void *ctx, const struct stele_answer_event *event, stele_err *err) {
    struct counted *counted = ctx;
    (void)err;
    counted->events++;
    assert_true(event->entry.time_us >= counted->last_time_us);
    counted->last_time_us = event->entry.time_us;
    return STELE_OK;
}

/* In pieces of `piece` bytes. ret: free with stele_verify_report_done where the status is OK. */
static stele_status verify(struct fixture *f, stele_view file, size_t piece, struct counted *counted,
                           struct stele_verify_report *ret, stele_err *err) {
    struct stele_verifier *v = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(stele_verifier_new(f->keys, 2, counted == NULL ? NULL : count_event, counted, &v, err));
    for (size_t at = 0; at < file.size; at += piece) {
        size_t size = piece < file.size - at ? piece : file.size - at;
        STELE_TRY(stele_verifier_feed(v, stele_view_slice(file, at, size), err));
    }
    STELE_TRY(stele_verifier_end(v, ret, err));
cleanup:
    stele_verifier_free(v);
    return st;
}

static stele_status judge(struct fixture *f, stele_err *err) {
    struct stele_verify_report report;
    stele_status st = verify(f, stele_view_buf(&f->file), 1000, NULL, &report, err);
    if (st == STELE_OK) {
        stele_verify_report_done(&report);
    }
    return st;
}

/* ------------------------------------------------------------------ answers */

static void test_verify__reports_what_an_answer_proves(void **state) {
    struct fixture *f = *state;
    static const size_t pieces[] = {1, 7, 1000, SIZE_MAX / 2};
    f->actor = "u-2";
    assert_ok(stele_event_filter_add(&f->question.filter, STELE_KEY_ACTOR, stele_view_str("u-2"), NULL));
    write_answer(f, 2);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct stele_verify_report report;
        struct counted counted = {0, 0};
        assert_ok(verify(f, stele_view_buf(&f->file), pieces[i], &counted, &report, NULL));
        assert_true(report.kind == STELE_PROOF_ANSWER && report.cut);
        assert_int_equal(report.n_events, 6);
        assert_int_equal(counted.events, 6);
        assert_int_equal(report.n_logs, 2);
        assert_string_equal(report.log[0].origin, "stele.example/eu-1/1y");
        assert_string_equal(report.log[1].origin, "stele.example/eu-1/3y");
        for (size_t log = 0; log < 2; log++) {
            assert_int_equal(report.log[log].size_leaves, 12);
            assert_int_equal(report.log[log].n_events, 3); /* 3, 6, 9 */
            assert_int_equal(report.log[log].first_time_us, SAMPLE_TIME_US + 3000);
            assert_int_equal(report.log[log].last_time_us, SAMPLE_TIME_US + 9000);
        }
        assert_true(stele_view_is(stele_view_buf(&report.question.region), "eu-1"));
        assert_int_equal(report.question.filter.n_conditions, 1);
        stele_verify_report_done(&report);
    }
}

static void same(struct fixture *f) {
    (void)f;
}
static void other_region(struct fixture *f) {
    put(&f->question.region, "eu-2");
}
static void both_logs_asked(struct fixture *f) {
    put(&f->question.log[f->question.n_logs++], "3y");
    put(&f->question.log[f->question.n_logs++], "1y");
}
static void one_log_asked(struct fixture *f) {
    put(&f->question.log[f->question.n_logs++], "3y");
}
static void third_log_asked(struct fixture *f) {
    both_logs_asked(f);
    put(&f->question.log[f->question.n_logs++], "5y");
}
static void own_tenant(struct fixture *f) {
    put(&f->question.filter.tenant, "acme");
}
static void other_tenant(struct fixture *f) {
    put(&f->question.filter.tenant, "acme2");
}
static void some_actor(struct fixture *f) {
    assert_ok(stele_event_filter_add(&f->question.filter, STELE_KEY_ACTOR, stele_view_str("u-1"), NULL));
}
static void the_session(struct fixture *f) {
    assert_ok(stele_event_filter_add(&f->question.filter, STELE_KEY_SESSION, stele_view_str("s-1"), NULL));
}
static void success(struct fixture *f) {
    assert_ok(stele_event_filter_add_number(&f->question.filter, STELE_KEY_OUTCOME, 1, NULL));
}
static void failure(struct fixture *f) {
    assert_ok(stele_event_filter_add_number(&f->question.filter, STELE_KEY_OUTCOME, 2, NULL));
}
static void since_exactly(struct fixture *f) {
    f->question.filter.since_unix_nano = SAMPLE_TIME_US * 1000 + 789;
}
static void since_later(struct fixture *f) {
    f->question.filter.since_unix_nano = SAMPLE_TIME_US * 1000 + 790;
}
static void until_exactly(struct fixture *f) {
    f->question.filter.until_unix_nano = SAMPLE_TIME_US * 1000 + 789;
}
static void logged_within(struct fixture *f) {
    f->question.filter.logged_since_us = SAMPLE_TIME_US + 1000;
    f->question.filter.logged_until_us = SAMPLE_TIME_US + 11001;
}
static void logged_since_later(struct fixture *f) {
    f->question.filter.logged_since_us = SAMPLE_TIME_US + 1001;
}
static void logged_until_earlier(struct fixture *f) {
    f->question.filter.logged_until_us = SAMPLE_TIME_US + 11000;
}
static void limit_met(struct fixture *f) {
    f->question.limit = 22;
}
static void limit_passed(struct fixture *f) {
    f->question.limit = 21;
}

#define CASE(name, status) {#name, name, STELE_##status}
static const struct {
    const char *name;
    void (*apply)(struct fixture *f);
    stele_status expected;
} questions[] = {
    CASE(same, OK),
    CASE(other_region, UNVERIFIED),
    CASE(both_logs_asked, OK),
    CASE(one_log_asked, UNVERIFIED),
    CASE(third_log_asked, UNVERIFIED),
    CASE(own_tenant, OK),
    CASE(other_tenant, UNVERIFIED),
    CASE(some_actor, UNVERIFIED),
    CASE(the_session, OK),
    CASE(success, OK),
    CASE(failure, UNVERIFIED),
    CASE(since_exactly, OK),
    CASE(since_later, UNVERIFIED),
    CASE(until_exactly, UNVERIFIED),
    CASE(logged_within, OK),
    CASE(logged_since_later, UNVERIFIED),
    CASE(logged_until_earlier, UNVERIFIED),
    CASE(limit_met, OK),
    CASE(limit_passed, UNVERIFIED),
};

/* The same 22 events under each question; file and digest are well formed every time. */
static void test_verify__events_must_be_what_the_question_asks_for(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        stele_err err = {.text = ""};
        stele_question_done(&f->question);
        put(&f->question.region, "eu-1");
        questions[i].apply(f);
        write_answer(f, 2);
        stele_status st = judge(f, &err);
        if (st != questions[i].expected) {
            fail_msg("%s: %s (%s)", questions[i].name, stele_status_name(st), err.text);
        }
    }
}

/* The honest limit: a question is the answerer's word. One that its events fit as well holds too. */
static void test_verify__a_wider_question_is_not_found(void **state) {
    struct fixture *f = *state;
    f->actor = "u-2";
    assert_ok(stele_event_filter_add(&f->question.filter, STELE_KEY_ACTOR, stele_view_str("u-2"), NULL));
    write_answer(f, 2);
    assert_ok(judge(f, NULL));
    stele_event_filter_done(&f->question.filter);
    write_answer(f, 2);
    assert_ok(judge(f, NULL));
}

static void test_verify__a_question_that_is_none_is_refused(void **state) {
    struct fixture *f = *state;
    struct forged forged;
    stele_buf out = STELE_BUF_EMPTY;
    write_answer(f, 2);
    forge_take_apart(stele_view_buf(&f->file), &forged);
    for (size_t round = 0; round < 3; round++) {
        forge_resize(&forged, 0, round == 0 ? 0 : forged.chunk[0].body.size + 1);
        stele_buf_clear(&out);
        forge_put_together(&forged, &out);
        stele_buf_clear(&f->file);
        assert_ok(stele_buf_append(&f->file, stele_view_buf(&out), NULL));
        assert_status(judge(f, NULL), INVALID);
    }
    forge_done(&forged);
    stele_buf_done(&out);
}

static void test_verify__any_changed_byte_of_an_answer_is_refused(void **state) {
    struct fixture *f = *state;
    the_session(f);
    f->actor = "u-2";
    write_answer(f, 2);
    for (size_t at = 0; at < f->file.size; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            f->file.data[at] ^= (uint8_t)(1u << bit);
            if (judge(f, NULL) == STELE_OK) {
                fail_msg("byte %zu, bit %u: verified", at, bit);
            }
            f->file.data[at] ^= (uint8_t)(1u << bit);
        }
    }
    assert_ok(judge(f, NULL));
}

/* ------------------------------------------------------------------ entries that belie their events */

/* Changes a byte of an entry of log 3y; the log then signs what it has. */
static void spoil(struct fixture *f, uint64_t seq, size_t at, uint8_t value) {
    f->three.entry[seq].bytes[at] = value;
    stele_hash_leaf(sample_log_entry(&f->three, seq), f->three.leaves.data + 32 * seq);
}

/* An answer and a receipt of the last event of log 3y are judged alike. */
static void assert_both(struct fixture *f, stele_status expected, const char *what) {
    stele_buf note = STELE_BUF_EMPTY;
    stele_buf path = STELE_BUF_EMPTY;
    stele_err err = {.text = ""};
    write_answer(f, 2);
    stele_status answer = judge(f, &err);
    sample_log_sign(&f->three, f->three.n, &note);
    struct stele_receipt receipt =
        sample_log_receipt(&f->three, f->three.n - 1, stele_view_buf(&note), f->three.n, &path);
    stele_buf_clear(&f->file);
    assert_ok(stele_receipt_encode(&receipt, &f->file, NULL));
    stele_status of_receipt = judge(f, &err);
    if (answer != expected || of_receipt != expected || (expected != STELE_OK && strstr(err.text, what) == NULL)) {
        fail_msg("answer %s, receipt %s: %s", stele_status_name(answer), stele_status_name(of_receipt), err.text);
    }
    stele_buf_done(&note);
    stele_buf_done(&path);
}

static void test_verify__an_entry_says_its_events_time(void **state) {
    struct fixture *f = *state;
    static const struct sample_event event = {0};
    (void)sample_log_event_as(&f->three, SAMPLE_TIME_US + 20000, SAMPLE_TIME_US, &event);
    assert_both(f, STELE_OK, "");
    (void)sample_log_event_as(&f->three, SAMPLE_TIME_US + 20000, SAMPLE_TIME_US + 1, &event);
    assert_both(f, STELE_UNVERIFIED, "happened at");
}

static void test_verify__an_entry_says_its_events_class(void **state) {
    struct fixture *f = *state;
    const struct sample_event same_class = {.retention_class = 3};
    const struct sample_event other_class = {.retention_class = 5};
    (void)sample_log_event(&f->three, SAMPLE_TIME_US + 20000, &same_class);
    assert_both(f, STELE_OK, "");
    (void)sample_log_event(&f->three, SAMPLE_TIME_US + 20000, &other_class);
    assert_both(f, STELE_UNVERIFIED, "years");
}

static void test_verify__an_event_is_in_its_region(void **state) {
    struct fixture *f = *state;
    const struct sample_event event = {.region = "us-1"};
    (void)sample_log_event(&f->three, SAMPLE_TIME_US + 20000, &event);
    assert_both(f, STELE_UNVERIFIED, "region");
}

static void test_verify__an_era_is_of_the_month(void **state) {
    struct fixture *f = *state;
    spoil(f, f->three.n - 1, ERA_AT + 3, f->three.entry[f->three.n - 1].bytes[ERA_AT + 3] ^ 1); /* the cut */
    assert_both(f, STELE_OK, "");
    spoil(f, f->three.n - 1, ERA_AT + 2, 0); /* another month */
    assert_both(f, STELE_UNVERIFIED, "era");
}

/* The log committed to bytes that are no event. */
static void test_verify__a_payload_is_an_event(void **state) {
    struct fixture *f = *state;
    uint64_t seq = f->three.n - 1;
    struct sample_entry *entry = &f->three.entry[seq];
    entry->payload.size--;
    stele_hash_payload(entry->salt, stele_view_buf(&entry->payload), entry->bytes + 32);
    spoil(f, seq, 2, 3);
    assert_both(f, STELE_INVALID, "");
}

/* ------------------------------------------------------------------ origins */

static void test_verify__origins_have_three_parts(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *origin;
        bool good;
    } cases[] = {
        {"stele.example/eu-1/x", true}, {"stele.example/eu-1", false}, {"eu-1", false},
        {"stele.example//x", false},    {"/eu-1/x", false},            {"stele.example/eu-1/", false},
        {"a/eu-1/b/x", false},          {"a/b/eu-1/x", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sample_log log;
        f->logs[0] = &log;
        fill(&log, cases[i].origin, 3);
        f->keys[0] = log.key;
        write_answer(f, 1);
        stele_status st = judge(f, NULL);
        if (st != (cases[i].good ? STELE_OK : STELE_INVALID)) {
            fail_msg("%s: %s", cases[i].origin, stele_status_name(st));
        }
        sample_log_done(&log);
    }
}

/* ------------------------------------------------------------------ receipts and kinds */

static void test_verify__reports_what_a_receipt_proves(void **state) {
    struct fixture *f = *state;
    stele_buf note = STELE_BUF_EMPTY;
    stele_buf path = STELE_BUF_EMPTY;
    sample_log_sign(&f->one, 12, &note);
    for (uint64_t seq = 0; seq < 12; seq++) {
        struct stele_receipt receipt = sample_log_receipt(&f->one, seq, stele_view_buf(&note), 12, &path);
        for (size_t piece = 1; piece < 5000; piece *= 9) {
            struct stele_verify_report report;
            struct counted counted = {0, 0};
            stele_buf_clear(&f->file);
            assert_ok(stele_receipt_encode(&receipt, &f->file, NULL));
            assert_ok(verify(f, stele_view_buf(&f->file), piece, &counted, &report, NULL));
            assert_true(report.kind == STELE_PROOF_RECEIPT && !report.cut && report.n_logs == 1);
            assert_string_equal(report.log[0].origin, "stele.example/eu-1/1y");
            assert_int_equal(report.log[0].size_leaves, 12);
            assert_int_equal(report.receipt.entry.seq, seq);
            bool is_event = seq > 0;
            assert_true(report.receipt.payload_checked == is_event && report.receipt.tags_checked == is_event);
            assert_int_equal(report.n_events, is_event ? 1 : 0);
            assert_int_equal(counted.events, is_event ? 1 : 0);
            stele_verify_report_done(&report);
        }
    }
    stele_buf_done(&note);
    stele_buf_done(&path);
}

static void test_verify__other_files_are_refused(void **state) {
    struct fixture *f = *state;
    static const char *const files[] = {
        "", "x", "{}", "stele/answer@v2\n", "stele/answer@v1\r", "stele", "s", "c", "c2sp.org/tlog-proof@v2\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n\nx\n", "-----BEGIN CERTIFICATE-----\n", "\xef\xbb\xbfstele/answer@v1\n",
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        put(&f->file, files[i]);
        assert_status(judge(f, NULL), INVALID);
    }
}

static void test_verify__a_wrong_first_byte_cannot_be_mended(void **state) {
    struct fixture *f = *state;
    struct stele_verifier *v = NULL;
    struct stele_verify_report report;
    write_answer(f, 2);
    assert_ok(stele_verifier_new(f->keys, 2, NULL, NULL, &v, NULL));
    assert_ok(stele_verifier_feed(v, stele_view_of(NULL, 0), NULL));
    assert_status(stele_verifier_feed(v, stele_view_str("x"), NULL), INVALID);
    assert_status(stele_verifier_feed(v, stele_view_buf(&f->file), NULL), INVALID);
    assert_status(stele_verifier_end(v, &report, NULL), INVALID);
    stele_verifier_free(v);
    stele_verifier_free(NULL);
}

static void test_verify__a_receipt_without_end_is_bounded(void **state) {
    struct fixture *f = *state;
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

static stele_status refuse_event(void *ctx, const struct stele_answer_event *event, stele_err *err) {
    (void)ctx;
    (void)event;
    return STELE_FAIL(err, IO, "the pipe is gone");
}

static void test_verify__a_callbacks_failure_ends_it(void **state) {
    struct fixture *f = *state;
    struct stele_verifier *v = NULL;
    struct stele_verify_report report;
    stele_err err;
    write_answer(f, 2);
    assert_ok(stele_verifier_new(f->keys, 2, refuse_event, NULL, &v, NULL));
    assert_status(stele_verifier_feed(v, stele_view_buf(&f->file), &err), IO);
    assert_string_equal(err.text, "the pipe is gone");
    assert_status(stele_verifier_end(v, &report, NULL), IO);
    stele_verifier_free(v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_verify__reports_what_an_answer_proves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify__events_must_be_what_the_question_asks_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify__a_wider_question_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify__a_question_that_is_none_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify__any_changed_byte_of_an_answer_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify__an_entry_says_its_events_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify__an_entry_says_its_events_class, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify__an_event_is_in_its_region, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify__an_era_is_of_the_month, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify__a_payload_is_an_event, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify__origins_have_three_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify__reports_what_a_receipt_proves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify__other_files_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify__a_wrong_first_byte_cannot_be_mended, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify__a_receipt_without_end_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify__a_callbacks_failure_ends_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
