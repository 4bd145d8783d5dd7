/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/append_fake.c: AppendStream by a script. */
#include "tests/support/append_fake.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/append_wire.h"
#include "tests/support/cmocka.h"

/* One stream. Its callbacks run one after the other, on core's thread. */
struct stream {
    uint64_t n_events; /* ordinals so far */
    stele_buf pending; /* what waits for the send under way */
    bool sending, ended;
};

/* In callbacks there is no test to fail. */
static void must(stele_status st) {
    if (st != STELE_OK) {
        abort();
    }
}

static void push(struct stele_rpc_call *call, struct stream *stream) {
    if (stream->sending || stream->ended || stream->pending.size == 0) {
        return;
    }
    stream->sending = stele_rpc_send(call, stele_view_buf(&stream->pending), NULL) == STELE_OK;
    stele_buf_clear(&stream->pending);
}

static void end(struct stele_rpc_call *call, struct stream *stream, stele_status status) {
    stele_err err;
    stream->ended = true;
    stele_status st = stele_err__set(&err, status, 0, STELE_WHERE, "the fake ends with %s",
                                     stele_status_name(status));
    (void)st;
    stele_rpc_finish_error(call, &err, 0);
}

static uint64_t number_of(stele_view event) {
    uint64_t number = 0;
    if (event.size < sizeof number) {
        abort();
    }
    memcpy(&number, event.data, sizeof number);
    return number;
}

static void put_stored(const struct append_fake *fake, uint64_t ordinal, uint64_t seq,
                       bool duplicate, stele_buf *out) {
    struct stele_append_range range = {.first_event = ordinal,
                                       .events = 1,
                                       .log = stele_view_str("eu/3y"),
                                       .first_seq = seq,
                                       .log_time_unix_nano = seq * 1000,
                                       .duplicate = duplicate};
    must(stele_append_stream_put_range(out, &range, NULL));
    if (fake->manner.twice) {
        range.first_seq += 1000000;
        must(stele_append_stream_put_range(out, &range, NULL));
        range.first_event += 1000000; /* never sent */
        range.events = UINT32_MAX;
        must(stele_append_stream_put_range(out, &range, NULL));
    }
}

static void put_refused(const struct append_fake *fake, uint64_t ordinal, uint32_t code,
                        const char *error, stele_buf *out) {
    struct stele_append_refusal refusal = {ordinal, code, stele_view_str(error)};
    must(stele_append_stream_put_refusal(out, &refusal, NULL));
    if (fake->manner.twice) {
        must(stele_append_stream_put_refusal(out, &refusal, NULL));
    }
}

/* Under the lock. */
static void decide(struct append_fake *fake, uint64_t ordinal, uint64_t number, stele_buf *out) {
    const struct append_fake_manner *manner = &fake->manner;
    if (number >= APPEND_FAKE_EVENTS_MAX) {
        abort();
    }
    if (manner->refuse_every > 0 && number % manner->refuse_every == 0) {
        put_refused(fake, ordinal, STELE_RPC_INVALID_ARGUMENT, "event: refused by the fake", out);
    } else if (fake->busy[number] < manner->busy_times) {
        fake->busy[number]++;
        put_refused(fake, ordinal, STELE_RPC_RESOURCE_EXHAUSTED, "the queue is full", out);
    } else {
        bool known = fake->seq[number] != 0;
        if (!known) {
            fake->order[fake->next_seq] = number;
            fake->seq[number] = ++fake->next_seq;
        }
        put_stored(fake, ordinal, fake->seq[number], known, out);
    }
}

/* Under the lock. */
static void take(struct append_fake *fake, struct stele_rpc_call *call, struct stream *stream,
                 const struct stele_append_request *request) {
    const struct append_fake_manner *manner = &fake->manner;
    size_t n = request->n_events;
    bool breaks = manner->break_one_in > 0 && rng_below(&fake->rng, manner->break_one_in) == 0;
    bool tells = !breaks || rng_below(&fake->rng, 2) == 0;
    if (breaks) {
        n = (size_t)rng_below(&fake->rng, n + 1);
    }
    for (size_t i = 0; i < n && !manner->silent; i++) {
        decide(fake, stream->n_events + i, number_of(request->event[i]), &stream->pending);
    }
    stream->n_events += request->n_events;
    if (manner->late || !tells) {
        stele_buf_clear(&stream->pending); /* stored, and nobody is told */
    }
    if (manner->garbage) {
        stele_buf_clear(&stream->pending);
        must(stele_buf_append(&stream->pending, stele_view_str("\xff\xff\xff no message"), NULL));
    }
    push(call, stream);
    if (breaks) {
        end(call, stream, STELE_CLOSED);
    }
}

static void on_message(void *service, struct stele_rpc_call *call,
                       struct stele_rpc_message *message) {
    struct append_fake *fake = service;
    struct stream *stream = stele_rpc_call_state(call);
    struct stele_append_request *request = stele_alloc(1, sizeof *request);
    if (request == NULL) {
        abort();
    }
    must(stele_append_request_read(stele_rpc_message_view(message), STELE_APPEND_STREAM, request,
                                   NULL));
    (void)pthread_mutex_lock(&fake->lock);
    if (stream == NULL) {
        stream = stele_alloc(1, sizeof *stream);
        stele_rpc_call_set_state(call, stream);
        fake->n_streams++;
    }
    size_t bytes = stele_rpc_message_view(message).size;
    fake->n_messages++;
    fake->n_received += request->n_events;
    fake->n_largest =
        request->n_events > fake->n_largest ? (unsigned)request->n_events : fake->n_largest;
    fake->bytes_largest = bytes > fake->bytes_largest ? bytes : fake->bytes_largest;
    bool deaf = fake->manner.deaf;
    if (fake->manner.ends_with != STELE_OK) {
        end(call, stream, fake->manner.ends_with);
    } else {
        take(fake, call, stream, request);
    }
    (void)pthread_mutex_unlock(&fake->lock);
    stele_rpc_message_release(message);
    stele_free(request);
    if (!deaf) {
        stele_rpc_receive_next(call);
    }
}

static void on_sent(void *service, struct stele_rpc_call *call) {
    struct append_fake *fake = service;
    struct stream *stream = stele_rpc_call_state(call);
    (void)pthread_mutex_lock(&fake->lock);
    stream->sending = false;
    push(call, stream);
    (void)pthread_mutex_unlock(&fake->lock);
}

static void on_half_close(void *service, struct stele_rpc_call *call) {
    (void)service;
    stele_rpc_finish_ok(call, stele_view_of(NULL, 0));
}

static void on_done(void *service, struct stele_rpc_call *call) {
    struct stream *stream = stele_rpc_call_state(call);
    (void)service;
    if (stream != NULL) {
        stele_buf_done(&stream->pending);
        stele_free(stream);
    }
}

/* ------------------------------------------------------------------ the server */

static void start_server(struct append_fake *fake) {
    fake->method = (struct stele_rpc_method){.path = STELE_APPEND_STREAM_PATH,
                                             .kind = STELE_RPC_BIDI,
                                             .service = fake,
                                             .on_message = on_message,
                                             .on_half_close = on_half_close,
                                             .on_sent = on_sent,
                                             .on_done = on_done};
    char listen[32];
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", fake->port);
    struct stele_rpc_server_options options = {.listen = listen,
                                               .insecure = true,
                                               .n_threads = 1,
                                               .message_bytes_max = STELE_APPEND_BYTES_MAX + 1024,
                                               .streams_per_connection_max = 100,
                                               .drain_ms = 1,
                                               .methods = &fake->method,
                                               .n_methods = 1};
    stele_err err = {.text = ""};
    if (stele_rpc_server_start(&options, &fake->server, &err) != STELE_OK) {
        fail_msg("the fake server: %s", err.text);
    }
    fake->port = stele_rpc_server_port(fake->server);
    stele_rpc_server_set_serving(fake->server, true);
}

struct append_fake *append_fake_start(const struct append_fake_manner *manner) {
    struct append_fake *fake = stele_alloc(1, sizeof *fake);
    char target[32];
    stele_err err = {.text = ""};
    assert_non_null(fake);
    fake->manner = *manner;
    fake->rng = rng_start("append_fake");
    (void)pthread_mutex_init(&fake->lock, NULL);
    start_server(fake);
    (void)snprintf(target, sizeof target, "127.0.0.1:%u", fake->port);
    struct stele_rpc_client_options options = {
        .target = target, .insecure = true, .message_bytes_max = 1u << 20, .own_connection = true};
    if (stele_rpc_client_open(&options, &fake->client, &err) != STELE_OK) {
        fail_msg("a client of the fake: %s", err.text);
    }
    return fake;
}

void append_fake_stop(struct append_fake *fake) {
    stele_rpc_server_free(fake->server);
    fake->server = NULL;
}

void append_fake_restart(struct append_fake *fake) {
    start_server(fake);
}

void append_fake_behave(struct append_fake *fake, const struct append_fake_manner *manner) {
    (void)pthread_mutex_lock(&fake->lock);
    fake->manner = *manner;
    (void)pthread_mutex_unlock(&fake->lock);
}

void append_fake_free(struct append_fake *fake) {
    stele_rpc_client_close(fake->client);
    stele_rpc_server_free(fake->server);
    (void)pthread_mutex_destroy(&fake->lock);
    stele_free(fake);
}
