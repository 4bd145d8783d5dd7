/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_query_keys.c: several conditions in one complete answer: in each log the rarest
 * key is opened, or the one that is asked for, and the events are the same.
 */
#include <string.h>

#include "proto/verify.h"
#include "tests/support/event_gen.h"
#include "tests/support/query_client.h"

#define EVENTS 4000

static struct stele_vkey vkeys[3];

/* What a file says, with the places of its events. */
struct said {
    struct stele_verify_report report;
    struct stele_sha256 h;
    uint8_t digest[STELE_HASH_BYTES];
};

static stele_status on_event(void *ctx, const struct stele_answer_event *event, stele_err *err) {
    struct said *said = ctx;
    (void)err;
    stele_sha256_update(&said->h, stele_view_of(&event->log, 1));
    stele_sha256_update(&said->h, event->payload);
    return STELE_OK;
}

static void ask(struct query_client *client, const struct stele_search_request *request,
                struct said *ret) {
    static struct client_answer answer;
    struct stele_verifier *verifier = NULL;
    stele_err err = {.text = ""};
    client_search(client, &peer_auditor, request, &answer);
    assert_int_equal(answer.end.code, 0);
    stele_sha256_init(&ret->h);
    assert_ok(stele_verifier_new(vkeys, 3, on_event, ret, &verifier, NULL));
    if (stele_verifier_feed(verifier, stele_view_buf(&answer.file), &err) != STELE_OK ||
        stele_verifier_end(verifier, &ret->report, &err) != STELE_OK) {
        fail_msg("%s", err.text);
    }
    stele_sha256_final(&ret->h, ret->digest);
    assert_int_equal(ret->report.kind, STELE_PROOF_COMPLETE);
    assert_int_equal(answer.search_end.hits, ret->report.n_events);
    stele_verify_report_done(&ret->report);
    stele_verifier_free(verifier);
    client_answer_done(&answer);
}

static struct stele_search_request two_keys(const char *actor, uint32_t type) {
    return (struct stele_search_request){.region = stele_view_str(BED_REGION),
                                         .filter = {.tenant = stele_view_str("acme"),
                                                    .actor = stele_view_str(actor),
                                                    .event_type = type},
                                         .prove = true};
}

/* Events of the file with the opened key alone, in one log. */
static uint64_t opened(struct query_client *client, const struct stele_search_request *request,
                       size_t condition, size_t log) {
    static struct said said;
    struct stele_search_request one = *request;
    if (condition == 0) {
        one.filter.event_type = 0;
    } else {
        one.filter.actor = stele_view_of(NULL, 0);
    }
    ask(client, &one, &said);
    return said.report.log[log].n_events;
}

static void test_keys__the_rarest_is_opened_in_each_log(void **state) {
    struct query_client *client = *state;
    size_t n_of[2] = {0, 0};
    for (uint32_t rank = 0; rank < 60; rank += 12) {
        char actor[64];
        static struct said said;
        stele_gen_actor_id(rank, actor);
        for (uint32_t type = 1; type < 6; type += 2) {
            const struct stele_search_request request = two_keys(actor, type);
            ask(client, &request, &said);
            for (size_t i = 0; i < said.report.n_logs; i++) {
                uint64_t count[2] = {opened(client, &request, 0, i),
                                     opened(client, &request, 1, i)};
                uint8_t condition = said.report.complete.proof.log[i].condition;
                assert_in_range(condition, 0, 1);
                /* The planner asks for no other count once one is small. */
                if (count[0] != count[1] && (count[0] > 64 || count[0] == 0)) {
                    assert_true(count[condition] < count[1 - condition]);
                    n_of[condition]++;
                }
            }
        }
    }
    assert_true(n_of[0] > 0 && n_of[1] > 0);
}

static void test_keys__each_key_proves_the_same_events(void **state) {
    struct query_client *client = *state;
    for (uint32_t rank = 0; rank < 20; rank += 3) {
        char actor[64];
        static struct said said[3];
        stele_gen_actor_id(rank, actor);
        struct stele_search_request request = two_keys(actor, 1);
        for (size_t open = 0; open < 3; open++) {
            request.open_condition = open;
            ask(client, &request, &said[open]);
            assert_memory_equal(said[open].digest, said[0].digest, STELE_HASH_BYTES);
            for (size_t i = 0; open > 0 && i < said[open].report.n_logs; i++) {
                assert_int_equal(said[open].report.complete.proof.log[i].condition, open - 1);
            }
        }
    }
}

static void test_keys__beyond_a_thousand_events_strict_shows_them_in_the_log(void **state) {
    struct query_client *client = *state;
    static struct said said[2];
    struct stele_search_request request = {.region = stele_view_str(BED_REGION),
                                           .filter.tenant = stele_view_str("acme"),
                                           .prove = true};
    size_t n_by_index = 0;
    ask(client, &request, &said[0]);
    request.strict = true;
    ask(client, &request, &said[1]);
    for (size_t i = 0; i < said[0].report.n_logs; i++) {
        n_by_index += !said[0].report.complete.proof.log[i].by_log;
        assert_true(said[1].report.complete.proof.log[i].by_log);
    }
    assert_true(n_by_index > 0);
    assert_memory_equal(said[0].digest, said[1].digest, STELE_HASH_BYTES);
}

static void refused(struct query_client *client, const struct stele_search_request *request) {
    static struct client_answer answer;
    client_search(client, &peer_auditor, request, &answer);
    assert_int_equal(answer.end.code, 3); /* INVALID_ARGUMENT */
    client_answer_done(&answer);
}

static void test_keys__what_cannot_be_opened_is_refused(void **state) {
    struct query_client *client = *state;
    struct stele_search_request request = two_keys("user-000001", 1);
    request.open_condition = 3;
    refused(client, &request);
    request.open_condition = 1;
    request.prove = false;
    refused(client, &request);
    request.open_condition = 0;
    request.strict = true;
    refused(client, &request);
    request = two_keys("user-000001", 0);
    request.filter.outcome = 1; /* success is no key */
    request.open_condition = 2;
    refused(client, &request);
    request.open_condition = 1;
    static struct said said;
    ask(client, &request, &said);
}

static int set_up(void **state) {
    static struct bed bed;
    static struct query_client client;
    bed_new(&bed, "query_keys", EVENTS);
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
        cmocka_unit_test(test_keys__the_rarest_is_opened_in_each_log),
        cmocka_unit_test(test_keys__each_key_proves_the_same_events),
        cmocka_unit_test(test_keys__beyond_a_thousand_events_strict_shows_them_in_the_log),
        cmocka_unit_test(test_keys__what_cannot_be_opened_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
