/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_query_rpc.c: the query service behind the real server, over the real store on
 * disk, asked by real clients: whole answers, pages, proofs, readers that stop reading, and a drain
 * in the middle.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proto/access.h"
#include "proto/query_wire.h"
#include "proto/rpc_client.h"
#include "proto/verify.h"
#include "query/query.h"
#include "tests/support/query_bed.h"

#define EVENTS 24000 /* about 8 MB as an answer */
#define SEARCH "/stele.v1.Query/Search"

static size_t expected[EVENTS];

struct service {
    struct bed bed;
    struct stele_access *access;
    struct stele_query *query;
    struct stele_rpc_server *server;
    char target[32];
};
static struct service service;

static void serve(struct service *s, const struct stele_query_config *config) {
    static const char *const every[] = {"*"};
    static const struct stele_grant grants[] = {
        {STELE_PEER_ANONYMOUS, every, 1, every, 1, STELE_MAY_QUERY | STELE_MAY_READ_LOG}};
    struct stele_query_config with = *config;
    struct stele_rpc_server_options options = {
        .listen = "127.0.0.1:0",
        .insecure = true,
        .n_threads = 1,
        .message_bytes_max = 5u << 20,
        .streams_per_connection_max = 1000,
        .drain_ms = 500,
    };
    stele_err err = {0};
    assert_ok(stele_access_new(grants, 1, &s->access, &err));
    with.stores = &s->bed.f.store;
    with.n_stores = 1;
    with.access = s->access;
    assert_ok(stele_query_new(&with, &s->query, &err));
    options.methods = stele_query_methods(s->query, &options.n_methods);
    assert_ok(stele_rpc_server_start(&options, &s->server, &err));
    stele_rpc_server_set_serving(s->server, true);
    (void)snprintf(s->target, sizeof s->target, "127.0.0.1:%u", stele_rpc_server_port(s->server));
}

static void stop(struct service *s) {
    stele_rpc_server_drain(s->server);
    stele_query_free(s->query); /* a worker may still have a call that is over */
    stele_rpc_server_free(s->server);
    stele_access_free(s->access);
}

static struct stele_rpc_client *dial(const struct service *s) {
    struct stele_rpc_client *client = NULL;
    struct stele_rpc_client_options options = {.target = s->target,
                                               .insecure = true,
                                               .message_bytes_max = 4u << 20,
                                               .own_connection = true};
    assert_ok(stele_rpc_client_open(&options, &client, NULL));
    return client;
}

static struct stele_rpc_stream *ask(struct stele_rpc_client *client,
                                    const struct stele_search_request *request) {
    struct stele_rpc_stream *stream = NULL;
    stele_buf bytes = STELE_BUF_EMPTY;
    assert_ok(stele_search_request_write(request, &bytes, NULL));
    assert_ok(stele_rpc_stream_open(client, SEARCH, 0, &stream, NULL));
    assert_ok(stele_rpc_stream_send(stream, stele_view_buf(&bytes), NULL));
    assert_ok(stele_rpc_stream_half_close(stream, NULL));
    stele_buf_done(&bytes);
    return stream;
}

/* Reads an answer to its end; its hits must be expected[at], ...; the cursor and file are appended.
 */
static size_t read_answer(struct stele_rpc_stream *stream, size_t at, size_t n, stele_buf *cursor,
                          stele_buf *file) {
    stele_buf message = STELE_BUF_EMPTY;
    stele_err err = {0};
    size_t n_hits = 0;
    stele_status st = STELE_OK;
    while ((st = stele_rpc_stream_receive(stream, &message, NULL, &err)) == STELE_OK) {
        stele_view rest = stele_view_buf(&message);
        struct stele_search_part part;
        while (stele_search_response_next(&rest, &part, &err) == STELE_OK) {
            if (part.kind == STELE_SEARCH_PART_ANSWER) {
                assert_ok(stele_buf_append(file, part.as.answer, NULL));
            } else if (part.kind == STELE_SEARCH_PART_END) {
                assert_ok(stele_buf_append(cursor, part.as.end.cursor, NULL));
            } else {
                assert_true(at + n_hits < n);
                const struct bed_event *event = &service.bed.event[expected[at + n_hits++]];
                assert_int_equal(part.as.hit.seq, event->seq);
                assert_true(stele_view_equal(part.as.hit.event, stele_view_buf(&event->payload)));
            }
        }
        assert_int_equal(rest.size, 0);
    }
    if (st != STELE_END) {
        fail_msg("the answer ended with %s: %s", stele_status_name(st), err.text);
    }
    stele_rpc_stream_close(stream);
    stele_buf_done(&message);
    return n_hits;
}

static struct stele_search_request everything(struct stele_query_question *question) {
    stele_query_question_init(question);
    assert_ok(stele_buf_append(&question->asked.region, stele_view_str(BED_REGION), NULL));
    return (struct stele_search_request){.region = stele_view_str(BED_REGION), .order = 1};
}

static void test_query_rpc__all_events_come_back_whole_and_in_pages(void **state) {
    (void)state;
    struct stele_query_question question;
    struct stele_search_request request = everything(&question);
    struct stele_rpc_client *client = dial(&service);
    stele_buf cursor = STELE_BUF_EMPTY;
    stele_buf file = STELE_BUF_EMPTY;
    for (int order = 1; order <= 2; order++) {
        request.order = (uint64_t)order;
        question.descending = order == 2;
        size_t n = bed_expect(&service.bed, &question, expected);
        request.limit = 0;
        request.cursor = stele_view_of(NULL, 0);
        assert_int_equal(read_answer(ask(client, &request), 0, n, &cursor, &file), n);
        assert_int_equal(cursor.size, 0);
        size_t at = 0;
        request.limit = 1700;
        do {
            stele_buf next = STELE_BUF_EMPTY;
            request.cursor = stele_view_buf(&cursor);
            at += read_answer(ask(client, &request), at, n, &next, &file);
            stele_buf_done(&cursor);
            cursor = next;
        } while (cursor.size > 0);
        assert_int_equal(at, n);
    }
    stele_buf_done(&cursor);
    stele_buf_done(&file);
    stele_query_question_done(&question);
    stele_rpc_client_close(client);
}

static void test_query_rpc__an_answer_with_proof_verifies(void **state) {
    (void)state;
    struct stele_query_question question;
    struct stele_search_request request = everything(&question);
    struct stele_rpc_client *client = dial(&service);
    struct stele_vkey keys[3];
    struct stele_verifier *verifier = NULL;
    struct stele_verify_report report;
    stele_buf cursor = STELE_BUF_EMPTY;
    stele_buf file = STELE_BUF_EMPTY;
    size_t n = bed_expect(&service.bed, &question, expected);
    request.prove = true;
    assert_int_equal(read_answer(ask(client, &request), 0, 0, &cursor, &file), 0);
    for (size_t i = 0; i < 3; i++) {
        stele_log_vkey(stele_store_log_at(service.bed.f.store, i), &keys[i]);
    }
    assert_ok(stele_verifier_new(keys, 3, NULL, NULL, &verifier, NULL));
    assert_ok(stele_verifier_feed(verifier, stele_view_buf(&file), NULL));
    assert_ok(stele_verifier_end(verifier, &report, NULL));
    assert_int_equal(report.n_events, n);
    assert_false(report.cut);
    stele_verify_report_done(&report);
    stele_verifier_free(verifier);
    stele_buf_done(&cursor);
    stele_buf_done(&file);
    stele_query_question_done(&question);
    stele_rpc_client_close(client);
}

/* Of this process: server, store and clients together. */
static size_t resident_kib(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*u %lu", &pages), 1);
    (void)fclose(file);
    return pages * 4;
}

/* Forty clients ask for everything and do not read. The server makes what the
 * connections take and stops; another client is served meanwhile; then all read on and get
 * everything. */
static void test_query_rpc__readers_that_stop_reading_cost_little(void **state) {
    (void)state;
    enum { SLOW = 40 };
    struct stele_query_question question;
    struct stele_search_request request = everything(&question);
    struct stele_rpc_client *clients[SLOW];
    struct stele_rpc_stream *streams[SLOW];
    stele_buf cursor = STELE_BUF_EMPTY;
    stele_buf file = STELE_BUF_EMPTY;
    size_t n = bed_expect(&service.bed, &question, expected);
    size_t before = resident_kib();
    for (size_t i = 0; i < SLOW; i++) {
        clients[i] = dial(&service);
        streams[i] = ask(clients[i], &request);
    }
    (void)nanosleep(&(struct timespec){1, 0}, NULL);
    struct stele_rpc_client *quick = dial(&service);
    request.limit = 10;
    assert_int_equal(read_answer(ask(quick, &request), 0, n, &cursor, &file), 10);
    size_t grown = resident_kib() - before;
    (void)printf("%d readers that do not read: %zu KiB each\n", SLOW, grown / SLOW);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(grown / SLOW < 5000); /* of both ends: windows, buffers, threads; not the answer */
#endif
    for (size_t i = 0; i < SLOW; i++) {
        assert_int_equal(read_answer(streams[i], 0, n, &cursor, &file), n);
        stele_rpc_client_close(clients[i]);
    }
    stele_rpc_client_close(quick);
    stele_buf_done(&cursor);
    stele_buf_done(&file);
    stele_query_question_done(&question);
}

static void test_query_rpc__refusals_reach_the_client_with_code_and_words(void **state) {
    (void)state;
    struct stele_rpc_client *client = dial(&service);
    struct stele_search_request request = {.region = stele_view_str("us")};
    struct stele_rpc_stream *stream = ask(client, &request);
    struct stele_rpc_result result;
    stele_buf message = STELE_BUF_EMPTY;
    stele_err err = {0};
    assert_status(stele_rpc_stream_receive(stream, &message, &result, &err), NOT_FOUND);
    assert_int_equal(result.code, STELE_RPC_NOT_FOUND);
    assert_string_equal(err.text, "region 'us' is not served here; ask the server that keeps it");
    stele_rpc_stream_close(stream);
    stele_buf_done(&message);
    stele_rpc_client_close(client);
}

/* Cancels in all moments while others read. */
static void *cancel_often(void *arg) {
    struct rng rng = {(uint64_t)(uintptr_t)arg};
    struct stele_rpc_client *client = dial(&service);
    struct stele_search_request request = {.region = stele_view_str(BED_REGION), .order = 1};
    stele_buf message = STELE_BUF_EMPTY;
    for (int round = 0; round < 60; round++) {
        request.prove = rng_below(&rng, 4) == 0;
        struct stele_rpc_stream *stream = ask(client, &request);
        for (uint64_t i = rng_below(&rng, 4); i > 0; i--) {
            (void)!stele_rpc_stream_receive(stream, &message, NULL, NULL);
        }
        stele_rpc_stream_close(stream);
    }
    stele_buf_done(&message);
    stele_rpc_client_close(client);
    return NULL;
}

static void test_query_rpc__cancelled_calls_leave_nothing_behind(void **state) {
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, cancel_often, (void *)(uintptr_t)(i + 1)), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

/* Some are read, some not: the drain ends all of them, and the service can be freed. */
static void test_query_rpc__a_drain_ends_open_searches(void **state) {
    (void)state;
    struct service other = {.bed = service.bed}; /* the same store behind another server */
    struct stele_search_request request = {.region = stele_view_str(BED_REGION), .order = 1};
    struct stele_rpc_client *clients[8];
    struct stele_rpc_stream *streams[8];
    stele_buf message = STELE_BUF_EMPTY;
    serve(&other, &(struct stele_query_config){.n_workers = 2});
    for (size_t i = 0; i < 8; i++) {
        clients[i] = dial(&other);
        streams[i] = ask(clients[i], &request);
        if (i % 2 == 0) {
            assert_ok(stele_rpc_stream_receive(streams[i], &message, NULL, NULL));
        }
    }
    stop(&other);
    for (size_t i = 0; i < 8; i++) {
        stele_rpc_stream_close(streams[i]);
        stele_rpc_client_close(clients[i]);
    }
    stele_buf_done(&message);
}

static int set_up(void **state) {
    (void)state;
    bed_new_on_disk(&service.bed, "query_rpc", EVENTS);
    serve(&service, &(struct stele_query_config){0});
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    stop(&service);
    bed_done(&service.bed);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query_rpc__all_events_come_back_whole_and_in_pages),
        cmocka_unit_test(test_query_rpc__an_answer_with_proof_verifies),
        cmocka_unit_test(test_query_rpc__readers_that_stop_reading_cost_little),
        cmocka_unit_test(test_query_rpc__refusals_reach_the_client_with_code_and_words),
        cmocka_unit_test(test_query_rpc__cancelled_calls_leave_nothing_behind),
        cmocka_unit_test(test_query_rpc__a_drain_ends_open_searches),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
