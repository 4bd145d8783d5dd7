/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_query_known.c: answers for somebody who remembers the logs: each that has grown
 * proves that it grew out of what is remembered, and one that did not is found.
 */
#include <string.h>

#include "proto/verify.h"
#include "tests/support/query_client.h"

#define EVENTS 300

static struct stele_vkey vkeys[3];

/* The answer to one question, for somebody who remembers these sizes. */
static void ask(struct query_client *client, const struct stele_wire_sizes *known,
                struct client_answer *ret) {
    struct stele_search_request request = {.region = stele_view_str(BED_REGION),
                                           .filter.tenant = stele_view_str("acme"),
                                           .filter.actor = stele_view_str("user-000002"),
                                           .prove = true,
                                           .known = *known};
    client_search(client, &peer_auditor, &request, ret);
    assert_int_equal(ret->end.code, 0);
}

static stele_status verify(stele_view file, struct stele_verify_state *state,
                           struct stele_verify_report *ret, stele_err *err) {
    struct stele_verifier *verifier = NULL;
    assert_ok(stele_verifier_new(vkeys, 3, NULL, NULL, &verifier, NULL));
    stele_verifier_remember(verifier, state);
    stele_status st = stele_verifier_feed(verifier, file, err);
    st = st == STELE_OK ? stele_verifier_end(verifier, ret, err) : st;
    stele_verifier_free(verifier);
    return st;
}

static void known_of(const struct stele_verify_state *state, struct stele_wire_sizes *ret) {
    ret->n = stele_verify_state_n_heads(state);
    for (size_t i = 0; i < ret->n; i++) {
        const struct stele_checkpoint *head = stele_verify_state_head_at(state, i);
        ret->item[i] = (struct stele_wire_size){stele_view_str(head->origin), head->size_leaves};
    }
}

static void grow(struct query_client *client) {
    bed_append(client->bed, "1y", 50);
    bed_append(client->bed, "3y", 70);
}

struct asked {
    struct query_client *client;
    struct client_answer answer;
    struct stele_verify_state *state;
    struct stele_verify_report report;
    struct stele_wire_sizes known;
};

/* What is remembered is that of a first answer; then the logs grow. */
static void begin(struct query_client *client, struct asked *ret) {
    memset(ret, 0, sizeof *ret);
    ret->client = client;
    assert_ok(stele_verify_state_new(&ret->state, NULL));
    ask(client, &ret->known, &ret->answer);
    assert_ok(verify(stele_view_buf(&ret->answer.file), ret->state, &ret->report, NULL));
    assert_int_equal(stele_verify_state_n_heads(ret->state), 3);
    stele_verify_report_done(&ret->report);
    grow(client);
    known_of(ret->state, &ret->known);
}

static void end(struct asked *asked) {
    stele_verify_state_free(asked->state);
    client_answer_done(&asked->answer);
}

static void test_known__logs_that_grew_are_proven_to_extend_what_is_remembered(void **state) {
    static struct asked asked;
    begin(*state, &asked);
    uint64_t before = stele_verify_state_head_at(asked.state, 0)->size_leaves;
    ask(asked.client, &asked.known, &asked.answer);
    assert_ok(verify(stele_view_buf(&asked.answer.file), asked.state, &asked.report, NULL));
    assert_int_equal(asked.report.complete.n_unconnected, 0);
    assert_true(stele_verify_state_head_at(asked.state, 0)->size_leaves > before);
    stele_verify_report_done(&asked.report);
    end(&asked);
}

static void test_known__without_the_sizes_nothing_is_connected(void **state) {
    static struct asked asked;
    begin(*state, &asked);
    uint64_t before = stele_verify_state_head_at(asked.state, 0)->size_leaves;
    ask(asked.client, &(struct stele_wire_sizes){0}, &asked.answer);
    assert_ok(verify(stele_view_buf(&asked.answer.file), asked.state, &asked.report, NULL));
    assert_true(asked.report.complete.n_unconnected > 0);
    assert_int_equal(stele_verify_state_head_at(asked.state, 0)->size_leaves, before);
    stele_verify_report_done(&asked.report);
    end(&asked);
}

/* One log's remembered root is another one: the same keys signed two histories. */
static void test_known__a_second_history_is_refused(void **state) {
    static struct asked asked;
    stele_err err = {.text = ""};
    begin(*state, &asked);
    struct stele_checkpoint other = *stele_verify_state_head_at(asked.state, 1);
    other.root[7] ^= 1;
    assert_ok(stele_verify_state_put_head(asked.state, &other, NULL));
    ask(asked.client, &asked.known, &asked.answer);
    assert_status(verify(stele_view_buf(&asked.answer.file), asked.state, &asked.report, &err),
                  UNVERIFIED);
    assert_non_null(strstr(err.text, "two histories"));
    end(&asked);
}

/* Sizes that cannot be: of logs that are not asked, none, this size, or more than there are. */
static void test_known__what_proves_nothing_is_passed_over(void **state) {
    static struct asked asked;
    begin(*state, &asked);
    asked.known.item[0].name = stele_view_str("elsewhere.example/eu-test/1y");
    asked.known.item[1].size = 0;
    asked.known.item[2].size = UINT64_MAX;
    ask(asked.client, &asked.known, &asked.answer);
    assert_ok(verify(stele_view_buf(&asked.answer.file), asked.state, &asked.report, NULL));
    assert_true(asked.report.complete.n_unconnected > 1);
    stele_verify_report_done(&asked.report);
    asked.known.item[0].name = stele_view_of(NULL, 0);
    struct stele_search_request request = {
        .region = stele_view_str(BED_REGION), .prove = true, .known = asked.known};
    client_search(asked.client, &peer_auditor, &request, &asked.answer);
    assert_int_not_equal(asked.answer.end.code, 0);
    end(&asked);
}

static int set_up(void **state) {
    static struct bed bed;
    static struct query_client client;
    bed_new(&bed, "query_known", EVENTS);
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
        cmocka_unit_test(test_known__logs_that_grew_are_proven_to_extend_what_is_remembered),
        cmocka_unit_test(test_known__without_the_sizes_nothing_is_connected),
        cmocka_unit_test(test_known__a_second_history_is_refused),
        cmocka_unit_test(test_known__what_proves_nothing_is_passed_over),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
