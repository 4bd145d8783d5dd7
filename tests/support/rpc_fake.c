/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/rpc_fake.c: a call is a lock, a condition, and at most one message on its way. */
#include "tests/support/rpc_fake.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/support/cmocka.h"

struct stele_rpc_message {
    stele_buf bytes;
};

struct stele_rpc_call {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    const struct stele_rpc_method *method;
    const struct stele_rpc_peer *peer;
    void *state;
    int refs; /* the test's own is one of them */
    bool in_flight, over, has_reply;
    stele_buf sent;
    struct fake_end end;
};

/* ------------------------------------------------------------------ what services call */

stele_view stele_rpc_message_view(const struct stele_rpc_message *message) {
    return stele_view_buf(&message->bytes);
}

void stele_rpc_message_release(struct stele_rpc_message *message) {
    if (message != NULL) {
        stele_buf_done(&message->bytes);
        stele_free(message);
    }
}

const struct stele_rpc_peer *stele_rpc_call_peer(struct stele_rpc_call *call) {
    return call->peer;
}

void stele_rpc_call_set_state(struct stele_rpc_call *call, void *state) {
    call->state = state;
}

void *stele_rpc_call_state(struct stele_rpc_call *call) {
    return call->state;
}

void stele_rpc_call_ref(struct stele_rpc_call *call) {
    (void)pthread_mutex_lock(&call->lock);
    call->refs++;
    (void)pthread_mutex_unlock(&call->lock);
}

void stele_rpc_call_unref(struct stele_rpc_call *call) {
    (void)pthread_mutex_lock(&call->lock);
    call->refs--;
    (void)pthread_cond_broadcast(&call->moved);
    (void)pthread_mutex_unlock(&call->lock);
}

bool stele_rpc_call_cancelled(struct stele_rpc_call *call) {
    (void)pthread_mutex_lock(&call->lock);
    bool over = call->over;
    (void)pthread_mutex_unlock(&call->lock);
    return over;
}

uint64_t stele_rpc_call_time_left_us(struct stele_rpc_call *call) {
    (void)call;
    return UINT64_MAX;
}

stele_status stele_rpc_send(struct stele_rpc_call *call, stele_view message, stele_err *err) {
    stele_status st = STELE_OK;
    (void)pthread_mutex_lock(&call->lock);
    if (call->over || call->end.finished) {
        st = STELE_FAIL(err, CLOSED, "the call is over");
    } else if (call->in_flight) {
        st = STELE_FAIL(err, BUSY, "a message is on its way");
    } else {
        stele_buf_clear(&call->sent);
        st = stele_buf_append(&call->sent, message, err);
        call->in_flight = st == STELE_OK;
        (void)pthread_cond_broadcast(&call->moved);
    }
    (void)pthread_mutex_unlock(&call->lock);
    return st;
}

void stele_rpc_finish_ok(struct stele_rpc_call *call, stele_view reply) {
    (void)pthread_mutex_lock(&call->lock);
    if (!call->over && !call->end.finished) {
        call->end.finished = true;
        if (call->method->kind == STELE_RPC_UNARY) {
            assert_false(call->in_flight);
            call->has_reply = stele_buf_append(&call->sent, reply, NULL) == STELE_OK;
        }
        (void)pthread_cond_broadcast(&call->moved);
    }
    (void)pthread_mutex_unlock(&call->lock);
}

void stele_rpc_finish_error(struct stele_rpc_call *call, const stele_err *err,
                            uint32_t retry_after_ms) {
    (void)pthread_mutex_lock(&call->lock);
    if (!call->over && !call->end.finished) {
        call->end.finished = true;
        call->end.code = stele_rpc_code_of(err->status);
        call->end.retry_after_ms = retry_after_ms;
        memcpy(call->end.text, err->text, sizeof call->end.text);
        (void)pthread_cond_broadcast(&call->moved);
    }
    (void)pthread_mutex_unlock(&call->lock);
}

/* ------------------------------------------------------------------ what tests call */

struct stele_rpc_call *fake_call_start(const struct stele_rpc_method *method,
                                       const struct stele_rpc_peer *peer, stele_view request) {
    struct stele_rpc_call *call = stele_alloc(1, sizeof *call);
    struct stele_rpc_message *message = stele_alloc(1, sizeof *message);
    assert_non_null(call);
    assert_non_null(message);
    assert_ok(stele_buf_append(&message->bytes, request, NULL));
    (void)pthread_mutex_init(&call->lock, NULL);
    (void)pthread_cond_init(&call->moved, NULL);
    call->method = method;
    call->peer = peer;
    call->refs = 1;
    method->on_message(method->service, call, message);
    return call;
}

size_t fake_call_wait(struct stele_rpc_call *call) {
    (void)pthread_mutex_lock(&call->lock);
    while (!call->in_flight && !call->end.finished) {
        (void)pthread_cond_wait(&call->moved, &call->lock);
    }
    size_t size = call->in_flight ? call->sent.size : 0;
    (void)pthread_mutex_unlock(&call->lock);
    return size;
}

bool fake_call_take(struct stele_rpc_call *call, stele_buf *message) {
    (void)fake_call_wait(call);
    (void)pthread_mutex_lock(&call->lock);
    bool sent = call->in_flight;
    bool taken = sent || call->has_reply;
    if (taken) {
        stele_buf_clear(message);
        assert_ok(stele_buf_append(message, stele_view_buf(&call->sent), NULL));
    }
    call->in_flight = false;
    call->has_reply = false;
    (void)pthread_mutex_unlock(&call->lock);
    if (sent && call->method->on_sent != NULL) {
        call->method->on_sent(call->method->service, call);
    }
    return taken;
}

void fake_call_end_of(struct stele_rpc_call *call, struct fake_end *ret) {
    (void)pthread_mutex_lock(&call->lock);
    *ret = call->end;
    (void)pthread_mutex_unlock(&call->lock);
}

void fake_call_end(struct stele_rpc_call *call) {
    struct timespec until;
    int problem = 0;
    (void)pthread_mutex_lock(&call->lock);
    call->over = true;
    (void)pthread_mutex_unlock(&call->lock);
    if (call->method->on_done != NULL) {
        call->method->on_done(call->method->service, call);
    }
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    (void)pthread_mutex_lock(&call->lock);
    while (call->refs > 1 && problem == 0) {
        problem = pthread_cond_timedwait(&call->moved, &call->lock, &until);
    }
    (void)pthread_mutex_unlock(&call->lock);
    if (problem != 0) {
        fail_msg("%s: the service has not let go of a call that is over", call->method->path);
    }
    (void)pthread_cond_destroy(&call->moved);
    (void)pthread_mutex_destroy(&call->lock);
    stele_buf_done(&call->sent);
    stele_free(call);
}
