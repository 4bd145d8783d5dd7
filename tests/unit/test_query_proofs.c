/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_query_proofs.c: answers with proof and receipts, checked by the offline verifier
 * against what was appended; and the unary calls beside them.
 */
#include <stdio.h>
#include <string.h>

#include "proto/verify.h"
#include "proto/wire_out.h"
#include "query/plan.h"
#include "stele/v1/query.pb-c.h"
#include "storage/manifest.h"
#include "tests/support/query_client.h"

#define EVENTS 2000

static size_t expected[EVENTS];

static struct stele_vkey vkeys[3];

static void read_vkeys(struct query_client *client) {
    struct stele_store *store = client->bed->f.store;
    assert_int_equal(stele_store_n_logs(store), 3);
    for (size_t i = 0; i < 3; i++) {
        stele_log_vkey(stele_store_log_at(store, i), &vkeys[i]);
    }
}

/* ------------------------------------------------------------------ answer files */

struct checked {
    const struct bed *bed;
    size_t n, at; /* of expected */
};

static stele_status check_event(void *ctx, const struct stele_answer_event *event, stele_err *err) {
    struct checked *checked = ctx;
    (void)err;
    assert_true(checked->at < checked->n);
    const struct bed_event *should = &checked->bed->event[expected[checked->at++]];
    assert_int_equal(event->entry.seq, should->seq);
    assert_string_equal(strrchr(event->checkpoint->origin, '/') + 1, should->log);
    assert_true(stele_view_equal(event->payload, stele_view_buf(&should->payload)));
    return STELE_OK;
}

/* Verifies the file and that it holds exactly expected[at .. n). */
static size_t verify_answer(const struct bed *bed, stele_view file, size_t at, size_t n,
                            stele_proof_kind kind, bool *ret_cut) {
    struct checked checked = {bed, n, at};
    struct stele_verifier *verifier = NULL;
    struct stele_verify_report report;
    stele_err err = {0};
    assert_ok(stele_verifier_new(vkeys, 3, check_event, &checked, &verifier, NULL));
    stele_status st = stele_verifier_feed(verifier, file, &err);
    if (st == STELE_OK) {
        st = stele_verifier_end(verifier, &report, &err);
    }
    if (st != STELE_OK) {
        fail_msg("verify: %s: %s (%s)", stele_status_name(st), err.text, err.where);
    }
    assert_int_equal(report.n_events, checked.at - at);
    assert_int_equal(report.kind, kind);
    if (kind == STELE_PROOF_COMPLETE) {
        assert_int_equal(report.complete.proof.n_gaps, 0);
        for (size_t i = 0; i < report.n_logs; i++) { /* of everything that was there */
            struct stele_log *log =
                stele_store_log(bed->f.store, strrchr(report.log[i].origin, '/') + 1);
            assert_true(report.complete.proof.complete_until_us >= stele_log_data_time_us(log) ||
                        report.question.filter.logged_until_us != UINT64_MAX);
        }
    }
    *ret_cut = report.cut;
    stele_verify_report_done(&report);
    stele_verifier_free(verifier);
    return checked.at;
}

static void test_prove__answers_verify_and_hold_what_was_asked(void **state) {
    struct query_client *client = *state;
    struct bed *bed = client->bed;
    struct client_answer answer = {0};
    size_t n_complete = 0;
    for (int round = 0; round < 80; round++) {
        struct stele_query_question question;
        struct stele_search_request request;
        bool exact = false;
        bool cut = true;
        bed_question(bed, &question);
        question.descending = false;
        request = client_request_of(&question, &exact);
        if (exact) {
            size_t n = bed_expect(bed, &question, expected);
            request.prove = true;
            client_search(client, &peer_auditor, &request, &answer);
            assert_int_equal(answer.end.code, 0);
            assert_int_equal(answer.n_hits, 0); /* the file stands in their place */
            assert_int_equal(answer.search_end.hits, n);
            stele_view tenant = stele_view_buf(&question.asked.filter.tenant);
            bool system = stele_view_is(tenant, STELE_SYSTEM_TENANT) &&
                          question.asked.n_logs == 0 &&
                          !stele_query_question_wants_system(&question);
            bool complete = tenant.size > 0 && !system;
            assert_true(complete == (answer.search_end.not_complete.size == 0));
            n_complete += complete;
            assert_int_equal(verify_answer(bed, stele_view_buf(&answer.file), 0, n,
                                           complete ? STELE_PROOF_COMPLETE : STELE_PROOF_ANSWER,
                                           &cut),
                             n);
            assert_false(cut);
        }
        stele_query_question_done(&question);
    }
    assert_true(n_complete > 10);
    client_answer_done(&answer);
}

static void test_prove__a_limited_answer_is_cut_and_goes_on_by_its_cursor(void **state) {
    struct query_client *client = *state;
    struct bed *bed = client->bed;
    struct client_answer answer = {0};
    struct stele_query_question question;
    struct stele_search_request request = {.region = stele_view_str(BED_REGION),
                                           .filter.tenant = stele_view_str("acme"),
                                           .prove = true};
    stele_buf cursor = STELE_BUF_EMPTY;
    size_t at = 0;
    bool cut = false;
    stele_query_question_init(&question);
    assert_ok(stele_buf_append(&question.asked.filter.tenant, stele_view_str("acme"), NULL));
    size_t n = bed_expect(bed, &question, expected);
    request.limit = n / 3 + 1;
    do {
        request.cursor = stele_view_buf(&cursor);
        client_search(client, &peer_acme, &request, &answer);
        assert_int_equal(answer.end.code, 0);
        at = verify_answer(bed, stele_view_buf(&answer.file), at, n, STELE_PROOF_ANSWER, &cut);
        assert_true(cut); /* the first parts lack the end, the last one the beginning */
        stele_buf_clear(&cursor);
        assert_ok(stele_buf_append(&cursor, stele_view_buf(&answer.cursor), NULL));
    } while (cursor.size > 0);
    assert_int_equal(at, n);
    stele_buf_done(&cursor);
    stele_query_question_done(&question);
    client_answer_done(&answer);
}

/* ------------------------------------------------------------------ Get */

static void get_request(const char *log, uint64_t seq, bool receipt, stele_buf *out) {
    char name[64];
    stele_buf_clear(out);
    (void)snprintf(name, sizeof name, "%s/%s", BED_REGION, log);
    struct stele_wire_out w = stele_wire_out_to(out);
    stele_wire_out_bytes(&w, 1, stele_view_str(name));
    stele_wire_out_uint(&w, 2, seq);
    stele_wire_out_uint(&w, 3, receipt ? 1 : 0);
    assert_ok(stele_wire_out_done(&w, 0, NULL));
}

static void check_receipt(stele_view text, const struct bed_event *event) {
    struct stele_receipt receipt;
    struct stele_receipt_report report;
    stele_buf scratch = STELE_BUF_EMPTY;
    stele_err err = {0};
    assert_ok(stele_receipt_decode(text, &scratch, &receipt, &err));
    stele_status st =
        stele_receipt_verify(&receipt, stele_view_of(NULL, 0), vkeys, 3, &report, &err);
    if (st != STELE_OK) {
        fail_msg("receipt: %s: %s", stele_status_name(st), err.text);
    }
    if (event != NULL) {
        assert_true(report.payload_checked && report.tags_checked);
        assert_true(stele_view_equal(receipt.payload, stele_view_buf(&event->payload)));
        assert_int_equal(report.entry.seq, event->seq);
    }
    stele_buf_done(&scratch);
}

static void test_get__an_event_comes_back_with_its_receipt(void **state) {
    struct query_client *client = *state;
    stele_buf request = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    for (size_t i = 0; i < client->bed->n; i += 37) {
        const struct bed_event *event = &client->bed->event[i];
        bool receipt = i % 2 == 0;
        get_request(event->log, event->seq, receipt, &request);
        assert_int_equal(
            client_unary(client, "Get", &peer_auditor, stele_view_buf(&request), &reply), 0);
        Stele__V1__GetResponse *got = stele__v1__get_response__unpack(NULL, reply.size, reply.data);
        assert_non_null(got);
        assert_int_equal(got->hit->seq, event->seq);
        assert_int_equal(got->hit->log_time_unix_nano, event->time_us * 1000);
        assert_int_equal(got->entry.len, STELE_ENTRY_EVENT_BYTES);
        assert_true(receipt == (got->receipt.len > 0));
        if (receipt) {
            check_receipt(stele_view_of(got->receipt.data, got->receipt.len), event);
        }
        stele__v1__get_response__free_unpacked(got, NULL);
        struct stele_view_of_hit {
            stele_view rest;
        } first = {stele_view_buf(&reply)};
        struct stele_search_part part; /* GetResponse.hit has the number of SearchResponse.hit */
        assert_ok(stele_search_response_next(&first.rest, &part, NULL));
        assert_true(stele_view_equal(part.as.hit.event, stele_view_buf(&event->payload)));
    }
    stele_buf_done(&request);
    stele_buf_done(&reply);
}

static void test_get__an_entry_of_the_logs_own_has_no_event(void **state) {
    struct query_client *client = *state;
    stele_buf request = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    get_request("3y", 0, true, &request);
    assert_int_equal(client_unary(client, "Get", &peer_auditor, stele_view_buf(&request), &reply),
                     0);
    Stele__V1__GetResponse *got = stele__v1__get_response__unpack(NULL, reply.size, reply.data);
    assert_non_null(got);
    assert_null(got->hit->event);
    assert_int_equal(got->entry.len, STELE_ENTRY_CONTROL_BYTES);
    check_receipt(stele_view_of(got->receipt.data, got->receipt.len), NULL);
    stele__v1__get_response__free_unpacked(got, NULL);
    stele_buf_done(&request);
    stele_buf_done(&reply);
}

/* Of another tenant's event, of an entry of the log's own and of nothing at all: the same words. */
static void test_get__another_tenants_event_is_not_there(void **state) {
    struct query_client *client = *state;
    stele_buf request = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    static struct stele_event_facts facts;
    size_t own = 0;
    size_t foreign = 0;
    for (size_t i = 0; i < client->bed->n; i += 11) {
        const struct bed_event *event = &client->bed->event[i];
        char words[128];
        assert_ok(stele_event_map_v1(NULL, stele_view_buf(&event->payload), &facts, NULL));
        bool is_own = stele_view_is(facts.tenant, "acme");
        get_request(event->log, event->seq, true, &request);
        uint32_t code = client_unary(client, "Get", &peer_acme, stele_view_buf(&request), &reply);
        if (is_own) {
            assert_int_equal(code, 0);
            own++;
            continue;
        }
        foreign++;
        assert_int_equal(code, STELE_RPC_NOT_FOUND);
        (void)snprintf(words, sizeof words, "%s/%s: no entry %llu that this certificate may read",
                       BED_REGION, event->log, (unsigned long long)event->seq);
        assert_string_equal((const char *)reply.data, words);
    }
    assert_true(own > 10 && foreign > 10);
    stele_buf_done(&request);
    stele_buf_done(&reply);
}

/* ------------------------------------------------------------------ Count and Explain */

static void test_count__is_what_the_search_would_give_log_by_log(void **state) {
    struct query_client *client = *state;
    struct bed *bed = client->bed;
    stele_buf request = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    for (int round = 0; round < 60; round++) {
        struct stele_query_question question;
        bool exact = false;
        bed_question(bed, &question);
        struct stele_search_request asked = client_request_of(&question, &exact);
        if (exact) {
            size_t n = bed_expect(bed, &question, expected);
            client_encode(&asked, &request);
            assert_int_equal(
                client_unary(client, "Count", &peer_auditor, stele_view_buf(&request), &reply), 0);
            Stele__V1__CountResponse *got =
                stele__v1__count_response__unpack(NULL, reply.size, reply.data);
            assert_non_null(got);
            assert_int_equal(got->count, n);
            assert_string_equal(got->cursor, "");
            for (size_t k = 0; k < got->n_log; k++) {
                size_t in_log = 0;
                for (size_t i = 0; i < n; i++) {
                    in_log += strcmp(bed->event[expected[i]].log,
                                     strrchr(got->log[k]->log, '/') + 1) == 0;
                }
                assert_int_equal(got->log[k]->count, in_log);
            }
            stele__v1__count_response__free_unpacked(got, NULL);
        }
        stele_query_question_done(&question);
    }
    stele_buf_done(&request);
    stele_buf_done(&reply);
}

static void test_explain__names_the_key_that_is_read(void **state) {
    struct query_client *client = *state;
    stele_buf request = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    struct stele_search_request asked = {
        .region = stele_view_str(BED_REGION),
        .filter = {.tenant = stele_view_str("acme"),
                   .actor = stele_view_str("user-000002"),
                   .event_type = 1},
        .prove = true,
    };
    client_encode(&asked, &request);
    assert_int_equal(client_unary(client, "Explain", &peer_acme, stele_view_buf(&request), &reply),
                     0);
    Stele__V1__ExplainResponse *got =
        stele__v1__explain_response__unpack(NULL, reply.size, reply.data);
    assert_non_null(got);
    assert_int_equal(got->n_plan, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(got->plan[i]->log, i == 0 ? "eu-test/1y" : "eu-test/3y");
        assert_string_equal(got->plan[i]->key, "actor = user-000002");
        assert_int_equal(got->plan[i]->n_considered, 3);
        assert_string_equal(got->plan[i]->narrowed_by,
                            got->plan[i]->postings > STELE_PLAN_RARE ? "event_type = 1" : "");
        assert_string_equal(got->plan[i]->considered[2]->key, "tenant = acme");
        assert_true(got->plan[i]->postings < got->plan[i]->considered[2]->postings);
        assert_true(got->plan[i]->size > 100);
    }
    stele__v1__explain_response__free_unpacked(got, NULL);
    asked.filter = (struct stele_filter_message){0};
    client_encode(&asked, &request);
    assert_int_equal(
        client_unary(client, "Explain", &peer_auditor, stele_view_buf(&request), &reply), 0);
    got = stele__v1__explain_response__unpack(NULL, reply.size, reply.data);
    assert_string_equal(got->plan[0]->key, "scan");
    assert_int_equal(got->plan[0]->postings, got->plan[0]->size);
    stele__v1__explain_response__free_unpacked(got, NULL);
    stele_buf_done(&request);
    stele_buf_done(&reply);
}

static int set_up(void **state) {
    static struct bed bed;
    static struct query_client client;
    bed_new(&bed, "query_proofs", EVENTS);
    client_open(&client, &bed, &(struct stele_query_config){0});
    read_vkeys(&client);
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
        cmocka_unit_test(test_prove__answers_verify_and_hold_what_was_asked),
        cmocka_unit_test(test_prove__a_limited_answer_is_cut_and_goes_on_by_its_cursor),
        cmocka_unit_test(test_get__an_event_comes_back_with_its_receipt),
        cmocka_unit_test(test_get__an_entry_of_the_logs_own_has_no_event),
        cmocka_unit_test(test_get__another_tenants_event_is_not_there),
        cmocka_unit_test(test_count__is_what_the_search_would_give_log_by_log),
        cmocka_unit_test(test_explain__names_the_key_that_is_read),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
