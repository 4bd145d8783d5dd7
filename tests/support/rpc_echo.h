/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/rpc_echo.h: a server on loopback with a small service that does one thing per
 * method, and clients to it. Tests of proto/ start it with or without TLS.
 *
 *   /test.Echo/Unary    the request comes back          /test.Echo/Thread  the same, by another
 * thread /test.Echo/Who      the caller's names              /test.Echo/Refuse  BUSY, RetryInfo
 * 1,500 ms /test.Echo/Hold     never answered by itself        /test.Echo/Wait    stream, never
 * finished /test.Echo/Count    stream: request = u32 count, u32 size of each message
 *   /test.Echo/Chat     bidi: each message comes back; the next one is asked for when it is sent
 *   /test.Echo/Quiet    answered when the server's thread is about to wait; with one thread only
 *   /test.Echo/Keep     stream; the call is kept, referenced, for the test's own thread
 * (rpc_echo_kept)
 */
#ifndef STELE_TESTS_SUPPORT_RPC_ECHO_H
#define STELE_TESTS_SUPPORT_RPC_ECHO_H

#include "proto/rpc_client.h"
#include "proto/rpc_server.h"

#include <stdatomic.h>
#include <stdbool.h>

#define RPC_ECHO_MESSAGE_BYTES_MAX (64u * 1024)
#define RPC_ECHO_QUIET_MAX 64u

struct rpc_echo_counts {
    atomic_uint messages, half_closes, sent, done, cancelled, kept;
    _Atomic(struct stele_rpc_call *) kept_call;
    atomic_uint quiet_most; /* calls of /Quiet that were answered together */
    struct stele_rpc_call *quiet[RPC_ECHO_QUIET_MAX]; /* not answered yet; the queue's thread's */
    size_t n_quiet;
    atomic_bool hold; /* the queue's thread stays where it is after its last call */
    atomic_uint held;
};

struct rpc_echo {
    struct stele_rpc_server *server;
    struct rpc_echo_counts counts;
    const char *host; /* set before the start; NULL: 127.0.0.1 */
    bool tls;
    char target[64];
    char folder[64]; /* of certificates, with TLS */
};

void rpc_echo_start(struct rpc_echo *echo, bool tls, uint32_t n_threads, uint32_t drain_ms);
void rpc_echo_stop(struct rpc_echo *echo);
/* A connection of its own; with TLS as `who` ("client", "stranger"; NULL: no certificate). */
struct stele_rpc_client *rpc_echo_client(struct rpc_echo *echo, const char *who);
/* Reads a file of the certificate folder; free with stele_free. */
char *rpc_echo_file(const struct rpc_echo *echo, const char *name, const char *suffix);
/* The call of /Keep, once it is there; the caller unrefs it. */
struct stele_rpc_call *rpc_echo_kept(struct rpc_echo *echo);
/* Waits until *count >= n, at most ten seconds; fails the test otherwise. */
void rpc_echo_wait(atomic_uint *count, unsigned n);

#endif
