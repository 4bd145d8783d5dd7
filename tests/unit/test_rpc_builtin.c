/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_rpc_builtin.c: health and reflection, as bytes over the wire. */
#include "tests/support/cmocka.h"
#include "tests/support/rpc_echo.h"

#include "proto/descriptors.h"
#include "proto/rpc_reflection.h"
#include "proto/rpc_wire.h"
#include "proto/wire_out.h"

#include <string.h>
#include <time.h>

static struct rpc_echo echo;
static struct stele_rpc_client *client;

static int setup(void **state) {
    (void)state;
    rpc_echo_start(&echo, false, 1, 30000);
    client = rpc_echo_client(&echo, NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    stele_rpc_client_close(client);
    rpc_echo_stop(&echo);
    return 0;
}

/* A message with one string field. */
static void put_string(stele_buf *out, uint32_t number, const char *text) {
    stele_buf_clear(out);
    struct stele_wire_out w = stele_wire_out_to(out);
    stele_wire_out_element(&w, number, stele_view_str(text));
    assert_ok(stele_wire_out_done(&w, 0, NULL));
}

/* The serving status, or -1 if there is no answer. */
static int check(const char *service, uint32_t *ret_code) {
    stele_buf request = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    struct stele_rpc_result result = {0, 0};
    put_string(&request, 1, service);
    stele_status st = stele_rpc_unary(client, "/grpc.health.v1.Health/Check",
                                      stele_view_buf(&request), 5000, &reply, &result, NULL);
    int status = st == STELE_OK && reply.size == 2 && reply.data[0] == 8 ? reply.data[1] : -1;
    *ret_code = result.code;
    stele_buf_done(&request);
    stele_buf_done(&reply);
    return status;
}

static void test_rpc_health__check_follows_the_flag(void **state) {
    (void)state;
    uint32_t code = 0;
    assert_int_equal(check("", &code), 2);
    stele_rpc_server_set_serving(echo.server, true);
    assert_int_equal(check("", &code), 1);
    assert_int_equal(check("test.Echo", &code), 1);
    assert_int_equal(check("grpc.health.v1.Health", &code), 1);
    assert_int_equal(check("test.Ech", &code), -1);
    assert_int_equal(code, STELE_RPC_NOT_FOUND);
    stele_rpc_server_set_serving(echo.server, false);
    assert_int_equal(check("test.Echo", &code), 2);
}

static struct stele_rpc_stream *watch(const char *service) {
    struct stele_rpc_stream *stream = NULL;
    stele_buf request = STELE_BUF_EMPTY;
    put_string(&request, 1, service);
    assert_ok(stele_rpc_stream_open(client, "/grpc.health.v1.Health/Watch", 0, &stream, NULL));
    assert_ok(stele_rpc_stream_send(stream, stele_view_buf(&request), NULL));
    assert_ok(stele_rpc_stream_half_close(stream, NULL));
    stele_buf_done(&request);
    return stream;
}

static int next_status(struct stele_rpc_stream *stream) {
    stele_buf message = STELE_BUF_EMPTY;
    assert_ok(stele_rpc_stream_receive(stream, &message, NULL, NULL));
    assert_int_equal(message.size, 2);
    int status = message.data[1];
    stele_buf_done(&message);
    return status;
}

static void test_rpc_health__watch_hears_changes_and_ends_with_the_server(void **state) {
    (void)state;
    struct timespec start, end;
    struct stele_rpc_result result = {0, 0};
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_rpc_stream *all = watch("");
    struct stele_rpc_stream *unknown = watch("no.Such");
    struct stele_rpc_stream *left = watch("test.Echo");
    assert_int_equal(next_status(all), 2);
    assert_int_equal(next_status(unknown), 3);
    assert_int_equal(next_status(left), 2);
    stele_rpc_stream_close(left); /* its watcher goes with it */
    stele_rpc_server_set_serving(echo.server, true);
    stele_rpc_server_set_serving(echo.server, true); /* no change, no message */
    assert_int_equal(next_status(all), 1);

    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    stele_rpc_server_drain(echo.server); /* watchers must not hold it for drain_ms */
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true(end.tv_sec - start.tv_sec < 10);
    /* "Not serving" comes first unless the last change was still on its way. */
    stele_status st = stele_rpc_stream_receive(all, &message, &result, NULL);
    if (st == STELE_OK) {
        assert_int_equal(message.data[1], 2);
        st = stele_rpc_stream_receive(all, &message, &result, NULL);
    }
    assert_status(st, CLOSED);
    assert_int_equal(result.code, STELE_RPC_UNAVAILABLE);
    assert_status(stele_rpc_stream_receive(unknown, &message, NULL, NULL), CLOSED);
    stele_rpc_stream_close(all);
    stele_rpc_stream_close(unknown);
    stele_buf_done(&message);
}

/* One question; the field the answer is in, and its bytes. */
static uint32_t ask(struct stele_rpc_stream *stream, uint32_t number, const char *text,
                    stele_buf *answer) {
    stele_buf request = STELE_BUF_EMPTY;
    stele_buf response = STELE_BUF_EMPTY;
    uint32_t found = 0;
    put_string(&request, number, text);
    assert_ok(stele_rpc_stream_send(stream, stele_view_buf(&request), NULL));
    assert_ok(stele_rpc_stream_receive(stream, &response, NULL, NULL));
    struct stele_wire wire = stele_wire_of(stele_view_buf(&response));
    struct stele_wire_record record = {0, 0, 0, {NULL, 0}};
    while (!stele_wire_at_end(&wire)) {
        assert_ok(stele_wire_next(&wire, &record));
        if (record.number == 2) {
            assert_true(stele_view_equal(record.bytes, stele_view_buf(&request)));
        } else {
            found = record.number;
            stele_buf_clear(answer);
            assert_ok(stele_buf_append(answer, record.bytes, NULL));
        }
    }
    stele_buf_done(&request);
    stele_buf_done(&response);
    return found;
}

static bool names(const stele_buf *answer, const char *name) {
    struct stele_wire wire = stele_wire_of(stele_view_buf(answer));
    stele_view item = {NULL, 0};
    while (stele_wire_next_bytes(&wire, 1, &item)) {
        stele_view of = {NULL, 0};
        struct stele_wire inner = stele_wire_of(item);
        if (stele_wire_next_bytes(&inner, 1, &of) && stele_view_is(of, name)) {
            return true;
        }
    }
    return false;
}

static void test_rpc_reflection__lists_and_finds(void **state) {
    (void)state;
    static const char *const paths[] = {
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};
    static const struct {
        const char *symbol, *file;
    } finds[] = {
        {"stele.v1.Query", "stele/v1/query.proto"},
        {"stele.v1.Query.Search", "stele/v1/query.proto"},
        {"stele.v1.SearchRequest.filter", "stele/v1/query.proto"},
        {"stele.v1.Event", "stele/v1/event.proto"},
        {"stele.v1.Event.body", "stele/v1/event.proto"},
        {"stele.v1.ORDER_DESCENDING", "stele/v1/query.proto"},
        {"grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"},
        {"grpc.health.v1.HealthCheckResponse.NOT_SERVING", "grpc/health/v1/health.proto"},
    };
    static const char *const misses[] = {
        "stele.v1", "stele.v1.", "stele.v1.Nothing", "stele.v1.Query.Search.x",
        "Query",    "",          ".stele.v1.Query"};
    stele_buf answer = STELE_BUF_EMPTY;
    for (size_t v = 0; v < 2; v++) {
        struct stele_rpc_stream *stream = NULL;
        assert_ok(stele_rpc_stream_open(client, paths[v], 10000, &stream, NULL));
        assert_int_equal(ask(stream, 7, "", &answer), 6);
        assert_true(names(&answer, "test.Echo"));
        assert_true(names(&answer, "grpc.health.v1.Health"));
        assert_true(names(&answer, "grpc.reflection.v1.ServerReflection"));
        for (size_t i = 0; i < sizeof finds / sizeof finds[0]; i++) {
            assert_int_equal(ask(stream, 4, finds[i].symbol, &answer), 4);
            assert_true(names(&answer, finds[i].file));
        }
        for (size_t i = 0; i < sizeof misses / sizeof misses[0]; i++) {
            assert_int_equal(ask(stream, 4, misses[i], &answer), 7);
        }
        assert_int_equal(ask(stream, 3, "stele/v1/ingest.proto", &answer), 4);
        assert_true(names(&answer, "stele/v1/ingest.proto"));
        assert_true(names(&answer, "stele/v1/event.proto")); /* what it imports comes along */
        assert_false(names(&answer, "stele/v1/query.proto"));
        assert_int_equal(ask(stream, 3, "stele/v1/none.proto", &answer), 7);
        assert_int_equal(ask(stream, 5, "", &answer), 7);
        assert_int_equal(ask(stream, 6, "stele.v1.Event", &answer), 7);
        assert_ok(stele_rpc_stream_half_close(stream, NULL));
        assert_status(stele_rpc_stream_receive(stream, &answer, NULL, NULL), END);
        stele_rpc_stream_close(stream);
    }
    stele_buf_done(&answer);
}

static void test_rpc_reflection__broken_request_is_refused(void **state) {
    (void)state;
    stele_buf answer = STELE_BUF_EMPTY;
    struct stele_rpc_result result = {0, 0};
    struct stele_rpc_stream *stream = NULL;
    assert_ok(stele_rpc_stream_open(
        client, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", 10000, &stream, NULL));
    assert_ok(stele_rpc_stream_send(stream, stele_view_str("\x22\x7f"), NULL));
    assert_status(stele_rpc_stream_receive(stream, &answer, &result, NULL), INVALID);
    assert_int_equal(result.code, STELE_RPC_INVALID_ARGUMENT);
    stele_rpc_stream_close(stream);
    stele_buf_done(&answer);
}

static void test_rpc_reflection__descriptors_that_do_not_parse_are_refused(void **state) {
    (void)state;
    struct stele_rpc_reflection *reflection = NULL;
    stele_view set = stele_descriptor_set();
    assert_true(set.size > 10000);
    assert_status(stele_rpc_reflection_new(stele_view_slice(set, 0, set.size - 1), NULL, 0,
                                           &reflection, NULL),
                  INVALID);
    assert_null(reflection);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_rpc_##name, setup, teardown)
        TEST(health__check_follows_the_flag),
        TEST(health__watch_hears_changes_and_ends_with_the_server),
        TEST(reflection__lists_and_finds),
        TEST(reflection__broken_request_is_refused),
        TEST(reflection__descriptors_that_do_not_parse_are_refused),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
