/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_query_calls.c: Search and Count as calls: what slow, vanishing and too many
 * readers cost, how budgets end an answer and cursors go on with it. The transport is the test
 * itself.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "query/limits.h"
#include "query/search.h"
#include "tests/support/query_client.h"

#define EVENTS 3000

static size_t expected[EVENTS + 700];

static struct stele_search_request everything(void) {
    return (struct stele_search_request){.region = stele_view_str(BED_REGION),
                                         .order = STELE_ORDER_ASCENDING};
}

/* The hits of an answer are expected[at], expected[at + 1], ... */
static void check_hits(const struct bed *bed, const struct client_answer *answer, size_t at,
                       size_t n) {
    stele_view rest = stele_view_buf(&answer->hits);
    assert_true(at + answer->n_hits <= n);
    for (size_t i = 0; i < answer->n_hits; i++) {
        struct stele_search_part part;
        char log[64];
        assert_ok(stele_search_response_next(&rest, &part, NULL));
        const struct bed_event *event = &bed->event[expected[at + i]];
        (void)snprintf(log, sizeof log, "%s/%s", BED_REGION, event->log);
        assert_true(stele_view_is(part.as.hit.log, log));
        assert_int_equal(part.as.hit.seq, event->seq);
        assert_int_equal(part.as.hit.log_time_unix_nano, event->time_us * 1000);
        assert_true(stele_view_equal(part.as.hit.event, stele_view_buf(&event->payload)));
    }
}

/* A random question that a request can ask. */
static void any_question(struct bed *bed, struct stele_query_question *question,
                         struct stele_search_request *request) {
    bool exact = false;
    for (;;) {
        bed_question(bed, question);
        *request = client_request_of(question, &exact);
        if (exact) {
            return;
        }
        stele_query_question_done(question);
    }
}

static void test_search_call__random_questions_are_answered_whole(void **state) {
    struct query_client client;
    struct bed *bed = *state;
    struct client_answer answer = {0};
    client_open(&client, bed, &(struct stele_query_config){0});
    for (int round = 0; round < 150; round++) {
        struct stele_query_question question;
        struct stele_search_request request;
        any_question(bed, &question, &request);
        size_t n = bed_expect(bed, &question, expected);
        client_search(&client, &peer_auditor, &request, &answer);
        assert_int_equal(answer.end.code, 0);
        assert_int_equal(answer.n_hits, n);
        check_hits(bed, &answer, 0, n);
        assert_true(answer.has_end && answer.search_end.hits == n &&
                    !answer.search_end.budget_spent);
        assert_int_equal(answer.cursor.size, 0);
        stele_query_question_done(&question);
    }
    client_answer_done(&answer);
    client_close(&client);
}

static void test_search_call__pages_by_cursor_are_the_whole(void **state) {
    struct query_client client;
    struct bed *bed = *state;
    struct client_answer answer = {0};
    stele_buf cursor = STELE_BUF_EMPTY;
    client_open(&client, bed, &(struct stele_query_config){.rows_budget = 700});
    for (int round = 0; round < 60; round++) {
        struct stele_query_question question;
        struct stele_search_request request;
        size_t at = 0;
        int pages = 0;
        any_question(bed, &question, &request);
        size_t n = bed_expect(bed, &question, expected);
        stele_buf_clear(&cursor);
        do {
            request.cursor = stele_view_buf(&cursor);
            request.limit = 1 + rng_below(&bed->rng, 400);
            client_search(&client, &peer_auditor, &request, &answer);
            assert_int_equal(answer.end.code, 0);
            check_hits(bed, &answer, at, n);
            at += answer.n_hits;
            assert_true(answer.n_hits <= request.limit);
            assert_true(answer.cursor.size == 0 || answer.n_hits == request.limit ||
                        answer.search_end.budget_spent);
            assert_true(answer.search_end.rows_examined <= 700);
            stele_buf_clear(&cursor);
            assert_ok(stele_buf_append(&cursor, stele_view_buf(&answer.cursor), NULL));
            assert_true(++pages < EVENTS);
        } while (cursor.size > 0);
        assert_int_equal(at, n);
        stele_query_question_done(&question);
    }
    stele_buf_done(&cursor);
    client_answer_done(&answer);
    client_close(&client);
}

/* Fifty readers of everything take one message each and then none: no thread is held, what the
 * server holds for each is one message, and others are served. Then they read on, and get all of
 * it. */
static void test_search_call__slow_readers_hold_no_worker_and_one_message(void **state) {
    struct query_client client;
    struct bed *bed = *state;
    struct stele_rpc_call *slow[50];
    struct client_answer answer = {0};
    stele_buf request = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    struct stele_query_question question;
    struct stele_search_request all = everything();
    stele_query_question_init(&question);
    size_t n = bed_expect(bed, &question, expected);
    client_open(&client, bed, &(struct stele_query_config){.n_workers = 1});
    client_encode(&all, &request);
    for (size_t i = 0; i < 50; i++) {
        slow[i] = client_start(&client, "Search", &peer_auditor, stele_view_buf(&request));
    }
    for (size_t i = 0; i < 50; i++) {
        assert_in_range(fake_call_wait(slow[i]), 1, STELE_QUERY_MESSAGE_BYTES + 70000);
    }
    assert_int_equal(
        client_unary(&client, "Count", &peer_auditor, stele_view_buf(&request), &reply), 0);
    for (size_t i = 0; i < 50; i++) {
        client_finish(slow[i], &answer);
        assert_int_equal(answer.end.code, 0);
        assert_int_equal(answer.n_hits, n);
        check_hits(bed, &answer, 0, n);
        assert_in_range(answer.n_messages, n / STELE_QUERY_MESSAGE_HITS_MAX, EVENTS);
    }
    stele_query_question_done(&question);
    stele_buf_done(&request);
    stele_buf_done(&reply);
    client_answer_done(&answer);
    client_close(&client);
}

/* At every stage: queued, running, with a message on its way, between two messages. */
static void test_search_call__a_reader_that_vanishes_is_let_go_at_once(void **state) {
    struct query_client client;
    struct bed *bed = *state;
    stele_buf request = STELE_BUF_EMPTY;
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_search_request all = everything();
    client_open(&client, bed, &(struct stele_query_config){.n_workers = 2});
    for (int round = 0; round < 400; round++) {
        struct stele_rpc_call *calls[3];
        all.prove = rng_below(&bed->rng, 10) == 0;
        client_encode(&all, &request);
        const char *method = rng_below(&bed->rng, 3) == 0 && !all.prove ? "Count" : "Search";
        for (size_t i = 0; i < 3; i++) {
            calls[i] = client_start(&client, method, &peer_auditor, stele_view_buf(&request));
        }
        for (uint64_t spin = rng_below(&bed->rng, 60); spin > 0; spin--) {
            (void)sched_yield();
        }
        for (size_t i = 0; i < 3; i++) {
            for (uint64_t takes = rng_below(&bed->rng, 3); takes > 0; takes--) {
                (void)fake_call_take(calls[i], &message);
            }
            fake_call_end(calls[i]); /* fails the test if the service keeps the call */
        }
    }
    stele_buf_done(&request);
    stele_buf_done(&message);
    client_close(&client);
}

static void test_search_call__too_many_are_told_to_wait(void **state) {
    struct query_client client;
    struct bed *bed = *state;
    struct stele_rpc_call *open[3];
    struct fake_end end;
    stele_buf request = STELE_BUF_EMPTY;
    struct client_answer answer = {0};
    struct stele_search_request all = everything();
    client_open(&client, bed, &(struct stele_query_config){.searches_max = 3});
    client_encode(&all, &request);
    for (size_t i = 0; i < 3; i++) {
        open[i] = client_start(&client, "Search", &peer_auditor, stele_view_buf(&request));
        assert_true(fake_call_wait(open[i]) > 0);
    }
    struct stele_rpc_call *refused =
        client_start(&client, "Search", &peer_auditor, stele_view_buf(&request));
    fake_call_end_of(refused, &end);
    assert_int_equal(end.code, STELE_RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(end.retry_after_ms, STELE_QUERY_RETRY_AFTER_MS);
    assert_string_equal(end.text, "3 searches are open, which is the limit; try again later");
    fake_call_end(refused);
    client_finish(open[0], &answer);
    client_search(&client, &peer_auditor, &all, &answer); /* there is room again */
    assert_int_equal(answer.end.code, 0);
    fake_call_end(open[1]);
    fake_call_end(open[2]);
    stele_buf_done(&request);
    client_answer_done(&answer);
    client_close(&client);
}

/* Slow readers of one certificate, as many as one may have: another certificate has its room. */
static void test_search_call__one_client_takes_its_share_only(void **state) {
    struct query_client client;
    struct bed *bed = *state;
    struct stele_rpc_call *open[STELE_QUERY_SEARCHES_CLIENT_MAX];
    struct fake_end end;
    stele_buf request = STELE_BUF_EMPTY;
    struct client_answer answer = {0};
    struct stele_search_request all = everything();
    struct stele_rpc_peer other = peer_auditor;
    static const char *const other_name = "spiffe://test/other";
    other.san[other.n_sans++] =
        other_name; /* of the grant by its common name, another certificate */
    client_open(&client, bed, &(struct stele_query_config){0});
    client_encode(&all, &request);
    for (size_t i = 0; i < STELE_QUERY_SEARCHES_CLIENT_MAX; i++) {
        open[i] = client_start(&client, "Search", &peer_auditor, stele_view_buf(&request));
        assert_true(fake_call_wait(open[i]) > 0);
    }
    struct stele_rpc_call *refused =
        client_start(&client, "Count", &peer_auditor, stele_view_buf(&request));
    fake_call_end_of(refused, &end);
    assert_int_equal(end.code, STELE_RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(end.retry_after_ms, STELE_QUERY_RETRY_AFTER_MS);
    assert_non_null(strstr(end.text, "this certificate has 64 searches open"));
    fake_call_end(refused);
    client_search(&client, &other, &all, &answer);
    assert_int_equal(answer.end.code, 0);
    fake_call_end(open[0]);
    client_search(&client, &peer_auditor, &all, &answer); /* there is room again */
    assert_int_equal(answer.end.code, 0);
    for (size_t i = 1; i < STELE_QUERY_SEARCHES_CLIENT_MAX; i++) {
        fake_call_end(open[i]);
    }
    stele_buf_done(&request);
    client_answer_done(&answer);
    client_close(&client);
}

static void test_search_call__a_spent_budget_says_so_and_goes_on(void **state) {
    struct query_client client;
    struct bed *bed = *state;
    struct client_answer answer = {0};
    struct stele_search_request request = everything();
    stele_buf cursor = STELE_BUF_EMPTY;
    uint64_t rows = 0;
    int calls = 0;
    request.filter.until_unix_nano = 1; /* no key, and nothing is so old: all is scanned */
    client_open(&client, bed, &(struct stele_query_config){.rows_budget = 500});
    do {
        request.cursor = stele_view_buf(&cursor);
        client_search(&client, &peer_auditor, &request, &answer);
        assert_int_equal(answer.end.code, 0);
        assert_int_equal(answer.n_hits, 0);
        assert_true(answer.search_end.budget_spent == (answer.cursor.size > 0));
        rows += answer.search_end.rows_examined;
        stele_buf_clear(&cursor);
        assert_ok(stele_buf_append(&cursor, stele_view_buf(&answer.cursor), NULL));
        calls++;
    } while (cursor.size > 0);
    assert_true(rows >= EVENTS * 9 / 10); /* but for the system log */
    assert_in_range(calls, EVENTS * 9 / 10 / 500, EVENTS / 500 + 2);
    stele_buf_done(&cursor);
    client_answer_done(&answer);
    client_close(&client);
}

/* A search that finds nothing for a long time does not keep a short one waiting, on one worker. */
static void test_search_call__long_searches_take_turns(void **state) {
    struct query_client client;
    struct bed *bed = *state;
    struct stele_rpc_call *scans[40];
    struct client_answer answer = {0};
    stele_buf bytes = STELE_BUF_EMPTY;
    struct stele_search_request scan = everything();
    struct stele_search_request quick = everything();
    scan.filter.until_unix_nano = 1;
    quick.limit = 1;
    client_open(&client, bed, &(struct stele_query_config){.n_workers = 1});
    client_encode(&scan, &bytes);
    for (size_t i = 0; i < 40; i++) {
        scans[i] = client_start(&client, "Search", &peer_auditor, stele_view_buf(&bytes));
    }
    client_search(&client, &peer_auditor, &quick, &answer);
    assert_int_equal(answer.n_hits, 1);
    for (size_t i = 0; i < 40; i++) {
        fake_call_end(scans[i]);
    }
    stele_buf_done(&bytes);
    client_answer_done(&answer);
    client_close(&client);
}

/* Events of 60,000 bytes: five fill a message, which stays far below what gRPC clients take. */
static void test_search_call__messages_are_bounded_in_bytes(void **state) {
    struct query_client client;
    struct bed *bed = *state;
    struct client_answer answer = {0};
    struct stele_search_request request = everything();
    client_open(&client, bed, &(struct stele_query_config){0});
    atomic_fetch_add(&bed->f.now_us, 1000);
    request.filter.logged_since_unix_nano = atomic_load(&bed->f.now_us) * 1000;
    bed_pad(bed, 60000);
    bed_append(bed, "3y", 40);
    bed_pad(bed, 0);
    for (uint64_t order = 1; order <= 2; order++) {
        request.order = order;
        client_search(&client, &peer_auditor, &request, &answer);
        assert_int_equal(answer.n_hits, 40);
        assert_in_range(answer.message_bytes_max, 120000, STELE_QUERY_MESSAGE_BYTES + 66000);
    }
    client_answer_done(&answer);
    client_close(&client);
}

/* Transport threads of their own, and an ingest beside them: for the thread sanitizer. */
struct reader {
    struct query_client *client;
    pthread_t thread;
    struct rng rng;
};

static void *read_on(void *arg) {
    struct reader *reader = arg;
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_buf message = STELE_BUF_EMPTY;
    for (int round = 0; round < 40; round++) {
        struct stele_search_request request = everything();
        request.filter.tenant = stele_view_str(rng_below(&reader->rng, 2) == 0 ? "acme" : "globex");
        request.order = 1 + rng_below(&reader->rng, 2);
        request.prove = request.order == 1 && rng_below(&reader->rng, 4) == 0;
        request.limit = rng_below(&reader->rng, 3) == 0 ? 0 : 1 + rng_below(&reader->rng, 800);
        client_encode(&request, &bytes);
        const char *method = request.prove || rng_below(&reader->rng, 4) != 0 ? "Search" : "Count";
        struct stele_rpc_call *call =
            client_start(reader->client, method, &peer_auditor, stele_view_buf(&bytes));
        uint64_t takes = rng_below(&reader->rng, 4) == 0 ? rng_below(&reader->rng, 3) : UINT64_MAX;
        for (uint64_t i = 0; i < takes && fake_call_take(call, &message); i++) {
        }
        fake_call_end(call);
    }
    stele_buf_done(&bytes);
    stele_buf_done(&message);
    return NULL;
}

static void test_search_call__many_threads_and_appends_beside_them(void **state) {
    struct query_client client;
    struct bed *bed = *state;
    struct reader readers[6];
    client_open(&client, bed, &(struct stele_query_config){.n_workers = 3});
    for (size_t i = 0; i < 6; i++) {
        readers[i] = (struct reader){.client = &client, .rng = {i}};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
    }
    for (int i = 0; i < 20; i++) {
        atomic_fetch_add(&bed->f.now_us, 1000);
        bed_append(bed, i % 2 == 0 ? "1y" : "3y", 30);
    }
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
    }
    client_close(&client);
}

static int make_bed(void **state) {
    static struct bed bed;
    bed_new(&bed, "query_calls", EVENTS);
    *state = &bed;
    return 0;
}

static int free_bed(void **state) {
    bed_done(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search_call__random_questions_are_answered_whole),
        cmocka_unit_test(test_search_call__pages_by_cursor_are_the_whole),
        cmocka_unit_test(test_search_call__slow_readers_hold_no_worker_and_one_message),
        cmocka_unit_test(test_search_call__a_reader_that_vanishes_is_let_go_at_once),
        cmocka_unit_test(test_search_call__too_many_are_told_to_wait),
        cmocka_unit_test(test_search_call__one_client_takes_its_share_only),
        cmocka_unit_test(test_search_call__a_spent_budget_says_so_and_goes_on),
        cmocka_unit_test(test_search_call__long_searches_take_turns),
        cmocka_unit_test(test_search_call__messages_are_bounded_in_bytes),
        cmocka_unit_test(test_search_call__many_threads_and_appends_beside_them),
    };
    return cmocka_run_group_tests(tests, make_bed, free_bed);
}
