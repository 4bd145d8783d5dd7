/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_client.h: a blocking gRPC client over C core for the tools. Layer: proto.
 *
 * A client may be used from several threads. One stream may be used by two: one that sends and one
 * that receives. Every unary call has a deadline. Failures fill *err with the server's own message
 * and set ret_result (nullable); UNAVAILABLE and DEADLINE_EXCEEDED give CLOSED, a message over a
 * size limit gives LIMIT, so that BUSY always means "send it again later".
 *
 * No call waits for a server that cannot be reached: it fails with the first attempt to connect,
 * and *err says why and what to check. Between tries, stele_rpc_client_wait.
 */
#ifndef STELE_PROTO_RPC_CLIENT_H
#define STELE_PROTO_RPC_CLIENT_H

#include "proto/rpc_status.h"
#include "storage/bytes.h"

struct stele_rpc_client;
struct stele_rpc_stream;

struct stele_rpc_client_options {
    const char *target;        /* "127.0.0.1:7443" */
    const char *server_ca_pem; /* contents; NULL with insecure */
    const char *certificate_pem;
    const char *private_key_pem;
    const char *server_name; /* expected certificate name; NULL: the target's host */
    bool insecure;
    uint32_t message_bytes_max; /* largest message accepted, e.g. 16 MiB */
    bool own_connection; /* do not share a connection with other clients to the same target */
};

STELE_MUST_USE stele_status stele_rpc_client_open(const struct stele_rpc_client_options *options,
                                                  struct stele_rpc_client **ret, stele_err *err);
void stele_rpc_client_close(struct stele_rpc_client *client);

/*
 * Waits at most max_ms for a connection; true if there is one. For the time between two calls to a
 * server that was away: core makes no progress unless somebody waits, so a caller that only sleeps
 * would never be connected again.
 */
bool stele_rpc_client_wait(struct stele_rpc_client *client, uint32_t max_ms);

struct stele_rpc_result {
    uint32_t code;           /* gRPC code */
    uint32_t retry_after_ms; /* from google.rpc.RetryInfo, 0 if none */
};

/* Appends the reply to `reply`. timeout_ms > 0. Errors: the server's status; CLOSED; LIMIT;
 * INVALID. */
STELE_MUST_USE stele_status stele_rpc_unary(struct stele_rpc_client *client, const char *path,
                                            stele_view request, uint32_t timeout_ms,
                                            stele_buf *reply, struct stele_rpc_result *ret_result,
                                            stele_err *err);

/* Opens a stream; returns when a connection took it. timeout_ms 0: no deadline. */
STELE_MUST_USE stele_status stele_rpc_stream_open(struct stele_rpc_client *client, const char *path,
                                                  uint32_t timeout_ms,
                                                  struct stele_rpc_stream **ret, stele_err *err);
/* Blocks until the transport took the message. Errors: CLOSED (receive then says why). */
STELE_MUST_USE stele_status stele_rpc_stream_send(struct stele_rpc_stream *stream,
                                                  stele_view message, stele_err *err);
STELE_MUST_USE stele_status stele_rpc_stream_half_close(struct stele_rpc_stream *stream,
                                                        stele_err *err);
/* Replaces `message` by the next one. END: the server finished with OK. Any other failure is the
 * server's status. */
STELE_MUST_USE stele_status stele_rpc_stream_receive(struct stele_rpc_stream *stream,
                                                     stele_buf *message,
                                                     struct stele_rpc_result *ret_result,
                                                     stele_err *err);
void stele_rpc_stream_cancel(
    struct stele_rpc_stream *stream); /* any thread, also a signal's helper */
void stele_rpc_stream_close(struct stele_rpc_stream *stream); /* cancels if needed, waits, frees */

#endif
