/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_rpc_server.c: calls from beginning to end, over a real connection without TLS. */
#include "tests/support/cmocka.h"
#include "tests/support/rpc_echo.h"

#include "storage/cursor.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

static struct rpc_echo echo;
static struct stele_rpc_client *client;

static int setup(void **state) {
    (void)state;
    rpc_echo_start(&echo, false, 2, 5000);
    client = rpc_echo_client(&echo, NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    stele_rpc_client_close(client);
    rpc_echo_stop(&echo);
    return 0;
}

static void pause_ms(long ms) {
    (void)nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static double now_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Waits until the count stands still for half a second, at most twenty; fails if it never does or
 * if it reaches `limit`, which is what the other side asked for. */
static unsigned settled(atomic_uint *count, unsigned limit) {
    unsigned last = atomic_load(count);
    for (int same = 0, rounds = 0; same < 10; rounds++) {
        assert_true(rounds < 400);
        pause_ms(50);
        unsigned now = atomic_load(count);
        assert_true(now < limit);
        same = now == last ? same + 1 : 0;
        last = now;
    }
    return last;
}

static struct stele_rpc_stream *open_stream(const char *path) {
    struct stele_rpc_stream *stream = NULL;
    assert_ok(stele_rpc_stream_open(client, path, 0, &stream, NULL));
    return stream;
}

/* A /Count stream that was asked for n messages of `size` bytes. */
static struct stele_rpc_stream *open_count(uint32_t n, uint32_t size) {
    uint8_t request[8];
    stele_put_u32(request, n);
    stele_put_u32(request + 4, size);
    struct stele_rpc_stream *stream = open_stream("/test.Echo/Count");
    assert_ok(stele_rpc_stream_send(stream, stele_view_of(request, 8), NULL));
    assert_ok(stele_rpc_stream_half_close(stream, NULL));
    return stream;
}

static void test_rpc_server__unary_comes_back(void **state) {
    (void)state;
    const char *const paths[] = {"/test.Echo/Unary", "/test.Echo/Thread"};
    for (size_t i = 0; i < 2; i++) {
        for (size_t size = 0; size <= 60000; size += 15000) {
            stele_buf request = STELE_BUF_EMPTY;
            stele_buf reply = STELE_BUF_EMPTY;
            struct stele_rpc_result result = {99, 99};
            assert_ok(stele_buf_reserve(&request, size + 1, NULL));
            memset(request.data, 'e', size);
            request.size = size;
            assert_ok(stele_rpc_unary(client, paths[i], stele_view_buf(&request), 5000, &reply,
                                      &result, NULL));
            assert_true(stele_view_equal(stele_view_buf(&request), stele_view_buf(&reply)));
            assert_int_equal(result.code, 0);
            assert_int_equal(result.retry_after_ms, 0);
            stele_buf_done(&request);
            stele_buf_done(&reply);
        }
    }
    rpc_echo_wait(&echo.counts.done, 10);
    assert_int_equal(atomic_load(&echo.counts.done), 10);
    assert_int_equal(atomic_load(&echo.counts.cancelled), 0);
}

static void test_rpc_server__stream_ends_with_ok(void **state) {
    (void)state;
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_rpc_result result = {99, 99};
    struct stele_rpc_stream *stream = open_count(100, 1000);
    for (int i = 0; i < 100; i++) {
        assert_ok(stele_rpc_stream_receive(stream, &message, &result, NULL));
        assert_int_equal(message.size, 1000);
    }
    for (int i = 0; i < 2; i++) { /* asking again after the end gives the end again */
        assert_status(stele_rpc_stream_receive(stream, &message, &result, NULL), END);
        assert_int_equal(result.code, 0);
    }
    stele_rpc_stream_close(stream);
    rpc_echo_wait(&echo.counts.done, 1);
    assert_int_equal(atomic_load(&echo.counts.sent), 100);
    assert_int_equal(atomic_load(&echo.counts.cancelled), 0);
    stele_buf_done(&message);
}

/* What a reader does not take stays unsent: windows and socket buffers fill, then on_sent stops. */
static void test_rpc_server__slow_reader_slows_only_itself(void **state) {
    (void)state;
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_rpc_stream *stream = open_count(20000, 16 * 1024); /* 312 MiB if it ran away */
    assert_ok(stele_rpc_stream_receive(stream, &message, NULL, NULL));
    unsigned before = settled(&echo.counts.sent, 32 * 1024 * 1024 / (16 * 1024));

    stele_buf reply = STELE_BUF_EMPTY;
    assert_ok(
        stele_rpc_unary(client, "/test.Echo/Unary", stele_view_str("x"), 5000, &reply, NULL, NULL));
    for (int i = 0; i < 4000; i++) { /* and goes on when it reads again */
        assert_ok(stele_rpc_stream_receive(stream, &message, NULL, NULL));
    }
    assert_true(atomic_load(&echo.counts.sent) > before);
    stele_rpc_stream_close(stream);
    rpc_echo_wait(&echo.counts.done, 2);
    stele_buf_done(&reply);
    stele_buf_done(&message);
}

struct talk {
    struct stele_rpc_stream *stream;
    unsigned n;
    atomic_uint sent;
};

static void *talk_send(void *arg) {
    struct talk *talk = arg;
    uint8_t bytes[4096] = {0};
    for (unsigned i = 0; i < talk->n; i++) {
        stele_put_u32(bytes, i);
        if (stele_rpc_stream_send(talk->stream, stele_view_of(bytes, sizeof bytes), NULL) !=
            STELE_OK) {
            return NULL;
        }
        atomic_fetch_add(&talk->sent, 1);
    }
    return stele_rpc_stream_half_close(talk->stream, NULL) == STELE_OK ? talk : NULL;
}

static void test_rpc_server__bidi_holds_back_who_does_not_read(void **state) {
    (void)state;
    stele_buf message = STELE_BUF_EMPTY;
    static struct talk talk; /* outlives a failed test, as its thread does */
    talk = (struct talk){.stream = open_stream("/test.Echo/Chat"), .n = 20000};
    pthread_t thread;
    void *sent_all = NULL;
    assert_int_equal(pthread_create(&thread, NULL, talk_send, &talk), 0);
    (void)settled(&talk.sent, talk.n); /* 80 MiB were asked for */
    for (unsigned i = 0; i < talk.n; i++) {
        assert_ok(stele_rpc_stream_receive(talk.stream, &message, NULL, NULL));
        assert_int_equal(stele_get_u32(message.data), i);
    }
    assert_status(stele_rpc_stream_receive(talk.stream, &message, NULL, NULL), END);
    assert_int_equal(pthread_join(thread, &sent_all), 0);
    assert_ptr_equal(sent_all, &talk);
    assert_int_equal(atomic_load(&echo.counts.messages), talk.n);
    assert_int_equal(atomic_load(&echo.counts.half_closes), 1);
    stele_rpc_stream_close(talk.stream);
    rpc_echo_wait(&echo.counts.done, 1);
    assert_int_equal(atomic_load(&echo.counts.cancelled), 0);
    stele_buf_done(&message);
}

static void test_rpc_server__client_cancel_ends_the_call(void **state) {
    (void)state;
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_rpc_result result = {0, 0};
    struct stele_rpc_stream *wait = open_stream("/test.Echo/Wait");
    assert_ok(stele_rpc_stream_send(wait, stele_view_str("x"), NULL));
    rpc_echo_wait(&echo.counts.messages, 1);
    stele_rpc_stream_cancel(wait);
    assert_status(stele_rpc_stream_receive(wait, &message, &result, NULL), CLOSED);
    assert_int_equal(result.code, STELE_RPC_CANCELLED);
    assert_status(stele_rpc_stream_send(wait, stele_view_str("x"), NULL), CLOSED);
    stele_rpc_stream_close(wait);

    struct stele_rpc_stream *chat = open_stream("/test.Echo/Chat");
    assert_ok(stele_rpc_stream_send(chat, stele_view_str("x"), NULL));
    assert_ok(stele_rpc_stream_receive(chat, &message, NULL, NULL));
    stele_rpc_stream_close(chat); /* without half-close: cancels */

    rpc_echo_wait(&echo.counts.done, 2);
    assert_int_equal(atomic_load(&echo.counts.cancelled), 2);
    assert_int_equal(atomic_load(&echo.counts.half_closes), 0); /* a cancel is no half-close */
    stele_buf_done(&message);
}

static void test_rpc_server__deadline_ends_the_call_on_both_sides(void **state) {
    (void)state;
    stele_buf reply = STELE_BUF_EMPTY;
    struct stele_rpc_result result = {0, 0};
    stele_err err = {.text = ""};
    double start = now_s();
    assert_status(
        stele_rpc_unary(client, "/test.Echo/Hold", stele_view_str("x"), 300, &reply, &result, &err),
        CLOSED);
    assert_int_equal(result.code, STELE_RPC_DEADLINE_EXCEEDED);
    assert_true(now_s() - start < 5);
    assert_non_null(strstr(err.text, echo.target));
    rpc_echo_wait(&echo.counts.done, 1);
    assert_int_equal(atomic_load(&echo.counts.cancelled), 1);
    assert_status(
        stele_rpc_unary(client, "/test.Echo/Hold", stele_view_str("x"), 0, &reply, NULL, NULL),
        INVALID);
    stele_buf_done(&reply);
}

static void test_rpc_server__unknown_method_is_unimplemented(void **state) {
    (void)state;
    stele_buf reply = STELE_BUF_EMPTY;
    struct stele_rpc_result result = {0, 0};
    stele_err err = {.text = ""};
    for (int i = 0; i < 5; i++) {
        assert_status(stele_rpc_unary(client, "/test.Echo/Nothing", stele_view_str("x"), 5000,
                                      &reply, &result, &err),
                      UNSUPPORTED);
        assert_int_equal(result.code, STELE_RPC_UNIMPLEMENTED);
        assert_non_null(strstr(err.text, "/test.Echo/Nothing"));
    }
    stele_buf_done(&reply);
}

static void test_rpc_server__oversized_message_is_resource_exhausted(void **state) {
    (void)state;
    stele_buf reply = STELE_BUF_EMPTY;
    struct stele_rpc_result result = {0, 0};
    size_t size = RPC_ECHO_MESSAGE_BYTES_MAX + 1;
    uint8_t *bytes = stele_alloc(1, size);
    assert_status(stele_rpc_unary(client, "/test.Echo/Unary", stele_view_of(bytes, size), 5000,
                                  &reply, &result, NULL),
                  LIMIT);
    assert_int_equal(result.code, STELE_RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(result.retry_after_ms, 0);
    assert_ok(stele_rpc_unary(client, "/test.Echo/Unary", stele_view_of(bytes, size - 1), 5000,
                              &reply, &result, NULL));
    assert_int_equal(reply.size, size - 1);
    assert_int_equal(atomic_load(&echo.counts.messages), 1);
    stele_free(bytes);
    stele_buf_done(&reply);
}

static void test_rpc_server__refusal_carries_text_and_retry(void **state) {
    (void)state;
    stele_buf reply = STELE_BUF_EMPTY;
    struct stele_rpc_result result = {0, 0};
    stele_err err = {.text = ""};
    assert_status(stele_rpc_unary(client, "/test.Echo/Refuse", stele_view_str("x"), 5000, &reply,
                                  &result, &err),
                  BUSY);
    assert_int_equal(result.code, STELE_RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(result.retry_after_ms, 1500);
    assert_string_equal(err.text, "the queue is full (?, \xc3\xa9): send the batch again");
    stele_buf_done(&reply);
}

static void test_rpc_server__one_send_at_a_time(void **state) {
    (void)state;
    struct stele_rpc_stream *stream = open_stream("/test.Echo/Keep");
    uint8_t *bytes = stele_alloc(1, 60000);
    assert_ok(stele_rpc_stream_send(stream, stele_view_str("x"), NULL));
    struct stele_rpc_call *call = rpc_echo_kept(&echo);
    unsigned taken = 0;
    /* The client does not read, so after some megabytes a send stays under way. */
    for (unsigned waited_ms = 0; taken < 20000 && waited_ms < 200;) {
        stele_status st = stele_rpc_send(call, stele_view_of(bytes, 60000), NULL);
        assert_true(st == STELE_OK || st == STELE_BUSY);
        taken += st == STELE_OK ? 1 : 0;
        waited_ms = st == STELE_OK ? 0 : waited_ms + 1;
        if (st == STELE_BUSY) {
            pause_ms(1);
        }
    }
    assert_int_equal(atomic_load(&echo.counts.sent) + 1, taken);
    assert_status(stele_rpc_send(call, stele_view_of(bytes, 60000), NULL), BUSY);
    stele_rpc_finish_ok(call, (stele_view){NULL, 0}); /* waits for the send */
    stele_buf message = STELE_BUF_EMPTY;
    for (unsigned i = 0; i < taken; i++) {
        assert_ok(stele_rpc_stream_receive(stream, &message, NULL, NULL));
        assert_int_equal(message.size, 60000);
    }
    assert_status(stele_rpc_stream_receive(stream, &message, NULL, NULL), END);
    stele_rpc_stream_close(stream);
    rpc_echo_wait(&echo.counts.done, 1);
    assert_int_equal(atomic_load(&echo.counts.cancelled), 0);
    assert_status(stele_rpc_send(call, stele_view_str("x"), NULL), CLOSED);
    stele_rpc_call_unref(call);
    stele_buf_done(&message);
    stele_free(bytes);
}

static void test_rpc_server__a_call_that_is_over_takes_nothing(void **state) {
    (void)state;
    struct stele_rpc_stream *stream = open_stream("/test.Echo/Keep");
    assert_ok(stele_rpc_stream_send(stream, stele_view_str("x"), NULL));
    struct stele_rpc_call *call = rpc_echo_kept(&echo);
    assert_true(stele_rpc_call_time_left_us(call) == UINT64_MAX);
    stele_rpc_stream_close(stream);
    rpc_echo_wait(&echo.counts.done, 1);
    stele_err err = {.text = ""};
    (void)STELE_FAIL(&err, IO, "late");
    assert_status(stele_rpc_send(call, stele_view_str("x"), NULL), CLOSED);
    stele_rpc_receive_next(call);
    stele_rpc_finish_error(call, &err, 10);
    stele_rpc_finish_ok(call, (stele_view){NULL, 0});
    assert_true(stele_rpc_call_cancelled(call));
    assert_int_equal(strncmp(stele_rpc_call_peer(call)->address, "ipv4:127.0.0.1:", 15), 0);
    stele_rpc_call_unref(call);
    assert_int_equal(atomic_load(&echo.counts.done), 1);
}

static void test_rpc_server__time_left_follows_the_deadline(void **state) {
    (void)state;
    struct stele_rpc_stream *stream = NULL;
    assert_ok(stele_rpc_stream_open(client, "/test.Echo/Keep", 8000, &stream, NULL));
    assert_ok(stele_rpc_stream_send(stream, stele_view_str("x"), NULL));
    struct stele_rpc_call *call = rpc_echo_kept(&echo);
    uint64_t left = stele_rpc_call_time_left_us(call);
    assert_in_range(left, 1000000, 9000000); /* on its way the deadline is rounded up a little */
    stele_rpc_finish_ok(call, (stele_view){NULL, 0});
    stele_rpc_call_unref(call);
    stele_rpc_stream_close(stream);
}

/* Threads that send and finish while the client cancels: the outcome is open, a crash or a hang is
 * not. */
static void *race_finish(void *arg) {
    struct stele_rpc_call *call = arg;
    for (int i = 0; i < 3; i++) {
        (void)!stele_rpc_send(call, stele_view_str("race"), NULL);
    }
    stele_rpc_finish_ok(call, (stele_view){NULL, 0});
    stele_rpc_call_unref(call);
    return NULL;
}

static void test_rpc_server__finish_and_cancel_may_meet(void **state) {
    (void)state;
    for (unsigned round = 1; round <= 60; round++) {
        pthread_t thread;
        struct stele_rpc_stream *stream = open_stream("/test.Echo/Keep");
        assert_ok(stele_rpc_stream_send(stream, stele_view_str("x"), NULL));
        rpc_echo_wait(&echo.counts.kept, round);
        struct stele_rpc_call *call = rpc_echo_kept(&echo);
        assert_int_equal(pthread_create(&thread, NULL, race_finish, call), 0);
        if (round % 2 == 0) {
            stele_rpc_stream_cancel(stream);
        }
        stele_rpc_stream_close(stream);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    rpc_echo_wait(&echo.counts.done, 60);
    assert_int_equal(atomic_load(&echo.counts.done), 60);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_rpc_server__##name, setup, teardown)
        TEST(unary_comes_back),
        TEST(stream_ends_with_ok),
        TEST(slow_reader_slows_only_itself),
        TEST(bidi_holds_back_who_does_not_read),
        TEST(client_cancel_ends_the_call),
        TEST(deadline_ends_the_call_on_both_sides),
        TEST(unknown_method_is_unimplemented),
        TEST(oversized_message_is_resource_exhausted),
        TEST(refusal_carries_text_and_retry),
        TEST(one_send_at_a_time),
        TEST(a_call_that_is_over_takes_nothing),
        TEST(time_left_follows_the_deadline),
        TEST(finish_and_cancel_may_meet),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
