/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_call.c: one call as the services see it: references, receiving, sending, finishing. Any
 * of them may come from any thread; each decides under the call's lock and starts its operations
 * after it, or leaves a unary answer to the queue's thread.
 */
#include "proto/rpc_call.h"

#include "proto/rpc_core.h"
#include "proto/rpc_details.h"

#include <assert.h>
#include <grpc/support/time.h>
#include <stdio.h>

struct stele_rpc_call *stele_rpc_call__new(struct stele_rpc_queue *queue,
                                           const struct stele_rpc_slot *slot) {
    struct stele_rpc_call *call = stele_alloc(1, sizeof *call);
    if (call == NULL) {
        return NULL;
    }
    call->queue = queue;
    call->slot = slot;
    atomic_init(&call->refs, 1); /* the loop's own, until the call is over */
    call->tag_new = (struct stele_rpc_tag){STELE_RPC_EVENT_NEW, call};
    call->tag_closed = (struct stele_rpc_tag){STELE_RPC_EVENT_CLOSED, call};
    call->tag_received = (struct stele_rpc_tag){STELE_RPC_EVENT_RECEIVED, call};
    call->tag_sent = (struct stele_rpc_tag){STELE_RPC_EVENT_SENT, call};
    call->tag_ended = (struct stele_rpc_tag){STELE_RPC_EVENT_ENDED, call};
    call->text = grpc_empty_slice();
    call->rich = grpc_empty_slice();
    grpc_metadata_array_init(&call->request_metadata);
    grpc_call_details_init(&call->details);
    (void)pthread_mutex_init(&call->lock, NULL);
    return call;
}

void stele_rpc_call__drop_core(struct stele_rpc_call *call) {
    stele_rpc_buffer_drop(&call->in);
    stele_rpc_buffer_drop(&call->out);
    stele_rpc_buffer_drop(&call->reply);
    grpc_slice_unref(call->text);
    grpc_slice_unref(call->rich);
    grpc_metadata_array_destroy(&call->request_metadata);
    grpc_call_details_destroy(&call->details);
}

void stele_rpc_call_ref(struct stele_rpc_call *call) {
    atomic_fetch_add(&call->refs, 1);
}

void stele_rpc_call_unref(struct stele_rpc_call *call) {
    if (call != NULL && atomic_fetch_sub(&call->refs, 1) == 1) {
        stele_rpc_identity_done(&call->identity);
        (void)pthread_mutex_destroy(&call->lock);
        stele_free(call);
    }
}

void stele_rpc_call__begin(struct stele_rpc_call *call, struct stele_rpc_batch *batch,
                           struct stele_rpc_tag *tag) {
    *batch = (struct stele_rpc_batch){.core = call->core, .tag = tag};
    call->pending++;
}

/* Locked. The headers go with whatever is sent first. */
static void batch_headers(struct stele_rpc_call *call, struct stele_rpc_batch *batch) {
    if (!call->headers_sent) {
        call->headers_sent = true;
        batch->ops[batch->n++].op = GRPC_OP_SEND_INITIAL_METADATA;
    }
}

void stele_rpc_batch__start(const struct stele_rpc_batch *batch) {
    if (batch->n > 0) {
        stele_rpc_core_batch(batch->core, batch->ops, batch->n, batch->tag);
    }
}

const struct stele_rpc_peer *stele_rpc_call_peer(struct stele_rpc_call *call) {
    return &call->identity.peer;
}

void stele_rpc_call_set_state(struct stele_rpc_call *call, void *state) {
    (void)pthread_mutex_lock(&call->lock);
    call->state = state;
    (void)pthread_mutex_unlock(&call->lock);
}

void *stele_rpc_call_state(struct stele_rpc_call *call) {
    (void)pthread_mutex_lock(&call->lock);
    void *state = call->state;
    (void)pthread_mutex_unlock(&call->lock);
    return state;
}

bool stele_rpc_call_cancelled(struct stele_rpc_call *call) {
    (void)pthread_mutex_lock(&call->lock);
    bool cancelled = call->cancelled || call->broken;
    (void)pthread_mutex_unlock(&call->lock);
    return cancelled;
}

uint64_t stele_rpc_call_time_left_us(struct stele_rpc_call *call) {
    if (gpr_time_cmp(call->deadline, gpr_inf_future(call->deadline.clock_type)) == 0) {
        return UINT64_MAX;
    }
    gpr_timespec left = gpr_time_sub(call->deadline, gpr_now(call->deadline.clock_type));
    if (left.tv_sec < 0) {
        return 0;
    }
    return (uint64_t)left.tv_sec * 1000000 + (uint64_t)left.tv_nsec / 1000;
}

void stele_rpc_receive_next(struct stele_rpc_call *call) {
    struct stele_rpc_batch batch = {.n = 0};
    (void)pthread_mutex_lock(&call->lock);
    if (!call->closed && !call->ending && !call->receiving && !call->half_closed) {
        call->receiving = true;
        stele_rpc_call__begin(call, &batch, &call->tag_received);
        batch.ops[0].op = GRPC_OP_RECV_MESSAGE;
        batch.ops[0].data.recv_message.recv_message = &call->in;
        batch.n = 1;
    }
    (void)pthread_mutex_unlock(&call->lock);
    stele_rpc_batch__start(&batch);
}

/* Locked. */
static stele_status send_check(const struct stele_rpc_call *call, stele_err *err) {
    if (call->closed || call->ending || call->broken) {
        return STELE_FAIL(err, CLOSED, "the call is over: the client left or it was finished");
    }
    return call->sending ? STELE_FAIL(err, BUSY, "a message is under way: wait for on_sent")
                         : STELE_OK;
}

stele_status stele_rpc_send(struct stele_rpc_call *call, stele_view message, stele_err *err) {
    stele_status st = STELE_OK;
    grpc_byte_buffer *out = NULL;
    struct stele_rpc_batch batch = {.n = 0};
    if (call->slot->method.kind == STELE_RPC_UNARY) {
        return STELE_FAIL(err, BUG, "%s is unary: its reply goes with finish_ok",
                          call->slot->method.path);
    }
    /* Once before the copy, because a refusal should cost nothing, and once for good. */
    (void)pthread_mutex_lock(&call->lock);
    st = send_check(call, err);
    (void)pthread_mutex_unlock(&call->lock);
    if (st != STELE_OK) {
        return st;
    }
    STELE_TRY(stele_rpc_buffer_copy(message, &out, err));
    (void)pthread_mutex_lock(&call->lock);
    st = send_check(call, err);
    if (st == STELE_OK) {
        call->sending = true;
        call->out = out;
        stele_rpc_call__begin(call, &batch, &call->tag_sent);
        batch_headers(call, &batch);
        batch.ops[batch.n].op = GRPC_OP_SEND_MESSAGE;
        batch.ops[batch.n++].data.send_message.send_message = out;
        out = NULL;
    }
    (void)pthread_mutex_unlock(&call->lock);
    stele_rpc_batch__start(&batch);
cleanup:
    stele_rpc_buffer_drop(&out);
    return st;
}

void stele_rpc_call__end(struct stele_rpc_call *call, struct stele_rpc_batch *batch) {
    if (!call->ending || call->end_started || call->sending || call->closed) {
        return;
    }
    call->end_started = true;
    stele_rpc_call__begin(call, batch, &call->tag_ended);
    batch_headers(call, batch);
    if (call->reply != NULL) {
        batch->ops[batch->n].op = GRPC_OP_SEND_MESSAGE;
        batch->ops[batch->n++].data.send_message.send_message = call->reply;
    }
    grpc_op *status = &batch->ops[batch->n++];
    status->op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    status->data.send_status_from_server.status = (grpc_status_code)call->code;
    if (call->code != STELE_RPC_OK) {
        status->data.send_status_from_server.status_details = &call->text;
    }
    if (GRPC_SLICE_LENGTH(call->rich) > 0) {
        call->trailer.key = grpc_slice_from_static_string(STELE_RPC_DETAILS_TRAILER);
        call->trailer.value = call->rich;
        status->data.send_status_from_server.trailing_metadata_count = 1;
        status->data.send_status_from_server.trailing_metadata = &call->trailer;
    }
}

/* ---- answers for the queue's thread ---- */

/* Up to here an answer costs the queue's thread about as much to start as a wake-up would cost both
 * threads; a longer one is better encrypted by the thread that made it. */
#define LEFT_BYTES_MAX (16u * 1024)

/* The queue whose thread this is. */
static _Thread_local const struct stele_rpc_queue *own_queue;

void stele_rpc_queue__enter(const struct stele_rpc_queue *queue) {
    own_queue = queue;
}

/* Locked. Whether the end of this call is left to the queue's thread. */
static bool is_left(const struct stele_rpc_call *call) {
    return call->slot->method.kind == STELE_RPC_UNARY && call->queue != own_queue &&
           (call->reply == NULL || grpc_byte_buffer_length(call->reply) <= LEFT_BYTES_MAX);
}

/* The call is counted in its own `pending`, so that it stays. */
static void leave_answer(struct stele_rpc_call *call, grpc_call *core) {
    struct stele_rpc_queue *queue = call->queue;
    (void)pthread_mutex_lock(&queue->lock);
    bool first = queue->answers == NULL;
    call->next_answer = NULL;
    *(first ? &queue->answers : queue->answers_end) = call;
    queue->answers_end = &call->next_answer;
    (void)pthread_mutex_unlock(&queue->lock);
    if (first) {
        /* Core gives back a batch of no operations at once, which wakes the thread. */
        stele_rpc_core_batch(core, NULL, 0, &queue->tag_answers);
    }
}

struct stele_rpc_call *stele_rpc_queue__take_answers(struct stele_rpc_queue *queue) {
    (void)pthread_mutex_lock(&queue->lock);
    struct stele_rpc_call *first = queue->answers;
    queue->answers = NULL;
    (void)pthread_mutex_unlock(&queue->lock);
    return first;
}

/* ---- finishing ---- */

struct outcome {
    uint32_t code;
    bool idle_only; /* nothing is done if the call has begun */
    grpc_byte_buffer *reply;
    grpc_slice text, rich;
};

/* Takes reply, text and rich; the first one to finish wins. */
static void finish(struct stele_rpc_call *call, const struct outcome *outcome) {
    grpc_byte_buffer *reply = outcome->reply;
    struct stele_rpc_batch batch = {.n = 0};
    bool left = false;
    (void)pthread_mutex_lock(&call->lock);
    grpc_call *core = call->core;
    bool first = !call->ending && !call->closed && !(outcome->idle_only && call->begun);
    if (first) {
        call->ending = true;
        call->code = outcome->code;
        call->reply = reply;
        call->text = outcome->text;
        call->rich = outcome->rich;
        left = is_left(call);
        if (left) {
            call->pending++;
        } else {
            stele_rpc_call__end(call, &batch);
        }
    }
    (void)pthread_mutex_unlock(&call->lock);
    if (left) {
        leave_answer(call, core);
    } else {
        stele_rpc_batch__start(&batch);
    }
    if (!first) {
        stele_rpc_buffer_drop(&reply);
        grpc_slice_unref(outcome->text);
        grpc_slice_unref(outcome->rich);
    }
}

void stele_rpc_finish_ok(struct stele_rpc_call *call, stele_view reply) {
    grpc_byte_buffer *buffer = NULL;
    stele_err err;
    bool unary = call->slot->method.kind == STELE_RPC_UNARY;
    assert(unary || reply.size == 0); /* streams send their messages with stele_rpc_send */
    if (unary && stele_rpc_buffer_copy(reply, &buffer, &err) != STELE_OK) {
        stele_rpc_finish_error(call, &err, 0);
        return;
    }
    finish(call, &(struct outcome){.code = STELE_RPC_OK,
                                   .reply = buffer,
                                   .text = grpc_empty_slice(),
                                   .rich = grpc_empty_slice()});
}

void stele_rpc_call_refuse(struct stele_rpc_call *call, uint32_t code, const char *text,
                           uint32_t retry_after_ms) {
    char clean[STELE_ERR_TEXT_BYTES];
    stele_buf rich = STELE_BUF_EMPTY;
    (void)snprintf(clean, sizeof clean, "%s", text);
    stele_rpc_text_clean(clean);
    if (retry_after_ms > 0 &&
        stele_rpc_details_encode(code, clean, retry_after_ms, &rich, NULL) != STELE_OK) {
        stele_buf_clear(&rich); /* without memory the hint is lost, the code is not */
    }
    struct outcome outcome = {
        .code = code, .text = grpc_slice_from_copied_string(clean), .rich = grpc_empty_slice()};
    if (rich.size > 0) {
        outcome.rich = grpc_slice_from_copied_buffer((const char *)rich.data, rich.size);
    }
    finish(call, &outcome);
    stele_buf_done(&rich);
}

void stele_rpc_call_refuse_idle(struct stele_rpc_call *call, uint32_t code, const char *text) {
    finish(call, &(struct outcome){.code = code,
                                   .idle_only = true,
                                   .text = grpc_slice_from_copied_string(text),
                                   .rich = grpc_empty_slice()});
}

void stele_rpc_finish_error(struct stele_rpc_call *call, const stele_err *err,
                            uint32_t retry_after_ms) {
    uint32_t code = stele_rpc_code_of(err->status);
    /* "OK" cannot be the code of an error, and a client would take it for an answer. */
    stele_rpc_call_refuse(call, code == STELE_RPC_OK ? STELE_RPC_INTERNAL : code, err->text,
                          retry_after_ms);
}
