/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_unary.h: single appends as load, without a thread for each client: one thread takes
 * the answers and, in a closed loop, sends the next call; in an open loop a second one sends each
 * call when it is due, because gRPC core's own timers are a millisecond late. Layer: tools.
 */
#ifndef STELE_TOOLS_BENCH_UNARY_H
#define STELE_TOOLS_BENCH_UNARY_H

#include <stdatomic.h>

#include "proto/rpc_client.h"
#include "tools/bench_events.h"
#include "tools/bench_tally.h"

struct stele_bench_unary {
    struct stele_rpc_client *const *clients; /* a connection each */
    size_t n_clients;
    uint32_t n_calls_max; /* under way at a time, spread over the connections */
    double calls_per_s;   /* 0: a closed loop */
    uint64_t n_calls;     /* due in all */
    uint64_t end_us;      /* of a closed loop */
    struct stele_bench_events *events;
    struct stele_bench_tally *tally; /* its start is the start of the run */
    atomic_bool *stop;               /* somebody failed: set here, too */
};

/* Until all calls are answered, in the caller's thread. An event is sent until it is stored, and
 * its latency ends there. Errors: those of the calls; INVALID if an event is refused. */
STELE_MUST_USE stele_status stele_bench_unary_run(const struct stele_bench_unary *unary,
                                                  stele_err *err);

#endif
