/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_client.c: blocking calls over gRPC core. Every operation is plucked by the thread that
 * started it, except a stream's status: that one is started with the stream and plucked by whoever
 * needs it first, under a lock.
 *
 * Nothing waits for a server that is not there: a call fails with the first failed connection
 * attempt and says why. The next call tries again, after a pause of at most BACKOFF_MS_MAX.
 */
#include "proto/rpc_client.h"

#include "proto/rpc_connect.h"
#include "proto/rpc_core.h"
#include "proto/rpc_exchange.h"

#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
    CONNECT_MS_MAX = 10 * 1000, /* core names it the smallest reconnect backoff */
    BACKOFF_MS_FIRST = 100,     /* a server that restarts is back within a second or so */
    BACKOFF_MS_MAX = 2 * 1000,
    PING_AFTER_MS = 30 * 1000, /* a stream without traffic notices a dead server */
    PING_TIMEOUT_MS = 20 * 1000,
    HEADER_BYTES_MAX = 16 * 1024,
};

struct stele_rpc_stream {
    struct stele_rpc_client *client;
    grpc_completion_queue *cq;
    grpc_call *call;
    grpc_metadata_array headers;
    struct stele_rpc_ending ending;
    char tag_open, tag_send, tag_half_close, tag_receive,
        tag_ending; /* their addresses are the tags */
    pthread_mutex_t lock;
    bool ended;         /* locked: `ending` is there */
    bool headers_asked; /* by the receiving thread */
};

/* ---- the channel ---- */

static stele_status check_options(const struct stele_rpc_client_options *options, stele_err *err) {
    if (options->target == NULL || options->target[0] == '\0') {
        return STELE_FAIL(err, INVALID,
                          "no server address: write host:port, such as 127.0.0.1:7443");
    }
    if (options->message_bytes_max == 0 || options->message_bytes_max > INT32_MAX) {
        return STELE_FAIL(err, INVALID, "message_bytes_max is %u: 1 to %d",
                          options->message_bytes_max, INT32_MAX);
    }
    if (options->insecure) {
        return STELE_OK;
    }
    if (options->server_ca_pem == NULL ||
        strstr(options->server_ca_pem, "-----BEGIN CERT") == NULL) {
        return STELE_FAIL(err, INVALID,
                          "the server CA is no PEM certificate: give the file's contents");
    }
    if (options->private_key_pem != NULL &&
        strstr(options->private_key_pem, "PRIVATE KEY-") == NULL) {
        return STELE_FAIL(err, INVALID,
                          "the client's private key is no PEM key: give the file's contents");
    }
    if ((options->certificate_pem == NULL) != (options->private_key_pem == NULL)) {
        return STELE_FAIL(err, INVALID, "certificate and private key go together: one is missing");
    }
    return STELE_OK;
}

static grpc_channel_credentials *credentials_of(const struct stele_rpc_client_options *options) {
    if (options->insecure) {
        return grpc_insecure_credentials_create();
    }
    grpc_ssl_pem_key_cert_pair pair = {options->private_key_pem, options->certificate_pem};
    return grpc_ssl_credentials_create(options->server_ca_pem,
                                       options->certificate_pem == NULL ? NULL : &pair, NULL, NULL);
}

static grpc_arg integer_arg(const char *name, int value) {
    grpc_arg arg = {.type = GRPC_ARG_INTEGER};
    memcpy(&arg.key, &name, sizeof name); /* core's field is not const, core's use of it is */
    arg.value.integer = value;
    return arg;
}

static grpc_channel *create_channel(const struct stele_rpc_client_options *options,
                                    grpc_channel_credentials *credentials) {
    grpc_arg args[] = {
        integer_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)options->message_bytes_max),
        integer_arg(GRPC_ARG_MAX_METADATA_SIZE, HEADER_BYTES_MAX),
        integer_arg(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, options->own_connection ? 1 : 0),
        integer_arg(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, CONNECT_MS_MAX),
        integer_arg(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, BACKOFF_MS_FIRST),
        integer_arg(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, BACKOFF_MS_MAX),
        integer_arg(GRPC_ARG_KEEPALIVE_TIME_MS, PING_AFTER_MS),
        integer_arg(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, PING_TIMEOUT_MS),
        integer_arg(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),
        /* Who calls knows whether a call may be made again. Core's own retries keep a copy of each
         * call's batches, a sixth of what a small call costs a client. */
        integer_arg(GRPC_ARG_ENABLE_RETRIES, 0),
        integer_arg(GRPC_ARG_ENABLE_CHANNELZ, 0), /* counts that nobody can ask for */
        /* The address given is the address used: no proxy from the environment, no TXT records. */
        integer_arg(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
        integer_arg(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1),
        integer_arg(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, 0), /* the last: left out without a name */
    };
    enum { N = sizeof args / sizeof args[0] };
    bool named = options->server_name != NULL && !options->insecure;
    args[N - 1].type = GRPC_ARG_STRING;
    memcpy(&args[N - 1].value.string, &options->server_name, sizeof options->server_name);
    grpc_channel_args channel_args = {named ? N : N - 1, args};
    return grpc_channel_create(options->target, credentials, &channel_args);
}

stele_status stele_rpc_client_open(const struct stele_rpc_client_options *options,
                                   struct stele_rpc_client **ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_rpc_client *client = NULL;
    grpc_channel_credentials *credentials = NULL;
    STELE_TRY(check_options(options, err));
    client = stele_alloc(1, sizeof *client);
    if (client == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a client");
    }
    stele_rpc_core_start();
    stele_rpc_connect_mend();
    client->message_bytes_max = options->message_bytes_max;
    client->target = stele_strdup(options->target);
    if (client->target == NULL) {
        st = STELE_FAIL(err, NO_MEMORY, "no memory for a client");
        goto cleanup;
    }
    credentials = credentials_of(options);
    client->channel = credentials == NULL ? NULL : create_channel(options, credentials);
    if (client->channel == NULL) {
        st = STELE_FAIL(err, INVALID,
                        "no connection to %s can be set up: check CA, certificate and key",
                        options->target);
        goto cleanup;
    }
    *ret = client;
    client = NULL;
cleanup:
    if (credentials != NULL) {
        grpc_channel_credentials_release(credentials);
    }
    stele_rpc_client_close(client);
    return st;
}

void stele_rpc_client_close(struct stele_rpc_client *client) {
    if (client == NULL) {
        return;
    }
    if (client->channel != NULL) {
        grpc_channel_destroy(client->channel);
    }
    stele_free(client->target);
    stele_free(client);
    stele_rpc_core_stop();
}

/* ---- calls ---- */

static gpr_timespec deadline_in(uint32_t timeout_ms) {
    return stele_rpc_core_in_us((uint64_t)timeout_ms * 1000);
}

static grpc_call *create_call(struct stele_rpc_client *client, const char *path,
                              gpr_timespec deadline, grpc_completion_queue *cq) {
    grpc_slice method = grpc_slice_from_copied_string(path);
    grpc_call *call = grpc_channel_create_call(client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, cq,
                                               method, NULL, deadline, NULL);
    grpc_slice_unref(method);
    return call;
}

/* Waits for the operation; the call's own deadline or a cancel ends it. */
static bool await(grpc_completion_queue *cq, void *tag) {
    grpc_event event =
        grpc_completion_queue_pluck(cq, tag, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    return event.type == GRPC_OP_COMPLETE && event.success != 0;
}

static void destroy_cq(grpc_completion_queue *cq) {
    grpc_completion_queue_shutdown(cq);
    (void)grpc_completion_queue_pluck(cq, NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_completion_queue_destroy(cq);
}

stele_status stele_rpc_unary(struct stele_rpc_client *client, const char *path, stele_view request,
                             uint32_t timeout_ms, stele_buf *reply,
                             struct stele_rpc_result *ret_result, stele_err *err) {
    struct stele_rpc_exchange exchange;
    if (timeout_ms == 0) {
        return STELE_FAIL(err, INVALID, "%s needs a timeout in milliseconds", path);
    }
    stele_status st = stele_rpc_exchange_init(&exchange, request, err);
    if (st != STELE_OK) {
        return st;
    }
    grpc_completion_queue *cq = grpc_completion_queue_create_for_pluck(NULL);
    grpc_call *call = create_call(client, path, deadline_in(timeout_ms), cq);
    stele_rpc_exchange_start(&exchange, call, &exchange);
    (void)await(cq, &exchange);
    st = stele_rpc_exchange_take(&exchange, client, reply, ret_result, err);
    grpc_call_unref(call);
    destroy_cq(cq);
    stele_rpc_exchange_done(&exchange);
    return st;
}

bool stele_rpc_client_wait(struct stele_rpc_client *client, uint32_t max_ms) {
    gpr_timespec until = deadline_in(max_ms);
    grpc_completion_queue *cq = grpc_completion_queue_create_for_pluck(NULL);
    grpc_connectivity_state state = grpc_channel_check_connectivity_state(client->channel, 1);
    bool in_time = true;
    while (in_time && state != GRPC_CHANNEL_READY && state != GRPC_CHANNEL_SHUTDOWN) {
        grpc_channel_watch_connectivity_state(client->channel, state, until, cq, client);
        in_time = await(cq, client);
        state = grpc_channel_check_connectivity_state(client->channel, 1);
    }
    destroy_cq(cq);
    return state == GRPC_CHANNEL_READY;
}

/* ---- streams ---- */

/* Waits until the call has ended and its status is there. Any thread, any number of times. */
static void stream_await_ending(struct stele_rpc_stream *stream) {
    (void)pthread_mutex_lock(&stream->lock);
    if (!stream->ended) {
        (void)await(stream->cq, &stream->tag_ending);
        stream->ended = true;
    }
    (void)pthread_mutex_unlock(&stream->lock);
}

stele_status stele_rpc_stream_open(struct stele_rpc_client *client, const char *path,
                                   uint32_t timeout_ms, struct stele_rpc_stream **ret,
                                   stele_err *err) {
    struct stele_rpc_stream *stream = stele_alloc(1, sizeof *stream);
    if (stream == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a stream");
    }
    stream->client = client;
    (void)pthread_mutex_init(&stream->lock, NULL);
    grpc_metadata_array_init(&stream->headers);
    stele_rpc_ending_init(&stream->ending);
    stream->cq = grpc_completion_queue_create_for_pluck(NULL);
    stream->call =
        create_call(client, path,
                    timeout_ms == 0 ? gpr_inf_future(GPR_CLOCK_MONOTONIC) : deadline_in(timeout_ms),
                    stream->cq);
    grpc_op status = stele_rpc_ending_op(&stream->ending);
    stele_rpc_core_batch(stream->call, &status, 1, &stream->tag_ending);
    grpc_op open = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    stele_rpc_core_batch(stream->call, &open, 1, &stream->tag_open);
    if (!await(stream->cq, &stream->tag_open)) {
        stream_await_ending(stream);
        stele_status st = stele_rpc_ending_outcome(client, &stream->ending, NULL, err);
        stele_rpc_stream_close(stream);
        return st == STELE_OK ? STELE_FAIL(err, CLOSED, "%s ended before it began", path) : st;
    }
    *ret = stream;
    return STELE_OK;
}

stele_status stele_rpc_stream_send(struct stele_rpc_stream *stream, stele_view message,
                                   stele_err *err) {
    grpc_byte_buffer *out = NULL;
    stele_status st = stele_rpc_buffer_copy(message, &out, err);
    if (st != STELE_OK) {
        return st;
    }
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
    op.data.send_message.send_message = out;
    stele_rpc_core_batch(stream->call, &op, 1, &stream->tag_send);
    bool sent = await(stream->cq, &stream->tag_send);
    grpc_byte_buffer_destroy(out);
    return sent ? STELE_OK
                : STELE_FAIL(err, CLOSED, "the stream to %s is over: receiving from it says why",
                             stream->client->target);
}

stele_status stele_rpc_stream_half_close(struct stele_rpc_stream *stream, stele_err *err) {
    grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    stele_rpc_core_batch(stream->call, &op, 1, &stream->tag_half_close);
    return await(stream->cq, &stream->tag_half_close)
               ? STELE_OK
               : STELE_FAIL(err, CLOSED, "the stream to %s is over: receiving from it says why",
                            stream->client->target);
}

stele_status stele_rpc_stream_receive(struct stele_rpc_stream *stream, stele_buf *message,
                                      struct stele_rpc_result *ret_result, stele_err *err) {
    grpc_byte_buffer *in = NULL;
    grpc_op ops[2] = {{.op = GRPC_OP_RECV_MESSAGE}, {.op = GRPC_OP_RECV_INITIAL_METADATA}};
    ops[0].data.recv_message.recv_message = &in;
    ops[1].data.recv_initial_metadata.recv_initial_metadata = &stream->headers;
    stele_rpc_core_batch(stream->call, ops, stream->headers_asked ? 1 : 2, &stream->tag_receive);
    stream->headers_asked = true;
    bool ok = await(stream->cq, &stream->tag_receive);
    if (ok && in != NULL) {
        stele_buf_clear(message);
        stele_status st =
            stele_rpc_buffer_append(in, stream->client->message_bytes_max, message, err);
        grpc_byte_buffer_destroy(in);
        return st;
    }
    stele_rpc_buffer_drop(&in);
    stream_await_ending(stream);
    stele_status st = stele_rpc_ending_outcome(stream->client, &stream->ending, ret_result, err);
    return st == STELE_OK ? STELE_END : st;
}

void stele_rpc_stream_cancel(struct stele_rpc_stream *stream) {
    (void)grpc_call_cancel(stream->call, NULL);
}

void stele_rpc_stream_close(struct stele_rpc_stream *stream) {
    if (stream == NULL) {
        return;
    }
    stele_rpc_stream_cancel(stream); /* does nothing to a call that has its status */
    stream_await_ending(stream);
    grpc_call_unref(stream->call);
    destroy_cq(stream->cq);
    stele_rpc_ending_done(&stream->ending);
    grpc_metadata_array_destroy(&stream->headers);
    (void)pthread_mutex_destroy(&stream->lock);
    stele_free(stream);
}
