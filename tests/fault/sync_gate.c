/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fault/sync_gate.c: stands before the C library's fsync and fdatasync. */
#include "tests/fault/sync_gate.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPANS_MAX 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static bool held;
static unsigned waiting;
/* Syncs of log files that have returned, in the order of returning. */
static struct { uint64_t began_ns, ended_ns; } span[SPANS_MAX];
static size_t n_spans;

uint64_t sync_gate_now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void set(bool hold) {
    (void)pthread_mutex_lock(&lock);
    held = hold;
    (void)pthread_cond_broadcast(&moved);
    (void)pthread_mutex_unlock(&lock);
}

void sync_gate_hold(void) {
    set(true);
}

void sync_gate_release(void) {
    set(false);
}

unsigned sync_gate_waiting(void) {
    (void)pthread_mutex_lock(&lock);
    unsigned n = waiting;
    (void)pthread_mutex_unlock(&lock);
    return n;
}

bool sync_gate_wal_between(uint64_t from_ns, uint64_t to_ns) {
    bool found = false;
    (void)pthread_mutex_lock(&lock);
    for (size_t i = n_spans; i > 0 && !found && span[i - 1].ended_ns >= from_ns; i--) {
        found = span[i - 1].began_ns >= from_ns && span[i - 1].ended_ns <= to_ns;
    }
    (void)pthread_mutex_unlock(&lock);
    return found;
}

size_t sync_gate_wal_count(uint64_t from_ns, uint64_t to_ns) {
    size_t n = 0;
    (void)pthread_mutex_lock(&lock);
    for (size_t i = n_spans; i > 0 && span[i - 1].ended_ns >= from_ns; i--) {
        n += span[i - 1].ended_ns <= to_ns ? 1 : 0;
    }
    (void)pthread_mutex_unlock(&lock);
    return n;
}

static bool is_wal(int fd) {
    char link[32];
    char path[512];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size < 0 ? 0 : size] = '\0';
    return size > 4 && strstr(path, "/db/") != NULL && strcmp(path + size - 4, ".log") == 0;
}

static int sync_by(long number, int fd) {
    uint64_t began_ns = sync_gate_now_ns();
    (void)pthread_mutex_lock(&lock);
    waiting++;
    while (held) {
        (void)pthread_cond_wait(&moved, &lock);
    }
    waiting--;
    (void)pthread_mutex_unlock(&lock);
    int ret = (int)syscall(number, fd);
    if (ret == 0 && is_wal(fd)) {
        (void)pthread_mutex_lock(&lock);
        assert(n_spans < SPANS_MAX);
        span[n_spans].began_ns = began_ns;
        span[n_spans++].ended_ns = sync_gate_now_ns();
        (void)pthread_mutex_unlock(&lock);
    }
    return ret;
}

int fsync(int fd) {
    return sync_by(SYS_fsync, fd);
}

int fdatasync(int fd) {
    return sync_by(SYS_fdatasync, fd);
}
