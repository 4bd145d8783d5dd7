/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_rpc_drain.c: starting, and the way down with calls still running. */
#include "tests/support/cmocka.h"
#include "tests/support/rpc_echo.h"

#include "proto/rpc_calls.h"
#include "storage/cursor.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct rpc_echo echo;

static double now_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *drain(void *arg) {
    (void)arg;
    stele_rpc_server_drain(echo.server);
    return NULL;
}

/* grpc.health.v1: 1 serving, 2 not serving; 0 if there is no answer. */
static int health_status(struct stele_rpc_client *client) {
    stele_buf reply = STELE_BUF_EMPTY;
    stele_status st = stele_rpc_unary(client, "/grpc.health.v1.Health/Check", (stele_view){NULL, 0},
                                      5000, &reply, NULL, NULL);
    int status = st == STELE_OK && reply.size == 2 ? reply.data[1] : 0;
    stele_buf_done(&reply);
    return status;
}

static void test_rpc_drain__running_stream_finishes_and_no_new_call_starts(void **state) {
    (void)state;
    uint8_t request[8];
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_rpc_stream *stream = NULL;
    pthread_t thread;
    rpc_echo_start(&echo, false, 1, 30000);
    struct stele_rpc_client *client = rpc_echo_client(&echo, NULL);
    stele_put_u32(request, 2000);
    stele_put_u32(request + 4, 16384);
    assert_ok(stele_rpc_stream_open(client, "/test.Echo/Count", 0, &stream, NULL));
    assert_ok(stele_rpc_stream_send(stream, stele_view_of(request, 8), NULL));
    assert_ok(stele_rpc_stream_half_close(stream, NULL));
    assert_ok(stele_rpc_stream_receive(stream, &message, NULL, NULL));
    double start = now_s();
    assert_int_equal(pthread_create(&thread, NULL, drain, NULL), 0);
    (void)nanosleep(&(struct timespec){0, 200 * 1000 * 1000}, NULL);

    struct stele_rpc_client *late = rpc_echo_client(&echo, NULL);
    stele_buf reply = STELE_BUF_EMPTY;
    stele_err err = {.text = ""};
    assert_status(
        stele_rpc_unary(late, "/test.Echo/Unary", stele_view_str("x"), 5000, &reply, NULL, &err),
        CLOSED);
    assert_non_null(strstr(err.text, "shutting down"));
    assert_int_equal(health_status(late), 2); /* a load balancer is told, not refused */
    stele_rpc_client_close(late);

    for (int i = 1; i < 2000; i++) {
        if (stele_rpc_stream_receive(stream, &message, NULL, &err) != STELE_OK) {
            fail_msg("message %d: %s", i, err.text);
        }
    }
    assert_status(stele_rpc_stream_receive(stream, &message, NULL, NULL), END);
    stele_rpc_stream_close(stream);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(now_s() - start < 10); /* done when the calls are, not after drain_ms */
    assert_int_equal(atomic_load(&echo.counts.done), 1);
    assert_int_equal(atomic_load(&echo.counts.cancelled), 0);
    stele_rpc_client_close(client);
    rpc_echo_stop(&echo);
    stele_buf_done(&reply);
    stele_buf_done(&message);
}

static void test_rpc_drain__timeout_cancels_what_still_runs(void **state) {
    (void)state;
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_rpc_result result = {0, 0};
    struct stele_rpc_stream *wait = NULL;
    struct stele_rpc_stream *chat = NULL;
    struct stele_rpc_stream *kept = NULL;
    rpc_echo_start(&echo, false, 2, 400);
    struct stele_rpc_client *client = rpc_echo_client(&echo, NULL);
    assert_ok(stele_rpc_stream_open(client, "/test.Echo/Wait", 0, &wait, NULL));
    assert_ok(stele_rpc_stream_send(wait, stele_view_str("x"), NULL));
    assert_ok(stele_rpc_stream_open(client, "/test.Echo/Chat", 0, &chat, NULL));
    assert_ok(stele_rpc_stream_send(chat, stele_view_str("x"), NULL));
    assert_ok(stele_rpc_stream_receive(chat, &message, NULL, NULL));
    assert_ok(stele_rpc_stream_open(client, "/test.Echo/Keep", 0, &kept, NULL));
    assert_ok(stele_rpc_stream_send(kept, stele_view_str("x"), NULL));
    rpc_echo_wait(&echo.counts.messages, 2);
    struct stele_rpc_call *call = rpc_echo_kept(&echo);

    double start = now_s();
    stele_rpc_server_drain(echo.server);
    double took = now_s() - start;
    assert_true(took >= 0.4 && took < 5);
    assert_int_equal(atomic_load(&echo.counts.done), 3); /* every on_done ran before it returned */
    assert_int_equal(atomic_load(&echo.counts.cancelled), 3);
    assert_status(stele_rpc_send(call, stele_view_str("x"), NULL), CLOSED);
    stele_rpc_call_unref(call);
    assert_status(stele_rpc_stream_receive(wait, &message, &result, NULL), CLOSED);
    assert_int_equal(result.code, STELE_RPC_UNAVAILABLE);
    assert_status(stele_rpc_stream_receive(chat, &message, NULL, NULL), CLOSED);
    stele_rpc_stream_close(wait);
    stele_rpc_stream_close(chat);
    stele_rpc_stream_close(kept);
    stele_rpc_client_close(client);
    stele_rpc_server_drain(echo.server); /* twice is once */
    rpc_echo_stop(&echo);
    stele_buf_done(&message);
}

/* Opened, and no message ever came: no service knows of it, so that nobody could end it but the
 * drain. */
static void test_rpc_drain__streams_never_used_do_not_hold_it(void **state) {
    (void)state;
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_rpc_result result = {0, 0};
    struct stele_rpc_stream *stream[3];
    stele_err err = {.text = ""};
    rpc_echo_start(&echo, false, 1, 600000); /* longer than the test may take */
    struct stele_rpc_client *client = rpc_echo_client(&echo, NULL);
    for (size_t i = 0; i < 3; i++) {
        assert_ok(stele_rpc_stream_open(client, i == 2 ? "/test.Echo/Wait" : "/test.Echo/Chat", 0,
                                        &stream[i], NULL));
    }
    /* On the same connection and behind them: when it is answered, the server has them. */
    assert_ok(stele_rpc_unary(client, "/test.Echo/Unary", stele_view_str("x"), 5000, &message, NULL,
                              NULL));
    stele_rpc_server_drain(echo.server);
    for (size_t i = 0; i < 3; i++) {
        assert_status(stele_rpc_stream_receive(stream[i], &message, &result, &err), CLOSED);
        assert_int_equal(result.code, STELE_RPC_UNAVAILABLE);
        assert_non_null(strstr(err.text, "shutting down"));
        stele_rpc_stream_close(stream[i]);
    }
    assert_int_equal(atomic_load(&echo.counts.done), 1); /* the unary one's */
    stele_rpc_client_close(client);
    rpc_echo_stop(&echo);
    stele_buf_done(&message);
}

static void test_rpc_drain__idle_connection_does_not_hold_it(void **state) {
    (void)state;
    stele_buf reply = STELE_BUF_EMPTY;
    rpc_echo_start(&echo, false, 1, 30000);
    struct stele_rpc_client *client = rpc_echo_client(&echo, NULL);
    assert_ok(
        stele_rpc_unary(client, "/test.Echo/Unary", stele_view_str("x"), 5000, &reply, NULL, NULL));
    double start = now_s();
    stele_rpc_server_drain(echo.server);
    assert_true(now_s() - start < 5);
    stele_rpc_client_close(client);
    rpc_echo_stop(&echo);
    stele_buf_done(&reply);
}

/* Calls that core took from a connection which was gone before the server's thread came to them. */
static void test_rpc_drain__calls_nobody_took_up_come_back(void **state) {
    (void)state;
    enum { N = 8 };
    stele_buf reply = STELE_BUF_EMPTY;
    struct stele_rpc_calls *calls = NULL;
    pthread_t thread;
    rpc_echo_start(&echo, false, 1, 1000);
    struct stele_rpc_client *client = rpc_echo_client(&echo, NULL);
    atomic_store(&echo.counts.hold, true);
    assert_ok(
        stele_rpc_unary(client, "/test.Echo/Unary", stele_view_str("x"), 5000, &reply, NULL, NULL));
    rpc_echo_wait(&echo.counts.held, 1);
    assert_ok(stele_rpc_calls_new(&client, 1, "/test.Echo/Unary", N, &calls, NULL));
    for (uint32_t i = 0; i < N; i++) {
        assert_ok(stele_rpc_calls_start(calls, i, stele_view_str("x"), 200, NULL));
    }
    for (uint32_t i = 0; i < N; i++) {
        struct stele_rpc_answer answer;
        assert_true(stele_rpc_calls_next(calls, UINT64_MAX, &answer, NULL));
        assert_status(answer.st, CLOSED);
    }
    stele_rpc_calls_free(calls);
    stele_rpc_client_close(client);
    assert_int_equal(pthread_create(&thread, NULL, drain, NULL), 0);
    (void)nanosleep(&(struct timespec){0, 200 * 1000 * 1000}, NULL);
    atomic_store(&echo.counts.hold, false);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(atomic_load(&echo.counts.messages), 1);
    rpc_echo_stop(&echo);
    stele_buf_done(&reply);
}

static void test_rpc_drain__client_comes_back_to_a_new_server(void **state) {
    (void)state;
    stele_buf reply = STELE_BUF_EMPTY;
    stele_err err = {.text = ""};
    struct stele_rpc_server *next = NULL;
    static const struct stele_rpc_method none = {.path = NULL};
    rpc_echo_start(&echo, false, 1, 1000);
    struct stele_rpc_client *client = rpc_echo_client(&echo, NULL);
    assert_ok(
        stele_rpc_unary(client, "/test.Echo/Unary", stele_view_str("x"), 5000, &reply, NULL, NULL));
    stele_rpc_server_drain(echo.server);
    double start = now_s();
    assert_status(
        stele_rpc_unary(client, "/test.Echo/Unary", stele_view_str("x"), 5000, &reply, NULL, &err),
        CLOSED);
    assert_true(now_s() - start < 3); /* fails with the refused connection, not with the deadline */
    assert_non_null(strstr(err.text, "is steled running there"));

    struct stele_rpc_server_options options = {.listen = echo.target,
                                               .insecure = true,
                                               .message_bytes_max = 1000,
                                               .drain_ms = 1000,
                                               .methods = &none,
                                               .n_methods = 0};
    assert_ok(stele_rpc_server_start(&options, &next, NULL));
    stele_rpc_server_set_serving(next, true);
    stele_status st = STELE_CLOSED;
    for (int i = 0; i < 100 && st == STELE_CLOSED; i++) {
        (void)nanosleep(&(struct timespec){0, 50 * 1000 * 1000}, NULL);
        st = stele_rpc_unary(client, "/grpc.health.v1.Health/Check", (stele_view){NULL, 0}, 5000,
                             &reply, NULL, NULL);
    }
    assert_ok(st);
    stele_rpc_client_close(client);
    stele_rpc_server_free(next);
    rpc_echo_stop(&echo);
    stele_buf_done(&reply);
}

static void test_rpc_drain__bad_options_say_why(void **state) {
    (void)state;
    static const struct stele_rpc_method unary = {.path = "/a.B/C", .kind = STELE_RPC_UNARY};
    stele_err err = {.text = ""};
    struct stele_rpc_server *server = NULL;
    const struct stele_rpc_server_options good = {
        .listen = "127.0.0.1:0", .insecure = true, .message_bytes_max = 1000, .methods = &unary};
    struct stele_rpc_server_options bad = good;
    bad.listen = "0.0.0.0:0";
    assert_status(stele_rpc_server_start(&bad, &server, &err), INVALID);
    assert_non_null(strstr(err.text, "loopback"));
    bad = good;
    bad.insecure = false;
    assert_status(stele_rpc_server_start(&bad, &server, &err), INVALID);
    assert_non_null(strstr(err.text, "certificate"));
    bad.certificate_pem = bad.client_ca_pem =
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    bad.private_key_pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_status(stele_rpc_server_start(&bad, &server, &err), INVALID);
    assert_non_null(strstr(err.text, "check address, certificate and key"));
    bad = good;
    bad.message_bytes_max = 0;
    assert_status(stele_rpc_server_start(&bad, &server, &err), INVALID);
    bad = good;
    bad.n_methods = 1; /* has no on_message */
    assert_status(stele_rpc_server_start(&bad, &server, &err), BUG);
    bad = good;
    bad.listen = "nowhere";
    assert_status(stele_rpc_server_start(&bad, &server, &err), INVALID);
    assert_null(server);
}

static void test_rpc_drain__port_in_use_is_said(void **state) {
    (void)state;
    static const struct stele_rpc_method none = {.path = NULL};
    stele_err err = {.text = ""};
    struct stele_rpc_server *second = NULL;
    rpc_echo_start(&echo, false, 1, 100);
    struct stele_rpc_server_options options = {
        .listen = echo.target, .insecure = true, .message_bytes_max = 1000, .methods = &none};
    assert_status(stele_rpc_server_start(&options, &second, &err), IO);
    assert_non_null(strstr(err.text, "is in use"));
    rpc_echo_stop(&echo);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rpc_drain__running_stream_finishes_and_no_new_call_starts),
        cmocka_unit_test(test_rpc_drain__timeout_cancels_what_still_runs),
        cmocka_unit_test(test_rpc_drain__streams_never_used_do_not_hold_it),
        cmocka_unit_test(test_rpc_drain__idle_connection_does_not_hold_it),
        cmocka_unit_test(test_rpc_drain__calls_nobody_took_up_come_back),
        cmocka_unit_test(test_rpc_drain__client_comes_back_to_a_new_server),
        cmocka_unit_test(test_rpc_drain__bad_options_say_why),
        cmocka_unit_test(test_rpc_drain__port_in_use_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
