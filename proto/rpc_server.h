/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_server.h: the gRPC C-core server loop. Layer: proto. Services see calls, bytes and
 * statuses, never a grpc_* type.
 *
 * A service gives a table of methods. All on_* callbacks of one call run on one completion-queue
 * thread, one after the other, and must not block: long work goes to the service's own threads,
 * which answer through stele_rpc_send and stele_rpc_finish (callable from any thread).
 *
 * Life of a call: on_message once (UNARY, SERVER_STREAM) or once a message (BIDI); on_half_close
 * (BIDI); on_sent after each message that stele_rpc_send took has been handed to the transport,
 * which is how a slow reader slows only itself; on_done exactly once and last, finished or
 * cancelled. A call that ends before its first message never reaches the service, and so has no
 * on_done either. A service that keeps the call for another thread holds a reference, and gives it
 * back before stele_rpc_server_free; sending on a call that is over returns CLOSED.
 */
#ifndef STELE_PROTO_RPC_SERVER_H
#define STELE_PROTO_RPC_SERVER_H

#include "proto/rpc_status.h"
#include "storage/bytes.h"

struct stele_rpc_server;
struct stele_rpc_call;
struct stele_rpc_message; /* one received message, owned by whoever holds it */

typedef enum stele_rpc_kind {
    STELE_RPC_UNARY,
    STELE_RPC_SERVER_STREAM,
    STELE_RPC_BIDI,
} stele_rpc_kind;

struct stele_rpc_method {
    const char *path; /* "/stele.v1.Ingest/Append"; static */
    stele_rpc_kind kind;
    void *service;
    /* Takes ownership of `message`: release it when its bytes are no longer needed. */
    void (*on_message)(void *service, struct stele_rpc_call *call,
                       struct stele_rpc_message *message);
    void (*on_half_close)(void *service, struct stele_rpc_call *call); /* BIDI only */
    void (*on_sent)(void *service, struct stele_rpc_call *call);       /* may be NULL */
    void (*on_done)(void *service, struct stele_rpc_call *call);       /* may be NULL */
    /* Of no call: the thread has handed out all that was there and is about to wait. What a service
     * would do for many calls at once it does here at the latest. May be NULL. */
    void (*on_quiet)(void *service);
};

/* Who called, from the client certificate. Strings live as long as the call. */
#define STELE_RPC_SANS_MAX 16
struct stele_rpc_peer {
    bool authenticated;
    const char *common_name; /* "" if none */
    size_t n_sans;
    const char *san[STELE_RPC_SANS_MAX]; /* URI and DNS names */
    const char *address;                 /* for logs */
};

/* What the transport cannot tell a client, for the operator's log; from any thread, must not block.
 */
typedef void (*stele_rpc_report_fn)(void *ctx, const char *what, const stele_err *err);

struct stele_rpc_server_options {
    const char *listen;          /* "127.0.0.1:7443"; port 0 picks one */
    const char *certificate_pem; /* contents; NULL with insecure */
    const char *private_key_pem; /* wiped by the caller after start */
    const char *client_ca_pem;   /* client certificates are required and checked against it */
    bool insecure;               /* plaintext, for tests on loopback only */
    uint32_t n_threads;          /* completion queues; 1 measured best on 2 cores */
    uint32_t message_bytes_max;  /* 4 MiB and a little: a full batch */
    uint32_t streams_per_connection_max;
    uint32_t connections_max;      /* of the process; 0: as many as there are files for */
    uint32_t calls_per_client_max; /* of one certificate's names; 0: as many as the server takes */
    uint32_t drain_ms;             /* how long running calls may finish after shutdown began */
    const struct stele_rpc_method *methods;
    size_t n_methods;
    stele_rpc_report_fn report; /* refused handshakes; may be NULL; one server of a process */
    void *report_ctx;
    /* Health and reflection (of proto/descriptors.h) are always served beside `methods`. Everything
     * in here is copied or only read until start returns, except what `methods` points to. */
};

STELE_MUST_USE stele_status stele_rpc_server_start(const struct stele_rpc_server_options *options,
                                                   struct stele_rpc_server **ret, stele_err *err);
uint16_t stele_rpc_server_port(const struct stele_rpc_server *server);
/* What grpc.health.v1 answers; starts as not serving. */
void stele_rpc_server_set_serving(struct stele_rpc_server *server, bool serving);
/* Health says not serving, new calls and those whose first message has not come get UNAVAILABLE,
 * running ones finish or are cancelled after drain_ms; then the connections are closed. Returns
 * when every on_done has run, at the latest some two seconds after drain_ms. Streams that clients
 * keep open for ever are the service's to finish: begin with that, then drain. Not from a callback.
 */
void stele_rpc_server_drain(struct stele_rpc_server *server);
void stele_rpc_server_free(struct stele_rpc_server *server); /* drains first if that was not done */

stele_view stele_rpc_message_view(const struct stele_rpc_message *message); /* contiguous */
void stele_rpc_message_release(struct stele_rpc_message *message);

const struct stele_rpc_peer *stele_rpc_call_peer(struct stele_rpc_call *call);
/* One pointer of the service's own per call. */
void stele_rpc_call_set_state(struct stele_rpc_call *call, void *state);
void *stele_rpc_call_state(struct stele_rpc_call *call);
void stele_rpc_call_ref(struct stele_rpc_call *call);
void stele_rpc_call_unref(struct stele_rpc_call *call);
bool stele_rpc_call_cancelled(struct stele_rpc_call *call);
/* Microseconds until the client's deadline; UINT64_MAX if it set none. */
uint64_t stele_rpc_call_time_left_us(struct stele_rpc_call *call);

/* BIDI: asks for the next message. The first is asked for by the loop; afterwards the service
 * decides, which bounds what one stream can have in flight. Any thread; asking twice is asking
 * once. */
void stele_rpc_receive_next(struct stele_rpc_call *call);
/* Sends one message; at most one may be under way (BUSY otherwise, nothing sent). Copies `message`.
 * Errors: BUSY, CLOSED, NO_MEMORY. */
STELE_MUST_USE stele_status stele_rpc_send(struct stele_rpc_call *call, stele_view message,
                                           stele_err *err);
/* Ends the call with OK. UNARY: with its one reply (copied); streams give an empty view. If a send
 * is under way it goes first. The first finish counts, later ones and those on a call that is over
 * do nothing. */
void stele_rpc_finish_ok(struct stele_rpc_call *call, stele_view reply);
/* Ends the call with an error: code and text of rpc_status.h, RetryInfo if retry_after_ms > 0. */
void stele_rpc_finish_error(struct stele_rpc_call *call, const stele_err *err,
                            uint32_t retry_after_ms);

#endif
