/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_rpc_connect.c: a connection that is being made is not taken for one that failed,
 * whatever core does before it looks at errno; and nobody else's errno is touched. All memory that
 * core asks for comes from here and leaves an errno behind, which it may.
 */
#include "tests/support/cmocka.h"
#include "tests/support/rpc_echo.h"

#include "proto/rpc_connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* C++'s new: core's, not ours. */
void *cxx_new(size_t size) __asm__("_Znwm");

void *cxx_new(size_t size) {
    void *memory = malloc(size == 0 ? 1 : size);
    if (memory == NULL) {
        abort();
    }
    errno = ENOENT;
    return memory;
}

static void call_once(bool tls) {
    struct rpc_echo echo = {.host = NULL};
    stele_buf reply = STELE_BUF_EMPTY;
    stele_err err = {0};
    rpc_echo_start(&echo, tls, 1, 30000);
    struct stele_rpc_client *client = rpc_echo_client(&echo, tls ? "client" : NULL);
    if (stele_rpc_unary(client, "/test.Echo/Unary", stele_view_str("again"), 10000, &reply, NULL,
                        &err) != STELE_OK) {
        fail_msg("%s", err.text);
    }
    assert_true(stele_view_equal(stele_view_buf(&reply), stele_view_str("again")));
    stele_buf_done(&reply);
    stele_rpc_client_close(client);
    rpc_echo_stop(&echo);
}

static void test_rpc_connect__what_core_does_meanwhile_fails_no_call(void **state) {
    (void)state;
    call_once(false);
    call_once(true);
}

/* A socket that is being connected to `port` on loopback; errno is as connect left it. */
static int begin(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int made = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(made >= 0);
    errno = 0;
    assert_int_equal(connect(made, (struct sockaddr *)&address, sizeof address), -1);
    assert_int_equal(errno, EINPROGRESS);
    return made;
}

static void test_rpc_connect__errno_is_put_back_once_and_for_its_socket(void **state) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct epoll_event event = {.events = EPOLLOUT};
    (void)state;
    stele_rpc_connect_mend();
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    int set = epoll_create1(EPOLL_CLOEXEC);
    int first = begin(address.sin_port);
    errno = ENOENT;
    assert_int_equal(epoll_ctl(set, EPOLL_CTL_ADD, listener, &event), 0); /* another file */
    assert_int_equal(errno, ENOENT);
    assert_int_equal(epoll_ctl(set, EPOLL_CTL_ADD, first, &event), 0);
    assert_int_equal(errno, EINPROGRESS);
    errno = ENOENT;
    assert_int_equal(epoll_ctl(set, EPOLL_CTL_MOD, first, &event), 0); /* not again */
    assert_int_equal(errno, ENOENT);
    int second = begin(address.sin_port);
    assert_int_equal(epoll_ctl(-1, EPOLL_CTL_ADD, second, &event), -1); /* its own failure */
    assert_int_equal(errno, EBADF);
    (void)close(second);
    (void)close(first);
    (void)close(set);
    (void)close(listener);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rpc_connect__what_core_does_meanwhile_fails_no_call),
        cmocka_unit_test(test_rpc_connect__errno_is_put_back_once_and_for_its_socket),
    };
    return cmocka_run_group_tests_name("rpc_connect", tests, NULL, NULL);
}
