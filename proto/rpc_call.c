/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_call.c: one call from its arrival to on_done. The invariants are in rpc_call.h; every field
 * below that says "locked" is touched only under the call's lock.
 */
#include "proto/rpc_call.h"

#include "proto/rpc_core.h"
#include "proto/rpc_details.h"
#include "proto/rpc_peer.h"

#include <assert.h>
#include <grpc/support/time.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

typedef enum rpc_event {
    EVENT_NEW,      /* core gave us a call */
    EVENT_CLOSED,   /* RECV_CLOSE: status sent, cancelled, deadline, connection lost */
    EVENT_RECEIVED, /* a message, or the client's half-close */
    EVENT_SENT,     /* a message left */
    EVENT_ENDED,    /* the status left */
} rpc_event;

/* What core hands back: which operation of which call. */
struct rpc_tag {
    rpc_event event;
    struct stele_rpc_call *call;
};

struct stele_rpc_call {
    struct stele_rpc_queue *queue;
    const struct stele_rpc_slot *slot;
    atomic_uint refs;
    struct rpc_tag tag_new, tag_closed, tag_received, tag_sent, tag_ended;
    gpr_timespec deadline;
    grpc_metadata_array request_metadata;
    grpc_call_details details; /* unknown methods only */
    struct stele_rpc_identity identity;
    struct stele_rpc_call *previous, *next; /* in the live set, under its lock */
    int cancelled_word;                     /* core writes it before EVENT_CLOSED */
    bool seen;                              /* a callback ran; queue thread only */
    grpc_byte_buffer *in;                   /* core writes it before EVENT_RECEIVED */

    pthread_mutex_t lock;
    grpc_call *core;    /* locked; NULL once the call is over */
    uint32_t pending;   /* locked; operations core has not given back */
    void *state;        /* locked; the service's */
    bool headers_sent;  /* locked */
    bool receiving;     /* locked */
    bool sending;       /* locked */
    bool broken;        /* locked; a send failed */
    bool closed;        /* locked; EVENT_CLOSED came */
    bool cancelled;     /* locked */
    bool ending;        /* locked; the service finished */
    bool end_started;   /* locked */
    bool half_closed;   /* locked */

    grpc_byte_buffer *out; /* of the send under way: by the sender, then by EVENT_SENT */
    /* The status: written once by whoever set `ending`, read by the end operation. */
    grpc_byte_buffer *reply;
    uint32_t code;
    grpc_slice text;
    grpc_slice rich;
    grpc_metadata trailer;
    bool has_trailer;
};

static struct stele_rpc_call *call_new(struct stele_rpc_queue *queue,
                                       const struct stele_rpc_slot *slot) {
    struct stele_rpc_call *call = stele_alloc(1, sizeof *call);
    if (call == NULL) {
        return NULL;
    }
    call->queue = queue;
    call->slot = slot;
    atomic_init(&call->refs, 1); /* the loop's own, until the call is over */
    call->tag_new = (struct rpc_tag){EVENT_NEW, call};
    call->tag_closed = (struct rpc_tag){EVENT_CLOSED, call};
    call->tag_received = (struct rpc_tag){EVENT_RECEIVED, call};
    call->tag_sent = (struct rpc_tag){EVENT_SENT, call};
    call->tag_ended = (struct rpc_tag){EVENT_ENDED, call};
    call->text = grpc_empty_slice();
    call->rich = grpc_empty_slice();
    grpc_metadata_array_init(&call->request_metadata);
    grpc_call_details_init(&call->details);
    (void)pthread_mutex_init(&call->lock, NULL);
    return call;
}

static void buffer_drop(grpc_byte_buffer **buffer) {
    if (*buffer != NULL) {
        grpc_byte_buffer_destroy(*buffer);
        *buffer = NULL;
    }
}

/* Everything core gave or borrowed; what is left afterwards is plain memory and the identity. */
static void call_drop_core(struct stele_rpc_call *call) {
    buffer_drop(&call->in);
    buffer_drop(&call->out);
    buffer_drop(&call->reply);
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

static void call_request(struct stele_rpc_call *call) {
    struct stele_rpc_queue *queue = call->queue;
    grpc_call_error code =
        call->slot->method.path == NULL
            ? grpc_server_request_call(queue->server, &call->core, &call->details,
                                       &call->request_metadata, queue->cq, queue->cq, &call->tag_new)
            : grpc_server_request_registered_call(queue->server, call->slot->registered, &call->core,
                                                  &call->deadline, &call->request_metadata, NULL,
                                                  queue->cq, queue->cq, &call->tag_new);
    assert(code == GRPC_CALL_OK); /* the queue is shut down only after its last call */
    (void)code;
}

stele_status stele_rpc_call_arm(struct stele_rpc_queue *queue, const struct stele_rpc_slot *slot,
                                stele_err *err) {
    struct stele_rpc_call *call = call_new(queue, slot);
    if (call == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a call");
    }
    call_request(call);
    return STELE_OK;
}

/* Core refuses a batch only if we broke its rules (two sends at once): a bug, not a condition. The
 * caller counted the batch in `pending`, so that the call cannot end meanwhile. */
static void call_start(struct stele_rpc_call *call, const grpc_op *ops, size_t n, struct rpc_tag *tag) {
    grpc_call_error code = grpc_call_start_batch(call->core, ops, n, tag, NULL);
    assert(code == GRPC_CALL_OK);
    (void)code;
}

/* ---- the live set ---- */

typedef enum admission {
    ADMITTED,
    REFUSED_DRAINING,
    REFUSED_FULL,
} admission;

static admission live_add(struct stele_rpc_live *live, struct stele_rpc_call *call) {
    (void)pthread_mutex_lock(&live->lock);
    admission result = live->draining ? REFUSED_DRAINING
                       : live->n >= live->n_max && !call->slot->always ? REFUSED_FULL
                                                                       : ADMITTED;
    call->next = live->first;
    if (live->first != NULL) {
        live->first->previous = call;
    }
    live->first = call;
    live->n++;
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
    if (live->n == 0) {
        (void)pthread_cond_broadcast(&live->empty);
    }
    (void)pthread_mutex_unlock(&live->lock);
}

static const char draining_text[] = "the server is shutting down: try again in a moment";

void stele_rpc_live_drain(struct stele_rpc_live *live) {
    (void)pthread_mutex_lock(&live->lock);
    live->draining = true;
    for (struct stele_rpc_call *call = live->first; call != NULL; call = call->next) {
        if (call->slot->ends_at_drain) {
            stele_rpc_call_refuse(call, STELE_RPC_UNAVAILABLE, draining_text, 0);
        }
    }
    (void)pthread_mutex_unlock(&live->lock);
}

void stele_rpc_live_wait(struct stele_rpc_live *live) {
    (void)pthread_mutex_lock(&live->lock);
    while (live->n > 0) {
        (void)pthread_cond_wait(&live->empty, &live->lock);
    }
    (void)pthread_mutex_unlock(&live->lock);
}

/* ---- what services call ---- */

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
    (void)pthread_mutex_lock(&call->lock);
    bool go = !call->closed && !call->ending && !call->receiving && !call->half_closed;
    if (go) {
        call->receiving = true;
        call->pending++;
    }
    (void)pthread_mutex_unlock(&call->lock);
    if (go) {
        grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
        op.data.recv_message.recv_message = &call->in;
        call_start(call, &op, 1, &call->tag_received);
    }
}

/* Locked. */
static stele_status send_check(const struct stele_rpc_call *call, stele_err *err) {
    if (call->closed || call->ending || call->broken) {
        return STELE_FAIL(err, CLOSED, "the call is over: the client left or it was finished");
    }
    return call->sending ? STELE_FAIL(err, BUSY, "a message is under way: wait for on_sent") : STELE_OK;
}

stele_status stele_rpc_send(struct stele_rpc_call *call, stele_view message, stele_err *err) {
    stele_status st = STELE_OK;
    grpc_byte_buffer *out = NULL;
    grpc_op ops[2] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}, {.op = GRPC_OP_SEND_MESSAGE}};
    size_t first = 0;
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
        call->pending++;
        call->out = out;
        first = call->headers_sent ? 1 : 0;
        call->headers_sent = true;
    }
    (void)pthread_mutex_unlock(&call->lock);
    if (st == STELE_OK) {
        ops[1].data.send_message.send_message = out;
        out = NULL;
        call_start(call, ops + first, 2 - first, &call->tag_sent);
    }
cleanup:
    buffer_drop(&out);
    return st;
}

/* Starts the end operation; the caller set end_started and counted it. */
static void end_start(struct stele_rpc_call *call, bool with_headers) {
    grpc_op ops[3] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}};
    size_t n = with_headers ? 1 : 0;
    if (call->reply != NULL) {
        ops[n].op = GRPC_OP_SEND_MESSAGE;
        ops[n].data.send_message.send_message = call->reply;
        n++;
    }
    ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[n].data.send_status_from_server.status = (grpc_status_code)call->code;
    if (call->code != STELE_RPC_OK) {
        ops[n].data.send_status_from_server.status_details = &call->text;
    }
    if (call->has_trailer) {
        call->trailer.key = grpc_slice_from_static_string(STELE_RPC_DETAILS_TRAILER);
        call->trailer.value = call->rich;
        ops[n].data.send_status_from_server.trailing_metadata_count = 1;
        ops[n].data.send_status_from_server.trailing_metadata = &call->trailer;
    }
    n++;
    call_start(call, ops, n, &call->tag_ended);
}

/* Locked. Whether the end operation may start now; if so it is counted. */
static bool end_claim(struct stele_rpc_call *call, bool *ret_with_headers) {
    if (!call->ending || call->end_started || call->sending || call->closed) {
        return false;
    }
    call->end_started = true;
    call->pending++;
    *ret_with_headers = !call->headers_sent;
    call->headers_sent = true;
    return true;
}

/* Takes reply, text and rich; the first one to finish wins. */
static void finish(struct stele_rpc_call *call, uint32_t code, grpc_byte_buffer *reply,
                   grpc_slice text, grpc_slice rich) {
    bool with_headers = false;
    (void)pthread_mutex_lock(&call->lock);
    bool first = !call->ending && !call->closed;
    if (first) {
        call->ending = true;
        call->code = code;
        call->reply = reply;
        call->text = text;
        call->rich = rich;
        call->has_trailer = GRPC_SLICE_LENGTH(rich) > 0;
    }
    bool go = first && end_claim(call, &with_headers);
    (void)pthread_mutex_unlock(&call->lock);
    if (go) {
        end_start(call, with_headers);
    } else if (!first) {
        buffer_drop(&reply);
        grpc_slice_unref(text);
        grpc_slice_unref(rich);
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
    finish(call, STELE_RPC_OK, buffer, grpc_empty_slice(), grpc_empty_slice());
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
    finish(call, code, NULL, grpc_slice_from_copied_string(clean),
           rich.size == 0 ? grpc_empty_slice()
                          : grpc_slice_from_copied_buffer((const char *)rich.data, rich.size));
    stele_buf_done(&rich);
}

void stele_rpc_finish_error(struct stele_rpc_call *call, const stele_err *err,
                            uint32_t retry_after_ms) {
    uint32_t code = stele_rpc_code_of(err->status);
    /* "OK" cannot be the code of an error, and a client would take it for an answer. */
    stele_rpc_call_refuse(call, code == STELE_RPC_OK ? STELE_RPC_INTERNAL : code, err->text,
                          retry_after_ms);
}

/* ---- events, on the queue's thread ---- */

static void on_new(struct stele_rpc_call *call, bool ok);

/* The client's message or half-close, if the service should still hear of it. */
static void on_received(struct stele_rpc_call *call, bool ok) {
    const struct stele_rpc_method *method = &call->slot->method;
    grpc_byte_buffer *in = call->in;
    call->in = NULL;
    (void)pthread_mutex_lock(&call->lock);
    bool wanted = ok && !call->ending && !call->closed;
    bool half_closed = in == NULL && grpc_call_failed_before_recv_message(call->core) == 0;
    call->half_closed = call->half_closed || half_closed;
    (void)pthread_mutex_unlock(&call->lock);
    if (!wanted) {
        buffer_drop(&in);
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

/* Takes back the operation the event ends. True if the deferred end operation is to start now. */
static bool settle(struct stele_rpc_call *call, rpc_event event, bool ok, bool *ret_with_headers) {
    (void)pthread_mutex_lock(&call->lock);
    switch (event) {
    case EVENT_CLOSED:
        call->closed = true;
        call->cancelled = call->cancelled_word != 0;
        break;
    case EVENT_RECEIVED:
        call->receiving = false;
        break;
    case EVENT_SENT:
        buffer_drop(&call->out);
        call->sending = false;
        call->broken = call->broken || !ok;
        break;
    case EVENT_ENDED:
        buffer_drop(&call->reply);
        break;
    case EVENT_NEW:
        break;
    }
    bool go = end_claim(call, ret_with_headers);
    (void)pthread_mutex_unlock(&call->lock);
    return go;
}

/* The operation that brought the event stays counted until its callback returned: nothing can end the
 * call under the callback's feet. */
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
    call_drop_core(call);
    grpc_call_unref(core);
    live_remove(call->queue->live, call);
    stele_rpc_call_unref(call);
}

void stele_rpc_call_event(void *tag, bool ok) {
    const struct rpc_tag *of = tag;
    struct stele_rpc_call *call = of->call;
    rpc_event event = of->event;
    bool with_headers = false;
    if (event == EVENT_NEW) {
        on_new(call, ok);
        return;
    }
    if (settle(call, event, ok, &with_headers)) {
        end_start(call, with_headers);
    }
    if (event == EVENT_RECEIVED) {
        on_received(call, ok);
    } else if (event == EVENT_SENT) {
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

/* Puts the next request for this method in place. False if there is no memory: then this call is let go
 * and its own struct waits for the next one, so that a method never goes deaf. */
static bool rearm(struct stele_rpc_call *call) {
    if (stele_rpc_call_arm(call->queue, call->slot, NULL) == STELE_OK) {
        return true;
    }
    (void)grpc_call_cancel_with_status(call->core, GRPC_STATUS_UNAVAILABLE, "out of memory", NULL);
    grpc_call_unref(call->core);
    call_drop_core(call);
    call->core = NULL;
    grpc_metadata_array_init(&call->request_metadata);
    grpc_call_details_init(&call->details);
    call_request(call);
    return false;
}

static void on_new(struct stele_rpc_call *call, bool ok) {
    if (!ok) { /* the server is shutting down: no call came */
        call_drop_core(call);
        stele_rpc_call_unref(call);
        return;
    }
    if (!rearm(call)) {
        return;
    }
    stele_rpc_identity_of(call->core, &call->identity);
    (void)pthread_mutex_lock(&call->lock);
    call->pending = 2; /* RECV_CLOSE, and this event until it is handled */
    (void)pthread_mutex_unlock(&call->lock);
    admission admitted = live_add(call->queue->live, call); /* from here a drain may end it */
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    op.data.recv_close_on_server.cancelled = &call->cancelled_word;
    call_start(call, &op, 1, &call->tag_closed);
    if (admitted == REFUSED_DRAINING) {
        stele_rpc_call_refuse(call, STELE_RPC_UNAVAILABLE, draining_text, 0);
    } else if (admitted == REFUSED_FULL) {
        stele_rpc_call_refuse(call, STELE_RPC_RESOURCE_EXHAUSTED,
                              "the server has as many open calls as it takes: try again later", 1000);
    } else if (call->slot->method.path == NULL) {
        refuse_unknown(call);
    } else {
        stele_rpc_receive_next(call);
    }
    release(call);
}
