/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/shipper.c: the ring between a sender (the caller) and a receiver thread, and a watcher that
 * cancels a stream which takes no message for as long as the caller would wait.
 */
#include "tools/shipper.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "storage/monotonic.h"
#include "tools/ship_ring.h"

#define WINDOW_DEFAULT 16384u
#define WINDOW_BYTES_DEFAULT ((size_t)64 << 20)
#define BATCH_DEFAULT 256u
#define TIMEOUT_MS_DEFAULT 10000u
#define RETRY_PAUSE_MS 100u /* what the server asks for with RESOURCE_EXHAUSTED */
#define WAIT_STEP_MS 500u
#define HEALTH_PATH "/grpc.health.v1.Health/Check"

struct stele_shipper {
    struct stele_rpc_client *client;
    struct stele_shipper_options options;
    stele_shipped_fn report;
    void *report_ctx;
    stele_buf request;
    pthread_t receiver;
    pthread_t watcher;
    bool receiving, watching; /* the threads exist */

    pthread_mutex_t lock; /* everything below */
    pthread_cond_t moved; /* something was decided, or the stream ended */
    pthread_cond_t closed;
    struct stele_ship_ring ring;
    struct stele_rpc_stream *stream; /* changed by the caller's thread only */
    bool broken;                     /* the stream ended */
    bool sending;                    /* the caller is in a send */
    bool closing;
    uint64_t
        progress_us; /* of the last decision, or of the first event after there was none left */
    uint64_t retry_at_us; /* nothing is sent before */
    stele_err why;        /* of the last break or refusal */
    uint32_t why_code;
};

/* Between two tries; a lost connection is worked on meanwhile. */
static void pause_before_retry(struct stele_shipper *s) {
    struct timespec pause = {0, RETRY_PAUSE_MS * 1000000L};
    if (stele_rpc_client_wait(s->client, RETRY_PAUSE_MS)) {
        (void)nanosleep(&pause, NULL); /* the server is there and will not: give it time */
    }
}

/* Under the lock. */
static void wait_until(struct stele_shipper *s, pthread_cond_t *cond, uint64_t until_us) {
    struct timespec at = {(time_t)(until_us / 1000000u), (long)(until_us % 1000000u) * 1000};
    (void)pthread_cond_timedwait(cond, &s->lock, &at);
}

/* Codes that no repetition will change. */
static bool is_final(uint32_t code) {
    return code != STELE_RPC_OK && code != STELE_RPC_RESOURCE_EXHAUSTED &&
           code != STELE_RPC_UNAVAILABLE && code != STELE_RPC_DEADLINE_EXCEEDED &&
           code != STELE_RPC_CANCELLED && code != STELE_RPC_ABORTED;
}

/* ------------------------------------------------------------------ receiving */

/* Under the lock. */
static void take_refused(struct stele_shipper *s, const struct stele_append_refusal *refused) {
    bool again =
        refused->code == STELE_RPC_RESOURCE_EXHAUSTED || refused->code == STELE_RPC_UNAVAILABLE;
    uint64_t now = stele_monotonic_us();
    if (stele_ship_ring_refused(&s->ring, refused, again, now) > 0) {
        s->progress_us = now;
    }
    if (again) {
        s->retry_at_us = now + RETRY_PAUSE_MS * 1000u;
        s->why_code = refused->code;
        stele_status ignored = STELE_FAIL(&s->why, CLOSED, "%.*s", (int)refused->error.size,
                                          (const char *)refused->error.data);
        (void)ignored;
    }
}

static stele_status take_response(struct stele_shipper *s, stele_view message, stele_err *err) {
    struct stele_wire wire = stele_wire_of(message);
    struct stele_append_item item;
    stele_status st = STELE_OK;
    (void)pthread_mutex_lock(&s->lock);
    while ((st = stele_append_stream_next(&wire, &item, err)) == STELE_OK) {
        if (item.kind == STELE_APPEND_REFUSED) {
            take_refused(s, &item.as.refused);
        } else if (item.kind == STELE_APPEND_STORED) {
            uint64_t now = stele_monotonic_us();
            if (stele_ship_ring_stored(&s->ring, &item.as.stored, now) > 0) {
                s->progress_us = now;
            }
        }
    }
    (void)pthread_cond_broadcast(&s->moved);
    (void)pthread_mutex_unlock(&s->lock);
    return st == STELE_END ? STELE_OK : st;
}

static void *receive(void *arg) {
    struct stele_shipper *s = arg;
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_rpc_result result = {0};
    stele_err err;
    stele_status st = STELE_OK;
    while (st == STELE_OK) {
        st = stele_rpc_stream_receive(s->stream, &message, &result, &err);
        if (st == STELE_OK) {
            st = take_response(s, stele_view_buf(&message), &err);
        }
    }
    if (st == STELE_END) {
        stele_status why = STELE_FAIL(&err, CLOSED, "the server ended the stream");
        (void)why;
    }
    (void)pthread_mutex_lock(&s->lock);
    s->broken = true;
    s->why = err;
    s->why_code = result.code;
    (void)pthread_cond_broadcast(&s->moved);
    (void)pthread_mutex_unlock(&s->lock);
    stele_buf_done(&message);
    return NULL;
}

/* ------------------------------------------------------------------ time */

/* Under the lock. When the caller has waited long enough for an event. */
static uint64_t gives_up_at_us(const struct stele_shipper *s) {
    return s->progress_us + (uint64_t)s->options.timeout_ms * 1000u;
}

static bool is_late(const struct stele_shipper *s) {
    return s->ring.first < s->ring.next && stele_monotonic_us() > gives_up_at_us(s);
}

/* Under the lock. The next call has the whole time again. */
static stele_status give_up(struct stele_shipper *s, stele_err *err) {
    s->progress_us = stele_monotonic_us();
    if (s->why.status != STELE_OK) {
        return STELE_FAIL(err, CLOSED, "nothing was acknowledged for %u ms: %.180s",
                          s->options.timeout_ms, s->why.text);
    }
    return STELE_FAIL(err, CLOSED,
                      "nothing was acknowledged for %u ms, and the server gives no reason: is it "
                      "stopped, or overloaded?",
                      s->options.timeout_ms);
}

/* A transport that takes no more (the server reads nothing) would hold the sender for ever. */
static void *watch(void *arg) {
    struct stele_shipper *s = arg;
    (void)pthread_mutex_lock(&s->lock);
    while (!s->closing) {
        uint64_t until = stele_monotonic_us() + WAIT_STEP_MS * 1000u;
        if (s->sending && is_late(s)) {
            stele_rpc_stream_cancel(s->stream);
        } else if (s->sending && gives_up_at_us(s) < until) {
            until = gives_up_at_us(s) + 1000;
        }
        wait_until(s, &s->closed, until);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ------------------------------------------------------------------ the stream */

/* Not under the lock. */
static void drop_stream(struct stele_shipper *s) {
    struct stele_rpc_stream *stream = s->stream;
    if (s->receiving) {
        stele_rpc_stream_cancel(stream);
        (void)pthread_join(s->receiver, NULL);
        s->receiving = false;
    }
    (void)pthread_mutex_lock(&s->lock);
    s->stream = NULL;
    (void)pthread_mutex_unlock(&s->lock);
    stele_rpc_stream_close(stream);
}

/* Not under the lock. A stream has no deadline, so a server that accepts connections and does
 * nothing is found by a call that has one. */
static stele_status open_stream(struct stele_shipper *s, uint32_t within_ms, stele_err *err) {
    struct stele_rpc_stream *stream = NULL;
    stele_buf reply = STELE_BUF_EMPTY;
    stele_status st = stele_rpc_unary(s->client, HEALTH_PATH, stele_view_of(NULL, 0), within_ms,
                                      &reply, NULL, err);
    stele_buf_done(&reply);
    if (st == STELE_CLOSED) {
        return st;
    }
    st = stele_rpc_stream_open(s->client, STELE_APPEND_STREAM_PATH, 0, &stream, err);
    if (st != STELE_OK) {
        return st;
    }
    (void)pthread_mutex_lock(&s->lock);
    s->stream = stream;
    s->broken = false;
    s->retry_at_us = 0;
    (void)pthread_mutex_unlock(&s->lock);
    int failed = pthread_create(&s->receiver, NULL, receive, s);
    if (failed != 0) {
        drop_stream(s);
        return STELE_FAIL_ERRNO(err, failed, "no thread to receive acknowledgements");
    }
    s->receiving = true;
    return STELE_OK;
}

/* Under the lock, which it gives up meanwhile: makes sure that there is a stream while there is
 * something to send. Errors: CLOSED after the timeout, or what the server ended the stream with. */
static stele_status ensure_stream(struct stele_shipper *s, stele_err *err) {
    stele_err why;
    while (s->stream == NULL || s->broken) {
        bool again = s->stream != NULL;
        if (again && is_final(s->why_code)) {
            *err = s->why;
            return s->why.status;
        }
        stele_ship_ring_take_back(&s->ring);
        if (is_late(s)) {
            return give_up(s, err);
        }
        uint64_t now = stele_monotonic_us();
        uint64_t left_ms = gives_up_at_us(s) > now ? (gives_up_at_us(s) - now) / 1000u + 1 : 1;
        (void)pthread_mutex_unlock(&s->lock);
        drop_stream(s);
        if (again) {
            pause_before_retry(s);
        }
        stele_status st =
            s->ring.n_waiting == 0 ? STELE_OK : open_stream(s, (uint32_t)left_ms, &why);
        if (st != STELE_OK) {
            pause_before_retry(s);
        }
        (void)pthread_mutex_lock(&s->lock);
        if (st == STELE_NO_MEMORY || st == STELE_IO) {
            *err = why;
            return st;
        }
        if (st != STELE_OK) {
            s->why = why;
        } else if (s->stream == NULL) {
            break; /* nothing to send: the next event opens one */
        }
    }
    return STELE_OK;
}

/* ------------------------------------------------------------------ sending and reporting */

/* Under the lock, which it gives up meanwhile. Whole batches only, or everything if `all`. */
static stele_status send_waiting(struct stele_shipper *s, bool all, stele_err *err) {
    stele_status st = STELE_OK;
    uint32_t least = all ? 1u : s->options.batch_events;
    if (s->stream != NULL && s->broken) {
        STELE_TRY(ensure_stream(s, err));
    }
    while (s->ring.n_waiting >= least && stele_monotonic_us() >= s->retry_at_us) {
        STELE_TRY(ensure_stream(s, err));
        stele_buf_clear(&s->request);
        STELE_TRY(stele_ship_ring_gather(&s->ring, s->options.batch_events, stele_monotonic_us(),
                                         &s->request, err));
        s->sending = true;
        (void)pthread_mutex_unlock(&s->lock);
        /* A failure here shows as a broken stream; the receiver knows why. */
        stele_status sent = stele_rpc_stream_send(s->stream, stele_view_buf(&s->request), NULL);
        (void)pthread_mutex_lock(&s->lock);
        s->sending = false;
        while (sent != STELE_OK && !s->broken) {
            (void)pthread_cond_wait(&s->moved, &s->lock);
        }
    }
cleanup:
    return st;
}

/* Under the lock: reports decided events from the oldest on. The callback runs without the lock:
 * they are decided, nobody else touches them. */
static void report_decided(struct stele_shipper *s) {
    uint64_t n = 0;
    while ((n = stele_ship_ring_decided(&s->ring)) > 0) {
        (void)pthread_mutex_unlock(&s->lock);
        for (uint64_t i = 0; i < n; i++) {
            s->report(s->report_ctx, stele_ship_ring_at(&s->ring, s->ring.first + i));
        }
        (void)pthread_mutex_lock(&s->lock);
        for (uint64_t i = 0; i < n; i++) {
            stele_ship_ring_pop(&s->ring);
        }
    }
}

/* Sends, waits at most max_ms for a decision, reports. */
static stele_status step(struct stele_shipper *s, uint32_t max_ms, stele_err *err) {
    stele_status st = STELE_OK;
    (void)pthread_mutex_lock(&s->lock);
    report_decided(s);
    STELE_TRY(send_waiting(s, true, err));
    if (s->ring.first < s->ring.next && stele_ship_ring_decided(&s->ring) == 0 && !s->broken) {
        uint64_t until = stele_monotonic_us() + (uint64_t)max_ms * 1000u;
        if (s->ring.n_waiting > 0 && s->retry_at_us < until) {
            until = s->retry_at_us;
        }
        wait_until(s, &s->moved, until);
    }
    report_decided(s);
    if (is_late(s)) {
        st = give_up(s, err);
    }
cleanup:
    if (st != STELE_OK) {
        report_decided(s); /* what came in while the failure was found is known, so it is told */
    }
    (void)pthread_mutex_unlock(&s->lock);
    return st;
}

static bool is_idle(struct stele_shipper *s) {
    (void)pthread_mutex_lock(&s->lock);
    bool idle = s->ring.first == s->ring.next;
    (void)pthread_mutex_unlock(&s->lock);
    return idle;
}

/* Under the lock, which it gives up meanwhile: waits until an event of so many bytes fits, and
 * begins to count the time if it is the only one. */
static stele_status make_room(struct stele_shipper *s, size_t payload_bytes, stele_err *err) {
    for (;;) {
        if (s->ring.first == s->ring.next) {
            s->progress_us = stele_monotonic_us();
        }
        if (stele_ship_ring_has_room(&s->ring, payload_bytes)) {
            return STELE_OK;
        }
        (void)pthread_mutex_unlock(&s->lock);
        stele_status st = step(s, WAIT_STEP_MS, err);
        (void)pthread_mutex_lock(&s->lock);
        if (st != STELE_OK) {
            return st;
        }
    }
}

/* ------------------------------------------------------------------ the calls */

static void set_defaults(struct stele_shipper_options *options) {
    options->window = options->window == 0 ? WINDOW_DEFAULT : options->window;
    options->window_bytes =
        options->window_bytes == 0 ? WINDOW_BYTES_DEFAULT : options->window_bytes;
    options->batch_events = options->batch_events == 0 ? BATCH_DEFAULT : options->batch_events;
    options->timeout_ms = options->timeout_ms == 0 ? TIMEOUT_MS_DEFAULT : options->timeout_ms;
}

stele_status stele_shipper_open(struct stele_rpc_client *client,
                                const struct stele_shipper_options *options,
                                stele_shipped_fn shipped, void *ctx, struct stele_shipper **ret,
                                stele_err *err) {
    pthread_condattr_t monotonic;
    stele_status st = STELE_OK;
    struct stele_shipper *s = stele_alloc(1, sizeof *s);
    if (s == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to ship events");
    }
    s->client = client;
    s->options = *options;
    set_defaults(&s->options);
    s->report = shipped;
    s->report_ctx = ctx;
    s->progress_us = stele_monotonic_us();
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->moved, &monotonic);
    (void)pthread_cond_init(&s->closed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    STELE_TRY(stele_ship_ring_init(&s->ring, s->options.window, s->options.window_bytes, err));
    int failed = pthread_create(&s->watcher, NULL, watch, s);
    if (failed != 0) {
        STELE_TRY(STELE_FAIL_ERRNO(err, failed, "no thread to watch a stream"));
    }
    s->watching = true;
    *ret = s;
    return STELE_OK;
cleanup:
    stele_shipper_close(s);
    return st;
}

stele_status stele_shipper_put(struct stele_shipper *s, uint64_t line, stele_view payload,
                               stele_err *err) {
    stele_status st = STELE_OK;
    (void)pthread_mutex_lock(&s->lock);
    STELE_TRY(make_room(s, payload.size, err));
    STELE_TRY(stele_ship_ring_add(&s->ring, line, payload, err));
    if (s->ring.n_waiting >= s->options.batch_events) {
        STELE_TRY(send_waiting(s, false, err));
    }
    report_decided(s);
cleanup:
    (void)pthread_mutex_unlock(&s->lock);
    return st;
}

stele_status stele_shipper_put_refused(struct stele_shipper *s, uint64_t line, uint32_t code,
                                       const char *error, stele_err *err) {
    (void)pthread_mutex_lock(&s->lock);
    stele_status st = make_room(s, 0, err);
    if (st == STELE_OK) {
        stele_ship_ring_add_refused(&s->ring, line, code, error);
        report_decided(s);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return st;
}

stele_status stele_shipper_wait(struct stele_shipper *s, uint32_t max_ms, bool *ret_idle,
                                stele_err *err) {
    stele_status st = step(s, max_ms, err);
    if (st == STELE_OK) {
        *ret_idle = is_idle(s);
    }
    return st;
}

stele_status stele_shipper_finish(struct stele_shipper *s, stele_err *err) {
    stele_status st = STELE_OK;
    while (!is_idle(s)) {
        STELE_TRY(step(s, WAIT_STEP_MS, err));
    }
cleanup:
    return st;
}

uint64_t stele_shipper_undecided(struct stele_shipper *s, uint64_t *ret_line) {
    (void)pthread_mutex_lock(&s->lock);
    const struct stele_ship_ring *ring = &s->ring;
    uint64_t n = ring->next - ring->first;
    *ret_line = n == 0 ? 0 : ring->slot[ring->first % ring->window].shipped.line;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

void stele_shipper_close(struct stele_shipper *s) {
    if (s == NULL) {
        return;
    }
    if (s->watching) {
        (void)pthread_mutex_lock(&s->lock);
        s->closing = true;
        (void)pthread_cond_signal(&s->closed);
        (void)pthread_mutex_unlock(&s->lock);
        (void)pthread_join(s->watcher, NULL);
    }
    drop_stream(s);
    stele_ship_ring_done(&s->ring);
    stele_buf_done(&s->request);
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_cond_destroy(&s->moved);
    (void)pthread_cond_destroy(&s->closed);
    stele_free(s);
}
