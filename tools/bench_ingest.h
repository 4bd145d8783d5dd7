/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_ingest.h: ships events as fast as they are acknowledged, and says what that took.
 * Layer: tools.
 */
#ifndef STELE_TOOLS_BENCH_INGEST_H
#define STELE_TOOLS_BENCH_INGEST_H

#include "tools/bench_ceiling.h"
#include "tools/bench_cpu.h"
#include "tools/bench_clock.h"
#include "tools/bench_file.h"
#include "tools/bench_kept.h"
#include "tools/bench_lag.h"
#include "tools/bench_null.h"
#include "tools/bench_server.h"

struct stele_bench_ingest {
    const char *config, *region;
    const struct stele_bench_null *null;     /* not NULL: this server instead */
    uint64_t events, batch, connections;     /* connections: at most STELE_BENCH_CLIENTS_MAX */
    struct stele_bench_clock *clock;         /* of the events; NULL: the real one */
    const struct stele_bench_file *file;     /* the events; NULL: made up meanwhile */
    bool watch_index;                        /* how far it falls behind */
    const struct stele_bench_server *server; /* NULL: not a server of bench's own */
};

struct stele_bench_ingest_figures {
    double seconds, client_cpu_s;
    struct stele_bench_usage server; /* since the shipping began; if there is a server */
    uint64_t stored;
    uint64_t first_ns, last_ns;           /* log times */
    double first_tenth_s, last_tenth_s;   /* events a second */
    double latency_ms[4];                 /* p50, p90, p99, p99.9 */
    struct stele_bench_lag_figures index; /* if it is watched */
    struct stele_bench_kept kept;         /* if there is a server */
    struct stele_bench_cpu threads;       /* of the server, if there is one */
    struct stele_bench_ceiling ceiling;   /* the caller's */
};

/* Errors: those of the calls; INVALID if an event is refused. */
STELE_MUST_USE stele_status stele_bench_ingest_run(const struct stele_bench_ingest *bench,
                                                   struct stele_bench_ingest_figures *ret,
                                                   stele_err *err);
void stele_bench_ingest_print(const struct stele_bench_ingest *bench,
                              const struct stele_bench_ingest_figures *figures, bool json);

#endif
