/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_rpc_burst.c: what a burst keeps together, and that nothing of it stays behind. */
#include "tests/support/cmocka.h"

#include "proto/rpc_burst.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PUSHED_EVERY 16
#define SOCKETS_MAX 64
#define LONG_MS 10000

struct pair {
    int from, to;
};

static struct pair connect_pair(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    struct pair pair = {.from = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(connect(pair.from, (struct sockaddr *)&address, size), 0);
    pair.to = accept(listener, NULL, NULL);
    assert_true(pair.to >= 0);
    assert_int_equal(setsockopt(pair.from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    (void)close(listener);
    return pair;
}

static void close_pair(struct pair pair) {
    (void)close(pair.from);
    (void)close(pair.to);
}

static void say(int to, const char *text) {
    struct iovec bytes = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    assert_int_equal(sendmsg(to, &message, MSG_NOSIGNAL), strlen(text));
}

/* Bytes that wait in the kernel for more to follow. */
static int waiting(int from) {
    int bytes = -1;
    assert_int_equal(ioctl(from, SIOCOUTQNSD, &bytes), 0);
    return bytes;
}

static void assert_heard(int descriptor, const char *text) {
    char heard[256] = "";
    struct pollfd wanted = {.fd = descriptor, .events = POLLIN};
    assert_int_equal(poll(&wanted, 1, LONG_MS), 1);
    ssize_t size = recv(descriptor, heard, sizeof heard - 1, MSG_DONTWAIT);
    assert_int_equal(size, strlen(text));
    assert_string_equal(heard, text);
}

static void test_rpc_burst__goes_out_together_at_its_end(void **state) {
    (void)state;
    struct pair a = connect_pair();
    struct pair b = connect_pair();
    stele_rpc_burst_begin();
    say(a.from, "one");
    say(b.from, "other");
    say(a.from, "two");
    stele_rpc_burst_begin(); /* it goes on */
    assert_int_equal(waiting(a.from), strlen("onetwo"));
    assert_int_equal(waiting(b.from), strlen("other"));
    stele_rpc_burst_end();
    assert_int_equal(waiting(a.from), 0);
    assert_int_equal(waiting(b.from), 0);
    assert_heard(a.to, "onetwo");
    assert_heard(b.to, "other");
    say(a.from, "after");
    assert_int_equal(waiting(a.from), 0);
    assert_heard(a.to, "after");
    close_pair(a);
    close_pair(b);
}

static void test_rpc_burst__a_long_one_is_pushed_in_between(void **state) {
    (void)state;
    char expected[PUSHED_EVERY + 1] = "";
    struct pair a = connect_pair();
    struct pair b = connect_pair();
    stele_rpc_burst_begin();
    say(b.from, "b");
    for (size_t i = 0; i < PUSHED_EVERY; i++) {
        say(a.from, "a");
        expected[i] = 'a';
    }
    assert_int_equal(waiting(a.from), 0);
    assert_int_equal(waiting(b.from), 1); /* each connection is counted for itself */
    assert_heard(a.to, expected);
    say(a.from, "a");
    assert_int_equal(waiting(a.from), 1);
    stele_rpc_burst_end();
    assert_int_equal(waiting(a.from), 0);
    assert_int_equal(waiting(b.from), 0);
    assert_heard(a.to, "a");
    assert_heard(b.to, "b");
    close_pair(a);
    close_pair(b);
}

static void *say_more(void *arg) {
    say(*(int *)arg, "two");
    return NULL;
}

static void test_rpc_burst__is_of_one_thread(void **state) {
    (void)state;
    pthread_t other;
    struct pair a = connect_pair();
    stele_rpc_burst_begin();
    say(a.from, "one");
    assert_int_equal(pthread_create(&other, NULL, say_more, &a.from), 0);
    (void)pthread_join(other, NULL);
    assert_int_equal(waiting(a.from), 0);
    assert_heard(a.to, "onetwo");
    stele_rpc_burst_end();
    close_pair(a);
}

static void test_rpc_burst__more_connections_than_it_keeps_wait_for_nothing(void **state) {
    (void)state;
    struct pair pair[SOCKETS_MAX + 1];
    stele_rpc_burst_begin();
    for (size_t i = 0; i <= SOCKETS_MAX; i++) {
        pair[i] = connect_pair();
        say(pair[i].from, "x");
    }
    assert_int_equal(waiting(pair[SOCKETS_MAX].from), 0);
    assert_int_equal(waiting(pair[SOCKETS_MAX - 1].from), 1);
    stele_rpc_burst_end();
    for (size_t i = 0; i <= SOCKETS_MAX; i++) {
        assert_int_equal(waiting(pair[i].from), 0);
        assert_heard(pair[i].to, "x");
        close_pair(pair[i]);
    }
}

static void test_rpc_burst__a_connection_that_ends_in_it_harms_nothing(void **state) {
    (void)state;
    struct pair a = connect_pair();
    stele_rpc_burst_begin();
    say(a.from, "last");
    (void)close(a.from);
    assert_heard(a.to, "last"); /* closing sends what waits */
    stele_rpc_burst_end();
    (void)close(a.to);
    stele_rpc_burst_end(); /* without a burst: nothing */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rpc_burst__goes_out_together_at_its_end),
        cmocka_unit_test(test_rpc_burst__a_long_one_is_pushed_in_between),
        cmocka_unit_test(test_rpc_burst__is_of_one_thread),
        cmocka_unit_test(test_rpc_burst__more_connections_than_it_keeps_wait_for_nothing),
        cmocka_unit_test(test_rpc_burst__a_connection_that_ends_in_it_harms_nothing),
    };
    return cmocka_run_group_tests_name("rpc_burst", tests, NULL, NULL);
}
