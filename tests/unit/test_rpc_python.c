/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_rpc_python.c: the server as another implementation of gRPC sees it. Each test
 * runs one part of tests/proto/rpc_client.py, which prints what it found wrong.
 */
#include "tests/support/cmocka.h"
#include "tests/support/rpc_echo.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

static struct rpc_echo echo;

static int setup(void **state) {
    (void)state;
    rpc_echo_start(&echo, true, 1, 2000);
    stele_rpc_server_set_serving(echo.server, true);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    rpc_echo_stop(&echo);
    return 0;
}

static void run_part(const char *part) {
    char command[512];
    /* LD_PRELOAD: a sanitizer's runtime is for this program, not for Python. */
    (void)snprintf(
        command, sizeof command,
        "LD_PRELOAD= /usr/bin/python3 '%s/tests/proto/rpc_client.py' '%s' '%s' '%s/proto' %s",
        STELE_SOURCE_DIR, echo.target, echo.folder, STELE_SOURCE_DIR, part);
    int status = system(command);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_rpc_python__calls(void **state) {
    (void)state;
    run_part("calls");
}

static void test_rpc_python__retry_info(void **state) {
    (void)state;
    run_part("retry_info");
}

static void test_rpc_python__compression_is_bounded(void **state) {
    (void)state;
    run_part("compression");
}

static void test_rpc_python__health(void **state) {
    (void)state;
    run_part("health");
}

static void test_rpc_python__reflection(void **state) {
    (void)state;
    run_part("reflection");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rpc_python__calls),
        cmocka_unit_test(test_rpc_python__retry_info),
        cmocka_unit_test(test_rpc_python__compression_is_bounded),
        cmocka_unit_test(test_rpc_python__health),
        cmocka_unit_test(test_rpc_python__reflection),
    };
    if (system("/usr/bin/python3 -c 'import grpc, google.protobuf' 2>/dev/null") != 0) {
        (void)printf(
            "skipped: /usr/bin/python3 has no grpc (Debian: python3-grpcio, python3-protobuf)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
