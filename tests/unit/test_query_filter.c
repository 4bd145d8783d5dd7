/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_query_filter.c: a request becomes conditions, or a refusal that says which
 * member. */
#include <stdio.h>
#include <string.h>

#include "query/filter.h"
#include "tests/support/cmocka.h"

static stele_view text(const char *s) {
    return stele_view_str(s);
}

static struct stele_search_request request_of(const char *region) {
    return (struct stele_search_request){.region = text(region)};
}

/* The question's text, or its refusal. */
static const char *asked(const struct stele_search_request *request) {
    static char out[2048];
    struct stele_query_question question;
    stele_buf printed = STELE_BUF_EMPTY;
    stele_err err = {0};
    stele_query_question_init(&question);
    stele_status st = stele_query_question_of(request, &question, &err);
    if (st == STELE_OK) {
        assert_ok(stele_question_print(&question.asked, &printed, NULL));
        (void)snprintf(out, sizeof out, "%.*s", (int)printed.size, (const char *)printed.data);
    } else {
        (void)snprintf(out, sizeof out, "%s: %s", stele_status_name(st), err.text);
    }
    stele_buf_done(&printed);
    stele_query_question_done(&question);
    return out;
}

static void assert_says(const char *said, const char *expected) {
    if (strstr(said, expected) == NULL) {
        fail_msg("'%s' does not say '%s'", said, expected);
    }
}

static void test_filter__every_member_becomes_its_condition(void **state) {
    (void)state;
    struct stele_search_request r = request_of("eu-test");
    r.filter = (struct stele_filter_message){
        .tenant = text("acme"),
        .actor = text("u-1"),
        .resource = text("bucket/x"),
        .resource_version = text("v2"),
        .event_type = 3,
        .action = 2,
        .outcome = 3,
        .model_id = text("m"),
        .session = text("s-1"),
        .correlation = text("case-1"),
        .credential = text("key-1"),
        .source = text("billing"),
        .since_unix_nano = 1000,
        .until_unix_nano = 2000,
    };
    r.limit = 5;
    const char *said = asked(&r);
    static const char *const lines[] = {"region: eu-test\nlogs: all\ntenant: acme\n",
                                        "condition: actor = u-1\n",
                                        "condition: session = s-1\n",
                                        "condition: correlation = case-1\n",
                                        "condition: credential = key-1\n",
                                        "condition: source = billing\n",
                                        "condition: resource_version = ",
                                        "bucket/x",
                                        "v2",
                                        "condition: model = m\n",
                                        "condition: event_type = 3 (access)\n",
                                        "condition: action = 2 (read)\n",
                                        "condition: outcome = 3 (denied)\n",
                                        "limit: 5"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_says(said, lines[i]);
    }
    assert_null(strstr(said, "condition: resource = ")); /* its version says it too */
}

static void test_filter__log_times_are_rounded_to_the_same_events(void **state) {
    (void)state;
    static const struct {
        uint64_t since_ns, until_ns, since_us, until_us;
    } cases[] = {
        {0, 0, 0, UINT64_MAX},
        {1000, 2000, 1, 2},
        {1001, 2001, 2, 3}, /* 1 us is before 1,001 ns, 2 us before 2,001 */
        {1999, UINT64_MAX, 2, UINT64_MAX / 1000 + 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stele_search_request r = request_of("eu");
        struct stele_query_question question;
        r.filter.logged_since_unix_nano = cases[i].since_ns;
        r.filter.logged_until_unix_nano = cases[i].until_ns;
        stele_query_question_init(&question);
        assert_ok(stele_query_question_of(&r, &question, NULL));
        assert_int_equal(question.asked.filter.logged_since_us, cases[i].since_us);
        assert_true(question.asked.filter.logged_until_us == cases[i].until_us);
        assert_true(question.asked.filter.until_unix_nano == UINT64_MAX);
        stele_query_question_done(&question);
    }
}

static void test_filter__a_trace_id_is_asked_for_by_its_hex(void **state) {
    (void)state;
    struct stele_search_request r = request_of("eu");
    struct stele_query_question question;
    static const uint8_t id[16] = {0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6,
                                   0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36};
    r.filter.correlation = text("trace:4bf92f3577b34da6a3ce929d0e0e4736");
    stele_query_question_init(&question);
    assert_ok(stele_query_question_of(&r, &question, NULL));
    assert_int_equal(question.asked.filter.n_conditions, 1);
    assert_int_equal(question.asked.filter.condition[0].field, STELE_KEY_CORRELATION);
    assert_true(stele_view_equal(stele_view_buf(&question.asked.filter.condition[0].value),
                                 stele_view_of(id, sizeof id)));
    stele_query_question_done(&question);
    r.filter.correlation = text("trace:4bf9");
    assert_says(asked(&r), "INVALID: filter: correlation: after \"trace:\"");
}

static void test_filter__logs_are_sorted_and_named_once(void **state) {
    (void)state;
    struct stele_search_request r = request_of("eu");
    r.log.n = 3;
    r.log.item[0] = text("7y");
    r.log.item[1] = text("1y");
    r.log.item[2] = text("7y");
    assert_says(asked(&r), "logs: 1y 7y\n");
}

static void test_filter__the_system_log_belongs_to_audit_control_questions(void **state) {
    (void)state;
    for (uint64_t type = 10; type <= 12; type++) {
        struct stele_search_request r = request_of("eu");
        struct stele_query_question question;
        r.filter.event_type = type;
        stele_query_question_init(&question);
        assert_ok(stele_query_question_of(&r, &question, NULL));
        assert_true(stele_query_question_wants_system(&question) == (type == 11));
        stele_query_question_done(&question);
    }
}

static char long_text[600];

static void test_filter__every_mistake_is_named(void **state) {
    (void)state;
    memset(long_text, 'x', sizeof long_text - 1);
    struct {
        struct stele_search_request request;
        const char *says;
    } cases[] = {
        {request_of(""), "INVALID: question: region: missing"},
        {request_of("EU"), "INVALID: question: region"},
        {request_of(long_text), "INVALID: question: region: 599 bytes; a name has 1 to 32"},
        {{.region = text("eu"), .log = {1, {text("eu/3y")}}}, "name it without its region"},
        {{.region = text("eu"), .log = {1, {text("")}}}, "INVALID: question: log: 0 bytes"},
        {{.region = text("eu"), .filter.tenant = text("Acme")}, "INVALID: filter: tenant"},
        {{.region = text("eu"), .filter.actor = stele_view_of(long_text, 257)},
         "INVALID: filter: actor has 257 bytes; no event has one over 256"},
        {{.region = text("eu"), .filter.resource = stele_view_of(long_text, 513)},
         "filter: resource has 513"},
        {{.region = text("eu"), .filter.resource_version = text("v")},
         "resource_version is set without resource"},
        {{.region = text("eu"), .filter.model_version = text("v")},
         "model_version is set without model_id"},
        {{.region = text("eu"), .filter.event_type = 13},
         "filter: event_type 13 is no number of EventType"},
        {{.region = text("eu"), .filter.action = 34}, "filter: action 34 is no number of Action"},
        {{.region = text("eu"), .filter.outcome = UINT64_MAX}, "is no number of Outcome"},
        {{.region = text("eu"), .filter.since_unix_nano = 5, .filter.until_unix_nano = 5},
         "since_unix_nano 5 is not before until_unix_nano 5"},
        {{.region = text("eu"),
          .filter.logged_since_unix_nano = 6,
          .filter.logged_until_unix_nano = 5},
         "logged_since_unix_nano 6 is not before logged_until_unix_nano 5"},
        {{.region = text("eu"), .order = 3}, "order 3 is neither ascending"},
        {{.region = text("eu"), .order = 2, .prove = true}, "prove needs the ascending order"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_says(asked(&cases[i].request), cases[i].says);
    }
}

static void test_filter__a_log_name_is_cut_at_its_slash(void **state) {
    (void)state;
    stele_view region;
    stele_view log;
    assert_ok(stele_query_split_log(text("eu-central-1/3y"), &region, &log, NULL));
    assert_true(stele_view_is(region, "eu-central-1") && stele_view_is(log, "3y"));
    static const char *const wrong[] = {"", "3y", "/3y", "eu/", "eu/3y/x", "EU/3y"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_status(stele_query_split_log(text(wrong[i]), &region, &log, NULL), INVALID);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter__every_member_becomes_its_condition),
        cmocka_unit_test(test_filter__log_times_are_rounded_to_the_same_events),
        cmocka_unit_test(test_filter__a_trace_id_is_asked_for_by_its_hex),
        cmocka_unit_test(test_filter__logs_are_sorted_and_named_once),
        cmocka_unit_test(test_filter__the_system_log_belongs_to_audit_control_questions),
        cmocka_unit_test(test_filter__every_mistake_is_named),
        cmocka_unit_test(test_filter__a_log_name_is_cut_at_its_slash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
