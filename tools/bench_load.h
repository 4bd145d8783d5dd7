/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_load.h: load whose calls are due at fixed times, whatever the server does. A call's
 * latency counts from when it was due, not from when it could be sent: a server that stops for a
 * second then shows in each call of that second, not in the one that happened to wait. Layer:
 * tools.
 */
#ifndef STELE_TOOLS_BENCH_LOAD_H
#define STELE_TOOLS_BENCH_LOAD_H

#include <stdbool.h>

#include "storage/status.h"
#include "tools/bench_ceiling.h"
#include "tools/bench_lag.h"
#include "tools/bench_null.h"
#include "tools/bench_server.h"
#include "tools/bench_tally.h"

#define STELE_BENCH_CLIENTS_MAX 256u /* streams: a thread and a connection each */

struct stele_bench_load {
    const char *config, *region;
    const struct stele_bench_null *null; /* not NULL: this server instead of the configuration's */
    double events_per_s; /* 0: each client sends when the one before is answered, a closed loop */
    double duration_s;
    uint64_t clients;                /* streams, or single appends under way at a time */
    uint64_t connections;            /* that single appends share; a stream has its own */
    uint64_t batch;                  /* events of one message of a stream; 0: single Append calls */
    double queries_per_s;            /* 0: none */
    struct stele_bench_clock *clock; /* of the events; NULL: the real one */
    bool watch_index;                /* the caller does; it is printed */
};

struct stele_bench_load_figures {
    double seconds, client_cpu_s;
    uint64_t stored, repeated; /* repeated: calls sent again because the server had no room */
    struct stele_bench_histogram append, query;
    uint64_t hits;
    uint64_t n_stalls; /* in the order they began, the first of them kept */
    struct stele_bench_stall stall[STELE_BENCH_STALLS_MAX];
    struct stele_bench_lag_figures index; /* the caller's */
};

/* Errors: those of the calls; INVALID if an event is refused. */
STELE_MUST_USE stele_status stele_bench_load_run(const struct stele_bench_load *load,
                                                 struct stele_bench_load_figures *ret,
                                                 stele_err *err);
/* `server` NULL: not a server of bench's own. */
void stele_bench_load_print(const struct stele_bench_load *load,
                            const struct stele_bench_load_figures *figures,
                            const struct stele_bench_usage *server,
                            const struct stele_bench_ceiling *ceiling, bool json);

#endif
