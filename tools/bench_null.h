/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_null.h: a server that only acknowledges: our own transport over mutual TLS, and
 * nothing behind it. What a client gets from it is the most that any server behind this transport
 * could give it. Layer: tools.
 *
 * A child process, as the server that is measured is one. It must be forked before this process
 * uses gRPC, and then waits. One of a process.
 */
#ifndef STELE_TOOLS_BENCH_NULL_H
#define STELE_TOOLS_BENCH_NULL_H

#include "proto/rpc_client.h"

struct stele_bench_null;

/* Errors: IO (no process, no certificates), those of stele_rpc_server_start. */
STELE_MUST_USE stele_status stele_bench_null_start(struct stele_bench_null **ret, stele_err *err);
void stele_bench_null_stop(struct stele_bench_null *null); /* NULL is fine */
/* A connection of its own. Errors: those of stele_rpc_client_open. */
STELE_MUST_USE stele_status stele_bench_null_connect(const struct stele_bench_null *null,
                                                     struct stele_rpc_client **ret, stele_err *err);

#endif
