/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_null.c: the two Append calls without a log behind them: each event is counted and
 * said to be stored.
 */
#include "tools/bench_null.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/append_wire.h"
#include "proto/rpc_server.h"
#include "storage/file.h"
#include "tools/bench_folder.h"
#include "tools/certificates.h"

#define PEM_BYTES_MAX 65536u
#define MESSAGE_BYTES_MAX (STELE_APPEND_BYTES_MAX + 65536u) /* as steled's */
#define STREAMS_MAX 1024u
#define LOG_NAME "null/null"

enum { CA, SERVER_PEM, SERVER_KEY, CLIENT_PEM, CLIENT_KEY, N_FILES };

struct stele_bench_null {
    pid_t pid;
    stele_buf pem[N_FILES]; /* with a NUL */
    char target[32];
};

/* ------------------------------------------------------------------ the service */

/* A stream's. Its callbacks run on one thread. */
struct stream {
    uint64_t received, acked; /* events */
    bool sending, half_closed;
};

static void fail(struct stele_rpc_call *call, const stele_err *err) {
    stele_rpc_finish_error(call, err, 0);
}

static void on_unary(void *service, struct stele_rpc_call *call,
                     struct stele_rpc_message *message) {
    struct stele_append_request request;
    struct stele_append_result result = {.log = stele_view_str(LOG_NAME)};
    stele_buf reply = STELE_BUF_EMPTY;
    stele_err err;
    stele_status st = STELE_OK;
    (void)service;
    STELE_TRY(stele_append_request_read(stele_rpc_message_view(message), STELE_APPEND_UNARY,
                                        &request, &err));
    for (size_t i = 0; i < request.n_events; i++) {
        STELE_TRY(stele_append_response_put(&reply, &result, &err));
    }
    stele_rpc_finish_ok(call, stele_view_buf(&reply));
cleanup:
    if (st != STELE_OK) {
        fail(call, &err);
    }
    stele_buf_done(&reply);
    stele_rpc_message_release(message);
}

/* Acknowledges what came, unless an acknowledgement is under way. */
static void ack(struct stele_rpc_call *call, struct stream *stream) {
    struct stele_append_range range = {.first_event = stream->acked,
                                       .events = (uint32_t)(stream->received - stream->acked),
                                       .log = stele_view_str(LOG_NAME),
                                       .first_seq = stream->acked};
    stele_buf response = STELE_BUF_EMPTY;
    stele_err err;
    stele_status st = STELE_OK;
    if (stream->sending || range.events == 0) {
        return;
    }
    STELE_TRY(stele_append_stream_put_acked(&response, stream->received, &err));
    STELE_TRY(stele_append_stream_put_range(&response, &range, &err));
    STELE_TRY(stele_rpc_send(call, stele_view_buf(&response), &err));
    stream->acked = stream->received;
    stream->sending = true;
cleanup:
    if (st != STELE_OK) {
        fail(call, &err);
    }
    stele_buf_done(&response);
}

static void on_message(void *service, struct stele_rpc_call *call,
                       struct stele_rpc_message *message) {
    struct stream *stream = stele_rpc_call_state(call);
    struct stele_append_request request;
    stele_err err;
    stele_status st = STELE_OK;
    (void)service;
    if (stream == NULL) {
        stream = stele_alloc(1, sizeof *stream);
        STELE_TRY(stream == NULL ? STELE_FAIL(&err, NO_MEMORY, "no memory for a stream")
                                 : STELE_OK);
        stele_rpc_call_set_state(call, stream);
    }
    STELE_TRY(stele_append_request_read(stele_rpc_message_view(message), STELE_APPEND_STREAM,
                                        &request, &err));
    stream->received += request.n_events;
    stele_rpc_receive_next(call);
    ack(call, stream);
cleanup:
    if (st != STELE_OK) {
        fail(call, &err);
    }
    stele_rpc_message_release(message);
}

static void end_if_done(struct stele_rpc_call *call, const struct stream *stream) {
    if (stream == NULL || (stream->half_closed && stream->acked == stream->received)) {
        stele_rpc_finish_ok(call, stele_view_of(NULL, 0));
    }
}

static void on_half_close(void *service, struct stele_rpc_call *call) {
    struct stream *stream = stele_rpc_call_state(call);
    (void)service;
    if (stream != NULL) {
        stream->half_closed = true;
    }
    end_if_done(call, stream);
}

static void on_sent(void *service, struct stele_rpc_call *call) {
    struct stream *stream = stele_rpc_call_state(call);
    (void)service;
    stream->sending = false;
    ack(call, stream);
    end_if_done(call, stream);
}

static void on_done(void *service, struct stele_rpc_call *call) {
    (void)service;
    stele_free(stele_rpc_call_state(call));
}

static const struct stele_rpc_method methods[] = {
    {.path = STELE_APPEND_PATH, .kind = STELE_RPC_UNARY, .on_message = on_unary},
    {.path = STELE_APPEND_STREAM_PATH,
     .kind = STELE_RPC_BIDI,
     .on_message = on_message,
     .on_half_close = on_half_close,
     .on_sent = on_sent,
     .on_done = on_done},
};

/* ------------------------------------------------------------------ the process */

/* What the child tells: its port, or why it has none. */
struct news {
    uint16_t port;
    stele_status st;
    stele_err err;
};

static void run_child(const struct stele_bench_null *null, int out) {
    struct stele_rpc_server *server = NULL;
    struct news news = {.st = STELE_OK};
    struct stele_rpc_server_options options = {
        .listen = "127.0.0.1:0",
        .certificate_pem = (const char *)null->pem[SERVER_PEM].data,
        .private_key_pem = (const char *)null->pem[SERVER_KEY].data,
        .client_ca_pem = (const char *)null->pem[CA].data,
        .n_threads = 1,
        .message_bytes_max = MESSAGE_BYTES_MAX,
        .streams_per_connection_max = STREAMS_MAX,
        .methods = methods,
        .n_methods = sizeof methods / sizeof methods[0]};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a bench that is killed leaves no server behind */
    news.st = stele_rpc_server_start(&options, &server, &news.err);
    news.port = news.st == STELE_OK ? stele_rpc_server_port(server) : 0;
    bool told = write(out, &news, sizeof news) == (ssize_t)sizeof news;
    while (told && news.st == STELE_OK) {
        (void)pause(); /* until it is killed: it has nothing to lose */
    }
    _exit(0);
}

static stele_status fork_child(struct stele_bench_null *null, stele_err *err) {
    struct news news = {.st = STELE_IO};
    int ends[2];
    if (pipe(ends) != 0) {
        return STELE_FAIL_ERRNO(err, errno, "cannot make a pipe");
    }
    null->pid = fork();
    if (null->pid == 0) {
        (void)close(ends[0]);
        run_child(null, ends[1]);
    }
    (void)close(ends[1]);
    if (null->pid < 0) {
        (void)close(ends[0]);
        null->pid = 0;
        return STELE_FAIL_ERRNO(err, errno, "cannot fork a server");
    }
    bool heard = read(ends[0], &news, sizeof news) == (ssize_t)sizeof news;
    (void)close(ends[0]);
    if (!heard) {
        return STELE_FAIL(err, IO, "the server that only acknowledges did not start");
    }
    if (news.st != STELE_OK) {
        *err = news.err;
        return news.st;
    }
    (void)snprintf(null->target, sizeof null->target, "127.0.0.1:%u", news.port);
    return STELE_OK;
}

/* ------------------------------------------------------------------ certificates */

/* Made in a folder that is gone again at once. */
static stele_status make_certificates(struct stele_bench_null *null, stele_err *err) {
    static const char *const names[N_FILES] = {"ca.pem", "server.pem", "server.key", "client.pem",
                                               "client.key"};
    char folder[STELE_BENCH_DIR_BYTES];
    char path[sizeof folder + 16];
    stele_status st = stele_bench_folder_make(folder, err);
    if (st != STELE_OK) {
        return st;
    }
    STELE_TRY(stele_certificates_make(folder, NULL, err));
    for (size_t i = 0; i < N_FILES; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        STELE_TRY(stele_file_read(path, PEM_BYTES_MAX, &null->pem[i], err));
        STELE_TRY(stele_buf_append(&null->pem[i], stele_view_of("", 1), err));
    }
cleanup:
    stele_bench_folder_remove(folder);
    return st;
}

stele_status stele_bench_null_start(struct stele_bench_null **ret, stele_err *err) {
    struct stele_bench_null *null = stele_alloc(1, sizeof *null);
    stele_status st = STELE_OK;
    if (null == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a server");
    }
    STELE_TRY(make_certificates(null, err));
    STELE_TRY(fork_child(null, err));
    *ret = null;
    null = NULL;
cleanup:
    stele_bench_null_stop(null);
    return st;
}

void stele_bench_null_stop(struct stele_bench_null *null) {
    if (null == NULL) {
        return;
    }
    if (null->pid > 0) {
        (void)kill(null->pid, SIGKILL);
        (void)waitpid(null->pid, NULL, 0);
    }
    for (size_t i = 0; i < N_FILES; i++) {
        stele_buf_done(&null->pem[i]);
    }
    stele_free(null);
}

stele_status stele_bench_null_connect(const struct stele_bench_null *null,
                                      struct stele_rpc_client **ret, stele_err *err) {
    struct stele_rpc_client_options options = {
        .target = null->target,
        .server_ca_pem = (const char *)null->pem[CA].data,
        .certificate_pem = (const char *)null->pem[CLIENT_PEM].data,
        .private_key_pem = (const char *)null->pem[CLIENT_KEY].data,
        .message_bytes_max = MESSAGE_BYTES_MAX,
        .own_connection = true};
    return stele_rpc_client_open(&options, ret, err);
}
