/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_rpc_calls.c: many unary calls under way at once, over a real server; and what
 * they cost: segments, and locks. */
#include "tests/support/cmocka.h"
#include "tests/support/rpc_echo.h"

#include "proto/rpc_calls.h"
#include "storage/cursor.h"
#include "storage/monotonic.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UNDER_WAY 48u
#define TIMEOUT_MS 20000u

/* Bursts push what waits by setting TCP_NODELAY: counted by who does, the thread of the test, which
 * is the client's, or another, the server's. Core sets it once a connection. */
static pthread_t own_thread;
static atomic_uint n_own_pushes, n_other_pushes;

int setsockopt(int descriptor, int level, int name, const void *value, socklen_t size) {
    if (level == IPPROTO_TCP && name == TCP_NODELAY) {
        (void)atomic_fetch_add(
            pthread_equal(pthread_self(), own_thread) != 0 ? &n_own_pushes : &n_other_pushes, 1);
    }
    return (int)syscall(SYS_setsockopt, descriptor, level, name, value, size);
}

/* absl asks for a mutex's place in its graph of waiting threads when it looks for deadlocks. */
uint64_t
traced(void *mutex) __asm__("_ZN4absl7debian324synchronization_internal11GraphCycles5GetIdEPv");
static atomic_uint n_traced;

uint64_t traced(void *mutex) {
    (void)mutex;
    (void)atomic_fetch_add(&n_traced, 1);
    return 0;
}

static struct rpc_echo echo;
static struct stele_rpc_client *clients[2];

static int setup(void **state) {
    (void)state;
    rpc_echo_start(&echo, false, 1, 5000);
    clients[0] = rpc_echo_client(&echo, NULL);
    clients[1] = rpc_echo_client(&echo, NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    stele_rpc_client_close(clients[0]);
    stele_rpc_client_close(clients[1]);
    rpc_echo_stop(&echo);
    return 0;
}

static struct stele_rpc_calls *open_calls(const char *path, uint32_t n) {
    struct stele_rpc_calls *calls = NULL;
    assert_ok(stele_rpc_calls_new(clients, 2, path, n, &calls, NULL));
    return calls;
}

static void start(struct stele_rpc_calls *calls, uint32_t number, uint32_t value) {
    uint8_t request[8];
    stele_put_u32(request, number);
    stele_put_u32(request + 4, value);
    assert_ok(stele_rpc_calls_start(calls, number, stele_view_of(request, 8), TIMEOUT_MS, NULL));
}

static void test_rpc_calls__each_gets_its_own_answer(void **state) {
    (void)state;
    struct stele_rpc_calls *calls = open_calls("/test.Echo/Thread", UNDER_WAY);
    uint32_t value[UNDER_WAY];
    uint32_t n_started = 0;
    for (; n_started < UNDER_WAY; n_started++) {
        value[n_started] = n_started;
        start(calls, n_started, n_started);
    }
    for (uint32_t n_answered = 0; n_answered < 20 * UNDER_WAY; n_answered++) {
        struct stele_rpc_answer answer;
        stele_err err = {.text = ""};
        assert_true(stele_rpc_calls_next(calls, UINT64_MAX, &answer, &err));
        assert_ok(answer.st);
        assert_int_equal(answer.result.code, STELE_RPC_OK);
        assert_int_equal(answer.reply.size, 8);
        assert_int_equal(stele_get_u32(answer.reply.data), answer.number);
        assert_int_equal(stele_get_u32(answer.reply.data + 4), value[answer.number]);
        if (n_started < 20 * UNDER_WAY) {
            value[answer.number] = n_started;
            start(calls, answer.number, n_started++);
        }
    }
    assert_int_equal(atomic_load(&echo.counts.messages), 20 * UNDER_WAY);
    stele_rpc_calls_free(calls);
}

/* A service that answers nothing before the server's thread would wait: every call is answered, and
 * some together. */
static void test_rpc_calls__service_hears_when_nothing_is_left(void **state) {
    (void)state;
    struct stele_rpc_calls *calls = open_calls("/test.Echo/Quiet", UNDER_WAY);
    for (uint32_t i = 0; i < UNDER_WAY; i++) {
        start(calls, i, i);
    }
    for (uint32_t i = 0; i < 10000 * UNDER_WAY && atomic_load(&echo.counts.quiet_most) < 2; i++) {
        struct stele_rpc_answer answer;
        stele_err err = {.text = ""};
        assert_true(stele_rpc_calls_next(calls, UINT64_MAX, &answer, &err));
        assert_ok(answer.st);
        assert_int_equal(answer.result.code, STELE_RPC_OK);
        start(calls, answer.number, i);
    }
    assert_true(atomic_load(&echo.counts.quiet_most) >= 2);
    stele_rpc_calls_free(calls);
}

/* Rounds of calls that are all answered by other threads: some of the answers, and some of the
 * calls after them, come together. */
static void test_rpc_calls__what_comes_together_goes_out_together(void **state) {
    (void)state;
    struct stele_rpc_calls *calls = open_calls("/test.Echo/Thread", UNDER_WAY);
    struct stele_rpc_answer answer;
    for (uint32_t i = 0; i < UNDER_WAY; i++) {
        start(calls, i, i);
    }
    for (uint32_t i = 0; i < UNDER_WAY; i++) { /* both connections are there */
        assert_true(stele_rpc_calls_next(calls, UINT64_MAX, &answer, NULL));
        start(calls, answer.number, i);
    }
    atomic_store(&n_own_pushes, 0);
    atomic_store(&n_other_pushes, 0);
    for (uint32_t i = 0; i < 10000 * UNDER_WAY &&
                         (atomic_load(&n_own_pushes) == 0 || atomic_load(&n_other_pushes) == 0);
         i++) {
        assert_true(stele_rpc_calls_next(calls, UINT64_MAX, &answer, NULL));
        start(calls, answer.number, i);
    }
    assert_true(atomic_load(&n_own_pushes) > 0);
    assert_true(atomic_load(&n_other_pushes) > 0);
    stele_rpc_calls_free(calls);
    assert_int_equal(atomic_load(&n_traced), 0);
}

static void test_rpc_calls__refusal_carries_text_and_retry(void **state) {
    (void)state;
    struct stele_rpc_calls *calls = open_calls("/test.Echo/Refuse", 2);
    struct stele_rpc_answer answer;
    stele_err err = {.text = ""};
    start(calls, 1, 0);
    assert_true(stele_rpc_calls_next(calls, UINT64_MAX, &answer, &err));
    assert_int_equal(answer.number, 1);
    assert_status(answer.st, BUSY);
    assert_int_equal(answer.result.code, STELE_RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(answer.result.retry_after_ms, 1500);
    assert_string_equal(err.text, "the queue is full (?, \xc3\xa9): send the batch again");
    stele_rpc_calls_free(calls);
}

static void test_rpc_calls__next_waits_no_longer_than_asked(void **state) {
    (void)state;
    struct stele_rpc_calls *calls = open_calls("/test.Echo/Hold", 1);
    struct stele_rpc_answer answer;
    assert_false(stele_rpc_calls_next(calls, 0, &answer, NULL));
    start(calls, 0, 0);
    rpc_echo_wait(&echo.counts.messages, 1);
    uint64_t until_us = stele_monotonic_us() + 20000;
    assert_false(stele_rpc_calls_next(calls, until_us, &answer, NULL));
    assert_true(stele_monotonic_us() >= until_us);
    stele_rpc_calls_free(calls);
}

static void test_rpc_calls__free_cancels_what_is_under_way(void **state) {
    (void)state;
    struct stele_rpc_calls *calls = open_calls("/test.Echo/Hold", UNDER_WAY);
    for (uint32_t i = 0; i < UNDER_WAY; i++) {
        start(calls, i, i);
    }
    rpc_echo_wait(&echo.counts.messages, UNDER_WAY);
    stele_rpc_calls_free(calls);
    rpc_echo_wait(&echo.counts.done, UNDER_WAY);
    assert_int_equal(atomic_load(&echo.counts.cancelled), UNDER_WAY);
}

static void test_rpc_calls__deadline_is_no_answer(void **state) {
    (void)state;
    struct stele_rpc_calls *calls = open_calls("/test.Echo/Hold", 1);
    struct stele_rpc_answer answer;
    stele_err err = {.text = ""};
    assert_ok(stele_rpc_calls_start(calls, 0, stele_view_str("x"), 50, NULL));
    assert_true(stele_rpc_calls_next(calls, UINT64_MAX, &answer, &err));
    assert_status(answer.st, CLOSED);
    stele_rpc_calls_free(calls);
}

static void test_rpc_calls__bounds(void **state) {
    (void)state;
    struct stele_rpc_calls *calls = NULL;
    assert_status(stele_rpc_calls_new(clients, 0, "/test.Echo/Hold", 1, &calls, NULL), INVALID);
    assert_status(stele_rpc_calls_new(clients, 1, "/test.Echo/Hold", 0, &calls, NULL), INVALID);
    assert_status(
        stele_rpc_calls_new(clients, 1, "/test.Echo/Hold", STELE_RPC_CALLS_MAX + 1, &calls, NULL),
        INVALID);
    stele_rpc_calls_free(NULL);
}

int main(void) {
    own_thread = pthread_self();
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_rpc_calls__##name, setup, teardown)
        TEST(each_gets_its_own_answer),
        TEST(service_hears_when_nothing_is_left),
        TEST(what_comes_together_goes_out_together),
        TEST(refusal_carries_text_and_retry),
        TEST(next_waits_no_longer_than_asked),
        TEST(free_cancels_what_is_under_way),
        TEST(deadline_is_no_answer),
        TEST(bounds),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
