/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_ingest_streams.c: streams of events whose log is slow, full or failing: the order
 * of acks, flow control, broken messages, cancelled calls. With stores that fail on demand.
 */
#include "tests/support/cmocka.h"
#include "tests/support/ingest_rig.h"
#include "tests/support/log_fake.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ingest/limits.h"

static struct stele_store *store;
static struct stele_log *log3, *log1;
static struct ingest_rig rig;

static int setup(void **state) {
    (void)state;
    store = log_fake_open("eu", RIG_NOW_US);
    log3 = stele_store_log(store, "3y");
    log1 = stele_store_log(store, "1y");
    ingest_rig_start(&rig, &store, 1, false);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    log_fake_set(log1, LOG_FAKE_COMMIT); /* a test that failed may have left them holding */
    log_fake_set(log3, LOG_FAKE_COMMIT);
    ingest_rig_stop(&rig);
    log_fake_close(store);
    return 0;
}

static void wait_held(struct stele_log *log, size_t n) {
    for (int i = 0; i < 20000 && log_fake_held(log) != n; i++) {
        (void)usleep(500);
    }
    assert_int_equal(log_fake_held(log), n);
}

static void expect_text(const char *text, const char *word) {
    if (strstr(text, word) == NULL) {
        fail_msg("'%s' is not in: %s", word, text);
    }
}

static void stream_send(struct rig_stream *s, int from, int n, uint32_t class) {
    struct rig_call *call = rig_call_new();
    for (int i = from; i < from + n; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "s%d", i);
        rig_call_add(call, &(struct rig_event){.id = id, .retention_class = class});
    }
    rig_stream_send(s, call);
    rig_call_free(call);
}

static void test_ingest_streams__stream_acks_keep_the_order(void **state) {
    (void)state;
    struct rig_stream *s = rig_stream_open(rig.client);
    log_fake_set(log3, LOG_FAKE_HOLD);
    stream_send(s, 0, 3, 3);
    stream_send(s, 3, 4, 1); /* decided before the message before it */
    stream_send(s, 7, 0, 1);
    stream_send(s, 7, 2, 3);
    wait_held(log3, 2);
    for (int i = 0; i < 20000 && log_fake_count(log1) < 4; i++) {
        (void)usleep(500);
    }
    (void)usleep(10000);
    log_fake_set(log3, LOG_FAKE_COMMIT);
    assert_ok(stele_rpc_stream_half_close(s->stream, NULL));
    while (s->acked < 9) {
        assert_ok(rig_stream_receive(s));
    }
    assert_status(rig_stream_receive(s), END);
    assert_true(s->n_responses <= 4);
    for (uint64_t i = 0; i < 9; i++) {
        assert_int_equal(s->event[i].code, 0);
        assert_string_equal(s->event[i].log, i >= 3 && i < 7 ? "eu/1y" : "eu/3y");
        assert_int_equal(s->event[i].seq, i < 3 ? i : (i < 7 ? i - 3 : i - 4));
    }
    rig_stream_close(s);
}

static void test_ingest_streams__a_stream_waits_for_a_full_queue(void **state) {
    (void)state;
    struct rig_stream *s = rig_stream_open(rig.client);
    log_fake_set(log3, LOG_FAKE_BUSY);
    for (int i = 0; i < 6; i++) {
        stream_send(s, i * 10, 10, i == 3 ? 1 : 3);
    }
    assert_ok(stele_rpc_stream_half_close(s->stream, NULL));
    (void)usleep(100000);
    assert_int_equal(log_fake_count(log1), 0); /* a later message does not overtake */
    log_fake_set(log3, LOG_FAKE_COMMIT);
    while (s->acked < 60) {
        assert_ok(rig_stream_receive(s));
    }
    assert_status(rig_stream_receive(s), END);
    for (uint64_t i = 0; i < 60; i++) {
        assert_int_equal(s->event[i].code, 0);
        assert_int_equal(s->event[i].seq, i < 30 ? i : (i < 40 ? i - 30 : i - 10));
    }
    rig_stream_close(s);
}

static void test_ingest_streams__a_queue_full_for_long_refuses_the_events(void **state) {
    (void)state;
    struct rig_stream *s = rig_stream_open(rig.client);
    log_fake_set(log3, LOG_FAKE_BUSY);
    stream_send(s, 0, 2, 3);
    stream_send(s, 2, 1, 1);
    assert_ok(stele_rpc_stream_half_close(s->stream, NULL));
    while (s->acked < 3) {
        assert_ok(rig_stream_receive(s));
    }
    assert_status(rig_stream_receive(s), END);
    assert_int_equal(s->event[0].code, STELE_RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(s->event[1].code, STELE_RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(s->event[2].code, 0);
    rig_stream_close(s);
}

static void test_ingest_streams__a_stream_goes_on_after_a_failed_commit(void **state) {
    (void)state;
    struct rig_stream *s = rig_stream_open(rig.client);
    log_fake_set(log3, LOG_FAKE_FAIL);
    stream_send(s, 0, 2, 3);
    while (s->acked < 2) {
        assert_ok(rig_stream_receive(s));
    }
    assert_int_equal(s->event[0].code, STELE_RPC_UNAVAILABLE);
    expect_text(s->event[0].error, "send it again");
    log_fake_set(log3, LOG_FAKE_COMMIT);
    stream_send(s, 0, 2, 3);
    assert_ok(stele_rpc_stream_half_close(s->stream, NULL));
    while (s->acked < 4) {
        assert_ok(rig_stream_receive(s));
    }
    assert_status(rig_stream_receive(s), END);
    assert_int_equal(s->event[2].code, 0);
    assert_false(s->event[2].duplicate);
    rig_stream_close(s);
}

static void test_ingest_streams__a_cancelled_stream_lets_the_log_decide(void **state) {
    (void)state;
    struct rig_stream *s = rig_stream_open(rig.client);
    log_fake_set(log3, LOG_FAKE_HOLD);
    for (int i = 0; i < 8; i++) {
        stream_send(s, i * 100, 100, 3);
    }
    wait_held(log3, 8);
    rig_stream_close(s);
    (void)usleep(20000);
    log_fake_set(log3, LOG_FAKE_COMMIT);
    wait_held(log3, 0);
    assert_int_equal(log_fake_count(log3), 800);
    s = rig_stream_open(rig.client); /* the client comes back with all of it */
    stream_send(s, 0, 1000, 3);
    assert_ok(stele_rpc_stream_half_close(s->stream, NULL));
    while (s->acked < 1000) {
        assert_ok(rig_stream_receive(s));
    }
    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(s->event[i].code, 0);
        assert_int_equal(s->event[i].duplicate, i < 800);
        assert_int_equal(s->event[i].seq, i);
    }
    rig_stream_close(s);
    assert_int_equal(log_fake_count(log3), 1000);
}

/* The next message is in the connection's window already, and stays there. */
static void expect_no_more_taken(size_t n) {
    wait_held(log3, n);
    (void)usleep(30000);
    assert_int_equal(log_fake_held(log3), n);
    log_fake_set(log3, LOG_FAKE_COMMIT);
}

static void test_ingest_streams__a_stream_has_so_many_messages_under_way(void **state) {
    enum { MORE = 4 };
    (void)state;
    struct rig_stream *s = rig_stream_open(rig.client);
    log_fake_set(log3, LOG_FAKE_HOLD);
    for (int i = 0; i < STELE_INGEST_STREAM_MESSAGES_MAX + MORE; i++) {
        stream_send(s, i, 1, 3);
    }
    expect_no_more_taken(STELE_INGEST_STREAM_MESSAGES_MAX);
    while (s->acked < STELE_INGEST_STREAM_MESSAGES_MAX + MORE) {
        assert_ok(rig_stream_receive(s));
    }
    rig_stream_close(s);
}

static void test_ingest_streams__a_stream_has_so_many_bytes_under_way(void **state) {
    enum { EVENTS = 100, PADDING = 32768, MORE = 4 };
    /* The last one begins below the bound. */
    const int n_large = (int)(STELE_INGEST_STREAM_BYTES_SOFT / ((size_t)EVENTS * PADDING)) + 1;
    (void)state;
    struct rig_stream *s = rig_stream_open(rig.client);
    log_fake_set(log3, LOG_FAKE_HOLD);
    for (int i = 0; i < n_large; i++) {
        struct rig_call *call = rig_call_new();
        for (int k = 0; k < EVENTS; k++) {
            char id[32];
            (void)snprintf(id, sizeof id, "l%d", i * EVENTS + k);
            rig_call_add(call, &(struct rig_event){
                                   .id = id, .retention_class = 3, .padding_bytes = PADDING});
        }
        rig_stream_send(s, call);
        rig_call_free(call);
    }
    for (int i = 0; i < MORE; i++) {
        stream_send(s, i, 1, 3);
    }
    expect_no_more_taken((size_t)n_large);
    while (s->acked < (uint64_t)(n_large * EVENTS + MORE)) {
        assert_ok(rig_stream_receive(s));
    }
    log_fake_set(log3, LOG_FAKE_HOLD); /* what was acked has made room */
    for (int i = 0; i < MORE; i++) {
        stream_send(s, MORE + i, 1, 3);
    }
    expect_no_more_taken(MORE);
    while (s->acked < (uint64_t)(n_large * EVENTS + 2 * MORE)) {
        assert_ok(rig_stream_receive(s));
    }
    rig_stream_close(s);
}

static void test_ingest_streams__a_broken_message_ends_its_stream_after_the_acks(void **state) {
    (void)state;
    struct rig_stream *s = rig_stream_open(rig.client);
    stream_send(s, 0, 5, 3);
    struct rig_call *broken = rig_call_new();
    assert_ok(stele_buf_append(&broken->request, stele_view_str("\x0a\x7f"), NULL));
    rig_stream_send(s, broken);
    rig_call_free(broken);
    stele_status st = STELE_OK;
    while ((st = rig_stream_receive(s)) == STELE_OK) {
    }
    assert_status(st, INVALID);
    assert_int_equal(s->result.code, STELE_RPC_INVALID_ARGUMENT);
    expect_text(s->err.text, "not protobuf");
    assert_int_equal(s->acked, 5);
    rig_stream_close(s);
    assert_int_equal(log_fake_count(log3), 5);
}

static void test_ingest_streams__a_shutdown_acks_what_is_under_way(void **state) {
    (void)state;
    struct rig_stream *busy = rig_stream_open(rig.client);
    struct rig_stream *idle = rig_stream_open(rig.client);
    struct rig_stream *closed = rig_stream_open(rig.client);
    stream_send(idle, 100, 1, 1);
    while (idle->acked < 1) {
        assert_ok(rig_stream_receive(idle));
    }
    log_fake_set(log3, LOG_FAKE_HOLD);
    stream_send(busy, 0, 3, 3);
    stream_send(closed, 200, 2, 3);
    assert_ok(stele_rpc_stream_half_close(closed->stream, NULL));
    wait_held(log3, 2);
    (void)usleep(20000);
    stele_ingest_end_streams(rig.ingest);
    assert_status(rig_stream_receive(idle), CLOSED);
    assert_int_equal(idle->result.code, STELE_RPC_UNAVAILABLE);
    expect_text(idle->err.text, "shutting down");
    log_fake_set(log3, LOG_FAKE_COMMIT);
    assert_ok(rig_stream_receive(busy));
    assert_int_equal(busy->acked, 3);
    assert_status(rig_stream_receive(busy), CLOSED);
    assert_ok(rig_stream_receive(closed));
    assert_int_equal(closed->acked, 2);
    assert_status(rig_stream_receive(closed), END); /* it was ending by itself */
    struct rig_stream *late = rig_stream_open(rig.client);
    stream_send(late, 300, 1, 3);
    assert_status(rig_stream_receive(late), CLOSED);
    assert_int_equal(late->acked, 0);
    assert_int_equal(log_fake_count(log3), 5);
    rig_stream_close(busy);
    rig_stream_close(idle);
    rig_stream_close(closed);
    rig_stream_close(late);
}

static void test_ingest_streams__an_empty_stream_is_fine(void **state) {
    (void)state;
    struct rig_stream *s = rig_stream_open(rig.client);
    assert_ok(stele_rpc_stream_half_close(s->stream, NULL));
    assert_status(rig_stream_receive(s), END);
    rig_stream_close(s);
}

#define T(name) cmocka_unit_test_setup_teardown(test_ingest_streams__##name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(stream_acks_keep_the_order),
        T(a_stream_waits_for_a_full_queue),
        T(a_queue_full_for_long_refuses_the_events),
        T(a_stream_goes_on_after_a_failed_commit),
        T(a_cancelled_stream_lets_the_log_decide),
        T(a_stream_has_so_many_messages_under_way),
        T(a_stream_has_so_many_bytes_under_way),
        T(a_broken_message_ends_its_stream_after_the_acks),
        T(a_shutdown_acks_what_is_under_way),
        T(an_empty_stream_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
