/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/shipper.c: a ring of undecided events between a sender (the caller) and a receiver thread.
 *
 * An event is WAITING (to be sent), SENT (under an ordinal of the current stream) or DECIDED. The ring's
 * oldest event leaves it when it is decided, which keeps the report in order.
 */
#include "tools/shipper.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proto/append_wire.h"

#define WINDOW_DEFAULT 16384u
#define BATCH_DEFAULT 256u
#define TIMEOUT_MS_DEFAULT 10000u
#define RETRY_PAUSE_MS 100u
#define CODE_RESOURCE_EXHAUSTED 8u
#define CODE_UNAVAILABLE 14u
#define LOG_TEXT_BYTES 80

typedef enum slot_state { SLOT_WAITING, SLOT_SENT, SLOT_DECIDED } slot_state;

struct slot {
    slot_state state;
    stele_buf payload;
    char log[LOG_TEXT_BYTES];
    char error[STELE_ERR_TEXT_BYTES];
    struct stele_shipped shipped;
};

struct stele_shipper {
    struct stele_rpc_client *client;
    struct stele_shipper_options options;
    stele_shipped_fn report;
    void *report_ctx;
    struct stele_rpc_stream *stream;
    pthread_t receiver;
    bool receiving;
    stele_buf request;
    size_t in_request;

    pthread_mutex_t lock; /* everything below */
    pthread_cond_t moved;
    struct slot *slot;    /* ring of options.window */
    uint64_t first, next; /* undecided are [first, next) */
    uint64_t n_waiting;
    uint64_t *ordinal;    /* ring: the slot number sent under an ordinal of this stream */
    uint64_t n_sent;      /* ordinals given in this stream */
    uint64_t progress_us;
    bool broken;          /* the stream ended */
    stele_err why;
    uint32_t why_code;
    uint64_t retry_at_us;
};

static uint64_t monotonic_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static struct slot *slot_of(struct stele_shipper *s, uint64_t number) {
    return &s->slot[number % s->options.window];
}

/* Under the lock. NULL if the server names an event that is not under way. */
static struct slot *slot_of_ordinal(struct stele_shipper *s, uint64_t ordinal) {
    if (ordinal >= s->n_sent || s->n_sent - ordinal > s->options.window) {
        return NULL;
    }
    struct slot *slot = slot_of(s, s->ordinal[ordinal % s->options.window]);
    return slot->state == SLOT_SENT ? slot : NULL;
}

static void decide(struct stele_shipper *s, struct slot *slot) {
    slot->state = SLOT_DECIDED;
    slot->shipped.decided_us = monotonic_us();
    s->progress_us = slot->shipped.decided_us;
}

static void take_stored(struct stele_shipper *s, const struct stele_append_range *range) {
    for (uint32_t i = 0; i < range->events; i++) {
        struct slot *slot = slot_of_ordinal(s, range->first_event + i);
        if (slot != NULL) {
            (void)snprintf(slot->log, sizeof slot->log, "%.*s", (int)range->log.size, (const char *)range->log.data);
            slot->shipped.code = 0;
            slot->shipped.log = slot->log;
            slot->shipped.seq = range->first_seq + i;
            slot->shipped.log_time_unix_nano = range->log_time_unix_nano;
            slot->shipped.duplicate = range->duplicate;
            decide(s, slot);
        }
    }
}

static void take_refused(struct stele_shipper *s, const struct stele_append_refusal *refused) {
    struct slot *slot = slot_of_ordinal(s, refused->event);
    if (slot == NULL) {
        return;
    }
    (void)snprintf(slot->error, sizeof slot->error, "%.*s", (int)refused->error.size, (const char *)refused->error.data);
    if (refused->code == CODE_RESOURCE_EXHAUSTED || refused->code == CODE_UNAVAILABLE) {
        slot->state = SLOT_WAITING;
        s->n_waiting++;
        s->retry_at_us = monotonic_us() + RETRY_PAUSE_MS * 1000u;
        s->why_code = refused->code;
        s->why.status = STELE_CLOSED;
        (void)snprintf(s->why.text, sizeof s->why.text, "%s", slot->error);
        return;
    }
    slot->shipped.code = refused->code;
    slot->shipped.error = slot->error;
    decide(s, slot);
}

static stele_status take_response(struct stele_shipper *s, stele_view message, stele_err *err) {
    struct stele_wire wire = stele_wire_of(message);
    struct stele_append_item item;
    stele_status st = STELE_OK;
    (void)pthread_mutex_lock(&s->lock);
    while ((st = stele_append_stream_next(&wire, &item, err)) == STELE_OK) {
        if (item.kind == STELE_APPEND_STORED) {
            take_stored(s, &item.as.stored);
        } else if (item.kind == STELE_APPEND_REFUSED) {
            take_refused(s, &item.as.refused);
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
    (void)pthread_mutex_lock(&s->lock);
    s->broken = true;
    if (st != STELE_END) {
        s->why = err;
        s->why_code = result.code;
    } else {
        s->why.status = STELE_CLOSED;
        (void)snprintf(s->why.text, sizeof s->why.text, "the server ended the stream");
        s->why_code = CODE_UNAVAILABLE;
    }
    (void)pthread_cond_broadcast(&s->moved);
    (void)pthread_mutex_unlock(&s->lock);
    stele_buf_done(&message);
    return NULL;
}

static void drop_stream(struct stele_shipper *s) {
    if (s->receiving) {
        stele_rpc_stream_cancel(s->stream);
        (void)pthread_join(s->receiver, NULL);
        s->receiving = false;
    }
    stele_rpc_stream_close(s->stream);
    s->stream = NULL;
}

static stele_status open_stream(struct stele_shipper *s, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(stele_rpc_stream_open(s->client, STELE_APPEND_STREAM_PATH, 0, &s->stream, err));
    s->n_sent = 0;
    s->broken = false;
    int failed = pthread_create(&s->receiver, NULL, receive, s);
    if (failed != 0) {
        stele_rpc_stream_close(s->stream);
        s->stream = NULL;
        return STELE_FAIL_ERRNO(err, failed, "no thread to receive acknowledgements");
    }
    s->receiving = true;
cleanup:
    return st;
}

stele_status stele_shipper_open(struct stele_rpc_client *client, const struct stele_shipper_options *options,
                                stele_shipped_fn shipped, void *ctx, struct stele_shipper **ret, stele_err *err) {
    struct stele_shipper *s = stele_alloc(1, sizeof *s);
    pthread_condattr_t monotonic;
    if (s == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to ship events");
    }
    s->client = client;
    s->options = *options;
    s->options.window = options->window == 0 ? WINDOW_DEFAULT : options->window;
    s->options.batch_events = options->batch_events == 0 ? BATCH_DEFAULT : options->batch_events;
    s->options.timeout_ms = options->timeout_ms == 0 ? TIMEOUT_MS_DEFAULT : options->timeout_ms;
    s->report = shipped;
    s->report_ctx = ctx;
    s->progress_us = monotonic_us();
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->moved, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    s->slot = stele_alloc(s->options.window, sizeof *s->slot);
    s->ordinal = stele_alloc(s->options.window, sizeof *s->ordinal);
    if (s->slot == NULL || s->ordinal == NULL) {
        stele_shipper_close(s);
        return STELE_FAIL(err, NO_MEMORY, "no memory for a window of %u events", options->window);
    }
    *ret = s;
    return STELE_OK;
}

/* Under the lock: reports decided events from the oldest on. The callback runs without the lock. */
static void report_decided(struct stele_shipper *s) {
    while (s->first < s->next && slot_of(s, s->first)->state == SLOT_DECIDED) {
        struct slot *slot = slot_of(s, s->first);
        (void)pthread_mutex_unlock(&s->lock);
        s->report(s->report_ctx, &slot->shipped);
        (void)pthread_mutex_lock(&s->lock);
        s->first++;
    }
}

/* Under the lock: everything that was sent and not decided waits again. */
static void take_back(struct stele_shipper *s) {
    for (uint64_t n = s->first; n < s->next; n++) {
        struct slot *slot = slot_of(s, n);
        if (slot->state == SLOT_SENT) {
            slot->state = SLOT_WAITING;
            s->n_waiting++;
        }
    }
    s->retry_at_us = monotonic_us() + RETRY_PAUSE_MS * 1000u;
}

/* Codes that no repetition will change. */
static bool is_final(uint32_t code) {
    return code != 0 && code != CODE_RESOURCE_EXHAUSTED && code != CODE_UNAVAILABLE && code != 4 /* DEADLINE */ &&
           code != 1 /* CANCELLED */ && code != 10 /* ABORTED */;
}

static stele_status give_up(struct stele_shipper *s, stele_err *err) {
    if (s->why.status != STELE_OK) {
        return STELE_FAIL(err, CLOSED, "no event was acknowledged for %u ms: %s", s->options.timeout_ms, s->why.text);
    }
    return STELE_FAIL(err, CLOSED, "no event was acknowledged for %u ms; is the server running?", s->options.timeout_ms);
}

/* Under the lock: makes sure there is a stream. Errors: CLOSED after the timeout, or a final refusal. */
static stele_status ensure_stream(struct stele_shipper *s, stele_err *err) {
    while (s->stream == NULL || s->broken) {
        if (s->stream != NULL && s->broken && is_final(s->why_code)) {
            *err = s->why;
            return s->why.status;
        }
        (void)pthread_mutex_unlock(&s->lock);
        bool again = s->stream != NULL;
        drop_stream(s);
        if (again) {
            struct timespec pause = {0, RETRY_PAUSE_MS * 1000000L};
            (void)nanosleep(&pause, NULL);
        }
        (void)pthread_mutex_lock(&s->lock);
        take_back(s);
        if (monotonic_us() - s->progress_us > (uint64_t)s->options.timeout_ms * 1000u) {
            return give_up(s, err);
        }
        stele_err open_err;
        if (open_stream(s, &open_err) != STELE_OK) {
            s->why = open_err;
            struct timespec pause = {0, RETRY_PAUSE_MS * 1000000L};
            (void)pthread_mutex_unlock(&s->lock);
            (void)nanosleep(&pause, NULL);
            (void)pthread_mutex_lock(&s->lock);
        }
        s->retry_at_us = 0;
    }
    return STELE_OK;
}

/* Under the lock: gathers up to one batch of waiting events into the request. */
static stele_status gather(struct stele_shipper *s, stele_err *err) {
    stele_status st = STELE_OK;
    stele_buf_clear(&s->request);
    s->in_request = 0;
    for (uint64_t n = s->first; n < s->next && s->n_waiting > 0 && s->in_request < s->options.batch_events; n++) {
        struct slot *slot = slot_of(s, n);
        if (slot->state != SLOT_WAITING) {
            continue;
        }
        if (s->request.size + stele_append_request_event_bytes(slot->payload.size) > STELE_APPEND_BYTES_MAX) {
            break;
        }
        STELE_TRY(stele_append_request_put_event(&s->request, stele_view_buf(&slot->payload), err));
        slot->state = SLOT_SENT;
        slot->shipped.sent_us = monotonic_us();
        s->ordinal[s->n_sent % s->options.window] = n;
        s->n_sent++;
        s->n_waiting--;
        s->in_request++;
    }
cleanup:
    return st;
}

/* Sends waiting events: whole batches only, or everything if `all`. */
static stele_status send_waiting(struct stele_shipper *s, bool all, stele_err *err) {
    stele_status st = STELE_OK;
    (void)pthread_mutex_lock(&s->lock);
    while (s->n_waiting >= (all ? 1u : s->options.batch_events) && monotonic_us() >= s->retry_at_us) {
        STELE_TRY(ensure_stream(s, err));
        STELE_TRY(gather(s, err));
        (void)pthread_mutex_unlock(&s->lock);
        /* A failure here shows as a broken stream; the receiver knows why. */
        stele_status sent = stele_rpc_stream_send(s->stream, stele_view_buf(&s->request), NULL);
        (void)pthread_mutex_lock(&s->lock);
        while (sent != STELE_OK && !s->broken) {
            (void)pthread_cond_wait(&s->moved, &s->lock);
        }
    }
    if (s->stream != NULL && s->broken) {
        STELE_TRY(ensure_stream(s, err));
    }
    report_decided(s);
cleanup:
    (void)pthread_mutex_unlock(&s->lock);
    return st;
}

/* Waits until fewer than `below` events are undecided. */
static stele_status wait_below(struct stele_shipper *s, uint64_t below, stele_err *err) {
    stele_status st = STELE_OK;
    for (;;) {
        STELE_TRY(send_waiting(s, true, err));
        (void)pthread_mutex_lock(&s->lock);
        uint64_t undecided = s->next - s->first;
        uint64_t now = monotonic_us();
        bool late = undecided > 0 && now - s->progress_us > (uint64_t)s->options.timeout_ms * 1000u;
        if (undecided >= below && !late && slot_of(s, s->first)->state != SLOT_DECIDED && !s->broken) {
            uint64_t until = now + (s->n_waiting > 0 ? RETRY_PAUSE_MS * 1000u : 500000u);
            struct timespec at = {(time_t)(until / 1000000u), (long)(until % 1000000u) * 1000};
            (void)pthread_cond_timedwait(&s->moved, &s->lock, &at);
        }
        if (late) {
            st = give_up(s, err);
        }
        (void)pthread_mutex_unlock(&s->lock);
        if (late || undecided < below) {
            return st;
        }
    }
cleanup:
    return st;
}

static stele_status take_slot(struct stele_shipper *s, uint64_t line, struct slot **ret, stele_err *err) {
    stele_status st = STELE_OK;
    if (s->next - s->first == s->options.window) {
        STELE_TRY(wait_below(s, s->options.window, err));
    }
    if (s->next == s->first) {
        s->progress_us = monotonic_us(); /* idle until now */
    }
    struct slot *slot = slot_of(s, s->next);
    stele_buf payload = slot->payload;
    *slot = (struct slot){.state = SLOT_WAITING, .payload = payload, .shipped.line = line};
    stele_buf_clear(&slot->payload);
    *ret = slot;
cleanup:
    return st;
}

stele_status stele_shipper_put(struct stele_shipper *s, uint64_t line, stele_view payload, stele_err *err) {
    stele_status st = STELE_OK;
    struct slot *slot = NULL;
    STELE_TRY(take_slot(s, line, &slot, err));
    STELE_TRY(stele_buf_append(&slot->payload, payload, err));
    (void)pthread_mutex_lock(&s->lock);
    s->next++;
    s->n_waiting++;
    bool full = s->n_waiting >= s->options.batch_events;
    (void)pthread_mutex_unlock(&s->lock);
    if (full) {
        STELE_TRY(send_waiting(s, false, err));
    }
cleanup:
    return st;
}

stele_status stele_shipper_put_refused(struct stele_shipper *s, uint64_t line, uint32_t code, const char *error,
                                       stele_err *err) {
    stele_status st = STELE_OK;
    struct slot *slot = NULL;
    STELE_TRY(take_slot(s, line, &slot, err));
    (void)snprintf(slot->error, sizeof slot->error, "%s", error);
    slot->shipped.code = code;
    slot->shipped.error = slot->error;
    (void)pthread_mutex_lock(&s->lock);
    decide(s, slot);
    s->next++;
    report_decided(s);
    (void)pthread_mutex_unlock(&s->lock);
cleanup:
    return st;
}

stele_status stele_shipper_flush(struct stele_shipper *s, stele_err *err) {
    return send_waiting(s, true, err);
}

stele_status stele_shipper_finish(struct stele_shipper *s, stele_err *err) {
    return wait_below(s, 1, err);
}

void stele_shipper_close(struct stele_shipper *s) {
    if (s == NULL) {
        return;
    }
    if (s->stream != NULL) {
        drop_stream(s);
    }
    for (uint32_t i = 0; s->slot != NULL && i < s->options.window; i++) {
        stele_buf_done(&s->slot[i].payload);
    }
    stele_free(s->slot);
    stele_free(s->ordinal);
    stele_buf_done(&s->request);
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_cond_destroy(&s->moved);
    stele_free(s);
}
