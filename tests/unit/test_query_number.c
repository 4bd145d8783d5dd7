/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_query_number.c: numbers that are proven without events, against what was
 * appended.
 */
#include <string.h>

#include "proto/verify.h"
#include "tests/support/query_client.h"

#define EVENTS 3000

static size_t expected[EVENTS];
static struct stele_vkey vkeys[3];

static stele_status no_event(void *ctx, const struct stele_answer_event *event, stele_err *err) {
    (void)ctx;
    (void)event;
    (void)err;
    fail_msg("a number that comes with an event");
    return STELE_OK;
}

/* The number that the file proves. */
static uint64_t verify(stele_view file) {
    struct stele_verifier *verifier = NULL;
    static struct stele_verify_report report;
    stele_err err = {.text = ""};
    assert_ok(stele_verifier_new(vkeys, 3, no_event, NULL, &verifier, NULL));
    if (stele_verifier_feed(verifier, file, &err) != STELE_OK ||
        stele_verifier_end(verifier, &report, &err) != STELE_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(report.kind, STELE_PROOF_COMPLETE);
    assert_true(report.complete.proof.counted);
    stele_verify_report_done(&report);
    stele_verifier_free(verifier);
    return report.n_events;
}

/* Ends that are no whole microseconds are moved: no number answers such a question. */
static void round_times(struct stele_query_question *question) {
    struct stele_event_filter *filter = &question->asked.filter;
    filter->since_unix_nano -= filter->since_unix_nano % 1000;
    if (filter->until_unix_nano != UINT64_MAX) {
        filter->until_unix_nano -= filter->until_unix_nano % 1000;
    }
}

static void test_number__is_that_of_what_was_appended(void **state) {
    struct query_client *client = *state;
    struct bed *bed = client->bed;
    struct client_answer answer = {0};
    size_t n_asked = 0;
    uint64_t all = 0;
    size_t bytes_max = 0;
    for (int round = 0; round < 600; round++) {
        struct stele_query_question question;
        bool exact = false;
        bed_question(bed, &question);
        question.descending = false;
        round_times(&question);
        struct stele_search_request request = client_request_of(&question, &exact);
        const struct stele_event_filter *filter = &question.asked.filter;
        bool one_key =
            filter->n_conditions == 0 ||
            (filter->n_conditions == 1 && stele_event_condition_is_indexed(&filter->condition[0]));
        if (exact && one_key && filter->tenant.size > 0 && question.asked.limit == 0 &&
            !stele_view_is(stele_view_buf(&filter->tenant), STELE_SYSTEM_TENANT)) {
            request.prove = true;
            request.count_only = true;
            client_search(client, &peer_auditor, &request, &answer);
            if (answer.end.code != 0) {
                fail_msg("round %d: refused", round);
            }
            size_t n = bed_expect(bed, &question, expected);
            assert_int_equal(verify(stele_view_buf(&answer.file)), n);
            assert_int_equal(answer.search_end.hits, n);
            all += n;
            n_asked++;
            bytes_max = answer.file.size > bytes_max ? answer.file.size : bytes_max;
        }
        stele_query_question_done(&question);
    }
    print_message("%zu numbers, %llu events, at most %zu bytes\n", n_asked, (unsigned long long)all,
                  bytes_max);
    assert_true(n_asked > 20 && all > 100);
    client_answer_done(&answer);
}

static void test_number__of_what_one_key_does_not_say_is_refused(void **state) {
    struct query_client *client = *state;
    struct client_answer answer = {0};
    const struct stele_search_request good = {.region = stele_view_str(BED_REGION),
                                              .filter.tenant = stele_view_str("acme"),
                                              .filter.actor = stele_view_str("user-000001"),
                                              .prove = true,
                                              .count_only = true};
    struct stele_search_request bad[7];
    for (size_t i = 0; i < 7; i++) {
        bad[i] = good;
    }
    bad[0].filter.event_type = 1;
    bad[1].filter.actor = stele_view_of(NULL, 0);
    bad[1].filter.outcome = 1;
    bad[2].filter.since_unix_nano = 1001;
    bad[3].strict = true;
    bad[4].prove = false;
    bad[5].filter.tenant = stele_view_of(NULL, 0);
    bad[6].limit = 5;
    for (size_t i = 0; i < 7; i++) {
        client_search(client, &peer_auditor, &bad[i], &answer);
        assert_int_equal(answer.end.code, 3); /* INVALID_ARGUMENT */
    }
    client_search(client, &peer_acme, &good, &answer); /* who may not have such proofs */
    assert_int_not_equal(answer.end.code, 0);
    client_search(client, &peer_auditor, &good, &answer);
    assert_int_equal(answer.end.code, 0);
    client_answer_done(&answer);
}

static int set_up(void **state) {
    static struct bed bed;
    static struct query_client client;
    bed_new(&bed, "query_number", EVENTS);
    client_open(&client, &bed, &(struct stele_query_config){0});
    for (size_t i = 0; i < 3; i++) {
        stele_log_vkey(stele_store_log_at(bed.f.store, i), &vkeys[i]);
    }
    *state = &client;
    return 0;
}

static int tear_down(void **state) {
    struct query_client *client = *state;
    client_close(client);
    bed_done(client->bed);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_number__is_that_of_what_was_appended),
        cmocka_unit_test(test_number__of_what_one_key_does_not_say_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
