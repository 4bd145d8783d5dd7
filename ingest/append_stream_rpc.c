/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/append_stream_rpc.c: AppendStream: messages in, cumulative acks out.
 *
 * The messages of a stream are taken apart and submitted one after the other, by one worker at a
 * time, so that events keep the order they were sent in. They may be decided in any order; acks go
 * out in stream order, and one response covers all messages that were decided while the one before
 * was being sent. So many messages, and bytes, are under way at most: then the stream is not read,
 * which is how a slow log or a client that does not read its acks slows its own sender and nobody
 * else.
 *
 * The stream lives as long as its call, its posted work or a message of it does; `lock` guards all
 * of it and is never held while a request runs. A stream that must end with an error first acks
 * what it has.
 */
#include <assert.h>

#include "ingest/append.h"

/* A message from its arrival until its ack is on the way. */
struct streamed {
    struct stele_append_stream *stream;
    struct streamed *next;
    struct stele_rpc_message *message; /* until taken apart */
    struct stele_ingest_room room;     /* the same */
    uint64_t first_event;
    uint64_t n_events;
    size_t bytes;
    stele_buf response; /* its part of a response, once decided */
    bool decided;
};

struct stele_append_stream {
    struct stele_work work; /* first, so that the work is the stream */
    struct stele_ingest *ingest;
    struct stele_rpc_call *call;                 /* a reference */
    struct stele_append_stream *previous, *next; /* of the service's, under its streams_lock */
    pthread_mutex_t lock;
    /* all below under the lock */
    unsigned refs;
    struct streamed *first, *last; /* in stream order */
    struct streamed *fresh;        /* the first not yet taken apart; NULL: all are */
    unsigned n_under_way;
    size_t bytes_under_way;
    uint64_t n_events; /* of all messages taken apart */
    bool receiving;    /* the next message was asked for */
    bool posted;       /* the work */
    bool submitting;   /* a message has not its place in the queues yet */
    bool sending;
    bool half_closed;
    bool finished;     /* the service ended the call */
    bool over;         /* on_done ran */
    stele_err failure; /* status OK, or how the stream ends when what it has is acked */
};

/* ------------------------------------------------------------------ life */

static void streamed_free(struct streamed *m) {
    if (m->message != NULL) {
        stele_rpc_message_release(m->message);
        stele_ingest_drop(m->stream->ingest, &m->room);
    }
    stele_buf_done(&m->response);
    stele_free(m);
}

/* Gives up a reference, and the lock. */
static void unref_unlock(struct stele_append_stream *stream) {
    assert(stream->refs > 0);
    bool last = --stream->refs == 0;
    (void)pthread_mutex_unlock(&stream->lock);
    if (last) {
        assert(stream->first == NULL);
        stele_rpc_call_unref(stream->call);
        (void)pthread_mutex_destroy(&stream->lock);
        stele_free(stream);
    }
}

/* What is not in the list any more. Under the lock; its reference is not the last: the caller has
 * one. */
static void leave(struct stele_append_stream *stream, struct streamed *m) {
    stream->n_under_way--;
    stream->bytes_under_way -= m->bytes;
    stream->refs--;
    streamed_free(m);
}

/* ------------------------------------------------------------------ acks */

static stele_status put_fates(const struct stele_append *append, uint64_t first_event,
                              stele_buf *out, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_append_range range = {0};
    const struct stele_append_event *before = NULL; /* the last one of the range */
    for (size_t i = 0; i < append->n_events; i++) {
        const struct stele_append_event *event = &append->event[i];
        bool joins = before != NULL && event->code == 0 && event->log == before->log &&
                     event->seq == before->seq + 1 && event->time_us == before->time_us &&
                     event->duplicate == before->duplicate;
        if (joins) {
            range.events++;
            before = event;
            continue;
        }
        if (before != NULL) {
            STELE_TRY(stele_append_stream_put_range(out, &range, err));
            before = NULL;
        }
        if (event->code == 0) {
            range = (struct stele_append_range){
                .first_event = first_event + i,
                .events = 1,
                .log = stele_view_str(stele_log_full_name(event->log)),
                .first_seq = event->seq,
                .log_time_unix_nano = event->time_us * 1000,
                .duplicate = event->duplicate,
            };
            before = event;
        } else {
            struct stele_append_refusal refusal = {first_event + i, event->code,
                                                   stele_view_str(stele_append_error(event))};
            STELE_TRY(stele_append_stream_put_refusal(out, &refusal, err));
        }
    }
    if (before != NULL) {
        STELE_TRY(stele_append_stream_put_range(out, &range, err));
    }
cleanup:
    return st;
}

/* Takes the decided messages at the head of the stream into one response. Under the lock. */
static stele_status take_acks(struct stele_append_stream *stream, stele_buf *out, stele_err *err) {
    stele_status st = STELE_OK;
    uint64_t acked = 0;
    size_t bytes = 0;
    const struct streamed *m = stream->first;
    for (; m != NULL && m->decided && bytes < STELE_INGEST_RESPONSE_BYTES_SOFT; m = m->next) {
        acked = m->first_event + m->n_events;
        bytes += m->response.size;
    }
    STELE_TRY(stele_append_stream_put_acked(out, acked, err));
    while (stream->first != m) {
        struct streamed *head = stream->first;
        STELE_TRY(stele_buf_append(out, stele_view_buf(&head->response), err));
        stream->first = head->next;
        if (stream->first == NULL) {
            stream->last = NULL;
        }
        leave(stream, head);
    }
cleanup:
    return st;
}

static void end(struct stele_append_stream *stream) {
    stream->finished = true;
    if (stream->failure.status == STELE_OK) {
        stele_rpc_finish_ok(stream->call, stele_view_of(NULL, 0));
    } else {
        stele_rpc_finish_error(stream->call, &stream->failure,
                               stream->failure.status == STELE_BUSY ? STELE_INGEST_RETRY_AFTER_MS
                                                                    : 0);
    }
}

/* Drops messages nobody took apart. Under the lock. */
static void drop_fresh(struct stele_append_stream *stream) {
    struct streamed **at = &stream->first;
    stream->last = NULL;
    while (*at != stream->fresh) {
        stream->last = *at;
        at = &(*at)->next;
    }
    *at = NULL;
    while (stream->fresh != NULL) {
        struct streamed *m = stream->fresh;
        stream->fresh = m->next;
        leave(stream, m);
    }
}

/* Whatever can go on after something changed: an ack, the next message, the end. Under the lock. */
static void go_on(struct stele_append_stream *stream) {
    if (stream->over || stream->failure.status != STELE_OK) {
        drop_fresh(stream);
    }
    if (stream->over || stream->finished) {
        while (stream->first != NULL && stream->first->decided) {
            struct streamed *m = stream->first;
            stream->first = m->next;
            leave(stream, m);
        }
        stream->last = stream->first == NULL ? NULL : stream->last;
        return;
    }
    if (!stream->sending && stream->first != NULL && stream->first->decided) {
        stele_buf response = STELE_BUF_EMPTY;
        stele_err err = {0};
        stele_status st = take_acks(stream, &response, &err);
        if (st == STELE_OK) {
            st = stele_rpc_send(stream->call, stele_view_buf(&response), &err);
        }
        stream->sending = st == STELE_OK;
        if (st !=
            STELE_OK) { /* an ack that cannot be told ends the stream: later ones would be wrong */
            stream->failure = err;
            end(stream);
        }
        stele_buf_done(&response);
    }
    bool ends = stream->half_closed || stream->failure.status != STELE_OK;
    if (!stream->finished && ends && stream->first == NULL && !stream->sending) {
        end(stream);
    }
    bool room =
        stream->n_under_way == 0 || (stream->n_under_way < STELE_INGEST_STREAM_MESSAGES_MAX &&
                                     stream->bytes_under_way < STELE_INGEST_STREAM_BYTES_SOFT &&
                                     !stele_ingest_is_tight(stream->ingest));
    if (!stream->finished && !ends && !stream->receiving && room) {
        stream->receiving = true;
        stele_rpc_receive_next(stream->call);
    }
}

/* ------------------------------------------------------------------ one message */

static void on_decided(struct stele_append *append) {
    struct streamed *m = append->owner;
    struct stele_append_stream *stream = m->stream;
    stele_err err = {0};
    stele_status st = put_fates(append, m->first_event, &m->response, &err);
    stele_append_count_fates(append);
    stele_append_free(append);
    (void)pthread_mutex_lock(&stream->lock);
    m->decided = true;
    if (st != STELE_OK && stream->failure.status == STELE_OK) {
        stream->failure = err; /* its ack would say less than it must */
        if (!stream->finished && !stream->over) {
            end(stream);
        }
    }
    stream->refs++;
    go_on(stream);
    unref_unlock(stream);
}

/* Under the lock. */
static void post(struct stele_append_stream *stream) {
    if (!stream->posted && !stream->submitting && stream->fresh != NULL) {
        stream->posted = true;
        stream->refs++;
        stele_work_post(stream->ingest->pool, &stream->work);
    }
}

static void on_submitted(struct stele_append *append) {
    const struct streamed *m = append->owner;
    struct stele_append_stream *stream = m->stream;
    (void)pthread_mutex_lock(&stream->lock);
    stream->submitting = false;
    post(stream);
    (void)pthread_mutex_unlock(&stream->lock);
}

/* Takes the next fresh message apart. NULL: there is none, or it ended the stream. Under the lock.
 */
static struct stele_append *next_request(struct stele_append_stream *stream) {
    struct streamed *m = stream->fresh;
    struct stele_append *append = NULL;
    stele_err err = {0};
    if (m == NULL || stream->over || stream->finished || stream->failure.status != STELE_OK) {
        return NULL;
    }
    stele_status st =
        stele_append_new(stream->ingest, m->message, &m->room, STELE_APPEND_STREAM, &append, &err);
    if (st != STELE_OK) {
        if (st != STELE_NO_MEMORY) {
            stele_ingest_note_message(stream->ingest, stele_rpc_call_peer(stream->call),
                                      stele_rpc_message_view(m->message), &err);
        }
        stream->failure = err;
        return NULL;
    }
    m->message = NULL; /* the request's */
    m->first_event = stream->n_events;
    m->n_events = append->n_events;
    stream->n_events += append->n_events;
    stream->fresh = m->next;
    stream->submitting = true;
    append->peer = stele_rpc_call_peer(stream->call);
    append->patient = true;
    append->on_submitted = on_submitted;
    append->on_decided = on_decided;
    append->owner = m;
    return append;
}

static void stream_run(struct stele_work *work) {
    struct stele_append_stream *stream = (struct stele_append_stream *)(void *)work;
    (void)pthread_mutex_lock(&stream->lock);
    stream->posted = false;
    struct stele_append *append = next_request(stream);
    if (append != NULL) {
        (void)pthread_mutex_unlock(&stream->lock);
        stele_append_run(append);
        (void)pthread_mutex_lock(&stream->lock);
    }
    go_on(stream);
    unref_unlock(stream);
}

/* ------------------------------------------------------------------ callbacks of the loop */

static struct stele_append_stream *stream_of(struct stele_ingest *ingest,
                                             struct stele_rpc_call *call) {
    struct stele_append_stream *stream = stele_rpc_call_state(call);
    if (stream != NULL) {
        return stream;
    }
    stream = stele_alloc(1, sizeof *stream);
    if (stream != NULL) {
        stream->work.run = stream_run;
        stream->ingest = ingest;
        stream->call = call;
        stream->refs = 1; /* the call's */
        stream->receiving = true;
        (void)pthread_mutex_init(&stream->lock, NULL);
        stele_rpc_call_ref(call);
        stele_rpc_call_set_state(call, stream);
        (void)pthread_mutex_lock(&ingest->streams_lock);
        stream->next = ingest->streams;
        if (stream->next != NULL) {
            stream->next->previous = stream;
        }
        ingest->streams = stream;
        (void)pthread_mutex_unlock(&ingest->streams_lock);
    }
    return stream;
}

static void leave_list(struct stele_append_stream *stream) {
    struct stele_ingest *ingest = stream->ingest;
    (void)pthread_mutex_lock(&ingest->streams_lock);
    if (stream->next != NULL) {
        stream->next->previous = stream->previous;
    }
    if (stream->previous != NULL) {
        stream->previous->next = stream->next;
    } else {
        ingest->streams = stream->next;
    }
    (void)pthread_mutex_unlock(&ingest->streams_lock);
}

/* What is under way is still acked. Under the lock. */
static void shut_down(struct stele_append_stream *stream) {
    if (stream->failure.status == STELE_OK && !stream->half_closed) {
        (void)STELE_FAIL(&stream->failure, CLOSED,
                         "the server is shutting down; send what is not acknowledged again");
    }
}

void stele_append_stream_end_all(struct stele_ingest *ingest) {
    atomic_store(&ingest->ending, true);
    (void)pthread_mutex_lock(&ingest->streams_lock);
    for (struct stele_append_stream *s = ingest->streams; s != NULL; s = s->next) {
        (void)pthread_mutex_lock(&s->lock); /* it lives while it is in the list */
        shut_down(s);
        go_on(s);
        (void)pthread_mutex_unlock(&s->lock);
    }
    (void)pthread_mutex_unlock(&ingest->streams_lock);
}

/* Under the lock. */
static void add(struct stele_append_stream *stream, struct streamed *m) {
    if (stream->last == NULL) {
        stream->first = m;
    } else {
        stream->last->next = m;
    }
    stream->last = m;
    stream->fresh = stream->fresh == NULL ? m : stream->fresh;
    stream->n_under_way++;
    stream->bytes_under_way += m->bytes;
    stream->refs++; /* the message's */
}

void stele_append_stream_on_message(void *service, struct stele_rpc_call *call,
                                    struct stele_rpc_message *message) {
    struct stele_ingest *ingest = service;
    struct stele_append_stream *stream = stream_of(ingest, call);
    struct streamed *m = stele_alloc(1, sizeof *m);
    stele_err err = {0};
    stele_status st = STELE_OK;
    if (stream == NULL || m == NULL) {
        st = STELE_FAIL(&err, NO_MEMORY, "no memory for a message; send it again on a new stream");
    } else {
        st = stele_ingest_hold(ingest, call, stele_rpc_message_view(message).size, &m->room, &err);
    }
    if (st != STELE_OK) {
        stele_rpc_message_release(message);
        stele_free(m);
    }
    if (stream == NULL) {
        stele_rpc_finish_error(call, &err, 0);
        return;
    }
    (void)pthread_mutex_lock(&stream->lock);
    stream->receiving = false;
    if (st == STELE_OK) {
        m->stream = stream;
        m->message = message;
        m->bytes = m->room.bytes;
        add(stream, m);
        post(stream);
    } else if (stream->failure.status == STELE_OK) {
        stream->failure = err;
    }
    if (atomic_load(&ingest->ending)) {
        shut_down(stream);
    }
    stream->refs++;
    go_on(stream);
    unref_unlock(stream);
}

void stele_append_stream_on_half_close(void *service, struct stele_rpc_call *call) {
    struct stele_append_stream *stream = stele_rpc_call_state(call);
    (void)service;
    if (stream == NULL) { /* a stream without a message */
        stele_rpc_finish_ok(call, stele_view_of(NULL, 0));
        return;
    }
    (void)pthread_mutex_lock(&stream->lock);
    stream->half_closed = true;
    go_on(stream);
    (void)pthread_mutex_unlock(&stream->lock);
}

void stele_append_stream_on_sent(void *service, struct stele_rpc_call *call) {
    struct stele_append_stream *stream = stele_rpc_call_state(call);
    (void)service;
    (void)pthread_mutex_lock(&stream->lock);
    stream->sending = false;
    go_on(stream);
    (void)pthread_mutex_unlock(&stream->lock);
}

void stele_append_stream_on_done(void *service, struct stele_rpc_call *call) {
    struct stele_append_stream *stream = stele_rpc_call_state(call);
    (void)service;
    if (stream == NULL) {
        return;
    }
    leave_list(stream);
    (void)pthread_mutex_lock(&stream->lock);
    stream->over = true;
    go_on(stream);
    unref_unlock(stream); /* the call's */
}
