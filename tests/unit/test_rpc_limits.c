/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_rpc_limits.c: what a crowd of clients can make the server hold. */
#include "tests/support/cmocka.h"
#include "tests/support/rpc_echo.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* CALLS_MAX of proto/rpc_server.c, on connections of 100 streams each. */
enum { CALLS = 4096, PER_CONNECTION = 100, CONNECTIONS = CALLS / PER_CONNECTION + 1 };

static struct rpc_echo echo;
static struct stele_rpc_client *clients[CONNECTIONS];
static struct stele_rpc_stream *streams[CALLS];

static stele_status open_wait(struct stele_rpc_client *client, struct stele_rpc_stream **ret) {
    stele_status st = stele_rpc_stream_open(client, "/test.Echo/Wait", 0, ret, NULL);
    return st == STELE_OK ? stele_rpc_stream_send(*ret, stele_view_str("x"), NULL) : st;
}

static void assert_health_answers(struct stele_rpc_client *client) {
    stele_buf reply = STELE_BUF_EMPTY;
    assert_ok(stele_rpc_unary(client, "/grpc.health.v1.Health/Check", (stele_view){NULL, 0}, 5000,
                              &reply, NULL, NULL));
    stele_buf_done(&reply);
}

static void test_rpc_limits__full_server_refuses_with_retry_and_recovers(void **state) {
    (void)state;
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_rpc_result result = {0, 0};
    struct stele_rpc_stream *extra = NULL;
    rpc_echo_start(&echo, false, 2, 500);
    for (unsigned i = 0; i < CALLS; i++) {
        if (i % PER_CONNECTION == 0) {
            clients[i / PER_CONNECTION] = rpc_echo_client(&echo, NULL);
        }
        assert_ok(open_wait(clients[i / PER_CONNECTION], &streams[i]));
    }
    rpc_echo_wait(&echo.counts.messages, CALLS);

    struct stele_rpc_client *last = clients[CONNECTIONS - 1];
    assert_ok(stele_rpc_stream_open(last, "/test.Echo/Wait", 0, &extra, NULL));
    assert_status(stele_rpc_stream_receive(extra, &message, &result, NULL), BUSY);
    assert_int_equal(result.code, STELE_RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(result.retry_after_ms, 1000);
    stele_rpc_stream_close(extra);
    assert_health_answers(last);

    stele_rpc_stream_close(streams[0]);
    rpc_echo_wait(&echo.counts.done, 1);
    stele_status st = STELE_BUSY;
    for (int i = 0; i < 1000 && st == STELE_BUSY; i++) { /* the place is free just after on_done */
        stele_buf_clear(&message);
        st = stele_rpc_unary(last, "/test.Echo/Unary", stele_view_str("x"), 5000, &message, NULL,
                             NULL);
    }
    assert_ok(st);

    for (unsigned i = 1; i < CALLS; i++) {
        stele_rpc_stream_close(streams[i]);
    }
    rpc_echo_wait(&echo.counts.done, CALLS + 1);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        stele_rpc_client_close(clients[i]);
    }
    rpc_echo_stop(&echo);
    assert_int_equal(atomic_load(&echo.counts.done), CALLS + 1);
    stele_buf_done(&message);
}

/* More through one connection than may be undelivered on all of them: what was delivered is no part
 * of it, by whichever form of address the client is known. */
static void send_much(const char *host) {
    enum { MESSAGE_BYTES = 60 * 1024, MESSAGES = 320 * 1024 / 60 };
    static uint8_t bytes[MESSAGE_BYTES];
    struct stele_rpc_stream *stream = NULL;
    struct stele_rpc_result result;
    stele_buf message = STELE_BUF_EMPTY;
    struct rpc_echo one = {.host = host};
    rpc_echo_start(&one, false, 1, 500);
    struct stele_rpc_client *client = rpc_echo_client(&one, NULL);
    assert_ok(stele_rpc_stream_open(client, "/test.Echo/Chat", 0, &stream, NULL));
    for (unsigned i = 0; i < MESSAGES; i++) {
        assert_ok(stele_rpc_stream_send(stream, stele_view_of(bytes, sizeof bytes), NULL));
        stele_buf_clear(&message);
        assert_ok(stele_rpc_stream_receive(stream, &message, &result, NULL));
    }
    stele_buf_done(&message);
    stele_rpc_stream_close(stream);
    stele_rpc_client_close(client);
    rpc_echo_stop(&one);
}

static void test_rpc_limits__delivered_bytes_are_not_held_against_a_client(void **state) {
    (void)state;
    send_much("127.0.0.1");
    int socket_v6 = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool has_v6 = bind(socket_v6, (struct sockaddr *)&loopback, sizeof loopback) == 0;
    (void)close(socket_v6);
    if (has_v6) {
        send_much("[::1]");
        send_much("[::]");
    } else {
        print_message("skipped: this machine has no IPv6\n");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rpc_limits__full_server_refuses_with_retry_and_recovers),
        cmocka_unit_test(test_rpc_limits__delivered_bytes_are_not_held_against_a_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
