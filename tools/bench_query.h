/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_query.h: what single actors did, asked for and timed. Layer: tools. */
#ifndef STELE_TOOLS_BENCH_QUERY_H
#define STELE_TOOLS_BENCH_QUERY_H

#include "proto/query_client.h"
#include "tools/bench_server.h"
#include "tools/cli.h"

#define STELE_BENCH_ACTORS 10000u

struct stele_bench_asked {
    uint64_t events, rows_examined;
    double first_ms, all_ms;
    char log[64]; /* of the first event; "" without one */
};
/* One search, whose events are counted and thrown away. */
STELE_MUST_USE stele_status stele_bench_search(struct stele_cli *cli,
                                               const struct stele_search_request *request,
                                               struct stele_bench_asked *ret, stele_err *err);
/* One search for one actor's events, all of them, or the newest `limit`. */
STELE_MUST_USE stele_status stele_bench_ask(struct stele_cli *cli, const char *region,
                                            const char *actor, uint64_t limit,
                                            struct stele_bench_asked *ret, stele_err *err);

struct stele_bench_query {
    const char *config, *region;
    uint64_t events; /* that were shipped, all of them */
    uint64_t times, cold_times;
    struct stele_bench_server *server; /* NULL: not one of bench's own, nothing is asked cold */
};
/*
 * Asks for what an actor of about 10,000 events did, for one of about ten, for one that is not
 * there, and for one actor, resource and type together: `times` times one after another, and
 * `cold_times` times of a server that was started a moment ago, from files that are not in the page
 * cache; with what the server says it reads for it. Prints a line for each.
 */
STELE_MUST_USE stele_status stele_bench_queries(const struct stele_bench_query *query, bool json,
                                                stele_err *err);

#endif
