/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_loop.c: calls as the loop sees them: which are alive, what core reports of each, and
 * the order in which a service hears of it. Everything here but the live set runs on the queue's
 * thread.
 */
#include "proto/rpc_call.h"

#include "proto/rpc_burst.h"
#include "proto/rpc_core.h"
#include "proto/rpc_undelivered.h"
#include "storage/monotonic.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

/* What a call may bring besides its messages: headers, and the first window of a stream. */
#define BESIDE_MESSAGES_BYTES (80u * 1024)

/* ---- the live set ---- */

typedef enum admission {
    ADMITTED,
    REFUSED_DRAINING,
    REFUSED_FULL,
    REFUSED_SHARE, /* this client has as many as one may have */
} admission;

/* Under the lock. */
static admission judge(struct stele_rpc_live *live, struct stele_rpc_call *call) {
    if (live->draining) {
        return REFUSED_DRAINING;
    }
    if (live->n_running >= live->n_max) {
        return REFUSED_FULL;
    }
    if (live->shares != NULL) {
        call->share = stele_rpc_share_take(live->shares, &call->identity.peer, 1);
        return call->share != NULL ? ADMITTED : REFUSED_SHARE;
    }
    return ADMITTED;
}

static admission live_add(struct stele_rpc_live *live, struct stele_rpc_call *call) {
    admission result = ADMITTED;
    (void)pthread_mutex_lock(&live->lock);
    if (!call->slot->always) {
        result = judge(live, call);
        call->running = result == ADMITTED;
    }
    call->next = live->first;
    if (live->first != NULL) {
        live->first->previous = call;
    }
    live->first = call;
    live->n++;
    live->n_running += call->running ? 1 : 0;
    (void)pthread_mutex_unlock(&live->lock);
    return result;
}

static void live_remove(struct stele_rpc_live *live, struct stele_rpc_call *call) {
    (void)pthread_mutex_lock(&live->lock);
    if (call->previous != NULL) {
        call->previous->next = call->next;
    } else {
        live->first = call->next;
    }
    if (call->next != NULL) {
        call->next->previous = call->previous;
    }
    live->n--;
    live->n_running -= call->running ? 1 : 0;
    stele_rpc_share_give(live->shares, call->share, 1);
    call->share = NULL;
    if (live->n_running == 0) {
        (void)pthread_cond_broadcast(&live->fewer);
    }
    (void)pthread_mutex_unlock(&live->lock);
}

static void armed_add(struct stele_rpc_live *live) {
    (void)pthread_mutex_lock(&live->lock);
    live->n_armed++;
    (void)pthread_mutex_unlock(&live->lock);
}

static void armed_remove(struct stele_rpc_live *live) {
    (void)pthread_mutex_lock(&live->lock);
    live->n_armed--;
    (void)pthread_cond_broadcast(&live->fewer);
    (void)pthread_mutex_unlock(&live->lock);
}

static const char draining_text[] = "the server is shutting down: try again in a moment";

void stele_rpc_live_drain(struct stele_rpc_live *live) {
    (void)pthread_mutex_lock(&live->lock);
    live->draining = true;
    for (struct stele_rpc_call *call = live->first; call != NULL; call = call->next) {
        if (call->slot->ends_at_drain) {
            stele_rpc_call_refuse(call, STELE_RPC_UNAVAILABLE, draining_text, 0);
        } else if (call->running) {
            stele_rpc_call_refuse_idle(call, STELE_RPC_UNAVAILABLE, draining_text);
        }
    }
    (void)pthread_mutex_unlock(&live->lock);
}

bool stele_rpc_live_wait_running(struct stele_rpc_live *live, uint32_t timeout_ms) {
    const struct timespec deadline = stele_monotonic_in_ms(timeout_ms);
    int error = 0;
    (void)pthread_mutex_lock(&live->lock);
    while (live->n_running > 0 && error == 0) {
        error = pthread_cond_clockwait(&live->fewer, &live->lock, CLOCK_MONOTONIC, &deadline);
    }
    bool none = live->n_running == 0;
    (void)pthread_mutex_unlock(&live->lock);
    return none;
}

void stele_rpc_live_wait(struct stele_rpc_live *live) {
    (void)pthread_mutex_lock(&live->lock);
    while (live->n > 0 || live->n_armed > 0) {
        (void)pthread_cond_wait(&live->fewer, &live->lock);
    }
    (void)pthread_mutex_unlock(&live->lock);
}

/* ---- arrival ---- */

static void call_request(struct stele_rpc_call *call) {
    struct stele_rpc_queue *queue = call->queue;
    grpc_call_error code =
        call->slot->method.path == NULL
            ? grpc_server_request_call(queue->server, &call->core, &call->details,
                                       &call->request_metadata, queue->cq, queue->cq,
                                       &call->tag_new)
            : grpc_server_request_registered_call(
                  queue->server, call->slot->registered, &call->core, &call->deadline,
                  &call->request_metadata, NULL, queue->cq, queue->cq, &call->tag_new);
    assert(code == GRPC_CALL_OK); /* the queue is shut down when nothing is armed */
    (void)code;
}

/* False if there is no memory. */
static bool arm(struct stele_rpc_queue *queue, const struct stele_rpc_slot *slot) {
    struct stele_rpc_call *call = stele_rpc_call__new(queue, slot);
    if (call != NULL) {
        call_request(call);
    }
    return call != NULL;
}

stele_status stele_rpc_call_arm(struct stele_rpc_queue *queue, const struct stele_rpc_slot *slot,
                                stele_err *err) {
    armed_add(queue->live);
    if (!arm(queue, slot)) {
        armed_remove(queue->live);
        return STELE_FAIL(err, NO_MEMORY, "no memory for a call");
    }
    return STELE_OK;
}

/* ---- events, on the queue's thread ---- */

static void on_new(struct stele_rpc_call *call, bool ok);

/* The client's message or half-close, if the service should still hear of it. */
static void on_received(struct stele_rpc_call *call, bool ok) {
    const struct stele_rpc_method *method = &call->slot->method;
    grpc_byte_buffer *in = call->in;
    call->in = NULL;
    /* Without a message the stream is over: what came of one is let go. */
    stele_rpc_undelivered_took(call->identity.peer.address, in != NULL
                                                                ? grpc_byte_buffer_length(in)
                                                                : call->queue->message_bytes_max);
    (void)pthread_mutex_lock(&call->lock);
    bool wanted = ok && !call->ending && !call->closed;
    bool half_closed = in == NULL && grpc_call_failed_before_recv_message(call->core) == 0;
    call->half_closed = call->half_closed || half_closed;
    call->begun = call->begun || (wanted && (in != NULL || half_closed));
    (void)pthread_mutex_unlock(&call->lock);
    if (!wanted) {
        stele_rpc_buffer_drop(&in);
        return;
    }
    if (in != NULL) {
        stele_err err;
        struct stele_rpc_message *message = NULL;
        stele_status st = stele_rpc_message_of(in, call->queue->message_bytes_max, &message, &err);
        if (st == STELE_OK) {
            call->seen = true;
            method->on_message(method->service, call, message);
        } else if (st == STELE_LIMIT) {
            /* The code core itself answers with, when it is the one who measures. */
            stele_rpc_call_refuse(call, STELE_RPC_RESOURCE_EXHAUSTED, err.text, 0);
        } else {
            stele_rpc_finish_error(call, &err, 0);
        }
    } else if (half_closed && method->kind == STELE_RPC_BIDI) {
        call->seen = true;
        method->on_half_close(method->service, call);
    } else if (half_closed) {
        stele_rpc_call_refuse(call, STELE_RPC_INVALID_ARGUMENT,
                              "the call has no request message: send exactly one", 0);
    }
}

static void on_sent(struct stele_rpc_call *call, bool ok) {
    const struct stele_rpc_method *method = &call->slot->method;
    if (ok && method->on_sent != NULL) {
        method->on_sent(method->service, call);
    }
}

/* Takes back the operation the event ends, and starts an end that waited for it. */
static void settle(struct stele_rpc_call *call, stele_rpc_event event, bool ok) {
    struct stele_rpc_batch batch = {.n = 0};
    (void)pthread_mutex_lock(&call->lock);
    switch (event) {
    case STELE_RPC_EVENT_CLOSED:
        call->closed = true;
        call->cancelled = call->cancelled_word != 0;
        break;
    case STELE_RPC_EVENT_RECEIVED:
        call->receiving = false;
        break;
    case STELE_RPC_EVENT_SENT:
        stele_rpc_buffer_drop(&call->out);
        call->sending = false;
        call->broken = call->broken || !ok;
        break;
    case STELE_RPC_EVENT_ENDED:
        stele_rpc_buffer_drop(&call->reply);
        break;
    case STELE_RPC_EVENT_NEW:
    case STELE_RPC_EVENT_ANSWERS:
        break;
    }
    stele_rpc_call__end(call, &batch);
    (void)pthread_mutex_unlock(&call->lock);
    stele_rpc_batch__start(&batch);
}

/* The operation that brought the event stays counted until its callback returned: nothing can end
 * the call under the callback's feet. */
static void release(struct stele_rpc_call *call) {
    const struct stele_rpc_method *method = &call->slot->method;
    (void)pthread_mutex_lock(&call->lock);
    assert(call->pending > 0);
    call->pending--;
    bool over = call->pending == 0;
    (void)pthread_mutex_unlock(&call->lock);
    if (!over) {
        return;
    }
    if (call->seen && method->on_done != NULL) {
        method->on_done(method->service, call);
    }
    (void)pthread_mutex_lock(&call->lock);
    grpc_call *core = call->core;
    call->core = NULL;
    (void)pthread_mutex_unlock(&call->lock);
    stele_rpc_call__drop_core(call);
    grpc_call_unref(core);
    live_remove(call->queue->live, call);
    stele_rpc_call_unref(call);
}

static void start_answers(struct stele_rpc_queue *queue) {
    struct stele_rpc_call *call = stele_rpc_queue__take_answers(queue);
    stele_rpc_burst_begin();
    while (call != NULL) {
        struct stele_rpc_call *next = call->next_answer;
        struct stele_rpc_batch batch = {.n = 0};
        (void)pthread_mutex_lock(&call->lock);
        stele_rpc_call__end(call, &batch);
        (void)pthread_mutex_unlock(&call->lock);
        stele_rpc_batch__start(&batch);
        release(call);
        call = next;
    }
    stele_rpc_burst_end();
}

void stele_rpc_call_event(struct stele_rpc_queue *queue, void *tag, bool ok) {
    const struct stele_rpc_tag *of = tag;
    struct stele_rpc_call *call = of->call;
    stele_rpc_event event = of->event;
    if (event == STELE_RPC_EVENT_ANSWERS) {
        start_answers(queue);
        return;
    }
    if (event == STELE_RPC_EVENT_NEW) {
        on_new(call, ok);
        return;
    }
    settle(call, event, ok);
    if (event == STELE_RPC_EVENT_RECEIVED) {
        on_received(call, ok);
    } else if (event == STELE_RPC_EVENT_SENT) {
        on_sent(call, ok);
    }
    release(call);
}

static void refuse_unknown(struct stele_rpc_call *call) {
    char text[STELE_ERR_TEXT_BYTES];
    size_t shown = GRPC_SLICE_LENGTH(call->details.method);
    shown = shown > 100 ? 100 : shown; /* of a path the client chose */
    (void)snprintf(text, sizeof text,
                   "method '%.*s' is not known here: server reflection lists what is", (int)shown,
                   (const char *)GRPC_SLICE_START_PTR(call->details.method));
    call->deadline = call->details.deadline;
    stele_rpc_call_refuse(call, STELE_RPC_UNIMPLEMENTED, text, 0);
}

/* Puts the next request for this method in place: it is armed instead of this one. False if there
 * is no memory: then this call is let go and its own struct waits for the next one, so that a
 * method never goes deaf. */
static bool rearm(struct stele_rpc_call *call) {
    if (arm(call->queue, call->slot)) {
        return true;
    }
    (void)grpc_call_cancel_with_status(call->core, GRPC_STATUS_UNAVAILABLE, "out of memory", NULL);
    grpc_call_unref(call->core);
    stele_rpc_call__drop_core(call);
    call->core = NULL;
    grpc_metadata_array_init(&call->request_metadata);
    grpc_call_details_init(&call->details);
    call_request(call);
    return false;
}

static void on_new(struct stele_rpc_call *call, bool ok) {
    if (!ok) { /* the server is shutting down: no call came */
        armed_remove(call->queue->live);
        stele_rpc_call__drop_core(call);
        stele_rpc_call_unref(call);
        return;
    }
    if (!rearm(call)) {
        return;
    }
    stele_rpc_identity_of(call->core, &call->identity);
    stele_rpc_undelivered_took(call->identity.peer.address, BESIDE_MESSAGES_BYTES);
    struct stele_rpc_batch batch;
    (void)pthread_mutex_lock(&call->lock);
    call->pending = 1; /* this event, until it is handled */
    stele_rpc_call__begin(call, &batch, &call->tag_closed);
    batch.ops[0].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
    batch.ops[0].data.recv_close_on_server.cancelled = &call->cancelled_word;
    batch.n = 1;
    (void)pthread_mutex_unlock(&call->lock);
    stele_rpc_batch__start(&batch);
    admission admitted = live_add(call->queue->live, call); /* from here a drain may end it */
    if (admitted == REFUSED_DRAINING) {
        stele_rpc_call_refuse(call, STELE_RPC_UNAVAILABLE, draining_text, 0);
    } else if (admitted == REFUSED_FULL) {
        stele_rpc_call_refuse(call, STELE_RPC_RESOURCE_EXHAUSTED,
                              "the server has as many open calls as it takes: try again later",
                              1000);
    } else if (admitted == REFUSED_SHARE) {
        stele_rpc_call_refuse(call, STELE_RPC_RESOURCE_EXHAUSTED,
                              "this certificate has as many open calls as one client may have: end "
                              "some, or try again later",
                              1000);
    } else if (call->slot->method.path == NULL) {
        refuse_unknown(call);
    } else {
        stele_rpc_receive_next(call);
    }
    release(call);
}
