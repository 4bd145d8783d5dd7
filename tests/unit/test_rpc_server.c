/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_rpc_server.c: calls from beginning to end, over a real connection without TLS. */
#include "tests/support/cmocka.h"
#include "tests/support/rpc_echo.h"

#include "storage/cursor.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct rpc_echo echo;

static int setup(void **state) {
    (void)state;
    rpc_echo_start(&echo, false, 2, 2000);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    rpc_echo_stop(&echo);
    return 0;
}

static void test_rpc_server__unary_comes_back(void **state) {
    (void)state;
    struct stele_rpc_client *client = rpc_echo_client(&echo, NULL);
    const char *const paths[] = {"/test.Echo/Unary", "/test.Echo/Thread"};
    for (size_t i = 0; i < 2; i++) {
        for (size_t size = 0; size <= 60000; size += 15000) {
            stele_buf request = STELE_BUF_EMPTY;
            stele_buf reply = STELE_BUF_EMPTY;
            struct stele_rpc_result result = {99, 99};
            assert_ok(stele_buf_reserve(&request, size, NULL));
            memset(request.data, 'e', size);
            request.size = size;
            assert_ok(stele_rpc_unary(client, paths[i], stele_view_buf(&request), 5000, &reply, &result,
                                      NULL));
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
    stele_rpc_client_close(client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rpc_server__unary_comes_back, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
