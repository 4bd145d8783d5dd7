/* SPDX-License-Identifier: Apache-2.0 */
/* tools/interrupt.c: a thread that waits for the signals, because cancelling a stream takes locks
 * and so is no work for a signal handler. */
#include "tools/interrupt.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

/* What a command may still do after the first signal: cancel, print, remove a file. Long enough
 * for a busy machine; who does not want to wait sends a second one. */
#define GRACE_S 10

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool interrupted;                 /* under the lock, as the next */
static struct stele_rpc_stream *watched; /* borrowed */

static sigset_t signals; /* set before the thread starts */

/* A signal that whoever started this process has it ignore (nohup, a shell's background job) stays
 * ignored. */
static void add_signal(int number) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN) {
        (void)sigaddset(&signals, number);
    }
}

static void *wait_for_signals(void *arg) {
    const struct timespec grace = {GRACE_S, 0};
    int number = 0;
    (void)arg;
    if (sigwait(&signals, &number) != 0) {
        return NULL;
    }
    (void)pthread_mutex_lock(&lock);
    interrupted = true;
    if (watched != NULL) {
        stele_rpc_stream_cancel(watched);
    }
    (void)pthread_cond_broadcast(&changed);
    (void)pthread_mutex_unlock(&lock);
    /* A debugger, or being stopped and continued, is no second signal. */
    while (sigtimedwait(&signals, NULL, &grace) < 0 && errno == EINTR) {
    }
    (void)signal(number, SIG_DFL);
    (void)pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    (void)raise(number);
    return NULL;
}

stele_status stele_interrupt_begin(stele_err *err) {
    pthread_t thread;
    (void)sigemptyset(&signals);
    add_signal(SIGINT);
    add_signal(SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    int failed = pthread_create(&thread, NULL, wait_for_signals, NULL);
    if (failed != 0) {
        (void)pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
        return STELE_FAIL_ERRNO(err, failed, "no thread to wait for Ctrl-C");
    }
    (void)pthread_detach(thread);
    return STELE_OK;
}

bool stele_interrupted(void) {
    (void)pthread_mutex_lock(&lock);
    bool is = interrupted;
    (void)pthread_mutex_unlock(&lock);
    return is;
}

void stele_interrupt_watch(struct stele_rpc_stream *stream) {
    (void)pthread_mutex_lock(&lock);
    watched = stream;
    if (stream != NULL && interrupted) {
        stele_rpc_stream_cancel(stream); /* the signal came while the stream was opened */
    }
    (void)pthread_mutex_unlock(&lock);
}

bool stele_interrupt_pause(uint32_t ms) {
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&lock);
    while (!interrupted && pthread_cond_timedwait(&changed, &lock, &until) == 0) {
    }
    bool is = interrupted;
    (void)pthread_mutex_unlock(&lock);
    return is;
}
